"""What the harder patterns cost: OR-joins, multiple instances, many cases at once.

OR-join in a block: two rings of routing nodes with the same OR-split, whose guards are all
true; in one the branches meet in an OR-join, in the other in an AND-join of the same width.
General OR-join: a cyclic workflow of 50 tasks with cancellation is played at random; whenever
an input of its OR-join is marked, the evaluation is timed with nothing remembered from
earlier ones, and once more as it then stands.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator

from kernel import FIRINGS
from measure import Measure, Sample, interleave, ratio
from report import Bar, Row

from knhk import CaseStatus, load
from knhk.kernel import Case, Program
from knhk.kernel.orjoin import may_pass, spread_of
from knhk.model import (
    COMPLETE,
    CREATE,
    JOIN_AND,
    JOIN_OR,
    NODE_ROUTE,
    SPLIT_OR,
    START,
    Arrow,
    Expression,
    Input,
    Net,
    Node,
    Place,
)

WIDTH = 10
INSTANCES = 10_000
#: How much larger the multiple-instance task is with which its growth is measured.
LARGER = 10
CASES = 10_000
CASE_TASKS = 10
BRANCHES = 7
GAMES = 60


# --- OR-join in a block -----------------------------------------------------------------


def ring(join: int) -> Net:
    """An OR-split, a node in each of its branches, a join, and back to the split."""
    true = Expression("true", lambda _data, _moment: True)
    out = range(1, 1 + WIDTH)
    into = range(1 + WIDTH, 1 + 2 * WIDTH)
    start = 1 + 2 * WIDTH
    nodes = [
        Node("split", NODE_ROUTE, (0,), outputs=tuple(Arrow(p, true) for p in out), split=SPLIT_OR),
        *(
            Node(f"n{number}", NODE_ROUTE, (out[number],), outputs=(Arrow(into[number]),))
            for number in range(WIDTH)
        ),
        Node("join", NODE_ROUTE, tuple(into), join, (Arrow(0),)),
        Node("first", NODE_ROUTE, (start,), outputs=(Arrow(0),)),
    ]
    places = tuple(Place(f"p{number}", tokens=int(number == start)) for number in range(start + 1))
    return Net("ring", tuple(nodes), places)


def round_about(join: int) -> Measure:
    """Nanoseconds a firing, as the kernel goes round until it reaches its bound."""
    program = Program(ring(join))

    def measure() -> float:
        case = Case(program, "ring")
        begin = time.perf_counter_ns()
        case.apply(Input(CREATE, 0, value={}))
        elapsed = time.perf_counter_ns() - begin
        if case.failure is None or case.failure.error != "Livelock":
            raise AssertionError(f"the case did not go round: {case.failure}")
        return elapsed / FIRINGS

    return measure


# --- general OR-join --------------------------------------------------------------------


def cyclic() -> str:
    """A workflow of 50 tasks: branches with parallel parts and loops, which cancel each other."""
    tasks = ["    task begin\n", "    task done\n"]
    chains = []
    for branch in range(BRANCHES):
        names = [f"b{branch}_{number}" for number in range(7 if branch < BRANCHES - 1 else 6)]
        victim = (branch + 1) % BRANCHES
        for number, name in enumerate(names):
            line = f"        cancels b{victim}_1, b{victim}_2\n" if number == 4 else ""
            tasks.append(f"    task {name}\n{line}")
        first, left, right, joined, *rest = names
        chains.append(
            f"{first} -> all({left}, {right}) -> {joined}"
            f" -> one({first} when random() < 0.3, {rest[0]} otherwise)"
        )
        chains.append(" -> ".join(rest))
    branches = ", ".join(f"b{branch}_0 when random() < 0.8" for branch in range(BRANCHES))
    last = [f"b{branch}_{6 if branch < BRANCHES - 1 else 5}" for branch in range(BRANCHES)]
    flow = [
        f"start -> begin -> any({branches}, done otherwise)",
        *chains,
        f"any({', '.join(last)}) -> one(begin when random() < 0.2, done otherwise)",
        "done -> end",
    ]
    lines = "".join(f"        {line}\n" for line in flow)
    return f"workflow cyclic()\n{''.join(tasks)}    flow\n{lines}"


def evaluations() -> tuple[Sample, Sample]:
    """Microseconds an evaluation, in order: with nothing remembered, and remembered."""
    workflow = load(cyclic())["cyclic"]
    program = workflow.program
    if sum(node.task is not None for node in program.net.nodes) != 50:
        raise AssertionError("the workflow has not 50 tasks")
    node = program.or_joins[0].node
    inputs = {program.net.places[place].name for place in program.net.nodes[node].inputs}
    cold: list[float] = []
    warm: list[float] = []
    for number in range(GAMES):
        choose = random.Random(number)
        case = Case(program, f"game-{number}")
        case.apply(Input(CREATE, 0, value={}))
        for _ in range(400):
            offered = [item for item in case.items if str(item.state) == "offered"]
            if not offered:
                break
            item = choose.choice(offered).id
            case.apply(Input(START, 0, item))
            if not inputs.isdisjoint(case.marking):
                spread_of(program, 0).answers.clear()
                cold.append(_timed(case, node))
                warm.append(_timed(case, node))
            case.apply(Input(COMPLETE, 0, item))
    if len(cold) < 1_000:
        raise AssertionError(f"the join was marked only {len(cold)} times")
    return Sample(tuple(sorted(cold))), Sample(tuple(sorted(warm)))


def _timed(case: Case, node: int) -> float:
    begin = time.perf_counter_ns()
    may_pass(case, node)
    return (time.perf_counter_ns() - begin) / 1_000


def at(sample: Sample, share: float) -> Sample:
    """The figure that a share of a sorted sample does not exceed."""
    return Sample((sample.values[int(share * (len(sample.values) - 1))],))


# --- instances and cases ----------------------------------------------------------------


def instances(count: int) -> Measure:
    """Microseconds an instance, started and completed one after the other."""
    text = (
        "workflow many(count: int)\n    task work\n        times count\n"
        "    flow\n        start -> work -> end\n"
    )
    workflow = load(text)["many"]

    def measure() -> float:
        case = workflow.case(count=count)
        begin = time.perf_counter_ns()
        for number in range(1, count + 1):
            case.apply(Input(START, 0, number))
            case.apply(Input(COMPLETE, 0, number, "", number))
        elapsed = time.perf_counter_ns() - begin
        if case.status is not CaseStatus.completed or len(case.data["work"]) != count:
            raise AssertionError(f"the case is {case.status}")
        return elapsed / count / 1_000

    return measure


MEMORY = """
import os
from knhk import load
def resident():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
names = [f"t{n}" for n in range(TASKS)]
text = "workflow w()\\n" + "".join(f"    task {n}\\n" for n in names)
text += "    flow\\n        start -> " + " -> ".join(names) + " -> end\\n"
workflow = load(text)["w"]
workflow.case()
before = resident()
cases = [workflow.case() for _ in range(CASES)]
for case in cases:
    for name in names[:TASKS // 2]:
        case.run(name)
assert all(case.offered == (names[TASKS // 2],) for case in cases)
print(resident() - before)
"""


def memory() -> Measure:
    """Megabytes that cases half way through their tasks take, in a process of their own."""
    program = MEMORY.replace("TASKS", str(CASE_TASKS)).replace("CASES", str(CASES))

    def measure() -> float:
        found = subprocess.run(
            [sys.executable, "-P", "-c", program], check=True, capture_output=True, text=True
        )
        return int(found.stdout) / 1_000_000

    return measure


def run(rounds: int) -> Iterator[Row]:
    """Measure them all."""
    if not Program(ring(JOIN_OR)).or_joins[0].counts:
        raise AssertionError("the ring is not seen as a block")
    found = interleave({"or": round_about(JOIN_OR), "and": round_about(JOIN_AND)}, rounds)
    yield Row(
        "patterns",
        f"firing in a ring of an OR-split and an OR-join of {WIDTH} branches",
        "ns",
        found["or"],
        "an AND-join in its place",
        found["and"],
        ratio(found["or"], found["and"]),
        Bar("<=", 2),
    )
    cold, warm = evaluations()
    note = f"{len(cold.values):,} evaluations; the longest {cold.values[-1]:,.0f} µs"
    what = "evaluation of a general OR-join in a cyclic workflow of 50 tasks"
    yield Row("patterns", f"{what}, 99%", "µs", at(cold, 0.99), bar=Bar("<=", 1_000), note=note)
    yield Row("patterns", f"{what}, half of them", "µs", at(cold, 0.5))
    yield Row("patterns", f"{what}, touched by nothing since, 99%", "µs", at(warm, 0.99))
    few, many = instances(INSTANCES), instances(LARGER * INSTANCES)
    found = interleave({"few": few, "many": many}, rounds)
    yield Row(
        "patterns",
        f"instance of {INSTANCES:,}, started and completed",
        "µs",
        found["few"],
        bar=Bar("<=", 5),
    )
    yield Row(
        "patterns",
        f"instance of {LARGER * INSTANCES:,}",
        "µs",
        found["many"],
        f"of {INSTANCES:,}",
        found["few"],
        ratio(found["many"], found["few"]),
        Bar("<=", 2),
        note="10 would be growth with the square",
    )
    found = interleave({"memory": memory()}, min(rounds, 3), warm_up=0)
    yield Row(
        "patterns",
        f"{CASES:,} cases of a workflow of {CASE_TASKS} tasks, half way through",
        "MB",
        found["memory"],
        bar=Bar("<=", 100),
    )
