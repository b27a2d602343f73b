"""One family of errors, and the diagnostics that a check reports.

Two kinds never mix: a :class:`UsageError` says that the caller asked for something that
cannot be, and nothing has changed; every other error says that something else went wrong
(a file, an expression, a task, the store, a service). Every error carries data beside its
text, and every text says what to do next.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

__all__ = [
    "AnswerLost",
    "ArgumentError",
    "CaseCancelled",
    "CaseEnded",
    "CaseExists",
    "CaseFailed",
    "CaseStuck",
    "CheckError",
    "ClaimLost",
    "ConnectorError",
    "ConnectorUnavailable",
    "DeployError",
    "Diagnostic",
    "ExpressionError",
    "InexpressibleNet",
    "InputError",
    "JournalConflict",
    "JournalError",
    "KnhkError",
    "LimitExceeded",
    "Misfit",
    "MisfitError",
    "NotOffered",
    "ReplayError",
    "ResultError",
    "Run",
    "SettingsError",
    "ShardLost",
    "SnapshotError",
    "Span",
    "Step",
    "StoreAway",
    "StoreDamaged",
    "StoreFull",
    "StoreLocked",
    "StoreNewer",
    "StoreUnavailable",
    "TooComplex",
    "UnknownName",
    "UsageError",
]


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A place in a source: lines and columns count from 1, the end column is exclusive."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


#: How bad a diagnostic is. Errors stop the compiler, warnings do not.
ERROR: Final = "error"
WARNING: Final = "warning"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a run: what happens to a task, and which of its arrows are then taken.

    ``event`` is empty for a task that is simply done; else it says what happens instead or in
    part, such as ``starts``, ``fails with PaymentDeclined`` or ``is interrupted by message stop``.
    ``choice`` names the nodes or places that a choice leads to, when there was one.
    """

    task: str
    event: str = ""
    choice: tuple[str, ...] = ()

    def __str__(self) -> str:
        words = self.task + (f" {self.event}" if self.event else "")
        return words + (f" -> {', '.join(self.choice)}" if self.choice else "")


@dataclass(frozen=True, slots=True)
class Run:
    """A run that shows a problem: its steps in order, and how it is left then.

    ``marking`` names the places that hold tokens, with their number; ``working`` the tasks that
    are at work. ``shortest`` is false when a shorter run may lead to the same problem.
    """

    steps: tuple[Step, ...]
    marking: tuple[tuple[str, int], ...] = ()
    working: tuple[str, ...] = ()
    shortest: bool = True


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem in a source: a stable code (``KN101``), one sentence, a place, a hint.

    ``related`` names further places with a few words each, such as the earlier definition;
    ``run`` shows how a running case would come to the problem.
    """

    code: str
    message: str
    span: Span
    hint: str = ""
    severity: str = ERROR
    related: tuple[tuple[Span, str], ...] = ()
    run: Run | None = None

    def __str__(self) -> str:
        return f"{self.span}: {self.code} {self.message}"


@dataclass(frozen=True, slots=True)
class Misfit:
    """One value that does not fit: its path (``items[2].price``) and what is wrong with it."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message

    def under(self, name: str) -> Misfit:
        """The same misfit seen from the value that holds this one as ``name``."""
        joint = "" if not self.path or self.path.startswith("[") else "."
        return Misfit(f"{name}{joint}{self.path}", self.message)


class KnhkError(Exception):
    """The root of every error that KNHK raises."""


class MisfitError(KnhkError):
    """A value that does not fit a type; raised by a codec, told on as an input or result error."""

    def __init__(self, misfits: Iterable[Misfit]) -> None:
        self.misfits = tuple(misfits)
        super().__init__("; ".join(str(misfit) for misfit in self.misfits))


class ArgumentError(MisfitError):
    """Arguments that do not fit what a callee says it takes; every misfit is named."""


class UsageError(KnhkError):
    """The caller asked for something that cannot be; nothing has changed."""


class LimitExceeded(UsageError):
    """Something would go over a limit that the engine was opened with; ``setting`` names it."""

    def __init__(self, what: str, setting: str, limit: int, advice: str) -> None:
        self.setting = setting
        self.limit = limit
        super().__init__(f"{what}, and Limits.{setting} is {limit:,}; {advice}")


