"""Connectors: typed doors to the services outside.

A connector type is a class with a settings model and operations::

    class Clock(Connector[ClockSettings]):
        Settings = ClockSettings

        @operation
        async def read(self, zone: str = "UTC") -> datetime: ...

Its distribution names it in the entry-point group ``knhk.connectors``; a workflow declares
instances of it (``connector clock = clock(host: "...")``) and tasks call its operations. The
checker reads the settings and operations from the class, the engine keeps one open instance
per declaration in a :class:`ConnectorPool`. Connector types are loaded only when a workflow
names them.
"""

from knhk.connect.connector import Connector, operation
from knhk.connect.pool import ConnectorPool
from knhk.connect.registry import connector_names, connector_signature, connector_type

__all__ = [
    "Connector",
    "ConnectorPool",
    "connector_names",
    "connector_signature",
    "connector_type",
    "operation",
]
