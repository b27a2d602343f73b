"""What keeps a process that has lost a shard from writing to its cases.

Theory of operation. An append holds a shared lock on the number of its process, then looks whether
its epochs still stand, in a statement of its own, which sees all that was committed before it had
the lock. Who takes shards of a process first ends its session if an append hangs there, then takes
the same lock for itself alone. So epochs change only between appends; and, unlike locks on rows,
such locks cost next to nothing, since they are only in the memory of the server.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from psycopg import Connection
from psycopg.rows import TupleRow

from knhk.errors import ShardLost
from knhk.journal.record import Commit

__all__ = ["HOLD_ALONE", "Fences", "first_lost"]

#: Holds off all appends of a process until the transaction ends.
HOLD_ALONE: Final = "SELECT pg_advisory_xact_lock(%s::int, %s::int)"
_HOLD: Final = "SELECT pg_advisory_xact_lock_shared(%s::int, %s::int)"
#: It divides by zero where a fence does not stand: an error ends a transaction that was sent whole.
_CHECK: Final = (
    "SELECT 1 / (count(*) = 0)::int FROM unnest(%b::bigint[], %b::bigint[]) AS f (shard, epoch)"
    " WHERE NOT EXISTS"
    " (SELECT FROM shards WHERE shards.shard = f.shard AND shards.epoch = f.epoch)"
)


class Fences(NamedTuple):
    """How appends of a process are fenced: the key of the locks, and its number."""

    key: int
    number: int

    def check(self, commits: Iterable[Commit]) -> list[tuple[str, Sequence[object]]]:
        """Statements to begin a transaction with, which fail where a shard is not held any more."""
        fences = {each.fence for each in commits if each.fence is not None}
        if not fences:
            return []
        shards, epochs = zip(*fences, strict=True)
        return [(_HOLD, self), (_CHECK, (list(shards), list(epochs)))]


def first_lost(connection: Connection[TupleRow], commits: Iterable[Commit]) -> ShardLost:
    """Which shard the fence of a commit does not stand for."""
    rows = connection.execute("SELECT shard, epoch FROM shards").fetchall()
    epochs: dict[int, int] = dict(rows)
    fences = [each.fence for each in commits if each.fence is not None]
    lost = [fence for fence in fences if epochs.get(fence.shard) != fence.epoch]
    return ShardLost((lost or fences)[0].shard)
