"""Turns are fair between tenants, go by priority within each, and are no one's for ever."""

from __future__ import annotations

import random
from collections import Counter

import anyio
import pytest

from knhk.engine import Concurrency, Engine
from knhk.engine.fairness import OLDEST_EVERY, TENANTS_MAX, Ages, FairQueue, Line, line_of
from knhk.engine.workers import Workers
from knhk.errors import UsageError
from tests.engine.conftest import Project

pytestmark = pytest.mark.anyio

#: Pieces of work that wait at the same time.
WAITING = 100

A, B, C = Line("a"), Line("b"), Line("c")


def drained(queue: FairQueue[str]) -> list[str]:
    return [queue.take() for _ in range(len(queue))]


def filled(*jobs: tuple[Line, str], weights: dict[str, int] | None = None) -> FairQueue[str]:
    queue: FairQueue[str] = FairQueue(Ages(weights))
    for line, job in jobs:
        queue.put(line, job)
    return queue


def test_one_line_is_first_come_first_served() -> None:
    queue = filled(*((A, f"a{number}") for number in range(50)))

    assert [f"a{number}" for number in range(50)] == drained(queue)


def test_tenants_take_turns_however_much_each_has_waiting() -> None:
    queue = filled(*((A, f"a{number}") for number in range(6)))
    for number in range(2):
        queue.put(B, f"b{number}")
        queue.put(C, f"c{number}")

    taken = drained(queue)

    assert [{"a", "b", "c"}] * 2 == [{job[0] for job in taken[at : at + 3]} for at in (0, 3)]
    assert ["a2", "a3", "a4", "a5"] == taken[6:]


def test_who_comes_late_is_next_after_one_round_and_not_owed_what_it_missed() -> None:
    queue = filled(*((A, f"a{number}") for number in range(1_000)))
    for _ in range(500):
        queue.take()

    for number in range(100):
        queue.put(B, f"b{number}")

    assert "b" in {queue.take()[0] for _ in range(2)}
    assert 50 == sum(queue.take()[0] == "b" for _ in range(100))


def test_a_larger_weight_gets_a_larger_share() -> None:
    weights = {"a": 3, "*": 1}
    jobs = [(line, f"{line.tenant}{number}") for line in (A, B, C) for number in range(200)]
    queue = filled(*jobs, weights=weights)

    shares = Counter(queue.take()[0] for _ in range(100))

    assert (60, 20, 20) == tuple(shares[tenant] for tenant in "abc")


def test_within_a_tenant_the_larger_priority_goes_first_then_the_older() -> None:
    queue = filled(
        (Line("a", -1), "low"), (A, "old"), (Line("a", 5), "high"), (A, "new"), (B, "other")
    )

    taken = drained(queue)

    assert ["high", "old", "new", "low"] == [job for job in taken if job != "other"]
    assert taken.index("other") < 2


def test_a_small_priority_does_not_wait_for_ever() -> None:
    queue = filled((A, "low"))
    waited = 0
    while True:
        queue.put(Line("a", 9), "high")
        queue.put(Line("a", 9), "high again")
        waited += 1
        if queue.take() == "low":
            break

    assert OLDEST_EVERY == waited


def test_what_is_discarded_is_not_taken_and_its_tenant_may_come_again() -> None:
    queue = filled((A, "a1"), (B, "b1"), (A, "a2"))
    queue.discard(A, "a1")
    queue.discard(B, "b1")
    queue.discard(B, "b1")
    queue.discard(C, "c1")
    for _ in range(1_000):
        queue.put(B, "b2")
        queue.discard(B, "b2")
    queue.put(B, "b3")

    assert 2 == len(queue)
    assert {"a2", "b3"} == set(drained(queue))
    assert None is queue.rank()
    assert 2 >= len(queue._order)


def test_a_tenant_that_may_not_stands_aside_until_it_is_brought_back() -> None:
    barred = {"a"}
    queue: FairQueue[str] = FairQueue(Ages(), lambda tenant: tenant not in barred)
    for line, job in ((A, "a1"), (B, "b1"), (A, "a2")):
        queue.put(line, job)

    assert "b1" == queue.take()
    assert None is queue.rank()
    barred.clear()
    assert None is queue.rank()
    queue.bring_back("a")
    assert ["a1", "a2"] == drained(queue)


