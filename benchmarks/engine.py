"""The engine: an order workflow of ten steps in memory and in SQLite, beside dbos on SQLite.

The same steps with the same handlers, which do next to nothing; every result is compared.
Both engines are measured with plain and with asynchronous handlers; the faster style of each
counts. Beside them stands what the disk allows: a bare loop that appends the same rows.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from disk import GROUP, Rows, append
from measure import Measure, Sample, interleave, ratio
from report import Row
from workers import STEPS, Worker, worker

STYLES = ("async", "plain")
#: Cases in one turn for each number of cases at a time; dbos gets a tenth of them, it is slow.
TURNS = {1: 200, 100: 1_000}
PEER_SHARE = 10
#: Cases whose rows the bare loop appends.
DISK_CASES = 100


def run(rounds: int) -> Iterator[Row]:
    """Measure all of it in turns."""
    with tempfile.TemporaryDirectory(prefix="knhk-bench-") as name, ExitStack() as stack:
        home = Path(name)
        workers: dict[tuple[str, str], Worker] = {}
        for style in STYLES:
            for kind, store in (("memory", ":memory:"), ("sqlite", str(home / f"{style}.db"))):
                arguments = (str(home / f"{kind}-{style}"), store, style)
                workers[kind, style] = stack.enter_context(worker("knhk_worker", *arguments))
            store = str(home / f"dbos-{style}.sqlite")
            workers["dbos", style] = stack.enter_context(worker("dbos_worker", store, style))
        for at_once in TURNS:
            yield from compare(workers, home, at_once, rounds)


def compare(
    workers: dict[tuple[str, str], Worker], home: Path, at_once: int, rounds: int
) -> Iterator[Row]:
    """One number of cases at a time."""
    contenders: dict[str, Measure] = {}
    for (kind, style), process in workers.items():
        cases = max(TURNS[at_once] // (PEER_SHARE if kind == "dbos" else 1), at_once)
        contenders[f"{kind} {style}"] = partial(process.steps_per_s, cases, at_once)
    # Every store must have cases before their rows can be read.
    for process in workers.values():
        process.steps_per_s(DISK_CASES, DISK_CASES)
    rows = Rows.of(home / f"{STYLES[0]}.db", DISK_CASES)
    contenders["disk"] = partial(bare, home / "bare.db", rows, at_once)
    found = interleave(contenders, rounds)
    dbos = best(found, "dbos")
    limit = found["disk"]
    many = "1 case" if at_once == 1 else f"{at_once} cases"
    for style in STYLES:
        what = f"{many} at a time, {style} handlers"
        for kind, place in (("memory", "in memory"), ("sqlite", "durable in SQLite")):
            ours = found[f"{kind} {style}"]
            yield Row(
                "engine",
                f"{place}, {what}",
                "steps/s",
                ours,
                "dbos, SQLite",
                found[dbos],
                ratio(ours, found[dbos]),
                note=f"{dbos} handlers",
            )
        ours = found[f"sqlite {style}"]
        rows_a_step = len(rows.values) / (rows.cases * STEPS)
        yield Row(
            "engine",
            f"durable in SQLite, {what}",
            "steps/s",
            ours,
            "apsw, a commit of one row a step" if at_once == 1 else f"apsw, groups of {GROUP} rows",
            limit,
            ratio(ours, limit),
            note=f"{rows_a_step:.1f} rows a step",
        )


def bare(path: Path, rows: Rows, at_once: int) -> float:
    """Steps a second of the bare loop: all rows in groups, or alone one row for each step."""
    steps = rows.cases * STEPS
    if at_once == 1:
        return steps / append(path, rows.values[:steps], rows, group=1)
    return steps / append(path, rows.values, rows, GROUP)


def best(found: dict[str, Sample], kind: str) -> str:
    """The faster style of an engine."""
    return max((f"{kind} {style}" for style in STYLES), key=lambda name: found[name].median)
