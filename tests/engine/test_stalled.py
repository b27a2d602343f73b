"""Cases that stand still though nothing stops them are found, with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

from knhk import CaseStatus, Engine
from knhk.engine import Concurrency, Event, Stall
from knhk.errors import UsageError
from knhk.journal import Commit
from knhk.testing import VirtualClock
from tests.engine.stores import Dying

pytestmark = pytest.mark.anyio

LONG_S = 60.0
WORKFLOW = """
from shop use hang, quick

workflow hanging()
    task call = hang()
    flow
        start -> call -> end

workflow limited()
    task call = hang()
        timeout 30d
    flow
        start -> call -> end

workflow napping()
    task nap = timer 1h
    task last = quick()
    flow
        start -> nap -> last -> end

workflow asking()
    task ask
    task paid = message paid
    flow
        start -> ask -> paid -> end

workflow top()
    task part = hanging()
    flow
        start -> part -> end
"""
SHOP = """
import anyio

async def hang() -> None:
    await anyio.sleep_forever()

async def quick() -> int:
    return 1
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP, encoding="utf-8")
    path = tmp_path / "w.knhk"
    path.write_text(WORKFLOW, encoding="utf-8")
    return path


class Failing(Dying):
    """A journal that cannot write one case."""

    def append(self, commits: Sequence[Commit]) -> None:
        if any(commit.case == "bad" and not commit.opened for commit in commits):
            self.die()
        super().append(commits)


def said(stalls: Sequence[Stall]) -> list[tuple[str, str, str]]:
    return [(stall.case, stall.task, stall.why) for stall in stalls]


async def test_what_waits_for_a_reason_is_not_stalled(source: Path) -> None:
    clock = VirtualClock(autofire=False)
    async with Engine.open(clock=clock) as engine:
        await engine.deploy(source)
        for workflow in ("limited", "napping", "asking"):
            await engine.start(workflow, case_id=workflow)
        await engine.start("asking", case_id="held")
        await engine.suspend("held")
        await clock.advance(seconds=1_800)

        assert () == await engine.stalled(after_s=LONG_S)
        with pytest.raises(UsageError, match="after_s"):
            await engine.stalled(after_s=0)


async def test_work_that_goes_on_without_a_timeout_is_stalled(source: Path) -> None:
    clock = VirtualClock(autofire=False)
    async with Engine.open(clock=clock) as engine:
        await engine.deploy(source)
        await engine.start("hanging", case_id="c")
        await engine.start("top", case_id="t")
        await clock.advance(seconds=LONG_S - 1)
        assert () == await engine.stalled(after_s=LONG_S)

        await clock.advance(seconds=1)

        why = "it was begun 60 s ago, and has no timeout"
        assert [("c", "call", why), ("t/part-1.1", "call", why)] == said(
            await engine.stalled(after_s=LONG_S)
        )


async def test_what_waits_for_a_place_is_not_stalled(source: Path) -> None:
    clock = VirtualClock(autofire=False)
    async with Engine.open(clock=clock, concurrency=Concurrency(total=1)) as engine:
        await engine.deploy(source)
        await engine.start("limited", case_id="first")
        await engine.start("limited", case_id="second")
        await clock.advance(seconds=2 * LONG_S)

        assert (1, 1) == (engine.concurrency[0].taken, engine.concurrency[0].waiting)
        assert () == await engine.stalled(after_s=LONG_S)


async def test_after_a_restart_work_counts_from_there(source: Path, tmp_path: Path) -> None:
    store, clock = tmp_path / "w.db", VirtualClock(autofire=False)
    async with Engine.open(store, clock=clock) as engine:
        await engine.deploy(source)
        await engine.start("hanging", case_id="c")
        await clock.advance(seconds=2 * LONG_S)
        assert 1 == len(await engine.stalled(after_s=LONG_S))
    async with Engine.open(store, clock=clock) as engine:
        assert () == await engine.stalled(after_s=LONG_S)
        await clock.advance(seconds=LONG_S)
        assert 1 == len(await engine.stalled(after_s=LONG_S))


async def test_a_case_that_the_engine_has_let_go_of_is_stalled(source: Path) -> None:
    async with Engine.open(Failing()) as engine:
        await engine.deploy(source)
        await engine.start("asking", case_id="bad")
        await engine.start("asking", case_id="good")
        with pytest.raises(Exception, match="the process is gone"):
            await engine.complete("bad", "ask")

        (stall,) = await engine.stalled()
        assert "bad" == stall.case
        assert "the engine does not run it: the process is gone" == stall.why


