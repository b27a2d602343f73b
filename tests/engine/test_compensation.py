"""Sagas: what has completed is undone by the engine, through failures and crashes."""

from __future__ import annotations

import pytest

from knhk.engine import Engine
from knhk.errors import CaseCancelled, CaseFailed, DeployError, JournalError
from knhk.model import COMPLETE, START, CaseStatus
from knhk.module import load
from tests.engine.conftest import Project
from tests.engine.stores import CrashingAtCommit, Dying

pytestmark = pytest.mark.anyio

ALL = 10_000

SAGA = """
    from handlers use hold, charge, ship, unhold, refund
    workflow saga(n: int) -> int
        on failure compensate
        var seen: int = 0
        task held = hold(n)
            sets seen = held
            compensate with unhold(held, seen)
        task charged = charge(n)
            sets seen = charged
            retry 1 every 10s
            compensate with refund(charged, why: "no van")
        task shipped = ship(n)
        flow
            start -> held -> charged -> shipped -> end
        return shipped
"""
HANDLERS = """
    jammed = False

    async def hold(n: int) -> int:
        note("hold", n)
        return n + 1

    def charge(n: int) -> int:
        note("charge", n)
        return n + 2

    async def ship(n: int) -> int:
        note("ship", n)
        raise OSError("the van is gone")

    async def unhold(held: int, seen: int) -> str:
        note("unhold", held, seen)
        return "nobody reads this"

    def refund(charged: int, why: str) -> object:
        note("refund", charged, why)
        if jammed:
            raise OSError("the bank is shut")
        return object()
"""
DONE = [("hold", 5), ("charge", 5), ("ship", 5)]
UNDONE = [("refund", 7, "no van"), ("unhold", 6, 6)]
FAILURE = {"task": "shipped", "error": "OSError", "message": "the van is gone"}


async def test_a_saga_that_fails_is_undone_the_last_first(project: Project) -> None:
    path = project.write(SAGA, HANDLERS)

    async with Engine.open(project.store) as engine:
        await engine.deploy(path)
        case = await engine.start("saga", case_id="c", n=5)
        with pytest.raises(CaseCancelled) as caught:
            await case.result()
        shown = await engine.show("c")
        faults = await engine.verify("c")

    assert [*DONE, *UNDONE] == project.calls
    assert ["c:1:1", "c:2:1", "c:3:1", "c:4:1", "c:5:1"] == project.handlers.keys
    assert ("c", "shipped", "OSError", "the van is gone") == (
        caught.value.case,
        caught.value.task,
        caught.value.error,
        caught.value.message,
    )
    assert "was cancelled after a failure in task 'shipped': OSError: the van is gone" in str(
        caught.value
    )
    assert (CaseStatus.cancelled, FAILURE) == (shown.status, shown.outcome)
    assert {None} == {step.value for step in shown.history if step.item in (4, 5)}
    assert () == faults

    async with Engine.open(project.store, reading=True) as engine:
        with pytest.raises(CaseCancelled, match="the van is gone"):
            await (await engine.case("c")).result()


async def test_an_undo_is_retried_and_then_fails_the_case_until_it_is_retried(
    project: Project,
) -> None:
    path = project.write(SAGA, HANDLERS)

    async with Engine.open(project.store, clock=project.clock) as engine:
        await engine.deploy(path)
        project.handlers.jammed = True
        case = await engine.start("saga", case_id="c", n=5)
        with pytest.raises(CaseFailed) as caught:
            await case.result()
        assert "charged" == caught.value.task
        assert "the compensation of task 'charged' has failed" in caught.value.message
        assert "undone because of OSError: the van is gone" in caught.value.message

    async with Engine.open(project.store, clock=project.clock) as engine:
        project.handlers.jammed = False
        await engine.retry("c")
        with pytest.raises(CaseCancelled, match="the van is gone"):
            await (await engine.case("c")).result()

    assert [*DONE, UNDONE[0], UNDONE[0], *UNDONE] == project.calls
    assert ["c:4:1", "c:4:2", "c:4:3", "c:5:1"] == project.handlers.keys[3:]


async def test_an_undo_may_be_done_outside(project: Project) -> None:
    source = """
        workflow w()
            on failure compensate
            task a
                compensate with human(role: "clerk")
            task b
            flow
                start -> a -> b -> end
    """
    path = project.write(source)

    async with Engine.open(project.store) as engine:
        await engine.deploy(path)
        case = await engine.start("w", case_id="c")
        await engine.complete("c", "a", "done")
        await engine.fail("c", "b", "Broken")

    async with Engine.open(project.store) as engine:
        (offer,) = await engine.work("c")
        assert ("a", 1, (("role", "clerk"),)) == (offer.task, offer.undoes, offer.kwargs)
        assert [1] == [item.undoes for item in (await engine.show("c")).items]
        await engine.complete("c", "a", "what is said of an undo is not kept")
        case = await engine.case("c")
        with pytest.raises(CaseCancelled, match="Broken"):
            await case.result()
        shown = await engine.show("c")

    assert None is shown.history[-1].value


