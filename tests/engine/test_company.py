"""Several engines on one store in PostgreSQL, in one process: shards, commands, handles."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

import anyio
import pytest

from knhk.engine import Engine, Limits
from knhk.errors import (
    AnswerLost,
    CaseEnded,
    CaseFailed,
    ClaimLost,
    LimitExceeded,
    NotOffered,
    ResultError,
    StoreUnavailable,
    UnknownName,
)
from knhk.journal import Holding
from knhk.journal.postgres import PostgresJournal
from knhk.model import CaseStatus
from tests.engine.conftest import Project

pytestmark = pytest.mark.anyio

SOURCE = """
    from handlers use work

    workflow part(n: int) -> int
        task t = work(n)
        flow
            start -> t -> end
        return t

    workflow order(n: int) -> int
        task p = part(n)
        task ask
        task said = message go
            sets seen = said
        var seen: json = none
        flow
            start -> p -> ask -> said -> end
        return p + ask
"""
HANDLERS = """
    async def work(n: int) -> int:
        if n == 99:
            raise ValueError("it is too many")
        return n + 1
"""
LEASE_S = 1.0

T = TypeVar("T")


@asynccontextmanager
async def company(store: str, count: int, **kwargs: Any) -> AsyncIterator[list[Engine]]:
    async with AsyncExitStack() as stack:
        engines = []
        for _ in range(count):
            opened = Engine.open(store, lease_s=LEASE_S, patience_s=10, **kwargs)
            engines.append(await stack.enter_async_context(opened))
        yield engines


async def soon(act: Callable[..., Awaitable[T]], *args: object) -> T:
    """Do something to work as soon as it is offered."""
    with anyio.fail_after(20):
        while True:
            try:
                return await act(*args)
            except NotOffered:
                await anyio.sleep(0.01)


def held(engine: Engine) -> int:
    """How many shards an engine holds."""
    assert engine._running is not None
    return len(engine._running.shards.only or ())


def live(engine: Engine) -> list[str]:
    """The cases that it has in memory."""
    assert engine._running is not None
    return list(engine._running.live)


async def until(question: Callable[[], bool]) -> None:
    with anyio.fail_after(20):
        while not question():  # noqa: ASYNC110  it is other engines that are waited for
            await anyio.sleep(0.01)


async def shared(*engines: Engine) -> None:
    """Wait until all hold about as much."""

    def is_so() -> bool:
        counts = [held(engine) for engine in engines]
        return sum(counts) == 64 and max(counts) - min(counts) <= 1

    await until(is_so)


async def test_engines_share_the_cases_of_a_store(project: Project, postgres: str) -> None:
    path = project.write(SOURCE, HANDLERS)
    async with company(postgres, 3) as engines:
        await engines[0].deploy(path)
        await shared(*engines)
        for number, engine in enumerate(engines):
            await engine.start("order", case_id=f"c{number}", n=number)

        # Each does what the next one was asked to have done, and is waited for by the third.
        for number in range(3):
            one, two, three = (engines[(number + k) % 3] for k in range(3))
            await soon(two.complete, f"c{number}", "ask", 10)
            assert await three.send(f"c{number}", "go", {"a": number})
            with anyio.fail_after(10):
                assert number + 11 == await (await three.case(f"c{number}")).result()
                assert number + 11 == await (await one.case(f"c{number}")).result()
        assert [CaseStatus.completed] * 6 == [row.status for row in await engines[1].cases()]


async def test_what_a_case_waits_for_is_known_elsewhere(project: Project, postgres: str) -> None:
    path = project.write(SOURCE, HANDLERS)
    async with company(postgres, 2) as (one, two):
        await one.deploy(path)
        await one.start("order", case_id="a", n=1)
        await soon(two.claim, "a", "ask")

        waits = await two.waits("a")

        assert waits is not None
        assert waits == await one.waits("a")
        assert ["ask"] == [offer.task for offer in waits.work]


async def test_work_is_claimed_and_done_from_every_process(project: Project, postgres: str) -> None:
    path = project.write(SOURCE, HANDLERS)
    async with company(postgres, 2) as (one, two):
        await one.deploy(path)
        await shared(one, two)
        cases = [f"c{number}" for number in range(6)]
        for number, case in enumerate(cases):
            await one.start("order", case_id=case, n=number)
        with anyio.fail_after(20):
            while len(await one.work(task="ask")) < len(cases):  # noqa: ASYNC110  nobody tells
                await anyio.sleep(0.01)
        claims = []
        while claim := await two.claim_next(task="ask", worker="ann", lease_s=60):
            claims.append(claim)
        assert cases == sorted(claim.case for claim in claims)
        assert {"ann"} == {offer.worker for offer in await one.work()}

        for claim in claims:
            kept = await one.heartbeat(claim, lease_s=None)
            assert (claim.idempotency_key, "ann", -1) == (
                kept.idempotency_key,
                kept.worker,
                kept.until_us,
            )
            await two.complete(claim, 1)
            for engine in (one, two):
                with pytest.raises(ClaimLost, match="it is completed"):
                    await engine.complete(claim, 2)
        for case in cases:
            kinds = [step.kind for step in (await one.show(case)).history]
            assert 2 == kinds.count("late")


async def test_a_version_that_another_process_deploys_is_heard_of(
    project: Project, postgres: str
) -> None:
    path = project.write(SOURCE, HANDLERS)
    async with company(postgres, 2) as (one, two):
        first = await one.deploy(path)
        case = await two.start("order", n=1)
        second = await one.deploy(project.write(SOURCE.replace("p + ask", "ask + p"), HANDLERS))

        assert first.digest == (await two.cases())[0].digest
        with anyio.fail_after(10):
            while True:
                case = await two.start("order", n=1)
                rows = {row.id: row for row in await two.cases(workflow="order")}
                if rows[case.id].digest == second.digest:
                    break
                await anyio.sleep(0.05)


async def test_what_follows_from_a_command_may_ask_others_itself(
    project: Project, postgres: str
) -> None:
    source = """
        from handlers use tell

        workflow asking(to: str) -> bool
            task ask
            task told = tell(to)
            flow
                start -> ask -> told -> end
            return told

        workflow waiting() -> json
            task said = message go
            flow
                start -> said -> end
            return said
    """
    handlers = """
        engine = None

        async def tell(to: str) -> bool:
            return await engine.send(to, "go", 7)
    """
    path = project.write(source, handlers)
    async with company(postgres, 2) as (one, two):
        await one.deploy(path)
        await shared(one, two)
        await one.start("asking", case_id="a", to="b")
        waiting = await two.start("waiting", case_id="b")
        project.handlers.engine = one

        with anyio.fail_after(10):
            await soon(two.complete, "a", "ask")
            assert 7 == await waiting.result()
            assert True is await (await two.case("a")).result()


async def test_what_is_too_long_for_a_command_is_refused(project: Project, postgres: str) -> None:
    path = project.write(SOURCE, HANDLERS)
    limits = Limits(value_bytes_max=10_000, inline_bytes_max=1_000)
    async with company(postgres, 2, limits=limits) as (one, two):
        await one.deploy(path)
        await one.start("order", case_id="a", n=1)

        with pytest.raises(LimitExceeded, match="value_bytes_max is 10,000"):
            await two.send("a", "go", "x" * 10_000)
        await two.send("a", "go", "x" * 9_000)


async def test_errors_come_back_as_they_were(project: Project, postgres: str) -> None:
    path = project.write(SOURCE, HANDLERS)
    async with company(postgres, 2) as (one, two):
        await one.deploy(path)
        await one.start("order", case_id="a", n=1)
        await one.cancel("a")
        await one.start("order", case_id="b", n=1)

        with pytest.raises(CaseEnded, match="case 'a' is cancelled") as ended:
            await two.complete("a", "ask", 1)
        assert ("a", "cancelled") == (ended.value.case, ended.value.status)
        with pytest.raises(UnknownName, match="'no'"):
            await two.complete("b", "no", 1)
        with pytest.raises(UnknownName, match="work item '99'"):
            await two.complete("b", 99, 1)
        await soon(two.claim, "b", "ask")
        failing = await one.start("order", case_id="c", n=99)
        with pytest.raises(CaseFailed, match="it is too many"):
            await failing.result()
        with pytest.raises(ResultError) as misfit:
            await two.skip("c", "p", "x")
        assert [""] == [each.path for each in misfit.value.misfits]
        with pytest.raises(UnknownName):
            await two.suspend("nobody")


async def test_what_was_done_is_not_done_again_though_its_answer_was_lost(
    project: Project, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = project.write(SOURCE, HANDLERS)
    answers: list[str] = []

    def dies(command: str, body: bytes) -> None:
        answers.append(command)
        raise StoreUnavailable("the process dies before it answers")

    async def send() -> None:
        with pytest.raises(AnswerLost, match="do not ask again"):
            await two.send("a", "go", 1)

    async with Engine.open(postgres, lease_s=LEASE_S, patience_s=10) as two:
        await two.deploy(path)
        async with (
            anyio.create_task_group() as group,
            Engine.open(postgres, lease_s=LEASE_S) as one,
        ):
            await shared(one, two)
            await one.start("order", case_id="a", n=1)
            assert one.relay is not None
            monkeypatch.setattr(one.relay._membership, "answer", dies)
            group.start_soon(send)
            group.start_soon(two.suspend, "a")
            await until(lambda: len(set(answers)) == 2)

        assert CaseStatus.suspended is (await two.case("a")).status
        await two.resume_case("a")
        await soon(two.complete, "a", "ask", 5)
        assert 7 == await (await two.case("a")).result()
        steps = [step.kind for step in (await two.show("a")).history]
        assert [1, 1] == [steps.count("message"), steps.count("suspend")]


async def test_a_case_goes_on_where_its_shard_goes(project: Project, postgres: str) -> None:
    path = project.write(SOURCE, HANDLERS)
    async with Engine.open(postgres, lease_s=LEASE_S) as one:
        await one.deploy(path)
        for number in range(20):
            await one.start("order", case_id=f"c{number}", n=number)
        handle = await one.case("c7")
        async with Engine.open(postgres, lease_s=LEASE_S) as two:
            await shared(one, two)
            assert {} == one.stranded == two.stranded
            names = {row.id for row in await one.cases()}
            with anyio.fail_after(10):
                for number in range(20):
                    engine = (one, two)[number % 2]
                    await soon(engine.complete, f"c{number}", "ask", 0)
                    await engine.send(f"c{number}", "go")
            assert {f"c{number}" for number in range(20)} <= names
            with anyio.fail_after(10):
                assert 8 == await handle.result()


async def test_what_a_process_leaves_is_picked_up_by_the_others(
    project: Project, postgres: str
) -> None:
    path = project.write(SOURCE, HANDLERS)
    async with Engine.open(postgres, lease_s=LEASE_S) as one:
        async with Engine.open(postgres, lease_s=LEASE_S) as two:
            await two.deploy(path)
            await shared(one, two)
            for number in range(10):
                await two.start("order", case_id=f"c{number}", n=number)
        for number in range(10):
            with anyio.fail_after(10):
                await soon(one.complete, f"c{number}", "ask", 0)
                await one.send(f"c{number}", "go")
                assert number + 1 == await (await one.case(f"c{number}")).result()


async def test_an_engine_that_does_not_resume_leaves_the_others_theirs(
    project: Project, postgres: str
) -> None:
    path = project.write(SOURCE, HANDLERS)
    async with company(postgres, 1) as (service,):
        await service.deploy(path)
        await service.start("order", case_id="a", n=1)
        async with company(postgres, 1, resume=False) as (command,):
            await command.start("order", case_id="b", n=2)
            assert 64 == held(service)
            with anyio.fail_after(10):
                for case in ("a", "b"):
                    await soon(command.complete, case, "ask", 0)
            assert ["b"] == live(command)
        with anyio.fail_after(10):
            await service.send("a", "go")
            await service.send("b", "go")
            assert 3 == await (await service.case("b")).result()


async def test_an_engine_that_is_alone_and_does_not_resume_has_every_case_it_asks_for(
    project: Project, postgres: str
) -> None:
    path = project.write(SOURCE, HANDLERS)
    async with company(postgres, 1) as (service,):
        await service.deploy(path)
        await service.start("order", case_id="a", n=1)
        await service.start("order", case_id="b", n=1)
    async with company(postgres, 1, resume=False) as (command,):
        await command.cancel("a")
        assert CaseStatus.cancelled is (await command.case("a")).status
        assert "b" not in live(command)
        assert "b" in [handle.id for handle in await command.resume()]


async def test_a_process_that_was_given_up_writes_nothing_and_goes_on_with_what_it_gets(
    project: Project, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stands_still(*, waits: bool) -> Holding:
        raise StoreUnavailable("nobody hears of it")

    path = project.write(SOURCE, HANDLERS)
    journal = PostgresJournal(postgres)
    async with Engine.open(journal, lease_s=LEASE_S) as one:
        await one.deploy(path)
        for number in range(8):
            await one.start("order", case_id=f"c{number}", n=number)
        async with Engine.open(postgres, lease_s=LEASE_S, park_after_s=0.01) as two:
            await shared(one, two)
            assert one._company is not None
            with monkeypatch.context() as patch:
                patch.setattr(one._company._membership, "beat", stands_still)
                await until(lambda: held(two) == 64)

            for number in range(8):
                with anyio.fail_after(10):
                    await one.send(f"c{number}", "go")
                    await soon(two.complete, f"c{number}", "ask", 0)
                    assert number + 1 == await (await one.case(f"c{number}")).result()
            for row in await two.cases():
                assert () == await two.verify(row.id)
            assert {} == one.stranded == two.stranded
