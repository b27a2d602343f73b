"""Looking into a store, and what is found there as tables on stdout."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from knhk.cli.store import require

if TYPE_CHECKING:
    from rich.table import Table

    from knhk.engine import Engine

Answer = TypeVar("Answer")


def look(question: Callable[[Engine], Awaitable[Answer]], store: str) -> Answer:
    """Ask an engine that only reads."""
    import anyio

    from knhk.engine import Engine

    require(store)

    async def ask() -> Answer:
        async with Engine.open(store, reading=True) as engine:
            return await question(engine)

    return anyio.run(ask)


def one_line(value: object) -> str:
    """Write a value as JSON."""
    return json.dumps(value, ensure_ascii=False)


def moment(at_us: int) -> str:
    """Write a time in local time; empty for none."""
    if at_us <= 0:
        return ""
    return f"{datetime.fromtimestamp(at_us / 1_000_000).astimezone():%Y-%m-%d %H:%M:%S}"


def table_of(*titles: str) -> Table:
    """Begin a table with these columns."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in titles:
        table.add_column(title, overflow="fold")
    return table


def show_table(table: Table, title: str = "") -> None:
    """Print a table on stdout; where that is no terminal, as wide as it is."""
    from rich.console import Console

    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = 10_000
    if title:
        console.print(title)
    console.print(table)
