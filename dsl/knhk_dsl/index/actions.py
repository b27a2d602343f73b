"""Edits that follow from what a check says: what a hint tells, done."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from knhk.errors import Diagnostic, Span
from knhk_dsl.index.page import Page
from knhk_dsl.index.rename import Edit

_MEANT: Final = re.compile(r"did you mean `(\w+(?:\.knhk)?)(?:\(\.\.\.\))?`\?")
_WRITE: Final = re.compile(r"(?:write|compare with|an arrow is written) `([^`]+)`")
_QUOTED: Final = re.compile(r"`(\w+)[^`]*`")
_CALL_IT: Final = re.compile(r"call it `(\w+)`")


@dataclass(frozen=True, slots=True)
class Action:
    """A mend: what it does, in words, and its edits.

    ``renames`` is the new name of what stands there, when that is to be renamed everywhere.
    """

    title: str
    edits: tuple[Edit, ...] = ()
    renames: str = ""


def actions(diagnostic: Diagnostic, page: Page) -> tuple[Action, ...]:
    """What can be done about a diagnostic without knowing more than its hint says."""
    found = (maker(diagnostic, page) for maker in _MAKERS)
    return tuple(action for action in found if action is not None)


def _meant(diagnostic: Diagnostic, page: Page) -> Action | None:
    """Did you mean `x`? Then write `x`."""
    match = _MEANT.match(diagnostic.hint)
    if match is None:
        return None
    meant = match.group(1)
    place = _wrong_name(diagnostic, page)
    return None if place is None else Action(f"Write `{meant}`", (Edit(place, meant),))


def _wrong_name(diagnostic: Diagnostic, page: Page) -> Span | None:
    """The name in a place that the message is about."""
    span = diagnostic.span
    if page.shown(span).startswith('"'):
        names = page.names_between(page.start(span), page.end(span))
        is_file = len(names) > 1 and page.shown(names[-1]) == "knhk"
        return _joined(names[-2], names[-1]) if is_file else None
    told = set(_QUOTED.findall(diagnostic.message))
    for place in page.names_between(page.start(span), page.end(span)):
        if page.shown(place) in told:
            return place
    return None


def _joined(first: Span, last: Span) -> Span:
    return Span(first.file, first.line, first.column, last.end_line, last.end_column)


def _written(diagnostic: Diagnostic, page: Page) -> Action | None:
    """A sign or word of another language, and how it is written here."""
    match = _WRITE.match(diagnostic.hint)
    if match is None or diagnostic.code not in _SPELLING_CODES:
        return None
    wrong, right = page.shown(diagnostic.span), match.group(1)
    if right == "->":
        wrong = next((sign for sign in _ARROWS if _follows(page, diagnostic.span, sign)), wrong)
    if "\n" in wrong or not wrong:
        return None
    start = diagnostic.span
    span = Span(start.file, start.line, start.column, start.line, start.column + len(wrong))
    return Action(f"Write `{right}`", (Edit(span, right),))


_SPELLING_CODES: Final = frozenset({"KN101", "KN103"})
#: What people write for an arrow.
_ARROWS: Final = ("-->", "=>", "\u2192")


def _follows(page: Page, span: Span, sign: str) -> bool:
    return page.text.startswith(sign, page.start(span))


def _renamed(diagnostic: Diagnostic, _page: Page) -> Action | None:
    """A name in another style than usual."""
    match = _CALL_IT.match(diagnostic.hint)
    if match is None:
        return None
    return Action(f"Rename to `{match.group(1)}`", renames=match.group(1))


def _removed_sign(diagnostic: Diagnostic, _page: Page) -> Action | None:
    """A sign that is too much."""
    if not diagnostic.hint.startswith("remove the `:`"):
        return None
    return Action("Remove the `:`", (Edit(diagnostic.span, ""),))


def _removed(diagnostic: Diagnostic, page: Page) -> Action | None:
    """Something that is never used: its line, or its name in a list of names."""
    if diagnostic.code != "KN212":
        return None
    line = diagnostic.span.line
    text = page.lines[line - 1]
    names = _list_of(page, diagnostic.span)
    if not names:
        is_whole = text.split("#")[0].count("(") == text.split("#")[0].count(")")
        return Action("Remove it", (Edit(_line(page, line), ""),)) if is_whole else None
    if len(names) == 1:
        return Action("Remove it", (Edit(_line(page, line), ""),))
    return Action("Remove it", (Edit(_with_comma(names, diagnostic.span), ""),))


_LISTS: Final = re.compile(r"\s*(?:from\b.*?\buse|place|mutex)\s+(?P<names>[\w\s,]+?)\s*(?:#.*)?")


def _list_of(page: Page, span: Span) -> list[Span]:
    """The names of a `use` line, of places or of mutexes, if the span is one of them."""
    match = _LISTS.fullmatch(page.lines[span.line - 1])
    if match is None:
        return []
    start = page.offset(span.line, match.start("names") + 1)
    return page.names_between(start, start + len(match.group("names")))


def _with_comma(names: list[Span], span: Span) -> Span:
    """A name of a list, with the comma that goes with it."""
    position = next(n for n, name in enumerate(names) if name.column == span.column)
    name = names[position]
    if position:
        before = names[position - 1]
        return Span(name.file, name.line, before.end_column, name.line, name.end_column)
    behind = names[1]
    return Span(name.file, name.line, name.column, name.line, behind.column)


def _line(page: Page, line: int) -> Span:
    """A whole line with its end."""
    if line < len(page.lines):
        return Span(page.file, line, 1, line + 1, 1)
    return Span(page.file, line, 1, line, len(page.lines[line - 1]) + 1)


def _otherwise(diagnostic: Diagnostic, page: Page) -> Action | None:
    """A choice that may have no way: one that skips."""
    if diagnostic.code != "KN413":
        return None
    inside = page.shown(diagnostic.span)
    closing = inside.rfind(")")
    if closing < 0:
        return None
    before = inside[:closing].rstrip()
    lead = " " if before.endswith(",") else ", "
    last_line = page.text[: page.start(diagnostic.span) + len(before)].rsplit("\n", 1)[-1]
    if "#" in last_line:
        return None
    several = "\n" in inside[len(before) : closing]
    if several:
        indent = last_line[: len(last_line) - len(last_line.lstrip())]
        lead = ("" if before.endswith(",") else ",") + f"\n{indent}"
    at = page.place(page.start(diagnostic.span) + len(before))
    text = f"{lead}skip otherwise" + ("," if several else "")
    return Action("Add `skip otherwise`", (Edit(at, text),))


_MAKERS: Final[tuple[Callable[[Diagnostic, Page], Action | None], ...]] = (
    _meant,
    _written,
    _renamed,
    _removed_sign,
    _removed,
    _otherwise,
)
