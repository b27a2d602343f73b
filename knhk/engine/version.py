"""A deployed workflow: its program, the encoding of its facts, and who does its tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, final

from knhk.engine.facts import Facts
from knhk.engine.performer import Performer
from knhk.module import Workflow

__all__ = ["Version"]


@final
class Version:
    """One workflow as one bundle of sources has it. ``performers`` are by task name."""

    def __init__(
        self, digest: str, workflow: Workflow, performers: Mapping[str, Performer]
    ) -> None:
        self.digest: Final = digest
        self.workflow: Final = workflow
        self.performers: Final = performers
        self.facts: Final = Facts(workflow.net)

    @property
    def name(self) -> str:
        return self.workflow.name
