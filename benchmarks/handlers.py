"""What the tasks of the engine benchmark do: next to nothing, the same for every engine."""

from __future__ import annotations


def hold(order: str, items: list[int]) -> int:
    return len(items)


def approve(order: str, total: int) -> bool:
    return total > 0


def charge(order: str, total: int) -> int:
    return total


def pack(item: int) -> int:
    return item + 1


def deliver(order: str, parcels: list[int]) -> str:
    return f"{order}-{sum(parcels)}"


def tell(order: str, code: str) -> None:
    return None


async def hold_soon(order: str, items: list[int]) -> int:
    return hold(order, items)


async def approve_soon(order: str, total: int) -> bool:
    return approve(order, total)


async def charge_soon(order: str, total: int) -> int:
    return charge(order, total)


async def pack_soon(item: int) -> int:
    return pack(item)


async def deliver_soon(order: str, parcels: list[int]) -> str:
    return deliver(order, parcels)


async def tell_soon(order: str, code: str) -> None:
    return tell(order, code)
