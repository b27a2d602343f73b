"""Following a case: until its end, or until all that is left is work for outside."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import anyio
import pytest

from knhk.cli import exits
from knhk.cli.following import Relay, Standing, account, follow
from knhk.engine import Engine, EventWait, Waits
from knhk.errors import CaseFailed, KnhkError, StoreFull
from knhk.model import CaseStatus, ItemState
from knhk.module import load


class Stage:
    """A stand-in for an engine with one case, whose open items and end the test decides."""

    def __init__(self) -> None:
        self.id = "A1"
        self.status = CaseStatus.running
        self.items: dict[int, tuple[str, ItemState, bool]] = {}
        self.end = anyio.Event()
        self.error: KnhkError | None = None
        self.looks = 0

    async def result(self) -> object:
        await self.end.wait()
        if self.error is not None:
            raise self.error
        return None

    async def waits(self, case: str) -> Waits | None:
        self.looks += 1
        if not all(outside for _, _, outside in self.items.values()):
            return None
        return Waits(
            tuple(
                SimpleNamespace(case=case, item=number, task=task)  # type: ignore[misc]
                for number, (task, _, _) in self.items.items()
            )
        )


async def followed(stage: Stage, *then: Callable[[], object]) -> Standing:
    """Follow the stage's case, and do one thing after another while it is looked at."""
    relay = Relay(lambda event: None)
    found: list[Standing] = []

    async def run() -> None:
        found.append(await follow(stage, stage, relay))  # type: ignore[arg-type]

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(run)
            for act in then:
                looks = stage.looks
                while stage.looks == looks:
                    await anyio.lowlevel.checkpoint()
                    relay(SimpleNamespace(what=""))  # type: ignore[arg-type]
                act()
                relay(SimpleNamespace(what=""))  # type: ignore[arg-type]
    return found[0]


@pytest.mark.anyio
async def test_a_case_that_ends_is_done() -> None:
    stage = Stage()

    assert Standing("A1") == await followed(stage, stage.end.set)


@pytest.mark.anyio
async def test_a_case_that_fails_gives_its_error() -> None:
    stage = Stage()
    stage.error = CaseFailed("A1", "charge", "Declined", "no money")

    assert stage.error is (await followed(stage, stage.end.set)).error


@pytest.mark.anyio
async def test_outside_work_beside_work_of_the_engine_is_not_all_there_is() -> None:
    stage = Stage()
    stage.items = {
        1: ("approve", ItemState.offered, True),
        2: ("charge", ItemState.started, False),
    }

    standing = await followed(stage, lambda: None, lambda: stage.items.pop(2))

    assert standing.waits is not None
    assert ["approve"] == [offer.task for offer in standing.waits.work]


@pytest.mark.anyio
async def test_a_back_off_beside_outside_work_is_waited_for() -> None:
    stage = Stage()
    stage.items = {
        1: ("approve", ItemState.started, True),
        2: ("charge", ItemState.waiting, False),
    }

    standing = await followed(stage, lambda: None, stage.end.set)

    assert None is standing.waits


@pytest.mark.anyio
async def test_a_suspended_case_is_left() -> None:
    stage = Stage()
    stage.status = CaseStatus.suspended

    assert (await followed(stage)).suspended


def test_a_failed_case_gives_one_and_its_reason() -> None:
    error = CaseFailed("A1", "charge", "Declined", "no money")

    assert (exits.FAILED, [f"knhk: {error}"]) == account(Standing("A1", error), "knhk.db")


def test_what_is_no_outcome_of_the_case_is_raised() -> None:
    with pytest.raises(StoreFull):
        account(Standing("A1", StoreFull("the disk is full")), "knhk.db")


def test_what_is_to_be_sent_to_a_case_or_its_sub_cases_is_told() -> None:
    waits = Waits(
        events=(
            EventWait("A1", "order", "paid", 3, "message payment", "a b"),
            EventWait("A1", "order", "more", 3, "message payment", 7),
            EventWait("A1/part-4.1", "part", "go", 1, "signal go"),
        )
    )

    assert (
        exits.WAITING,
        [
            "knhk: case A1 waits for what is sent to it:",
            "  paid: knhk send A1 payment --key 'a b' --payload JSON",
            "  more: knhk send A1 payment --key-json 7 --payload JSON",
            "  go: knhk signal A1/part-4.1 go --payload JSON",
        ],
    ) == account(Standing("A1", waits=waits), "knhk.db")


FAMILY = """
workflow part() -> json
    task ask
    task paid = message payment
    flow
        start -> ask -> paid -> end
    return paid

workflow whole() -> json
    task s = part()
    flow
        start -> s -> end
    return s
"""


@pytest.mark.anyio
async def test_a_case_is_followed_into_its_sub_cases() -> None:
    relay = Relay(lambda event: None)
    async with Engine.open(observer=relay) as engine:
        await engine.deploy(load(FAMILY))
        case = await engine.start("whole", case_id="A1")
        with anyio.fail_after(30):
            first = account(await follow(engine, case, relay), "knhk.db")
        await engine.complete("A1/s-1.1", "ask")
        with anyio.fail_after(30):
            second = account(await follow(engine, case, relay), "knhk.db")
        await engine.send("A1/s-1.1", "payment", 5)
        with anyio.fail_after(30):
            third = account(await follow(engine, case, relay), "knhk.db")

    assert (
        exits.WAITING,
        [
            "knhk: case A1 waits for work that is done outside:",
            "  ask: knhk complete A1/s-1.1 ask --result JSON",
        ],
    ) == first
    assert "  paid: knhk send A1/s-1.1 payment --payload JSON" == second[1][1]
    assert (exits.DONE, []) == third
