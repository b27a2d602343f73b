"""Messages and signals, from the source to runs: patterns 23 and 24."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from knhk import CaseStatus, ItemState
from tests.language.sources import case_of

ORDER = """
var amount: decimal = 0
task paid = message payment(id)
    sets amount = paid.amount
task d
flow
    start -> paid -> d -> end
return amount
"""


def test_a_message_task_waits_and_its_result_is_the_payload() -> None:
    case = case_of(ORDER, "w(id: str)", id="A1")
    assert ((), ItemState.waiting) == (case.offered, case.items[0].state)
    assert case.send("payment", {"amount": "12.50"}, key="A1")
    assert (("d",), Decimal("12.50")) == (case.offered, case.data["amount"])


@pytest.mark.parametrize("key", [None, "A2", 1])
def test_a_task_with_a_key_takes_only_a_message_with_an_equal_one(key: object) -> None:
    case = case_of(ORDER, "w(id: str)", id="A1")
    assert not case.send("payment", {"amount": 1}, key=key)
    assert () == case.offered


def test_a_task_without_a_key_takes_a_message_with_any_key() -> None:
    case = case_of("task t = message m\nflow\n    start -> t -> end\nreturn t")
    assert case.send("m", [1, 2], key="anything")
    assert [1, 2] == case.result


BEFORE = """enum Size: small, large

record Part
    sku: str
    price: decimal

"""


@pytest.mark.parametrize(
    ("type_", "given", "key"),
    [
        ("int", 3, 3),
        ("decimal", "2.50", "2.50"),
        ("Size", "large", "large"),
        ("date", date(2026, 3, 1), "2026-03-01"),
        ("list[decimal]", [1], ["1"]),
        ("Part", {"sku": "a", "price": 1}, {"sku": "a", "price": "1"}),
        ("json", {"a": [None]}, {"a": [None]}),
        ("duration", "PT1H", "PT1H"),
    ],
)
def test_a_key_of_any_type_is_compared_in_its_plain_form(
    type_: str, given: object, key: object
) -> None:
    body = "task t = message m(k)\nflow\n    start -> t -> end"
    case = case_of(body, f"w(k: {type_})", BEFORE, k=given)
    assert case.send("m", None, key=key)
    assert CaseStatus.completed == case.status


def test_a_key_is_evaluated_when_the_task_begins_to_wait() -> None:
    case = case_of(
        """
var k: int = 1
task a
    sets k = a
task t = message m(k)
task b
    sets k = 9
flow
    start -> all(a -> t, b) -> end
"""
    )
    case.run("a", 5)
    case.run("b")
    assert not case.send("m", key=9)
    assert case.send("m", key=5)


def test_a_message_that_came_first_is_kept_and_taken_in_its_order() -> None:
    case = case_of(
        """
task a
task t = message m
task u = message m
flow
    start -> a -> t -> u -> end
return [t, u]
"""
    )
    assert not case.send("m", 1)
    assert not case.send("m", 2)
    case.run("a")
    assert (CaseStatus.completed, [1, 2]) == (case.status, case.result)


def test_a_message_goes_to_the_item_that_has_waited_longest() -> None:
    case = case_of(
        """
task a
task t = message m
task u = message m
flow
    start -> all(a -> t, u) -> end
"""
    )
    case.run("a")
    assert case.send("m", "first")
    assert (None, "first") == (case.data.get("t"), case.data["u"])


def test_each_instance_waits_for_a_message_of_its_own() -> None:
    body = """
task t = message packed(x.sku)
    for each x in xs
flow
    start -> t -> end
return t
"""
    xs = [{"sku": "a", "price": 1}, {"sku": "b", "price": 2}]
    case = case_of(body, "w(xs: list[Part])", BEFORE, xs=xs)
    assert not case.send("packed", "?", key="c")
    assert case.send("packed", "B", key="b")
    assert CaseStatus.running == case.status
    assert case.send("packed", "A", key="a")
    assert ["A", "B"] == case.result


def test_instances_that_wait_can_be_added_and_completed_early() -> None:
    case = case_of(
        """
task t = message vote
    times 2
    open
    complete when results == ["yes", "yes"] then cancel rest
flow
    start -> t -> end
