"""The tasks of ``order.knhk`` that are Python functions.

Work is done at least once: after a crash a task that was running is run again. So each of
these gives the same answer when it is asked the same thing twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from zlib import crc32

import anyio

from shop import stock
from shop.files import state, write

#: How long a packer takes for one piece.
PIECE_S: Final = 0.2


@dataclass(frozen=True)
class Item:
    """A line of an order."""

    sku: str
    price: Decimal
    quantity: int = 1


@dataclass(frozen=True)
class Hold:
    """What is kept back for an order."""

    order: str
    pieces: int


@dataclass(frozen=True)
class Parcel:
    """A parcel on its way."""

    code: str
    label: str


def reserve(order: str, items: list[Item]) -> Hold:
    """Take the items out of the stock; raises ``OutOfStock`` naming all that are missing."""
    wanted: dict[str, int] = {}
    for item in items:
        wanted[item.sku] = wanted.get(item.sku, 0) + item.quantity
    stock.hold(order, wanted)
    return Hold(order, sum(wanted.values()))


def release(order: str) -> None:
    """Put the items of an order back into the stock."""
    stock.release(order)


async def pack(item: Item) -> str:
    """Fetch the pieces of one line and put them into the box."""
    await anyio.sleep(PIECE_S * item.quantity)
    return f"{item.quantity} x {item.sku}"


def ship(order: str, *, express: bool = False) -> Parcel:
    """Print the label of the parcel, and hand it over."""
    kind = "express" if express else "standard"
    code = f"KN{crc32(order.encode()):08X}"
    label = state() / "labels" / f"{code}.txt"
    write(label, f"{order}\n{code}\n{kind}\n")
    return Parcel(code, label.name)
