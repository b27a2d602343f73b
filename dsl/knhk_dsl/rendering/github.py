"""Diagnostics as workflow commands of GitHub Actions, which become annotations of a change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from knhk.errors import ERROR, Diagnostic
from knhk_dsl.rendering.runs import sentence

__all__ = ["render_github"]

_DATA: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def render_github(diagnostics: Iterable[Diagnostic]) -> str:
    """The diagnostics as ``::error file=...,line=...,title=KN312::message``, each on a line.

    Columns are given for a place on one line only: with others GitHub drops the place.
    """
    return "".join(f"{_command(diagnostic)}\n" for diagnostic in diagnostics)


def _command(diagnostic: Diagnostic) -> str:
    span = diagnostic.span
    properties = {"file": span.file, "line": f"{span.line}", "endLine": f"{span.end_line}"}
    if span.line == span.end_line:
        properties |= {"col": f"{span.column}", "endColumn": f"{span.end_column}"}
    properties["title"] = diagnostic.code
    given = ",".join(f"{name}={text.translate(_PROPERTY)}" for name, text in properties.items())
    lines = [diagnostic.message]
    if diagnostic.run is not None:
        lines.append(sentence(diagnostic.run))
    if diagnostic.hint:
        lines.append(f"hint: {diagnostic.hint}")
    level = "error" if diagnostic.severity == ERROR else "warning"
    return f"::{level} {given}::" + "\n".join(lines).translate(_DATA)
