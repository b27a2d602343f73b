"""The `.knhk` files of one compilation: found, read, parsed once, and remembered.

Files are named by their path relative to the project root, with forward slashes, so that a
compilation can be repeated from the journal on another machine. A file outside the root is
never read, not by ``..`` and not by a symbolic link.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from knhk.errors import Diagnostic
from knhk_dsl.syntax import ast
from knhk_dsl.syntax.memory import Memory
from knhk_dsl.syntax.parse import parse_again

#: What a source that is given as text is called.
TEXT_NAME: Final = "workflow.knhk"
#: Bytes of one file; the parser reports what is larger, and no more than this is read.
FILE_BYTES_MAX: Final = 64 * 1024 * 1024
#: Files of which it is remembered how they were read last.
READINGS_MAX: Final = 1_000
_ROOT_MARKS: Final = ("pyproject.toml", "knhk.toml", ".git")


@dataclass(frozen=True)
class Source:
    """A file that was read: its name, its text, its tree, and what was wrong with it.

    ``memory`` knows which parts of the tree were there when it was read before.
    """

    file: str
    text: str
    tree: ast.SourceFile
    diagnostics: tuple[Diagnostic, ...]
    memory: Memory = field(repr=False, compare=False)


class Readings:
    """How the files of a project were read last: to read one again costs what has changed.

    It is for those who check again and again, as an editor does. What is read is the same as
    without it.
    """

    def __init__(self) -> None:
        self._last: dict[str, tuple[bytes | str, Source]] = {}

    def read(self, name: str, data: bytes | str) -> Source:
        """A file with this content."""
        last = self._last.pop(name, None)
        if last is None or last[0] != data:
            old = Memory() if last is None else last[1].memory
            tree, diagnostics, memory = parse_again(data, name, old)
            text = data if isinstance(data, str) else data.decode("utf-8", errors="replace")
            last = data, Source(name, text, tree, diagnostics, memory)
        self._last[name] = last
        if len(self._last) > READINGS_MAX:
            del self._last[next(iter(self._last))]
        return last[1]

    def memory(self, name: str) -> Memory:
        """What was kept of a file when it was read last."""
        last = self._last.get(name)
        return Memory() if last is None else last[1].memory


class UnreadableSource(Exception):
    """A used file that cannot be had: ``code``, a sentence, a hint."""

    def __init__(self, code: str, message: str, hint: str) -> None:
        self.code = code
        self.message = message
        self.hint = hint
        super().__init__(message)


class Sources:
    """Where the sources of one compilation come from: an entry, and the files it uses.

    ``root`` is the project root, or ``None`` for text without one, which can use no other
    files. ``directory`` is where Python modules are looked for first.
    """

    def __init__(
        self,
        entry: str,
        root: Path | None,
        texts: Mapping[str, bytes | str],
        closed: bool,
        readings: Readings | None = None,
    ) -> None:
        self.entry = entry
        self.root = root
        self._texts = dict(texts)
        self._closed = closed
        self._readings = Readings() if readings is None else readings
        self._read: dict[str, Source] = {}

    @classmethod
    def of_file(cls, path: str | os.PathLike[str]) -> Sources:
        """The file at ``path`` and what it uses; raises :class:`OSError` if it cannot be read."""
        file = Path(path).absolute()
        data = _read(file)
        # Only what could be read is resolved: a link to itself cannot.
        file = file.resolve()
        root = find_root(file.parent)
        entry = file.relative_to(root).as_posix()
        return cls(entry, root, {entry: data}, closed=False)

    @classmethod
    def of_text(cls, text: str, root: str | os.PathLike[str] | None = None) -> Sources:
        """A source text; it uses files relative to ``root``, and none without one."""
        base = None if root is None else Path(root).resolve()
        return cls(TEXT_NAME, base, {TEXT_NAME: text}, closed=base is None)

    @classmethod
    def of_editor(cls, path: Path, texts: Mapping[Path, str], readings: Readings) -> Sources:
        """A file as it stands in an editor; ``texts`` are those that are open, by resolved path.

        What is not open is read. Raises :class:`OSError` if the file is not open and cannot be
        read.
        """
        root = find_root(path.parent)
        opened: dict[str, bytes | str] = {
            each.relative_to(root).as_posix(): text
            for each, text in texts.items()
            if each.is_relative_to(root)
        }
        entry = path.relative_to(root).as_posix()
        if entry not in opened:
            opened[entry] = _read(path)
        return cls(entry, root, opened, closed=False, readings=readings)

    @classmethod
    def of_bundle(
        cls, files: Mapping[str, str], entry: str, root: str | os.PathLike[str] | None = None
    ) -> Sources:
        """Sources kept earlier (``Compilation.files``); nothing else is read but Python code.

        Raises :class:`KeyError` when ``entry`` is not among the files.
        """
        if entry not in files:
            raise KeyError(entry)
        base = None if root is None else Path(root).resolve()
        return cls(entry, base, files, closed=True)

    @property
    def files(self) -> dict[str, str]:
        """Every file that was read, by name."""
        return {name: self._read[name].text for name in sorted(self._read)}

    def has_read(self, file: str) -> bool:
        """Whether a file was read."""
        return file in self._read

    def text(self, file: str) -> str:
        """The text of a file that was read."""
        return self._read[file].text

    def directory(self, file: str) -> Path | None:
        """Where a file lies, if it lies anywhere."""
        return None if self.root is None else (self.root / file).parent

    def open_entry(self) -> Source:
        """The entry file."""
        return self._open(self.entry)

    def resolve(self, used_by: str, path: str) -> str:
        """The name of the file that ``path`` means in ``used_by``; raises UnreadableSource."""
        if not path.endswith(".knhk"):
            raise UnreadableSource(
                "KN203",
                f"{path!r} is not a .knhk file",
                "use Python modules without quotes: from shop.handlers use reserve",
            )
        outside = UnreadableSource(
            "KN202",
            f"{path!r} lies outside the project",
            "use files below the directory that holds pyproject.toml, knhk.toml or .git",
        )
        if "\\" in path or "\0" in path or PurePosixPath(path).is_absolute() or ":" in path:
            raise outside
        parts: list[str] = list(PurePosixPath(used_by).parent.parts)
        for part in PurePosixPath(path).parts:
            if part != "..":
                parts.append(part)
            elif parts:
                parts.pop()
            else:
                raise outside
        name = "/".join(parts)
        if name in self._texts or self._closed or self.root is None:
            return name
        target = Path(os.path.realpath(self.root / name))
        if not target.is_relative_to(self.root):
            raise outside
        return target.relative_to(self.root).as_posix()

    def open(self, name: str) -> Source:
        """A file by the name that :meth:`resolve` gave; raises UnreadableSource."""
        if name in self._read or name in self._texts:
            return self._open(name)
        if self._closed or self.root is None:
            raise UnreadableSource(
                "KN201",
                f"there is no file {name!r} among the sources",
                "a source given as text uses other files only with a root directory",
            )
        try:
            self._texts[name] = _read(self.root / name)
        except FileNotFoundError:
            near = _neighbours(self.root / name)
            raise UnreadableSource("KN201", f"there is no file {name!r}", near) from None
        except IsADirectoryError:
            raise UnreadableSource(
                "KN201", f"{name!r} is a directory", "name a file in it"
            ) from None
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise UnreadableSource(
                "KN201", f"{name!r} cannot be read: {why}", "check its permissions"
            ) from None
        return self._open(name)

    def _open(self, name: str) -> Source:
        found = self._read.get(name)
        if found is None:
            found = self._read[name] = self._readings.read(name, self._texts[name])
        return found


def find_root(directory: Path) -> Path:
    """The nearest directory upwards that is the root of a project, else the directory itself."""
    for candidate in (directory, *directory.parents):
        if any((candidate / mark).exists() for mark in _ROOT_MARKS):
            return candidate
    return directory


def _read(path: Path) -> bytes:
    """The bytes of a regular file (a device or a pipe might never end)."""
    if path.is_dir():
        raise IsADirectoryError(21, "is a directory", str(path))
    if path.exists() and not path.is_file():
        raise OSError(22, "is not a regular file", str(path))
    with path.open("rb") as stream:
        return stream.read(FILE_BYTES_MAX)


def _neighbours(path: Path) -> str:
    from knhk_dsl.report import did_you_mean

    try:
        names = [entry.name for entry in path.parent.iterdir() if entry.suffix == ".knhk"]
    except OSError:
        return "check the path: it is relative to the file that uses it"
    hint = did_you_mean(path.name, names)
    return hint or "check the path: it is relative to the file that uses it"
