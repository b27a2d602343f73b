"""All 43 patterns, the pairs and the OR-joins, in three modes, and from snapshot to snapshot."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from itertools import combinations

import anyio
import pytest

from knhk.testing.conformance import (
    MODES,
    PAIRS,
    PATTERN_NAMES,
    KernelPlayer,
    Pair,
    Run,
    SuiteNet,
    Verdict,
    judge_pair,
    play,
    play_all,
)
from tests.kernel.states import parked

from .suite import SUITE

REPORT = """
Sequence, Parallel Split, Synchronization, Exclusive Choice, Simple Merge, Multi-Choice,
Structured Synchronizing Merge, Multi-Merge, Structured Discriminator, Arbitrary Cycles,
Implicit Termination, Multiple Instances without Synchronization,
Multiple Instances with a priori Design-Time Knowledge,
Multiple Instances with a priori Run-Time Knowledge,
Multiple Instances without a priori Run-Time Knowledge, Deferred Choice,
Interleaved Parallel Routing, Milestone, Cancel Task, Cancel Case, Structured Loop, Recursion,
Transient Trigger, Persistent Trigger, Cancel Region, Cancel Multiple Instance Activity,
Complete Multiple Instance Activity, Blocking Discriminator, Cancelling Discriminator,
Structured Partial Join, Blocking Partial Join, Cancelling Partial Join, Generalised AND-Join,
Static Partial Join for Multiple Instances, Cancelling Partial Join for Multiple Instances,
Dynamic Partial Join for Multiple Instances, Local Synchronizing Merge,
General Synchronizing Merge, Critical Section, Interleaved Routing, Thread Merge, Thread Split,
Explicit Termination
"""


#: The kernel again, with a snapshot and a new case of it after whatever is done.
SNAPSHOT = "snapshot"


class ParkingPlayer:
    """A player of the kernel whose case is another one at every step."""

    def __init__(self) -> None:
        self._player = KernelPlayer()

    def __getattr__(self, name: str) -> Callable[..., Awaitable[object]]:
        act = getattr(self._player, name)

        async def act_and_park(*args: object) -> object:
            try:
                return await act(*args)
            finally:
                if self._player._case is not None:
                    self._player._case = parked(self._player._case, keeps_history=False)

        return act_and_park


async def played(mode: str, jobs: list[tuple[str, Run]]) -> tuple[Verdict, ...]:
    """The runs in one of the modes of the suite, or from snapshot to snapshot."""
    if mode != SNAPSHOT:
        return await play_all(mode, jobs)
    return tuple([await play(source, run, ParkingPlayer()) for source, run in jobs])


def patterns() -> Iterator[object]:
    """The nets of each pattern, as a parameter of a test."""
    for pattern in SUITE.patterns:
        yield pytest.param(pattern.nets, id=pattern.file.stem)


@pytest.mark.parametrize("mode", [*MODES, SNAPSHOT])
@pytest.mark.parametrize("nets", [*patterns(), pytest.param(SUITE.or_joins, id="or-joins")])
def test_every_run_goes_as_it_must(mode: str, nets: tuple[SuiteNet, ...]) -> None:
    runs = [(net, run) for net in nets for run in net.runs]

    verdicts = anyio.run(played, mode, [(net.source, run) for net, run in runs])

    assert [] == [
        f"{net.title}: {run.title}: {verdict}"
        for (net, run), verdict in zip(runs, verdicts, strict=True)
        if not verdict.passed
    ]


@pytest.mark.parametrize("mode", [*MODES, SNAPSHOT])
@pytest.mark.parametrize("pair", SUITE.pairs, ids=lambda each: "/".join(map(str, each.patterns)))
def test_a_pair_is_told_apart(mode: str, pair: Pair) -> None:
    jobs = [(source, pair.run) for source in (pair.allowed, pair.refused)]

    there, other = anyio.run(played, mode, jobs)

    assert "passed" == str(judge_pair(pair, there, other))


def test_the_names_are_those_of_the_report() -> None:
    named = [name.strip() for name in " ".join(REPORT.split()).split(", ")]

    assert dict(enumerate(named, 1)) == dict(PATTERN_NAMES)


def test_the_suite_has_every_pattern_once() -> None:
    assert list(PATTERN_NAMES) == [each.number for each in SUITE.patterns]


def test_every_pattern_has_runs_of_both_kinds_and_says_where_it_is_from() -> None:
    for pattern in SUITE.patterns:
        assert any(net.allowed for net in pattern.nets), pattern.name
        assert any(net.refused for net in pattern.nets), pattern.name
        assert "BPM-06-22" in pattern.source, pattern.name
        assert pattern.meaning, pattern.name


def test_every_two_of_a_group_that_is_easily_confused_are_told_apart() -> None:
    told = {frozenset(pair.patterns) for pair in SUITE.pairs}

    wanted = {frozenset(two) for group in PAIRS for two in combinations(group, 2)}

    assert set() == wanted - told


def test_an_or_join_of_each_kind_is_there_and_explained() -> None:
    assert {"waits", "passes", "deadlock"} == {net.expected for net in SUITE.or_joins}
    for net in SUITE.or_joins:
        steps = [step.text for run in net.runs for step in run.steps]
        assert any("explain" in text for text in steps), net.title
