"""What the cases call; read by the checker, never run."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TypedDict

from knhk import Call


@dataclass
class Hold:
    id: str
    total: Decimal | None = None


class Shipment(TypedDict):
    code: str


async def reserve(items: list[Item], *, call: Call) -> Hold:  # noqa: F821
    raise NotImplementedError


def release(id: str) -> None:
    raise NotImplementedError


def pack(item: Item, fast: bool = False) -> str:  # noqa: F821, FBT002
    raise NotImplementedError


def ship(id: str, /, *, express: bool = False) -> Shipment | None:
    raise NotImplementedError


def count(words: list[str]) -> int:
    raise NotImplementedError


def anything(first, *others, **named):  # noqa: ANN001, ANN002, ANN003, ANN201
    raise NotImplementedError
