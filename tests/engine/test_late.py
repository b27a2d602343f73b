"""What work still gives after it was stopped: thrown away, and recorded."""

from __future__ import annotations

import logging
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from knhk.engine import Engine, Event
from knhk.model import (
    COMPLETE,
    EXCEPT_TIMEOUT,
    START,
    US_PER_S,
    CaseStatus,
    Input,
    Region,
    Retry,
)
from knhk.module import Module
from knhk.testing import VirtualClock
from tests.engine.conftest import Project
from tests.engine.nets import Drawing, calls, runs

pytestmark = pytest.mark.anyio

THREAD = """
    import threading
    begun, release = threading.Event(), threading.Event()
    def work():
        begun.set()
        assert release.wait(30)
        {ending}
"""


def beside(project: Project, handlers: str, **attributes: Any) -> Module:
    """A task `t` that does `work()`, and beside it `other`, for somebody outside.

    `other` cancels `t`; the case then waits for `last`.
    """
    drawing = Drawing().route("all", "start", "a b")
    drawing.task("t", "a", "gone", callee=calls("work"), **attributes)
    drawing.task("other", "b", "c", node={"cancels": Region(tasks=(0,))})
    drawing.task("last", "c")
    drawing.task("never", "gone")
    return project.drawn(handlers, drawing.net(returns="last"))


async def begun(project: Project) -> None:
    assert await anyio.to_thread.run_sync(project.handlers.begun.wait, 30)


async def late_step(engine: Engine, case: str = "c") -> Any:
    """The late result, once it is in the journal."""
    with anyio.fail_after(30):
        while True:
            for step in (await engine.show(case)).history:
                if step.kind == "late":
                    return step
            await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize(
    ("ending", "value", "error"),
    [
        ("return {'tracking': 7}", {"tracking": 7}, ("", "")),
        ("return None", None, ("", "")),
        ("raise ValueError('too late anyway')", None, ("ValueError", "too late anyway")),
        ("raise SystemExit(3)", None, ("SystemExit", "3")),
        ("return object", "<class 'object'>", ("", "")),
        ("return '\\ud800'", "(a str that cannot be written)", ("", "")),
    ],
)
async def test_the_late_end_of_a_thread_is_recorded_and_changes_nothing(
    project: Project, ending: str, value: object, error: tuple[str, str]
) -> None:
    module = beside(project, THREAD.format(ending=ending))
    seen: list[Event] = []

    async with Engine.open(project.store, observer=seen.append) as engine:
        await engine.deploy(module)
        case = await engine.start("w", case_id="c")
        await begun(project)
        await engine.complete("c", "other")
        before = await engine.show("c")
        project.handlers.release.set()
        step = await late_step(engine)
        after = await engine.show("c")
        assert (before.items, before.data, before.marking) == (
            after.items,
            after.data,
            after.marking,
        )
        assert CaseStatus.running is case.status
        await engine.complete("c", "last", 1)
        assert 1 == await case.result()

    assert ("t", 1, value, *error) == (step.task, step.item, step.value, step.error, step.message)
    (event,) = [event for event in seen if event.what == "late"]
    told = f"{error[0]}: {error[1]}" if error[0] else ""
    assert ("c", "t", 1, 1, told) == (
        event.case,
        event.task,
        event.item,
        event.attempt,
        event.message,
    )


async def test_a_history_with_a_late_result_goes_on_after_a_restart(project: Project) -> None:
    module = beside(project, THREAD.format(ending="return 1"))
    async with Engine.open(project.store) as engine:
        await engine.deploy(module)
        await engine.start("w", case_id="c")
        await begun(project)
        await engine.complete("c", "other")
        project.handlers.release.set()
        await late_step(engine)

    async with Engine.open(project.store, resume=False) as engine:
        await engine.deploy(module)
        await engine.complete("c", "last", 2)
        assert 2 == await (await engine.case("c")).result()


