"""One piece of work that the engine does: begun, awaited, stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, final

import anyio
import anyio.lowlevel

from knhk.call import CALL, Call
from knhk.engine.failing import Failing, Late, failure_of
from knhk.engine.performer import SubWorkflow, Waiting
from knhk.errors import ExpressionError
from knhk.journal import Writer
from knhk.kernel import Case

__all__ = ["Start", "Taker", "Work", "carry_out"]


@dataclass(frozen=True, slots=True)
class Start:
    """The start of an item: which call, with what; or why its arguments could not be had."""

    call: Call
    args: Sequence[object]
    kwargs: Mapping[str, object]
    problem: ExpressionError | None = None

    @classmethod
    def of(cls, case: Case, number: int, workflow: str) -> Start:
        """The start that ``case`` has just taken up of its item ``number``."""
        item = case.item(number)
        call = Call(case.id, workflow, item.task, number, item.attempt, item.instance)
        try:
            args, kwargs = case.arguments(item)
        except ExpressionError as error:
            return cls(call, (), {}, error)
        return cls(call, args, kwargs)


@final
class Work:
    """A started item of a case that is being worked on."""

    __slots__ = ("case", "performer", "scope", "start")

    def __init__(self, case: Taker, start: Start, performer: Waiting | SubWorkflow) -> None:
        self.case = case
        self.start = start
        self.performer = performer
        #: Stops the work where it waits; not there before it begins.
        self.scope: anyio.CancelScope | None = None

    def stop(self) -> None:
        """Have it stopped; what has not begun is not begun, as its case does not hold it."""
        if self.scope is not None:
            self.scope.cancel()


class Taker(Protocol):
    """The case that a piece of work is for."""

    def holds(self, work: Work) -> bool:
        """Whether the work is still wanted."""

    def finish(self, work: Work, value: object) -> None:
        """The work has given a value."""

    def give_up(self, work: Work, error: str, message: str, bases: tuple[str, ...]) -> None:
        """The work has failed."""


async def carry_out(work: Work, performer: Waiting, writer: Writer, late: Late) -> None:
    """Do a piece of work and tell its case how it ended; ``late`` if the case wants it no more."""
    start, case = work.start, work.case
    failure: Failing | None = None
    value: object = None
    CALL.set(start.call)
    try:
        value = await performer.perform(start.args, start.kwargs, start.call)
    except anyio.get_cancelled_exc_class():
        # Raises again if it is us who are cancelled; else the callee raised it by itself.
        await anyio.lowlevel.checkpoint_if_cancelled()
        failure = ("Cancelled", "the callee cancelled itself", ())
    except Exception as error:  # noqa: BLE001  a callee may raise anything
        failure = failure_of(error)
    if writer.is_full:
        try:
            await writer.room()
        except anyio.get_cancelled_exc_class():
            late(start.call, value, failure)
            raise
    if not case.holds(work):
        late(start.call, value, failure)
    elif failure is not None:
        case.give_up(work, *failure)
    else:
        case.finish(work, value)
