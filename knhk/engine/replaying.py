"""From journalled inputs to the kernel's case: how a case comes back, to the bit."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final, final

from knhk.engine.facts import NO_PAYLOADS, Facts, Payloads, whole
from knhk.engine.performer import Manner
from knhk.engine.version import Version
from knhk.engine.work import Start
from knhk.errors import ReplayError, SnapshotError, StoreDamaged, UnknownName
from knhk.journal import CaseRow, InputRow, Stored
from knhk.kernel import Case, WorkItem
from knhk.model import COMPLETE, FAIL, REFUSED, START

__all__ = ["Replay", "replay", "revive"]


def replay(
    version: Version,
    row: CaseRow,
    rows: Sequence[InputRow],
    payloads: Payloads = NO_PAYLOADS,
) -> Case:
    """The kernel's case that a whole history makes, with the payloads that it refers to.

    Raises :class:`StoreDamaged` or :class:`ReplayError` for a history that makes none.
    """
    return revive(version, Stored(row, None, tuple(rows), (), payloads))


def revive(version: Version, stored: Stored, at_work: dict[int, Start] | None = None) -> Case:
    """The kernel's case that the last snapshot and the inputs since make.

    ``at_work`` takes the starts of what the engine may have to do again, by item and in their
    order, with the arguments they had then: data may have moved on since. Raises
    :class:`SnapshotError` where the whole history has to be replayed, and :class:`StoreDamaged`
    or :class:`ReplayError` for a history that makes no case.
    """
    case = _beginning(version, stored)
    facts, payloads, tenant = version.facts, stored.payloads, stored.row.tenant
    open_starts = () if at_work is None else _open_starts(stored.inputs)
    for row in stored.inputs:
        _apply(case, facts, row, payloads)
        if at_work is None or row.seq not in open_starts:
            continue
        if version.performer(case.item(row.item)).manner is not Manner.outside:
            at_work[row.item] = Start.of(case, row.item, version.name, tenant)
    return case


def _open_starts(rows: Iterable[InputRow]) -> Collection[int]:
    """The numbers of the inputs that start an item which neither completes nor fails since."""
    starts: dict[int, int] = {}
    for row in rows:
        if row.kind == START:
            starts[row.item] = row.seq
        elif row.kind in (COMPLETE, FAIL):
            starts.pop(row.item, None)
    return set(starts.values())


def _beginning(version: Version, stored: Stored) -> Case:
    """The case before the inputs that are to be applied."""
    program = version.workflow.program
    row, snapshot, rows = stored.row, stored.snapshot, stored.inputs
    first = 0 if snapshot is None else snapshot.seq
    has_gap = [entry.seq for entry in rows] != list(range(first, first + len(rows)))
    if snapshot is None:
        if has_gap or not rows:
            raise StoreDamaged(
                f"the store is damaged: case {row.id!r} has a gap in its inputs;"
                " go back to a copy of it"
            )
        return Case(program, row.id, keeps_history=False)
    if has_gap:
        raise SnapshotError(row.id, "there is a gap behind it")
    try:
        plain = whole(snapshot.body, stored.payloads)
    except ValueError as error:
        raise SnapshotError(row.id, str(error)) from error
    return Case.restored(program, row.id, plain, keeps_history=False)


@final
class Replay:
    """A case that is replayed from its first input on, one after the other."""

    def __init__(self, version: Version, row: CaseRow) -> None:
        self.version: Final = version
        self.case: Final = Case(version.workflow.program, row.id, keeps_history=False)

    def take(self, row: InputRow, payloads: Payloads) -> None:
        """The next input; errors like those of :func:`replay`."""
        _apply(self.case, self.version.facts, row, payloads)


def _apply(case: Case, facts: Facts, row: InputRow, payloads: Payloads) -> None:
    item: WorkItem | None = None
    if row.item > 0:
        try:
            item = case.item(row.item)
        except UnknownName as error:
            raise ReplayError(case.id, row.seq, str(error)) from error
    effects = case.apply(facts.decode(row, item, payloads))
    if effects and effects[0].kind == REFUSED:
        raise ReplayError(case.id, row.seq, effects[0].why)
