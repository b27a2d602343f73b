"""A store that is away for a while: told once when it goes and once when it is back."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, final

import anyio

from knhk.errors import StoreAway, StoreFull

__all__ = ["Outage"]

#: Pauses between two tries while the store is away: the first, and the longest.
PAUSE_MIN_S: Final = 0.05
PAUSE_MAX_S: Final = 1.0

_log = logging.getLogger(__name__)


@final
class Outage:
    """``told`` is called with the reason when the store goes away, and ``None`` when it is back."""

    def __init__(self, told: Callable[[StoreAway | None], None] | None = None) -> None:
        self._told = told
        self._since = 0.0
        self._pause_s = PAUSE_MIN_S
        #: There is something that a full store has not yet been asked to take.
        self._new = anyio.Event()
        #: What keeps the store away; ``None`` while it is there.
        self.reason: StoreAway | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it is in vain to bring the store anything; a full one may take what is small."""
        return self.reason is not None and not isinstance(self.reason, StoreFull)

    def goes_on(self, reason: StoreAway) -> None:
        """The store is away, as it was before or from now on."""
        is_new, self.reason = self.reason is None, reason
        if not is_new:
            return
        self._since = anyio.current_time()
        _log.warning("the store is away, and work waits until it is back: %s", reason)
        if self._told is not None:
            self._told(reason)

    def ends(self) -> None:
        """The store is there."""
        if self.reason is None:
            return
        self.reason, self._pause_s = None, PAUSE_MIN_S
        away_s = anyio.current_time() - self._since
        _log.warning("the store is back after %.1f s, and work goes on", away_s)
        if self._told is not None:
            self._told(None)

    async def pause(self) -> None:
        """Wait before the next try; longer each time."""
        await anyio.sleep(PAUSE_MIN_S)
        with anyio.move_on_after(self._pause_s):
            await self._new.wait()
        self._new = anyio.Event()
        self._pause_s = min(2 * self._pause_s, PAUSE_MAX_S)

    def is_tried(self) -> None:
        """There is something new to be written, which may be small enough for a full store."""
        if not self.is_whole:
            self._new.set()
