"""How a sub-case and its parent know each other, and how the end of one is told to the other.

A sub-case does one attempt at one work item of its parent. Its id follows from these, so that
the parent finds it again after a crash and never begins it twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Final

from knhk.call import Call
from knhk.engine.facts import Facts, decode_object, read_outcome
from knhk.engine.failing import Failing
from knhk.errors import (
    CaseCancelled,
    CaseStuck,
    InputError,
    KnhkError,
    Misfit,
    UnknownName,
    UsageError,
)
from knhk.journal import CaseRow
from knhk.kernel import Case, WorkItem
from knhk.model import CaseStatus, ItemState
from knhk.module import Workflow

__all__ = [
    "DEPTH_MAX",
    "SUB_CASE_ID_MAX",
    "TooDeep",
    "call_of",
    "cancelled",
    "ending_of",
    "is_wanted",
    "named",
    "sub_case_id",
]

#: How many cases may stand below one another unless the engine is told otherwise.
DEPTH_MAX: Final = 100
#: The longest id of a sub-case; of a longer one the middle is replaced by a hash of the whole.
SUB_CASE_ID_MAX: Final = 255
_ENDS_KEPT: Final = 100


class TooDeep(UsageError):
    """A sub-case that would stand deeper below the first case than the engine allows."""

    def __init__(self, workflow: str, depth_max: int) -> None:
        self.workflow = workflow
        self.depth_max = depth_max
        super().__init__(
            f"a sub-case of {workflow!r} would stand more than {depth_max} cases deep;"
            " see that the recursion ends, or open the engine with a larger depth_max"
        )


def sub_case_id(call: Call) -> str:
    """The id of the case that does an attempt at a work item: ``A1/charge-3.1``."""
    plain = f"{call.case}/{call.task}-{call.item}.{call.attempt}"
    if len(plain) <= SUB_CASE_ID_MAX:
        return plain
    digest = blake2b(plain.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{plain[:_ENDS_KEPT]}~{digest}~{plain[-_ENDS_KEPT:]}"


def is_wanted(parent: Case, row: CaseRow) -> bool:
    """Whether ``parent`` waits for the sub-case of this row: its item is at that attempt."""
    try:
        item = parent.item(row.parent_item)
    except UnknownName:
        return False
    return item.state is ItemState.started and sub_case_id(call_of(parent, item)) == row.id


def call_of(case: Case, item: WorkItem) -> Call:
    """The attempt that a work item is at."""
    return Call(case.id, case.workflow, item.task, item.id, item.attempt, item.instance)


def named(
    workflow: Workflow, args: Sequence[object], kwargs: Mapping[str, object]
) -> dict[str, object]:
    """Arguments by the names of the parameters they are for.

    Raises :class:`~knhk.errors.InputError` for what is too much or given twice.
    """
    names = [parameter.name for parameter in workflow.net.parameters]
    given = dict(zip(names, args, strict=False))
    misfits = [
        Misfit(f"argument {number}", f"is too much; parameters: {', '.join(names) or 'none'}")
        for number in range(len(names) + 1, len(args) + 1)
    ]
    misfits.extend(
        Misfit(name, "is given by position and by name") for name in kwargs if name in given
    )
    if misfits:
        raise InputError(f"workflow {workflow.name!r}", misfits)
    return {**given, **kwargs}


def ending_of(
    case: str, facts: Facts, status: CaseStatus, outcome: bytes
) -> tuple[object, Failing | None]:
    """What the end of a sub-case means for its parent's item: a result, or a failure.

    Raises :class:`StoreDamaged` for an outcome that cannot be read.
    """
    if status is CaseStatus.cancelled:
        return None, _failing(cancelled(case, outcome))
    if status is CaseStatus.completed:
        return read_outcome(case, facts.decode_result, outcome), None
    told = read_outcome(case, decode_object, outcome)
    if status is CaseStatus.stuck:
        return None, _failing(CaseStuck(case, str(told.get("marking", ""))))
    bases = told.get("bases")
    names = tuple(str(name) for name in bases) if isinstance(bases, list) else ()
    return None, (str(told.get("error")), str(told.get("message")), names)


def cancelled(case: str, outcome: bytes) -> CaseCancelled:
    """That a case was cancelled, and which failure led to it if its outcome tells one.

    Raises :class:`StoreDamaged` for an outcome that cannot be read.
    """
    told = read_outcome(case, decode_object, outcome) if outcome else {}
    return CaseCancelled(
        case, str(told.get("task", "")), str(told.get("error", "")), str(told.get("message", ""))
    )


def _failing(error: KnhkError) -> Failing:
    return type(error).__name__, str(error), ("KnhkError",)
