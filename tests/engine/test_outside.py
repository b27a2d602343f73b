"""Driving a case from outside: claims, withdrawals, instances, messages, signals, reasons."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import anyio
import pytest

from knhk.engine import Engine, Event, EventWait
from knhk.errors import (
    CaseEnded,
    InputError,
    Misfit,
    MisfitError,
    NotOffered,
    StoreDamaged,
    UnknownName,
    UsageError,
)
from knhk.kernel.game import KEPT_MAX
from knhk.model import (
    EXCEPT_ERROR,
    EXCEPT_MESSAGE,
    EXCEPT_SIGNAL,
    MESSAGE,
    CaseStatus,
    ForEach,
    Input,
    ItemState,
    Net,
)
from knhk.testing import VirtualClock
from tests.engine.conftest import Project
from tests.engine.nets import (
    Drawing,
    calls,
    chain,
    expression,
    message,
    plugin,
    runs,
    signal,
    value,
)

pytestmark = pytest.mark.anyio


class Whole:
    """Whole numbers, which are strings in the journal."""

    text = "whole"

    def accept(self, given: object) -> object:
        if not isinstance(given, int):
            raise MisfitError([Misfit("", f"is no whole number: {given!r}")])
        return given

    def encode(self, given: object) -> object:
        return str(given)

    def decode(self, data: object) -> object:
        assert isinstance(data, str)
        return int(data)


def many(**attributes: object) -> Net:
    """A task with two instances, to which more may be added, then another."""
    each = ForEach("x", items=value([1, 2]), element=Whole(), open=True)
    drawing = Drawing().task("n", "start", "p", for_each=each, **attributes)
    return drawing.task("last", "p").net(returns="n")


def waiting(callee: Any, **more: Any) -> Net:
    """A task that waits, and beside it one for outside."""
    drawing = Drawing().route("all", "start", "a b")
    drawing.task("t", "a", callee=callee, **more)
    return drawing.task("ask", "b").net("k=", returns="t")


# Claims


async def test_work_is_claimed_by_name_and_by_number_then_completed(project: Project) -> None:
    module = project.drawn("", many())

    async with Engine.open(project.store) as engine:
        await engine.deploy(module)
        case = await engine.start("w", case_id="c")
        offers = await engine.work("c")
        assert [("n", 1, ItemState.offered, 0, 1), ("n", 2, ItemState.offered, 1, 2)] == [
            (offer.task, offer.item, offer.state, offer.instance, offer.value) for offer in offers
        ]
        assert () == await engine.work("another")

        second, first = await engine.claim("c", 2), await engine.claim("c", "n")
        assert [2, 1] == [second.item, first.item]
        with pytest.raises(NotOffered, match=r"work item 1 \(started\) is held until .* UTC"):
            await engine.claim("c", "n")
        with pytest.raises(NotOffered, match=r"work item 2 \(started\) is held"):
            await engine.claim("c", 2)
        assert {ItemState.started} == {offer.state for offer in await engine.work()}

        await engine.complete(second, "two")
        await engine.complete(first, "one")
        with pytest.raises(NotOffered):
            await engine.claim("c", "n")
        with pytest.raises(UnknownName):
            await engine.claim("c", "nothing")
        with pytest.raises(UnknownName):
            await engine.claim("c", 99)
        assert 3 == (await engine.claim("c", "last")).item
        await engine.complete("c", 3, attempt=1)
        assert ["one", "two"] == await case.result()
        with pytest.raises(CaseEnded):
            await engine.claim("c", "last")


async def test_a_claim_is_there_after_a_restart(project: Project) -> None:
    module = project.drawn("", many())
    async with Engine.open(project.store) as engine:
        await engine.deploy(module)
        await engine.start("w", case_id="c")
        await engine.claim("c", 2)

    async with Engine.open(project.store, resume=False) as engine:
        await engine.deploy(module)
        await engine.resume()
        assert [(1, ItemState.offered), (2, ItemState.started)] == [
            (offer.item, offer.state) for offer in await engine.work()
        ]


async def test_work_of_the_engine_cannot_be_claimed(project: Project) -> None:
    module = project.drawn(
        """
        import anyio
        async def work(): await anyio.sleep_forever()
        """,
        chain("w", ("t", calls("work"))),
    )

    async with Engine.open() as engine:
        await engine.deploy(module)
        await engine.start("w", case_id="c")
        for which in ("t", 1):
            with pytest.raises(NotOffered):
                await engine.claim("c", which)


# Withdrawals


async def test_a_task_is_withdrawn_with_what_runs_of_it(project: Project) -> None:
    drawing = Drawing().route("all", "start", "a b")
    drawing.task("t", "a", "gone", callee=calls("work")).task("never", "gone").task("ask", "b")
    module = project.drawn(
        """
        import anyio
        async def work():
            note("begun")
            try:
                await anyio.sleep_forever()
            finally:
                calls.append("stopped")
        """,
        drawing.net(),
    )

    async with Engine.open(project.store) as engine:
        await engine.deploy(module)
        case = await engine.start("w", case_id="c")
        await anyio.wait_all_tasks_blocked()
        await engine.withdraw("c", "t")
        await anyio.wait_all_tasks_blocked()
        assert [("begun",), "stopped"] == project.calls
        with pytest.raises(NotOffered, match="no work item"):
            await engine.withdraw("c", "t")
        with pytest.raises(UnknownName):
            await engine.withdraw("c", "nothing")
        await engine.complete("c", "ask")
        await case.result()
        with pytest.raises(CaseEnded):
            await engine.withdraw("c", "ask")


# Instances


async def test_an_instance_is_added_and_its_value_is_typed(project: Project) -> None:
    module = project.drawn("", many())

    async with Engine.open(project.store) as engine:
        await engine.deploy(module)
        await engine.start("w", case_id="c")
        await engine.add_instance("c", "n", 3)
        with pytest.raises(InputError, match="an instance of task 'n'") as caught:
            await engine.add_instance("c", "n", "four")
        with pytest.raises(NotOffered, match="not `open`"):
            await engine.add_instance("c", "last", 1)
        with pytest.raises(UnknownName):
            await engine.add_instance("c", "nothing")
        assert ["create", "add_instance"] == [
            step.kind for step in (await engine.show("c")).history
        ]
    assert ("is no whole number: 'four'",) == tuple(
        misfit.message for misfit in caught.value.misfits
    )

    async with Engine.open(project.store, resume=False) as engine:
        await engine.deploy(module)
        await engine.resume()
        assert [1, 2, 3] == [offer.value for offer in await engine.work()]
        for number in (3, 1, 2):
            await engine.complete("c", number, number * 10)
        with pytest.raises(NotOffered, match="neither offered nor running"):
            await engine.add_instance("c", "n", 3)
        await engine.complete("c", "last")
        assert [10, 20, 30] == await (await engine.case("c")).result()
        with pytest.raises(CaseEnded):
            await engine.add_instance("c", "n", 3)


async def test_an_instance_that_is_added_is_worked_on_by_the_engine(project: Project) -> None:
    each = ForEach("x", items=value([1]), open=True)
    drawing = Drawing().task("n", "start", "p", callee=calls("work", "x"), for_each=each)
    module = project.drawn(
        """
        async def work(x):
            note("work", x)
            await clock.sleep(10)
            return x
        """,
        drawing.net(returns="n"),
    )
    clock = VirtualClock(autofire=False)
    project.clock = clock

    async with Engine.open(clock=clock) as engine:
        await engine.deploy(module)
        assert project.calls == []
        case = await engine.start("w", case_id="c")
        await clock.settle()
        await engine.add_instance("c", "n", 2)
        await clock.settle()
        assert [("work", 1), ("work", 2)] == project.calls
        await clock.advance(10)
        assert CaseStatus.stuck is case.status or [1, 2] == await case.result()


# Messages


@pytest.mark.parametrize("first", ["message", "task"])
async def test_a_message_is_taken_now_or_kept_until_somebody_waits(
    project: Project, first: str
) -> None:
    drawing = Drawing().task("a", "start", "p").task("t", "p", callee=message("pay"))
    module = project.drawn("", drawing.net(returns="t"))
    seen: list[Event] = []

    async with Engine.open(project.store, observer=seen.append) as engine:
        await engine.deploy(module)
        await engine.start("w", case_id="c")
        if first == "message":
            assert False is await engine.send("c", "pay", {"amount": 5})
    async with Engine.open(project.store, resume=False) as engine:
        await engine.deploy(module)
        await engine.complete("c", "a")
        if first == "task":
            assert False is await engine.send("c", "other", 4)
            assert True is await engine.send("c", "pay", {"amount": 5})
        assert {"amount": 5} == await (await engine.case("c")).result()
        assert False is await engine.send("c", "pay", {"amount": 6})

    told = [(event.what, event.task) for event in seen]
    assert (("message", "pay") in told) == (first == "message")


async def test_a_message_with_a_key_goes_to_the_task_with_an_equal_one(project: Project) -> None:
    module = project.drawn("", waiting(message("pay", "k")))

    async with Engine.open(project.store) as engine:
        await engine.deploy(module)
        case = await engine.start("w", case_id="c", k={"order": [1, "a"]})
        assert not await engine.send("c", "pay", 1)
        assert not await engine.send("c", "pay", 2, key={"order": [1, "b"]})
        assert await engine.send("c", "pay", 3, key={"order": [1, "a"]})
        await engine.complete("c", "ask")
        assert 3 == await case.result()


async def test_a_message_interrupts_work_of_the_engine(project: Project) -> None:
    module = project.drawn(
        """
        import anyio
        async def work():
            try:
                await anyio.sleep_forever()
            finally:
                calls.append("stopped")
        """,
        Drawing()
        .task("t", "start", callee=calls("work"), exceptions=((EXCEPT_MESSAGE, "no", "x"),))
        .task("ask", "x")
        .net(),
    )

    async with Engine.open() as engine:
        await engine.deploy(module)
        case = await engine.start("w", case_id="c")
        await anyio.wait_all_tasks_blocked()
        assert await engine.send("c", "no")
        await engine.complete("c", "ask")
        await case.result()
        await anyio.wait_all_tasks_blocked()
        assert ["stopped"] == project.calls


async def test_messages_are_kept_by_a_case_that_stands_still(project: Project) -> None:
    module = project.drawn("", waiting(message("pay")))

    async with Engine.open(project.store) as engine:
        await engine.deploy(module)
        case = await engine.start("w", case_id="c")
        await engine.suspend("c")
        assert not await engine.send("c", "pay", 1)
        await engine.resume_case("c")
        await engine.fail("c", "ask", "Broken")
        assert CaseStatus.failed is case.status
        assert not await engine.send("c", "pay", 2)
        await engine.retry("c")
        await engine.complete("c", "ask")
        assert 1 == await case.result()


# Signals


async def test_a_signal_starts_all_that_wait_and_is_lost_where_none_does(project: Project) -> None:
    drawing = Drawing().route("all", "start", "a b c")
    drawing.task("s", "a", callee=signal("go")).task("t", "b", callee=signal("go"))
    drawing.task("u", "c", exceptions=((EXCEPT_SIGNAL, "go", "d"),)).task("last", "d")
    module = project.drawn("", drawing.net(returns="s"))

    async with Engine.open(project.store) as engine:
        await engine.deploy(module)
        case = await engine.start("w", case_id="c")
        assert 0 == await engine.signal("c", "other")
        assert 3 == await engine.signal("c", "go", {"now": True})
        assert 0 == await engine.signal("c", "go")
        assert ["last"] == [offer.task for offer in await engine.work()]
        values = [step.value for step in (await engine.show("c")).history if step.kind == "signal"]
        assert [None, {"now": True}, None] == values
        await engine.complete("c", "last")
        assert {"now": True} == await case.result()
        assert 0 == await engine.signal("c", "go")


async def test_a_signal_survives_a_restart_only_in_what_it_did(project: Project) -> None:
    module = project.drawn("", waiting(signal("go")))
    async with Engine.open(project.store) as engine:
        await engine.deploy(module)
        await engine.start("w", case_id="c")
        assert 1 == await engine.signal("c", "go", 7)

    async with Engine.open(project.store, resume=False) as engine:
        await engine.deploy(module)
        await engine.complete("c", "ask")
        assert 7 == await (await engine.case("c")).result()


# What is wrong with what is sent


@pytest.mark.parametrize(
    "wrong", [object(), "\ud800", {"x": object()}, [b"\xff"]], ids=["a", "b", "c", "d"]
)
async def test_what_does_not_fit_into_json_is_refused_and_changes_nothing(
    project: Project, wrong: object
) -> None:
    module = project.drawn("", waiting(message("pay")))

    async with Engine.open(project.store) as engine:
        await engine.deploy(module)
        await engine.start("w", case_id="c")
        for asking in (
            engine.send("c", "pay", wrong),
            engine.send("c", "pay", key=wrong),
            engine.signal("c", "go", wrong),
        ):
            with pytest.raises(InputError, match=r"payload|key"):
                await asking
        assert ["create"] == [step.kind for step in (await engine.show("c")).history]


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 256, "\ud800"])
async def test_a_name_that_is_none_is_refused(project: Project, name: str) -> None:
    module = project.drawn("", waiting(message("pay")))

    async with Engine.open(project.store) as engine:
        await engine.deploy(module)
        await engine.start("w", case_id="c")
        with pytest.raises(UsageError, match="name of a message"):
            await engine.send("c", name)
        with pytest.raises(UsageError, match="name of a signal"):
            await engine.signal("c", name)


async def test_a_case_that_is_not_there_is_named() -> None:
    async with Engine.open() as engine:
        asked: list[Awaitable[object]] = [
            engine.claim("c", "t"),
            engine.withdraw("c", "t"),
            engine.add_instance("c", "t"),
            engine.send("c", "m"),
            engine.signal("c", "s"),
            engine.explain("c", "t"),
        ]
        for asking in asked:
            with pytest.raises(UnknownName):
                await asking


async def test_an_engine_that_only_reads_explains_and_takes_nothing(project: Project) -> None:
    path = project.write(
        """
        workflow w()
            task a
            task b
            flow
                start -> a -> b -> end
        """
    )
    async with Engine.open(project.store) as engine:
        await engine.deploy(path)
        await engine.start("w", case_id="c")
        live = await engine.explain("c", "b")

    async with Engine.open(project.store, reading=True) as engine:
        assert live == await engine.explain("c", "b")
        with pytest.raises(UnknownName):
            await engine.explain("c", "nothing")
        with pytest.raises(UsageError, match="only reads"):
            await engine.send("c", "m")


# Reasons


async def test_a_case_explains_itself_at_work_and_after_its_end(project: Project) -> None:
    module = project.drawn("", many())

    async with Engine.open(project.store) as engine:
        await engine.deploy(module)
        await engine.start("w", case_id="c")
        assert "offered" in await engine.explain("c", "n")
        assert "p" in await engine.explain("c", "last")
        with pytest.raises(UnknownName):
            await engine.explain("c", "nothing")
        await engine.cancel("c")
        assert "the case is cancelled" in await engine.explain("c", "n")


# Choices between people


async def test_work_of_a_person_that_is_a_choice_is_offered_and_not_begun(
    project: Project,
) -> None:
    drawing, boss = Drawing(), expression(lambda data: "boss")
    drawing.task("yes", "start", callee=plugin("human", role=boss), timeout_us=10_000_000)
    drawing.task("no", "start", callee=plugin("human", role=boss))
    module = project.drawn("", drawing.net(returns="yes"))
    clock = VirtualClock(autofire=False)

    async with Engine.open(clock=clock) as engine:
        await engine.deploy(module)
        case = await engine.start("w", case_id="c")
        offers = await engine.work()
        assert [("yes", ItemState.offered), ("no", ItemState.offered)] == [
            (offer.task, offer.state) for offer in offers
        ]
        assert (("role", "boss"),) == offers[0].kwargs
        await clock.advance(100)
        claim = await engine.claim("c", "yes")
        assert ["yes"] == [offer.task for offer in await engine.work()]
        await engine.complete(claim, 1)
        assert 1 == await case.result()


async def test_a_message_without_its_two_parts_is_damage(project: Project) -> None:
    import apsw

    path = project.write("workflow w()\n    task a\n    flow\n        start -> a -> end\n")
    async with Engine.open(project.store) as engine:
        await engine.deploy(path)
        await engine.start("w", case_id="c")
        await engine.send("c", "m", 1)
    connection = apsw.Connection(str(project.store))
    connection.execute("UPDATE inputs SET body = ? WHERE seq = 1", (b'{"value":{"key":1}}',))
    connection.close()

    async with Engine.open(project.store) as engine:
        assert isinstance(engine.stranded["c"], StoreDamaged)
        assert "input 1 (message)" in str(engine.stranded["c"])


# All that is waited for


async def test_what_a_case_and_its_sub_cases_wait_for_is_told_when_it_is_all_there_is(
    project: Project,
) -> None:
    top = Drawing("top").route("all", "start", "a b c")
    top.task("s", "a", callee=runs("part")).task("m", "b", callee=message("pay"))
    top.task("work", "c", callee=calls("work"))
    part = Drawing("part").route("all", "start", "a b")
    part.task("ask", "a").task("go", "b", callee=signal("go"))
    module = project.drawn(
        """
        import anyio
        release = anyio.Event()
        async def work():
            await release.wait()
        """,
        top.net(),
        part.net(),
    )

    async with Engine.open() as engine:
        await engine.deploy(module)
        case = await engine.start("top", case_id="c")
        await anyio.wait_all_tasks_blocked()
        assert None is await engine.waits("c")
        project.handlers.release.set()
        await anyio.wait_all_tasks_blocked()

        waits = await engine.waits("c")
        assert waits is not None
        assert [("c/s-1.1", "ask")] == [(offer.case, offer.task) for offer in waits.work]
        assert (
            EventWait("c", "top", "m", 2, "message pay"),
            EventWait("c/s-1.1", "part", "go", 2, "signal go"),
        ) == waits.events

        await engine.send("c", "pay")
        await engine.signal("c/s-1.1", "go")
        await engine.complete("c/s-1.1", "ask")
        await case.result()
        assert None is await engine.waits("c")


async def test_a_case_that_waits_for_a_time_does_not_wait_for_the_outside_only(
    project: Project,
) -> None:
    path = project.write(
        """
        workflow w()
            task ask
            task pause = timer 1h
            flow
                start -> all(ask, pause) -> end
        """
    )

    async with Engine.open(clock=VirtualClock(autofire=False)) as engine:
        await engine.deploy(path)
        await engine.start("w", case_id="c")
        assert None is await engine.waits("c")
        assert 1 == len(await engine.work("c"))


async def test_a_message_that_is_one_too_many_is_refused_and_never_lost(project: Project) -> None:
    module = project.drawn("", Drawing().task("a", "start", "e").net())
    async with Engine.open(":memory:", clock=project.clock) as engine:
        await engine.deploy(module)
        await engine.start("w", case_id="c")
        assert engine._running is not None
        news = {"key": None, "payload": None}
        facts = [Input(MESSAGE, 0, task="m", value=news) for _ in range(KEPT_MAX)]
        engine._running.live["c"].give(*facts)
        with pytest.raises(UsageError, match="messages that nobody takes"):
            await engine.send("c", "m")


async def test_a_failure_that_an_exception_flow_took_up_is_no_open_work(project: Project) -> None:
    drawing = Drawing().task("a", "start", "e", exceptions=((EXCEPT_ERROR, "", "q"),))
    module = project.drawn("", drawing.task("b", "q", "e").net())
    async with Engine.open(":memory:", clock=project.clock) as engine:
        await engine.deploy(module)
        await engine.start("w", case_id="c")
        await engine.fail("c", "a", "Broken")
        assert ["b"] == [item.task for item in (await engine.show("c")).items]
        await engine.fail("c", "b", "Broken")
        assert ["b"] == [item.task for item in (await engine.show("c")).items]
