"""``human(role: "manager")``: work that a person does and completes from outside."""

from __future__ import annotations

from typing import Final

from knhk.hookspecs import TaskType, hookimpl
from knhk.model import OperationSignature, ParameterSignature

__all__ = ["HUMAN", "knhk_task_types"]

#: The ``role`` that may take the work, and whatever else is to be said about it.
HUMAN: Final = OperationSignature(
    parameters=(
        ParameterSignature("role", "str", required=False),
        ParameterSignature("details", "json", required=False, keyword_only=True, many=True),
    ),
    doc="Work for a person: it is handed out, and somebody completes it with its result.",
)


@hookimpl
def knhk_task_types() -> list[TaskType]:
    """Add ``human``."""
    return [TaskType("human", HUMAN)]
