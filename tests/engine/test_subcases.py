"""Sub-cases: results, failures and cancellation passed both ways, and recursion."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from knhk.call import Call
from knhk.engine import Engine, Limits, SubCase
from knhk.engine.kin import SUB_CASE_ID_MAX, sub_case_id
from knhk.errors import (
    CaseCancelled,
    CaseEnded,
    CaseFailed,
    CaseStuck,
    UsageError,
)
from knhk.model import (
    EXCEPT_ERROR,
    EXCEPT_MESSAGE,
    JOIN_AND,
    NODE_END,
    NODE_STOP,
    SPLIT_XOR,
    US_PER_S,
    CaseStatus,
    ForEach,
    Net,
    Region,
    Retry,
)
from knhk.testing import VirtualClock
from tests.engine.conftest import Project
from tests.engine.nets import OUTSIDE, Drawing, calls, chain, expression, message, runs, value

pytestmark = pytest.mark.anyio

#: A workflow that has one task for outside.
ASKING = chain("asking", ("ask", OUTSIDE), returns="ask")


def parent(callee_args: dict[str, object] | None = None, **attributes: object) -> Net:
    """A workflow of one task, which is a sub-case of `child`."""
    drawing = Drawing("parent").task(
        "s", "start", callee=runs("child", **(callee_args or {})), **attributes
    )
    return drawing.net("n=", returns="s")


async def until_live(engine: Engine, *cases: str) -> None:
    """Wait until these cases are in memory."""
    assert engine._running is not None
    with anyio.fail_after(10):
        while not set(cases) <= set(engine._running.live):
            await anyio.lowlevel.checkpoint()
    await anyio.wait_all_tasks_blocked()


async def statuses(engine: Engine) -> dict[str, str]:
    return {row.id: str(row.status) for row in await engine.cases()}


async def until_ended(engine: Engine, *cases: str) -> None:
    """Wait until these cases run no longer."""
    for case in cases:
        handle = await engine.case(case)
        with anyio.fail_after(10):
            await handle._standing.wait()


# Results


@pytest.mark.parametrize("store", ["memory", "file"])
async def test_the_result_of_a_sub_case_is_the_result_of_its_task(
    project: Project, store: str
) -> None:
    module = project.drawn(
        """
        async def double(n):
            note("double", n)
            return n * 2
        """,
        chain(
            "w",
            ("a", calls("double", "n")),
            ("s", runs("child", "a")),
            returns="s",
            parameters=("n",),
        ),
        chain("child", ("b", calls("double", "x")), returns="b", parameters=("x",)),
    )

    async with Engine.open(project.store if store == "file" else ":memory:") as engine:
        await engine.deploy(module)
        result = await (await engine.start("w", case_id="A", n=3)).result()
        shown = await engine.show("A")
        child = await engine.show("A/s-2.1")
        rows = await engine.cases(parent="A")
        assert engine._running is not None
        assert {} == engine._running.live

    assert 12 == result
    assert ["A:1:1", "A/s-2.1:1:1"] == project.handlers.keys
    assert (SubCase("A/s-2.1", "child", 2, CaseStatus.completed),) == shown.children
    assert ("", -1, 0) == (shown.parent, shown.parent_item, shown.depth)
    assert ("A", 2, 1, ()) == (child.parent, child.parent_item, child.depth, child.children)
    assert ["A/s-2.1"] == [row.id for row in rows]
    assert {"n": 3, "a": 6, "s": 12} == shown.data


async def test_arguments_go_to_parameters_by_position_and_by_name(project: Project) -> None:
    child = Drawing("child").task("t", "start", callee=calls("give", "a", "b", "c"))
    module = project.drawn(
        "async def give(a, b, c): return [a, b, c]",
        Drawing("parent").task("s", "start", callee=runs("child", 1, c=value(3))).net(returns="s"),
        child.net("a", "b=", "c", returns="t"),
    )

    async with Engine.open() as engine:
        await engine.deploy(module)
        assert [1, None, 3] == await (await engine.start("parent")).result()


@pytest.mark.parametrize(
    ("callee", "words"),
    [
        (runs("child"), ["n: is missing"]),
        (runs("child", 1, n=value(2)), ["n: is given by position and by name"]),
        (runs("child", 1, 2), ["argument 2: is too much", "parameters: n"]),
        (runs("child", n=value(1), m=value(2)), ["m: is not a parameter"]),
    ],
)
async def test_parameters_that_do_not_fit_fail_the_task(
    project: Project, callee: object, words: list[str]
) -> None:
    drawing = Drawing("parent").task("s", "start", callee=callee)  # type: ignore[arg-type]
    module = project.drawn("", drawing.net(), chain("child", ("t", OUTSIDE), parameters=("n",)))

    async with Engine.open() as engine:
        await engine.deploy(module)
        with pytest.raises(CaseFailed) as caught:
            await (await engine.start("parent", case_id="A")).result()
        assert ["A"] == [row.id for row in await engine.cases()]

    assert "InputError" == caught.value.error
    assert all(word in caught.value.message for word in words), caught.value.message


async def test_instances_are_sub_cases_side_by_side_and_their_results_in_order(
    project: Project,
) -> None:
    each = ForEach("n", items=value(list(range(50))))
    module = project.drawn(
        """
        async def square(n):
            await clock.sleep(100 - n)
            return n * n
        """,
        Drawing("parent")
        .task("s", "start", callee=runs("child", "n"), for_each=each)
        .net(returns="s"),
        chain("child", ("t", calls("square", "n")), returns="t", parameters=("n",)),
    )

    async with Engine.open(project.store, clock=project.clock) as engine:
        await engine.deploy(module)
        assert project.calls == []
        began_us = project.clock.now_us()
        result = await (await engine.start("parent", case_id="A")).result()
        rows = await engine.cases(parent="A")

    assert [n * n for n in range(50)] == result
    assert 100 == (project.clock.now_us() - began_us) // US_PER_S
    assert list(range(1, 51)) == sorted(row.parent_item for row in rows)


async def test_sub_cases_that_wait_hold_no_place_among_those_that_work(
    project: Project,
) -> None:
    each = ForEach("n", items=value(list(range(10))))
    module = project.drawn(
        "async def work(n): return n",
        Drawing("top")
        .task("s", "start", callee=runs("middle", "n"), for_each=each)
        .net(returns="s"),
        chain("middle", ("s", runs("low", "n")), returns="s", parameters=("n",)),
        chain("low", ("t", calls("work", "n")), returns="t", parameters=("n",)),
    )

    async with Engine.open(limits=Limits(waiting_work_max=3)) as engine:
        await engine.deploy(module)
        with anyio.fail_after(30):
            assert list(range(10)) == await (await engine.start("top")).result()


# Recursion


def down() -> Net:
    """`down(n)` is one more than `down(n - 1)`, and `down(0)` is 0."""
    drawing = Drawing("down")
    guard = expression(lambda data: data["n"] > 0, "n > 0")
    drawing.route("one", "start", "on out", split=SPLIT_XOR, guards=(guard, None))
    less = expression(lambda data: data["n"] - 1, "n - 1")
    drawing.task("t", "on", callee=runs("down", less))
    drawing.route("end", "out", kind=NODE_END)
    return drawing.net("n", returns=expression(lambda data: data.get("t", -1) + 1))


async def test_a_workflow_may_call_itself_a_hundred_deep(project: Project) -> None:
    module = project.drawn("", down())

    async with Engine.open(project.store) as engine:
        await engine.deploy(module)
        assert 100 == await (await engine.start("down", case_id="A", n=100)).result()
        rows = await engine.cases()

    assert list(range(101)) == [row.depth for row in rows]
    assert ["A", *[row.id for row in rows[:-1]]] == ["A", *[row.parent for row in rows[1:]]]
    assert all(len(row.id) <= SUB_CASE_ID_MAX for row in rows)
    assert 101 == len({row.id for row in rows})


async def test_what_goes_deeper_fails_and_says_what_to_do(project: Project) -> None:
    module = project.drawn("", down())

    async with Engine.open(depth_max=3) as engine:
        await engine.deploy(module)
        assert 3 == await (await engine.start("down", n=3)).result()
        with pytest.raises(CaseFailed) as caught:
            await (await engine.start("down", case_id="A", n=4)).result()
        assert 4 == len([row for row in await engine.cases() if row.id.startswith("A")])

    assert ("A", "t", "TooDeep") == (caught.value.case, caught.value.task, caught.value.error)
    assert "more than 3 cases deep" in caught.value.message
    assert "depth_max" in caught.value.message


async def test_a_thousand_deep_is_no_recursion_of_python(project: Project) -> None:
    module = project.drawn("", down())

    async with Engine.open(depth_max=2_000) as engine:
        await engine.deploy(module)
        assert 1_000 == await (await engine.start("down", n=1_000)).result()


async def test_a_depth_below_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="depth_max"):
        async with Engine.open(depth_max=-1):
            raise AssertionError("it was opened")


def test_an_id_that_would_be_too_long_is_cut_and_stays_one_of_its_kind() -> None:
    plain = sub_case_id(Call("A1", "w", "charge", 3, 2))
    long = {sub_case_id(Call("x" * 250, "w", "charge", item, 1)) for item in range(100)}

    assert "A1/charge-3.2" == plain
    assert 100 == len(long)
    assert all(len(name) <= SUB_CASE_ID_MAX for name in long)
    assert all(name.startswith("x") and name.endswith(".1") for name in long)


# Failures

DECLINES = """
    class Declined(Exception): pass
    class CardDeclined(Declined): pass
    async def charge(*, call):
        note("charge", call.case)
        if len(calls) < 3:
            raise CardDeclined("no money")
        return "paid"
