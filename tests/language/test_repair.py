"""Repair from outside: one failed task is tried again, work is skipped, or given back."""

from __future__ import annotations

import pytest

from knhk.errors import NotOffered, ResultError, UnknownName
from knhk.kernel import Case
from knhk.model import (
    COMPENSATE,
    INPUT_NAMES,
    OFFER,
    REFUSED,
    RELEASE,
    RESUME,
    SKIP,
    STOP_WORK,
    Input,
)

from .sources import case_of

TWO = """
task a = half()
    retry 1
task b
task c
flow
    start -> all(a, b) -> c -> end
"""
HALF = "from numbers_of use half() -> int\n"


def failed(*tasks: str, body: str = TWO) -> Case:
    """A case in which all attempts at these tasks have failed; the other one is started."""
    case = case_of(body, before=HALF)
    case.start("a")
    case.start("b")
    for name in tasks:
        case.fail(name, "Broken", f"{name} is broken")
        if name in case.offered:
            case.start(name)
            case.fail(name, "Broken", f"{name} is broken")
    return case


def both_failed() -> Case:
    return failed("a", "b", body=TWO.replace("    retry 1\n", ""))


def test_the_new_inputs_have_names() -> None:
    names = [INPUT_NAMES[kind] for kind in (SKIP, RELEASE, COMPENSATE)]
    assert names == ["skip", "release", "compensate"]


# --- resume one task ---------------------------------------------------------------------


def test_the_case_stays_failed_while_other_tasks_are() -> None:
    case = both_failed()
    case.resume("a")
    assert (str(case.status), case.offered) == ("failed", ())
    assert [item.task for item in case.failed] == ["b"]
    assert (case.failure.task, case.failure.message) == ("b", "b is broken")
    case.resume("b")
    assert (str(case.status), case.offered, case.failure) == ("running", ("a", "b"), None)


def test_the_first_failure_is_the_reason_as_long_as_it_stands() -> None:
    case = both_failed()
    case.resume("b")
    assert case.failure.task == "a"
    case.resume()
    assert (case.offered, case.failure) == (("a", "b"), None)


def test_a_resumed_task_has_fresh_attempts() -> None:
    case = failed("a")
    case.resume("a")
    item = case.start("a")
    assert item.attempt == 3
    case.fail("a", "Broken")
    assert str(case.status) == "running"


def test_resume_of_a_task_that_has_not_failed_is_refused() -> None:
    case = failed("a")
    with pytest.raises(NotOffered, match="it has not failed"):
        case.resume("b")
    with pytest.raises(UnknownName):
        case.resume("nobody")
    (refused,) = case.apply(Input(RESUME, 0, -1, "nobody"))
    assert (refused.kind, refused.why) == (REFUSED, "there is no task 'nobody'")
    case.resume("a")
    with pytest.raises(NotOffered, match="the case is running: nothing has failed"):
        case.resume("a")


def test_a_suspended_case_is_resumed_as_a_whole() -> None:
    case = failed()
    case.suspend()
    with pytest.raises(NotOffered, match="the case is suspended"):
        case.resume("a")
    case.resume()
    assert str(case.status) == "running"


def test_a_failed_routing_node_keeps_the_case_failed() -> None:
    body = """
var n: int = 0
task a
task b
task c
flow
    start -> all(a, b)
    a -> one(c when 1 / n > 1, skip otherwise) -> end
    b -> end
"""
    case = case_of(body.replace("a -> one(c", "a -> skip -> one(c"))
    a, b = case.start("a"), case.start("b")
    case.complete(a)
    case.fail(b, "Broken")
    assert case.failure.task == ""
    case.resume("b")
    assert (str(case.status), case.failure.task) == ("failed", "")
    case.resume()
    assert (str(case.status), case.failure.error) == ("failed", "ExpressionError")


def test_a_task_with_instances_is_resumed_by_name() -> None:
    body = """
task a
    times 3
task b
flow
    start -> all(a, b) -> end
"""
    case = case_of(body)
    case.run("a", 1)
    case.start("a")
    case.start("b")
    case.fail("a", "Broken")
    case.fail("b", "Broken")
    case.resume("a")
    assert str(case.status) == "failed"
    case.skip("b")
    assert case.offered == ("a", "a")
    case.run("a", 2)
    case.run("a", 3)
    assert (str(case.status), case.data["a"]) == ("completed", [1, 2, 3])


# --- skip --------------------------------------------------------------------------------


def test_a_failed_item_that_is_skipped_has_completed_with_its_result() -> None:
    case = failed("a")
    item = case.skip("a", 7)
    assert (str(item.state), case.data["a"]) == ("completed", 7)
    assert (str(case.status), case.failure, case.failed) == ("running", None, ())
    case.complete("b")
    assert case.offered == ("c",)


