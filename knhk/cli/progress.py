"""What a running case shows on stderr: a live table on a terminal, plain lines elsewhere.

Both are observers of the engine: they are told each :class:`~knhk.engine.Event` after it is
in the journal. Work items are counted, not kept, so a task with ten thousand instances is
one row.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING, Final, TypeVar

import click

if TYPE_CHECKING:
    from rich.table import Table

    from knhk.engine import Event, Observer

Key = TypeVar("Key")
Value = TypeVar("Value")

REFRESHES_PER_S: Final = 8
#: Rows of the live table; the tasks that changed last are shown.
ROWS_MAX: Final = 20
#: Tasks of which the counts are kept; those that have not changed for longest are forgotten.
TASKS_MAX: Final = 1_000
#: What the table says of an item after an event.
NAMES: Final = {
    "offered": "waiting",
    "started": "running",
    "completed": "done",
    "failed": "failed attempts",
}
#: The states that an item leaves again.
PASSING: Final = frozenset({"waiting", "running"})
#: Events after which a case is running.
BEGINNINGS: Final = frozenset({"created", "resumed"})
COLOURS: Final = {"failed": "red", "stuck": "red", "cancelled": "yellow", "completed": "green"}


@contextmanager
def progress() -> Iterator[Observer]:
    """Give the observer to open an engine with; show what it is told while inside.

    What handlers print goes to stderr meanwhile, and so does what ``log(...)`` says: stdout
    is for the result.
    """
    with redirect_stdout(sys.stderr), _log_shown():
        if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            with _live() as observer:
                yield observer
        else:
            yield lambda event: click.echo(line(event), err=True)


class LogLines(logging.Handler):
    """Shows what workflows ``log(...)``: between the lines, or above the table."""

    def emit(self, record: logging.LogRecord) -> None:
        """Show a line."""
        click.echo(f"{record.levelname.lower()}: {record.getMessage()}", err=True)


@contextmanager
def _log_shown() -> Iterator[None]:
    logger = logging.getLogger("knhk.log")
    before, lines = logger.level, LogLines()
    logger.addHandler(lines)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(lines)
        logger.setLevel(before)


def line(event: Event) -> str:
    """Tell an event in one plain line, in local time."""
    moment = datetime.fromtimestamp(event.at_us / 1_000_000).astimezone()
    words = [f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03}", event.case or "knhk"]
    if event.task:
        words.append(event.task)
    words.append(event.what)
    if event.attempt > 1:
        words.append(f"(attempt {event.attempt})")
    if event.message and (
        event.task or not event.case
    ):  # how a case ended is told by the command itself
        words[-1] += f": {' '.join(event.message.split())}"
    return " ".join(words)


@contextmanager
def _live() -> Iterator[Observer]:
    from rich.console import Console
    from rich.live import Live

    board = Board()
    console = Console(stderr=True)
    with Live(
        get_renderable=board.table, console=console, refresh_per_second=REFRESHES_PER_S
    ) as live:
        yield board.tell
        live.refresh()


class Board:
    """The tasks of the running cases, with how many items of each are in which state.

    Told in the event loop, drawn in a thread of rich.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._items: dict[tuple[str, int], str] = {}
        self._counts: dict[tuple[str, str], dict[str, int]] = {}
        self._notes: dict[tuple[str, str], str] = {}
        self._cases: dict[str, str] = {}

    def tell(self, event: Event) -> None:
        """Take in an event."""
        with self._lock:
            if event.task:
                self._count(event)
            elif event.case:  # else it is of the engine itself
                self._cases.pop(event.case, None)
                what = event.what.removeprefix("case ")
                self._cases[event.case] = "running" if what in BEGINNINGS else what
                _forget(self._cases)

    def _count(self, event: Event) -> None:
        key = (event.case, event.task)
        counts = self._counts.pop(key, {})
        # What comes late is of an attempt before; the item may be at work again.
        is_late = event.what == "late"
        before = None if is_late else self._items.pop((event.case, event.item), None)
        if before is not None:
            counts[before] = counts.get(before, 1) - 1
        state = NAMES.get(event.what, event.what)
        counts[state] = counts.get(state, 0) + 1
        if state in PASSING:
            self._items[event.case, event.item] = state
        self._counts[key] = counts  # what changed last stands last
        self._notes[key] = " ".join(event.message.split())
        _forget(self._counts)
        _forget(self._notes)

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Give case, task, counts and the last message of the tasks that changed last."""
        return [
            (
                case,
                task,
                ", ".join(f"{count} {state}" for state, count in counts.items() if count),
                self._notes.get((case, task), ""),
            )
            for (case, task), counts in list(self._counts.items())[-ROWS_MAX:]
        ]

    def table(self) -> Table:
        """Draw it."""
        from rich.table import Table
        from rich.text import Text

        with self._lock:
            rows, cases = self.rows(), list(self._cases.items())[-ROWS_MAX:]
        table = Table(box=None, pad_edge=False, header_style="dim")
        for title in ("case", "task", "items", ""):
            table.add_column(title)
        for case, task, counts, note in rows:
            style = "cyan" if "running" in counts else ""
            table.add_row(case, Text(task, style=style), counts, Text(note, style="dim"))
        for case, status in cases:
            table.add_row(case, "", Text(status, style=COLOURS.get(status, "dim")), "")
        return table


def _forget(kept: dict[Key, Value]) -> None:
    if len(kept) > TASKS_MAX:
        del kept[next(iter(kept))]
