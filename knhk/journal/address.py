"""From the address of a store to its journal.

An address is a path, ``sqlite:///PATH``, ``postgresql://...`` or ``:memory:``.
"""

from __future__ import annotations

import os
from typing import Final

from knhk.errors import UsageError
from knhk.journal.memory import MemoryJournal
from knhk.journal.protocol import Journal
from knhk.journal.record import Durability
from knhk.journal.sqlite import SQLiteJournal

__all__ = ["open_journal"]

MEMORY: Final = ":memory:"
_SQLITE: Final = "sqlite:///"
_POSTGRES: Final = ("postgresql://", "postgres://")
_KINDS: Final = f"a path, sqlite:///PATH, postgresql://HOST/DATABASE or {MEMORY}"


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
    if text.startswith(_POSTGRES):
        return _open_postgres(text, durability, reading)
    if text.startswith(_SQLITE):
        text = text[len(_SQLITE) :]
    elif "://" in text:
        scheme = text.split("://", 1)[0]
        raise UsageError(f"stores of {scheme}:// are not in this release; give {_KINDS}")
    if not text or "\0" in text:
        raise UsageError(f"the store needs {_KINDS}")
    return SQLiteJournal(text, durability=durability, reading=reading)


def _open_postgres(address: str, durability: Durability, reading: bool) -> Journal:
    try:
        from knhk.journal.postgres import PostgresJournal
    except ImportError as error:
        raise UsageError(
            "stores in PostgreSQL need psycopg, which cannot be imported here"
            f' ({error}); pip install "knhk[postgres]"'
        ) from error
    return PostgresJournal(address, durability=durability, reading=reading)
