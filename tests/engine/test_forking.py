"""A look at what a case was like, and a new case that goes on from there."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from knhk.engine import Engine
from knhk.errors import CaseEnded, CaseExists, CaseFailed, UnknownName, UsageError
from knhk.model import CaseStatus
from tests.engine.conftest import Project

pytestmark = pytest.mark.anyio

WORK = """
    from handlers use first, second
    workflow w(n: int) -> json
        var count: int = 0
        task a = first(n)
            sets count = count + a
        task b = second(n)
        flow
            start -> a -> b -> end
        return [a, b, count]
"""
HANDLERS = """
    broken = True
    async def first(n: int) -> int:
        note("first", n)
        return n + 1

    async def second(n: int) -> int:
        note("second", n)
        if broken:
            raise OSError("it is broken")
        return n + 2
"""


async def failed(engine: Engine, project: Project) -> None:
    await engine.deploy(project.write(WORK, HANDLERS))
    with pytest.raises(CaseFailed):
        await (await engine.start("w", case_id="c", n=5)).result()


async def test_a_case_is_shown_as_it_was_after_each_input(project: Project) -> None:
    async with Engine.open(project.store) as engine:
        await failed(engine, project)

    async with Engine.open(project.store, reading=True) as engine:
        pictures = [await engine.show("c", at=seq) for seq in range(5)]
        for seq in (-1, 5):
            with pytest.raises(UnknownName, match="0 to 4"):
                await engine.show("c", at=seq)

    kinds = ["create", "start", "complete", "start", "fail"]
    assert [kinds[: seq + 1] for seq in range(5)] == [
        [step.kind for step in one.history] for one in pictures
    ]
    assert ["running"] * 4 + ["failed"] == [str(one.status) for one in pictures]
    assert [("a",), (), ("b",), (), ()] == [one.offered for one in pictures]
    assert [(), ("a",), (), ("b",), ()] == [one.started for one in pictures]
    assert {"n": 5, "count": 0} == pictures[1].data
    assert {"n": 5, "count": 6, "a": 6} == pictures[2].data
    assert [None] * 5 == [one.outcome for one in pictures]


async def test_a_fork_goes_on_by_itself_and_leaves_the_other_as_it_is(project: Project) -> None:
    async with Engine.open(project.store) as engine:
        await failed(engine, project)
        project.handlers.broken = False
        project.calls.clear()
        project.handlers.keys.clear()
        for at in (0, 1, 2, 3):
            fork = await engine.fork("c", at=at, new_id=f"f{at}")
            assert [6, 7, 6] == await fork.result()
        assert CaseStatus.failed is (await engine.case("c")).status

    keys = ["f0:1:1", "f0:2:1", "f1:1:1", "f1:2:1", "f2:2:1", "f3:2:1"]
    assert keys == project.handlers.keys

    async with Engine.open(project.store) as engine:
        await engine.retry((await engine.fork("c", at=4, new_id="f4")).id)
        assert [6, 7, 6] == await (await engine.case("f4")).result()
        for row in await engine.cases():
            assert () == await engine.verify(row.id)
        with pytest.raises(CaseEnded, match="forking it after input"):
            await engine.fork("f4", at=len((await engine.show("f4")).history) - 1)


async def test_what_cannot_be_forked_is_refused(project: Project) -> None:
    source = """
        workflow top()
            task part = below()
            flow
                start -> part -> end
        workflow below()
            task t
            flow
                start -> t -> end
        workflow chance()
            var x: float = random()
            task t
            flow
                start -> t -> end
    """
    async with Engine.open(project.store) as engine:
        await engine.deploy(project.write(source))
        await engine.start("top", case_id="c")
        await engine.start("chance", case_id="r")
        with anyio.fail_after(10):
            while len(await engine.work()) < 2:
                await anyio.lowlevel.checkpoint()
        with pytest.raises(UsageError, match="a part of case 'c'"):
            await engine.fork("c/part-1.1", at=0)
        with pytest.raises(UsageError, match="as it uses random"):
            await engine.fork("r", at=0)
        with pytest.raises(CaseExists):
            await engine.fork("c", at=0, new_id="r")
        with pytest.raises(UnknownName):
            await engine.fork("c", at=99)

        fork = await engine.fork("c", at=1, new_id="d")
        with anyio.fail_after(10):
            while not await engine.work("d/part-1.1"):
                await anyio.lowlevel.checkpoint()
        await engine.complete("d/part-1.1", "t")
        assert None is await fork.result()
        assert CaseStatus.running is (await engine.case("c")).status
