"""Retries, back-offs, timeouts and timers, under a clock that nobody waits for."""

from __future__ import annotations

import logging
import time

import anyio
import anyio.lowlevel
import pytest

from knhk.engine import Engine, SystemClock
from knhk.errors import CaseFailed
from knhk.model import US_PER_S, CaseStatus
from knhk.testing import VirtualClock
from tests.engine.conftest import Project

pytestmark = pytest.mark.anyio

RETRYING = """
    from handlers use work
    workflow w() -> json
        task t = work()
            retry 3 every 1h backoff 2
        flow
            start -> t -> end
        return t
"""
FAILS_TWICE = """
    {keyword} work():
        note("work", clock.now_us())
        if len(calls) < 3:
            raise OSError("not yet")
        return len(calls)
"""


def seconds(project: Project) -> list[int]:
    """When the handlers were called, in seconds after the first call."""
    times = [int(str(call[1])) for call in project.calls]
    return [(at_us - times[0]) // US_PER_S for at_us in times]


@pytest.mark.parametrize("keyword", ["async def", "def"])
async def test_a_task_is_retried_after_its_back_offs(project: Project, keyword: str) -> None:
    path = project.write(RETRYING, FAILS_TWICE.format(keyword=keyword))

    async with Engine.open(project.store, clock=project.clock) as engine:
        await engine.deploy(path)
        assert project.calls == []
        result = await (await engine.start("w", case_id="c")).result()

    assert 3 == result
    assert [0, 3600, 3600 + 7200] == seconds(project)
    assert ["c:1:1", "c:1:2", "c:1:3"] == project.handlers.keys


async def test_a_task_that_keeps_failing_fails_its_case_after_the_last_attempt(
    project: Project,
) -> None:
    path = project.write(
        RETRYING,
        """
        async def work():
            note("work", clock.now_us())
            raise OSError("never")
        """,
    )

    async with Engine.open(project.store, clock=project.clock) as engine:
        await engine.deploy(path)
        assert project.calls == []
        with pytest.raises(CaseFailed, match="OSError: never"):
            await (await engine.start("w")).result()

    assert [0, 1 * 3600, 3 * 3600, 7 * 3600] == seconds(project)


async def test_a_back_off_goes_on_after_a_restart(project: Project) -> None:
    path = project.write(RETRYING, FAILS_TWICE.format(keyword="async def"))
    clock = VirtualClock(autofire=False)
    project.clock = clock

    async with Engine.open(project.store, clock=clock) as engine:
        await engine.deploy(path)
        assert project.calls == []
        await engine.start("w", case_id="c")
        await clock.advance(600)
    assert [0] == seconds(project)

    async with Engine.open(project.store, clock=clock) as engine:
        await clock.advance(2999)
        assert [0] == seconds(project)
        await clock.advance(1)
        case = await engine.case("c")
        assert [0, 3600] == seconds(project)
    await clock.advance(100_000)

    async with Engine.open(project.store, clock=clock) as engine:
        case = await engine.case("c")
        assert 3 == await case.result()
    assert [0, 3600, 3600 + 100_000] == seconds(project)
    assert ["c:1:1", "c:1:2", "c:1:3"] == project.handlers.keys


async def test_the_jitter_of_a_back_off_is_the_same_after_a_restart(project: Project) -> None:
    path = project.write(
        RETRYING.replace("backoff 2", "backoff 2 jitter 50%"),
        FAILS_TWICE.format(keyword="async def"),
    )
    clock = VirtualClock(autofire=False)
    project.clock = clock
    dues = []

    async with Engine.open(project.store, clock=clock) as engine:
        await engine.deploy(path)
        assert project.calls == []
        await engine.start("w", case_id="c")
        await clock.settle()
        dues.append((await engine.show("c")).items[0].due_us)
    for _ in range(2):
        async with Engine.open(project.store, clock=clock) as engine:
            dues.append((await engine.show("c")).items[0].due_us)

    assert 1 == len(set(dues))
    assert 1800 <= (dues[0] - clock.now_us()) / US_PER_S <= 5400
    assert 3600 * US_PER_S != dues[0] - clock.now_us()


TIMEOUT = """
    from handlers use work
    workflow w() -> str
        var way: str = "through"
        task t = work()
            timeout 10s
        task late = skip
            sets way = "late"
        flow
            start -> t -> end
            t -> late on timeout
            late -> end
        return way
"""


async def test_a_timeout_cancels_asynchronous_work(project: Project) -> None:
    path = project.write(
        TIMEOUT,
        """
        import anyio
        async def work():
            note("begun")
            try:
                await anyio.sleep_forever()
            except BaseException as error:
                calls.append("cancelled")
                raise
        """,
    )

    async with Engine.open(clock=project.clock) as engine:
        await engine.deploy(path)
        began_us = project.clock.now_us()
        result = await (await engine.start("w")).result()
        await anyio.wait_all_tasks_blocked()
        assert 10 == (project.clock.now_us() - began_us) // US_PER_S
        assert [("begun",), "cancelled"] == project.calls

    assert "late" == result


async def test_work_that_ends_in_time_is_not_cancelled(project: Project) -> None:
    path = project.write(
        TIMEOUT,
        """
        async def work():
            await clock.sleep(9.999)
            return 1
        """,
    )

    async with Engine.open(clock=project.clock) as engine:
        await engine.deploy(path)
        assert project.calls == []
        result = await (await engine.start("w")).result()

    assert "through" == result


async def test_a_thread_that_never_returns_is_given_up_and_its_late_result_thrown_away(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    path = project.write(
        TIMEOUT,
        """
        import threading
        begun, release = threading.Event(), threading.Event()
        def work():
            begun.set()
            assert release.wait(30)
            return "too late"
        """,
    )
    clock = VirtualClock(autofire=False)
    project.clock = clock

    async with Engine.open(project.store, clock=clock) as engine:
        await engine.deploy(path)
        case = await engine.start("w", case_id="c")
        assert await anyio.to_thread.run_sync(project.handlers.begun.wait, 30)
        await clock.advance(10)
        assert "late" == await case.result()
        with caplog.at_level(logging.WARNING):
            project.handlers.release.set()
            with anyio.fail_after(30):
                while "thrown away" not in caplog.text:
                    await anyio.lowlevel.checkpoint()
        kinds = [step.kind for step in (await engine.show("c")).history]

    assert ["create", "start", "clock"] == kinds


async def test_a_thread_that_hangs_does_not_keep_the_engine_from_closing(
    project: Project,
) -> None:
    path = project.write(
        TIMEOUT,
        """
        import threading
        begun, release = threading.Event(), threading.Event()
        def work():
            begun.set()
            release.wait(60)
        """,
    )

    with anyio.fail_after(20):
        async with Engine.open(project.store) as engine:
            await engine.deploy(path)
            await engine.start("w", case_id="c")
            assert await anyio.to_thread.run_sync(project.handlers.begun.wait, 30)
    project.handlers.release.set()

    async with Engine.open(project.store, resume=False) as engine:
        assert ("t",) == (await engine.show("c")).started


async def test_a_timer_task_waits_for_its_time(project: Project) -> None:
    path = project.write(
        """
        workflow w() -> int
            task pause = timer 2d
            flow
                start -> pause -> end
            return 1
        """
    )

    async with Engine.open(clock=project.clock) as engine:
        await engine.deploy(path)
        began_us = project.clock.now_us()
        assert 1 == await (await engine.start("w")).result()

    assert 2 * 86_400 == (project.clock.now_us() - began_us) // US_PER_S


async def test_a_suspended_case_lets_its_timers_stand_still(project: Project) -> None:
    path = project.write(
        """
        workflow w() -> int
            task pause = timer 1h
            flow
                start -> pause -> end
            return 1
        """
    )
    clock = VirtualClock(autofire=False)

    async with Engine.open(project.store, clock=clock) as engine:
        await engine.deploy(path)
        case = await engine.start("w", case_id="c")
        await engine.suspend("c")
        await clock.advance(7200)
        assert CaseStatus.suspended is case.status
        await engine.resume_case("c")
        assert 1 == await case.result()


async def test_a_person_has_until_the_timeout(project: Project) -> None:
    path = project.write(
        """
        workflow w() -> str
            var way: str = "done"
            task ask = human(role: "manager")
                timeout 2d
            task late = skip
                sets way = "late"
            flow
                start -> ask -> end
                ask -> late on timeout
                late -> end
            return way
        """
    )
    clock = VirtualClock(autofire=False)

    async with Engine.open(clock=clock) as engine:
        await engine.deploy(path)
        quick = await engine.start("w", case_id="quick")
        slow = await engine.start("w", case_id="slow")
        offers = await engine.work()
        assert [("quick", "ask"), ("slow", "ask")] == [(o.case, o.task) for o in offers]
        assert (("role", "manager"),) == offers[0].kwargs
        await clock.advance(86_400)
        await engine.complete("quick", "ask")
        await clock.advance(86_400)
        results = [await quick.result(), await slow.result()]

    assert ["done", "late"] == results


async def test_instances_run_at_most_so_many_at_once(project: Project) -> None:
    path = project.write(
        """
        from handlers use work
        workflow w() -> json
            task t = work(n)
                for each n in [1, 2, 3, 4, 5, 6, 7]
                at most 3 at once
            flow
                start -> t -> end
            return t
        """,
        """
        running = set()
        most = []
        async def work(n: int):
            running.add(n)
            most.append(len(running))
            await clock.sleep(10 - n)
            running.discard(n)
            return n * n
        """,
    )

    async with Engine.open(clock=project.clock) as engine:
        await engine.deploy(path)
        assert project.calls == []
        result = await (await engine.start("w")).result()

    assert [n * n for n in range(1, 8)] == result
    assert 3 == max(project.handlers.most)


async def test_the_system_clock_tells_the_time_and_sleeps() -> None:
    clock = SystemClock()
    before_us = time.time_ns() // 1000

    await clock.sleep_until(clock.now_us() + 1000)

    assert before_us + 1000 <= clock.now_us() <= time.time_ns() // 1000


async def test_the_virtual_clock_wakes_sleepers_in_order_and_takes_no_time() -> None:
    clock = VirtualClock(0)
    woken: list[tuple[str, int]] = []

    async def sleep(name: str, duration: float) -> None:
        await clock.sleep(duration)
        woken.append((name, clock.now_us() // US_PER_S))

    async with anyio.create_task_group() as group:
        for name, duration in (("week", 604_800), ("day", 86_400), ("hour", 3600)):
            group.start_soon(sleep, name, duration)

    assert [("hour", 3600), ("day", 86_400), ("week", 604_800)] == woken


async def test_the_virtual_clock_goes_on_when_the_sleeper_that_drives_it_is_cancelled() -> None:
    clock = VirtualClock(0)
    woken: list[int] = []

    async def sleep(duration: float) -> None:
        await clock.sleep(duration)
        woken.append(clock.now_us())

    async with anyio.create_task_group() as group:
        scope = anyio.CancelScope()

        async def cancelled() -> None:
            with scope:
                await sleep(10)

        clock.working(1)
        group.start_soon(cancelled)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(sleep, 20)
        await anyio.wait_all_tasks_blocked()
        scope.cancel()
        clock.working(-1)

    assert [20 * US_PER_S] == woken
