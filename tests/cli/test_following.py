"""Following a case: until its end, or until all that is left is work for outside."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from knhk.cli import exits
from knhk.cli.following import Relay, Standing, account, follow
from knhk.errors import CaseFailed, KnhkError, StoreFull
from knhk.model import CaseStatus, ItemState


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

    async def work(self) -> tuple[Any, ...]:
        self.looks += 1
        return tuple(
            SimpleNamespace(case="A1", item=number, task=task)
            for number, (task, _, outside) in self.items.items()
            if outside
        )

    async def show(self, case: str) -> Any:
        return SimpleNamespace(
            items=[
                SimpleNamespace(id=number, state=state)
                for number, (_, state, _) in self.items.items()
            ]
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
                    relay(SimpleNamespace())  # type: ignore[arg-type]
                act()
                relay(SimpleNamespace())  # type: ignore[arg-type]
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

    assert ["approve"] == [offer.task for offer in standing.waits]


@pytest.mark.anyio
async def test_a_back_off_beside_outside_work_is_waited_for() -> None:
    stage = Stage()
    stage.items = {
        1: ("approve", ItemState.started, True),
        2: ("charge", ItemState.waiting, False),
    }

    standing = await followed(stage, lambda: None, stage.end.set)

    assert () == standing.waits


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
