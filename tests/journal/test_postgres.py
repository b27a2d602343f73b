"""The store in PostgreSQL: addresses, schemas, and faults of the server and of the network."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import psycopg
import pytest

from knhk.errors import (
    JournalConflict,
    JournalError,
    StoreDamaged,
    StoreFull,
    StoreLocked,
    StoreNewer,
    StoreUnavailable,
    UnknownName,
    UsageError,
)
from knhk.journal import CaseRow, Commit, InputRow, Letter, Rest, Snapshot, open_journal
from knhk.journal.passwords import without_password
from knhk.journal.postgres import PostgresJournal
from knhk.journal.postgres.schema import MIGRATIONS
from tests.journal.flying import FlyingJournal
from tests.journal.proxy import COMMITTED, Proxy
from tests.postgres import Server, execute, new_schema, with_schema


def row(case: str, seq: int, body: bytes = b"") -> InputRow:
    return InputRow(case, seq, 1_000 + seq, 1, -1, "t", body, bytes([seq % 256]) * 32)


def opening(case: str, body: bytes = b"") -> Commit:
    return Commit(case, (row(case, 0, body),), CaseRow(case, "order", "digest", 1))


def schema_of(address: str) -> str:
    return address.rpartition("knhk_schema=")[2]


def backends(server: str, journal: PostgresJournal) -> list[int]:
    """The server's processes for the connections of a journal: of the reader and the writer."""
    links = [journal._reader, journal._writer]
    known = [link._connection for link in links if link is not None]
    return [each.info.backend_pid for each in known if each is not None and not each.closed]


def terminate(server: str, journal: PostgresJournal) -> None:
    for pid in backends(server, journal):
        execute(server, f"SELECT pg_terminate_backend({pid}, 5000)")


# Addresses


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_an_address_names_the_server_and_the_schema(postgres: str, scheme: str) -> None:
    address = postgres.replace("postgresql://", f"{scheme}://")

    with closing(open_journal(address)) as journal:
        journal.append([opening("a")])

    assert [("a",)] == execute(
        postgres.partition("?knhk_schema")[0].partition("&knhk_schema")[0],
        f"SELECT id FROM {schema_of(postgres)}.cases",
    )


@pytest.mark.parametrize("schema", ["Knhk", "a-b", "pg_temp", "a;b", "", "x" * 64, "1a", "a%22"])
def test_a_schema_has_a_plain_name(schema: str) -> None:
    with pytest.raises(UsageError, match="small letters, digits and _"):
        open_journal(f"postgresql://localhost/db?knhk_schema={schema}")


SECRETS = [
    "postgresql://me:s3cret@127.0.0.1:1/db",
    "postgresql://me:s3cret/@127.0.0.1:1/db",
    "postgresql://me:p@s3cret#?@127.0.0.1:1/db",
    "postgresql://127.0.0.1:1/db?user=me&password=s3cret",
    "postgresql://me:s3cret@127.0.0.1:port/db",
    "postgresql://me:s3cret@127.0.0.1:1/db?no_such_option=s3cret",
    "postgresql://me:%zzs3cret@127.0.0.1:1/db",
]


@pytest.mark.parametrize("address", SECRETS)
def test_a_password_is_told_to_nobody(address: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    with pytest.raises((UsageError, JournalError)) as caught:
        open_journal(address)

    error: BaseException | None = caught.value
    told = [caplog.text, without_password(address).replace("no_such_option=s3cret", "")]
    while error is not None:
        told.append(repr(error))
        error = error.__cause__
    assert not [text for text in told if "s3cret" in text.replace("no_such_option=s3cret", "")]


def test_an_address_without_a_password_stays_as_it_is() -> None:
    for address in ("postgresql://me@h:5432/db?a=b", "knhk.db", "sqlite:///a:b", "postgresql:///d"):
        assert address == without_password(address)


def test_without_psycopg_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "knhk.journal.postgres", None)

    with pytest.raises(UsageError, match=r'pip install "knhk\[postgres\]"'):
        open_journal("postgresql://localhost/db")


def test_a_server_that_is_not_there_is_told_at_once() -> None:
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:1/db cannot be reached"):
        open_journal("postgresql://me@127.0.0.1:1/db")


# Schemas


def test_a_store_is_there_when_it_is_opened_again(postgres: str) -> None:
    with closing(PostgresJournal(postgres)) as journal:
        journal.append([opening("a")])

    with closing(PostgresJournal(postgres)) as journal:
        assert ["a"] == [case.id for case in journal.cases()]


