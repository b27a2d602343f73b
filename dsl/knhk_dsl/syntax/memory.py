"""What was read of a source before, to be taken over where its text stands unchanged.

Theory of operation: an edit changes a line or two, and all other declarations, statements and
chains would be read as before. So a statement that was read without a problem is kept with its
text and that of the line behind it: nothing further on can change how it is read. It is taken
over where the same text stands again, on the same line or as many lines further on as the whole
source has grown, and where the parser is in the same state. Then the result is what reading it
again would give, moved to its line.

What was taken over can be told from what is new: :meth:`Memory.origin` gives the node that was
made when the statement was read first, wherever it has moved since.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from knhk.errors import Span
from knhk_dsl.syntax import ast
from knhk_dsl.syntax.shapes import parts

__all__ = ["Kept", "Memory", "moved"]

N = TypeVar("N", bound=ast.SyntaxNode)

_LINE: Final = re.compile(r"[^\n]*\s*\S?")


@dataclass(frozen=True, slots=True)
class Kept:
    """A statement that was read without a problem.

    ``text`` is that of its ``lines`` lines, ``size`` characters, and of the line behind them.
    ``kind`` is its first terminal, ``state`` that of the parser before and after it. The places
    in ``node`` are those of a statement that begins on line ``at``.
    """

    indent: int
    text: str
    size: int
    lines: int
    kind: str
    state: int
    node: ast.SyntaxNode
    at: int

    def on(self, line: int, node: ast.SyntaxNode) -> Kept:
        """The same on another line, where its places are those of ``node``."""
        return Kept(
            self.indent, self.text, self.size, self.lines, self.kind, self.state, node, line
        )


class Memory:
    """The statements of one text that were read without a problem, by their first lines."""

    def __init__(self, text: str = "") -> None:
        self.text = text
        self.newlines: Final = text.count("\n")
        self._kept: dict[int, Kept] = {}
        # By the identity of a node: the node itself, so that it lives, and its origin.
        self._origins: dict[int, tuple[ast.SyntaxNode, ast.SyntaxNode]] = {}

    def find(self, line: int, text: str, offset: int) -> Kept | None:
        """What was kept on a line, if it stands at this offset of another text too."""
        kept = self._kept.get(line)
        return kept if kept is not None and text.startswith(kept.text, offset) else None

    def with_next_line(self, begin: int, end: int) -> str:
        """The text from one line to another, with this one and what follows it at once.

        A word is read by what stands behind it, which may be on yet another line.
        """
        behind = _LINE.match(self.text, end)
        assert behind is not None
        return self.text[begin : behind.end()]

    def keep(self, line: int, kept: Kept) -> None:
        """Keep a statement that begins on a line."""
        self._kept[line] = kept

    def take_over(self, other: Memory, first: int, lines: int, moved_by: int) -> None:
        """Keep all that another memory has of some lines, which are others now."""
        for line in range(first, first + lines):
            kept = other._kept.get(line)
            if kept is not None:
                self._kept[line + moved_by] = kept

    def origin(self, node: N) -> N:
        """The node that was made when this statement was read first.

        It says the same, perhaps in another place. It may be forgotten: then it is the node itself.
        """
        found = self._origins.get(id(node))
        return node if found is None else found[1]  # type: ignore[return-value]

    def trace(self, node: ast.SyntaxNode, earlier: ast.SyntaxNode, other: Memory) -> None:
        """Note that a node is what was an earlier one in the text of another memory."""
        self._origins[id(node)] = (node, other.origin(earlier))
        for inner, before in zip(_statements(node), _statements(earlier), strict=True):
            self.trace(inner, before, other)


def _statements(node: ast.SyntaxNode) -> Sequence[ast.SyntaxNode]:
    """The statements and chains that a node consists of."""
    match node:
        case ast.WorkflowDecl():
            return node.body
        case ast.Flow():
            return node.chains
        case _:
            return ()


def moved(node: ast.SyntaxNode, lines: int) -> ast.SyntaxNode:
    """A node whose places are so many lines further on."""
    return type(node)(*_moved(parts(node), lines))


def _moved(values: tuple[object, ...], lines: int) -> list[Any]:
    found: list[Any] = []
    for part in values:
        if type(part) in _PLAIN:
            found.append(part)
        elif isinstance(part, Span):
            line, end_line = part.line + lines, part.end_line + lines
            found.append(Span(part.file, line, part.column, end_line, part.end_column))
        elif isinstance(part, tuple):
            found.append(tuple(_moved(part, lines)) if part else part)
        else:
            assert isinstance(part, ast.SyntaxNode)
            found.append(moved(part, lines))
    return found


#: What has no place.
_PLAIN: Final = frozenset({bool, float, int, str, type(None)})
