"""Cases run from their start to their end: callees, data, results, failures."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import anyio
import pytest

from knhk.engine import Engine, Event
from knhk.errors import (
    CaseCancelled,
    CaseEnded,
    CaseExists,
    CaseFailed,
    CheckError,
    DeployError,
    InputError,
    NotOffered,
    ResultError,
    UnknownName,
    UsageError,
)
from knhk.journal import CaseRow, MemoryJournal
from knhk.model import CaseStatus
from knhk.module import load
from tests.engine.conftest import Project

pytestmark = pytest.mark.anyio

ORDER = """
    from handlers use reserve, charge, pack, ship
    record Item
        sku: str
        price: decimal
        quantity: int = 1
    workflow order(id: str, items: list[Item]) -> json
        var total: decimal = sum(item.price * item.quantity for item in items)
        task hold = reserve(id)
        task pay = charge(id, total)
        task pick_item = pack(item)
            for each item in items
        task deliver = ship(id)
        flow
            start -> hold -> all(pay, pick_item) -> deliver -> end
        return {hold: hold, pay: pay, picked: pick_item, code: deliver, total: total}
"""
ORDER_HANDLERS = """
    def reserve(id: str) -> int:
        note("reserve", id)
        return 7

    async def charge(id: str, total) -> str:
        note("charge", id, total)
        return f"paid {total}"

    async def pack(item) -> str:
        note("pack", item.sku)
        return item.sku.upper()

    def ship(id: str) -> str:
        note("ship", id)
        return "T-" + id
"""
ITEMS = [{"sku": "a", "price": "1.50", "quantity": 2}, {"sku": "b", "price": "4"}]


async def test_an_order_runs_from_its_parameters_to_its_result(project: Project) -> None:
    path = project.write(ORDER, ORDER_HANDLERS)

    async with Engine.open(project.store) as engine:
        await engine.deploy(path)
        case = await engine.start("order", case_id="A1", id="A1", items=ITEMS)
        result = await case.result()
        row = (await engine.cases())[0]

    expected = {
        "hold": 7,
        "pay": "paid 7.00",
        "picked": ["A", "B"],
        "code": "T-A1",
        "total": "7.00",
    }
    assert expected == result
    assert ("A1", CaseStatus.completed) == (row.id, row.status)
    names = [str(call[0]) for call in project.calls]
    assert ("reserve", "ship") == (names[0], names[-1])
    assert ["charge", "pack", "pack"] == sorted(names[1:-1])


async def test_an_order_runs_in_memory_too(project: Project) -> None:
    path = project.write(ORDER, ORDER_HANDLERS)

    async with Engine.open() as engine:
        await engine.deploy(path)
        results = [
            await (await engine.start("order", id=str(number), items=ITEMS)).result()
            for number in range(3)
        ]

    assert ["T-0", "T-1", "T-2"] == [result["code"] for result in results]  # type: ignore[index]


async def test_a_hundred_cases_run_at_the_same_time(project: Project) -> None:
    path = project.write(ORDER, ORDER_HANDLERS)
    results: dict[int, object] = {}

    async with Engine.open(project.store) as engine:
        await engine.deploy(path)

        async def run(number: int) -> None:
            case = await engine.start("order", id=str(number), items=ITEMS * 2)
            results[number] = await case.result()

        async with anyio.create_task_group() as group:
            for number in range(100):
                group.start_soon(run, number)
        rows = await engine.cases(status="completed")

    codes = {number: result["code"] for number, result in results.items()}  # type: ignore[index]
    assert {number: f"T-{number}" for number in range(100)} == codes
    assert 100 == len(rows)
    assert 100 * 7 == len(set(project.handlers.keys))


async def test_a_case_that_has_ended_leaves_memory(project: Project) -> None:
    path = project.write(ORDER, ORDER_HANDLERS)

    async with Engine.open(project.store) as engine:
        await engine.deploy(path)
        case = await engine.start("order", case_id="A1", id="A1", items=ITEMS)
        await case.result()
        assert engine._running is not None
        assert {} == engine._running.live
        again = await engine.case("A1")
        result = await again.result()

    assert "T-A1" == result["code"]  # type: ignore[index]


ONE = """
    from handlers use work
    workflow w(n: int = 1) -> json
        task t = work(n)
        flow
            start -> t -> end
        return t
