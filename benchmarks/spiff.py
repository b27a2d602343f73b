"""A whole ``case.run(task)`` from Python, beside SpiffWorkflow completing the same task.

Three shapes from a ``.knhk`` text and from BPMN: a sequence, an AND-split, a loop. Nothing is
done in the tasks; what is timed is a case from its creation to its end, divided by its tasks.
Reading the workflow is not timed on either side.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import bpmn
from bpmn import Drive
from measure import Measure, Sample, interleave, ratio
from report import Bar, Row

from knhk import CaseStatus, Workflow, load

TASKS = 10
BRANCHES = 300
ROUNDS = 300
#: How much larger the shapes are with which the growth of our own cost is measured.
LARGER = 10


def sequence(size: int) -> str:
    """A sequence of tasks that somebody else does."""
    return _workflow(size, f"start -> {' -> '.join(_names(size))} -> end")


def split(size: int) -> str:
    """An AND-split, a task in each branch, an AND-join."""
    return _workflow(size, f"start -> all({', '.join(_names(size))}) -> end")


def loop(rounds: int) -> str:
    """One task, done again while there were too few rounds."""
    flow = f"start -> t0 -> one(t0 when rounds < {rounds}, end otherwise)"
    text = _workflow(1, flow)
    text = text.replace("    task t0\n", "    task t0\n        sets rounds = rounds + 1\n")
    return text.replace("workflow shape()\n", "workflow shape()\n    var rounds: int = 0\n")


def _names(size: int) -> list[str]:
    return [f"t{number}" for number in range(size)]


def _workflow(size: int, flow: str) -> str:
    tasks = "".join(f"    task {name}\n" for name in _names(size))
    return f"workflow shape()\n{tasks}    flow\n        {flow}\n"


def compiled(text: str) -> Workflow:
    """The only workflow of a source."""
    return load(text)["shape"]


def ours(workflow: Workflow, order: list[str], cases: int) -> Measure:
    """Microseconds a task: a new case, ``case.run`` for each task, the end."""

    def measure() -> float:
        begin = time.perf_counter()
        for _ in range(cases):
            case = workflow.case()
            for name in order:
                case.run(name)
        elapsed = time.perf_counter() - begin
        if case.status is not CaseStatus.completed:
            raise AssertionError(f"the case is {case.status} after all its tasks")
        return elapsed / cases / len(order) * 1e6

    return measure


def steps_only(workflow: Workflow, order: list[str], cases: int) -> Measure:
    """Microseconds of one ``case.run``, without the creation of the case."""

    def measure() -> float:
        elapsed = 0.0
        for _ in range(cases):
            case = workflow.case()
            begin = time.perf_counter()
            for name in order:
                case.run(name)
            elapsed += time.perf_counter() - begin
        return elapsed / cases / len(order) * 1e6

    return measure


def theirs(specification: object, drive: Drive, tasks: int, cases: int) -> Measure:
    """Microseconds a task of SpiffWorkflow."""

    def measure() -> float:
        begin = time.perf_counter()
        for _ in range(cases):
            done = drive(specification)
        elapsed = time.perf_counter() - begin
        if done != tasks:
            raise AssertionError(f"SpiffWorkflow completed {done} tasks, not {tasks}")
        return elapsed / cases / tasks * 1e6

    return measure


@dataclass(frozen=True)
class Shape:
    """What is run, its bar, and how many cases make a turn (ours and theirs)."""

    what: str
    text: str
    order: list[str]
    peers: dict[str, tuple[object, Drive]]
    bar: float
    our_cases: int
    their_cases: int


def shapes() -> Iterator[Shape]:
    """The three shapes of the bar.

    BPMN is what SpiffWorkflow documents, in two ways to drive it; the faster one counts. Its
    core specifications stand beside it, but for the split, where one run takes half a minute.
    """
    yield Shape(
        f"sequence of {TASKS} tasks",
        sequence(TASKS),
        _names(TASKS),
        _bpmn(bpmn.sequence(TASKS)) | {"core": (bpmn.core_sequence(TASKS), bpmn.drive_core)},
        50,
        500,
        20,
    )
    yield Shape(
        f"AND-split of {BRANCHES} branches",
        split(BRANCHES),
        _names(BRANCHES),
        _bpmn(bpmn.split(BRANCHES)),
        500,
        20,
        1,
    )
    yield Shape(
        f"loop of {ROUNDS} rounds",
        loop(ROUNDS),
        ["t0"] * ROUNDS,
        _bpmn(bpmn.loop(ROUNDS)) | {"core": (bpmn.core_loop(ROUNDS), bpmn.drive_core)},
        500,
        20,
        1,
    )


def _bpmn(specification: object) -> dict[str, tuple[object, Drive]]:
    return {
        "one by one": (specification, bpmn.drive_each),
        "all that are ready": (specification, bpmn.drive_ready),
    }


def run(rounds: int) -> Iterator[Row]:
    """Measure the three shapes, then how our own cost grows."""
    for shape in shapes():
        yield from compare(shape, rounds)
    yield grows("AND-split", "branches", BRANCHES, split, _names, rounds)
    yield grows("loop", "rounds", ROUNDS, loop, lambda size: ["t0"] * size, rounds)


def compare(shape: Shape, rounds: int) -> Iterator[Row]:
    """One shape: beside the faster BPMN way with the bar, beside the core without."""
    workflow = compiled(shape.text)
    contenders = {
        "whole": ours(workflow, shape.order, shape.our_cases),
        "run": steps_only(workflow, shape.order, shape.our_cases),
    }
    for name, (specification, drive) in shape.peers.items():
        contenders[name] = theirs(specification, drive, len(shape.order), shape.their_cases)
    found = interleave(contenders, rounds)
    way = min((name for name in shape.peers if name != "core"), key=lambda n: found[n].median)
    peer = found[way]
    yield Row(
        "spiff",
        f"{shape.what}, with the case's creation",
        "us a task",
        found["whole"],
        "SpiffWorkflow, BPMN",
        peer,
        _faster(found["whole"], peer),
        Bar(">=", shape.bar),
        f"SpiffWorkflow driven {way}",
    )
    yield Row(
        "spiff",
        f"{shape.what}, `case.run` alone",
        "us a task",
        found["run"],
        "SpiffWorkflow, BPMN",
        peer,
        _faster(found["run"], peer),
    )
    if "core" in found:
        yield Row(
            "spiff",
            f"{shape.what}, with the case's creation",
            "us a task",
            found["whole"],
            "SpiffWorkflow, core",
            found["core"],
            _faster(found["whole"], found["core"]),
        )


def _faster(ours: Sample, theirs: Sample) -> Sample:
    return ratio(theirs, ours)


def grows(
    what: str,
    unit: str,
    size: int,
    text: Callable[[int], str],
    order: Callable[[int], list[str]],
    rounds: int,
) -> Row:
    """Our cost a task at ten times the size; it would be 10 if it grew with the square."""
    large = size * LARGER
    found = interleave(
        {
            "small": ours(compiled(text(size)), order(size), 2 * LARGER),
            "large": ours(compiled(text(large)), order(large), 2),
        },
        2 * rounds,
    )
    return Row(
        "spiff",
        f"{what} of {large:,} {unit} beside {size}, a task",
        "us a task",
        found["large"],
        f"{size} {unit}",
        found["small"],
        ratio(found["large"], found["small"]),
        Bar("<=", 2),
    )
