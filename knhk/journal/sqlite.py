"""A journal in one SQLite file, for one machine.

Theory of operation. One connection writes, one reads; each is used by one thread at a time.
The file is in WAL mode, so readers (of other processes too) never wait for the writer nor it
for them. With durability ``full`` an append is on the disk when it returns (``synchronous =
FULL``: one fsync per transaction); with ``normal`` a crash of the machine, not of the process,
may lose the last transactions, never their order. A process that runs the store holds a lock
beside it (:mod:`knhk.journal.lock`).
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Final, cast

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
from knhk.journal.offers import (
    OFFER_COLUMNS,
    OFFER_TYPES,
    offer_of,
    offer_row,
    question,
    work_of,
)
from knhk.journal.protocol import ANY_WORK
from knhk.journal.record import (
    PAGE_MAX,
    REMEMBERED_US,
    UNFINISHED,
    Bundle,
    CaseRow,
    Commit,
    Durability,
    InputRow,
    Lease,
    Letter,
    Offer,
    OpenWork,
    Record,
    Rest,
    Snapshot,
    Stored,
    VersionRow,
    Wait,
    WorkFilter,
    letters_where,
    version_rows,
)
from knhk.journal.schema import APPLICATION_ID, MIGRATIONS
from knhk.model import CaseStatus

__all__ = ["SQLiteJournal"]

#: How long a reader, or whoever opens the store, waits for a lock within the file.
BUSY_TIMEOUT_MS: Final = 5_000
#: How long an append waits for it; it may be made in an event loop, and is made again.
APPEND_TIMEOUT_MS: Final = 100
#: What systems say of a file that may not become larger.
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
#: A store up to this size is read through for damage when it is opened (some 50 ms).
CHECK_MAX_BYTES: Final = 16 * 1024 * 1024
#: The size that the write-ahead file is cut back to.
WAL_MAX_BYTES: Final = 64 * 1024 * 1024

#: How many inputs one statement may insert; the largest that fits is taken each time.
_SIZES: Final = (128, 32, 8, 2, 1)
_INPUT_COLUMNS: Final = "case_id, seq, at_us, kind, item, task, body, hash"
_INSERT_INPUTS: Final = {
    size: f"INSERT INTO inputs ({_INPUT_COLUMNS}) VALUES "  # noqa: S608
    + ", ".join(["(?, ?, ?, ?, ?, ?, ?, ?)"] * size)
    for size in _SIZES
}
_INSERT_CASE: Final = (
    "INSERT INTO cases (id, workflow, digest, status, created_us, ended_us, outcome,"
    " parent, parent_item, depth, seal, tenant, shard)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_UPDATE_CASE: Final = (
    "UPDATE cases SET status = ?, ended_us = ?, outcome = ?, seal = ? WHERE id = ?"
)
_CASE_COLUMNS: Final = (
    "id, workflow, digest, created_us, status, ended_us, outcome, parent, parent_item, depth, seal,"
    " tenant, shard"
)
_SELECT_CASE: Final = f"SELECT {_CASE_COLUMNS} FROM cases WHERE id = ?"  # noqa: S608
_SELECT_VERSIONS: Final = """
    SELECT w.name, w.digest, b.deployed_us, w.deployed = (
        SELECT max(deployed) FROM workflows WHERE name = w.name
    ) FROM workflows AS w JOIN bundles AS b USING (digest) WHERE ?1 IN ('', w.name)
"""
_SELECT_WAITING_WITH_KEY: Final = """
    SELECT case_id FROM (
        SELECT case_id FROM waits JOIN cases ON id = case_id
        WHERE kind = ?1 AND name = ?2 AND {key} AND case_id > ?4
            AND status IN ('running', 'suspended')
        ORDER BY case_id LIMIT ?5
    )
