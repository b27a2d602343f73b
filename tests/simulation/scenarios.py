"""Scenarios: a case or some of each workflow, and users who do all that can be done to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from knhk.errors import KnhkError, UsageError
from knhk.journal import UNFINISHED, CaseRow
from knhk.module import Module, load
from knhk.testing.simulation import Client, Report, Scenario, simulate

HERE = Path(__file__).parent / "workflows"
PEOPLE = ["ann", "bob", "cy", "dee"]

#: The parameters of a case of each workflow.
WORKFLOWS: Mapping[str, Callable[[Random], dict[str, Any]]] = {
    "approval": lambda random: {"id": "A"},
    "choices": lambda random: {"n": random.randrange(5)},
    "desk": lambda random: {"id": "D", "people": random.sample(PEOPLE, random.randint(1, 4))},
    "guests": lambda random: {"people": random.sample(PEOPLE, random.randint(1, 4))},
    "hasty": lambda random: {"id": "H"},
    "lab": lambda random: {"id": "L"},
    "order": lambda random: {"id": "O", "items": random.sample(PEOPLE, random.randint(0, 4))},
    "parts": lambda random: {"id": "P", "items": random.sample(PEOPLE, random.randint(0, 3))},
    "payment": lambda random: {"id": "M"},
    "quorum": lambda random: {"people": random.sample(PEOPLE, random.randint(1, 4))},
    "race": lambda random: {"id": "R"},
    "rounds": lambda random: {"goal": random.choice([3, 10, 30, 110])},
    "stopper": lambda random: {"id": "S"},
}
#: Things that a user does at most before the end is waited for.
DEEDS_MAX = 8
#: How often it is looked after cases that wait for somebody.
VISITS_MAX = 8


@cache
def module(name: str) -> Module:
    """The module of a workflow; loading takes longer than a run does."""
    return load(HERE / f"{name}.knhk")


def play(seed: int, name: str = "", **options: Any) -> Report:
    """Simulate one of the workflows, or that one."""
    name = name or sorted(WORKFLOWS)[seed % len(WORKFLOWS)]
    return simulate(seed, module(name), scenario(name), **options)


def scenario(name: str) -> Scenario:
    """Cases of that workflow, and what users do to them."""

    async def played(client: Client) -> None:
        random = client.random
        tasks = sorted({node.name for node in module(name)[name].net.nodes if node.task})
        cases = [
            await client.start(name, **WORKFLOWS[name](random)) for _ in range(random.randint(1, 3))
        ]
        for _ in range(random.randrange(DEEDS_MAX)):
            await client.sleep(random.expovariate(1 / random.choice([0.01, 1.0, 20.0])))
            with suppress(UsageError):  # it was too late for that, or too early
                await do_something(client, random, random.choice(cases), tasks)
        await come_to_the_end(client, cases)

    return played


async def do_something(client: Client, random: Random, case: str, tasks: list[str]) -> None:
    """One of the things that a user can do to a case, or to its work."""
    deed = random.randrange(16)
    task = random.choice(tasks)
    if deed <= 2:
        await do_work(client, random, case)
    elif deed == 3:
        await client.send(case, random.choice(["payment", "alarm"]), {"n": 1}, key="M")
    elif deed == 4:
        await client.signal(case, "recall")
    elif deed == 5:
        await client.suspend(case)
    elif deed in (6, 7):
        await client.resume_case(case)
    elif deed == 8:
        await client.retry(case)
    elif deed == 9:
        await client.skip(case, task)
    elif deed == 10:
        await client.release(case, task)
    elif deed == 11:
        await client.withdraw(case, task)
    elif deed in (12, 13):
        await work_off(client, random)
    elif deed == 14:
        await client.cancel(case, compensate=random.random() < 0.5)
    else:
        await client.ask(lambda engine: engine.add_instance(case, task, "eve"), "add an instance")


async def do_work(client: Client, random: Random, case: str) -> None:
    """Work of somebody outside, some of which fails."""
    if random.random() < 0.5:
        await work_off(client, random)
        return
    offers = [offer for offer in await client.work() if offer.case.startswith(case)]
    if offers:
        offer = random.choice(offers)
        if random.random() < 0.2:
            await client.fail(offer.case, offer.item, "Unwilling", "not today")
        else:
            await client.complete(offer.case, offer.item)


async def work_off(client: Client, random: Random) -> None:
    """A worker takes the next, and may forget it, be slow, or fail."""
    worker = random.choice(PEOPLE)
    claim = await client.claim_next(worker=worker, lease_s=random.choice([5.0, 60.0, 300.0]))
    if claim is None or random.random() < 0.2:
        return
    if random.random() < 0.3:
        await client.heartbeat(claim, lease_s=60.0)
    await client.sleep(random.expovariate(1 / random.choice([0.1, 5.0, 100.0])))
    meant, attempt = (claim.case, claim.item), claim.attempt
    deed = random.randrange(6)
    if deed == 0:
        await client.release(*meant, attempt=attempt)
    elif deed == 1:
        await client.fail(*meant, "Unwilling", "not today", attempt=attempt)
    else:
        await client.complete(*meant, worker, attempt=attempt)


async def come_to_the_end(client: Client, cases: list[str]) -> None:
    """See to it that the cases may end: whoever is waited for comes, again and again."""
    for _ in range(VISITS_MAX):
        rows = [row for row in await client.cases() if not row.parent and row.id in cases]
        open_ones = [row for row in rows if row.status in UNFINISHED]
        if not open_ones:
            return
        for row in open_ones:
            with suppress(KnhkError):  # it has ended meanwhile
                await look_after(client, row)
        await client.sleep(120)


async def look_after(client: Client, row: CaseRow) -> None:
    """Do what a case waits for."""
    if row.status.value == "suspended":
        await client.resume_case(row.id)
    for offer in await client.work():
        if offer.case.startswith(row.id) and not offer.is_held:
            await client.complete(offer.case, offer.item)
    await client.send(row.id, "payment", {"n": 2}, key="M")
