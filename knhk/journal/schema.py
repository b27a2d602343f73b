"""The schema of an SQLite store, as a list of numbered steps forward.

``user_version`` counts the steps that a store has taken; a step is never changed once it
was released, only followed by another. ``application_id`` tells our files from others.

``inputs`` is the event log and the only truth: its primary key ``(case_id, seq)`` is the
fence that a second owner of a case runs into. ``cases`` is its summary, written in the same
transaction, so that listing needs no replay. ``digest`` names the sources of a version, which
are stored once. ``parent`` and ``parent_item`` are the case and the work item that a sub-case
was begun for, empty and -1 where there is none.
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
)
