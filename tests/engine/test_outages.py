"""An engine whose store goes away: work waits and goes on, and nobody is stranded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import anyio
import anyio.to_thread
import apsw
import pytest

from knhk.engine import CaseHandle, Engine, Event
from knhk.errors import CaseEnded, CaseExists, StoreAway, StoreUnavailable
from knhk.journal import CaseRow, MemoryJournal
from knhk.journal.postgres import PostgresJournal
from knhk.model import CaseStatus
from tests.engine.conftest import Project
from tests.journal.proxy import COMMITTED, Proxy
from tests.postgres import Server, new_schema, with_schema

pytestmark = pytest.mark.anyio

SOURCE = """
    from handlers use fetch, crunch, flaky
    workflow leaf(n: int) -> int
        task t = crunch(n)
        flow
            start -> t -> end
        return t
    workflow w(n: int) -> json
        task a = fetch(n)
        task nap = timer 20ms
        task b = leaf(n)
        task c = flaky(n)
            retry 3 every 5ms
        task said = message go
        task d = fetch(x)
            for each x in [1, 2, 3]
        flow
            start -> a -> all(nap -> b, c) -> said -> d -> end
        return [a, b, c, d]
"""
HANDLERS = """
    import anyio
    async def fetch(n: int) -> int:
        note("fetch", n)
        await anyio.sleep(0.005)
        return n + 1
    def crunch(n: int) -> int:
        note("crunch", n)
        return n * n
    async def flaky(n: int) -> int:
        from knhk.engine import current_call
        note("flaky", n)
        if current_call().attempt < 2:
            raise ConnectionError
        return -n
