"""Memory: cases in flight, cases that wait, and a store in which a million cases are parked.

Every figure is that of a new process. In flight are cases that have work going on: each has begun,
and its first task is started. As many as the engine lets wait at the same time
(``Limits.waiting_work_max``) wait in the asynchronous handler of that task; the others stand in the
queue for it, and are in memory all the same. Cases that wait for a message have nothing to do, and
would be parked after a while.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import population
import sources
from measure import Sample
from process import found
from report import Bar, Row
from sizes import sized

CASES = 10_000
PARKED = 1_000_000
#: Parked cases that are continued in the end.
CONTINUED = 20
ROUNDS_MAX = 3

MB = 1e6
KIB = 1024


def run(rounds: int) -> Iterator[Row]:
    """Measure in processes of their own."""
    rounds = min(rounds, ROUNDS_MAX)
    yield from in_memory(rounds)
    yield from parked(rounds)


def in_memory(rounds: int) -> Iterator[Row]:
    """Cases in flight, and cases that wait for a message and are not parked yet."""
    cases = sized(CASES, 500)
    taken = {kind: Sample(tuple(grown(kind, cases, rounds))) for kind in ("at-work", "waiting")}
    yield Row(
        "memory",
        f"{cases:,} cases in flight, above the open engine",
        "MB",
        taken["at-work"].times(1 / MB),
        bar=Bar("<=", 100),
        note="ten tasks each, the first one started: its handler waits, or has still to be called",
    )
    yield Row(
        "memory",
        "a case that waits for a message, in memory",
        "KiB",
        taken["waiting"].times(1 / KIB / cases),
        bar=Bar("<=", 5),
        note=f"of {cases:,} cases, five of ten tasks done, before they are parked",
    )


def grown(kind: str, cases: int, rounds: int) -> Iterator[float]:
    """Bytes by which a process grows, in so many processes."""
    for _ in range(rounds):
        with TemporaryDirectory(prefix="knhk-bench-") as name:
            home = Path(name)
            figures = found("memory_worker", kind, home / "source", home / "w.db", cases)
            yield figures["after"] - figures["before"]


def parked(rounds: int) -> Iterator[Row]:
    """A store full of parked cases: opened, and some of them continued."""
    cases = sized(PARKED, 2_000)
    with TemporaryDirectory(prefix="knhk-bench-") as name:
        home, store = Path(name), Path(name) / "w.db"
        text = sources.sequence("nothing()", "message go", *["nothing()"] * 8)
        path = sources.place(home / "source", text)
        template = population.template_of(path, inputs=3, is_parked=True)
        begin = time.perf_counter()
        ids = population.fill(store, template, cases)
        made = time.perf_counter() - begin
        draw = random.Random(1)
        figures: list[dict[str, float]] = []
        for _ in range(rounds):
            some = [ids.pop(draw.randrange(len(ids))) for _ in range(CONTINUED)]
            figures.append(found("memory_worker", "parked", home / "source", store, *some))
        size = store.stat().st_size
    what = f"{cases:,} parked cases"
    yield Row(
        "memory",
        f"{what}, store opened",
        "s",
        Sample(tuple(one["seconds"] for one in figures)),
        bar=Bar("<=", 1),
        note=f"a store of {size / MB:,.0f} MB, written in {made:.0f} s;"
        f" {CONTINUED} drawn cases were continued to their end each time",
    )
    yield Row(
        "memory",
        f"{what}, the whole process",
        "MB",
        Sample(tuple(one["after"] / MB for one in figures)),
        bar=Bar("<=", 200),
        note=f"before opening {figures[0]['before'] / MB:.0f} MB",
    )
    yield Row(
        "memory",
        f"a parked case of {cases:,} woken by a message, until its end",
        "ms",
        Sample(tuple(one["woken"] * 1e3 for one in figures)),
        note="loaded, and eight tasks done, one case after the other",
    )
