"""An event loop that does nothing by itself: the machine decides which callback comes next.

It is an asyncio event loop, so anyio, the engine and asynchronous handlers run on it unchanged.
It has no sockets, pipes, signals or subprocesses: a handler that reaches for one gets
``NotImplementedError``, as nothing real may happen in a simulation.
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop, Future, Handle, Task, TimerHandle
from collections.abc import Callable, Coroutine
from contextvars import Context
from math import ceil, isfinite
from typing import Any, Protocol, TypeVar, TypeVarTuple, final

from knhk.model import US_PER_S

__all__ = ["SimulatedLoop", "SimulatedTask", "simulated_loop"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Turns(Protocol):
    """The machine, as far as an event loop needs it."""

    now_us: int

    def soon(self, loop: SimulatedLoop, callback: Handle | Callable[[], None]) -> None:
        """Have a turn as soon as it comes to it."""

    def later(self, at_us: int, loop: SimulatedLoop, callback: Handle | Callable[[], None]) -> None:
        """Have a turn at a time, not before."""

    def thread(self, loop: SimulatedLoop, function: Callable[[], None]) -> None:
        """Have a function called in a thread of that process, in a while."""


@final
class SimulatedTask(Task[T]):
    """A task that knows how many of its loop were begun before it."""

    serial = 0


class SimulatedLoop(AbstractEventLoop):
    """The event loop of one simulated process; ``is_dead`` once that has crashed or ended."""

    def __init__(self, machine: Turns, name: str) -> None:
        self.name = name
        self.is_dead = False
        self.problems: list[BaseException] = []
        #: Turns that came up when it was dead, for its burial.
        self.left: list[Handle | Callable[[], None]] = []
        self._machine = machine
        self._tasks = 0

    # What asyncio asks for

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> Handle:
        handle = Handle(callback, args, self, context)
        self._machine.soon(self, handle)
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> Handle:
        return self.call_soon(callback, *args, context=context)

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> TimerHandle:
        handle = TimerHandle(when, callback, args, self, context)
        if isfinite(when):  # to sleep for ever is to wait for an infinite while
            # Never before its time, or whoever finds that out begins to wait again, for ever.
            self._machine.later(ceil(when * US_PER_S), self, handle)
        return handle

    def _timer_handle_cancelled(self, handle: TimerHandle) -> None:
        """A timer that was cancelled is passed over when it comes up."""

    def time(self) -> float:
        return self._machine.now_us / US_PER_S

    def create_future(self) -> Future[Any]:
        return Future(loop=self)

    def create_task(  # type: ignore[override]  # versions of Python add keywords
        self,
        coro: Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: Context | None = None,
        **more: Any,
    ) -> Task[T]:
        task = SimulatedTask(coro, loop=self, name=name, context=context, **more)
        self._tasks += 1
        task.serial = self._tasks
        return task

    def run_in_executor(  # type: ignore[override]
        self, executor: object, func: Callable[..., T], *args: Any
    ) -> Future[T]:
        del executor
        future: Future[T] = self.create_future()

        def run() -> None:
            try:
                value = func(*args)
            except Exception as error:  # noqa: BLE001  told on to whoever awaits the call
                self.call_soon(_fail, future, error)
            else:
                self.call_soon(_give, future, value)

        self._machine.thread(self, run)
        return future

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return asyncio._get_running_loop() is self  # noqa: SLF001  as every loop does

    def is_closed(self) -> bool:
        return False

    def get_task_factory(self) -> None:
        return None

    def get_exception_handler(self) -> None:
        return None

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if error is not None and not self.is_dead:
            self.problems.append(error)

    async def shutdown_asyncgens(self) -> None:
        """Nothing is left to a garbage collector here."""


def simulated_loop(machine: Turns, name: str) -> SimulatedLoop:
    """The event loop of a new process; what it has not of other loops raises when it is used."""
    return SimulatedLoop(machine, name)  # type: ignore[abstract]


def _give(future: Future[T], value: T) -> None:
    if not future.done():
        future.set_result(value)


def _fail(future: Future[T], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
