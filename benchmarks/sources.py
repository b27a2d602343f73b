"""The workflows of the benchmarks that look at one process: tasks one after another."""

from __future__ import annotations

from pathlib import Path

__all__ = ["HANDLERS", "place", "sequence"]

HANDLERS = """
import anyio


async def nothing() -> None:
    return None


async def number(given: int) -> int:
    return given


async def hold() -> None:
    await anyio.sleep_forever()
"""


def sequence(*callees: str) -> str:
    """A workflow ``w(given: int)`` of tasks with these callees; its result is its parameter."""
    used = sorted(
        {callee.partition("(")[0] for callee in callees if "(" in callee and " " not in callee}
    )
    lines = [f"from handlers use {', '.join(used)}", "", "workflow w(given: int) -> int"]
    lines += [f"    task t{at} = {callee}" for at, callee in enumerate(callees, 1)]
    names = " -> ".join(f"t{at}" for at in range(1, len(callees) + 1))
    lines += ["", "    flow", f"        start -> {names} -> end", "", "    return given"]
    return "\n".join(lines) + "\n"


def place(home: Path, text: str, handlers: str = HANDLERS) -> Path:
    """Write a workflow and its handlers to a directory, which is their project root."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "handlers.py").write_text(handlers, encoding="utf-8")
    path = home / "w.knhk"
    path.write_text(text, encoding="utf-8")
    return path
