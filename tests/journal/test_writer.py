"""Group commit: what shares a transaction, what fails alone, what waits for room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import anyio
import pytest

from knhk.errors import JournalConflict, JournalError, StoreDamaged
from knhk.journal import CaseRow, Commit, InputRow, MemoryJournal, Stream, Writer
from knhk.journal.writer import BATCH_MAX, QUEUE_MAX

pytestmark = pytest.mark.anyio


def opening(case: str) -> Commit:
    return Commit(
        case, (InputRow(case, 0, 1, 0, -1, "", b""),), CaseRow(case, "order", "digest", 1)
    )


def following(case: str, seq: int) -> Commit:
    return Commit(case, (InputRow(case, seq, 1, 0, -1, "", b""),))


class Watched(MemoryJournal):
    """Notes the size of each batch; refuses the cases in ``broken``."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []
        self.broken: dict[str, Exception] = {}

    def append(self, commits: Sequence[Commit]) -> None:
        self.batches.append(len(commits))
        for commit in commits:
            if commit.case in self.broken:
                raise self.broken[commit.case]
        super().append(commits)


@dataclass
class Ends:
    """How each entry ended, in order."""

    told: list[tuple[str, JournalError | None]] = field(default_factory=list)

    def of(self, name: str) -> object:
        return lambda error: self.told.append((name, error))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.told]


async def run(writer: Writer) -> None:
    writer.close()
    await writer.run()


async def test_what_waits_together_is_written_together() -> None:
    journal, ends = Watched(), Ends()
    writer = Writer(journal)
    for number in range(5):
        writer.put(opening(f"c{number}"), Stream(), ends.of(f"c{number}"))  # type: ignore[arg-type]

    await run(writer)

    assert [5] == journal.batches
    assert ["c0", "c1", "c2", "c3", "c4"] == ends.names
    assert {None} == {error for _, error in ends.told}


async def test_a_batch_is_bounded() -> None:
    journal, ends = Watched(), Ends()
    writer = Writer(journal)
    for number in range(BATCH_MAX + 3):
        writer.put(opening(f"c{number}"), Stream(), ends.of("c"))  # type: ignore[arg-type]

    await run(writer)

    assert [BATCH_MAX, 3] == journal.batches


async def test_the_conflict_of_one_case_does_not_touch_the_others() -> None:
    journal, ends = Watched(), Ends()
    journal.append([opening("b")])
    writer = Writer(journal)
    for case in ("a", "b", "c"):
        writer.put(opening(case), Stream(), ends.of(case))  # type: ignore[arg-type]

    await run(writer)

    assert [("a", None), ("c", None)] == [end for end in ends.told if end[0] != "b"]
    conflict = dict(ends.told)["b"]
    assert isinstance(conflict, JournalConflict)
    assert ("b", 0) == (conflict.case, conflict.seq)


async def test_after_a_failure_nothing_more_of_that_case_is_written() -> None:
    journal, ends = Watched(), Ends()
    writer, stream = Writer(journal), Stream()
    journal.broken["a"] = StoreDamaged("damaged")
    writer.put(opening("a"), stream, ends.of("first"))  # type: ignore[arg-type]
    writer.put(opening("b"), Stream(), ends.of("other"))  # type: ignore[arg-type]
    writer.put(following("a", 1), stream, ends.of("second"))  # type: ignore[arg-type]
    await run(writer)
    del journal.broken["a"]

    writer.put(following("a", 2), stream, ends.of("third"))  # type: ignore[arg-type]
    await run(writer)

    assert {"first", "second", "third"} == {n for n, e in ends.told if isinstance(e, StoreDamaged)}
    assert () == journal.inputs("a")
    assert 1 == len(journal.inputs("b"))


async def test_any_failure_of_a_journal_is_told_as_a_journal_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    journal, ends = Watched(), Ends()
    writer = Writer(journal)
    journal.broken["a"] = ZeroDivisionError("oops")

    writer.put(opening("a"), Stream(), ends.of("a"))  # type: ignore[arg-type]
    await run(writer)

    assert "the journal failed: ZeroDivisionError: oops" == str(ends.told[0][1])
    assert "the journal failed" in caplog.text


async def test_what_is_put_while_acting_is_written_next() -> None:
    journal, ends = Watched(), Ends()
    writer, stream = Writer(journal), Stream()

    def act(error: JournalError | None) -> None:
        writer.put(following("a", 1), stream, ends.of("second"))  # type: ignore[arg-type]

    writer.put(opening("a"), stream, act)
    await run(writer)

    assert [1, 1] == journal.batches
    assert ["second"] == ends.names


async def test_cancelling_does_not_tear_the_writer_from_its_queue() -> None:
    journal, ends = Watched(), Ends()
    writer = Writer(journal)

    async with anyio.create_task_group() as group:
        group.start_soon(writer.run)
        writer.put(opening("a"), Stream(), ends.of("a"))  # type: ignore[arg-type]
        group.cancel_scope.cancel()
        writer.close()

    assert ["a"] == ends.names
    assert 1 == len(journal.inputs("a"))


async def test_new_work_waits_while_the_queue_is_full() -> None:
    journal, ends = Watched(), Ends()
    writer = Writer(journal)
    for number in range(QUEUE_MAX):
        writer.put(opening(f"c{number}"), Stream(), ends.of("c"))  # type: ignore[arg-type]
    with anyio.move_on_after(0) as scope:
        await writer.room()
    assert scope.cancelled_caught

    async with anyio.create_task_group() as group:
        group.start_soon(writer.run)
        with anyio.fail_after(5):
            await writer.room()
        writer.close()

    assert QUEUE_MAX == len(ends.names)


async def test_a_clock_is_told_when_the_writer_is_at_work() -> None:
    journal, ends, changes = Watched(), Ends(), list[int]()
    writer = Writer(journal, changes.append)

    writer.put(opening("a"), Stream(), ends.of("a"))  # type: ignore[arg-type]
    writer.put(opening("b"), Stream(), ends.of("b"))  # type: ignore[arg-type]
    assert [1] == changes
    await run(writer)

    assert [1, -1] == changes
