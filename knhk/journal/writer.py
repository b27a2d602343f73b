"""Group commit: appends of many cases share one transaction, and each waits for its own.

Theory of operation. Callers put entries into one queue; one task takes all that is waiting
and appends it at once, in a worker thread where the journal blocks. While the disk works,
the next batch gathers by itself: alone, a step costs one commit, under load a commit serves
hundreds of steps. When a batch has been written, each entry's ``done`` is called in order;
it carries out the effects, so that nothing happens in the world that is not remembered. What has
gathered by then goes to the disk first, so that the disk and the effects are at work together.

When a batch fails, its entries are tried one by one, so that the fault of one case (a
conflict) does not touch the others. What fails breaks its :class:`Stream`: all later entries
of that case fail with the same error, since a case must not be written with a gap in it.

**A store that is away** (:class:`knhk.errors.StoreAway`: its server cannot be reached, its disk is
full, another program has locked it) breaks nothing. What could not be written stays at the head of
the queue and is tried again, with growing pauses, until the store is back; the same entries are
brought in the same order, so a journal can tell an append in doubt from a new one. Where a disk is
full, entries that still find room are written past those that do not.

The queue is bounded, by entries and by the bytes of their payloads. ``put`` never waits, for it
is called from ``done``, where an entry makes at most the few that its effects call for; whoever
brings new work from inside awaits :meth:`Writer.room` first, and so is held back when the disk is
slow. Callers from outside await :meth:`Writer.admission`, which ends with an error when the store
is away for longer than their patience.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Final, NamedTuple

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from knhk.errors import JournalError, StoreAway, StoreFull, StoreUnavailable
from knhk.journal.outage import Outage
from knhk.journal.patience import PATIENCE_S, Patience
from knhk.journal.protocol import Journal, Launching
from knhk.journal.record import Commit
from knhk.surroundings import call_in_thread, stopwatch

__all__ = ["Done", "Stream", "Writer"]

#: Entries that may wait before those who bring new work are held back, and the bytes of payloads.
QUEUE_MAX: Final = 4_096
QUEUE_BYTES_MAX: Final = 256 * 1024 * 1024
#: Entries that share one transaction at most.
BATCH_MAX: Final = 1_024

#: How long closing waits for a store that takes nothing.
CLOSING_S: Final = 5.0
#: Cases that may be refused for a full disk before no other is tried any more.
REFUSALS_MAX: Final = 8
#: Cases that are named when they could not be written at the end.
NAMED_MAX: Final = 10

#: Few entries whose commit takes less than this are written in the event loop itself: a hop to a
#: thread and back would cost as much, and whoever else is in the loop hardly notices.
SHORT_S: Final = 0.000_5
#: How many entries are few.
FEW: Final = 4

#: Called once an entry was written (``None``) or could not be.
Done = Callable[[JournalError | None], None]

_log = logging.getLogger(__name__)


class Stream:
    """The appends of one case: broken for good by the first that fails."""

    __slots__ = ("error",)

    def __init__(self) -> None:
        self.error: JournalError | None = None


class _Entry(NamedTuple):
    commit: Commit
    stream: Stream
    done: Done


class Writer:
    """The one task that appends to a journal; ``busy`` tells a clock when it is at work.

    ``queue_max`` entries may wait, or entries with ``queue_bytes_max`` of payloads, before those
    who bring new work are held back; ``batch_max`` of them share one transaction at most.
    ``patience_s`` is how long callers are kept waiting for a store that is away. ``told`` is called
    with the reason when the store goes away, and with ``None`` when it is back.
    """

    def __init__(
        self,
        journal: Journal,
        busy: Callable[[int], None] | None = None,
        *,
        patience_s: float = PATIENCE_S,
        told: Callable[[StoreAway | None], None] | None = None,
        queue_max: int = QUEUE_MAX,
        queue_bytes_max: int = QUEUE_BYTES_MAX,
        batch_max: int = BATCH_MAX,
    ) -> None:
        self._journal = journal
        self._queue_max = queue_max
        self._queue_bytes_max = queue_bytes_max
        self._batch_max = batch_max
        #: The bytes of payloads in the queue.
        self._queue_bytes = 0
        #: Whether a short commit may be done in the event loop: never where it may wait for others.
        self._is_near = not journal.blocking or bool(getattr(journal, "local", False))
        self._launching = journal if isinstance(journal, Launching) else None
        self._busy = busy if busy is not None else _ignore
        self._queue: deque[_Entry] = deque()
        self._wake = anyio.Event()
        self._room = anyio.Event()
        self._closed = False
        self._seconds = stopwatch()
        self._scope: anyio.CancelScope | None = None
        #: A thread of its own: those that read may all be waiting for the same store.
        self._limiter = anyio.CapacityLimiter(1)
        #: Entries of which it is known what became of them, and nobody has been told.
        self._untold: deque[_Entry] = deque()
        self._group: TaskGroup | None = None
        self._outage = Outage(told)
        self._patience_s = patience_s
        #: For the receipts of callers, who are told when the store is away for long.
        self.patience: Final = Patience(patience_s, self._why)
        #: What a commit of few entries has taken of late; the first ones go to a thread.
        self._commit_s = SHORT_S

    @property
    def is_full(self) -> bool:
        """Whether whoever brings new work has to wait for :meth:`room`."""
        return len(self._queue) >= self._queue_max or self._queue_bytes >= self._queue_bytes_max

    @property
    def waiting(self) -> int:
        """Entries in the queue."""
        return len(self._queue)

    @property
    def away(self) -> StoreAway | None:
        """What keeps the store from taking all that it is given now."""
        return self._outage.reason

    def put(self, commit: Commit, stream: Stream, done: Done) -> None:
        """Have ``commit`` written after those before it; ``done`` is called in any case."""
        if not self._queue:
            self._busy(1)
            self._wake.set()
        elif self._outage.reason is not None:
            self._outage.is_tried()
        self._queue_bytes += _payload_bytes(commit)
        self._queue.append(_Entry(commit, stream, done))

    async def room(self) -> None:
        """Wait until the queue has room for new work, however long that takes."""
        while self.is_full:
            await self._news().wait()

    async def admission(self) -> None:
        """Wait until a caller may bring new work: there is room, and the store takes something.

        Raises :class:`~knhk.errors.StoreAway` when that takes longer than callers have patience;
        then nothing has been given.
        """
        while self.is_full or self._outage.is_whole:
            await self.patience.waited(self._news())

    def close(self) -> None:
        """Let :meth:`run` end once the queue is empty, or the store takes nothing for a while."""
        self._closed = True
        self._wake.set()
        self._postpone_end()

    async def run(self) -> None:
        """Write until closed. Cancelling does not tear it from what is queued."""
        with anyio.CancelScope(shield=True) as self._scope:
            self._postpone_end()
            async with anyio.create_task_group() as group:
                self._group = group
                group.start_soon(self.patience.watch, name="knhk journal patience")
                await self._write_all()
                group.cancel_scope.cancel()
        self._tell()
        if self._queue:
            self._give_up()

    async def _write_all(self) -> None:
        while True:
            if self._queue:
                await self._write_batch()
            elif self._closed:
                return
            else:
                self._wake = anyio.Event()
                await self._wake.wait()
                self.patience.is_needed()

    def _postpone_end(self) -> None:
        """Once closed it ends when the store has taken nothing for a while."""
        if self._closed and self._scope is not None:
            self._scope.deadline = anyio.current_time() + CLOSING_S

    # Batches

    async def _write_batch(self) -> None:
        queue = self._queue
        # They stay in the queue as long as it is not known what becomes of them.
        batch = list(islice(queue, self._batch_max))
        sound = [entry for entry in batch if entry.stream.error is None]
        kept = await self._append(sound) if sound else []
        for _ in batch:
            queue.popleft()
        if kept:
            still = set(map(id, kept))
            batch = [entry for entry in batch if id(entry) not in still]
            queue.extendleft(reversed(kept))
        else:
            self._is_well()
        if self._queue_bytes:
            self._queue_bytes -= sum([_payload_bytes(entry.commit) for entry in batch])
        # The first entry to arrive from now on wakes and marks busy again by itself.
        emptied = not queue
        if batch or not kept:
            self._room.set()
        self._untold.extend(batch)
        if queue and not kept and not self._is_near_for(len(queue)):
            # The next batch is on its way to the disk before this one's effects are carried out.
            assert self._group is not None
            self._group.start_soon(self._tell_meanwhile, name="knhk journal teller")
            return
        self._tell()
        if emptied:
            self._busy(-1)
        if kept and (not batch or self._outage.is_whole):
            await self._outage.pause()
        elif queue:
            await anyio.lowlevel.checkpoint()

    def _tell(self) -> None:
        """Tell those whose entries have been written, or could not be, in order."""
        untold = self._untold
        while untold:
            entry = untold.popleft()
            entry.done(entry.stream.error)

    async def _tell_meanwhile(self) -> None:
        self._tell()

    async def _append(self, entries: list[_Entry]) -> list[_Entry]:
        """Write entries; gives those that are to be tried again."""
        error = await self._attempt([entry.commit for entry in entries])
        if error is None:
            return []
        if isinstance(error, StoreAway) and (len(entries) == 1 or not isinstance(error, StoreFull)):
            self._outage.goes_on(error)
            return entries
        if len(entries) == 1:
            entries[0].stream.error = error
            return []
        return await self._append_singly(entries)

    async def _append_singly(self, entries: list[_Entry]) -> list[_Entry]:
        """Write what can be written; a case that is refused for a full disk keeps its order."""
        kept: list[_Entry] = []
        refused: set[Stream] = set()
        is_over = False
        for entry in entries:
            stream = entry.stream
            if stream.error is not None:
                continue
            if is_over or stream in refused:
                kept.append(entry)
                continue
            error = await self._attempt([entry.commit])
            if isinstance(error, StoreAway):
                self._outage.goes_on(error)
                kept.append(entry)
                refused.add(stream)
                is_over = not isinstance(error, StoreFull) or len(refused) >= REFUSALS_MAX
            else:
                stream.error = error
        return kept

    async def _attempt(self, commits: list[Commit]) -> JournalError | None:
        is_short = len(commits) <= FEW
        try:
            if self._launching is not None and await self._fly(self._launching, commits):
                return None
            if self._is_near_for(len(commits)):
                took_s = self._timed(commits)
            else:
                call = partial(self._timed, commits)
                took_s = await call_in_thread(call, may_leave=True, limiter=self._limiter)
            if is_short:
                self._commit_s += (took_s - self._commit_s) / 8
        except JournalError as error:
            self._commit_s = SHORT_S
            return error
        except Exception as error:  # noqa: BLE001  anybody's journal may raise anything
            _log.exception("the journal failed in a way it should not")
            wrapped = JournalError(f"the journal failed: {type(error).__name__}: {error}")
            wrapped.__cause__ = error
            return wrapped
        return None

    async def _fly(self, journal: Launching, commits: list[Commit]) -> bool:
        """Have commits written while the event loop goes on; whether that is known to be done."""
        flight = journal.launch(commits)
        if flight is None:
            return False
        try:
            with anyio.move_on_after(flight.answer_s):
                while not flight.is_sent:
                    await anyio.wait_writable(flight)
                    flight.go_on()
                while not flight.is_over:
                    await anyio.wait_readable(flight)
                    flight.landed()
        finally:
            flight.abandon()
        return flight.is_written

    def _is_near_for(self, entries: int) -> bool:
        """Whether so many entries are written in the event loop itself."""
        if not self._journal.blocking:
            return self._is_near
        return self._is_near and entries <= FEW and self._commit_s < SHORT_S

    def _timed(self, commits: list[Commit]) -> float:
        """Append; how many seconds that took."""
        begin = self._seconds()
        self._journal.append(commits)
        return self._seconds() - begin

    # A store that is away

    def _news(self) -> anyio.Event:
        """Set when something was written, or could not be."""
        if self._room.is_set():
            self._room = anyio.Event()
        return self._room

    def _is_well(self) -> None:
        """All that was brought has been taken, or is broken for another reason."""
        self.patience.is_well()
        if self._outage.reason is not None:
            self._outage.ends()
        if self._closed:
            self._postpone_end()

    def _why(self) -> StoreAway | None:
        """Why what waits to be written is not written yet; nothing where nothing waits."""
        if not self._queue:
            return None
        return self._outage.reason or self._stalled()

    def _stalled(self) -> StoreUnavailable:
        return StoreUnavailable(
            f"the store has not answered for {self._patience_s:g} s;"
            " see that its disk or its server works; what was given may still be written"
        )

    def _give_up(self) -> None:
        """At the end: tell what waits that it was not written."""
        entries = list(self._queue)
        self._queue.clear()
        cases = list(dict.fromkeys([entry.commit.case or "none" for entry in entries]))
        names = ", ".join(cases[:NAMED_MAX]) + (", ..." if len(cases) > NAMED_MAX else "")
        reason = self._outage.reason or self._stalled()
        problem = StoreUnavailable(
            f"the engine was closed while the store took nothing: {len(entries)} commits of"
            f" {len(cases)} cases ({names}) are not known to be written, as {reason};"
            " open the store again when it is back, and they go on from what was acknowledged"
        )
        problem.__cause__ = reason
        _log.error("%s", problem)
        for entry in entries:
            entry.stream.error = problem
            entry.done(problem)
        self._busy(-1)


def _payload_bytes(commit: Commit) -> int:
    size = sum([len(letter.payload) for letter in commit.posted]) if commit.posted else 0
    return size + sum([len(data) for _, data in commit.blobs]) if commit.blobs else size


def _ignore(_change: int) -> None:
    """Nobody needs to know whether the writer is busy."""
