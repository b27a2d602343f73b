"""Nothing acknowledged is lost: crashes at every append, restarts, full and damaged stores."""

from __future__ import annotations

import logging
from pathlib import Path

import anyio
import apsw
import pytest

from knhk.engine import CaseHandle, Engine, Event
from knhk.errors import (
    CaseExists,
    CaseFailed,
    DeployError,
    JournalConflict,
    JournalError,
    ReplayError,
    StoreDamaged,
    StoreFull,
    StoreLocked,
)
from knhk.journal import Commit, InputRow, Journal, MemoryJournal, SQLiteJournal
from knhk.model import COMPLETE, START, CaseStatus
from tests.engine.conftest import Project
from tests.engine.stores import Crashing

pytestmark = pytest.mark.anyio

WORK = """
    from handlers use first, second, part, flaky
    workflow w(n: int) -> json
        var count: int = 0
        task a = first(n)
        task b = second(n)
        task c = part(x, count)
            for each x in [1, 2, 3]
            at most 2 at once
        task d = flaky(n)
            retry 2 every 1m
            sets count = count + 1
        flow
            start -> a -> all(b, c) -> repeat(d) until count == 2 -> end
        return [a, b, c, d, count]
"""
HANDLERS = """
    async def first(n: int) -> int:
        note("first", n)
        return n + 1

    def second(n: int) -> int:
        note("second", n)
        return n + 2

    async def part(x: int, count: int) -> int:
        note("part", x, count)
        return x * 10

    async def flaky(n: int) -> int:
        from knhk.engine import current_call
        note("flaky", n)
        if current_call().attempt == 1:
            raise OSError("once")
        return n
"""
RESULT = [6, 7, [10, 20, 30], 5, 2]


async def run(engine: Engine, case: CaseHandle) -> object:
    try:
        return await case.result()
    except JournalError:
        return None


def items_of(keys: list[str]) -> set[int]:
    return {int(key.split(":")[1]) for key in keys}


async def test_a_crash_at_any_append_loses_nothing_and_repeats_nothing_that_was_kept(
    project: Project,
) -> None:
    path = project.write(WORK, HANDLERS)
    appends = 0
    while True:
        journal = Crashing(appends)
        result: object = None
        async with Engine.open(journal, clock=project.clock) as engine:
            await engine.deploy(path)
            project.handlers.keys.clear()
            try:
                result = await run(engine, await engine.start("w", case_id="c", n=5))
            except JournalError:
                assert journal.case("c") is None
        if not journal.crashed:
            break
        if journal.case("c") is None:
            appends += 1
            continue
        completed = journal.items(COMPLETE)
        assert items_of(project.handlers.keys) <= journal.items(START), "done before it was kept"
        project.handlers.keys.clear()

        async with Engine.open(journal.survivor(Crashing(10_000)), clock=project.clock) as engine:
            assert {} == dict(engine.stranded)
            result = await (await engine.case("c")).result()

        assert result == RESULT, f"after {appends} appends"
        assert set() == completed & items_of(project.handlers.keys), f"after {appends} appends"
        appends += 1

    assert RESULT == result
    assert appends > 6  # group commit makes them fewer on some runs


async def test_crash_after_crash_it_gets_to_the_end(project: Project) -> None:
    path = project.write(WORK, HANDLERS)
    journal = Crashing(1)
    async with Engine.open(journal, clock=project.clock) as engine:
        await engine.deploy(path)
        await run(engine, await engine.start("w", case_id="c", n=5))
    lives = 1

    result = None
    while result is None:
        journal = journal.survivor(Crashing(1))
        completed = journal.items(COMPLETE)
        project.handlers.keys.clear()
        async with Engine.open(journal, clock=project.clock) as engine:
            result = await run(engine, await engine.case("c"))
        assert set() == completed & items_of(project.handlers.keys)
        lives += 1
        assert lives < 100

    assert RESULT == result
    assert lives > 5


async def test_replaying_the_journal_gives_the_case_that_ran(project: Project) -> None:
    path = project.write(WORK, HANDLERS)

    async with Engine.open(project.store, clock=project.clock) as engine:
        module = await engine.deploy(path)
        assert project.calls is not None
        await (await engine.start("w", case_id="c", n=5)).result()
        shown = await engine.show("c")

    assert {"n": 5, "a": 6, "b": 7, "c": [10, 20, 30], "d": 5, "count": 2} == shown.data
    assert () == shown.items
    assert "w" in module


