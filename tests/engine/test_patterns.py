"""Patterns at work: real handlers run, wait for their turn, and are stopped."""

from __future__ import annotations

from contextlib import suppress

import anyio
import anyio.lowlevel
import pytest

from knhk.engine import Engine
from knhk.errors import JournalError
from knhk.model import (
    JOIN_AND,
    JOIN_PARTIAL,
    NODE_STOP,
    START,
    US_PER_S,
    Callee,
    CaseStatus,
    ForEach,
    Mutex,
    Net,
    Region,
)
from tests.engine.conftest import Project
from tests.engine.nets import Drawing, calls, chain, expression, message, runs, value
from tests.engine.stores import CrashingAtCommit

pytestmark = pytest.mark.anyio

#: Handlers that say when they begin, end and are stopped; the first argument is how long.
TIMED = """
    async def timed(name, seconds):
        note("begin", name)
        try:
            await clock.sleep(seconds)
        except BaseException:
            calls.append(("stop", name))
            raise
        note("end", name)
        return name
"""


def timed(name: str, seconds: float) -> Callee:
    return calls("timed", expression(lambda data: name), value(seconds))


def events(project: Project, name: str = "") -> list[object]:
    return [call[0] for call in project.calls if call[1] == name]


# Deferred choice: pattern 16


def choice() -> Net:
    drawing = Drawing().task("a", "start", "p", callee=timed("a", 1))
    drawing.task("b", "p", "b_out", callee=timed("b", 5))
    drawing.task("c", "p", "c_out", callee=timed("c", 5))
    drawing.task("d", "b_out c_out", callee=timed("d", 1))
    return drawing.net(returns=expression(lambda data: [data.get("b"), data.get("c")]))


async def test_of_two_that_the_engine_may_start_the_first_one_wins(project: Project) -> None:
    module = project.drawn(TIMED, choice())

    async with Engine.open(project.store, clock=project.clock) as engine:
        await engine.deploy(module)
        assert project.calls == []
        assert ["b", None] == await (await engine.start("w", case_id="c")).result()

    assert ["begin", "end"] == events(project, "b")
    assert [] == events(project, "c")
    assert ["begin", "end"] == events(project, "d")


async def test_the_winner_of_a_choice_stays_the_winner_after_a_crash_at_any_commit(
    project: Project,
) -> None:
    module = project.drawn(TIMED, choice())
    commits = 1
    while True:
        journal = CrashingAtCommit(commits)
        async with Engine.open(journal, clock=project.clock) as engine:
            await engine.deploy(module)
            project.calls.clear()
            case = await engine.start("w", case_id="c")
            with suppress(JournalError):
                await case.result()
        if not journal.crashed:
            break
        survivor = journal.survivor(CrashingAtCommit(1_000))
        async with Engine.open(survivor, clock=project.clock, resume=False) as engine:
            await engine.deploy(module)
            await engine.resume()
            assert ["b", None] == await (await engine.case("c")).result()
        assert [] == events(project, "c")
        assert 3 == len([row for row in survivor.inputs("c") if row.kind == START])
        commits += 1

    assert commits >= 4


async def test_an_event_and_a_sub_case_compete_like_any_other_work(project: Project) -> None:
    drawing = Drawing().task("m", "start", callee=message("pay")).task("t", "start")
    module = project.drawn("", drawing.net(returns="m"))

    async with Engine.open() as engine:
        await engine.deploy(module)
        case = await engine.start("w", case_id="c")
        assert await engine.send("c", "pay", 1)
        assert () == await engine.work()
        assert 1 == await case.result()


# Discriminators: patterns 9, 29


def discriminator(*, cancelling: bool) -> Net:
    drawing = Drawing().route("all", "start", "to_b to_c")
    drawing.task("b", "to_b", "b_out", callee=timed("b", 1))
    drawing.task("c", "to_c", "c_out", callee=timed("c", 10))
    places = tuple(drawing.place(name) for name in ("to_b", "to_c", "b_out", "c_out"))
    region = Region(tasks=(0, 1), places=places) if cancelling else None
    drawing.task("d", "passed", callee=timed("d", 1))
    drawing.route("first", "b_out c_out", "passed", join=JOIN_PARTIAL, threshold=1, cancels=region)
    return drawing.net(returns="d")


async def test_a_cancelling_discriminator_stops_a_running_handler(project: Project) -> None:
    module = project.drawn(TIMED, discriminator(cancelling=True))

    async with Engine.open(project.store, clock=project.clock) as engine:
        await engine.deploy(module)
        assert project.calls == []
        began_us = project.clock.now_us()
        assert "d" == await (await engine.start("w", case_id="c")).result()
        assert 2 == (project.clock.now_us() - began_us) // US_PER_S

    assert ["begin", "stop"] == events(project, "c")
    assert ["begin", "end"] == events(project, "d")


async def test_a_structured_discriminator_lets_the_other_one_end_in_silence(
    project: Project,
) -> None:
    module = project.drawn(TIMED, discriminator(cancelling=False))

    async with Engine.open(project.store, clock=project.clock) as engine:
        await engine.deploy(module)
        assert project.calls == []
        began_us = project.clock.now_us()
        assert "d" == await (await engine.start("w", case_id="c")).result()
        assert 10 == (project.clock.now_us() - began_us) // US_PER_S

    assert ["begin", "end"] == events(project, "c")
    assert ["begin", "end"] == events(project, "d")


# Instances: patterns 34 to 36


