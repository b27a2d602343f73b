"""Random nets and random runs: replay gives the same case, and a plain oracle agrees.

The oracle is a token game on dictionaries, written from section 6 of the language and
independent of the kernel's tables: a task has as many items as it could start one after
another with no completion between; routing passes in net order before anything else.
"""

from __future__ import annotations

import os

import hypothesis.strategies as st
from hypothesis import given, settings

from knhk.errors import UsageError
from knhk.kernel import Case, Program
from knhk.model import (
    CALLEE_OUTSIDE,
    CALLEE_TIMER,
    CREATE,
    EXCEPT_ERROR,
    JOIN_AND,
    JOIN_XOR,
    NODE_END,
    NODE_ROUTE,
    NODE_STOP,
    NODE_TASK,
    SPLIT_AND,
    SPLIT_XOR,
    Arrow,
    Callee,
    ExceptionArrow,
    ForEach,
    Input,
    Net,
    Node,
    Place,
    Retry,
    Task,
)

from .nets import expression

ODD = expression(lambda data: int(str(data["count"])) % 2 == 1, "count % 2 == 1")
COUNT = ("count", expression(lambda data: int(str(data["count"])) + 1, "count + 1"))
DELAY = expression(lambda data: 7_000_000, "7s")
THREE = ForEach(times=expression(lambda data: int(str(data["count"])) % 4, "count % 4"))


@st.composite
def nets(draw: st.DrawFn, *, plain: bool) -> Net:
    """A net of up to six tasks and four routing nodes with arbitrary arcs.

    A ``plain`` one has tasks that only move tokens; else they also wait, retry, time out,
    fail by exception arrows and have instances.
    """
    task_count = draw(st.integers(1, 6))
    node_count = task_count + draw(st.integers(0, 4))
    place_count = draw(st.integers(node_count, node_count + 5))
    owner = [*range(node_count)]
    owner += [draw(st.integers(0, node_count - 1)) for _ in range(place_count - node_count)]
    any_place = st.integers(0, place_count - 1)
    nodes = []
    for number in range(node_count):
        is_task = number < task_count
        # A routing node leads on to tasks and later routing nodes only: no round without a task.
        onward = [p for p in range(place_count) if owner[p] < task_count or owner[p] > number]
        reach = any_place if is_task else st.sampled_from(onward)
        places = draw(st.lists(reach, max_size=3, unique=True))
        chooses = draw(st.booleans()) and len(places) > 1
        guards = [ODD if chooses and at < len(places) - 1 else None for at in range(len(places))]
        kinds = [NODE_ROUTE, NODE_ROUTE, NODE_END, NODE_STOP]
        nodes.append(
            Node(
                f"n{number}",
                NODE_TASK if is_task else draw(st.sampled_from(kinds)),
                inputs=tuple(p for p in range(place_count) if owner[p] == number),
                join=draw(st.sampled_from([JOIN_AND, JOIN_XOR])),
                outputs=tuple(map(Arrow, places, guards)),
                split=SPLIT_XOR if chooses else SPLIT_AND,
                exceptions=() if plain or not is_task else draw(exceptions(any_place)),
                task=None
                if not is_task
                else Task(Callee(CALLEE_OUTSIDE), sets=(COUNT,))
                if plain
                else draw(tasks()),
            )
        )
    tokens = [draw(st.sampled_from([0, 0, 0, 1, 1, 2, 3])) for _ in range(place_count)]
    tokens[draw(any_place)] += 1
    places = tuple(Place(f"p{number}", tokens=held) for number, held in enumerate(tokens))
    return Net("random", tuple(nodes), places)


@st.composite
def exceptions(draw: st.DrawFn, any_place: st.SearchStrategy[int]) -> tuple[ExceptionArrow, ...]:
    if draw(st.booleans()):
        return ()
    name = draw(st.sampled_from(["", "Busy", "Timeout"]))
    return (ExceptionArrow(EXCEPT_ERROR, name, draw(any_place)),)


@st.composite
def tasks(draw: st.DrawFn) -> Task:
    if draw(st.integers(0, 4)) == 0:
        return Task(Callee(CALLEE_TIMER, delay=DELAY), sets=(COUNT,))
    return Task(
        Callee(CALLEE_OUTSIDE),
        retry=draw(st.sampled_from([None, Retry((3_000_000,) * 2, jitter=0.2)])),
        timeout_us=draw(st.sampled_from([0, 5_000_000])),
        at_most=draw(st.integers(0, 2)),
        for_each=draw(st.sampled_from([None, None, THREE])),
        sets=draw(st.sampled_from([(), (COUNT,)])),
    )


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(
            ["start"] * 4
            + ["complete"] * 4
            + ["fail", "fail", "advance", "withdraw", "suspend", "resume", "resume", "cancel"]
        ),
        st.integers(0, 9),
    ),
    max_size=40,
)


