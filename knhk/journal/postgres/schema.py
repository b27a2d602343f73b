"""The schema of a store in PostgreSQL, as a list of numbered steps forward.

A store is a schema of its own in a database. Its table ``knhk_store`` has one row that says how
many steps the store has taken; a step is never changed once it was released, only followed by
another. What the tables hold is said in :mod:`knhk.journal.schema`. Texts are compared byte by
byte (``COLLATE "C"``), which for UTF-8 is the order of code points, as everywhere else in KNHK.

Only here are ``shards`` with their owners and epochs, the ``processes`` that may own them, and the
``commands`` that one of them has for another (:mod:`knhk.journal.sharing`).
"""

from __future__ import annotations

from typing import Final
from zlib import crc32

from psycopg import Connection, errors
from psycopg.rows import TupleRow

from knhk.errors import StoreDamaged, StoreNewer, UnknownName
from knhk.journal.postgres.target import Target

__all__ = ["MIGRATIONS", "bring_up_to_date", "refuse_older"]

#: ``KNHK`` as four bytes: the first half of the key of the lock that migrations hold.
_LOCK: Final = 0x4B4E484B

MIGRATIONS: Final[tuple[str, ...]] = (
    """
    CREATE TABLE bundles (
        digest text COLLATE "C" PRIMARY KEY,
        entry text NOT NULL,
        root text NOT NULL,
        deployed_us bigint NOT NULL
    );
    CREATE TABLE sources (
        digest text COLLATE "C" NOT NULL REFERENCES bundles,
        path text COLLATE "C" NOT NULL,
        text text NOT NULL,
        PRIMARY KEY (digest, path)
    );
    CREATE TABLE workflows (
        name text COLLATE "C" NOT NULL,
        digest text COLLATE "C" NOT NULL REFERENCES bundles,
        deployed bigint NOT NULL,
        PRIMARY KEY (name, digest)
    );
    CREATE TABLE cases (
        id text COLLATE "C" PRIMARY KEY,
        workflow text COLLATE "C" NOT NULL,
        digest text COLLATE "C" NOT NULL,
        status text COLLATE "C" NOT NULL,
        created_us bigint NOT NULL,
        ended_us bigint NOT NULL,
        outcome bytea NOT NULL,
        parent text COLLATE "C" NOT NULL,
        parent_item bigint NOT NULL,
        depth bigint NOT NULL,
        seal bytea NOT NULL,
        parked boolean NOT NULL DEFAULT false,
        wake_us bigint NOT NULL DEFAULT -1
    );
    CREATE INDEX cases_by_status ON cases (status, created_us, id);
    CREATE INDEX cases_by_age ON cases (created_us, id);
    CREATE INDEX cases_by_parent ON cases (parent, created_us, id) WHERE parent != '';
    CREATE INDEX cases_awake ON cases (status, created_us, id) WHERE NOT parked;
    CREATE INDEX cases_by_wake ON cases (wake_us, id) WHERE wake_us >= 0;
    CREATE TABLE inputs (
        case_id text COLLATE "C" NOT NULL,
        seq bigint NOT NULL,
        at_us bigint NOT NULL,
        kind bigint NOT NULL,
        item bigint NOT NULL,
        task text COLLATE "C" NOT NULL,
        body bytea NOT NULL,
        hash bytea NOT NULL,
        PRIMARY KEY (case_id, seq)
    );
    CREATE TABLE snapshots (
        case_id text COLLATE "C" PRIMARY KEY,
        seq bigint NOT NULL,
        hash bytea NOT NULL,
        body bytea NOT NULL
    );
    CREATE TABLE blobs (
        hash bytea PRIMARY KEY,
        data bytea NOT NULL
    );
    CREATE TABLE waits (
        case_id text COLLATE "C" NOT NULL,
        kind bigint NOT NULL,
        name text COLLATE "C" NOT NULL,
        key text COLLATE "C" NOT NULL,
        PRIMARY KEY (case_id, kind, name, key)
    );
    CREATE INDEX waits_by_name ON waits (kind, name, key, case_id);
    CREATE TABLE letters (
        id text COLLATE "C" PRIMARY KEY,
        name text COLLATE "C" NOT NULL,
        key text COLLATE "C" NOT NULL,
        payload bytea NOT NULL,
        sent_us bigint NOT NULL,
        expires_us bigint NOT NULL
    );
    CREATE INDEX letters_by_name ON letters (name, key, sent_us, id);
    CREATE INDEX letters_by_expiry ON letters (expires_us);
    CREATE TABLE leases (
        case_id text COLLATE "C" NOT NULL,
        item bigint NOT NULL,
        attempt bigint NOT NULL,
        holder text COLLATE "C" NOT NULL,
        until_us bigint NOT NULL,
        PRIMARY KEY (case_id, item)
    );
    """,
    """
    ALTER TABLE cases ADD COLUMN tenant text COLLATE "C" NOT NULL DEFAULT '';
    ALTER TABLE cases ADD COLUMN shard bigint NOT NULL DEFAULT 0;
    """,
    """
    CREATE INDEX cases_by_tenant ON cases (tenant, created_us, id) WHERE tenant != '';
    CREATE INDEX cases_by_version ON cases (workflow, digest, status);
    """,
    """
    CREATE SEQUENCE epochs;
    CREATE SEQUENCE later_shards START 64;
    CREATE TABLE shards (
        shard bigint PRIMARY KEY,
        owner bigint NOT NULL,
        epoch bigint NOT NULL
    );
    INSERT INTO shards SELECT shard, 0, 0 FROM generate_series(0, 63) AS n (shard);
    CREATE TABLE processes (
        number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name text NOT NULL,
        is_modest boolean NOT NULL,
        waits boolean NOT NULL DEFAULT false,
        lease_s double precision NOT NULL,
        expires timestamptz NOT NULL
    );
    CREATE TABLE commands (
        id text COLLATE "C" PRIMARY KEY,
        shard bigint NOT NULL,
        sender bigint NOT NULL,
        body bytea NOT NULL,
        expires timestamptz NOT NULL,
        is_carried boolean NOT NULL DEFAULT false,
        answer bytea
    );
    CREATE INDEX commands_open ON commands (shard) WHERE answer IS NULL;
    CREATE INDEX commands_by_expiry ON commands (expires);
    CREATE INDEX cases_by_later_shard ON cases (shard)
        WHERE shard >= 64 AND status IN ('running', 'suspended');
    WITH RECURSIVE family (id, shard) AS (
        SELECT id, hashtext(id) & 63 FROM cases WHERE parent = ''
        UNION ALL
        SELECT c.id, f.shard FROM cases AS c JOIN family AS f ON c.parent = f.id
        WHERE c.parent != ''
    )
    UPDATE cases SET shard = family.shard FROM family WHERE cases.id = family.id;
    """,
    """
    CREATE TABLE offers (
        case_id text COLLATE "C" NOT NULL,
        item bigint NOT NULL,
        attempt bigint NOT NULL,
        started bigint NOT NULL,
        workflow text COLLATE "C" NOT NULL,
        task text COLLATE "C" NOT NULL,
        tenant text COLLATE "C" NOT NULL,
        role text COLLATE "C" NOT NULL,
        rank bigint NOT NULL,
        since_us bigint NOT NULL,
        due_us bigint NOT NULL,
        body bytea NOT NULL,
        PRIMARY KEY (case_id, item)
    );
    CREATE INDEX offers_by_rank ON offers (rank, since_us, case_id, item);
    CREATE INDEX offers_by_task ON offers (task, rank, since_us, case_id, item);
    CREATE INDEX offers_by_workflow ON offers (workflow, rank, since_us, case_id, item);
    CREATE INDEX offers_by_tenant ON offers (tenant, rank, since_us, case_id, item)
        WHERE tenant != '';
    CREATE INDEX offers_by_role ON offers (role, rank, since_us, case_id, item) WHERE role != '';
    CREATE INDEX leases_by_holder ON leases (holder, case_id, item);
    """,
    """
    ALTER TABLE letters ADD COLUMN received_by text COLLATE "C" NOT NULL DEFAULT '';
    DROP INDEX letters_by_name;
    CREATE INDEX letters_by_name ON letters (name, sent_us, id) WHERE received_by = '';
    CREATE INDEX letters_by_key ON letters (name, key, sent_us, id) WHERE received_by = '';
    UPDATE cases SET parked = false, wake_us = -1 WHERE parked;
    """,
)


