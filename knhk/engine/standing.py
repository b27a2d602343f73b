"""Where a case stands, for those who wait for it; outlives the case's time in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import anyio

from knhk.errors import KnhkError
from knhk.journal import UNFINISHED, CaseRow
from knhk.model import CaseStatus

__all__ = ["CaseStanding"]


@final
class CaseStanding:
    """The last state of a case that is in the journal, and a way to wait for the next.

    ``problem`` is why the engine does not run an unfinished case: its store failed, or its
    workflow cannot be brought back.
    """

    __slots__ = ("__weakref__", "_changed", "outcome", "problem", "row", "status", "wanted")

    def __init__(self, row: CaseRow) -> None:
        self.row = row
        self.status: CaseStatus = row.status
        self.outcome: bytes = row.outcome
        self.problem: KnhkError | None = None
        self._changed: anyio.Event | None = None
        #: Told when somebody begins to wait.
        self.wanted: Callable[[CaseStanding], None] | None = None

    @property
    def settled(self) -> bool:
        """Whether waiting longer is in vain."""
        return self.problem is not None or self.status not in UNFINISHED

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waits for the next state."""
        return self._changed is not None

    def move(self, status: CaseStatus, outcome: bytes) -> None:
        """The case stands elsewhere now."""
        self.status = status
        self.outcome = outcome
        self.problem = None
        self._tell()

    def strand(self, problem: KnhkError) -> None:
        """The engine has let go of the case."""
        self.problem = problem
        self._tell()

    async def wait(self) -> None:
        """Wait until the case is no longer running or suspended, or the engine lets go of it."""
        while not self.settled:
            if self._changed is None:
                self._changed = anyio.Event()
                if self.wanted is not None:
                    self.wanted(self)
            await self._changed.wait()

    def _tell(self) -> None:
        if self._changed is not None:
            self._changed.set()
            self._changed = None
