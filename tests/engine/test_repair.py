"""Repair from outside: failed work tried again, taken for done, given back; cases undone."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from knhk.engine import Engine, Event
from knhk.errors import (
    CaseCancelled,
    CaseEnded,
    CaseFailed,
    NotOffered,
    ResultError,
    UnknownName,
)
from knhk.model import CaseStatus, ItemState
from tests.engine.conftest import Project

pytestmark = pytest.mark.anyio

PAIR = """
    from handlers use left, right, last
    workflow pair() -> json
        task a = left()
        task b = right()
        task c = last(a, b)
        flow
            start -> all(a, b) -> c -> end
        return c
"""
HANDLERS = """
    broken = {"left", "right"}

    async def left() -> int:
        note("left")
        if "left" in broken:
            raise OSError("left is broken")
        return 1

    async def right() -> int:
        note("right")
        if "right" in broken:
            raise ValueError("right is broken")
        return 2

    async def last(a: int, b: int) -> list[int]:
        note("last", a, b)
        return [a, b]
"""


async def failed(engine: Engine, case_id: str) -> CaseFailed:
    with pytest.raises(CaseFailed) as caught:
        await (await engine.case(case_id)).result()
    await anyio.wait_all_tasks_blocked()
    return caught.value


async def broken_pair(engine: Engine, project: Project) -> None:
    await engine.deploy(project.write(PAIR, HANDLERS))
    await engine.start("pair", case_id="c")
    assert "a" == (await failed(engine, "c")).task
    with anyio.fail_after(10):
        while len((await engine.show("c")).items) < 2 or {
            item.state for item in (await engine.show("c")).items
        } != {ItemState.failed}:
            await anyio.lowlevel.checkpoint()


async def test_one_failed_task_is_retried_and_then_the_other(project: Project) -> None:
    async with Engine.open(project.store) as engine:
        await broken_pair(engine, project)
        project.handlers.broken.clear()
        await engine.retry("c", "a")
        left = await failed(engine, "c")
        assert ("b", "ValueError") == (left.task, left.error)
        with pytest.raises(NotOffered, match="it has not failed"):
            await engine.retry("c", "a")
        with pytest.raises(UnknownName):
            await engine.retry("c", "z")

    async with Engine.open(project.store) as engine:
        await engine.retry("c", "b")
        assert [1, 2] == await (await engine.case("c")).result()
        assert () == await engine.verify("c")
        with pytest.raises(CaseEnded):
            await engine.retry("c", "b")


async def test_failed_work_is_taken_for_done_with_a_result(project: Project) -> None:
    seen: list[Event] = []
    async with Engine.open(project.store, observer=seen.append) as engine:
        await broken_pair(engine, project)
        with pytest.raises(ResultError):
            await engine.skip("c", "a", "no number")
        await engine.skip("c", "a", 10)
        assert "b" == (await failed(engine, "c")).task

    async with Engine.open(project.store) as engine:
        (item,) = (entry.id for entry in (await engine.show("c")).items if entry.task == "b")
        await engine.skip("c", item, 20)
        assert [10, 20] == await (await engine.case("c")).result()
        assert () == await engine.verify("c")
        with pytest.raises(CaseEnded):
            await engine.skip("c", "a", 1)

    assert ["a"] == [event.task for event in seen if event.what == "skipped"]
    assert [("last", 10, 20)] == project.calls[2:]


async def test_work_that_runs_is_skipped_or_given_back(project: Project) -> None:
    source = """
        from handlers use wait
        workflow w() -> json
            task a = wait()
            task b
            flow
                start -> a -> b -> end
            return [a, b]
    """
    handlers = """
        import anyio
        async def wait() -> str:
            note("wait")
            await anyio.sleep_forever()
    """
    async with Engine.open(project.store) as engine:
        await engine.deploy(project.write(source, handlers))
        case = await engine.start("w", case_id="c")
        await until(project, 1)
        await engine.release("c", "a")
        await until(project, 2)
        assert ["c:1:1", "c:1:2"] == project.handlers.keys
        with pytest.raises(NotOffered, match="no work item of it is started"):
            await engine.release("c", "b")
        await engine.skip("c", "a", "by hand")

        claim = await engine.claim("c", "b")
        await engine.release("c", claim.item)
        with pytest.raises(NotOffered, match="not started"):
            await engine.release("c", claim.item)
        with pytest.raises(UnknownName):
            await engine.skip("c", 77)
        again = await engine.claim("c", "b")
        assert (claim.item, 2) == (again.item, again.attempt)
        await engine.complete(again, "done")
        assert ["by hand", "done"] == await case.result()
        assert () == await engine.verify("c")


async def until(project: Project, calls: int) -> None:
    with anyio.fail_after(10):
        while len(project.calls) < calls:
            await anyio.lowlevel.checkpoint()


async def test_a_task_that_could_not_list_its_instances_is_skipped_with_their_results(
    project: Project,
) -> None:
    source = """
        from handlers use work
        workflow w(d: dict[str, list[int]]) -> json
            task t = work(x)
                for each x in d["missing"]
            flow
                start -> t -> end
            return t
    """
    handlers = """
        from decimal import Decimal
        async def work(x: int) -> Decimal:
            return Decimal(x)
    """
    async with Engine.open(project.store) as engine:
        await engine.deploy(project.write(source, handlers))
        await engine.start("w", case_id="c", d={})
        assert "ExpressionError" == (await failed(engine, "c")).error
        with pytest.raises(ResultError, match="a list of results is needed"):
            await engine.skip("c", "t", 7)
        await engine.skip("c", "t", ["1.50", 2])
        assert ["1.50", "2"] == [str(one) for one in await result(engine)]

    async with Engine.open(project.store) as engine:
        assert ["1.50", "2"] == [str(one) for one in await result(engine)]
        assert () == await engine.verify("c")


async def result(engine: Engine) -> list[object]:
    found = await (await engine.case("c")).result()
    assert isinstance(found, list)
    return found


UNDOING = """
    from handlers use undo
    workflow w()
        task a
            compensate with undo(a)
        task b
        flow
            start -> a -> b -> end
