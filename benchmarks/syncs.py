"""Counts how often SQLite has its files brought to the disk, by a file system of its own.

What decides on a disk that is slower than this one is not the time of a step here but the number
of times that it waits for the disk.
"""

from __future__ import annotations

import apsw

__all__ = ["Syncs"]

#: What stands before the frames of a write-ahead file.
LOG_HEADER_BYTES = 32


class Syncs(apsw.VFS):
    """While it is there all connections of the process go through it.

    ``commits`` counts the syncs of a write-ahead file that had new frames, ``others`` those of
    checkpoints: of the store, of the log before it is copied, of its header when it begins anew.
    """

    def __init__(self) -> None:
        self.commits = 0
        self.others = 0
        self.system = str(apsw.vfs_names()[0])  # the default until now
        super().__init__("knhk-syncs", self.system, makedefault=True)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802  SQLite's name
        return _File(self, name, flags)


class _File(apsw.VFSFile):
    def __init__(self, syncs: Syncs, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._syncs = syncs
        self._is_log = bool(flags[0] & apsw.SQLITE_OPEN_WAL)
        self._has_frames = False
        super().__init__(syncs.system, name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802  SQLite's name
        if self._is_log and offset >= LOG_HEADER_BYTES:
            self._has_frames = True
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802  SQLite's name
        if self._has_frames:
            self._has_frames = False
            self._syncs.commits += 1
        else:
            self._syncs.others += 1
        super().xSync(flags)
