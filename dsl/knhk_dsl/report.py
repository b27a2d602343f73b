"""Collecting diagnostics: the codes of the checker, and the list that its passes write to."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

from knhk.errors import ERROR, WARNING, Diagnostic, Span

#: Every code of the checking passes and its one meaning.
CODES: Final[dict[str, str]] = {
    "KN201": "a used file cannot be read",
    "KN202": "a used file lies outside the project",
    "KN203": "a used file is not a .knhk file",
    "KN204": "files use each other in a circle",
    "KN205": "unknown name",
    "KN206": "a name is defined twice",
    "KN207": "a reserved word is used as a name",
    "KN208": "a used file does not define the name",
    "KN209": "a Python module does not define the name",
    "KN210": "a Python module was not found",
    "KN211": "a Python module cannot be read",
    "KN212": "something is never used",
    "KN213": "a name is not spelt in the usual style",
    "KN214": "unknown type",
    "KN215": "a name stands for something of another kind",
    "KN301": "a value does not fit its type",
    "KN302": "an operator does not take these types",
    "KN303": "a value that may be none is used untested",
    "KN304": "unknown field",
    "KN305": "unknown function",
    "KN306": "a missing argument",
    "KN307": "an argument too many",
    "KN308": "an argument of the wrong type",
    "KN309": "a condition that is not true or false",
    "KN310": "a value without elements or fields",
    "KN311": "a function that is not allowed here",
    "KN312": "a comparison that can never be true",
    "KN313": "an expression is too large",
    "KN314": "a pattern that cannot be read",
    "KN315": "the result of a workflow is missing",
    "KN501": "an attribute is given twice",
    "KN502": "an attribute that makes no sense here",
    "KN503": "a number out of its limits",
    "KN504": "unknown policy",
    "KN506": "a workflow without tasks",
    "KN507": "a statement is given twice",
    "KN508": "attributes that exclude each other",
    "KN509": "a task cancels itself",
    "KN601": "unknown connector type",
    "KN602": "a connector setting does not fit",
    "KN603": "unknown operation of a connector",
    "KN604": "unknown callee of a task",
    "KN901": "not executed yet",
}


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
