"""Python modules as source: found like an import would find them, read, never executed."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Final

#: Bytes of a Python file that is read for its signatures.
PYTHON_BYTES_MAX: Final = 8 * 1024 * 1024
#: Python files that are kept as they were read, until they change.
MODULES_MAX: Final = 256

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class PythonImport:
    """``from module import original``; ``level`` counts the leading dots."""

    module: str
    level: int
    original: str


@dataclass(frozen=True)
class PythonModule:
    """What a module defines on its own level.

    ``open`` says that it may define more than can be seen: a star import, ``__getattr__``,
    compiled code.
    """

    name: str
    path: Path
    definitions: dict[str, Definition] = field(default_factory=dict)
    imports: dict[str, PythonImport] = field(default_factory=dict)
    others: frozenset[str] = frozenset()
    open: bool = False

    @property
    def names(self) -> list[str]:
        """Every name it is known to define."""
        return [*self.definitions, *self.imports, *self.others]


class UnreadableModule(Exception):
    """A module that is there and cannot be read: why."""


class PythonModules:
    """Modules by their path, each read once."""

    def __init__(self) -> None:
        self._read: dict[Path, PythonModule | UnreadableModule] = {}
        self._found: dict[tuple[str, tuple[Path, ...]], Path | None] = {}

    def find(self, name: str, directories: tuple[Path, ...]) -> PythonModule | None:
        """The module, from ``directories`` or ``sys.path``; raises UnreadableModule."""
        key = (name, directories)
        if key not in self._found:
            self._found[key] = locate(name, directories)
        path = self._found[key]
        if path is None:
            return None
        if path not in self._read:
            try:
                self._read[path] = _read(name, path)
            except UnreadableModule as problem:
                self._read[path] = problem
        module = self._read[path]
        if isinstance(module, UnreadableModule):
            raise module
        return module

    def follow(self, module: PythonModule, wanted: PythonImport) -> PythonModule | None:
        """The module that an import of ``module`` names; none of Python's own library."""
        if wanted.module.partition(".")[0] in sys.stdlib_module_names:
            return None
        if not wanted.level:
            directory = module.path.parent
            for _ in module.name.split(".")[1:]:
                directory = directory.parent
            return self.find(wanted.module, (directory, *_package_root(module)))
        package = module.path.parent
        for _ in range(wanted.level - 1):
            package = package.parent
        if wanted.module:
            return self.find(wanted.module, (package,))
        return self.find(wanted.original, (package,))


def _package_root(module: PythonModule) -> tuple[Path, ...]:
    root = module.path.parent
    while (root / "__init__.py").exists() and root != root.parent:
        root = root.parent
    return (root,)


def locate(name: str, directories: tuple[Path, ...]) -> Path | None:
    """The file of a module, in the order in which an import would try."""
    relative = Path(*name.split("."))
    endings = ["/__init__.py", *EXTENSION_SUFFIXES, ".py"]
    for directory in (*directories, *(Path(entry) for entry in sys.path)):
        for ending in endings:
            candidate = Path(f"{directory / relative}{ending}")
            if candidate.is_file():
                return candidate
    return None


def is_known(name: str) -> bool:
    """Whether the top of a dotted name is a module without source, such as ``math``."""
    return (
        name.split(".", maxsplit=1)[0] in sys.builtin_module_names
        or name in sys.stdlib_module_names
    )


def _read(name: str, path: Path) -> PythonModule:
    if path.suffix != ".py":
        return PythonModule(name, path, open=True)
    try:
        status = path.stat()
        return _parsed(name, path, status.st_mtime_ns, status.st_size)
    except OSError as error:
        raise UnreadableModule(f"{path.name}: {error.strerror}") from None


@lru_cache(maxsize=MODULES_MAX)
def _parsed(name: str, path: Path, _changed_ns: int, _size: int) -> PythonModule:
    """The module in a file; a file that has changed is another one."""
    with path.open("rb") as stream:
        data = stream.read(PYTHON_BYTES_MAX + 1)
    if len(data) > PYTHON_BYTES_MAX:
        raise UnreadableModule(f"{path.name} is larger than {PYTHON_BYTES_MAX} bytes")
    try:
        tree = ast.parse(data, path.name)
    except SyntaxError as error:
        raise UnreadableModule(f"{path.name}, line {error.lineno}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError):
        raise UnreadableModule(f"{path.name} is no Python source") from None
    return _survey(name, path, tree)


def _survey(name: str, path: Path, tree: ast.Module) -> PythonModule:
    definitions: dict[str, Definition] = {}
    imports: dict[str, PythonImport] = {}
    others: set[str] = set()
    is_open = False
    for statement in _statements(tree.body):
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                definitions[statement.name] = statement
                is_open = is_open or statement.name == "__getattr__"
            case ast.ImportFrom():
                for alias in statement.names:
                    is_open = is_open or alias.name == "*"
                    imports[alias.asname or alias.name] = PythonImport(
                        statement.module or "", statement.level, alias.name
                    )
            case ast.Import():
                others.update((a.asname or a.name).split(".")[0] for a in statement.names)
            case _:
                others.update(_stored(statement))
    return PythonModule(name, path, definitions, imports, frozenset(others), is_open)


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module's own level, those inside `if` and `try` too."""
    for statement in body:
        yield statement
        for part in ("body", "orelse", "finalbody"):
            if isinstance(statement, (ast.If, ast.Try, ast.With, ast.For, ast.While)):
                yield from _statements(getattr(statement, part, []))
        if isinstance(statement, ast.Try):
            for handler in statement.handlers:
                yield from _statements(handler.body)


def _stored(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, (ast.If, ast.Try, ast.While)):
        return
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
