"""What names stand for, and where they stand."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from knhk.errors import Span

#: Kinds of names that are defined in a source, and can be renamed there.
OWN_KINDS: Final = frozenset(
    [
        "workflow",
        "record",
        "field",
        "enumeration",
        "member",
        "connector",
        "policy",
        "trigger",
        "invariant",
        "strategy",
        "parameter",
        "variable",
        "task",
        "place",
        "mutex",
        "element",
    ]
)


@dataclass(frozen=True, slots=True)
class Location:
    """A place outside of the sources: a file, line and column counted from 0."""

    path: Path
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Definition:
    """What a name stands for.

    ``kind`` is one of ``OWN_KINDS``, or tells where it comes from: ``callable`` (Python),
    ``function`` (built in), ``task type``, ``connector type``, ``operation`` (plugins),
    ``message``, ``signal``, ``file``. ``place`` is the name where it is defined in a source, and
    ``whole`` all of the definition. ``within`` names what it belongs to. ``shape`` is its type or
    signature, as the language writes it.
    """

    kind: str
    name: str
    place: Span | None = None
    whole: Span | None = None
    within: str = ""
    shape: str = field(default="", compare=False)
    doc: str = field(default="", compare=False)
    elsewhere: Location | None = field(default=None, compare=False)

    @property
    def is_own(self) -> bool:
        """Whether a source defines it, so that its name can be changed there."""
        return self.place is not None and self.kind in OWN_KINDS


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A name where it stands; ``type`` is that of its value there, if it has one."""

    span: Span
    definition: Definition
    type: str = ""

    @property
    def defines(self) -> bool:
        """Whether it is the definition itself."""
        return self.span == self.definition.place


class Index:
    """All occurrences of names in some files, by place."""

    def __init__(self, occurrences: Iterable[Occurrence]) -> None:
        self._by_file: dict[str, list[Occurrence]] = {}
        self._by_definition: dict[Definition, list[Occurrence]] = {}
        unique = {occurrence.span: occurrence for occurrence in occurrences}
        for _, occurrence in sorted(unique.items()):
            self._by_file.setdefault(occurrence.span.file, []).append(occurrence)
            self._by_definition.setdefault(occurrence.definition, []).append(occurrence)

    def at(self, file: str, line: int, column: int) -> Occurrence | None:
        """The name at a place, or that ends there."""
        found = self._by_file.get(file, [])
        position = bisect_right(found, (line, column), key=_begin) - 1
        if position < 0:
            return None
        span = found[position].span
        inside = (line, column) <= (span.end_line, span.end_column)
        return found[position] if inside else None

    def of(self, definition: Definition) -> list[Occurrence]:
        """Every place where a name stands for this."""
        return self._by_definition.get(definition, [])

    def definitions(self, file: str) -> Iterator[Definition]:
        """What a file defines, by place."""
        return (each.definition for each in self._by_file.get(file, []) if each.defines)

    def in_file(self, file: str) -> list[Occurrence]:
        """Every name of a file, by place."""
        return self._by_file.get(file, [])


def _begin(occurrence: Occurrence) -> tuple[int, int]:
    return occurrence.span.line, occurrence.span.column