def test_the_case_goes_on_when_the_last_failed_item_is_skipped() -> None:
    case = both_failed()
    case.skip("b")
    assert (str(case.status), case.failure.task) == ("failed", "a")
    case.skip("a", 1)
    assert (str(case.status), case.offered) == ("running", ("c",))


@pytest.mark.parametrize("state", ["offered", "started", "waiting"])
def test_work_in_any_state_can_be_skipped(state: str) -> None:
    case = case_of(TWO.replace("retry 1", "retry 1 every 1h"), before=HALF)
    item = case.items[0]
    if state != "offered":
        case.start("a")
    if state == "waiting":
        case.fail("a", "Broken")
    assert str(item.state) == state
    effects = case.apply(Input(SKIP, 0, item.id, value=3))
    assert (str(item.state), case.data["a"]) == ("completed", 3)
    stops = [effect.item for effect in effects if effect.kind == STOP_WORK]
    assert stops == ([] if state == "waiting" else [item.id])
    case.run("b")
    assert case.offered == ("c",)
    case.advance(seconds=7200)
    assert case.offered == ("c",)


@pytest.mark.parametrize("callee", ["timer 1d", "message go", "signal go"])
def test_a_task_that_waits_can_be_skipped(callee: str) -> None:
    case = case_of(f"task a = {callee}\ntask b\nflow\n    start -> a -> b -> end")
    case.skip("a")
    assert case.offered == ("b",)


def test_the_result_of_a_skipped_item_must_fit() -> None:
    case = failed("a")
    seq = case.seq
    with pytest.raises(ResultError):
        case.skip("a", "seven")
    assert (str(case.status), case.seq) == ("failed", seq)


def test_instances_can_be_skipped() -> None:
    body = """
task a = half()
    times 3
task b
flow
    start -> a -> b -> end
"""
    case = case_of(body, before=HALF)
    case.run("a", 1)
    item = case.start("a")
    case.fail(item, "Broken")
    assert str(case.status) == "failed"
    case.skip(item, 2)
    assert (str(case.status), case.offered) == ("running", ("a",))
    case.skip("a", 3)
    assert (case.data["a"], case.offered) == ([1, 2, 3], ("b",))


def test_one_skipped_instance_settles_a_task_that_was_incomplete() -> None:
    body = """
task a
    times 3
    complete when done >= 2
task n
    times 2
task b
flow
    start -> all(a -> b, n) -> end
"""
    case = case_of(body.replace("done >= 2\n", "done >= 2\n    completes n\n"))
    case.run("a", 1)
    for _ in range(2):
        case.start("a")
        case.fail("a", "Broken")
    assert (str(case.status), case.failure.error) == ("failed", "Incomplete")
    assert [item.instance for item in case.failed] == [1, 2]
    case.skip("a", 2)
    assert (str(case.status), case.failed, case.failure) == ("running", (), None)
    assert (case.data["a"], case.data["n"], case.offered) == ([1, 2], [], ("b",))


def test_a_skipped_instance_that_does_not_settle_its_task_leaves_it_failed() -> None:
    body = """
task a
    times 3
    complete when done >= 3
flow
    start -> a -> end
"""
    case = case_of(body)
    case.run("a", 1)
    for _ in range(2):
        case.start("a")
        case.fail("a", "Broken")
    case.skip("a", 2)
    assert (str(case.status), case.failure.error) == ("failed", "Incomplete")
    case.skip("a", 3)
    assert (str(case.status), case.data["a"]) == ("completed", [1, 2, 3])


def test_a_task_that_could_not_list_its_instances_is_skipped_with_a_list() -> None:
    body = """
var n: int = 0
task a = half()
    times 1 // n
flow
    start -> a -> end
"""
    case = case_of(body, before=HALF)
    assert str(case.status) == "failed"
    with pytest.raises(ResultError, match="a list of results"):
        case.skip("a", 1)
    case.skip("a", [1, 2])
    assert (str(case.status), case.data["a"]) == ("completed", [1, 2])


def test_a_task_without_waiting_that_failed_at_its_start_can_be_skipped() -> None:
    body = """
var n: int = 0
task a
    times 2
    without waiting
    sets n = 1 // n
task b
flow
    start -> a -> b -> end
"""
    case = case_of(body)
    assert str(case.status) == "failed"
    case.skip("a")
    assert (str(case.status), case.failure.error) == ("failed", "ExpressionError")


def test_a_completion_that_fails_again_leaves_the_case_failed() -> None:
    body = """
var n: int = 0
task a = half()
    sets n = 10 // a
flow
    start -> a -> end
"""
    case = case_of(body, before=HALF)
    case.start("a")
    case.fail("a", "Broken")
    case.skip("a", 0)
    assert (str(case.status), case.failure.error) == ("failed", "ExpressionError")
    case.skip("a", 5)
    assert (str(case.status), case.data["n"]) == ("completed", 2)