def test_two_stores_in_one_database_do_not_meet(postgres: str, postgres_server: str) -> None:
    other = new_schema()
    with closing(PostgresJournal(postgres)) as journal:
        journal.append([opening("a")])
        with closing(PostgresJournal(with_schema(postgres_server, other))) as second:
            assert () == second.cases()
    execute(postgres_server, f"DROP SCHEMA {other} CASCADE")


OPEN = """
import sys
from knhk.journal.postgres import PostgresJournal
PostgresJournal(sys.argv[1]).close()
"""


def test_several_processes_may_open_a_new_store_at_once(postgres: str) -> None:
    command = [sys.executable, "-c", OPEN, postgres]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(4)]

    assert [b""] * 4 == [process.communicate()[1] for process in processes]
    assert [0] * 4 == [process.returncode for process in processes]


def test_threads_that_open_a_new_store_at_once_wait_for_each_other(postgres: str) -> None:
    failures: list[BaseException] = []

    def open_and_close() -> None:
        try:
            PostgresJournal(postgres).close()
        except BaseException as error:  # noqa: BLE001  told on below
            failures.append(error)

    threads = [threading.Thread(target=open_and_close) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [] == failures


def test_an_empty_schema_becomes_a_store(postgres: str, postgres_server: str) -> None:
    execute(postgres_server, f"CREATE SCHEMA {schema_of(postgres)}")

    with closing(PostgresJournal(postgres)) as journal:
        assert () == journal.cases()


def test_a_schema_of_another_program_is_refused_and_left_alone(
    postgres: str, postgres_server: str
) -> None:
    schema = schema_of(postgres)
    execute(postgres_server, f"CREATE SCHEMA {schema} CREATE TABLE cases (id text)")

    for reading in (False, True):
        with pytest.raises(StoreDamaged, match=r"tables of another program.*\?knhk_schema=NAME"):
            PostgresJournal(postgres, reading=reading)

    tables = f"SELECT tablename FROM pg_tables WHERE schemaname = '{schema}'"
    assert [("cases",)] == execute(postgres_server, tables)


def test_a_store_of_a_newer_version_is_refused(postgres: str, postgres_server: str) -> None:
    PostgresJournal(postgres).close()
    newer = len(MIGRATIONS) + 1
    execute(postgres_server, f"UPDATE {schema_of(postgres)}.knhk_store SET version = {newer}")

    with pytest.raises(StoreNewer, match="newer version"):
        PostgresJournal(postgres)


@pytest.mark.parametrize("table", ["knhk_store ()", "knhk_store (version text)"])
def test_a_store_without_a_version_is_damaged(
    postgres: str, postgres_server: str, table: str
) -> None:
    execute(postgres_server, f"CREATE SCHEMA {schema_of(postgres)} CREATE TABLE {table}")

    with pytest.raises(StoreDamaged, match="no version"):
        PostgresJournal(postgres)


def test_a_store_whose_tables_are_dropped_is_damaged(postgres: str, postgres_server: str) -> None:
    with closing(PostgresJournal(postgres)) as journal:
        execute(postgres_server, f"DROP TABLE {schema_of(postgres)}.inputs")

        with pytest.raises(StoreDamaged, match='"inputs" does not exist'):
            journal.append([opening("a")])
        with pytest.raises(StoreDamaged):
            journal.inputs("a")
        assert () == journal.cases()


def test_an_unknown_status_is_damage(postgres: str, postgres_server: str) -> None:
    with closing(PostgresJournal(postgres)) as journal:
        journal.append([opening("a")])
        execute(postgres_server, f"UPDATE {schema_of(postgres)}.cases SET status = 'lost'")

        with pytest.raises(StoreDamaged, match="has the status 'lost'"):
            journal.case("a")


# Reading


def test_reading_makes_no_store(postgres: str, postgres_server: str) -> None:
    with pytest.raises(UnknownName, match="there is no store"):
        PostgresJournal(postgres, reading=True)
    execute(postgres_server, f"CREATE SCHEMA {schema_of(postgres)}")
    with pytest.raises(StoreDamaged, match="older than this KNHK"):
        PostgresJournal(postgres, reading=True)


def test_a_reader_sees_what_is_written_meanwhile_and_cannot_write(postgres: str) -> None:
    with (
        closing(PostgresJournal(postgres)) as journal,
        closing(PostgresJournal(postgres, reading=True)) as reader,
    ):
        journal.append([opening("a")])

        assert ["a"] == [case.id for case in reader.cases()]
        with pytest.raises(JournalError, match="for reading only"):
            reader.append([opening("b")])


def test_durability_decides_what_an_append_waits_for(postgres: str) -> None:
    levels = {}
    for durability in ("full", "normal"):
        with closing(open_journal(postgres, durability=durability)) as journal:
            assert isinstance(journal, PostgresJournal)
            assert journal._writer is not None
            levels[durability] = journal._writer.run(
                lambda connection: connection.execute("SHOW synchronous_commit").fetchall()
            )

    assert {"full": [("on",)], "normal": [("off",)]} == levels


def test_a_closed_store_says_so(postgres: str) -> None:
    journal = PostgresJournal(postgres)
    journal.close()

    with pytest.raises(JournalError, match="has been closed"):
        journal.cases()
    with pytest.raises(JournalError, match="has been closed"):
        journal.append([])


# What the server refuses


def test_a_text_with_nul_is_refused_and_appends_go_on(postgres: str) -> None:
    with closing(PostgresJournal(postgres)) as journal:
        with pytest.raises(JournalError, match="failed"):
            journal.append([opening("a\0b")])
        journal.append([opening("a")])

        assert ["a"] == [case.id for case in journal.cases()]


def test_a_full_disk_says_so(postgres: str, postgres_server: str) -> None:
    schema = schema_of(postgres)
    with closing(PostgresJournal(postgres)) as journal:
        execute(
            postgres_server,
            f"CREATE FUNCTION {schema}.full() RETURNS trigger LANGUAGE plpgsql AS"
            " $$BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END$$;"
            f" CREATE TRIGGER full_disk BEFORE INSERT ON {schema}.inputs"
            f" EXECUTE FUNCTION {schema}.full()",
        )
        with pytest.raises(StoreFull, match="nothing that was acknowledged is lost"):
            journal.append([opening("a")])
        execute(postgres_server, f"DROP TRIGGER full_disk ON {schema}.inputs")
        journal.append([opening("a")])

        assert ["a"] == [case.id for case in journal.cases()]


def test_a_lock_of_another_session_is_told(
    postgres: str, postgres_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "knhk.journal.postgres.journal._SETTINGS", {"lock_timeout": "50ms"}, raising=True
    )
    with (
        closing(PostgresJournal(postgres)) as journal,
        psycopg.connect(postgres_server) as other,
    ):
        other.execute(f"LOCK TABLE {schema_of(postgres)}.inputs".encode())

        with pytest.raises(StoreLocked, match="locked by another session"):
            journal.append([opening("a")])
        other.rollback()
        journal.append([opening("a")])


# Lost connections

#: An append waits for its answer in a thread, or is sent by the event loop.
WAYS = [PostgresJournal, FlyingJournal]


def test_a_flight_that_is_abandoned_is_in_doubt(postgres: str, postgres_server: str) -> None:
    commit = Commit("a", (row("a", 1),))
    with closing(PostgresJournal(postgres)) as journal:
        journal.append([opening("a")])
        with psycopg.connect(postgres_server) as blocker:
            blocker.execute(f"LOCK TABLE {schema_of(postgres)}.inputs".encode())
            flight = journal.launch([commit])
            assert flight is not None
            assert not flight.landed()
            assert journal.launch([opening("b")]) is None
            flight.abandon()
        assert flight.landed()
        assert not flight.is_written

        assert journal.launch([commit]) is None
        journal.append([commit])
        assert [0, 1] == [each.seq for each in journal.inputs("a")]


def test_a_flight_that_is_refused_leaves_the_store_as_it_was(postgres: str) -> None:
    with closing(FlyingJournal(postgres)) as journal:
        journal.append([opening("a")])

        for _ in range(2):
            with pytest.raises(JournalConflict):
                journal.append([opening("b"), Commit("a", (row("a", 0),))])

        assert ["a"] == [each.id for each in journal.cases()]
        flight = journal.launch([opening("b")])
        assert flight is not None
        while not flight.landed():
            time.sleep(0.001)
        assert flight.is_written


def test_a_large_append_flies_too(postgres: str) -> None:
    body = b"x" * 60_000
    with closing(FlyingJournal(postgres)) as journal:
        journal.append([opening(f"c{n}", body) for n in range(17)])
        journal.append([opening(f"d{n}", body) for n in range(18)])

        assert 35 == len(journal.cases())
        assert body == journal.inputs("c16")[0].body


@pytest.mark.parametrize("way", WAYS)
def test_a_terminated_connection_is_made_again(
    postgres: str, postgres_server: str, way: type[PostgresJournal]
) -> None:
    with closing(way(postgres)) as journal:
        journal.append([opening("a")])
        journal.cases()

        terminate(postgres_server, journal)
        journal.append([Commit("a", (row("a", 1),))])
        terminate(postgres_server, journal)

        assert [0, 1] == [each.seq for each in journal.inputs("a")]
        journal.append([Commit("", posted=(Letter("l", "paid", "", b"", 1, 9),))])


@pytest.mark.parametrize("way", WAYS)
def test_connections_terminated_all_the_time_lose_nothing(
    postgres: str, postgres_server: str, way: type[PostgresJournal]
) -> None:
    name = schema_of(postgres)
    over = threading.Event()

    def disturb() -> None:
        ended = 0
        with psycopg.connect(postgres_server, autocommit=True) as connection:
            while ended < 10 and not over.wait(0.05):
                ended += connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name = %s",
                    (name,),
                ).rowcount
        over.set()

    written = 0
    with closing(way(f"{postgres}&application_name={name}")) as journal:
        journal.append([opening("a"), opening("b")])
        thread = threading.Thread(target=disturb)
        thread.start()
        try:
            while not over.is_set():
                written += 1
                journal.append([Commit(case, (row(case, written),)) for case in ("a", "b")])
        finally:
            over.set()
            thread.join()

        for case in ("a", "b"):
            assert list(range(written + 1)) == [each.seq for each in journal.inputs(case)]


