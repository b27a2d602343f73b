"""Which shards of a shared store an engine holds, so that it may run their cases."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, final

from knhk.errors import ShardLost
from knhk.journal import Fence

__all__ = ["Shards"]


@final
class Shards:
    """The shards that an engine holds; of a store that is not shared it holds everything.

    A commit is made under a :class:`~knhk.journal.Fence`, which says under which epoch of the shard
    its case was loaded: it must have been there before the case was read.
    """

    def __init__(self, *, is_shared: bool) -> None:
        self.is_shared: Final = is_shared
        #: Counts how often shards were gained: what was read in an earlier turn may be out of date.
        self.turn = 0
        self._fences: dict[int, Fence] = {}
        self._leaving: set[int] = set()
        self._last = 0

    @property
    def only(self) -> tuple[int, ...] | None:
        """The shards that are held, for questions to the store; ``None`` for all there are."""
        return tuple(self._fences) if self.is_shared else None

    def fence(self, shard: int) -> Fence | None:
        """What commits to cases of a shard are to carry; ``None`` where nobody shares the store.

        Raises :class:`~knhk.errors.ShardLost` for one that another process holds.
        """
        if not self.is_shared:
            return None
        fence = self._fences.get(shard)
        if fence is None:
            raise ShardLost(shard)
        return fence

    def holds(self, fence: Fence | None) -> bool:
        """Whether a case that was loaded under that fence may go on, as far as is known."""
        return fence is None or self._fences.get(fence.shard) == fence

    def has(self, shard: int) -> bool:
        """Whether the cases of a shard are run here."""
        return not self.is_shared or shard in self._fences

    def pick(self) -> int | None:
        """One of the shards for a new case, each in its turn; ``None`` if there is none."""
        if not self.is_shared:
            return 0
        mine = [shard for shard in self._fences if shard not in self._leaving]
        if not mine:
            return None
        self._last += 1
        return mine[self._last % len(mine)]

    def gain(self, fence: Fence) -> None:
        """A shard was taken."""
        if self._fences.get(fence.shard) != fence:
            self._fences[fence.shard] = fence
            self._leaving.discard(fence.shard)
            self.turn += 1

    def lose(self, fence: Fence) -> None:
        """A shard is not held any more, if it still was under that fence."""
        if self._fences.get(fence.shard) == fence:
            del self._fences[fence.shard]
            self._leaving.discard(fence.shard)

    def leave(self, shards: Collection[int]) -> list[Fence]:
        """Begin no new cases on shards that are about to be given away; their fences."""
        self._leaving.update(shards)
        return [self._fences[shard] for shard in shards if shard in self._fences]

    def changes(self, epochs: Mapping[int, int]) -> tuple[list[Fence], list[Fence]]:
        """What has been gained and what has been lost, where these ``epochs`` are held now."""
        gained = [
            Fence(shard, epoch)
            for shard, epoch in epochs.items()
            if self._fences.get(shard) != (shard, epoch)
        ]
        lost = [fence for fence in self._fences.values() if epochs.get(fence.shard) != fence.epoch]
        return gained, lost
