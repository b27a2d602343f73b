"""The kernel's OR-join, all three tests of it, held against the plain oracle.

Random nets are played at random; after every input the kernel's answer for every OR-join is
compared with the oracle's in the same state, and what is offered behind it with how often the
oracle lets it pass; and what the input has done is compared with what the oracle's steps can do.

By default some nets of each sort are drawn, always the same ones, which takes some seconds. The
whole form is asked for with ``KNHK_ORJOIN_NETS``, the number of nets of each sort (thousands),
``KNHK_ORJOIN_STATES``, how many states the oracle may look at for one answer, and
``KNHK_ORJOIN_SEED``, a number that draws other nets than the usual ones. A failure prints the
net as text, which :func:`tests.orjoin.drawing.net` reads, and the run; both belong into
``FOUND`` then.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, currently_in_test_context, event, given, note, seed, settings

from knhk.kernel import Case, Program, WorkItem
from knhk.kernel.orjoin import may_pass
from knhk.model import (
    CREATE,
    EXCEPT_ERROR,
    EXCEPT_MESSAGE,
    EXCEPT_SIGNAL,
    EXCEPT_TIMEOUT,
    JOIN_OR,
    NODE_TASK,
    TIMEOUT_ERROR,
    Input,
    Net,
)

from . import oracle
from .drawing import net as drawn
from .drawing import text_of, text_of_state
from .nets import block_nets, close_nets, free_nets, or_joins
from .oracle import State

NETS_MAX = int(os.environ.get("KNHK_ORJOIN_NETS", "60"))
STATES_MAX = int(os.environ.get("KNHK_ORJOIN_STATES", "400"))
SEED = os.environ.get("KNHK_ORJOIN_SEED", "")
STEPS_MAX = 16
MANNERS = ("count", "reach", "search")

Test = Callable[..., None]


def many(test: Test) -> Test:
    """So many examples as asked for, always the same ones unless a seed is given."""
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    test = settings(
        max_examples=NETS_MAX,
        derandomize=not SEED,
        database=None,
        suppress_health_check=checks,
    )(test)
    return seed(int(SEED))(test) if SEED else test


#: The choice that is a withdrawal from outside; all others are of the usual actions.
WITHDRAWAL = 29
CHOICES = st.lists(st.integers(0, WITHDRAWAL), min_size=3, max_size=STEPS_MAX)


@pytest.mark.timeout(0)
@many
@given(free_nets(), CHOICES, st.integers(0, 99))
def test_on_arbitrary_nets_the_kernel_agrees_with_the_oracle(
    net: Net, choices: list[int], number: int
) -> None:
    compare_along_a_run(net, choices, number)


@pytest.mark.timeout(0)
@many
@given(close_nets(), CHOICES, st.integers(0, 99))
def test_around_one_join_the_kernel_agrees_with_the_oracle(
    net: Net, choices: list[int], number: int
) -> None:
    compare_along_a_run(net, choices, number)


@pytest.mark.timeout(0)
@many
@given(block_nets(), CHOICES, st.integers(0, 99))
def test_on_nets_of_blocks_the_kernel_agrees_with_the_oracle(
    net: Net, choices: list[int], number: int
) -> None:
    compare_along_a_run(net, choices, number)


def compare_along_a_run(net: Net, choices: list[int], number: int) -> None:
    """Play a run of choices among what can be done, and compare at every point."""
    note(text_of(net))
    case = begun(net, number)
    compare(case)
    for choice in choices:
        possible = list(withdrawals(case) if choice == WITHDRAWAL else actions(case))
        if not possible:
            return
        name, act = possible[choice % len(possible)]
        note(name)
        before = _state_of(case)
        act()
        if not name.startswith("withdraw"):
            compare_move(case, before, name)
        compare(case)


def compare_move(case: Case, before: State, name: str) -> None:
    """What an input has done is what the oracle's steps can do, routing included."""
    net = case._program.net
    after = _state_of(case)
    regions = [node.cancels for node in net.nodes if node.cancels is not None]
    cancels_or_join = any(net.nodes[task].join == JOIN_OR for r in regions for task in r.tasks)
    if case.status not in ("running", "stuck") or cancels_or_join:
        return
    seen = {before}
    queue = deque([before])
    while queue and after not in seen and len(seen) < STATES_MAX:
        here = queue.popleft()
        for step, there in exact_steps(net, here):
            heard = name in ("message", "signal") and step.endswith(("interrupted", "fails"))
            wanted = step in (name, "") if here is before else step == ""
            if (wanted or heard) and there not in seen:
                seen.add(there)
                queue.append(there)
    came = len(seen) >= STATES_MAX or after in seen
    assert came, f"{text_of_state(net, before)}, {name}: {text_of_state(net, after)}"


