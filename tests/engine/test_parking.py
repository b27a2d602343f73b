"""Cases that wait leave memory with a snapshot, and come back when they are woken."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from knhk import CaseStatus, Engine
from knhk.journal import MemoryJournal
from knhk.testing import VirtualClock

pytestmark = pytest.mark.anyio

SOON_S = 0.02
WORKFLOW = """
from shop use note

workflow w(n: int) -> str
    task first = note("first", n)
    task paid = message payment
    task nap = timer 30d
    task last = note("last", n)
    flow
        start -> first -> paid -> nap -> last -> end
    return last
"""
SHOP = """
async def note(word: str, n: int) -> str:
    return f"{word} {n}"
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP, encoding="utf-8")
    path = tmp_path / "w.knhk"
    path.write_text(WORKFLOW, encoding="utf-8")
    return path


async def until_parked(engine: Engine, case: str) -> None:
    assert engine._running is not None
    with anyio.fail_after(10):
        while case in engine._running.live:  # noqa: ASYNC110  it leaves without a word
            await anyio.sleep(SOON_S / 2)


async def test_a_case_that_waits_lets_go_of_what_is_made_again(source: Path) -> None:
    async with Engine.open(MemoryJournal(), park_after_s=3_600) as engine:
        await engine.deploy(source)
        await engine.start("w", case_id="c", n=7)
        assert engine._running is not None
        with anyio.fail_after(10):
            while "c" not in engine._running.parking._idle:  # noqa: ASYNC110  nobody tells
                await anyio.sleep(SOON_S / 2)
        case = engine._running.live["c"].case
        # Of the two tasks that were reached, the one that is done needs its desk no more.
        assert {"paid"} == {
            row.name
            for row, desk in zip(case._program.rows, case._desks, strict=True)
            if row is not None and desk is not None
        }


async def test_a_case_is_woken_by_a_message_and_by_time(source: Path) -> None:
    clock = VirtualClock(autofire=False)
    journal = MemoryJournal()
    async with Engine.open(journal, clock=clock, park_after_s=SOON_S) as engine:
        await engine.deploy(source)
        case = await engine.start("w", case_id="c", n=7)
        await until_parked(engine, "c")
        (stored,) = journal.stored(["c"])
        assert stored.snapshot is not None
        assert () == stored.inputs
        assert () == journal.cases(awake=True)

        assert await engine.send("c", "payment")
        assert ["c"] == [row.id for row in journal.cases(awake=True)]
        await until_parked(engine, "c")
        ((at_us, _),) = journal.sleepers(2**62)
        await clock.advance(seconds=30 * 86_400 + 1)
        with anyio.fail_after(10):
            assert "last 7" == await case.result()

    assert at_us <= clock.now_us()
    assert CaseStatus.completed is case.status


async def test_a_parked_case_is_not_loaded_when_the_store_is_opened(
    source: Path, tmp_path: Path
) -> None:
    store, clock = tmp_path / "w.db", VirtualClock(autofire=False)
    async with Engine.open(store, clock=clock, park_after_s=SOON_S) as engine:
        await engine.deploy(source)
        for case in ("a", "b"):
            await engine.start("w", case_id=case, n=1)
            await until_parked(engine, case)
        await engine.send("a", "payment")
        await until_parked(engine, "a")

    async with Engine.open(store, clock=clock, park_after_s=SOON_S) as engine:
        assert engine._running is not None
        assert {} == engine._running.live
        case = await engine.case("a")
        await clock.advance(seconds=31 * 86_400)
        with anyio.fail_after(10):
            assert "last 1" == await case.result()
        assert {} == engine._running.live
        assert [] == [fault for name in ("a", "b") for fault in await engine.verify(name)]


LOOP = """
from shop use note

workflow w(n: int) -> str
    var i: int = 0
    task step = note("step", i)
        sets i = i + 1
    task go = message go
    flow
        start -> repeat(step) until i >= n -> go -> end
    return step
"""


@pytest.fixture
def loop(source: Path) -> Path:
    source.write_text(LOOP, encoding="utf-8")
    return source


async def test_a_long_history_is_taken_up_from_its_snapshot(loop: Path, tmp_path: Path) -> None:
    store = tmp_path / "w.db"
    async with Engine.open(store) as engine:
        await engine.deploy(loop)
        await engine.start("w", case_id="c", n=300)
        assert engine._running is not None
        while not (await engine.waits("c")):  # noqa: ASYNC110  nothing tells when
            await anyio.sleep(SOON_S)
        (stored,) = engine._running.writer._journal.stored(["c"])
        assert stored.snapshot is not None
        assert len(stored.inputs) < stored.snapshot.seq

    async with Engine.open(store) as engine:
        await engine.send("c", "go")
        assert "step 299" == await (await engine.case("c")).result()
        assert () == await engine.verify("c")


async def test_a_damaged_snapshot_is_not_needed(source: Path) -> None:
    journal = MemoryJournal()
    journal.close = lambda: None  # type: ignore[method-assign]
    async with Engine.open(journal, park_after_s=SOON_S) as engine:
        await engine.deploy(source)
        await engine.start("w", case_id="c", n=7)
        await until_parked(engine, "c")
        snapshot = journal._snapshots["c"]
        journal._snapshots["c"] = type(snapshot)(snapshot.seq, snapshot.hash, b'{"format":99}')

        assert await engine.send("c", "payment")
