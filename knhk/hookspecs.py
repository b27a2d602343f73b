"""The hooks that plugins implement; every one is documented here and used by a bundled plugin.

A plugin is a module or object with functions marked :data:`hookimpl`. Bundled plugins are
named in :data:`knhk.plugins.DEFAULT_PLUGINS`; others come by the entry-point group ``knhk``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pluggy import HookimplMarker, HookspecMarker

from knhk.model import OperationSignature

if TYPE_CHECKING:
    from knhk.patterns import Pattern

__all__ = ["PROJECT", "TaskType", "hookimpl", "hookspec", "knhk_patterns", "knhk_task_types"]

#: The name under which plugins and the plugin manager find each other.
PROJECT: Final = "knhk"

hookspec = HookspecMarker(PROJECT)
#: Marks a function of a plugin as the implementation of the hook of the same name.
hookimpl = HookimplMarker(PROJECT)


@dataclass(frozen=True, slots=True)
class TaskType:
    """A callee that workflows can name without importing it, such as ``log(...)``.

    ``run`` does the work: an ``async`` function is awaited, a plain one runs in a worker
    thread. Without it the work is done outside: the work item is handed out and somebody
    completes it. ``signature`` is what the checker accepts;
    :func:`knhk.signature.operation_signature` reads one from a function.
    """

    name: str
    signature: OperationSignature
    run: Callable[..., object] | None = None


@hookspec
def knhk_task_types() -> Iterable[TaskType]:  # type: ignore[empty-body]
    """Give the task types that this plugin adds.

    A name that an earlier plugin has taken is refused, with both plugins named.
    """


@hookspec
def knhk_patterns() -> Iterable[Pattern]:  # type: ignore[empty-body]
    """Give the words of the flow that this plugin adds, as :class:`~knhk.patterns.Pattern`.

    A pattern says what may be written around its word and draws the net of every group that
    has it. A word that an earlier plugin has taken, or that the language itself uses, is
    refused, with the plugin named.
    """
