"""Real faults of one engine: killed, stopped, without room on its disk; every value is checked.

``KNHK_TEST_FAULTS`` is how many lives a test ends by a kill (a few in CI, hundreds in the session
``faults``), ``KNHK_TEST_SEED`` draws the same moments again.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from knhk.errors import JournalError, UnknownName
from knhk.journal import Journal, SQLiteJournal
from knhk.journal.postgres import PostgresJournal
from knhk.model import COMPLETE, MESSAGE, START, CaseStatus
from tests.engine import logged

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")

KILLS = int(os.environ.get("KNHK_TEST_FAULTS", "6"))
LIVES_MAX = 10 * KILLS + 20
CASES = 8

WORKFLOW = """
from handlers use fetch, crunch, shaky, doomed, undo

workflow leaf(n: int) -> int
    task t = crunch(n)
    task nap = timer 15ms
    flow
        start -> t -> nap -> end
    return t

workflow w(n: int) -> json
    on failure compensate
    var rounds: int = 0

    task a = fetch(n)
        compensate with undo(a)
    task nap = timer 30ms
    task b = leaf(n)
    task c = shaky(n)
        retry 3 every 5ms
    task ask
    task said = message go
    task e = fetch(n)
        sets rounds = rounds + 1
    task f = doomed(n)

    flow
        start -> a -> all(nap -> b, c, ask -> said) -> repeat(e) until rounds == 4 -> f -> end

    return {a: a, b: b, c: c, ask: ask, said: said, rounds: rounds, f: f}
"""

HANDLERS = (
    logged.HANDLERS
    + """
async def doomed(n: int) -> int:
    note()
    if n % 4 == 3:
        raise ValueError("this one is to be undone")
    return n

async def undo(n: int) -> int:
    note()
    return -n
"""
)

NURSERY = """
import json
import os
import signal
import sys
import time
from pathlib import Path

import anyio
import knhk.engine.live
import knhk.journal.postgres
from knhk import load
from knhk.engine import Engine
from knhk.errors import (
    AnswerLost, CaseCancelled, CaseEnded, CaseExists, NotOffered, StoreAway
)
from knhk.model import COMPLETE, INPUT_NAMES

directory, address, backend, cases = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
load(directory / "w.knhk")
if hasattr(knhk.engine.live, "__file__") and knhk.engine.live.__file__.endswith(".py"):
    knhk.engine.live.SNAPSHOT_EVERY = 7

def tell(*words):
    os.write(1, (json.dumps(words) + "\\n").encode())

async def patiently(act, *args, **kwargs):
    while True:
        try:
            return await act(*args, **kwargs)
        except StoreAway:
            await anyio.sleep(0.02)

async def order(engine, number, told):
    name = f"c{number}"
    try:
        await patiently(engine.start, "w", case_id=name, n=number)
        tell("started", name)
    except CaseExists:
        pass
    if ["sent", name] not in told:
        try:
            await patiently(engine.send, name, "go", number)
        except AnswerLost:
            pass
        tell("sent", name)
    while ["asked", name] not in told:
        try:
            await patiently(engine.complete, name, "ask", 10 * number)
            tell("asked", name)
            break
        except CaseEnded:
            break
        except NotOffered as error:
            report = await patiently(engine.show, name)
            steps = [(step.task, step.kind) for step in report.history]
            if ("ask", INPUT_NAMES[COMPLETE]) in steps:
                break
            await anyio.sleep(0.002)
    try:
        return await (await patiently(engine.case, name)).result()
    except CaseCancelled as error:
        return f"cancelled after {error.error}"

async def live(told):
    results = {}
    def observe(event):
        if event.what == "store away":
            tell("away", event.message)

    async with Engine.open(
        address, park_after_s=0.01, patience_s=1, lease_s=1, observer=observe
    ) as engine:
        await engine.deploy(directory / "w.knhk")
        tell("up")
        async def run(number):
            results[f"c{number}"] = await order(engine, number, told)
        async with anyio.create_task_group() as group:
            for number in range(cases):
                group.start_soon(run, number)
        for row in await engine.cases():
            faults = await engine.verify(row.id)
            if faults:
                tell("fault", row.id, str(faults))
        if engine.stranded:
            tell("fault", "stranded", str(dict(engine.stranded)))
    tell("results", results)

