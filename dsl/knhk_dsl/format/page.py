"""The lines of a file: how far they are indented, and where a blank line stands between them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise, zip_longest
from typing import Final

from knhk_dsl.format.comments import Gap, Gaps
from knhk_dsl.format.docstrings import moved
from knhk_dsl.format.layout import INDENTATION
from knhk_dsl.format.lines import line_text
from knhk_dsl.format.words import words_of
from knhk_dsl.syntax.parse import Reading
from knhk_dsl.syntax.tokens import Line

#: Lines that begin with these words may have lines of their own below them.
_HEADS: Final = frozenset(
    {"RECORD", "CONNECTOR", "POLICY", "TRIGGER", "STRATEGY", "WORKFLOW", "TASK", "FLOW"}
)
#: A comment for the checker: `# knhk: allow KN312 because ...`.
_ABOUT_LINE: Final = re.compile(r"#\s*knhk:")


@dataclass(frozen=True, slots=True)
class Row:
    """A logical line, or a comment on a line of its own, ready to print.

    ``spaced``: a blank line stands before it; ``head``: a block may begin behind it.
    """

    text: str
    depth: int
    spaced: bool
    head: bool = False


@dataclass(frozen=True, slots=True)
class Outline:
    """The blocks around a line: the columns in which they begin in the source, outermost first.

    ``head``: a block may begin behind the line.
    """

    columns: tuple[int, ...] = (0,)
    head: bool = False

    @property
    def depth(self) -> int:
        """How many blocks are around the line."""
        return len(self.columns) - 1

    def at(self, line: Line) -> Outline:
        """The blocks around the next line."""
        columns = tuple(column for column in self.columns if column <= line.indent)
        if line.indent > columns[-1]:
            columns += (line.indent,)
        return Outline(columns, line.tokens[0].type in _HEADS)

    def comments(self, gap: Gap, least: int) -> Iterator[Row]:
        """The comments behind the line, ``least`` being the depth of the line behind them.

        A comment belongs to the innermost block whose column it reaches, but to none that has
        ended before it.
        """
        columns = (*self.columns, self.columns[-1] + 1) if self.head else self.columns
        depth = len(columns)
        for comment in gap.comments:
            reached = sum(column <= comment.column for column in columns) - 1
            depth = max(least, min(depth, reached))
            yield Row(_indented(comment.text, depth), depth, comment.spaced)


def lay_out(reading: Reading) -> str:
    """The text of a file that could be read."""
    gaps = Gaps(reading.text)
    rows: list[Row] = []
    outline = Outline()
    gap = gaps.between(None, reading.lines[0].tokens[0])
    above: tuple[str, bool] | None = None
    for line, below in zip_longest(reading.lines, reading.lines[1:]):
        behind = gaps.between(line.tokens[-1], None if below is None else below.tokens[0])
        here = outline.at(line)
        text = _text(line, here, gaps, behind.behind)
        row = Row(_indented(text, here.depth), here.depth, gap.spaced, here.head)
        new = [*outline.comments(gap, here.depth), row]
        if here.depth == 0:
            declared = (line.tokens[0].type, below is not None and below.indent > line.indent)
            if above is not None and _apart(above, declared):
                first = next(index for index, each in enumerate(new) if each.depth == 0)
                new[first] = replace(new[first], spaced=True)
            above = declared
        rows += new
        outline, gap = here, behind
    rows += outline.comments(gap, 0)
    return "\n".join(_spaced(rows)) + "\n"


def _text(line: Line, here: Outline, gaps: Gaps, behind: str) -> str:
    """The text of a line with the comment behind it."""
    first, last = line.tokens[0], line.tokens[-1]
    column = here.depth * INDENTATION
    if first.type == "DOCSTRING":
        text = moved(first.text, column)
    else:
        # Such a comment speaks of its own line, so what stands on the line stays there.
        whole = bool(_ABOUT_LINE.match(behind)) and first.line == last.end_line
        text = line_text(words_of(line, gaps), column, whole=whole)
    return f"{text}  {behind}" if behind else text


def _apart(above: tuple[str, bool], below: tuple[str, bool]) -> bool:
    """Whether there must be a blank line between two declarations, given as kind and blockness.

    Those of one line and of one kind may stand together.
    """
    return above != below or above[1]


def _indented(text: str, depth: int) -> str:
    return " " * (depth * INDENTATION) + text


def _spaced(rows: list[Row]) -> Iterator[str]:
    """The texts of the rows, with blank lines between them but for those that begin a block."""
    yield rows[0].text
    for before, row in pairwise(rows):
        if row.spaced and not (before.head and row.depth > before.depth):
            yield ""
        yield row.text
