"""A worker that runs the order workflow on the engine of KNHK.

    knhk_worker.py HOME STORE async|plain

``HOME`` is a directory that the sources are copied to, so that it is their project root.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import anyio
import anyio.to_thread
from workers import ITEMS, Request, answer, requests

from knhk import Engine

HERE = Path(__file__).parent


def prepare(home: Path, style: str) -> Path:
    """Copy the sources; with ``async`` the tasks call the asynchronous handlers."""
    text = (HERE / "order.knhk").read_text(encoding="utf-8")
    if style == "async":
        for name in ("hold", "approve", "charge", "pack", "deliver", "tell"):
            text = text.replace(f" = {name}(", f" = {name}_soon(")
        text = text.replace(
            "use hold, approve, charge, pack, deliver, tell",
            "use hold_soon, approve_soon, charge_soon, pack_soon, deliver_soon, tell_soon",
        )
    home.mkdir(parents=True, exist_ok=True)
    (home / "handlers.py").write_bytes((HERE / "handlers.py").read_bytes())
    path = home / "order.knhk"
    path.write_text(text, encoding="utf-8")
    return path


async def serve(engine: Engine, request: Request) -> None:
    """Run the cases of a request, a new one as soon as another has ended."""
    names = request.names()
    results: dict[str, object] = {}
    waiting = iter(names)

    async def run_some() -> None:
        for name in waiting:
            case = await engine.start("order", case_id=name, order=name, items=ITEMS)
            results[name] = await case.result()

    begin = time.perf_counter()
    async with anyio.create_task_group() as group:
        for _ in range(request.at_once):
            group.start_soon(run_some)
    seconds = time.perf_counter() - begin
    answer(seconds, [plain(results[name]) for name in names])


def plain(result: object) -> object:
    """A record as a dictionary."""
    dump = getattr(result, "model_dump", None)
    return result if dump is None else dump()


async def main(home: str, store: str, style: str) -> None:
    source = prepare(Path(home), style)
    async with Engine.open(store) as engine:
        await engine.deploy(source)
        asked = requests()
        while (request := await anyio.to_thread.run_sync(next, asked, None)) is not None:
            await serve(engine, request)


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2], sys.argv[3])
