"""Show diagnostics to people (with the source line and the place underlined) and to programs."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Final

from knhk.errors import ERROR, Diagnostic, Span

__all__ = ["render_human", "render_json"]

#: Columns of a source line that are shown at most; a longer line is clipped around the place.
WIDTH_MAX: Final = 100

_LEAD: Final = 30
_RED, _YELLOW, _BLUE, _BOLD, _PLAIN = "\x1b[31m", "\x1b[33m", "\x1b[34m", "\x1b[1m", "\x1b[0m"


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
        tint = _RED if diagnostic.severity == ERROR else _YELLOW
        where = _paint(f"{_visible(str(diagnostic.span))}:", _BOLD, colour)
        what = _paint(f"{diagnostic.severity}[{diagnostic.code}]:", tint, colour)
        lines = [f"{where} {what} {_visible(diagnostic.message)}"]
        lines += _excerpt(diagnostic.span, _lines(diagnostic.span.file, files, cache), tint, colour)
        if diagnostic.hint:
            lines.append(f"  {_paint('hint:', _BLUE, colour)} {_visible(diagnostic.hint)}")
        for span, words in diagnostic.related:
            see = _paint("see", _BLUE, colour)
            lines.append(f"  {see} {_visible(str(span))}: {_visible(words)}")
            lines += _excerpt(span, _lines(span.file, files, cache), _BLUE, colour)
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


def render_json(diagnostics: Iterable[Diagnostic]) -> str:
    """The diagnostics as a JSON list of objects.

    Their keys are ``code severity message file line column end_line end_column hint related``; the
    items of ``related`` have ``message file line column end_line end_column``. Lines and columns
    count from 1, the end column is exclusive.
    """
    found: list[dict[str, object]] = [
        {
            "code": diagnostic.code,
            "severity": diagnostic.severity,
            "message": diagnostic.message,
            **_place(diagnostic.span),
            "hint": diagnostic.hint,
            "related": [{"message": words, **_place(span)} for span, words in diagnostic.related],
        }
        for diagnostic in diagnostics
    ]
    return json.dumps(found, indent=2)


def _place(span: Span) -> dict[str, object]:
    return {
        "file": span.file,
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
    }


def _paint(text: str, tint: str, colour: bool) -> str:
    return f"{tint}{text}{_PLAIN}" if colour else text


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
    before, marked = _visible(line[first:start]), _visible(line[start:last])
    after = _visible(line[last : first + WIDTH_MAX])
    head = "..." if first else ""
    tail = "..." if len(line) > first + WIDTH_MAX else ""
    number = str(span.line)
    underline = "^" * max(1, _columns(marked))
    return [
        f"{number:>5} | {head}{before}{marked}{after}{tail}",
        f"      | {' ' * (len(head) + _columns(before))}{_paint(underline, tint, colour)}",
    ]


def _visible(text: str) -> str:
    """The text with a space for each tab, and a sign for whatever a terminal would act upon."""
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() else " " if sign == "\t" else "\ufffd" for sign in text
    )


def _columns(text: str) -> int:
    """How many columns of a terminal the text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(sign) else 2 if unicodedata.east_asian_width(sign) in "WF" else 1
        for sign in text
    )
