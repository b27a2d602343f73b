"""A journal that several processes may run at once: shards, fences, and commands.

Subclass :class:`SharingSuite` beside :class:`JournalSuite`, with two fixtures ``journal`` and
``other``: the same empty store, opened twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from knhk.errors import ShardLost
from knhk.journal import CaseRow, Command, Commit, Fence, Membership, Rest, SharedJournal
from knhk.testing.journals.making import ending, opening, refused_as_conflict, row

__all__ = ["SharingSuite"]

#: How long a process that says nothing is there in these tests, and how long they wait for that.
_LEASE_S = 0.4
_PATIENCE_S = 20.0


def fenced(case: str, epochs: Mapping[int, int], shard: int) -> Commit:
    """The first commit of a case on a shard, under the epoch that is known of it."""
    opened = CaseRow(case, "order", "digest-1", 1_000, shard=shard)
    return opening(case)._replace(opened=opened, fence=Fence(shard, epochs[shard]))


def level(*members: Membership) -> list[Mapping[int, int]]:
    """The epochs that each holds once nobody holds too much or too little."""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        held = [member.beat() for member in members]
        for member, holding in zip(members, held, strict=True):
            if holding.surplus:
                member.give(sorted(holding.epochs)[: holding.surplus])
        counts = [len(holding.epochs) for holding in held]
        if max(counts) - min(counts) <= 1 and not any(each.surplus for each in held):
            return [holding.epochs for holding in held]
    raise AssertionError("the shards are not shared evenly")


def until(question: Callable[[], bool]) -> None:
    """Ask until the answer is yes."""
    deadline = time.monotonic() + _PATIENCE_S
    while not question():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def refused_as_lost(journal: SharedJournal, shard: int, *commits: Commit) -> None:
    """An append is refused, as that shard is held by another."""
    try:
        journal.append(commits)
    except ShardLost as error:
        assert shard == error.shard  # noqa: PT017  pytest is not needed here
    else:
        raise AssertionError("the shard was not lost")


class SharingSuite:
    """What is owed where several processes run a store."""

    def test_whoever_is_alone_holds_all(self, journal: SharedJournal) -> None:
        member = journal.join("alone")

        held = member.beat()

        assert len(held.epochs) >= 8
        assert held.surplus == 0
        assert held.epochs == member.beat().epochs

    def test_those_who_join_and_leave_share_evenly(
        self, journal: SharedJournal, other: SharedJournal
    ) -> None:
        one = journal.join("one")
        everything = set(one.beat().epochs)
        two = other.join("two")

        first, second = level(one, two)

        assert everything == {*first, *second}
        assert not {*first} & {*second}
        other.close()
        assert everything == set(one.beat().epochs)

    def test_an_epoch_is_never_given_twice(
        self, journal: SharedJournal, other: SharedJournal
    ) -> None:
        one = journal.join("one")
        seen = set(one.beat().epochs.values())
        two = other.join("two")
        held: Mapping[int, int] = {}
        for _ in range(3):
            for giving, taking in ((one, two), (two, one)):
                giving.give(sorted(giving.beat().epochs))
                before, held = held, taking.beat().epochs
                fresh = {*held.values()} - {*before.values()}
                assert fresh
                assert not fresh & seen
                seen |= fresh

    def test_a_commit_under_an_epoch_that_is_over_is_refused(
        self, journal: SharedJournal, other: SharedJournal
    ) -> None:
        one = journal.join("one")
        epochs = one.beat().epochs
        two = other.join("two")
        shard, kept = sorted(epochs)[:2]
        journal.append([fenced("a", epochs, shard), fenced("b", epochs, kept)])

        one.give([shard])
        taken = two.take(shard)

        assert taken is not None
        stale = Commit("a", (row("a", 1),), fence=Fence(shard, epochs[shard]))
        refused_as_lost(journal, shard, stale)
        refused_as_lost(journal, shard, Commit("a", rest=Rest(is_parked=True), fence=stale.fence))
        refused_as_lost(journal, shard, fenced("c", epochs, kept), stale)
        assert None is journal.case("c")
        journal.append([fenced("c", epochs, kept)])
        other.append([stale._replace(fence=taken), ending("a", 2)._replace(fence=taken)])
        assert len(journal.inputs("a")) == 3

    def test_a_commit_without_a_fence_is_not_fenced(
        self, journal: SharedJournal, other: SharedJournal
    ) -> None:
        other.join("two").beat()
        journal.join("one")

        journal.append([opening("a")])

        with refused_as_conflict("a", 0):
            other.append([opening("a")])

    def test_who_was_not_heard_of_for_long_is_given_up_and_may_join_again(
        self, journal: SharedJournal, other: SharedJournal
    ) -> None:
        one = journal.join("one", lease_s=_LEASE_S)
        epochs = one.beat().epochs
        two = other.join("two", lease_s=60)
        shard = min(epochs)
        journal.append([fenced("a", epochs, shard)])

        until(lambda: len(two.beat().epochs) == len(epochs))

        stale = Commit("a", (row("a", 1),), fence=Fence(shard, epochs[shard]))
        refused_as_lost(journal, shard, stale)
        again, _ = level(one, two)
        assert not {*again.items()} & {*epochs.items()}

    def test_one_that_is_modest_holds_only_what_it_takes(
        self, journal: SharedJournal, other: SharedJournal
    ) -> None:
        modest = journal.join("modest", is_modest=True)
        assert modest.beat().epochs == {}

        fence, later = modest.take(0), modest.open()

        assert fence is not None
        assert later.shard not in (0, fence.shard)
        assert dict([fence, later]) == modest.beat().epochs
        settled = other.join("settled")
        rest = settled.beat().epochs
        assert rest
        assert not {0, later.shard} & {*rest}
        assert None is settled.take(0)
        assert (dict([fence, later]), 0) == modest.beat()[:2]
        journal.append([fenced("a", modest.beat().epochs, later.shard)])
        modest.settle()
        level(modest, settled)

    def test_a_shard_that_was_opened_outlives_its_process_with_its_cases(
        self, journal: SharedJournal, other: SharedJournal
    ) -> None:
        modest = journal.join("modest", is_modest=True)
        with_case, without = modest.open(), modest.open()
        journal.append([fenced("a", modest.beat().epochs, with_case.shard)])
        journal.close()

        held = other.join("two").beat().epochs

        assert with_case.shard in held
        assert without.shard not in held

    def test_a_command_is_told_to_who_holds_the_shard_until_it_is_answered(
        self, journal: SharedJournal, other: SharedJournal
    ) -> None:
        one, two = journal.join("one"), other.join("two")
        mine, _ = level(one, two)
        command = Command("k1", min(mine), b"\0{}")

        two.ask(command, 60)
        two.ask(command, 60)

        assert [command] == list(one.asked())
        assert list(two.asked()) == []
        assert two.answers(["k1"]) == {}
        one.answer("k1", b"\0answer")
        assert list(one.asked()) == []
        assert {"k1": b"\0answer"} == two.answers(["k1", "k2"]) == two.answers(["k1"])

    def test_a_command_that_is_carried_out_is_known_to_whoever_comes_next(
        self, journal: SharedJournal, other: SharedJournal
    ) -> None:
        one = journal.join("one")
        epochs = one.beat().epochs
        two = other.join("two")
        shard = min(epochs)
        two.ask(Command("k1", shard, b""), 0.0)
        assert list(one.asked()) == [], "it was to be carried out at once or never"
        two.ask(Command("k2", shard, b""), 60)
        journal.append([fenced("a", epochs, shard)._replace(carries=("k2",))])
        journal.close()

        two.beat()

        assert [Command("k2", shard, b"", is_carried=True)] == list(two.asked())

    def test_a_command_for_a_shard_that_is_not_there_makes_it(self, journal: SharedJournal) -> None:
        member = journal.join("one")

        member.ask(Command("k1", 2**40, b""), 60)

        assert 2**40 in member.beat().epochs
        assert [command.id for command in member.asked()] == ["k1"]

    def test_news_can_be_waited_for(self, journal: SharedJournal, other: SharedJournal) -> None:
        one = journal.join("one")
        one.beat()
        assert one.fileno() >= 0

        two = other.join("two")
        until(lambda: one.beat().surplus > 0)

        two.ask(Command("k1", min(one.beat().epochs), b""), 60)
        until(lambda: bool(one.asked()))
