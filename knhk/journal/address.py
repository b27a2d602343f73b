"""From the address of a store to its journal: a path, ``sqlite:///PATH`` or ``:memory:``."""

from __future__ import annotations

import os
from typing import Final

from knhk.errors import UsageError
from knhk.journal.memory import MemoryJournal
from knhk.journal.protocol import Journal
from knhk.journal.sqlite import Durability, SQLiteJournal

__all__ = ["open_journal"]

MEMORY: Final = ":memory:"
_SQLITE: Final = "sqlite:///"


def open_journal(
    address: str | os.PathLike[str] = MEMORY,
    *,
    durability: Durability = "full",
    reading: bool = False,
) -> Journal:
    """Open the journal at ``address``; with ``reading`` without the right to write.

    Raises :class:`knhk.errors.UsageError` for an address that is none, and the family of
    :class:`knhk.errors.JournalError` for a store that cannot be used.
    """
    text = os.fspath(address)
    if durability not in ("full", "normal"):
        raise UsageError(f"durability is 'full' or 'normal', not {durability!r}")
    if text == MEMORY:
        return MemoryJournal()
    if text.startswith(_SQLITE):
        text = text[len(_SQLITE) :]
    elif "://" in text:
        scheme = text.split("://", 1)[0]
        raise UsageError(
            f"stores of {scheme}:// are not in this release;"
            f" give a path, sqlite:///PATH or {MEMORY}"
        )
    if not text or "\0" in text:
        raise UsageError(f"the store needs a path, sqlite:///PATH or {MEMORY}")
    return SQLiteJournal(text, durability=durability, reading=reading)
