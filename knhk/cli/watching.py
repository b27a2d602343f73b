"""`knhk check --watch`: check again when something changes that a check reads.

Directories are watched, not files, as editors put new files in the place of old ones: those
given and all below them, those of used files and of used Python modules, and the roots of the
projects. New files and new directories are noticed so too.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from knhk.cli.files import knhk_files
from knhk.cli.findings import Findings, find

if TYPE_CHECKING:
    from watchfiles import Change

    from knhk_dsl import Sources

__all__ = ["check_again_and_again"]

#: How often, when nothing changes, the watcher comes back to us.
PAUSE_MS: Final = 500
_SUFFIXES: Final = frozenset({".knhk", ".py"})
_IGNORED: Final = frozenset({"__pycache__", "node_modules"})
_RULE: Final = 40


def check_again_and_again(
    paths: tuple[str, ...], limit_s: float, show: Callable[[Findings], None]
) -> int:
    """Check, and check again at every change, until Ctrl-C; gives the exit code of the last check.

    ``show`` prints what was found. Raises :class:`click.UsageError` when
    the library that watches is not installed.
    """
    _require_watchfiles()
    findings = first = find(knhk_files(paths), limit_s)
    show(first)
    try:
        for findings in _checks(paths, limit_s, first):
            click.echo(f"--- {datetime.now().astimezone():%H:%M:%S} ".ljust(_RULE, "-"), err=True)
            show(findings)
    except KeyboardInterrupt:
        pass  # that is how it is left
    return findings.exit_code


def _require_watchfiles() -> None:
    try:
        import_module("watchfiles")
    except ImportError:
        raise click.UsageError(
            "--watch needs the library watchfiles; install it: pip install 'knhk[watch]'"
        ) from None


def _checks(paths: tuple[str, ...], limit_s: float, findings: Findings) -> Iterator[Findings]:
    """What is found after each change; without an end.

    When the watcher comes back for the first time, everything is being watched for sure. One
    more check then finds what changed before; it is told only if it differs.
    """
    while True:
        directories = _directories(paths, findings)
        is_first = True
        for changes in _watch(directories):
            if not (changes or is_first):
                continue
            is_first = False
            before, findings = findings, find(knhk_files(paths), limit_s)
            if changes or not findings.says_the_same_as(before):
                yield findings
            if directories != _directories(paths, findings):
                break


def _watch(directories: frozenset[Path]) -> Iterator[bool]:
    """Whether something has changed, again and again; ends when a directory is gone."""
    from watchfiles import watch

    watcher = watch(
        *directories,
        watch_filter=_matters,
        recursive=False,
        rust_timeout=PAUSE_MS,
        yield_on_timeout=True,
        ignore_permission_denied=True,
    )
    try:
        for changes in watcher:
            yield bool(changes)
    except FileNotFoundError:
        return


def _matters(change: Change, name: str) -> bool:
    """Whether a change may change what a check finds: one of a source, or of a directory."""
    path = Path(name)
    if path.suffix in _SUFFIXES:
        return True
    if path.suffix or path.name in _IGNORED or path.name.startswith("."):
        return False
    return path.is_dir() or change.name == "deleted"


def _directories(paths: Iterable[str], findings: Findings) -> frozenset[Path]:
    """The directories that hold what a check reads, or would read if it were there."""
    found: set[Path] = set()
    for name in paths:
        path = Path(name).absolute()
        found |= set(_below(path)) if path.is_dir() else {path.parent}
    for sources in findings.sources:
        assert sources.root is not None  # it comes from a file
        found.add(sources.root)
        for file in sources.files:
            found |= set(_of_modules(sources, file, sources.root))
    return frozenset(each for each in found if each.is_dir()) or frozenset({Path.cwd()})


def _below(path: Path) -> Iterator[Path]:
    for directory, inner, _ in os.walk(path):
        inner[:] = [name for name in inner if name not in _IGNORED and not name.startswith(".")]
        yield Path(directory)


def _of_modules(sources: Sources, file: str, root: Path) -> Iterator[Path]:
    """The directory of a file, and those of the modules that it uses, or where they should be."""
    from knhk_dsl.names.pymodules import locate
    from knhk_dsl.syntax import ast

    near = ((root / file).parent, root)
    yield near[0]
    for declaration in sources.open(file).tree.declarations:
        if not isinstance(declaration, ast.UsePython):
            continue
        path = locate(declaration.module, near)
        if path is not None:
            yield path.parent
            continue
        packages = declaration.module.split(".")[:-1]
        yield from (place.joinpath(*packages) for place in near)
