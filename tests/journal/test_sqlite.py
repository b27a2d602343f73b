"""The SQLite store under faults: another owner, other files, damage, a full disk, a kill."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from knhk.errors import (
    JournalError,
    KnhkError,
    StoreDamaged,
    StoreFull,
    StoreLocked,
    StoreNewer,
    UnknownName,
    UsageError,
)
from knhk.journal import (
    UNFINISHED,
    CaseRow,
    Commit,
    InputRow,
    MemoryJournal,
    Rest,
    SQLiteJournal,
    open_journal,
)
from knhk.journal.schema import APPLICATION_ID, MIGRATIONS


def opening(case: str, body: bytes = b"") -> Commit:
    opened = CaseRow(case, "order", "digest", 1)
    return Commit(case, (InputRow(case, 0, 1, 0, -1, "", body),), opened)


def filled(path: Path, cases: int = 3) -> Path:
    journal = SQLiteJournal(path)
    journal.append([opening(f"c{number}", b"x" * 3000) for number in range(cases)])
    journal.close()
    return path


def test_a_store_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    path = filled(tmp_path / "store.db")

    journal = SQLiteJournal(path)

    assert ["c0", "c1", "c2"] == [row.id for row in journal.cases()]
    journal.close()


def test_a_store_carries_the_mark_of_knhk_and_its_schema(tmp_path: Path) -> None:
    path = filled(tmp_path / "store.db")

    connection = sqlite3.connect(path)

    assert (APPLICATION_ID,) == connection.execute("PRAGMA application_id").fetchone()
    assert (len(MIGRATIONS),) == connection.execute("PRAGMA user_version").fetchone()
    assert ("wal",) == connection.execute("PRAGMA journal_mode").fetchone()
    connection.close()


def test_a_store_from_before_there_were_sub_cases_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    connection = sqlite3.connect(path)
    connection.executescript(MIGRATIONS[0])
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute("PRAGMA user_version = 1")
    connection.execute("INSERT INTO cases VALUES ('a', 'order', 'digest', 'running', 1, -1, x'')")
    connection.commit()
    connection.close()
    with pytest.raises(StoreDamaged, match="older than this KNHK"):
        SQLiteJournal(path, reading=True)

    journal = SQLiteJournal(path)

    assert (CaseRow("a", "order", "digest", 1),) == journal.cases()
    assert () == journal.cases(parent="a")
    journal.close()


def test_full_durability_writes_through_and_normal_does_not(tmp_path: Path) -> None:
    levels = {}
    for durability in ("full", "normal"):
        journal = open_journal(tmp_path / f"{durability}.db", durability=durability)
        assert isinstance(journal, SQLiteJournal)
        levels[durability] = journal._writer.pragma("synchronous")
        journal.close()

    assert {"full": 2, "normal": 1} == levels


@pytest.mark.parametrize("address", ["{}", "sqlite:///{}"])
def test_an_address_is_a_path_or_a_url(tmp_path: Path, address: str) -> None:
    path = tmp_path / "store.db"

    open_journal(address.format(path)).close()

    assert path.exists()


def test_memory_is_an_address() -> None:
    assert isinstance(open_journal(":memory:"), MemoryJournal)


@pytest.mark.parametrize("address", ["mysql://localhost/knhk", "http://x/y"])
def test_an_address_that_is_not_in_this_release_says_so(address: str) -> None:
    with pytest.raises(UsageError, match="not in this release"):
        open_journal(address)


@pytest.mark.parametrize("address", ["", "sqlite:///", "a\0b"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="needs a path"):
        open_journal(address)


def test_an_unknown_durability_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'full' or 'normal'"):
        open_journal(tmp_path / "store.db", durability="some")  # type: ignore[arg-type]


# Owners


def test_a_second_owner_in_this_process_is_refused(tmp_path: Path) -> None:
    journal = SQLiteJournal(tmp_path / "store.db")
    (tmp_path / "alias.db").symlink_to(tmp_path / "store.db")

    for name in ("store.db", "alias.db"):
        with pytest.raises(StoreLocked, match="in this process already"):
            SQLiteJournal(tmp_path / name)

    journal.close()
    SQLiteJournal(tmp_path / "store.db").close()


OWNER = """
import sys
from knhk.journal import SQLiteJournal
journal = SQLiteJournal(sys.argv[1])
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_second_process_is_refused_until_the_first_is_dead(tmp_path: Path) -> None:
    path = filled(tmp_path / "store.db")
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert owner.stdin is not None
    assert owner.stdout is not None
    try:
        assert b"ready\n" == owner.stdout.readline()
        with pytest.raises(StoreLocked, match=rf"another process \({owner.pid}\)"):
            SQLiteJournal(path)
        reader = SQLiteJournal(path, reading=True)
        assert 3 == len(reader.cases())
        reader.close()
    finally:
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        owner.stdin.close()
        owner.stdout.close()

    SQLiteJournal(path).close()


