"""A worker that runs the order workflow on dbos, with SQLite.

    dbos_worker.py STORE async|plain

One case at a time, the workflow function is called directly; many at a time, each is started
with ``start_workflow`` (or gathered, in asyncio), which is the faster of its documented ways.
"""

from __future__ import annotations

import asyncio
import sys
import time
from itertools import islice

import handlers
from dbos import DBOS
from workers import ITEMS, Request, answer, requests

hold, approve, charge, pack, deliver, tell = (
    DBOS.step()(getattr(handlers, name))
    for name in ("hold", "approve", "charge", "pack", "deliver", "tell")
)
hold_soon, approve_soon, charge_soon, pack_soon, deliver_soon, tell_soon = (
    DBOS.step()(getattr(handlers, f"{name}_soon"))
    for name in ("hold", "approve", "charge", "pack", "deliver", "tell")
)


def receipt(order: str, total: int, held: int, parcels: list[int], code: str) -> dict[str, object]:
    return {"order": order, "total": total, "held": held, "parcels": parcels, "code": code}


@DBOS.workflow()  # type: ignore[untyped-decorator]
def order(order: str, items: list[int]) -> dict[str, object]:
    total = sum(items)
    held = hold(order, items)
    if total > 100:
        approve(order, total)
    charged = charge(order, total)
    parcels = [pack(item) for item in items]
    code = deliver(order, parcels)
    tell(order, code)
    return receipt(order, charged, held, parcels, code)


@DBOS.workflow()  # type: ignore[untyped-decorator]
async def order_soon(order: str, items: list[int]) -> dict[str, object]:
    total = sum(items)
    held = await hold_soon(order, items)
    if total > 100:
        await approve_soon(order, total)
    charged = await charge_soon(order, total)
    parcels = [await pack_soon(item) for item in items]
    code = await deliver_soon(order, parcels)
    await tell_soon(order, code)
    return receipt(order, charged, held, parcels, code)


def serve_plain(request: Request) -> None:
    names = request.names()
    results: list[object] = []
    begin = time.perf_counter()
    if request.at_once == 1:
        results = [order(name, ITEMS) for name in names]
    else:
        waiting = iter(names)
        while some := list(islice(waiting, request.at_once)):
            started = [DBOS.start_workflow(order, name, ITEMS) for name in some]
            results += [handle.get_result() for handle in started]
    answer(time.perf_counter() - begin, results)


async def serve_soon(request: Request) -> None:
    names = request.names()
    results: list[object] = []
    begin = time.perf_counter()
    waiting = iter(names)
    while some := list(islice(waiting, request.at_once)):
        results += await asyncio.gather(*[order_soon(name, ITEMS) for name in some])
    answer(time.perf_counter() - begin, results)


async def main_soon() -> None:
    asked = requests()
    while (request := await asyncio.to_thread(next, asked, None)) is not None:
        await serve_soon(request)


def main(store: str, style: str) -> None:
    DBOS(
        config={
            "name": "knhk-bench",
            "system_database_url": f"sqlite:///{store}",
            "log_level": "ERROR",
        }
    )
    DBOS.launch()
    try:
        if style == "async":
            asyncio.run(main_soon())
        else:
            for request in requests():
                serve_plain(request)
    finally:
        DBOS.destroy()


if __name__ == "__main__":
    main(*sys.argv[1:])
