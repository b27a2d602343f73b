"""Parking: a case that waits leaves memory after a while, and comes back when it is woken.

Theory of operation. A case has nothing to do when no work of its own goes on and all it waits for
is a time, a message, a signal, somebody outside, or a sub-case that is parked too. If that lasts
for ``after_s``, it is parked: one commit says so, holds a snapshot, and tells when the case wants
to be woken; then it is forgotten here. Whatever is done to it from outside loads it again, as any
case that is not in memory.

Of the times at which parked cases want to be woken only the next ones are in memory, up to
``_until_us``; the others are asked of the journal when these have passed. So a million parked cases
cost disk, not memory.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from itertools import islice
from typing import Final, Protocol, final

import anyio

from knhk.engine.timers import Timers
from knhk.journal import PAGE_MAX

__all__ = ["AFTER_S", "Parking"]

#: How long a case has nothing to do before it is parked, unless the engine is told otherwise.
AFTER_S: Final = 10.0
#: Cases that are parked at once, before it is asked again whether there is room for their commits.
PARK_MAX: Final = 500
#: Cases that are brought back at once.
WAKE_MAX: Final = 500

_FOREVER: Final = 2**62


class Parkable(Protocol):
    """A case in memory."""

    def can_park(self) -> bool:
        """Whether it has nothing to do."""

    def park(self) -> None:
        """Leave memory as soon as that is written."""


@final
class Parking:
    """What is parked, and when it wants to be woken; ``find`` gives a case that is in memory.

    ``sleepers`` asks the journal for the next times, of which ``sleepers_max`` are in memory at
    most; ``wake`` brings cases back, ``room`` waits until something may be written.
    """

    def __init__(
        self,
        timers: Timers,
        after_s: float,
        find: Callable[[str], Parkable | None],
        sleepers: Callable[[], Awaitable[Sequence[tuple[int, str]]]],
        wake: Callable[[Sequence[str]], Awaitable[None]],
        room: Callable[[], Awaitable[None]],
        *,
        sleepers_max: int,
    ) -> None:
        self._sleepers_max = sleepers_max
        self._timers = timers
        self._after_s = after_s
        self._find = find
        self._sleepers = sleepers
        self._wake = wake
        self._room = room
        self._idle: dict[str, float] = {}  # since when, the longest first
        self._asleep: dict[str, int] = {}
        self._until_us = -1
        self._due: list[str] = []
        self._is_to_ask = False
        self._called = anyio.Event()
        self._rung = anyio.Event()

    # Going to sleep

    def rests(self, case_id: str) -> None:
        """A case has nothing to do now."""
        if case_id not in self._idle:
            self._idle[case_id] = anyio.current_time()
            self._called.set()

    def stirs(self, case_id: str) -> None:
        """It has something to do again, or is gone."""
        self._idle.pop(case_id, None)

    async def run(self) -> None:
        """Park what has had nothing to do for long, until cancelled."""
        while True:
            if not self._idle:
                self._called = anyio.Event()
                await self._called.wait()
                continue
            since = next(iter(self._idle.values()))
            # Time on the machine's clock: what is spared is the machine's memory.
            await anyio.sleep_until(since + self._after_s)
            await self._room()
            self._park_idle(anyio.current_time() - self._after_s)

    def _park_idle(self, since: float) -> None:
        for case_id, at in list(islice(self._idle.items(), PARK_MAX)):
            if at > since:
                return
            del self._idle[case_id]
            case = self._find(case_id)
            if case is not None and case.can_park():
                case.park()

    def parked(self, case_id: str, wake_us: int) -> None:
        """A case has left memory, and wants to be woken at ``wake_us`` (-1: by no time)."""
        if not 0 <= wake_us <= self._until_us:
            return
        self._set(case_id, wake_us)
        if len(self._asleep) > self._sleepers_max:
            self._keep_next()

    def _keep_next(self) -> None:
        """Leave the later half of the times to the journal."""
        times = sorted(self._asleep.values())
        self._until_us = times[len(times) // 2] - 1
        for case_id, at_us in list(self._asleep.items()):
            if at_us > self._until_us:
                del self._asleep[case_id]
                self._timers.forget(case_id)

    # Waking

    async def wake_in_time(self) -> None:
        """Bring back each parked case when its time has come, until cancelled."""
        await self._ask_on()
        while True:
            if not self._due and not self._is_to_ask:
                self._rung = anyio.Event()
                await self._rung.wait()
            if self._is_to_ask:
                self._is_to_ask = False
                await self._ask_on()
            due, self._due = self._due[:WAKE_MAX], self._due[WAKE_MAX:]
            await self._wake(due)
            if not self._asleep and self._until_us < _FOREVER:
                await self._ask_on()

    def ring(self, case_id: str) -> None:
        """The time of a case that is not in memory has come."""
        if self._asleep.pop(case_id, None) is not None:
            self._due.append(case_id)
            self._rung.set()

    def ask_again(self) -> None:
        """Other cases may be asleep here now than those that are known."""
        self._is_to_ask = True
        self._rung.set()

    async def _ask_on(self) -> None:
        """Ask the journal for the next times."""
        page = await self._sleepers()
        self._until_us = page[-1][0] if len(page) >= PAGE_MAX else _FOREVER
        for at_us, case_id in page:
            if self._find(case_id) is None:
                self._set(case_id, at_us)

    def _set(self, case_id: str, at_us: int) -> None:
        self._asleep[case_id] = at_us
        self._timers.wake(case_id, at_us)
