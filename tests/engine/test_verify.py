"""What was changed in a store behind the engine's back is found, with its place."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from knhk import Engine
from knhk.engine import Fault

pytestmark = pytest.mark.anyio

WORKFLOW = """
workflow order(n: int) -> json
    task pay
    task ship
    flow
        start -> pay -> ship -> end
    return pay
"""


@pytest.fixture
async def store(tmp_path: Path) -> Path:
    """Two cases that have completed, and one that waits for its second task."""
    (tmp_path / "order.knhk").write_text(WORKFLOW, encoding="utf-8")
    path = tmp_path / "orders.db"
    async with Engine.open(path) as engine:
        await engine.deploy(tmp_path / "order.knhk")
        for case in ("a", "b", "c"):
            await engine.start("order", case_id=case, n=2)
            await engine.complete(case, "pay", 42)
        await engine.complete("a", "ship")
        await engine.complete("b", "ship")
    return path


def change(store: Path, statement: str) -> None:
    connection = apsw.Connection(str(store))
    connection.execute(statement)
    assert connection.changes() > 0
    connection.close()


async def verified(store: Path) -> list[Fault]:
    async with Engine.open(store, reading=True) as engine:
        return [fault for case in ("a", "b", "c") for fault in await engine.verify(case)]


async def test_what_the_engine_wrote_fits(store: Path) -> None:
    assert [] == await verified(store)


@pytest.mark.parametrize(
    ("statement", "case", "seq"),
    [
        (
            "UPDATE inputs SET body = CAST('{}' AS BLOB) WHERE case_id = 'a' AND seq = 2",
            "a",
            2,
        ),
        ("UPDATE inputs SET at_us = at_us + 1 WHERE case_id = 'b' AND seq = 0", "b", 0),
        ("UPDATE inputs SET hash = zeroblob(32) WHERE case_id = 'b' AND seq = 1", "b", 1),
        ("UPDATE inputs SET hash = '' WHERE case_id = 'b' AND seq = 3", "b", 3),
        ("DELETE FROM inputs WHERE case_id = 'c' AND seq = 1", "c", 1),
        ("UPDATE inputs SET seq = 9 WHERE case_id = 'c' AND seq = 1", "c", 1),
        ("DELETE FROM inputs WHERE case_id = 'a' AND seq = 4", "a", -1),
        ("UPDATE cases SET created_us = 5 WHERE id = 'a'", "a", 0),
        ("UPDATE cases SET status = 'completed' WHERE id = 'c'", "c", -1),
        ("UPDATE cases SET status = 'cancelled' WHERE id = 'b'", "b", -1),
        ("UPDATE cases SET outcome = CAST('{\"result\":43}' AS BLOB) WHERE id = 'a'", "a", -1),
    ],
)
async def test_what_was_changed_is_named(store: Path, statement: str, case: str, seq: int) -> None:
    change(store, statement.replace("''", "x''"))

    assert [(case, seq)] == [(fault.case, fault.seq) for fault in await verified(store)]


async def test_rows_from_before_the_chain_are_taken_as_they_are(store: Path) -> None:
    change(store, "UPDATE inputs SET hash = x''")
    change(store, "UPDATE cases SET seal = x''")

    async with Engine.open(store) as engine:
        await engine.complete("c", "ship")

    assert [] == await verified(store)
