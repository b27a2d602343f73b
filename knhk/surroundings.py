"""What an engine has around it beside its store and its clock: threads, a stopwatch, its callees.

Outside of a simulation these are the machine's, and :func:`surroundings` gives ``None``. A
simulation (:mod:`knhk.testing.simulation`) sets :data:`SURROUNDINGS` where it opens an engine, and
so decides when a call that blocks is made, how long it takes and how the callees behave. It is
asked where a thread would be used or a workflow is deployed, so that an ordinary step pays nothing
for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Final, Protocol, TypeVar

import anyio
import anyio.to_thread

from knhk.model import Callee

__all__ = ["SURROUNDINGS", "Surroundings", "call_in_thread", "stopwatch", "surroundings"]

T = TypeVar("T")


class Surroundings(Protocol):
    """Stands in for the machine around an engine."""

    def seconds(self) -> float:
        """What a stopwatch shows."""

    async def call(self, function: Callable[[], T]) -> T:
        """Call what blocks; cancelling waits for its end, as with a worker thread."""

    def begin(self, function: Callable[[], None], ended: Callable[[], None]) -> None:
        """Have ``function`` called, which raises nothing, and then ``ended`` in the event loop."""

    def performer(self, callee: Callee, make: Callable[[], T]) -> T:
        """Who does the tasks of a callee; ``make`` gives the one who does them in earnest."""


#: The surroundings of the engines that are opened in this context.
SURROUNDINGS: Final[ContextVar[Surroundings | None]] = ContextVar("knhk_surroundings", default=None)


def surroundings() -> Surroundings | None:
    """What is around an engine that is opened here; ``None`` for the machine itself."""
    return SURROUNDINGS.get()


def stopwatch() -> Callable[[], float]:
    """A function that gives seconds from some moment on."""
    around = SURROUNDINGS.get()
    return time.perf_counter if around is None else around.seconds


async def call_in_thread(
    call: Callable[[], T],
    *,
    may_leave: bool = False,
    limiter: anyio.CapacityLimiter | None = None,
) -> T:
    """Call what waits for a disk or a network, without holding up the event loop.

    Cancelling waits for its end, unless one ``may_leave`` it to itself. ``limiter`` says how many
    such calls may be made at once.
    """
    around = SURROUNDINGS.get()
    if around is None:
        return await anyio.to_thread.run_sync(call, abandon_on_cancel=may_leave, limiter=limiter)
    return await around.call(call)
