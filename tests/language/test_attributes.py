"""What one task does to others, from the source to runs: patterns 16 to 20, 25 and 39."""

from __future__ import annotations

import pytest

from knhk import CaseStatus, ItemState, NotOffered
from tests.language.sources import case_of

CANCELLING = """
place waiting
task a
task b
    cancels a, waiting, m
task c
task m = message go
task after
flow
    start -> all(a, b, c, m, waiting) -> after -> end
"""


def test_cancelled_tasks_and_places_are_empty_and_the_rest_goes_on() -> None:
    case = case_of(CANCELLING)
    case.start("a")
    case.run("b")
    states = {item.task: item.state for item in case.items}
    assert (ItemState.withdrawn, ItemState.withdrawn) == (states["a"], states["m"])
    assert (("c",), 0) == (case.offered, case.marking.get("waiting", 0))
    case.run("c")
    assert CaseStatus.stuck == case.status


def test_cancels_case_cancels_it_and_withdraws_everything() -> None:
    case = case_of(
        """
task a
task b
    cancels case
flow
    start -> all(a, b) -> end
"""
    )
    case.start("a")
    case.run("b")
    assert (CaseStatus.cancelled, (), ItemState.withdrawn) == (
        case.status,
        case.started,
        case.items[0].state,
    )


def test_a_task_that_cancels_itself_cancels_its_other_work() -> None:
    case = case_of(
        """
task a
task b
task c
    cancels c
task d
flow
    start -> all(a, b)
    one(a, b) -> c -> d -> end
"""
    )
    case.run("a")
    case.run("b")
    assert ("c", "c") == case.offered
    case.run("c")
    assert (("d",), (), CaseStatus.running) == (case.offered, case.started, case.status)


def test_a_skip_cancels_and_completes_as_it_passes() -> None:
    case = case_of(
        """
task a
task b
task n
    times 2
task hop = skip
    cancels b
    completes n
task d
flow
    start -> all(a -> hop -> end, b -> end, n -> d -> end)
"""
    )
    case.run("n", "x")
    case.run("a")
    assert (("d",), ["x"]) == (case.offered, case.data["n"])


def test_what_a_task_completes_is_completed_after_its_own_tokens_are_put() -> None:
    case = case_of(
        """
var order: list[str] = []
task n
    times 2
    sets order = order + ["n"]
task b
    completes n
    sets order = order + ["b"]
task seen = skip
    sets order = order + ["after b"]
flow
    start -> all(n -> end, b -> seen -> end)
return order
"""
    )
    case.run("b")
    assert (CaseStatus.completed, ["b", "n", "after b"]) == (case.status, case.result)


MILESTONE = """
place open_for_bids
task announce
task bid
    while open_for_bids
task close
flow
    start -> announce -> all(open_for_bids, bid -> end)
    open_for_bids -> close -> end
"""


def test_pattern_18_a_milestone_lets_a_task_start_and_keeps_its_token() -> None:
    case = case_of(MILESTONE)
    case.run("announce")
    case.start("bid")
    assert 1 == case.marking["open_for_bids"]
    case.run("close")
    case.complete("bid")
    assert CaseStatus.completed == case.status


def test_pattern_18_after_the_milestone_it_is_too_late() -> None:
    case = case_of(MILESTONE)
    case.run("announce")
    case.run("close")
    assert CaseStatus.stuck == case.status
    with pytest.raises(NotOffered, match="open_for_bids"):
        case.start("bid")


def test_a_message_task_begins_to_wait_when_its_milestone_opens() -> None:
    case = case_of(
        """
place opened
task a
task t = message m
    while opened
task z
flow
    start -> all(a -> opened -> z -> end, t -> end)
"""
    )
    assert not case.send("m", 1)
    case.run("a")
    assert 1 == case.data["t"]


def test_tasks_that_hold_one_mutex_are_never_at_work_together() -> None:
    case = case_of(
        """
mutex lab
task a
    holds lab
task n
    times 2
    holds lab
flow
    start -> all(a, n) -> end
"""
    )
    assert ("a", "n", "n") == case.offered
    case.start("n")
    assert ("n",) == case.offered
    case.run("n")
    assert () == case.offered
    case.complete("n")
    assert ("a",) == case.offered


def test_pattern_16_a_message_or_a_timer_decides_a_deferred_choice() -> None:
    body = """
task paid = message payment
task too_late = timer 2d
task deliver
task remind
flow
    start -> pick(paid -> deliver, too_late -> remind) -> end
"""
    paid, late = case_of(body), case_of(body)
    paid.send("payment", 5)
    late.advance(seconds=2 * 86_400)
    assert (("deliver",), ("remind",)) == (paid.offered, late.offered)
    assert not late.send("payment")
