"""Comments that silence a finding on their line: ``# knhk: allow KN312 because REASON``.

Such a comment stands at the end of the line on which the finding begins, or on a line of its own
directly before it; several codes are divided by commas. It silences warnings and what the
exploration of the net finds (``KN7``): all else means that the source cannot run.

This is the last step of a check, done once, over all that was found in all files.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from knhk.errors import ERROR, WARNING, Diagnostic, Span

__all__ = ["Allow", "Silenced", "allows", "silence"]

NO_REASON: Final = "KN731"
NO_USE: Final = "KN732"
_HOW: Final = "write it so: # knhk: allow KN212 because ..."
#: What the exploration of the net finds, and what is said about these comments themselves.
_EXPLORED: Final = "KN7"
_ABOUT_ALLOWS: Final = "KN73"

_MARK: Final = "knhk:"
# A text, and in it no comment, or a comment; what is not closed on its line ends there.
_TEXT_OR_COMMENT: Final = re.compile(r'"""[\s\S]*?"""|"(?:\\.|[^"\\\n])*"?|(#[^\n]*)')
_ALLOW: Final = re.compile(r"#\s*knhk:\s*(?P<verb>\w*)(?P<codes>.*?)(?:\bbecause\b(?P<reason>.*))?")


@dataclass(frozen=True, slots=True)
class Allow:
    """A comment ``# knhk:``: where it stands, the line it is for, and what is in it."""

    span: Span
    line: int
    verb: str
    codes: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Silenced:
    """A finding that a comment silences, and the reason that the comment gives."""

    diagnostic: Diagnostic
    reason: str


def silence(
    diagnostics: Iterable[Diagnostic],
    texts: Mapping[str, str],
    *,
    explored: bool = True,
    judged: Collection[str] | None = None,
) -> tuple[tuple[Diagnostic, ...], tuple[Silenced, ...]]:
    """What is to be shown, by place, and what is silenced by comments in the texts.

    ``texts`` maps the names in the places to the sources. What is shown has a KN731 or a KN732 for
    each comment that silences nothing. ``judged`` names the files of which that is said (all of
    them, if it is ``None``): leave out those that were read only because others use them.
    ``explored=False`` says that the nets were not explored, so that nothing can be said about a
    comment for KN7. That is assumed by itself when there is an error that comes before.
    """
    found = dict.fromkeys(diagnostics)
    explored = explored and not any(
        each.severity == ERROR and not each.code.startswith(_EXPLORED) for each in found
    )
    silenced: dict[Diagnostic, str] = {}
    notes: list[Diagnostic] = []
    for file, text in texts.items():
        for allow in allows(text, file):
            hits = _hits(allow, found)
            silenced |= dict.fromkeys(hits, allow.reason)
            if judged is None or file in judged:
                notes.extend(_notes(allow, {hit.code for hit in hits}, explored))
    shown = [each for each in (*found, *notes) if each not in silenced]
    shown.sort(key=lambda each: (each.span, each.code))
    return tuple(shown), tuple(Silenced(each, why) for each, why in silenced.items())


def allows(text: str, file: str) -> Iterator[Allow]:
    """The comments ``# knhk:`` of a source."""
    if _MARK not in text:
        return
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    for match in _TEXT_OR_COMMENT.finditer(text):
        said = None if match[1] is None else _ALLOW.fullmatch(match[1].rstrip())
        if said is None:
            continue
        number = text.count("\n", 0, match.start()) + 1
        column = match.start() - text.rfind("\n", 0, match.start())
        end = column + len(match[0].rstrip())
        yield Allow(
            Span(file, number, column, number, end),
            _meant(lines, number),
            said["verb"],
            tuple(part.strip().upper() for part in said["codes"].split(",") if part.strip()),
            (said["reason"] or "").strip(),
        )


def _meant(lines: list[str], number: int) -> int:
    """The line that a comment is for: its own, or the next one that is more than a comment."""
    while number < len(lines) and lines[number - 1].lstrip().startswith("#"):
        number += 1
    return number


def _hits(allow: Allow, found: Iterable[Diagnostic]) -> list[Diagnostic]:
    if allow.verb != "allow" or not allow.reason:
        return []
    return [
        each
        for each in found
        if each.code in allow.codes
        and (each.span.file, each.span.line) == (allow.span.file, allow.line)
        and _may_be_silenced(each.code, each.severity)
    ]


def _may_be_silenced(code: str, severity: str) -> bool:
    if code.startswith(_ABOUT_ALLOWS):
        return False
    return severity == WARNING or code.startswith(_EXPLORED)


def _notes(allow: Allow, used: Collection[str], explored: bool) -> Iterator[Diagnostic]:
    """What is wrong with a comment."""
    if allow.verb != "allow":
        message = f"`# knhk: {allow.verb}` means nothing"
        yield Diagnostic(NO_USE, message, allow.span, _HOW, WARNING)
    elif not allow.codes:
        message = "this comment names no code, so it silences nothing"
        yield Diagnostic(NO_USE, message, allow.span, _HOW, WARNING)
    elif not allow.reason:
        message = f"nothing says why {', '.join(allow.codes)} may stand, so it is not silenced"
        hint = "say it behind the code: because ..."
        yield Diagnostic(NO_REASON, message, allow.span, hint, WARNING)
    else:
        for code in allow.codes:
            if code not in used and (explored or not code.startswith(_EXPLORED)):
                yield Diagnostic(NO_USE, *_no_use(code, allow), WARNING)


def _no_use(code: str, allow: Allow) -> tuple[str, Span, str]:
    """Why nothing is silenced, and what to do."""
    from knhk_dsl.diagnostics import codes, explanation, nearest

    if code not in codes():
        near = nearest(code)
        hint = f"did you mean `{near[0]}`?" if near else _HOW
        return f"there is no diagnostic `{code}`", allow.span, hint
    if not _may_be_silenced(code, explanation(code).severity):
        message = f"{code} cannot be silenced: only warnings and the findings of KN7xx can"
        return message, allow.span, f"mend it, and remove this comment: knhk explain {code}"
    message = f"there is no {code} on line {allow.line}, so this comment silences nothing"
    return message, allow.span, "remove it, or move it to the line that the finding names"
