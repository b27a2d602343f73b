"""`knhk work`, `claim`, `heartbeat`, `complete`, `fail`, `release`: what is done outside."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeVar

import click

from knhk.cli import exits
from knhk.cli.looking import look, moment, one_line, show_table, table_of
from knhk.cli.session import Told, follow_one, with_engine
from knhk.cli.store import require, store_option

if TYPE_CHECKING:
    from knhk.cli.following import Relay
    from knhk.engine import CaseHandle, Claim, Engine, WorkOffer

F = TypeVar("F", bound=Callable[..., object])

#: How long a claim lasts if nothing else is said: somebody at a terminal needs more than a program.
LEASE_S: Final = 3_600.0

case_argument = click.argument("case_id", metavar="CASE")
task_argument = click.argument("task")
attempt_option = click.option(
    "--attempt", type=int, metavar="N", help="Only if this attempt is under way, as `claim` told."
)


class Lease(click.ParamType[float | None]):
    """How long a claim lasts: a number of seconds, or ``none``."""

    name = "seconds"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | None:
        """Read what was given."""
        if value == "none":
            return None
        try:
            return float(str(value))
        except ValueError:
            self.fail(f"{value!r} is neither a number of seconds nor `none`", param, ctx)


lease_option = click.option(
    "--lease",
    "lease_s",
    type=Lease(),
    default=LEASE_S,
    show_default=True,
    metavar="SECONDS|none",
    help="How long the claim lasts; when it is over the work is offered anew.",
)


def kind_options(command: F) -> F:
    """Decorate a command with the options that say which work is meant."""
    kinds = (
        ("--task", "Only work of tasks of this name."),
        ("--workflow", "Only of cases of this workflow."),
        ("--tenant", "Only of cases of this tenant."),
        ("--role", "Only what is for this role."),
    )
    for name, text in reversed(kinds):
        command = click.option(name, default="", metavar="NAME", help=text)(command)
    return command


@click.command()
@click.argument("case_id", metavar="[CASE]", default="")
@kind_options
@click.option("--worker", default="", metavar="NAME", help="Only what this worker holds.")
@click.option("--open", "is_open", is_flag=True, help="Only what nobody holds.")
@click.option("--limit", type=int, default=100, show_default=True, help="At most so much.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON list.")
@store_option
def work(
    case_id: str,
    task: str,
    workflow: str,
    tenant: str,
    role: str,
    worker: str,
    is_open: bool,
    limit: int,
    as_json: bool,
    store: str,
) -> None:
    """List the work that waits for somebody outside, or is held there: the most urgent first.

    It reads, also while cases run.
    """

    async def read(engine: Engine) -> tuple[WorkOffer, ...]:
        found: list[WorkOffer] = []
        while len(found) < limit:
            page = await engine.work(
                case_id,
                task=task,
                workflow=workflow,
                tenant=tenant,
                role=role,
                worker=worker,
                held=False if is_open else None,
                after=found[-1] if found else None,
                limit=limit - len(found),
            )
            if not page:
                break
            found.extend(page)
        return tuple(found)

    offers = look(read, store)
    if as_json:
        click.echo(json.dumps([_listed(offer) for offer in offers], ensure_ascii=False, indent=2))
        return
    table = table_of("case", "task", "item", "attempt", "since", "role", "held by", "until", "with")
    for offer in offers:
        holder = (offer.worker or "somebody") if offer.is_held else ""
        table.add_row(
            offer.case,
            offer.task,
            str(offer.item),
            str(offer.attempt),
            moment(offer.since_us),
            offer.role,
            holder,
            moment(offer.until_us),
            _given(offer),
        )
    show_table(table)


@click.command()
@click.argument("case_id", metavar="[CASE]", default="")
@click.argument("which", metavar="[TASK]", default="")
@kind_options
@click.option("--worker", default="", metavar="NAME", help="Who is to hold it.")
@lease_option
@store_option
def claim(
    case_id: str,
    which: str,
    task: str,
    workflow: str,
    tenant: str,
    role: str,
    worker: str,
    lease_s: float | None,
    store: str,
) -> int:
    """Take work that is done outside: nobody else can complete it while the claim lasts.

    TASK is a task's name, for the oldest work item of it that nobody holds, or the number of a work
    item. Without CASE it is the most urgent work there is, of those that --task, --workflow,
    --tenant and --role name. The claim is printed as JSON. Exits with 1 when there is none.
    """
    require(store)
    if case_id and not which:
        raise click.UsageError("name the task too, or no case for the most urgent work of all")
    if case_id and (task or workflow or tenant or role):
        raise click.UsageError("either name CASE and TASK, or say which work with options")

    async def act(engine: Engine, _relay: Relay, told: Told) -> int:
        if case_id:
            found = await engine.claim(case_id, _which(which), worker=worker, lease_s=lease_s)
        else:
            next_one = await engine.claim_next(
                task=task,
                workflow=workflow,
                tenant=tenant,
                role=role,
                worker=worker,
                lease_s=lease_s,
            )
            if next_one is None:
                told.notes.append("knhk: there is no such work that nobody holds")
                return exits.FAILED
            found = next_one
        told.answers.append(_claimed(found))
        return exits.DONE

    return with_engine(act, store)


@click.command()
@case_argument
@task_argument
@click.option("--attempt", type=int, required=True, metavar="N", help="As `claim` has told it.")
@lease_option
@store_option
def heartbeat(case_id: str, task: str, attempt: int, lease_s: float | None, store: str) -> int:
    """Have a claim last longer: from now on for as long as --lease says.

    The claim is printed as JSON. Exits with 2 when it has been lost.
    """
    require(store)

    async def act(engine: Engine, _relay: Relay, told: Told) -> int:
        found = await engine.heartbeat(case_id, _which(task), attempt=attempt, lease_s=lease_s)
        told.answers.append(_claimed(found))
        return exits.DONE

    return with_engine(act, store)


@click.command()
@case_argument
@task_argument
@click.option(
    "--result", "text", default="null", metavar="JSON|@FILE", help="What the task results in."
)
@attempt_option
@store_option
def complete(case_id: str, task: str, text: str, attempt: int | None, store: str) -> int:
    """Complete a task that is done outside, and have its case go on.

    TASK is a task's name, for the oldest work item of it, or the number of a work item. Work that
    somebody holds needs --attempt. Then all is as with `knhk run`.
    """
    from knhk.cli.parameters import result

    value = result(text, "--result")

    async def act(engine: Engine) -> None:
        await engine.complete(case_id, _which(task), value, attempt=attempt)

    return _go_on(case_id, act, store)


@click.command()
@case_argument
@task_argument
@click.argument("error")
@click.option("--message", default="", metavar="TEXT", help="What has gone wrong.")
@attempt_option
@store_option
def fail(case_id: str, task: str, error: str, message: str, attempt: int | None, store: str) -> int:
    """Fail an attempt at a task that is done outside, and have its case go on.

    ERROR is the name of an error, as `on error` has it. TASK, --attempt and all else are as with
    `knhk complete`.
    """

    async def act(engine: Engine) -> None:
        await engine.fail(case_id, _which(task), error, message, attempt=attempt)

    return _go_on(case_id, act, store)


@click.command()
@case_argument
@task_argument
@attempt_option
@store_option
def release(case_id: str, task: str, attempt: int | None, store: str) -> int:
    """Give started work back: it is offered anew, and no retry is used up.

    TASK is a task's name, for the oldest work item of it that is started, or the number of a work
    item. Whoever holds it has lost it then. Work that is done outside and is given back is told by
    `knhk work`; what the engine does itself goes on with `knhk resume`.
    """
    require(store)

    async def act(engine: Engine, _relay: Relay, told: Told) -> int:
        await engine.release(case_id, _which(task), attempt=attempt)
        told.notes.append(f"knhk: {task} of case {case_id} was given back")
        return exits.DONE

    return with_engine(act, store)


def _go_on(case_id: str, act: Callable[[Engine], Awaitable[None]], store: str) -> int:
    """Do something to the work of a case, and follow it."""
    require(store)

    async def begin(engine: Engine) -> CaseHandle:
        await act(engine)
        return await engine.case(case_id)

    return follow_one(begin, store)


def _which(task: str) -> str | int:
    return int(task) if task.isdecimal() else task


def _claimed(claim: Claim) -> str:
    from dataclasses import asdict

    told = {**asdict(claim), "kwargs": dict(claim.kwargs), "key": claim.idempotency_key}
    told["until_us"] = claim.until_us if claim.until_us >= 0 else None
    return json.dumps(told, ensure_ascii=False, indent=2)


def _listed(offer: WorkOffer) -> dict[str, object]:
    from dataclasses import asdict

    told = {**asdict(offer), "kwargs": dict(offer.kwargs)}
    for name in ("due_us", "until_us"):
        told[name] = told[name] if told[name] >= 0 else None
    return told


def _given(offer: WorkOffer) -> str:
    """What the workflow gives along, in a few words."""
    parts = [] if offer.instance is None else [f"[{offer.instance}] {one_line(offer.value)}"]
    parts += [one_line(value) for value in offer.args]
    parts += [f"{name}: {one_line(value)}" for name, value in offer.kwargs if name != "role"]
    return ", ".join(parts)
