"""The open connector instances of one engine.

One instance per declaration (equal declarations share one), opened before its first call
and closed with the pool. :meth:`ConnectorPool.call` is the one place that every call goes
through: what is to stand around a call (limits, breakers, health) has its place there.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import time_ns
from typing import Any, Final, TypeAlias, final

import anyio

from knhk.call import Call
from knhk.connect.binding import Binder, resolve_settings
from knhk.connect.connector import Connector, operations_of
from knhk.connect.registry import connector_type
from knhk.errors import ConnectorError, ConnectorUnavailable, KnhkError, UnknownName
from knhk.model import Connector as ConnectorSpec

__all__ = ["CLOSE_S_MAX", "ConnectorPool", "InThread"]

#: How long closing one connector may take, in seconds.
CLOSE_S_MAX: Final = 5.0

#: Calls a blocking function in a worker thread and awaits it; the text names the call.
InThread: TypeAlias = Callable[[str, Callable[[], object]], Awaitable[object]]

_LOGGER: Final = logging.getLogger("knhk.connect")


@final
class ConnectorPool:
    """Connector instances by their declaration; an engine has one.

    ``in_thread`` calls plain (blocking) operations.
    """

    def __init__(self, in_thread: InThread) -> None:
        self._in_thread = in_thread
        self._open: dict[ConnectorSpec, _Instance] = {}
        self._locks: dict[ConnectorSpec, anyio.Lock] = {}
        self._closed = False

    def check(self, spec: ConnectorSpec, operation: str) -> None:
        """Raise for what can be seen to be missing without opening a connector.

        :class:`~knhk.errors.UnknownName` for a type that is not installed or an operation
        that it does not have, :class:`~knhk.errors.ConnectorUnavailable` for a type that
        cannot be imported or does not run on the current event loop.
        """
        kind = _usable_type(spec)
        offered = operations_of(kind)
        if operation not in offered:
            raise UnknownName(f"operation of {spec.type}", operation, offered)

    async def call(
        self,
        spec: ConnectorSpec,
        operation: str,
        args: Sequence[object],
        kwargs: Mapping[str, object],
        call: Call,
    ) -> object:
        """Call an operation of an instance and give its result; raises what it raises.

        Raises :class:`~knhk.errors.ConnectorUnavailable` if the connector cannot be used here,
        :class:`~knhk.errors.SettingsError` and :class:`~knhk.errors.ExpressionError` for its
        settings, :class:`~knhk.errors.ArgumentError` for arguments that do not fit.
        """
        try:
            instance = await self._instance(spec)
            is_async, bound = instance.binder.bind(operation, args, kwargs, call)
            if is_async:
                waiting: Any = bound()
                result: object = await waiting
                return result
            return await self._in_thread(f"{spec.name}.{operation}", bound)
        except ConnectorError as error:
            error.connector = error.connector or spec.name
            raise

    async def aclose(self) -> None:
        """Close every instance, each within :data:`CLOSE_S_MAX`; failures are logged."""
        self._closed = True
        while self._open:
            spec, instance = self._open.popitem()
            await _close(spec, instance.connector)

    async def _instance(self, spec: ConnectorSpec) -> _Instance:
        instance = self._open.get(spec)
        if instance is not None:
            return instance
        async with self._locks.setdefault(spec, anyio.Lock()):
            instance = self._open.get(spec)
            if self._closed:
                raise ConnectorUnavailable("the engine is stopping", connector=spec.name)
            if instance is None:
                instance = _Instance(await _opened(spec))
                self._open[spec] = instance
        return instance


@final
class _Instance:
    """An open connector and what binds the arguments of its operations."""

    def __init__(self, connector: Connector[Any]) -> None:
        self.connector: Final = connector
        self.binder: Final = Binder(connector)


def _current_backend() -> str:
    """The event loop that is running: ``trio`` or ``asyncio``."""
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run():
        return "trio"
    return "asyncio"


def _usable_type(spec: ConnectorSpec) -> type[Connector[Any]]:
    kind = connector_type(spec.type)
    backend = _current_backend()
    if backend not in kind.backends:
        raise ConnectorUnavailable(
            f"connector {spec.name!r} ({spec.type}) does not run on {backend};"
            f" run the engine on {' or '.join(sorted(kind.backends))}",
            connector=spec.name,
        )
    return kind


async def _opened(spec: ConnectorSpec) -> Connector[Any]:
    kind = _usable_type(spec)
    settings = resolve_settings(spec, kind.Settings, time_ns() // 1000)
    connector = kind(settings)
    try:
        await connector.open()
    except BaseException as error:
        await _close(spec, connector)
        if isinstance(error, Exception) and not isinstance(error, KnhkError):
            # Its text is not shown: it may hold a setting that is secret.
            raise ConnectorUnavailable(
                f"connector {spec.name!r} ({spec.type}) cannot be opened: {type(error).__name__}",
                connector=spec.name,
                retryable=True,
            ) from error
        raise
    return connector


async def _close(spec: ConnectorSpec, connector: Connector[Any]) -> None:
    with anyio.move_on_after(CLOSE_S_MAX, shield=True) as scope:
        try:
            await connector.close()
        except Exception as error:  # noqa: BLE001 - a connector's own code, as all is given up
            # Its text is not shown: it may hold a setting that is secret.
            _LOGGER.warning("closing connector %s failed: %s", spec.name, type(error).__name__)
    if scope.cancelled_caught:
        _LOGGER.warning("closing connector %s took over %g s", spec.name, CLOSE_S_MAX)
