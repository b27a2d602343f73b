"""A case that the store has and the engine has not heard of yet is not loaded a second time."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Sequence

import anyio
import pytest

from knhk.engine import Engine
from knhk.journal import Commit, Stored
from knhk.model import COMPLETE
from tests.engine.conftest import Project
from tests.engine.stores import Dying

pytestmark = pytest.mark.anyio

WORK = """
    from handlers use first
    workflow w() -> int
        task a = first()
        task b
        flow
            start -> a -> b -> end
        return a
"""
HANDLERS = """
    async def first() -> int:
        note("first")
        return 1
"""


class Slow(Dying):
    """Has written the first append long before it answers."""

    blocking = True

    def __init__(self) -> None:
        super().__init__()
        self.answers = threading.Event()
        self.is_asked = False

    def append(self, commits: Sequence[Commit]) -> None:
        super().append(commits)
        assert self.answers.wait(60)

    def stored(self, cases: Sequence[str]) -> tuple[Stored, ...]:
        self.is_asked = bool(cases)
        return super().stored(cases)


async def so(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110  the journal is at work in a thread
        await anyio.sleep(0.001)


async def resume(engine: Engine) -> object:
    return await engine.resume()


async def suspend(engine: Engine) -> object:
    await engine.suspend("c")
    return await engine.resume_case("c")


@pytest.mark.parametrize("other", [resume, suspend])
async def test_what_is_done_to_a_case_while_it_begins_waits_for_its_beginning(
    project: Project, other: Callable[[Engine], Awaitable[object]]
) -> None:
    path = project.write(WORK, HANDLERS)
    journal = Slow()

    async with Engine.open(journal) as engine, anyio.create_task_group() as group:
        await engine.deploy(path)
        assert project.calls is not None
        group.start_soon(lambda: engine.start("w", case_id="c"))
        with anyio.fail_after(60):
            await so(lambda: journal.case("c") is not None)
            group.start_soon(other, engine)
            with anyio.move_on_after(1):  # to load the case it would ask the journal for it
                await so(lambda: journal.is_asked)
            await anyio.wait_all_tasks_blocked()
            journal.answers.set()
            await so(lambda: bool(journal.done(COMPLETE)))
            await anyio.sleep(0.05)  # what is done twice comes right after

        assert [("first",)] == project.calls
        assert {} == dict(engine.stranded)
