"""Collecting diagnostics: the list that the passes of the checker write to, and common hints."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

from knhk.errors import ERROR, WARNING, Diagnostic, Span


class Report:
    """The diagnostics of one check, in the order in which they were found."""

    def __init__(self) -> None:
        self.diagnostics: list[Diagnostic] = []

    def error(
        self,
        code: str,
        message: str,
        span: Span,
        hint: str = "",
        related: tuple[tuple[Span, str], ...] = (),
    ) -> None:
        """Adds an error."""
        self.diagnostics.append(Diagnostic(code, message, span, hint, ERROR, related))

    def warning(self, code: str, message: str, span: Span, hint: str = "") -> None:
        """Adds a warning."""
        self.diagnostics.append(Diagnostic(code, message, span, hint, WARNING))


def an(noun: str) -> str:
    """A noun with its article."""
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint with the nearest of the known names, or with all of them when they are few."""
    names = sorted({other for other in known if other})
    close = get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean `{close[0]}`?"
    if 0 < len(names) <= _LISTED_MAX:
        return f"there is: {', '.join(names)}"
    return ""


#: With more names than this a hint does not list them.
_LISTED_MAX: Final = 12
