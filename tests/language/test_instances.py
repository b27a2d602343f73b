"""Multiple instances, from the source to runs: patterns 12 to 15, 26, 27 and 34 to 36."""

from __future__ import annotations

from decimal import Decimal

import pytest

from knhk import CaseStatus, ItemState, NotOffered
from knhk.errors import ResultError
from knhk.kernel import Case
from tests.language.sources import case_of


def states(case: Case, task: str = "n") -> list[str]:
    """Where the items of a task stand, oldest first."""
    return [str(item.state) for item in case.items if item.task == task]


# --- without waiting (12) -------------------------------------------------------------------


WITHOUT_WAITING = """
task n
    for each x in xs
    without waiting
task d
flow
    start -> n -> d -> end
return n
"""


def test_without_waiting_the_successor_goes_on_and_the_case_ends_with_the_last_instance() -> None:
    case = case_of(WITHOUT_WAITING, "w(xs: list[str])", xs=["a", "b"])
    assert ("n", "n", "d") == case.offered
    case.run("d")
    case.run("n")
    assert CaseStatus.running == case.status
    case.run("n")
    assert (CaseStatus.completed, []) == (case.status, case.result)


def test_without_waiting_an_instance_that_fails_for_good_fails_the_task() -> None:
    case = case_of(WITHOUT_WAITING, "w(xs: list[str])", xs=["a", "b"])
    case.run("d")
    case.start("n")
    case.fail("n", "Broken")
    assert (CaseStatus.failed, ()) == (case.status, case.offered)
    case.resume()
    case.run("n")
    case.run("n")
    assert CaseStatus.completed == case.status


def test_without_waiting_the_task_can_start_again_at_once() -> None:
    case = case_of(
        """
var rounds: int = 0
task n
    times 2
    without waiting
task a
    sets rounds = rounds + 1
flow
    start -> repeat(n -> a) until rounds == 2 -> end
"""
    )
    case.run("a")
    assert ("n", "n", "n", "n", "a") == case.offered


# --- a number and a list (13, 14) -----------------------------------------------------------


def test_an_instance_that_fails_for_good_fails_the_task_and_withdraws_the_others() -> None:
    body = """
task n
    times 3
    retry 1 every 1s
task late
flow
    start -> n -> end
    n -> late on error Broken
    late -> end
"""
    case = case_of(body)
    case.run("n")
    case.start("n")
    case.fail("n", "Broken")
    assert ["completed", "waiting", "offered"] == states(case)
    case.advance(seconds=1)
    case.start(case.items[1])
    case.fail("n", "Broken")
    assert ["completed", "failed", "withdrawn"] == states(case)
    assert ("late",) == case.offered


def test_results_are_in_item_order_and_may_be_used_when_the_task_completes() -> None:
    body = """
var sum_of_all: decimal = 0
task n = price(x)
    for each x in xs
    sets sum_of_all = sum(n)
flow
    start -> n -> end
return sum_of_all
"""
    before = "from math use price(x: int) -> decimal\n"
    case = case_of(body, "w(xs: list[int])", before, xs=[1, 2])
    assert [([1], {}), ([2], {})] == [case.arguments(item) for item in case.items]
    case.run(case.items[1], "2.5")
    with pytest.raises(ResultError):
        case.run("n", "much")
    case.run("n", 1)
    assert ([Decimal(1), Decimal("2.5")], Decimal("3.5")) == (case.data["n"], case.result)


# --- open (15) ------------------------------------------------------------------------------


OPEN = """
task n
    for each x in xs
    open
task d
flow
    start -> n -> d -> end
return n
"""


def test_instances_are_added_while_the_task_is_offered_or_runs_and_never_after_that() -> None:
    case = case_of(OPEN, "w(xs: list[decimal])", xs=[1])
    case.add_instance("n", "2.50")
    assert Decimal("2.50") == case.items[1].value
    case.run("n", "a")
    case.add_instance("n", 3)
    case.run("n", "b")
    case.run("n", "c")
    assert ("d",) == case.offered
    with pytest.raises(NotOffered):
        case.add_instance("n", 4)
    case.run("d")
    assert ["a", "b", "c"] == case.result


def test_an_added_instance_is_of_the_type_of_the_others() -> None:
    case = case_of(OPEN, "w(xs: list[decimal])", xs=[1])
    with pytest.raises(ResultError, match="number"):
        case.add_instance("n", "much")
    assert ("n",) == case.offered