def test_queues_with_common_ages_share_one_turn() -> None:
    ages = Ages()
    one: FairQueue[str] = FairQueue(ages)
    two: FairQueue[str] = FairQueue(ages)
    for number in range(4):
        one.put(A, f"a{number}")
        two.put(A, f"A{number}")
        two.put(B, f"B{number}")

    taken = []
    while one or two:
        ranks = [(queue.rank(), queue) for queue in (one, two) if queue]
        taken.append(min(ranks, key=lambda pair: pair[0] or ())[1].take())

    assert 4 == sum(job[0] == "B" for job in taken[:8])


def test_ages_of_tenants_that_are_owed_nothing_are_forgotten() -> None:
    ages = Ages()
    queue: FairQueue[int] = FairQueue(ages)
    for number in range(20 * TENANTS_MAX):
        queue.put(Line(f"t{number}"), number)
        queue.take()

    assert len(ages._ages) <= 2 * TENANTS_MAX


@pytest.mark.parametrize("seed", range(20))
def test_any_order_of_events_loses_nothing_and_gives_each_its_share(seed: int) -> None:
    chance = random.Random(seed)
    queue: FairQueue[int] = FairQueue(Ages({"a": 2}))
    waiting: dict[int, Line] = {}
    for number in range(2_000):
        line = Line(chance.choice("aaaaabc"), chance.choice([0, 0, 1]))
        choice = chance.random()
        if choice < 0.5:
            queue.put(line, number)
            waiting[number] = line
        elif choice < 0.6 and waiting:
            gone = chance.choice(list(waiting))
            queue.discard(waiting.pop(gone), gone)
        elif waiting:
            line = waiting.pop(queue.take())
        assert len(waiting) == len(queue) == sum(queue.counts().values())

    assert set(waiting) == {queue.take() for _ in range(len(queue))}


@pytest.mark.parametrize("number", [0, -1, True, 1.5])
async def test_threads_need_a_number(number: int) -> None:
    with pytest.raises(UsageError, match="threads_max is a number from 1"):
        async with Engine.open(threads_max=number):
            pass


class Piece:
    """A piece of work of a tenant."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.scope: anyio.CancelScope | None = None


async def test_a_tenant_with_much_ready_work_does_not_hold_up_another() -> None:
    done: list[str] = []

    def perform(piece: Piece) -> None:
        done.append(piece.line.tenant)

    async with anyio.create_task_group() as group:
        workers = Workers(perform, group, WAITING, Ages())
        for _ in range(100_000):
            workers.put(Piece(line_of("big", 0)))
        workers.put(Piece(line_of("small", 0)))
        while len(done) < 100_001:
            await anyio.lowlevel.checkpoint()
        workers.put(Piece(line_of("late", 7)))
        while "late" not in done:
            await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()

    assert 1 >= done.index("small")
    assert 100_002 == len(done)


async def test_when_all_workers_wait_the_next_free_one_goes_to_who_is_next() -> None:
    begun: list[str] = []
    let_go = [anyio.Event() for _ in range(WAITING)]

    async def perform(piece: Piece) -> None:
        begun.append(piece.line.tenant)
        if len(begun) <= WAITING:
            await let_go[len(begun) - 1].wait()

    async with anyio.create_task_group() as group:
        workers = Workers(perform, group, WAITING, Ages())
        for _ in range(2 * WAITING):
            workers.put(Piece(line_of("big", 0)))
        while len(begun) < WAITING:
            await anyio.lowlevel.checkpoint()
        workers.put(Piece(line_of("small", 0)))
        let_go[0].set()
        while "small" not in begun:
            await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()

    assert "small" in begun[WAITING : WAITING + 2]


THREADED = """
    from handlers use take
    workflow many(name: str, n: int)
        task t = take(name)
            times n
        flow
            start -> t -> end
"""
TAKE = """
    def take(name: str):
        calls.append(name)
"""


async def test_a_tenant_with_many_plain_calls_does_not_hold_up_another(project: Project) -> None:
    path = project.write(THREADED, TAKE)

    async with Engine.open(
        clock=project.clock, threads_max=1, concurrency=Concurrency(weights={"small": 2})
    ) as engine:
        await engine.deploy(path)
        await engine.suspend((await engine.start("many", case_id="x", name="x", n=1)).id)
        project.calls.clear()
        big = await engine.start("many", name="big", n=400, tenant="big")
        small = await engine.start("many", name="small", n=1, tenant="small")
        await small.result()
        before = len(project.calls)
        await big.result()

    # Of those that are ready at the same time; the first may have begun before there was another.
    assert before < 200
    assert 401 == len(project.calls)
