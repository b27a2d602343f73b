"""Places of an editor and places of a source.

An editor counts lines from 0, and characters in units that it agreed on with the server, mostly
of UTF-16; a source counts both from 1, and characters as Python does.
"""

from __future__ import annotations

from collections.abc import Sequence

from lsprotocol.types import Position, PositionEncodingKind, Range

from knhk.errors import Span

__all__ = ["Encoding", "place_of", "position_of", "range_of"]

#: How an editor counts characters.
Encoding = PositionEncodingKind | str


def place_of(position: Position, lines: Sequence[str], encoding: Encoding) -> tuple[int, int]:
    """The line and column that an editor means; what is not there is the nearest before it."""
    if position.line >= len(lines):
        return len(lines), len(lines[-1]) + 1
    units = column = 0
    for sign in lines[position.line]:
        units += _units(sign, encoding)
        if units > position.character:
            break
        column += 1
    return position.line + 1, column + 1


def position_of(line: int, column: int, lines: Sequence[str], encoding: Encoding) -> Position:
    """A place as an editor counts."""
    if line > len(lines):
        line, column = len(lines), len(lines[-1]) + 1
    before = lines[line - 1][: column - 1]
    units = len(before) if before.isascii() else sum(_units(sign, encoding) for sign in before)
    return Position(line - 1, units)


def range_of(span: Span, lines: Sequence[str], encoding: Encoding) -> Range:
    """A span as an editor counts."""
    return Range(
        position_of(span.line, span.column, lines, encoding),
        position_of(span.end_line, span.end_column, lines, encoding),
    )


def _units(sign: str, encoding: Encoding) -> int:
    if encoding == PositionEncodingKind.Utf8:
        return len(sign.encode("utf-8", errors="surrogatepass"))
    if encoding == PositionEncodingKind.Utf32:
        return 1
    return 2 if ord(sign) > 0xFFFF else 1
