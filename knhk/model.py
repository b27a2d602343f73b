"""The frozen values that all parts speak in: nets, inputs, effects, statuses.

A :class:`Net` is what the compiler makes of a workflow: plain data, with its guards and
data expressions as :class:`Expression` values. The kernel turns it into a program and plays
the token game on it. :class:`Input` is the only thing that changes a case, :class:`Effect`
is what the case then asks of the engine; both are small classes with an integer ``kind``.

Times are whole microseconds since the Unix epoch (``at_us``), durations microseconds too
(``..._us``), so that adding them is exact and a replay gives the same case to the bit.

This module is compiled: constants are ``Final`` integers rather than enumeration members
where the kernel reads them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Protocol, final

from mypy_extensions import i64, mypyc_attr

from knhk.errors import Span

# What a node is. A task is offered as work items; all other nodes pass by themselves.
NODE_TASK: Final = 0
NODE_ROUTE: Final = 1
NODE_END: Final = 2
NODE_STOP: Final = 3
NODE_ABORT: Final = 4
NODE_NAMES: Final = ("task", "route", "end", "stop", "abort")

# How arrows meet before a node (YAWL's join types) and part behind it (its split types).
# A partial join (patterns 9 and 28 to 32) is a routing node's; its ``threshold`` says how
# many arrivals it passes at.
JOIN_AND: Final = 0
JOIN_XOR: Final = 1
JOIN_OR: Final = 2
JOIN_PARTIAL: Final = 3
JOIN_NAMES: Final = ("and", "xor", "or", "partial")

SPLIT_AND: Final = 0
SPLIT_XOR: Final = 1
SPLIT_OR: Final = 2
SPLIT_NAMES: Final = ("and", "xor", "or")

# Who does a task.
CALLEE_OUTSIDE: Final = 0
CALLEE_PYTHON: Final = 1
CALLEE_CONNECTOR: Final = 2
CALLEE_PLUGIN: Final = 3
CALLEE_TIMER: Final = 4
CALLEE_SKIP: Final = 5
CALLEE_MESSAGE: Final = 6
CALLEE_SIGNAL: Final = 7
CALLEE_WORKFLOW: Final = 8

# What an exception arrow listens to.
EXCEPT_ERROR: Final = 0
EXCEPT_TIMEOUT: Final = 1
EXCEPT_MESSAGE: Final = 2
EXCEPT_SIGNAL: Final = 3
EXCEPT_NAMES: Final = ("error", "timeout", "message", "signal")

# What becomes of a case that fails: it stands still, is undone, or is cancelled.
ON_FAILURE_PAUSE: Final = 0
ON_FAILURE_COMPENSATE: Final = 1
ON_FAILURE_CANCEL: Final = 2
ON_FAILURE_NAMES: Final = ("pause", "compensate", "cancel")

#: The name of the error with which an attempt fails that took longer than its ``timeout``.
TIMEOUT_ERROR: Final = "Timeout"
#: The name of the error with which a task fails whose guard or ``sets`` failed.
EXPRESSION_ERROR: Final = "ExpressionError"
#: The name of the error with which a multiple-instance task fails when all its instances are
#: finished and its ``complete when`` does not hold.
INCOMPLETE_ERROR: Final = "Incomplete"

US_PER_S: Final = 1_000_000


class CaseStatus(str, Enum):
    """Where a case stands. A case with something waiting is running, never stuck."""

    running = "running"
    suspended = "suspended"
    completed = "completed"
    failed = "failed"
    cancelled = "cancelled"
    stuck = "stuck"

    def __str__(self) -> str:
        return str(self.value)


class ItemState(str, Enum):
    """Where a work item stands; the table of its transitions is in ``knhk.kernel.item``."""

    waiting = "waiting"
    offered = "offered"
    started = "started"
    completed = "completed"
    failed = "failed"
    withdrawn = "withdrawn"

    def __str__(self) -> str:
        return str(self.value)


@final
class Moment:
    """What an expression may know of the outside: the time of the input, and randomness.

    ``random()`` is splitmix64 (Steele, Lea, Flood 2014) over the case's seed, the number of
    the input and a count of draws, so that a replay draws the same numbers.
    """

    def __init__(self, at_us: i64, seed: int, seq: i64) -> None:
        self.at_us = at_us
        self.seed = seed
        self.seq = seq
        self.draws: i64 = 0

    def random(self) -> float:
        """A number from 0 (inclusive) to 1 (exclusive)."""
        self.draws += 1
        mask: int = 0xFFFF_FFFF_FFFF_FFFF
        z: int = (self.seed + int(self.seq) * 0x9E37_79B9_7F4A_7C15) & mask
        z = (z + int(self.draws) * 0xD1B5_4A32_D192_ED03) & mask
        z = ((z ^ (z >> 30)) * 0xBF58_476D_1CE4_E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D0_49BB_1331_11EB) & mask
        z = z ^ (z >> 31)
        return float(z >> 11) / 9007199254740992.0


#: An expression as a function of the case data (names to values) and the moment.
#: It raises :class:`knhk.errors.ExpressionError` and nothing else.
Evaluate = Callable[[dict[str, object], Moment], object]


@dataclass(frozen=True)
class Expression:
    """A compiled expression: its text in the source, and the function it became."""

    text: str
    evaluate: Evaluate = field(compare=False, repr=False)
    span: Span | None = field(default=None, compare=False, repr=False)


class Codec(Protocol):
    """A type of the language at run time.

    ``accept`` takes a value from outside and gives the typed value, or raises
    :class:`knhk.errors.MisfitError` naming every misfit. ``encode`` gives plain JSON values
    (``None``, booleans, numbers, strings, lists, dictionaries) of a typed value, and
    ``decode`` takes them back to an equal typed value.
    """

    @property
    def text(self) -> str: ...
    def accept(self, value: object) -> object: ...
    def encode(self, value: object) -> object: ...
    def decode(self, data: object) -> object: ...


@dataclass(frozen=True)
class Retry:
    """Attempts after the first: one delay each, and the share of it that jitter may change."""

    delays_us: tuple[int, ...]
    jitter: float = 0.0


@dataclass(frozen=True)
class Callee:
    """Who does a task, and with what.

    ``module`` and ``name``: of a Python callable the module and its attribute; of a
    connector operation the connector instance and the operation; of a plugin's task type
    the empty string and its name; of a sub-workflow, a message or a signal the empty string
    and its name. A timer has ``delay`` (a duration) or ``until`` (a moment), a message may
    have a ``key``, evaluated when the task begins to wait. Arguments are evaluated when the
    work is dispatched, once per attempt.
    """

    kind: int
    module: str = ""
    name: str = ""
    args: tuple[Expression, ...] = ()
    kwargs: tuple[tuple[str, Expression], ...] = ()
    delay: Expression | None = None
    until: Expression | None = None
    key: Expression | None = None


@dataclass(frozen=True)
class ForEach:
    """Multiple instances: one per element of ``items``, or ``times`` of them.

    Exactly one of the two is set. ``variable`` names the element in the callee's arguments
    and is empty for ``times`` (patterns 13 and 14). ``element`` is the type of an instance
    that is added. ``open``: instances may be added while it runs (15). ``waits`` is false for
    ``without waiting`` (12). ``complete_when`` may use ``done``, ``failed``, ``total`` and,
    if ``reads_results``, ``results``; with ``cancel_rest`` what is unfinished is then
    withdrawn (34 to 36).
    """

    variable: str = ""
    items: Expression | None = None
    times: Expression | None = None
    element: Codec | None = field(default=None, compare=False)
    open: bool = False
    waits: bool = True
    complete_when: Expression | None = None
    reads_results: bool = False
    cancel_rest: bool = False


@dataclass(frozen=True)
class Task:
    """What a task node does besides moving tokens.

    ``compensation`` undoes the task once it has completed; its arguments are evaluated at the
    completion, with the task's own result under its name. In a multiple-instance task that
    holds for each instance, whose variable may be used too. A larger ``priority`` goes first
    among what is offered.
    """

    callee: Callee
    doc: str = ""
    result: Codec | None = field(default=None, compare=False)
    retry: Retry | None = None
    timeout_us: int = 0
    at_most: int = 0
    for_each: ForEach | None = None
    sets: tuple[tuple[str, Expression], ...] = ()
    compensation: Callee | None = None
    priority: int = 0


@dataclass(frozen=True)
class Arrow:
    """An arrow out of a node into a place, which puts ``weight`` tokens (pattern 42).

    Behind an XOR-split the arrows are tried in this order: the first whose ``guard`` is true
    or absent (``otherwise``) is taken. Behind an OR-split every arrow whose guard is true is
    taken, and the one without a guard (``otherwise``, the last) if none is. Behind an
    AND-split there are no guards.
    """

    place: int
    guard: Expression | None = None
    weight: int = 1


@dataclass(frozen=True)
class ExceptionArrow:
    """An arrow that a failed or interrupted task leaves by: ``kind`` is one of ``EXCEPT_...``.

    ``name`` is the error's type name (empty, it stands for every error), or that of the
    message or signal.
    """

    kind: int
    name: str
    place: int
    weight: int = 1


@dataclass(frozen=True)
class Region:
    """What a cancellation empties: tasks and partial joins (node numbers), and places."""

    tasks: tuple[int, ...] = ()
    places: tuple[int, ...] = ()
    joins: tuple[int, ...] = ()


@dataclass(frozen=True)
class Mutex:
    """What only one may hold at a time.

    ``named`` tells one of the source from one that an ``interleave`` made.
    """

    name: str
    named: bool = True


@dataclass(frozen=True)
class Section:
    """A critical section: the mutex it holds while a token or running work is inside.

    ``nodes`` and ``places`` (numbers) are those inside: the arrows that lead into it and out
    of it are not. It is entered by a node inside that takes from a place outside.
    """

    mutex: int
    nodes: tuple[int, ...]
    places: tuple[int, ...] = ()


@dataclass(frozen=True)
class Place:
    """A condition. ``named`` tells one of the source from an implicit one on an arrow.

    ``producers`` and ``consumers`` are node numbers.
    """

    name: str
    named: bool = False
    tokens: int = 0
    producers: tuple[int, ...] = ()
    consumers: tuple[int, ...] = ()


@dataclass(frozen=True)
class Node:
    """A task or a routing node: input places, join, output arrows, split.

    Tasks carry ``task``; a node's number is its position in ``Net.nodes``. Tasks come first,
    in order of declaration; routing nodes follow in the order of the flow.

    ``takes`` says how many tokens it takes from each of its inputs, one where it is empty
    (pattern 41). ``threshold`` belongs to a partial join. ``cancels`` is emptied when the
    task completes or the node passes (patterns 19, 25, 29, 32); ``cancels_case`` cancels the
    case then (20). ``while_place`` is a place that must hold a token for the task to start
    (18, -1: none), ``holds`` the mutexes it holds while it runs (17, 40), ``completes`` the
    multiple-instance task that is completed with it (27, -1: none). ``word`` is the group in
    the source that a routing node stands for.
    """

    name: str
    kind: int
    inputs: tuple[int, ...] = ()
    join: int = JOIN_XOR
    outputs: tuple[Arrow, ...] = ()
    split: int = SPLIT_AND
    exceptions: tuple[ExceptionArrow, ...] = ()
    task: Task | None = None
    takes: tuple[int, ...] = ()
    threshold: int = 0
    cancels: Region | None = None
    cancels_case: bool = False
    while_place: int = -1
    holds: tuple[int, ...] = ()
    completes: int = -1
    word: str = ""
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Parameter:
    """A parameter of a workflow; without a ``default`` it must be given."""

    name: str
    codec: Codec = field(compare=False)
    default: Expression | None = None


@dataclass(frozen=True)
class Variable:
    """Case data: evaluated in order when the case begins, ``none`` without ``initial``."""

    name: str
    codec: Codec = field(compare=False)
    initial: Expression | None = None


@dataclass(frozen=True)
class Connector:
    """A configured connector instance: its type's name and its settings, not yet resolved.

    At most ``at_most`` of its operations are called at a time (0: no limit).
    """

    name: str
    type: str
    settings: tuple[tuple[str, Expression], ...] = ()
    span: Span | None = field(default=None, compare=False, repr=False)
    at_most: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Net:
    """A workflow as the compiler leaves it, in the sense of YAWL (section 6 of the language).

    ``on_failure`` is one of ``ON_FAILURE_...``: what becomes of a case that fails.
    """

    name: str
    nodes: tuple[Node, ...]
    places: tuple[Place, ...]
    parameters: tuple[Parameter, ...] = ()
    variables: tuple[Variable, ...] = ()
    returns: Expression | None = None
    result: Codec | None = field(default=None, compare=False)
    connectors: tuple[Connector, ...] = ()
    mutexes: tuple[Mutex, ...] = ()
    sections: tuple[Section, ...] = ()
    on_failure: int = ON_FAILURE_PAUSE
    version: str = ""
    doc: str = ""
    span: Span | None = field(default=None, compare=False, repr=False)


# The kinds of inputs: the facts that change a case.
CREATE: Final = 0
START: Final = 1
COMPLETE: Final = 2
FAIL: Final = 3
CLOCK: Final = 4
WITHDRAW: Final = 5
ADD_INSTANCE: Final = 6
SUSPEND: Final = 7
RESUME: Final = 8
CANCEL: Final = 9
MESSAGE: Final = 10
SIGNAL: Final = 11
LATE: Final = 12
SKIP: Final = 13
RELEASE: Final = 14
COMPENSATE: Final = 15
INPUT_NAMES: Final = (
    "create",
    "start",
    "complete",
    "fail",
    "clock",
    "withdraw",
    "add_instance",
    "suspend",
    "resume",
    "cancel",
    "message",
    "signal",
    "late",
    "skip",
    "release",
    "compensate",
)


@final
@mypyc_attr(acyclic=True)
class Input:
    """A fact that has happened: what, when, and to which work item or task.

    ``value`` is the parameters (``create``), the result (``complete``, ``skip``), the names of
    the error's base classes (``fail``), the new instance's value (``add_instance``), the key and
    payload of a message (``message``, whose name is in ``task``: ``{"key": k, "payload":
    p}``), or the payload of a signal (``signal``, likewise). ``late`` records what a withdrawn
    item still returned; it changes nothing. ``resume`` may name the one ``task`` that is to be
    tried again. Inputs are equal when all their fields are.
    (``acyclic`` spares the garbage collector the histories of large cases: what an input
    holds does not lead back to it.)
    """

    def __init__(
        self,
        kind: i64,
        at_us: i64,
        item: i64 = -1,
        task: str = "",
        value: object = None,
        error: str = "",
        message: str = "",
    ) -> None:
        self.kind = kind
        self.at_us = at_us
        self.item = item
        self.task = task
        self.value = value
        self.error = error
        self.message = message

    def _key(self) -> tuple[object, ...]:
        kind: int = self.kind
        at_us: int = self.at_us
        item: int = self.item
        return (kind, at_us, item, self.task, self.value, self.error, self.message)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Input) and self._key() == other._key()

    def __hash__(self) -> int:
        kind: int = self.kind
        at_us: int = self.at_us
        item: int = self.item
        return hash((kind, at_us, item, self.task))

    def __repr__(self) -> str:
        parts = [INPUT_NAMES[self.kind], f"at_us={self.at_us}"]
        if self.item >= 0:
            parts.append(f"item={self.item}")
        if self.task:
            parts.append(f"task={self.task!r}")
        if self.value is not None:
            parts.append(f"value={self.value!r}")
        if self.error:
            parts.append(f"error={self.error!r}")
        if self.message:
            parts.append(f"message={self.message!r}")
        return f"Input({', '.join(parts)})"


# The kinds of effects: what a case asks of the engine after an input.
OFFER: Final = 0  # offer work item `item` (its callee may be started)
STOP_WORK: Final = 1  # item `item` was withdrawn or failed while offered or started
WAKE: Final = 2  # give a clock input at `at_us` or later
ENDED: Final = 3  # the case has ended, or stands still; see its status
REFUSED: Final = 4  # the input changed nothing; `why` says why
EFFECT_NAMES: Final = ("offer", "stop_work", "wake", "ended", "refused")


@final
@mypyc_attr(acyclic=True)
class Effect:
    """A request to the engine: its ``kind``, and the item, time or reason that goes with it."""

    def __init__(self, kind: i64, item: i64 = -1, at_us: i64 = 0, why: str = "") -> None:
        self.kind = kind
        self.item = item
        self.at_us = at_us
        self.why = why

    def __repr__(self) -> str:
        parts = [EFFECT_NAMES[self.kind]]
        if self.item >= 0:
            parts.append(f"item={self.item}")
        if self.at_us:
            parts.append(f"at_us={self.at_us}")
        if self.why:
            parts.append(f"why={self.why!r}")
        return f"Effect({', '.join(parts)})"


@dataclass(frozen=True)
class ParameterSignature:
    """A parameter of something callable from a workflow; ``type`` is written as in the language.

    ``many`` stands for any further keyword arguments of that type.
    """

    name: str
    type: str = "json"
    required: bool = True
    keyword_only: bool = False
    many: bool = False


@dataclass(frozen=True)
class OperationSignature:
    """What the checker knows of a plugin's task type or a connector's operation."""

    parameters: tuple[ParameterSignature, ...] = ()
    result: str = "json"
    doc: str = ""


@dataclass(frozen=True)
class ConnectorSignature:
    """What the checker knows of a connector type: its settings and its operations by name."""

    name: str
    settings: tuple[ParameterSignature, ...] = ()
    operations: tuple[tuple[str, OperationSignature], ...] = ()
    doc: str = ""
