"""A store that was damaged: a clear error, a fault with its place, or the right values.

The same is done many times with bytes drawn from a seed: the store is cut off, bits of it are
flipped, or a piece of it is written over. Whatever it is, a damaged store is never read as one
that says something else.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random

import anyio
import pytest

from knhk import Engine
from knhk.engine import Limits
from knhk.errors import KnhkError, StoreDamaged, StoreNewer
from knhk.journal.schema import MIGRATIONS

pytestmark = pytest.mark.anyio

#: How many ways of damage each test tries, and how long one may take.
DRAWS = 60
TIMEOUT_S = 30
WORKFLOW = """
workflow order(n: int, note: str) -> json
    task pay
    task news = message news
    task ship
    flow
        start -> pay -> news -> ship -> end
    return {"n": n, "paid": pay, "shipped": ship}
"""
CASES = [f"c{number}" for number in range(6)]
NOTE = "a note that is long " * 10


def bytes_of(path: Path) -> bytes:
    return path.read_bytes()


def put(path: Path, data: bytes | bytearray) -> None:
    path.write_bytes(data)


def remove(store: Path) -> None:
    for path in store.parent.glob(f"{store.name}*"):
        path.unlink()


def result(number: int) -> object:
    return {"n": number, "paid": [number, NOTE], "shipped": {"at": number}}


@pytest.fixture
async def store(tmp_path: Path) -> Path:
    """Cases that have completed, that wait, and that are parked; with payloads and snapshots."""
    (tmp_path / "order.knhk").write_text(WORKFLOW, encoding="utf-8")
    path = tmp_path / "orders.db"
    limits = Limits(inline_bytes_max=100, snapshot_inputs=3)
    async with Engine.open(path, limits=limits, park_after_s=0.01) as engine:
        await engine.deploy(tmp_path / "order.knhk")
        for number, case in enumerate(CASES):
            await engine.start("order", case_id=case, n=number, note=NOTE)
            await engine.complete(case, "pay", [number, NOTE])
        for number, case in enumerate(CASES[:3]):
            await engine.send(case, "news", NOTE)
            await engine.complete(case, "ship", {"at": number})
        assert engine._running is not None
        with anyio.fail_after(10):
            while engine._running.live:  # noqa: ASYNC110  they leave without a word
                await anyio.sleep(0.01)
    with closing(sqlite3.connect(path)) as connection:
        assert 0 == connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    return path


async def outcome(store: Path) -> str:
    """Use a store in every way; what it was like, or an assertion that it lied."""
    try:
        async with Engine.open(store, reading=True) as engine:
            faults = [str(fault) for case in CASES for fault in await engine.verify(case)]
            damage = await engine.check()
        if faults or damage:
            return "reported"
        async with Engine.open(store) as engine:
            for number, case in enumerate(CASES):
                if number >= 3:
                    await engine.send(case, "news", NOTE)
                    await engine.complete(case, "ship", {"at": number})
                assert result(number) == await (await engine.case(case)).result()
            listed = [row.id for row in await engine.cases()]
            assert CASES == listed
    except KnhkError as error:
        return "refused" if str(error) else f"{error!r} says nothing"
    return "right"


async def all_outcomes(store: Path, damages: list[bytes], tmp_path: Path) -> set[str]:
    found: set[str] = set()
    for number, damaged in enumerate(damages):
        copy = tmp_path / f"copy-{number}.db"
        put(copy, damaged)
        with anyio.fail_after(TIMEOUT_S):
            found.add(await outcome(copy))
        remove(copy)
    return found


async def test_a_sound_store_is_right(store: Path, tmp_path: Path) -> None:
    assert {"right"} == await all_outcomes(store, [bytes_of(store)], tmp_path)


@pytest.mark.parametrize("seed", range(3))
async def test_bits_that_were_flipped_never_make_a_wrong_value(
    store: Path, tmp_path: Path, seed: int
) -> None:
    random, whole = Random(seed), bytes_of(store)
    damages = []
    for _ in range(DRAWS):
        changed = bytearray(whole)
        for _ in range(random.choice([1, 1, 3, 50])):
            changed[random.randrange(len(whole))] ^= 1 << random.randrange(8)
        damages.append(bytes(changed))

    found = await all_outcomes(store, damages, tmp_path)

    assert found - {"right"} <= {"refused", "reported"}
    assert found != {"right"}


async def test_a_store_that_was_cut_off_is_refused(store: Path, tmp_path: Path) -> None:
    random, whole = Random(5), bytes_of(store)
    end = len(whole.rstrip(b"\0"))  # SQLite reads what is missing of a page as zeros
    lengths = [1, 15, 16, 99, 100, 101, 4_095, 4_096, 4_097, end - 1]
    lengths += [random.randrange(1, end) for _ in range(DRAWS // 2)]

    found = await all_outcomes(store, [whole[:length] for length in lengths], tmp_path)

    assert found <= {"refused", "reported"}


async def test_a_piece_that_was_written_over_never_makes_a_wrong_value(
    store: Path, tmp_path: Path
) -> None:
    random, whole = Random(6), bytes_of(store)
    damages = []
    for _ in range(DRAWS):
        at, length = random.randrange(len(whole)), random.choice([16, 512, 4_096])
        filling = random.choice([bytes(length), random.randbytes(length), whole[:length]])
        damages.append((whole[:at] + filling + whole[at + length :])[: len(whole)])

    found = await all_outcomes(store, damages, tmp_path)

    assert found - {"right"} <= {"refused", "reported"}
    assert found != {"right"}


async def test_a_torn_log_loses_no_more_than_its_end(store: Path, tmp_path: Path) -> None:
    """What stands in the write-ahead log is sealed by SQLite, and by the chain."""
    random = Random(7)
    async with Engine.open(store) as engine:
        await engine.send("c3", "news", NOTE)
        await engine.complete("c3", "ship", {"at": 3})
        log = bytes_of(Path(f"{store}-wal"))
        before = bytes_of(store)
    assert log
    for number in range(DRAWS // 2):
        copy = tmp_path / f"torn-{number}.db"
        put(copy, before)
        changed = bytearray(log[: random.randrange(len(log))])
        if changed and number % 2:
            changed[random.randrange(len(changed))] ^= 255
        put(Path(f"{copy}-wal"), changed)
        async with Engine.open(copy) as engine:
            assert [] == [each for case in CASES for each in await engine.verify(case)]
            if (await engine.case("c3")).status != "completed":
                await engine.send("c3", "news", NOTE)
                await engine.complete("c3", "ship", {"at": 3})
            assert result(3) == await (await engine.case("c3")).result()


async def test_a_store_of_a_newer_version_is_refused_untouched(store: Path) -> None:
    with closing(sqlite3.connect(store)) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    before = bytes_of(store)
    for reading in (True, False):
        with pytest.raises(StoreNewer, match="install that one"):
            async with Engine.open(store, reading=reading):
                pass
    assert before == bytes_of(store)


async def test_another_programs_file_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE cases (id TEXT)")
        connection.commit()
    before = bytes_of(path)
    for reading in (True, False):
        with pytest.raises(StoreDamaged, match="another program"):
            async with Engine.open(path, reading=reading):
                pass
    assert before == bytes_of(path)
