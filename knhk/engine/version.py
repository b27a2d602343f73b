"""A deployed workflow: its program, the encoding of its facts, and who does its tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, final

from knhk.engine.concurrency import Needs
from knhk.engine.facts import Facts
from knhk.engine.performer import Outside, Performer
from knhk.kernel import WorkItem
from knhk.model import CALLEE_OUTSIDE, CALLEE_PLUGIN, Callee
from knhk.module import Workflow

__all__ = ["Version"]

_NONE: Final[Needs] = {}
#: What may be for somebody outside; all else that the engine does not do is the kernel's.
_FOR_OUTSIDE: Final = (CALLEE_OUTSIDE, CALLEE_PLUGIN)


@final
class Version:
    """One workflow as one bundle of sources has it.

    ``performers`` are by task name, and so are ``undoers``, who do the compensations of tasks.
    ``needs`` are the places that work items need where something is limited, ``priorities``
    those of tasks that are not 0.
    """

    def __init__(
        self,
        digest: str,
        workflow: Workflow,
        performers: Mapping[str, Performer],
        undoers: Mapping[str, Performer],
        needs: Needs = _NONE,
    ) -> None:
        self.digest: Final = digest
        self.workflow: Final = workflow
        self.performers: Final = performers
        self.undoers: Final = undoers
        self.needs: Final = needs
        self.priorities: Final[Mapping[str, int]] = {
            node.name: node.task.priority
            for node in workflow.net.nodes
            if node.task is not None and node.task.priority
        }
        self.facts: Final = Facts(workflow.net)
        #: Whether its cases take any message or signal.
        self.hears: Final = bool(workflow.program.hears)
        #: Whether any of it may be work for somebody outside.
        self.has_outside: Final = any(
            isinstance(performer, Outside) and callee.kind in _FOR_OUTSIDE
            for performer, callee in _who_does_what(workflow, performers, undoers)
        )

    def performer(self, item: WorkItem) -> Performer:
        """Who does a work item: its task's performer, or who undoes the task."""
        return (self.performers if item.undoes is None else self.undoers)[item.task]

    @property
    def name(self) -> str:
        return self.workflow.name


def _who_does_what(
    workflow: Workflow, performers: Mapping[str, Performer], undoers: Mapping[str, Performer]
) -> Iterable[tuple[Performer, Callee]]:
    """Every callee of a workflow, with its performer."""
    found: list[tuple[Performer, Callee]] = []
    for node in workflow.net.nodes:
        if node.task is None:
            continue
        if node.name in performers:
            found.append((performers[node.name], node.task.callee))
        if node.task.compensation is not None and node.name in undoers:
            found.append((undoers[node.name], node.task.compensation))
    return found
