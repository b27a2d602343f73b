"""What was changed in a store behind the engine's back is found, with its place."""

from __future__ import annotations

from pathlib import Path

import anyio
import apsw
import pytest

from knhk import Engine
from knhk.engine import Fault, Limits
from tests.postgres import execute

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


async def fault_of(store: Path) -> Fault | None:
    """What does not fit of the case `a`."""
    async with Engine.open(store, reading=True) as engine:
        return next(iter(await engine.verify("a")), None)


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


# What stands beside the inputs

OTHER_STATE = """
    UPDATE snapshots SET body = CAST(replace(CAST(body AS TEXT), '"i":8', '"i":7') AS BLOB)
"""

LONG = """
from shop use note

workflow order(n: int) -> json
    var i: int = 0
    task pay
    task count = note(i)
        sets i = i + 1
    task nap = timer 30d
    flow
        start -> pay -> repeat(count) until i >= n -> nap -> end
    return pay
"""


@pytest.fixture
async def parked(tmp_path: Path) -> Path:
    """A case with a large value that is parked with a snapshot in the midst of its inputs."""
    (tmp_path / "shop.py").write_text("async def note(i): return i", encoding="utf-8")
    (tmp_path / "order.knhk").write_text(LONG, encoding="utf-8")
    path = tmp_path / "orders.db"
    limits = Limits(inline_bytes_max=200, snapshot_inputs=5)
    async with Engine.open(path, park_after_s=0.01, limits=limits) as engine:
        await engine.deploy(tmp_path / "order.knhk")
        await engine.start("order", case_id="a", n=8)
        await engine.complete("a", "pay", "x" * 300)
        assert engine._running is not None
        with anyio.fail_after(10):
            while engine._running.live:  # noqa: ASYNC110  it leaves without a word
                await anyio.sleep(0.01)
    return path


def all_of(store: Path, statement: str) -> list[tuple[object, ...]]:
    connection = apsw.Connection(str(store))
    try:
        return list(connection.execute(statement))
    finally:
        connection.close()


async def only_fault(store: Path) -> Fault:
    async with Engine.open(store, reading=True) as engine:
        (fault,) = await engine.verify("a")
    return fault


async def test_a_parked_case_with_payloads_fits(parked: Path) -> None:
    ((inputs,),) = all_of(parked, "SELECT count(*) FROM inputs")
    ((seq,),) = all_of(parked, "SELECT seq FROM snapshots")
    assert inputs == seq
    async with Engine.open(parked, reading=True) as engine:
        assert () == await engine.verify("a")
        assert "" == await engine.check()


@pytest.mark.parametrize(
    ("statement", "seq", "place", "why"),
    [
        (
            OTHER_STATE,
            -1,
            "the snapshot",
            "it is not the state that the first",
        ),
        ("UPDATE snapshots SET body = x'7b'", -1, "the snapshot", "it cannot be read"),
        (
            "UPDATE snapshots SET body = CAST('{\"format\":1}' AS BLOB)",
            -1,
            "the snapshot",
            "it cannot be restored",
        ),
        ("UPDATE snapshots SET hash = zeroblob(32)", -1, "the snapshot", "its hash is not that of"),
        ("UPDATE snapshots SET seq = seq - 1", -1, "the snapshot", "its hash is not that of"),
        ("UPDATE snapshots SET seq = seq + 1", -1, "the snapshot", "it was taken after"),
        ('UPDATE blobs SET data = CAST(\'{"value":"y"}\' AS BLOB)', 2, "", "has been changed"),
        ("DELETE FROM blobs", 2, "", "is missing"),
        ("UPDATE cases SET wake_us = wake_us + 1", -1, "", "it is to be woken at"),
        ("INSERT INTO leases VALUES ('a', 1, 1, 'w', 9)", -1, "the leases", "'w' holds attempt 1"),
        ("DELETE FROM inputs WHERE seq = (SELECT max(seq) FROM inputs)", -1, "the snapshot", ""),
        ("DELETE FROM bundles", -1, "", "the sources"),
    ],
)
async def test_what_does_not_suit_the_history_is_named(
    parked: Path, statement: str, seq: int, place: str, why: str
) -> None:
    change(parked, statement)

    fault = await only_fault(parked)

    assert (seq, place) == (fault.seq, fault.place)
    assert why in fault.why


async def test_a_snapshot_of_another_release_is_no_fault(parked: Path) -> None:
    change(parked, "UPDATE snapshots SET body = CAST('{\"format\":99}' AS BLOB)")

    async with Engine.open(parked, reading=True) as engine:
        assert () == await engine.verify("a")


