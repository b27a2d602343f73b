"""Random walks over the nets of the pattern suite: what must hold after every input.

Whatever is done in whatever order, the kernel's counts agree with each other, and the history
replayed gives the same case. ``KNHK_WALKS`` is the number of walks over each net.
"""

from __future__ import annotations

import os
import random
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from knhk import Workflow, load
from knhk.errors import KnhkError
from knhk.kernel import Case, Program
from knhk.kernel.arrivals import pending
from knhk.kernel.offering import may_enter_again
from knhk.kernel.orjoin import passes_left
from knhk.model import (
    CALLEE_MESSAGE,
    CALLEE_PYTHON,
    CALLEE_SIGNAL,
    CALLEE_SKIP,
    CALLEE_TIMER,
    CREATE,
    EXCEPT_MESSAGE,
    EXCEPT_SIGNAL,
    MESSAGE,
    ON_FAILURE_COMPENSATE,
    SIGNAL,
    Callee,
    Input,
    Net,
    Node,
)

SUITE = Path(__file__).parent.parent / "patterns"
WALKS = int(os.environ.get("KNHK_WALKS", "4"))
STEPS = 40
LIVE = ("waiting", "offered", "started")


def _sources() -> Iterator[tuple[str, str]]:
    for file in sorted(SUITE.glob("*.toml")):
        for number, net in enumerate(
            tomllib.loads(file.read_text(encoding="utf-8")).get("net", [])
        ):
            yield f"{file.stem}-{number}", net["knhk"]


SOURCES = dict(_sources())


def _workflow(name: str) -> Workflow:
    module = load(SOURCES[name])
    return module[next(iter(module))]


def _events(nodes: tuple[Node, ...], callee: int, arrow: int) -> list[str]:
    names = {
        node.task.callee.name for node in nodes if node.task and node.task.callee.kind == callee
    }
    names |= {e.name for node in nodes for e in node.exceptions if e.kind == arrow}
    return sorted(names)


def _parameters(workflow: Workflow, choose: random.Random) -> dict[str, object]:
    values: dict[str, object] = {}
    for parameter in workflow.net.parameters:
        for value in (choose.random() < 0.5, choose.randrange(4), "a", ["a", "b"], 1.5):
            try:
                values[parameter.name] = parameter.codec.accept(value)
                break
            except KnhkError:
                continue
    return values


def _step(case: Case, choose: random.Random) -> None:
    """One thing that somebody might do; what the case refuses must change nothing."""
    nodes = case._program.net.nodes
    tasks = [node.name for node in nodes if node.task is not None]
    live = [item for item in case.items if str(item.state) in LIVE]
    what = choose.choice(["start", "start", "start", "complete", "complete", "complete", "other"])
    if what == "start" and case.offered:
        case.start(choose.choice([item for item in live if str(item.state) == "offered"]))
        return
    if what == "complete" and case.started:
        item = choose.choice([item for item in live if str(item.state) == "started"])
        case.complete(item, choose.choice([None, 1, "x", True]))
        return
    other = choose.randrange(13)
    if other == 0 and case.started:
        case.fail(choose.choice(case.started), choose.choice(["Broken", "Timeout"]))
    elif other == 1:
        case.withdraw(choose.choice(tasks))
    elif other in (2, 3):
        for name in _events(nodes, CALLEE_MESSAGE, EXCEPT_MESSAGE):
            key = choose.choice([None, 1, "a"])
            wanted = [wish for wish in case.wishes(9) if (wish.kind, wish.name) == (MESSAGE, name)]
            would = any(not wish.keys or wish.key == key for wish in wanted)
            assert case.would_take(name, key) == would
            assert case.send(name, 1, key) == would
    elif other == 4:
        for name in _events(nodes, CALLEE_SIGNAL, EXCEPT_SIGNAL):
            wanted = [wish for wish in case.wishes(9) if (wish.kind, wish.name) == (SIGNAL, name)]
            assert bool(case.signal(name)) == bool(wanted)
    elif other == 5:
        case.advance(choose.choice([1, 60, 100_000]))
    elif other == 6:
        case.add_instance(choose.choice(tasks), "x")
    elif other == 7:
        case.suspend()
    elif other in (8, 9) and case.items:
        case.skip(choose.choice(choose.choice([live, case.items]) or case.items), None)
    elif other == 10 and case.started:
        case.release(choose.choice(case.started))
    elif other == 11:
        case.resume(choose.choice(tasks))
    else:
        case.resume()


