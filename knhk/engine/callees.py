"""Who does the tasks of a net here: Python callables, connectors, plugins, people, nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, final

from knhk.connect import ConnectorPool
from knhk.engine.concurrency import Concurrency, Needs, needs_of
from knhk.engine.handler import Handler, find_callable
from knhk.engine.performer import (
    ConnectorPerformer,
    HandlerPerformer,
    Manner,
    Outside,
    Performer,
    SubWorkflow,
)
from knhk.engine.threads import ThreadPool
from knhk.engine.work import Start
from knhk.errors import DeployError, KnhkError
from knhk.model import (
    CALLEE_CONNECTOR,
    CALLEE_PLUGIN,
    CALLEE_PYTHON,
    CALLEE_WORKFLOW,
    Callee,
    Connector,
    Net,
    Node,
    Section,
)
from knhk.plugins import task_types
from knhk.surroundings import surroundings

__all__ = ["Callees", "is_own", "role_of"]

#: The parameter of a task type that says who may do the work.
_ROLE: Final = "role"


@final
class Callees:
    """Finds the performers of tasks; plain callables are called in ``threads``."""

    def __init__(
        self, threads: ThreadPool, connectors: ConnectorPool, concurrency: Concurrency
    ) -> None:
        self._threads = threads
        self._connectors = connectors
        self._surroundings = surroundings()
        self._concurrency = concurrency

    def performers(self, net: Net, places: Sequence[Path]) -> Mapping[str, Performer]:
        """A performer for each task of ``net``, by its name.

        Python modules are looked for in ``places`` first. Raises
        :class:`~knhk.errors.DeployError` for a callee that is not there.
        """
        specs = {spec.name: spec for spec in net.connectors}
        return {
            node.name: self._performer(
                node.task.callee, specs, places, is_choice=_is_choice(net, number)
            )
            for number, node in enumerate(net.nodes)
            if node.task is not None
        }

    def undoers(self, net: Net, places: Sequence[Path]) -> Mapping[str, Performer]:
        """A performer for the compensation of each task of ``net`` that has one, like those."""
        specs = {spec.name: spec for spec in net.connectors}
        return {
            node.name: self._performer(node.task.compensation, specs, places, is_choice=False)
            for node in net.nodes
            if node.task is not None and node.task.compensation is not None
        }

    def needs(
        self, net: Net, performers: Mapping[str, Performer], undoers: Mapping[str, Performer]
    ) -> Needs:
        """The places that work items of ``net`` need, where something is limited."""
        return needs_of(net, performers, undoers, self._concurrency)

    def _performer(
        self,
        callee: Callee,
        specs: Mapping[str, Connector],
        places: Sequence[Path],
        *,
        is_choice: bool,
    ) -> Performer:
        make = partial(self._found, callee, specs, places, is_choice)
        if self._surroundings is None:
            return make()
        return self._surroundings.performer(callee, make)

    def _found(
        self,
        callee: Callee,
        specs: Mapping[str, Connector],
        places: Sequence[Path],
        is_choice: bool,
    ) -> Performer:
        if callee.kind == CALLEE_PYTHON:
            handler = find_callable(callee.module, callee.name, places)
            return HandlerPerformer(handler, self._threads)
        if callee.kind == CALLEE_CONNECTOR:
            return self._operation(specs[callee.module], callee.name)
        if callee.kind == CALLEE_PLUGIN:
            return self._task_type(callee.name, is_choice=is_choice)
        if callee.kind == CALLEE_WORKFLOW:
            return SubWorkflow(callee.name)
        # Timers, messages, signals and skips are the kernel's own: their items are never offered.
        return Outside()

    def _operation(self, spec: Connector, operation: str) -> Performer:
        try:
            self._connectors.check(spec, operation)
        except KnhkError as error:
            raise DeployError(f"connector {spec.name!r}: {error}") from error
        return ConnectorPerformer(self._connectors, spec, operation)

    def _task_type(self, name: str, *, is_choice: bool) -> Performer:
        task_type = task_types().get(name)
        if task_type is None:
            raise DeployError(f"no plugin brings the task type {name!r}; install the one that does")
        if task_type.run is None:
            # Somebody outside does it; the engine starts it, so that its timeout runs. Where the
            # start takes something from others, the choice is theirs who do the work.
            return Outside(Manner.outside if is_choice else Manner.handed_out)
        return HandlerPerformer(Handler(name, task_type.run), self._threads)


def is_own(callee: Callee) -> bool:
    """Whether the engine itself does the work, and nobody outside, nor the kernel."""
    if callee.kind == CALLEE_PLUGIN:
        task_type = task_types().get(callee.name)
        return task_type is not None and task_type.run is not None
    return callee.kind in (CALLEE_PYTHON, CALLEE_CONNECTOR, CALLEE_WORKFLOW)


def role_of(callee: Callee, start: Start) -> str:
    """Who may do work for outside, as its ``role`` says; empty where it says nothing."""
    role = start.kwargs.get(_ROLE)
    if role is None and start.args and callee.kind == CALLEE_PLUGIN:
        task_type = task_types().get(callee.name)
        parameters = () if task_type is None else task_type.signature.parameters
        if parameters and parameters[0].name == _ROLE:
            role = start.args[0]
    return role if isinstance(role, str) else ""


def _is_choice(net: Net, number: int) -> bool:
    """Whether the start of a task may keep others from starting.

    So it is where several may take the same token (a deferred choice, pattern 16), and where
    it takes a mutex (patterns 17, 39 and 40).
    """
    node = net.nodes[number]
    if node.holds or any(len(net.places[place].consumers) > 1 for place in node.inputs):
        return True
    return any(_enters(node, number, section) for section in net.sections)


def _enters(node: Node, number: int, section: Section) -> bool:
    """Whether a node is where a critical section begins."""
    return number in section.nodes and any(place not in section.places for place in node.inputs)
