"""The checker's answers, held against the plain oracle on random nets.

By default some nets of each sort are drawn, always the same ones. The whole form is asked for
with ``KNHK_SOUNDNESS_NETS``, the number of nets of each sort, and ``KNHK_SOUNDNESS_SEED``; with
``-s`` it prints the share of each answer.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, note, seed, settings

from knhk.model import Net
from knhk.soundness import Answer, Kind, prove
from tests.orjoin.drawing import net as drawn
from tests.orjoin.drawing import text_of
from tests.orjoin.nets import block_nets, close_nets, free_nets

from . import oracle

NETS_MAX = int(os.environ.get("KNHK_SOUNDNESS_NETS", "8" if "CI" in os.environ else "40"))
SEED = os.environ.get("KNHK_SOUNDNESS_SEED", "")
STATES_MAX = 600 if "CI" in os.environ else 3_000

Test = Callable[..., None]


def many(test: Test) -> Test:
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    test = settings(
        max_examples=NETS_MAX, derandomize=not SEED, database=None, suppress_health_check=checks
    )(test)
    return seed(int(SEED))(test) if SEED else test


ANSWERS: Counter[str] = Counter()


@pytest.fixture(autouse=True, scope="module")
def shares() -> object:
    yield
    total = sum(ANSWERS.values())
    print("\nanswers:", ", ".join(f"{a} {n / total:.1%}" for a, n in ANSWERS.most_common()))


@pytest.mark.timeout(0)
@many
@given(free_nets())
def test_on_arbitrary_nets_it_agrees_with_the_oracle(net: Net) -> None:
    compare(net)


@pytest.mark.timeout(0)
@many
@given(close_nets())
def test_on_nets_around_one_join_it_agrees_with_the_oracle(net: Net) -> None:
    compare(net)


@pytest.mark.timeout(0)
@many
@given(block_nets())
def test_on_nets_of_groups_it_agrees_with_the_oracle(net: Net) -> None:
    compare(net)


def compare(net: Net, told: Callable[[str], None] = note) -> None:
    told(text_of(net))
    try:
        expected = oracle.explore(net, STATES_MAX)
    except oracle.TooLarge:
        ANSWERS["not compared"] += 1
        return
    verdict = prove(net, limit_s=5)
    ANSWERS[str(verdict.answer)] += 1
    told(
        f"{verdict.answer} {verdict.reason} {[(p.kind, p.nodes, p.run) for p in verdict.problems]}"
    )
    told(str(expected))
    if verdict.answer is Answer.unknown:
        return
    kinds = {problem.kind for problem in verdict.problems}
    if expected.full and Kind.unbounded not in {problem.kind for problem in verdict.problems}:
        try:  # it was found to be bounded, if by more tokens than were looked at
            expected = oracle.explore(net, 20 * STATES_MAX, tokens_max=200)
        except oracle.TooLarge:
            ANSWERS["not compared"] += 1
            return
    if expected.full:
        assert verdict.answer is Answer.unsound
        return
    assert Kind.unbounded not in kinds
    assert bool(expected.stuck) == (Kind.stuck in kinds)
    assert expected.hopeless == (Kind.hopeless in kinds)
    assert bool(expected.dead) == (Kind.dead in kinds)
    stuck = {tuple(p.counts[: len(net.places)]) for p in verdict.problems if p.kind is Kind.stuck}
    assert stuck <= expected.stuck
    dead = {number for p in verdict.problems if p.kind is Kind.dead for number in p.nodes}
    assert dead <= expected.dead


FOUND = {
    "cancelling leaves an input of an OR-join with less than its weight alone": """
        marked q, r*3
        task d = or q*2, r -> all | cancels d
    """,
}


@pytest.mark.parametrize("text", FOUND.values(), ids=FOUND.keys())
def test_what_was_found_before_is_not_found_again(text: str) -> None:
    compare(drawn(text), print)
