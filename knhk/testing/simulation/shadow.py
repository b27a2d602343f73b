"""The shadow of a case: what the rows that were written make of it, one row after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from knhk.engine.version import Version
from knhk.errors import KnhkError
from knhk.journal import CaseRow, InputRow
from knhk.journal.chain import hash_of_opening, link
from knhk.kernel import Case, WorkItem
from knhk.model import COMPLETE, REFUSED, SKIP, START, CaseStatus

__all__ = ["Shadow"]


@final
class Shadow:
    """A case as the journal has it; ``seal`` is the hash of its last row."""

    def __init__(self, version: Version, row: CaseRow) -> None:
        self.version = version
        self.row = row
        self.status: CaseStatus = row.status
        self.rows: list[InputRow] = []
        self.seal = hash_of_opening(row)
        self.case = Case(version.workflow.program, row.id, keeps_history=False)
        #: The last start of each attempt at an item, and its completion, by their inputs.
        self.started: dict[tuple[int, int], int] = {}
        self.completed: dict[int, int] = {}

    def take(self, row: InputRow) -> str:
        """Take the next row; what is wrong with it, if anything is."""
        if row.seq != len(self.rows):
            return f"input {row.seq} comes after input {len(self.rows) - 1}"
        if link(self.seal, *row[:7]) != row.hash:
            return f"the hash of input {row.seq} does not follow from the one before"
        try:
            effects = self.case.apply(self.version.facts.decode(row, self._item(row.item)))
        except KnhkError as error:
            return f"input {row.seq} cannot be replayed: {error}"
        if effects and effects[0].kind == REFUSED:
            return f"a replay refuses input {row.seq}: {effects[0].why}"
        self.rows.append(row)
        self.seal = row.hash
        if row.kind == START:
            self.started[row.item, self.case.item(row.item).attempt] = row.seq
        elif row.kind in (COMPLETE, SKIP):
            self.completed[row.item] = row.seq
        return ""

    def is_of(self, row: CaseRow, rows: Sequence[InputRow]) -> bool:
        """Whether that is what a store holds of the case."""
        if len(rows) != len(self.rows) or self.status is not row.status:
            return False
        return not rows or rows[-1].hash == self.seal

    def _item(self, number: int) -> WorkItem | None:
        return self.case.item(number) if number > 0 else None
