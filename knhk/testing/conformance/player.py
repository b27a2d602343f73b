"""What an engine offers to be held to the suite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from knhk.errors import KnhkError

__all__ = ["Player", "StepRefused"]


class StepRefused(KnhkError):
    """The engine does not let this happen now; nothing has changed."""


class Player(Protocol):
    """Plays one case after the other on an engine; write one of these to hold yours to the suite.

    Every method that changes the case raises :class:`StepRefused` when the engine refuses it,
    and returns when all that follows from it by itself has happened. Anything else that is
    raised is a fault of the engine or of the suite, and fails the run. Values are plain JSON.
    """

    async def begin(self, source: str, parameters: Mapping[str, object]) -> None:
        """Forget the case before, and begin one of the first workflow of ``source``."""

    async def end(self) -> None:
        """The run is over, wherever the case stands."""

    async def start(self, task: str, instance: int | None) -> None:
        """Start the oldest offered item of a task, or the one of that instance (from 0)."""

    async def complete(self, task: str, instance: int | None, value: object) -> None:
        """Complete the oldest started item, or the one of that instance, with its result."""

    async def perform(self, task: str, instance: int | None, value: object) -> None:
        """Start the oldest offered item and complete the same one."""

    async def fail(self, task: str, instance: int | None, error: str) -> None:
        """Let the oldest started item fail with an error of that name."""

    async def withdraw(self, task: str) -> None:
        """Cancel a task from outside."""

    async def add(self, task: str, value: object) -> None:
        """Add an instance to a multiple-instance task."""

    async def message(self, name: str, key: object, payload: object) -> bool:
        """Send a message; whether it was taken at once."""

    async def signal(self, name: str, payload: object) -> int:
        """Send a signal; how many items it reached."""

    async def wait(self, duration_us: int) -> None:
        """Let that many microseconds pass."""

    async def suspend(self) -> None:
        """Let the case stand still."""

    async def resume(self) -> None:
        """Let the case go on after it was suspended or has failed."""

    async def cancel(self) -> None:
        """Cancel the case from outside."""

    async def offered(self) -> tuple[str, ...]:
        """The tasks of the offered items, one for each item, in any order."""

    async def started(self) -> tuple[str, ...]:
        """The tasks of the items at work, one for each item, in any order."""

    async def status(self) -> str:
        """``running``, ``suspended``, ``completed``, ``failed``, ``cancelled`` or ``stuck``."""

    async def result(self) -> object:
        """What the case returned; ``None`` before its end."""

    async def data(self, name: str) -> object:
        """A variable, a parameter, or the latest result of a task; ``None`` if it has none."""

    async def explain(self, task: str) -> str:
        """Why a task is or is not offered, in words; empty if the engine cannot say."""
