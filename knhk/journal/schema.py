"""The schema of an SQLite store, as a list of numbered steps forward.

``user_version`` counts the steps that a store has taken; a step is never changed once it
was released, only followed by another. ``application_id`` tells our files from others.

``inputs`` is the event log and the only truth: its primary key ``(case_id, seq)`` is the
fence that a second owner of a case runs into. ``cases`` is its summary, written in the same
transaction, so that listing needs no replay. ``digest`` names the sources of a version, which
are stored once. ``parent`` and ``parent_item`` are the case and the work item that a sub-case
was begun for, empty and -1 where there is none. A case belongs to a ``tenant`` and to a ``shard``.

``hash`` seals each input (:mod:`knhk.journal.chain`); rows of stores that were made before have
none. ``snapshots`` holds the last one of each case, ``blobs`` what is too long to stand in a row.
A case that is ``parked`` is in nobody's memory, and ``wake_us`` says when it wants to be; what
cases wait for is in ``waits``, and ``letters`` are messages to whichever case waits for them. One
that was ``received_by`` a case stays without its payload, so that the same is not taken for new.
``offers`` are work for somebody outside (:mod:`knhk.journal.offers`), and ``leases`` say who works
on which item.

When waits began to be written all cases were taken for awake, so that theirs are too.
"""

from __future__ import annotations

from typing import Final

#: ``KNHK`` as four bytes.
APPLICATION_ID: Final = 0x4B4E484B

MIGRATIONS: Final[tuple[str, ...]] = (
    """
    CREATE TABLE bundles (
        digest TEXT PRIMARY KEY,
        entry TEXT NOT NULL,
        root TEXT NOT NULL,
        deployed_us INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE sources (
        digest TEXT NOT NULL REFERENCES bundles,
        path TEXT NOT NULL,
        text TEXT NOT NULL,
        PRIMARY KEY (digest, path)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE workflows (
        name TEXT NOT NULL,
        digest TEXT NOT NULL REFERENCES bundles,
        deployed INTEGER NOT NULL,
        PRIMARY KEY (name, digest)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE cases (
        id TEXT PRIMARY KEY,
        workflow TEXT NOT NULL,
        digest TEXT NOT NULL,
        status TEXT NOT NULL,
        created_us INTEGER NOT NULL,
        ended_us INTEGER NOT NULL,
        outcome BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX cases_by_status ON cases (status, created_us, id);
    CREATE INDEX cases_by_age ON cases (created_us, id);
    CREATE TABLE inputs (
        case_id TEXT NOT NULL,
        seq INTEGER NOT NULL,
        at_us INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        item INTEGER NOT NULL,
        task TEXT NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (case_id, seq)
    ) STRICT, WITHOUT ROWID;
    """,
    """
    ALTER TABLE cases ADD COLUMN parent TEXT NOT NULL DEFAULT '';
    ALTER TABLE cases ADD COLUMN parent_item INTEGER NOT NULL DEFAULT -1;
    ALTER TABLE cases ADD COLUMN depth INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX cases_by_parent ON cases (parent, created_us, id) WHERE parent != '';
    """,
    """
    ALTER TABLE inputs ADD COLUMN hash BLOB NOT NULL DEFAULT x'';
    ALTER TABLE cases ADD COLUMN seal BLOB NOT NULL DEFAULT x'';
    ALTER TABLE cases ADD COLUMN parked INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE cases ADD COLUMN wake_us INTEGER NOT NULL DEFAULT -1;
    CREATE INDEX cases_awake ON cases (created_us, id)
        WHERE parked = 0 AND status IN ('running', 'suspended');
    CREATE INDEX cases_by_wake ON cases (wake_us, id) WHERE wake_us >= 0;
    CREATE TABLE snapshots (
        case_id TEXT PRIMARY KEY,
        seq INTEGER NOT NULL,
        hash BLOB NOT NULL,
        body BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE blobs (
        hash BLOB PRIMARY KEY,
        data BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE waits (
        case_id TEXT NOT NULL,
        kind INTEGER NOT NULL,
        name TEXT NOT NULL,
        key TEXT NOT NULL,
        PRIMARY KEY (case_id, kind, name, key)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX waits_by_name ON waits (kind, name, key, case_id);
    CREATE TABLE letters (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        key TEXT NOT NULL,
        payload BLOB NOT NULL,
        sent_us INTEGER NOT NULL,
        expires_us INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX letters_by_name ON letters (name, key, sent_us, id);
    CREATE INDEX letters_by_expiry ON letters (expires_us);
    CREATE TABLE leases (
        case_id TEXT NOT NULL,
        item INTEGER NOT NULL,
        attempt INTEGER NOT NULL,
        holder TEXT NOT NULL,
        until_us INTEGER NOT NULL,
        PRIMARY KEY (case_id, item)
    ) STRICT, WITHOUT ROWID;
    """,
    """
    ALTER TABLE cases ADD COLUMN tenant TEXT NOT NULL DEFAULT '';
    ALTER TABLE cases ADD COLUMN shard INTEGER NOT NULL DEFAULT 0;
    """,
    """
    CREATE INDEX cases_by_tenant ON cases (tenant, created_us, id) WHERE tenant != '';
    CREATE INDEX cases_by_version ON cases (workflow, digest, status);
    """,
    """
    CREATE TABLE offers (
        case_id TEXT NOT NULL,
        item INTEGER NOT NULL,
        attempt INTEGER NOT NULL,
        started INTEGER NOT NULL,
        workflow TEXT NOT NULL,
        task TEXT NOT NULL,
        tenant TEXT NOT NULL,
        role TEXT NOT NULL,
        rank INTEGER NOT NULL,
        since_us INTEGER NOT NULL,
        due_us INTEGER NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (case_id, item)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX offers_by_rank ON offers (rank, since_us, case_id, item);
    CREATE INDEX offers_by_task ON offers (task, rank, since_us, case_id, item);
    CREATE INDEX offers_by_workflow ON offers (workflow, rank, since_us, case_id, item);
    CREATE INDEX offers_by_tenant ON offers (tenant, rank, since_us, case_id, item)
        WHERE tenant != '';
    CREATE INDEX offers_by_role ON offers (role, rank, since_us, case_id, item) WHERE role != '';
    CREATE INDEX leases_by_holder ON leases (holder, case_id, item);
    """,
    """
    ALTER TABLE letters ADD COLUMN received_by TEXT NOT NULL DEFAULT '';
    DROP INDEX letters_by_name;
    CREATE INDEX letters_by_name ON letters (name, sent_us, id) WHERE received_by = '';
    CREATE INDEX letters_by_key ON letters (name, key, sent_us, id) WHERE received_by = '';
    UPDATE cases SET parked = 0, wake_us = -1 WHERE parked != 0;
    """,
)
