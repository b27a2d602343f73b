"""What a file holds, as a tree: workflows with their tasks, records with their fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from knhk_dsl.index.definitions import Definition, Index

_INNER: Final = frozenset({"field", "member", "parameter", "variable", "task", "place", "mutex"})


@dataclass(frozen=True, slots=True)
class Entry:
    """A definition and those that belong to it."""

    definition: Definition
    entries: tuple[Entry, ...]


def outline(index: Index, file: str) -> tuple[Entry, ...]:
    """The definitions of a file, by place; what stands inside another belongs to that."""
    inside: list[tuple[Definition, list[Entry]]] = []
    for definition in index.definitions(file):
        if definition.kind in _INNER:
            if inside:
                inside[-1][1].append(Entry(definition, ()))
        elif definition.kind not in ("element", "file"):
            inside.append((definition, []))
    return tuple(Entry(definition, tuple(entries)) for definition, entries in inside)