@pytest.mark.parametrize("cancel_rest", [True, False])
async def test_what_is_left_of_a_partial_join_is_stopped_or_ends_unheard(
    project: Project, cancel_rest: bool
) -> None:
    each = ForEach(
        "n",
        items=value([1, 2, 3, 40, 50]),
        complete_when=expression(lambda data: data["done"] >= 3),
        cancel_rest=cancel_rest,
    )
    drawing = Drawing()
    drawing.task("t", "start", "p", callee=calls("timed", "n", "n"), for_each=each)
    drawing.task("d", "p", callee=timed("d", 1))
    module = project.drawn(TIMED, drawing.net(returns="t"))

    async with Engine.open(project.store, clock=project.clock) as engine:
        await engine.deploy(module)
        assert project.calls == []
        began_us = project.clock.now_us()
        assert [1, 2, 3] == await (await engine.start("w", case_id="c")).result()
        taken_s = (project.clock.now_us() - began_us) // US_PER_S

    assert (4 if cancel_rest else 50) == taken_s
    last = "stop" if cancel_rest else "end"
    assert [["begin", last]] * 2 == [
        [call[0] for call in project.calls if call[1] == n] for n in (40, 50)
    ]


# Mutexes: patterns 17, 39, 40


async def test_handlers_that_hold_one_mutex_never_run_at_the_same_time(project: Project) -> None:
    drawing = Drawing().route("all", "start", "a_in b_in c_in")
    for name in "abc":
        drawing.task(name, f"{name}_in", callee=timed(name, 5), node={"holds": (0,)})
    module = project.drawn(TIMED, drawing.net(mutexes=(Mutex("m"),)))

    async with Engine.open(project.store, clock=project.clock) as engine:
        await engine.deploy(module)
        assert project.calls == []
        began_us = project.clock.now_us()
        await (await engine.start("w", case_id="c")).result()
        assert 15 == (project.clock.now_us() - began_us) // US_PER_S

    assert ["begin", "end"] * 3 == [call[0] for call in project.calls]
    assert {"a", "b", "c"} == {call[1] for call in project.calls}


async def test_a_mutex_is_held_over_a_restart(project: Project) -> None:
    drawing = Drawing().route("all", "start", "a_in b_in")
    for name in "ab":
        drawing.task(
            name,
            f"{name}_in",
            callee=calls("hangs", expression(lambda data: 1)),
            node={"holds": (0,)},
        )
    module = project.drawn(
        """
        import anyio
        release = False
        async def hangs(n):
            from knhk.engine import current_call
            note(current_call().task)
            if not release:
                await anyio.sleep_forever()
        """,
        drawing.net(mutexes=(Mutex("m"),)),
    )
    async with Engine.open(project.store) as engine:
        await engine.deploy(module)
        await engine.start("w", case_id="c")
        await anyio.wait_all_tasks_blocked()
        assert [("a",)] == project.calls

    project.handlers.release = True
    async with Engine.open(project.store, resume=False) as engine:
        await engine.deploy(module)
        await engine.resume()
        await (await engine.case("c")).result()
    assert [("a",), ("a",), ("b",)] == project.calls


# Milestone: pattern 18


async def test_a_handler_runs_only_while_its_milestone_holds(project: Project) -> None:
    drawing = Drawing().route("all", "start", "open bid_in")
    drawing.task("close", "open", callee=timed("close", 10))
    drawing.task("bid", "bid_in", callee=timed("bid", 1), node={"while_place": 1})
    drawing.places = {"start": 0, "open": 1, **drawing.places}
    net = drawing.net()
    assert "open" == net.places[1].name
    module = project.drawn(TIMED, net)

    async with Engine.open(clock=project.clock) as engine:
        await engine.deploy(module)
        assert project.calls == []
        case = await engine.start("w", case_id="c")
        await case._standing.wait()

    # `close` is declared first: it takes the token before `bid` may start.
    assert CaseStatus.stuck is case.status
    assert [] == events(project, "bid")


# Termination: pattern 43


async def test_stop_stops_what_runs_and_completes_the_case(project: Project) -> None:
    drawing = Drawing().route("all", "start", "a_in b_in s_in")
    drawing.task("a", "a_in", "out", callee=timed("a", 1))
    drawing.task("b", "b_in", callee=timed("b", 100))
    drawing.task("s", "s_in", callee=runs("part"))
    drawing.route("stop", "out", kind=NODE_STOP)
    part = chain("part", ("p", timed("p", 100)))
    module = project.drawn(TIMED, drawing.net(), part)

    async with Engine.open(project.store, clock=project.clock) as engine:
        await engine.deploy(module)
        assert project.calls == []
        case = await engine.start("w", case_id="c")
        await case.result()
        assert CaseStatus.completed is case.status
        await (await engine.case("c/s-3.1"))._standing.wait()

    assert ["begin", "stop"] == events(project, "b")
    assert ["begin", "stop"] == events(project, "p")


# Generalised AND-join: pattern 33


async def test_surplus_tokens_count_for_later(project: Project) -> None:
    drawing = Drawing().route("all", "start", "a_in b_in c_in")
    drawing.task("a", "a_in", "left", callee=timed("a", 1))
    drawing.task("b", "b_in", "left", callee=timed("b", 2))
    drawing.task("c", "c_in", "right", callee=timed("c", 3))
    drawing.task("d", "left right", callee=timed("d", 1), node={"join": JOIN_AND})
    module = project.drawn(TIMED, drawing.net())

    async with Engine.open(clock=project.clock) as engine:
        await engine.deploy(module)
        assert project.calls == []
        case = await engine.start("w", case_id="c")
        await case._standing.wait()

    assert CaseStatus.stuck is case.status
    assert ["begin", "end"] == events(project, "d")
