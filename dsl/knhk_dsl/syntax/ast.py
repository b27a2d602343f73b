"""The typed syntax tree of a `.knhk` file: frozen nodes, each with its place in the source.

One class per construct of the language, in the order of the language reference: types,
expressions, declarations, tasks and their attributes, flow. The parser builds it, the
formatter prints it, the checker and the lowering read it; nobody changes it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from knhk.errors import Span

if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    import dataclasses

    def dataclass(*, frozen: bool, slots: bool) -> Callable[[type], type]:
        """Classes that type checkers know as frozen.

        That nobody changes a node is seen to by them alone. At run time it would take a call for
        each part of a node, and most of the time in which a tree is made.
        """
        return dataclasses.dataclass(unsafe_hash=frozen, slots=slots)


@dataclass(frozen=True, slots=True)
class SyntaxNode:
    """What every node has: the place in the source it was read from."""

    span: Span


# --- types ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NamedType(SyntaxNode):
    """``str``, ``json``, a record or an enumeration."""

    name: str


@dataclass(frozen=True, slots=True)
class ListType(SyntaxNode):
    """``list[T]``."""

    element: TypeSyntax


@dataclass(frozen=True, slots=True)
class DictType(SyntaxNode):
    """``dict[str, T]``."""

    key: TypeSyntax
    value: TypeSyntax


@dataclass(frozen=True, slots=True)
class OptionalType(SyntaxNode):
    """``T?``."""

    inner: TypeSyntax


TypeSyntax = NamedType | ListType | DictType | OptionalType


# --- expressions ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Literal(SyntaxNode):
    """``12``, ``3.5``, ``"text"`` without holes, ``true``, ``none``, ``10%`` (0.1)."""

    value: int | float | str | bool | None
    text: str


@dataclass(frozen=True, slots=True)
class DurationLiteral(SyntaxNode):
    """``200ms``, ``2s``, ``5m``, ``3h``, ``2d``, ``1w``, in microseconds."""

    us: int
    text: str


@dataclass(frozen=True, slots=True)
class Template(SyntaxNode):
    """``"text {expr}"``: literal text and expressions in turn, in order."""

    parts: tuple[str | Expr, ...]


@dataclass(frozen=True, slots=True)
class Name(SyntaxNode):
    """A parameter, variable, task (its result), loop variable, function, enumeration."""

    name: str


@dataclass(frozen=True, slots=True)
class Attribute(SyntaxNode):
    """``value.name``."""

    value: Expr
    name: str
    name_span: Span


@dataclass(frozen=True, slots=True)
class Index(SyntaxNode):
    """``value[index]``."""

    value: Expr
    index: Expr


@dataclass(frozen=True, slots=True)
class Argument(SyntaxNode):
    """An argument of a call; ``name`` is empty for one by position."""

    name: str
    value: Expr


@dataclass(frozen=True, slots=True)
class Call(SyntaxNode):
    """``callee(args, name: value)``."""

    callee: Expr
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Unary(SyntaxNode):
    """``-x``, ``+x``, ``not x``."""

    operator: str
    operand: Expr


@dataclass(frozen=True, slots=True)
class Binary(SyntaxNode):
    """``+ - * / // % **`` and ``and or``, with Python's precedence."""

    operator: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Comparison(SyntaxNode):
    """``a < b <= c``: operators ``== != < <= > >= in`` and ``not in``, chained as in Python."""

    left: Expr
    operators: tuple[str, ...]
    operands: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Conditional(SyntaxNode):
    """``value if test else other``."""

    value: Expr
    test: Expr
    other: Expr


@dataclass(frozen=True, slots=True)
class ListDisplay(SyntaxNode):
    """``[1, 2]``."""

    elements: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class DictDisplay(SyntaxNode):
    """``{key: value}``; a bare key is the string of its name."""

    keys: tuple[str, ...]
    values: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Comprehension(SyntaxNode):
    """``[f(x) for x in xs if c]``, and the same without brackets as a sole argument."""

    element: Expr
    variable: str
    variable_span: Span
    iterable: Expr
    condition: Expr | None