async def test_what_comes_after_the_end_of_the_case_is_only_logged(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    module = beside(project, THREAD.format(ending="return 1"))

    async with Engine.open(project.store) as engine:
        await engine.deploy(module)
        await engine.start("w", case_id="c")
        await begun(project)
        await engine.cancel("c")
        with caplog.at_level(logging.INFO):
            project.handlers.release.set()
            with anyio.fail_after(30):
                while "the late end of attempt c:1:1 is thrown away" not in caplog.text:
                    await anyio.lowlevel.checkpoint()
        assert ["create", "start", "cancel"] == [
            step.kind for step in (await engine.show("c")).history
        ]


SWALLOWS = """
    import anyio
    async def work():
        note("begun")
        try:
            await anyio.sleep_forever()
        except BaseException:
            {ending}
"""


@pytest.mark.parametrize(
    ("ending", "value", "error"),
    [
        ("return 'all the same'", "all the same", ""),
        ("raise KeyError('k') from None", None, "KeyError"),
    ],
)
async def test_asynchronous_work_that_does_not_let_itself_be_stopped_is_late_too(
    project: Project, ending: str, value: object, error: str
) -> None:
    module = beside(project, SWALLOWS.format(ending=ending))

    async with Engine.open(project.store) as engine:
        await engine.deploy(module)
        await engine.start("w", case_id="c")
        await anyio.wait_all_tasks_blocked()
        await engine.complete("c", "other")
        step = await late_step(engine)

    assert (value, error) == (step.value, step.error)


async def test_work_that_stops_when_it_is_told_to_leaves_no_trace(project: Project) -> None:
    module = beside(project, SWALLOWS.format(ending="raise"))

    async with Engine.open() as engine:
        await engine.deploy(module)
        await engine.start("w", case_id="c")
        await anyio.wait_all_tasks_blocked()
        await engine.complete("c", "other")
        await engine.complete("c", "last")
        kinds = [step.kind for step in (await engine.show("c")).history]

    assert "late" not in kinds


async def test_what_an_attempt_gives_after_its_time_is_late_while_the_next_one_runs(
    project: Project,
) -> None:
    clock = VirtualClock(autofire=False)
    module = beside(
        project,
        """
        import threading
        from knhk.engine import current_call
        releases = {1: threading.Event(), 2: threading.Event()}
        begun, second = threading.Event(), threading.Event()
        def work():
            attempt = current_call().attempt
            (begun if attempt == 1 else second).set()
            assert releases[attempt].wait(30)
            return attempt
        """,
        timeout_us=10 * US_PER_S,
        retry=Retry((US_PER_S,)),
    )
    seen: list[Event] = []

    async with Engine.open(project.store, clock=clock, observer=seen.append) as engine:
        await engine.deploy(module)
        await engine.start("w", case_id="c")
        await begun(project)
        await clock.advance(11)
        assert await anyio.to_thread.run_sync(project.handlers.second.wait, 30)
        project.handlers.releases[1].set()
        step = await late_step(engine)
        assert ("t",) == (await engine.show("c")).started
        project.handlers.releases[2].set()
        with anyio.fail_after(30):
            while "t" in (await engine.show("c")).started:
                await anyio.lowlevel.checkpoint()
        kinds = [entry.kind for entry in (await engine.show("c")).history if entry.task == "t"]

    assert 1 == step.value
    assert ["start", "start", "late", "complete"] == kinds
    assert [1] == [event.attempt for event in seen if event.what == "late"]


async def test_closing_the_engine_makes_nothing_late(project: Project) -> None:
    module = beside(project, SWALLOWS.format(ending="return 'stopped by the closing'"))
    async with Engine.open(project.store) as engine:
        await engine.deploy(module)
        await engine.start("w", case_id="c")
        await anyio.wait_all_tasks_blocked()
    assert [("begun",)] == project.calls

    async with Engine.open(project.store, reading=True) as engine:
        kinds = [step.kind for step in (await engine.show("c")).history]

    assert ["create", "start"] == kinds


async def test_the_end_of_a_sub_case_that_was_to_be_cancelled_is_late(project: Project) -> None:
    drawing = Drawing().route("all", "start", "a b")
    drawing.task("s", "a", callee=runs("child"))
    drawing.task("other", "b", "c", node={"cancels": Region(tasks=(0,))})
    drawing.task("last", "c")
    child = Drawing("child").task("ask", "start")
    module = project.drawn("", drawing.net(), child.net(returns="ask"))

    async with Engine.open() as engine:
        await engine.deploy(module)
        await engine.start("w", case_id="c")
        await anyio.wait_all_tasks_blocked()

        # Both are applied before either is written.
        assert engine._running is not None
        parent, part = (engine._running.live[name] for name in ("c", "c/s-1.1"))
        parent.give(Input(START, parent.case.now_us, 2), Input(COMPLETE, parent.case.now_us, 2))
        part.give(Input(START, part.case.now_us, 1), Input(COMPLETE, part.case.now_us, 1, value=5))
        step = await late_step(engine)
        row = (await engine.cases(parent="c"))[0]
        assert "late" == (await engine.show("c")).history[-1].kind

    assert ("s", 5) == (step.task, step.value)
    assert CaseStatus.completed is row.status


async def test_a_timeout_flow_goes_on_and_the_late_thread_is_recorded(project: Project) -> None:
    clock = VirtualClock(autofire=False)
    drawing = Drawing()
    drawing.task(
        "t",
        "start",
        "gone",
        callee=calls("work"),
        timeout_us=10 * US_PER_S,
        exceptions=((EXCEPT_TIMEOUT, "", "late"),),
    )
    drawing.task("ask", "late").task("never", "gone")
    module = project.drawn(THREAD.format(ending="return 'x' * 10"), drawing.net())

    async with Engine.open(project.store, clock=clock) as engine:
        await engine.deploy(module)
        await engine.start("w", case_id="c")
        await begun(project)
        await clock.advance(10)
        project.handlers.release.set()
        assert "x" * 10 == (await late_step(engine)).value
        assert ("ask",) == (await engine.show("c")).offered
