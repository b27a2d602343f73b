"""`knhk publish`, `send`, `signal`, `broadcast`, `messages`: what comes to cases from outside."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

import click

from knhk.cli import exits
from knhk.cli.looking import look, moment, one_line, show_table, table_of
from knhk.cli.session import Told, follow_all, with_engine
from knhk.cli.store import require, store_option

if TYPE_CHECKING:
    from knhk.cli.following import Relay
    from knhk.engine import CaseHandle, Engine, KeptMessage

F = TypeVar("F", bound=Callable[..., object])

payload_option = click.option(
    "--payload", "text", default="null", metavar="JSON|@FILE", help="What comes with it."
)


def key_options(command: F) -> F:
    """Decorate a command with the two ways to give a key."""
    text = click.option("--key", metavar="TEXT", help="Its key, if that is a text.")
    other = click.option("--key-json", metavar="JSON", help="Its key, if that is something else.")
    return text(other(command))


@click.command()
@click.argument("name")
@payload_option
@key_options
@click.option("--id", "message_id", metavar="ID", help="Its id: one with the same id is the same.")
@click.option("--ttl", "ttl_s", type=float, metavar="SECONDS", help="How long it is kept; a week.")
@store_option
def publish(
    name: str,
    text: str,
    key: str | None,
    key_json: str | None,
    message_id: str | None,
    ttl_s: float | None,
    store: str,
) -> int:
    """Publish a message to whichever case waits for it, and have that go on.

    A line of JSON tells the message's id and the case that took it; the case is `null` where none
    waits: then the message is kept until one does. A second line tells how the case then stands.
    """
    from time import time_ns

    from knhk.cli.parameters import result
    from knhk.engine.naming import fresh_message_id
    from knhk.engine.post import TTL_S

    require(store)
    payload, its_key = result(text, "--payload"), _key(key, key_json)
    chosen = message_id or fresh_message_id(time_ns() // 1_000)
    kept_s = TTL_S if ttl_s is None else ttl_s

    async def act(engine: Engine, told: Told) -> Iterable[str]:
        case = await engine.publish(name, payload, key=its_key, id=chosen, ttl_s=kept_s)
        told.answers.append(one_line({"message": chosen, "case": case}))
        return () if case is None else (case,)

    return _act(act, store)


@click.command()
@click.argument("case_id", metavar="CASE")
@click.argument("name", metavar="MESSAGE")
@payload_option
@key_options
@store_option
def send(
    case_id: str, name: str, text: str, key: str | None, key_json: str | None, store: str
) -> int:
    """Send a message to a case, and have it go on.

    A line of JSON tells how the case then stands. What it does not wait for yet it keeps.
    """
    from knhk.cli.parameters import result

    require(store)
    payload, its_key = result(text, "--payload"), _key(key, key_json)

    async def act(engine: Engine, told: Told) -> Iterable[str]:
        if not await engine.send(case_id, name, payload, its_key):
            told.notes.append(f"knhk: case {case_id} does not wait for the message {name} now")
        return (case_id,)

    return _act(act, store)


@click.command()
@click.argument("case_id", metavar="CASE")
@click.argument("name", metavar="SIGNAL")
@payload_option
@store_option
def signal(case_id: str, name: str, text: str, store: str) -> int:
    """Send a signal to a case, and have it go on.

    A line of JSON tells how the case then stands. A signal that it does not wait for is lost.
    """
    from knhk.cli.parameters import result

    require(store)
    payload = result(text, "--payload")

    async def act(engine: Engine, told: Told) -> Iterable[str]:
        if not await engine.signal(case_id, name, payload):
            told.notes.append(f"knhk: case {case_id} does not wait for the signal {name} now")
        return (case_id,)

    return _act(act, store)


@click.command()
@click.argument("name", metavar="SIGNAL")
@payload_option
@click.option("--workflow", metavar="NAME", default="", help="Only to cases of that workflow.")
@click.option("--tenant", metavar="NAME", default="", help="Only to cases of that tenant.")
@store_option
def broadcast(name: str, text: str, workflow: str, tenant: str, store: str) -> int:
    """Send a signal to all cases that wait for it now, and have them go on.

    A line of JSON tells how many work items it started or interrupted; then follows one for each
    case that took it.
    """
    from knhk.cli.parameters import result

    require(store)
    payload = result(text, "--payload")

    async def act(engine: Engine, relay: Relay, told: Told) -> int:
        taken = await engine.broadcast(name, payload, workflow=workflow, tenant=tenant)
        told.answers.append(one_line({"signal": name, "taken": taken}))
        cases = await _outermost(engine, relay.signalled)
        return await follow_all(engine, cases, relay, told, store)

    return with_engine(act, store)


@click.command()
@click.option("--name", metavar="NAME", default="", help="Only the messages of that name.")
@click.option("--drop", "dropped", multiple=True, metavar="ID", help="Throw that message away.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON list.")
@store_option
def messages(name: str, dropped: tuple[str, ...], as_json: bool, store: str) -> int:
    """List the published messages that are kept, since no case has taken them yet.

    With --drop some are thrown away instead. Ends with code 1 if one of these was not there.
    """
    if dropped:
        return _drop(dropped, store)

    async def question(engine: Engine) -> list[KeptMessage]:
        found: list[KeptMessage] = []
        while page := await engine.messages(name, after=found[-1] if found else None):
            found.extend(page)
        return found

    found = look(question, store)
    if as_json:
        from dataclasses import asdict

        rows = [asdict(message) for message in found]
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
    else:
        _print(found)
    return exits.DONE


def _drop(dropped: tuple[str, ...], store: str) -> int:
    import anyio

    from knhk.engine import Engine

    require(store)

    async def drop() -> int:
        async with Engine.open(store, resume=False) as engine:
            return await engine.drop_messages(*dropped)

    count = anyio.run(drop)
    noun = "message was" if count == 1 else "messages were"
    click.echo(f"{count} {noun} dropped", err=True)
    return exits.DONE if count == len(set(dropped)) else exits.FAILED


def _print(found: list[KeptMessage]) -> None:
    table = table_of("id", "name", "key", "payload", "sent", "kept until")
    for message in found:
        values = one_line(message.key), one_line(message.payload)
        times = moment(message.sent_us), moment(message.expires_us)
        table.add_row(message.id, message.name, *values, *times)
    show_table(table)


def _key(text: str | None, of_json: str | None) -> object:
    """Give the key that was given in one of two ways, if in any."""
    from knhk.cli.parameters import result

    if text is not None and of_json is not None:
        raise click.UsageError("give either --key or --key-json")
    return text if of_json is None else result(of_json, "--key-json")


def _act(act: Callable[[Engine, Told], Awaitable[Iterable[str]]], store: str) -> int:
    """Do something that moves cases, and follow those until they rest."""

    async def work(engine: Engine, relay: Relay, told: Told) -> int:
        cases = await _outermost(engine, await act(engine, told))
        return await follow_all(engine, cases, relay, told, store)

    return with_engine(work, store)


async def _outermost(engine: Engine, names: Iterable[str]) -> list[CaseHandle]:
    """Find the cases that these are parts of: what follows is done there."""
    found: dict[str, CaseHandle] = {}
    for name in names:
        case = await engine.case(name)
        while case.parent:
            case = await engine.case(case.parent)
        found[case.id] = case
    return list(found.values())
