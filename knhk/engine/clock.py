"""Where the engine gets the time from; tests give it another one (:mod:`knhk.testing`)."""

from __future__ import annotations

import time
from typing import Final, Protocol, final

import anyio

from knhk.model import US_PER_S

__all__ = ["Clock", "SystemClock"]

#: The longest single sleep, so that a wall clock that was set is noticed.
SLEEP_MAX_S: Final = 30.0


class Clock(Protocol):
    """Time as whole microseconds since the Unix epoch."""

    def now_us(self) -> int:
        """The time now."""

    async def sleep_until(self, at_us: int) -> None:
        """Return at ``at_us`` or soon after; at once if that has passed."""

    def writing(self, change: int) -> None:
        """The engine has begun (1) or ended (-1) something at the journal, such as to write."""

    def working(self, change: int) -> None:
        """A call in a worker thread has begun (1) or ended (-1)."""


@final
class SystemClock:
    """The wall clock of this machine."""

    def now_us(self) -> int:
        return time.time_ns() // 1000

    async def sleep_until(self, at_us: int) -> None:
        while (left_us := at_us - self.now_us()) > 0:  # noqa: ASYNC110  it is time that is awaited
            await anyio.sleep(min(left_us / US_PER_S, SLEEP_MAX_S))

    def writing(self, change: int) -> None:
        """Real time goes on, whoever writes."""

    def working(self, change: int) -> None:
        """Real time goes on, whoever works."""
