"""What the engine costs the machine: syncs of the disk for each step, nothing while it is idle."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import apsw
import pytest

from knhk.engine import Engine
from knhk.journal import SQLiteJournal
from tests.engine.conftest import Project

pytestmark = pytest.mark.anyio

STEPS = 10
SOURCE = """
    from handlers use nothing
    workflow w(n: int) -> int
        var i: int = 0
        task t = nothing(n)
            sets i = i + 1
        flow
            start -> repeat(t) until i == 10 -> end
        return i
"""
HANDLERS = """
    async def nothing(n: int) -> int:
        return n
"""


class CountingFile(apsw.VFSFile):
    """A file of SQLite that tells each sync."""

    def __init__(self, vfs: CountingDisk, name: object, flags: list[int]) -> None:
        super().__init__(vfs.below, name, flags)  # type: ignore[arg-type]
        self._vfs = vfs

    def xSync(self, flags: int) -> None:  # noqa: N802  as SQLite calls it
        self._vfs.syncs += 1
        super().xSync(flags)


class CountingDisk(apsw.VFS):
    """The disk of this machine, with a count of its syncs."""

    def __init__(self) -> None:
        self.below = apsw.vfs_names()[0]
        self.syncs = 0
        super().__init__("counting", self.below, makedefault=True)

    def xOpen(self, name: object, flags: list[int]) -> CountingFile:  # noqa: N802
        return CountingFile(self, name, flags)


@contextmanager
def counted() -> Iterator[CountingDisk]:
    disk = CountingDisk()
    try:
        yield disk
    finally:
        apsw.set_default_vfs(disk.below)
        disk.unregister()


async def syncs_per_step(project: Project, cases: int, at_once: int) -> float:
    """Syncs for each step of so many cases, of which so many are in flight."""
    path = project.write(SOURCE, HANDLERS)
    with counted() as disk:
        async with Engine.open(SQLiteJournal(project.store)) as engine:
            await engine.deploy(path)
            limit = anyio.CapacityLimiter(at_once)

            async def run(number: int) -> None:
                async with limit:
                    case = await engine.start("w", case_id=f"c{number}", n=number)
                    assert STEPS == await case.result()

            before = disk.syncs
            async with anyio.create_task_group() as group:
                for number in range(cases):
                    group.start_soon(run, number)
            syncs = disk.syncs - before
        assert syncs > 0
        # The log is written back at the end, with few syncs whatever was in it.
        assert disk.syncs - before - syncs <= 4
    return syncs / (cases * STEPS)


async def test_a_step_alone_costs_at_most_one_sync(project: Project) -> None:
    # With its start a case has one commit more than it has steps; 1,100 of them fill the log.
    per_step = await syncs_per_step(project, cases=100, at_once=1)

    assert per_step <= (STEPS + 1) / STEPS + 0.02


async def test_a_step_of_fifty_in_flight_costs_at_most_a_tenth_of_a_sync(project: Project) -> None:
    per_step = await syncs_per_step(project, cases=300, at_once=50)

    assert per_step <= 0.1


@pytest.mark.parametrize("store", ["sqlite", "memory"])
async def test_an_idle_engine_uses_no_processor(project: Project, store: str) -> None:
    path = project.write(
        """
        from handlers use nothing
        workflow w(n: int) -> int
            task t = nothing(n)
            task said = message go
            task nap = timer 30d
            flow
                start -> t -> all(said, nap) -> end
            return t
        """,
        HANDLERS,
    )
    address = ":memory:" if store == "memory" else str(project.store)
    async with Engine.open(address, park_after_s=0.1, patience_s=0.4) as engine:
        await engine.deploy(path)
        for number in range(50):
            await engine.start("w", case_id=f"c{number}", n=number)
        await anyio.sleep(1)  # all are parked, and the last look after callers is over
        assert engine._running is not None
        assert {} == engine._running.live
        began, switches = time.process_time(), voluntary_switches()
        await anyio.sleep(2)
        used_s, woken = time.process_time() - began, voluntary_switches() - switches

    assert used_s < 0.05
    # The sleep itself wakes the loop; a loop that polled would be woken again and again.
    assert woken < 10


def voluntary_switches() -> int:
    """How often this process has gone to wait for something."""
    status = Path(f"/proc/{os.getpid()}/status")
    if not status.exists():
        return 0
    total = 0
    for task in Path(f"/proc/{os.getpid()}/task").iterdir():
        for line in (task / "status").read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                total += int(line.split()[1])
    return total
