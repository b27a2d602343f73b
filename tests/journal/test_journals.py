"""The journals of this project against the suite that every journal passes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from knhk.journal import Durability, Journal, MemoryJournal, SQLiteJournal
from knhk.testing import JournalSuite
from tests.journal.random_journal import SEEDS, compare


class TestMemoryJournal(JournalSuite):
    @pytest.fixture
    def journal(self) -> Journal:
        return MemoryJournal()


class TestSQLiteJournal(JournalSuite):
    @pytest.fixture(params=["full", "normal"])
    def journal(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
        durability: Durability = request.param
        journal = SQLiteJournal(tmp_path / "store.db", durability=durability)
        yield journal
        journal.close()


@pytest.mark.parametrize("seed", range(SEEDS))
def test_sqlite_answers_like_memory(tmp_path: Path, seed: int) -> None:
    with closing(SQLiteJournal(tmp_path / "store.db", durability="normal")) as journal:
        compare(MemoryJournal(), journal, seed, calls=300)