Expr = (
    Literal
    | DurationLiteral
    | Template
    | Name
    | Attribute
    | Index
    | Call
    | Unary
    | Binary
    | Comparison
    | Conditional
    | ListDisplay
    | DictDisplay
    | Comprehension
)


# --- declarations -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Parameter(SyntaxNode):
    """``name: type = default`` of a workflow or of an inline signature."""

    name: str
    type: TypeSyntax
    default: Expr | None


@dataclass(frozen=True, slots=True)
class Signature(SyntaxNode):
    """``(items: list[Item]) -> Hold`` behind an imported Python name."""

    parameters: tuple[Parameter, ...]
    result: TypeSyntax | None


@dataclass(frozen=True, slots=True)
class UsedName(SyntaxNode):
    """One name behind ``use``, with its inline signature if it has one."""

    name: str
    signature: Signature | None


@dataclass(frozen=True, slots=True)
class UsePython(SyntaxNode):
    """``from shop.handlers use reserve, ship``."""

    module: str
    names: tuple[UsedName, ...]


@dataclass(frozen=True, slots=True)
class UseFile(SyntaxNode):
    """``from "types.knhk" use Item``."""

    path: str
    path_span: Span
    names: tuple[UsedName, ...]


@dataclass(frozen=True, slots=True)
class FieldDecl(SyntaxNode):
    """``sku: str = ""`` of a record."""

    name: str
    type: TypeSyntax
    default: Expr | None


@dataclass(frozen=True, slots=True)
class RecordDecl(SyntaxNode):
    """``record Item`` and its fields."""

    name: str
    name_span: Span
    doc: str
    fields: tuple[FieldDecl, ...]


@dataclass(frozen=True, slots=True)
class EnumDecl(SyntaxNode):
    """``enum Size: small, medium, large``."""

    name: str
    name_span: Span
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConnectorDecl(SyntaxNode):
    """``connector crm = http(base_url: ...)`` and its policy lines."""

    name: str
    name_span: Span
    type: str
    type_span: Span
    settings: tuple[Argument, ...]
    policies: tuple[PolicyLine, ...]


@dataclass(frozen=True, slots=True)
class PolicyDecl(SyntaxNode):
    """``policy patient`` and its policy lines."""

    name: str
    name_span: Span
    lines: tuple[PolicyLine, ...]


@dataclass(frozen=True, slots=True)
class TriggerDecl(SyntaxNode):
    """``trigger nightly = cron("0 2 * * *") starts report(day: today()) when EXPR``."""

    name: str
    name_span: Span
    source: Call
    starts: Call
    when: Expr | None


@dataclass(frozen=True, slots=True)
class InvariantDecl(SyntaxNode):
    """``invariant calm: adaptations.active <= 10``."""

    name: str
    name_span: Span
    rule: Expr


@dataclass(frozen=True, slots=True)
class StrategyDecl(SyntaxNode):
    """``strategy slow`` with ``when EXPR`` and ``do ACTION``."""

    name: str
    name_span: Span
    doc: str
    when: Expr
    action: Call


@dataclass(frozen=True, slots=True)
class WorkflowDecl(SyntaxNode):
    """``workflow name(params) -> Type``: its statements stand in ``body`` as written."""

    name: str
    name_span: Span
    parameters: tuple[Parameter, ...]
    result: TypeSyntax | None
    version: str
    doc: str
    body: tuple[WorkflowStatement, ...]


@dataclass(frozen=True, slots=True)
class BadStatement(SyntaxNode):
    """A statement that could not be read; it has been reported.

    ``names`` are the names that it seems to declare, so that their uses are not reported too.
    """

    names: tuple[str, ...]


Declaration = (
    UsePython
    | UseFile
    | RecordDecl
    | EnumDecl
    | ConnectorDecl
    | PolicyDecl
    | TriggerDecl
    | InvariantDecl
    | StrategyDecl
    | WorkflowDecl
    | BadStatement
)


