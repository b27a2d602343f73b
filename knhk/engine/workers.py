"""The tasks in which work is done: few, used again and again, more only when work waits.

Theory of operation. To begin a task for every piece of work costs more than most work does. So
what is ready stands in a queue, and one task, a *worker*, does one piece after the other as long as
none of them waits for anything. The first time that a piece of work waits, its worker is not to be
had until that has ended; then another one goes on with the queue. So there are never more workers
than pieces of work that wait at the same time, and one.

What runs in a worker has its own copy of the context, so that a variable it sets is not seen by the
work after it; and its worker's cancel scope is its own as long as it waits: stopping the work
cancels that scope, and the worker goes on with a new one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import copy_context
from typing import Any, Final, Protocol, final

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

__all__ = ["TASKS_MAX", "Job", "Workers"]

#: Pieces of work that wait at the same time; further ones begin when one of them has ended.
TASKS_MAX: Final = 1_000
#: Pieces of work after which a worker lets others have the event loop, such as the journal.
TURN: Final = 32


class Job(Protocol):
    """A piece of work that can be stopped, before it begins or while it waits."""

    #: Stops the work where it waits; not there before it begins.
    scope: anyio.CancelScope | None


@final
class Workers:
    """Does work, first come first served; ``perform`` does a piece of it and raises nothing."""

    def __init__(self, perform: Callable[[Any], Awaitable[None]], group: TaskGroup) -> None:
        self._perform = perform
        self._group = group
        self._ready: deque[Job] = deque()
        self._idle: list[anyio.Event] = []
        self._going = 0  # workers that are going through the queue now, or are woken to
        self._waiting = 0  # workers whose work waits
        self._closed = False

    def put(self, job: Job) -> None:
        """Have a piece of work done."""
        self._ready.append(job)
        if not self._going:
            self._call_one()

    def close(self) -> None:
        """Begin nothing any more."""
        self._closed = True
        self._ready.clear()

    def _call_one(self) -> None:
        """Have a worker go through the queue."""
        if self._closed or self._waiting >= TASKS_MAX:
            return
        self._going += 1
        if self._idle:
            self._idle.pop().set()
        else:
            self._group.start_soon(self._work, name="knhk worker")

    async def _work(self) -> None:
        """The life of a worker."""
        while True:
            with anyio.CancelScope() as scope:
                done = 0
                while not scope.cancel_called:
                    if not self._ready:
                        await self._rest()
                    await self._do(self._ready.popleft(), scope)
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

    async def _do(self, job: Job, scope: anyio.CancelScope) -> None:
        job.scope = scope
        effort = _Effort(self._perform(job), self._begin_waiting)
        try:
            await effort
        finally:
            job.scope = None
            if effort.waited:
                self._waiting -= 1
                self._going += 1

    def _begin_waiting(self) -> None:
        self._waiting += 1
        self._going -= 1
        if self._ready and not self._going:
            self._call_one()


class _Effort:
    """Awaits a coroutine in a context of its own, and tells when it waits for the first time."""

    __slots__ = ("_coroutine", "_waits", "waited")

    def __init__(self, awaitable: Awaitable[None], waits: Callable[[], None]) -> None:
        assert isinstance(awaitable, Coroutine)
        self._coroutine: Coroutine[Any, Any, None] = awaitable
        self._waits = waits
        self.waited = False

    def __await__(self) -> Generator[Any, Any, None]:
        coroutine, context = self._coroutine, copy_context()
        step: Callable[..., Any] = coroutine.send
        answer: Any = None
        while True:
            try:
                asked = context.run(step, answer)
            except StopIteration:
                return
            if not self.waited:
                self.waited = True
                self._waits()
            try:
                answer = yield asked
                step = coroutine.send
            except GeneratorExit:
                coroutine.close()
                raise
            except BaseException as error:  # noqa: BLE001  the coroutine is to have it, whatever it is
                step, answer = coroutine.throw, error