async def test_work_that_was_going_on_is_begun_again_with_the_same_key_and_arguments(
    project: Project,
) -> None:
    path = project.write(
        """
        from handlers use slow, quick
        workflow w() -> json
            var total: int = 1
            task a = slow(total)
            task b = quick()
                sets total = 100
            flow
                start -> all(a, b) -> end
            return a
        """,
        """
        import anyio
        release = False
        async def slow(total: int) -> int:
            note("slow", total)
            if not release:
                await anyio.sleep_forever()
            return total

        async def quick() -> int:
            note("quick")
            return 1
        """,
    )

    async with Engine.open(project.store) as engine:
        await engine.deploy(path)
        await engine.start("w", case_id="c")
        with anyio.fail_after(10):
            while (await engine.show("c")).started != ("a",):
                await anyio.lowlevel.checkpoint()
    project.handlers.release = True
    async with Engine.open(project.store) as engine:
        assert 1 == await (await engine.case("c")).result()

    assert [("quick",), ("slow", 1)] == sorted(project.calls[:2])
    assert [("slow", 1)] == project.calls[2:]
    assert 2 == project.handlers.keys.count("c:1:1")


async def test_a_case_stays_with_the_version_it_began_with(project: Project) -> None:
    path = project.write(
        """
        workflow w() -> str
            task ask
            flow
                start -> ask -> end
            return "old"
        """
    )
    async with Engine.open(project.store) as engine:
        await engine.deploy(path)
        await engine.start("w", case_id="one")
    path.write_text(path.read_text().replace('"old"', '"new"'))

    async with Engine.open(project.store) as engine:
        before = await engine.start("w", case_id="two")
        await engine.deploy(path)
        after = await engine.start("w", case_id="three")
        for name in ("one", "two", "three"):
            await engine.complete(name, "ask")
        results = [await case.result() for case in (await engine.case("one"), before, after)]

    assert ["old", "old", "new"] == results


