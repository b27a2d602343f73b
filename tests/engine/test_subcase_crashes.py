"""Crashes around the beginning, the end and the cancellation of sub-cases."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import anyio.lowlevel
import pytest

from knhk.engine import Engine
from knhk.errors import JournalError, KnhkError
from knhk.model import (
    CANCEL,
    COMPLETE,
    FAIL,
    JOIN_AND,
    START,
    CaseStatus,
    ForEach,
    Net,
    Retry,
)
from tests.engine.conftest import Project
from tests.engine.nets import OUTSIDE, Drawing, calls, chain, message, runs, value
from tests.engine.stores import CrashingAtCommit, Dying, FullFor

pytestmark = pytest.mark.anyio

SOON_S = 0.01

ALL = 10_000

HANDLERS = """
    from knhk.engine import current_call
    async def work(n):
        note("work", n)
        return n + 1

    async def shaky(n):
        note("shaky", n)
        if current_call().case.endswith(".1"):
            raise OSError("the first sub-case never works")
        return n * 10
"""


def family() -> tuple[Net, ...]:
    """A parent whose work is done by children and grandchildren, one of which fails at first."""
    each = ForEach("x", items=value([1, 2, 3]))
    top = Drawing("top").task("a", "start", "s_in m_in", callee=calls("work", "n"))
    top.task("s", "s_in", "s_out", callee=runs("child", "a"))
    top.task("m", "m_in", "m_out", callee=runs("leaf", "x"), for_each=each)
    top.task(
        "f",
        "s_out m_out",
        "f_out",
        callee=runs("fragile", "n"),
        retry=Retry((1000, 1000)),
        node={"join": JOIN_AND},
    )
    top.task("d", "f_out", callee=calls("work", "f"))
    child = chain(
        "child",
        ("b", calls("work", "n")),
        ("g", runs("leaf", "b")),
        returns="g",
        parameters=("n",),
    )
    leaf = chain("leaf", ("t", calls("work", "x")), returns="t", parameters=("x",))
    fragile = chain("fragile", ("t", calls("shaky", "n")), returns="t", parameters=("n",))
    return top.net("n", returns="d"), child, leaf, fragile


def done_by(keys: list[str]) -> set[tuple[str, int]]:
    """The items that the handlers have worked on, by their keys."""
    parts = [key.rsplit(":", 2) for key in keys]
    return {(case, int(item)) for case, item, _ in parts}


async def result_of(engine: Engine, case: str) -> object:
    try:
        return await (await engine.case(case)).result()
    except KnhkError:
        return None


async def test_a_crash_at_any_commit_begins_no_sub_case_twice_and_loses_no_result(
    project: Project,
) -> None:
    module = project.drawn(HANDLERS, *family())
    commits = 0
    while True:
        journal = CrashingAtCommit(commits)
        async with Engine.open(journal, clock=project.clock) as engine:
            await engine.deploy(module)
            project.handlers.keys.clear()
            try:
                await engine.start("top", case_id="c", n=5)
            except JournalError:
                commits += 1
                continue
            result = await result_of(engine, "c")
        if not journal.crashed:
            break
        completed, failed = journal.done(COMPLETE), journal.done(FAIL)
        assert done_by(project.handlers.keys) <= journal.done(START)
        project.handlers.keys.clear()

        survivor = journal.survivor(CrashingAtCommit(ALL))
        async with Engine.open(survivor, clock=project.clock, resume=False) as engine:
            await engine.deploy(module)
            await engine.resume()
            assert {} == dict(engine.stranded), f"after {commits} commits"
            result = await result_of(engine, "c")
            statuses = {row.id: str(row.status) for row in await engine.cases()}

        assert 51 == result, f"after {commits} commits"
        again = (completed | failed) & done_by(project.handlers.keys)
        assert set() == again, f"after {commits} commits"
        assert {
            "c": "completed",
            "c/s-2.1": "completed",
            "c/s-2.1/g-2.1": "completed",
            "c/m-3.1": "completed",
            "c/m-4.1": "completed",
            "c/m-5.1": "completed",
            "c/f-6.1": "failed",
            "c/f-6.2": "completed",
        } == statuses, f"after {commits} commits"
        commits += 1

    assert 51 == result
    assert commits > 20


async def test_crash_after_crash_a_family_gets_to_its_end(project: Project) -> None:
    module = project.drawn(HANDLERS, *family())
    journal = CrashingAtCommit(2)
    async with Engine.open(journal, clock=project.clock) as engine:
        await engine.deploy(module)
        await engine.start("top", case_id="c", n=5)
        await result_of(engine, "c")
    lives = 1

    result = None
    while result is None:
        journal = journal.survivor(CrashingAtCommit(1))
        completed = journal.done(COMPLETE)
        project.handlers.keys.clear()
        async with Engine.open(journal, clock=project.clock, resume=False) as engine:
            await engine.deploy(module)
            await engine.resume()
            result = await result_of(engine, "c")
        assert set() == completed & done_by(project.handlers.keys)
        lives += 1
        assert lives < 100

    assert 51 == result
    assert lives > 10


# Cancellation

LINE = ["c", "c/s-1.1", "c/s-1.1/below-1.1", "c/s-1.1/below-1.1/ask-1.1"]


def line() -> tuple[Net, ...]:
    """Four generations; the last waits for somebody outside."""
    return (
        Drawing("top").task("s", "start", callee=runs("child")).task("t", "never").net(),
        chain("child", ("below", runs("grandchild"))),
        chain("grandchild", ("ask", runs("asking"))),
        chain("asking", ("answer", OUTSIDE)),
    )


async def until_live(engine: Engine, *cases: str) -> None:
    assert engine._running is not None
    with anyio.fail_after(10):
        while not set(cases) <= set(engine._running.live):
            await anyio.lowlevel.checkpoint()
    await anyio.wait_all_tasks_blocked()


async def cancel(engine: Engine) -> None:
    await engine.cancel("c")


async def withdraw(engine: Engine) -> None:
    await engine.withdraw("c", "s")


@pytest.mark.parametrize("act", [cancel, withdraw])
async def test_a_crash_while_a_family_is_cancelled_leaves_nobody_behind(
    project: Project, act: Callable[[Engine], Awaitable[None]]
) -> None:
    module = project.drawn("", *line())
    ended = "cancelled" if act is cancel else "completed"
    # All are in the journal after seven commits: four beginnings; the starts come with them.
    for commits in range(4, 9):
        journal = CrashingAtCommit(commits)
        async with Engine.open(journal) as engine:
            await engine.deploy(module)
            await engine.start("top", case_id="c")
            await until_live(engine, *LINE)
            acknowledged = True
            try:
                await act(engine)
            except JournalError:
                acknowledged = False
            await anyio.wait_all_tasks_blocked()
        assert acknowledged == (commits > 4)

        survivor = journal.survivor(CrashingAtCommit(ALL))
        async with Engine.open(survivor, resume=False) as engine:
            await engine.deploy(module)
            await engine.resume()
            if not acknowledged:
                await act(engine)
            with anyio.fail_after(10):
                for name in LINE:
                    await (await engine.case(name))._standing.wait()
            assert {} == dict(engine.stranded)
            statuses = {row.id: str(row.status) for row in await engine.cases()}
            cancels = [entry.kind for name in LINE for entry in survivor.inputs(name)].count(CANCEL)
            assert () == await engine.work()
            await anyio.wait_all_tasks_blocked()
            assert engine._running is not None
            assert {} == engine._running.live

        assert {**dict.fromkeys(LINE, "cancelled"), "c": ended} == statuses, commits
        assert (4 if act is cancel else 3) == cancels


async def test_a_sub_case_that_is_cancelled_on_recovery_does_no_more_work(
    project: Project,
) -> None:
    module = project.drawn(
        """
        import anyio
        async def work():
            note("work")
            await anyio.sleep_forever()
        """,
        Drawing("top").task("s", "start", callee=runs("child")).net(),
        chain("child", ("t", calls("work"))),
    )
    journal = CrashingAtCommit(
        ALL, lambda commit: commit.case != "c" and commit.inputs[0].kind == CANCEL
    )
    async with Engine.open(journal) as engine:
        await engine.deploy(module)
        await engine.start("top", case_id="c")
        await until_live(engine, "c/s-1.1")
        await engine.cancel("c")
        await anyio.wait_all_tasks_blocked()
    assert journal.crashed
    assert [("work",)] == project.calls

    async with Engine.open(journal.survivor(Dying()), resume=False) as engine:
        await engine.deploy(module)
        await engine.resume()
        await (await engine.case("c/s-1.1"))._standing.wait()
        assert CaseStatus.cancelled is (await engine.case("c/s-1.1")).status
    assert [("work",)] == project.calls


@pytest.mark.parametrize("act", [cancel, withdraw])
async def test_a_parked_sub_case_that_was_let_go_of_before_a_crash_is_cancelled_after_it(
    project: Project, act: Callable[[Engine], Awaitable[None]]
) -> None:
    module = project.drawn(
        "",
        Drawing("top").task("s", "start", callee=runs("child")).task("t", "never").net(),
        chain("child", ("below", runs("asking"))),
        chain("asking", ("answer", message("answer"))),
    )
    journal = CrashingAtCommit(
        ALL, lambda commit: commit.case != "c" and any(row.kind == CANCEL for row in commit.inputs)
    )
    async with Engine.open(journal, park_after_s=SOON_S) as engine:
        await engine.deploy(module)
        await engine.start("top", case_id="c")
        await until(lambda: len(journal.cases()) == 3 and not journal.cases(awake=True))
        await act(engine)
        await until(lambda: journal.crashed)

    async with Engine.open(journal.survivor(Dying()), resume=False) as engine:
        await engine.deploy(module)
        await engine.resume()
        with anyio.fail_after(10):
            for name in ("c/s-1.1", "c/s-1.1/below-1.1"):
                await (await engine.case(name))._standing.wait()
        statuses = {row.id: row.status for row in await engine.cases()}
        assert {CaseStatus.cancelled} == {statuses[name] for name in statuses if name != "c"}


async def test_a_sub_case_let_go_of_before_its_beginning_is_written_does_not_live_on(
    project: Project,
) -> None:
    module = project.drawn("", *line())
    journal = FullFor("c/s-1.1")
    async with Engine.open(journal) as engine:
        await engine.deploy(module)
        case = await engine.start("top", case_id="c")
        await until(lambda: journal.refused > 0)
        await engine.withdraw("c", "s")
        assert None is await case.result()
        journal.case_refused = ""
        await until(lambda: [row.status for row in journal.cases(parent="c")] == ["cancelled"])


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(10):
        while not condition():  # noqa: ASYNC110  nobody tells
            await anyio.sleep(SOON_S)


# What is left standing


async def test_a_sub_case_that_cannot_be_written_strands_its_parents_until_it_can(
    project: Project,
) -> None:
    module = project.drawn("", *line())
    journal = CrashingAtCommit(3)

    async with Engine.open(journal) as engine:
        await engine.deploy(module)
        case = await engine.start("top", case_id="c")
        with pytest.raises(JournalError, match="the process is gone"):
            await case.result()
        # Nobody knows whether the last one was begun.
        assert set(LINE) == set(engine.stranded)

        journal.crashed, journal.commits_left = False, ALL
        await engine.resume()
        assert {} == dict(engine.stranded)
        await until_live(engine, *LINE)
        await engine.complete(LINE[3], "answer", 7)
        assert None is await case.result()


async def test_a_sub_case_completed_without_its_parent_in_memory_has_the_parent_go_on(
    project: Project,
) -> None:
    module = project.drawn("", *line())
    async with Engine.open(project.store) as engine:
        await engine.deploy(module)
        await engine.start("top", case_id="c")
        await until_live(engine, *LINE)

    async with Engine.open(project.store, resume=False) as engine:
        await engine.deploy(module)
        await engine.complete(LINE[3], "answer", 7)
        case = await engine.case("c")
        assert None is await case.result()
        assert {"completed"} == {str(row.status) for row in await engine.cases()}


async def test_a_sub_case_that_ended_while_its_parent_was_away_is_found(project: Project) -> None:
    module = project.drawn("", *line())
    journal = CrashingAtCommit(
        ALL, lambda commit: commit.case == LINE[2] and commit.inputs[0].kind == COMPLETE
    )
    async with Engine.open(journal) as engine:
        await engine.deploy(module)
        await engine.start("top", case_id="c")
        await until_live(engine, *LINE)
        await engine.complete(LINE[3], "answer", 7)
        await anyio.wait_all_tasks_blocked()
    assert journal.crashed

    async with Engine.open(journal.survivor(Dying()), resume=False) as engine:
        await engine.deploy(module)
        await engine.resume()
        assert None is await (await engine.case("c")).result()
        assert {"completed"} == {str(row.status) for row in await engine.cases()}


async def test_a_failed_parent_takes_what_its_sub_case_still_gives_after_a_restart(
    project: Project,
) -> None:
    top = Drawing("top").route("all", "start", "a b")
    top.task("s", "a", callee=runs("asking")).task("t", "b")
    module = project.drawn(
        "", top.net(returns="s"), chain("asking", ("answer", OUTSIDE), returns="answer")
    )
    async with Engine.open(project.store) as engine:
        await engine.deploy(module)
        await engine.start("top", case_id="c")
        await until_live(engine, "c/s-1.1")
        await engine.fail("c", "t", "Broken")

    async with Engine.open(project.store, resume=False) as engine:
        await engine.deploy(module)
        await engine.resume()
        assert CaseStatus.failed is (await engine.case("c")).status
        await engine.complete("c/s-1.1", "answer", 7)
        await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(10):
            while [] != [item for item in (await engine.show("c")).items if item.task == "s"]:
                await anyio.lowlevel.checkpoint()
        await engine.retry("c")
        await engine.complete("c", "t")
        assert 7 == await (await engine.case("c")).result()


async def test_the_grandchild_of_a_failed_child_is_cancelled_after_a_crash(
    project: Project,
) -> None:
    child = Drawing("child").route("all", "start", "a b")
    child.task("below", "a", callee=runs("asking")).task("t", "b")
    module = project.drawn(
        "",
        Drawing("top").task("s", "start", callee=runs("child")).net(),
        child.net(),
        chain("asking", ("answer", OUTSIDE)),
    )
    below = "c/s-1.1/below-1.1"
    journal = CrashingAtCommit(
        ALL, lambda commit: commit.case == below and commit.inputs[0].kind == CANCEL
    )
    async with Engine.open(journal) as engine:
        await engine.deploy(module)
        await engine.start("top", case_id="c")
        await until_live(engine, below)
        await engine.fail("c/s-1.1", "t", "Broken")
        await anyio.wait_all_tasks_blocked()
    assert journal.crashed

    async with Engine.open(journal.survivor(Dying()), resume=False) as engine:
        await engine.deploy(module)
        await engine.resume()
        await (await engine.case(below))._standing.wait()
        found = {row.id: str(row.status) for row in await engine.cases()}
        await anyio.wait_all_tasks_blocked()
        assert engine._running is not None
        assert {} == engine._running.live

    assert {"c": "failed", "c/s-1.1": "failed", below: "cancelled"} == found
