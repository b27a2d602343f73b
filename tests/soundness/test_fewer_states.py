"""The reduced graph tells what the whole one does, and proofs of boundedness hold."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, assume, given, note, reject, seed, settings

from knhk import load
from knhk.errors import TooComplex
from knhk.kernel import Program
from knhk.model import NODE_TASK, Net
from knhk.soundness import Answer, Kind, prove
from knhk.soundness.boundedness import is_bounded
from knhk.soundness.exploring import OVER, Exploration, hopeless_states, stuck_states
from knhk.soundness.moves import Moves
from knhk.soundness.packing import Packing
from knhk.soundness.rules import Rules
from knhk.soundness.stubborn import Reduced, applies
from tests.orjoin.drawing import net as drawn
from tests.orjoin.drawing import text_of
from tests.orjoin.nets import block_nets, free_nets

NETS_MAX = int(os.environ.get("KNHK_SOUNDNESS_NETS", "8" if "CI" in os.environ else "40"))
SEED = os.environ.get("KNHK_SOUNDNESS_SEED", "1")
BITS = 8
STATES_MAX = 4_000

many = settings(
    max_examples=NETS_MAX,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def whole(moves: Moves) -> Exploration:
    found = Exploration(Rules(moves), Packing(moves, BITS))
    found.go_on(STATES_MAX)
    return found


def reduced(moves: Moves) -> Reduced:
    found = Reduced(moves, Packing(moves, BITS))
    while not found.finished() and not found.overflow and found.count() < 4 * STATES_MAX:
        found.go_on(500)
    return found


def moves_of(net: Net) -> Moves:
    """The moves of a drawn net, unless one of its OR-splits has more branches than is tried."""
    note(text_of(net))
    try:
        return Moves(net)
    except TooComplex:
        reject()


def compare(net: Net) -> None:
    moves = moves_of(net)
    assume(applies(moves))
    full = whole(moves)
    assume(full.finished() and not full.overflow)
    fewer = reduced(moves)
    assume(not fewer.overflow)
    tasks = {number for number, node in enumerate(net.nodes) if node.kind == NODE_TASK}
    alive = {moves.transitions[n].node for n in range(len(full.first)) if full.first[n] >= 0}
    stuck = stuck_states(full)

    ends = not stuck and not hopeless_states(full, [OVER, *stuck])
    assert ends == fewer.can_end()
    fired = {moves.transitions[number].node for number in fewer.fired_transitions()}
    assert alive & tasks == fired & tasks


@pytest.mark.timeout(0)
@seed(int(SEED))
@many
@given(free_nets())
def test_on_arbitrary_nets_fewer_states_tell_the_same(net: Net) -> None:
    compare(net)


@pytest.mark.timeout(0)
@seed(int(SEED))
@many
@given(block_nets())
def test_on_nets_of_groups_fewer_states_tell_the_same(net: Net) -> None:
    compare(net)


@pytest.mark.timeout(0)
@seed(int(SEED))
@many
@given(free_nets())
def test_a_net_that_is_proved_to_be_bounded_does_not_grow(net: Net) -> None:
    assume(is_bounded(moves_of(net)))

    verdict = prove(net, limit_s=2)

    assert Kind.unbounded not in {problem.kind for problem in verdict.problems}


def wide(branches: int) -> Net:
    names = [f"t{number}" for number in range(branches)]
    tasks = "".join(f"    task {name}\n" for name in names)
    flow = f"        start -> all({', '.join(names)}) -> last -> end\n"
    program: Program = load(f"workflow w()\n{tasks}    task last\n    flow\n{flow}")["w"].program
    return program.net


def test_a_wide_block_takes_few_states() -> None:
    verdict = prove(wide(20))

    assert Answer.sound is verdict.answer
    assert verdict.states < 100


def test_a_fault_in_a_wide_net_is_found_with_its_run() -> None:
    names = [f"t{number}" for number in range(14)]
    tasks = "\n".join(f"task {name} = xor p{name} -> all q{name}" for name in names)
    marked = ", ".join(f"p{name}" for name in names)
    joined = ", ".join(f"q{name}" for name in names)
    net = drawn(f"marked {marked}\n{tasks}\ntask last = and {joined}, never -> all")

    verdict = prove(net)

    assert Answer.unsound is verdict.answer
    (stuck,) = [problem for problem in verdict.problems if problem.kind is Kind.stuck]
    assert stuck.run is not None
    assert sorted(names) == sorted(step.task for step in stuck.run.steps)
