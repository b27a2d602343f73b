"""`knhk conformance`: the 43 patterns, played on this installation."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from knhk.cli import exits

if TYPE_CHECKING:
    from knhk.testing.conformance import Played, Report

ALL: Final = "all"
#: The modes of `knhk.testing.conformance.MODES`, named here so that help costs nothing.
MODES: Final = ("kernel", "engine", "replay")
CELL: Final = 10
#: Processes that play at a time unless the caller says how many.
PROCESSES_MAX: Final = 8


@click.command()
@click.option(
    "--mode",
    type=click.Choice([*MODES, ALL]),
    default=ALL,
    show_default=True,
    help="The sans-IO kernel, the durable engine, or the engine with a crash at every input.",
)
@click.option(
    "--pattern", "numbers", multiple=True, type=int, help="Only this pattern; repeatable."
)
@click.option(
    "--suite",
    "directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A directory with other pattern files.",
)
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    help="How many processes play at a time.  [default: one for each processor, 8 at most]",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="For people or for programs.",
)
def conformance(
    mode: str, numbers: tuple[int, ...], directory: Path | None, processes: int | None, form: str
) -> int:
    """Play the suite of the 43 control-flow patterns.

    Every pattern has runs that must be allowed and runs that must be refused.
    A pattern conforms when all of them go as they must.

    Exits with 0 if everything conforms, else with 1.
    """
    from knhk.testing.conformance import PATTERN_NAMES, conform, suite_directory

    if processes is None:
        processes = min(os.cpu_count() or 1, PROCESSES_MAX) if len(numbers) != 1 else 1
    where = suite_directory() if directory is None else directory
    modes = MODES if mode == ALL else (mode,)

    with _progress() as told:
        report = conform(where, modes=modes, numbers=numbers, processes=processes, told=told)
    wanted = numbers or tuple(PATTERN_NAMES)
    complete = all(set(wanted) <= set(report.conforms(each)) for each in modes)
    if form == "json":
        click.echo(json.dumps(_as_json(report, wanted), ensure_ascii=False, indent=2))
    else:
        _print(report, wanted)
    return exits.DONE if complete and not report.failures else exits.FAILED


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """A line on a terminal that says how far it is."""
    if not sys.stderr.isatty():
        yield lambda _done, _all: None
        return
    yield lambda done, whole: click.echo(f"\r{done} of {whole} ", err=True, nl=False)
    click.echo("\r" + " " * 20 + "\r", err=True, nl=False)


def _print(report: Report, wanted: tuple[int, ...]) -> None:
    """The table, the lists, the sums, and below them what went wrong."""
    from knhk.testing.conformance import PATTERN_NAMES

    lists = list(_lists(report))
    labels = [label for _, rows in lists for _, _, label in rows]
    width = max(map(len, [*PATTERN_NAMES.values(), *labels])) + 4
    click.echo(" " * (width + 2) + "".join(f"{mode:>{CELL}}" for mode in report.modes))
    for number in wanted:
        name = PATTERN_NAMES.get(number, "")
        click.echo(_row(report, f"{number:>2}  {name}", width, number))
    for title, rows in lists:
        click.echo(f"\n{title}")
        for part, net, label in rows:
            click.echo(_row(report, f"    {label}", width, part, net))
    click.echo()
    for mode in report.modes:
        conforming = len(set(wanted) & set(report.conforms(mode)))
        click.echo(f"{mode:<8} {conforming} of {len(wanted)}")
    click.echo(f"the kernel is {_kind_of_kernel()}")
    if report.failures:
        click.echo("\nnot as it must be:")
        for line in _told(report.failures):
            click.echo(f"  {line}")


def _told(failures: tuple[Played, ...]) -> Iterator[str]:
    """A line for each failure; a net that cannot even begin gets one for all its runs."""
    alike = Counter((each.mode, each.net, each.verdict) for each in failures)
    for each in dict.fromkeys((each.mode, each.net, each.verdict) for each in failures):
        first = next(one for one in failures if (one.mode, one.net, one.verdict) == each)
        more = f" (and {alike[each] - 1} further runs)" if alike[each] > 1 else ""
        yield f"{first}{more}"


def _lists(report: Report) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """The two further lists: for each row its part, its net's title, and what is shown."""
    for part, title in (("pairs", "Pairs told apart"), ("or-join", "OR-joins")):
        nets = dict.fromkeys(each.net for each in report.played if each.part == part)
        expected = {net.title: net.expected for net in report.suite.or_joins}
        if nets:
            shown = [
                (part, net, f"{net}: {expected[net]}" if part == "or-join" else net) for net in nets
            ]
            yield title, shown


def _row(report: Report, label: str, width: int, part: int | str, net: str | None = None) -> str:
    """A label and the count of runs in each mode; a row may be longer than its column."""
    cells = "".join(_cell(report.of(mode, part, net)) for mode in report.modes)
    return f"{label:<{width}}  {cells}"


def _cell(rows: tuple[Played, ...]) -> str:
    passed = sum(row.verdict.passed for row in rows)
    text = f"{passed}/{len(rows)}" if rows else "none"
    sign = " " if rows and passed == len(rows) else "!"
    return f"{text:>{CELL - 1}}{sign}"


def _as_json(report: Report, wanted: tuple[int, ...]) -> dict[str, object]:
    from knhk.testing.conformance import PATTERN_NAMES

    return {
        "kernel": _kind_of_kernel(),
        "conforms": {mode: len(set(wanted) & set(report.conforms(mode))) for mode in report.modes},
        "patterns": [
            {
                "number": number,
                "name": PATTERN_NAMES.get(number, ""),
                "runs": {mode: _counts(report.of(mode, number)) for mode in report.modes},
            }
            for number in wanted
        ],
        **{
            part: [
                {
                    "title": net,
                    "runs": {mode: _counts(report.of(mode, part, net)) for mode in report.modes},
                }
                for _, net, _ in rows
            ]
            for (_, rows), part in zip(_lists(report), ("pairs", "or-join"), strict=False)
        },
        "failures": [
            {
                "mode": each.mode,
                "part": each.part,
                "file": str(each.file),
                "line": each.verdict.line or each.run.line,
                "net": each.net,
                "run": each.run.title,
                "allowed": each.run.allowed,
                "step": each.verdict.step,
                "text": each.verdict.text,
                "reason": each.verdict.reason,
            }
            for each in report.failures
        ],
    }


def _counts(rows: tuple[Played, ...]) -> dict[str, int]:
    return {"passed": sum(row.verdict.passed for row in rows), "all": len(rows)}


def _kind_of_kernel() -> str:
    import knhk.kernel

    return "interpreted" if str(knhk.kernel.__file__).endswith(".py") else "compiled"
