"""Exploring nets: how many states a second, and how few are enough.

States a second are those of a safe net, a block of six branches of eight tasks each, explored
wholly. The block of 20 parallel tasks has 1,048,577 states; proving it sound is what a check of
it costs beside the reading. A block of discriminators cannot be reduced, and has more states
than its time allows: what is timed is that the answer *unknown* comes when the limit is reached.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from measure import Measure, interleave
from report import Bar, Row

from knhk import load
from knhk.model import Net
from knhk.soundness import Answer, prove
from knhk.soundness.exploring import Exploration
from knhk.soundness.moves import Moves
from knhk.soundness.packing import Packing
from knhk.soundness.rules import Rules

WIDTH, LENGTH = 6, 8
PARALLEL = 20
LIMIT_S = 2.0


def block(branches: list[str]) -> Net:
    """An AND-block of branches, each a chain of tasks."""
    tasks = [name for branch in branches for name in branch.split(" -> ")]
    declared = "".join(f"    task {name}\n" for name in tasks)
    flow = f"        start -> all({', '.join(branches)}) -> last -> end\n"
    text = f"workflow w()\n{declared}    task last\n    flow\n{flow}"
    return load(text)["w"].program.net


def states() -> Measure:
    """States a second of a whole exploration."""
    chains = [" -> ".join(f"t{i}_{j}" for j in range(LENGTH)) for i in range(WIDTH)]
    moves = Moves(block(chains))
    expected = (LENGTH + 1) ** WIDTH + 1

    def measure() -> float:
        begin = time.perf_counter()
        found = Exploration(Rules(moves), Packing(moves, 2))
        found.go_on(10 * expected)
        elapsed = time.perf_counter() - begin
        if found.store.count != expected:
            raise AssertionError(f"{found.store.count} states, not {expected}")
        return found.store.count / elapsed

    return measure


def proof() -> Measure:
    """Milliseconds to prove the wide block sound."""
    net = block([f"t{number}" for number in range(PARALLEL)])

    def measure() -> float:
        begin = time.perf_counter()
        verdict = prove(net)
        elapsed = time.perf_counter() - begin
        if verdict.answer is not Answer.sound:
            raise AssertionError(str(verdict.answer))
        return elapsed * 1_000

    return measure


def surrender() -> Measure:
    """Seconds until the answer is *unknown*, with a limit."""
    branches = [f"first(w{number}, v{number})" for number in range(PARALLEL)]
    tasks = "".join(f"    task w{number}\n    task v{number}\n" for number in range(PARALLEL))
    flow = f"        start -> show -> all({', '.join(branches)}) -> last -> end\n"
    text = f"workflow w()\n{tasks}    task show\n    task last\n    flow\n{flow}"
    net = load(text)["w"].program.net

    def measure() -> float:
        begin = time.perf_counter()
        verdict = prove(net, LIMIT_S)
        elapsed = time.perf_counter() - begin
        if verdict.answer is not Answer.unknown:
            raise AssertionError(str(verdict.answer))
        return elapsed

    return measure


def run(rounds: int) -> Iterator[Row]:
    """Measure them all."""
    found = interleave({"states": states(), "proof": proof()}, rounds)
    yield Row(
        "soundness",
        f"states explored, a block of {WIDTH} branches of {LENGTH} tasks",
        "states/s",
        found["states"],
        bar=Bar(">=", 500_000),
    )
    yield Row(
        "soundness",
        f"proof that a block of {PARALLEL} branches is sound",
        "ms",
        found["proof"],
        bar=Bar("<=", 100),
        note=f"its plain state space has {2**PARALLEL + 1:,} states",
    )
    found = interleave({"unknown": surrender()}, min(rounds, 3), warm_up=0)
    yield Row(
        "soundness",
        f"a net of too many states, limit {LIMIT_S:g} s",
        "s",
        found["unknown"],
        bar=Bar("<=", LIMIT_S + 0.5),
    )
