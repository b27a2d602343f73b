"""The journal in PostgreSQL against the suite, and against the journal in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from knhk.journal import Durability, Journal, MemoryJournal, SharedJournal
from knhk.journal.postgres import PostgresJournal
from knhk.testing import JournalSuite, SharingSuite
from tests.journal.flying import FlyingJournal
from tests.journal.random_journal import SEEDS, compare


class TestPostgresJournal(JournalSuite):
    @pytest.fixture(params=[("full", PostgresJournal), ("normal", FlyingJournal)])
    def journal(self, request: pytest.FixtureRequest, postgres: str) -> Iterator[Journal]:
        durability: Durability
        durability, way = request.param
        journal = way(postgres, durability=durability)
        yield journal
        journal.close()


class TestSharedPostgresJournal(SharingSuite):
    @pytest.fixture
    def journal(self, postgres: str) -> Iterator[SharedJournal]:
        with closing(FlyingJournal(postgres)) as journal:
            yield journal

    @pytest.fixture
    def other(self, postgres: str, journal: SharedJournal) -> Iterator[SharedJournal]:
        with closing(PostgresJournal(postgres)) as other:
            yield other


@pytest.mark.parametrize("seed", range(SEEDS))
def test_postgres_answers_like_memory(postgres: str, seed: int) -> None:
    way = (PostgresJournal, FlyingJournal)[seed % 2]
    with closing(way(postgres, durability="normal")) as journal:
        compare(MemoryJournal(), journal, seed, calls=300)
