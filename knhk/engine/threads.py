"""Worker threads for plain callables, which may hang for ever without taking us with them.

A call that is cancelled (its time is up) is abandoned: the thread runs on, what it gives is
thrown away (``late`` is told of it), and another thread takes its place. The threads are
daemons, so a callable that never returns keeps neither the engine nor the process from ending;
that is why these are not anyio's own worker threads, which a process waits for.
"""

from __future__ import annotations

import contextvars
import logging
import sys
import threading
from collections.abc import Callable, Coroutine
from queue import SimpleQueue
from typing import Final, final

import anyio
import anyio.from_thread
import anyio.lowlevel

from knhk.call import CALL
from knhk.engine.failing import Late, failure_of
from knhk.errors import KnhkError

__all__ = ["ABANDONED_MAX", "THREADS_MAX", "ThreadPool", "TooManyAbandoned"]

#: Calls that run at the same time unless the engine is told otherwise.
THREADS_MAX: Final = 40
#: Abandoned calls that may still run before new calls are refused.
ABANDONED_MAX: Final = 1_000

_log = logging.getLogger(__name__)


class TooManyAbandoned(KnhkError):
    """So many calls hang for ever that no further one is begun."""


@final
class _Job:
    """One call: what to do, and how to tell the loop that it is done."""

    def __init__(self, what: str, function: Callable[[], object]) -> None:
        self.what = what
        self.function = function
        self.context = contextvars.copy_context()
        self.token = anyio.lowlevel.current_token()
        self.done = anyio.Event()
        self.abandoned = False
        self.value: object = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.context.run(_leave_loop)
            self.value = self.context.run(self.function)
        except BaseException as error:  # noqa: BLE001  told on to whoever awaits the call
            self.error = error


@final
class ThreadPool:
    """At most ``threads_max`` calls at a time; ``busy`` is told of each.

    ``late`` is told what abandoned work of a case still gave.
    """

    def __init__(self, threads_max: int, busy: Callable[[int], None], late: Late) -> None:
        self._limiter = anyio.CapacityLimiter(threads_max)
        self._busy = busy
        self._late = late
        self._idle: list[SimpleQueue[_Job | None]] = []
        self._made = 0
        self._abandoned = 0
        self._closed = False

    async def run(self, what: str, function: Callable[[], object]) -> object:
        """Call ``function`` in a thread; cancelling abandons it. ``what`` names it in the log."""
        async with self._limiter:
            if self._abandoned >= ABANDONED_MAX:
                raise TooManyAbandoned(
                    f"{self._abandoned} calls that were given up still run; {what} is not begun:"
                    " see that the callables end, then start the engine anew"
                )
            job = _Job(what, function)
            self._busy(1)
            try:
                self._hand_over(job)
                await job.done.wait()
            except anyio.get_cancelled_exc_class():
                if not job.done.is_set():
                    job.abandoned = True
                    self._abandoned += 1
                raise
            finally:
                self._busy(-1)
        if job.error is not None:
            raise job.error
        return job.value

    def close(self) -> None:
        """Let idle threads end; those at work end when their callable returns."""
        self._closed = True
        for queue in self._idle:
            queue.put(None)
        self._idle.clear()

    def _hand_over(self, job: _Job) -> None:
        if self._idle:
            self._idle.pop().put(job)
            return
        queue: SimpleQueue[_Job | None] = SimpleQueue()
        queue.put(job)
        self._made += 1
        threading.Thread(
            target=self._work, args=(queue,), name=f"knhk-callee-{self._made}", daemon=True
        ).start()

    def _work(self, queue: SimpleQueue[_Job | None]) -> None:
        """The life of a thread: a call, then back to the idle ones, till told to end."""
        while (job := queue.get()) is not None:
            job.run()
            try:
                anyio.from_thread.run_sync(self._settle, job, queue, token=job.token)
            except (anyio.RunFinishedError, RuntimeError):
                return  # the loop has ended, and with it whoever wanted the value
            del job  # what it holds must not live until the next call

    def _settle(self, job: _Job, queue: SimpleQueue[_Job | None]) -> None:
        """In the loop: the call has ended and its thread is free."""
        if job.abandoned:
            self._abandoned -= 1
            _log.warning("%s ended after it was given up; what it gave is thrown away", job.what)
            self._tell_late(job)
        job.done.set()
        if self._closed:
            queue.put(None)
        else:
            self._idle.append(queue)

    def _tell_late(self, job: _Job) -> None:
        if isinstance(job.value, Coroutine):
            job.value.close()  # nobody is going to await it
        call = job.context.get(CALL)
        if call is not None:
            failure = None if job.error is None else failure_of(job.error)
            self._late(call, job.value, failure)


def _leave_loop() -> None:
    """A thread is in no event loop, though the context it got was copied in one."""
    sniffio = sys.modules.get("sniffio")
    if sniffio is not None:
        sniffio.current_async_library_cvar.set(None)
