"""A case as a caller of the engine holds it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import final

from knhk.engine.standing import CaseStanding
from knhk.model import CaseStatus

__all__ = ["CaseHandle"]


@final
class CaseHandle:
    """One case of an engine; it costs nothing to keep, and the case runs without it."""

    __slots__ = ("_outcome", "_standing")

    def __init__(
        self, standing: CaseStanding, outcome: Callable[[CaseStanding], Awaitable[object]]
    ) -> None:
        self._standing = standing
        self._outcome = outcome

    @property
    def id(self) -> str:
        """The name of the case."""
        return self._standing.row.id

    @property
    def workflow(self) -> str:
        """The name of its workflow."""
        return self._standing.row.workflow

    @property
    def parent(self) -> str:
        """The name of the case that it is a sub-case of; empty if it is none."""
        return self._standing.row.parent

    @property
    def tenant(self) -> str:
        """Whose case it is; empty where nobody tells tenants apart."""
        return self._standing.row.tenant

    @property
    def status(self) -> CaseStatus:
        """Where the case stands, as the journal has it."""
        return self._standing.status

    async def result(self) -> object:
        """Wait for the end of the case and give its result.

        Raises :class:`~knhk.errors.CaseFailed`, :class:`~knhk.errors.CaseCancelled` or
        :class:`~knhk.errors.CaseStuck`, or why the engine had to let go of the case, such as
        a :class:`~knhk.errors.StoreFull`.
        """
        await self._standing.wait()
        return await self._outcome(self._standing)

    def __repr__(self) -> str:
        return f"<CaseHandle {self.id} of {self.workflow}: {self.status}>"
