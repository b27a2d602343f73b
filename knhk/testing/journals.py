"""What every journal owes, as tests: a third party's passes the same suite as ours.

Subclass :class:`JournalSuite` in a test module and give it a fixture ``journal``::

    class TestMyJournal(JournalSuite):
        @pytest.fixture
        def journal(self): ...
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from knhk.errors import JournalConflict
from knhk.journal import (
    PAGE_MAX,
    UNFINISHED,
    Bundle,
    CaseRow,
    Commit,
    InputRow,
    Journal,
    Standing,
)
from knhk.model import COMPLETE, CREATE, START, CaseStatus

__all__ = ["JournalSuite"]


def row(case: str, seq: int, kind: int = START, body: bytes = b"") -> InputRow:
    """An input at a time that its number gives."""
    return InputRow(case, seq, 1_000 + seq, kind, seq, "", body)


def opening(case: str, created_us: int = 1_000, workflow: str = "order") -> Commit:
    """The first commit of a case: its row and its first input."""
    opened = CaseRow(case, workflow, "digest-1", created_us)
    return Commit(case, (row(case, 0, CREATE, b'{"value":{"n":1}}'),), opened)


def sub_case(case: str, parent: str, item: int, created_us: int = 1_000) -> Commit:
    """The first commit of a case that was begun for a work item of another."""
    opened = CaseRow(case, "part", "digest-1", created_us, parent=parent, parent_item=item, depth=1)
    return Commit(case, (row(case, 0, CREATE),), opened)


def bundle(digest: str, *workflows: str) -> Bundle:
    """A bundle of two files."""
    files = {"order.knhk": f"# {digest}", "lib/types.knhk": "record Ä\n    ö: str\n"}
    return Bundle(digest, "order.knhk", "/srv/shop", files, workflows, 5)


@contextmanager
def refused_as_conflict(case: str, seq: int) -> Iterator[None]:
    """The block raises a conflict that names this input."""
    try:
        yield
    except JournalConflict as error:
        assert (case, seq) == (error.case, error.seq)  # noqa: PT017  pytest is not needed here
    else:
        raise AssertionError("no conflict was raised")


class JournalSuite:
    """The tests; ``journal`` is a fixture that gives an empty journal."""

    def test_it_fills_in_the_protocol(self, journal: Journal) -> None:
        assert isinstance(journal, Journal)
        assert isinstance(journal.blocking, bool)

    def test_an_empty_journal_holds_nothing(self, journal: Journal) -> None:
        assert journal.cases() == ()
        assert journal.inputs("a") == ()
        assert journal.workflows() == ()
        assert None is journal.case("a")
        assert None is journal.bundle("digest-1")
        assert None is journal.newest("order")

    def test_what_is_appended_is_read_back_equal_and_in_order(self, journal: Journal) -> None:
        journal.append([opening("a")])
        body = '{"value":"ä\\n\\u0000 \U0001f980"}'.encode()
        journal.append([Commit("a", (row("a", 1), row("a", 2, COMPLETE, body)))])

        expected = (
            InputRow("a", 0, 1_000, CREATE, 0, "", b'{"value":{"n":1}}'),
            InputRow("a", 1, 1_001, START, 1, "", b""),
            InputRow("a", 2, 1_002, COMPLETE, 2, "", body),
        )
        assert expected == journal.inputs("a")
        assert CaseRow("a", "order", "digest-1", 1_000) == journal.case("a")

    def test_names_and_times_keep_every_bit(self, journal: Journal) -> None:
        case = "Bestellung Ä/1 '\"%_"
        journal.append([Commit(case, (), CaseRow(case, "wö", "d", 2**62))])
        last = InputRow(case, 0, 2**62, 9, 2**40, "tä", b"\x00\xff")
        journal.append([Commit(case, (last,))])

        assert (last,) == journal.inputs(case)
        assert CaseRow(case, "wö", "d", 2**62) == journal.case(case)

    def test_the_same_input_twice_is_a_conflict(self, journal: Journal) -> None:
        journal.append([opening("a"), Commit("a", (row("a", 1),))])

        with refused_as_conflict("a", 1):
            journal.append([Commit("a", (row("a", 1, COMPLETE),))])

        assert journal.inputs("a")[1].kind == START
        assert len(journal.inputs("a")) == 2

    def test_the_same_case_twice_is_a_conflict(self, journal: Journal) -> None:
        journal.append([opening("a")])

        with refused_as_conflict("a", 0):
            journal.append([opening("a", 2_000, "other")])

        assert getattr(journal.case("a"), "workflow", "") == "order"

    def test_a_batch_is_written_whole_or_not_at_all(self, journal: Journal) -> None:
        journal.append([opening("a")])
        ended = Standing(CaseStatus.completed, 9, b"{}")

        with refused_as_conflict("a", 0):
            journal.append([opening("b"), Commit("a", (row("a", 0),), None, ended)])

        assert None is journal.case("b")
        assert journal.inputs("b") == ()
        assert CaseStatus.running is getattr(journal.case("a"), "status", None)

    def test_after_a_conflict_appends_go_on(self, journal: Journal) -> None:
        journal.append([opening("a")])
        with refused_as_conflict("a", 0):
            journal.append([Commit("a", (row("a", 0),))])

        journal.append([Commit("a", (row("a", 1),)), opening("b")])

        assert [entry.seq for entry in journal.inputs("a")] == [0, 1]
        assert len(journal.inputs("b")) == 1

    def test_a_batch_holds_several_commits_of_one_case(self, journal: Journal) -> None:
        journal.append([opening("a"), Commit("a", (row("a", 1),)), Commit("a", (row("a", 2),))])

        assert [entry.seq for entry in journal.inputs("a")] == [0, 1, 2]

    def test_a_standing_is_written_with_its_input(self, journal: Journal) -> None:
        journal.append([opening("a")])
        ended = Standing(CaseStatus.failed, 77, b'{"task":"t"}')

        journal.append([Commit("a", (row("a", 1),), None, ended)])

        expected = CaseRow("a", "order", "digest-1", 1_000, CaseStatus.failed, 77, b'{"task":"t"}')
        assert expected == journal.case("a")

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

    def test_bundles_are_kept_by_digest(self, journal: Journal) -> None:
        journal.keep(bundle("one", "order", "pack"))

        kept = journal.bundle("one")

        assert kept == bundle("one", "order", "pack")
        assert journal.workflows() == ("order", "pack")

    def test_the_version_deployed_last_is_the_newest(self, journal: Journal) -> None:
        journal.keep(bundle("one", "order", "pack"))
        journal.keep(bundle("two", "order"))
        assert (journal.newest("order"), journal.newest("pack")) == ("two", "one")

        journal.keep(bundle("one", "order", "pack"))
        assert (journal.newest("order"), journal.newest("pack")) == ("one", "one")

    def test_cases_may_be_read_while_others_are_written(self, journal: Journal) -> None:
        failures: list[BaseException] = []

        def read() -> None:
            try:
                for _ in range(100):
                    for found in journal.cases():
                        assert len(journal.inputs(found.id)) >= 1
            except BaseException as error:  # noqa: BLE001  told on below
                failures.append(error)

        reader = threading.Thread(target=read)
        reader.start()
        for number in range(100):
            journal.append([opening(f"c{number}"), Commit(f"c{number}", (row(f"c{number}", 1),))])
        reader.join()

        assert failures == []
        assert len(journal.cases()) == 100

    def test_it_may_be_closed_twice(self, journal: Journal) -> None:
        journal.append([opening("a")])

        journal.close()
        journal.close()
