"""The tasks in which work is done: few, used again and again, more only when work waits.

Theory of operation. To begin a task for every piece of work costs more than most work does. So
what is ready stands in a queue, and one task, a *worker*, does one piece after the other as long as
none of them waits for anything. The first time that a piece of work waits, its worker is not to be
had until that has ended; then another one goes on with the queue. So there are never more workers
than pieces of work that wait at the same time, and one.

While a piece of work waits its worker's cancel scope is its own: stopping the work cancels that
scope, and the worker goes on with a new one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol, final

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from knhk.engine.fairness import Ages, Line, ReadyQueue

__all__ = ["Job", "Workers"]

#: Pieces of work after which a worker lets others have the event loop, such as the journal.
TURN: Final = 32


class Job(Protocol):
    """A piece of work that can be stopped, before it begins or while it waits."""

    #: Stops the work where it waits; not there before it begins.
    scope: anyio.CancelScope | None

    @property
    def line(self) -> Line:
        """Whose it is, and how urgent."""


@final
class Workers:
    """Does work, in turns that are fair: see :class:`knhk.engine.fairness.ReadyQueue`.

    ``perform`` does a piece of it up to where it waits, and gives what is to be awaited then;
    neither raises anything. At most ``waiting_max`` pieces wait at the same time; further ones
    begin when one has ended.
    """

    def __init__(
        self,
        perform: Callable[[Any], Awaitable[None] | None],
        group: TaskGroup,
        waiting_max: int,
        ages: Ages,
    ) -> None:
        self._perform = perform
        self._group = group
        self._waiting_max = waiting_max
        self._ready: ReadyQueue[Job] = ReadyQueue(ages)
        self._idle: list[anyio.Event] = []
        self._going = 0  # workers that are going through the queue now, or are woken to
        self._waiting = 0  # workers whose work waits
        self._closed = False

    def put(self, job: Job) -> None:
        """Have a piece of work done."""
        self._ready.put(job.line, job)
        if not self._going:
            self._call_one()

    def close(self) -> None:
        """Begin nothing any more."""
        self._closed = True
        self._ready.clear()

    def _call_one(self) -> None:
        """Have a worker go through the queue."""
        if self._closed or self._waiting >= self._waiting_max:
            return
        self._going += 1
        if self._idle:
            self._idle.pop().set()
        else:
            self._group.start_soon(self._work, name="knhk worker")

    async def _work(self) -> None:
        """The life of a worker."""
        ready = self._ready
        while True:
            with anyio.CancelScope() as scope:
                done = 0
                while not scope.cancel_called:
                    if not ready:
                        await self._rest()
                    job = ready.take()
                    job.scope = scope
                    rest = self._perform(job)
                    if rest is not None:
                        await self._see_through(job, rest)
                    job.scope = None
                    done += 1
                    if done % TURN == 0:
                        await anyio.lowlevel.checkpoint()

    async def _rest(self) -> None:
        """Wait until there is something to do."""
        while not self._ready:
            self._going -= 1
            call = anyio.Event()
            self._idle.append(call)
            await call.wait()

    async def _see_through(self, job: Job, rest: Awaitable[None]) -> None:
        """Await what is left of a piece of work, while another worker goes on with the queue."""
        self._waiting += 1
        self._going -= 1
        if self._ready and not self._going:
            self._call_one()
        try:
            await rest
        finally:
            job.scope = None
            self._waiting -= 1
            self._going += 1