return t
"""
    )
    case.send("vote", "yes")
    case.add_instance("t")
    assert 2 == sum(item.state is ItemState.waiting for item in case.items)
    case.send("vote", "yes")
    assert (CaseStatus.completed, ["yes", "yes"]) == (case.status, case.result)
    assert ItemState.withdrawn == case.items[-1].state


def test_what_a_message_sets_may_fail_and_be_tried_again() -> None:
    case = case_of(
        """
var n: int = 0
task t = message m
    retry 2 every 1s
    sets n = 6 // (n + len(keys(t)))
task u
    sets n = 1
flow
    start -> all(t, u) -> end
return n
"""
    )
    assert case.send("m", {})
    assert (ItemState.waiting, ("u",)) == (case.items[0].state, case.offered)
    case.run("u")
    case.advance(seconds=1)
    assert (CaseStatus.completed, 6) == (case.status, case.result)


def test_a_signal_starts_all_that_wait_and_is_lost_when_none_does() -> None:
    case = case_of(
        """
task a
task t = signal go
task u = signal go
    times 2
task v = signal go
flow
    start -> all(t, u, a -> v) -> end
return [t, u]
"""
    )
    assert 3 == case.signal("go", "now")
    assert 0 == case.signal("go", "too early")
    case.run("a")
    assert CaseStatus.running == case.status
    assert 1 == case.signal("go")
    assert (CaseStatus.completed, ["now", ["now", "now"]]) == (case.status, case.result)


def test_nobody_waits_for_a_message_by_the_name_of_a_signal() -> None:
    case = case_of("task t = signal go\nflow\n    start -> t -> end")
    assert not case.send("go")
    assert 0 == case.signal("stop")


def test_messages_are_kept_while_a_case_is_suspended_and_signals_are_lost() -> None:
    case = case_of(
        """
task t = message m
task u = signal go
flow
    start -> all(t, u) -> end
"""
    )
    case.suspend()
    assert not case.send("m", 1)
    assert 0 == case.signal("go")
    case.resume()
    assert (1, CaseStatus.running) == (case.data["t"], case.status)
    assert 1 == case.signal("go")
    assert CaseStatus.completed == case.status


def test_messages_are_kept_while_a_case_has_failed() -> None:
    case = case_of(
        """
task a
task t = message m
flow
    start -> all(a, t) -> end
"""
    )
    case.start("a")
    case.fail("a", "Broken")
    assert not case.send("m")
    case.resume()
    case.run("a")
    assert CaseStatus.completed == case.status


def test_after_the_end_nothing_is_taken() -> None:
    case = case_of("task t = message m\nflow\n    start -> t -> end")
    case.send("m")
    assert (False, 0) == (case.send("m"), case.signal("go"))


INTERRUPTED = """
task a
    retry 1 every 1h
task t = message answer
task b
task c
flow
    start -> all(a, t) -> end
    a -> b on message changed
    a -> c on signal hurry
    t -> c on signal hurry
    b -> end
    c -> end
"""


@pytest.mark.parametrize("state", ["offered", "started", "backs off"])
def test_a_message_withdraws_the_work_and_leaves_by_its_exception_flow(state: str) -> None:
    case = case_of(INTERRUPTED)
    if state != "offered":
        case.start("a")
    if state == "backs off":
        case.fail("a", "Broken")
    assert case.send("changed", {"to": 1})
    assert (ItemState.withdrawn, ("b",)) == (case.items[0].state, case.offered)
    assert not case.send("changed")


def test_a_kept_message_interrupts_what_is_offered_later() -> None:
    case = case_of(
        """
task z
task a
task b
flow
    start -> z -> a -> end
    a -> b on message changed
    b -> end
"""
    )
    assert not case.send("changed")
    case.run("z")
    assert ("b",) == case.offered


def test_a_signal_interrupts_everything_that_listens_also_what_waits() -> None:
    case = case_of(INTERRUPTED)
    assert 2 == case.signal("hurry")
    assert ("c", "c") == case.offered


def test_a_signal_interrupts_all_instances_of_a_task_at_once() -> None:
    case = case_of(
        """
task n
    times 3
task b
flow
    start -> n -> end
    n -> b on signal hurry
    b -> end
"""
    )
    case.run("n")
    assert 2 == case.signal("hurry")
    assert ("b",) == case.offered
