"""Group commit: appends of many cases share one transaction, and each waits for its own.

Theory of operation. Callers put entries into one queue; one task takes all that is waiting
and appends it at once, in a worker thread where the journal blocks. While the disk works,
the next batch gathers by itself: alone, a step costs one commit, under load a commit serves
hundreds of steps. When a batch has been written, each entry's ``done`` is called in order;
it carries out the effects, so that nothing happens in the world that is not remembered.

When a batch fails, its entries are tried one by one, so that the fault of one case (a
conflict) does not touch the others. What fails breaks its :class:`Stream`: all later entries
of that case fail with the same error, since a case must not be written with a gap in it.

The queue is bounded by ``QUEUE_MAX`` entries. ``put`` never waits, for it is called from
``done``, where an entry makes at most the few that its effects call for; whoever brings new
work from outside awaits :meth:`room` first, and so is held back when the disk is slow.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import anyio
import anyio.lowlevel
import anyio.to_thread

from knhk.errors import JournalError
from knhk.journal.protocol import Journal
from knhk.journal.record import Commit

__all__ = ["Done", "Stream", "Writer"]

#: Entries that may wait before those who bring new work are held back.
QUEUE_MAX: Final = 4_096
#: Entries that share one transaction at most.
BATCH_MAX: Final = 1_024

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


@dataclass(frozen=True, slots=True)
class _Entry:
    commit: Commit
    stream: Stream
    done: Done


class Writer:
    """The one task that appends to a journal; ``busy`` tells a clock when it is at work."""

    def __init__(self, journal: Journal, busy: Callable[[int], None] | None = None) -> None:
        self._journal = journal
        self._busy = busy if busy is not None else _ignore
        self._queue: deque[_Entry] = deque()
        self._wake = anyio.Event()
        self._room = anyio.Event()
        self._closed = False
        #: What a commit of few entries has taken of late; the first ones go to a thread.
        self._commit_s = SHORT_S

    @property
    def is_full(self) -> bool:
        """Whether whoever brings new work has to wait for :meth:`room`."""
        return len(self._queue) >= QUEUE_MAX

    @property
    def waiting(self) -> int:
        """Entries in the queue."""
        return len(self._queue)

    def put(self, commit: Commit, stream: Stream, done: Done) -> None:
        """Have ``commit`` written after those before it; ``done`` is called in any case."""
        if not self._queue:
            self._busy(1)
            self._wake.set()
        self._queue.append(_Entry(commit, stream, done))

    async def room(self) -> None:
        """Wait until the queue has room for new work."""
        while self.is_full:
            if self._room.is_set():
                self._room = anyio.Event()
            await self._room.wait()

    def close(self) -> None:
        """Let :meth:`run` end once the queue is empty."""
        self._closed = True
        self._wake.set()

    async def run(self) -> None:
        """Write until closed. Cancelling does not tear it from what is queued."""
        with anyio.CancelScope(shield=True):
            while True:
                if self._queue:
                    await self._write_batch()
                elif self._closed:
                    return
                else:
                    self._wake = anyio.Event()
                    await self._wake.wait()

    async def _write_batch(self) -> None:
        queue = self._queue
        batch = [queue.popleft() for _ in range(min(len(queue), BATCH_MAX))]
        # The first entry to arrive from now on wakes and marks busy again by itself.
        emptied = not queue
        self._room.set()
        sound = [entry for entry in batch if entry.stream.error is None]
        if sound:
            await self._append(sound)
        for entry in batch:
            _settle(entry)
        if emptied:
            self._busy(-1)
        if queue:
            await anyio.lowlevel.checkpoint()

    async def _append(self, entries: list[_Entry]) -> None:
        error = await self._attempt([entry.commit for entry in entries])
        if error is None:
            return
        if len(entries) == 1:
            entries[0].stream.error = error
            return
        for entry in entries:
            if entry.stream.error is None:
                entry.stream.error = await self._attempt([entry.commit])

    async def _attempt(self, commits: list[Commit]) -> JournalError | None:
        is_short = len(commits) <= FEW
        try:
            if self._journal.blocking and not (is_short and self._commit_s < SHORT_S):
                took_s = await anyio.to_thread.run_sync(partial(self._timed, commits))
            else:
                took_s = self._timed(commits)
            if is_short:
                self._commit_s += (took_s - self._commit_s) / 8
        except JournalError as error:
            return error
        except Exception as error:  # noqa: BLE001  anybody's journal may raise anything
            _log.exception("the journal failed in a way it should not")
            wrapped = JournalError(f"the journal failed: {type(error).__name__}: {error}")
            wrapped.__cause__ = error
            return wrapped
        return None

    def _timed(self, commits: list[Commit]) -> float:
        """Append; how many seconds that took."""
        begin = time.perf_counter()
        self._journal.append(commits)
        return time.perf_counter() - begin


def _settle(entry: _Entry) -> None:
    entry.done(entry.stream.error)


def _ignore(_change: int) -> None:
    """Nobody needs to know whether the writer is busy."""