@pytest.fixture
def proxy(postgres_server: str) -> Iterator[Proxy]:
    proxy = Proxy(postgres_server)
    yield proxy
    proxy.close()


@pytest.fixture(params=WAYS)
def journal(
    proxy: Proxy, postgres: str, request: pytest.FixtureRequest
) -> Iterator[PostgresJournal]:
    """A journal behind the proxy, with one case."""
    schema = schema_of(postgres)
    address = with_schema(f"{proxy.address}&application_name={schema}", schema)
    journal: PostgresJournal = request.param(address, patience_s=0.2)
    journal.append([opening("a")])
    yield journal
    journal.close()


def test_an_append_that_was_written_but_not_answered_is_no_conflict(
    proxy: Proxy, journal: PostgresJournal
) -> None:
    proxy.lose_answer(COMMITTED)

    journal.append([Commit("a", (row("a", 1),)), opening("b")])

    assert proxy.lost.is_set()
    assert [0, 1] == [each.seq for each in journal.inputs("a")]
    assert [0] == [each.seq for each in journal.inputs("b")]
    with pytest.raises(JournalConflict):
        journal.append([Commit("a", (row("a", 1),))])


def test_an_append_that_never_arrived_is_written_then(
    proxy: Proxy, journal: PostgresJournal
) -> None:
    proxy.lose_request(b"COMMIT")

    journal.append([Commit("a", (row("a", 1),)), opening("b")])

    assert proxy.lost.is_set()
    assert [0, 1] == [each.seq for each in journal.inputs("a")]
    assert [0] == [each.seq for each in journal.inputs("b")]


