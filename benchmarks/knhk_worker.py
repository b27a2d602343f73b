"""A worker that runs the workflow of ten tasks on the engine of KNHK.

    knhk_worker.py HOME STORE async|plain [counting]

``HOME`` is a directory that the sources are copied to, so that it is their project root. With
``counting`` the syncs of SQLite's files are counted instead of the time.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import anyio
import anyio.to_thread
from syncs import Syncs
from workers import Request, answer, requests

from knhk import Engine

HERE = Path(__file__).parent


def prepare(home: Path, style: str) -> Path:
    """Copy the sources; with ``async`` the tasks call the asynchronous handler."""
    text = (HERE / "ten.knhk").read_text(encoding="utf-8")
    if style == "async":
        text = text.replace("nothing()", "nothing_soon()").replace(
            "use nothing", "use nothing_soon"
        )
    home.mkdir(parents=True, exist_ok=True)
    (home / "handlers.py").write_bytes((HERE / "handlers.py").read_bytes())
    path = home / "ten.knhk"
    path.write_text(text, encoding="utf-8")
    return path


async def serve(engine: Engine, request: Request, syncs: Syncs | None) -> None:
    """Run the cases of a request, a new one as soon as another has ended."""
    names = request.names()
    results: dict[str, object] = {}
    waiting = iter(names)
    begun = 0  # syncs before the first task of a case alone

    async def run_some() -> None:
        nonlocal begun
        for name in waiting:
            before = 0 if syncs is None else syncs.commits
            case = await engine.start("ten", name=name)
            begun += 0 if syncs is None else syncs.commits - before
            results[name] = await case.result()

    begin = time.perf_counter()
    commits, others = (0, 0) if syncs is None else (syncs.commits, syncs.others)
    async with anyio.create_task_group() as group:
        for _ in range(request.at_once):
            group.start_soon(run_some)
    seconds = time.perf_counter() - begin
    counts = [] if syncs is None else [syncs.commits - commits, syncs.others - others, begun]
    answer(seconds, [results[name] for name in names], counts)


async def main(home: str, store: str, style: str, counting: str = "") -> None:
    source = prepare(Path(home), style)
    syncs = Syncs() if counting else None
    async with Engine.open(store) as engine:
        await engine.deploy(source)
        asked = requests()
        while (request := await anyio.to_thread.run_sync(next, asked, None)) is not None:
            await serve(engine, request, syncs)


if __name__ == "__main__":
    anyio.run(main, *sys.argv[1:])