async def test_a_case_that_nobody_has_picked_up_is_stalled(source: Path, tmp_path: Path) -> None:
    store, clock = tmp_path / "w.db", VirtualClock(autofire=False)
    async with Engine.open(store, clock=clock) as engine:
        await engine.deploy(source)
        await engine.start("asking", case_id="c")
        await clock.advance(seconds=LONG_S)
    async with Engine.open(store, clock=clock, resume=False) as engine:
        (stall,) = await engine.stalled(after_s=LONG_S)
        assert ("c", "asking") == (stall.case, stall.workflow)
        assert "the engine has not picked it up" in stall.why

        await engine.resume()
        assert () == await engine.stalled(after_s=LONG_S)


async def test_a_timer_that_is_lost_is_told(source: Path) -> None:
    clock = VirtualClock(autofire=False)
    async with Engine.open(clock=clock) as engine:
        await engine.deploy(source)
        await engine.start("napping", case_id="c")
        assert engine._running is not None
        engine._running.timers.forget("c")
        await clock.advance(seconds=3_600 + LONG_S)

        (stall,) = await engine.stalled(after_s=LONG_S)
        assert ("c", "its timer was due 60 s ago") == (stall.case, stall.why)


async def test_work_that_nobody_does_is_told(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = VirtualClock(autofire=False)
    async with Engine.open(clock=clock) as engine:
        await engine.deploy(source)
        await engine.start("hanging", case_id="c")
        assert engine._running is not None
        engine._running.live["c"]._work.clear()
        await clock.advance(seconds=LONG_S)

        assert [("c", "call", "it is started, and nobody does it")] == said(
            await engine.stalled(after_s=LONG_S)
        )


async def test_a_case_that_nothing_can_wake_is_told_and_not_parked(source: Path) -> None:
    clock = VirtualClock(autofire=False)
    async with Engine.open(clock=clock, park_after_s=0.02) as engine:
        await engine.deploy(source)
        await engine.start("napping", case_id="c")
        assert engine._running is not None
        live = engine._running.live["c"]
        (item,) = live.case.open_items
        item._due_us = -1  # as if its timer had never been set
        await clock.advance(seconds=LONG_S)
        await anyio.sleep(0.1)

        (stall,) = await engine.stalled(after_s=LONG_S)
        assert "c" == stall.case
        assert stall.why.startswith("nothing that it waits for can come: `nap`: work item 1 waits")


async def test_a_parked_case_that_was_not_woken_is_told(source: Path, tmp_path: Path) -> None:
    store, clock = tmp_path / "w.db", VirtualClock(autofire=False)
    async with Engine.open(store, clock=clock, park_after_s=0.02) as engine:
        await engine.deploy(source)
        await engine.start("napping", case_id="c")
        assert engine._running is not None
        with anyio.fail_after(10):
            while engine._running.live:  # noqa: ASYNC110  it leaves without a word
                await anyio.sleep(0.02)
        engine._running.timers.forget("c")
        await clock.advance(seconds=3_600 + LONG_S)

        expected = [("c", "", "it is parked, and was to be woken 60 s ago")]
        assert expected == said(await engine.stalled(after_s=LONG_S))
    async with Engine.open(store, clock=clock, reading=True) as engine:
        assert expected == said(await engine.stalled(after_s=LONG_S))


async def test_a_store_alone_tells_what_stands_still(source: Path, tmp_path: Path) -> None:
    store, clock = tmp_path / "w.db", VirtualClock(autofire=False)
    async with Engine.open(store, clock=clock) as engine:
        await engine.deploy(source)
        for workflow in ("hanging", "napping", "asking"):
            await engine.start(workflow, case_id=workflow)
        await clock.advance(seconds=1)
    await clock.advance(seconds=3_600 + LONG_S)
    async with Engine.open(store, clock=clock, reading=True) as engine:
        assert [
            ("hanging", "call", "it was begun 3661 s ago, and has no timeout"),
            ("napping", "", "its timer was due 61 s ago"),
        ] == said(await engine.stalled(after_s=LONG_S))
        assert () == await engine.stalled(after_s=10_000)


async def test_an_observer_is_told_once(source: Path) -> None:
    clock, seen = VirtualClock(autofire=False), list[Event]()
    async with Engine.open(clock=clock, observer=seen.append, stalled_after_s=0.05) as engine:
        await engine.deploy(source)
        case = await engine.start("hanging", case_id="c")
        await clock.advance(seconds=LONG_S)
        with anyio.fail_after(10):
            while not any(event.what == "stalled" for event in seen):  # noqa: ASYNC110  no event
                await anyio.sleep(0.05)
        await anyio.sleep(0.3)
        await engine.cancel("c")
        assert CaseStatus.cancelled is case.status

    (told,) = [event for event in seen if event.what == "stalled"]
    assert ("c", "call", 1) == (told.case, told.task, told.item)
    assert "has no timeout" in told.message
