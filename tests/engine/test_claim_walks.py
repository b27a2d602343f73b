"""Random walks of workers who are slow, forget, and come back: each item has one who does it.

Engines die on the way, and cases leave memory whenever they can. A seed reproduces a walk:
``KNHK_TEST_SEED=...``.
"""

from __future__ import annotations

import os
import random
from contextlib import suppress

import pytest

from knhk.engine import Claim, Engine
from knhk.errors import CaseEnded, ClaimLost, JournalError, UsageError
from knhk.model import CaseStatus, ItemState
from tests.engine.conftest import Project
from tests.engine.stores import Crashing

pytestmark = pytest.mark.anyio

WALKS = int(os.environ.get("KNHK_TEST_WALKS", "4"))
LIVES = 4
STEPS = 60
FOREVER = 1 << 40
SOURCE = """
    workflow w(n: int) -> json
        task a
            retry 9 every 1m
        task b = human(role: "r")
            timeout 10m
            retry 99 every 1m
        task m = human(x: x)
            for each x in [1, 2, 3]
        flow
            start -> a -> all(b, m) -> end
        return [a, b, m]
"""
#: An item of a case.
Key = tuple[str, int]


class Walk:
    """One walk: an engine after another, on one journal."""

    def __init__(self, project: Project, chance: random.Random) -> None:
        self.project = project
        self.chance = chance
        self.journal = Crashing(FOREVER)
        self.cases: list[str] = []
        #: All that was ever claimed and is not known to be over.
        self.claims: list[Claim] = []
        self.granted: set[tuple[str, int, int]] = set()
        self.done: dict[Key, int] = {}
        self.late = 0

    async def run(self, path: str) -> None:
        """Live several lives, each of which ends with a crash, and then finish all there is."""
        for number in range(LIVES):
            is_last = number == LIVES - 1
            appends = FOREVER if is_last else self.chance.randrange(5, 60)
            self.journal = self.journal.survivor(Crashing(appends))
            with suppress(JournalError):
                async with Engine.open(
                    self.journal, clock=self.project.clock, park_after_s=0.0
                ) as engine:
                    await engine.deploy(path)
                    for _ in range(STEPS):
                        await self.step(engine)
                    if is_last:
                        await self.end(engine)

    async def step(self, engine: Engine) -> None:
        chance, clock = self.chance, self.project.clock
        choice = chance.random()
        if choice < 0.1 or not self.cases:
            name = f"c{len(self.cases)}"
            await engine.start("w", case_id=name, n=1)
            self.cases.append(name)
        elif choice < 0.4:
            await self.claim(engine)
        elif choice < 0.7 and self.claims:
            await self.use(engine, chance.choice(self.claims))
        elif choice < 0.9:
            await clock.sleep(chance.choice([0, 0, 5, 40, 700]))
        else:
            what = chance.choice(["suspend", "resume_case", "retry"])
            with suppress(UsageError):
                await getattr(engine, what)(chance.choice(self.cases))
        await clock.settle()

    async def claim(self, engine: Engine) -> None:
        chance = self.chance
        lease_s = chance.choice([10.0, 30.0, 600.0, None])
        found: Claim | None = None
        if chance.random() < 0.7:
            found = await engine.claim_next(worker="w", lease_s=lease_s)
        else:
            with suppress(UsageError):
                task = chance.choice(["a", "b", "m"])
                found = await engine.claim(chance.choice(self.cases), task, lease_s=lease_s)
        if found is not None:
            key = found.case, found.item, found.attempt
            assert key not in self.granted, "two hold the same attempt"
            assert (found.case, found.item) not in self.done
            self.granted.add(key)
            self.claims.append(found)

    async def use(self, engine: Engine, claim: Claim) -> None:
        """Do something with a claim, however old it is."""
        what = self.chance.choice(["complete", "complete", "heartbeat", "fail", "release"])
        try:
            if what == "complete":
                await engine.complete(claim, claim.attempt)
                key = claim.case, claim.item
                assert key not in self.done, "an item was done twice"
                self.done[key] = claim.attempt
            elif what == "heartbeat":
                await engine.heartbeat(claim, lease_s=self.chance.choice([10.0, 600.0]))
                return
            elif what == "fail":
                await engine.fail(claim, "Broken")
            else:
                await engine.release(claim)
        except ClaimLost:
            self.late += what in ("complete", "fail")
        except CaseEnded:
            assert what == "heartbeat" or what == "release"
        else:
            newest = max(each[2] for each in self.granted if each[:2] == (claim.case, claim.item))
            assert newest == claim.attempt, "an old attempt was taken"
        self.claims.remove(claim)

    async def end(self, engine: Engine) -> None:
        """Have everything done."""
        await self.sound(engine)
        for _ in range(100):
            for row in await engine.cases(status=CaseStatus.suspended):
                await engine.resume_case(row.id)
            for row in await engine.cases(status=CaseStatus.failed):
                await engine.retry(row.id)
            for offer in await engine.work(held=True):  # by nobody who remembers it
                await engine.release(offer.case, offer.item)
            while (claim := await engine.claim_next()) is not None:
                await engine.complete(claim, claim.attempt)
                self.done[claim.case, claim.item] = claim.attempt
            if not await engine.cases(status=CaseStatus.running):
                break
            await self.project.clock.sleep(700)
        assert {CaseStatus.completed} == {row.status for row in await engine.cases()}
        assert () == await engine.work()
        await self.sound(engine)

    async def sound(self, engine: Engine) -> None:
        """What is stored fits together, and is what the cases have."""
        await self.project.clock.settle()
        late = 0
        for case in self.cases:
            assert () == await engine.verify(case)
            report = await engine.show(case)
            late += [step.kind for step in report.history].count("late")
            offers = {offer.item: offer for offer in await engine.work(case)}
            at_work = {
                item.id: item.attempt
                for item in report.items
                if item.state in (ItemState.offered, ItemState.started)
            }
            if report.status is CaseStatus.running:
                assert at_work == {item: offer.attempt for item, offer in offers.items()}
        assert self.late <= late, "a result that was told to be late is not recorded"


@pytest.mark.parametrize("number", range(WALKS))
async def test_every_item_is_done_by_one_holder_whatever_happens(
    project: Project, number: int
) -> None:
    seed = int(os.environ.get("KNHK_TEST_SEED", random.randrange(2**32)))
    print(f"KNHK_TEST_SEED={seed}")
    walk = Walk(project, random.Random(f"{seed}/{number}"))

    await walk.run(str(project.write(SOURCE)))

    for case in walk.cases:
        rows = walk.journal.inputs(case)
        assert 5 == sum(row.kind == 2 for row in rows), "five items are done once each"
    assert 5 * len(walk.cases) >= len(walk.done)
