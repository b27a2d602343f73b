"""Steering cases from the command line: `retry`, `skip`, `suspend`, `resume`, `cancel`."""

from __future__ import annotations

import json

import pytest

from .conftest import Outcome, Project

ORDER = """
from shop use pay, refund, ship
workflow order(id: str) -> str
    task paid = pay(id)
        compensate with refund(paid)
    task shipped = ship(id)
    flow
        start -> paid -> shipped -> end
    return shipped
workflow other()
    task asked
    flow
        start -> asked -> end
"""
SHOP = """
from pathlib import Path

def note(what):
    with Path("calls.txt").open("a") as calls:
        calls.write(what + "\\n")

def pay(id: str) -> str:
    note(f"pay {id}")
    return f"P-{id}"

def refund(payment: str) -> None:
    note(f"refund {payment}")
    if Path("shut").exists():
        raise RuntimeError("the bank is shut")

def ship(id: str) -> str:
    note(f"ship {id}")
    if not Path("van").exists():
        raise RuntimeError("there is no van")
    return f"{id} is shipped"
"""


@pytest.fixture
def shop(project: Project) -> Project:
    """Two orders that have failed, and a case that waits."""
    project.write("order.knhk", ORDER)
    project.write("shop.py", SHOP)
    for name in ("A1", "A2"):
        outcome = project.knhk("run", "order.knhk", "order", "-p", f"id={name}", "--case", name)
        assert 1 == outcome.code
    assert 3 == project.knhk("run", "order.knhk", "other", "--case", "B1").code
    (project.root / "calls.txt").unlink()
    return project


def calls(shop: Project) -> list[str]:
    return (shop.root / "calls.txt").read_text(encoding="utf-8").splitlines()


def told(outcome: Outcome) -> list[dict[str, object]]:
    return [json.loads(line) for line in outcome.out.splitlines()]


def test_a_failed_case_is_retried_until_it_has_its_result(shop: Project) -> None:
    again = shop.knhk("retry", "A1")
    shop.write("van", "")
    outcome = shop.knhk("retry", "A1", "--task", "shipped")

    assert (1, "failed") == (again.code, told(again)[0]["status"])
    assert "there is no van" in again.err
    assert 0 == outcome.code, outcome.err
    assert [{"case": "A1", "status": "completed", "result": "A1 is shipped"}] == told(outcome)
    assert "knhk: 1 case retried\n" in outcome.err
    assert ["ship A1", "ship A1"] == calls(shop)


def test_all_failed_cases_of_a_workflow_are_retried_and_each_failure_is_told(shop: Project) -> None:
    shop.write("van", "")

    outcome = shop.knhk("retry", "--status", "failed", "--workflow", "order")
    named = shop.knhk("retry", "A1", "nobody", "B1")
    none = shop.knhk("retry", "--workflow", "order")

    assert (0, ["A1", "A2"]) == (outcome.code, [one["case"] for one in told(outcome)])
    assert "knhk: 2 cases retried\n" in outcome.err
    assert (1, "") == (named.code, named.out)
    assert "there is no case 'nobody'" in named.err
    assert "case 'A1' is completed: retrying it is not possible" in named.err
    assert "case 'B1' is running: retrying it is not possible" in named.err
    assert "knhk: 0 cases retried, 3 could not be\n" in named.err
    assert (0, "knhk: 0 cases retried\n") == (none.code, none.err)


@pytest.mark.parametrize("command", ["retry", "suspend", "cancel"])
def test_cases_are_to_be_named_in_one_way(shop: Project, command: str) -> None:
    nothing = shop.knhk(command)
    both = shop.knhk(command, "A1", "--workflow", "order")

    assert (2, 2) == (nothing.code, both.code)
    assert "name the cases, or give --status, --workflow or --tenant" in nothing.err
    assert "either name the cases" in both.err


def test_a_failed_task_is_skipped_with_a_value(shop: Project) -> None:
    misfit = shop.knhk("skip", "A1", "shipped", "--value", "7")
    outcome = shop.knhk("skip", "A1", "shipped", "--value", '"by hand"')
    rest = shop.knhk("skip", "shipped", "--status", "failed", "--value", '"by post"')

    assert 1 == misfit.code
    assert "could not be" in misfit.err
    assert (0, "by hand") == (outcome.code, told(outcome)[0]["result"])
    assert [{"case": "A2", "status": "completed", "result": "by post"}] == told(rest)
    assert not (shop.root / "calls.txt").exists()


def test_a_case_is_suspended_and_resumed(shop: Project) -> None:
    suspended = shop.knhk("suspend", "B1")
    still = shop.knhk("resume")
    resumed = shop.knhk("resume", "B1")
    twice = shop.knhk("resume", "B1")

    assert 0 == suspended.code
    assert suspended.err.endswith("knhk: 1 case suspended\n")
    assert (3, "suspended") == (still.code, told(still)[0]["status"])
    assert (3, "running") == (resumed.code, told(resumed)[0]["status"])
    assert "knhk complete B1 asked" in resumed.err
    assert 1 == twice.code


def test_a_case_is_cancelled_and_what_was_done_is_undone(shop: Project) -> None:
    plain = shop.knhk("cancel", "A1", "B1")
    shop.write("shut", "")
    stuck = shop.knhk("cancel", "A2", "--compensate")
    (shop.root / "shut").unlink()
    undone = shop.knhk("retry", "A2")

    assert 0 == plain.code
    assert plain.err.endswith("knhk: 2 cases cancelled\n")
    assert (1, "failed") == (stuck.code, told(stuck)[0]["status"])
    assert "the compensation of task 'paid' has failed: the bank is shut" in stuck.err
    assert "cancelled" == told(undone)[0]["status"]
    assert ["refund P-A2", "refund P-A2"] == calls(shop)
    shown = shop.knhk("show", "A2")
    assert '"error": "RuntimeError", "message": "there is no van"' in shown.out


def test_undoing_a_case_that_was_told_to_is_done_well(shop: Project) -> None:
    outcome = shop.knhk("cancel", "--workflow", "order", "--compensate")

    assert 0 == outcome.code, outcome.err
    assert ["cancelled", "cancelled"] == [one["status"] for one in told(outcome)]
    assert ["refund P-A1", "refund P-A2"] == sorted(calls(shop))
