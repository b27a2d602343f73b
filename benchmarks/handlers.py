"""What the tasks of the engine's benchmarks do: nothing, the same for every engine."""

from __future__ import annotations


def nothing() -> None:
    return None


async def nothing_soon() -> None:
    return None
