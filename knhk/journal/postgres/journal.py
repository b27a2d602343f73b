"""A journal in a PostgreSQL database, for engines on more machines than one.

Theory of operation. One connection writes, one reads, one is for the company of those who run the
store (:mod:`knhk.journal.postgres.company`); each is used by one thread at a time, and made again
when it was lost (:mod:`knhk.journal.postgres.link`). A store is a schema of its own,
made and brought up to date when it is opened (:mod:`knhk.journal.postgres.schema`). An append is
one transaction and, where no letters are received, one round trip
(:mod:`knhk.journal.postgres.writing`). With durability ``full`` it is on the server's disk when
it returns; with ``normal`` (``synchronous_commit = off``) a crash of the server may lose the last
ones, never their order.

The engine has the event loop send an ordinary append (:meth:`PostgresJournal.launch`), and asks a
thread only for what came to no good end (:mod:`knhk.journal.postgres.flight`).

An append whose connection was lost is in doubt: the server may have written it all the same.
Before anything else is written its first input is looked for, once its session has ended. What was
written is not written again, in this call or in later ones that bring the same commits, however
often these are in vain; so an append never takes its own rows for those of another owner, and never
says that it has done what it has not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, LiteralString

from psycopg import Connection, errors
from psycopg.rows import TupleRow

from knhk.errors import JournalError
from knhk.journal.passwords import without_password
from knhk.journal.postgres.company import Company
from knhk.journal.postgres.fences import first_lost
from knhk.journal.postgres.flight import Flight
from knhk.journal.postgres.link import ANSWER_S, PATIENCE_S, Link, T, Work, is_lost
from knhk.journal.postgres.reading import (
    ask,
    read_bundle,
    read_case,
    read_cases,
    read_inputs,
    read_letters,
    read_orphan,
    read_record,
    read_stored,
    read_versions,
    read_waiting,
    read_work,
)
from knhk.journal.postgres.schema import bring_up_to_date, refuse_older
from knhk.journal.postgres.target import Target
from knhk.journal.postgres.writing import (
    first_conflict,
    keep,
    statements_of,
    was_written,
    write,
)
from knhk.journal.protocol import ANY_WORK
from knhk.journal.record import (
    PAGE_MAX,
    Bundle,
    CaseRow,
    Commit,
    Durability,
    InputRow,
    Letter,
    Offer,
    OpenWork,
    Record,
    Stored,
    VersionRow,
    WorkFilter,
)
from knhk.journal.sharing import LEASE_S, Membership
from knhk.model import CaseStatus

__all__ = ["PostgresJournal"]

#: Rows of more bytes than this are put together in a thread, not in the event loop.
LIGHT_BYTES: Final = 1024 * 1024

#: What every session is set to. A transaction that nobody goes on with ends by itself, and
#: whoever waits for its locks waits longer than that.
_SETTINGS: Final[Mapping[str, str]] = {
    "default_transaction_isolation": "read committed",
    "idle_in_transaction_session_timeout": "10s",
    "lock_timeout": "30s",
}


class PostgresJournal:
    """The store at ``address``, in the schema ``knhk`` or ``?knhk_schema=NAME``.

    The other options of the address are libpq's. With ``reading`` nothing is made, and every
    write is refused. ``patience_s`` is how long a call waits for a server that has gone away;
    after it calls raise :class:`knhk.errors.StoreUnavailable`, until the server is back.
    ``answer_s`` is how long a server that can be reached may say nothing before its connection is
    taken for lost.
    """

    blocking = True

    def __init__(
        self,
        address: str,
        *,
        durability: Durability = "full",
        reading: bool = False,
        patience_s: float = PATIENCE_S,
        answer_s: float = ANSWER_S,
    ) -> None:
        self._target = target = Target.of(address, without_password(address))
        settings = {**_SETTINGS, "search_path": target.schema}
        asleep = {**settings, "default_transaction_read_only": "on"}
        awake = {
            **settings,
            "default_transaction_read_only": "off",
            "synchronous_commit": {"full": "on", "normal": "off"}[durability],
        }
        self._reader = Link(target, asleep, patience_s, answer_s)
        self._writer = None if reading else Link(target, awake, patience_s, answer_s)
        self._beats = Link(target, {**awake, "synchronous_commit": "off"}, patience_s, answer_s)
        self._company: Company | None = None
        #: Commits that were sent on a connection that was lost, and those found written since.
        self._doubted: Sequence[Commit] = ()
        self._written: frozenset[Commit] = frozenset()
        #: Those among them without inputs, which are told from equal ones by what they are.
        self._bare: dict[int, Commit] = {}
        if self._writer is None:
            self._reader.open(lambda connection: refuse_older(connection, target))
        else:
            self._writer.open(lambda connection: bring_up_to_date(connection, target))

    def join(self, name: str, *, lease_s: float = LEASE_S, is_modest: bool = False) -> Membership:
        if self._writer is None:
            raise self._for_reading_only()
        self._company = Company(
            self._beats,
            self._writer,
            self._target.schema,
            name,
            lease_s=lease_s,
            is_modest=is_modest,
        )
        return self._company

    # Writing

    def append(self, commits: Sequence[Commit]) -> None:
        self._write(lambda connection: self._append(connection, commits))

    def launch(self, commits: Sequence[Commit]) -> Flight | None:
        if self._writer is None or self._doubted or self._written or not _is_light(commits):
            return None
        flight = self._writer.board(self._landed)
        if flight is not None:
            self._doubted = commits
            fences = None if self._company is None else self._company.fences
            flight.send(statements_of(commits, fences))
        return flight

    def _landed(self, is_known: bool) -> None:
        if is_known:
            self._doubted = ()

    def _append(self, connection: Connection[TupleRow], commits: Sequence[Commit]) -> None:
        fresh = self._without_written(connection, commits)
        if fresh:
            self._doubted = fresh
            try:
                write(connection, fresh, None if self._company is None else self._company.fences)
            except Exception as error:
                if not is_lost(connection, error):
                    self._doubted = ()
                if isinstance(error, errors.DivisionByZero):
                    connection.rollback()
                    raise first_lost(connection, fresh) from error
                if isinstance(error, errors.UniqueViolation):
                    connection.rollback()
                    raise first_conflict(connection, fresh) from error
                raise
            self._doubted = ()
        if self._written:
            left = self._written.difference(commits)
            has_given_up = bool(fresh) and len(left) == len(self._written)
            self._written = frozenset() if has_given_up else left
            if not self._written:
                self._bare = {}

    def _without_written(
        self, connection: Connection[TupleRow], commits: Sequence[Commit]
    ) -> Sequence[Commit]:
        """Those of ``commits`` that no transaction in doubt has written.

        Each that was may be brought once more, alone or with others. Once others have been written
        instead, whoever was in doubt has given up; from then on the same commit is a conflict.
        """
        if self._doubted:
            if was_written(connection, self._doubted):
                self._written |= {each for each in self._doubted if each.inputs}
                self._bare |= {id(each): each for each in self._doubted if not each.inputs}
            self._doubted = ()
        if not self._written:
            return commits
        return [
            commit
            for commit in commits
            if commit not in self._written and id(commit) not in self._bare
        ]

    def keep(self, bundle: Bundle) -> None:
        self._write(lambda connection: keep(connection, bundle))

    def drop(self, letters: Sequence[str]) -> int:
        statement = "DELETE FROM letters WHERE id = ANY(%s) AND received_by = ''"
        return self._write(lambda connection: _count(connection, statement, list(letters)))

    def expire(self, now_us: int, limit: int = PAGE_MAX) -> int:
        statement = (
            "DELETE FROM letters WHERE id IN (SELECT id FROM letters WHERE expires_us <= %s"
            " ORDER BY expires_us, id LIMIT %s)"
        )
        return self._write(lambda connection: _count(connection, statement, now_us, max(0, limit)))

    def _write(self, work: Work[T]) -> T:
        if self._writer is None:
            raise self._for_reading_only()
        return self._writer.run(work)

    def _for_reading_only(self) -> JournalError:
        return JournalError(
            f"the store {self._target.name} was opened for reading only;"
            " open it for running to write"
        )

    # Reading

    def bundle(self, digest: str) -> Bundle | None:
        return self._reader.run(lambda connection: read_bundle(connection, digest))

    def newest(self, workflow: str) -> str | None:
        rows = self._ask(
            "SELECT digest FROM workflows WHERE name = %s ORDER BY deployed DESC LIMIT 1", workflow
        )
        return rows[0][0] if rows else None

    def workflows(self) -> tuple[str, ...]:
        rows = self._ask("SELECT DISTINCT name FROM workflows ORDER BY name")
        return tuple(name for (name,) in rows)

    def case(self, case: str) -> CaseRow | None:
        return self._reader.run(lambda connection: read_case(connection, case))

    def cases(
        self,
        *,
        status: Sequence[CaseStatus] = (),
        workflow: str = "",
        parent: str = "",
        tenant: str = "",
        awake: bool = False,
        shards: Sequence[int] | None = None,
        after: CaseRow | None = None,
        limit: int = PAGE_MAX,
    ) -> tuple[CaseRow, ...]:
        return self._reader.run(
            lambda connection: read_cases(
                connection,
                status=status,
                workflow=workflow,
                parent=parent,
                tenant=tenant,
                awake=awake,
                shards=shards,
                after=after,
                limit=limit,
            )
        )

    def inputs(self, case: str, since: int = 0, limit: int | None = None) -> tuple[InputRow, ...]:
        return self._reader.run(lambda connection: read_inputs(connection, case, since, limit))

    def record(self, case: str) -> Record | None:
        return self._reader.run(lambda connection: read_record(connection, case))

    def versions(self, workflow: str = "") -> tuple[VersionRow, ...]:
        return self._reader.run(lambda connection: read_versions(connection, workflow))

    def check(self) -> str:
        found = self._reader.run(read_orphan)
        return (
            ""
            if found is None
            else f"there are {found[0]} of a case {found[1]!r}, but no such case"
        )

    def stored(self, cases: Sequence[str]) -> tuple[Stored, ...]:
        return self._reader.run(lambda connection: read_stored(connection, cases))

    def blobs(self, hashes: Sequence[bytes]) -> Mapping[bytes, bytes]:
        rows = self._ask("SELECT hash, data FROM blobs WHERE hash = ANY(%b::bytea[])", list(hashes))
        return dict(rows)

    def sleepers(
        self, until_us: int, limit: int = PAGE_MAX, *, shards: Sequence[int] | None = None
    ) -> tuple[tuple[int, str], ...]:
        rows = self._ask(
            "SELECT wake_us, id FROM cases WHERE wake_us >= 0 AND wake_us <= %s"
            " AND (%s::bigint[] IS NULL OR shard = ANY(%s)) ORDER BY wake_us, id LIMIT %s",
            until_us,
            *([None if shards is None else list(shards)] * 2),
            max(0, limit),
        )
        return tuple((wake_us, case) for wake_us, case in rows)

    def waiting(
        self, kind: int, name: str, key: str = "", *, after: str = "", limit: int = PAGE_MAX
    ) -> tuple[str, ...]:
        return self._reader.run(
            lambda connection: read_waiting(connection, kind, name, key, after, limit)
        )

    def work(
        self, wanted: WorkFilter = ANY_WORK, *, after: Offer | None = None, limit: int = PAGE_MAX
    ) -> tuple[OpenWork, ...]:
        return self._reader.run(lambda connection: read_work(connection, wanted, after, limit))

    def letters(
        self,
        name: str = "",
        key: str = "",
        *,
        after: Letter | None = None,
        limit: int = PAGE_MAX,
    ) -> tuple[Letter, ...]:
        return self._reader.run(
            lambda connection: read_letters(connection, name, key, after, limit)
        )

    def letter_count(self) -> int:
        ((count,),) = self._ask("SELECT count(*) FROM letters WHERE received_by = ''")
        return int(count)

    def receiver(self, letter: str) -> str | None:
        rows = self._ask("SELECT received_by FROM letters WHERE id = %s", letter)
        return rows[0][0] if rows else None

    def next_expiry(self) -> int:
        ((at_us,),) = self._ask("SELECT min(expires_us) FROM letters")
        return -1 if at_us is None else int(at_us)

    def _ask(self, statement: str, *values: object) -> list[TupleRow]:
        return self._reader.run(lambda connection: ask(connection, statement, *values))

    def close(self) -> None:
        company, self._company = self._company, None
        if company is not None:
            with suppress(JournalError):  # then its lease ends by itself
                company.leave()
        for link in (self._reader, self._writer, self._beats):
            if link is not None:
                link.close()


def _count(connection: Connection[TupleRow], statement: LiteralString, *values: object) -> int:
    """How many rows a statement has changed."""
    return connection.execute(statement, values).rowcount


def _is_light(commits: Sequence[Commit]) -> bool:
    """Whether commits are put together in no time, and written without asking back."""
    size = 0
    for commit in commits:
        if commit.received or commit.blobs or commit.snapshot is not None:
            return False
        for row in commit.inputs:
            size += len(row.body)
    return size <= LIGHT_BYTES