def _check(case: Case) -> None:
    marking, program = case._marking, case._program
    assert all(count >= 0 for count in marking.counts)
    assert sum(marking.counts) == marking.total
    queued = sum(len(desk.queue) for desk in case._desks if desk is not None)
    live = [item for item in case.items if str(item.state) in LIVE]
    assert len(live) + queued == case._live
    for node, row in enumerate(program.rows):
        first = program.first[node]
        if row is None or (program.count[node] and program.routes[first]):
            continue
        desk = case._desk(node)
        if case.compensating:
            continue
        assert desk.busy >= 0
        assert desk.straggling >= 0
        for transition in range(first, first + program.count[node]):
            _check_arrivals(case, node, transition)
        assert row.at_most == 0 or desk.offered.count + desk.started.count <= row.at_most


def _check_arrivals(case: Case, node: int, transition: int) -> None:
    marking, program, desk = case._marking, case._program, case._desk(node)
    untaken = [
        item
        for item in case._failed
        if item._transition == transition and not item._taken and item._activation is None
    ]
    there = len(pending(desk, transition)) + len(untaken)
    there += marking.arrivals.count(transition)
    halted = {id(item._activation) for item in case._failed if item._activation is not None}
    assert marking.ready[transition] == there, (program.name_of(node), halted)
    if str(case.status) != "running":
        return
    if program.or_join[transition] >= 0:
        assert marking.ready[transition] <= passes_left(case, program.or_join[transition])
    elif program.contested[transition]:
        assert marking.ready[transition] <= marking.degree(transition)
    else:
        assert marking.ready[transition] == marking.degree(transition)
    for item in desk.offered.items():
        assert may_enter_again(case, item)


def _state(case: Case) -> object:
    items = [(item.id, item.task, item.state, item.attempt, item.due_us) for item in case.items]
    data = {name: repr(value) for name, value in case.data.items()}
    return (case.status, case.marking, items, data, case.offered, case.started, repr(case.failure))


@pytest.mark.parametrize("name", SOURCES)
def test_counts_agree_and_a_replay_gives_the_same_case(name: str) -> None:
    workflow = _workflow(name)
    for number in range(WALKS):
        choose = random.Random(f"{name} {number}")
        case = workflow.case(**_parameters(workflow, choose))
        _check(case)
        for _ in range(STEPS):
            before = _state(case)
            taken = case.seq
            try:
                _step(case, choose)
            except KnhkError:
                assert (before, taken) == (_state(case), case.seq)
            _check(case)
            if str(case.status) in ("completed", "cancelled"):
                assert not [item for item in case.items if str(item.state) in LIVE]
                break
        again = Case(workflow.program, case.id)
        for fact in case.history:
            again.apply(fact)
        assert _state(case) == _state(again)


def _undoable(net: Net) -> Net:
    """The net with a compensation for every task that does something."""
    undo = Callee(CALLEE_PYTHON, "shop", "undo")
    nodes = []
    for node in net.nodes:
        task = node.task
        if task is not None and task.callee.kind not in (CALLEE_SKIP, CALLEE_TIMER):
            task = replace(task, compensation=undo)
        nodes.append(replace(node, task=task))
    return replace(net, nodes=tuple(nodes), on_failure=ON_FAILURE_COMPENSATE)


def _completed(case: Case) -> set[int]:
    """What has done something that can be undone."""
    rows = case._program.rows
    found = set()
    for item in case.items:
        row = rows[item.node]
        assert row is not None
        listed = item.instance is not None or not row.multiple
        if item.undoes is None and str(item.state) == "completed" and listed:
            found.add(item.id if row.compensation is not None else 0)
    return found - {0}


@pytest.mark.parametrize("name", SOURCES)
def test_what_has_completed_in_any_order_is_undone_in_the_reverse(name: str) -> None:
    workflow = _workflow(name)
    program = Program(_undoable(workflow.net))
    for number in range(WALKS):
        choose = random.Random(f"undo {name} {number}")
        parameters = workflow.case(**_parameters(workflow, choose)).history[0].value
        case = Case(program, "walk")
        case.apply(Input(CREATE, 0, value=parameters))
        order: list[set[int]] = []
        for _ in range(STEPS):
            try:
                _step(case, choose)
            except KnhkError:
                continue
            _check(case)
            order.append(_completed(case).difference(*order))
        if str(case.status) in ("completed", "cancelled") and not case.compensating:
            continue
        if not case.compensating:
            case.compensate()
        undone: list[int] = []
        for _ in range(10 * STEPS):
            undone = [i.undoes for i in case.items if i.undoes and str(i.state) == "completed"]
            if str(case.status) in ("failed", "suspended"):
                case.resume()
            elif case.compensating:
                case.skip(case.items[-1])
        assert str(case.status) == "cancelled"
        for together in order[::-1]:
            assert together == set(undone[: len(together)])
            undone = undone[len(together) :]
        assert undone == []
