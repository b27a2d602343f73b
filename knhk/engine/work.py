"""One piece of work that the engine does: begun, awaited, stopped.

Theory of operation. Most work of most workflows waits for something, but what does not must not pay
for it: :func:`carry_out` runs a callee up to where it first waits. If it never does, its case is
told at once, and nothing is awaited. What is left to be awaited is given to the worker, which is a
task of the event loop.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping, Sequence
from contextvars import Context, copy_context
from typing import Any, Final, Protocol, final

import anyio
import anyio.lowlevel

from knhk.call import CALL, Call
from knhk.engine.failing import Failing, Late, failure_of
from knhk.engine.fairness import LINE, PLAIN, Line
from knhk.engine.performer import SubWorkflow, Waiting
from knhk.engine.slots import Ticket
from knhk.errors import ExpressionError
from knhk.journal import Writer
from knhk.kernel import Case

__all__ = ["Start", "Taker", "Work", "carry_out"]


@final
class Start:
    """The start of an item: which call, with what; or why its arguments could not be had."""

    def __init__(
        self,
        call: Call,
        args: Sequence[object],
        kwargs: Mapping[str, object],
        problem: ExpressionError | None = None,
    ) -> None:
        self.call: Final = call
        self.args: Final = args
        self.kwargs: Final = kwargs
        self.problem: Final = problem

    @classmethod
    def of(cls, case: Case, number: int, workflow: str, tenant: str) -> Start:
        """The start that ``case`` has just taken up of its item ``number``."""
        item = case.item(number)
        call = Call(case.id, workflow, item.task, number, item.attempt, item.instance, tenant)
        try:
            args, kwargs = case.arguments(item)
        except ExpressionError as error:
            return Start(call, (), {}, error)
        return Start(call, args, kwargs)


@final
class Work:
    """A started item of a case that is being worked on."""

    def __init__(
        self,
        case: Taker,
        start: Start,
        performer: Waiting | SubWorkflow,
        at_us: int,
        line: Line,
        ticket: Ticket | None,
    ) -> None:
        self.case: Final = case
        self.start: Final = start
        self.performer: Final = performer
        #: When it was begun, or begun anew after a restart.
        self.at_us = at_us
        #: Whose it is, and how urgent.
        self.line: Final = line
        #: Its places, where something is limited.
        self.ticket: Final = ticket
        #: Stops the work where it waits; not there before it begins.
        self.scope: anyio.CancelScope | None = None
        #: Whether its sub-case is in the journal, so that its end will be told.
        self.is_begun = False

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


def carry_out(
    work: Work, performer: Waiting, writer: Writer, late: Late
) -> Coroutine[Any, Any, None] | None:
    """Do a piece of work up to where it waits, and give what is to be awaited then.

    Its case is told how it ended, ``late`` if the case wants it no more.
    """
    context = copy_context()
    value: object = None
    failure: Failing | None = None
    try:
        callee, value = context.run(_first_step, performer, work.start, work.line)
    except anyio.get_cancelled_exc_class() as error:
        return _see_through(_raise(error), work, writer, late)
    except Exception as error:  # noqa: BLE001  a callee may raise anything
        failure = failure_of(error)
    else:
        if callee is not None:
            return _see_through(_Driven(callee, context, value), work, writer, late)
    if writer.is_full:
        return _hand_in(work, value, failure, writer, late)
    _tell(work, value, failure, late)
    return None


def _first_step(
    performer: Waiting, start: Start, line: Line
) -> tuple[Coroutine[Any, Any, object] | None, object]:
    """Run a callee up to where it waits: it, and what it asks of the event loop.

    If it ends before that: nothing, and its value.
    """
    CALL.set(start.call)
    if line is not PLAIN:
        LINE.set(line)
    callee = performer.perform(start.args, start.kwargs, start.call)
    try:
        return callee, callee.send(None)
    except StopIteration as end:
        return None, end.value


async def _raise(error: BaseException) -> object:
    raise error


async def _see_through(callee: Awaitable[object], work: Work, writer: Writer, late: Late) -> None:
    """Await the rest of a piece of work, and tell how it ended."""
    value: object = None
    failure: Failing | None = None
    try:
        value = await callee
    except anyio.get_cancelled_exc_class():
        # Raises again if it is us who are cancelled; else the callee raised it by itself.
        await anyio.lowlevel.checkpoint_if_cancelled()
        failure = ("Cancelled", "the callee cancelled itself", ())
    except Exception as error:  # noqa: BLE001  a callee may raise anything
        failure = failure_of(error)
    await _hand_in(work, value, failure, writer, late)


async def _hand_in(
    work: Work, value: object, failure: Failing | None, writer: Writer, late: Late
) -> None:
    """Tell how the work ended as soon as the journal has room for it."""
    if writer.is_full:
        try:
            await writer.room()
        except anyio.get_cancelled_exc_class():
            late(work.start.call, value, failure)
            raise
    _tell(work, value, failure, late)


def _tell(work: Work, value: object, failure: Failing | None, late: Late) -> None:
    case = work.case
    if not case.holds(work):
        late(work.start.call, value, failure)
    elif failure is not None:
        case.give_up(work, *failure)
    else:
        case.finish(work, value)


@final
class _Driven:
    """Awaits a coroutine that has been begun, in the context it was begun in."""

    def __init__(
        self, callee: Coroutine[Any, Any, object], context: Context, asked: object
    ) -> None:
        self._callee = callee
        self._context = context
        self._asked = asked

    def __await__(self) -> Generator[Any, Any, object]:
        callee, context = self._callee, self._context
        while True:
            step: Callable[..., Any] = callee.send
            try:
                answer = yield self._asked
            except GeneratorExit:
                callee.close()
                raise
            except BaseException as error:  # noqa: BLE001  the callee is to have it, whatever it is
                step, answer = callee.throw, error
            try:
                self._asked = context.run(step, answer)
            except StopIteration as end:
                return end.value
