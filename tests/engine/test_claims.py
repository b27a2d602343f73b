"""Work from outside: claimed under a lease, kept up, done by whoever holds it, offered anew."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from knhk.engine import Claim, Engine, Limits, WorkOffer
from knhk.errors import CaseEnded, ClaimLost, NotOffered, ResultError, UsageError
from knhk.journal import Commit, Journal, MemoryJournal
from knhk.model import CaseStatus, ItemState
from knhk.testing import VirtualClock
from tests.engine.conftest import Project
from tests.engine.stores import CrashingAtCommit

pytestmark = pytest.mark.anyio

SOON_S = 0.02
DAY_S = 86_400
SOURCE = """
    workflow order(n: int) -> json
        task approve
            priority {priority}
        task ship = human(role: "packer", parcel: "parcel {{n}}")
            timeout 2d
        task last
        flow
            start -> approve -> ship -> last -> end
        return approve
    workflow choice(n: int)
        task yes = human("boss")
        task no = human("boss")
        flow
            start -> pick(yes, no) -> end
    workflow parts(n: int)
        task part = order(n)
        flow
            start -> part -> end
    workflow tries(n: int)
        task t = human()
            retry 1 every 1m
            timeout 1h
        flow
            start -> t -> end
"""


class Place:
    """A store that may be opened again and again, with one clock."""

    def __init__(self, project: Project, store: str | Path | Journal) -> None:
        self.store = store
        self.source = project.write(SOURCE.format(priority=0))
        self.clock = VirtualClock(autofire=False)
        self.project = project

    @asynccontextmanager
    async def open(
        self, *, park_after_s: float = 3_600, reading: bool = False
    ) -> AsyncIterator[Engine]:
        opening = Engine.open(
            self.store, clock=self.clock, park_after_s=park_after_s, reading=reading
        )
        async with opening as engine:
            if not reading:
                await engine.deploy(self.source)
            yield engine


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def place(request: pytest.FixtureRequest, project: Project) -> Place:
    if request.param == "memory":
        return Place(project, MemoryJournal())
    if request.param == "sqlite":
        return Place(project, project.store)
    return Place(project, request.getfixturevalue("postgres"))


@pytest.fixture
def here(project: Project) -> Place:
    """A store in memory, where it does not matter which it is."""
    return Place(project, MemoryJournal())


async def kinds(engine: Engine, case: str) -> list[str]:
    return [step.kind for step in (await engine.show(case)).history]


async def sound(engine: Engine) -> bool:
    """Whether all that is stored fits together."""
    rows = await engine.cases()
    return not [fault for row in rows for fault in await engine.verify(row.id)]


async def until_parked(engine: Engine, case: str) -> None:
    assert engine._running is not None
    with anyio.fail_after(10):
        while case in engine._running.live:  # noqa: ASYNC110  it leaves without a word
            await anyio.sleep(SOON_S / 2)


def seen(offers: tuple[WorkOffer, ...]) -> list[tuple[str, str, str, int]]:
    return [(each.case, each.task, str(each.state), each.attempt) for each in offers]


# Holding


async def test_only_who_holds_work_may_complete_it(place: Place) -> None:
    async with place.open() as engine:
        await engine.start("order", case_id="c", tenant="acme", n=7)
        claim = await engine.claim("c", "approve", worker="ann", lease_s=60)
        ends_us = place.clock.now_us() + 60_000_000
        assert Claim("c", "order", "approve", 1, 1, "ann", ends_us, tenant="acme") == claim
        assert "c:1:1" == claim.idempotency_key
        (offer,) = await engine.work()
        assert (ItemState.started, True, "ann", ends_us) == (
            offer.state,
            offer.is_held,
            offer.worker,
            offer.until_us,
        )

        for refused in (
            engine.claim("c", "approve", worker="bob"),
            engine.claim("c", 1),
            engine.complete("c", "approve", 5),
            engine.complete("c", 1, 5),
            engine.fail("c", "approve", "Broken"),
        ):
            with pytest.raises(NotOffered, match="held by 'ann' until 20"):
                await refused
        assert None is await engine.claim_next(worker="bob")
        with pytest.raises(ResultError, match="approve"):
            await engine.complete(claim, object())
        await engine.complete(claim, 5)

        ship = await engine.claim("c", "ship", worker="bob", lease_s=None)
        assert (-1, (("parcel", "parcel 7"), ("role", "packer"))) == (ship.until_us, ship.kwargs)
        await engine.complete("c", "ship", None, attempt=1)
        await engine.complete("c", "last")
        assert 5 == await (await engine.case("c")).result()
        assert () == await engine.work()
        assert await sound(engine)


async def test_a_lease_that_runs_out_offers_the_work_anew(place: Place) -> None:
    async with place.open() as engine:
        await engine.start("order", case_id="c", n=1)
        late = await engine.claim("c", "approve", worker="ann", lease_s=60)
        since_us = (await engine.work())[0].since_us
        await place.clock.advance(59)
        assert [("c", "approve", "started", 1)] == seen(await engine.work())
        await place.clock.advance(1)
        (offer,) = await engine.work()
        assert [("c", "approve", "offered", 2)] == seen((offer,))
        assert (False, "", since_us) == (offer.is_held, offer.worker, offer.since_us)

        anew = await engine.claim("c", "approve", worker="bob")
        assert ("c:1:2", 2) == (anew.idempotency_key, anew.attempt)
        with pytest.raises(ClaimLost, match=r"attempt 1 at work item 1 .* as attempt 2"):
            await engine.complete(late, 1)
        with pytest.raises(ClaimLost):
            await engine.fail(late, "Broken", "too late")
        for lost in (engine.heartbeat(late), engine.release(late)):
            with pytest.raises(ClaimLost, match="claim it anew"):
                await lost
        assert [("c", "approve", "started", 2)] == seen(await engine.work(worker="bob"))
        await engine.complete(anew, 2)

        expected = ["create", "start", "release", "start", "late", "late", "complete", "start"]
        assert expected == await kinds(engine, "c")
        history = (await engine.show("c")).history
        assert (1, "Broken") == (history[4].value, history[5].error)
        assert await sound(engine)


async def test_a_heartbeat_prolongs_a_claim(place: Place) -> None:
    async with place.open() as engine:
        await engine.start("order", case_id="c", n=1)
        claim = await engine.claim("c", "approve", worker="ann", lease_s=60)
        for _ in range(3):
            await place.clock.advance(50)
            claim = await engine.heartbeat(claim, lease_s=60)
        assert place.clock.now_us() + 60_000_000 == claim.until_us
        assert [claim.until_us] == [each.until_us for each in await engine.work()]
        claim = await engine.heartbeat("c", "approve", attempt=1, lease_s=None)
        await place.clock.advance(30 * DAY_S)
        assert -1 == claim.until_us
        await engine.complete(claim, 3)
        assert ["create", "start", "complete", "start"] == await kinds(engine, "c")


async def test_work_that_was_handed_out_is_claimed_and_handed_out_anew(place: Place) -> None:
    async with place.open() as engine:
        await engine.start("order", case_id="c", n=1)
        await engine.complete("c", "approve", 1)
        (offer,) = await engine.work()
        due_us = place.clock.now_us() + 2 * DAY_S * 1_000_000
        assert (ItemState.started, False, due_us) == (offer.state, offer.is_held, offer.due_us)
        await engine.claim("c", "ship", worker="ann", lease_s=60)
        await place.clock.advance(60)
        (offer,) = await engine.work()
        assert (ItemState.started, False, 2) == (offer.state, offer.is_held, offer.attempt)
        assert due_us + 60_000_000 == offer.due_us
        with pytest.raises(ClaimLost):
            await engine.complete("c", 2, None, attempt=1)
        await engine.complete("c", "ship")
        assert await sound(engine)


async def test_a_claim_outlives_the_engine_and_ends_while_nobody_runs(place: Place) -> None:
    async with place.open() as engine:
        await engine.start("order", case_id="a", n=1)
        await engine.start("order", case_id="b", n=1)
        first = await engine.claim("a", "approve", lease_s=3_600)
        await engine.claim("b", "approve", lease_s=60)
    await place.clock.advance(100)

    async with place.open() as engine:
        await place.clock.advance(0)
        assert {("a", "approve", "started", 1), ("b", "approve", "offered", 2)} == set(
            seen(await engine.work())
        )
        with pytest.raises(NotOffered, match="is held until"):
            await engine.complete("a", "approve", 1)
        await engine.complete(first, 1)
        assert await sound(engine)


async def test_what_is_withdrawn_is_nobodys_any_more(here: Place) -> None:
    async with here.open() as engine:
        await engine.start("choice", case_id="c", n=1)
        claim = await engine.claim("c", "yes")
        assert [("c", "yes", "started", 1)] == seen(await engine.work())
        await engine.cancel("c")
        assert () == await engine.work()
        with pytest.raises(CaseEnded):
            await engine.heartbeat(claim)
        await engine.start("order", case_id="d", n=1)
        claim = await engine.claim("d", "approve")
        await engine.skip("d", "approve", 4)
        with pytest.raises(ClaimLost, match="it is completed"):
            await engine.heartbeat(claim)
        assert await sound(engine)


async def test_what_comes_after_the_end_of_a_case_is_recorded(place: Place) -> None:
    async with place.open(park_after_s=SOON_S) as engine:
        await engine.start("choice", case_id="c", n=1)
        late = await engine.claim("c", "yes", lease_s=60)
        await place.clock.advance(60)
        await engine.complete("c", "yes")
        await (await engine.case("c")).result()
        with pytest.raises(ClaimLost, match="it is completed"):
            await engine.complete(late, "late")

        expected = ["create", "start", "release", "start", "complete", "late"]
        assert expected == await kinds(engine, "c")
        assert "late" == (await engine.show("c")).history[-1].value
        assert CaseStatus.completed is (await engine.case("c")).status
        assert engine._running is not None
        assert {} == engine._running.live
        assert await sound(engine)


async def test_an_attempt_that_times_out_takes_its_claim_along(here: Place) -> None:
    async with here.open() as engine:
        await engine.start("tries", case_id="c", n=1)
        claim = await engine.claim("c", "t", lease_s=None)
        await here.clock.advance(3_600)
        assert () == await engine.work()
        with pytest.raises(ClaimLost, match="it is waiting"):
            await engine.complete(claim)
        await here.clock.advance(60)
        assert [("c", "t", "started", 2)] == seen(await engine.work(held=False))
        claim = await engine.claim("c", "t")
        await engine.fail(claim, "Broken", "again")
        assert CaseStatus.failed is (await engine.case("c")).status
        assert () == await engine.work()
        assert await sound(engine)


async def test_held_work_is_given_back_by_its_holder_or_by_force(here: Place) -> None:
    async with here.open() as engine:
        await engine.start("order", case_id="c", n=1)
        claim = await engine.claim("c", "approve")
        await engine.release(claim)
        assert [("c", "approve", "offered", 2)] == seen(await engine.work())
        claim = await engine.claim("c", "approve")
        await engine.release("c", "approve")
        with pytest.raises(ClaimLost):
            await engine.release(claim)
        with pytest.raises(NotOffered, match="no work item of it is at attempt 2"):
            await engine.release("c", "approve", attempt=2)


async def test_a_case_that_stands_still_gives_nothing_out_and_keeps_what_is_held(
    here: Place,
) -> None:
    async with here.open() as engine:
        for case in ("held", "open", "late"):
            await engine.start("order", case_id=case, n=1)
            await engine.complete(case, "approve", 1)
        held = await engine.claim("held", "ship", lease_s=None)
        await engine.claim("late", "ship", lease_s=60)
        for case in ("held", "open", "late"):
            await engine.suspend(case)
        assert {"held", "late"} == {each.case for each in await engine.work()}
        with pytest.raises(NotOffered, match="the case is suspended"):
            await engine.claim("open", "ship")
        await here.clock.advance(60)
        assert ["held"] == [each.case for each in await engine.work()]
        await engine.complete(held)
        for case in ("held", "open", "late"):
            await engine.resume_case(case)
        expected = {("held", "last", "offered", 1), ("open", "ship", "started", 1)}
        assert {*expected, ("late", "ship", "started", 2)} == set(seen(await engine.work()))
        assert await sound(engine)


# The next


async def test_the_next_is_what_is_most_urgent_then_oldest(place: Place) -> None:
    async with place.open() as engine:
        for case in ("a", "b"):
            await engine.start("order", case_id=case, tenant="acme", n=1)
            await place.clock.advance(1)
        place.project.write(SOURCE.format(priority=5))
        await engine.deploy(place.source)
        await engine.start("order", case_id="urgent", n=1)
        await engine.complete("a", "approve", 1)

        first = await engine.claim_next(worker="ann")
        assert first is not None
        assert ("urgent", "approve", "ann") == (first.case, first.task, first.worker)
        second = await engine.claim_next(role="packer", tenant="acme", worker="ann")
        assert second is not None
        assert ("a", "ship") == (second.case, second.task)
        assert None is await engine.claim_next(task="ship")
        assert None is await engine.claim_next(workflow="parts")
        third = await engine.claim_next(task="approve", workflow="order", tenant="acme")
        assert third is not None
        assert "b" == third.case
        assert None is await engine.claim_next()
        assert {"urgent", "a"} == {each.case for each in await engine.work(worker="ann")}


async def test_of_many_who_ask_at_once_each_gets_something_else(place: Place) -> None:
    found: list[Claim | None] = []
    async with place.open(park_after_s=SOON_S) as engine:
        cases = [f"c{number:02}" for number in range(30)]
        for case in cases:
            await engine.start("order", case_id=case, n=1)

        async def ask() -> None:
            found.append(await engine.claim_next(task="approve"))

        async with anyio.create_task_group() as group:
            for _ in range(40):
                group.start_soon(ask)
        claims = [claim for claim in found if claim is not None]
        assert cases == sorted(claim.case for claim in claims)
        assert None is await engine.claim_next()
        async with anyio.create_task_group() as group:
            for claim in claims:
                group.start_soon(engine.complete, claim, 1)
        assert 30 == len(await engine.work(task="ship", held=False))


# Parking


async def test_a_case_with_work_for_somebody_outside_leaves_memory(place: Place) -> None:
    async with place.open(park_after_s=SOON_S) as engine:
        await engine.start("order", case_id="c", n=3)
        await engine.start("parts", case_id="p", n=4)
        for case in ("c", "p", "p/part-1.1"):
            await until_parked(engine, case)
        offers = await engine.work()
        assert {"c", "p/part-1.1"} == {offer.case for offer in offers}
        claim = await engine.claim("c", "approve", lease_s=60)
        await until_parked(engine, "c")
        assert await sound(engine)
        with pytest.raises(NotOffered, match="is held"):
            await engine.complete("c", "approve", 1)
        await engine.complete(claim, 1)
        claim = await engine.claim("c", "ship", lease_s=60)
        await until_parked(engine, "c")
        assert await sound(engine)
        await place.clock.advance(60)
        await until_parked(engine, "c")
        assert [("c", "ship", "started", 2)] == seen(await engine.work("c"))
        await place.clock.advance(2 * DAY_S)
        with pytest.raises(ClaimLost):
            await engine.complete(claim)
        assert CaseStatus.failed is (await engine.case("c")).status
        await engine.complete("p/part-1.1", "approve", 9)
        assert await sound(engine)


async def test_a_parked_sub_case_that_nobody_wants_is_cancelled_though_the_engine_dies(
    project: Project,
) -> None:
    part = "p/part-1.1"
    journal = CrashingAtCommit(1_000)
    place = Place(project, journal)
    async with place.open(park_after_s=SOON_S) as engine:
        await engine.start("parts", case_id="p", n=1)
        for case in (part, "p"):
            await until_parked(engine, case)

    def is_fatal(commit: Commit) -> bool:
        return commit.case == part and bool(commit.inputs)

    place.store = journal = journal.survivor(CrashingAtCommit(1_000, is_fatal))
    async with place.open() as engine:
        await engine.cancel("p")
        while not journal.crashed:  # noqa: ASYNC110  it dies without a word
            await anyio.sleep(SOON_S / 2)
    place.store = journal.survivor(CrashingAtCommit(1_000))
    async with place.open() as engine:
        await place.clock.settle()
        (row,) = await engine.cases(parent="p")
        assert CaseStatus.cancelled is row.status
        assert () == await engine.work()


async def test_a_parked_case_is_taken_up_from_its_snapshot_though_work_was_handed_out(
    here: Place,
) -> None:
    async with here.open(park_after_s=SOON_S) as engine:
        await engine.start("order", case_id="c", n=3)
        await engine.complete("c", "approve", 1)
        await until_parked(engine, "c")
        assert isinstance(here.store, MemoryJournal)
        here.store._inputs["c"][1] = here.store._inputs["c"][1]._replace(kind=99)  # not looked at
        await engine.complete("c", "ship")
        assert ["last"] == [offer.task for offer in await engine.work()]


async def test_parked_work_is_there_after_a_restart(place: Place) -> None:
    async with place.open(park_after_s=SOON_S) as engine:
        for case in ("a", "b"):
            await engine.start("order", case_id=case, n=3)
        claim = await engine.claim("a", "approve", lease_s=60)
        for case in ("a", "b"):
            await until_parked(engine, case)

    async with place.open(reading=True) as engine:
        assert {("a", True), ("b", False)} == {
            (offer.case, offer.is_held) for offer in await engine.work()
        }
        with pytest.raises(UsageError, match="needs an engine that runs"):
            await engine.claim("b", "approve")
    async with place.open() as engine:
        assert engine._running is not None
        assert {} == engine._running.live
        await place.clock.advance(61)
        with pytest.raises(ClaimLost):
            await engine.complete(claim, 1)
        claims = [await engine.claim_next(), await engine.claim_next()]
        assert {("a", 2), ("b", 1)} == {(one.case, one.attempt) for one in claims if one}
        assert await sound(engine)


# The store


async def test_work_is_told_in_pages_and_by_what_it_is(place: Place) -> None:
    async with place.open() as engine:
        for number in range(5):
            await engine.start("order", case_id=f"c{number}", tenant="acme", n=number)
        await engine.start("choice", case_id="d", n=1)
        await place.clock.advance(1)
        await engine.complete("c3", "approve", 1)
        pages: list[WorkOffer] = []
        while page := await engine.work(
            workflow="order", after=pages[-1] if pages else None, limit=2
        ):
            assert 2 >= len(page)
            pages.extend(page)
        assert ["c0", "c1", "c2", "c4", "c3"] == [offer.case for offer in pages]
        assert ["c3"] == [offer.case for offer in await engine.work(role="packer")]
        boss = await engine.work(role="boss", workflow="choice")
        assert [("yes", ("boss",)), ("no", ("boss",))] == [(each.task, each.args) for each in boss]
        assert 5 == len(await engine.work(tenant="acme"))
        assert 1 == len(await engine.work("c0", task="approve"))


async def test_what_a_workflow_gives_along_may_be_large(project: Project) -> None:
    source = """
        workflow w(text: str)
            task read = human(text: text)
            flow
                start -> read -> end
    """
    text = "long " * 100
    async with Engine.open(project.store, limits=Limits(inline_bytes_max=100)) as engine:
        await engine.deploy(project.write(source))
        await engine.start("w", case_id="c", text=text)
        (offer,) = await engine.work()
        assert (("text", text),) == offer.kwargs
        claim = await engine.claim_next()
        assert claim is not None
        assert offer.kwargs == claim.kwargs
        assert await sound(engine)


async def test_work_that_is_missing_in_a_store_is_made_good(place: Place, project: Project) -> None:
    async with place.open() as engine:
        await engine.start("order", case_id="c", n=1)
        await engine.claim("c", "approve", worker="ann")
        fork = await engine.fork("c", at=1, new_id="d")
        assert CaseStatus.running is fork.status
        (offer,) = await engine.work("d")
        assert (ItemState.started, False) == (offer.state, offer.is_held)
        assert await sound(engine)
    if place.store != project.store:
        return
    import apsw

    connection = apsw.Connection(str(project.store))
    connection.execute("DELETE FROM offers")
    connection.close()
    async with place.open() as engine:
        await anyio.wait_all_tasks_blocked()
        await engine.suspend("d")  # what was to be made good is written by then
        assert [("c", "ann")] == [(each.case, each.worker) for each in await engine.work()]


@pytest.mark.parametrize("lease_s", [0, -1, float("nan"), float("inf"), True, 1e12])
async def test_a_lease_that_cannot_be_is_refused(here: Place, lease_s: float) -> None:
    async with here.open() as engine:
        await engine.start("order", case_id="c", n=1)
        with pytest.raises(UsageError, match="lease_s is a number of seconds above 0"):
            await engine.claim("c", "approve", lease_s=lease_s)
        with pytest.raises(UsageError, match="lease_s"):
            await engine.claim_next(lease_s=lease_s)
        with pytest.raises(UsageError, match="a worker is named by"):
            await engine.claim_next(worker="a\nb")
        with pytest.raises(UsageError, match="name a task of case 'c'"):
            await engine.complete("c", None)  # type: ignore[call-overload]
        assert ["create"] == await kinds(engine, "c")
