"""The .knhk files that the paths of a command stand for, and how they are read and replaced."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from errno import EACCES, EINVAL
from pathlib import Path

__all__ = ["knhk_files", "read_bytes", "replace_bytes"]


def knhk_files(paths: Iterable[str]) -> Iterator[Path]:
    """Give the files themselves, and the .knhk files in directories, but in no hidden ones."""
    for name in paths:
        path = Path(name)
        if not path.is_dir():
            yield path
            continue
        for directory, inner, names in os.walk(path):
            inner[:] = sorted(each for each in inner if not each.startswith("."))
            yield from (Path(directory, each) for each in sorted(names) if each.endswith(".knhk"))


def read_bytes(path: Path, size_max: int) -> bytes:
    """The bytes of a regular file (a device or a pipe might never end), up to one too many.

    Raises :class:`OSError`.
    """
    if path.exists() and not path.is_file():
        raise OSError(EINVAL, "is not a regular file", str(path))
    with path.open("rb") as stream:
        return stream.read(size_max + 1)


def replace_bytes(path: Path, data: bytes) -> None:
    """Replace what is in a file, all or nothing; its mode and its owner stay.

    A symbolic link stays one: the file that it leads to is replaced. Raises :class:`OSError`.
    """
    target = path.resolve(strict=True)
    if not os.access(target, os.W_OK):
        raise PermissionError(EACCES, os.strerror(EACCES), str(path))
    number, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    new = Path(name)
    try:
        with os.fdopen(number, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        _take_over(target, new)
        new.replace(target)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def _take_over(old: Path, new: Path) -> None:
    """Give a file the owner and the mode of another one."""
    if hasattr(os, "chown"):
        info = old.stat()
        with suppress(PermissionError):  # only root may give files away
            os.chown(new, info.st_uid, info.st_gid)
    shutil.copymode(old, new)
