"""Cut a source into logical lines of tokens.

Theory of operation: the terminals come from ``grammar.lark``; here they are joined into one
regular expression, so that a token costs one match. Three things a regular expression cannot do
are done by hand: newlines do not count inside brackets; a text with holes (``"a {b} c"``) is a
bracket of its own, whose inside is text; and whatever cannot be read becomes a problem of its
line, so that the next line is read as if nothing had happened.

A bracket that is never closed would swallow the rest of the file. So when a first pass ends with
open or crossed brackets, a second pass knows which ones are to blame, and lets each of these end
with the lines indented below it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from knhk.errors import Diagnostic, Span
from knhk_dsl.syntax import codes
from knhk_dsl.syntax.made import Terminal
from knhk_dsl.syntax.memory import Kept, Memory

#: How many problems of one line are told.
LINE_PROBLEMS_MAX: Final = 10

#: How many brackets may be open at once, and how deep operators may nest.
NESTING_MAX: Final = 100

#: Words that are never names.
RESERVED: Final = frozenset(
    {"and", "or", "not", "in", "if", "else", "for", "true", "false", "none"}
)

_CLOSER: Final = {"LPAR": "RPAR", "LSQB": "RSQB", "LBRACE": "RBRACE"}
_CLOSERS: Final = frozenset(_CLOSER.values())
_BLANK_LINES: Final = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)*+(?:[ \t]*(?:#[^\n]*)?\Z)?+")
_INDENTATION: Final = re.compile(r"[ \t]*")
_AHEAD: Final = re.compile(r"([ \t]*)([)\]}]?)")
_DOCSTRING_REST: Final = re.compile(r'(?:[^"\\]|\\.|"(?!""))*+"""', re.DOTALL)
_TEXT_PART: Final = re.compile(r'(?:[^"\\\n{}]|\\[^\n]|\{\{|\}\})++')
_TAB_COLUMNS: Final = 4
# How many open brackets a closing one is compared with: as many as may be open.
_LOOK_BACK_MAX: Final = NESTING_MAX + 1
# Inside brackets no line can begin like this, so a bracket is never closed before it. Words that
# may also join two values do not count as what follows.
_STATEMENT: Final = re.compile(
    r"[ \t]*(?:"
    r"(?:task|var|place|mutex|return|workflow|record|enum|connector|policy|trigger|invariant"
    r"|strategy|from|retry|timeout|breaker|uses|holds|sets|complete|cancels|completes|compensate"
    r"|priority)[ \t]+"
    r"(?!(?:if|in|and|or|not|for|else|when|otherwise|on|until|while|cancelling|of|starts|then)\b)\w"
    r'|from[ \t]+"|return[ \t]+["\[{(-]|flow[ \t]*(?:#[^\n]*)?\n[ \t]*\w+[ \t]*->|""")'
)


class Token:
    """One word, sign, number or text of a source, with its place.

    ``type`` is the terminal of the grammar; ``text`` is what stands in the source.
    """

    __slots__ = ("column", "end_column", "end_line", "file", "line", "text", "type")

    def __init__(
        self,
        kind: str,
        text: str,
        file: str,
        line: int,
        column: int,
        end_line: int,
        end_column: int,
    ) -> None:
        self.type = kind
        self.text = text
        self.file = file
        self.line = line
        self.column = column
        self.end_line = end_line
        self.end_column = end_column

    @property
    def span(self) -> Span:
        """The place of the token."""
        return Span(self.file, self.line, self.column, self.end_line, self.end_column)


class Line:
    """A logical line: its indentation in columns, its tokens, and what was wrong with them.

    ``number`` is that of its first line in the source, ``offset`` where this begins. With
    ``kept`` it stands for a whole statement that was read before, on the line ``kept_on``, and
    has its first token only.
    """

    __slots__ = ("indent", "kept", "kept_on", "number", "offset", "problems", "tokens")

    def __init__(self, indent: int, number: int, offset: int) -> None:
        self.indent = indent
        self.number = number
        self.offset = offset
        self.tokens: list[Token] = []
        self.problems: list[Diagnostic] = []
        self.kept: Kept | None = None
        self.kept_on = 0


