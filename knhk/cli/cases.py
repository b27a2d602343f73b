"""`knhk list`, `show`, `verify`, `versions`, `stalled`: what a store remembers.

They read, also while cases run.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Iterable
from typing import TYPE_CHECKING, Final

import click

from knhk.cli import exits
from knhk.cli.looking import look, moment, one_line, show_table, table_of
from knhk.cli.selecting import STATUSES
from knhk.cli.store import store_option

if TYPE_CHECKING:
    from knhk.engine import CaseReport, Engine, Stall, Step
    from knhk.journal import CaseRow, VersionRow

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

    rows = look(read, store)
    if as_json:
        click.echo(json.dumps([_listed(row) for row in rows], ensure_ascii=False, indent=2))
        return
    has_tenants = any(row.tenant for row in rows)
    table = table_of("case", "workflow", "status", "began", "ended", *("tenant",) * has_tenants)
    for row in rows:
        times = moment(row.created_us), moment(row.ended_us)
        table.add_row(row.id, row.workflow, str(row.status), *times, *(row.tenant,) * has_tenants)
    show_table(table)


@click.command()
@click.argument("case_id", metavar="CASE")
@click.option("--at", type=int, metavar="SEQ", help="As it was after that input, from 0.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON object.")
@store_option
def show(case_id: str, at: int | None, as_json: bool, store: str) -> None:
    """Show a case: how it stands, what is open, and its whole history.

    With --at it is shown as it was then, with its data and its tokens.
    """
    report = look(lambda engine: engine.show(case_id, at=at), store)
    if as_json:
        click.echo(json.dumps(_shown(report), ensure_ascii=False, indent=2))
        return
    for name, text in _heading(report):
        click.echo(f"{name:10}{text}")
    if at is not None:
        for name, value in _fields(report.data):
            click.echo(f"data      {name} = {one_line(value)}")
        for place, count in report.marking:
            click.echo(f"token     {place}" + (f" ({count})" if count > 1 else ""))
    if report.items:
        table = table_of("item", "task", "state", "attempt", "due")
        for item in report.items:
            undoes = "" if item.undoes is None else f", undoes {item.undoes}"
            cells = (str(item.id), item.task, f"{item.state}{undoes}", str(item.attempt))
            table.add_row(*cells, moment(item.due_us))
        show_table(table, "\nopen work")
    if report.children:
        table = table_of("item", "case", "workflow", "status")
        for child in report.children:
            table.add_row(str(child.item), child.case, child.workflow, str(child.status))
        show_table(table, "\nsub-cases")
    table = table_of("#", "when", "what", "task", "item", "value")
    for step in report.history:
        number = str(step.item) if step.item >= 0 else ""
        table.add_row(str(step.seq), moment(step.at_us), step.kind, step.task, number, _said(step))
    show_table(table, "\nhistory")


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

    count, faulty, damage = look(read, store)
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
    rows = look(lambda engine: engine.versions(workflow), store)
    if as_json:
        click.echo(json.dumps([_version(row) for row in rows], ensure_ascii=False, indent=2))
        return
    table = table_of("workflow", "version", "deployed", "newest", "unfinished", "ended")
    for row in rows:
        unfinished = _count(row, UNFINISHED)
        cells = (moment(row.deployed_us), "yes" if row.is_newest else "")
        numbers = (str(unfinished), str(_count(row) - unfinished))
        table.add_row(row.workflow, row.digest[:DIGEST_CHARS], *cells, *numbers)
    show_table(table)


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
    found = look(lambda engine: engine.stalled(after_s=after_s), store)
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
        yield "outcome", one_line(report.outcome)
    if report.problem:
        yield "problem", report.problem


def _fields(data: object) -> Iterable[tuple[str, object]]:
    """Give the data of a case by its names."""
    return data.items() if isinstance(data, dict) else ()


def _said(step: Step) -> str:
    if step.error:
        return f"{step.error}: {' '.join(step.message.split())}"
    return "" if step.value is None else one_line(step.value)
