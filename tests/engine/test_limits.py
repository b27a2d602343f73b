"""Limits over all cases of an engine: per task, tenant and in total; priorities; restarts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import anyio
import pytest

from knhk.engine import Concurrency, Engine, LimitUse
from knhk.errors import CaseCancelled, CaseFailed, DeployError, JournalError, UsageError
from knhk.journal import Commit, MemoryJournal
from knhk.model import START, CaseStatus
from knhk.testing import VirtualClock
from tests.engine.conftest import Project

pytestmark = pytest.mark.anyio

#: Counts who is in it; a name may be told to fail, or to wait until it is let go.
DESK = """
    import anyio

    inside = []
    most = {}
    order = []
    doors = {}
    cleanups = 0

    async def work(name: str = "x", seconds: int = 10):
        from knhk.engine import current_call
        call = current_call()
        kinds = [call.task, f"tenant {call.tenant}", "total"]
        inside.extend(kinds)
        order.append(name)
        for kind in kinds:
            most[kind] = max(most.get(kind, 0), inside.count(kind))
        try:
            if name == "bad":
                raise ValueError(name)
            if name in doors:
                await doors[name].wait()
            else:
                await clock.sleep(seconds)
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                for _ in range(cleanups):
                    await anyio.lowlevel.checkpoint()
            raise
        finally:
            for kind in kinds:
                inside.remove(kind)
        return name
"""
ONE = """
    from handlers use work
    workflow w(name: str = "x") -> json
        task t = work(name)
            at most 2 at once
        flow
            start -> t -> end
        return t
