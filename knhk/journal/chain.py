"""The hash chain over a case: every row of its history seals all before it.

The hash of an input is BLAKE3 over the hash before it and the input's own canonical bytes; the
first one follows the hash of the row that opened the case. So a row that is changed, taken out or
put in breaks the chain at its place, whoever did it and however the store was reached. The hash
of the last input is written with the end of a case too, so that what is cut off at the end of a
case that has ended is missed as well.

Rows that were written before there was a chain have no hash; a chain may begin behind them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, final

from blake3 import blake3

from knhk.journal.record import CaseRow, InputRow

__all__ = ["HASH_BYTES", "Chain", "first_misfit", "hash_of_opening", "link"]

#: The length of a hash.
HASH_BYTES: Final = 32


def link(
    before: bytes, case: str, seq: int, at_us: int, kind: int, item: int, task: str, body: bytes
) -> bytes:
    """The hash of an input that follows one with the hash ``before``.

    Names hold no NUL, so that no two inputs have the same canonical bytes.
    """
    head = f"{case}\0{seq}\0{at_us}\0{kind}\0{item}\0{task}\0"
    return blake3(before + head.encode("utf-8", "surrogatepass") + body).digest()


def hash_of_opening(row: CaseRow) -> bytes:
    """What the chain of a case begins from: all of its row that never changes."""
    head = (
        row.id,
        row.workflow,
        row.digest,
        row.created_us,
        row.parent,
        row.parent_item,
        row.depth,
        *((row.tenant,) if row.tenant else ()),  # rows of older stores have none
    )
    return blake3("\0".join(map(str, head)).encode("utf-8", "surrogatepass")).digest()


@final
class Chain:
    """The chain of one case, followed from its first input on."""

    def __init__(self, row: CaseRow) -> None:
        #: How many inputs have fitted so far, and the hash of the last one.
        self.length = 0
        self.hash = hash_of_opening(row)
        self._chained = False

    def fits(self, entry: InputRow) -> bool:
        """Whether this is the next input; it is the last one then."""
        if entry.seq != self.length:
            return False
        if not entry.hash and not self._chained:
            self.hash = b""
        else:
            self._chained = True
            if link(self.hash, *entry[:7]) != entry.hash:
                return False
            self.hash = entry.hash
        self.length += 1
        return True


def first_misfit(row: CaseRow, rows: Iterable[InputRow]) -> int | None:
    """The number of the first input that does not fit the chain; ``None`` if all do."""
    chain = Chain(row)
    for entry in rows:
        if not chain.fits(entry):
            return chain.length
    return None