class Vocabulary:
    """The terminals of the grammar as one regular expression and one table of keywords."""

    def __init__(self, terminals: Iterable[Terminal]) -> None:
        self.keywords: dict[str, str] = {}
        patterns: list[Terminal] = []
        for terminal in terminals:
            if terminal.word:
                self.keywords[terminal.word] = terminal.name
            else:
                patterns.append(terminal)
        patterns.sort(key=lambda terminal: -terminal.priority)
        alternatives = [
            r"(?P<NEWLINE>(?:\#[^\n]*)?(?:\n|\Z))",
            r'(?P<DOCSTRING>""")',
            r'(?P<STRING>"(?:[^"\\\n{}]|\\[^\n]|\{\{|\}\})*+")',
            r'(?P<TEXT_OPEN>")',
            *(f"(?P<{item.name}>{item.pattern})" for item in patterns),
            r"(?P<NUMBER>\d[\w]*(?:\.\d\w*)?)",
            r"(?P<CHARACTER>.)",
        ]
        self.match = re.compile(f"[ \\t]*(?:{'|'.join(alternatives)})").match


class Scanner:
    """One pass over a source; see the head of the module."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        text: str,
        file: str,
        unclosed: frozenset[int],
        memory: Memory,
    ) -> None:
        self._memory = memory
        self._grown = text.count("\n") - memory.newlines
        self._match = vocabulary.match
        self._keywords = vocabulary.keywords
        self._text = text
        self._file = file
        self._unclosed = unclosed
        self._position = 0
        self._line = 1
        self._line_start = 0
        self._tabs: list[Span] = []
        # False once a docstring had no end: then no later one can have an end either.
        self._docstrings_end = True
        self._brackets: list[tuple[str, int, Token]] = []
        # The depths at which texts are open among the brackets.
        self._texts: list[int] = []
        self.found_unclosed: set[int] = set()
        self.lines: list[Line] = []

    # --- lines ----------------------------------------------------------------------------

    def scan(self) -> None:
        """Read the whole source into :attr:`lines`."""
        end = len(self._text)
        while True:
            self._move_over_blank_lines()
            if self._position >= end:
                break
            if self._recall():
                continue
            number, offset = self._line, self._position
            line = Line(self._indent(), number, offset)
            self.lines.append(line)
            self._scan_line(line)
        if self._tabs:
            self.lines[0].problems.append(self._tab_problem())

    def _recall(self) -> bool:
        """Whether a statement was passed over that is known from before."""
        for on in (self._line, self._line - self._grown):
            kept = self._memory.find(on, self._text, self._position)
            if kept is not None:
                break
        else:
            return False
        line = Line(kept.indent, self._line, self._position)
        number, column = self._line, kept.indent + 1
        line.tokens.append(Token(kept.kind, "", self._file, number, column, number, column))
        line.kept, line.kept_on = kept, on
        self.lines.append(line)
        self._position += kept.size
        self._line += kept.lines
        self._line_start = self._position
        return True

    def _tab_problem(self) -> Diagnostic:
        others = len(self._tabs) - 1
        more = f" (and so in {others} more line{'s' if others > 1 else ''})" if others else ""
        return Diagnostic(
            codes.TAB,
            f"there is a tab in the indentation{more}",
            self._tabs[0],
            "indent with spaces, four for each level",
        )

    def _move_over_blank_lines(self) -> None:
        match = _BLANK_LINES.match(self._text, self._position)
        assert match is not None
        self._new_lines(self._position, match.end())
        self._position = match.end()

    def _new_lines(self, start: int, end: int) -> None:
        count = self._text.count("\n", start, end)
        if count:
            self._line += count
            self._line_start = self._text.rindex("\n", start, end) + 1

    def _indent(self) -> int:
        match = _INDENTATION.match(self._text, self._position)
        assert match is not None
        blank = match.group()
        self._position = match.end()
        if "\t" not in blank:
            return len(blank)
        column = blank.index("\t") + 1
        self._tabs.append(Span(self._file, self._line, column, self._line, column + 1))
        return len(blank.expandtabs(_TAB_COLUMNS))

    def _scan_line(self, line: Line) -> None:
        text, match, keywords, file = self._text, self._match, self._keywords, self._file
        add = line.tokens.append
        while True:
            found = match(text, self._position)
            assert found is not None
            kind = found.lastgroup
            assert kind is not None
            start, end = found.span(kind)
            self._position = end
            if kind == "NEWLINE":
                if not self._goes_on(line, end):
                    return
                continue
            word = text[start:end]
            column = start - self._line_start + 1
            token = Token(kind, word, file, self._line, column, self._line, column + end - start)
            if kind in _NAMES:
                token.type = keywords.get(word, kind)
            elif kind in _CLOSER or kind in _CLOSERS:
                self._bracket(line, token, start)
            elif kind in _SPECIAL:
                self._special(line, token, start)
            add(token)
            if kind == "RBRACE" and token.type == "HOLE_CLOSE":
                self._text_mode(line)
            elif kind == "TEXT_OPEN":
                self._texts.append(len(self._brackets))
                self._brackets.append(("TEXT_CLOSE", start, token))
                self._text_mode(line)

    def _goes_on(self, line: Line, end: int) -> bool:
        """Whether the logical line goes on behind this newline: a bracket is still open."""
        if self._texts:
            self._leave_text(line)
        if self._text[end - 1 : end] == "\n":
            self._line += 1
            self._line_start = end
        self._move_over_blank_lines()
        at_end = self._position >= len(self._text)
        while self._brackets:
            _, offset, opener = self._brackets[-1]
            if at_end or self._ends_here(line, offset):
                self.found_unclosed.add(offset)
                self._brackets.pop()
                self._never_closed(line, opener)
                continue
            break
        return bool(self._brackets)

    def _ends_here(self, line: Line, offset: int) -> bool:
        """Whether an open bracket, at ``offset``, is not closed in the lines that follow."""
        if _STATEMENT.match(self._text, self._position):
            return True
        if offset not in self._unclosed:
            return False
        ahead = _AHEAD.match(self._text, self._position)
        assert ahead is not None
        return len(ahead.group(1).expandtabs(_TAB_COLUMNS)) <= line.indent and not ahead.group(2)

    # --- brackets -------------------------------------------------------------------------

    def _bracket(self, line: Line, token: Token, offset: int) -> None:
        closer = _CLOSER.get(token.type)
        if closer is not None:
            self._open(line, closer, offset, token)
            return
        depth = self._matching(token.type)
        if depth < 0:
            return
        for _, unclosed, opener in self._brackets[depth + 1 :]:
            self.found_unclosed.add(unclosed)
            self._never_closed(line, opener)
        if self._brackets[depth][0] == "HOLE_CLOSE":
            token.type = "HOLE_CLOSE"
        del self._brackets[depth:]

    def _open(self, line: Line, closer: str, offset: int, token: Token) -> None:
        self._brackets.append((closer, offset, token))
        if len(self._brackets) == NESTING_MAX + 1:
            line.problems.append(too_deep(token.span))

    def _matching(self, closer: str) -> int:
        """The depth of the bracket that this one closes, or -1."""
        top = len(self._brackets) - 1
        for depth in range(top, max(-1, top - _LOOK_BACK_MAX), -1):
            kind = self._brackets[depth][0]
            if kind == closer:
                return depth
            if kind == "HOLE_CLOSE":
                return depth if closer == "RBRACE" else -1
        return -1

    def _never_closed(self, line: Line, opener: Token) -> None:
        if all(problem.code == codes.OPEN_BRACKET for problem in line.problems):
            message = f"this `{opener.text}` is never closed"
            hint = f"close it with `{_PARTNER[opener.text]}`"
            self._problem(line, codes.OPEN_BRACKET, message, opener, hint)

    # --- text -----------------------------------------------------------------------------

    def _text_mode(self, line: Line) -> None:
        """Read the inside of a text up to its next hole or its end."""
        text = self._text
        while True:
            part = _TEXT_PART.match(text, self._position)
            if part is not None:
                self._add(line, "TEXT_PART", part.end())
            sign = text[self._position : self._position + 1]
            if sign == '"':
                self._texts.pop()
                self._brackets.pop()
                self._add(line, "TEXT_CLOSE", self._position + 1)
                return
            if sign == "{":
                offset = self._position
                token = self._add(line, "HOLE_OPEN", offset + 1)
                self._open(line, "HOLE_CLOSE", offset, token)
                return
            if sign != "}":
                self._position += sign == "\\"
                self._leave_text(line)
                return
            token = self._add(line, "TEXT_PART", self._position + 1)
            self._problem(
                line,
                codes.BAD_TEXT,
                "this `}` closes nothing in the text",
                token,
                "write `}}` for a brace that is meant as text",
            )

    def _add(self, line: Line, kind: str, end: int) -> Token:
        start = self._position
        column = start - self._line_start + 1
        token = Token(
            kind, self._text[start:end], self._file, self._line, column, self._line,
            column + end - start,
        )  # fmt: skip
        line.tokens.append(token)
        self._position = end
        return token

    def _leave_text(self, line: Line) -> None:
        """Give up the text that is being read, and all that is open in it."""
        depth = self._texts[0]
        self._texts.clear()
        opener = self._brackets[depth][2]
        del self._brackets[depth:]
        if not line.problems:
            self._problem(
                line,
                codes.OPEN_TEXT,
                "this text is not closed on its line",
                opener,
                'close it with `"`, or write `\\n` for a new line in it',
            )

    def _special(self, line: Line, token: Token, start: int) -> None:
        """Finish a token that takes more than a match, or cannot be read."""
        if token.type == "DOCSTRING":
            self._docstring(line, token, start)
        elif token.type == "NUMBER":
            self._problem(
                line,
                codes.BAD_NUMBER,
                f"`{token.text}` is neither a number nor a duration",
                token,
                "durations end in ms, s, m, h, d or w; a name cannot begin with a digit",
            )
        else:
            self._character(line, token)

    def _docstring(self, line: Line, token: Token, start: int) -> None:
        rest = None
        if self._docstrings_end:
            rest = _DOCSTRING_REST.match(self._text, self._position)
        if rest is None:
            self._docstrings_end = False
            self._problem(
                line, codes.OPEN_TEXT, "this text is never closed", token, 'close it with `"""`'
            )
            newline = self._text.find("\n", self._position)
            self._position = len(self._text) if newline < 0 else newline
            return
        self._new_lines(self._position, rest.end())
        self._position = rest.end()
        token.text = self._text[start : rest.end()]
        token.end_line = self._line
        token.end_column = rest.end() - self._line_start + 1

    # --- problems -------------------------------------------------------------------------

    def _problem(self, line: Line, code: str, message: str, token: Token, hint: str) -> None:
        if len(line.problems) < LINE_PROBLEMS_MAX:
            line.problems.append(Diagnostic(code, message, token.span, hint))

    def _character(self, line: Line, token: Token) -> None:
        sign = token.text
        message = f"the character `{sign}` means nothing here"
        hint = _SIGN_HINTS.get(sign, "remove it, or write it inside a text or a comment")
        if not sign.isprintable():
            message = f"the character U+{ord(sign):04X} cannot stand here"
        if not any(problem.code == codes.BAD_CHARACTER for problem in line.problems):
            self._problem(line, codes.BAD_CHARACTER, message, token, hint)


_NAMES: Final = frozenset({"NAME", "GROUP", "NAMED_GROUP"})
_SPECIAL: Final = frozenset({"DOCSTRING", "NUMBER", "CHARACTER"})
_PARTNER: Final = {"(": ")", "[": "]", "{": "}"}
_SIGN_HINTS: Final = {
    "'": 'text stands in double quotes: `"text"`',
    ";": "write one statement a line",
    "&": "write `and`",
    "|": "write `or`",
    "!": "write `not`",
    "\u2192": "write `->`",
    "\u201c": 'text stands in straight quotes: `"text"`',
    "\u201d": 'text stands in straight quotes: `"text"`',
    "\u00a0": "this is a no-break space: write a plain space",
}


def too_deep(span: Span) -> Diagnostic:
    """The problem of brackets or operators nested beyond :data:`NESTING_MAX`."""
    return Diagnostic(
        codes.TOO_DEEP,
        f"this is nested more than {NESTING_MAX} levels deep",
        span,
        "give a part of it a name of its own, or use a list and `sum` or `join`",
    )


def scan(vocabulary: Vocabulary, text: str, file: str, memory: Memory | None = None) -> list[Line]:
    """The logical lines of a source, whose only line end is the line feed.

    Nothing is raised: what cannot be read is a problem of its line. What ``memory`` has of the
    text is passed over.
    """
    known = Memory() if memory is None else memory
    first = Scanner(vocabulary, text, file, frozenset(), known)
    first.scan()
    if not first.found_unclosed:
        return first.lines
    second = Scanner(vocabulary, text, file, frozenset(first.found_unclosed), known)
    second.scan()
    return second.lines
