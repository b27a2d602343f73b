"""Read a `.knhk` source: bytes or text in, a syntax tree and diagnostics out. Never raises."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

from lark import Lark
from lark.common import LexerConf
from lark.grammar import Rule
from lark.lexer import Lexer, LexerState
from lark.lexer import Token as LarkToken
from lark.parsers.lalr_parser_state import ParseConf

from knhk.errors import Diagnostic, Span
from knhk_dsl.syntax import ast, codes
from knhk_dsl.syntax.build import Builder, callbacks
from knhk_dsl.syntax.recovery import DIAGNOSTICS_MAX, Reader, TooMany
from knhk_dsl.syntax.tokens import RESERVED, Line, Vocabulary, scan

__all__ = ["SOURCE_BYTES_MAX", "parse"]

#: The largest source that is read, in bytes.
SOURCE_BYTES_MAX: Final = 4 * 1024 * 1024

# Control characters, and those that make a text look other than it is.
_FORBIDDEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_LOOK_AHEAD: Final = frozenset({"GROUP", "NAMED_GROUP", "MESSAGE", "SIGNAL", "TIMER", "SKIP"})


class NoLexer(Lexer):
    """Tells Lark that the tokens come from elsewhere: from :mod:`knhk_dsl.syntax.tokens`."""

    __future_interface__ = True

    def __init__(self, conf: LexerConf) -> None:
        """Lark gives the terminals here; they are taken from the grammar instead."""

    def lex(self, _lexer_state: LexerState, _parser_state: object) -> Iterator[LarkToken]:
        return iter(())


@dataclass(frozen=True, slots=True)
class Grammar:
    """The grammar, ready for use: LALR tables, terminals, rules."""

    tables: ParseConf[Any]
    rules: tuple[Rule, ...]
    vocabulary: Vocabulary
    soft: frozenset[str]


@cache
def grammar() -> Grammar:
    """The grammar of the language, built at its first use in a process."""
    text = resources.files("knhk_dsl.syntax").joinpath("grammar.lark").read_text(encoding="utf-8")
    lark = Lark(text, parser="lalr", lexer=NoLexer, start="file")
    vocabulary = Vocabulary(lark.terminals)
    words = {name for word, name in vocabulary.keywords.items() if word not in RESERVED}
    tables = lark.parse_interactive("", start="file").parser_state.parse_conf
    return Grammar(tables, tuple(lark.rules), vocabulary, frozenset(words | _LOOK_AHEAD))


def parse(data: bytes | str, file: str) -> tuple[ast.SourceFile, tuple[Diagnostic, ...]]:
    """The syntax tree of a source, and everything that is wrong with its syntax.

    ``file`` is the name that places bear. Nothing is raised, whatever ``data`` is: a line that
    cannot be read becomes a :class:`~knhk_dsl.syntax.ast.BadStatement` and is reported once.
    """
    start = Span(file, 1, 1, 1, 1)
    nothing = ast.SourceFile(start, "", ())
    if _size(data) > SOURCE_BYTES_MAX:
        message = f"the file is larger than {SOURCE_BYTES_MAX // 1024**2} MiB"
        hint = 'split it: `from "other.knhk" use Name` takes declarations from another file'
        return nothing, (Diagnostic(codes.TOO_LARGE, message, start, hint),)
    problems: list[Diagnostic] = []
    text = _text(data, file, problems)
    lines = scan(grammar().vocabulary, text, file)
    if not lines:
        if not problems:
            hint = "begin with `workflow name` and an indented `flow`"
            problems.append(Diagnostic(codes.EMPTY_FILE, "the file is empty", start, hint))
        return nothing, _in_order(problems)
    doc, declarations = _read(lines, problems)
    last = lines[-1].tokens[-1]
    span = Span(file, 1, 1, last.end_line, last.end_column)
    return ast.SourceFile(span, doc, declarations), _in_order(problems)


def _read(lines: list[Line], problems: list[Diagnostic]) -> tuple[str, tuple[ast.Declaration, ...]]:
    """The docstring and the declarations in the lines; their problems are added to the list."""
    ready = grammar()
    builder = Builder()
    # Lark's own types say `str` where it keeps rules.
    actions: Any = callbacks(builder, ready.rules)
    reader = Reader(ParseConf(ready.tables.parse_table, actions, "file"), ready.soft)
    try:
        return reader.read(lines)
    except TooMany:
        return "", ()
    finally:
        # What is wrong with the characters of a line is enough to say about it.
        told = {problem.span.line for problem in problems}
        found = (*reader.diagnostics, *builder.diagnostics)
        problems += [problem for problem in found if problem.span.line not in told]


def _in_order(problems: list[Diagnostic]) -> tuple[Diagnostic, ...]:
    """The problems by place, each once, and not too many."""
    ordered = sorted(dict.fromkeys(problems), key=lambda problem: problem.span)
    if len(ordered) > DIAGNOSTICS_MAX:
        message = f"there are more problems than the first {DIAGNOSTICS_MAX}, told here"
        note = Diagnostic(
            codes.TOO_MANY, message, ordered[DIAGNOSTICS_MAX].span, "mend those first"
        )
        return (*ordered[:DIAGNOSTICS_MAX], note)
    return tuple(ordered)


def _size(data: bytes | str) -> int:
    if isinstance(data, bytes) or len(data) > SOURCE_BYTES_MAX:
        return len(data)
    return len(data.encode("utf-8", "surrogatepass"))


def _text(data: bytes | str, file: str, problems: list[Diagnostic]) -> str:
    """The text of a source with line feeds as its only line ends; problems are added to the list.

    What is reported here is replaced, so that it is not reported again.
    """
    if isinstance(data, str):
        text = data
    else:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            problems.append(_undecodable(data, error.start, file))
            if b"\0" in data:
                return ""
            text = data.decode("utf-8", "replace").replace("\ufffd", "_")
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    problems += _forbidden(text, file)
    return _FORBIDDEN.sub(" ", text)


def _undecodable(data: bytes, offset: int, file: str) -> Diagnostic:
    before = data[:offset].decode("utf-8").removeprefix("\ufeff")
    lines = before.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    line, column = len(lines), len(lines[-1]) + 1
    return Diagnostic(
        codes.NOT_UTF8,
        f"the file is not UTF-8: the byte 0x{data[offset]:02X} cannot stand here",
        Span(file, line, column, line, column + 1),
        "save the file as UTF-8",
    )


def _forbidden(text: str, file: str) -> list[Diagnostic]:
    """Control characters, and those that make text look other than it is: the first of a line."""
    found: dict[int, Diagnostic] = {}
    line, counted = 1, 0
    for match in _FORBIDDEN.finditer(text):
        offset = match.start()
        line += text.count("\n", counted, offset)
        counted = offset
        column = offset - text.rfind("\n", 0, offset)
        span = Span(file, line, column, line, column + 1)
        sign = ord(match.group())
        message = f"the character U+{sign:04X} cannot stand in a source"
        hint = "remove it; in a text, write it as an escape such as \\u0000"
        found.setdefault(line, Diagnostic(codes.BAD_CHARACTER, message, span, hint))
    return list(found.values())
