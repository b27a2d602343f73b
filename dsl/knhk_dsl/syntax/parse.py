"""Read a `.knhk` source: bytes or text in, a syntax tree and diagnostics out. Never raises."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Final

from knhk.errors import Diagnostic, Span
from knhk_dsl.syntax import ast, codes
from knhk_dsl.syntax.build import Builder, callbacks
from knhk_dsl.syntax.lalr import HANDED_ON, Action, Tables
from knhk_dsl.syntax.made import Made, Rule, grammar_text, kept
from knhk_dsl.syntax.memory import Memory
from knhk_dsl.syntax.recovery import DIAGNOSTICS_MAX, Forgotten, Reader, TooMany
from knhk_dsl.syntax.tokens import RESERVED, Line, Vocabulary, scan

__all__ = ["SOURCE_BYTES_MAX", "Reading", "parse", "read"]

#: The largest source that is read, in bytes.
SOURCE_BYTES_MAX: Final = 4 * 1024 * 1024

# Control characters, and those that make a text look other than it is.
_FORBIDDEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_LOOK_AHEAD: Final = frozenset({"GROUP", "NAMED_GROUP", "MESSAGE", "SIGNAL", "TIMER", "SKIP"})


@dataclass(frozen=True, slots=True)
class Grammar:
    """The grammar, ready for use: its rules, its tables, its terminals."""

    rules: tuple[Rule, ...]
    tables: Tables
    vocabulary: Vocabulary
    soft: frozenset[str]


def made() -> Made:
    """What is made of the grammar: kept from before, or, if it has changed, new."""
    text = grammar_text()
    found = kept(text)
    if found is None:
        from knhk_dsl.syntax.making import make

        found = make(text)
    return found


@cache
def grammar() -> Grammar:
    """The grammar of the language, made ready at its first use in a process."""
    found = made()
    vocabulary = Vocabulary(found.terminals)
    words = {name for word, name in vocabulary.keywords.items() if word not in RESERVED}
    methods = callbacks(Builder(), found.rules)
    # The number of the action of each rule: its own, but for those that hand on their part.
    actions = [
        HANDED_ON if method.__name__ == Builder.first.__name__ and rule.size == 1 else number
        for number, (rule, method) in enumerate(zip(found.rules, methods, strict=True))
    ]
    return Grammar(found.rules, Tables(found, actions), vocabulary, frozenset(words | _LOOK_AHEAD))


@dataclass(frozen=True, slots=True)
class Reading:
    """All that reading a source gives.

    ``text`` is what was read, with line feeds as its only line ends; ``lines`` are its logical
    lines, their tokens named as the grammar took them; what stands between two tokens in
    ``text`` is white space and comments.
    """

    text: str
    lines: tuple[Line, ...]
    tree: ast.SourceFile
    diagnostics: tuple[Diagnostic, ...]


def parse(data: bytes | str, file: str) -> tuple[ast.SourceFile, tuple[Diagnostic, ...]]:
    """The syntax tree of a source, and everything that is wrong with its syntax.

    ``file`` is the name that places bear. Nothing is raised, whatever ``data`` is: a line that
    cannot be read becomes a :class:`~knhk_dsl.syntax.ast.BadStatement` and is reported once.
    """
    reading = read(data, file)
    return reading.tree, reading.diagnostics


def read(data: bytes | str, file: str) -> Reading:
    """As :func:`parse`, with the text and the tokens that the tree was made of."""
    return _read_again(data, file, Memory())[0]


def parse_again(
    data: bytes | str, file: str, memory: Memory
) -> tuple[ast.SourceFile, tuple[Diagnostic, ...], Memory]:
    """The same of a source that was read before as ``memory``, and what is to be kept of it now.

    The result does not depend on the memory, only the time does that it takes.
    """
    reading, new = _read_again(data, file, memory)
    return reading.tree, reading.diagnostics, new


def _read_again(data: bytes | str, file: str, memory: Memory) -> tuple[Reading, Memory]:
    """What reading gives, but for the lines that the memory spares, and the new memory."""
    start = Span(file, 1, 1, 1, 1)
    nothing = ast.SourceFile(start, "", ())
    if _size(data) > SOURCE_BYTES_MAX:
        message = f"the file is larger than {SOURCE_BYTES_MAX // 1024**2} MiB"
        hint = 'split it: `from "other.knhk" use Name` takes declarations from another file'
        too_large = Diagnostic(codes.TOO_LARGE, message, start, hint)
        return Reading("", (), nothing, (too_large,)), Memory()
    problems: list[Diagnostic] = []
    text = _text(data, file, problems)
    # A tab is reported for the whole file, so that no part of it is read on its own.
    old = Memory() if "\t" in text else memory
    lines = scan(grammar().vocabulary, text, file, old)
    if not lines:
        if not problems:
            hint = "begin with `workflow name` and an indented `flow`"
            problems.append(Diagnostic(codes.EMPTY_FILE, "the file is empty", start, hint))
        return Reading(text, (), nothing, _in_order(problems)), Memory()
    new = Memory(text)
    try:
        doc, declarations = _read(lines, problems, old, new)
    except Forgotten:
        return _read_again(data, file, Memory())
    last = lines[-1].tokens[-1]
    span = Span(file, 1, 1, last.end_line, last.end_column)
    tree = ast.SourceFile(span, doc, declarations)
    return Reading(text, tuple(lines), tree, _in_order(problems)), new


def _read(
    lines: list[Line], problems: list[Diagnostic], old: Memory, new: Memory
) -> tuple[str, tuple[ast.Declaration, ...]]:
    """The docstring and the declarations in the lines; their problems are added to the list."""
    reading = reader(old, new)
    try:
        return reading.read(lines)
    except TooMany:
        return "", ()
    finally:
        # What is wrong with the characters of a line is enough to say about it.
        told = {problem.span.line for problem in problems}
        found = (*reading.diagnostics, *reading.noted)
        problems += [problem for problem in found if problem.span.line not in told]


def reader(old: Memory, new: Memory) -> Reader:
    """A reader of the language, for one source."""
    ready = grammar()
    builder = Builder()
    actions: list[Action] = callbacks(builder, ready.rules)
    return Reader(ready.tables, ready.soft, actions, builder.diagnostics, old, new)


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
