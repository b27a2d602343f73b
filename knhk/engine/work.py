"""One piece of work that the engine does: begun, awaited, stopped."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, final

import anyio
import anyio.lowlevel

from knhk.call import CALL, Call
from knhk.engine.performer import Waiting
from knhk.errors import ExpressionError
from knhk.journal import Writer
from knhk.kernel import Case

__all__ = ["Start", "Taker", "Work", "carry_out", "failure_of"]

_log = logging.getLogger(__name__)

#: Classes that every error has, so that no exception flow can mean anything by their names.
_COMMON: Final = frozenset({"Exception", "BaseException", "object"})
#: The longest message of an error that is kept.
MESSAGE_MAX: Final = 10_000


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
    """A started item that is being worked on; cancelling ``scope`` stops it."""

    __slots__ = ("performer", "scope", "start")

    def __init__(self, start: Start, performer: Waiting) -> None:
        self.start = start
        self.performer = performer
        self.scope = anyio.CancelScope()


class Taker(Protocol):
    """The case that a piece of work is for."""

    def holds(self, work: Work) -> bool:
        """Whether the work is still wanted."""

    def finish(self, work: Work, value: object) -> None:
        """The work has given a value."""

    def give_up(self, work: Work, error: str, message: str, bases: tuple[str, ...]) -> None:
        """The work has failed."""


async def carry_out(case: Taker, work: Work, writer: Writer) -> None:
    """Do a piece of work and tell its case how it ended, if the case still wants to know."""
    start = work.start
    failure: tuple[str, str, tuple[str, ...]] | None = None
    value: object = None
    with work.scope:
        CALL.set(start.call)
        try:
            value = await work.performer.perform(start.args, start.kwargs, start.call)
        except anyio.get_cancelled_exc_class():
            # Raises again if it is us who are cancelled; else the callee raised it by itself.
            await anyio.lowlevel.checkpoint_if_cancelled()
            failure = ("Cancelled", "the callee cancelled itself", ())
        except Exception as error:  # noqa: BLE001  a callee may raise anything
            failure = failure_of(error)
        await writer.room()
    if not case.holds(work):
        _log.info("the late end of attempt %s is thrown away", start.call.idempotency_key)
    elif failure is not None:
        case.give_up(work, *failure)
    else:
        case.finish(work, value)


def failure_of(error: Exception) -> tuple[str, str, tuple[str, ...]]:
    """An exception as a failure: its type's name, its message, the names of its base classes."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    kinds = type(error).__mro__
    bases = tuple(kind.__name__ for kind in kinds[1:] if kind.__name__ not in _COMMON)
    try:
        message = str(error)
    except Exception:  # noqa: BLE001  even its text is somebody else's code
        message = "(its message cannot be read)"
    return kinds[0].__name__, message[:MESSAGE_MAX], bases
