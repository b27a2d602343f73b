"""Recovery: unfinished cases that are resumed, and a killed process that is back at work.

The cases of the first part have 100 inputs each (49 tasks done, the 50th at work) and no snapshot,
since the first one is taken after 200 inputs: so all inputs are replayed, which is the harder way.
Beside it, on fewer and longer cases, stands what snapshots save. What is timed is the opening of
the store, which ends when all cases are in memory and their work was given to the workers again.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import population
import sources
from measure import Sample, interleave, ratio
from process import command, found
from report import Bar, Row
from sizes import sized

CASES = 10_000
INPUTS = 100
#: Longer cases, of which each has one snapshot after some 200 inputs.
LONG_CASES = 1_000
LONG_INPUTS = 300
#: Unfinished cases in the store of the process that is killed.
KILLED_CASES = 100
ROUNDS_MAX = 3


def run(rounds: int) -> Iterator[Row]:
    """Measure in processes of their own."""
    with TemporaryDirectory(prefix="knhk-bench-") as name:
        yield from resumed(Path(name), min(rounds, ROUNDS_MAX))
    with TemporaryDirectory(prefix="knhk-bench-") as name:
        yield from with_snapshots(Path(name), min(rounds, ROUNDS_MAX))
    with TemporaryDirectory(prefix="knhk-bench-") as name:
        yield killed(Path(name), 2 * rounds)


def unfinished(home: Path, inputs: int) -> population.Template:
    """A case with so many inputs, whose last task is at work."""
    done = inputs // 2 - 1
    path = sources.place(home, sources.sequence(*["number(given)"] * done, "hold()"))
    return population.template_of(path, inputs=inputs, is_parked=False)


def opened(store: Path, cases: int) -> float:
    """Seconds that a new process needs to resume all cases of a store."""
    return found("recovery_worker", "open", store, cases)["seconds"]


def resumed(home: Path, rounds: int) -> Iterator[Row]:
    """Many cases, all of whose inputs are replayed."""
    cases = sized(CASES, 100)
    template, store = unfinished(home / "source", INPUTS), home / "w.db"
    assert template.inputs == INPUTS
    population.fill(store, template, cases)
    took = Sample(tuple(opened(store, cases) for _ in range(rounds)))
    what = f"{cases:,} unfinished cases of {INPUTS} inputs"
    note = "no snapshots: read, replayed and at work again; from opening the store"
    yield Row("recovery", f"{what}, resumed", "s", took, bar=Bar("<=", 5), note=note)
    steps = cases * INPUTS // 2
    yield Row(
        "recovery",
        f"{what}, a replayed step",
        "us",
        took.times(1e6 / steps),
        bar=Bar("<=", 20),
        note="a step is two inputs, start and completion; the same run",
    )


def with_snapshots(home: Path, rounds: int) -> Iterator[Row]:
    """Cases with a snapshot, beside the same ones without it."""
    cases = sized(LONG_CASES, 20)
    template = unfinished(home / "source", LONG_INPUTS)
    snapshot = template.copy(0).snapshot
    assert snapshot is not None
    with_them, without = home / "with.db", home / "without.db"
    population.fill(with_them, template, cases)
    population.fill(without, template, cases, lambda commit: commit._replace(snapshot=None))
    measures = {
        "with": partial(opened, with_them, cases),
        "without": partial(opened, without, cases),
    }
    took = interleave(measures, rounds, warm_up=0)
    yield Row(
        "recovery",
        f"{cases:,} unfinished cases of {LONG_INPUTS} inputs with a snapshot, resumed",
        "s",
        took["with"],
        "without it",
        took["without"],
        ratio(took["with"], took["without"]),
        note=f"the snapshot stands after {snapshot.seq} inputs",
    )


def killed(home: Path, rounds: int) -> Row:
    """From the start of a process to its first handler, after the one before it was killed."""
    store = home / "w.db"
    cases = sized(KILLED_CASES, 10)
    with at_work("live", home / "source", store, cases) as process:
        assert process.stdout is not None
        for _ in range(cases - 1):
            process.stdout.readline()
    took = [back_again(store) for _ in range(rounds)]
    return Row(
        "recovery",
        f"a process that was killed with {cases} unfinished cases is back at work",
        "s",
        Sample(tuple(took)),
        bar=Bar("<=", 0.3),
        note="from the start of python to the call of the first handler; SIGKILL each time",
    )


def back_again(store: Path) -> float:
    """Seconds until a new process calls its first handler; then it is killed."""
    begin = time.perf_counter()
    with at_work("back", store):
        return time.perf_counter() - begin


@contextmanager
def at_work(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A process whose first handler has been called; it is killed at the end of the block."""
    process = subprocess.Popen(
        command("recovery_worker", *arguments), stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if line != "at work\n":
            raise AssertionError(f"the process ended with code {process.wait()}")
        yield process
    finally:
        process.kill()
        process.communicate()
