"""Real processes, killed with SIGKILL at random moments, lose nothing and do nothing twice.

The handlers write a line, synced to the disk, when they begin and when they end. A task whose
completion is in the journal when the process dies must not begin again after ``knhk resume``.
Half of the moments are counted from the start of the process, half from the first work done,
so that both start-up and the middle of the work are hit. The seed of a failing run is its
number.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

from knhk.model import COMPLETE, CREATE

from .conftest import Project

#: A continuous integration plays some of them only; each takes seconds.
RUNS = 6 if "CI" in os.environ else 50

HANDLERS = """
import os
import time

def note(text):
    with open("log.txt", "a") as log:
        log.write(text + chr(10))
        log.flush()
        os.fsync(log.fileno())

def work(name: str) -> str:
    note("begin " + name)
    time.sleep(0.05)
    note("end " + name)
    return name + " done"

async def wait(name: str) -> str:
    import anyio
    note("begin " + name)
    await anyio.sleep(0.05)
    note("end " + name)
    return name + " done"

def shaky(name: str) -> str:
    note("begin " + name)
    if not os.path.exists("mended"):
        open("mended", "w").close()
        raise RuntimeError("not yet")
    note("end " + name)
    return name + " done"
"""

WORKFLOW = """
from handlers use work, wait, shaky

workflow w(names: list[str]) -> json
    task first = work("first")
    task left = wait("left")
    task each_one = wait(name)
        for each name in names
        at most 2 at once
    task unsure = shaky("unsure")
        retry 3 every 30ms
    task last = work("last")
    flow
        start -> first -> all(left, each_one, unsure) -> last -> end
    return [first, left, each_one, unsure, last]
"""

NAMES = [f"n{number}" for number in range(8)]
EXPECTED = ["first done", "left done", [f"{n} done" for n in NAMES], "unsure done", "last done"]


def inputs(store: Path, kind: int) -> int:
    """How many inputs of a kind the journal holds."""
    if not store.exists():
        return 0
    reading = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
    try:
        (count,) = reading.execute("SELECT count(*) FROM inputs WHERE kind = ?", [kind]).fetchone()
    except sqlite3.OperationalError:
        return 0  # killed before the tables were made
    finally:
        reading.close()
    assert isinstance(count, int)
    return count


def done_work(store: Path, project: Project) -> set[str]:
    """The names whose work the journal knows to be completed."""
    if not inputs(store, COMPLETE):
        return set()
    shown = project.knhk("show", "c", "--store", "s.db", "--json").json
    assert isinstance(shown, dict)
    history = shown["history"]
    return {
        str(step["value"]).removesuffix(" done") for step in history if step["kind"] == "complete"
    }


def begun(project: Project) -> list[str]:
    log = project.root / "log.txt"
    lines = log.read_text().splitlines() if log.exists() else []
    return [line.removeprefix("begin ") for line in lines if line.startswith("begin ")]


def kill_at(process: subprocess.Popen[str], project: Project, moment: random.Random) -> None:
    """Kill the process at a random moment of its life."""
    if moment.random() < 0.5:
        time.sleep(moment.uniform(0.0, 1.2))
    else:
        before = len(begun(project))
        while process.poll() is None and len(begun(project)) == before:
            time.sleep(0.001)
        time.sleep(moment.uniform(0.0, 0.25))
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")
@pytest.mark.parametrize("seed", range(RUNS))
def test_a_killed_run_is_resumed_with_no_completed_task_run_again(
    seed: int, project: Project
) -> None:
    moment = random.Random(seed)
    store = project.root / "s.db"
    project.write("handlers.py", HANDLERS)
    project.write("w.knhk", WORKFLOW)
    names = f"names={json.dumps(NAMES)}"
    run = ("run", "w.knhk", "--case", "c", "--store", "s.db", "-p", names)
    command: tuple[str, ...] = run
    done: set[str] = set()
    for _ in range(2):
        before = len(begun(project))
        kill_at(project.start(*command), project, moment)
        assert done.isdisjoint(begun(project)[before:])
        done = done_work(store, project)
        command = ("resume", "--store", "s.db") if inputs(store, CREATE) else run
    before = len(begun(project))
    assert project.knhk(*command).code == 0
    assert done.isdisjoint(begun(project)[before:])
    shown = project.knhk("show", "c", "--store", "s.db", "--json").json
    assert isinstance(shown, dict)
    assert shown["outcome"] == {"result": EXPECTED}