def exact_steps(net: Net, state: State) -> Iterator[tuple[str, State]]:
    """The oracle's steps, but OR-joins take all that is marked; routing has no name."""
    joins = {net.nodes[number].name: number for number in or_joins(net)}
    tasks = {node.name for node in net.nodes if node.kind == NODE_TASK}
    for name, there in oracle.steps(net, state):
        who = name.rstrip("+-").split()[0]
        if who not in joins or name.endswith(("-", "fails")):
            yield (name if who in tasks else ""), there
    for name, number in joins.items():
        if not oracle.marked_inputs(net, state, number):
            continue
        took = oracle.passed(net, state, number)
        if name in tasks:
            yield from oracle.begun(net, took, number)
        else:
            for after in oracle.completions(net, took, number):
                yield "", after


def begun(net: Net, number: int = 0) -> Case:
    case = Case(Program(net), f"case-{number}")
    case.apply(Input(CREATE, 0, value={}))
    return case


def actions(case: Case) -> Iterator[tuple[str, Callable[[], object]]]:
    """What can be done to a case now: starts, completions, failures, a message, a signal."""
    if case.status != "running":
        return
    nodes = case._program.net.nodes
    heard: set[int] = set()
    for item in case.items:
        if item.state == "offered":
            yield f"{item.task}+", lambda item=item: case.start(item)
        elif item.state == "started":
            yield f"{item.task}-", lambda item=item: case.complete(item)
            yield from failures(case, item)
        if item.state in ("offered", "started"):
            heard.update(arrow.kind for arrow in nodes[item.node].exceptions)
    if EXCEPT_MESSAGE in heard:
        yield "message", lambda: case.send("m")
    if EXCEPT_SIGNAL in heard:
        yield "signal", lambda: case.signal("m")


def withdrawals(case: Case) -> Iterator[tuple[str, Callable[[], object]]]:
    for name in dict.fromkeys((*case.offered, *case.started)):
        yield f"withdraw {name}", lambda name=name: case.withdraw(name)


def failures(case: Case, item: WorkItem) -> Iterator[tuple[str, Callable[[], object]]]:
    kinds = {arrow.kind for arrow in case._program.net.nodes[item.node].exceptions}
    if EXCEPT_ERROR in kinds:
        yield f"{item.task} fails", lambda: case.fail(item, "Broken")
    if EXCEPT_TIMEOUT in kinds:
        yield f"{item.task} fails", lambda: case.fail(item, TIMEOUT_ERROR)


def compare(case: Case) -> None:
    """All OR-joins of a case that stands quiet: the kernel's answers and the oracle's."""
    if case.status not in ("running", "stuck"):
        return
    net = case._program.net
    state = _state_of(case)
    for number in or_joins(net):
        found = oracle.verdict(net, state, number, STATES_MAX)
        if found.passes is None:
            tell("the oracle does not know")
            continue
        name = net.nodes[number].name
        asked = f"{name} in {text_of_state(net, state)} (oracle: {found})"
        assert found.passes == may_pass(case, number), asked
        for manner in MANNERS:
            answer = may_pass(case, number, manner)
            if answer is not None and oracle.marked_inputs(net, state, number):
                tell(f"{manner}: {'passes' if answer else 'waits'}")
            assert answer in (found.passes, None), f"{manner}: {asked}"
        if case.status == "stuck" or net.nodes[number].kind != NODE_TASK:
            assert may_begin(net, state, number) is not True, f"should have passed: {asked}"
        else:
            expected = offers(net, state, number)
            if expected is not None:
                assert expected == case.offered.count(name), asked