"""


@pytest.mark.parametrize("keyword", ["async def", "def"])
async def test_a_callee_knows_its_call(project: Project, keyword: str) -> None:
    path = project.write(
        ONE,
        f"""
        from knhk.engine import Call
        {keyword} work(n: int, call: Call):
            note(call.task, call.case, call.item, call.attempt, call.instance)
            return call.idempotency_key
        """.replace("call: Call", "*, call: Call"),
    )

    async with Engine.open() as engine:
        await engine.deploy(path)
        result = await (await engine.start("w", case_id="c")).result()

    assert "c:1:1" == result
    assert [("t", "c", 1, 1, None)] == project.calls
    assert ["c:1:1"] == project.handlers.keys


async def test_plain_callables_run_in_threads_and_at_most_so_many(project: Project) -> None:
    path = project.write(
        """
        from handlers use work
        workflow w() -> json
            task t = work()
                times 6
            flow
                start -> t -> end
            return t
        """,
        """
        import threading
        barrier = threading.Barrier(2)
        running = []
        most = []

        def work():
            running.append(1)
            most.append(len(running))
            barrier.wait(timeout=30)
            running.pop()
            return threading.current_thread().name
        """,
    )

    async with Engine.open(threads_max=2) as engine:
        await engine.deploy(path)
        names = await (await engine.start("w")).result()

    assert isinstance(names, list)
    assert all(name.startswith("knhk-callee-") for name in names)
    assert threading.current_thread().name not in names
    assert 2 == max(project.handlers.most)


@pytest.mark.parametrize(
    ("annotation", "definition"),
    [
        ("Item", "class Item(BaseModel):"),
        ("Item", "@dataclass\nclass Item:"),
        ("Item", "class Item(TypedDict):"),
        ("Item", "class Item(NamedTuple):"),
        ("list[Item]", "@dataclass\nclass Item:"),
    ],
)
async def test_records_are_made_into_what_a_handler_is_annotated_with(
    project: Project, annotation: str, definition: str
) -> None:
    handlers = "\n".join(
        [
            "from dataclasses import dataclass",
            "from decimal import Decimal",
            "from typing import NamedTuple",
            "from typing_extensions import TypedDict",
            "from pydantic import BaseModel",
            definition,
            "    sku: str",
            "    price: Decimal",
            f"def work(item: {annotation}) -> str:",
            "    one = item[0] if isinstance(item, list) else item",
            "    values = one if isinstance(one, dict) else None",
            "    sku = values['sku'] if values else one.sku",
            "    price = values['price'] if values else one.price",
            "    assert isinstance(one, Item if not values else dict), one",
            "    return f'{sku} {price!r}'",
        ]
    )
    given = "[item]" if annotation.startswith("list") else "item"
    path = project.write(
        f"""
        from handlers use work(item: json) -> str
        record Thing
            sku: str
            price: decimal
        workflow w(item: Thing) -> str
            task t = work({given})
            flow
                start -> t -> end
            return t
        """,
        handlers,
    )

    async with Engine.open() as engine:
        await engine.deploy(path)
        result = await (await engine.start("w", item={"sku": "a", "price": "1.5"})).result()

    assert "a Decimal('1.5')" == result


async def test_a_plain_typed_dict_is_given_a_dictionary(project: Project) -> None:
    path = project.write(
        """
        from handlers use work(item: json) -> str
        record Thing
            sku: str
        workflow w(item: Thing) -> str
            task t = work(item)
            flow
                start -> t -> end
            return t
        """,
        """
        from typing import TypedDict
        class Item(TypedDict):
            sku: str
        async def work(item: Item) -> str:
            return f"{type(item).__name__} {item['sku']}"
        """,
    )

    async with Engine.open() as engine:
        await engine.deploy(path)
        result = await (await engine.start("w", item={"sku": "a"})).result()

    assert "dict a" == result


async def test_a_handler_that_changes_its_arguments_does_not_change_the_case(
    project: Project,
) -> None:
    path = project.write(
        """
        from handlers use work
        workflow w(values: list[int]) -> list[int]
            task t = work(values)
            flow
                start -> t -> end
            return values
        """,
        """
        async def work(values: list[int]) -> int:
            values.clear()
            return 0
        """,
    )

    async with Engine.open() as engine:
        await engine.deploy(path)
        result = await (await engine.start("w", values=[1, 2])).result()

    assert [1, 2] == result


# Failures


@pytest.mark.parametrize("keyword", ["async def", "def"])
async def test_a_handler_that_raises_fails_its_case_with_the_reason(
    project: Project, keyword: str
) -> None:
    path = project.write(ONE, f"{keyword} work(n: int):\n    raise LookupError('no such thing')\n")

    async with Engine.open(project.store) as engine:
        await engine.deploy(path)
        case = await engine.start("w", case_id="c")
        with pytest.raises(CaseFailed) as caught:
            await case.result()
        shown = await engine.show("c")

    error = caught.value
    assert ("c", "t", "LookupError", "no such thing") == (
        error.case,
        error.task,
        error.error,
        error.message,
    )
    assert CaseStatus.failed is shown.status
    assert ("fail", "t", "LookupError") == (
        shown.history[-1].kind,
        shown.history[-1].task,
        shown.history[-1].error,
    )


async def test_an_error_is_caught_by_the_name_of_its_base_class(project: Project) -> None:
    path = project.write(
        """
        from handlers use work
        workflow w() -> str
            var way: str = "through"
            task t = work()
            task caught = skip
                sets way = "caught"
            flow
                start -> t -> end
                t -> caught on error Declined
                caught -> end
            return way
        """,
        """
        class Declined(Exception): pass
        class CardDeclined(Declined): pass
        async def work():
            raise CardDeclined("no money")
        """,
    )

    async with Engine.open() as engine:
        await engine.deploy(path)
        result = await (await engine.start("w")).result()

    assert "caught" == result


async def test_a_group_of_one_exception_is_that_exception(project: Project) -> None:
    path = project.write(
        ONE,
        """
        async def work(n: int):
            raise ExceptionGroup("several", [ValueError("one of one")])
        """,
    )

    async with Engine.open() as engine:
        await engine.deploy(path)
        with pytest.raises(CaseFailed, match="ValueError: one of one"):
            await (await engine.start("w")).result()


async def test_a_result_that_does_not_fit_names_every_path(project: Project) -> None:
    path = project.write(
        """
        from handlers use work() -> list[Item]
        record Item
            sku: str
            price: decimal
        workflow w()
            task t = work()
            flow
                start -> t -> end
        """,
        "async def work():\n    return [{'sku': 1, 'price': 'x'}, {'sku': 'a', 'price': 1}]\n",
    )

    async with Engine.open() as engine:
        await engine.deploy(path)
        with pytest.raises(CaseFailed) as caught:
            await (await engine.start("w")).result()

    assert "ResultError" == caught.value.error
    assert "[0].sku" in caught.value.message
    assert "[0].price" in caught.value.message
    assert "[1]" not in caught.value.message


@pytest.mark.parametrize("value", ["'\\ud800'", "object()", "float('nan')", "{1: {2}}"])
async def test_a_result_that_cannot_be_kept_fails_or_is_kept_the_same_for_ever(
    project: Project, value: str
) -> None:
    path = project.write(ONE, f"async def work(n: int):\n    return {value}\n")

    async with Engine.open(project.store) as engine:
        await engine.deploy(path)
        case = await engine.start("w", case_id="c")
        try:
            live: object = await case.result()
        except CaseFailed as error:
            live = error.error
    async with Engine.open(project.store) as engine:
        again = await engine.case("c")
        try:
            kept: object = await again.result()
        except CaseFailed as error:
            kept = error.error

    assert live == kept
    assert (case.status in {CaseStatus.failed, CaseStatus.completed}) is True


async def test_arguments_that_do_not_fit_their_handler_fail_the_task(project: Project) -> None:
    path = project.write(
        """
        from handlers use work(n: json)
        workflow w()
            task t = work({a: 1})
            flow
                start -> t -> end
        """,
        """
        from dataclasses import dataclass
        @dataclass
        class Point:
            x: int
            y: int
        def work(n: Point): return 0
        """,
    )

    async with Engine.open() as engine:
        await engine.deploy(path)
        with pytest.raises(CaseFailed, match=r"ArgumentError: n\.x: .*; n\.y: "):
            await (await engine.start("w")).result()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_interrupt_in_a_handler_stops_the_engine_and_leaves_the_store_sound(
    project: Project, backend: str
) -> None:
    path = project.write(ONE, "async def work(n: int):\n    raise KeyboardInterrupt\n")

    async def run() -> None:
        async with Engine.open(project.store) as engine:
            await engine.deploy(path)
            await (await engine.start("w", case_id="c")).result()

    async def status() -> CaseStatus:
        async with Engine.open(project.store, resume=False) as engine:
            return (await engine.case("c")).status

    with pytest.raises(KeyboardInterrupt):
        anyio.run(run, backend=backend)

    assert CaseStatus.running is anyio.run(status, backend=backend)


# What callers do wrong


async def test_a_file_that_does_not_check_is_not_deployed(project: Project) -> None:
    path = project.write("workflow w(\n")

    async with Engine.open() as engine:
        with pytest.raises(CheckError):
            await engine.deploy(path)
        with pytest.raises(UnknownName):
            await engine.start("w")


async def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    async with Engine.open() as engine:
        with pytest.raises(UsageError, match=r"none\.knhk cannot be read"):
            await engine.deploy(tmp_path / "none.knhk")


@pytest.mark.parametrize(
    ("handlers", "message"),
    [
        (None, "there is no Python module 'handlers'"),
        ("", "has no 'work'"),
        ("work = 5", "cannot be called"),
        ("import nowhere_to_be_found\ndef work(n): pass", "module 'nowhere_to_be_found'"),
        ("1 / 0\ndef work(n): pass", "cannot be imported: ZeroDivisionError"),
    ],
)
async def test_a_callee_that_is_not_there_is_named_when_deploying(
    project: Project, handlers: str | None, message: str
) -> None:
    path = project.write(
        ONE.replace("use work", "use work(n: int)"), handlers if handlers is not None else ""
    )
    if handlers is None:
        (project.directory / "handlers.py").unlink()

    async with Engine.open() as engine:
        with pytest.raises(DeployError, match=message):
            await engine.deploy(path)


async def test_parameters_that_do_not_fit_begin_no_case(project: Project) -> None:
    path = project.write(ORDER, ORDER_HANDLERS)

    async with Engine.open() as engine:
        await engine.deploy(path)
        with pytest.raises(InputError, match=r"items\[0\]\.price") as caught:
            await engine.start("order", items=[{"sku": "a", "price": "x"}], more=1)
        assert () == await engine.cases()

    assert {"id", "items[0].price", "more"} == {misfit.path for misfit in caught.value.misfits}


async def test_a_name_is_given_to_one_case_only(project: Project) -> None:
    path = project.write(ONE, "async def work(n: int):\n    return n\n")

    async with Engine.open() as engine:
        await engine.deploy(path)
        await (await engine.start("w", case_id="c")).result()
        with pytest.raises(CaseExists, match="already"):
            await engine.start("w", case_id="c")
        outcomes: list[str] = []

        async def start() -> None:
            try:
                await engine.start("w", case_id="d")
                outcomes.append("begun")
            except CaseExists:
                outcomes.append("exists")

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(start)
        assert {} == dict(engine.stranded)

    assert ["begun", *["exists"] * 4] == sorted(outcomes)


@pytest.mark.parametrize("case_id", ["", "x" * 256, "a\nb", "a\0", "\ud800"])
async def test_a_name_that_is_none_is_refused(project: Project, case_id: str) -> None:
    path = project.write(ONE, "async def work(n: int):\n    return n\n")

    async with Engine.open() as engine:
        await engine.deploy(path)
        with pytest.raises(UsageError, match="case id"):
            await engine.start("w", case_id=case_id)


async def test_what_is_not_there_is_named() -> None:
    async with Engine.open() as engine:
        for asking in (
            engine.start("w"),
            engine.case("c"),
            engine.show("c"),
            engine.cancel("c"),
            engine.complete("c", "t"),
            engine.cases(status="odd"),
        ):
            with pytest.raises(UnknownName):
                await asking


async def test_a_closed_engine_says_so(project: Project) -> None:
    path = project.write(ONE, "async def work(n: int):\n    return n\n")
    async with Engine.open() as engine:
        await engine.deploy(path)

    with pytest.raises(UsageError, match="closed or only reads"):
        await engine.start("w")


async def test_what_the_block_raises_comes_out_as_it_is() -> None:
    async def fail() -> None:
        async with Engine.open():
            raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        await fail()


# Work from outside

OUTSIDE = """
    workflow w() -> json
        task ask
        task more
        flow
            start -> ask -> more -> end
        return [ask, more]