def test_an_append_in_doubt_is_an_error_and_its_commits_may_be_brought_again(
    proxy: Proxy, journal: PostgresJournal
) -> None:
    commits = [Commit("a", (row("a", 1),)), opening("b"), opening("c")]
    proxy.lose_answer(COMMITTED)
    proxy.is_refusing = True

    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        journal.append(commits)
    with pytest.raises(StoreUnavailable):
        journal.append(commits[:1])
    proxy.is_refusing = False
    wait_until_reachable(journal)

    for commit in commits:
        journal.append([commit])
    assert [0, 1] == [each.seq for each in journal.inputs("a")]
    journal.append([Commit("a", (row("a", 2),))])
    with pytest.raises(JournalConflict):
        journal.append([commits[1]])


def test_what_another_owner_wrote_meanwhile_stays_a_conflict(
    proxy: Proxy, journal: PostgresJournal, postgres: str
) -> None:
    proxy.lose_request(b"COMMIT")
    proxy.is_refusing = True
    with pytest.raises(StoreUnavailable):
        journal.append([Commit("a", (row("a", 1),))])
    with closing(PostgresJournal(postgres)) as other:
        other.append([Commit("a", (row("a", 1, b"other"),))])
    proxy.is_refusing = False
    wait_until_reachable(journal)

    with pytest.raises(JournalConflict) as caught:
        journal.append([Commit("a", (row("a", 1),))])

    assert ("a", 1) == (caught.value.case, caught.value.seq)