"""


class Fickle(MemoryJournal):
    """A store that can be taken away, also for those that read it; it is asked in threads."""

    blocking = True

    def __init__(self) -> None:
        super().__init__()
        self.away: StoreAway | None = None
        self.refused = 0

    def __getattribute__(self, name: str) -> Any:
        found = object.__getattribute__(self, name)
        if name in ("append", "case", "cases", "stored", "inputs", "sleepers", "bundle", "keep"):
            return self._watched(found)
        return found

    def _watched(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any, **kwargs: Any) -> Any:
            if self.away is not None:
                self.refused += 1
                raise self.away
            return call(*args, **kwargs)

        return watched


GONE = StoreUnavailable("the server is down")


async def until(is_so: Callable[[], bool]) -> None:
    with anyio.fail_after(30):
        while not is_so():  # noqa: ASYNC110  nobody tells
            await anyio.sleep(0.005)


def expected(n: int) -> list[object]:
    return [n + 1, n * n, -n, [2, 3, 4]]


@pytest.mark.parametrize("moments", range(2))
async def test_cases_go_on_when_the_store_is_back(project: Project, moments: int) -> None:
    path = project.write(SOURCE, HANDLERS)
    journal, events = Fickle(), list[Event]()

    async with Engine.open(journal, observer=events.append, park_after_s=0.01) as engine:
        await engine.deploy(path)
        cases = [await engine.start("w", case_id=f"c{n}", n=n) for n in range(20)]
        for moment in range(3):
            await anyio.sleep(0.008 * moments + 0.013 * moment)
            journal.away = GONE
            before = journal.refused
            await until(lambda before=before: journal.refused > before + 2)
            assert {} == dict(engine.stranded)
            journal.away = None
        for case in cases:
            await engine.send(case.id, "go")
        assert [expected(n) for n in range(20)] == [await case.result() for case in cases]
        assert {} == dict(engine.stranded)
        for case in cases:
            assert () == await engine.verify(case.id)

    told = [event.what for event in events if event.what.startswith("store ")]
    assert ["store away", "store back"] * (len(told) // 2) == told
    assert len(told) >= 2
    assert len(project.handlers.keys) == len(set(project.handlers.keys))


async def test_callers_get_a_clear_error_and_nothing_has_happened(project: Project) -> None:
    path = project.write(SOURCE, HANDLERS)
    journal = Fickle()
    async with Engine.open(journal, patience_s=0.2) as engine:
        await engine.deploy(path)
        await engine.start("w", case_id="a", n=1)
        journal.away = GONE
        for ask in (
            lambda: engine.start("w", case_id="b", n=1),
            lambda: engine.send("a", "go"),
            lambda: engine.case("a"),
            engine.cases,
            lambda: engine.show("a"),
            lambda: engine.verify("a"),
            lambda: engine.deploy(path),
        ):
            with anyio.fail_after(20), pytest.raises(StoreUnavailable, match="the server is down"):
                await ask()  # type: ignore[no-untyped-call]
        journal.away = None
        await until(lambda: engine.away is None)
        await engine.send("a", "go")
        assert expected(1) == await (await engine.case("a")).result()
        assert {} == dict(engine.stranded)


async def test_what_a_caller_gave_up_may_be_written_and_is_refused_a_second_time(
    project: Project,
) -> None:
    path = project.write("""
        workflow w() -> int
            task ask
            flow
                start -> ask -> end
            return 1
    """)
    journal = Fickle()
    async with Engine.open(journal, patience_s=0.2) as engine:
        await engine.deploy(path)
        await engine.start("w", case_id="a")
        journal.away = GONE
        async with anyio.create_task_group() as group:

            async def in_vain(act: Callable[[], Any]) -> None:
                with pytest.raises(StoreUnavailable):
                    await act()

            # Both are admitted, as nothing has failed yet.
            group.start_soon(in_vain, lambda: engine.start("w", case_id="b"))
            group.start_soon(in_vain, lambda: engine.complete("a", "ask"))
        journal.away = None
        await until(lambda: engine.away is None)

        with pytest.raises(CaseExists):
            await engine.start("w", case_id="b")
        with pytest.raises(CaseEnded, match="completed"):
            await engine.complete("a", "ask")
        assert CaseStatus.completed is (await engine.case("a")).status


async def test_a_caller_may_stop_waiting_at_any_time(project: Project) -> None:
    path = project.write(SOURCE, HANDLERS)
    journal = Fickle()
    async with Engine.open(journal) as engine:
        await engine.deploy(path)
        await engine.start("w", case_id="a", n=1)
        journal.away = GONE
        for ask in (lambda: engine.case("a"), lambda: engine.start("w", case_id="b", n=1)):
            with anyio.fail_after(20), anyio.move_on_after(0.05) as scope:
                await ask()  # type: ignore[no-untyped-call]
            assert scope.cancelled_caught
        journal.away = None


async def test_an_engine_closes_while_its_store_is_away_and_goes_on_later(
    project: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("knhk.journal.writer.CLOSING_S", 0.2)
    path = project.write(SOURCE, HANDLERS)
    journal = Fickle()
    with anyio.fail_after(20):
        async with Engine.open(journal) as engine:
            await engine.deploy(path)
            await engine.start("w", case_id="a", n=1)
            journal.away = GONE
            await until(lambda: engine.away is not None)
    assert "(a) are not known to be written, as the server is down" in caplog.text

    journal.away = None
    async with Engine.open(journal) as engine:
        await engine.send("a", "go")
        assert expected(1) == await (await engine.case("a")).result()


async def test_timers_fire_when_the_store_is_back(project: Project) -> None:
    path = project.write("""
        workflow w(n: int) -> int
            task nap = timer 1s
            flow
                start -> nap -> end
            return n
    """)
    journal = Fickle()
    async with Engine.open(journal, park_after_s=0.01) as engine:
        await engine.deploy(path)
        cases = [await engine.start("w", case_id=f"c{n}", n=n) for n in range(700)]
        assert engine._running is not None
        live = engine._running.live
        await until(lambda: not live)  # all are parked
        journal.away = GONE
        await anyio.sleep(1)
        refused = journal.refused
        await until(lambda: journal.refused > refused)
        journal.away = None
        assert list(range(700)) == [await case.result() for case in cases]
        assert {} == dict(engine.stranded)


async def test_a_case_whose_sub_case_could_not_be_begun_yet_is_not_parked(
    project: Project,
) -> None:
    path = project.write(
        """
        from handlers use slow
        workflow leaf(n: int) -> int
            task t = slow(n)
            flow
                start -> t -> end
            return t
        workflow w(n: int) -> int
            task b = leaf(n)
            flow
                start -> b -> end
            return b
        """,
        """
        import anyio
        async def slow(n: int) -> int:
            await anyio.sleep(0.05)
            return n
        """,
    )

    class Forgetful(Fickle):
        """Goes away when it is asked for the sub-case."""

        def case(self, case: str) -> CaseRow | None:
            if case == "a/b-1.1" and not self.refused:
                self.away = GONE
                self.refused = 1
                raise GONE
            return super().case(case)

    journal = Forgetful()
    async with Engine.open(journal, park_after_s=0.01) as engine:
        await engine.deploy(path)
        case = await engine.start("w", case_id="a", n=3)
        await until(lambda: journal.refused > 1)
        journal.away = None
        await anyio.sleep(0.05)  # the longer the likelier that it would be parked
        with anyio.fail_after(20):
            assert 3 == await case.result()


# Real stores


async def test_a_store_that_another_program_has_locked_is_waited_for(project: Project) -> None:
    path = project.write(SOURCE, HANDLERS)
    async with Engine.open(project.store) as engine:
        await engine.deploy(path)
        other = apsw.Connection(str(project.store))
        other.execute("BEGIN IMMEDIATE")
        results: list[object] = []

        async def order() -> None:
            case = await engine.start("w", case_id="a", n=3)
            await engine.send("a", "go")
            results.append(await case.result())

        async with anyio.create_task_group() as group:
            group.start_soon(order)
            await until(lambda: engine.away is not None)
            other.execute("ROLLBACK")
        other.close()
        assert [expected(3)] == results
        assert {} == dict(engine.stranded)


@pytest.fixture(scope="module")
def own_server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


async def orders(engine: Engine, numbers: Sequence[int], acknowledged: list[str]) -> None:
    """Start cases and have them go on, as a patient client does: whatever fails is done again."""

    async def order(n: int) -> None:
        case: CaseHandle | None = None
        while case is None:
            try:
                case = await engine.start("w", case_id=f"c{n}", n=n)
            except CaseExists:
                case = await engine.case(f"c{n}")
            except StoreAway:
                await anyio.sleep(0.05)
        acknowledged.append(case.id)
        while True:
            try:
                await engine.send(case.id, "go")
                break
            except StoreAway:
                await anyio.sleep(0.05)
        assert expected(n) == await case.result()

    async with anyio.create_task_group() as group:
        for n in numbers:
            group.start_soon(order, n)


async def check(engine: Engine, project: Project, count: int) -> None:
    """Every case has its values, every chain holds, nothing that was kept was done again."""
    assert {} == dict(engine.stranded)
    for n in range(count):
        assert expected(n) == await (await engine.case(f"c{n}")).result()
    for row in await engine.cases():
        assert CaseStatus.completed is row.status
        assert () == await engine.verify(row.id)
    assert len(project.handlers.keys) == len(set(project.handlers.keys))


@pytest.mark.parametrize("how", ["fast", "immediate"])
async def test_a_server_is_restarted_under_load(
    project: Project, own_server: Server, how: str
) -> None:
    path = project.write(SOURCE, HANDLERS)
    address = with_schema(own_server.address, new_schema())
    acknowledged: list[str] = []
    async with Engine.open(address, patience_s=2, park_after_s=0.05) as engine:
        await engine.deploy(path)
        async with anyio.create_task_group() as group:
            group.start_soon(orders, engine, range(60), acknowledged)
            await until(lambda: len(acknowledged) > 5)
            await anyio.to_thread.run_sync(own_server.stop, how)
            await anyio.sleep(0.5)
            await anyio.to_thread.run_sync(own_server.start)
        await check(engine, project, 60)
    assert 60 == len(acknowledged)


@pytest.mark.parametrize("fault", ["cut", "refuse", "silence", "after commit"])
async def test_the_network_fails_under_load(
    project: Project, postgres: str, postgres_server: str, fault: str
) -> None:
    path = project.write(SOURCE, HANDLERS)
    proxy = Proxy(postgres_server)
    address = with_schema(f"{proxy.address}&connect_timeout=2", postgres.rpartition("=")[2])
    acknowledged: list[str] = []
    journal = await anyio.to_thread.run_sync(lambda: PostgresJournal(address, answer_s=1))
    async with Engine.open(journal, patience_s=2, park_after_s=0.05) as engine:
        await engine.deploy(path)
        async with anyio.create_task_group() as group:
            group.start_soon(orders, engine, range(40), acknowledged)
            for number in range(3):
                await until(lambda number=number: len(acknowledged) > 10 * number)
                if fault == "after commit":
                    proxy.lose_answer(COMMITTED)
                    await anyio.sleep(0.05)
                    continue
                if fault == "silence":
                    proxy.is_silent = True
                    await anyio.sleep(1.5)
                    proxy.is_silent = False
                else:
                    proxy.is_refusing = fault == "refuse"
                    proxy.cut()
                    await anyio.sleep(0.2)
                    proxy.is_refusing = False
        await check(engine, project, 40)
    proxy.close()


async def test_an_engine_leaves_a_server_that_says_nothing(
    project: Project, postgres: str, postgres_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("knhk.journal.writer.CLOSING_S", 0.2)
    path = project.write(SOURCE, HANDLERS)
    proxy = Proxy(postgres_server)
    address = with_schema(proxy.address, postgres.rpartition("=")[2])
    with anyio.fail_after(25):  # an answer would be waited for for 40 s
        async with Engine.open(address) as engine:
            await engine.deploy(path)
            await engine.start("w", case_id="a", n=1)
            proxy.is_silent = True
            with anyio.move_on_after(0.5):
                await engine.send("a", "go")
    proxy.is_silent = False
    proxy.close()
    async with Engine.open(postgres) as engine:
        await engine.send("a", "go")
        assert expected(1) == await (await engine.case("a")).result()
