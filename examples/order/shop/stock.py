"""The stock: a JSON file with what is on the shelves and what is held for which order.

One process works with it at a time; the threads of that process take turns.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from threading import Lock
from typing import Final

from shop.files import state, write

#: What is on the shelves when the shop opens.
SHELVES: Final = {"chair": 80, "desk": 20, "lamp": 100, "rug": 8}
_TURN: Final = Lock()


class OutOfStock(Exception):
    """There is not enough of something."""


@dataclass
class Stock:
    """Pieces on the shelves, and pieces held for each order, by article."""

    shelves: dict[str, int]
    held: dict[str, dict[str, int]]


def hold(order: str, wanted: dict[str, int]) -> None:
    """Hold pieces for an order, all or none; what is held for it already stays held."""
    with _TURN:
        stock = _read()
        if order in stock.held:
            return
        missing = {sku: n for sku, n in wanted.items() if stock.shelves.get(sku, 0) < n}
        if missing:
            lines = (
                f"{n} x {sku}, there are {stock.shelves.get(sku, 0)}" for sku, n in missing.items()
            )
            raise OutOfStock("; ".join(lines))
        for sku, n in wanted.items():
            stock.shelves[sku] -= n
        stock.held[order] = wanted
        _write(stock)


def release(order: str) -> None:
    """Put back what is held for an order, if anything is."""
    with _TURN:
        stock = _read()
        for sku, n in stock.held.pop(order, {}).items():
            stock.shelves[sku] += n
        _write(stock)


def _read() -> Stock:
    try:
        found = json.loads((state() / "stock.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Stock(dict(SHELVES), {})
    return Stock(found["shelves"], found["held"])


def _write(stock: Stock) -> None:
    write(state() / "stock.json", json.dumps(asdict(stock), indent=2) + "\n")