for line in sys.stdin:
    kill_after_s, stop_for_s, told = json.loads(line)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            anyio.run(live, told, backend=backend)
            status = 0
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    if stop_for_s is not None:
        time.sleep(kill_after_s)
        os.kill(child, signal.SIGSTOP)
        time.sleep(stop_for_s)
        os.kill(child, signal.SIGCONT)
    elif kill_after_s is not None:
        time.sleep(kill_after_s)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    tell("end", os.waitstatus_to_exitcode(status))
"""


@dataclass
class Life:
    """What one life of an engine has told, and how it ended."""

    told: list[list[str]] = field(default_factory=list)
    results: dict[str, object] | None = None
    code: int = 0
    #: Why its store was away, each time.
    away: list[str] = field(default_factory=list)


class Nursery:
    """The process that forks engines, and what they have told in all their lives."""

    def __init__(self, directory: Path, address: str, backend: str, cases: int = CASES) -> None:
        self.directory, self.address, self.cases = directory, address, cases
        (directory / "w.knhk").write_text(WORKFLOW, encoding="utf-8")
        (directory / "handlers.py").write_text(HANDLERS, encoding="utf-8")
        self.told: list[list[str]] = []
        self._process = subprocess.Popen(
            [sys.executable, "-c", NURSERY, str(directory), address, backend, str(cases)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def live(self, kill_after_s: float | None = None, stop_for_s: float | None = None) -> Life:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([kill_after_s, stop_for_s, self.told]) + "\n")
        self._process.stdin.flush()
        life = Life()
        for line in self._process.stdout:
            what, *words = json.loads(line)
            if what == "end":
                life.code = words[0]
                return life
            assert what != "fault", words
            if what == "results":
                life.results = words[0]
            elif what == "away":
                life.away += words
            elif what != "up":
                life.told.append([what, *words])
                self.told.append([what, *words])
        raise AssertionError("the nursery has ended")

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()

    def journal(self) -> Journal | None:
        """The store, to be looked at; none if there is nothing in it yet."""
        try:
            if self.address.startswith("postgres"):
                return PostgresJournal(self.address, reading=True)
            return SQLiteJournal(self.address, reading=True)
        except (UnknownName, JournalError):
            return None

    def done(self) -> list[str]:
        log = self.directory / "done.log"
        return log.read_text().splitlines() if log.exists() else []


@dataclass
class Kept:
    """What a store has: started and completed items, messages, and how cases stand."""

    started: set[tuple[str, int]] = field(default_factory=set)
    completed: set[tuple[str, int]] = field(default_factory=set)
    messages: Counter[str] = field(default_factory=Counter)
    status: dict[str, CaseStatus] = field(default_factory=dict)


def kept(nursery: Nursery) -> Kept:
    found, journal = Kept(), nursery.journal()
    if journal is None:
        return found
    with closing(journal):
        for case in journal.cases():
            found.status[case.id] = case.status
            for row in journal.inputs(case.id):
                if row.kind == START:
                    found.started.add((case.id, row.item))
                elif row.kind == COMPLETE:
                    found.completed.add((case.id, row.item))
                elif row.kind == MESSAGE:
                    found.messages[case.id] += 1
    return found


def item_of(key: str) -> tuple[str, int]:
    case, item = key.split(":")[:2]
    return case, int(item)


def expected(number: int) -> object:
    if number % 4 == 3:
        return "cancelled after ValueError"
    told = {"ask": 10 * number, "said": number, "rounds": 4, "f": number}
    return {"a": number + 1, "b": number * number, "c": number, **told}


def check_life(nursery: Nursery, before: Kept, lines: int) -> Kept:
    """Nothing kept was lost or done again, nothing acknowledged is missing."""
    again = {item_of(key) for key in nursery.done()[lines:]}
    after = kept(nursery)
    assert set() == before.completed & again, "done again though it was kept"
    assert before.completed <= after.completed, "what was kept is lost"
    assert again <= after.started, "done before its start was kept"
    for what, case in nursery.told:
        assert case in after.status, f"{case} was acknowledged and is lost"
        if what == "sent":
            assert after.messages[case] > 0, f"the message to {case} is lost"
        if what == "asked":
            assert after.completed & {(case, item) for item in range(1, 30)}
    return after


def check_end(nursery: Nursery, life: Life) -> None:
    """Every value of every case."""
    assert {f"c{n}": expected(n) for n in range(nursery.cases)} == life.results
    after = kept(nursery)
    for n in range(nursery.cases):
        ended = CaseStatus.cancelled if n % 4 == 3 else CaseStatus.completed
        assert ended is after.status[f"c{n}"]
    assert {CaseStatus.completed, CaseStatus.cancelled} == set(after.status.values())
    undone = [key for key in nursery.done() if key.startswith("c3:")]
    assert len(undone) >= 8


@pytest.fixture(params=["sqlite", "postgres"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "store.db")
    return str(request.getfixturevalue("postgres"))


@pytest.fixture(params=["asyncio", "trio"])
def nursery(request: pytest.FixtureRequest, tmp_path: Path, address: str) -> Iterator[Nursery]:
    nursery = Nursery(tmp_path, address, request.param)
    yield nursery
    nursery.close()


def moments() -> random.Random:
    seed = int(os.environ.get("KNHK_TEST_SEED", random.randrange(2**32)))
    print(f"KNHK_TEST_SEED={seed}")
    return random.Random(seed)


def test_an_engine_that_is_killed_again_and_again_keeps_every_value(nursery: Nursery) -> None:
    draw = moments()
    kills = lives = 0
    before, life = Kept(), Life()
    while life.results is None:
        lines = len(nursery.done())
        is_killed = kills < KILLS
        life = nursery.live(draw.uniform(0.05, 0.4) if is_killed else None)
        assert life.code in ((0, -signal.SIGKILL) if is_killed else (0,))
        kills += life.code == -signal.SIGKILL
        before = check_life(nursery, before, lines)
        lives += 1
        assert lives < LIVES_MAX
    check_end(nursery, life)


def test_an_engine_that_stood_still_for_long_goes_on(nursery: Nursery) -> None:
    life = nursery.live(kill_after_s=moments().uniform(0.1, 0.3), stop_for_s=3)

    assert 0 == life.code
    check_life(nursery, Kept(), 0)
    check_end(nursery, life)
    executions = Counter(nursery.done())
    assert {1} == set(executions.values())


# A disk without room

#: Takes all room as soon as there is a case in the store, and gives it back after a while.
FILLER = """
import sys, time
from pathlib import Path
disk = Path(sys.argv[1])
log = disk / "store.db-wal"
while not log.exists() or log.stat().st_size < 300_000:
    time.sleep(0.001)
with (disk / "filler").open("wb", buffering=0) as file:
    try:
        while True:
            file.write(bytes(512))
    except OSError:
        pass
time.sleep(2)
(disk / "filler").unlink()
"""


def test_an_engine_whose_disk_is_full_goes_on_when_there_is_room(tmp_path: Path) -> None:
    if os.geteuid() != 0 or shutil.which("mount") is None or sys.platform != "linux":
        pytest.skip("only root can mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)]
    if subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        nursery = Nursery(tmp_path, str(disk / "store.db"), "asyncio", cases=60)
        filler = subprocess.Popen([sys.executable, "-c", FILLER, str(disk)])
        life = nursery.live()
        nursery.close()
        assert 0 == filler.wait()
        assert 0 == life.code
        assert life.away
        assert all("is full" in reason for reason in life.away)
        check_life(nursery, Kept(), 0)
        check_end(nursery, life)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
