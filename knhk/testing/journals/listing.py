"""Cases are listed by age, filtered and in pages."""

from __future__ import annotations

from knhk.journal import PAGE_MAX, UNFINISHED, CaseRow, Commit, Journal, Rest, Standing
from knhk.model import CaseStatus
from knhk.testing.journals.making import ending, opening, row, sub_case

__all__ = ["ListingSuite"]


class ListingSuite:
    """What is owed where cases are listed."""

    def test_cases_are_listed_by_age_then_id(self, journal: Journal) -> None:
        journal.append([opening("c", 5), opening("a", 7), opening("b", 5)])

        assert [found.id for found in journal.cases()] == ["b", "c", "a"]

    def test_cases_are_filtered_by_status_and_workflow(self, journal: Journal) -> None:
        journal.append([opening("a"), opening("b"), opening("c", workflow="other")])
        journal.append([Commit("b", (row("b", 1),), None, Standing(CaseStatus.completed, 5))])
        journal.append([Commit("c", (row("c", 1),), None, Standing(CaseStatus.suspended))])

        assert [found.id for found in journal.cases(status=UNFINISHED)] == ["a", "c"]
        assert [found.id for found in journal.cases(workflow="order")] == ["a", "b"]
        both = journal.cases(status=(CaseStatus.suspended,), workflow="order")
        assert both == ()

    def test_a_sub_case_names_its_parent(self, journal: Journal) -> None:
        journal.append([opening("a"), sub_case("a/t-1.1", "a", 2**40)])

        ended = Standing(CaseStatus.completed, 9, b"{}")
        journal.append([Commit("a/t-1.1", (row("a/t-1.1", 1),), None, ended)])

        expected = CaseRow(
            "a/t-1.1",
            "part",
            "digest-1",
            1_000,
            CaseStatus.completed,
            9,
            b"{}",
            parent="a",
            parent_item=2**40,
            depth=1,
            tenant="acme",
            shard=63,
        )
        assert expected == journal.case("a/t-1.1")
        assert [expected] == [found for found in journal.cases() if found.parent]

    def test_the_sub_cases_of_a_case_are_listed_by_age(self, journal: Journal) -> None:
        journal.append([opening("a"), opening("b")])
        journal.append([sub_case("late", "a", 2, 9), sub_case("early", "a", 3, 5)])
        journal.append([sub_case("other", "b", 2), sub_case("below", "early", 1)])
        journal.append([Commit("late", (row("late", 1),), None, Standing(CaseStatus.failed))])

        assert [found.id for found in journal.cases(parent="a")] == ["early", "late"]
        assert journal.cases(parent="late") == ()
        assert len(journal.cases()) == 6
        failed = journal.cases(parent="a", status=(CaseStatus.failed,))
        assert [found.id for found in failed] == ["late"]
        first = journal.cases(parent="a", limit=1)
        assert [found.id for found in journal.cases(parent="a", after=first[0])] == ["late"]

    def test_the_cases_of_a_tenant_are_listed_by_age(self, journal: Journal) -> None:
        journal.append([opening("late", 9, tenant="acme"), opening("none", 1)])
        journal.append([opening("early", 5, tenant="acme"), opening("b", tenant="Acme")])
        journal.append([ending("late", 1)])

        assert [found.id for found in journal.cases(tenant="acme")] == ["early", "late"]
        assert [found.id for found in journal.cases(tenant="Acme")] == ["b"]
        assert journal.cases(tenant="other") == ()
        assert len(journal.cases()) == 4
        ended = journal.cases(tenant="acme", status=(CaseStatus.completed,), workflow="order")
        assert [found.id for found in ended] == ["late"]
        first = journal.cases(tenant="acme", limit=1)
        assert [found.id for found in journal.cases(tenant="acme", after=first[0])] == ["late"]

    def test_the_cases_of_shards_are_listed_by_age(self, journal: Journal) -> None:
        journal.append([opening("a", 9), sub_case("c", "a", 1, 5), sub_case("b", "a", 2, 5)])

        assert [found.id for found in journal.cases(shards=(63,))] == ["b", "c"]
        assert [found.id for found in journal.cases(shards=(0, 63, 7))] == ["b", "c", "a"]
        assert journal.cases(shards=()) == journal.cases(shards=(7,)) == ()
        assert [found.id for found in journal.cases(shards=(0,), awake=True)] == ["a"]

    def test_cases_come_in_pages(self, journal: Journal) -> None:
        journal.append([opening(f"c{number:04}", 5 + number // 2) for number in range(7)])

        seen: list[str] = []
        after = None
        while page := journal.cases(after=after, limit=3):
            assert len(page) <= 3
            seen.extend(found.id for found in page)
            after = page[-1]

        assert [f"c{number:04}" for number in range(7)] == seen

    def test_a_page_is_bounded(self, journal: Journal) -> None:
        journal.append([opening(f"c{number:06}") for number in range(PAGE_MAX + 5)])

        assert len(journal.cases(limit=PAGE_MAX * 10)) == PAGE_MAX
        assert journal.cases(limit=0) == ()
        assert journal.cases(limit=-1) == ()

    def test_ids_and_names_are_sorted_by_code_points(self, journal: Journal) -> None:
        ids = ["B", "Z", "_", "a", "a-b", "a/b", "ab", "ä", "\uffee", "\U0001f980"]
        assert ids == sorted(ids)
        journal.append([opening(case) for case in reversed(ids)])

        assert ids == [found.id for found in journal.cases()]
        after = journal.cases(limit=4)[-1]
        assert ids[4:] == [found.id for found in journal.cases(after=after)]

    def test_a_name_is_compared_letter_by_letter(self, journal: Journal) -> None:
        journal.append([opening("a", workflow="Order"), opening("b", workflow="order ")])

        assert journal.cases(workflow="order") == ()
        assert None is journal.case("A")

    def test_those_that_are_awake_are_listed_by_state_and_in_pages(self, journal: Journal) -> None:
        journal.append([opening(case) for case in ("a", "b", "c", "d", "e")])
        journal.append([Commit("b", rest=Rest(is_parked=True, wake_us=5)), ending("d", 1)])

        awake = journal.cases(awake=True, status=UNFINISHED)

        assert [found.id for found in awake] == ["a", "c", "e"]
        rest = journal.cases(awake=True, status=UNFINISHED, after=awake[0], limit=1)
        assert [found.id for found in rest] == ["c"]
        assert [found.id for found in journal.cases()] == ["a", "b", "c", "d", "e"]
