"""One connection to a server, made again when it was lost; used by one thread at a time.

A call whose connection was lost is made once more on a new one, so it must be one that may be
made twice. While the server is away a call waits for it for ``patience_s``, then it fails; and
so do those that follow within ``REST_S``, at once, instead of each waiting for itself. The engine
asks again (:mod:`knhk.journal.writer`), so it needs little patience here.

A server that takes a question and never answers (its machine hangs, the packets vanish) is taken
for lost after ``answer_s``. What such a session was told may still reach the server, and be done
there late. So the first thing that is done on the next connection is to end that session: then what
was under way on it is either written or never will be.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeAlias, TypeVar

import psycopg
from psycopg import Connection, errors
from psycopg.conninfo import make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from knhk.errors import JournalError, StoreDamaged, StoreFull, StoreLocked, StoreUnavailable
from knhk.journal.postgres.flight import Flight, Prepared
from knhk.journal.postgres.target import Target

__all__ = ["ANSWER_S", "PATIENCE_S", "Link", "T", "Work", "is_lost"]

#: How long a call waits for a server that is away.
PATIENCE_S: Final = 1.0
#: How long the server may say nothing to a question; longer than it waits for a lock itself.
ANSWER_S: Final = 40.0
#: How long it may take to end the session that was lost before.
ENDING_MS: Final = 5_000
#: How long calls fail at once after one has waited in vain.
REST_S: Final = 0.5
#: The time between two tries to connect.
PAUSE_S: Final = 0.1
#: Connections that one call may lose before it fails.
LOSSES_MAX: Final = 10

T = TypeVar("T")
#: What a role may not be able to say of another one's session is not asked: it is always ours.
_SESSION: Final = "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"
_END_SESSION: Final = (
    "SELECT pg_terminate_backend(pid, %s) FROM pg_stat_activity"
    " WHERE pid = %s AND backend_start = %s"
)
#: Errors of the server that pass: too little memory, a statement ended by somebody, two sessions
#: that waited for each other, a disk that failed to read or write.
_PASSING: Final = frozenset({"40001", "40P01", "53200", "57014", "58030"})

#: Errors after which the server has to be looked for again: too many sessions, one that shuts
#: down, has crashed or starts up, that ended an idle session, or that only reads, being a standby.
_ELSEWHERE: Final = frozenset({"53300", "57P01", "57P02", "57P03", "57P05", "25P03", "25006"})

#: What is done on a connection.
Work: TypeAlias = Callable[[Connection[TupleRow]], T]


class Link:
    """A connection to ``target`` on which every session begins with ``settings``."""

    def __init__(
        self,
        target: Target,
        settings: Mapping[str, str],
        patience_s: float,
        answer_s: float = ANSWER_S,
    ) -> None:
        self._target = target
        self._settings = settings
        self._patience_s = patience_s
        self._answer_s = answer_s
        self._lock = threading.Lock()
        self._connection: _Session | None = None
        #: The session of the connection, or of the one before, as the server knows it.
        self._session: TupleRow | None = None
        self._away_until = 0.0
        self._closed = False
        #: What is done on every new connection before anything else.
        self.prepare: Work[None] | None = None

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
                    _tidy(connection)  # after a flight that has failed
                    return work(connection)
                except psycopg.Error as error:
                    if self._closed or not is_lost(connection, error):
                        raise
                    connection.close()
                    losses += 1
                    if losses == LOSSES_MAX:
                        raise
                finally:
                    _tidy(connection)

    def board(self, ended: Callable[[bool], None]) -> Flight | None:
        """A flight over the connection, unless that is not there or somebody else is using it.

        The connection is the flight's until it is over.
        """
        if not self._lock.acquire(blocking=False):
            return None
        connection = self._connection
        if self._closed or connection is None or not connection.is_idle:
            self._lock.release()
            return None

        def over(is_known: bool) -> None:
            ended(is_known)
            self._lock.release()

        return Flight(connection, connection.prepared, over, self._answer_s)

    def finish(self, work: Work[None], answer_s: float) -> None:
        """Do the last ``work``, if the connection is still there and the server soon answers."""
        if not self._lock.acquire(timeout=answer_s):
            return
        connection = self._connection
        try:
            if connection is not None and not connection.closed:
                connection.answer_s = answer_s
                with self._translated():
                    work(connection)
        finally:
            if connection is not None:
                _tidy(connection)
            self._lock.release()

    def close(self) -> None:
        """Let go of the connection, and have a call that waits fail. Closing twice is allowed."""
        self._closed = True
        with self._lock:
            if self._connection is not None:
                self._connection.close()

    def _connected(self) -> _Session:
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
                if now >= deadline or self._closed:
                    self._away_until = now + min(REST_S, self._patience_s)
                    raise
            else:
                return self._connection
            time.sleep(PAUSE_S)

    def _connect(self) -> _Session:
        connection = _Session.connect(make_conninfo(**self._target.settings), autocommit=True)
        connection.answer_s = self._answer_s
        connection.is_given_up = lambda: self._closed
        try:
            with connection.pipeline():
                for name, value in self._settings.items():
                    connection.execute("SELECT set_config(%s, %s, false)", (name, value))
                asked = connection.execute(_SESSION)
            if self._session is not None:
                connection.execute(_END_SESSION, (ENDING_MS, *self._session))
            self._session = asked.fetchone()
            if self.prepare is not None:
                self.prepare(connection)
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
        except errors.InsufficientPrivilege as error:
            raise JournalError(
                f"the store {name} cannot be opened for writing ({_said(error)});"
                " check the role and the server"
            ) from error
        except psycopg.Error as error:
            if error.sqlstate in _PASSING:
                raise StoreUnavailable(
                    f"the store {name} could not do it ({_said(error)}); see its server's log"
                ) from error
            if _is_away(error):
                raise StoreUnavailable(
                    f"the store {name} cannot be reached ({_said(error)});"
                    " start its server or mend the address, then resume"
                ) from error
            raise JournalError(
                f"the store {name} failed ({_said(error)}); see its server's log, then resume"
            ) from error


class _Session(Connection[TupleRow]):
    """A connection whose waiting ends when the server says nothing for long, or nobody waits."""

    answer_s = ANSWER_S
    #: Whether whoever asked does not want an answer any more.
    is_given_up: Callable[[], bool] = staticmethod(lambda: False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  they are psycopg's
        super().__init__(*args, **kwargs)
        #: What flights have prepared.
        self.prepared: Prepared = {}

    @property
    def is_idle(self) -> bool:
        """Whether the connection is there and nothing is under way on it."""
        return not self.closed and self.info.transaction_status == TransactionStatus.IDLE

    def wait(
        self,
        gen: Generator[Any, Any, T],
        *args: Any,  # noqa: ANN401  whatever psycopg passes on
        **kwargs: Any,  # noqa: ANN401
    ) -> T:
        """Do what psycopg wants to wait for."""
        return super().wait(self._watched(gen), *args, **kwargs)

    def _watched(self, waiting: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
        """The same, as long as something comes: it is asked on every tenth of a second or so."""
        heard = time.monotonic()
        try:
            asked = next(waiting)
            while True:
                ready = yield asked
                now = time.monotonic()
                if ready:
                    heard = now
                elif self.is_given_up() or now - heard > self.answer_s:
                    # Closed at once: what tidies up behind an error would wait as long again.
                    self.pgconn.finish()
                    raise psycopg.OperationalError(f"no answer within {self.answer_s:g} s")
                asked = waiting.send(ready)
        except StopIteration as end:
            value: T = end.value
            return value


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
    return known in _ELSEWHERE or (
        isinstance(error, psycopg.OperationalError) and (not known or known.startswith("08"))
    )


def _said(error: psycopg.Error) -> str:
    """What the server or libpq said, in one line, without the rows that it was about."""
    lines = (error.diag.message_primary or str(error)).splitlines()
    return " ".join(line.strip() for line in lines) or type(error).__name__
