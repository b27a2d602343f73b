"""Read the lines of a source with the tables of the grammar, and go on after every mistake.

Theory of operation: the lines go through one LALR parse of the whole file. Before each line the
parser's stacks are copied (they are a dozen entries deep there). When a line cannot be read, the
mistake is reported, the stacks are put back, and one token (``BAD``, or ``BAD_TASK`` and its like
for the first line of a block) is read in the line's place. So a mistake costs one line, the
lines below it are read as what they are, and the work stays linear in the size of the source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lark.exceptions import UnexpectedToken
from lark.lexer import LexerThread
from lark.parsers.lalr_parser_state import ParseConf, ParserState

from knhk.errors import Diagnostic, Span
from knhk_dsl.syntax import ast, codes
from knhk_dsl.syntax.build import BadToken, Misread
from knhk_dsl.syntax.expectations import Situation, guess_line, unexpected
from knhk_dsl.syntax.tokens import NESTING_MAX, Line, Token, too_deep

#: Problems reported for one file; those behind are counted only.
DIAGNOSTICS_MAX: Final = 100

_LEVEL_RESET: Final = frozenset({"COMMA", "COLON", "ARROW", "WEIGHTED_ARROW", "EQUAL"})
_LEVEL_OPEN: Final = frozenset({"LPAR", "LSQB", "LBRACE", "HOLE_OPEN"})
_LEVEL_CLOSE: Final = frozenset({"RPAR", "RSQB", "RBRACE", "HOLE_CLOSE"})
_LEVEL_MORE: Final = frozenset(
    [
        "DOT",
        "PLUS",
        "MINUS",
        "STAR",
        "STARS",
        "SLASH",
        "SLASHES",
        "MODULO",
        "QMARK",
        "NOT",
        "IF",
        "AND",
        "OR",
    ]
)


class TooMany(Exception):
    """More problems than are worth reporting."""


@dataclass(frozen=True, slots=True)
class Level:
    """A level of indentation: its column, and whether the grammar knows of it.

    ``imagined``: the lines should be indented and are not.
    """

    indent: int
    fed: bool
    imagined: bool = False


class Reader:
    """Feeds lines to the parser; see the head of the module."""

    def __init__(self, tables: ParseConf[Any], soft: frozenset[str]) -> None:
        self._state = ParserState(tables, LexerThread(None, None))  # type: ignore[arg-type]
        self._states: Mapping[Any, Mapping[str, Any]] = tables.states
        self._soft = soft
        self._levels: list[Level] = [Level(0, False)]
        self._replaced = False
        self.diagnostics: list[Diagnostic] = []

    def read(self, lines: list[Line]) -> tuple[str, tuple[ast.Declaration, ...]]:
        """The docstring and the declarations of a file; ``lines`` are all its lines."""
        skipping = -1
        for line in lines:
            if skipping >= 0 and line.indent > skipping:
                continue
            skipping = -1
            self._layout(line)
            if not self._line(line):
                skipping = line.indent
        last = lines[-1].tokens[-1]
        while len(self._levels) > 1:
            if self._levels.pop().fed:
                self._feed("DEDENT", last)
        end = Token("$END", "", last.file, last.line, last.column, last.line, last.column)
        made: tuple[str, tuple[ast.Declaration, ...]]
        made = self._state.feed_token(end, is_end=True)  # type: ignore[arg-type]
        return made

    def report(self, problem: Diagnostic) -> None:
        """Note a problem; raises :class:`TooMany` when there are enough."""
        self.diagnostics.append(problem)
        if len(self.diagnostics) > DIAGNOSTICS_MAX:
            raise TooMany

    # --- indentation ----------------------------------------------------------------------

    def _layout(self, line: Line) -> None:
        """Feed INDENT or DEDENT as the indentation of the line has it."""
        first = line.tokens[0]
        levels = self._levels
        if line.indent > levels[-1].indent:
            fits = self._here().accepts("INDENT")
            levels.append(Level(line.indent, fits))
            if fits:
                self._feed("INDENT", first)
            else:
                self._misplaced(line, "this line is indented, and nothing above it takes lines")
            return
        while line.indent < levels[-1].indent:
            if line.indent > levels[-2].indent:
                levels[-1] = Level(line.indent, levels[-1].fed)
                self._misplaced(line, "the indentation of this line fits no line above it")
                return
            if levels.pop().fed:
                self._feed("DEDENT", first)
        self._imagine(line)

    def _imagine(self, line: Line) -> None:
        """Take lines that should be indented and are not as if they were."""
        first = line.tokens[0]
        here = self._here()
        while self._levels[-1].imagined and not here.accepts(first.type):
            beyond = here.after("DEDENT")
            if not (beyond.accepts(first.type) or (beyond.takes(first) and not here.takes(first))):
                break
            self._levels.pop()
            self._feed("DEDENT", first)
            here = beyond
        if self._replaced or here.takes(first) or not here.accepts("INDENT"):
            return
        if here.after("INDENT").takes(first):
            self._misplaced(line, "this line must be indented below the line it belongs to")
            self._levels.append(Level(line.indent, True, True))
            self._feed("INDENT", first)

    def _misplaced(self, line: Line, message: str) -> None:
        first = line.tokens[0]
        span = Span(first.file, first.line, 1, first.line, max(first.column, 2))
        self.report(
            Diagnostic(
                codes.INDENTATION,
                message,
                span,
                "lines of one block begin in the same column; only a block's lines are indented",
            )
        )

    # --- lines ----------------------------------------------------------------------------

    def _line(self, line: Line) -> bool:
        """Read one line; False if the lines indented below it are to be left out."""
        self._replaced = False
        if line.problems:
            for problem in line.problems:
                self.report(problem)
            if all(problem.code == codes.TAB for problem in line.problems):
                line.problems.clear()
                return self._line(line)
            return self._replace(line)
        stacks = self._state.state_stack.copy(), self._state.value_stack.copy()
        mistake = self._mistake(line)
        if mistake is None:
            return True
        self.report(mistake)
        self._state.state_stack[:], self._state.value_stack[:] = stacks
        return self._replace(line)

    def _mistake(self, line: Line) -> Diagnostic | None:
        tokens = line.tokens
        if len(tokens) > NESTING_MAX:
            deep = _nested_too_deep(tokens)
            if deep is not None:
                return too_deep(deep.span)
        states, soft = self._states, self._soft
        stack, feed = self._state.state_stack, self._state.feed_token
        start = self._here()
        read = 0
        try:
            for token in tokens:
                if token.type in soft and token.type not in states[stack[-1]]:
                    grouped = "GROUP" in states[stack[-1]] and _before_bracket(tokens, read)
                    token.type = "GROUP" if grouped else "NAME"
                feed(token)  # type: ignore[arg-type]
                read += 1
            self._feed("NEWLINE", tokens[-1])
        except UnexpectedToken:
            return unexpected(start, tokens, read)
        except Misread as misread:
            return misread.diagnostic
        return None

    def _replace(self, line: Line) -> bool:
        """Read a token in the place of a bad line; False if the lines below it are lost too."""
        self._replaced = True
        here = self._here()
        guess = guess_line(line.tokens, here)
        first, last = line.tokens[0], line.tokens[-1]
        span = Span(first.file, first.line, first.column, last.end_line, last.end_column)
        for kind in (guess.kind, "BAD"):
            if here.accepts(kind):
                self._state.feed_token(BadToken(kind, guess.names, span))  # type: ignore[arg-type]
                self._feed("NEWLINE", last)
                return kind != "BAD"
        return False

    # --- the parser -----------------------------------------------------------------------

    def _here(self) -> Situation:
        return Situation(self._states, self._state.state_stack.copy(), self._soft)

    def _feed(self, kind: str, near: Token) -> None:
        """Feed a token that stands for no text, at the end of another."""
        line, column = near.end_line, near.end_column
        token = Token(kind, "", near.file, line, column, line, column)
        self._state.feed_token(token)  # type: ignore[arg-type]


def _before_bracket(tokens: list[Token], index: int) -> bool:
    return index + 1 < len(tokens) and tokens[index + 1].type == "LPAR"


def _nested_too_deep(tokens: list[Token]) -> Token | None:
    """The first token at which brackets and operators together nest too deep.

    It counts each operator as a level, until a comma or its like begins something new: never less
    than the depth of the tree, and never more than what a reader has to keep in mind.
    """
    depths = [0]
    for token in tokens:
        kind = token.type
        if kind in _LEVEL_MORE:
            depths[-1] += 1
        elif kind in _LEVEL_RESET:
            depths[-1] = depths[-2] + 1 if len(depths) > 1 else 0
        elif kind in _LEVEL_OPEN:
            depths.append(depths[-1] + 1)
        elif kind in _LEVEL_CLOSE and len(depths) > 1:
            depths.pop()
            depths[-1] += 1
        if depths[-1] > NESTING_MAX:
            return token
    return None
