"""The suite can fail: a net that is a little wrong does not get through the runs of its pattern."""

from __future__ import annotations

from dataclasses import replace

import anyio
import pytest

from knhk.testing.conformance import (
    PATTERN_NAMES,
    Pair,
    Pattern,
    SuiteNet,
    Verdict,
    judge_pair,
    play_all,
)

from .suite import SUITE

#: For each pattern what is replaced in its nets, and by what: most often a near relative.
MUTATIONS = {
    1: ("start -> a -> b -> end", "start -> all(a, b) -> end"),
    2: ("all(b, c) -> d", "one(b when a == 1, c otherwise) -> d"),
    3: ("all(b, c) -> d", "first(b, c) -> d"),
    4: ("one(b when g, c otherwise)", "all(b, c)"),
    5: ("one(b, c) -> d", "all(b, c) -> d"),
    6: ("any(b when g, c when h, skip otherwise)", "one(b when g, c when h, skip otherwise)"),
    7: (
        "any(b when g, c when h, skip otherwise) -> d",
        "any(b when g, c when h, d otherwise)\n        one(b, c) -> d",
    ),
    8: ("one(b, c) -> d", "all(b, c) -> d"),
    9: ("first(b, c)", "all(b, c)"),
    10: ("b -> one(c when b == 1", "b -> one(c when b == 2"),
    11: ("all(b -> end, c -> end)", "all(b -> stop, c -> end)"),
    12: ("        without waiting\n", ""),
    13: ("times 3", "times 2"),
    14: ("for each item in items", "times 2"),
    15: ("        open\n", ""),
    16: ("pick(b, c)", "all(b, c)"),
    17: ("interleave(a -> b, c)", "all(a -> b, c)"),
    18: ("        while open_for_bids\n", ""),
    19: ("        cancels b\n", ""),
    20: ("x -> abort", "x -> stop"),
    21: ("until n >= goal", "until n > goal"),
    22: ("inner -> help on error", "inner -> help on error Other"),
    23: ("= signal go", "= message go"),
    24: ("= message go", "= signal go"),
    25: ("cancels a, p, b", "cancels a, p"),
    26: ("cancels n", "completes n"),
    27: ("completes n", "cancels n"),
    28: ("first(b, c)", "all(b, c)"),
    29: (" cancelling", ""),
    30: ("2 of (b, c, e)", "first(b, c, e)"),
    31: ("2 of (b, c, e) -> d", "2 of (b, c, e) cancelling -> d"),
    32: (" cancelling", ""),
    33: ("all(b, c) -> d", "first(b, c) -> d"),
    34: ("done >= 4", "done >= 5"),
    35: (" then cancel rest", ""),
    36: ("done * 2 > total", "done * 2 >= total"),
    37: ("any(f, c, e) -> d", "one(f, c, e) -> d"),
    38: ("any(e, c) -> d", "all(e, c) -> d"),
    39: ("critical lab(c -> d)", "c -> d"),
    40: ("interleave(a, b, c)", "all(a, b, c)"),
    41: ("-[by 3]->", "-[by 2]->"),
    42: ("a -[3]-> b", "a -[2]-> b"),
    43: ("b -> stop", "b -> end"),
}


def verdicts(sources: list[tuple[str, SuiteNet]]) -> list[Verdict]:
    """The runs of nets, played in the kernel on other sources."""

    jobs = [(source, run) for source, net in sources for run in net.runs]
    return list(anyio.run(play_all, "kernel", jobs))


def test_every_pattern_has_a_mutation() -> None:
    assert list(PATTERN_NAMES) == list(MUTATIONS)


@pytest.mark.parametrize("pattern", SUITE.patterns, ids=lambda each: each.file.stem)
def test_a_mutated_net_fails_a_run_of_its_pattern(pattern: Pattern) -> None:
    old, new = MUTATIONS[pattern.number]
    mutated = [(net.source.replace(old, new), net) for net in pattern.nets if old in net.source]

    found = verdicts(mutated)

    assert [] == [str(each) for each in found if not each.passed and each.step == 0]
    assert any(not each.passed for each in found)


@pytest.mark.parametrize("pair", SUITE.pairs, ids=lambda each: "/".join(map(str, each.patterns)))
def test_a_pair_whose_two_sources_are_one_is_not_told_apart(pair: Pair) -> None:
    same = replace(pair, refused=pair.allowed)

    there, other = anyio.run(
        play_all, "kernel", [(source, same.run) for source in (same.allowed, same.refused)]
    )
    verdict = judge_pair(same, there, other)

    assert not verdict.passed
    assert verdict.reason == "the run passes on the source that must refuse it"
