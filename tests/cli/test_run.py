"""`knhk run` and what goes on from there: results, failures, outside work, interruptions."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable

import pytest

from .conftest import TIMEOUT_S, Project

HANDLERS = '''
import time
from pathlib import Path

import anyio

def reserve(sku: str, count: int) -> str:
    print("reserving", sku)
    with Path("calls.txt").open("a") as calls:
        calls.write(f"reserve {sku}\\n")
    return f"{count} x {sku}"

async def ship(hold: str) -> str:
    return f"shipped {hold}"

async def gate(hold: str) -> str:
    """Return as soon as there is a file `open`."""
    while not Path("open").exists():
        await anyio.sleep(0.01)
    return hold

def hang(hold: str) -> str:
    time.sleep(3600)
    return hold

def decline(hold: str) -> str:
    raise PaymentDeclinedError("no money left")

def mistake(hold: str) -> str:
    return 42

class PaymentDeclinedError(Exception):
    pass
'''
ORDER = """
from shop use {handler}, reserve

workflow order(sku: str, count: int = 1) -> str
    task hold = reserve(sku, count)
    task deliver = {handler}(hold)
{attributes}
    flow
        start -> hold -> deliver -> end

    return deliver
"""
REVIEW = """
workflow review(text: str) -> str
    task approve

    flow
        start -> approve -> end

    return text
