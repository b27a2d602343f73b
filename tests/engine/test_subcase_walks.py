"""Random walks of a family of cases with crashes in between; a seed reproduces a walk.

Whatever has happened: once nothing moves any more, a sub-case is at work exactly if an item of
its parent waits for it, and nothing that has ended has anybody at work below it.
"""

from __future__ import annotations

import os
import random
from contextlib import suppress

import pytest

from knhk.call import Call
from knhk.engine import Engine
from knhk.engine.kin import sub_case_id
from knhk.errors import JournalError, UsageError
from knhk.journal import UNFINISHED, CaseRow, Journal
from knhk.model import (
    EXCEPT_ERROR,
    JOIN_PARTIAL,
    CaseStatus,
    ForEach,
    ItemState,
    Net,
    Region,
    Retry,
)
from knhk.module import Module
from knhk.testing import VirtualClock
from tests.engine.conftest import Project
from tests.engine.nets import Drawing, runs, value
from tests.engine.stores import CrashingAtCommit

pytestmark = pytest.mark.anyio

WALKS = 6
STEPS = 40
FAMILIES = 3
LIVES = 6


def family() -> tuple[Net, ...]:
    """Three generations, with retries, exception flows, instances and a cancelling join."""
    top = Drawing("top").route("all", "start", "a b")
    top.task(
        "s",
        "a",
        "s_out",
        callee=runs("middle"),
        retry=Retry((1000,)),
        exceptions=((EXCEPT_ERROR, "", "s_out"),),
    )
    top.task("t", "b", "t_out")
    places = tuple(top.place(name) for name in ("a", "b", "s_out", "t_out"))
    top.task("last", "passed", callee=runs("leaf"))
    top.route(
        "first",
        "s_out t_out",
        "passed",
        join=JOIN_PARTIAL,
        threshold=1,
        cancels=Region(tasks=(0, 1), places=places),
    )
    each = ForEach("n", items=value([1, 2, 3]))
    middle = Drawing("middle").route("all", "start", "a b")
    middle.task("m", "a", callee=runs("leaf"), for_each=each)
    middle.task("u", "b")
    leaf = Drawing("leaf").task("ask", "start")
    return top.net(), middle.net(), leaf.net()


async def step(engine: Engine, chance: random.Random) -> None:
    """Do one thing to one of the cases."""
    rows = [row for row in await engine.cases() if row.status in UNFINISHED]
    offers = await engine.work()
    what = chance.random()
    if len([row for row in rows if not row.parent]) < FAMILIES:
        await engine.start("top", case_id=f"top{chance.randrange(10**9)}")
    elif offers and what < 0.6:
        offer = chance.choice(offers)
        if chance.random() < 0.25:
            await engine.fail(offer.case, offer.item, "Broken", "by chance")
        else:
            await engine.complete(offer.case, offer.item, what)
    elif rows:
        row = chance.choice(rows)
        if what < 0.7:
            await engine.cancel(row.id)
        elif what < 0.8:
            await engine.withdraw(row.id, chance.choice(["s", "t", "m", "u", "ask"]))
        elif row.status is CaseStatus.suspended:
            await engine.resume_case(row.id)
        elif what < 0.9:
            await engine.suspend(row.id)
    failed = [row for row in await engine.cases(status="failed") if not row.parent]
    if failed and chance.random() < 0.5:
        await engine.retry(chance.choice(failed).id)


async def wanted(engine: Engine, row: CaseRow, rows: dict[str, CaseRow]) -> bool:
    """Whether the items of all that stand above a case wait for it."""
    while row.parent:
        above = rows[row.parent]
        if above.status in (CaseStatus.completed, CaseStatus.cancelled):
            return False
        report = await engine.show(above.id)
        started = [
            sub_case_id(Call(above.id, "", item.task, item.id, item.attempt))
            for item in report.items
            if item.state is ItemState.started
        ]
        if row.id not in started:
            return False
        row = above
    return True


async def check(engine: Engine) -> None:
    """What must be so once nothing moves."""
    rows = {row.id: row for row in await engine.cases()}
    for row in rows.values():
        at_work = row.status in UNFINISHED
        if row.parent:
            assert at_work == await wanted(engine, row, rows), row
        if at_work:
            report = await engine.show(row.id)
            begun = {child.case: child.status for child in report.children}
            for item in report.items:
                if item.state is ItemState.started and item.task in ("s", "m", "last"):
                    name = sub_case_id(Call(row.id, "", item.task, item.id, item.attempt))
                    assert begun[name] in UNFINISHED, (row, item)
    assert engine._running is not None
    live = engine._running.live
    assert {row.id for row in rows.values() if row.status in UNFINISHED} <= set(live)


async def life(
    journal: Journal, module: Module, chance: random.Random, *, to_the_end: bool
) -> None:
    clock = VirtualClock(autofire=False)
    async with Engine.open(journal, clock=clock, resume=False) as engine:
        await engine.deploy(module)
        await engine.resume()
        for _ in range(STEPS if to_the_end else chance.randrange(STEPS)):
            with suppress(UsageError):
                await step(engine, chance)
            if chance.random() < 0.5:
                await clock.advance(0.001)
        if to_the_end:
            for row in await engine.cases(status="suspended"):
                with suppress(UsageError):
                    await engine.resume_case(row.id)
            await clock.advance(10)  # back-offs of a millisecond pass
            assert {} == dict(engine.stranded)
            await check(engine)


async def test_walks_of_a_family_leave_nobody_behind_and_nobody_waiting(project: Project) -> None:
    seed = int(os.environ.get("KNHK_TEST_SEED", random.randrange(2**32)))
    print(f"KNHK_TEST_SEED={seed}")
    module = project.drawn("", *family())
    for number in range(WALKS):
        chance = random.Random(f"{seed}/{number}")
        journal = CrashingAtCommit(chance.randrange(1, 40))
        for _ in range(chance.randrange(LIVES)):
            with suppress(JournalError):
                await life(journal, module, chance, to_the_end=False)
            journal = journal.survivor(CrashingAtCommit(chance.randrange(1, 60)))
        journal = journal.survivor(CrashingAtCommit(100_000))
        await life(journal, module, chance, to_the_end=True)
