"""A command's session with an engine: what is done there, shown meanwhile, and told at the end."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

import click

from knhk.cli import exits
from knhk.cli.store import quoted

if TYPE_CHECKING:
    from knhk.cli.following import Relay
    from knhk.engine import CaseHandle, Engine


class Told:
    """What is told once the progress is off the terminal: ``answers`` go to stdout."""

    def __init__(self) -> None:
        self.answers: list[str] = []
        self.notes: list[str] = []


def with_engine(work: Callable[[Engine, Relay, Told], Awaitable[int]], store: str) -> int:
    """Run ``work`` with an engine that shows its progress, then tell what there is to tell."""
    from knhk.cli.following import Relay
    from knhk.cli.progress import progress
    from knhk.cli.supervision import supervise
    from knhk.engine import Engine

    told = Told()

    async def run() -> int:
        relay = Relay(observer)
        async with Engine.open(store, resume=False, observer=relay) as engine:
            return await work(engine, relay, told)

    try:
        with progress() as observer:
            code = supervise(run)
    finally:  # what some cases came to is told even if the store then failed
        for answer in told.answers:
            click.echo(answer)
        for note in told.notes:
            click.echo(note, err=True)
    if code == exits.STOPPED:
        click.echo(f"knhk: stopped; go on with: knhk resume{quoted(store)}", err=True)
    return code


def follow_one(act: Callable[[Engine], Awaitable[CaseHandle]], store: str) -> int:
    """Do something to a case, follow it, and print its result."""
    from knhk.cli.following import account, follow

    async def work(engine: Engine, relay: Relay, told: Told) -> int:
        case = await act(engine)
        code, notes = account(await follow(engine, case, relay), store)
        told.notes.extend(notes)
        if code == exits.DONE:
            outcome = (await engine.show(case.id)).outcome
            assert isinstance(outcome, dict)
            told.answers.append(json.dumps(outcome["result"], ensure_ascii=False, indent=2))
        return code

    return with_engine(work, store)


async def follow_all(
    engine: Engine,
    cases: Sequence[CaseHandle],
    relay: Relay,
    told: Told,
    store: str,
    *,
    cancels: bool = False,
) -> int:
    """Follow cases until each rests, and answer with a line of JSON for each; an exit code.

    With ``cancels`` a case that ends as cancelled is as it should be.
    """
    from knhk.cli.following import account, follow
    from knhk.errors import CaseCancelled

    codes = {exits.DONE}
    for case in cases:
        standing = await follow(engine, case, relay)
        code, notes = account(standing, store)
        is_meant = cancels and isinstance(standing.error, CaseCancelled)
        codes.add(exits.DONE if is_meant else code)
        told.notes.extend(notes)
        report = await engine.show(case.id)
        answer: dict[str, object] = {"case": case.id, "status": report.status}
        if isinstance(report.outcome, dict):
            answer |= report.outcome
        told.answers.append(json.dumps(answer, ensure_ascii=False))
    return worst(codes)


def worst(codes: set[int]) -> int:
    """The exit code for several cases that came to these."""
    return next(code for code in (exits.FAILED, exits.WAITING, exits.DONE) if code in codes)