"""


async def test_the_failure_of_a_sub_case_is_that_of_its_task(project: Project) -> None:
    module = project.drawn(
        DECLINES, parent(), chain("child", ("t", calls("charge")), parameters=())
    )

    async with Engine.open(project.store) as engine:
        await engine.deploy(module)
        with pytest.raises(CaseFailed) as caught:
            await (await engine.start("parent", case_id="A")).result()
        assert {"A": "failed", "A/s-1.1": "failed"} == await statuses(engine)
        assert engine._running is not None
        assert {} == engine._running.live

    error = caught.value
    assert ("A", "s", "CardDeclined", "no money") == (
        error.case,
        error.task,
        error.error,
        error.message,
    )


@pytest.mark.parametrize("name", ["CardDeclined", "Declined", ""])
async def test_an_exception_flow_knows_the_failure_of_a_sub_case_by_its_bases_too(
    project: Project, name: str
) -> None:
    drawing = Drawing("parent")
    drawing.task("s", "start", callee=runs("child"), exceptions=((EXCEPT_ERROR, name, "caught"),))
    drawing.task("mend", "caught", callee=calls("mend"))
    module = project.drawn(
        DECLINES + "    async def mend(): return 'mended'\n",
        drawing.net(returns="mend"),
        chain("child", ("t", calls("charge"))),
    )

    async with Engine.open() as engine:
        await engine.deploy(module)
        assert "mended" == await (await engine.start("parent")).result()


async def test_a_retry_begins_a_new_sub_case(project: Project) -> None:
    module = project.drawn(
        DECLINES,
        parent(retry=Retry((US_PER_S, US_PER_S))),
        chain("child", ("t", calls("charge")), returns="t"),
    )

    async with Engine.open(project.store, clock=project.clock) as engine:
        await engine.deploy(module)
        assert "paid" == await (await engine.start("parent", case_id="A")).result()
        found = await statuses(engine)

    ids = ["A/s-1.1", "A/s-1.2", "A/s-1.3"]
    assert [("charge", name) for name in ids] == project.calls
    assert {
        "A": "completed",
        **dict(zip(ids, ["failed", "failed", "completed"], strict=True)),
    } == found


async def test_a_sub_case_that_failed_cannot_be_retried_alone(project: Project) -> None:
    module = project.drawn(DECLINES, parent(), chain("child", ("t", calls("charge")), returns="t"))

    async with Engine.open(project.store) as engine:
        await engine.deploy(module)
        case = await engine.start("parent", case_id="A")
        with pytest.raises(CaseFailed):
            await case.result()
        with pytest.raises(CaseEnded, match="a part of case 'A'"):
            await engine.retry("A/s-1.1")
        await engine.retry("A")
        with pytest.raises(CaseFailed):
            await case.result()
        await engine.retry("A")
        assert "paid" == await case.result()


async def test_a_sub_case_that_is_cancelled_fails_its_task(project: Project) -> None:
    module = project.drawn("", parent(), chain("child", ("ask", OUTSIDE)))

    async with Engine.open() as engine:
        await engine.deploy(module)
        case = await engine.start("parent", case_id="A")
        await until_live(engine, "A/s-1.1")
        await engine.cancel("A/s-1.1")
        with pytest.raises(CaseFailed, match=r"'A/s-1\.1' was cancelled") as caught:
            await case.result()

    assert "CaseCancelled" == caught.value.error


async def test_a_sub_case_that_is_stuck_fails_its_task(project: Project) -> None:
    drawing = Drawing("child").task("t", "start", "here")
    drawing.route("both", "here never", join=JOIN_AND)
    module = project.drawn("", parent(), drawing.net())

    async with Engine.open() as engine:
        await engine.deploy(module)
        case = await engine.start("parent", case_id="A")
        await until_live(engine, "A/s-1.1")
        await engine.complete("A/s-1.1", "t")
        with pytest.raises(CaseFailed, match="tokens at: here") as caught:
            await case.result()
        with pytest.raises(CaseStuck):
            await (await engine.case("A/s-1.1")).result()

    assert "CaseStuck" == caught.value.error


async def test_a_result_that_does_not_fit_the_task_fails_it(project: Project) -> None:
    class Never:
        text = "never"

        def accept(self, given: object) -> object:
            from knhk.errors import Misfit, MisfitError

            raise MisfitError([Misfit("", "is not what it should be")])

        encode = decode = accept

    module = project.drawn("", parent(result=Never()), chain("child", ("ask", OUTSIDE)))

    async with Engine.open() as engine:
        await engine.deploy(module)
        case = await engine.start("parent", case_id="A")
        await until_live(engine, "A/s-1.1")
        await engine.complete("A/s-1.1", "ask")
        with pytest.raises(CaseFailed, match="ResultError"):
            await case.result()


FAILING_BESIDE = """
    import anyio
    async def breaks():
        await anyio.sleep(0.01)
        raise ValueError("broken")
    async def goes_on():
        try:
            await anyio.sleep_forever()
        finally:
            calls.append("stopped")