"""
UNDO = """
    jammed = True
    async def undo(a: str) -> None:
        note("undo", a)
        if jammed:
            raise OSError("it is stuck")
"""


async def test_a_case_is_cancelled_with_what_has_completed_undone(project: Project) -> None:
    async with Engine.open(project.store) as engine:
        await engine.deploy(project.write(UNDOING, UNDO))
        project.handlers.jammed = False
        await engine.start("w", case_id="c")
        await engine.complete("c", "a", "A")
        await engine.cancel("c", compensate=True)
        with pytest.raises(CaseCancelled) as caught:
            await (await engine.case("c")).result()
        with pytest.raises(CaseEnded):
            await engine.cancel("c", compensate=True)

    assert ("", "") == (caught.value.task, caught.value.error)
    assert [("undo", "A")] == project.calls


async def test_an_undo_that_has_failed_is_skipped(project: Project) -> None:
    async with Engine.open(project.store) as engine:
        await engine.deploy(project.write(UNDOING, UNDO))
        await engine.start("w", case_id="c")
        await engine.complete("c", "a", "A")
        await engine.cancel("c", compensate=True)
        assert "OSError" == (await failed(engine, "c")).error
        with pytest.raises(CaseEnded, match="undoing it a second time is not possible"):
            await engine.cancel("c", compensate=True)
        await engine.skip("c", "a", "whatever is said here")
        assert CaseStatus.cancelled is (await engine.case("c")).status
        assert () == await engine.verify("c")
        assert None is (await engine.show("c")).history[-1].value


async def test_a_failed_sub_case_is_repaired_through_its_parent(project: Project) -> None:
    source = """
        workflow top() -> json
            task part = below()
            flow
                start -> part -> end
            return part
        workflow below() -> json
            task t
            flow
                start -> t -> end
            return t
    """
    async with Engine.open(project.store) as engine:
        await engine.deploy(project.write(source))
        await engine.start("top", case_id="c")
        with anyio.fail_after(10):
            while not await engine.work():
                await anyio.lowlevel.checkpoint()
        await engine.fail("c/part-1.1", "t", "Broken")
        await failed(engine, "c")
        for act in (engine.skip("c/part-1.1", "t"), engine.retry("c/part-1.1")):
            with pytest.raises(CaseEnded, match="a part of case 'c'"):
                await act
        await engine.skip("c", "part", "by hand")
        assert "by hand" == await (await engine.case("c")).result()