def test_a_transaction_that_is_still_at_work_is_ended_and_written_anew(
    proxy: Proxy, journal: PostgresJournal, postgres: str, postgres_server: str
) -> None:
    commit = Commit("a", (row("a", 1),), snapshot=Snapshot(2, b"h", b"b"))
    schema = schema_of(postgres)
    with psycopg.connect(postgres_server) as blocker:
        # The row of the input is in, and the transaction waits for the table of snapshots.
        blocker.execute(f"LOCK TABLE {schema}.snapshots".encode())
        thread = threading.Thread(target=journal.append, args=([commit],))
        thread.start()
        (first,) = wait_for_waiting(postgres_server, schema)
        proxy.cut()
        wait_for_waiting(postgres_server, schema, other_than=first)
        blocker.rollback()
        thread.join()

    assert [0, 1] == [each.seq for each in journal.inputs("a")]


def test_what_was_sent_on_a_lost_connection_is_not_done_late(
    proxy: Proxy, journal: PostgresJournal, postgres: str, postgres_server: str
) -> None:
    schema = schema_of(postgres)
    asleep, awake = (Commit("a", rest=Rest(is_parked=each, wake_us=7)) for each in (True, False))
    with psycopg.connect(postgres_server) as blocker:
        blocker.execute(f"LOCK TABLE {schema}.cases IN EXCLUSIVE MODE".encode())
        thread = threading.Thread(target=suppressed(journal.append), args=([asleep],))
        thread.start()
        (first,) = wait_for_waiting(postgres_server, schema)
        proxy.is_refusing = True
        proxy.cut()
        thread.join()
        proxy.is_refusing = False
        wait_until_reachable(journal)
        thread = threading.Thread(target=journal.append, args=([awake],))
        thread.start()
        wait_for_waiting(postgres_server, schema, other_than=first)
        blocker.rollback()
        thread.join()
    ended = f"SELECT 1 FROM pg_stat_activity WHERE pid = {first}"
    wait_until(lambda: not execute(postgres_server, ended))

    assert () == journal.sleepers(9)
    assert ["a"] == [each.id for each in journal.cases(awake=True)]


def suppressed(append: Callable[[list[Commit]], None]) -> Callable[[list[Commit]], None]:
    def append_in_vain(commits: list[Commit]) -> None:
        with suppress(StoreUnavailable):
            append(commits)

    return append_in_vain


def test_a_server_that_says_nothing_is_taken_for_lost(proxy: Proxy, postgres: str) -> None:
    address = with_schema(f"{proxy.address}&connect_timeout=2", schema_of(postgres))
    with closing(PostgresJournal(address, patience_s=0, answer_s=0.5)) as journal:
        journal.append([opening("a")])
        proxy.is_silent = True
        with pytest.raises(StoreUnavailable, match=r"no answer|timeout"):
            journal.append([Commit("a", (row("a", 1),))])
        with pytest.raises(StoreUnavailable, match=r"no answer|timeout"):
            journal.inputs("a")
        proxy.is_silent = False
        wait_until_reachable(journal)
        journal.append([Commit("a", (row("a", 1),))])

        assert [0, 1] == [each.seq for each in journal.inputs("a")]


@pytest.mark.parametrize("journal", [PostgresJournal], indirect=True)
def test_closing_does_not_wait_for_a_server_that_says_nothing(
    proxy: Proxy, journal: PostgresJournal
) -> None:
    proxy.is_silent = True
    thread = threading.Thread(target=suppressed(journal.append), args=([opening("b")],))
    thread.start()
    began = time.monotonic()
    journal.close()
    thread.join()

    assert time.monotonic() - began < 20  # it would wait for 40 s for an answer


