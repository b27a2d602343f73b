"""The machine of a simulation: one thread that does all, in an order and at times that are drawn.

Theory of operation. Whatever can happen next is a *turn*: a callback of the event loop of one of
the simulated processes, or a call in one of its "threads". Turns that are ready stand in one list,
those that wait for a time in a heap. A step takes a turn and runs it to its end. Which one is
drawn: the steps of tasks come in any order, as nobody may rely on one, while other callbacks of a
loop keep theirs, which asyncio promises. A step takes a little time; when nothing is ready, time
jumps to the next turn that waits. A thread is a turn that comes a drawn while after it was asked
for, in no event loop, and what it spends of time passes before its end is told.

The same seed gives the same steps. Sets of tasks, which asyncio's callers go through in the order
of addresses, are no hindrance: turns that come out of one step stand in the order of the birth
of their tasks.
"""

from __future__ import annotations

import asyncio
from asyncio import Handle
from collections import deque
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from random import Random
from typing import Final, final

from knhk.model import US_PER_S
from knhk.testing.simulation.loop import SimulatedLoop, SimulatedTask
from knhk.testing.simulation.trace import Trace

__all__ = ["Machine", "Overrun"]

#: What a step of a task takes.
STEP_US: Final = 15
#: How long it takes until a thread begins: at least, and as a mean of what comes on top.
THREAD_US: Final = 20
THREAD_MEAN_US: Final = 80
#: One thread in so many has to wait for the processor.
THREAD_LATE_ONE_IN: Final = 12
THREAD_LATE_US: Final = 20_000
#: Steps that the tasks of a process that has crashed are given to unwind.
BURIAL_STEPS_MAX: Final = 20_000
_DIGEST: Final = (1 << 61) - 1


class Overrun(Exception):
    """More steps were made than a simulation may take: something goes on for ever."""


@final
class _Turn:
    """What may come next; ``serial`` is that of its task, 0 where it is of none."""

    __slots__ = ("callback", "loop", "serial")

    def __init__(self, loop: SimulatedLoop, callback: Handle | Callable[[], None]) -> None:
        self.loop = loop
        self.callback = callback
        task = getattr(getattr(callback, "_callback", None), "__self__", None)
        self.serial = task.serial if type(task) is SimulatedTask else 0