async def test_cases_of_a_workflow_whose_module_is_gone_are_left_standing_and_told(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    source = """
        from handlers use work() -> int
        workflow w() -> int
            task ask
            task t = work()
            flow
                start -> ask -> t -> end
            return t
    """
    path = project.write(source, "def work(): return 4\n")
    other = project.directory / "other.knhk"
    other.write_text("workflow other()\n    task ask\n    flow\n        start -> ask -> end\n")
    async with Engine.open(project.store) as engine:
        await engine.deploy(path)
        await engine.deploy(other)
        await engine.start("w", case_id="c")
        await engine.start("other", case_id="d")
    handlers = (project.directory / "handlers.py").read_text()
    (project.directory / "handlers.py").write_text("")
    del project.handlers.work

    async with Engine.open(project.store) as engine:
        assert ["c"] == list(engine.stranded)
        with pytest.raises(DeployError, match="has no 'work'"):
            await (await engine.case("c")).result()
        assert "has no 'work'" in caplog.text
        await engine.complete("d", "ask")
        assert None is await (await engine.case("d")).result()

        (project.directory / "handlers.py").write_text(handlers)
        project.handlers.work = lambda: 4
        (case,) = await engine.resume()
        assert {} == dict(engine.stranded)
        await engine.complete("c", "ask")
        assert 4 == await case.result()


async def test_a_failed_case_is_not_picked_up_but_can_be_retried_after_a_restart(
    project: Project,
) -> None:
    path = project.write(
        """
        from handlers use work
        workflow w() -> int
            task t = work()
            flow
                start -> t -> end
            return 1
        """,
        """
        broken = True
        async def work():
            note("work")
            if broken:
                raise ValueError("broken")
        """,
    )
    async with Engine.open(project.store) as engine:
        await engine.deploy(path)
        with pytest.raises(CaseFailed):
            await (await engine.start("w", case_id="c")).result()

    project.handlers.broken = False
    async with Engine.open(project.store) as engine:
        case = await engine.case("c")
        assert CaseStatus.failed is case.status
        with pytest.raises(CaseFailed, match="ValueError: broken"):
            await case.result()
        await engine.retry("c")
        assert 1 == await case.result()

    assert 2 == len(project.calls)


async def test_unfinished_cases_wait_when_they_are_not_to_be_resumed(project: Project) -> None:
    path = project.write(
        """
        workflow w()
            task ask
            flow
                start -> ask -> end
        """
    )
    async with Engine.open(project.store) as engine:
        await engine.deploy(path)
        await engine.start("w", case_id="c")

    async with Engine.open(project.store, resume=False) as engine:
        assert engine._running is not None
        assert {} == engine._running.live
        (case,) = await engine.resume()
        assert "c" == case.id
        assert ["ask"] == [offer.task for offer in await engine.work()]
        assert [case.id] == [handle.id for handle in await engine.resume()]


async def test_a_hundred_cases_are_picked_up(project: Project) -> None:
    path = project.write(
        """
        workflow w(n: int) -> int
            task ask
            flow
                start -> ask -> end
            return n
        """
    )
    async with Engine.open(project.store) as engine:
        await engine.deploy(path)
        for number in range(100):
            await engine.start("w", case_id=f"c{number}", n=number)

    async with Engine.open(project.store) as engine:
        for number in range(100):
            await engine.complete(f"c{number}", "ask")
        results = [await (await engine.case(f"c{number}")).result() for number in range(100)]

    assert list(range(100)) == results


# Stores that fail

ASK = """
    workflow w(note: str = "") -> json
        task ask
            for each x in [1, 2, 3]
        flow
            start -> ask -> end
        return ask
"""


async def test_a_full_store_tells_its_callers_and_goes_on_when_there_is_room(
    project: Project,
) -> None:
    path = project.write(ASK)
    acknowledged: list[str] = []
    events: list[Event] = []
    journal = SQLiteJournal(project.store, size_max_bytes=400 * 1024)

    async with Engine.open(journal, patience_s=0.5, observer=events.append) as engine:
        await engine.deploy(path)
        first = await engine.start("w", case_id="first")

        async def fill() -> None:
            for number in range(1000):
                await engine.start("w", case_id=f"c{number}", note="x" * 20_000)
                acknowledged.append(f"c{number}")

        with pytest.raises(StoreFull):
            await fill()
        assert isinstance(engine.away, StoreFull)
        # What is small still finds room, past what waits.
        await engine.complete("first", "ask", 1)
        with pytest.raises(StoreFull):
            await engine.complete("first", "ask", "y" * 200_000)
        with pytest.raises(StoreFull):
            await engine.complete("first", "ask", 3)  # it comes after the other
        assert {} == dict(engine.stranded)
        assert acknowledged == [row.id for row in await engine.cases()][1:]

        enlarge(journal)
        assert [1, "y" * 200_000, 3] == await first.result()
        assert None is engine.away
        tried = f"c{len(acknowledged)}"
        with pytest.raises(CaseExists):
            await engine.start("w", case_id=tried)
        assert [*acknowledged, tried] == [row.id for row in await engine.cases(status="running")]

    assert len(acknowledged) > 5
    assert ["store away", "store back"] == [e.what for e in events if e.what.startswith("store")]


def enlarge(journal: SQLiteJournal) -> None:
    """Let the store become as large as it likes."""
    with journal._write_lock:
        journal._writer.pragma("max_page_count", 1_000_000)


async def test_a_full_store_harms_no_other_case(project: Project) -> None:
    path = project.write(ASK)
    journal = SQLiteJournal(project.store, size_max_bytes=200 * 1024)

    async with Engine.open(journal, patience_s=0.5) as engine:
        await engine.deploy(path)
        large = await engine.start("w", case_id="large")
        await engine.start("w", case_id="small")
        failures: list[Exception] = []

        async def complete(case: str, value: object) -> None:
            try:
                await engine.complete(case, "ask", value)
            except StoreFull as error:
                failures.append(error)

        async with anyio.create_task_group() as group:
            group.start_soon(complete, "small", 1)
            group.start_soon(complete, "large", "y" * 500_000)
            group.start_soon(complete, "small", 2)

        assert 1 == len(failures)
        await engine.complete("small", "ask", 3)
        small = await (await engine.case("small")).result()
        assert [1, 2, 3] == sorted(small)  # type: ignore[call-overload]

        enlarge(journal)
        await engine.complete("large", "ask", 2)
        await engine.complete("large", "ask", 3)
        assert ["y" * 500_000, 2, 3] == await large.result()


async def test_another_owner_of_a_case_makes_the_engine_let_go_of_it(project: Project) -> None:
    path = project.write(ASK)
    journal = MemoryJournal()

    async with Engine.open(journal) as engine:
        await engine.deploy(path)
        await engine.start("w", case_id="c")
        journal.append([Commit("c", (InputRow("c", 1, 1, 7, -1, "", b""),))])
        with pytest.raises(JournalConflict, match="another engine is running it"):
            await engine.complete("c", "ask", 1)

        assert isinstance(engine.stranded["c"], JournalConflict)


async def test_a_store_in_use_is_refused(project: Project) -> None:
    async with Engine.open(project.store):
        with pytest.raises(StoreLocked):
            async with Engine.open(project.store):
                raise AssertionError("two engines run one store")


async def test_a_damaged_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(b"no database at all")

    with pytest.raises(StoreDamaged):
        async with Engine.open(tmp_path / "store.db"):
            raise AssertionError("it was opened")


@pytest.mark.parametrize(
    ("damage", "kind", "message"),
    [
        ("UPDATE inputs SET body = x'7b' WHERE case_id = 'c' AND seq = 2", StoreDamaged, "input 2"),
        ("DELETE FROM inputs WHERE case_id = 'c' AND seq = 1", StoreDamaged, "gap"),
        ("DELETE FROM inputs WHERE case_id = 'c'", StoreDamaged, "gap"),
        ("UPDATE inputs SET item = 77 WHERE case_id = 'c' AND seq = 1", ReplayError, "input 1"),
        ("UPDATE inputs SET kind = 2 WHERE case_id = 'c' AND seq = 1", ReplayError, "input 1"),
        ("DELETE FROM sources", StoreDamaged, "sources"),
        ("UPDATE sources SET text = text || '# mine'", StoreDamaged, "sources"),
        ("UPDATE cases SET digest = 'x' WHERE id = 'c'", StoreDamaged, "sources x are missing"),
    ],
)
async def test_a_row_that_was_tampered_with_is_reported_and_harms_no_other_case(
    project: Project, damage: str, kind: type[Exception], message: str
) -> None:
    path = project.write(ASK)
    async with Engine.open(project.store) as engine:
        await engine.deploy(path)
        for name in ("c", "d"):
            await engine.start("w", case_id=name)
            await engine.complete(name, "ask", 1)
    connection = apsw.Connection(str(project.store))
    connection.execute(damage)
    connection.close()

    async with Engine.open(project.store) as engine:
        with pytest.raises(kind, match=message):
            await (await engine.case("c")).result()
        if "sources" not in damage:
            assert ["c"] == list(engine.stranded)
            await engine.complete("d", "ask", 2)
        shown = await engine.show("c")

    assert shown.problem or "sources" in damage


async def test_closing_writes_what_was_acknowledged_and_tells_who_waits(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    path = project.write(ASK)
    told: list[str] = []

    async def wait(case: CaseHandle) -> None:
        try:
            await case.result()
        except Exception as error:  # noqa: BLE001  what it is, is the question
            told.append(str(error))

    with caplog.at_level(logging.WARNING):
        async with anyio.create_task_group() as group, Engine.open(project.store) as engine:
            await engine.deploy(path)
            group.start_soon(wait, await engine.start("w", case_id="c"))
            await anyio.wait_all_tasks_blocked()

    assert ["the engine has been closed; open the store again and ask there"] == told
    assert "" == caplog.text


async def test_cancelling_the_engine_leaves_a_store_that_goes_on(project: Project) -> None:
    path = project.write(WORK, HANDLERS)
    for turns in range(0, 60, 7):
        store = project.directory / f"store{turns}.db"
        with anyio.CancelScope() as scope:
            async with Engine.open(store, clock=project.clock) as engine:
                await engine.deploy(path)
                assert project.calls is not None
                await engine.start("w", case_id="c", n=5)
                for _ in range(turns):
                    await anyio.lowlevel.checkpoint()
                scope.cancel()
                await anyio.lowlevel.checkpoint()

        async with Engine.open(store, clock=project.clock) as engine:
            assert RESULT == await (await engine.case("c")).result()


async def test_a_journal_of_somebody_elses_can_be_given(project: Project) -> None:
    path = project.write(ASK)
    journal: Journal = MemoryJournal()

    async with Engine.open(journal) as engine:
        await engine.deploy(path)
        await engine.start("w", case_id="c")

    row = journal.case("c")
    assert row is not None
    assert CaseStatus.running is row.status