def test_what_has_ended_cannot_be_skipped() -> None:
    case = failed()
    done = case.complete("b")
    with pytest.raises(NotOffered, match="work item 2 is completed"):
        case.skip(done)
    with pytest.raises(NotOffered, match="no work item"):
        case.skip("c")
    with pytest.raises(NotOffered, match="another case"):
        case.skip(failed().items[0])
    case.cancel()
    with pytest.raises(NotOffered, match="withdrawn"):
        case.skip(case.items[0])
    (refused,) = case.apply(Input(SKIP, 0, 99))
    assert refused.kind == REFUSED


def test_an_item_that_left_by_an_exception_flow_cannot_be_skipped() -> None:
    case = case_of(
        "task a\ntask b\nflow\n    start -> a -> end\n    a -> b -> end\n".replace(
            "    a -> b -> end", "    a -> b on error\n    b -> end"
        )
    )
    item = case.start("a")
    case.fail(item, "Broken")
    with pytest.raises(NotOffered, match="gone on without it"):
        case.skip(item)


def test_what_is_only_offered_is_skipped_in_running_cases() -> None:
    case = case_of(TWO, before=HALF)
    case.suspend()
    with pytest.raises(NotOffered, match="the case is suspended"):
        case.skip("b")
    case.resume()
    case.start("b")
    case.suspend()
    case.skip("b")
    case.resume()
    case.run("a", 1)
    assert case.offered == ("c",)


def test_skipping_an_offered_rival_withdraws_the_others() -> None:
    case = case_of("task a\ntask b\nflow\n    start -> pick(a, b) -> end")
    case.skip("a")
    assert [str(item.state) for item in case.items] == ["completed", "withdrawn"]
    assert str(case.status) == "completed"


def test_a_skipped_item_is_undone_like_any_other() -> None:
    body = """
on failure compensate
task a
    compensate with log("undo {a}")
task b
flow
    start -> a -> b -> end
"""
    case = case_of(body)
    case.skip("a", "by hand")
    case.start("b")
    case.fail("b", "Broken")
    assert case.arguments(case.start("a"))[0] == ["undo by hand"]


# --- release -----------------------------------------------------------------------------


def test_a_released_item_is_offered_anew_and_uses_up_no_retry() -> None:
    case = case_of(TWO, before=HALF)
    item = case.start("a")
    effects = case.apply(Input(RELEASE, 0, item.id))
    assert [(e.kind, e.item) for e in effects] == [(STOP_WORK, item.id), (OFFER, item.id)]
    assert (str(item.state), item.attempt, case.offered) == ("offered", 2, ("a", "b"))
    for _ in range(3):
        case.release(case.start("a"))
    case.start("a")
    case.fail("a", "Broken")
    assert (str(item.state), item.attempt) == ("offered", 6)
    case.start("a")
    case.fail("a", "Broken")
    assert str(case.status) == "failed"


def test_the_timeout_restarts_with_the_next_start() -> None:
    case = case_of("task a\n    timeout 10s\nflow\n    start -> a -> end")
    case.start("a")
    case.advance(seconds=6)
    case.release("a")
    assert case.next_wake_us == -1
    case.advance(seconds=60)
    item = case.start("a")
    case.advance(seconds=9)
    assert str(item.state) == "started"
    case.advance(seconds=1)
    assert case.failure.error == "Timeout"


def test_only_what_is_started_can_be_released() -> None:
    case = case_of(TWO, before=HALF)
    with pytest.raises(NotOffered, match="no item is started"):
        case.release("a")
    (refused,) = case.apply(Input(RELEASE, 0, 1))
    assert refused.why == "work item 1 is offered, not started"


def test_a_released_item_goes_before_what_waits_for_room() -> None:
    body = "task a\n    times 3\n    at most 1 at once\nflow\n    start -> a -> end"
    case = case_of(body)
    case.release(case.start("a"))
    assert case.offered == ("a",)
    assert case.start("a").instance == 0


def test_a_released_item_frees_its_mutex() -> None:
    body = """
mutex m
task a
    holds m
task b
    holds m
flow
    start -> all(a, b) -> end
"""
    case = case_of(body)
    item = case.start("a")
    case.release(item)
    assert case.offered == ("a", "b")
    case.start("b")
    assert (case.offered, str(item.state)) == ((), "waiting")
    case.complete("b")
    assert (case.offered, item.attempt) == (("a",), 2)


@pytest.mark.parametrize("state", ["suspended", "failed"])
def test_an_item_released_in_a_case_that_stands_still_is_offered_later(state: str) -> None:
    case = case_of(TWO.replace("    retry 1\n", ""), before=HALF)
    item = case.start("b")
    if state == "suspended":
        case.suspend()
    else:
        case.start("a")
        case.fail("a", "Broken")
    case.release(item)
    assert (str(case.status), case.offered) == (state, ())
    case.resume()
    assert "b" in case.offered
    assert item.attempt == 2
