"""What would go over a limit is refused with the limit's name, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from knhk import Engine
from knhk.engine import Limits
from knhk.errors import (
    CaseFailed,
    InputError,
    LimitExceeded,
    ResultError,
    UsageError,
)
from knhk.journal import MemoryJournal

pytestmark = pytest.mark.anyio

WORKFLOW = """
from shop use grow

workflow w(doc: json) -> json
    task hand
    task news = message news
    flow
        start -> hand -> news -> end
    return hand

workflow growing(n: int) -> json
    task made = grow(n)
    flow
        start -> made -> end
    return made

workflow loop(n: int) -> int
    var i: int = 0
    task step = grow(0)
        sets i = i + 1
    flow
        start -> repeat(step) until i >= n -> end
    return i
"""
SHOP = """
async def grow(n: int) -> str:
    return "x" * n
"""
LIMITS = Limits(value_bytes_max=1_000, inline_bytes_max=500, case_messages_max=2)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP, encoding="utf-8")
    path = tmp_path / "w.knhk"
    path.write_text(WORKFLOW, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("setting", "value"),
    [("inline_bytes_max", 0), ("case_inputs_max", -1), ("queue_commits_max", "9")],
)
async def test_a_limit_that_is_none_is_refused_by_name(setting: str, value: object) -> None:
    with pytest.raises(UsageError, match=f"Limits.{setting} is a number from 1, not"):
        Limits(**{setting: value})  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="10000 at most"):
        Limits(case_messages_max=10_001)


async def test_a_value_that_is_too_long_is_refused_before_it_is_written(source: Path) -> None:
    journal = MemoryJournal()
    long, named = "x" * 2_000, "Limits.value_bytes_max is 1,000"
    async with Engine.open(journal, limits=LIMITS) as engine:
        await engine.deploy(source)
        with pytest.raises(InputError, match=named):
            await engine.start("w", case_id="c", doc=long)
        assert None is journal.case("c")
        await engine.start("w", case_id="c", doc="short")
        with pytest.raises(ResultError, match=named):
            await engine.complete("c", "hand", long)
        with pytest.raises(InputError, match=named):
            await engine.send("c", "news", long)
        assert 1 == len(journal.inputs("c"))

        await engine.complete("c", "hand", "x" * 900)
        await engine.send("c", "news")
        assert "x" * 900 == await (await engine.case("c")).result()


async def test_a_result_of_the_engine_that_is_too_long_fails_its_task(source: Path) -> None:
    async with Engine.open(limits=LIMITS) as engine:
        await engine.deploy(source)
        case = await engine.start("growing", n=2_000)
        with pytest.raises(CaseFailed, match=r"Limits\.value_bytes_max is 1,000"):
            await case.result()
        assert "x" * 600 == await (await engine.start("growing", n=600)).result()


async def test_a_case_keeps_so_many_messages(source: Path) -> None:
    async with Engine.open(limits=LIMITS) as engine:
        await engine.deploy(source)
        await engine.start("w", case_id="c", doc=None)
        for _ in range(2):
            assert not await engine.send("c", "news")
        with pytest.raises(LimitExceeded) as raised:
            await engine.send("c", "news")
        assert ("case_messages_max", 2) == (raised.value.setting, raised.value.limit)
        await engine.complete("c", "hand", 1)
        assert 1 == await (await engine.case("c")).result()


async def test_a_case_with_as_many_inputs_as_it_may_goes_on_with_a_larger_limit(
    source: Path, tmp_path: Path
) -> None:
    store = tmp_path / "w.db"
    async with Engine.open(store, limits=Limits(case_inputs_max=20)) as engine:
        await engine.deploy(source)
        case = await engine.start("loop", case_id="c", n=30)
        with anyio.fail_after(10), pytest.raises(LimitExceeded, match=r"Limits\.case_inputs_max"):
            await case.result()
        assert ["c"] == list(engine.stranded)
        with pytest.raises(LimitExceeded):
            await engine.cancel("c")
    async with Engine.open(store, limits=Limits(case_inputs_max=20)) as engine:
        assert ["c"] == list(engine.stranded)
        assert 21 >= len((await engine.show("c")).history) >= 20
    async with Engine.open(store) as engine:
        assert 30 == await (await engine.case("c")).result()
        assert () == await engine.verify("c")


async def test_small_queues_hold_back_and_lose_nothing(source: Path) -> None:
    limits = Limits(queue_commits_max=1, queue_bytes_max=1, batch_commits_max=1, snapshot_inputs=3)
    async with Engine.open(limits=limits) as engine:
        await engine.deploy(source)
        results: list[object] = []

        async def run() -> None:
            results.append(await (await engine.start("growing", n=100_000)).result())

        with anyio.fail_after(30):
            async with anyio.create_task_group() as group:
                for _ in range(30):
                    group.start_soon(run)
        assert ["x" * 100_000] * 30 == results
