"""The inputs of each case are kept to the bit, in order, whole batches at a time."""

from __future__ import annotations

import threading

from knhk.journal import CaseRow, Commit, InputRow, Journal, Standing
from knhk.model import COMPLETE, CREATE, START, CaseStatus
from knhk.testing.journals.making import ending, opening, refused_as_conflict, row

__all__ = ["HistorySuite"]


class HistorySuite:
    """What is owed to the event log."""

    def test_it_fills_in_the_protocol(self, journal: Journal) -> None:
        assert isinstance(journal, Journal)
        assert isinstance(journal.blocking, bool)

    def test_an_empty_journal_holds_nothing(self, journal: Journal) -> None:
        assert journal.cases() == ()
        assert journal.inputs("a") == ()
        assert journal.workflows() == ()
        assert journal.stored(["a"]) == ()
        assert journal.sleepers(2**62) == ()
        assert journal.work() == ()
        assert journal.waiting(5, "paid") == ()
        assert journal.letters() == journal.letters("paid") == ()
        assert journal.letter_count() == 0
        assert journal.next_expiry() == -1
        assert journal.receiver("a") is None
        assert journal.drop(["a"]) == journal.drop([]) == 0
        assert journal.expire(2**62) == 0
        assert journal.versions() == journal.versions("order") == ()
        assert journal.check() == ""
        assert None is journal.record("a")
        assert None is journal.case("a")
        assert None is journal.bundle("digest-1")
        assert None is journal.newest("order")

    def test_what_is_appended_is_read_back_equal_and_in_order(self, journal: Journal) -> None:
        journal.append([opening("a")])
        body = '{"value":"ä\\n\\u0000 \U0001f980"}'.encode()
        journal.append([Commit("a", (row("a", 1), row("a", 2, COMPLETE, body)))])

        expected = (
            InputRow("a", 0, 1_000, CREATE, 0, "", b'{"value":{"n":1}}', b"\x00" * 32),
            InputRow("a", 1, 1_001, START, 1, "", b"", b"\x01" * 32),
            InputRow("a", 2, 1_002, COMPLETE, 2, "", body, b"\x02" * 32),
        )
        assert expected == journal.inputs("a")
        assert CaseRow("a", "order", "digest-1", 1_000) == journal.case("a")

    def test_inputs_come_in_pages(self, journal: Journal) -> None:
        journal.append([opening("a"), opening("b")])
        journal.append([Commit("a", tuple(row("a", seq) for seq in range(1, 6)))])
        whole = journal.inputs("a")

        assert len(whole) == 6
        assert whole[2:4] == journal.inputs("a", 2, 2)
        assert whole[4:] == journal.inputs("a", 4) == journal.inputs("a", 4, 9)
        assert whole[:1] == journal.inputs("a", 0, 1)
        assert (
            journal.inputs("a", 6) == journal.inputs("a", 0, 0) == journal.inputs("a", 0, -1) == ()
        )

    def test_names_and_times_keep_every_bit(self, journal: Journal) -> None:
        case = "Bestellung Ä/1 '\"%_"
        journal.append([Commit(case, (), CaseRow(case, "wö", "d", 2**62))])
        last = InputRow(case, 0, 2**62, 9, 2**40, "tä", b"\x00\xff", bytes(range(256)))
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

    def test_a_row_may_have_no_hash_and_a_long_body(self, journal: Journal) -> None:
        long = InputRow("a", 1, -(2**62), 2, -1, "", b"\x00'\\\n" * 100_000)

        journal.append([opening("a"), Commit("a", (long,))])

        assert long == journal.inputs("a")[1]

    def test_many_rows_of_many_cases_go_in_at_once(self, journal: Journal) -> None:
        cases = [f"c{number}" for number in range(500)]

        journal.append([opening(case) for case in cases])
        journal.append([Commit(case, (row(case, 1), row(case, 2))) for case in cases])

        assert len(journal.cases()) == 500
        assert all([each.seq for each in journal.inputs(case)] == [0, 1, 2] for case in cases)

    def test_to_append_nothing_is_allowed(self, journal: Journal) -> None:
        journal.append([])
        journal.append([opening("a"), Commit("a")])

        assert len(journal.inputs("a")) == 1

    def test_an_input_twice_in_one_batch_is_a_conflict(self, journal: Journal) -> None:
        journal.append([opening("a")])

        with refused_as_conflict("a", 1):
            journal.append([Commit("a", (row("a", 1),)), Commit("a", (row("a", 1, COMPLETE),))])
        with refused_as_conflict("b", 0):
            journal.append([opening("b"), opening("b")])

        assert len(journal.inputs("a")) == 1
        assert None is journal.case("b")

    def test_an_identical_input_is_a_conflict_too(self, journal: Journal) -> None:
        journal.append([opening("a"), Commit("a", (row("a", 1),))])

        with refused_as_conflict("a", 1):
            journal.append([Commit("a", (row("a", 1),))])

    def test_a_conflict_is_named_in_the_middle_of_a_large_batch(self, journal: Journal) -> None:
        journal.append([opening("a"), opening("b")])
        journal.append([Commit("b", (row("b", 1),))])
        rows = tuple(row("a", seq) for seq in range(1, 300))

        with refused_as_conflict("b", 1):
            journal.append([Commit("a", rows), Commit("b", (row("b", 1), row("b", 2)))])

        assert len(journal.inputs("a")) == 1

    def test_the_last_standing_of_a_batch_counts(self, journal: Journal) -> None:
        held = ending("a", 1, CaseStatus.suspended)
        journal.append([opening("a"), held, ending("a", 2, CaseStatus.failed)])

        assert CaseStatus.failed is getattr(journal.case("a"), "status", None)

    def test_a_seal_is_kept_from_the_opening_and_with_a_standing(self, journal: Journal) -> None:
        opened = CaseRow("a", "order", "digest-1", 1_000, seal=b"\x00seal")
        journal.append([Commit("a", (row("a", 0),), opened)])
        assert opened == journal.case("a")

        ended = Standing(CaseStatus.completed, 9, b"{}", b"\xffother")
        journal.append([Commit("a", (row("a", 1),), None, ended)])
        assert getattr(journal.case("a"), "seal", b"") == b"\xffother"

    def test_a_case_may_be_opened_in_another_state_than_running(self, journal: Journal) -> None:
        opened = CaseRow("a", "order", "d", 1, CaseStatus.completed, 2, b'{"value":1}')

        journal.append([Commit("a", (row("a", 0),), opened)])

        assert (opened,) == journal.cases(status=(CaseStatus.completed,))
