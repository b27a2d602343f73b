"""Which piece of work a callee is doing right now: for keys, logs and traces.

Work is done at least once: after a crash the same attempt may be made again. A callee that
changes the world hands :attr:`Call.idempotency_key` to whatever it changes, which can then
tell a repetition from a new request.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final, NamedTuple

__all__ = ["CALL", "Call", "current_call"]


class Call(NamedTuple):
    """One attempt at one work item.

    ``instance`` is its position in a ``for each`` (from 0), ``None`` elsewhere; ``attempt``
    counts from 1 and stays the same when the attempt is made again after a crash. ``tenant`` is
    that of the case, empty where it belongs to none.
    """

    case: str
    workflow: str
    task: str
    item: int
    attempt: int
    instance: int | None = None
    tenant: str = ""

    @property
    def idempotency_key(self) -> str:
        """The same for every repetition of this attempt, and for nothing else."""
        return f"{self.case}:{self.item}:{self.attempt}"


#: Set by the engine around every call of a callee.
CALL: Final[ContextVar[Call]] = ContextVar("knhk_call")


def current_call() -> Call:
    """The work that the caller is doing; raises ``LookupError`` outside of any."""
    return CALL.get()
