"""A PostgreSQL server for the session, and a schema of its own for each test."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.postgres import NAMED, Server, execute, new_schema, with_schema


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a server; all workers of pytest-xdist share one."""
    if NAMED:
        yield NAMED
        return
    server = Server(os.environ.get("PYTEST_XDIST_TESTRUNUID", ""))
    yield server.address
    server.close()


@pytest.fixture
def postgres(postgres_server: str) -> Iterator[str]:
    """The address of a store that is not there yet; its schema is dropped in the end."""
    schema = new_schema()
    yield with_schema(postgres_server, schema)
    execute(postgres_server, f"DROP SCHEMA IF EXISTS {schema} CASCADE")
