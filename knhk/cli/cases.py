"""`knhk list`, `show`, `verify`, `versions`, `stalled`: what a store remembers.

They read, also while cases run.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeVar

import click

from knhk.cli import exits
from knhk.cli.selecting import STATUSES
from knhk.cli.store import require, store_option

if TYPE_CHECKING:
    from rich.table import Table

    from knhk.engine import CaseReport, Engine, Stall, Step
    from knhk.journal import CaseRow, VersionRow

Answer = TypeVar("Answer")

#: The statuses of a case that may go on by itself.
UNFINISHED: Final = ("running", "suspended")
#: How much of a digest is shown: enough to tell versions apart.
DIGEST_CHARS: Final = 12


@click.command("list")
@click.option("--status", type=click.Choice(STATUSES), help="Only the cases that stand so.")
@click.option("--tenant", metavar="NAME", default="", help="Only the cases of that tenant.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON list.")
@store_option
def list_(status: str | None, tenant: str, as_json: bool, store: str) -> None:
    """List the cases of a store, oldest first."""

    async def read(engine: Engine) -> list[CaseRow]:
        found: list[CaseRow] = []
        wanted = () if status is None else (status,)
        while page := await engine.cases(
            status=wanted, tenant=tenant, after=found[-1] if found else None
        ):
            found.extend(page)
        return found

    rows = _read(read, store)
    if as_json:
        click.echo(json.dumps([_listed(row) for row in rows], ensure_ascii=False, indent=2))
        return
    has_tenants = any(row.tenant for row in rows)
    table = _table("case", "workflow", "status", "began", "ended", *("tenant",) * has_tenants)
    for row in rows:
        times = _time(row.created_us), _time(row.ended_us)
        table.add_row(row.id, row.workflow, str(row.status), *times, *(row.tenant,) * has_tenants)
    _print(table)


@click.command()
@click.argument("case_id", metavar="CASE")
@click.option("--at", type=int, metavar="SEQ", help="As it was after that input, from 0.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON object.")
@store_option
def show(case_id: str, at: int | None, as_json: bool, store: str) -> None:
    """Show a case: how it stands, what is open, and its whole history.

    With --at it is shown as it was then, with its data and its tokens.
    """
    report = _read(lambda engine: engine.show(case_id, at=at), store)
    if as_json:
        click.echo(json.dumps(_shown(report), ensure_ascii=False, indent=2))
        return
    for name, text in _heading(report):
        click.echo(f"{name:10}{text}")
    if at is not None:
        for name, value in _fields(report.data):
            click.echo(f"data      {name} = {_one_line(value)}")
        for place, count in report.marking:
            click.echo(f"token     {place}" + (f" ({count})" if count > 1 else ""))
    if report.items:
        table = _table("item", "task", "state", "attempt", "due")
        for item in report.items:
            undoes = "" if item.undoes is None else f", undoes {item.undoes}"
            cells = (str(item.id), item.task, f"{item.state}{undoes}", str(item.attempt))
            table.add_row(*cells, _time(item.due_us))
        _print(table, "\nopen work")
    if report.children:
        table = _table("item", "case", "workflow", "status")
        for child in report.children:
            table.add_row(str(child.item), child.case, child.workflow, str(child.status))
        _print(table, "\nsub-cases")
    table = _table("#", "when", "what", "task", "item", "value")
    for step in report.history:
        number = str(step.item) if step.item >= 0 else ""
        table.add_row(str(step.seq), _time(step.at_us), step.kind, step.task, number, _said(step))
    _print(table, "\nhistory")


@click.command()
@click.argument("case_ids", nargs=-1, metavar="[CASE]...")
@store_option
def verify(case_ids: tuple[str, ...], store: str) -> int:
    """Verify that the histories of cases are as they were written, and lead to where they stand.

    Without CASE all cases of the store are verified, and the store as a whole. Ends with code 1
    if something does not fit.
    """

    async def read(engine: Engine) -> tuple[int, int, str]:
        count = faulty = 0
        async for case_id in _each(engine, case_ids):
            faults = await engine.verify(case_id)
            for fault in faults:
                click.echo(str(fault))
            count += 1
            faulty += bool(faults)
        return count, faulty, "" if case_ids else await engine.check()

    count, faulty, damage = _read(read, store)
    noun = "case" if count == 1 else "cases"
    click.echo(f"{count} {noun} verified: {faulty} with a fault")
    if damage:
        click.echo(f"the store: {damage}")
    return exits.FAILED if faulty or damage else exits.DONE


@click.command()
@click.argument("workflow", default="", metavar="[WORKFLOW]")
@click.option("--json", "as_json", is_flag=True, help="As a JSON list.")
@store_option
def versions(workflow: str, as_json: bool, store: str) -> None:
    """List the deployed versions of workflows, the newest first, with how many cases each has.

    A case stays with the version that it began with; new cases begin with the newest.
    """
    rows = _read(lambda engine: engine.versions(workflow), store)
    if as_json:
        click.echo(json.dumps([_version(row) for row in rows], ensure_ascii=False, indent=2))
        return
    table = _table("workflow", "version", "deployed", "newest", "unfinished", "ended")
    for row in rows:
        unfinished = _count(row, UNFINISHED)
        cells = (_time(row.deployed_us), "yes" if row.is_newest else "")
        numbers = (str(unfinished), str(_count(row) - unfinished))
        table.add_row(row.workflow, row.digest[:DIGEST_CHARS], *cells, *numbers)
    _print(table)


@click.command()
@click.option(
    "--after",
    "after_s",
    type=float,
    default=600.0,
    show_default=True,
    metavar="SECONDS",
    help="For how long nothing has happened.",
)
@click.option("--json", "as_json", is_flag=True, help="As a JSON list.")
@store_option
def stalled(after_s: float, as_json: bool, store: str) -> int:
    """List the running cases that stand still though nothing stops them, and why.

    They wait for nothing that may come: their timer is overdue, or their work has no timeout and
    does not end, or nobody runs them. Ends with code 1 if there are any.
    """
    found = _read(lambda engine: engine.stalled(after_s=after_s), store)
    if as_json:
        click.echo(json.dumps([_stall(each) for each in found], ensure_ascii=False, indent=2))
    else:
        for each in found:
            click.echo(str(each))
    return exits.FAILED if found else exits.DONE


async def _each(engine: Engine, case_ids: tuple[str, ...]) -> AsyncIterator[str]:
    """The cases that are named, or all."""
    for case_id in case_ids:
        yield case_id
    after: CaseRow | None = None
    while not case_ids and (page := await engine.cases(after=after)):
        after = page[-1]
        for row in page:
            yield row.id


def _read(question: Callable[[Engine], Awaitable[Answer]], store: str) -> Answer:
    """Ask an engine that only reads."""
    import anyio

    from knhk.engine import Engine

    require(store)

    async def ask() -> Answer:
        async with Engine.open(store, reading=True) as engine:
            return await question(engine)

    return anyio.run(ask)


def _version(row: VersionRow) -> dict[str, object]:
    return {
        "workflow": row.workflow,
        "digest": row.digest,
        "deployed_us": row.deployed_us,
        "newest": row.is_newest,
        "cases": {str(status): count for status, count in row.cases},
    }


def _count(row: VersionRow, statuses: Collection[str] = STATUSES) -> int:
    return sum(count for status, count in row.cases if status in statuses)


def _stall(stall: Stall) -> dict[str, object]:
    from dataclasses import asdict

    return asdict(stall)


def _listed(row: CaseRow) -> dict[str, object]:
    return {
        "case": row.id,
        "workflow": row.workflow,
        "parent": row.parent or None,
        "tenant": row.tenant or None,
        "status": str(row.status),
        "created_us": row.created_us,
        "ended_us": row.ended_us if row.ended_us >= 0 else None,
    }


def _shown(report: CaseReport) -> dict[str, object]:
    from dataclasses import asdict

    shown: dict[str, object] = {**asdict(report), "marking": dict(report.marking)}
    shown["ended_us"] = report.ended_us if report.ended_us >= 0 else None
    return shown


def _heading(report: CaseReport) -> Iterable[tuple[str, str]]:
    """Give what is said of a case in a line each, by its name."""
    yield "case", report.case
    yield "workflow", report.workflow
    yield "status", str(report.status)
    if report.parent:
        yield "part of", f"{report.parent} (work item {report.parent_item})"
    if report.tenant:
        yield "tenant", report.tenant
    if report.outcome is not None:
        yield "outcome", _one_line(report.outcome)
    if report.problem:
        yield "problem", report.problem


def _fields(data: object) -> Iterable[tuple[str, object]]:
    """Give the data of a case by its names."""
    return data.items() if isinstance(data, dict) else ()


def _said(step: Step) -> str:
    if step.error:
        return f"{step.error}: {' '.join(step.message.split())}"
    return "" if step.value is None else _one_line(step.value)


def _one_line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _time(at_us: int) -> str:
    if at_us <= 0:
        return ""
    return f"{datetime.fromtimestamp(at_us / 1_000_000).astimezone():%Y-%m-%d %H:%M:%S}"


def _table(*titles: str) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in titles:
        table.add_column(title, overflow="fold")
    return table


def _print(table: Table, title: str = "") -> None:
    """Print a table on stdout; where that is no terminal, as wide as it is."""
    from rich.console import Console

    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = 10_000
    if title:
        console.print(title)
    console.print(table)
