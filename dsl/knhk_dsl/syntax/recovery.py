"""Read the lines of a source with the tables of the grammar, and go on after every mistake.

Theory of operation: the lines go through one LALR parse of the whole file. Before each line the
parser's stacks are copied (they are a dozen entries deep there). When a line cannot be read, the
mistake is reported, the stacks are put back, and one token (``BAD``, or ``BAD_TASK`` and its like
for the first line of a block) is read in the line's place. So a mistake costs one line, the
lines below it are read as what they are, and the work stays linear in the size of the source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

from knhk.errors import Diagnostic, Span
from knhk_dsl.syntax import ast, codes
from knhk_dsl.syntax.build import BadToken, Misread
from knhk_dsl.syntax.expectations import Situation, guess_line, unexpected
from knhk_dsl.syntax.lalr import Action, Machine, Row, Tables, Unexpected
from knhk_dsl.syntax.memory import Kept, Memory, moved
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


class Forgotten(Exception):
    """A statement was kept that cannot be taken over where it stands now: read all of it."""


@dataclass(frozen=True, slots=True)
class Level:
    """A level of indentation: its column, and whether the grammar knows of it.

    ``imagined``: the lines should be indented and are not.
    """

    indent: int
    fed: bool
    imagined: bool = False


@dataclass(frozen=True, slots=True)
class Begun:
    """A statement whose lines are being read.

    ``state`` and ``before`` are the parser's state and the list of what stands before it,
    ``depth`` is how many states are below it, ``problems`` how many there were then.
    """

    line: Line
    kind: str
    state: int
    before: object
    depth: int
    problems: int


class Reader:
    """Feeds lines to the parser; see the head of the module.

    Statements that were read before are taken over from ``old``; what is read goes into ``new``.
    ``noted`` is the list of problems that the actions find.
    """

    def __init__(
        self,
        tables: Tables,
        soft: frozenset[str],
        actions: Sequence[Action],
        noted: Sequence[Diagnostic],
        old: Memory,
        new: Memory,
    ) -> None:
        self._machine = Machine(tables, actions)
        self._tables = tables
        self._soft = soft
        self.noted = noted
        self._old = old
        self._new = new
        self._lists = tables.behind("items", "statements", "chains")
        self._begun: list[Begun] = []
        self._levels: list[Level] = [Level(0, False)]
        self._replaced = False
        self.diagnostics: list[Diagnostic] = []

    def read(self, lines: list[Line]) -> tuple[str, tuple[ast.Declaration, ...]]:
        """The docstring and the declarations of a file; ``lines`` are all its lines.

        Raises :class:`TooMany`, and :class:`Forgotten` when ``old`` does not fit.
        """
        self._read_lines(lines)
        last = lines[-1].tokens[-1]
        while len(self._levels) > 1:
            if self._levels.pop().fed:
                self._feed("DEDENT", last)
        return cast("tuple[str, tuple[ast.Declaration, ...]]", self._machine.finish())

    def stand_behind(self, lines: list[Line], last: Line, tokens: int) -> Situation | None:
        """Where the parser stands behind some tokens of the last line; ``lines`` come before it.

        ``None`` if these tokens cannot stand there. Raises what :meth:`read` raises.
        """
        self._read_lines(lines)
        self._layout(last)
        here = self._here()
        for number, token in enumerate(last.tokens[:tokens]):
            token.type = self._kind(last.tokens, number, here.row)
            if not here.accepts(token.type):
                return None
            here = here.after(token.type)
        return here

    def _read_lines(self, lines: list[Line]) -> None:
        skipping = -1
        for line in lines:
            if skipping >= 0 and line.indent > skipping:
                continue
            skipping = -1
            self._layout(line)
            if line.kept is not None:
                self._take_over(line, line.kept)
            elif not self._line(line):
                skipping = line.indent

    def report(self, problem: Diagnostic) -> None:
        """Note a problem; raises :class:`TooMany` when there are enough."""
        self.diagnostics.append(problem)
        if len(self.diagnostics) > DIAGNOSTICS_MAX:
            raise TooMany

    # --- what was read before ---------------------------------------------------------------

    def _take_over(self, line: Line, kept: Kept) -> None:
        """Let a statement that is known stand where it would be read again."""
        machine, level = self._machine, self._levels[-1]
        fits = machine.settle(kept.kind) is not None and machine.states[-1] == kept.state
        if not fits or level.imagined or level.indent != line.indent:
            raise Forgotten
        self._note(line, kept.kind, len(machine.states))
        node = kept.node if kept.at == line.number else moved(kept.node, line.number - kept.at)
        machine.values[-1] = (machine.values[-1], node)
        self._new.trace(node, kept.node, self._old)
        self._replaced = False
        self._new.take_over(self._old, line.kept_on, kept.lines, line.number - line.kept_on)
        if node is not kept.node:
            self._new.keep(line.number, kept.on(line.number, node))

    def _note(self, line: Line, kind: str, depth: int) -> None:
        """A line begins, on top of so many states: keep the statement that ends before it."""
        begun, states, values = self._begun, self._machine.states, self._machine.values
        while begun and begun[-1].line.indent > line.indent:
            begun.pop()
        state, made = states[depth - 1], values[depth - 2]
        problems = len(self.diagnostics) + len(self.noted)
        if begun and begun[-1].line.indent == line.indent:
            earlier = begun.pop()
            if (state, depth, problems) == (earlier.state, earlier.depth, earlier.problems):
                self._keep(earlier, made, line)
        if state in self._lists and not self._levels[-1].imagined:
            begun.append(Begun(line, kind, state, made, depth, problems))

    def _keep(self, begun: Begun, made: tuple[object, ast.SyntaxNode], behind: Line) -> None:
        """Keep a statement, if it is the only one between two lines."""
        first = begun.line
        before, node = made
        if before is not begun.before or first.kept is not None:
            return
        kept = Kept(
            first.indent,
            self._new.with_next_line(first.offset, behind.offset),
            behind.offset - first.offset,
            behind.number - first.number,
            begun.kind,
            begun.state,
            node,
            first.number,
        )
        self._new.keep(first.number, kept)

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
        machine = self._machine
        states, values = machine.states.copy(), machine.values.copy()
        mistake = self._mistake(line, states)
        if mistake is None:
            return True
        self.report(mistake)
        machine.states[:], machine.values[:] = states, values
        return self._replace(line)

    def _mistake(self, line: Line, states: list[int]) -> Diagnostic | None:
        """What is wrong with a line, which is read in these states; ``None`` if it was read."""
        tokens = line.tokens
        if len(tokens) > NESTING_MAX:
            deep = _nested_too_deep(tokens)
            if deep is not None:
                return too_deep(deep.span)
        machine, rows, soft = self._machine, self._tables.rows, self._soft
        read = 0
        try:
            for token in tokens:
                if token.type in soft:
                    token.type = self._kind(tokens, read, rows[machine.states[-1]])
                machine.feed(token)
                read += 1
                if read == 1:
                    self._note(line, token.type, len(machine.states) - 1)
            self._feed("NEWLINE", tokens[-1])
        except Unexpected:
            return unexpected(self._situation(states), tokens, read)
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
                self._machine.feed(BadToken(kind, guess.names, span))
                self._feed("NEWLINE", last)
                return kind != "BAD"
        return False

    # --- the parser -----------------------------------------------------------------------

    def _kind(self, tokens: list[Token], number: int, row: Row) -> str:
        """What a token is where the parser has this row: a keyword may be a name there."""
        kind = tokens[number].type
        if kind not in self._soft or kind in row:
            return kind
        return "GROUP" if "GROUP" in row and _before_bracket(tokens, number) else "NAME"

    def _here(self) -> Situation:
        return self._situation(self._machine.states)

    def _situation(self, states: list[int]) -> Situation:
        return Situation(self._tables, states, self._soft)

    def _feed(self, kind: str, near: Token) -> None:
        """Feed a token that stands for no text, at the end of another."""
        line, column = near.end_line, near.end_column
        self._machine.feed(Token(kind, "", near.file, line, column, line, column))


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