def bring_up_to_date(connection: Connection[TupleRow], target: Target) -> None:
    """Make the store, or take the steps that it lacks; one process does so at a time.

    Raises :class:`knhk.errors.StoreNewer` for a store of a newer KNHK, and
    :class:`knhk.errors.StoreDamaged` for a schema of another program.
    """
    if _version(connection, target) == len(MIGRATIONS):
        return
    with connection.transaction():
        key = crc32(target.schema.encode()) - 2**31
        connection.execute("SELECT pg_advisory_xact_lock(%s::int, %s::int)", (_LOCK, key))
        # Another process may have done it while this one waited for the lock.
        version = _version(connection, target)
        if version is None:
            # The name is one that needs no quotes (knhk.journal.postgres.target).
            connection.execute(f"CREATE SCHEMA {target.schema}")
        if not version:
            connection.execute("CREATE TABLE knhk_store (version bigint NOT NULL)")
            connection.execute("INSERT INTO knhk_store VALUES (0)")
        for step in MIGRATIONS[version or 0 :]:
            connection.execute(step)
        connection.execute("UPDATE knhk_store SET version = %s", (len(MIGRATIONS),))


def refuse_older(connection: Connection[TupleRow], target: Target) -> None:
    """Refuse to read from a store that is not there or not up to date."""
    version = _version(connection, target)
    if version is None:
        raise UnknownName("store", target.name)
    if version < len(MIGRATIONS):
        raise StoreDamaged(
            f"the store {target.name} is empty or older than this KNHK;"
            " open it for running once, which brings it up to date"
        )


def _version(connection: Connection[TupleRow], target: Target) -> int | None:
    """How many steps the store has taken; ``None`` without a schema, 0 when that is empty."""
    has_schema, has_tables, has_mark = connection.execute(
        "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = %(schema)s),"
        " EXISTS (SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        "         WHERE n.nspname = %(schema)s),"
        " to_regclass(%(schema)s || '.knhk_store') IS NOT NULL",
        {"schema": target.schema},
    ).fetchone() or (False, False, False)
    if not has_mark:
        if has_tables:
            raise StoreDamaged(
                f"the schema {target.schema} in {target.name} has tables of another program;"
                " name another one with ?knhk_schema=NAME"
            )
        return 0 if has_schema else None
    try:
        row = connection.execute("SELECT version FROM knhk_store").fetchone()
    except errors.UndefinedColumn:
        row = None
    if row is None or not isinstance(row[0], int):
        raise StoreDamaged(f"the store {target.name} is damaged: knhk_store has no version")
    if row[0] > len(MIGRATIONS):
        raise StoreNewer(
            f"the store {target.name} has schema {row[0]}, and this KNHK knows"
            f" {len(MIGRATIONS)}; it was written by a newer version: install that one"
        )
    return row[0]
