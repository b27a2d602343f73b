"""What cases cost in memory: those that wait, and those with a long history."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

import knhk.kernel.state
from knhk import Engine
from knhk.engine import Limits
from knhk.journal import Commit, MemoryJournal

pytestmark = pytest.mark.anyio

#: A class that is not compiled has a dictionary for its fields.
IS_COMPILED = not str(knhk.kernel.state.__file__).endswith(".py")
CASE_BYTES_MAX = 5 * 1024 if IS_COMPILED else 6 * 1024
#: What is kept of a work item that has ended.
ITEM_BYTES_MAX = 300 if IS_COMPILED else 600
CASES = 500
WORKFLOW = """
from shop use note

workflow waiting(n: int) -> int
    task nap = {callee}
    task last
    flow
        start -> nap -> last -> end
    return n

workflow loop(n: int) -> int
    var i: int = 0
    task step = note(i)
        sets i = i + 1
    task go = message go
    flow
        start -> repeat(step) until i >= n -> go -> end
    return i
"""


class Forgetful(MemoryJournal):
    """A journal that costs no memory, as one on a disk."""

    def append(self, commits: Sequence[Commit]) -> None:
        pass


def source(directory: Path, callee: str = "timer 30d") -> Path:
    (directory / "shop.py").write_text("async def note(i): return i", encoding="utf-8")
    path = directory / "w.knhk"
    path.write_text(WORKFLOW.format(callee=callee), encoding="utf-8")
    return path


@pytest.mark.parametrize("callee", ["timer 30d", "message paid", "signal go", "human()"])
async def test_a_waiting_case_takes_five_kilobytes(tmp_path: Path, callee: str) -> None:
    async with Engine.open(Forgetful(), park_after_s=1_000) as engine:
        await engine.deploy(source(tmp_path, callee))
        await engine.start("waiting", n=0)
        gc.collect()
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            for number in range(CASES):
                await engine.start("waiting", n=number)
            gc.collect()
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert engine._running is not None
        assert CASES + 1 == len(engine._running.live)

    assert (after - before) / CASES < CASE_BYTES_MAX


async def test_a_case_with_ten_thousand_inputs_is_taken_up_from_its_snapshot(
    tmp_path: Path,
) -> None:
    store, rounds = tmp_path / "w.db", 5_000
    async with Engine.open(store, durability="normal") as engine:
        await engine.deploy(source(tmp_path))
        await engine.start("loop", case_id="c", n=rounds)
        with anyio.fail_after(120):
            while not await engine.waits("c"):  # noqa: ASYNC110  nothing tells when
                await anyio.sleep(0.1)
        assert engine._running is not None
        journal = engine._running.writer._journal
        assert 2 * rounds < len(journal.inputs("c"))
        (stored,) = journal.stored(["c"])
        # What has to be played again does not grow with the history.
        assert len(stored.inputs) < rounds / 2

    gc.collect()
    tracemalloc.start()
    try:
        async with Engine.open(store, limits=Limits()) as engine:
            gc.collect()
            held, _ = tracemalloc.get_traced_memory()
            await engine.send("c", "go")
            assert rounds == await (await engine.case("c")).result()
            assert () == await engine.verify("c")
    finally:
        tracemalloc.stop()
    assert held < 4_000_000 + rounds * ITEM_BYTES_MAX
