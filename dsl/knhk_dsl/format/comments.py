"""What stands between two tokens: white space and comments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

from knhk_dsl.syntax.parse import Reading
from knhk_dsl.syntax.tokens import Token

_TAB_COLUMNS: Final = 4


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment on a line of its own; ``column`` counts from 0, ``spaced``: blank lines before."""

    text: str
    column: int
    spaced: bool


@dataclass(frozen=True, slots=True)
class Gap:
    """What stands between two tokens.

    ``behind`` is the comment at the end of the first one's line, or empty; ``comments`` have lines
    of their own; ``spaced`` says whether blank lines stand right before the second token.
    """

    behind: str = ""
    comments: tuple[Comment, ...] = ()
    spaced: bool = False

    @property
    def texts(self) -> Iterator[str]:
        """All comments of the gap in order."""
        if self.behind:
            yield self.behind
        for comment in self.comments:
            yield comment.text


NOTHING: Final = Gap()


class Gaps:
    """The gaps of a source, each between a token and one behind it, ``None`` being its ends."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts = [0, *accumulate(len(line) + 1 for line in text.split("\n"))]

    def between(self, first: Token | None, second: Token | None) -> Gap:
        """The gap between two tokens that follow each other."""
        if first is not None and second is not None and first.end_line == second.line:
            return NOTHING
        # At its ends the text is as if it had one more line.
        start, before = 0, "\n"
        if first is not None:
            start, before = self._offset(first.end_line, first.end_column), ""
        end, behind = len(self._text), "\n"
        if second is not None:
            end, behind = self._offset(second.line, second.column), ""
        return _gap(before + self._text[start:end] + behind)

    def written(self, first: Token, last: Token) -> str:
        """What stands in the source from one token to the end of another."""
        start = self._offset(first.line, first.column)
        return self._text[start : self._offset(last.end_line, last.end_column)]

    def _offset(self, line: int, column: int) -> int:
        return self._starts[line - 1] + column - 1


def all_comments(reading: Reading) -> list[str]:
    """The texts of all comments of a source, in order."""
    gaps = Gaps(reading.text)
    tokens = (token for line in reading.lines for token in line.tokens)
    return [
        text
        for first, second in pairwise((None, *tokens, None))
        for text in gaps.between(first, second).texts
    ]


def _gap(text: str) -> Gap:
    behind, *lines = text.split("\n")
    comments: list[Comment] = []
    spaced = False
    for line in lines[:-1]:
        words = line.strip()
        if words:
            wide = line.expandtabs(_TAB_COLUMNS)
            comments.append(Comment(words, len(wide) - len(wide.lstrip()), spaced))
        spaced = not words
    return Gap(behind.strip(), tuple(comments), spaced)
