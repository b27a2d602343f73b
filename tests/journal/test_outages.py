"""A store that goes away: what is queued waits, in order, and callers are told in time."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
import pytest

from knhk.errors import (
    JournalConflict,
    JournalError,
    StoreAway,
    StoreFull,
    StoreLocked,
    StoreUnavailable,
)
from knhk.journal import CaseRow, Commit, InputRow, MemoryJournal, Receipt, Stream, Writer
from knhk.journal.writer import QUEUE_MAX, REFUSALS_MAX

pytestmark = pytest.mark.anyio

AWAY = [StoreUnavailable("the server is down"), StoreLocked("locked"), StoreFull("full")]


def opening(case: str) -> Commit:
    return Commit(
        case, (InputRow(case, 0, 1, 0, -1, "", b""),), CaseRow(case, "order", "digest", 1)
    )


def following(case: str, seq: int) -> Commit:
    return Commit(case, (InputRow(case, seq, 1, 0, -1, "", b""),))


class Fickle(MemoryJournal):
    """Raises ``away`` as long as it is set; refuses cases that are too ``large`` for it."""

    def __init__(self) -> None:
        super().__init__()
        self.away: StoreAway | None = None
        self.large: set[str] = set()
        self.tries: list[list[str]] = []

    def append(self, commits: Sequence[Commit]) -> None:
        self.tries.append([commit.case for commit in commits])
        if self.away is not None:
            raise self.away
        if not self.large.isdisjoint(self.tries[-1]):
            raise StoreFull("full")
        super().append(commits)

    async def tried(self, times: int = 2) -> None:
        """Return when it has been tried so often from now on."""
        until = len(self.tries) + times
        with anyio.fail_after(10):
            while len(self.tries) < until:  # noqa: ASYNC110  it is told to nobody
                await anyio.sleep(0.005)


@asynccontextmanager
async def running(writer: Writer) -> AsyncIterator[None]:
    async with anyio.create_task_group() as group:
        group.start_soon(writer.run)
        try:
            yield
        finally:
            writer.close()


@pytest.mark.parametrize("reason", AWAY, ids=lambda each: type(each).__name__)
async def test_what_waits_is_written_in_order_when_the_store_is_back(
    reason: StoreAway, caplog: pytest.LogCaptureFixture
) -> None:
    journal, told = Fickle(), list[StoreAway | None]()
    writer = Writer(journal, told=told.append)
    ends: list[tuple[str, JournalError | None]] = []
    journal.away = reason

    async with running(writer):
        stream = Stream()
        writer.put(opening("a"), stream, lambda error: ends.append(("a0", error)))
        writer.put(opening("b"), Stream(), lambda error: ends.append(("b0", error)))
        await journal.tried()
        writer.put(following("a", 1), stream, lambda error: ends.append(("a1", error)))
        await journal.tried()
        assert [] == ends
        assert [reason] == told
        assert writer.away is reason
        journal.away = None

    assert [("a0", None), ("b0", None), ("a1", None)] == ends
    assert [reason, None] == told
    assert None is writer.away
    assert [0, 1] == [row.seq for row in journal.inputs("a")]
    messages = [record.getMessage() for record in caplog.records]
    assert [True, False] == ["is away" in message for message in messages]
    assert [False, True] == ["is back after" in message for message in messages]


async def test_a_store_that_goes_away_amid_a_conflict_loses_nothing_behind_it() -> None:
    class Leaving(Fickle):
        def append(self, commits: Sequence[Commit]) -> None:
            if [commit.case for commit in commits] == ["c"] and not self.tries.count(["c"]):
                self.tries.append(["c"])
                raise StoreUnavailable("gone")
            super().append(commits)

    journal = Leaving()
    journal.append([opening("b")])
    ends: list[tuple[str, object]] = []
    writer = Writer(journal)
    for case in "abcd":
        writer.put(
            opening(case), Stream(), lambda error, case=case: ends.append((case, type(error)))
        )

    async with running(writer):
        pass

    none = type(None)
    assert [("a", none), ("b", JournalConflict), ("c", none), ("d", none)] == ends


async def test_what_fits_into_a_full_store_is_written_past_what_does_not() -> None:
    journal, writer = Fickle(), None
    journal.large = {"large"}
    writer = Writer(journal)
    stream, ends = Stream(), list[str]()
    async with running(writer):
        writer.put(opening("large"), stream, lambda _: ends.append("large"))
        writer.put(opening("small"), Stream(), lambda _: ends.append("small"))
        writer.put(following("large", 1), stream, lambda _: ends.append("large 1"))
        await journal.tried(6)
        assert ["small"] == ends
        receipt = Receipt(writer.patience)
        writer.put(opening("later"), Stream(), receipt)
        await receipt.written()
        journal.large = set()

    assert ["small", "large", "large 1"] == ends


async def test_a_full_store_is_not_tried_with_every_case() -> None:
    journal = Fickle()
    journal.away = StoreFull("full")
    writer = Writer(journal)
    async with running(writer):
        for number in range(100):
            writer.put(opening(f"c{number}"), Stream(), lambda _: None)
        await journal.tried(REFUSALS_MAX + 2)
        assert [100] + [1] * REFUSALS_MAX == [
            len(each) for each in journal.tries[: REFUSALS_MAX + 1]
        ]
        journal.away = None
    assert 100 == len(journal.cases())


# Callers


async def test_callers_are_told_after_their_patience_and_it_is_written_all_the_same() -> None:
    journal = Fickle()
    journal.away = StoreUnavailable("the server is down")
    writer = Writer(journal, patience_s=0.1)
    async with running(writer):
        receipts = [Receipt(writer.patience) for _ in range(2)]
        for case, receipt in zip("ab", receipts, strict=True):
            writer.put(opening(case), Stream(), receipt)
        patient = Receipt()
        writer.put(opening("c"), Stream(), patient)

        errors: list[BaseException] = []
        for receipt in receipts:
            with pytest.raises(StoreUnavailable, match="the server is down") as caught:
                await receipt.written()
            errors.append(caught.value)
        assert errors[0] is not errors[1]
        journal.away = None
        await patient.written()

    assert ["a", "b", "c"] == [row.id for row in journal.cases()]


async def test_a_caller_who_comes_while_the_store_is_away_gives_nothing() -> None:
    journal = Fickle()
    writer = Writer(journal, patience_s=0.1)
    async with running(writer):
        await writer.admission()
        journal.away = StoreUnavailable("the server is down")
        writer.put(opening("a"), Stream(), lambda _: None)
        await journal.tried(1)
        with pytest.raises(StoreUnavailable, match="the server is down"):
            await writer.admission()
        with anyio.move_on_after(0.01) as scope:
            await writer.admission()
        assert scope.cancelled_caught
        journal.away = None
        await journal.tried(1)
        await writer.admission()


async def test_a_caller_may_stop_waiting_at_any_time() -> None:
    journal = Fickle()
    journal.away = StoreUnavailable("the server is down")
    writer = Writer(journal)
    async with running(writer):
        receipt = Receipt(writer.patience)
        writer.put(opening("a"), Stream(), receipt)
        with anyio.move_on_after(0.01) as scope:
            await receipt.written()
        assert scope.cancelled_caught
        assert set() == writer.patience.callers
        journal.away = None


async def test_a_queue_that_moves_tries_nobodys_patience() -> None:
    class Slow(Fickle):
        blocking = True

        def append(self, commits: Sequence[Commit]) -> None:
            threading.Event().wait(0.04)
            super().append(commits)

    journal = Slow()
    writer = Writer(journal, patience_s=0.1)
    for number in range(QUEUE_MAX):
        writer.put(opening(f"c{number}"), Stream(), lambda _: None)
    async with anyio.create_task_group() as group:
        group.start_soon(writer.run)
        await writer.admission()
        writer.close()
    assert None is not journal.case(f"c{QUEUE_MAX - 1}")


class Hanging(MemoryJournal):
    """Hangs in an append until it is told to go on."""

    blocking = True

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()

    def append(self, commits: Sequence[Commit]) -> None:
        self.go_on.wait(30)
        super().append(commits)


async def test_callers_of_a_store_that_hangs_are_told_too() -> None:
    journal = Hanging()
    writer = Writer(journal, patience_s=0.1)
    async with running(writer):
        receipt = Receipt(writer.patience)
        writer.put(opening("a"), Stream(), receipt)
        with pytest.raises(StoreUnavailable, match=r"not answered for 0\.1 s"):
            await receipt.written()
        journal.go_on.set()
    assert ["a"] == [row.id for row in journal.cases()]


# The end


@pytest.mark.parametrize("hangs", [False, True], ids=["away", "hanging"])
async def test_closing_ends_and_tells_what_is_not_known_to_be_written(
    hangs: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("knhk.journal.writer.CLOSING_S", 0.2)
    busy: list[int] = []
    journal: Hanging | Fickle
    if hangs:
        journal = hanging = Hanging()
    else:
        journal = fickle = Fickle()
        fickle.away = StoreUnavailable("the server is down")
    writer = Writer(journal, busy.append)
    errors: dict[str, JournalError | None] = {}
    with anyio.fail_after(10):
        async with running(writer):
            for case in ("a", "b", "b2"):
                writer.put(
                    opening(case), Stream(), lambda error, case=case: errors.update({case: error})
                )
    if hangs:
        hanging.go_on.set()

    assert {"a", "b", "b2"} == set(errors)
    assert all(isinstance(error, StoreUnavailable) for error in errors.values())
    assert "3 commits of 3 cases (a, b, b2) are not known to be written" in caplog.text
    assert 0 == sum(busy)


async def test_a_store_that_comes_back_while_it_is_closed_is_written_to() -> None:
    journal = Fickle()
    journal.away = StoreUnavailable("the server is down")
    writer = Writer(journal)
    ends: list[JournalError | None] = []
    async with anyio.create_task_group() as group:
        group.start_soon(writer.run)
        writer.put(opening("a"), Stream(), ends.append)
        await journal.tried()
        writer.close()
        await journal.tried()
        journal.away = None

    assert [None] == ends
