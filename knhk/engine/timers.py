"""One task for all timers: a heap of when which case wants a clock input.

Nothing here is durable, and nothing need be: the due times are in the cases, and a replay
brings them back. An entry whose case has moved on is dropped when it comes up.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from heapq import heapify, heappop, heappush
from typing import Final, final

import anyio

from knhk.engine.clock import Clock

__all__ = ["Timers"]

#: Entries above twice the number of cases that wait, beyond which old ones are cleared out.
STALE_MAX: Final = 1_024
#: Cases that are woken at once, before it is asked again whether there is room for what they do.
FIRE_MAX: Final = 500


@final
class Timers:
    """Wakes cases by name; ``fire(case, now_us)`` is called for each that may be due.

    ``room`` waits until new work may be brought.
    """

    def __init__(
        self,
        clock: Clock,
        fire: Callable[[str, int], None],
        room: Callable[[], Awaitable[None]],
    ) -> None:
        self._clock = clock
        self._fire = fire
        self._room = room
        self._heap: list[tuple[int, str]] = []
        self._wanted: dict[str, int] = {}
        self._pause: anyio.CancelScope | None = None

    def wake(self, case: str, at_us: int) -> None:
        """Call ``fire`` for the case at ``at_us``, and no longer at another time."""
        if self._wanted.get(case) == at_us:
            return
        self._wanted[case] = at_us
        heappush(self._heap, (at_us, case))
        if len(self._heap) > 2 * len(self._wanted) + STALE_MAX:
            self._heap = [(due_us, name) for name, due_us in self._wanted.items()]
            heapify(self._heap)
        if self._heap[0] == (at_us, case) and self._pause is not None:
            self._pause.cancel()

    def forget(self, case: str) -> None:
        """The case wants no clock input any more."""
        self._wanted.pop(case, None)

    async def run(self) -> None:
        """Sleep and fire until cancelled."""
        while True:
            with anyio.CancelScope() as pause:
                self._pause = pause
                if self._heap:
                    await self._clock.sleep_until(self._heap[0][0])
                else:
                    await anyio.sleep_forever()
            self._pause = None
            await self._room()
            self._fire_due()

    def _fire_due(self) -> None:
        now_us = self._clock.now_us()
        heap = self._heap
        for _ in range(FIRE_MAX):
            if not heap or heap[0][0] > now_us:
                return
            due_us, case = heappop(heap)
            if self._wanted.get(case) == due_us:
                del self._wanted[case]
                self._fire(case, now_us)
