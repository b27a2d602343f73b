"""Memory of one process, in bytes that are in the machine's.

    memory_worker.py at-work|waiting HOME STORE CASES
    memory_worker.py parked HOME STORE ID...

``at-work``: so many cases of ten tasks are begun, and the first task of each is started; as many
as the engine lets wait at the same time wait in its asynchronous handler, the others for their
turn. ``waiting``: five tasks of each case are done, and the sixth waits for a message. ``parked``:
a store is opened in which all cases are parked, and then the cases named are sent what they wait
for, and go on to their end.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from pathlib import Path

import anyio
import sources
from process import resident_bytes

from knhk import CaseStatus, Engine

NOTHING = "nothing()"
#: The tasks of a case, and how many of them are done when it waits.
TASKS = {
    "at-work": (["hold()", *[NOTHING] * 9], 0),
    "waiting": ([*[NOTHING] * 5, "message go", *[NOTHING] * 4], 5),
}
AT_ONCE = 100
#: Cases that are looked at, of those that are in memory.
LOOKED_AT = 20


async def in_flight(kind: str, home: Path, store: str, cases: int) -> dict[str, float]:
    """Memory before and after so many cases were begun."""
    callees, done = TASKS[kind]
    path = sources.place(home, sources.sequence(*callees))
    async with Engine.open(store, park_after_s=3_600) as engine:
        await engine.deploy(path)
        for number in range(AT_ONCE):  # what the first cases make is no case's
            await engine.start("w", given=number)
        await anyio.sleep(0.5)
        gc.collect()
        before = resident_bytes()
        waiting = iter(range(cases))
        ids: list[str] = []

        async def begin_some() -> None:
            for number in waiting:
                case = await engine.start("w", given=number)
                ids.append(case.id)

        async with anyio.create_task_group() as group:
            for _ in range(AT_ONCE):
                group.start_soon(begin_some)
        await until_all_wait(engine, ids, f"t{done + 1}")
        gc.collect()
        after = resident_bytes()
    return {"before": before, "after": after}


async def until_all_wait(engine: Engine, ids: list[str], task: str) -> None:
    """Return when all cases have come to a task; some, and the last ones, are looked at."""
    for case in ids[:: max(1, len(ids) // LOOKED_AT)] + ids[-LOOKED_AT:]:
        with anyio.fail_after(60):
            while not any(  # noqa: ASYNC110  nobody tells
                item.task == task for item in (await engine.show(case)).items
            ):
                await anyio.sleep(0.05)


async def parked(home: Path, store: str, ids: list[str]) -> dict[str, float]:
    """Memory before and after a store was opened, and the seconds that took."""
    before = resident_bytes()
    begin = time.perf_counter()
    async with Engine.open(store) as engine:
        seconds = time.perf_counter() - begin
        await anyio.sleep(1)  # what is asked of the store when it has been opened is in it
        gc.collect()
        after = resident_bytes()
        assert await engine.verify(ids[0]) == ()
        begin = time.perf_counter()
        for case in ids:
            await engine.send(case, "go")
            assert await (await engine.case(case)).result() == 0
        woken = (time.perf_counter() - begin) / len(ids)
        assert all([(await engine.case(case)).status is CaseStatus.completed for case in ids])
    return {"before": before, "after": after, "seconds": seconds, "woken": woken}


async def main(kind: str, home: str, store: str, *rest: str) -> None:
    if kind == "parked":
        print(json.dumps(await parked(Path(home), store, list(rest))))
    else:
        print(json.dumps(await in_flight(kind, Path(home), store, int(rest[0]))))


if __name__ == "__main__":
    anyio.run(main, *sys.argv[1:])