@dataclass(frozen=True, slots=True)
class SourceFile(SyntaxNode):
    """A whole file."""

    doc: str
    declarations: tuple[Declaration, ...]


# --- workflow statements ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VarDecl(SyntaxNode):
    """``var total: decimal = expr``."""

    name: str
    name_span: Span
    type: TypeSyntax
    initial: Expr | None


@dataclass(frozen=True, slots=True)
class Declared(SyntaxNode):
    """One name in a list of names, such as ``place p, q``."""

    name: str


@dataclass(frozen=True, slots=True)
class PlaceDecl(SyntaxNode):
    """``place p, q``."""

    names: tuple[Declared, ...]


@dataclass(frozen=True, slots=True)
class MutexDecl(SyntaxNode):
    """``mutex m``."""

    names: tuple[Declared, ...]


@dataclass(frozen=True, slots=True)
class OnFailure(SyntaxNode):
    """``on failure pause``, ``compensate`` or ``cancel``."""

    mode: str


@dataclass(frozen=True, slots=True)
class Return(SyntaxNode):
    """``return expr``."""

    value: Expr


@dataclass(frozen=True, slots=True)
class TaskDecl(SyntaxNode):
    """``task name = callee`` and its attribute lines; without a callee done from outside."""

    name: str
    name_span: Span
    callee: CalleeSyntax | None
    doc: str
    attributes: tuple[TaskAttribute, ...]


# --- callees ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CallCallee(SyntaxNode):
    """A Python callable, a connector operation, a plugin's task type or a workflow."""

    call: Call


@dataclass(frozen=True, slots=True)
class MessageCallee(SyntaxNode):
    """``message NAME`` or ``message NAME(key)``."""

    name: str
    key: Expr | None


@dataclass(frozen=True, slots=True)
class SignalCallee(SyntaxNode):
    """``signal NAME``."""

    name: str


@dataclass(frozen=True, slots=True)
class TimerCallee(SyntaxNode):
    """``timer 2d`` (``delay``) or ``timer until expr`` (``until``): exactly one is set."""

    delay: Expr | None
    until: Expr | None


@dataclass(frozen=True, slots=True)
class SkipCallee(SyntaxNode):
    """``skip``."""


CalleeSyntax = CallCallee | MessageCallee | SignalCallee | TimerCallee | SkipCallee


# --- attribute and policy lines ---------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RetryLine(SyntaxNode):
    """``retry 5 every 200ms backoff 2 up to 5s jitter 10%``."""

    attempts: int
    every_us: int | None
    backoff: float | None
    up_to_us: int | None
    jitter: float | None


@dataclass(frozen=True, slots=True)
class TimeoutLine(SyntaxNode):
    """``timeout 10s``."""

    us: int


@dataclass(frozen=True, slots=True)
class BreakerLine(SyntaxNode):
    """``breaker opens after 5 failures in 30s, tries again after 10s``."""

    failures: int
    window_us: int
    cooldown_us: int


@dataclass(frozen=True, slots=True)
class AtMostLine(SyntaxNode):
    """``at most 8 at once``."""

    limit: int


@dataclass(frozen=True, slots=True)
class UsesLine(SyntaxNode):
    """``uses patient``."""

    policy: str


PolicyLine = RetryLine | TimeoutLine | BreakerLine | AtMostLine | UsesLine | BadStatement


@dataclass(frozen=True, slots=True)
class ForEachLine(SyntaxNode):
    """``for each item in items``."""

    variable: str
    variable_span: Span
    items: Expr


@dataclass(frozen=True, slots=True)
class TimesLine(SyntaxNode):
    """``times 3``."""

    count: Expr


@dataclass(frozen=True, slots=True)
class WithoutWaitingLine(SyntaxNode):
    """``without waiting``."""


@dataclass(frozen=True, slots=True)
class OpenLine(SyntaxNode):
    """``open``."""


