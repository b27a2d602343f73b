"""A deployed workflow: its program, the encoding of its facts, and who does its tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, final

from knhk.engine.facts import Facts
from knhk.engine.performer import Performer
from knhk.kernel import WorkItem
from knhk.module import Workflow

__all__ = ["Version"]


@final
class Version:
    """One workflow as one bundle of sources has it.

    ``performers`` are by task name, and so are ``undoers``, who do the compensations of tasks.
    """

    def __init__(
        self,
        digest: str,
        workflow: Workflow,
        performers: Mapping[str, Performer],
        undoers: Mapping[str, Performer],
    ) -> None:
        self.digest: Final = digest
        self.workflow: Final = workflow
        self.performers: Final = performers
        self.undoers: Final = undoers
        self.facts: Final = Facts(workflow.net)

    def performer(self, item: WorkItem) -> Performer:
        """Who does a work item: its task's performer, or who undoes the task."""
        return (self.performers if item.undoes is None else self.undoers)[item.task]

    @property
    def name(self) -> str:
        return self.workflow.name