"""


async def test_what_still_runs_in_a_sub_case_that_failed_is_stopped(project: Project) -> None:
    drawing = Drawing("child").route("all", "start", "a b c")
    drawing.task("breaks", "a", callee=calls("breaks"))
    drawing.task("goes_on", "b", callee=calls("goes_on"))
    drawing.task("below", "c", callee=runs("asking"))
    module = project.drawn(FAILING_BESIDE, parent(), drawing.net(), ASKING)

    async with Engine.open() as engine:
        await engine.deploy(module)
        with pytest.raises(CaseFailed, match="ValueError: broken"):
            await (await engine.start("parent", case_id="A")).result()
        await until_ended(engine, "A/s-1.1/below-3.1")
        await anyio.wait_all_tasks_blocked()
        found = await statuses(engine)
        assert engine._running is not None
        assert {} == engine._running.live

    assert {"A": "failed", "A/s-1.1": "failed", "A/s-1.1/below-3.1": "cancelled"} == found
    assert ["stopped"] == project.calls


# Cancellation


def below(**attributes: object) -> tuple[Net, ...]:
    """A parent with a child with a grandchild, which waits for somebody outside."""
    return (
        parent(**attributes),
        chain("child", ("below", runs("asking")), returns="below"),
        ASKING,
    )


LINE = ["A", "A/s-1.1", "A/s-1.1/below-1.1"]


async def test_a_parent_that_is_cancelled_takes_its_sub_cases_along(project: Project) -> None:
    module = project.drawn("", *below())

    async with Engine.open(project.store) as engine:
        await engine.deploy(module)
        case = await engine.start("parent", case_id="A")
        await until_live(engine, *LINE)
        await engine.cancel("A")
        with pytest.raises(CaseCancelled):
            await case.result()
        await until_ended(engine, *LINE)
        with pytest.raises(CaseEnded):
            await engine.complete(LINE[2], "ask")
        assert dict.fromkeys(LINE, "cancelled") == await statuses(engine)
        await anyio.wait_all_tasks_blocked()
        assert engine._running is not None
        assert {} == engine._running.live


async def test_a_timeout_cancels_the_sub_case_and_a_retry_begins_another(project: Project) -> None:
    clock = VirtualClock(autofire=False)
    module = project.drawn("", *below(timeout_us=10 * US_PER_S, retry=Retry((US_PER_S,))))

    async with Engine.open(project.store, clock=clock) as engine:
        await engine.deploy(module)
        case = await engine.start("parent", case_id="A")
        await clock.advance(10)
        await until_ended(engine, *LINE[1:])
        await clock.advance(1)
        await until_live(engine, "A/s-1.2/below-1.1")
        await engine.complete("A/s-1.2/below-1.1", "ask", "in time")
        assert "in time" == await case.result()
        found = await statuses(engine)

    assert ["cancelled", "cancelled"] == [found[name] for name in LINE[1:]]


async def test_stop_ends_the_parent_and_cancels_its_sub_cases(project: Project) -> None:
    drawing = Drawing("parent").route("all", "start", "a b")
    drawing.task("s", "a", callee=runs("child"))
    drawing.task("t", "b", "out")
    drawing.route("stop", "out", kind=NODE_STOP)
    module = project.drawn("", drawing.net(), *below()[1:])

    async with Engine.open() as engine:
        await engine.deploy(module)
        case = await engine.start("parent", case_id="A")
        await until_live(engine, *LINE)
        await engine.complete("A", "t")
        await case.result()
        await until_ended(engine, *LINE)
        assert ["completed", "cancelled", "cancelled"] == [
            (await statuses(engine))[name] for name in LINE
        ]


async def test_withdrawing_the_task_and_an_exception_flow_cancel_the_sub_case(
    project: Project,
) -> None:
    drawing = Drawing("parent")
    drawing.task("s", "start", callee=runs("child"), exceptions=((EXCEPT_MESSAGE, "no", "left"),))
    drawing.task("t", "left")
    module = project.drawn("", drawing.net(), *below()[1:])

    async with Engine.open() as engine:
        await engine.deploy(module)
        for name, act in (("A", "withdraw"), ("B", "message")):
            case = await engine.start("parent", case_id=name)
            line = [name + each[1:] for each in LINE]
            await until_live(engine, *line)
            if act == "withdraw":
                await engine.withdraw(name, "s")
            else:
                assert await engine.send(name, "no")
                await engine.complete(name, "t")
            await case.result()
            await until_ended(engine, *line)
            found = await statuses(engine)
            assert ["completed", "cancelled", "cancelled"] == [found[each] for each in line]


async def test_a_rival_that_starts_first_leaves_no_sub_case(project: Project) -> None:
    drawing = Drawing("parent")
    drawing.task("s", "start", callee=calls("work"))
    drawing.task("u", "start", callee=runs("child"))
    module = project.drawn("async def work(): return 1", drawing.net(), *below()[1:])

    async with Engine.open() as engine:
        await engine.deploy(module)
        await (await engine.start("parent", case_id="A")).result()
        assert {"A": "completed"} == await statuses(engine)


async def test_a_task_that_cancels_another_cancels_its_sub_case(project: Project) -> None:
    drawing = Drawing("parent").route("all", "start", "a b")
    drawing.task("s", "a", callee=runs("child"))
    drawing.task("t", "b", node={"cancels": Region(tasks=(0,))})
    module = project.drawn("", drawing.net(), *below()[1:])

    async with Engine.open() as engine:
        await engine.deploy(module)
        case = await engine.start("parent", case_id="A")
        await until_live(engine, *LINE)
        await engine.complete("A", "t")
        await case.result()
        await until_ended(engine, *LINE)


async def test_a_suspended_parent_takes_the_result_of_its_sub_case(project: Project) -> None:
    module = project.drawn("", *below())

    async with Engine.open() as engine:
        await engine.deploy(module)
        case = await engine.start("parent", case_id="A")
        await until_live(engine, *LINE)
        await engine.suspend("A")
        await engine.complete(LINE[2], "ask", 5)
        await until_ended(engine, *LINE[1:])
        assert CaseStatus.suspended is case.status
        await engine.resume_case("A")
        assert 5 == await case.result()


async def test_an_id_that_somebody_else_has_taken_fails_the_task(project: Project) -> None:
    module = project.drawn("", *below())

    async with Engine.open() as engine:
        await engine.deploy(module)
        await engine.start("asking", case_id="A/s-1.1")
        with pytest.raises(CaseFailed, match=r"there is a case 'A/s-1\.1' already") as caught:
            await (await engine.start("parent", case_id="A")).result()

    assert "CaseExists" == caught.value.error


# Files


async def test_a_message_reaches_the_sub_case_it_is_sent_to(project: Project) -> None:
    module = project.drawn("", parent(), chain("child", ("m", message("pay")), returns="m"))

    async with Engine.open() as engine:
        await engine.deploy(module)
        case = await engine.start("parent", case_id="A")
        await until_live(engine, "A/s-1.1")
        assert not await engine.send("A", "pay", 1)
        assert await engine.send("A/s-1.1", "pay", 2)
        assert 2 == await case.result()


# Types


async def test_values_of_every_type_go_into_a_sub_case_and_come_back(project: Project) -> None:
    (project.directory / "knhk.toml").touch()
    (project.directory / "types.knhk").write_text(
        "record Item\n    price: decimal\n    size: Size\n    made: date?\n    data: bytes\n\n"
        "enum Size: small, large\n\n"
        "workflow part(items: list[Item], wait: duration, tags: dict[str, Size]) -> Item\n"
        "    task ask\n    flow\n        start -> ask -> end\n    return items[0]\n"
    )
    path = project.write(
        """
        from "types.knhk" use Item, Size, part
        workflow whole(items: list[Item]) -> decimal
            task s = part(items, 2s, {big: items[0].size})
            flow
                start -> s -> end
            return s.price * 2
        """
    )
    item = {"price": "1.10", "size": "large", "made": "2026-02-03", "data": "AAE="}

    async with Engine.open(project.store) as engine:
        await engine.deploy(path)
        await engine.start("whole", case_id="A", items=[item])
        await until_live(engine, "A/s-1.1")
    async with Engine.open(project.store) as engine:
        await engine.complete("A/s-1.1", "ask")
        result = await (await engine.case("A")).result()
        shown = await engine.show("A/s-1.1")

    assert "2.20" == str(result)
    assert isinstance(shown.data, dict)
    assert [{"price": "1.10", "size": "large", "made": "2026-02-03", "data": "AAE="}] == shown.data[
        "items"
    ]
    assert {"big": "large"} == shown.data["tags"]
