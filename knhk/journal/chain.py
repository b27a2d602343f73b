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
from typing import Final

from blake3 import blake3

from knhk.journal.record import CaseRow, InputRow

__all__ = ["HASH_BYTES", "first_misfit", "hash_of_opening", "link"]

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
    )
    return blake3("\0".join(map(str, head)).encode("utf-8", "surrogatepass")).digest()


def first_misfit(row: CaseRow, rows: Iterable[InputRow]) -> int | None:
    """The number of the first input that does not fit the chain; ``None`` if all do."""
    before = hash_of_opening(row)
    chained = False
    for number, entry in enumerate(rows):
        if entry.seq != number:
            return number
        if not entry.hash and not chained:
            before = b""
            continue
        chained = True
        if link(before, *entry[:7]) != entry.hash:
            return number
        before = entry.hash
    return None
