"""Checking: everything that ``knhk check`` does with a source, on workflows of any size.

Two things are measured. The first check of a process, which also builds the parser's tables,
in a process of its own, against the second that was promised. And the growth, by checking
workflows of 1,000, 2,000 and 4,000 tasks in turns in one process.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from large import source
from measure import Measure, Sample, interleave, ratio
from report import Bar, Row

from knhk.plugins import environment
from knhk_dsl import Sources, check_sources

SIZES = (1_000, 2_000, 4_000)
#: Four times the tasks may take this many times as long: linear, and a tenth for the caches.
GROWTH_MAX = 4.4


def checking(tasks: int, clock: Callable[[], float]) -> Measure:
    """Seconds to check a workflow of that many tasks, which must be without any fault."""
    text = source(tasks)
    surroundings = environment()

    def measure() -> float:
        begin = clock()
        found = check_sources(Sources.of_text(text), surroundings)
        elapsed = clock() - begin
        if found:
            raise AssertionError(f"{len(found)} problems in the source, the first: {found[0]}")
        return elapsed

    return measure


def first(tasks: int) -> float:
    """Seconds of the first check in a new process, the imports not counted."""
    command = [sys.executable, __file__, str(tasks)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def run(rounds: int) -> Iterator[Row]:
    """Measure the first check and the growth."""
    interleave({"first": lambda: first(SIZES[0])}, 1, warm_up=0)
    alone = interleave({"first": lambda: first(SIZES[0])}, rounds, warm_up=0)
    yield Row(
        "check",
        f"{SIZES[0]:,} tasks, first check of a process",
        "s",
        alone["first"],
        bar=Bar("<=", 1),
    )
    # CPU time, as a check waits for nothing: what else the machine does would bend the curve.
    found = interleave({str(size): checking(size, time.process_time) for size in SIZES}, 2 * rounds)
    smallest = found[str(SIZES[0])]
    for size in SIZES:
        sample = found[str(size)]
        per_task = Sample(tuple(value / size * 1e6 for value in sample.values))
        growth = None if size == SIZES[0] else ratio(sample, smallest)
        yield Row(
            "check",
            f"{size:,} tasks, once more in one process",
            "CPU s",
            sample,
            "" if growth is None else f"{SIZES[0]:,} tasks",
            None if growth is None else smallest,
            growth,
            Bar("<=", GROWTH_MAX) if size == SIZES[-1] else None,
            f"{per_task.median:.0f} us a task",
        )


if __name__ == "__main__":
    print(checking(int(sys.argv[1]), time.perf_counter)())
