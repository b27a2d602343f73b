"""The base class of connector types."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, TypeVar

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["BACKENDS", "MARK", "Connector", "SettingsModel", "operation", "operations_of"]

#: The event loops that a connector may run on.
BACKENDS: Final = frozenset({"asyncio", "trio"})
#: The attribute that marks a method as an operation.
MARK: Final = "__knhk_operation__"

SettingsModel = TypeVar("SettingsModel", bound="BaseModel")
F = TypeVar("F", bound=Callable[..., object])


def operation(method: F) -> F:
    """Mark a method, ``async`` or plain, as one that workflows may call.

    Its parameters and result are read from its annotations; one that is annotated
    :class:`knhk.call.Call` is given the call and is no argument of the workflow's. A plain
    method runs in a worker thread, so that it may block.
    """
    setattr(method, MARK, True)
    return method


class Connector(Generic[SettingsModel]):
    """A configured door to one service; subclass it with a pydantic model of its settings.

    An instance is made once per engine and declaration, opened before its first call and
    closed when the engine stops. Calls may overlap. ``backends`` says on which event loops
    it can run. Errors of the service are raised as :class:`knhk.errors.ConnectorError` or a
    subclass of it, whose name a workflow can use in ``on error``.
    """

    Settings: ClassVar[type[BaseModel]]
    backends: ClassVar[frozenset[str]] = BACKENDS

    def __init__(self, settings: SettingsModel) -> None:
        self.settings: Final[SettingsModel] = settings

    async def open(self) -> None:
        """Get ready for calls; by default there is nothing to do."""

    async def close(self) -> None:
        """Give back what ``open`` took; called once, also after a failed ``open``."""

    async def health(self) -> bool:
        """Whether the service answers; by default nothing speaks against it."""
        return True


def operations_of(kind: type[Connector[Any]]) -> dict[str, Callable[..., object]]:
    """The operations of a connector type by name, those of its base classes included."""
    found: dict[str, Callable[..., object]] = {}
    for name in dir(kind):
        member = getattr(kind, name, None)
        if callable(member) and getattr(member, MARK, False):
            found[name] = member
    return found