def act(case: Case, action: str, choice: int) -> None:
    """Do one thing to a case, if there is something to do it to."""
    if action in ("start", "complete", "fail"):
        state = "offered" if action == "start" else "started"
        found = [item for item in case.items if item.state == state]
        if not found or (action == "start" and not case.offered):
            return
        item = found[choice % len(found)]
        if action == "fail":
            case.fail(item, ["Busy", "Broken"][choice % 2])
        elif action == "start":
            case.start(item)
        else:
            case.complete(item, choice)
        return
    try:
        if action == "advance":
            case.advance(choice / 2)
        elif action == "withdraw":
            case.withdraw(f"n{choice}")
        else:
            getattr(case, action)()
    except (UsageError, LookupError):
        return


def picture(case: Case) -> tuple[object, ...]:
    """All that can be seen of a case."""
    items = [(i.id, i.task, i.state, i.instance, i.value, i.attempt, i.due_us) for i in case.items]
    seen = (case.status, case.marking, case.data, case.offered, case.started, case.result)
    clock = (case.now_us, case.next_wake_us, case.seq, repr(case.failure))
    return (*seen, *clock, items, case.history)


def begun(net: Net) -> Case:
    case = Case(Program(net), "random-1")
    case.apply(Input(CREATE, 0, value={"count": 3}))
    return case


@given(nets(plain=False), ACTIONS, st.integers(0, 40))
def test_replaying_the_inputs_gives_the_same_case_at_every_point(
    net: Net, actions: list[tuple[str, int]], cut: int
) -> None:
    case = begun(net)
    middle = begun(net)
    for number, (action, choice) in enumerate(actions):
        act(case, action, choice)
        if number == cut:
            middle = replayed(net, case.history)
            assert picture(middle) == picture(case)
    assert picture(replayed(net, case.history)) == picture(case)
    for fact in case.history[len(middle.history) :]:
        middle.apply(fact)
    assert picture(middle) == picture(case)


def replayed(net: Net, history: tuple[Input, ...]) -> Case:
    again = Case(Program(net), "random-1")
    for fact in history:
        again.apply(fact)
    return again


@given(nets(plain=False), ACTIONS)
def test_a_case_says_it_is_running_exactly_while_something_can_happen(
    net: Net, actions: list[tuple[str, int]]
) -> None:
    case = begun(net)
    for action, choice in actions:
        act(case, action, choice)
        at_work = [i for i in case.items if str(i.state) in ("waiting", "offered", "started")]
        if case.status == "running":
            assert at_work
        elif case.status in ("completed", "cancelled"):
            assert (at_work, case.marking) == ([], {})
        elif case.status == "stuck":
            assert (at_work, case.marking != {}) == ([], True)


class Oracle:
    """The token game on dictionaries, for plain tasks."""

    def __init__(self, net: Net) -> None:
        self.net = net
        self.tokens = {p: place.tokens for p, place in enumerate(net.places) if place.tokens}
        self.count = 3
        self.stopped = False
        self.route()

    def could_start(self, node: Node) -> int:
        held = [self.tokens.get(place, 0) for place in node.inputs]
        return min(held) if node.join == JOIN_AND else sum(held)

    def take(self, node: Node, arrived_at: int) -> None:
        for place in node.inputs if node.join == JOIN_AND else (arrived_at,):
            self.move(place, -1)

    def move(self, place: int, by: int) -> None:
        self.tokens[place] = self.tokens.get(place, 0) + by

    def put(self, node: Node) -> None:
        if node.split == SPLIT_XOR:
            chosen = next(a for a in node.outputs if a.guard is None or self.count % 2 == 1)
            self.move(chosen.place, 1)
        else:
            for arrow in node.outputs:
                self.move(arrow.place, 1)

    def route(self) -> None:
        while not self.stopped:
            ready = [n for n in self.net.nodes if n.kind != NODE_TASK and self.could_start(n)]
            if not ready:
                return
            self.take(ready[0], next(p for p in ready[0].inputs if self.tokens.get(p)))
            if ready[0].kind == NODE_STOP:
                self.stopped = True
                self.tokens.clear()
            else:
                self.put(ready[0])

    def offered(self) -> tuple[str, ...]:
        tasks = [node for node in self.net.nodes if node.kind == NODE_TASK]
        return tuple(node.name for node in tasks for _ in range(self.could_start(node)))


@settings(max_examples=60 if "CI" in os.environ else 300)
@given(nets(plain=True), st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=30))
def test_the_kernel_agrees_with_a_plain_token_game(net: Net, steps: list[tuple[bool, int]]) -> None:
    oracle = Oracle(net)
    case = begun(net)
    for starts, choice in steps:
        assert case.marking == {net.places[p].name: n for p, n in oracle.tokens.items() if n}
        if case.status != "running":
            return
        assert case.offered == oracle.offered()
        offered = [item for item in case.items if item.state == "offered"]
        started = [item for item in case.items if item.state == "started"]
        if offered and (starts or not started):
            item = offered[choice % len(offered)]
            before = case.marking
            case.start(item)
            left = [p for p in net.nodes[item.node].inputs if fell(net, p, before, case.marking)]
            oracle.take(net.nodes[item.node], left[0])
        else:
            item = started[choice % len(started)]
            oracle.count += 1
            oracle.put(net.nodes[item.node])
            oracle.route()
            case.complete(item)


def fell(net: Net, place: int, before: dict[str, int], after: dict[str, int]) -> bool:
    name = net.places[place].name
    return after.get(name, 0) < before.get(name, 0)
