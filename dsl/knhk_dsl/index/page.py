"""A source as text that places point into: where the names stand in what was read."""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cached_property
from typing import Final

from knhk.errors import Span

_NAME: Final = re.compile(r"[^\W\d]\w*")
_BEFORE_NAME: Final = re.compile(r"(?:[\s(]|#[^\n]*\n)*")


class Page:
    """The text of a file as the parser reads it, with line feeds as its only line ends."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")

    @cached_property
    def lines(self) -> list[str]:
        """The lines, without their ends."""
        return self.text.split("\n")

    @cached_property
    def _starts(self) -> list[int]:
        starts = [0]
        for line in self.lines:
            starts.append(starts[-1] + len(line) + 1)
        return starts

    def offset(self, line: int, column: int) -> int:
        """The offset of a place; one that is not there is the nearest before it."""
        if line > len(self.lines):
            return len(self.text)
        return self._starts[line - 1] + min(column - 1, len(self.lines[line - 1]))

    def start(self, span: Span) -> int:
        """The offset where a span begins."""
        return self.offset(span.line, span.column)

    def end(self, span: Span) -> int:
        """The offset where a span ends."""
        return self.offset(span.end_line, span.end_column)

    def shown(self, span: Span) -> str:
        """The text of a span."""
        return self.text[self.start(span) : self.end(span)]

    def name_at(self, offset: int) -> Span | None:
        """The name that begins at an offset, or behind brackets and blanks there."""
        before = _BEFORE_NAME.match(self.text, offset)
        found = _NAME.match(self.text, offset if before is None else before.end())
        return None if found is None else self._span(found.start(), found.end())

    def name_in(self, span: Span) -> Span:
        """The name that a span begins with; the span itself where there is none."""
        return self.name_at(self.start(span)) or span

    def last_name_in(self, span: Span) -> Span:
        """The name that a span ends with."""
        names = self.names_between(self.start(span), self.end(span))
        return names[-1] if names else span

    def names_between(self, start: int, end: int) -> list[Span]:
        """The names between two offsets, in order."""
        return [self._span(m.start(), m.end()) for m in _NAME.finditer(self.text, start, end)]

    def place(self, offset: int) -> Span:
        """The empty span at an offset."""
        return self._span(offset, offset)

    def _span(self, start: int, end: int) -> Span:
        """The span of a piece of one line."""
        line = bisect_right(self._starts, start)
        column = start - self._starts[line - 1] + 1
        return Span(self.file, line, column, line, column + end - start)