def test_the_added_instances_of_a_list_of_records_are_records() -> None:
    record = "record Item\n    sku: str\n    price: decimal = 1\n\n"
    case = case_of(OPEN, "w(xs: list[Item])", record, xs=[{"sku": "a"}])
    case.add_instance("n", {"sku": "b", "price": "2"})
    value = case.items[1].value
    assert type(case.items[0].value) is type(value)
    with pytest.raises(ResultError, match="sku"):
        case.add_instance("n", {})


def test_only_an_open_task_takes_further_instances() -> None:
    case = case_of(OPEN.replace("    open\n", ""), "w(xs: list[int])", xs=[1])
    with pytest.raises(NotOffered, match="open"):
        case.add_instance("n", 2)


def test_instances_may_be_added_to_a_number_of_them() -> None:
    case = case_of("task n\n    times 1\n    open\nflow\n    start -> n -> end")
    case.add_instance("n")
    assert ([0, 1], [0, 1]) == (
        [item.instance for item in case.items],
        [item.value for item in case.items],
    )


# --- cancelled and completed by another task (26, 27) ---------------------------------------


def beside(line: str) -> Case:
    """Three instances of ``n``, and beside them ``b``, which does something to ``n``."""
    return case_of(f"""
task a
task b
    {line}
task n
    times 3
task d
flow
    start -> a -> all(b -> end, n -> d -> end)
""")


def test_cancelled_instances_are_withdrawn_finished_ones_stand_and_nothing_follows() -> None:
    case = beside("cancels n")
    case.run("a")
    case.run("n")
    case.start("n")
    case.run("b")
    assert ["completed", "withdrawn", "withdrawn"] == states(case)
    assert CaseStatus.completed == case.status
    assert (False, None) == ("d" in {item.task for item in case.items}, case.result)


def test_a_completed_task_goes_on_with_the_results_that_it_has() -> None:
    case = beside("completes n")
    case.run("a")
    case.run(case.items[3], "second")
    case.start("n")
    case.run("b")
    assert ["withdrawn", "completed", "withdrawn"] == states(case)
    assert (("d",), ["second"]) == (case.offered, case.data["n"])


def test_a_task_that_is_only_offered_is_completed_with_nothing() -> None:
    case = beside("completes n")
    case.run("a")
    case.run("b")
    assert (("d",), []) == (case.offered, case.data["n"])


def test_completing_a_task_that_is_not_there_does_nothing() -> None:
    case = beside("completes n")
    case.run("a")
    for _ in range(3):
        case.run("n", 1)
    case.run("b")
    assert (("d",), [1, 1, 1]) == (case.offered, case.data["n"])


# --- complete when (34 to 36) ---------------------------------------------------------------


def early(line: str, *, lines: str = "", header: str = "w()", **parameters: object) -> Case:
    """Six instances of ``n`` with a condition, then ``d``."""
    return case_of(
        f"""
var first: json = none
task n
    times 6
    complete when {line}
    sets first = n[0] if len(n) > 0 else none
    {lines}
task d
task incomplete
flow
    start -> n -> d -> end
    n -> incomplete on error Incomplete
    incomplete -> end
return [first, len(n) if n != none else -1]
""",
        header,
        **parameters,
    )


def test_pattern_34_the_successor_comes_at_the_fourth_and_the_others_have_no_consequence() -> None:
    case = early("done >= 4")
    for number in range(4):
        assert () == tuple(name for name in case.offered if name == "d")
        case.run("n", number)
    assert ("n", "n", "d") == case.offered
    case.start("n")
    case.fail("n", "Broken")
    case.run("d")
    assert CaseStatus.running == case.status
    case.run("n", "late")
    assert (CaseStatus.completed, [0, 4]) == (case.status, case.result)


def test_pattern_34_the_task_does_not_start_anew_before_the_stragglers_have_ended() -> None:
    case = case_of(
        """
var rounds: int = 0
task n
    times 3
    complete when done >= 1
task a
    sets rounds = rounds + 1
flow
    start -> repeat(n -> a) until rounds == 2 -> end
"""
    )
    case.run("n")
    case.run("a")
    assert ("n", "n") == case.offered
    case.run("n")
    assert ("n",) == case.offered
    case.run("n")
    assert ("n", "n", "n") == case.offered


