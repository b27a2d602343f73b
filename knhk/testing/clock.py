"""A clock that tests turn: nothing ever sleeps, and every run takes the same times."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Final, final

import anyio
import anyio.lowlevel

from knhk.model import US_PER_S

__all__ = ["VirtualClock"]

#: Where the clock stands at first: 2026-01-01T00:00:00Z.
BEGINNING_US: Final = 1_767_225_600 * US_PER_S
#: Turns given to all other tasks before it is asked whether they all wait.
TURNS: Final = 30


@final
class VirtualClock:
    """Time that stands still until it is moved: by :meth:`advance`, or by itself.

    With ``autofire`` it moves by itself: whenever all tasks wait and no thread of the engine
    is at work, it jumps to the next moment that somebody sleeps for. So a back-off of a week
    takes no time at all. Give it to :meth:`knhk.engine.Engine.open` as ``clock``; handlers
    under test may sleep on it too.
    """

    def __init__(self, at_us: int = BEGINNING_US, *, autofire: bool = True) -> None:
        self._now_us = at_us
        self._autofire = autofire
        self._sleepers: list[tuple[int, int, anyio.Event]] = []
        self._count = 0
        self._writing = 0
        self._working = 0
        self._driven = False
        self._moved = anyio.Event()

    def now_us(self) -> int:
        """The time it shows, in microseconds since the Unix epoch."""
        return self._now_us

    def writing(self, change: int) -> None:
        """The journal has begun (1) or ended (-1) to write: time stands still meanwhile."""
        self._writing += change
        self._moved.set()

    def working(self, change: int) -> None:
        """A call in a thread has begun (1) or ended (-1): time does not jump meanwhile."""
        self._working += change
        self._moved.set()

    async def sleep(self, seconds: float) -> None:
        """Sleep on this clock."""
        await self.sleep_until(self._now_us + round(seconds * US_PER_S))

    async def sleep_until(self, at_us: int) -> None:
        """Return once the clock shows ``at_us``."""
        await anyio.lowlevel.checkpoint()
        while at_us > self._now_us:
            self._count += 1
            sleeper = (at_us, self._count, anyio.Event())
            heappush(self._sleepers, sleeper)
            try:
                if self._autofire and not self._driven:
                    await self._drive(sleeper[2])
                else:
                    await sleeper[2].wait()
            finally:
                if sleeper in self._sleepers:
                    self._sleepers.remove(sleeper)
                    self._sleepers.sort()
                if self._autofire and not self._driven and self._sleepers:
                    # Woken early, it finds that its time has not come and that nobody drives.
                    self._sleepers[0][2].set()

    async def advance(self, seconds: float) -> None:
        """Move the clock; sleepers wake at their moments, one moment after the other.

        Returns when all tasks wait again and the journal is written; calls in threads may
        still be going on.
        """
        to_us = self._now_us + round(seconds * US_PER_S)
        await self.settle()
        while self._sleepers and self._sleepers[0][0] <= to_us:
            self._jump(self._sleepers[0][0])
            await self.settle()
        self._now_us = max(self._now_us, to_us)

    async def _drive(self, wanted: anyio.Event) -> None:
        """Move the clock, for all sleepers, until this one is woken; then another one drives."""
        self._driven = True
        try:
            while not wanted.is_set():
                await self.settle()
                if wanted.is_set():
                    break
                if self._working:
                    await self._movement()
                elif self._sleepers:
                    self._jump(self._sleepers[0][0])
        finally:
            self._driven = False

    def _jump(self, at_us: int) -> None:
        self._now_us = max(self._now_us, at_us)
        self._moved.set()
        while self._sleepers and self._sleepers[0][0] <= self._now_us:
            heappop(self._sleepers)[2].set()

    async def settle(self) -> None:
        """Return when all other tasks wait and the journal is written; time does not move."""
        while True:
            for _ in range(TURNS):
                await anyio.lowlevel.checkpoint()
            await anyio.wait_all_tasks_blocked()
            if not self._writing:
                return
            await self._movement()

    async def _movement(self) -> None:
        """Wait until something is told to the clock."""
        if self._moved.is_set():
            self._moved = anyio.Event()
        await self._moved.wait()
