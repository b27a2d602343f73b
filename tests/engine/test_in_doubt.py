"""Appends that were written, and of which the engine was told that they had failed."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from knhk.engine import Engine
from knhk.errors import CaseExists, JournalError
from knhk.journal import Commit, MemoryJournal
from knhk.model import COMPLETE, CREATE
from tests.engine.conftest import Project

pytestmark = pytest.mark.anyio


class Doubtful(MemoryJournal):
    """Loses the answer to the first append that has an input of a kind."""

    def __init__(self, kind: int) -> None:
        super().__init__()
        self._kind: int | None = kind

    def append(self, commits: Sequence[Commit]) -> None:
        super().append(commits)
        if any(row.kind == self._kind for commit in commits for row in commit.inputs):
            self._kind = None
            raise JournalError("the connection was lost")


WORK = """
    from handlers use first
    workflow w() -> int
        task a = first()
        flow
            start -> a -> end
        return a
"""
HANDLERS = """
    async def first() -> int:
        return 1
"""


async def test_a_case_whose_end_was_in_doubt_has_ended_once_that_is_looked_up(
    project: Project,
) -> None:
    path = project.write(WORK, HANDLERS)

    async with Engine.open(Doubtful(COMPLETE), clock=project.clock) as engine:
        await engine.deploy(path)
        case = await engine.start("w", case_id="c")
        with pytest.raises(JournalError):
            await case.result()
        assert ["c"] == list(engine.stranded)

        assert 1 == await (await engine.case("c")).result()
        assert {} == dict(engine.stranded)


async def test_resuming_strikes_off_what_has_ended(project: Project) -> None:
    path = project.write(WORK, HANDLERS)

    async with Engine.open(Doubtful(COMPLETE), clock=project.clock) as engine:
        await engine.deploy(path)
        case = await engine.start("w", case_id="c")
        with pytest.raises(JournalError):
            await case.result()

        assert () == await engine.resume()

        assert {} == dict(engine.stranded)
        assert 1 == await case.result()


async def test_a_case_whose_beginning_was_in_doubt_is_known_to_stand_and_can_be_resumed(
    project: Project,
) -> None:
    path = project.write(WORK, HANDLERS)

    async with Engine.open(Doubtful(CREATE), clock=project.clock) as engine:
        await engine.deploy(path)
        with pytest.raises(JournalError):
            await engine.start("w", case_id="c")
        with pytest.raises(CaseExists):
            await engine.start("w", case_id="c")
        assert ["c"] == list(engine.stranded)

        await engine.resume()

        assert 1 == await (await engine.case("c")).result()


async def test_a_case_that_was_never_begun_is_struck_off(project: Project) -> None:
    path = project.write(WORK, HANDLERS)

    class Away(MemoryJournal):
        def append(self, commits: Sequence[Commit]) -> None:
            raise JournalError("the server is away")

    async with Engine.open(Away(), clock=project.clock) as engine:
        await engine.deploy(path)
        with pytest.raises(JournalError):
            await engine.start("w", case_id="c")
        assert ["c"] == list(engine.stranded)

        assert () == await engine.resume()
        assert {} == dict(engine.stranded)
