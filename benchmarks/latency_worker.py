"""Steps while cases begin on a schedule, whether or not others have ended.

    latency_worker.py HOME STORE TOP_CASES SECONDS

First as many steps a second as can be, with 100 cases at a time; then half of that, by cases that
begin at random times. A *step* lasts from the call of one task's handler to the call of the next
one's: the end of the one, and the start of the other, are on the disk then. The first step of a
case lasts from the time at which it was to begin, by the schedule, to the call of its first
handler; the last one from the call of its last handler until its result can be had.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import time
from itertools import pairwise
from pathlib import Path

import anyio
import sources

from knhk import Engine

TASKS = 10
AT_ONCE = 100
HANDLERS = """
import time

TIMES = {}


async def touch(case: int) -> None:
    TIMES[case].append(time.perf_counter())
"""


async def top(engine: Engine, times: dict[int, list[float]], cases: int) -> float:
    """Steps a second with so many cases at a time, a new one as soon as another has ended."""
    waiting = iter(range(cases))

    async def run_some() -> None:
        for case in waiting:
            times[case] = []
            handle = await engine.start("w", given=case)
            assert await handle.result() == case
            del times[case]

    begin = time.perf_counter()
    async with anyio.create_task_group() as group:
        for _ in range(AT_ONCE):
            group.start_soon(run_some)
    return cases * TASKS / (time.perf_counter() - begin)


async def on_schedule(
    engine: Engine, times: dict[int, list[float]], per_s: float, seconds: float
) -> list[float]:
    """How long each step took, of cases that begin at random, so many steps a second."""
    draw = random.Random(1)
    cases_per_s = per_s / TASKS
    took: list[float] = []

    async def run_one(case: int, at: float) -> None:
        times[case] = [at]
        handle = await engine.start("w", given=case)
        assert await handle.result() == case
        steps = [*times.pop(case), time.perf_counter()]
        assert len(steps) == TASKS + 2
        took.extend(after - before for before, after in pairwise(steps))

    begin = at = time.perf_counter()
    case = 0
    async with anyio.create_task_group() as group:
        while at < begin + seconds:
            at += draw.expovariate(cases_per_s)
            # What is behind its schedule begins at once, and has been waiting since.
            if at > time.perf_counter():
                await anyio.sleep(max(0.0, at - time.perf_counter()))
            group.start_soon(run_one, case, at)
            case += 1
    return took


async def main(home: str, store: str, top_cases: int, seconds: float) -> None:
    path = sources.place(Path(home), sources.sequence(*["touch(given)"] * TASKS), HANDLERS)
    async with Engine.open(store) as engine:
        await engine.deploy(path)
        times = times_of_handlers()
        await top(engine, times, top_cases)  # to be warm
        per_s = await top(engine, times, top_cases)
        took = await on_schedule(engine, times, per_s / 2, seconds)
    parts = statistics.quantiles(took, n=1_000)
    found = {"top": per_s, "p50": parts[499], "p99": parts[989], "p999": parts[998]}
    print(json.dumps(found | {"most": max(took), "steps": len(took)}))


def times_of_handlers() -> dict[int, list[float]]:
    """The table that the handlers write to."""
    modules = [one for name, one in sys.modules.items() if name.rpartition(".")[2] == "handlers"]
    tables = [one.TIMES for one in modules if hasattr(one, "TIMES")]
    assert len(tables) == 1, tables
    table: dict[int, list[float]] = tables[0]
    return table


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
