"""The stores of a simulation: what outlives its processes."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal, Protocol, TypeAlias, final

import apsw

from knhk.journal import Durability, Journal, MemoryJournal, SQLiteJournal
from knhk.testing.simulation.disk import Disk, DiskVFS
from knhk.testing.simulation.faults import Chance
from knhk.testing.simulation.machine import Machine

__all__ = ["MemoryStore", "SQLiteStore", "Store", "StoreKind"]

#: Kept in memory, which is quick and may be shared by engines; or SQLite's own on a simulated disk.
StoreKind: TypeAlias = Literal["memory", "sqlite"]

#: What a write and a sync take.
WRITE_US: Final = 4
SYNC_US: Final = 90
#: How long a disk is slow at most, and how long it is full.
SLOW_US: Final = 400_000
FULL_S: Final = 20.0

_names = count(1)


class Store(Protocol):
    """What is left when a process has crashed.

    ``has_forgotten`` says that the last appends may be gone, as durability ``normal`` allows.
    """

    has_forgotten: bool

    def open(self) -> Journal:
        """A journal on it for the next process."""

    def crash(self) -> None:
        """The process that had it open is gone, this moment."""

    def close(self) -> None:
        """It is not needed any more."""


@final
class MemoryStore:
    """A journal in memory that outlives the processes; engines may share it."""

    def __init__(self) -> None:
        self.has_forgotten = False
        self._journal = MemoryJournal()

    def open(self) -> Journal:
        return self._journal

    def crash(self) -> None:
        """What has been appended is there."""

    def close(self) -> None:
        """There is nothing to let go of."""


@final
class SQLiteStore:
    """The real SQLite journal on a disk that crashes, tears, fills up and is slow.

    ``crash`` is called where the process is to die in the midst of writing.
    """

    def __init__(
        self, machine: Machine, chance: Chance, durability: Durability, crash: Callable[[], None]
    ) -> None:
        self._machine = machine
        self._chance = chance
        self._durability: Durability = durability
        self._crash = crash
        self._lives = 0
        self._temporary = TemporaryDirectory(prefix="knhk-simulation-", dir=_quick_directory())
        self._root = Path(self._temporary.name).resolve()
        (self._root / "0").mkdir()
        self._vfs = DiskVFS(f"knhk-simulation-{next(_names)}", chance.random.randrange(2**32))
        self._disk = self._mount()
        self._full_until_us = 0
        self.has_forgotten = False

    def open(self) -> Journal:
        path = self._root / str(self._lives) / "store.db"
        return SQLiteJournal(path, durability=self._durability, vfs=self._vfs.name)

    def crash(self) -> None:
        random = self._chance.random
        has_power_cut = random.random() < self._chance.likely("power_cut")
        if has_power_cut:
            self._machine.note("store", "the power is cut")
            self._machine.trace.faults["power cut"] += 1
            self.has_forgotten = self._durability == "normal"
        self._lives += 1
        self._disk.image(self._root / str(self._lives), random if has_power_cut else None)
        self._disk = self._mount()

    def close(self) -> None:
        self._disk.is_frozen = True
        self._vfs.unregister()
        self._temporary.cleanup()

    def _mount(self) -> Disk:
        self._vfs.disk = disk = Disk(self._root / str(self._lives), self._touched)
        return disk

    def _touched(self, what: str) -> None:
        """What befalls a write or a sync."""
        machine, chance = self._machine, self._chance
        machine.spend(SYNC_US if what == "sync" else WRITE_US)
        if machine.now_us < self._full_until_us:
            raise apsw.FullError("no space left")
        if chance.strikes("crash_while_writing", "store"):
            self._crash()
        elif what == "sync" and chance.strikes("slow_disk", "store"):
            machine.spend(chance.random.randrange(SLOW_US))
        elif what == "sync" and chance.strikes("failing_disk", "store"):
            raise apsw.IOError("the disk has failed")
        elif what == "write" and chance.strikes("full_disk", "store"):
            self._full_until_us = machine.now_us + int(chance.mean(FULL_S) * 1_000_000)
            raise apsw.FullError("no space left")


def _quick_directory() -> str | None:
    """A directory in memory, where the system has one: nothing has to outlive the simulation."""
    shared = "/dev/shm"  # noqa: S108  the directory in it gets a name of its own
    return shared if os.access(shared, os.W_OK) else None
