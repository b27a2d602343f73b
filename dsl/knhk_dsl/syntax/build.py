"""Make nodes of the syntax tree: one method per rule of ``grammar.lark``, named after it.

A method gets the list of what the parts of its rule have become: tokens, nodes, lists of nodes
inside a line, and pairs ``(before, item)`` for lists that span lines, ending in ``None``. When the
parts are grammatical and still make no sense, it raises :class:`Misread`; it does so only in rules
that are complete before the end of their line, so that the line is the one to blame. What turns
out only at the end of a block is reported to :attr:`Builder.diagnostics` instead.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final, Protocol

from knhk.errors import Diagnostic, Span
from knhk_dsl.syntax import ast, codes
from knhk_dsl.syntax.made import Rule
from knhk_dsl.syntax.tokens import Token

#: The parts of a rule: what they are is what the grammar says.
Parts = list[Any]
#: What a rule has become, handed on unseen.
Made = Any

#: Node names of the flow that nobody may declare.
FLOW_NODES: Final = frozenset({"start", "end", "stop", "abort", "skip"})

_US: Final = {
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
    "w": 604_800_000_000,
}
_DURATION: Final = re.compile(r"([\d_.]+)([a-z]+)")
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.?)|\{\{|\}\}", re.DOTALL)
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "{": "{", "}": "}"}
_WEIGHTS: Final = re.compile(r"-\[ *(?:(\d{1,9}))? *(?:by +(\d{1,9}))? *\]->")
_DIGITS_MAX: Final = 1_000
_US_MAX: Final = 2**63 - 1
_CONSTANTS: Final = {"true": True, "false": False, "none": None}
_ON_FAILURE: Final = ("pause", "compensate", "cancel")


class Placed(Protocol):
    """A token or a node: something with a place."""

    @property
    def span(self) -> Span: ...


class Misread(Exception):
    """A line that is grammatical and still cannot be meant."""

    def __init__(
        self, message: str, span: Span, hint: str = "", code: str = codes.MISFORMED
    ) -> None:
        super().__init__(message)
        self.diagnostic = Diagnostic(code, message, span, hint)


@dataclass(frozen=True, slots=True)
class Head:
    """The first line of a block: its keyword, its name, and the rest as the rule made it."""

    first: Token
    name: Token
    span: Span
    rest: Any = None
    bad: bool = False


@dataclass(frozen=True, slots=True)
class WorkflowHead:
    """What stands behind the name of a workflow."""

    signature: ast.Signature | None
    version: str


@dataclass(frozen=True, slots=True)
class RetryOption:
    """``every 200ms`` behind ``retry 5``."""

    word: str
    value: float
    span: Span


class BadToken(Token):
    """Stands for a line that could not be read; ``names`` are what it seems to declare."""

    __slots__ = ("names",)

    def __init__(self, kind: str, names: tuple[str, ...], span: Span) -> None:
        super().__init__(
            kind, "", span.file, span.line, span.column, span.end_line, span.end_column
        )
        self.names = names


def join(first: Placed, last: Placed) -> Span:
    """The span from the beginning of one thing to the end of another."""
    start, end = first.span, last.span
    return Span(start.file, start.line, start.column, end.end_line, end.end_column)


def items(pairs: Made) -> list[Any]:
    """The items of a list made of pairs, in order."""
    found: list[Any] = []
    while pairs is not None:
        pairs, item = pairs
        found.append(item)
    found.reverse()
    return found


def name_of(token: Token) -> str:
    """The name that a token stands for: as Python would read it."""
    text = token.text
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def unescape(text: str, token: Token, offset: int) -> str:
    """The text that the source of a text stands for; ``offset`` is where it begins in its token."""
    if "\\" not in text and "{" not in text and "}" not in text:
        return text

    def meant(match: re.Match[str]) -> str:
        what = match.group(1)
        if what is None:
            return match.group()[0]
        if what in _ESCAPES:
            return _ESCAPES[what]
        number = int(what[1:], 16) if len(what) > 1 else -1
        if 0 <= number <= 0x10FFFF and not 0xD800 <= number <= 0xDFFF:
            return chr(number)
        column = token.column + offset + match.start()
        width = match.end() - match.start()
        if token.end_line == token.line:
            span = Span(token.file, token.line, column, token.line, column + width)
        else:
            span = token.span
        raise Misread(
            f"`{match.group()}` is not an escape",
            span,
            'write \\n, \\t, \\r, \\", \\\\ or \\u20ac; a backslash itself is written \\\\',
            codes.BAD_TEXT,
        )

    return _ESCAPE.sub(meant, text)


def documentation(token: Token) -> str:
    """The text of a docstring, its common indentation taken away as in Python."""
    lines = token.text[3:-3].replace("\\\\", "\\").replace('\\"', '"').expandtabs().split("\n")
    margin = min((len(line) - len(line.lstrip()) for line in lines[1:] if line.strip()), default=0)
    kept = [lines[0].strip(), *(line[margin:].rstrip() for line in lines[1:])]
    return "\n".join(kept).strip("\n")


class Builder:
    """Makes the nodes of one file. See the head of the module."""

    def __init__(self) -> None:
        self.diagnostics: list[Diagnostic] = []

    def report(self, message: str, span: Span, hint: str) -> None:
        """Note a problem of a block that is complete."""
        self.diagnostics.append(Diagnostic(codes.MISFORMED, message, span, hint))

    # --- lists and what is handed on --------------------------------------------------------

    def first(self, parts: Parts) -> Made:
        return parts[0]

    def second(self, parts: Parts) -> Made:
        return parts[1]

    def no_items(self, _parts: Parts) -> None:
        return None

    def more_items(self, parts: Parts) -> Made:
        return (parts[0], parts[1])

    def empty_list(self, _parts: Parts) -> list[Any]:
        return []

    def one_item(self, parts: Parts) -> list[Any]:
        return parts

    def one_more(self, parts: Parts) -> list[Any]:
        found: list[Any] = parts[0]
        found.append(parts[1])
        return found

    def next_item(self, parts: Parts) -> list[Any]:
        found: list[Any] = parts[0]
        found.append(parts[2])
        return found

    # --- a file -----------------------------------------------------------------------------

    def file(self, parts: Parts) -> tuple[str, tuple[ast.Declaration, ...]]:
        doc = parts[0] if len(parts) == 2 else ""
        return doc, tuple(items(parts[-1]))

    def doc(self, parts: Parts) -> str:
        return documentation(parts[0])

    def bad(self, parts: Parts) -> ast.BadStatement:
        return ast.BadStatement(parts[0].span, parts[0].names)

    def bad_head(self, parts: Parts) -> Head:
        return Head(parts[0], parts[0], parts[0].span, None, True)

    def head(self, parts: Parts) -> Head:
        word, name = parts[0], parts[1]
        rest = None
        if word.text == "task":
            _not_reserved(name, "task")
            rest = parts[3] if len(parts) > 2 else None
        return Head(word, name, join(word, rest if rest is not None else name), rest)

    # --- declarations -----------------------------------------------------------------------

    def module(self, parts: Parts) -> list[Token]:
        return [parts[0]] if len(parts) == 1 else [*parts[0], parts[2]]

    def use_python(self, parts: Parts) -> ast.UsePython:
        module = ".".join(name_of(token) for token in parts[1])
        names: list[ast.UsedName] = parts[3]
        return ast.UsePython(join(parts[0], names[-1]), module, tuple(names))

    def use_file(self, parts: Parts) -> ast.UseFile:
        path: Token = parts[1]
        names: list[ast.UsedName] = parts[3]
        return ast.UseFile(join(parts[0], names[-1]), _plain(path), path.span, tuple(names))

    def used_name(self, parts: Parts) -> ast.UsedName:
        signature = parts[1] if len(parts) > 1 else None
        return ast.UsedName(join(parts[0], parts[-1]), name_of(parts[0]), signature)

    def parameter(self, parts: Parts) -> ast.Parameter:
        default = parts[4] if len(parts) > 3 else None
        return ast.Parameter(join(parts[0], parts[-1]), name_of(parts[0]), parts[2], default)

    def enum(self, parts: Parts) -> ast.EnumDecl:
        members = tuple(name_of(token) for token in parts[3])
        span = join(parts[0], parts[3][-1])
        return ast.EnumDecl(span, name_of(parts[1]), parts[1].span, members)

    def invariant(self, parts: Parts) -> ast.InvariantDecl:
        span = join(parts[0], parts[3])
        return ast.InvariantDecl(span, name_of(parts[1]), parts[1].span, parts[3])

    def record(self, parts: Parts) -> ast.RecordDecl | ast.BadStatement:
        head: Head = parts[0]
        doc, fields = _block(parts)
        span = _block_span(head, fields)
        if head.bad or any(isinstance(field, ast.BadStatement) for field in fields):
            return _bad_block(head, span)
        return ast.RecordDecl(span, name_of(head.name), head.name.span, doc, tuple(fields))

    def field_line(self, parts: Parts) -> ast.FieldDecl:
        default = parts[4] if len(parts) > 3 else None
        return ast.FieldDecl(join(parts[0], parts[-1]), name_of(parts[0]), parts[2], default)

    def connector_head(self, parts: Parts) -> Head:
        rest = (parts[3], parts[5] if len(parts) > 4 else ())
        return Head(parts[0], parts[1], join(parts[0], parts[-1]), rest)

    def connector(self, parts: Parts) -> ast.ConnectorDecl | ast.BadStatement:
        head: Head = parts[0]
        _, lines = _block(parts)
        span = _block_span(head, lines)
        if head.bad:
            return _bad_block(head, span)
        kind, settings = head.rest
        return ast.ConnectorDecl(
            span, name_of(head.name), head.name.span, name_of(kind), kind.span,
            tuple(settings), tuple(lines),
        )  # fmt: skip

    def policy(self, parts: Parts) -> ast.PolicyDecl | ast.BadStatement:
        head: Head = parts[0]
        _, lines = _block(parts)
        span = _block_span(head, lines)
        if head.bad:
            return _bad_block(head, span)
        return ast.PolicyDecl(span, name_of(head.name), head.name.span, tuple(lines))

    def trigger_head(self, parts: Parts) -> Head:
        rest = (parts[3], parts[5], parts[7] if len(parts) > 6 else None)
        return Head(parts[0], parts[1], join(parts[0], parts[-1]), rest)

    def trigger(self, parts: Parts) -> ast.TriggerDecl | ast.BadStatement:
        head: Head = parts[0]
        _, lines = _block(parts)
        span = _block_span(head, lines)
        if head.bad or any(isinstance(line, ast.BadStatement) for line in lines):
            return _bad_block(head, span)
        source, starts, when = head.rest
        if len(lines) + (when is not None) > 1:
            self.report(
                f"the trigger `{head.name.text}` says `when` twice",
                lines[-1].span,
                "join the two conditions with `and`",
            )
        if lines:
            when = lines[0].value
        return ast.TriggerDecl(span, name_of(head.name), head.name.span, source, starts, when)

    def when_line(self, parts: Parts) -> ast.Argument:
        return ast.Argument(join(parts[0], parts[1]), "when", parts[1])

    def do_line(self, parts: Parts) -> ast.Argument:
        return ast.Argument(join(parts[0], parts[1]), "do", parts[1])

    def strategy(self, parts: Parts) -> ast.StrategyDecl | ast.BadStatement:
        head: Head = parts[0]
        doc, lines = _block(parts)
        span = _block_span(head, lines)
        if head.bad or any(isinstance(line, ast.BadStatement) for line in lines):
            return _bad_block(head, span)
        found: dict[str, Any] = {}
        for line in lines:
            if line.name in found:
                self.report(
                    f"the strategy `{head.name.text}` says `{line.name}` twice",
                    line.span,
                    "a strategy has one `when` and one `do`",
                )
            found.setdefault(line.name, line.value)
        for word in ("when", "do"):
            if word not in found:
                self.report(
                    f"the strategy `{head.name.text}` has no `{word}`",
                    head.span,
                    f"add an indented line that begins with `{word}`",
                )
        if len(found) < 2:
            return _bad_block(head, span)
        return ast.StrategyDecl(
            span, name_of(head.name), head.name.span, doc, found["when"], found["do"]
        )

    # --- a workflow -------------------------------------------------------------------------

    def parameters_only(self, parts: Parts) -> ast.Signature:
        return ast.Signature(join(parts[0], parts[2]), tuple(parts[1]), None)

    def parameters_and_result(self, parts: Parts) -> ast.Signature:
        return ast.Signature(join(parts[0], parts[4]), tuple(parts[1]), parts[4])

    def result_only(self, parts: Parts) -> ast.Signature:
        return ast.Signature(join(parts[0], parts[1]), (), parts[1])

    def workflow_head(self, parts: Parts) -> Head:
        word, name, rest = parts[0], parts[1], parts[2:]
        versions = [part for part in rest if isinstance(part, Token)]
        if len(versions) > 1:
            raise Misread("the version is given twice", versions[1].span, "remove one of the two")
        signature = next((part for part in rest if isinstance(part, ast.Signature)), None)
        version = _plain(versions[0]) if versions else ""
        return Head(word, name, join(word, parts[-1]), WorkflowHead(signature, version))

    def workflow(self, parts: Parts) -> ast.WorkflowDecl | ast.BadStatement:
        head: Head = parts[0]
        doc, body = _block(parts)
        span = _block_span(head, body)
        if head.bad:
            return _bad_block(head, span)
        rest: WorkflowHead = head.rest
        parameters = rest.signature.parameters if rest.signature is not None else ()
        result = rest.signature.result if rest.signature is not None else None
        return ast.WorkflowDecl(
            span, name_of(head.name), head.name.span, parameters, result, rest.version, doc,
            tuple(body),
        )  # fmt: skip

    def var(self, parts: Parts) -> ast.VarDecl:
        initial = parts[5] if len(parts) > 4 else None
        span = join(parts[0], parts[-1])
        return ast.VarDecl(span, name_of(parts[1]), parts[1].span, parts[3], initial)

    def place(self, parts: Parts) -> ast.PlaceDecl:
        for name in parts[1]:
            _not_reserved(name, "place")
        return ast.PlaceDecl(join(parts[0], parts[1][-1]), _declared(parts[1]))

    def mutex(self, parts: Parts) -> ast.MutexDecl:
        return ast.MutexDecl(join(parts[0], parts[1][-1]), _declared(parts[1]))

    def on_failure(self, parts: Parts) -> ast.OnFailure:
        mode: Token = parts[2]
        if mode.text not in _ON_FAILURE:
            raise Misread(
                f"`on failure {mode.text}` is not known",
                mode.span,
                "write `on failure pause`, `on failure compensate` or `on failure cancel`",
            )
        return ast.OnFailure(join(parts[0], mode), mode.text)

    def returned(self, parts: Parts) -> ast.Return:
        return ast.Return(join(parts[0], parts[1]), parts[1])

    # --- tasks ------------------------------------------------------------------------------

    def task(self, parts: Parts) -> ast.TaskDecl | ast.BadStatement:
        head: Head = parts[0]
        if len(parts) == 2:
            if head.bad:
                return _bad_block(head, head.span)
            return ast.TaskDecl(head.span, name_of(head.name), head.name.span, head.rest, "", ())
        doc, attributes = _block(parts)
        span = _block_span(head, attributes)
        if head.bad:
            return _bad_block(head, span)
        return ast.TaskDecl(
            span, name_of(head.name), head.name.span, head.rest, doc, tuple(attributes)
        )

    def call_callee(self, parts: Parts) -> ast.CallCallee:
        return ast.CallCallee(parts[0].span, parts[0])

    def message_callee(self, parts: Parts) -> ast.MessageCallee:
        key = parts[3] if len(parts) > 2 else None
        return ast.MessageCallee(join(parts[0], parts[-1]), name_of(parts[1]), key)

    def signal_callee(self, parts: Parts) -> ast.SignalCallee:
        return ast.SignalCallee(join(parts[0], parts[1]), name_of(parts[1]))

    def timer_delay(self, parts: Parts) -> ast.TimerCallee:
        return ast.TimerCallee(join(parts[0], parts[1]), parts[1], None)

    def timer_until(self, parts: Parts) -> ast.TimerCallee:
        return ast.TimerCallee(join(parts[0], parts[2]), None, parts[2])

    def skip_callee(self, parts: Parts) -> ast.SkipCallee:
        return ast.SkipCallee(parts[0].span)

    # --- attribute and policy lines ---------------------------------------------------------

    def retry(self, parts: Parts) -> ast.RetryLine:
        return ast.RetryLine(join(parts[0], parts[1]), _int(parts[1]), None, None, None, None)

    def retry_option(self, parts: Parts) -> RetryOption:
        word, value = parts[0].text, parts[-1]
        number = _us(value) if value.type == "DURATION" else _number(value)
        return RetryOption(word, number, join(parts[0], value))

    def retry_more(self, parts: Parts) -> ast.RetryLine:
        line: ast.RetryLine = parts[0]
        option: RetryOption = parts[1]
        name = _RETRY_FIELDS[option.word]
        if getattr(line, name) is not None:
            raise Misread(
                f"`{option.word}` stands twice in this `retry`",
                option.span,
                "remove one of the two",
            )
        changes: dict[str, Any] = {name: option.value}
        return replace(line, span=join(line, option), **changes)

    def timeout(self, parts: Parts) -> ast.TimeoutLine:
        return ast.TimeoutLine(join(parts[0], parts[1]), _us(parts[1]))

    def breaker(self, parts: Parts) -> ast.BreakerLine:
        return ast.BreakerLine(
            join(parts[0], parts[-1]), _int(parts[3]), _us(parts[6]), _us(parts[11])
        )

    def at_most(self, parts: Parts) -> ast.AtMostLine:
        return ast.AtMostLine(join(parts[0], parts[-1]), _int(parts[2]))

    def uses(self, parts: Parts) -> ast.UsesLine:
        return ast.UsesLine(join(parts[0], parts[1]), name_of(parts[1]))

    def for_each(self, parts: Parts) -> ast.ForEachLine:
        name: Token = parts[2]
        return ast.ForEachLine(join(parts[0], parts[4]), name_of(name), name.span, parts[4])

    def times(self, parts: Parts) -> ast.TimesLine:
        return ast.TimesLine(join(parts[0], parts[1]), parts[1])

    def without_waiting(self, parts: Parts) -> ast.WithoutWaitingLine:
        return ast.WithoutWaitingLine(join(parts[0], parts[1]))

    def open(self, parts: Parts) -> ast.OpenLine:
        return ast.OpenLine(parts[0].span)

    def complete_when(self, parts: Parts) -> ast.CompleteWhenLine:
        return ast.CompleteWhenLine(join(parts[0], parts[-1]), parts[2], len(parts) > 3)

    def cancels(self, parts: Parts) -> ast.CancelsLine:
        return ast.CancelsLine(join(parts[0], parts[1][-1]), _declared(parts[1]))

    def cancels_case(self, parts: Parts) -> ast.CancelsLine:
        return ast.CancelsLine(join(parts[0], parts[1]), ())

    def completes(self, parts: Parts) -> ast.CompletesLine:
        return ast.CompletesLine(join(parts[0], parts[1]), _reference(parts[1]))

    def while_place(self, parts: Parts) -> ast.WhileLine:
        return ast.WhileLine(join(parts[0], parts[1]), _reference(parts[1]))

    def holds(self, parts: Parts) -> ast.HoldsLine:
        return ast.HoldsLine(join(parts[0], parts[1]), _reference(parts[1]))

    def sets(self, parts: Parts) -> ast.SetsLine:
        return ast.SetsLine(join(parts[0], parts[3]), _reference(parts[1]), parts[3])

    def compensate(self, parts: Parts) -> ast.CompensateLine:
        return ast.CompensateLine(join(parts[0], parts[2]), parts[2])

    def optional(self, parts: Parts) -> ast.OptionalLine:
        return ast.OptionalLine(parts[0].span)

    def priority(self, parts: Parts) -> ast.PriorityLine:
        value = _int(parts[-1])
        return ast.PriorityLine(join(parts[0], parts[-1]), -value if len(parts) > 2 else value)

    # --- flow -------------------------------------------------------------------------------

    def flow(self, parts: Parts) -> ast.Flow:
        chains = items(parts[3]) if len(parts) > 2 else []
        return ast.Flow(join(parts[0], chains[-1] if chains else parts[0]), tuple(chains))

    def chain_line(self, parts: Parts) -> ast.Chain:
        exception = parts[1] if len(parts) > 1 else None
        return _chain(parts[0], exception)

    def exception(self, parts: Parts) -> ast.ExceptionClause:
        name = name_of(parts[2]) if len(parts) > 2 else ""
        return ast.ExceptionClause(join(parts[0], parts[-1]), parts[1].text, name)

    def link(self, parts: Parts) -> list[Any]:
        found: list[Any] = parts[0]
        found.extend(parts[1:])
        return found

    def arrow(self, parts: Parts) -> ast.ArrowSyntax:
        return ast.ArrowSyntax(parts[0].span, 1, 1)

    def weighted_arrow(self, parts: Parts) -> ast.ArrowSyntax:
        token: Token = parts[0]
        match = _WEIGHTS.fullmatch(token.text)
        if match is None or (match.group(1) is None and match.group(2) is None):
            raise Misread(
                f"`{token.text}` is not an arrow",
                token.span,
                "write `->`, `-[3]->`, `-[by 3]->` or `-[3 by 2]->`",
            )
        puts, takes = int(match.group(1) or 1), int(match.group(2) or 1)
        if puts == 0 or takes == 0:
            raise Misread(
                "an arrow carries at least one token", token.span, "write a number from 1"
            )
        return ast.ArrowSyntax(token.span, puts, takes)

    def node(self, parts: Parts) -> ast.NodeRef:
        return ast.NodeRef(parts[0].span, name_of(parts[0]))

    def cancelling(self, parts: Parts) -> ast.Group:
        group: ast.Group = parts[0]
        return replace(group, span=join(group, parts[1]), cancelling=True)

    def tested(self, parts: Parts) -> ast.Group:
        group: ast.Group = parts[0]
        span = join(group, parts[2])
        if parts[1].text == "until":
            return replace(group, span=span, until=parts[2])
        return replace(group, span=span, while_=parts[2])

    def group(self, parts: Parts) -> ast.Group:
        return _group(parts[0], parts[0], parts[2:])

    def counted_group(self, parts: Parts) -> ast.Group:
        return _group(parts[0], parts[1], parts[3:], count=_int(parts[0]))

    def named_group(self, parts: Parts) -> ast.Group:
        return _group(parts[0], parts[0], parts[3:], mutex=name_of(parts[1]))

    def branch(self, parts: Parts) -> ast.Branch:
        chain = _chain(parts[0], None)
        if len(parts) == 1:
            return ast.Branch(chain.span, chain, None, False)
        span = join(chain, parts[-1])
        if len(parts) == 2:
            return ast.Branch(span, chain, None, True)
        return ast.Branch(span, chain, parts[2], False)

    # --- types ------------------------------------------------------------------------------

    def named_type(self, parts: Parts) -> ast.NamedType:
        name = name_of(parts[0])
        if name in ("list", "dict"):
            example = "list[str]" if name == "list" else "dict[str, int]"
            raise Misread(
                f"`{name}` does not say what it holds", parts[0].span, f"write it as `{example}`"
            )
        return ast.NamedType(parts[0].span, name)

    def list_type(self, parts: Parts) -> ast.ListType:
        _generic(parts[0], "list", "list[T] has one type in its brackets, dict[str, T] has two")
        return ast.ListType(join(parts[0], parts[3]), parts[2])

    def dict_type(self, parts: Parts) -> ast.DictType:
        _generic(parts[0], "dict", "dict[str, T] has two types in its brackets, list[T] has one")
        return ast.DictType(join(parts[0], parts[5]), parts[2], parts[4])

    def optional_type(self, parts: Parts) -> ast.OptionalType:
        return ast.OptionalType(join(parts[0], parts[1]), parts[0])

    # --- expressions ------------------------------------------------------------------------

    def conditional(self, parts: Parts) -> ast.Conditional:
        return ast.Conditional(join(parts[0], parts[4]), parts[0], parts[2], parts[4])

    def binary(self, parts: Parts) -> ast.Binary:
        return ast.Binary(join(parts[0], parts[2]), parts[1].text, parts[0], parts[2])

    def unary(self, parts: Parts) -> ast.Unary:
        return ast.Unary(join(parts[0], parts[1]), parts[0].text, parts[1])

    def comparator(self, parts: Parts) -> str:
        return parts[0].text if len(parts) == 1 else "not in"

    def one_comparison(self, parts: Parts) -> list[Any]:
        return parts

    def next_comparison(self, parts: Parts) -> list[Any]:
        found: list[Any] = parts[0]
        found.extend(parts[1:])
        return found

    def comparison(self, parts: Parts) -> ast.Comparison:
        terms = parts[0]
        span = join(terms[0], terms[-1])
        return ast.Comparison(span, terms[0], tuple(terms[1::2]), tuple(terms[2::2]))

    def attribute_of(self, parts: Parts) -> ast.Attribute:
        name: Token = parts[2]
        return ast.Attribute(join(parts[0], name), parts[0], name_of(name), name.span)

    def index(self, parts: Parts) -> ast.Index:
        return ast.Index(join(parts[0], parts[3]), parts[0], parts[2])

    def call_of(self, parts: Parts) -> ast.Call:
        return ast.Call(join(parts[0], parts[3]), parts[0], tuple(parts[2]))

    def call(self, parts: Parts) -> ast.Call:
        value = parts[0]
        if not isinstance(value, ast.Call):
            raise Misread("a call is expected here", value.span, "put `(` and `)` behind the name")
        return value

    def arguments(self, parts: Parts) -> list[ast.Argument]:
        arguments: list[ast.Argument] = parts[0]
        names: set[str] = set()
        for argument in arguments:
            if not argument.name and names:
                raise Misread(
                    "an argument without a name stands behind one with a name",
                    argument.span,
                    "put the arguments without names first",
                )
            if argument.name in names:
                raise Misread(
                    f"the argument `{argument.name}` is given twice",
                    argument.span,
                    "remove one of the two",
                )
            if argument.name:
                names.add(argument.name)
        return arguments

    def sole_argument(self, parts: Parts) -> list[ast.Argument]:
        return [ast.Argument(parts[0].span, "", parts[0])]

    def argument(self, parts: Parts) -> ast.Argument:
        return ast.Argument(parts[0].span, "", parts[0])

    def named_argument(self, parts: Parts) -> ast.Argument:
        return ast.Argument(join(parts[0], parts[2]), name_of(parts[0]), parts[2])

    def comprehension(self, parts: Parts) -> ast.Comprehension:
        condition = parts[6] if len(parts) > 5 else None
        name: Token = parts[2]
        span = join(parts[0], parts[-1])
        return ast.Comprehension(span, parts[0], name_of(name), name.span, parts[4], condition)

    def name(self, parts: Parts) -> ast.Name:
        return ast.Name(parts[0].span, name_of(parts[0]))

    def integer(self, parts: Parts) -> ast.Literal:
        return ast.Literal(parts[0].span, _int(parts[0]), parts[0].text)

    def floating(self, parts: Parts) -> ast.Literal:
        return ast.Literal(parts[0].span, _number(parts[0]), parts[0].text)

    def share(self, parts: Parts) -> ast.Literal:
        return ast.Literal(parts[0].span, _number(parts[0]), parts[0].text)

    def duration(self, parts: Parts) -> ast.DurationLiteral:
        return ast.DurationLiteral(parts[0].span, _us(parts[0]), parts[0].text)

    def string(self, parts: Parts) -> ast.Literal:
        token: Token = parts[0]
        return ast.Literal(token.span, _plain(token), token.text)

    def constant(self, parts: Parts) -> ast.Literal:
        text = parts[0].text
        return ast.Literal(parts[0].span, _CONSTANTS[text], text)

    def parenthesised(self, parts: Parts) -> ast.Expr:
        expression: ast.Expr = replace(parts[1], span=join(parts[0], parts[2]))
        return expression

    def bracketed(self, parts: Parts) -> ast.Expr:
        expression: ast.Expr = replace(parts[1], span=join(parts[0], parts[2]))
        return expression

    def list_display(self, parts: Parts) -> ast.ListDisplay:
        elements = tuple(parts[1]) if len(parts) > 2 else ()
        return ast.ListDisplay(join(parts[0], parts[-1]), elements)

    def entry(self, parts: Parts) -> tuple[str, ast.Expr]:
        key: Token = parts[0]
        return (_plain(key) if key.type == "STRING" else name_of(key)), parts[2]

    def dict_display(self, parts: Parts) -> ast.DictDisplay:
        entries: list[tuple[str, ast.Expr]] = parts[1] if len(parts) > 2 else []
        keys = tuple(key for key, _ in entries)
        values = tuple(value for _, value in entries)
        return ast.DictDisplay(join(parts[0], parts[-1]), keys, values)

    def template(self, parts: Parts) -> ast.Template:
        pieces: list[str | ast.Expr] = []
        for part in parts[1]:
            if not isinstance(part, Token):
                pieces.append(part)
                continue
            text = unescape(part.text, part, 0)
            if pieces and isinstance(pieces[-1], str):
                text = pieces.pop() + text  # type: ignore[operator]
            pieces.append(text)
        return ast.Template(join(parts[0], parts[2]), tuple(pieces))


# --- what the methods share -------------------------------------------------------------------

_RETRY_FIELDS: Final = {
    "every": "every_us",
    "backoff": "backoff",
    "up": "up_to_us",
    "jitter": "jitter",
}


def _block(parts: Parts) -> tuple[str, list[Any]]:
    """The docstring and the lines of ``head NEWLINE INDENT [doc] lines DEDENT``."""
    if len(parts) == 2:
        return "", []
    return (parts[3] if len(parts) == 6 else ""), items(parts[-2])


def _block_span(head: Head, lines: list[Any]) -> Span:
    return join(head, lines[-1]) if lines else head.span


def _bad_block(head: Head, span: Span) -> ast.BadStatement:
    names = head.first.names if isinstance(head.first, BadToken) else (name_of(head.name),)
    return ast.BadStatement(span, names)


def _chain(links: list[Any], exception: ast.ExceptionClause | None) -> ast.Chain:
    last = exception if exception is not None else links[-1]
    return ast.Chain(join(links[0], last), tuple(links[::2]), tuple(links[1::2]), exception)


def _group(
    first: Token, word: Token, rest: Parts, count: int | None = None, mutex: str = ""
) -> ast.Group:
    """A group from its word and, in ``rest``, its branches and closing bracket."""
    branches: list[ast.Branch] = rest[0]
    return ast.Group(
        join(first, rest[1]), name_of(word), tuple(branches), count, mutex, False, None, None
    )


def _declared(names: Iterable[Token]) -> tuple[ast.Declared, ...]:
    return tuple(_reference(name) for name in names)


def _reference(name: Token) -> ast.Declared:
    return ast.Declared(name.span, name_of(name))


def _not_reserved(name: Token, what: str) -> None:
    if name.text in FLOW_NODES:
        raise Misread(
            f"`{name.text}` is a word of the flow and cannot be the name of a {what}",
            name.span,
            "choose another name",
            codes.RESERVED_WORD,
        )


def _generic(name: Token, wanted: str, hint: str) -> None:
    if name.text != wanted:
        raise Misread(f"`{name.text}` does not take these types in brackets", name.span, hint)


def _plain(token: Token) -> str:
    return unescape(token.text[1:-1], token, 1)


def _bad_number(token: Token) -> Misread:
    return Misread(
        f"the number `{_short(token.text)}` cannot be used",
        token.span,
        "it is too large or too fine, or an underscore does not stand between two digits",
        codes.BAD_NUMBER,
    )


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."


def _int(token: Token) -> int:
    if len(token.text) > _DIGITS_MAX:
        raise _bad_number(token)
    try:
        return int(token.text)
    except ValueError:
        raise _bad_number(token) from None


def _number(token: Token) -> float:
    """The value of an integer, a fraction or a share: `10%` is 0.1."""
    text = token.text
    if len(text) > _DIGITS_MAX:
        raise _bad_number(token)
    try:
        value = float(Decimal(text[:-1]).scaleb(-2)) if text[-1] == "%" else float(text)
        if "__" in text or "_." in text or text.rstrip("%").endswith("_"):
            raise ValueError(text)
    except (ValueError, ArithmeticError):
        raise _bad_number(token) from None
    if value in (float("inf"), float("-inf")):
        raise _bad_number(token)
    return value


def _us(token: Token) -> int:
    """A duration in microseconds."""
    match = _DURATION.fullmatch(token.text)
    if match is None or len(token.text) > _DIGITS_MAX:
        raise _bad_number(token)
    number, unit = match.groups()
    try:
        if number.isdecimal():
            us = int(number) * _US[unit]
        else:
            exact = Decimal(number) * _US[unit]
            us = int(exact)
            if us != exact or "__" in number or number.endswith("_"):
                raise ValueError(number)
    except (ValueError, ArithmeticError):
        raise _bad_number(token) from None
    if us > _US_MAX:
        raise _bad_number(token)
    return us


def callbacks(builder: Builder, rules: Iterable[Rule]) -> list[Callable[[Parts], Any]]:
    """For each rule of the grammar the method that makes its node."""
    found: list[Callable[[Parts], Any]] = []
    for rule in rules:
        alone = not rule.alias and rule.size == 1 and rule.hands_on
        found.append(builder.first if alone else getattr(builder, rule.alias or rule.origin))
    return found
