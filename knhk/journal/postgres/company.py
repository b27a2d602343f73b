"""The processes that run a store in PostgreSQL, and the shards that each of them holds.

Theory of operation. A row of ``processes`` is a lease: it says until when its process counts as
there. A process also holds a lock of its session, by which the server tells at once when it has
died; one without a session that does not come back within ``SILENT_S`` is given up before its lease
ends. After a restart of the server everybody has the time of a lease to be heard of again.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, final
from zlib import crc32

from psycopg import Connection, Notify
from psycopg.rows import TupleRow

from knhk.errors import JournalError
from knhk.journal.postgres.fences import HOLD_ALONE, Fences
from knhk.journal.postgres.link import Link
from knhk.journal.postgres.reading import read_ended
from knhk.journal.record import PAGE_MAX, CaseRow, Fence
from knhk.journal.sharing import Command, Holding, share_of

__all__ = ["Company"]

#: How long a process without a session is waited for, though its lease goes on.
SILENT_S: Final = 1.0
#: How often it is looked at least who has died.
LOOK_S: Final = 2.0
#: How many beats there are at least in the length of a lease.
BEATS: Final = 3
#: How long an append of a process that is given up may take to end.
ENDING_MS: Final = 5_000
#: How long leaving may take; else the lease ends by itself.
LEAVING_S: Final = 2.0
#: How long commands are kept, in seconds, after the time in which they were to be carried out.
KEPT_S: Final = 3_600

#: The news that who is there, who holds what or who waits has changed.
_COMPANY: Final = "company"

_JOIN: Final = (
    "INSERT INTO processes (name, is_modest, lease_s, expires) VALUES"
    " (%s, %s, %s, clock_timestamp() + %s * interval '1 second') RETURNING number"
)
_BEAT: Final = (
    "UPDATE processes SET expires = clock_timestamp() + lease_s * interval '1 second',"
    " is_modest = %s, waits = %s WHERE number = %s"
)
_PROCESSES: Final = (
    "SELECT number, is_modest, clock_timestamp() <"
    " greatest(expires, pg_postmaster_start_time() + lease_s * interval '1 second'),"
    " EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2"
    "         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    "         AND classid = %s::bigint::oid AND objid = number::bigint::oid), waits"
    " FROM processes"
)
_END_APPENDS: Final = (
    "SELECT pg_terminate_backend(pid, %s) FROM pg_locks WHERE locktype = 'advisory' AND granted"
    " AND objsubid = 2 AND pid != pg_backend_pid()"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND classid = %s::bigint::oid AND objid = ANY(%s::bigint[]::oid[])"
)
_TAKE: Final = (
    "UPDATE shards SET owner = %s, epoch = nextval('epochs') WHERE shard = ANY(%s) AND owner = %s"
)
_FORGET: Final = (
    "DELETE FROM processes AS p WHERE number = ANY(%s)"
    " AND NOT EXISTS (SELECT FROM shards WHERE owner = p.number)"
)
#: A store has 64 shards from the beginning; later ones are made for processes without any.
_FORGET_SHARDS: Final = (
    "DELETE FROM shards AS s WHERE shard >= 64 AND owner = 0 AND NOT EXISTS (SELECT FROM cases"
    " WHERE shard = s.shard AND shard >= 64 AND status IN ('running', 'suspended'))"
)
_ASK: Final = (
    "INSERT INTO commands (id, shard, sender, body, expires)"
    " VALUES (%s, %s, %s, %s, clock_timestamp() + %s * interval '1 second')"
    " ON CONFLICT DO NOTHING"
)
_ASKED: Final = (
    "SELECT c.id, c.shard, c.body, c.is_carried FROM commands AS c JOIN shards USING (shard)"
    " WHERE owner = %s AND answer IS NULL AND (is_carried OR expires > clock_timestamp())"
    " ORDER BY expires, id LIMIT %s"
)


@contextmanager
def _durably(connection: Connection[TupleRow]) -> Iterator[None]:
    """A transaction that is on the disk when it ends: no epoch may be given out again."""
    with connection.transaction():
        connection.execute("SET LOCAL synchronous_commit = on")
        yield


@final
class Company:
    """The membership of one process; ``beats`` is a link for its own, ``writer`` one for all."""

    def __init__(
        self,
        beats: Link,
        writer: Link,
        schema: str,
        name: str,
        *,
        lease_s: float,
        is_modest: bool,
    ) -> None:
        self._link = beats
        self._writer = writer
        self._schema = schema
        self._name = name
        self._lease_s = lease_s
        self._is_modest = is_modest
        self._appends, self._presence, self._takers = (
            crc32(f"knhk {what} {schema}".encode()) & 0x7FFF_FFFF
            for what in ("appends", "presence", "takers")
        )
        self._beaten = 0.0
        #: When it was looked last who is there, how soon that is due again, and whether others have
        #: said since that it has changed.
        self._looked = 0.0
        self._again_s = 0.0
        self._has_news = False
        self._waits = False
        self._is_awaited = False
        self._has_left = False
        #: Processes without a session, and since when that has been known here.
        self._silent: dict[int, float] = {}
        #: Those that have been given up.
        self._gone: list[int] = []
        self._socket = -1
        self._number = 0
        beats.open(self._begin)
        beats.prepare = self.listen

    @property
    def fences(self) -> Fences:
        """How the appends of this process are fenced."""
        return Fences(self._appends, self._number)

    def fileno(self) -> int:
        return self._socket

    def listen(self, connection: Connection[TupleRow]) -> None:
        """Make a new session one that hears of news, and by which the process is known."""
        # The name is one that needs no quotes (knhk.journal.postgres.target).
        connection.execute(f"LISTEN {self._schema}")
        if self._number:
            connection.execute(
                "SELECT pg_advisory_lock_shared(%s::int, %s::int)", (self._presence, self._number)
            )
        connection.add_notify_handler(self._hear)
        self._socket = connection.fileno()
        self._has_news = True

    def _hear(self, news: Notify) -> None:
        if news.payload == _COMPANY:
            self._has_news = True

    def _begin(self, connection: Connection[TupleRow]) -> None:
        values = (self._name, self._is_modest, self._lease_s, self._lease_s)
        row = connection.execute(_JOIN, values).fetchone()
        assert row is not None
        self._number = int(row[0])
        self.listen(connection)
        self._tell(connection, _COMPANY)

    def _tell(self, connection: Connection[TupleRow], news: str = "") -> None:
        connection.execute("SELECT pg_notify(%s, %s)", (self._schema, news))

    # Shards

    def beat(self, *, waits: bool = False) -> Holding:
        return self._link.run(lambda connection: self._beat(connection, waits))

    def _beat(self, connection: Connection[TupleRow], waits: bool) -> Holding:
        self._say(connection, waits)
        epochs = self._held(connection)  # by which news is heard, too
        surplus = 0
        if self._has_news or time.monotonic() - self._looked >= self._again_s / 2:
            self._has_news = False
            surplus = self._see_to_share(connection)
            epochs = self._held(connection)
            self._looked = time.monotonic()
            again_s = SILENT_S if self._silent else LOOK_S
            self._again_s = min(self._lease_s / BEATS, again_s)
        return Holding(epochs, surplus, self._again_s, self._is_awaited)

    def _held(self, connection: Connection[TupleRow]) -> dict[int, int]:
        rows = connection.execute(
            "SELECT shard, epoch FROM shards WHERE owner = %s", (self._number,)
        ).fetchall()
        return dict(rows)

    def _see_to_share(self, connection: Connection[TupleRow]) -> int:
        """Take what is missing of the share of this process; how much it has too many."""
        modest, owners = self._look(connection)
        lacks = share_of(self._number, modest, owners) - self._count(owners)
        if lacks > 0 and any(owner not in modest for owner in owners.values()):
            with _durably(connection):
                self._take_some(connection)
        elif not self._is_modest:
            self._tidy(connection)
        return 0 if self._is_modest else max(0, -lacks)

    def _say(self, connection: Connection[TupleRow], waits: bool) -> None:
        """Say that this process is there, unless it has just done so."""
        if self._has_left:
            raise JournalError("this process has left the store; open it again")
        now = time.monotonic()
        is_new = waits != self._waits
        if not is_new and now - self._beaten < self._lease_s / BEATS / 2:
            return
        if not connection.execute(_BEAT, (self._is_modest, waits, self._number)).rowcount:
            self._begin(connection)  # it was given up for dead
            connection.execute(_BEAT, (self._is_modest, waits, self._number))
        self._beaten, self._waits = now, waits
        if is_new and waits:
            self._tell(connection, _COMPANY)

    def _look(self, connection: Connection[TupleRow]) -> tuple[dict[int, bool], dict[int, int]]:
        """The processes that are there, and whether they are modest; and who holds each shard."""
        now = time.monotonic()
        modest: dict[int, bool] = {}
        silent: dict[int, float] = {}
        rows = connection.execute(_PROCESSES, (self._presence,)).fetchall()
        self._is_awaited = any(waits for number, *_, waits in rows if number != self._number)
        for number, is_modest, is_heard, is_there, _ in rows:
            since = now if is_there else self._silent.get(number, now)
            if not is_there and is_heard and number != self._number:
                silent[number] = since
            if number == self._number or (is_heard and now - since < SILENT_S):
                modest[number] = is_modest
        self._silent = silent
        self._gone = [number for number, *_ in rows if number not in modest]
        owners = connection.execute("SELECT shard, owner FROM shards").fetchall()
        return modest, dict(owners)

    def _count(self, owners: Mapping[int, int]) -> int:
        return sum(owner == self._number for owner in owners.values())

    def _take_some(self, connection: Connection[TupleRow]) -> None:
        """Take what is missing of a share, one process at a time."""
        connection.execute(HOLD_ALONE, (self._takers, 0))
        modest, owners = self._look(connection)
        lacks = share_of(self._number, modest, owners) - self._count(owners)
        free = [shard for shard, owner in owners.items() if owner not in modest]
        self._take(connection, {shard: owners[shard] for shard in free[: max(0, lacks)]})

    def _take(self, connection: Connection[TupleRow], owners: Mapping[int, int]) -> None:
        """Take shards of these owners, who are not there any more."""
        gone = sorted({owner for owner in owners.values() if owner})
        if gone:
            connection.execute(_END_APPENDS, (ENDING_MS, self._appends, gone))
        for number in gone:
            connection.execute(HOLD_ALONE, (self._appends, number))
        for number in sorted(set(owners.values())):
            shards = [shard for shard, owner in owners.items() if owner == number]
            connection.execute(_TAKE, (self._number, shards, number))
        if gone:
            connection.execute(_FORGET, (gone,))

    def _tidy(self, connection: Connection[TupleRow]) -> None:
        """Remove what nobody asks for any more."""
        if self._gone:
            connection.execute(_FORGET, (self._gone,))
        connection.execute(
            "DELETE FROM commands WHERE expires < clock_timestamp() - %s * interval '1 second'",
            (KEPT_S,),
        )

    def take(self, shard: int) -> Fence | None:
        return self._writer.run(lambda connection: self._take_one(connection, shard))

    def _take_one(self, connection: Connection[TupleRow], shard: int) -> Fence | None:
        with _durably(connection):
            connection.execute(HOLD_ALONE, (self._takers, 0))
            connection.execute(
                "INSERT INTO shards VALUES (%s, 0, 0) ON CONFLICT DO NOTHING", (shard,)
            )
            modest, owners = self._look(connection)
            if owners[shard] not in modest:
                self._take(connection, {shard: owners[shard]})
            row = connection.execute(
                "SELECT epoch FROM shards WHERE shard = %s AND owner = %s", (shard, self._number)
            ).fetchone()
        return None if row is None else Fence(shard, row[0])

    def open(self) -> Fence:
        return self._writer.run(self._open)

    def _open(self, connection: Connection[TupleRow]) -> Fence:
        with _durably(connection):
            row = connection.execute(
                "INSERT INTO shards VALUES (nextval('later_shards'), %s, nextval('epochs'))"
                " RETURNING shard, epoch",
                (self._number,),
            ).fetchone()
        assert row is not None
        return Fence(*row)

    def give(self, shards: Collection[int]) -> None:
        self._link.run(lambda connection: self._give(connection, list(shards)))

    def _give(self, connection: Connection[TupleRow], shards: list[int]) -> None:
        with _durably(connection):
            connection.execute(HOLD_ALONE, (self._appends, self._number))
            connection.execute(_TAKE, (0, shards, self._number))
            self._tell(connection, _COMPANY)

    def tell(self) -> None:
        self._writer.run(self._tell)

    def ended(self, cases: Collection[str]) -> Sequence[CaseRow]:
        return self._link.run(lambda connection: read_ended(connection, cases))

    def settle(self) -> None:
        self._is_modest = False
        self._beaten = 0.0
        self._has_news = True

    def leave(self) -> None:
        """Give everything away, and be there no more."""
        self._has_left = True
        self._link.finish(self._leave, LEAVING_S)

    def _leave(self, connection: Connection[TupleRow]) -> None:
        with _durably(connection):
            connection.execute(HOLD_ALONE, (self._appends, self._number))
            connection.execute(
                "UPDATE shards SET owner = 0, epoch = nextval('epochs') WHERE owner = %s",
                (self._number,),
            )
            connection.execute("DELETE FROM processes WHERE number = %s", (self._number,))
            connection.execute(_FORGET_SHARDS)
            self._tell(connection, _COMPANY)

    # Commands

    def ask(self, command: Command, patience_s: float) -> None:
        self._writer.run(lambda connection: self._ask(connection, command, patience_s))

    def _ask(self, connection: Connection[TupleRow], command: Command, patience_s: float) -> None:
        with connection.transaction():
            # Somebody takes the shard, if nobody has it.
            made = connection.execute(
                "INSERT INTO shards VALUES (%s, 0, 0) ON CONFLICT DO NOTHING", (command.shard,)
            ).rowcount
            connection.execute(
                _ASK, (command.id, command.shard, self._number, command.body, patience_s)
            )
            self._tell(connection, _COMPANY if made else "")

    def asked(self) -> Sequence[Command]:
        rows = self._link.run(
            lambda connection: connection.execute(_ASKED, (self._number, PAGE_MAX)).fetchall()
        )
        return [Command(*row) for row in rows]

    def answer(self, command: str, body: bytes) -> None:
        self._writer.run(lambda connection: self._answer(connection, command, body))

    def _answer(self, connection: Connection[TupleRow], command: str, body: bytes) -> None:
        with connection.transaction():
            connection.execute("UPDATE commands SET answer = %s WHERE id = %s", (body, command))
            self._tell(connection)

    def answers(self, commands: Collection[str]) -> Mapping[str, bytes]:
        rows = self._writer.run(
            lambda connection: connection.execute(
                "SELECT id, answer FROM commands WHERE id = ANY(%s) AND answer IS NOT NULL",
                (list(commands),),
            ).fetchall()
        )
        return dict(rows)
