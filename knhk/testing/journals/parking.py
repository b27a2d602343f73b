"""Cases that rest are parked; a time, a message or a signal wakes them."""

from __future__ import annotations

from knhk.journal import Commit, Journal, Rest, Wait
from knhk.model import MESSAGE, SIGNAL, CaseStatus
from knhk.testing.journals.making import ending, opening, refused_as_conflict, row, sub_case

__all__ = ["ParkingSuite"]


def parked(case: str, wake_us: int = -1) -> Commit:
    """A commit that parks a case."""
    return Commit(case, rest=Rest(is_parked=True, wake_us=wake_us))


def waits_for(case: str, *waits: tuple[str, str], kind: int = MESSAGE) -> Commit:
    """A commit that says what a case waits for now: names and keys of messages."""
    return Commit(case, waits=tuple(Wait(kind, name, key) for name, key in waits))


class ParkingSuite:
    """What is owed to cases that nothing happens in."""

    def test_a_case_is_awake_until_it_is_parked(self, journal: Journal) -> None:
        journal.append([opening("a"), opening("b")])
        assert [found.id for found in journal.cases(awake=True)] == ["a", "b"]

        journal.append([parked("a")])
        assert [found.id for found in journal.cases(awake=True)] == ["b"]

        journal.append([Commit("a", (row("a", 1),), rest=Rest(is_parked=False))])
        assert [found.id for found in journal.cases(awake=True)] == ["a", "b"]

    def test_the_last_rest_of_a_batch_counts(self, journal: Journal) -> None:
        woken = Commit("a", rest=Rest(is_parked=False))
        journal.append(
            [opening("a"), opening("b"), parked("a", 5), woken, woken._replace(case="b")]
        )
        journal.append([parked("b", 3), parked("b", 4)])

        assert [found.id for found in journal.cases(awake=True)] == ["a"]
        assert journal.sleepers(9) == ((4, "b"),)

    def test_a_case_that_is_not_there_can_be_said_to_be_awake(self, journal: Journal) -> None:
        journal.append([opening("a"), Commit("b", rest=Rest(is_parked=False))])

        assert [found.id for found in journal.cases()] == ["a"]
        assert journal.record("b") is None
        assert journal.check() == ""

        journal.append([opening("b")])
        assert [found.id for found in journal.cases(awake=True)] == ["a", "b"]

    def test_sleepers_are_told_in_the_order_of_their_times(self, journal: Journal) -> None:
        times = {"a": 7, "c": 5, "b": 5, "d": 2**62, "e": 0}
        journal.append([opening(case) for case in [*times, "never"]])
        journal.append([parked(case, wake_us) for case, wake_us in times.items()])
        journal.append([parked("never")])

        assert journal.sleepers(7) == ((0, "e"), (5, "b"), (5, "c"), (7, "a"))
        assert journal.sleepers(6, 2) == ((0, "e"), (5, "b"))
        assert len(journal.sleepers(2**62)) == 5
        assert journal.sleepers(-1) == ()
        assert journal.sleepers(9, 0) == journal.sleepers(9, -1) == ()

    def test_sleepers_are_told_by_shard(self, journal: Journal) -> None:
        journal.append([opening("a"), sub_case("b", "a", 1), parked("a", 7), parked("b", 5)])

        assert journal.sleepers(9, shards=(63,)) == ((5, "b"),)
        assert journal.sleepers(9, shards=(63, 0)) == ((5, "b"), (7, "a"))
        assert journal.sleepers(9, shards=()) == ()

    def test_a_case_that_is_awake_is_no_sleeper(self, journal: Journal) -> None:
        journal.append([opening("a"), parked("a", 5)])

        journal.append([Commit("a", rest=Rest(is_parked=False, wake_us=5))])

        assert journal.sleepers(9) == ()

    def test_cases_wait_for_a_name_with_any_key_or_one(self, journal: Journal) -> None:
        journal.append([opening(case) for case in ("c", "b", "a", "d")])
        journal.append(
            [
                waits_for("a", ("paid", '"k1"')),
                waits_for("b", ("paid", "")),
                waits_for("c", ("paid", '"k2"'), ("paid", '"k1"'), ("sent", "")),
                waits_for("d", ("paid", ""), kind=SIGNAL),
            ]
        )

        assert journal.waiting(MESSAGE, "paid", '"k1"') == ("a", "b", "c")
        assert journal.waiting(MESSAGE, "paid", '"k2"') == ("b", "c")
        assert journal.waiting(MESSAGE, "paid", '"k3"') == ("b",)
        assert journal.waiting(MESSAGE, "paid") == ("b",)
        assert journal.waiting(SIGNAL, "paid") == ("d",)
        assert journal.waiting(MESSAGE, "sent", '"k1"') == ("c",)
        assert journal.waiting(MESSAGE, "pai") == ()

    def test_those_that_wait_are_bounded_and_told_once(self, journal: Journal) -> None:
        journal.append([opening(case) for case in ("b", "a", "c")])
        both = (("paid", ""), ("paid", "k"), ("paid", "k"))
        journal.append([waits_for(case, *both) for case in ("c", "b", "a")])

        assert journal.waiting(MESSAGE, "paid", "k") == ("a", "b", "c")
        assert journal.waiting(MESSAGE, "paid", "k", limit=2) == ("a", "b")
        assert journal.waiting(MESSAGE, "paid", "k", limit=0) == ()
        assert journal.waiting(MESSAGE, "paid", "k", limit=-1) == ()

    def test_those_that_wait_are_told_in_pages(self, journal: Journal) -> None:
        journal.append([opening(case) for case in ("b", "a", "c", "d")])
        journal.append(
            [
                waits_for("a", ("paid", "")),
                waits_for("b", ("paid", "k")),
                waits_for("c", ("paid", "l")),
                waits_for("d", ("paid", "")),
            ]
        )

        assert journal.waiting(MESSAGE, "paid", "k", limit=1) == ("a",)
        assert journal.waiting(MESSAGE, "paid", "k", after="a", limit=2) == ("b", "d")
        assert journal.waiting(MESSAGE, "paid", after="a") == ("d",)
        assert journal.waiting(MESSAGE, "paid", "k", after="d") == ()

    def test_waits_are_given_whole_or_not_at_all(self, journal: Journal) -> None:
        journal.append([opening("a"), waits_for("a", ("paid", ""), ("sent", ""))])
        journal.append([Commit("a", (row("a", 1),))])
        assert journal.waiting(MESSAGE, "sent") == ("a",)

        journal.append([waits_for("a", ("other", "")), waits_for("a", ("paid", ""))])
        assert journal.waiting(MESSAGE, "sent") == journal.waiting(MESSAGE, "other") == ()
        assert journal.waiting(MESSAGE, "paid") == ("a",)

        journal.append([waits_for("a")])
        assert journal.waiting(MESSAGE, "paid") == ()

    def test_a_case_that_has_ended_waits_for_nothing(self, journal: Journal) -> None:
        journal.append([opening("a"), opening("b"), opening("c")])
        journal.append([waits_for(case, ("paid", "")) for case in ("a", "b", "c")])

        journal.append([ending("a", 1), ending("b", 1, CaseStatus.suspended)])

        assert journal.waiting(MESSAGE, "paid") == ("b", "c")

    def test_a_conflict_changes_neither_rest_nor_waits(self, journal: Journal) -> None:
        journal.append([opening("a"), opening("b"), waits_for("a", ("paid", ""))])

        with refused_as_conflict("b", 0):
            journal.append([parked("a", 5), waits_for("a"), Commit("b", (row("b", 0),))])

        assert journal.sleepers(9) == ()
        assert journal.waiting(MESSAGE, "paid") == ("a",)
