"""The engine: cases of ten tasks that do nothing, in memory and in SQLite, beside dbos on SQLite.

The same steps with the same handlers; every result is looked at. Both engines are measured with
asynchronous and with plain handlers; the bars are for our asynchronous ones beside the faster style
of dbos. Beside them stands what the disk allows: bare loops that write the same rows.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import disk
from beside import DISK_CASES, STYLES, Contest, Promise
from measure import Measure, Sample
from report import Bar, Row
from sizes import sized
from workers import STEPS, Worker, worker

from knhk.journal import SQLiteJournal

CONTEST = Contest(
    "engine",
    {"sqlite": "durable in SQLite", "memory": "in memory"},
    "dbos, SQLite",
    {1: Promise(peer=12, limit=0.5), 100: Promise(peer=100, limit=0.25)},
)
#: At most so many syncs a step, alone and with 50 in flight.
SYNC_BARS = {1: 1.0, 50: 0.1}
SYNC_CASES = 200


def run(rounds: int) -> Iterator[Row]:
    """Measure all of it in turns."""
    with tempfile.TemporaryDirectory(prefix="knhk-bench-") as name, ExitStack() as stack:
        home = Path(name)
        workers: dict[str, Worker] = {}
        for style in STYLES:
            for kind, store in (("memory", ":memory:"), ("sqlite", str(home / f"{style}.db"))):
                arguments = (str(home / f"{kind}-{style}"), store, style)
                workers[f"{kind} {style}"] = stack.enter_context(worker("knhk_worker", *arguments))
            store = f"sqlite:///{home / f'dbos-{style}.sqlite'}"
            workers[f"dbos {style}"] = stack.enter_context(worker("dbos_worker", store, style))
        cases = sized(DISK_CASES, 100)
        workers[f"sqlite {STYLES[0]}"].ask(cases, 100)
        journal = SQLiteJournal(home / f"{STYLES[0]}.db", reading=True)
        limits = FileLimits(home / "bare.db", disk.histories(journal, cases))
        journal.close()
        yield from CONTEST.run(workers, limits, rounds)
    yield from syncs(rounds)


class FileLimits:
    """What SQLite allows: the same rows, written by bare loops to a store at ``path``."""

    groups = f"apsw, built and appended, groups of {disk.GROUP} steps"
    inputs = f"apsw, inputs only, groups of {disk.GROUP} steps"
    alone = "apsw, one row, a commit a step"
    notes: Mapping[str, str] = MappingProxyType(
        {
            groups: "the bare loop builds, encodes, hashes and appends the inputs and cases",
            inputs: "the same without the summary of each case",
            alone: "one row of the same, ready, appended and brought to the disk for each step",
        }
    )

    def __init__(self, path: Path, found: list[disk.History]) -> None:
        self._path = path
        self._steps = disk.steps_of(found)
        self._rows = disk.rows_of(found)
        self._tasks = len(found) * STEPS

    def contenders(self, at_once: int) -> dict[str, Measure]:
        if at_once == 1:
            return {self.alone: self.one_by_one}
        return {
            self.groups: partial(self.in_groups, with_cases=True),
            self.inputs: partial(self.in_groups, with_cases=False),
        }

    def in_groups(self, *, with_cases: bool) -> float:
        seconds = disk.append_in_groups(self._path, self._steps, with_cases=with_cases)
        if disk.inputs_in(self._path) != self._rows:
            raise AssertionError("the bare loop has not written the rows that the engine wrote")
        return self._tasks / seconds

    def one_by_one(self) -> float:
        rows = self._rows[: sized(2_000)]
        return len(rows) / disk.append_rows_alone(self._path, rows)


# --- Syncs ------------------------------------------------------------------------------


def syncs(rounds: int) -> Iterator[Row]:
    """How often a step waits for the disk: on a slower one, that decides."""
    cases = sized(SYNC_CASES, 50)
    with tempfile.TemporaryDirectory(prefix="knhk-bench-") as name, ExitStack() as stack:
        home = Path(name)
        arguments = (str(home / "source"), str(home / "syncs.db"), STYLES[0], "counting")
        process = stack.enter_context(worker("knhk_worker", *arguments))
        for at_once, bar in SYNC_BARS.items():
            process.ask(at_once, at_once)  # what is made with the first cases is not counted
            answers = [process.ask(cases, at_once) for _ in range(rounds)]
            yield _syncs_row(at_once, bar, cases * STEPS, [Counts(*one.counts) for one in answers])


class Counts(NamedTuple):
    """Syncs of commits and of checkpoints, and those that came with the beginnings of cases."""

    commits: int
    others: int
    begun: int


def _syncs_row(at_once: int, bar: float, steps: int, counts: list[Counts]) -> Row:
    """Alone, what a step itself waits for; with many in flight all syncs, whatever for."""
    if at_once == 1:
        what = "commits brought to the disk for a step, 1 case at a time"
        found = Sample(tuple((one.commits - one.begun) / steps for one in counts))
        note = "a case's beginning is a commit too; with it and with checkpoints it is "
        note += ", ".join(f"{(one.commits + one.others) / steps:.3f}" for one in counts)
    else:
        what = f"syncs a step, {at_once} cases at a time"
        found = Sample(tuple((one.commits + one.others) / steps for one in counts))
        note = "beginnings of cases and checkpoints included"
    return Row("engine", what, "syncs", found, bar=Bar("<=", bar), note=note)
