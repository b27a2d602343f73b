"""How work fails: an exception of somebody else's code as plain names and text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from knhk.call import Call

__all__ = ["MESSAGE_MAX", "Failing", "Late", "failure_of"]

#: Classes that every error has, so that no exception flow can mean anything by their names.
_COMMON: Final = frozenset({"Exception", "BaseException", "object"})
#: The longest message of an error that is kept.
MESSAGE_MAX: Final = 10_000

#: How work has failed: the error's name, its message, the names of its base classes.
Failing: TypeAlias = tuple[str, str, tuple[str, ...]]
#: Told of what work gave that was no longer wanted: the call, a value, or how it failed.
Late: TypeAlias = Callable[[Call, object, Failing | None], None]


def failure_of(error: BaseException) -> Failing:
    """An exception as a failure: its type's name, its message, the names of its base classes."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    kinds = type(error).__mro__
    bases = tuple(kind.__name__ for kind in kinds[1:] if kind.__name__ not in _COMMON)
    try:
        message = str(error)
    except Exception:  # noqa: BLE001  even its text is somebody else's code
        message = "(its message cannot be read)"
    return kinds[0].__name__, message[:MESSAGE_MAX], bases
