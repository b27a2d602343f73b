"""Who does the tasks of a net here: Python callables, connectors, plugins, people, nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import final

from knhk.connect import ConnectorPool
from knhk.engine.handler import Handler, find_callable
from knhk.engine.performer import (
    ConnectorPerformer,
    HandlerPerformer,
    Manner,
    Outside,
    Performer,
)
from knhk.engine.threads import ThreadPool
from knhk.errors import DeployError, KnhkError
from knhk.model import (
    CALLEE_CONNECTOR,
    CALLEE_PLUGIN,
    CALLEE_PYTHON,
    Callee,
    Connector,
    Net,
)
from knhk.plugins import task_types

__all__ = ["Callees"]


@final
class Callees:
    """Finds the performers of tasks; plain callables are called in ``threads``."""

    def __init__(self, threads: ThreadPool, connectors: ConnectorPool) -> None:
        self._threads = threads
        self._connectors = connectors

    def performers(self, net: Net, places: Sequence[Path]) -> Mapping[str, Performer]:
        """A performer for each task of ``net``, by its name.

        Python modules are looked for in ``places`` first. Raises
        :class:`~knhk.errors.DeployError` for a callee that is not there.
        """
        specs = {spec.name: spec for spec in net.connectors}
        return {
            node.name: self._performer(node.task.callee, specs, places)
            for node in net.nodes
            if node.task is not None
        }

    def _performer(
        self, callee: Callee, specs: Mapping[str, Connector], places: Sequence[Path]
    ) -> Performer:
        if callee.kind == CALLEE_PYTHON:
            handler = find_callable(callee.module, callee.name, places)
            return HandlerPerformer(handler, self._threads)
        if callee.kind == CALLEE_CONNECTOR:
            return self._operation(specs[callee.module], callee.name)
        if callee.kind == CALLEE_PLUGIN:
            return self._task_type(callee.name)
        # A timer and a skip are the kernel's own; their items are never offered.
        return Outside()

    def _operation(self, spec: Connector, operation: str) -> Performer:
        try:
            self._connectors.check(spec, operation)
        except KnhkError as error:
            raise DeployError(f"connector {spec.name!r}: {error}") from error
        return ConnectorPerformer(self._connectors, spec, operation)

    def _task_type(self, name: str) -> Performer:
        task_type = task_types().get(name)
        if task_type is None:
            raise DeployError(f"no plugin brings the task type {name!r}; install the one that does")
        if task_type.run is None:
            # Somebody outside does it; the engine starts it, so that its timeout runs.
            return Outside(Manner.handed_out)
        return HandlerPerformer(Handler(name, task_type.run), self._threads)
