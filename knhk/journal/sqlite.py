"""A journal in one SQLite file, for one machine.

Theory of operation. One connection writes, one reads; each is used by one thread at a time.
The file is in WAL mode, so readers (of other processes too) never wait for the writer nor it
for them. With durability ``full`` an append is on the disk when it returns (``synchronous =
FULL``: one fsync per transaction); with ``normal`` a crash of the machine, not of the process,
may lose the last transactions, never their order. A process that runs the store holds a lock
beside it (:mod:`knhk.journal.lock`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal, TypeAlias, cast

import apsw

from knhk.errors import (
    JournalConflict,
    JournalError,
    StoreDamaged,
    StoreFull,
    StoreLocked,
    StoreNewer,
    UnknownName,
)
from knhk.journal.lock import StoreLock
from knhk.journal.record import PAGE_MAX, Bundle, CaseRow, Commit, InputRow
from knhk.journal.schema import APPLICATION_ID, MIGRATIONS
from knhk.model import CaseStatus

__all__ = ["Durability", "SQLiteJournal"]

Durability: TypeAlias = Literal["full", "normal"]

#: How long a reader or the writer waits for a lock within the file before it gives up.
BUSY_TIMEOUT_MS: Final = 5_000
#: A store up to this size is read through for damage when it is opened (some 50 ms).
CHECK_MAX_BYTES: Final = 16 * 1024 * 1024
#: The size that the write-ahead file is cut back to.
WAL_MAX_BYTES: Final = 64 * 1024 * 1024

_INSERT_INPUT: Final = "INSERT INTO inputs VALUES (?, ?, ?, ?, ?, ?, ?)"
_INSERT_CASE: Final = "INSERT INTO cases VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_UPDATE_CASE: Final = "UPDATE cases SET status = ?, ended_us = ?, outcome = ? WHERE id = ?"
_CASE_COLUMNS: Final = (
    "id, workflow, digest, created_us, status, ended_us, outcome, parent, parent_item, depth"
)


class SQLiteJournal:
    """The store at ``path``; made when it is not there, unless it is only to be read.

    ``size_max_bytes`` is a quota: an append beyond it raises :class:`knhk.errors.StoreFull`,
    as a full disk does. With ``reading`` no lock is taken, and every write is refused.
    """

    blocking = True

    def __init__(
        self,
        path: str | Path,
        *,
        durability: Durability = "full",
        reading: bool = False,
        size_max_bytes: int | None = None,
    ) -> None:
        self._path = Path(path)
        self._write_lock = threading.Lock()
        self._read_lock = threading.Lock()
        self._closed = False
        self._refuse_what_is_no_file(reading)
        self._lock = None if reading else StoreLock(self._path)
        try:
            with self._translated():
                self._open(durability, reading, size_max_bytes)
        except BaseException:
            if self._lock is not None:
                self._lock.release()
            raise

    def _refuse_what_is_no_file(self, reading: bool) -> None:
        if self._path.is_dir():
            raise StoreDamaged(f"{self._path} is a directory; give the path of a store file")
        if reading and not self._path.exists():
            raise UnknownName("store", str(self._path))
        if not self._path.parent.is_dir():
            raise JournalError(
                f"the directory {self._path.parent} does not exist; make it before the store"
            )

    def _open(self, durability: Durability, reading: bool, size_max_bytes: int | None) -> None:
        flags = apsw.SQLITE_OPEN_READWRITE | (0 if reading else apsw.SQLITE_OPEN_CREATE)
        self._writer = apsw.Connection(str(self._path), flags=flags)
        try:
            self._set_up(durability, reading, size_max_bytes)
            self._reader = self._writer
            if not reading:
                self._reader = apsw.Connection(str(self._path), flags=apsw.SQLITE_OPEN_READWRITE)
                self._reader.set_busy_timeout(BUSY_TIMEOUT_MS)
                self._reader.pragma("query_only", True)
        except BaseException:
            self._writer.close()
            raise

    def _set_up(self, durability: Durability, reading: bool, size_max_bytes: int | None) -> None:
        connection = self._writer
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        version = self._version()
        if reading:
            connection.pragma("query_only", True)
            if version < len(MIGRATIONS):
                raise StoreDamaged(
                    f"the store {self._path} is empty or older than this KNHK;"
                    " open it for running once, which brings it up to date"
                )
            return
        connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", {"full": "full", "normal": "normal"}[durability])
        connection.pragma("journal_size_limit", WAL_MAX_BYTES)
        if size_max_bytes is not None:
            page_bytes = connection.pragma("page_size")
            connection.pragma("max_page_count", max(1, size_max_bytes // page_bytes))
        self._migrate(version)
        self._check()

    def _version(self) -> int:
        """How many migrations the file has had; refuses what is not ours or is newer."""
        connection = self._writer
        version = connection.pragma("user_version")
        application = connection.pragma("application_id")
        has_tables = connection.execute("SELECT count(*) FROM sqlite_schema").get
        if application != APPLICATION_ID and (has_tables or version or application):
            raise StoreDamaged(
                f"{self._path} is an SQLite file of another program; give another path"
            )
        if version > len(MIGRATIONS):
            raise StoreNewer(
                f"the store {self._path} has schema {version}, and this KNHK knows"
                f" {len(MIGRATIONS)}; it was written by a newer version: install that one"
            )
        return int(version)

    def _migrate(self, version: int) -> None:
        if version == len(MIGRATIONS):
            return
        with self._transaction():
            for step in MIGRATIONS[version:]:
                self._writer.execute(step)
            self._writer.pragma("user_version", len(MIGRATIONS))
            self._writer.pragma("application_id", APPLICATION_ID)

    def _check(self) -> None:
        if self._path.stat().st_size > CHECK_MAX_BYTES:
            return
        found = self._writer.execute("PRAGMA quick_check(1)").get
        if found != "ok":
            raise StoreDamaged(
                f"the store {self._path} is damaged ({str(found).splitlines()[-1]});"
                " go back to a copy of it"
            )

    # Writing

    def append(self, commits: Sequence[Commit]) -> None:
        with self._write_lock, self._translated():
            self._refuse_closed()
            with self._transaction():
                for commit in commits:
                    self._append(commit)

    def _append(self, commit: Commit) -> None:
        execute = self._writer.execute
        seq = commit.inputs[0].seq if commit.inputs else 0
        try:
            if commit.opened is not None:
                row = commit.opened
                execute(
                    _INSERT_CASE,
                    (
                        row.id,
                        row.workflow,
                        row.digest,
                        row.status.value,
                        row.created_us,
                        row.ended_us,
                        row.outcome,
                        row.parent,
                        row.parent_item,
                        row.depth,
                    ),
                )
            for entry in commit.inputs:
                seq = entry.seq
                execute(_INSERT_INPUT, entry)
        except apsw.ConstraintError as error:
            raise JournalConflict(commit.case, seq) from error
        if commit.standing is not None:
            standing = commit.standing
            execute(
                _UPDATE_CASE,
                (standing.status.value, standing.ended_us, standing.outcome, commit.case),
            )

    def keep(self, bundle: Bundle) -> None:
        with self._write_lock, self._translated():
            self._refuse_closed()
            with self._transaction():
                execute = self._writer.execute
                execute(
                    "INSERT OR IGNORE INTO bundles VALUES (?, ?, ?, ?)",
                    (bundle.digest, bundle.entry, bundle.root, bundle.deployed_us),
                )
                self._writer.executemany(
                    "INSERT OR IGNORE INTO sources VALUES (?, ?, ?)",
                    [(bundle.digest, path, text) for path, text in bundle.files.items()],
                )
                for name in bundle.workflows:
                    # A count, not a time: clocks may go back, the last deployment is the newest.
                    execute(
                        "INSERT OR REPLACE INTO workflows SELECT ?1, ?2,"
                        " coalesce(max(deployed), 0) + 1 FROM workflows WHERE name = ?1",
                        (name, bundle.digest),
                    )

    # Reading

    def bundle(self, digest: str) -> Bundle | None:
        with self._reading() as reader:
            row = reader.execute(
                "SELECT entry, root, deployed_us FROM bundles WHERE digest = ?", (digest,)
            ).fetchone()
            if row is None:
                return None
            files = reader.execute(
                "SELECT path, text FROM sources WHERE digest = ? ORDER BY path", (digest,)
            ).fetchall()
            names = reader.execute(
                "SELECT name FROM workflows WHERE digest = ? ORDER BY name", (digest,)
            ).fetchall()
        entry, root, deployed_us = row
        return Bundle(
            digest,
            str(entry),
            str(root),
            {str(path): str(text) for path, text in files},
            tuple(str(name) for (name,) in names),
            cast("int", deployed_us),  # the column is STRICT
        )

    def newest(self, workflow: str) -> str | None:
        with self._reading() as reader:
            row = reader.execute(
                "SELECT digest FROM workflows WHERE name = ? ORDER BY deployed DESC LIMIT 1",
                (workflow,),
            ).fetchone()
        return None if row is None else str(row[0])

    def workflows(self) -> tuple[str, ...]:
        with self._reading() as reader:
            rows = reader.execute("SELECT DISTINCT name FROM workflows ORDER BY name").fetchall()
        return tuple(str(name) for (name,) in rows)

    def case(self, case: str) -> CaseRow | None:
        with self._reading() as reader:
            row = reader.execute(
                f"SELECT {_CASE_COLUMNS} FROM cases WHERE id = ?",  # noqa: S608
                (case,),
            ).fetchone()
        return None if row is None else self._case_row(row)

    def cases(
        self,
        *,
        status: Sequence[CaseStatus] = (),
        workflow: str = "",
        parent: str = "",
        after: CaseRow | None = None,
        limit: int = PAGE_MAX,
    ) -> tuple[CaseRow, ...]:
        where: list[str] = []
        values: list[str | int] = []
        if status:
            where.append(f"status IN ({', '.join('?' * len(status))})")
            values.extend(one.value for one in status)
        if workflow:
            where.append("workflow = ?")
            values.append(workflow)
        if parent:
            # The second half says what the index over sub-cases is limited to.
            where.append("parent = ? AND parent != ''")
            values.append(parent)
        if after is not None:
            where.append("(created_us, id) > (?, ?)")
            values.extend((after.created_us, after.id))
        clause = f"WHERE {' AND '.join(where)}" if where else ""
        values.append(max(0, min(limit, PAGE_MAX)))
        with self._reading() as reader:
            rows = reader.execute(
                f"SELECT {_CASE_COLUMNS} FROM cases {clause}"  # noqa: S608
                " ORDER BY created_us, id LIMIT ?",
                values,
            ).fetchall()
        return tuple(self._case_row(row) for row in rows)

    def _case_row(self, row: tuple[apsw.SQLiteValue, ...]) -> CaseRow:
        case, workflow, digest, created_us, status, ended_us, outcome = row[:7]
        parent, parent_item, depth = row[7:]
        try:
            known = CaseStatus(status)
        except ValueError as error:
            raise StoreDamaged(
                f"the store {self._path} is damaged: case {case!r} has the status {status!r};"
                " go back to a copy of it"
            ) from error
        # The columns are STRICT: they hold what the schema says.
        return CaseRow(
            str(case),
            str(workflow),
            str(digest),
            cast("int", created_us),
            known,
            cast("int", ended_us),
            cast("bytes", outcome),
            str(parent),
            cast("int", parent_item),
            cast("int", depth),
        )

    def inputs(self, case: str) -> tuple[InputRow, ...]:
        with self._reading() as reader:
            rows = reader.execute(
                "SELECT case_id, seq, at_us, kind, item, task, body FROM inputs"
                " WHERE case_id = ? ORDER BY seq",
                (case,),
            ).fetchall()
        return tuple(map(InputRow._make, rows))

    def close(self) -> None:
        with self._write_lock, self._read_lock:
            if self._closed:
                return
            self._closed = True
            try:
                with self._translated():
                    if self._reader is not self._writer:
                        self._reader.close()
                    self._writer.close()
            finally:
                if self._lock is not None:
                    self._lock.release()

    # Connections

    @contextmanager
    def _reading(self) -> Iterator[apsw.Connection]:
        with self._read_lock, self._translated():
            self._refuse_closed()
            yield self._reader

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._writer.execute("COMMIT")
        except BaseException:
            # Some errors (a full disk) roll back by themselves; then there is nothing to undo.
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            raise

    def _refuse_closed(self) -> None:
        if self._closed:
            raise JournalError(f"the store {self._path} has been closed; open it again")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Tell SQLite's errors on as ours, in one sentence that says what to do."""
        try:
            yield
        except (apsw.NotADBError, apsw.CorruptError, UnicodeDecodeError) as error:
            raise StoreDamaged(
                f"{self._path} is damaged or no KNHK store ({error});"
                " go back to a copy of it, or give another path"
            ) from error
        except apsw.FullError as error:
            raise StoreFull(
                f"the store {self._path} is full: free some space, then resume;"
                " nothing that was acknowledged is lost"
            ) from error
        except (apsw.BusyError, apsw.LockedError) as error:
            raise StoreLocked(
                f"the store {self._path} is locked by another program: close that, then resume"
            ) from error
        except (apsw.ReadOnlyError, apsw.PermissionsError, apsw.CantOpenError) as error:
            raise JournalError(
                f"the store {self._path} cannot be opened for writing ({error});"
                " check that the file and its directory may be written to"
            ) from error
        except apsw.Error as error:
            raise JournalError(
                f"the store {self._path} failed ({error}); check its disk, then resume"
            ) from error
