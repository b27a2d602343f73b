"""Worker threads for plain callables, which may hang for ever without taking us with them.

A call that is cancelled (its time is up) is abandoned: the thread runs on, what it gives is
thrown away (``late`` is told of it), and another thread takes its place. The threads are
daemons, so a callable that never returns keeps neither the engine nor the process from ending;
that is why these are not anyio's own worker threads, which a process waits for.

To wake a thread or the loop costs more than most calls do. So a thread that has ended a call goes
on with the next one, and what several have ended is told to the loop at once. Which one is next is
fair between tenants (:mod:`knhk.engine.fairness`).
"""

from __future__ import annotations

import contextvars
import logging
import sys
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from queue import SimpleQueue
from typing import Final, final

import anyio
import anyio.from_thread
import anyio.lowlevel
from anyio.lowlevel import EventLoopToken

from knhk.call import CALL
from knhk.engine.failing import Late, failure_of
from knhk.engine.fairness import LINE, Ages, ReadyQueue
from knhk.errors import KnhkError, UsageError
from knhk.surroundings import surroundings

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
    """One call: what to do, and where to tell that it is done."""

    __slots__ = (
        "begun",
        "context",
        "done",
        "error",
        "function",
        "given_up",
        "is_counted",
        "is_last",
        "value",
        "what",
    )

    def __init__(self, what: str, function: Callable[[], object]) -> None:
        self.what = what
        self.function = function
        self.context = contextvars.copy_context()
        self.done = anyio.Event()
        #: Set by the thread before it looks whether the call is given up, which the loop sets
        #: before it looks whether it has begun: so one of them sees what the other has done.
        self.begun = False
        self.given_up = False
        #: Whether it is one of the abandoned calls that may still run.
        self.is_counted = False
        #: Whether its thread ends with it: another one has taken its place.
        self.is_last = False
        self.value: object = None
        self.error: BaseException | None = None

    def run(self) -> None:
        self.begun = True
        if self.given_up:
            return
        try:
            self.context.run(_leave_loop)
            self.value = self.context.run(self.function)
        except BaseException as error:  # noqa: BLE001  told on to whoever awaits the call
            self.error = error
        self.is_last = self.given_up


@final
class ThreadPool:
    """At most ``threads_max`` calls at a time, in fair turns; ``busy`` is told of each.

    ``late`` is told what abandoned work of a case still gave.
    """

    def __init__(
        self, threads_max: int, busy: Callable[[int], None], late: Late, ages: Ages
    ) -> None:
        if isinstance(threads_max, bool) or not isinstance(threads_max, int) or threads_max < 1:
            raise UsageError(f"threads_max is a number from 1, not {threads_max!r}")
        self._threads_max = threads_max
        self._busy = busy
        self._late = late
        self._surroundings = surroundings()
        #: Calls that wait for a thread; put by the loop, taken by the threads.
        self._ready: ReadyQueue[_Job] = ReadyQueue(ages)
        self._queueing = threading.Lock()
        #: For each of them ``True``; ``False`` ends the thread that gets it.
        self._calls: SimpleQueue[bool] = SimpleQueue()
        self._ended: deque[_Job] = deque()
        #: Held by the thread that tells the loop of what has ended.
        self._telling = threading.Lock()
        self._token: EventLoopToken | None = None
        self._made = 0
        self._threads = 0
        self._wanted = 0  # calls that wait for a thread or run, without those given up
        self._abandoned = 0
        self._closed = False

    async def run(self, what: str, function: Callable[[], object]) -> object:
        """Call ``function`` in a thread; cancelling abandons it. ``what`` names it in the log."""
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
                self._give_up(job)
            raise
        finally:
            self._busy(-1)
            self._wanted -= 1
        if job.error is not None:
            raise job.error
        return job.value

    def close(self) -> None:
        """Let idle threads end; those at work end when their callable returns."""
        self._closed = True
        for _ in range(self._threads):
            self._calls.put(False)

    def _hand_over(self, job: _Job) -> None:
        self._wanted += 1
        if self._surroundings is not None:
            self._surroundings.begin(job.run, partial(self._settle_one, job))
            return
        if self._token is None:
            self._token = anyio.lowlevel.current_token()
        with self._queueing:
            self._ready.put(LINE.get(), job)
        self._calls.put(True)
        self._have_threads()

    def _have_threads(self) -> None:
        """Make a thread if there is one too few for the calls that are wanted."""
        at_work = min(self._wanted, self._threads_max) + self._abandoned
        if self._threads < at_work and not self._closed:
            self._threads += 1
            self._made += 1
            name = f"knhk-callee-{self._made}"
            threading.Thread(target=self._work, name=name, daemon=True).start()

    def _give_up(self, job: _Job) -> None:
        job.given_up = True
        if job.begun:
            job.is_counted = True
            self._abandoned += 1

    def _work(self) -> None:
        """The life of a thread: one call after the other, till told to end."""
        while self._calls.get():
            with self._queueing:
                job = self._ready.take()
            job.run()
            is_last = job.is_last
            self._ended.append(job)
            del job  # what it holds must not live until the next call
            if not self._tell_loop() or is_last:
                return

    def _settle_one(self, job: _Job) -> None:
        """In the loop: a call has ended that was made in no thread of ours."""
        self._ended.append(job)
        self._settle()

    def _tell_loop(self) -> bool:
        """Have the loop settle what has ended, unless another thread is at it.

        Who comes while one is at it leaves; whoever was at it looks once more after that.
        """
        while self._ended and self._telling.acquire(blocking=False):
            try:
                anyio.from_thread.run_sync(self._settle, token=self._token)
            except (anyio.RunFinishedError, RuntimeError):
                return False  # the loop has ended, and with it whoever wanted the values
            finally:
                self._telling.release()
        return True

    def _settle(self) -> None:
        """In the loop: calls have ended."""
        while self._ended:
            job = self._ended.popleft()
            if job.is_counted:
                self._abandoned -= 1
                message = "%s ended after it was given up; what it gave is thrown away"
                _log.warning(message, job.what)
                self._tell_late(job)
            if job.is_last:
                self._threads -= 1
                self._have_threads()
            job.done.set()

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
