"""Giving a definition another name, everywhere; refused where this would change a meaning."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from knhk.errors import ERROR, Diagnostic, Span
from knhk_dsl.index.definitions import Definition, Index
from knhk_dsl.names.namespaces import RESERVED
from knhk_dsl.syntax.tokens import RESERVED as NEVER_NAMES
from knhk_dsl.values.types import SCALARS

_NAME: Final = re.compile(r"[^\W\d]\w*")
_ORIGINS: Final = {
    "callable": "it comes from Python: rename it there",
    "function": "it is a function of the language",
    "task type": "it comes from a plugin",
    "connector type": "it comes from a plugin",
    "operation": "it comes from a plugin",
    "message": "it is a name that others send to: change it here and there by hand",
    "signal": "it is a name that others send to: change it here and there by hand",
    "file": "it is a file: move it, then change the path",
}


class RefusedRename(Exception):
    """A name that cannot be changed, or not to that: why, in a sentence."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A piece of a source, and the text that is to stand there instead."""

    span: Span
    text: str


def check_renamable(definition: Definition) -> None:
    """Raises :class:`RefusedRename` for a name that no source defines."""
    if not definition.is_own:
        why = _ORIGINS.get(definition.kind, "no source defines it")
        raise RefusedRename(f"`{definition.name}` cannot be renamed here: {why}")


def rename(definition: Definition, name: str, indexes: Iterable[Index]) -> tuple[Edit, ...]:
    """The edits that rename a definition, by place; raises :class:`RefusedRename`.

    Whether the new name is taken shows when what results is checked: :func:`check_renamed`.
    """
    check_renamable(definition)
    if not _NAME.fullmatch(name):
        raise RefusedRename(f"`{name}` is not a name: letters, digits and `_`, no digit first")
    if name in RESERVED or name in NEVER_NAMES or name in SCALARS:
        raise RefusedRename(f"`{name}` is a word of the language")
    spans = {occurrence.span for index in indexes for occurrence in index.of(definition)}
    return tuple(Edit(span, name) for span in sorted(spans))


def check_renamed(
    before: tuple[tuple[Diagnostic, ...], Index, Iterable[str]],
    after: tuple[tuple[Diagnostic, ...], Index, Iterable[str]],
    definition: Definition,
    name: str,
) -> None:
    """Raises :class:`RefusedRename` if something means something else after a rename.

    ``before`` and ``after`` are what a check said, the index, and the names of the files.
    """
    known = Counter(each.code for each in before[0] if each.severity == ERROR)
    for diagnostic in after[0]:
        if diagnostic.severity == ERROR:
            known[diagnostic.code] -= 1
            if known[diagnostic.code] < 0:
                raise RefusedRename(f"with the name `{name}`, {diagnostic.message}")
    if _meanings(before[1], before[2], definition, name) != _meanings(after[1], after[2]):
        raise RefusedRename(f"`{name}` already means something where `{definition.name}` stands")


def _meanings(
    index: Index, files: Iterable[str], renamed: Definition | None = None, name: str = ""
) -> Counter[tuple[str, str]]:
    """How often each thing is named; the one that is renamed counts under its new name."""
    return Counter(
        (each.definition.kind, name if each.definition == renamed else each.definition.name)
        for file in files
        for each in index.in_file(file)
    )


def applied(text: str, edits: Iterable[Edit]) -> str:
    """A text, lines ended by line feeds, with edits of names made in it."""
    lines = text.split("\n")
    for edit in sorted(edits, key=lambda each: each.span, reverse=True):
        line = lines[edit.span.line - 1]
        start, end = edit.span.column - 1, edit.span.end_column - 1
        lines[edit.span.line - 1] = line[:start] + edit.text + line[end:]
    return "\n".join(lines)
