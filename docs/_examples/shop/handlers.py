"""Callables that the examples of the reference name; nothing runs them."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass
class Item:
    sku: str
    price: Decimal
    quantity: int = 1


@dataclass
class Hold:
    id: int


@dataclass
class Parcel:
    code: str


def reserve(items: list[Item]) -> Hold:
    return Hold(id=len(items))


def release(hold: int) -> None:
    return None


async def pack(item: Item) -> str:
    return item.sku


async def ship(order: str, *, express: bool = False) -> Parcel:
    return Parcel(code=f"P-{order}")
