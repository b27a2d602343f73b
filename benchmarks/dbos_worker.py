"""A worker that runs the workflow of ten steps on dbos.

    dbos_worker.py sqlite:///PATH|postgresql://... async|plain

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
from workers import STEPS, Request, answer, requests

nothing = DBOS.step()(handlers.nothing)
nothing_soon = DBOS.step()(handlers.nothing_soon)


@DBOS.workflow()  # type: ignore[untyped-decorator]
def ten(name: str) -> str:
    for _ in range(STEPS):
        nothing()
    return name


@DBOS.workflow()  # type: ignore[untyped-decorator]
async def ten_soon(name: str) -> str:
    for _ in range(STEPS):
        await nothing_soon()
    return name


def serve_plain(request: Request) -> None:
    names = request.names()
    results: list[object] = []
    begin = time.perf_counter()
    if request.at_once == 1:
        results = [ten(name) for name in names]
    else:
        waiting = iter(names)
        while some := list(islice(waiting, request.at_once)):
            started = [DBOS.start_workflow(ten, name) for name in some]
            results += [handle.get_result() for handle in started]
    answer(time.perf_counter() - begin, results)


async def serve_soon(request: Request) -> None:
    names = request.names()
    results: list[object] = []
    begin = time.perf_counter()
    waiting = iter(names)
    while some := list(islice(waiting, request.at_once)):
        results += await asyncio.gather(*[ten_soon(name) for name in some])
    answer(time.perf_counter() - begin, results)


async def main_soon() -> None:
    asked = requests()
    while (request := await asyncio.to_thread(next, asked, None)) is not None:
        await serve_soon(request)


def main(store: str, style: str) -> None:
    DBOS(
        config={
            "name": "knhk-bench",
            "system_database_url": store,
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