@dataclass(frozen=True, slots=True)
class CompleteWhenLine(SyntaxNode):
    """``complete when EXPR`` and ``then cancel rest``."""

    condition: Expr
    cancel_rest: bool


@dataclass(frozen=True, slots=True)
class CancelsLine(SyntaxNode):
    """``cancels a, b`` or ``cancels case`` (then ``names`` is empty)."""

    names: tuple[Declared, ...]


@dataclass(frozen=True, slots=True)
class CompletesLine(SyntaxNode):
    """``completes pick_item``."""

    name: Declared


@dataclass(frozen=True, slots=True)
class WhileLine(SyntaxNode):
    """``while p``."""

    place: Declared


@dataclass(frozen=True, slots=True)
class HoldsLine(SyntaxNode):
    """``holds m``."""

    mutex: Declared


@dataclass(frozen=True, slots=True)
class SetsLine(SyntaxNode):
    """``sets total = expr``."""

    name: Declared
    value: Expr


@dataclass(frozen=True, slots=True)
class CompensateLine(SyntaxNode):
    """``compensate with call(...)``."""

    call: Call


@dataclass(frozen=True, slots=True)
class OptionalLine(SyntaxNode):
    """``optional``."""


@dataclass(frozen=True, slots=True)
class PriorityLine(SyntaxNode):
    """``priority 5``."""

    value: int


TaskAttribute = (
    PolicyLine
    | ForEachLine
    | TimesLine
    | WithoutWaitingLine
    | OpenLine
    | CompleteWhenLine
    | CancelsLine
    | CompletesLine
    | WhileLine
    | HoldsLine
    | SetsLine
    | CompensateLine
    | OptionalLine
    | PriorityLine
)


# --- flow -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NodeRef(SyntaxNode):
    """A task, a place, or one of ``start end stop abort skip``."""

    name: str


@dataclass(frozen=True, slots=True)
class ArrowSyntax(SyntaxNode):
    """``->`` (1 and 1), ``-[3]->`` (``puts`` 3), ``-[by 3]->`` (``takes`` 3), ``-[3 by 2]->``."""

    puts: int
    takes: int


@dataclass(frozen=True, slots=True)
class Branch(SyntaxNode):
    """One branch of a group: a chain, and ``when guard`` or ``otherwise`` if written."""

    chain: Chain
    guard: Expr | None
    otherwise: bool


@dataclass(frozen=True, slots=True)
class Group(SyntaxNode):
    """``all(...)``, ``2 of (...)``, ``critical m(...)``, ``repeat(...) until g``.

    Any word may stand before the brackets: plugins define what the words mean. ``count`` is
    the number before it (``None``: there is none), ``mutex`` the name behind it, ``until`` or
    ``while_`` the test behind the brackets.
    """

    word: str
    branches: tuple[Branch, ...]
    count: int | None
    mutex: str
    cancelling: bool
    until: Expr | None
    while_: Expr | None


FlowNode = NodeRef | Group


@dataclass(frozen=True, slots=True)
class ExceptionClause(SyntaxNode):
    """``on error NAME``, ``on timeout``, ``on message m``, ``on signal s`` behind a chain.

    ``kind`` is ``error timeout message signal``; ``name`` may be empty for the first.
    """

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Chain(SyntaxNode):
    """Nodes joined by arrows: ``arrows[i]`` leads from ``nodes[i]`` to ``nodes[i + 1]``."""

    nodes: tuple[FlowNode, ...]
    arrows: tuple[ArrowSyntax, ...]
    exception: ExceptionClause | None


@dataclass(frozen=True, slots=True)
class Flow(SyntaxNode):
    """The ``flow`` block: its chains, and the lines that could not be read."""

    chains: tuple[Chain | BadStatement, ...]


WorkflowStatement = (
    VarDecl | PlaceDecl | MutexDecl | OnFailure | Return | TaskDecl | Flow | BadStatement
)
