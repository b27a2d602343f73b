"""Diagnostics for people: the source line with the place underlined, hints, and the run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from knhk.errors import ERROR, Diagnostic, Span
from knhk_dsl.rendering.marks import BLUE, BOLD, RED, YELLOW, columns, paint, visible
from knhk_dsl.rendering.timeline import timeline

__all__ = ["render_human"]

#: Columns of a source line that are shown at most; a longer line is clipped around the place.
WIDTH_MAX: Final = 100

_LEAD: Final = 30


def render_human(
    diagnostics: Iterable[Diagnostic], files: Mapping[str, str], *, colour: bool = False
) -> str:
    """The diagnostics as text for a terminal: empty when there are none.

    ``files`` maps the names in the places to source texts; a place in a file that is not there is
    shown without its source line.
    """
    cache: dict[str, list[str]] = {}
    blocks: list[str] = []
    for diagnostic in diagnostics:
        tint = RED if diagnostic.severity == ERROR else YELLOW
        where = paint(f"{visible(str(diagnostic.span))}:", BOLD, colour)
        what = paint(f"{diagnostic.severity}[{diagnostic.code}]:", tint, colour)
        lines = [f"{where} {what} {visible(diagnostic.message)}"]
        lines += _excerpt(diagnostic.span, _lines(diagnostic.span.file, files, cache), tint, colour)
        if diagnostic.run is not None:
            lines += timeline(diagnostic.run, colour=colour)
        if diagnostic.hint:
            lines.append(f"  {paint('hint:', BLUE, colour)} {visible(diagnostic.hint)}")
        for span, words in diagnostic.related:
            see = paint("see", BLUE, colour)
            lines.append(f"  {see} {visible(str(span))}: {visible(words)}")
            lines += _excerpt(span, _lines(span.file, files, cache), BLUE, colour)
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


def _lines(file: str, files: Mapping[str, str], cache: dict[str, list[str]]) -> list[str]:
    if file not in cache:
        text = files.get(file, "").removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
        cache[file] = text.split("\n")
    return cache[file]


def _excerpt(span: Span, lines: list[str], tint: str, colour: bool) -> list[str]:
    """The source line and a line that underlines the place in it."""
    if not 1 <= span.line <= len(lines) or not any(lines):
        return []
    line = lines[span.line - 1]
    start = min(span.column - 1, len(line))
    end = span.end_column - 1 if span.end_line == span.line else len(line)
    end = max(start + 1, min(end, max(len(line), start + 1)))
    first = start - _LEAD if end > WIDTH_MAX and start > _LEAD else 0
    last = min(end, first + WIDTH_MAX)
    before, marked = visible(line[first:start]), visible(line[start:last])
    after = visible(line[last : first + WIDTH_MAX])
    head = "..." if first else ""
    tail = "..." if len(line) > first + WIDTH_MAX else ""
    number = str(span.line)
    underline = "^" * max(1, columns(marked))
    return [
        f"{number:>5} | {head}{before}{marked}{after}{tail}",
        f"      | {' ' * (len(head) + columns(before))}{paint(underline, tint, colour)}",
    ]
