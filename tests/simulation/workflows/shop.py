"""Callees of the simulated workflows: asynchronous ones, and plain ones that go to a thread."""

import anyio


async def reserve(item: str) -> str:
    await anyio.sleep(0.05)
    return f"hold of {item}"


def release(hold: str) -> None:
    del hold


def charge(amount: int) -> int:
    return amount


async def pay_back(amount: int) -> None:
    await anyio.sleep(1)
    del amount


async def pack(item: str) -> str:
    return f"{item} in paper"


async def ship(name: str) -> str:
    await anyio.sleep(3)
    return f"{name} is shipped"


async def count(n: int) -> int:
    return n + 1


def ask(who: str) -> str:
    return f"{who} says yes"


async def linger(seconds: float) -> float:
    await anyio.sleep(seconds)
    return seconds


async def refuse(n: int) -> int:
    if n % 2:
        raise ValueError("odd numbers are not taken")
    return n