"""
FREE = ONE.replace("            at most 2 at once\n", "")


async def settled(clock: VirtualClock) -> None:
    """All tasks wait, and the journal is written."""
    await clock.settle()


def taken(engine: Engine) -> int:
    """All places that are taken, and all that is waiting."""
    return sum(limit.taken + limit.waiting for limit in engine.concurrency)


async def test_at_most_holds_over_all_cases(project: Project) -> None:
    path = project.write(ONE, DESK)

    async with Engine.open(clock=project.clock) as engine:
        await engine.deploy(path)
        assert [] == project.handlers.order
        cases = [await engine.start("w", name=f"n{number}") for number in range(7)]
        results = [await case.result() for case in cases]

        assert [f"n{number}" for number in range(7)] == results == project.handlers.order
        assert 2 == project.handlers.most["t"]
        assert (LimitUse("task w.t", 2, 0, 0),) == engine.concurrency


async def test_instances_of_all_cases_are_limited_together_and_in_one_commit_where_none_waits(
    project: Project,
) -> None:
    source = """
        from handlers use work
        workflow w() -> json
            task t = work("i{n}", 1)
                for each n in [1, 2, 3, 4, 5]
                at most 3 at once
            flow
                start -> t -> end
            return t
    """
    path = project.write(source, DESK)
    commits: list[int] = []

    class Counting(MemoryJournal):
        def append(self, given: Sequence[Commit]) -> None:
            commits.extend(sum(row.kind == START for row in one.inputs) for one in given)
            super().append(given)

    async with Engine.open(Counting(), clock=project.clock) as engine:
        await engine.deploy(path)
        assert project.handlers.most == {}
        await (await engine.start("w")).result()
        assert [3, 1, 1, 0, 0, 0] == commits  # each next start is written with a completion
        cases = [await engine.start("w") for _ in range(4)]
        for case in cases:
            await case.result()

        assert 3 == project.handlers.most["t"]
        assert 0 == taken(engine)


async def test_a_case_does_not_go_on_before_another_that_waits(project: Project) -> None:
    source = """
        from handlers use work
        workflow w(name: str, numbers: list[int])
            task t = work("{name}{n}")
                for each n in numbers
                at most 1 at once
            flow
                start -> t -> end
    """
    path = project.write(source, DESK)

    async with Engine.open(clock=project.clock) as engine:
        await engine.deploy(path)
        assert [] == project.handlers.order
        cases = [await engine.start("w", name=name, numbers=[1, 2, 3]) for name in "abc"]
        for case in cases:
            await case.result()

        assert ["a1", "b1", "c1", "a2", "b2", "c2", "a3", "b3", "c3"] == project.handlers.order


async def test_an_item_that_is_withdrawn_waits_no_more_though_its_case_goes_on(
    project: Project,
) -> None:
    source = """
        from handlers use work
        workflow w(name: str)
            task t = work(name)
                at most 1 at once
            task stay
            flow
                start -> all(t -> end, stay -> end)
    """
    path = project.write(source, DESK)

    async with Engine.open(clock=project.clock) as engine:
        await engine.deploy(path)
        project.handlers.doors["n1"] = anyio.Event()
        for name in ("n1", "n2", "n3"):
            await engine.start("w", case_id=name, name=name)
        await settled(project.clock)
        assert (LimitUse("task w.t", 1, 1, 2),) == engine.concurrency

        await engine.withdraw("n2", "t")

        assert (LimitUse("task w.t", 1, 1, 1),) == engine.concurrency
        assert CaseStatus.running is (await engine.case("n2")).status


async def test_what_waits_for_a_place_stays_offered_and_does_not_use_up_its_timeout(
    project: Project,
) -> None:
    path = project.write(
        ONE.replace("at most 2 at once", "at most 1 at once\n            timeout 5s"), DESK
    )
    clock = project.clock = VirtualClock(autofire=False)

    async with Engine.open(clock=clock) as engine:
        await engine.deploy(path)
        project.handlers.doors["late"] = anyio.Event()
        slow = await engine.start("w", case_id="slow")
        late = await engine.start("w", case_id="late", name="late")
        await settled(clock)
        report = await engine.show("late")
        assert (("t",), ()) == (report.offered, report.started)
        assert ["create"] == [step.kind for step in report.history]
        told = await engine.explain("late", "t")
        assert "waits for a place: task w.t (at most 1 at once)" in told
        assert "waits for a place" not in await engine.explain("slow", "t")
        assert (LimitUse("task w.t", 1, 1, 1),) == engine.concurrency
        assert None is await engine.waits("late")

        await clock.advance(5)  # the first times out, and the second begins only now
        with pytest.raises(CaseFailed, match="Timeout"):
            await slow.result()
        assert ("t",) == (await engine.show("late")).started
        await clock.advance(4)
        project.handlers.doors["late"].set()

        assert "late" == await late.result()
        assert 0 == taken(engine)


@pytest.mark.parametrize(
    ("concurrency", "expected"),
    [
        (Concurrency(tasks={"w.t": 3}), {"t": 3, "total": 3}),
        (Concurrency(tenants=2), {"tenant a": 2, "tenant b": 2, "tenant ": 5}),
        (Concurrency(tenants={"a": 1, "*": 3}), {"tenant a": 1, "tenant b": 3, "tenant ": 5}),
        (Concurrency(tenants={"": 1}), {"tenant a": 5, "tenant b": 5, "tenant ": 1}),
        (Concurrency(total=4), {"total": 4}),
        (
            Concurrency(total=4, tenants={"a": 2}, tasks={"w.t": 9}),
            {"total": 4, "tenant a": 2},
        ),
        (Concurrency(), {"total": 15}),
    ],
)
async def test_an_engine_may_limit_tasks_tenants_and_all_work(
    project: Project, concurrency: Concurrency, expected: dict[str, int]
) -> None:
    path = project.write(FREE, DESK)

    async with Engine.open(clock=project.clock, concurrency=concurrency) as engine:
        await engine.deploy(path)
        assert {} == project.handlers.most
        # Those of one tenant after another, so that each limit is come up against.
        cases = [
            await engine.start("w", tenant=tenant) for tenant in ("a", "b", None) for _ in range(5)
        ]
        for case in cases:
            await case.result()

        most = project.handlers.most
        assert expected == {kind: most[kind] for kind in expected}
        assert 0 == taken(engine)


async def test_the_smallest_limit_holds(project: Project) -> None:
    path = project.write(ONE, DESK)

    async with Engine.open(clock=project.clock, concurrency=Concurrency({"w.t": 5})) as engine:
        await engine.deploy(path)
        assert {} == project.handlers.most
        for case in [await engine.start("w") for _ in range(5)]:
            await case.result()

        assert 2 == project.handlers.most["t"]


async def test_places_are_given_back_by_work_that_fails_and_by_arguments_that_do(
    project: Project,
) -> None:
    source = """
        from handlers use work
        workflow w(n: int) -> json
            task t = work("bad" if n < 4 else "n{100 // (n - 5)}")
                at most 1 at once
                retry 1 every 1s
            flow
                start -> t -> end
            return t
    """
    path = project.write(source, DESK)

    async with Engine.open(clock=project.clock) as engine:
        await engine.deploy(path)
        assert {} == project.handlers.most
        cases = [await engine.start("w", n=number) for number in range(8)]
        for number, case in enumerate(cases):
            if number in (0, 1, 2, 3, 5):
                with pytest.raises(CaseFailed):
                    await case.result()
            else:
                await case.result()

        assert 8 + 3 == len(project.handlers.order)
        assert 1 == project.handlers.most["t"]
        assert 0 == taken(engine)


Steer = Callable[[Engine, str], Any]


@pytest.mark.parametrize(
    "steer",
    [
        lambda engine, case: engine.withdraw(case, "t"),
        lambda engine, case: engine.cancel(case),
        lambda engine, case: engine.skip(case, "t"),
    ],
    ids=["withdraw", "cancel", "skip"],
)
async def test_stopped_work_keeps_its_place_until_it_has_ended(
    project: Project, steer: Steer
) -> None:
    path = project.write(ONE.replace("at most 2", "at most 1"), DESK)

    async with Engine.open(clock=project.clock) as engine:
        await engine.deploy(path)
        project.handlers.doors["stays"] = anyio.Event()
        project.handlers.cleanups = 100
        first = await engine.start("w", name="stays")
        waiting = await engine.start("w", name="waits")
        other = await engine.start("w", name="other")
        await settled(project.clock)
        assert (LimitUse("task w.t", 1, 1, 2),) == engine.concurrency
        await steer(engine, waiting.id)  # has not begun: it leaves the queue
        assert (LimitUse("task w.t", 1, 1, 1),) == engine.concurrency
        await steer(engine, first.id)

        await other.result()
        assert ["stays", "other"] == project.handlers.order
        assert 1 == project.handlers.most["t"]
        assert 0 == taken(engine)


async def test_a_suspended_case_leaves_the_queue_and_comes_back(project: Project) -> None:
    path = project.write(ONE.replace("at most 2", "at most 1"), DESK)

    async with Engine.open(clock=project.clock) as engine:
        await engine.deploy(path)
        doors = project.handlers.doors
        doors["first"] = anyio.Event()
        first = await engine.start("w", name="first")
        second = await engine.start("w", name="second")
        third = await engine.start("w", name="third")
        await settled(project.clock)
        await engine.suspend(second.id)
        await engine.suspend(first.id)  # what runs may end
        assert (LimitUse("task w.t", 1, 1, 1),) == engine.concurrency
        doors["first"].set()
        await third.result()
        assert 0 == taken(engine)
        await engine.resume_case(second.id)
        await engine.resume_case(first.id)

        assert ["second", "first"] == [await second.result(), await first.result()]
        assert ["first", "third", "second"] == project.handlers.order


async def test_work_that_is_given_back_waits_for_its_place_again(project: Project) -> None:
    path = project.write(ONE.replace("at most 2", "at most 1"), DESK)

    async with Engine.open(clock=project.clock) as engine:
        await engine.deploy(path)
        project.handlers.doors["n1"] = anyio.Event()
        project.handlers.cleanups = 50
        first = await engine.start("w", name="n1")
        second = await engine.start("w", name="n2")
        await settled(project.clock)
        await engine.release(first.id, "t")
        await second.result()
        project.handlers.doors["n1"].set()
        await first.result()

        assert ["n1", "n2", "n1"] == project.handlers.order
        assert 1 == project.handlers.most["t"]
        assert 0 == taken(engine)


class Failing(MemoryJournal):
    """Does not take what is written of one case."""

    victim = ""

    def append(self, commits: Sequence[Commit]) -> None:
        if any(commit.case == self.victim for commit in commits):
            raise JournalError("the disk is gone")
        super().append(commits)


@pytest.mark.parametrize("lost", ["at work", "starting", "waiting"])
async def test_a_case_that_is_lost_gives_its_places_back(project: Project, lost: str) -> None:
    path = project.write(
        """
        from handlers use work
        workflow w(name: str) -> str
            task before
            task t = work(name)
                at most 1 at once
            flow
                start -> before -> t -> end
            return t
        """,
        DESK,
    )
    journal = Failing()

    async with Engine.open(journal, clock=project.clock) as engine:
        await engine.deploy(path)
        project.handlers.doors["lost"] = anyio.Event()
        for name in ("lost", "n1", "n2"):
            await engine.start("w", case_id=name, name=name)
        if lost == "at work":
            await engine.complete("lost", "before")
            await settled(project.clock)
            assert ["lost"] == project.handlers.order
        elif lost == "waiting":
            project.handlers.doors["n1"] = anyio.Event()
            await engine.complete("n1", "before")
            await engine.complete("lost", "before")
        journal.victim = "lost"
        steer = engine.suspend if lost != "starting" else partial(engine.complete, which="before")
        with pytest.raises(JournalError):
            await steer("lost")
        if lost != "waiting":
            await engine.complete("n1", "before")
        await engine.complete("n2", "before")
        if lost == "waiting":
            project.handlers.doors["n1"].set()
        results = [await (await engine.case(name)).result() for name in ("n1", "n2")]

        assert ["n1", "n2"] == results
        assert ["lost"] == list(engine.stranded)
        assert 1 == project.handlers.most["t"]
        assert 0 == taken(engine)


async def test_what_had_begun_before_a_restart_goes_first_and_counts(project: Project) -> None:
    source = """
        from handlers use work
        workflow w(name: str) -> str
            task before
            task t = work(name)
                at most 2 at once
            flow
                start -> before -> t -> end
            return t
    """
    path = project.write(source, DESK)
    names = ("a oldest", "n1", "n2", "n3")
    async with Engine.open(project.store, clock=project.clock) as engine:
        await engine.deploy(path)
        for name in names:
            project.handlers.doors[name] = anyio.Event()
            await engine.start("w", case_id=name, name=name)
        for name in ("n1", "n2", "n3", "a oldest"):
            await engine.complete(name, "before")
        await settled(project.clock)
        await engine.cancel("n1")
        await settled(project.clock)
        assert ["n1", "n2", "n3"] == project.handlers.order
        assert ("t",) == (await engine.show("a oldest")).offered
    handlers = project.handlers
    handlers.most.clear()

    # The oldest is picked up first, but the other two had begun; their timeouts run.
    async with Engine.open(project.store, clock=project.clock) as engine:
        await settled(project.clock)
        assert {"n2", "n3"} == set(handlers.order[3:])
        for door in handlers.doors.values():
            door.set()
        for name in ("a oldest", "n2", "n3"):
            await (await engine.case(name)).result()

        assert "a oldest" == handlers.order[-1]
        assert 2 == handlers.most["t"]
        assert 0 == taken(engine)


async def test_a_limit_that_has_been_lowered_holds_for_what_had_begun(project: Project) -> None:
    path = project.write(FREE, DESK)
    async with Engine.open(project.store, clock=project.clock) as engine:
        await engine.deploy(path)
        for name in ("n0", "n1", "n2"):
            project.handlers.doors[name] = anyio.Event()
            await engine.start("w", case_id=name, name=name)
        await settled(project.clock)
    handlers = project.handlers
    handlers.doors.clear()
    handlers.most.clear()

    limits = Concurrency(tasks={"w.t": 1})
    async with Engine.open(project.store, clock=project.clock, concurrency=limits) as engine:
        for name in ("n0", "n1", "n2"):
            await (await engine.case(name)).result()

        assert 1 == handlers.most["t"]
        starts = [step for step in (await engine.show("n2")).history if step.kind == "start"]
        assert 1 == len(starts)
        assert 0 == taken(engine)


async def test_a_larger_priority_goes_first_among_the_waiting_of_one_tenant(
    project: Project,
) -> None:
    source = """
        from handlers use work
        workflow low(name: str)
            task t = work(name)
                priority -1
            flow
                start -> t -> end
        workflow high(name: str)
            task t = work(name)
                priority 5
            flow
                start -> t -> end
    """
    path = project.write(source, DESK)

    async with Engine.open(clock=project.clock, concurrency=Concurrency(total=1)) as engine:
        await engine.deploy(path)
        assert [] == project.handlers.order
        names = ("low 0", "low 1", "high 2", "low 3", "high 4")
        cases = [await engine.start(name.split()[0], name=name) for name in names]
        for case in cases:
            await case.result()

        expected = ["low 0", "high 2", "high 4", "low 1", "low 3"]
        assert expected == project.handlers.order


async def test_a_tenant_with_much_work_leaves_room_for_another_by_its_weight(
    project: Project,
) -> None:
    path = project.write(FREE, DESK)
    limits = Concurrency(tasks={"w.t": 1}, weights={"c": 3})

    async with Engine.open(clock=project.clock, concurrency=limits) as engine:
        await engine.deploy(path)
        assert [] == project.handlers.order
        cases = [await engine.start("w", name="a", tenant="a") for _ in range(40)]
        cases += [await engine.start("w", name="b", tenant="b")]
        cases += [await engine.start("w", name="c", tenant="c") for _ in range(9)]
        for case in cases:
            await case.result()

        order = "".join(project.handlers.order)
        assert order.index("b") <= 3
        assert 9 == order[:15].count("c")
        assert 0 == taken(engine)


async def test_who_is_held_up_by_another_limit_holds_nobody_up(project: Project) -> None:
    source = """
        from handlers use work
        workflow w(name: str)
            task t = work(name)
                at most 1 at once
            flow
                start -> t -> end
        workflow v(name: str)
            task u = work(name)
            flow
                start -> u -> end
    """
    path = project.write(source, DESK)
    limits = Concurrency(total=3, tenants={"a": 2})

    async with Engine.open(clock=project.clock, concurrency=limits) as engine:
        await engine.deploy(path)
        project.handlers.doors["held"] = anyio.Event()
        held = [await engine.start("w", name="held", tenant="a") for _ in range(5)]
        free = [await engine.start("v", name="free", tenant="b") for _ in range(5)]
        more = [await engine.start("v", name="more", tenant="a") for _ in range(5)]
        for case in (*free, *more):
            await case.result()
        assert 1 == project.handlers.order.count("held")
        project.handlers.doors["held"].set()
        for case in held:
            await case.result()

        most = project.handlers.most
        assert (1, 3, 2) == (most["t"], most["total"], most["tenant a"])
        assert 0 == taken(engine)


async def test_a_sub_case_needs_no_place_beside_its_work(project: Project) -> None:
    source = """
        from handlers use work
        workflow w(depth: int) -> int
            task t = work("w{depth}", 1)
            task below = w(depth - 1)
                at most 1 at once
            flow
                start -> t -> one(below when depth > 0, skip otherwise) -> end
            return depth
    """
    path = project.write(source, DESK)
    limits = Concurrency(total=1, tenants=1)

    async with Engine.open(clock=project.clock, concurrency=limits) as engine:
        await engine.deploy(path)
        assert {} == project.handlers.most
        cases = [await engine.start("w", depth=4, tenant="a") for _ in range(3)]
        for case in cases:
            await case.result()

        assert 1 == project.handlers.most["total"]
        assert 15 == len(project.handlers.order)
        assert 0 == taken(engine)


async def test_undoing_needs_places_too(project: Project) -> None:
    source = """
        from handlers use work
        workflow w() -> json
            on failure compensate
            task t = work("do")
                compensate with work("undo")
            task f = work("bad")
            flow
                start -> t -> f -> end
    """
    path = project.write(source, DESK)

    async with Engine.open(clock=project.clock, concurrency=Concurrency({"w.t": 1})) as engine:
        await engine.deploy(path)
        assert {} == project.handlers.most
        for case in [await engine.start("w") for _ in range(4)]:
            with pytest.raises(CaseCancelled):
                await case.result()

        assert 4 == project.handlers.order.count("undo")
        assert 1 == project.handlers.most["t"]
        assert 0 == taken(engine)


async def test_a_failed_case_that_is_retried_waits_for_its_turn(project: Project) -> None:
    path = project.write(ONE.replace("at most 2", "at most 1"), DESK)

    async with Engine.open(clock=project.clock) as engine:
        await engine.deploy(path)
        project.handlers.doors["n1"] = anyio.Event()
        bad = await engine.start("w", name="bad")
        with pytest.raises(CaseFailed):
            await bad.result()
        first = await engine.start("w", name="n1")
        await settled(project.clock)
        await engine.retry(bad.id)
        await settled(project.clock)
        assert ["bad", "n1"] == project.handlers.order
        assert CaseStatus.running is bad.status
        project.handlers.doors["n1"].set()
        await first.result()
        with pytest.raises(CaseFailed):
            await bad.result()

        assert ["bad", "n1", "bad"] == project.handlers.order
        assert 0 == taken(engine)


async def test_a_case_that_waits_for_its_turn_is_not_parked(project: Project) -> None:
    path = project.write(ONE.replace("at most 2", "at most 1"), DESK)

    async with Engine.open(park_after_s=0.01) as engine:
        await engine.deploy(path)
        project.handlers.doors["n1"] = project.handlers.doors["n2"] = anyio.Event()
        cases = [await engine.start("w", name=name) for name in ("n1", "n2")]
        await anyio.sleep(0.1)
        assert () == await engine._ask(engine._journal.sleepers, 2**62)
        assert 2 == len(await engine._ask(lambda: engine._journal.cases(awake=True)))
        project.handlers.doors["n1"].set()

        assert ["n1", "n2"] == [await case.result() for case in cases]


async def test_of_a_choice_only_the_branch_that_begins_keeps_its_place(project: Project) -> None:
    source = """
        from handlers use work
        mutex m
        workflow w(name: str)
            mutex m
            task a = work(name)
                at most 1 at once
                holds m
            task b = work(name)
                at most 1 at once
                holds m
            flow
                start -> pick(a, b) -> end
    """
    path = project.write(
        source.replace("        mutex m\n        workflow", "        workflow"), DESK
    )

    async with Engine.open(clock=project.clock) as engine:
        await engine.deploy(path)
        assert {} == project.handlers.most
        for case in [await engine.start("w", name=f"n{n}") for n in range(6)]:
            await case.result()

        assert 6 == len(project.handlers.order)
        assert 1 == max(
            project.handlers.most[task] for task in ("a", "b") if task in project.handlers.most
        )
        assert 0 == taken(engine)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"total": 0}, r"Concurrency.total is a number from 1 to 1,000,000, not 0"),
        ({"total": True}, "Concurrency.total is a number"),
        ({"tenants": -1}, "Concurrency.tenants is a number"),
        ({"tenants": {"a": 1.5}}, r"Concurrency.tenants\['a'\] is a number"),
        ({"tasks": {"charge": 1}}, "names tasks as 'workflow.task'"),
        ({"tasks": {"w.": 1}}, "names tasks as 'workflow.task'"),
        ({"tasks": {"w.t": 0}}, r"Concurrency.tasks\['w.t'\] is a number"),
        ({"tasks": ["w.t"]}, "Concurrency.tasks is a mapping"),
        ({"connectors": {1: 1}}, "1 is no name"),
        ({"weights": {"a": 0}}, r"Concurrency.weights\['a'\] is a number"),
    ],
)
def test_limits_that_cannot_be_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Concurrency(**values)


def test_limits_do_not_change_with_what_they_were_made_of() -> None:
    tasks = {"w.t": 1}
    limits = Concurrency(tasks)
    tasks["w.t"] = 5

    assert {"w.t": 1} == limits.tasks
    assert Concurrency({"w.t": 1}) == limits


async def test_a_limit_that_can_hold_for_nothing_is_refused_when_the_workflow_comes(
    project: Project,
) -> None:
    source = """
        from handlers use work
        workflow w()
            task charge = work()
            task sign
            task below = v()
            flow
                start -> all(charge, sign, below) -> end
        workflow v()
            task t = work()
            flow
                start -> t -> end
    """
    path = project.write(source, DESK)

    for task, message in (
        ("w.chrge", "Concurrency limits 'w.chrge': there is no task 'chrge'; there is: charge"),
        ("w.sign", "'w.sign', which the engine does not do itself"),
        ("w.below", "limit the tasks of a sub-workflow there"),
    ):
        async with Engine.open(concurrency=Concurrency({task: 1, "later.t": 1})) as engine:
            with pytest.raises(DeployError, match=message):
                await engine.deploy(path)
    async with Engine.open(concurrency=Concurrency({"w.charge": 1, "later.t": 1})) as engine:
        await engine.deploy(path)
