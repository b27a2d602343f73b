"""SQLite stores of earlier schemas are brought up to date, and keep every row."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from knhk.errors import JournalConflict, StoreDamaged
from knhk.journal import (
    Bundle,
    CaseRow,
    Commit,
    InputRow,
    Lease,
    Letter,
    Rest,
    Snapshot,
    SQLiteJournal,
    Standing,
    Stored,
    Wait,
)
from knhk.journal.chain import first_misfit, link
from knhk.journal.schema import APPLICATION_ID, MIGRATIONS
from knhk.model import MESSAGE, CaseStatus

CASES = (
    CaseRow("a", "order", "d1", 1),
    CaseRow("b", "order", "d1", 2, CaseStatus.completed, 9, b'{"value":1}'),
)
SUB_CASE = CaseRow("b/t-1", "part", "d1", 3, parent="b", parent_item=4, depth=1)
INPUTS = (
    InputRow("a", 0, 1, 0, -1, "", b"{}"),
    InputRow("a", 1, 2, 1, 7, "tä", b"\x00\xff"),
    InputRow("b", 0, 2, 0, -1, "", b""),
)


def old_store(path: Path, version: int) -> Path:
    """A store that has taken the first ``version`` steps, with rows that its KNHK wrote."""
    with closing(sqlite3.connect(path)) as connection:
        for step in MIGRATIONS[:version]:
            connection.executescript(step)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {version}")
        insert(connection, "bundles", ("d1", "order.knhk", "/srv", 5))
        insert(connection, "sources", ("d1", "order.knhk", "# ä"))
        insert(connection, "workflows", ("order", "d1", 1))
        for case in CASES:
            values = (case.id, case.workflow, case.digest, case.status.value, case.created_us)
            insert(connection, "cases", (*values, case.ended_us, case.outcome, *CALLER[version]))
        for row in INPUTS:
            insert(connection, "inputs", row[:7])
        if version == 2:
            values = ("b/t-1", "part", "d1", "running", 3, -1, b"", "b", 4, 1)
            insert(connection, "cases", values)
        connection.commit()
    return path


#: The columns of a case that is nobody's sub-case, as each version wrote them.
CALLER: dict[int, tuple[object, ...]] = {1: (), 2: ("", -1, 0)}


def insert(connection: sqlite3.Connection, table: str, values: tuple[object, ...]) -> None:
    marks = ", ".join("?" * len(values))
    connection.execute(f"INSERT INTO {table} VALUES ({marks})", values)


@pytest.fixture(params=[1, 2])
def version(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def path(tmp_path: Path, version: int) -> Path:
    return old_store(tmp_path / "store.db", version)


def test_every_row_is_kept(path: Path, version: int) -> None:
    with closing(SQLiteJournal(path)) as journal:
        assert CASES + (SUB_CASE,) * (version == 2) == journal.cases()
        assert INPUTS[:2] == journal.inputs("a")
        assert INPUTS[2:] == journal.inputs("b")
        kept = Bundle("d1", "order.knhk", "/srv", {"order.knhk": "# ä"}, ("order",), 5)
        assert kept == journal.bundle("d1")
        assert "d1" == journal.newest("order")


def test_what_was_not_kept_before_is_empty(path: Path) -> None:
    with closing(SQLiteJournal(path)) as journal:
        assert {b""} == {row.hash for row in journal.inputs("a")}
        assert {b""} == {row.seal for row in journal.cases()}
        assert (Stored(CASES[0], None, INPUTS[:2]),) == journal.stored(["a"])
        assert journal.cases() == journal.cases(awake=True)
        assert () == journal.sleepers(2**62)


def test_it_is_appended_to_like_any_other(path: Path) -> None:
    letter = Letter("l", "paid", "", b"1", 1, 9)
    sealed = InputRow("a", 2, 3, 2, 7, "tä", b"", b"h" * 32)
    commit = Commit(
        "a",
        (sealed,),
        None,
        Standing(CaseStatus.suspended, seal=sealed.hash),
        Snapshot(3, sealed.hash, b"state"),
        Rest(is_parked=True, wake_us=5),
        (Wait(MESSAGE, "paid", ""),),
        ((b"hash", b"data"),),
        ("l",),
        (Lease(7, 1, "w", 9),),
    )
    with closing(SQLiteJournal(path)) as journal:
        journal.append([Commit("", posted=(letter,))])
        journal.append([commit])
        with pytest.raises(JournalConflict):
            journal.append([Commit("a", (sealed._replace(seq=1),))])

    with closing(SQLiteJournal(path)) as journal:
        assert (*INPUTS[:2], sealed) == journal.inputs("a")
        assert ("a",) == journal.waiting(MESSAGE, "paid")
        assert ((5, "a"),) == journal.sleepers(9)
        assert {b"hash": b"data"} == journal.blobs([b"hash"])
        (stored,) = journal.stored(["a"])
        assert (commit.snapshot, (), commit.leases) == stored[1:4]


def test_a_chain_begins_behind_the_rows_that_have_none(path: Path) -> None:
    sealed = InputRow("a", 2, 3, 2, 7, "tä", b"")
    sealed = sealed._replace(hash=link(b"", *sealed[:7]))
    with closing(SQLiteJournal(path)) as journal:
        journal.append([Commit("a", (sealed,))])

        assert None is first_misfit(CASES[0], journal.inputs("a"))


def test_a_reader_does_not_bring_it_up_to_date(path: Path, version: int) -> None:
    with pytest.raises(StoreDamaged, match="older than this KNHK"):
        SQLiteJournal(path, reading=True)

    with closing(sqlite3.connect(path)) as connection:
        assert (version,) == connection.execute("PRAGMA user_version").fetchone()


def test_an_updated_store_has_the_schema_of_a_new_one(path: Path, tmp_path: Path) -> None:
    SQLiteJournal(path).close()
    SQLiteJournal(tmp_path / "new.db").close()

    assert columns(tmp_path / "new.db") == columns(path)


def columns(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(
            'SELECT s.type, s.name, c.name, c.type, c."notnull", c.dflt_value'
            " FROM sqlite_schema AS s LEFT JOIN pragma_table_info(s.name) AS c"
            " WHERE s.name NOT LIKE 'sqlite_%' ORDER BY 1, 2, 3"
        ).fetchall()
