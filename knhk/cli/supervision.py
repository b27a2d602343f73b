"""Runs the asynchronous part of a command, and stops it cleanly at Ctrl-C and SIGTERM."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable

import anyio

from knhk.cli import exits


def supervise(work: Callable[[], Awaitable[int]]) -> int:
    """Run ``work`` in an event loop and give its exit code.

    At SIGINT or SIGTERM the work is cancelled, which closes the engine in order: what has
    been acknowledged is in the journal. What ``work`` raises comes out alone, not in a group.
    """
    return anyio.run(_run, work)


async def _run(work: Callable[[], Awaitable[int]]) -> int:
    outcome = exits.STOPPED
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_cancel_at_signal, group.cancel_scope)
            outcome = await work()
            group.cancel_scope.cancel()
    except ExceptionGroup as errors:
        raise _alone(errors) from None
    return outcome


async def _cancel_at_signal(scope: anyio.CancelScope) -> None:
    try:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for _ in signals:
                scope.cancel()
                return
    except NotImplementedError:
        pass  # an event loop without signal handlers (Windows): Ctrl-C raises KeyboardInterrupt


def _alone(error: Exception) -> Exception:
    """The one error in a group of one, however deep."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
