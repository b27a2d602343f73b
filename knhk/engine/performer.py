"""Who does the work of a task: one small protocol, and a performer for each kind of callee."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from enum import Enum
from inspect import isawaitable
from typing import Any, Final, Protocol, TypeAlias, final

from knhk.call import Call
from knhk.connect import ConnectorPool
from knhk.engine.handler import Handler
from knhk.engine.threads import ThreadPool
from knhk.model import Connector

__all__ = [
    "ConnectorPerformer",
    "HandlerPerformer",
    "Manner",
    "Outside",
    "Performer",
    "SubWorkflow",
    "Waiting",
]


class Manner(Enum):
    """How a piece of work is done, which decides what it costs."""

    #: By somebody outside: the item stays offered until it is claimed or completed.
    outside = "outside"
    #: By somebody outside, but started by the engine, so that its timeout runs.
    handed_out = "handed out"
    #: In a task of its own, since it waits.
    waits = "waits"
    #: By a case of another workflow, or of the same one.
    sub_case = "sub-case"


@final
class Outside:
    """Work that the world outside does, through the engine's API."""

    def __init__(self, manner: Manner = Manner.outside) -> None:
        self.manner: Final = manner


@final
class SubWorkflow:
    """Work that is a case of its own, of ``workflow`` in the same version."""

    manner: Final = Manner.sub_case

    def __init__(self, workflow: str) -> None:
        self.workflow: Final = workflow


class Waiting(Protocol):
    """Does work that waits for something, for all cases of a workflow."""

    @property
    def manner(self) -> Manner: ...

    def perform(
        self, args: Sequence[object], kwargs: Mapping[str, object], call: Call
    ) -> Coroutine[Any, Any, object]:
        """What is to be awaited for the result; both may raise anything."""


Performer: TypeAlias = Outside | SubWorkflow | Waiting


@final
class HandlerPerformer:
    """A Python callable: awaited if it is asynchronous, else called in a worker thread."""

    manner: Final = Manner.waits

    def __init__(self, handler: Handler, threads: ThreadPool) -> None:
        self._handler = handler
        self._threads = threads

    def perform(
        self, args: Sequence[object], kwargs: Mapping[str, object], call: Call
    ) -> Coroutine[Any, Any, object]:
        bound = self._handler.bind(args, kwargs, call)
        if not self._handler.is_async:
            return self._in_thread(bound, call)
        found = bound()
        return found if isinstance(found, Coroutine) else _awaited(found)

    async def _in_thread(self, bound: Callable[[], object], call: Call) -> object:
        value = await self._threads.run(f"{self._handler.name} ({call.idempotency_key})", bound)
        # A plain function may still give something to await, as a partial or a decorator does.
        return await _awaited(value)


@final
class ConnectorPerformer:
    """An operation of a connector instance."""

    manner: Final = Manner.waits

    def __init__(self, pool: ConnectorPool, spec: Connector, operation: str) -> None:
        self._pool = pool
        self._spec = spec
        self._operation = operation

    def perform(
        self, args: Sequence[object], kwargs: Mapping[str, object], call: Call
    ) -> Coroutine[Any, Any, object]:
        return self._pool.call(self._spec, self._operation, args, kwargs, call)


async def _awaited(value: object) -> object:
    if isawaitable(value):
        found: object = await value
        return found
    return value