def test_a_reader_sees_what_is_written_meanwhile_and_cannot_write(tmp_path: Path) -> None:
    journal = SQLiteJournal(tmp_path / "store.db")
    reader = SQLiteJournal(tmp_path / "store.db", reading=True)

    journal.append([opening("a")])

    assert ["a"] == [row.id for row in reader.cases()]
    with pytest.raises(JournalError, match="cannot be opened for writing"):
        reader.append([opening("b")])
    reader.close()
    journal.close()


def test_reading_makes_no_store(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="there is no store"):
        SQLiteJournal(tmp_path / "store.db", reading=True)

    assert [] == list(tmp_path.iterdir())


def test_a_write_lock_of_another_program_is_told(tmp_path: Path) -> None:
    journal = SQLiteJournal(tmp_path / "store.db")
    other = apsw.Connection(str(tmp_path / "store.db"))
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreLocked, match="locked by another program"):
        journal.append([opening("a")])
    other.execute("ROLLBACK")
    journal.append([opening("a")])

    assert ["a"] == [row.id for row in journal.cases()]
    other.close()
    journal.close()


# What is no store


def test_the_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE notes (text)")
    connection.commit()
    connection.close()
    before = path.read_bytes()

    with pytest.raises(StoreDamaged, match="another program"):
        SQLiteJournal(path)

    assert before == path.read_bytes()


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = filled(tmp_path / "store.db")
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()

    with pytest.raises(StoreNewer, match="newer version"):
        SQLiteJournal(path)


@pytest.mark.parametrize("content", [b"hello, world" * 100, os.urandom(5000), b"SQLite format 3\0"])
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(content)

    with pytest.raises(StoreDamaged):
        SQLiteJournal(path)

    assert content == path.read_bytes()


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    (tmp_path / "store.db").touch()

    journal = SQLiteJournal(tmp_path / "store.db")

    assert () == journal.cases()
    journal.close()


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreDamaged, match="is a directory"):
        SQLiteJournal(tmp_path)


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="nowhere does not exist"):
        SQLiteJournal(tmp_path / "nowhere" / "store.db")


def test_a_store_that_may_not_be_written_is_refused(tmp_path: Path) -> None:
    path = filled(tmp_path / "store.db")
    if os.geteuid() == 0:
        pytest.skip("root may write everything")
    path.chmod(0o400)

    with pytest.raises(JournalError, match="may be written"):
        SQLiteJournal(path)


# Damage


def test_a_truncated_store_is_refused(tmp_path: Path) -> None:
    path = filled(tmp_path / "store.db", 50)
    whole = path.read_bytes()

    for share in (0.1, 0.5, 0.9):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(StoreDamaged, match="damaged"):
            SQLiteJournal(path)

    path.write_bytes(whole)
    SQLiteJournal(path).close()


