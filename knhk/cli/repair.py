"""`knhk retry`, `skip`, `suspend`, `resume`, `cancel` and `fork`: steering cases from outside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import click

from knhk.cli import exits
from knhk.cli.selecting import Selection, selection_options
from knhk.cli.session import Told, follow_all, with_engine, worst
from knhk.cli.store import require, store_option

if TYPE_CHECKING:
    from knhk.cli.following import Relay
    from knhk.engine import Engine

UNFINISHED: Final = ("running", "suspended")
#: Something that is done to one case of an engine.
Act = Callable[["Engine", str], Awaitable[None]]


@click.command()
@click.argument("case_ids", nargs=-1, metavar="[CASE]...")
@click.option("--task", metavar="TASK", help="Only what has failed of this task.")
@selection_options
@store_option
def retry(
    case_ids: tuple[str, ...],
    task: str | None,
    status: str | None,
    workflow: str | None,
    tenant: str | None,
    store: str,
) -> int:
    """Try again what has failed, with fresh attempts, and have the cases go on.

    Name the cases, or give --status, --workflow or --tenant for all such failed ones. For each
    a line of JSON tells how it then stands. Exits with 1 when one could not be retried or has
    failed again, with 3 when one waits for outside work.
    """
    selection = Selection(case_ids, status, workflow, tenant)

    async def act(engine: Engine, case_id: str) -> None:
        await engine.retry(case_id, task)

    return _steer(selection, ("failed",), "retried", act, store, follows=True)


@click.command()
@click.argument("case_ids", nargs=-1, metavar="[CASE]...")
@click.argument("task")
@click.option(
    "--value", "text", default="null", metavar="JSON|@FILE", help="What the task results in."
)
@selection_options
@store_option
def skip(
    case_ids: tuple[str, ...],
    task: str,
    text: str,
    status: str | None,
    workflow: str | None,
    tenant: str | None,
    store: str,
) -> int:
    """Take a task for done, and have the cases go on.

    TASK is a task's name, for the work item of it that has failed, or else the oldest one; or
    the number of a work item. Without CASE it is done in all failed cases that
    --status, --workflow or --tenant select. Then all is as with `knhk retry`.
    """
    from knhk.cli.parameters import result

    selection = Selection(case_ids, status, workflow, tenant)
    value = result(text, "--value")

    async def act(engine: Engine, case_id: str) -> None:
        await engine.skip(case_id, int(task) if task.isdecimal() else task, value)

    return _steer(selection, ("failed",), f"told to skip {task}", act, store, follows=True)


@click.command()
@click.argument("case_ids", nargs=-1, metavar="[CASE]...")
@selection_options
@store_option
def suspend(
    case_ids: tuple[str, ...],
    status: str | None,
    workflow: str | None,
    tenant: str | None,
    store: str,
) -> int:
    """Let cases stand still until they are resumed.

    Name the cases, or give --status, --workflow or --tenant. Exits with 1 when one could not
    be suspended.
    """
    selection = Selection(case_ids, status, workflow, tenant)

    async def act(engine: Engine, case_id: str) -> None:
        await engine.suspend(case_id)

    return _steer(selection, ("running",), "suspended", act, store)


@click.command()
@click.argument("case_ids", nargs=-1, metavar="[CASE]...")
@selection_options
@store_option
def resume(
    case_ids: tuple[str, ...],
    status: str | None,
    workflow: str | None,
    tenant: str | None,
    store: str,
) -> int:
    """Have every unfinished case of a store go on, or resume the suspended cases that are named.

    Suspended cases are named, or selected by --status, --workflow or --tenant. For each
    case a line of JSON tells how it then stands. Exits with 0 when all completed, 1 when one
    failed or could not be resumed, 3 when one waits for outside work.
    """
    selection = Selection(case_ids, status, workflow, tenant)
    if selection.is_empty:
        return _resume_all(store)

    async def act(engine: Engine, case_id: str) -> None:
        await engine.resume_case(case_id)

    return _steer(selection, ("suspended",), "resumed", act, store, follows=True)


@click.command()
@click.argument("case_ids", nargs=-1, metavar="[CASE]...")
@click.option("--compensate", is_flag=True, help="Undo what has completed, the last first.")
@selection_options
@store_option
def cancel(
    case_ids: tuple[str, ...],
    compensate: bool,
    status: str | None,
    workflow: str | None,
    tenant: str | None,
    store: str,
) -> int:
    """Withdraw all work of cases; they then have no result.

    Name the cases, or give --status, --workflow or --tenant. Exits with 1 when one could not
    be cancelled, or undoing it has failed, with 3 when undoing it waits for outside work.
    """
    selection = Selection(case_ids, status, workflow, tenant)

    async def act(engine: Engine, case_id: str) -> None:
        await engine.cancel(case_id, compensate=compensate)
        await _cancel_parts(engine, case_id)

    states = (*UNFINISHED, "failed", "stuck")
    done = "being undone" if compensate else "cancelled"
    return _steer(selection, states, done, act, store, follows=compensate, cancels=True)


@click.command()
@click.argument("case_id", metavar="CASE")
@click.option("--at", type=int, required=True, metavar="SEQ", help="The last input of the copy.")
@click.option("--case", "new_id", metavar="ID", help="A name for the case; else one is made up.")
@store_option
def fork(case_id: str, at: int, new_id: str | None, store: str) -> int:
    """Begin a new case with a copy of another's history, and have it go on from there.

    SEQ is the number of an input, as `knhk show` tells it. What was started then is done again.
    Then all is as with `knhk resume`.
    """
    require(store)

    async def work(engine: Engine, relay: Relay, told: Told) -> int:
        case = await engine.fork(case_id, at=at, new_id=new_id)
        return await follow_all(engine, [case], relay, told, store)

    return with_engine(work, store)


async def _cancel_parts(engine: Engine, case_id: str) -> None:
    """Cancel the sub-cases that the case has left; the engine would when it next meets them."""
    from knhk.errors import CaseEnded

    for row in await engine.cases(parent=case_id, status=UNFINISHED):
        with suppress(CaseEnded):  # the engine was quicker
            await engine.cancel(row.id)
        await _cancel_parts(engine, row.id)


def _steer(
    selection: Selection,
    states: Sequence[str],
    done: str,
    act: Act,
    store: str,
    *,
    follows: bool = False,
    cancels: bool = False,
) -> int:
    """Do something to each case that is selected, and follow those it could be done to."""
    from knhk.errors import UsageError

    selection.check()
    require(store)

    async def work(engine: Engine, relay: Relay, told: Told) -> int:
        acted: list[str] = []
        refused = 0
        for case_id in await selection.cases(engine, states):
            try:
                await act(engine, case_id)
                acted.append(case_id)
            except UsageError as error:
                told.notes.append(f"knhk: {error}")
                refused += 1
        noun = "case" if len(acted) == 1 else "cases"
        told.notes.append(
            f"knhk: {len(acted)} {noun} {done}" + (f", {refused} could not be" if refused else "")
        )
        code = exits.FAILED if refused else exits.DONE
        if not follows:
            return code
        cases = [await engine.case(case_id) for case_id in acted]
        rested = await follow_all(engine, cases, relay, told, store, cancels=cancels)
        return worst({code, rested})

    return with_engine(work, store)


def _resume_all(store: str) -> int:
    """Have all unfinished cases of a store go on."""
    from knhk.journal.passwords import without_password

    require(store)

    async def work(engine: Engine, relay: Relay, told: Told) -> int:
        resumed = await engine.resume()
        ids = {case.id for case in resumed}
        cases = [case for case in resumed if case.parent not in ids]
        for case_id, problem in engine.stranded.items():
            told.notes.append(f"knhk: case {case_id} cannot go on: {problem}")
        if not cases and not engine.stranded:
            told.notes.append(f"knhk: {without_password(store)} has no unfinished case")
        code = exits.FAILED if engine.stranded else exits.DONE
        return worst({code, await follow_all(engine, cases, relay, told, store)})

    return with_engine(work, store)
