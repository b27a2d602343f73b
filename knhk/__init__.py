"""KNHK: a workflow engine.

``load`` compiles a `.knhk` file; :class:`Engine` runs its workflows durably. Everything here
is imported when it is first used, so that ``import knhk`` costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from knhk.call import Call, current_call
    from knhk.engine import Engine
    from knhk.errors import CheckError, InputError, KnhkError, NotOffered
    from knhk.kernel import Case, WorkItem
    from knhk.model import CaseStatus, ItemState
    from knhk.module import Module, Workflow, load

__all__ = [
    "Call",
    "Case",
    "CaseStatus",
    "CheckError",
    "Engine",
    "InputError",
    "ItemState",
    "KnhkError",
    "Module",
    "NotOffered",
    "WorkItem",
    "Workflow",
    "__version__",
    "current_call",
    "load",
]

__version__ = "0.1.0"

_HOMES = {
    "Call": "knhk.call",
    "Case": "knhk.kernel",
    "CaseStatus": "knhk.model",
    "CheckError": "knhk.errors",
    "Engine": "knhk.engine",
    "InputError": "knhk.errors",
    "ItemState": "knhk.model",
    "KnhkError": "knhk.errors",
    "Module": "knhk.module",
    "NotOffered": "knhk.errors",
    "WorkItem": "knhk.kernel",
    "Workflow": "knhk.module",
    "current_call": "knhk.call",
    "load": "knhk.module",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'knhk' has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