def tell(what: str) -> None:
    """Count it in Hypothesis' statistics."""
    if currently_in_test_context():
        event(what)


def offers(net: Net, state: State, number: int) -> int | None:
    """How many items a task behind an OR-join has; ``None`` if the oracle does not know."""
    count = 0
    while True:
        begins = may_begin(net, state, number)
        if begins is None:
            return None
        if not begins:
            return count
        count += 1
        state = oracle.passed(net, state, number)


def may_begin(net: Net, state: State, number: int) -> bool | None:
    """Whether the join may pass, the milestone is marked and the mutexes are free."""
    node = net.nodes[number]
    marked = [node.inputs[at] for at in oracle.marked_inputs(net, state, number)]
    if not oracle.may_take(net, state, number, marked):
        return False
    return oracle.passes(net, state, number, STATES_MAX)


def _state_of(case: Case) -> State:
    """The state of a case as the oracle sees it. All that is known here of the kernel's fields."""
    program = case._program
    marking = case._marking
    net = program.net
    running = []
    arrived = []
    for number, node in enumerate(net.nodes):
        desk = case._desks[number]
        running.append(0 if desk is None else int(desk.busy))
        branches = range(len(node.inputs) if oracle.is_partial(node) else 0)
        first = program.first[number]
        arrived.append(frozenset(at for at in branches if marking.arrived[first + at]))
    counts = tuple(int(marking.counts[place]) for place in range(len(net.places)))
    return State(counts, tuple(running), tuple(arrived))


# --- what was found ---------------------------------------------------------------------------

FOUND: dict[str, tuple[str, str]] = {
    "a token is out of its place while that is emptied, and comes back": (
        """
        marked q, p
        task t = xor p -> all r | cancels q
        task u = xor q -> all q
        task d = or q, r -> all
        """,
        "",
    ),
    "work that ends the case marks nothing": (
        """
        marked q, p
        task t = xor p -> all r | cancels case
        task d = or q, r -> all
        """,
        "",
    ),
    "completing work still holds its mutex, so its next arrival is not cancelled": (
        """
        marked q, p*2
        task t = xor p -> all r | holds m | cancels t
        task u = and p, r -> all s
        task d = or q, s -> all
        """,
        "t+, t-, u+, u-",
    ),
    "completing work is still in its section, so its next arrival is not cancelled": (
        """
        marked q, p*2
        task t = xor p -> all r | cancels t
        task u = and p, r -> all s
        task d = or q, s -> all
        section m = t
        """,
        "t+, t-, u+, u-",
    ),
    "four tokens come together in one place": (
        """
        marked q, p*4
        task t = and x, y -> all z
        task u = xor z -> all r
        task v = xor p -> all y
        task d = or q, r -> all
        section m = u
        """,
        "v+, v-",
    ),
    "five tokens come together in a marked input": (
        """
        marked q, x, y*2, z
        task t = xor x -> all q
        task u = and y -> all q
        task v = and z -> all q | holds m
        task d = or q, r -> all
        """,
        "",
    ),
    "an input with less than its weight is not marked": (
        """
        marked q, r
        task d = or q*2, r -> all
        """,
        "",
    ),
    "the token of a marked input cannot mark another as well": (
        """
        marked q
        task t = xor q -> all r
        task d = or q, r -> all
        """,
        "",
    ),
    "a canceller has a milestone that nothing marks": (
        """
        marked s
        task t = xor p -> all | while x | cancels u
        task u = xor y -> all q
        route d = or q, r -> all
        section m = u
        """,
        "",
    ),
}


@pytest.mark.parametrize(("text", "run"), FOUND.values(), ids=FOUND.keys())
def test_what_was_found_before_is_not_found_again(text: str, run: str) -> None:
    case = begun(drawn(text))
    compare(case)
    for name in run.split(",") if run else ():
        {**dict(withdrawals(case)), **dict(actions(case))}[name.strip()]()
        compare(case)


def test_cancelling_leaves_an_input_with_less_than_its_weight_alone() -> None:
    case = begun(drawn("marked q, r*3\ntask d = or q*2, r -> all | cancels d"))

    case.run("d")

    assert {"q": 1} == case.marking