async def test_a_compensation_that_is_not_there_is_missed_when_deploying(project: Project) -> None:
    module = load(project.write(SAGA, HANDLERS))
    project.write(SAGA, HANDLERS.replace("def refund", "def repay"))

    async with Engine.open(project.store) as engine:
        with pytest.raises(DeployError, match="refund"):
            await engine.deploy(module)


async def test_a_case_that_fails_into_its_cancellation_says_why(project: Project) -> None:
    path = project.write(SAGA.replace("on failure compensate", "on failure cancel"), HANDLERS)

    async with Engine.open(project.store) as engine:
        await engine.deploy(path)
        case = await engine.start("saga", case_id="c", n=5)
        with pytest.raises(CaseCancelled, match="the van is gone"):
            await case.result()

    assert DONE == project.calls


# Crashes

FAMILY = """
    from handlers use hold, unhold, ship
    workflow saga(n: int) -> int
        on failure compensate
        task held = hold(n)
            compensate with unhold(held, 0)
        task part = below(held)
            compensate with unhold(part, 1)
        task parts = hold(x)
            for each x in [10, 20]
            compensate with unhold(parts, x)
        task broken = fragile(n)
            retry 1 every 10s
        flow
            start -> held -> part -> parts -> broken -> end
        return broken
    workflow below(n: int) -> int
        task held = hold(n)
        flow
            start -> held -> end
        return held
    workflow fragile(n: int) -> int
        on failure compensate
        task held = hold(n)
            compensate with unhold(held, 2)
        task shipped = ship(n)
        flow
            start -> held -> shipped -> end
        return shipped
"""
#: The arguments of what undoes: in each attempt at the last part, then at the top.
PARTS_UNDONE = [(6, 2), (6, 2)]
TOP_UNDONE = [(21, 20), (11, 10), (7, 1), (6, 0)]


async def ended(engine: Engine) -> CaseCancelled | None:
    try:
        await (await engine.case("c")).result()
    except CaseCancelled as error:
        return error
    except JournalError:
        return None
    raise AssertionError("it was to be cancelled")


def undone(project: Project) -> list[tuple[str, tuple[object, ...]]]:
    """What was undone, with the item that did it."""
    pairs = zip(project.handlers.keys, project.calls, strict=True)
    return [(key.rsplit(":", 1)[0], call[1:]) for key, call in pairs if call[0] == "unhold"]


async def test_a_crash_at_any_commit_undoes_all_in_order_and_nothing_twice(
    project: Project,
) -> None:
    path = project.write(FAMILY, HANDLERS)
    commits = 0
    while True:
        journal = CrashingAtCommit(commits)
        async with Engine.open(journal, clock=project.clock) as engine:
            await engine.deploy(path)
            project.handlers.keys.clear()
            project.calls.clear()
            try:
                await engine.start("saga", case_id="c", n=5)
            except JournalError:
                commits += 1
                continue
            error = await ended(engine)
        before = undone(project)
        if not journal.crashed:
            break
        completed, begun = journal.done(COMPLETE), journal.done(START)
        assert {_item(key) for key in project.handlers.keys} <= begun
        project.handlers.keys.clear()
        project.calls.clear()

        survivor = journal.survivor(Dying())
        async with Engine.open(survivor, clock=project.clock) as engine:
            assert {} == dict(engine.stranded)
            error = await ended(engine)
            assert error is not None
            assert ("broken", "CaseCancelled") == (error.task, error.error)
            assert "the van is gone" in error.message
            assert () == await engine.verify("c")
        after = undone(project)

        kept = [entry for entry in before if _item(f"{entry[0]}:1") in completed]
        assert before[: len(kept)] == kept, f"after {commits} commits"
        assert len(before) - len(kept) <= 1, f"after {commits} commits"
        told = [arguments for _, arguments in (*kept, *after)]
        assert [*PARTS_UNDONE, *TOP_UNDONE] == told, f"after {commits} commits"
        commits += 1

    assert [*PARTS_UNDONE, *TOP_UNDONE] == [arguments for _, arguments in before]
    assert commits > 20


def _item(key: str) -> tuple[str, int]:
    case, item, _ = key.rsplit(":", 2)
    return case, int(item)
