"""A disk that forgets: under SQLite's own files, it knows what was synced and what was not.

Theory of operation. A VFS of SQLite (https://www.sqlite.org/vfs.html) passes everything on to the
system's, on real files in a directory of their own, so that locks and the shared memory of the
write-ahead log are the real ones. On the way it keeps for each file what is durable, and the writes
since the last sync. A crash freezes the disk; its *image* is what the next process finds: after
the crash of a process all that was written, after a power cut what was synced, and of the writes
since then some, of one a part. The image is laid out in another directory, where the real journal
opens it and recovers.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final, final

import apsw

__all__ = ["Disk", "DiskVFS"]

#: What a disk writes at once, or not at all.
SECTOR_BYTES: Final = 512


@final
class _Contents:
    """A file: what is durable of it, and what was done to it since the last sync."""

    def __init__(self, durable: bytes | None) -> None:
        self.durable = None if durable is None else bytearray(durable)
        #: A place and what was written there; or a size that it was cut to, and ``None``.
        self.pending: list[tuple[int, bytes | None]] = []

    def sync(self) -> None:
        self.durable = self._after(self.pending)
        self.pending = []

    def written(self) -> bytes | None:
        """All that was written; nothing for a file that was never there."""
        if self.durable is None and not self.pending:
            return None
        return bytes(self._after(self.pending))

    def torn(self, random: Random) -> bytes | None:
        """What was synced, and of what came later some, of that in parts."""
        kept: list[tuple[int, bytes | None]] = []
        for at, data in self.pending:
            chance = random.random()
            if chance < 0.4:
                kept.append((at, data))
            elif chance < 0.7 and data is not None and len(data) > SECTOR_BYTES:
                whole = random.randrange(len(data) // SECTOR_BYTES + 1) * SECTOR_BYTES
                kept.append((at, data[:whole]))
        if self.durable is None and not kept:
            return None
        return bytes(self._after(kept))

    def _after(self, changes: list[tuple[int, bytes | None]]) -> bytearray:
        found = bytearray() if self.durable is None else bytearray(self.durable)
        for at, data in changes:
            if data is None:
                del found[at:]
                found.extend(bytes(max(0, at - len(found))))
                continue
            found.extend(bytes(max(0, at - len(found))))
            found[at : at + len(data)] = data
        return found


@final
class Disk:
    """The files of one life of a store, in ``directory``; ``touched`` is told before each change.

    ``touched`` is given ``write`` or ``sync``; what it raises is what SQLite is told.
    """

    def __init__(self, directory: Path, touched: Callable[[str], None]) -> None:
        self.directory = directory
        self.is_frozen = False
        self._touched = touched
        self._files: dict[str, _Contents] = {}
        for path in sorted(directory.iterdir()):
            self._files[path.name] = _Contents(path.read_bytes())

    def opened(self, name: str) -> None:
        """A file is there, or is going to be."""
        self._files.setdefault(name, _Contents(None))

    def write(self, name: str, at: int, data: bytes | None) -> None:
        """A file is written to at a place; without ``data`` it is cut there."""
        self.refuse_frozen()
        self._touched("write")
        self.refuse_frozen()
        self._files[name].pending.append((at, data))

    def sync(self, name: str) -> None:
        """What was written to a file is durable."""
        self.refuse_frozen()
        self._touched("sync")
        self.refuse_frozen()
        self._files[name].sync()

    def delete(self, name: str) -> None:
        """A file is gone."""
        self.refuse_frozen()
        self._files.pop(name, None)

    def refuse_frozen(self) -> None:
        """Nothing happens on this disk any more once its process is gone."""
        if self.is_frozen:
            raise apsw.IOError("the process is gone")

    def image(self, into: Path, random: Random | None) -> None:
        """Lay out what the next process finds: all that was written, or what a power cut left."""
        self.is_frozen = True
        into.mkdir()
        for name in sorted(self._files):
            contents = self._files[name]
            data = contents.written() if random is None else contents.torn(random)
            if data is not None:
                (into / name).write_bytes(data)


class _File(apsw.VFSFile):
    """A file of a disk."""

    def __init__(self, disk: Disk, name: str | apsw.URIFilename, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._disk = disk
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._name = Path(path).name
        disk.opened(self._name)

    def xWrite(self, data: bytes, offset: int) -> None:
        self._disk.write(self._name, offset, bytes(data))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:
        self._disk.write(self._name, newsize, None)
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:
        # The real file need not reach a real disk.
        del flags
        self._disk.sync(self._name)


class DiskVFS(apsw.VFS):
    """The VFS by which the stores of a simulation are reached, by ``name``."""

    def __init__(self, name: str, seed: int) -> None:
        super().__init__(name, "")
        self.name = name
        self.disk: Disk | None = None
        self._random = Random(seed)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        disk = self.disk
        if disk is None or path is None or Path(path).parent != disk.directory:
            return apsw.VFSFile("", name, flags)  # of no store, or of one that is gone
        assert name is not None
        return _File(disk, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        disk = self.disk
        if disk is not None and Path(filename).parent == disk.directory:
            disk.delete(Path(filename).name)
        super().xDelete(filename, syncdir)

    def xRandomness(self, numbytes: int) -> bytes:
        return self._random.randbytes(numbytes)
