"""Whether what a store holds of a case is what the engine wrote: `knhk verify`.

Theory of operation. The inputs of a case are read in pages and followed along its hash chain
(:mod:`knhk.journal.chain`), each with the payloads that it refers to, and played again. Where the
snapshot was taken, the case that it gives must be in the same state. In the end the replayed case
must stand where the case's row says, with the same outcome; and what the store holds beside that
must suit it: whether it is parked and until when, what it waits for, its leases, and its work for
outside. Of a case there are never more than a page of inputs and the payloads of one of them in
memory.

The first fault ends it, since what comes after a wrong input says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar, final

import anyio.lowlevel

from knhk.engine.callees import is_own
from knhk.engine.catalogue import Catalogue, in_thread
from knhk.engine.facts import NO_PAYLOADS, Payloads, encode_snapshot, whole
from knhk.engine.offers import wake_of
from knhk.engine.payloads import fetched, joined, refers
from knhk.engine.replaying import Replay
from knhk.engine.subscriptions import waits_of
from knhk.engine.version import Version
from knhk.errors import KnhkError, ReplayError, SnapshotError, StoreDamaged
from knhk.journal import PAGE_MAX, UNFINISHED, InputRow, Journal, Record, Snapshot, Wait
from knhk.journal.chain import Chain
from knhk.kernel import Case, WorkItem
from knhk.kernel.snapshot import FORMAT
from knhk.model import CaseStatus, ItemState

__all__ = ["Fault", "Verification", "misplaced"]

#: Inputs that are in memory at a time.
_ROWS_MAX: Final = PAGE_MAX

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fault:
    """What does not fit in what is stored of a case.

    ``seq`` is the input's number, else -1; then ``place`` says where it is, and empty stands for
    the row of the case.
    """

    case: str
    seq: int
    why: str
    place: str = ""

    def __str__(self) -> str:
        where = f"input {self.seq}" if self.seq >= 0 else self.place or "the row of the case"
        return f"{self.case}: {where}: {self.why}"


class _Found(Exception):
    """A fault has been found."""

    def __init__(self, seq: int, why: str, place: str = "") -> None:
        self.seq = seq
        self.why = why
        self.place = place


@final
class Verification:
    """The verification of one case; ``record`` is how it stood when that began."""

    def __init__(self, journal: Journal, catalogue: Catalogue, record: Record) -> None:
        self._journal = journal
        self._catalogue = catalogue
        self._record = record
        self._case = record.row.id
        self._chain = Chain(record.row)
        self._has_seal = not record.row.seal

    async def fault(self) -> Fault | None:
        """The first thing that does not fit; ``None`` if all does."""
        try:
            await self._verify()
        except _Found as found:
            return Fault(self._case, found.seq, found.why, found.place)
        return None

    async def _verify(self) -> None:
        row = self._record.row
        replay: Replay | None = None
        problem: KnhkError | None = None
        try:
            version = await self._catalogue.read_only(row.workflow, row.digest)
            replay = Replay(version, row)
        except KnhkError as error:
            problem = error
        while self._chain.length < self._record.inputs:
            replay, problem = await self._page(replay, problem)
        if not self._has_seal:
            raise _Found(-1, f"it is {row.status}, but the input that made it so is missing")
        if replay is None or problem is not None:
            raise _of(problem)
        shot = self._record.snapshot
        if shot is not None and shot.seq > self._chain.length:
            why = f"it was taken after {shot.seq} inputs, and there are only {self._chain.length}"
            raise _Found(-1, why, "the snapshot")
        await self._outcome(replay.version, replay.case)
        _refuse_misplaced(self._record, replay.case)

    async def _page(
        self, replay: Replay | None, problem: KnhkError | None
    ) -> tuple[Replay | None, KnhkError | None]:
        """Follow the next page; once the replay has a problem, only its chain."""
        limit = min(_ROWS_MAX, self._record.inputs - self._chain.length)
        rows = await self._ask(self._journal.inputs, self._case, self._chain.length, limit)
        if not rows:
            raise _Found(self._chain.length, "it is missing")
        for entry in rows:
            if not self._chain.fits(entry):
                why = "its hash does not fit: it was changed, or one is missing here"
                raise _Found(self._chain.length, why)
            self._has_seal = self._has_seal or entry.hash == self._record.row.seal
            if replay is None or problem is not None:
                continue
            try:
                replay.take(entry, await self._payloads(entry.body))
            except KnhkError as error:
                problem = _at(entry, error)
                continue
            shot = self._record.snapshot
            if shot is not None and shot.seq == self._chain.length:
                await self._snapshot(replay, shot)
        await anyio.lowlevel.checkpoint()
        return replay, problem

    async def _payloads(self, body: bytes) -> Payloads:
        if not refers(body):
            return NO_PAYLOADS
        return await self._ask(fetched, self._journal, (body,))

    async def _snapshot(self, replay: Replay, shot: Snapshot) -> None:
        """The case that the snapshot gives is in the state that the inputs lead to."""
        place = "the snapshot"
        if shot.hash != self._chain.hash:
            raise _Found(-1, f"its hash is not that of input {shot.seq - 1}", place)
        try:
            plain = whole(shot.body, await self._payloads(shot.body))
            if plain.get("format") != FORMAT:
                return  # of another release: it is passed over
            program = replay.version.workflow.program
            restored = Case.restored(program, self._case, plain, keeps_history=False)
        except (ValueError, LookupError) as error:
            raise _Found(-1, f"it cannot be read: {error}", place) from error
        except SnapshotError as error:
            raise _Found(-1, f"it cannot be restored: {error.why}", place) from error
        if _state(restored) != _state(replay.case):
            why = f"it is not the state that the first {shot.seq} inputs lead to"
            raise _Found(-1, why, place)

    async def _outcome(self, version: Version, case: Case) -> None:
        row = self._record.row
        if case.status is not row.status:
            raise _Found(-1, f"it says {row.status}, and a replay leads to {case.status}")
        if row.status is not CaseStatus.completed:
            return
        try:
            outcome = joined(row.outcome, await self._payloads(row.outcome))
        except (ValueError, LookupError) as error:
            raise _Found(-1, f"its result cannot be read: {error}") from error
        if version.facts.encode_result(case.result) != outcome:
            raise _Found(-1, "its result is not the one that a replay leads to")

    async def _ask(self, question: Callable[..., T], *args: object) -> T:
        return await in_thread(self._journal, question, *args)


def _of(problem: KnhkError | None) -> _Found:
    """The fault that a problem of the replay is."""
    if isinstance(problem, ReplayError):
        return _Found(problem.seq, f"a replay refuses it: {problem.why}")
    if isinstance(problem, _Unreadable):
        return _Found(problem.seq, str(problem))
    return _Found(-1, f"it cannot be replayed: {problem}")


class _Unreadable(StoreDamaged):
    """An input whose body cannot be read."""

    def __init__(self, seq: int, why: str) -> None:
        self.seq = seq
        super().__init__(why)


def _at(entry: InputRow, error: KnhkError) -> KnhkError:
    return _Unreadable(entry.seq, str(error)) if isinstance(error, StoreDamaged) else error


def _state(case: Case) -> bytes:
    plain = case.snapshot()
    return b"" if plain is None else encode_snapshot(plain)


def misplaced(record: Record, case: Case) -> str:
    """What of that which is stored beside a history does not suit its case; empty if all does."""
    try:
        _refuse_misplaced(record, case)
    except _Found as found:
        return f"{found.place or 'the row of the case'}: {found.why}"
    return ""


def _refuse_misplaced(record: Record, case: Case) -> None:
    """What is stored beside the history suits the case that the history gives."""
    items = {item.id: item for item in case.open_items}
    for lease in record.leases:
        item = items.get(lease.item)
        if item is None or item.state is not ItemState.started or item.attempt != lease.attempt:
            why = f"{lease.holder!r} holds attempt {lease.attempt} at work item {lease.item}"
            raise _Found(-1, f"{why}, which is not started", "the leases")
    rest = record.rest
    if rest.is_parked and case.status in UNFINISHED:
        wake_us = wake_of(case, record.leases)
        if rest.wake_us != wake_us:
            why = f"it is to be woken at {rest.wake_us}, and its next time is at {wake_us}"
            raise _Found(-1, why)
    waits, _ = waits_of(case)
    # Those of a case that nobody has touched since they began to be written are not there.
    if waits != record.waits and (record.waits or rest.is_parked):
        why = f"they are {_told(record.waits)}, and it waits for {_told(waits)}"
        raise _Found(-1, why, "the waits")
    _refuse_other_work(record, case, items)


def _refuse_other_work(record: Record, case: Case, items: Mapping[int, WorkItem]) -> None:
    """What is offered to somebody outside is what the case has for them."""
    offers = {offer.item: offer for offer in record.offers}
    for number, offer in offers.items():
        item = items.get(number)
        state = ItemState.started if offer.is_started else ItemState.offered
        if item is None or item.state is not state or item.attempt != offer.attempt:
            why = f"work item {number} is offered outside as {state}, attempt {offer.attempt}"
            raise _Found(-1, f"{why}, and is not", "the offers")
    if not record.rest.is_parked or case.status is not CaseStatus.running:
        return
    for item in items.values():
        if item.state is ItemState.waiting or item.id in offers:
            continue
        if not is_own(case.callee(item)):
            why = f"work item {item.id} of `{item.task}` is {item.state}, and not offered outside"
            raise _Found(-1, why, "the offers")
        if item.state is ItemState.offered:
            raise _Found(-1, f"it is parked, and `{item.task}` is offered")


def _told(waits: Sequence[Wait]) -> str:
    return ", ".join(f"{each.name}({each.key})" for each in waits) or "nothing"
