"""From journalled inputs to the kernel's case: how a case comes back, to the bit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from knhk.engine.facts import decode_json
from knhk.engine.version import Version
from knhk.engine.work import Start
from knhk.errors import ReplayError, SnapshotError, StoreDamaged, UnknownName
from knhk.journal import CaseRow, InputRow, Stored
from knhk.kernel import Case
from knhk.model import REFUSED, START

__all__ = ["replay", "revive", "starts_again"]


def replay(
    version: Version, row: CaseRow, rows: Sequence[InputRow], *, keeps_history: bool = False
) -> Case:
    """The kernel's case that a whole history makes.

    Raises :class:`StoreDamaged` or :class:`ReplayError` for a history that makes none.
    """
    if not rows or [entry.seq for entry in rows] != list(range(len(rows))):
        raise StoreDamaged(
            f"the store is damaged: case {row.id!r} has a gap in its inputs;"
            " go back to a copy of it"
        )
    case = Case(version.workflow.program, row.id, keeps_history=keeps_history)
    _replay(case, version, rows)
    return case


def revive(version: Version, stored: Stored) -> Case:
    """The kernel's case that the last snapshot and the inputs since make.

    Raises :class:`SnapshotError` where the whole history has to be replayed, and what
    :func:`replay` raises.
    """
    row, snapshot, rows = stored.row, stored.snapshot, stored.inputs
    if snapshot is None:
        return replay(version, row, rows)
    if [entry.seq for entry in rows] != list(range(snapshot.seq, snapshot.seq + len(rows))):
        raise SnapshotError(row.id, "there is a gap behind it")
    try:
        plain = decode_json(snapshot.body)
    except ValueError as error:
        raise SnapshotError(row.id, str(error)) from error
    case = Case.restored(version.workflow.program, row.id, plain, keeps_history=False)
    _replay(case, version, rows)
    return case


def starts_again(
    version: Version, row: CaseRow, rows: Sequence[InputRow], items: set[int]
) -> Iterable[Start]:
    """The starts of items that are at work, with the arguments they had then.

    Data may have moved on since, so the whole history is played once more up to each start.
    """
    last = {entry.item: entry.seq for entry in rows if entry.kind == START and entry.item in items}
    wanted = {seq: item for item, seq in last.items()}
    case = Case(version.workflow.program, row.id)
    for entry in rows[: max(wanted) + 1]:
        _replay(case, version, (entry,))
        if entry.seq in wanted:
            yield Start.of(case, entry.item, version.name)


def _replay(case: Case, version: Version, rows: Iterable[InputRow]) -> None:
    """Apply journalled inputs to a case."""
    facts = version.facts
    for row in rows:
        task = ""
        if row.item > 0:
            try:
                task = case.item(row.item).task
            except UnknownName as error:
                raise ReplayError(case.id, row.seq, str(error)) from error
        effects = case.apply(facts.decode(row, task))
        if effects and effects[0].kind == REFUSED:
            raise ReplayError(case.id, row.seq, effects[0].why)
