"""The lock on a store: one process runs it, and the operating system frees it at its death.

A byte of a file beside the store is locked, not the store itself, so that readers are never
in the way. POSIX locks belong to a process and say nothing to a second owner in the same
one, so the stores that this process runs are also kept in a set.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import IO, Final

from knhk.errors import JournalError, StoreLocked

__all__ = ["StoreLock"]

#: What the file of the lock is called after the store.
SUFFIX: Final = "-lock"

_held: set[str] = set()
_held_lock = threading.Lock()


class StoreLock:
    """Held from its making to :meth:`release`; raises :class:`StoreLocked` if another has it."""

    def __init__(self, store: Path) -> None:
        self._name = os.path.realpath(store)
        with _held_lock:
            if self._name in _held:
                raise StoreLocked(
                    f"the store {store} is open for running in this process already;"
                    " use that engine, or close it first"
                )
            self._file: IO[str] | None = self._take(store)
            _held.add(self._name)

    def _take(self, store: Path) -> IO[str]:
        try:
            file = Path(self._name + SUFFIX).open("a+", encoding="ascii")  # noqa: SIM115  kept open
        except OSError as error:
            raise JournalError(
                f"the store {store} cannot be locked: {error.strerror};"
                " give a path in a directory that can be written to"
            ) from error
        try:
            _lock_first_byte(file)
        except OSError as error:
            owner = _owner(file)
            file.close()
            raise StoreLocked(
                f"the store {store} is open for running in another process{owner};"
                " stop that one first, or only read with list and show"
            ) from error
        file.seek(0)
        file.truncate()
        file.write(f" {os.getpid()}\n")
        file.flush()
        return file

    def release(self) -> None:
        """Free the store; the file stays, since removing it would race with the next owner."""
        with _held_lock:
            if self._file is not None:
                self._file.close()
                self._file = None
                _held.discard(self._name)


def _owner(file: IO[str]) -> str:
    try:
        file.seek(1)
        process = file.read().strip()
    except (OSError, ValueError):
        return ""
    return f" ({process})" if process.isdigit() else ""


if sys.platform == "win32":
    import msvcrt

    def _lock_first_byte(file: IO[str]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock_first_byte(file: IO[str]) -> None:
        fcntl.lockf(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 0)
