"""Processes that share a store in PostgreSQL: how they end, and what that costs an append."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg
import pytest

from knhk.errors import ShardLost
from knhk.journal import CaseRow, Commit, Fence, InputRow
from knhk.journal.postgres import PostgresJournal
from knhk.journal.postgres.company import Company
from knhk.journal.postgres.schema import MIGRATIONS
from knhk.journal.sharing import share_of
from tests.journal.proxy import COMMITTED, Proxy
from tests.postgres import execute, with_schema


def opening(case: str, shard: int, epoch: int) -> Commit:
    row = InputRow(case, 0, 1_000, 1, -1, "t", b"", b"\1" * 32)
    return Commit(
        case, (row,), CaseRow(case, "order", "digest", 1, shard=shard), fence=Fence(shard, epoch)
    )


def until(question: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not question():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def journal(postgres: str) -> Iterator[PostgresJournal]:
    with closing(PostgresJournal(postgres)) as journal:
        yield journal


@pytest.fixture
def other(postgres: str) -> Iterator[PostgresJournal]:
    with closing(PostgresJournal(postgres)) as journal:
        yield journal


@pytest.mark.parametrize("owned", [{}, {1: 64}, {1: 10, 2: 54}, {7: 3, 2: 30}])
def test_shares_add_up(owned: dict[int, int]) -> None:
    numbers = [owner for owner, count in owned.items() for _ in range(count)]
    owners = dict(enumerate(numbers + [0] * (64 - len(numbers))))
    modest = {1: False, 2: False, 5: False, 7: True}

    shares = [share_of(me, modest, owners) for me in modest]

    assert 64 - owned.get(7, 0) == sum(shares)
    assert 0 == shares[3]
    assert max(shares[:3]) - min(shares[:3]) <= 1


def test_a_process_without_a_session_is_given_up_before_its_lease_ends(
    journal: PostgresJournal, other: PostgresJournal
) -> None:
    one, two = journal.join("one", lease_s=600), other.join("two", lease_s=600)
    assert 32 == len(one.beat().epochs)
    assert 2 == two.beat().again_s

    journal._beats.close()

    until(lambda: two.beat().again_s == 1)
    until(lambda: len(two.beat().epochs) == 64)


def test_a_process_whose_session_comes_back_keeps_its_shards(
    journal: PostgresJournal, other: PostgresJournal, postgres_server: str
) -> None:
    one = journal.join("one", lease_s=600)
    epochs = one.beat().epochs
    two = other.join("two", lease_s=600)
    session = journal._beats._connection
    assert session is not None
    execute(postgres_server, f"SELECT pg_terminate_backend({session.info.backend_pid}, 5000)")
    until(lambda: two.beat().again_s == 1)

    assert epochs == one.beat().epochs

    until(lambda: two.beat().again_s == 2)
    assert {} == two.beat().epochs


def test_whoever_takes_a_shard_ends_an_append_that_hangs(
    journal: PostgresJournal, other: PostgresJournal, postgres_server: str
) -> None:
    """A process that stands still in the midst of sending has its transaction open."""
    one, two = journal.join("one", lease_s=0.3), other.join("two", lease_s=600)
    assert isinstance(one, Company)
    one.beat()
    with psycopg.connect(postgres_server) as hanging:
        hanging.execute("SELECT pg_advisory_xact_lock_shared(%s::int, %s::int)", one.fences)

        until(lambda: len(two.beat().epochs) == 64)

        with pytest.raises(psycopg.OperationalError):
            hanging.execute("SELECT 1")


def test_whoever_gives_a_shard_away_waits_for_an_append_that_goes_on(
    journal: PostgresJournal, other: PostgresJournal, postgres_server: str
) -> None:
    one = journal.join("one")
    assert isinstance(one, Company)
    shard, epoch = min(one.beat().epochs.items())
    with psycopg.connect(postgres_server) as appending:
        appending.execute("SELECT pg_advisory_xact_lock_shared(%s::int, %s::int)", one.fences)
        giving = threading.Thread(target=one.give, args=([shard],))
        giving.start()
        assert None is other.join("two", is_modest=True).take(shard)
        appending.commit()
        giving.join()
    assert epoch != one.beat().epochs.get(shard)


def test_an_append_in_doubt_is_not_written_under_an_epoch_that_is_over(
    postgres: str, postgres_server: str, other: PostgresJournal
) -> None:
    proxy = Proxy(postgres_server)
    address = with_schema(proxy.address, postgres.rpartition("=")[2])
    with closing(PostgresJournal(address)) as journal, closing(proxy):
        one = journal.join("one")
        two = other.join("two", is_modest=True)
        epochs = one.beat().epochs
        shard = min(epochs)
        one.give([shard])
        assert two.take(shard) is not None
        proxy.lose_answer(COMMITTED)

        with pytest.raises(ShardLost):
            journal.append([opening("a", shard, epochs[shard])])

        assert None is other.case("a")


def test_the_cases_of_an_older_store_are_spread_over_the_shards(
    postgres: str, postgres_server: str
) -> None:
    schema = postgres.rpartition("=")[2]
    execute(postgres_server, f"CREATE SCHEMA {schema}")
    older = f"SET search_path = {schema};" + ";".join(MIGRATIONS[:3])
    execute(
        postgres_server,
        f"{older}; CREATE TABLE knhk_store (version bigint NOT NULL);"
        " INSERT INTO knhk_store VALUES (3);"
        " INSERT INTO cases SELECT 'c' || n, 'w', 'd', 'running', 1, -1, '', '', -1, 0, ''"
        " FROM generate_series(1, 300) AS n;"
        " INSERT INTO cases SELECT 'c' || n || '/t', 'w', 'd', 'running', 1, -1, '', 'c' || n, 1, 1"
        ", '' FROM generate_series(1, 300) AS n",
    )

    with closing(PostgresJournal(postgres)) as journal:
        shards = {row.id: row.shard for row in journal.cases()}

    assert len(set(shards.values())) > 40
    assert {*range(64)} >= set(shards.values())
    assert all(shards[f"c{n}"] == shards[f"c{n}/t"] for n in range(1, 301))