async def test_a_case_that_is_parked_has_nothing_of_its_own_offered(tmp_path: Path) -> None:
    handler = "import anyio\nasync def note(i): await anyio.sleep_forever()"
    (tmp_path / "shop.py").write_text(handler, encoding="utf-8")
    source = "from shop use note\n\nworkflow order()\n    task pay = note(1)\n"
    (tmp_path / "order.knhk").write_text(f"{source}    flow\n        start -> pay -> end\n")
    store = tmp_path / "orders.db"
    async with Engine.open(store) as engine:
        await engine.deploy(tmp_path / "order.knhk")
        await engine.start("order", case_id="a")
    change(store, "UPDATE cases SET parked = 1")
    assert None is await fault_of(store)

    change(store, "DELETE FROM inputs WHERE seq = 1")

    assert "it is parked, and `pay` is offered" == getattr(await fault_of(store), "why", "")


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("DELETE FROM offers", "is offered, and not offered outside"),
        ("UPDATE offers SET attempt = 2", "offered outside as offered, attempt 2, and is not"),
        ("UPDATE offers SET started = 1", "offered outside as started, attempt 1, and is not"),
        ("UPDATE offers SET item = 1", "work item 1 is offered outside"),
        ("UPDATE offers SET case_id = 'b'", "work item 2 is offered outside"),
    ],
)
async def test_work_for_outside_that_is_not_what_the_case_has_is_named(
    store: Path, statement: str, why: str
) -> None:
    change(store, "UPDATE cases SET parked = 1 WHERE id = 'c'")
    assert [] == await verified(store)

    change(store, statement)

    fault = (await verified(store))[0]
    assert "the offers" == fault.place
    assert why in fault.why


@pytest.mark.parametrize("table", ["inputs", "snapshots"])
async def test_rows_of_no_case_are_told(parked: Path, table: str) -> None:
    if table == "snapshots":
        change(parked, "DELETE FROM inputs")
    change(parked, "DELETE FROM cases")

    async with Engine.open(parked, reading=True) as engine:
        assert f"there are {table} of a case 'a', but no such case" == await engine.check()


async def test_a_long_history_is_verified_in_pages(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("knhk.engine.verifying._ROWS_MAX", 2)
    assert [] == await verified(store)

    change(store, "UPDATE inputs SET at_us = at_us + 1 WHERE case_id = 'b' AND seq = 4")

    assert [("b", 4)] == [(fault.case, fault.seq) for fault in await verified(store)]


@pytest.mark.parametrize(
    ("statement", "seq", "place"),
    [
        ("UPDATE {}.inputs SET at_us = at_us + 1 WHERE seq = 2", 2, ""),
        ("DELETE FROM {}.inputs WHERE seq = 1", 1, ""),
        ('UPDATE {}.blobs SET data = \'{{"value":"y"}}\'', 2, ""),
        ("DELETE FROM {}.blobs", 2, ""),
        ("UPDATE {}.snapshots SET seq = seq + 1", -1, "the snapshot"),
        ("UPDATE {}.cases SET wake_us = wake_us + 1", -1, ""),
        ("UPDATE {}.cases SET status = 'completed'", -1, ""),
    ],
)
async def test_what_was_changed_in_postgresql_is_named(
    postgres: str, postgres_server: str, tmp_path: Path, statement: str, seq: int, place: str
) -> None:
    (tmp_path / "shop.py").write_text("async def note(i): return i", encoding="utf-8")
    (tmp_path / "order.knhk").write_text(LONG, encoding="utf-8")
    limits = Limits(inline_bytes_max=200, snapshot_inputs=5)
    async with Engine.open(postgres, park_after_s=0.01, limits=limits) as engine:
        await engine.deploy(tmp_path / "order.knhk")
        await engine.start("order", case_id="a", n=2)
        await engine.complete("a", "pay", "x" * 300)
        assert engine._running is not None
        with anyio.fail_after(10):
            while engine._running.live:  # noqa: ASYNC110  it leaves without a word
                await anyio.sleep(0.01)
        assert () == await engine.verify("a")
        assert "" == await engine.check()

    execute(postgres_server, statement.format(postgres.rpartition("=")[2]))

    async with Engine.open(postgres, reading=True) as engine:
        (fault,) = await engine.verify("a")
    assert (seq, place) == (fault.seq, fault.place)
