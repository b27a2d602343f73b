"""One connection to a server, made again when it was lost; used by one thread at a time.

A call whose connection was lost is made once more on a new one, so it must be one that may be
made twice. While the server is away a call waits for it for ``patience_s``, then it fails; and
so do those that follow within ``REST_S``, at once, instead of each waiting for itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final, TypeAlias, TypeVar

import psycopg
from psycopg import Connection, errors
from psycopg.conninfo import make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from knhk.errors import JournalError, StoreDamaged, StoreFull, StoreLocked, StoreUnavailable
from knhk.journal.postgres.target import Target

__all__ = ["PATIENCE_S", "Link", "T", "Work", "is_lost"]

#: How long a call waits for a server that is away.
PATIENCE_S: Final = 10.0
#: How long calls fail at once after one has waited in vain.
REST_S: Final = 1.0
#: The time between two tries to connect.
PAUSE_S: Final = 0.1
#: Connections that one call may lose before it fails.
LOSSES_MAX: Final = 3

T = TypeVar("T")
#: What is done on a connection.
Work: TypeAlias = Callable[[Connection[TupleRow]], T]


class Link:
    """A connection to ``target`` on which every session begins with ``settings``."""

    def __init__(self, target: Target, settings: Mapping[str, str], patience_s: float) -> None:
        self._target = target
        self._settings = settings
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._connection: Connection[TupleRow] | None = None
        self._away_until = 0.0
        self._closed = False

    def open(self, check: Work[None]) -> None:
        """Connect for the first time, with no patience, and see what is there."""
        with self._lock, self._translated():
            self._connection = self._connect()
            try:
                check(self._connection)
            except BaseException:
                self._connection.close()
                raise

    def run(self, work: Work[T]) -> T:
        """Do ``work`` on the connection; again on a new one where that one is lost.

        Raises :class:`knhk.errors.StoreUnavailable` while there is none to be had.
        """
        with self._lock, self._translated():
            if self._closed:
                raise JournalError(f"the store {self._target.name} has been closed; open it again")
            losses = 0
            while True:
                connection = self._connected()
                try:
                    return work(connection)
                except psycopg.Error as error:
                    if not is_lost(connection, error):
                        raise
                    connection.close()
                    losses += 1
                    if losses == LOSSES_MAX:
                        raise
                finally:
                    _tidy(connection)

    def close(self) -> None:
        """Let go of the connection. Closing twice is allowed."""
        with self._lock:
            self._closed = True
            if self._connection is not None:
                self._connection.close()

    def _connected(self) -> Connection[TupleRow]:
        if self._connection is not None and not self._connection.closed:
            return self._connection
        now = time.monotonic()
        if now < self._away_until:
            raise StoreUnavailable(
                f"the store {self._target.name} could not be reached a moment ago;"
                " start its server, then resume"
            )
        deadline = now + self._patience_s
        while True:
            try:
                self._connection = self._connect()
            except psycopg.OperationalError:
                now = time.monotonic()
                if now >= deadline:
                    self._away_until = now + min(REST_S, self._patience_s)
                    raise
            else:
                return self._connection
            time.sleep(PAUSE_S)

    def _connect(self) -> Connection[TupleRow]:
        connection = psycopg.connect(make_conninfo(**self._target.settings), autocommit=True)
        try:
            with connection.pipeline():
                for name, value in self._settings.items():
                    connection.execute("SELECT set_config(%s, %s, false)", (name, value))
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Tell psycopg's errors on as ours, in one sentence that says what to do."""
        name = self._target.name
        try:
            yield
        except errors.DiskFull as error:
            raise StoreFull(
                f"the store {name} is full: free some space on its server, then resume;"
                " nothing that was acknowledged is lost"
            ) from error
        except errors.LockNotAvailable as error:
            raise StoreLocked(
                f"the store {name} is locked by another session: end that, then resume"
            ) from error
        except (errors.UndefinedTable, errors.UndefinedColumn, errors.DataCorrupted) as error:
            raise StoreDamaged(
                f"the store {name} is damaged ({_said(error)}); go back to a copy of it"
            ) from error
        except (errors.InsufficientPrivilege, errors.ReadOnlySqlTransaction) as error:
            raise JournalError(
                f"the store {name} cannot be opened for writing ({_said(error)});"
                " check the role and the server"
            ) from error
        except psycopg.Error as error:
            if _is_away(error):
                raise StoreUnavailable(
                    f"the store {name} cannot be reached ({_said(error)});"
                    " start its server or mend the address, then resume"
                ) from error
            raise JournalError(
                f"the store {name} failed ({_said(error)}); see its server's log, then resume"
            ) from error


def _tidy(connection: Connection[TupleRow]) -> None:
    """End what an error has left begun; a connection that cannot even do that is given up."""
    if connection.closed or connection.info.transaction_status == TransactionStatus.IDLE:
        return
    try:
        connection.rollback()
    except psycopg.Error:
        with suppress(psycopg.Error):
            connection.close()


def is_lost(connection: Connection[TupleRow], error: Exception) -> bool:
    """Whether a connection is of no more use; what was under way on it is in doubt."""
    return connection.closed or (isinstance(error, psycopg.Error) and _is_away(error))


def _is_away(error: psycopg.Error) -> bool:
    """Whether the server could not be asked, or did not let anybody in."""
    if isinstance(error, psycopg.InterfaceError):
        return True
    # Connection exceptions, too many connections, a server that shuts down or starts up.
    known = error.sqlstate or ""
    return isinstance(error, psycopg.OperationalError) and (
        not known or known.startswith("08") or known in ("53300", "57P01", "57P02", "57P03")
    )


def _said(error: psycopg.Error) -> str:
    """What the server or libpq said, in one line, without the rows that it was about."""
    lines = (error.diag.message_primary or str(error)).splitlines()
    return " ".join(line.strip() for line in lines) or type(error).__name__
