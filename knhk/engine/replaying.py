"""From journalled inputs to the kernel's case: how a case comes back, to the bit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from knhk.engine.version import Version
from knhk.engine.work import Start
from knhk.errors import ReplayError, StoreDamaged, UnknownName
from knhk.journal import CaseRow, InputRow
from knhk.kernel import Case, WorkItem
from knhk.model import REFUSED, START

__all__ = ["replay", "starts_again"]


def replay(version: Version, row: CaseRow, rows: Sequence[InputRow]) -> Case:
    """The kernel's case that a whole history makes.

    Raises :class:`StoreDamaged` or :class:`ReplayError` for a history that makes none.
    """
    if not rows or [entry.seq for entry in rows] != list(range(len(rows))):
        raise StoreDamaged(
            f"the store is damaged: case {row.id!r} has a gap in its inputs;"
            " go back to a copy of it"
        )
    case = Case(version.workflow.program, row.id)
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
        item: WorkItem | None = None
        if row.item > 0:
            try:
                item = case.item(row.item)
            except UnknownName as error:
                raise ReplayError(case.id, row.seq, str(error)) from error
        effects = case.apply(facts.decode(row, item))
        if effects and effects[0].kind == REFUSED:
            raise ReplayError(case.id, row.seq, effects[0].why)