class UnknownName(UsageError, LookupError):
    """A workflow, task, case or store that is not there."""

    def __init__(self, kind: str, name: str, known: Iterable[str] = ()) -> None:
        self.kind = kind
        self.name = name
        self.known = tuple(known)
        there = f"; there is: {', '.join(self.known)}" if self.known else ""
        super().__init__(f"there is no {kind} {name!r}{there}")


class InputError(UsageError):
    """Values given to a workflow that do not fit its parameters; every misfit is named."""

    def __init__(self, what: str, misfits: Iterable[Misfit]) -> None:
        self.what = what
        self.misfits = tuple(misfits)
        lines = "".join(f"\n  {misfit}" for misfit in self.misfits)
        super().__init__(f"the input does not fit {what}:{lines}")


class ResultError(UsageError):
    """A task's result, or the value of an added instance, that does not fit its type."""

    def __init__(self, task: str, misfits: Iterable[Misfit], what: str = "result") -> None:
        self.task = task
        self.misfits = tuple(misfits)
        lines = "".join(f"\n  {misfit}" for misfit in self.misfits)
        super().__init__(f"the {what} of task {task!r} does not fit its type:{lines}")


class NotOffered(UsageError):
    """A work item that cannot be started, completed or failed in the state it is in."""

    def __init__(self, task: str, why: str) -> None:
        self.task = task
        self.why = why
        super().__init__(f"task {task!r}: {why}")


class ClaimLost(NotOffered):
    """Somebody outside came with an attempt at work that is over, so that nothing has changed.

    Its lease has run out, it was given back, or the case wants it no more. A result that came with
    it is in the history of the case, as ``late``.
    """

    def __init__(self, task: str, case: str, item: int, attempt: int, why: str) -> None:
        self.case = case
        self.item = item
        self.attempt = attempt
        super().__init__(
            task,
            f"attempt {attempt} at work item {item} of case {case!r} is over: {why};"
            " claim it anew if it is offered",
        )


class CaseEnded(UsageError):
    """Something was asked of a case that its status does not allow."""

    def __init__(self, case: str, status: str, asked: str) -> None:
        self.case = case
        self.status = status
        self.asked = asked
        super().__init__(f"case {case!r} is {status}: {asked} is not possible")


class CaseExists(UsageError):
    """A case was to begin under a name that another case has."""

    def __init__(self, case: str) -> None:
        self.case = case
        super().__init__(f"there is a case {case!r} already; give another id, or ask for that one")


class ReplayError(KnhkError):
    """A recorded history that this workflow could not have produced."""

    def __init__(self, case: str, seq: int, why: str) -> None:
        self.case = case
        self.seq = seq
        self.why = why
        super().__init__(
            f"history of case {case!r}, input {seq}: {why};"
            " it was recorded with another version of the workflow"
        )


class SnapshotError(KnhkError):
    """A snapshot that gives no case of this workflow; the case's history still does."""

    def __init__(self, case: str, why: str) -> None:
        self.case = case
        self.why = why
        super().__init__(
            f"the snapshot of case {case!r} cannot be restored: {why};"
            " replay its whole history instead"
        )


