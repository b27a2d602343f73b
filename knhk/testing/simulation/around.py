"""What is around a simulated engine: its threads, its stopwatch, its wall clock, its callees."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import copy_context
from inspect import isawaitable
from typing import Final, Protocol, TypeAlias, TypeVar, cast, final

import anyio
import anyio.lowlevel

from knhk.call import CALL, Call
from knhk.engine.performer import Manner, Waiting
from knhk.errors import JournalError
from knhk.model import (
    CALLEE_CONNECTOR,
    CALLEE_PLUGIN,
    CALLEE_PYTHON,
    US_PER_S,
    Callee,
)
from knhk.testing.clock import BEGINNING_US
from knhk.testing.simulation.faults import Chance
from knhk.testing.simulation.loop import SimulatedLoop
from knhk.testing.simulation.machine import Machine

__all__ = ["Answer", "CalleeFault", "SimulatedClock", "SimulatedSurroundings"]

T = TypeVar("T")

#: What a callee of the outside world answers: called with the arguments of the task.
Answer: TypeAlias = Callable[..., object]

#: The longest single sleep, so that a clock that has jumped is noticed.
SLEEP_MAX_S: Final = 3_600.0
#: How far a clock jumps at most.
JUMP_US: Final = 60 * US_PER_S
#: How long a slow callee takes on average, and how long one hangs.
SLOW_S: Final = 20.0
HANGING_S: Final = 86_400.0


class CalleeFault(ConnectionError):
    """What a simulated callee fails with."""


@final
class SimulatedClock:
    """The wall clock of a process; it may jump."""

    def __init__(self, machine: Machine, chance: Chance, where: str) -> None:
        self._machine = machine
        self._chance = chance
        self._where = where
        self._skew_us = 0

    def now_us(self) -> int:
        if self._chance.strikes("clock_jump", self._where):
            self._skew_us = self._chance.random.randrange(-JUMP_US, JUMP_US)
        return BEGINNING_US + self._machine.now_us + self._skew_us

    async def sleep_until(self, at_us: int) -> None:
        while (left_us := at_us - self.now_us()) > 0:  # noqa: ASYNC110  it is time that is awaited
            await anyio.sleep(min(left_us / US_PER_S, SLEEP_MAX_S))

    def writing(self, change: int) -> None:
        """Time goes on, whoever writes."""

    def working(self, change: int) -> None:
        """Time goes on, whoever works."""


class Watcher(Protocol):
    """Is told of every attempt of a callee."""

    def begun(self, call: Call, callee: str) -> None:
        """An attempt begins."""

    def ended(self, call: Call, how: str) -> None:
        """An attempt has ended: what it has given, or how it has failed."""


@final
class SimulatedSurroundings:
    """The surroundings of one process; ``answers`` stand in for callees, by their names.

    A name is ``module.function`` of Python, ``instance.operation`` of a connector, or that of a
    task type.
    """

    def __init__(
        self,
        machine: Machine,
        loop: SimulatedLoop,
        chance: Chance,
        watcher: Watcher,
        answers: Mapping[str, Answer],
    ) -> None:
        self._machine = machine
        self._loop = loop
        self._chance = chance
        self._watcher = watcher
        self._answers = answers

    def seconds(self) -> float:
        return self._machine.seconds

    async def call(self, function: Callable[[], T]) -> T:
        await anyio.lowlevel.checkpoint()
        if self._loop.is_dead:
            return function()
        future: Future[T] = self._loop.create_future()
        context = copy_context()

        def run() -> None:
            value: T | None = None
            failed: Exception | None = None
            if self._loop.is_dead:
                _settle(future, value, JournalError("the process is gone"))
                return
            try:
                value = context.run(function)
            except Exception as error:  # noqa: BLE001  told on to whoever awaits the call
                failed = error
            self._later(lambda: _settle(future, value, failed))

        self._machine.thread(self._loop, run)
        with anyio.CancelScope(shield=True):
            await future
        return future.result()

    def begin(self, function: Callable[[], None], ended: Callable[[], None]) -> None:
        def run() -> None:
            if not self._loop.is_dead:
                function()
                self._later(ended)

        self._machine.thread(self._loop, run)

    def _later(self, told: Callable[[], None]) -> None:
        """Have the loop told of the end of a thread when what it has spent is over."""
        # Of a process that has died in it nobody is told, until its tasks are unwound.
        self._loop.call_later(self._machine.take_spent() / US_PER_S, told)

    def performer(self, callee: Callee, make: Callable[[], T]) -> T:
        if callee.kind not in (CALLEE_PYTHON, CALLEE_CONNECTOR, CALLEE_PLUGIN):
            return make()
        name = f"{callee.module}.{callee.name}" if callee.module else callee.name
        if name in self._answers:
            real: Waiting = _Answering(self._answers[name])
        else:
            real = cast("Waiting", made := make())
            if real.manner is not Manner.waits:
                return made
        performer = _SimulatedPerformer(name, real, self._loop.name, self._chance, self._watcher)
        return cast("T", performer)


def _settle(future: Future[T], value: T | None, failed: Exception | None) -> None:
    if future.done():
        return
    if failed is None:
        future.set_result(cast("T", value))
    else:
        future.set_exception(failed)


@final
class _Answering:
    """Does the work of a callee by calling what stands in for it."""

    manner: Final = Manner.waits

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def perform(
        self, args: Sequence[object], kwargs: Mapping[str, object], call: Call
    ) -> object:
        CALL.set(call)
        value = self._answer(*args, **kwargs)
        if isawaitable(value):
            found: object = await cast("Awaitable[object]", value)
            return found
        return value


@final
class _SimulatedPerformer:
    """Does the work in earnest, and has faults strike before and after."""

    manner: Final = Manner.waits

    def __init__(
        self, name: str, real: Waiting, where: str, chance: Chance, watcher: Watcher
    ) -> None:
        self._name = name
        self._real = real
        self._where = where
        self._chance = chance
        self._watcher = watcher

    async def perform(
        self, args: Sequence[object], kwargs: Mapping[str, object], call: Call
    ) -> object:
        self._watcher.begun(call, self._name)
        how = "was cut off"
        try:
            await self._before()
            value = await self._real.perform(args, kwargs, call)
            how = "gave a value"
            await self._after()
        except Exception as error:
            how = f"failed with {type(error).__name__}"
            raise
        finally:
            self._watcher.ended(call, how)
        return value

    async def _before(self) -> None:
        chance = self._chance
        if chance.strikes("failing_callee", self._where):
            raise CalleeFault(f"{self._name} cannot be reached")
        if chance.strikes("hanging_callee", self._where):
            await anyio.sleep(HANGING_S)
        elif chance.strikes("slow_callee", self._where):
            await anyio.sleep(chance.mean(SLOW_S))

    async def _after(self) -> None:
        chance = self._chance
        if chance.strikes("slow_callee", self._where):
            await anyio.sleep(chance.mean(SLOW_S))
        if chance.strikes("lost_answer", self._where):
            raise CalleeFault(f"{self._name} was done, and its answer was lost")