"""


@pytest.fixture
def shop(project: Project) -> Project:
    project.write("shop.py", HANDLERS)
    for handler in ("ship", "gate", "hang", "decline", "mistake"):
        project.write(f"{handler}.knhk", ORDER.format(handler=handler, attributes=""))
    project.write("review.knhk", REVIEW)
    return project


def test_the_result_alone_is_on_stdout_and_the_progress_on_stderr(shop: Project) -> None:
    outcome = shop.knhk("run", "ship.knhk", "-p", "sku=tea", "-p", "count=2", "--case", "A1")

    assert (0, "shipped 2 x tea") == (outcome.code, outcome.json)
    told = [line.split(maxsplit=1)[1] for line in outcome.err.splitlines() if line[0].isdigit()]
    assert "A1 hold started" in told
    assert "A1 deliver completed" in told
    assert "A1 case completed" == told[-1]
    assert "reserving tea" in outcome.err


def test_input_and_single_parameters_may_be_mixed(shop: Project) -> None:
    shop.write("input.json", '{"sku": "tea", "count": 7}')

    outcome = shop.knhk("run", "ship.knhk", "order", "--input", "@input.json", "-p", "count=3")

    assert "shipped 3 x tea" == outcome.json


def test_the_input_may_come_from_stdin(shop: Project) -> None:
    outcome = shop.knhk("run", "ship.knhk", "--input", "@-", stdin='{"sku": "cup"}')

    assert "shipped 1 x cup" == outcome.json


def test_a_finished_case_is_in_the_store_with_its_history(shop: Project) -> None:
    shop.knhk("run", "ship.knhk", "-p", "sku=tea", "--case", "A1", "--store", "s.db")

    listed = shop.knhk("list", "--store", "s.db")
    shown = shop.knhk("show", "A1", "--store", "s.db")
    data = shop.knhk("show", "A1", "--store", "s.db", "--json").json

    assert re.search(r"^A1 +order +completed +\d{4}-", listed.out, re.MULTILINE)
    assert 'outcome   {"result": "shipped 1 x tea"}' in shown.out
    assert isinstance(data, dict)
    assert ["create", "start", "complete", "start", "complete"] == [
        step["kind"] for step in data["history"]
    ]
    assert ["", "hold", "hold", "deliver", "deliver"] == [step["task"] for step in data["history"]]


def test_cases_are_listed_by_status_and_as_json(shop: Project) -> None:
    shop.knhk("run", "ship.knhk", "-p", "sku=tea", "--case", "good")
    shop.knhk("run", "decline.knhk", "-p", "sku=tea", "--case", "bad")

    listed = {
        status: shop.knhk("list", "--json", "--status", status).json
        for status in ("completed", "failed", "running")
    }

    ids = {
        status: [row["case"] for row in rows]
        for status, rows in listed.items()
        if isinstance(rows, list)
    }
    assert {"completed": ["good"], "failed": ["bad"], "running": []} == ids


def test_a_case_in_memory_leaves_no_store(shop: Project) -> None:
    outcome = shop.knhk("run", "ship.knhk", "-p", "sku=tea", "--store", ":memory:")

    assert 0 == outcome.code
    assert [] == list(shop.root.glob("*.db*"))


def test_a_failed_case_gives_one_and_says_which_task_failed_and_why(shop: Project) -> None:
    outcome = shop.knhk("run", "decline.knhk", "-p", "sku=tea", "--case", "A1")

    assert (1, "") == (outcome.code, outcome.out)
    assert (
        "knhk: case 'A1' failed in task 'deliver': PaymentDeclinedError: no money left"
        in outcome.err
    )


def test_a_result_of_the_wrong_type_fails_the_task_and_says_so(shop: Project) -> None:
    outcome = shop.knhk("run", "mistake.knhk", "-p", "sku=tea")

    assert (1, "") == (outcome.code, outcome.out)
    assert re.search(r"failed in task 'deliver': .*(str|text|string)", outcome.err)


def test_a_handler_that_never_returns_fails_by_its_timeout_and_does_not_hold_the_process(
    shop: Project,
) -> None:
    shop.write("hang.knhk", ORDER.format(handler="hang", attributes="        timeout 50ms\n"))

    outcome = shop.knhk("run", "hang.knhk", "-p", "sku=tea")

    assert (1, "") == (outcome.code, outcome.out)
    assert "failed in task 'deliver': Timeout" in outcome.err


@pytest.mark.parametrize(
    "arguments,words",
    [
        (["none.knhk"], "'none.knhk' does not exist"),
        (["ship.knhk", "other"], "has no workflow 'other'; it has: order"),
        (["ship.knhk", "-p", "sko=tea"], "workflow order has no parameter 'sko'"),
        (["ship.knhk", "-p", "sku=tea", "-p", "count=many"], "parameter count is of type int"),
        (["ship.knhk", "--input", "{"], "is not JSON: line 1, column 2"),
        (["ship.knhk", "--input", "@none.json"], "none.json: No such file"),
        (["ship.knhk", "-p", "sku=tea", "--store", "x://y"], "stores of x:// are not in"),
        (["ship.knhk", "-p", "sku=tea", "--case", ""], "a case id is 1 to"),
    ],
)
def test_wrong_use_gives_two_and_one_sentence(
    shop: Project, arguments: list[str], words: str
) -> None:
    outcome = shop.knhk("run", *arguments)

    assert (2, "") == (outcome.code, outcome.out)
    assert words in " ".join(outcome.err.split())


def test_every_value_that_does_not_fit_is_named_with_its_path(shop: Project) -> None:
    shop.write(
        "many.knhk",
        "record Item\n    price: int\n\n"
        "workflow many(items: list[Item], note: str) -> int\n"
        "    task look\n    flow\n        start -> look -> end\n    return len(items)\n",
    )

    outcome = shop.knhk(
        "run", "many.knhk", "--input", '{"items": [{"price": 1}, {"price": "x"}], "extra": 1}'
    )

    assert (2, "") == (outcome.code, outcome.out)
    for path in ("items[1].price", "note", "extra"):
        assert re.search(rf"^  {re.escape(path)}: ", outcome.err, re.MULTILINE), path
    assert not (shop.root / "knhk.db").exists()


def test_a_file_that_does_not_check_gives_two_and_its_diagnostics(shop: Project) -> None:
    shop.write("bad.knhk", REVIEW.replace("approve -> end", "aprove -> end"))

    outcome = shop.knhk("run", "bad.knhk", "-p", "text=x")

    assert (2, "") == (outcome.code, outcome.out)
    assert re.search(r"^bad\.knhk:6:18: error\[KN\d+\]: .*\n +6 \| ", outcome.err, re.MULTILINE)


def test_a_file_of_several_workflows_asks_which_one(shop: Project) -> None:
    shop.write("two.knhk", REVIEW + REVIEW.replace("review", "second"))

    outcome = shop.knhk("run", "two.knhk", "-p", "text=x")

    assert 2 == outcome.code
    assert "name the workflow to run; two.knhk has: review, second" in outcome.err


def test_a_case_name_is_taken_once(shop: Project) -> None:
    arguments = ("run", "ship.knhk", "-p", "sku=tea", "--case", "A1")
    assert 0 == shop.knhk(*arguments).code

    again = shop.knhk(*arguments)

    assert (2, "") == (again.code, again.out)
    assert "A1" in again.err


def test_a_case_that_waits_for_others_gives_three_and_says_how_to_complete_it(
    shop: Project,
) -> None:
    waiting = shop.knhk("run", "review.knhk", "-p", "text=x", "--case", "R1", "--store", "r.db")
    command = re.search(r"knhk (complete .*)$", waiting.err, re.MULTILINE)

    assert (3, "") == (waiting.code, waiting.out)
    assert command is not None
    assert "complete R1 approve --result JSON --store r.db" == command[1]

    done = shop.knhk(*command[1].replace("JSON", "true").split())

    assert (0, "x") == (done.code, done.json)


@pytest.mark.parametrize(
    "arguments,words",
    [
        (["R1", "aprove"], "there is no task 'aprove'"),
        (["R2", "approve"], "there is no case 'R2'"),
        (["R1", "approve", "--result", "{"], "is not JSON"),
        (["R1", "approve", "--store", "none.db"], "there is no store none.db"),
    ],
)
def test_a_completion_that_cannot_be_gives_two(
    shop: Project, arguments: list[str], words: str
) -> None:
    shop.knhk("run", "review.knhk", "-p", "text=x", "--case", "R1")

    outcome = shop.knhk("complete", *arguments)

    assert (2, "") == (outcome.code, outcome.out)
    assert words in outcome.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("handler", ["gate", "hang"])
def test_a_signal_stops_cleanly_and_the_case_goes_on_later_without_repeating_what_was_done(
    shop: Project,
    wait_for: Callable[[subprocess.Popen[str], str], str],
    number: signal.Signals,
    handler: str,
) -> None:
    process = shop.start("run", f"{handler}.knhk", "-p", "sku=tea", "--store", "my store.db")
    wait_for(process, "deliver started")
    process.send_signal(number)
    out, err = process.communicate(timeout=TIMEOUT_S)

    assert (130, "") == (process.returncode, out)
    assert "knhk: stopped; go on with: knhk resume --store 'my store.db'\n" in err
    assert "Traceback" not in err

    if handler == "gate":
        shop.write("open", "")
        resumed = shop.knhk("resume", "--store", "my store.db")
        told = json.loads(resumed.out)
        assert (0, "completed", "1 x tea") == (resumed.code, told["status"], told["result"])
        assert "reserve tea\n" == (shop.root / "calls.txt").read_text()


def test_resuming_tells_how_each_case_stands(shop: Project) -> None:
    shop.knhk("run", "review.knhk", "-p", "text=x", "--case", "R1")
    shop.knhk("run", "ship.knhk", "-p", "sku=tea", "--case", "A1")

    outcome = shop.knhk("resume")

    assert 3 == outcome.code
    assert [{"case": "R1", "status": "running"}] == [
        json.loads(line) for line in outcome.out.splitlines()
    ]


def test_a_store_without_unfinished_cases_has_nothing_to_resume(shop: Project) -> None:
    shop.knhk("run", "ship.knhk", "-p", "sku=tea")

    outcome = shop.knhk("resume")

    assert (0, "") == (outcome.code, outcome.out)
    assert "knhk.db has no unfinished case" in outcome.err
