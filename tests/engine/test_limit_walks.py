"""Random walks of many cases under limits: none is ever exceeded, and no place is ever lost.

A seed reproduces a walk: ``KNHK_TEST_SEED=...``.
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from contextlib import suppress

import pytest

from knhk.engine import Concurrency, Engine
from knhk.errors import JournalError, UsageError
from knhk.journal import Commit
from knhk.model import CaseStatus
from tests.engine.conftest import Project
from tests.engine.stores import Dying

pytestmark = pytest.mark.anyio

WALKS = int(os.environ.get("KNHK_TEST_WALKS", "6"))
STEPS = 60
SOURCE = """
    from handlers use work
    workflow one(mood: str)
        task t = work(mood)
            at most 2 at once
            retry 1 every 3s
            timeout 20s
        task after = work("quick")
            priority 3
        flow
            start -> t -> after -> end
    workflow many(mood: str)
        task m = work(mood)
            for each n in [1, 2, 3, 4, 5]
            at most 3 at once
            timeout 30s
            complete when done + failed == total
        task part = one(mood)
        flow
            start -> all(m, part) -> end
"""
HANDLERS = """
    import anyio
    from collections import Counter

    inside = Counter()
    limits = {}
    exceeded = []
    entries = 0

    async def work(mood: str):
        from knhk.engine import current_call
        global entries
        entries += 1
        call = current_call()
        kinds = [f"{call.workflow}.{call.task}", f"tenant {call.tenant}", "total"]
        inside.update(kinds)
        exceeded.extend(
            (kind, inside[kind]) for kind in kinds if inside[kind] > limits.get(kind, 1_000)
        )
        try:
            if mood == "bad":
                await anyio.lowlevel.checkpoint()
                raise ValueError(mood)
            await clock.sleep({"quick": 1, "slow": 12, "late": 40}.get(mood, 4))
        except anyio.get_cancelled_exc_class():
            if mood == "stubborn":
                with anyio.CancelScope(shield=True):
                    for _ in range(40):
                        await anyio.lowlevel.checkpoint()
            raise
        finally:
            inside.subtract(kinds)
"""
MOODS = ("quick", "slow", "late", "bad", "stubborn")


class Faulty(Dying):
    """Does not take what is written of one case."""

    victim = ""

    def append(self, commits: Sequence[Commit]) -> None:
        if any(commit.case == self.victim for commit in commits):
            raise JournalError("the disk is gone")
        super().append(commits)


class Walk:
    """One walk: an engine after another, on one journal."""

    def __init__(self, project: Project, chance: random.Random) -> None:
        self.project = project
        self.chance = chance
        self.journal = Faulty()
        self.cases: list[str] = []
        self.limits = Concurrency(
            tasks={"one.after": chance.choice([1, 2, 9])},
            tenants={"a": chance.choice([1, 3]), "*": 4, "": 5},
            total=chance.choice([3, 6]),
            weights={"b": 2},
        )

    async def run(self, path: str) -> None:
        """Take all steps, with restarts in between, and then let everything end."""
        for last in (False, False, True):
            async with Engine.open(
                self.journal, clock=self.project.clock, concurrency=self.limits
            ) as engine:
                await engine.deploy(path)
                self.tell_limits()
                for _ in range(STEPS // 3):
                    await self.step(engine)
                if last:
                    await self.end(engine)
            handlers = self.project.handlers
            assert 0 == sum(handlers.inside.values())
            self.journal = self.journal.survivor(Faulty())

    def tell_limits(self) -> None:
        self.project.handlers.limits = {
            "one.t": 2,
            "many.m": 3,
            "one.after": self.limits.tasks["one.after"],
            "tenant a": self.limits.of_tenant("a"),
            "tenant b": 4,
            "tenant ": 5,
            "total": self.limits.total,
        }

    async def step(self, engine: Engine) -> None:
        """Do something at random."""
        chance = self.chance
        choice = chance.random()
        if choice < 0.4 or not self.cases:
            name = f"c{len(self.cases)}"
            self.cases.append(name)
            workflow = chance.choice(["one", "one", "many"])
            tenant = chance.choice(["a", "a", "b", None])
            await engine.start(workflow, case_id=name, tenant=tenant, mood=chance.choice(MOODS))
        elif choice < 0.65:
            await self.project.clock.sleep(chance.choice([0, 1, 5, 15]))
        elif choice < 0.7:
            await self.lose(engine)
        else:
            await self.steer(engine)

    async def steer(self, engine: Engine) -> None:
        chance = self.chance
        case = chance.choice(self.cases)
        task = chance.choice(["t", "after", "m", "part"])
        what = chance.choice(
            ["suspend", "resume_case", "cancel", "withdraw", "release", "retry", "skip"]
        )
        acts = {"withdraw", "release", "skip"}
        with suppress(UsageError):  # it has no such task, or stands otherwise
            await getattr(engine, what)(*((case, task) if what in acts else (case,)))

    async def lose(self, engine: Engine) -> None:
        """The journal fails for one case, which is then picked up again."""
        self.journal.victim = self.chance.choice(self.cases)
        with suppress(JournalError, UsageError):
            await engine.suspend(self.journal.victim)
        self.journal.victim = ""
        await engine.resume()

    async def end(self, engine: Engine) -> None:
        """Let every case go on until it ends or has failed."""
        await engine.resume()
        for row in await engine.cases(status="suspended"):
            if not row.parent:
                await engine.resume_case(row.id)
        for _ in range(10_000):
            rows = await engine.cases(status=CaseStatus.running)
            if not rows:
                break
            await self.project.clock.sleep(5)
        assert () == await engine.cases(status=CaseStatus.running)
        await self.project.clock.sleep(100)  # what still goes on in failed cases ends too
        await self.project.clock.settle()
        assert {} == dict(engine.stranded)
        assert {0} == {limit.taken + limit.waiting for limit in engine.concurrency}


@pytest.mark.parametrize("number", range(WALKS))
async def test_no_limit_is_ever_exceeded_and_every_place_is_free_in_the_end(
    project: Project, number: int
) -> None:
    seed = int(os.environ.get("KNHK_TEST_SEED", random.randrange(2**32)))
    print(f"KNHK_TEST_SEED={seed}")
    path = project.write(SOURCE, HANDLERS)
    walk = Walk(project, random.Random(f"{seed}/{number}"))

    await walk.run(str(path))

    handlers = project.handlers
    assert [] == handlers.exceeded
    assert handlers.entries > 10