def test_commits_found_written_may_be_brought_one_by_one_past_one_that_is_refused(
    proxy: Proxy, journal: PostgresJournal
) -> None:
    commits = [Commit("a", (row("a", 1),)), opening("b")]
    proxy.lose_answer(COMMITTED)
    proxy.is_refusing = True
    with pytest.raises(StoreUnavailable):
        journal.append(commits)
    proxy.is_refusing = False
    wait_until_reachable(journal)

    for _ in range(3):
        with pytest.raises(JournalError, match="failed"):
            journal.append([opening("c\0d"), *commits])
        with pytest.raises(JournalError, match="failed"):
            journal.append([opening("c\0d")])
    for commit in commits:
        journal.append([commit])

    assert [0, 1] == [each.seq for each in journal.inputs("a")]
    assert ["a", "b"] == [each.id for each in journal.cases()]


def test_what_was_written_without_an_input_does_not_come_again_behind_what_followed(
    proxy: Proxy, journal: PostgresJournal
) -> None:
    parked = Commit("a", rest=Rest(is_parked=True, wake_us=5))
    woken = Commit("a", (row("a", 1),), rest=Rest(is_parked=False))
    proxy.lose_answer(COMMITTED)
    proxy.is_refusing = True
    with pytest.raises(StoreUnavailable):
        journal.append([parked, woken])
    proxy.is_refusing = False
    wait_until_reachable(journal)

    journal.append([parked])
    journal.append([woken])
    assert ["a"] == [case.id for case in journal.cases(awake=True)]

    journal.append([parked])
    assert ((5, "a"),) == journal.sleepers(9)


def test_a_letter_that_was_kept_but_not_answered_is_kept_once(
    proxy: Proxy, journal: PostgresJournal
) -> None:
    letter = Letter("l", "paid", "", b"1", 1, 9)
    proxy.lose_answer(b"INSERT 0 1\0")
    journal.append([Commit("", posted=(letter,))])
    assert proxy.lost.is_set()

    assert (letter,) == journal.letters()


def test_a_read_is_made_again(proxy: Proxy, journal: PostgresJournal) -> None:
    journal.cases()
    proxy.lose_answer(b"order")

    assert ["a"] == [case.id for case in journal.cases()]
    assert proxy.lost.is_set()


def wait_until_reachable(journal: PostgresJournal) -> None:
    """Until the time is over in which calls fail at once."""
    assert journal._writer is not None
    journal._writer._away_until = 0.0


def wait_for_waiting(server: str, schema: str, *, other_than: object = None) -> list[object]:
    """Until a session of the store waits for a lock; the processes of those that do."""
    waiting = (
        "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        f" AND application_name = '{schema}'"
    )
    found: list[object] = []

    def is_waiting() -> bool:
        found[:] = [pid for (pid,) in execute(server, waiting)]
        return len(found) > 0 and other_than not in found

    wait_until(is_waiting)
    return found


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# A server that stops


@pytest.fixture(scope="module")
def own_server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def test_a_server_that_is_stopped_is_told_and_used_again_when_it_is_back(
    own_server: Server,
) -> None:
    address = with_schema(own_server.address, new_schema())
    with closing(PostgresJournal(address, patience_s=0)) as journal:
        journal.append([opening("a")])
        own_server.stop()

        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="start its server"):
                journal.append([Commit("a", (row("a", 1),))])
            with pytest.raises(StoreUnavailable):
                journal.inputs("a")

        own_server.start()
        journal.append([Commit("a", (row("a", 1),))])
        assert [0, 1] == [each.seq for each in journal.inputs("a")]


def test_a_server_that_is_restarted_is_waited_for(own_server: Server) -> None:
    address = with_schema(own_server.address, new_schema())
    with closing(PostgresJournal(address, patience_s=60)) as journal:
        journal.append([opening("a")])
        own_server.stop()
        thread = threading.Thread(target=journal.append, args=([Commit("a", (row("a", 1),))],))
        thread.start()
        own_server.start()
        thread.join()

        assert [0, 1] == [each.seq for each in journal.inputs("a")]


def test_what_was_appended_survives_a_crash_of_the_server(own_server: Server) -> None:
    address = with_schema(own_server.address, new_schema())
    with closing(PostgresJournal(address, patience_s=60)) as journal:
        journal.append([opening("a")])
        for seq in range(1, 50):
            journal.append([Commit("a", (row("a", seq),))])
        own_server.stop()  # at once, which is a crash to it
        own_server.start()

        assert list(range(50)) == [each.seq for each in journal.inputs("a")]