class CheckError(KnhkError):
    """A source that does not check; ``diagnostics`` holds every problem that was found."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n".join(str(diagnostic) for diagnostic in self.diagnostics))


class DeployError(KnhkError):
    """A workflow that checks but cannot be run here: a callee or a connector is missing."""


class TooComplex(KnhkError):
    """Something in a net has more choices than can be explored; ``node`` names it."""

    def __init__(self, node: str, why: str) -> None:
        self.node = node
        super().__init__(f"`{node}`: {why}")


class InexpressibleNet(UsageError):
    """A net that another notation has no words for; every reason names what it is about."""

    def __init__(self, net: str, notation: str, reasons: Iterable[str]) -> None:
        self.net = net
        self.notation = notation
        self.reasons = tuple(reasons)
        lines = "".join(f"\n  {reason}" for reason in self.reasons)
        super().__init__(f"workflow {net!r} cannot be written as a {notation}:{lines}")


class ExpressionError(KnhkError):
    """An expression of a workflow that failed on the values it was given."""

    def __init__(self, text: str, why: str) -> None:
        self.text = text
        self.why = why
        super().__init__(f"the expression `{text}` failed: {why}")


class CaseFailed(KnhkError):
    """A case whose task failed for good and that no exception flow took up."""

    def __init__(self, case: str, task: str, error: str, message: str) -> None:
        self.case = case
        self.task = task
        self.error = error
        self.message = message
        place = f"task {task!r}" if task else "its routing"
        super().__init__(f"case {case!r} failed in {place}: {error}: {message}")


class CaseCancelled(KnhkError):
    """A case that was cancelled, so that it has no result.

    Where a failure led to it, ``task``, ``error`` and ``message`` say which; else they are empty.
    """

    def __init__(self, case: str, task: str = "", error: str = "", message: str = "") -> None:
        self.case = case
        self.task = task
        self.error = error
        self.message = message
        place = f"task {task!r}" if task else "its routing"
        why = f" after a failure in {place}: {error}: {message}" if error else ""
        super().__init__(f"case {case!r} was cancelled{why}")


class CaseStuck(KnhkError):
    """A case in which nothing can happen any more although tokens are left."""

    def __init__(self, case: str, marking: str) -> None:
        self.case = case
        self.marking = marking
        super().__init__(f"case {case!r} is stuck with tokens at: {marking}")


class ConnectorError(KnhkError):
    """A call to a connected service that did not give a result.

    ``retryable`` says whether the same call may succeed later, ``retry_after_s`` how long
    the service asks to wait before (``None``: it does not say).
    """

    def __init__(
        self,
        message: str,
        *,
        connector: str = "",
        retryable: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        self.connector = connector
        self.retryable = retryable
        self.retry_after_s = retry_after_s
        super().__init__(message)


class ConnectorUnavailable(ConnectorError):
    """A connector that cannot be used here: not installed, broken, or not to be opened."""


class SettingsError(ConnectorError):
    """Settings of a connector that do not fit; every misfit is named, no value is shown."""

    def __init__(self, connector: str, misfits: Iterable[Misfit]) -> None:
        self.misfits = tuple(misfits)
        lines = "".join(f"\n  {misfit}" for misfit in self.misfits)
        super().__init__(
            f"the settings of connector {connector!r} do not fit:{lines}", connector=connector
        )


class JournalError(KnhkError):
    """The store could not do what was asked; what it acknowledged before is still there."""


class JournalConflict(JournalError):
    """Another owner has appended to this case: let go of it."""

    def __init__(self, case: str, seq: int) -> None:
        self.case = case
        self.seq = seq
        super().__init__(f"case {case!r} already has an input {seq}: another engine is running it")


class AnswerLost(KnhkError):
    """Another process has done what was asked of a case, and died before it could say what came."""

    def __init__(self, asked: str) -> None:
        self.asked = asked
        super().__init__(
            f"{asked} has been done, but its answer was lost with the process that did it;"
            " look at the case, and do not ask again"
        )


class ShardLost(JournalError):
    """A case belongs to a shard that this process does not hold (any more): it runs elsewhere."""

    def __init__(self, shard: int) -> None:
        self.shard = shard
        super().__init__(
            f"shard {shard} of the store is held by another process, which runs its cases;"
            " nothing was written, ask again"
        )


class StoreAway(JournalError):
    """The store cannot be used now and may be later: what is to be written waits for that.

    Whoever asked and was told this may ask again. What was given before may still be written.
    """


class StoreLocked(StoreAway):
    """The store is open for running in another process."""


class StoreFull(StoreAway):
    """The disk or the quota of the store is full; nothing acknowledged was lost."""


class StoreDamaged(JournalError):
    """The store cannot be read, or is not a KNHK store."""


class StoreNewer(JournalError):
    """The store was written by a newer version of KNHK."""


class StoreUnavailable(StoreAway):
    """The server of the store cannot be reached now; calls work again when it is back."""