def test_pattern_35_the_rest_is_withdrawn() -> None:
    case = early("done >= 2 then cancel rest")
    for _ in range(3):
        case.start("n")
    case.complete("n", "a")
    case.complete("n", "b")
    assert ["completed", "completed", *(4 * ["withdrawn"])] == states(case)
    case.run("d")
    assert (CaseStatus.completed, ["a", 2]) == (case.status, case.result)


def test_pattern_36_the_condition_reads_data_and_results_at_every_end_of_an_instance() -> None:
    body = """
var wanted: int = 3
task n
    for each x in xs
    open
    complete when len(results) >= wanted or "yes" in results
task d
flow
    start -> n -> d -> end
return n
"""
    case = case_of(body, "w(xs: list[str])", xs=["a", "b"])
    case.run("n", "no")
    case.add_instance("n", "c")
    assert ("n", "n") == case.offered
    case.run("n", "yes")
    assert (("n", "d"), ["no", "yes"]) == (case.offered, case.data["n"])
    with pytest.raises(NotOffered):
        case.add_instance("n", "d")
    case.run("n", "much later")
    case.run("d")
    assert (CaseStatus.completed, ["no", "yes"]) == (case.status, case.result)


def test_the_counts_win_over_data_of_the_same_name() -> None:
    case = early(
        "done == total", header="w(done: int, total: int, failed: int)", done=9, total=9, failed=9
    )
    for _ in range(5):
        case.run("n")
    assert "d" not in case.offered
    case.run("n")
    assert (("d",), 9) == (case.offered, case.data["done"])


def test_failed_instances_are_counted_when_there_is_a_condition() -> None:
    case = early("done + failed >= 3 then cancel rest")
    for _ in range(2):
        case.start("n")
        case.fail("n", "Broken")
    case.run("n", "ok")
    assert (("d",), ["ok"]) == (case.offered, case.data["n"])


def test_a_failing_instance_has_its_attempts_before_it_counts() -> None:
    case = early("failed >= 1", lines="retry 1")
    case.start("n")
    case.fail("n", "Broken")
    assert 6 == len(case.offered)
    case.start("n")
    case.fail("n", "Broken")
    assert "d" in case.offered


def test_when_all_are_finished_and_the_condition_does_not_hold_the_task_is_incomplete() -> None:
    case = early("done >= 6")
    for _ in range(5):
        case.run("n")
    case.start("n")
    case.fail("n", "Broken")
    assert ("incomplete",) == case.offered


def test_an_incomplete_task_without_an_exception_flow_fails_the_case() -> None:
    case = case_of("task n\n    times 1\n    complete when done > 1\nflow\n    start -> n -> end")
    case.run("n")
    assert (CaseStatus.failed, "Incomplete") == (
        case.status,
        case.failure and case.failure.error,
    )


@pytest.mark.parametrize(("condition", "following"), [("total == 0", "d"), ("done > 0", "e")])
def test_without_items_the_condition_is_asked_once(condition: str, following: str) -> None:
    case = case_of(
        f"""
task n
    for each x in xs
    complete when {condition}
task d
task e
flow
    start -> n -> d -> end
    n -> e on error Incomplete
    e -> end
""",
        "w(xs: list[int])",
        xs=[],
    )
    assert (following,) == case.offered


def test_a_condition_that_fails_is_a_failure_of_the_task() -> None:
    case = early("6 // (done - done) > 7", lines="retry 1 every 1s")
    case.run("n")
    assert ["waiting", *(5 * ["offered"])] == states(case)
    case.advance(seconds=1)
    case.run(case.items[0])
    assert (CaseStatus.failed, "ExpressionError") == (
        case.status,
        case.failure and case.failure.error,
    )


def test_a_condition_may_ask_what_the_task_gave_in_the_round_before() -> None:
    case = case_of(
        """
var rounds: int = 0
task n
    times 3
    complete when done >= (len(n) + 1 if n != none else 1) then cancel rest
    sets rounds = rounds + 1
flow
    start -> repeat(n) until rounds == 2 -> end
return n
"""
    )
    case.run("n", "a")
    case.run("n", "b")
    assert ItemState.offered == case.items[-1].state
    case.run("n", "c")
    assert (CaseStatus.completed, ["b", "c"]) == (case.status, case.result)
