"""What can be seen of a case from outside: its history, its data, its open work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from knhk.engine.facts import Payloads, whole
from knhk.engine.plain import jsonable
from knhk.engine.replaying import replay
from knhk.engine.version import Version
from knhk.errors import KnhkError
from knhk.journal import CaseRow, InputRow
from knhk.kernel import Case
from knhk.model import INPUT_NAMES, CaseStatus, ItemState

__all__ = [
    "CaseReport",
    "EventWait",
    "ItemReport",
    "Step",
    "SubCase",
    "Waits",
    "WorkOffer",
    "report",
    "report_at",
]


@dataclass(frozen=True, slots=True)
class Step:
    """One input of a case: ``value`` is plain JSON, ``at_us`` microseconds since the epoch."""

    seq: int
    at_us: int
    kind: str
    task: str = ""
    item: int = -1
    value: object = None
    error: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class ItemReport:
    """A work item that is open: waiting, offered, started, or failed for good.

    ``undoes`` is the number of the completed item that it undoes, ``None`` for ordinary work.
    """

    id: int
    task: str
    state: ItemState
    attempt: int
    instance: int | None
    due_us: int
    undoes: int | None = None


@dataclass(frozen=True, slots=True)
class SubCase:
    """A case that another began for its work item ``item``."""

    case: str
    workflow: str
    item: int
    status: CaseStatus


@dataclass(frozen=True, slots=True)
class CaseReport:
    """A case as it stands, with all that led there; values are plain JSON.

    ``outcome`` holds ``result``, or ``task``, ``error`` and ``message``, or ``marking``.
    ``problem`` says why data, marking and items could not be had, if they could not.
    ``parent``, ``parent_item`` and ``depth`` say whose sub-case it is, as in
    :class:`~knhk.journal.CaseRow`; ``children`` are its own sub-cases, by age. It belongs to
    ``tenant``, which is empty where nobody tells tenants apart.
    """

    case: str
    workflow: str
    digest: str
    status: CaseStatus
    created_us: int
    ended_us: int
    outcome: object
    history: tuple[Step, ...]
    items: tuple[ItemReport, ...] = ()
    data: object = None
    marking: tuple[tuple[str, int], ...] = ()
    problem: str = ""
    parent: str = ""
    parent_item: int = -1
    depth: int = 0
    children: tuple[SubCase, ...] = ()
    tenant: str = ""

    @property
    def offered(self) -> tuple[str, ...]:
        """Names of tasks with an offered item, one per item, by age."""
        return self._tasks(ItemState.offered)

    @property
    def started(self) -> tuple[str, ...]:
        """Names of tasks with a started item, one per item, by age."""
        return self._tasks(ItemState.started)

    def _tasks(self, state: ItemState) -> tuple[str, ...]:
        return tuple(item.task for item in self.items if item.state is state)


@dataclass(frozen=True, slots=True)
class WorkOffer:
    """Work for somebody outside, as the journal has it.

    ``state`` is offered, or started: then it has been handed out, or is held. ``instance`` and
    ``value`` are of an instance of a multiple-instance task: its number from 0, and the element it
    works on. ``args`` and ``kwargs`` are what the workflow gives along, such as ``role`` of
    ``human``. ``undoes`` is the number of the completed item that is to be undone, else ``None``.

    A larger ``priority`` goes first, then what has been there longer: ``since_us``. What
    ``is_held`` can be completed by nobody but its ``worker`` (empty if that has no name), whose
    claim lasts until ``until_us`` (-1: without an end). Times are microseconds since the epoch.
    """

    case: str
    workflow: str
    task: str
    item: int
    state: ItemState
    attempt: int
    instance: int | None
    due_us: int
    value: object = None
    args: tuple[object, ...] = ()
    kwargs: tuple[tuple[str, object], ...] = ()
    undoes: int | None = None
    tenant: str = ""
    role: str = ""
    priority: int = 0
    since_us: int = -1
    is_held: bool = False
    worker: str = ""
    until_us: int = -1


@dataclass(frozen=True, slots=True)
class EventWait:
    """A task that waits for an event: ``event`` is ``message NAME`` or ``signal NAME``."""

    case: str
    workflow: str
    task: str
    item: int
    event: str
    key: object = None


@dataclass(frozen=True, slots=True)
class Waits:
    """All that a case and its sub-cases wait for, where it has to come from outside."""

    work: tuple[WorkOffer, ...] = ()
    events: tuple[EventWait, ...] = ()


_AT_WORK = (ItemState.waiting, ItemState.offered, ItemState.started)


def report(
    row: CaseRow,
    rows: Sequence[InputRow],
    payloads: Payloads,
    children: Sequence[CaseRow],
    version: Version | None,
    problem: KnhkError | None,
) -> CaseReport:
    """Put a report together; without ``version``, ``problem`` says why there is none."""
    case: Case | None = None
    if version is not None:
        try:
            case = replay(version, row, rows, payloads)
        except KnhkError as error:
            problem = error
    return CaseReport(
        case=row.id,
        workflow=row.workflow,
        digest=row.digest,
        status=row.status,
        created_us=row.created_us,
        ended_us=row.ended_us,
        outcome=_read(row.outcome, payloads) if row.outcome else None,
        history=tuple(_step(entry, payloads, case) for entry in rows),
        items=() if case is None else tuple(_items(case)),
        data=None if case is None else jsonable(case.data),
        marking=() if case is None else tuple(case.marking.items()),
        problem="" if problem is None else str(problem),
        parent=row.parent,
        parent_item=row.parent_item,
        depth=row.depth,
        children=tuple(
            SubCase(child.id, child.workflow, child.parent_item, child.status) for child in children
        ),
        tenant=row.tenant,
    )


def report_at(
    row: CaseRow, rows: Sequence[InputRow], payloads: Payloads, version: Version
) -> CaseReport:
    """How a case stood after its inputs ``rows``, the first of all; its outcome is not told.

    Raises :class:`StoreDamaged` or :class:`ReplayError` for a history that makes no case.
    """
    status = replay(version, row, rows, payloads).status
    past = replace(row, status=status, ended_us=-1, outcome=b"")
    return report(past, rows, payloads, (), version, None)


def _step(row: InputRow, payloads: Payloads, case: Case | None) -> Step:
    task = row.task
    if not task and row.item > 0 and case is not None:
        task = case.item(row.item).task
    found = _read(row.body, payloads) if row.body else {}
    kind = INPUT_NAMES[row.kind] if 0 <= row.kind < len(INPUT_NAMES) else f"input {row.kind}"
    return Step(
        row.seq,
        row.at_us,
        kind,
        task,
        row.item,
        found.get("value"),
        str(found.get("error", "")),
        str(found.get("message", "")),
    )


def _read(body: bytes, payloads: Payloads) -> dict[str, object]:
    """A JSON object; what is none is shown as it is, with a message that says so."""
    try:
        return whole(body, payloads)
    except (ValueError, LookupError) as error:
        return {"message": f"unreadable ({error}): {body[:200]!r}"}


def _items(case: Case) -> Iterable[ItemReport]:
    failed = {item.id for item in case.failed}
    for item in case.items:
        if item.state in _AT_WORK or item.id in failed:
            yield ItemReport(
                item.id,
                item.task,
                item.state,
                item.attempt,
                item.instance,
                item.due_us,
                item.undoes,
            )
