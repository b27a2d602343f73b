"""A process that opens a store in which cases are unfinished.

    recovery_worker.py open STORE CASES
    recovery_worker.py live HOME STORE CASES
    recovery_worker.py back STORE

``open`` prints how long it took until all cases were in memory and at work again. ``live`` begins
cases, whose second task waits in a handler, says so, and goes on until it is killed. ``back`` opens
the store that was left, and says so when the first handler is called.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import anyio
import sources

from knhk import Engine

SAYING = """
import anyio


async def nothing() -> None:
    return None


async def hold() -> None:
    print("at work", flush=True)
    await anyio.sleep_forever()
"""


async def resume(store: str, cases: str) -> None:
    """Open the store, and look at what was resumed."""
    begin = time.perf_counter()
    async with Engine.open(store) as engine:
        seconds = time.perf_counter() - begin
        assert not engine.stranded, dict(engine.stranded)
        # Nothing is parked, so what is there was resumed.
        assert engine._running is not None
        assert len(engine._running.live) == int(cases)
    print(json.dumps({"seconds": seconds}), flush=True)


async def live(home: str, store: str, cases: str) -> None:
    """Begin cases, and wait to be killed."""
    path = sources.place(Path(home), sources.sequence("nothing()", "hold()"), SAYING)
    async with Engine.open(store) as engine:
        await engine.deploy(path)
        for number in range(int(cases)):
            await engine.start("w", given=number)
        await anyio.sleep_forever()


async def back(store: str) -> None:
    """Open the store, and wait to be killed."""
    async with Engine.open(store):
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run({"open": resume, "live": live, "back": back}[sys.argv[1]], *sys.argv[2:])
