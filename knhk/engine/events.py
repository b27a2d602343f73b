"""What an observer of an engine is told: one frozen value for each thing that happened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from knhk.model import (
    COMPLETE,
    CREATE,
    FAIL,
    MESSAGE,
    SIGNAL,
    SKIP,
    START,
    CaseStatus,
)

__all__ = ["MOVES", "TOLD", "Event", "Observer"]

#: The facts that an observer is told, by their kinds.
TOLD: Final = {
    CREATE: "created",
    START: "started",
    COMPLETE: "completed",
    FAIL: "failed",
    SKIP: "skipped",
    MESSAGE: "message",
    SIGNAL: "signal",
}
#: How changes of a case's status are told that are not its end.
MOVES: Final = {CaseStatus.running: "resumed", CaseStatus.suspended: "suspended"}


@dataclass(frozen=True, slots=True)
class Event:
    """Something that has happened and is in the journal.

    ``what`` is ``created``, ``resumed``, ``offered``, ``started``, ``completed``, ``failed``
    (an attempt; ``message`` says how), ``skipped`` (taken for done), ``stopped``
    (withdrawn, given back or timed out), ``late`` (work
    that had been stopped gave a result, or raised what ``message`` says; it is thrown away),
    ``message`` and ``signal`` (one was sent to the case; ``task`` is its name), ``suspended``,
    ``stalled`` (nothing has happened in it for long; ``message`` says why),
    or for the end of a case ``case completed``, ``case failed``, ``case cancelled``,
    ``case stuck``. Of the engine itself, with no case: ``store away`` (``message`` says why) when
    work begins to wait for the store, and ``store back`` when it goes on. ``at_us`` is microseconds
    since the Unix epoch; ``item`` is -1 and ``task`` empty where there is none.
    """

    at_us: int
    case: str
    what: str
    task: str = ""
    item: int = -1
    attempt: int = 0
    message: str = ""


#: Called in the event loop; it must not block. What it raises is logged and forgotten.
Observer = Callable[[Event], None]
