"""``log("text")``: a line in the log of the process."""

from __future__ import annotations

import logging
from typing import Final

from knhk.hookspecs import TaskType, hookimpl
from knhk.signature import operation_signature

__all__ = ["knhk_task_types", "log"]

#: The logger that the lines go to.
LOGGER: Final = logging.getLogger("knhk.log")

_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def log(text: str, level: str = "info") -> str:
    """Log a line and give its text.

    ``level`` is ``debug``, ``info``, ``warning`` or ``error``; another one fails the task
    with ``ValueError``.
    """
    if level not in _LEVELS:
        raise ValueError(f"there is no log level {level!r}; use one of {', '.join(_LEVELS)}")
    LOGGER.log(_LEVELS[level], "%s", text)
    return text


@hookimpl
def knhk_task_types() -> list[TaskType]:
    """Add ``log``."""
    return [TaskType("log", operation_signature(log), log)]