"""
#: Each half goes along the index, and no further than it has to.
_SELECT_WAITING: Final = (
    _SELECT_WAITING_WITH_KEY.replace("{key}", "key = ''")
    + " UNION "
    + _SELECT_WAITING_WITH_KEY.replace("{key}", "key = ?3")
    + " ORDER BY case_id LIMIT ?5"
)
_LETTER_COLUMNS: Final = "id, name, key, payload, sent_us, expires_us"
_POST: Final = f"INSERT OR IGNORE INTO letters ({_LETTER_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"  # noqa: S608
_RECEIVE: Final = (
    "UPDATE letters SET received_by = ?, payload = x'', expires_us = max(expires_us, sent_us + ?)"
    " WHERE id = ? AND received_by = '' RETURNING id"
)
#: What the columns hold, in the order in which they are read.
_INPUT_TYPES: Final = (str, int, int, int, int, str, bytes, bytes)
_CASE_TYPES: Final = (str, str, str, int, str, int, bytes, str, int, int, bytes, str, int)
_WAIT_TYPES: Final = (int, str, str)
_LETTER_TYPES: Final = (str, str, str, bytes, int, int)
_OFFER_MARKS: Final = ", ".join("?" * len(OFFER_TYPES))
#: The fields of a commit after its case, inputs and opening, when there is nothing in them.
_NOTHING_MORE: Final = Commit("")[3:]


class SQLiteJournal:
    """The store at ``path``; made when it is not there, unless it is only to be read.

    ``size_max_bytes`` is a quota: an append beyond it raises :class:`knhk.errors.StoreFull`,
    as a full disk does. With ``reading`` no lock is taken, and every write is refused. ``vfs``
    names the SQLite VFS by which files are reached, if not the one of the system.
    """

    blocking = True
    #: It waits for a disk of this machine only: short appends may be done in the event loop.
    local = True

    def __init__(
        self,
        path: str | Path,
        *,
        durability: Durability = "full",
        reading: bool = False,
        size_max_bytes: int | None = None,
        vfs: str | None = None,
    ) -> None:
        self._path = Path(path)
        self._vfs = vfs
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
        self._writer = apsw.Connection(str(self._path), flags=flags, vfs=self._vfs)
        try:
            self._set_up(durability, reading, size_max_bytes)
            self._reader = self._writer
            if not reading:
                self._writer.set_busy_timeout(APPEND_TIMEOUT_MS)
                self._reader = apsw.Connection(
                    str(self._path), flags=apsw.SQLITE_OPEN_READWRITE, vfs=self._vfs
                )
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
                    if commit.opened is not None:
                        self._insert_case(commit.opened)
                self._insert_inputs([row for commit in commits for row in commit.inputs])
                for commit in commits:
                    if commit.posted:
                        self._writer.executemany(_POST, commit.posted)
                for commit in commits:
                    if commit[3:] != _NOTHING_MORE:
                        self._append_rest(commit)

    def _insert_case(self, row: CaseRow) -> None:
        try:
            self._writer.execute(
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
                    row.seal,
                    row.tenant,
                    row.shard,
                ),
            )
        except apsw.ConstraintError as error:
            raise JournalConflict(row.id, 0) from error

    def _insert_inputs(self, rows: list[InputRow]) -> None:
        """Insert rows, many with one statement: so the interpreter is let go of only once."""
        execute = self._writer.execute
        at = 0
        for size in _SIZES:
            while len(rows) - at >= size:
                group = rows[at : at + size]
                try:
                    execute(_INSERT_INPUTS[size], tuple(chain.from_iterable(group)))
                except apsw.ConstraintError as error:
                    culprit = self._first_there(group)
                    raise JournalConflict(culprit.case, culprit.seq) from error
                at += size

    def _first_there(self, rows: list[InputRow]) -> InputRow:
        """The first of some rows that is in the store already, or twice among them."""
        seen: set[tuple[str, int]] = set()
        for row in rows:
            there = self._writer.execute(
                "SELECT 1 FROM inputs WHERE case_id = ? AND seq = ?", row[:2]
            ).get
            if there or row[:2] in seen:
                return row
            seen.add(row[:2])
        return rows[0]

    def _append_rest(self, commit: Commit) -> None:
        """What few commits have, beside inputs."""
        execute, case = self._writer.execute, commit.case
        standing, snapshot, rest = commit.standing, commit.snapshot, commit.rest
        if standing is not None:
            execute(
                _UPDATE_CASE,
                (
                    standing.status.value,
                    standing.ended_us,
                    standing.outcome,
                    standing.seal,
                    case,
                ),
            )
        if snapshot is not None:
            execute(
                "INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?, ?)",
                (case, snapshot.seq, snapshot.hash, snapshot.body),
            )
        if rest is not None:
            execute(
                "UPDATE cases SET parked = ?, wake_us = ? WHERE id = ?",
                (int(rest.is_parked), rest.wake_us if rest.is_parked else -1, case),
            )
        if commit.waits is not None:
            execute("DELETE FROM waits WHERE case_id = ?", (case,))
            for wait in commit.waits:
                execute("INSERT OR IGNORE INTO waits VALUES (?, ?, ?, ?)", (case, *wait))
        for blob in commit.blobs:
            execute("INSERT OR IGNORE INTO blobs VALUES (?, ?)", blob)
        for letter in commit.received:
            if execute(_RECEIVE, (case, REMEMBERED_US, letter)).get is None:
                raise JournalConflict(case, commit.inputs[0].seq)
        if commit.leases or commit.offers or commit.closed:
            self._append_work(commit)

    def _append_work(self, commit: Commit) -> None:
        """What there is to do for somebody outside, and who does it."""
        execute, case = self._writer.execute, commit.case
        for lease in commit.leases:
            if lease.until_us < 0:
                execute("DELETE FROM leases WHERE case_id = ? AND item = ?", (case, lease.item))
            else:
                execute("INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?, ?)", (case, *lease))
        for offer in commit.offers:
            execute(f"INSERT OR REPLACE INTO offers VALUES ({_OFFER_MARKS})", offer_row(offer))  # noqa: S608
        for item in commit.closed:
            execute("DELETE FROM offers WHERE case_id = ? AND item = ?", (case, item))

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
        self._refuse_other_types([row], (str, str, int), "bundles")
        entry, root, deployed_us = row
        return Bundle(
            digest,
            str(entry),
            str(root),
            {str(path): str(text) for path, text in files},
            tuple(str(name) for (name,) in names),
            cast("int", deployed_us),
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
            return self._read_case(reader, case)

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
        table = "cases"
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
        if tenant:
            # Likewise of the index over tenants.
            where.append("tenant = ? AND tenant != ''")
            values.append(tenant)
        if awake:
            where.append("parked = 0")
            if status and set(status) <= set(UNFINISHED) and not parent:
                # Else SQLite takes the index by status, and reads all cases that are parked. The
                # condition is what the index is limited to, word for word.
                table = "cases INDEXED BY cases_awake"
                where.append("status IN ('running', 'suspended')")
        if shards is not None:
            where.append(f"shard IN ({', '.join('?' * len(shards))})")
            values.extend(shards)
        if after is not None:
            where.append("(created_us, id) > (?, ?)")
            values.extend((after.created_us, after.id))
        clause = f"WHERE {' AND '.join(where)}" if where else ""
        values.append(max(0, min(limit, PAGE_MAX)))
        with self._reading() as reader:
            rows = reader.execute(
                f"SELECT {_CASE_COLUMNS} FROM {table} {clause}"  # noqa: S608
                " ORDER BY created_us, id LIMIT ?",
                values,
            ).fetchall()
        return tuple(self._case_row(row) for row in rows)

    def _case_row(self, row: tuple[apsw.SQLiteValue, ...]) -> CaseRow:
        self._refuse_other_types([row], _CASE_TYPES, "cases")
        case, workflow, digest, created_us, status, ended_us, outcome = row[:7]
        parent, parent_item, depth, seal, tenant, shard = row[7:]
        try:
            known = CaseStatus(status)
        except ValueError as error:
            raise StoreDamaged(
                f"the store {self._path} is damaged: case {case!r} has the status {status!r};"
                " go back to a copy of it"
            ) from error
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
            cast("bytes", seal),
            str(tenant),
            cast("int", shard),
        )

    def inputs(self, case: str, since: int = 0, limit: int | None = None) -> tuple[InputRow, ...]:
        with self._reading() as reader:
            rows = reader.execute(
                f"SELECT {_INPUT_COLUMNS} FROM inputs"  # noqa: S608
                " WHERE case_id = ? AND seq >= ? ORDER BY seq LIMIT ?",
                (case, since, -1 if limit is None else max(0, limit)),
            ).fetchall()
        return self._input_rows(rows)

    def record(self, case: str) -> Record | None:
        with self._reading() as reader, self._one_state(reader):
            row = self._read_case(reader, case)
            if row is None:
                return None
            count, parked, wake_us = reader.execute(
                "SELECT (SELECT count(*) FROM inputs WHERE case_id = ?1), parked, wake_us"
                " FROM cases WHERE id = ?1",
                (case,),
            ).fetchall()[0]
            waits = reader.execute(
                "SELECT kind, name, key FROM waits WHERE case_id = ? ORDER BY kind, name, key",
                (case,),
            ).fetchall()
            self._refuse_other_types([(parked, wake_us)], (int, int), "cases")
            self._refuse_other_types(waits, _WAIT_TYPES, "waits")
            return Record(
                row,
                cast("int", count),
                self._read_snapshot(reader, case),
                Rest(is_parked=bool(parked), wake_us=cast("int", wake_us)),
                tuple(map(Wait._make, waits)),
                self._read_leases(reader, case),
                self._read_offers(reader, case),
            )

    def versions(self, workflow: str = "") -> tuple[VersionRow, ...]:
        only, values = ("WHERE workflow = ?", (workflow,)) if workflow else ("", ())
        with self._reading() as reader, self._one_state(reader):
            deployed = reader.execute(_SELECT_VERSIONS, (workflow,)).fetchall()
            counted = reader.execute(
                f"SELECT workflow, digest, status, count(*) FROM cases {only}"  # noqa: S608
                " GROUP BY workflow, digest, status ORDER BY status",
                values,
            ).fetchall()
        self._refuse_other_types(deployed, (str, str, int, int), "workflows")
        self._refuse_other_types(counted, (str, str, str, int), "cases")
        return version_rows(deployed, counted)

    def check(self) -> str:
        with self._reading() as reader:
            found = reader.execute("PRAGMA integrity_check(1)").get
            if found != "ok":
                return f"{self._path} is damaged ({str(found).splitlines()[-1]})"
            for table in ("inputs", "snapshots", "waits", "leases", "offers"):
                case = reader.execute(
                    f"SELECT case_id FROM {table} AS t"  # noqa: S608
                    " WHERE NOT EXISTS (SELECT 1 FROM cases WHERE id = t.case_id) LIMIT 1"
                ).get
                if case is not None:
                    return f"there are {table} of a case {case!r}, but no such case"
        return ""

    def stored(self, cases: Sequence[str]) -> tuple[Stored, ...]:
        with self._reading() as reader, self._one_state(reader):
            found = [self._stored(reader, case) for case in cases]
        return tuple(one for one in found if one is not None)

    def _stored(self, reader: apsw.Connection, case: str) -> Stored | None:
        row = self._read_case(reader, case)
        if row is None:
            return None
        snapshot = self._read_snapshot(reader, case)
        rows = reader.execute(
            f"SELECT {_INPUT_COLUMNS} FROM inputs"  # noqa: S608
            " WHERE case_id = ? AND seq >= ? ORDER BY seq",
            (case, 0 if snapshot is None else snapshot.seq),
        ).fetchall()
        leases = self._read_leases(reader, case)
        offers = self._read_offers(reader, case)
        return Stored(row, snapshot, self._input_rows(rows), leases, offers=offers)

    def _read_case(self, reader: apsw.Connection, case: str) -> CaseRow | None:
        row = reader.execute(_SELECT_CASE, (case,)).fetchone()
        return None if row is None else self._case_row(row)

    def _read_snapshot(self, reader: apsw.Connection, case: str) -> Snapshot | None:
        told = reader.execute(
            "SELECT seq, hash, body FROM snapshots WHERE case_id = ?", (case,)
        ).fetchone()
        if told is None:
            return None
        self._refuse_other_types([told], (int, bytes, bytes), "snapshots")
        return Snapshot(*cast("tuple[int, bytes, bytes]", told))

    def _read_leases(self, reader: apsw.Connection, case: str) -> tuple[Lease, ...]:
        leases = reader.execute(
            "SELECT item, attempt, holder, until_us FROM leases WHERE case_id = ? ORDER BY item",
            (case,),
        ).fetchall()
        self._refuse_other_types(leases, (int, int, str, int), "leases")
        return tuple(map(Lease._make, leases))

    def _read_offers(self, reader: apsw.Connection, case: str) -> tuple[Offer, ...]:
        offers = reader.execute(
            f"SELECT {OFFER_COLUMNS} FROM offers WHERE case_id = ? ORDER BY item",  # noqa: S608
            (case,),
        ).fetchall()
        self._refuse_other_types(offers, OFFER_TYPES, "offers")
        return tuple(map(offer_of, offers))

    def _input_rows(self, rows: Sequence[tuple[apsw.SQLiteValue, ...]]) -> tuple[InputRow, ...]:
        self._refuse_other_types(rows, _INPUT_TYPES, "inputs")
        return tuple(map(InputRow._make, rows))

    def _refuse_other_types(
        self,
        rows: Sequence[tuple[apsw.SQLiteValue, ...]],
        types: tuple[type, ...],
        table: str,
    ) -> None:
        """Refuse what a STRICT table cannot hold: so a page of it is damaged."""
        for column, wanted in zip(zip(*rows, strict=True), types, strict=False):
            if set(map(type, column)) != {wanted}:
                raise StoreDamaged(
                    f"the store {self._path} is damaged: its {table} hold what they cannot;"
                    " go back to a copy of it"
                )

    def blobs(self, hashes: Sequence[bytes]) -> Mapping[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        with self._reading() as reader:
            for each in hashes:
                data = reader.execute("SELECT data FROM blobs WHERE hash = ?", (each,)).get
                if isinstance(data, bytes):  # else it is damaged, and as good as missing
                    found[each] = data
        return found

    def sleepers(
        self, until_us: int, limit: int = PAGE_MAX, *, shards: Sequence[int] | None = None
    ) -> tuple[tuple[int, str], ...]:
        only = "" if shards is None else f"AND shard IN ({', '.join('?' * len(shards))})"
        with self._reading() as reader:
            rows = reader.execute(
                "SELECT wake_us, id FROM cases WHERE wake_us >= 0 AND wake_us <= ?"  # noqa: S608
                f" {only} ORDER BY wake_us, id LIMIT ?",
                (until_us, *(shards or ()), max(0, limit)),
            ).fetchall()
        self._refuse_other_types(rows, (int, str), "cases")
        return tuple((cast("int", wake_us), str(case)) for wake_us, case in rows)

    def waiting(
        self, kind: int, name: str, key: str = "", *, after: str = "", limit: int = PAGE_MAX
    ) -> tuple[str, ...]:
        with self._reading() as reader:
            rows = reader.execute(
                _SELECT_WAITING, (kind, name, key, after, max(0, limit))
            ).fetchall()
        return tuple(str(case) for (case,) in rows)

    def work(
        self, wanted: WorkFilter = ANY_WORK, *, after: Offer | None = None, limit: int = PAGE_MAX
    ) -> tuple[OpenWork, ...]:
        with self._reading() as reader:
            rows = reader.execute(*question(wanted, after, limit, "?")).fetchall()
        self._refuse_other_types(rows, OFFER_TYPES, "offers")
        held = [row[len(OFFER_TYPES) :] for row in rows if row[-1] is not None]
        self._refuse_other_types(held, (int, str, int), "leases")
        return tuple(map(work_of, rows))

    def letters(
        self,
        name: str = "",
        key: str = "",
        *,
        after: Letter | None = None,
        limit: int = PAGE_MAX,
    ) -> tuple[Letter, ...]:
        where, values = letters_where("?", name, key, after)
        with self._reading() as reader:
            rows = reader.execute(
                f"SELECT {_LETTER_COLUMNS} FROM letters WHERE {where}"  # noqa: S608
                " ORDER BY name, sent_us, id LIMIT ?",
                (*values, max(0, limit)),
            ).fetchall()
        self._refuse_other_types(rows, _LETTER_TYPES, "letters")
        return tuple(map(Letter._make, rows))

    def letter_count(self) -> int:
        with self._reading() as reader:
            count = reader.execute("SELECT count(*) FROM letters WHERE received_by = ''").get
        return cast("int", count)

    def receiver(self, letter: str) -> str | None:
        with self._reading() as reader:
            row = reader.execute(
                "SELECT received_by FROM letters WHERE id = ?", (letter,)
            ).fetchone()
        return None if row is None else str(row[0])

    def drop(self, letters: Sequence[str]) -> int:
        with self._write_lock, self._translated():
            self._refuse_closed()
            with self._transaction():
                before = self._writer.total_changes()
                self._writer.executemany(
                    "DELETE FROM letters WHERE id = ? AND received_by = ''",
                    [(letter,) for letter in letters],
                )
                return self._writer.total_changes() - before

    def expire(self, now_us: int, limit: int = PAGE_MAX) -> int:
        with self._write_lock, self._translated():
            self._refuse_closed()
            self._writer.execute(
                "DELETE FROM letters WHERE id IN (SELECT id FROM letters WHERE expires_us <= ?"
                " ORDER BY expires_us, id LIMIT ?)",
                (now_us, max(0, limit)),
            )
            return self._writer.changes()

    def next_expiry(self) -> int:
        with self._reading() as reader:
            at_us = reader.execute("SELECT min(expires_us) FROM letters").get
        return -1 if at_us is None else cast("int", at_us)

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
    def _one_state(self, reader: apsw.Connection) -> Iterator[None]:
        """All reads of the block see the store as it is at the first of them."""
        reader.execute("BEGIN")
        try:
            yield
        finally:
            reader.execute("COMMIT")

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
            raise self._full() from error
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
            if isinstance(error, apsw.IOError) and self._has_no_room():
                raise self._full() from error
            raise JournalError(
                f"the store {self._path} failed ({error}); check its disk, then resume"
            ) from error

    def _has_no_room(self) -> bool:
        """Whether the system has said of the last error that there is no room."""
        try:
            return self._writer.system_errno in _NO_ROOM
        except apsw.ConnectionClosedError:  # it could not even be opened
            return False

    def _full(self) -> StoreFull:
        return StoreFull(
            f"the store {self._path} is full: free some space, then resume;"
            " nothing that was acknowledged is lost"
        )
