"""What could be written at a place of a source, whether or not the source can be read there.

The text before the place is read like any source, its last line without an end; then the tables
of the grammar say which words may come next, and as what a name would be taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from knhk_dsl.syntax.expectations import Situation
from knhk_dsl.syntax.memory import Memory
from knhk_dsl.syntax.parse import grammar, reader
from knhk_dsl.syntax.recovery import Forgotten, TooMany
from knhk_dsl.syntax.tokens import Line, Token, scan

__all__ = ["Cursor", "look"]

_WORD_BEFORE: Final = re.compile(r"[^\W\d]\w*\Z")
_COMMENTS: Final = re.compile(r"#[^\n]*\n")
#: A docstring of which nothing else was read has no end.
_QUOTES: Final = '"""'
#: Words that the grammar knows by what stands behind them, and their terminals.
_SHAPED: Final = {"message": "MESSAGE", "signal": "SIGNAL", "timer": "TIMER", "skip": "SKIP"}


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place of a source.

    ``start`` is where the word begins that is being written, as an offset. ``before`` are the
    tokens of the logical line before it, ``keywords`` the words of the language that may stand
    there. ``roles`` are the rules of the grammar that a name would complete there, such as
    ``atom`` of an expression, ``type`` or ``node`` of the flow; there are none where no name can
    stand.
    """

    start: int
    before: tuple[Token, ...]
    keywords: tuple[str, ...]
    roles: frozenset[str]
    takes_name: bool

    @property
    def word_before(self) -> str:
        """The text of the token before it."""
        return self.before[-1].text if self.before else ""


def look(text: str, offset: int, memory: Memory) -> Cursor | None:
    """The place at an offset; ``None`` inside a comment or a text. Raises nothing.

    ``memory`` is what was kept when the text was read before.
    """
    word = _WORD_BEFORE.search(text, max(0, offset - _WORD_MAX), offset)
    start = offset if word is None else word.start()
    old = Memory() if "\t" in text else memory
    lines = scan(grammar().vocabulary, text[:start], "", old)
    last = _last_line(lines, text, start)
    if last is None:
        return None
    lines = [line for line in lines if line is not last]
    before = tuple(last.tokens)
    if not before:
        column = last.indent + 1
        last.tokens.append(Token("NAME", "", "", last.number, column, last.number, column))
    try:
        here = reader(old, Memory()).stand_behind(lines, last, len(before))
    except TooMany:
        return None
    except Forgotten:
        return look(text, offset, Memory())
    if here is None:
        # What stands before cannot be read; most names stand in expressions.
        return Cursor(start, before, (), frozenset({"atom"}), takes_name=True)
    if here.accepts("TEXT_PART"):
        return None
    roles = here.completed_by("NAME")
    return Cursor(start, before, _keywords(here), roles, here.accepts("NAME"))


#: Characters of a word that is being written, at most.
_WORD_MAX: Final = 200


def _last_line(lines: list[Line], text: str, start: int) -> Line | None:
    """The logical line that a place is in, perhaps a new one; ``None`` if it is in no line."""
    if any(token.type == "DOCSTRING" and token.text == _QUOTES for token in _tokens(lines)):
        return None
    line_start = text.rfind("\n", 0, start) + 1
    is_blank = not text[line_start:start].strip()
    if lines and lines[-1].kept is None:
        gap = text[_end(lines[-1].tokens[-1], text) : start]
        if not _COMMENTS.sub("", gap).strip() and (not is_blank or _is_open(lines[-1])):
            return lines[-1]
    if not is_blank:
        return None
    return Line(start - line_start, text.count("\n", 0, start) + 1, line_start)


def _tokens(lines: list[Line]) -> Iterator[Token]:
    return (token for line in lines for token in line.tokens)


def _is_open(line: Line) -> bool:
    """Whether a bracket of the line is still open at its end."""
    opened = sum(token.type in _OPENERS for token in line.tokens)
    return opened > sum(token.type in _CLOSERS for token in line.tokens)


_OPENERS: Final = frozenset({"LPAR", "LSQB", "LBRACE", "HOLE_OPEN", "TEXT_OPEN"})
_CLOSERS: Final = frozenset({"RPAR", "RSQB", "RBRACE", "HOLE_CLOSE", "TEXT_CLOSE"})


def _end(token: Token, text: str) -> int:
    """Where a token ends, as an offset."""
    start = 0
    for _ in range(token.end_line - 1):
        start = text.index("\n", start) + 1
    return start + token.end_column - 1


def _keywords(here: Situation) -> tuple[str, ...]:
    words = grammar().vocabulary.keywords | _SHAPED
    return tuple(sorted(word for word, kind in words.items() if here.accepts(kind)))