@final
class Machine:
    """Runs the turns of all simulated processes; ``now_us`` is the time since its beginning."""

    def __init__(self, seed: str, steps_max: int) -> None:
        self.now_us = 0
        self.steps = 0
        self.digest = 0
        self.trace = Trace()
        self.is_stopped = False
        #: How many draws go past the turn that is ready the longest.
        self._random = Random(f"{seed}/schedule")
        self._disorder = self._random.choice((0.0, 0.2, 0.6, 1.0))
        self._steps_max = steps_max
        self._ready: list[_Turn] = []
        self._new: list[_Turn] = []
        self._timers: list[tuple[int, int, SimulatedLoop, Handle | Callable[[], None]]] = []
        self._count = 0
        self._spent_us = 0
        self._is_in_thread = False

    # What turns ask for

    def soon(self, loop: SimulatedLoop, callback: Handle | Callable[[], None]) -> None:
        """Have a turn as soon as it comes to it."""
        self._new.append(_Turn(loop, callback))

    def later(self, at_us: int, loop: SimulatedLoop, callback: Handle | Callable[[], None]) -> None:
        """Have a turn at a time, not before."""
        self._count += 1
        heappush(self._timers, (at_us, self._count, loop, callback))

    def thread(self, loop: SimulatedLoop, function: Callable[[], None]) -> None:
        """Have a function called in a thread of that process, in a while."""
        delay_us = THREAD_US + int(self._random.expovariate(1 / THREAD_MEAN_US))
        if self._random.randrange(THREAD_LATE_ONE_IN) == 0:
            delay_us += self._random.randrange(THREAD_LATE_US)
        self.later(self.now_us + delay_us, loop, function)

    def spend(self, us: int) -> None:
        """Let time pass in the midst of a turn, as for a disk."""
        if self._is_in_thread:
            self._spent_us += us
        else:
            self.now_us += us

    @property
    def seconds(self) -> float:
        """What a stopwatch shows to the turn that is being made."""
        return (self.now_us + self._spent_us) / US_PER_S

    def take_spent(self) -> int:
        """What a thread has spent; it is forgotten with that."""
        spent, self._spent_us = self._spent_us, 0
        return spent

    def note(self, where: str, what: str) -> None:
        """Add a line to the trace."""
        self.trace.note(self.now_us, where, what)

    # Steps

    def run(self, until: Callable[[], bool]) -> bool:
        """Make steps until that is so, or nothing is left to happen; whether it is so."""
        while not self.is_stopped:
            self._merge()
            if until():
                return True
            if not self._step():
                return until()
        return False

    def _step(self) -> bool:
        if self.steps >= self._steps_max:
            raise Overrun(f"it goes on after {self.steps} steps")
        turn = self._next()
        if turn is None:
            return False
        self.steps += 1
        self.now_us += STEP_US
        self._make(turn)
        return True

    def _next(self) -> _Turn | None:
        timers, ready = self._timers, self._ready
        while True:
            while timers and timers[0][0] <= self.now_us:
                _, _, loop, callback = heappop(timers)
                if _is_wanted(loop, callback):
                    ready.append(_Turn(loop, callback))
            while ready:
                turn = ready.pop(self._draw())
                if _is_wanted(turn.loop, turn.callback):
                    return turn
            while timers and not _is_wanted(timers[0][2], timers[0][3]):
                heappop(timers)
            if not timers:
                return None
            self.now_us = max(self.now_us, timers[0][0])

    def _draw(self) -> int:
        """The place of the turn that comes next."""
        ready = self._ready
        count = len(ready)
        if count == 1:
            return 0
        at = 0
        if self._random.random() < self._disorder:
            at = int(self._random.random() * count)
            if not ready[at].serial:
                loop = ready[at].loop
                at = next(
                    n for n, turn in enumerate(ready) if not turn.serial and turn.loop is loop
                )
        self.digest = (self.digest * 31 + at * 7 + count) % _DIGEST
        return at

    def _make(self, turn: _Turn) -> None:
        callback = turn.callback
        if isinstance(callback, Handle):
            asyncio._set_running_loop(turn.loop)  # noqa: SLF001  as every loop does
            try:
                callback._run()  # noqa: SLF001
            finally:
                asyncio._set_running_loop(None)  # noqa: SLF001
        else:
            self._is_in_thread = True
            try:
                callback()
            finally:
                self._is_in_thread = False
        self._spent_us = 0

    def _merge(self) -> None:
        """Put the turns that came out of a step in line."""
        new = self._new
        if not new:
            return
        if len(new) > 1:
            tasks = [turn for turn in new if turn.serial]
            if len(tasks) > 1:
                tasks.sort(key=_place)
                in_order = iter(tasks)
                new = [next(in_order) if turn.serial else turn for turn in new]
        self._ready.extend(new)
        self._new.clear()

    # Ends

    def bury(self, loop: SimulatedLoop, is_done: Callable[[], bool]) -> None:
        """Let the tasks of a loop unwind, apart from everything else."""
        self._merge()
        waiting = [turn.callback for turn in self._ready if turn.loop is loop]
        self._ready = [turn for turn in self._ready if turn.loop is not loop]
        timers = [timer[3] for timer in sorted(self._timers) if timer[2] is loop]
        self._timers = [timer for timer in self._timers if timer[2] is not loop]
        heapify(self._timers)
        turns = deque((*loop.left, *waiting, *timers))
        for _ in range(BURIAL_STEPS_MAX):
            if is_done() or not turns:
                return
            callback = turns.popleft()
            if not _is_cancelled(callback):
                self._make(_Turn(loop, callback))
            turns.extend(turn.callback for turn in self._new)
            turns.extend(timer[3] for timer in self._timers if timer[2] is loop)
            self._timers = [timer for timer in self._timers if timer[2] is not loop]
            self._new.clear()


def _place(turn: _Turn) -> tuple[str, int]:
    return turn.loop.name, turn.serial


def _is_cancelled(callback: Handle | Callable[[], None]) -> bool:
    return isinstance(callback, Handle) and callback.cancelled()


def _is_wanted(loop: SimulatedLoop, callback: Handle | Callable[[], None]) -> bool:
    """Whether a turn is to be made; what a dead loop has left is kept for its burial."""
    if loop.is_dead:
        loop.left.append(callback)
        return False
    return not _is_cancelled(callback)
