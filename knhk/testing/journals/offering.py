"""Work for somebody outside is found by what it is, in the order in which it is to be done."""

from __future__ import annotations

from knhk.journal import PAGE_MAX, Commit, Journal, Lease, Offer, OpenWork, WorkFilter
from knhk.testing.journals.making import offer, opening, refused_as_conflict, row

__all__ = ["OfferingSuite"]


def offered(*offers: Offer) -> Commit:
    """A commit that offers work of one case."""
    return Commit(offers[0].case, offers=offers)


def found(journal: Journal, wanted: WorkFilter) -> list[tuple[str, int]]:
    """The cases and items of the work that is asked for."""
    return [(one.offer.case, one.offer.item) for one in journal.work(wanted)]


class OfferingSuite:
    """What is owed to those who work outside."""

    def test_work_is_offered_changed_and_closed(self, journal: Journal) -> None:
        first = Offer("a", 1, 1, False, "wö", "tä", "acme", "rolle", -7, 2**62, 5, b"\x00\xff")
        second = offer("a", 2)
        journal.append([opening("a"), opening("b"), offered(first, second)])
        assert (OpenWork(second), OpenWork(first)) == journal.work()
        (stored,) = journal.stored(["a"])
        record = journal.record("a")
        assert record is not None
        assert (first, second) == stored.offers == record.offers

        changed = first._replace(attempt=2, is_started=True, due_us=-1, priority=1, body=b"")
        journal.append([Commit("a", (row("a", 1),), offers=(changed,), closed=(2, 9))])

        assert (OpenWork(changed),) == journal.work()

    def test_the_last_change_of_an_item_in_a_batch_counts(self, journal: Journal) -> None:
        again = offer("a", 1, priority=5)
        journal.append(
            [
                opening("a"),
                offered(offer("a", 1), offer("a", 2)),
                Commit("a", closed=(1, 2)),
                offered(again),
            ]
        )
        assert (OpenWork(again),) == journal.work()

        journal.append([offered(again, offer("a", 3)), Commit("a", closed=(1, 3))])
        assert journal.work() == ()

    def test_work_is_told_by_priority_then_age_then_case_and_item(self, journal: Journal) -> None:
        journal.append([opening(case) for case in ("a", "b", "c")])
        journal.append(
            [
                offered(offer("b", 2, since_us=5), offer("b", 1, since_us=5)),
                offered(offer("a", 7, since_us=5), offer("a", 1, priority=-1)),
                offered(offer("c", 1, since_us=4), offer("c", 2, priority=2, since_us=9)),
            ]
        )
        expected = [("c", 2), ("c", 1), ("a", 7), ("b", 1), ("b", 2), ("a", 1)]
        assert expected == found(journal, WorkFilter())

        seen: list[OpenWork] = []
        while page := journal.work(after=seen[-1].offer if seen else None, limit=2):
            assert len(page) == 2
            seen.extend(page)
        assert expected == [(one.offer.case, one.offer.item) for one in seen]

    def test_work_is_found_by_what_it_is(self, journal: Journal) -> None:
        journal.append([opening(case) for case in ("a", "b")])
        plain = offer("a", 1)
        journal.append([offered(plain, plain._replace(item=2, task="other", role="boss"))])
        journal.append(
            [
                offered(
                    plain._replace(case="b", workflow="pack", tenant="acme"),
                    plain._replace(case="b", item=2, tenant="acme", role="boss"),
                )
            ]
        )

        assert found(journal, WorkFilter(case="b")) == [("b", 1), ("b", 2)]
        assert found(journal, WorkFilter(case="b", item=2)) == [("b", 2)]
        assert found(journal, WorkFilter(task="other")) == [("a", 2)]
        assert found(journal, WorkFilter(workflow="order")) == [("a", 1), ("a", 2), ("b", 2)]
        assert found(journal, WorkFilter(tenant="acme")) == [("b", 1), ("b", 2)]
        assert found(journal, WorkFilter(role="boss")) == [("a", 2), ("b", 2)]
        assert found(journal, WorkFilter(tenant="acme", role="boss", task="t")) == [("b", 2)]
        assert found(journal, WorkFilter(role="Boss")) == []
        assert found(journal, WorkFilter(case="nobody")) == []

    def test_work_is_found_by_who_holds_it(self, journal: Journal) -> None:
        journal.append([opening(case) for case in ("a", "b")])
        journal.append([offered(offer("b", 1), offer("b", 2)), offered(offer("a", 1))])
        held = Lease(2, 1, "wörker", 2**62)
        journal.append([Commit("b", leases=(held, Lease(9, 1, "wörker", 5)))])
        journal.append([Commit("a", leases=(Lease(1, 1, "", 5),))])

        assert (OpenWork(offer("b", 2), held),) == journal.work(WorkFilter(holder="wörker"))
        assert found(journal, WorkFilter(is_held=False)) == [("b", 1)]
        assert found(journal, WorkFilter(is_held=True)) == [("a", 1), ("b", 2)]
        assert found(journal, WorkFilter(case="b", is_held=True)) == [("b", 2)]
        assert journal.work(WorkFilter(holder="wörker", is_held=False)) == ()

        journal.append([Commit("b", leases=(held._replace(until_us=-1),))])
        assert found(journal, WorkFilter(is_held=False)) == [("b", 1), ("b", 2)]

    def test_a_page_of_work_is_bounded(self, journal: Journal) -> None:
        journal.append([opening("a")])
        journal.append([offered(*(offer("a", item) for item in range(PAGE_MAX + 5)))])

        assert len(journal.work(limit=PAGE_MAX * 10)) == PAGE_MAX
        assert journal.work(limit=0) == journal.work(limit=-1) == ()

    def test_a_conflict_offers_nothing(self, journal: Journal) -> None:
        journal.append([opening("a"), opening("b"), offered(offer("a", 1))])

        with refused_as_conflict("b", 0):
            journal.append(
                [
                    Commit("a", offers=(offer("a", 2),), closed=(1,)),
                    Commit("b", (row("b", 0),)),
                ]
            )

        assert found(journal, WorkFilter()) == [("a", 1)]