def test_flipped_bits_are_refused_or_read_but_never_a_crash(tmp_path: Path) -> None:
    path = filled(tmp_path / "store.db", 20)
    whole = path.read_bytes()
    outcomes = set()

    for position in range(0, len(whole), len(whole) // 40):
        damaged = bytearray(whole)
        damaged[position] ^= 0xFF
        path.write_bytes(bytes(damaged))
        try:
            with closing(SQLiteJournal(path)) as journal:
                for row in journal.cases():
                    journal.inputs(row.id)
            outcomes.add("read")
        except KnhkError:
            outcomes.add("refused")

    assert "refused" in outcomes


# A full disk


def test_a_full_store_says_so_and_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    journal = SQLiteJournal(tmp_path / "store.db", size_max_bytes=256 * 1024)
    written: list[str] = []

    def fill() -> None:
        for number in range(1000):
            journal.append([opening(f"c{number:03}", b"x" * 2000)])
            written.append(f"c{number:03}")

    with pytest.raises(StoreFull, match="nothing that was acknowledged is lost"):
        fill()

    assert len(written) > 20
    assert written == [row.id for row in journal.cases()]
    journal.close()
    again = SQLiteJournal(tmp_path / "store.db")
    assert written == [row.id for row in again.cases()]
    again.append([opening("one more")])
    again.close()


def test_a_full_store_still_takes_what_fits(tmp_path: Path) -> None:
    journal = SQLiteJournal(tmp_path / "store.db", size_max_bytes=256 * 1024)

    with pytest.raises(StoreFull):
        journal.append([opening("large", b"x" * 500_000)])
    journal.append([opening("small")])

    assert ["small"] == [row.id for row in journal.cases()]
    journal.close()


LIMITED = """
import resource, sys
from knhk.errors import StoreFull
from knhk.journal import CaseRow, Commit, InputRow, SQLiteJournal
journal = SQLiteJournal(sys.argv[1])
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
written = []
def append(case):
    row = InputRow(case, 0, 1, 0, -1, "", b"x" * 3000)
    journal.append([Commit(case, (row,), CaseRow(case, "order", "digest", 1))])
    written.append(case)
try:
    for number in range(1000):
        append(f"c{number:03}")
except StoreFull:
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    append("z")
    print(written == [row.id for row in journal.cases()], 5 < len(written) < 1000)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="this system limits no files")
def test_a_file_that_may_not_grow_is_a_full_store_until_it_may(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "store.db")]
    told = subprocess.run(command, capture_output=True, text=True, check=True)

    assert "True True" == told.stdout.strip()


# Ends


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    journal = SQLiteJournal(tmp_path / "store.db")
    journal.close()

    with pytest.raises(JournalError, match="has been closed"):
        journal.cases()
    with pytest.raises(JournalError, match="has been closed"):
        journal.append([])


def test_appends_may_come_from_any_thread(tmp_path: Path) -> None:
    journal = SQLiteJournal(tmp_path / "store.db")
    threads = [
        threading.Thread(target=journal.append, args=([opening(f"c{number}")],))
        for number in range(8)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 8 == len(journal.cases())
    journal.close()


KILLED = """
import os, signal, sys
from knhk.journal import CaseRow, Commit, InputRow, SQLiteJournal
journal = SQLiteJournal(sys.argv[1])
opened = CaseRow("a", "order", "digest", 1)
journal.append([Commit("a", (InputRow("a", 0, 1, 0, -1, "", b""),), opened)])
for seq in range(1, 50):
    journal.append([Commit("a", (InputRow("a", seq, 1, 0, -1, "", b""),))])
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_appended_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "store.db"

    subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)

    journal = SQLiteJournal(path)
    assert list(range(50)) == [row.seq for row in journal.inputs("a")]
    journal.close()


def test_cases_that_are_awake_are_found_without_reading_those_that_are_parked(
    tmp_path: Path,
) -> None:
    steps: list[int] = []

    def count(event: dict[str, object]) -> None:
        status = event["stmt_status"]
        assert isinstance(status, dict)
        steps.append(status["SQLITE_STMTSTATUS_VM_STEP"])

    with closing(SQLiteJournal(tmp_path / "a.db")) as journal:
        journal.append([opening("awake")])
        for parked in (10, 1_000):
            journal.append(
                [
                    opening(f"parked-{parked}-{number}")._replace(rest=Rest(is_parked=True))
                    for number in range(parked)
                ]
            )
            journal._reader.trace_v2(apsw.SQLITE_TRACE_PROFILE, count)
            first = journal.cases(status=UNFINISHED, awake=True)
            assert ["awake"] == [row.id for row in first]
            assert () == journal.cases(status=UNFINISHED, awake=True, after=first[-1])
            journal._reader.trace_v2(0)
    few, many = steps[:2], steps[2:]
    assert few == many