"""


async def test_work_for_outside_is_listed_and_completed_by_name_and_by_number(
    project: Project,
) -> None:
    path = project.write(OUTSIDE)

    async with Engine.open(project.store) as engine:
        await engine.deploy(path)
        case = await engine.start("w", case_id="c")
        (offer,) = await engine.work()
        assert ("c", "w", "ask", 1) == (offer.case, offer.workflow, offer.task, offer.item)
        await engine.complete("c", "ask", {"x": 1})
        (offer,) = await engine.work()
        await engine.complete("c", offer.item, "two")
        assert () == await engine.work()
        result = await case.result()

    assert [{"x": 1}, "two"] == result


async def test_work_is_refused_where_there_is_none(project: Project) -> None:
    path = project.write(OUTSIDE)

    async with Engine.open() as engine:
        await engine.deploy(path)
        await engine.start("w", case_id="c")
        with pytest.raises(NotOffered):
            await engine.complete("c", "more")
        with pytest.raises(UnknownName):
            await engine.complete("c", "nothing")
        with pytest.raises(UnknownName):
            await engine.complete("c", 99)
        assert 1 == len((await engine.show("c")).history)


async def test_a_result_from_outside_that_does_not_fit_changes_nothing(project: Project) -> None:
    path = project.write(OUTSIDE)

    async with Engine.open() as engine:
        await engine.deploy(path)
        await engine.start("w", case_id="c")
        with pytest.raises(ResultError):
            await engine.complete("c", "ask", "\ud800")
        with pytest.raises(ResultError):
            await engine.complete("c", "ask", object())
        assert ["create"] == [step.kind for step in (await engine.show("c")).history]
        await engine.complete("c", "ask", 1)


async def test_work_from_outside_may_fail_and_the_case_be_retried(project: Project) -> None:
    path = project.write(OUTSIDE)

    async with Engine.open(project.store) as engine:
        await engine.deploy(path)
        case = await engine.start("w", case_id="c")
        await engine.fail("c", "ask", "Refused", "not today")
        with pytest.raises(CaseFailed, match="Refused: not today"):
            await case.result()
        assert engine._running is not None
        assert {} == engine._running.live
        await engine.retry("c")
        assert CaseStatus.running is case.status
        await engine.complete("c", "ask", 1)
        await engine.complete("c", "more", 2)
        result = await case.result()

    assert [1, 2] == result


async def test_a_suspended_case_offers_nothing_until_it_is_resumed(project: Project) -> None:
    path = project.write(OUTSIDE)

    async with Engine.open() as engine:
        await engine.deploy(path)
        case = await engine.start("w", case_id="c")
        await engine.suspend("c")
        assert CaseStatus.suspended is case.status
        assert () == await engine.work()
        with pytest.raises(NotOffered):
            await engine.complete("c", "ask")
        with pytest.raises(CaseEnded):
            await engine.retry("c")
        await engine.resume_case("c")
        assert ["ask"] == [offer.task for offer in await engine.work()]


async def test_cancelling_a_case_stops_its_work(project: Project) -> None:
    path = project.write(
        ONE,
        """
        import anyio
        async def work(n: int):
            note("begun")
            try:
                await anyio.sleep_forever()
            finally:
                calls.append("stopped")
        """,
    )

    async with Engine.open(project.store) as engine:
        await engine.deploy(path)
        case = await engine.start("w", case_id="c")
        await anyio.wait_all_tasks_blocked()
        await engine.cancel("c")
        with pytest.raises(CaseCancelled):
            await case.result()
        await anyio.wait_all_tasks_blocked()
        assert [("begun",), "stopped"] == project.calls
        with pytest.raises(CaseEnded):
            await engine.cancel("c")


# Looking on


async def test_an_observer_is_told_what_happened_in_order(project: Project) -> None:
    path = project.write(ONE, "async def work(n: int):\n    return n\n")
    seen: list[Event] = []

    async with Engine.open(observer=seen.append) as engine:
        await engine.deploy(path)
        await (await engine.start("w", case_id="c")).result()

    told = [(event.what, event.task) for event in seen]
    assert [
        ("created", ""),
        ("offered", "t"),
        ("started", "t"),
        ("completed", "t"),
        ("case completed", ""),
    ] == told


async def test_an_observer_that_raises_harms_nothing(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    path = project.write(ONE, "async def work(n: int):\n    return n\n")

    def observe(event: Event) -> None:
        raise ZeroDivisionError

    with caplog.at_level(logging.ERROR):
        async with Engine.open(observer=observe) as engine:
            await engine.deploy(path)
            assert 5 == await (await engine.start("w", n=5)).result()

    assert "the observer failed" in caplog.text


async def test_a_case_shows_its_history_data_and_open_work(project: Project) -> None:
    path = project.write(OUTSIDE)

    async with Engine.open(project.store, clock=project.clock) as engine:
        await engine.deploy(path)
        await engine.start("w", case_id="c")
        await engine.complete("c", "ask", {"x": 1})
        shown = await engine.show("c")

    assert ["create", "start", "complete"] == [step.kind for step in shown.history]
    assert ["", "ask", "ask"] == [step.task for step in shown.history]
    assert {"x": 1} == shown.history[2].value
    assert {project.clock.now_us()} == {step.at_us for step in shown.history}
    assert (("more",), ()) == (shown.offered, shown.started)
    assert {"ask": {"x": 1}} == shown.data
    assert (("ask -> more", 1),) == shown.marking


async def test_a_store_can_be_read_while_it_runs(project: Project) -> None:
    path = project.write(OUTSIDE)

    async with Engine.open(project.store) as engine:
        await engine.deploy(path)
        await engine.start("w", case_id="c")
        async with Engine.open(project.store, reading=True) as reader:
            assert ["c"] == [row.id for row in await reader.cases()]
            assert ("ask",) == (await reader.show("c")).offered
            with pytest.raises(UsageError, match="only reads"):
                await reader.start("w")
            with pytest.raises(UsageError, match="only reads"):
                await reader.cancel("c")
            with pytest.raises(UsageError, match="is running, and not run here"):
                await (await reader.case("c")).result()


# Plugins, and sources that are no file


async def test_a_task_type_of_a_plugin_is_done_by_the_engine(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    path = project.write(
        """
        workflow w(who: str) -> json
            task t = log("hello {who}")
            flow
                start -> t -> end
            return t
        """
    )

    with caplog.at_level(logging.INFO, logger="knhk.log"):
        async with Engine.open() as engine:
            await engine.deploy(path)
            assert "hello Ada" == await (await engine.start("w", who="Ada")).result()

    assert ["hello Ada"] == [record.message for record in caplog.records]


async def test_a_workflow_from_source_text_goes_on_after_a_restart(project: Project) -> None:
    module = load(
        "workflow w() -> int\n    task ask\n    flow\n        start -> ask -> end\n    return 3\n"
    )
    async with Engine.open(project.store) as engine:
        await engine.deploy(module)
        await engine.start("w", case_id="c")

    async with Engine.open(project.store) as engine:
        await engine.complete("c", "ask")
        assert 3 == await (await engine.case("c")).result()
        assert 3 == await _completed(engine)


async def _completed(engine: Engine) -> object:
    case = await engine.start("w", case_id="d")
    await engine.complete("d", "ask")
    return await case.result()


async def test_handlers_of_two_projects_with_the_same_name_are_kept_apart(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "knhk.toml").touch()
        (tmp_path / name / "twins.py").write_text(f"async def work():\n    return '{name}'\n")
        (tmp_path / name / "w.knhk").write_text(
            f"from twins use work\nworkflow {name}() -> json\n    task t = work()\n"
            "    flow\n        start -> t -> end\n    return t\n"
        )

    async with Engine.open() as engine:
        await engine.deploy(tmp_path / "one" / "w.knhk")
        await engine.deploy(tmp_path / "two" / "w.knhk")
        results = [await (await engine.start(name)).result() for name in ("one", "two")]

    assert ["one", "two"] == results


async def test_a_handle_asked_for_while_the_case_ends_is_of_one_that_has_ended(
    project: Project,
) -> None:
    path = project.write(OUTSIDE)

    class Slow(MemoryJournal):
        """Gives rows as they were when a case was still at work."""

        stale: CaseRow | None = None

        def case(self, case: str) -> CaseRow | None:
            row, self.stale = self.stale, None
            return row or super().case(case)

    journal = Slow()
    async with Engine.open(journal) as engine:
        await engine.deploy(path)
        await engine.start("w", case_id="c")
        before = journal.case("c")
        await engine.cancel("c")
        journal.stale = before
        handle = await engine.case("c")
        with anyio.fail_after(10), pytest.raises(CaseCancelled):
            await handle.result()
