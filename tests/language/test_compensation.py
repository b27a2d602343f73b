"""What is undone when a case fails, in which order and with which values."""

from __future__ import annotations

import pytest

from knhk import load
from knhk.errors import CaseEnded, NotOffered
from knhk.kernel import Case
from knhk.model import (
    CALLEE_PLUGIN,
    COMPENSATE,
    ENDED,
    OFFER,
    ON_FAILURE_CANCEL,
    ON_FAILURE_COMPENSATE,
    ON_FAILURE_PAUSE,
    REFUSED,
    STOP_WORK,
    Effect,
    Input,
)

from .sources import case_of, workflow

HALF = "from numbers_of use half() -> int\n"

#: Three tasks one after the other; the first two can be undone.
TRIP = """
on failure compensate
task fly
    compensate with log("cancel flight {fly}")
task stay
    compensate with log("cancel room {stay}", level: "warning")
task pay
flow
    start -> fly -> stay -> pay -> end
"""


def failed_trip(body: str = TRIP) -> Case:
    """A trip that could not be paid."""
    case = case_of(body)
    case.run("fly", "F1")
    case.run("stay", "R2")
    case.start("pay")
    case.fail("pay", "Declined", "no money")
    return case


def undone(case: Case) -> list[tuple[str, int | None, object]]:
    """What items undo: their tasks, the items they undo, and their first arguments."""
    return [
        (item.task, item.undoes, case.arguments(item)[0][0])
        for item in case.items
        if item.undoes is not None
    ]


def undo_all(case: Case) -> list[object]:
    """Carry out what is offered until the case ends; the first argument of each undo."""
    done: list[object] = []
    while case.status == "running":
        assert case.compensating
        (name,) = case.offered
        item = case.start(name)
        done.append(case.arguments(item)[0][0])
        case.complete(item)
    return done


def kinds(effects: list[Effect]) -> list[tuple[int, int]]:
    return [(effect.kind, effect.item) for effect in effects]


# --- lowering ----------------------------------------------------------------------------


def test_compensations_priorities_and_the_mode_are_in_the_net() -> None:
    source = workflow(TRIP.replace("task pay\n", "task pay\n    priority -7\n"))
    net = load(source)["w"].net
    tasks = {node.name: node.task for node in net.nodes if node.task is not None}
    stay = tasks["stay"].compensation
    assert net.on_failure == ON_FAILURE_COMPENSATE
    assert stay is not None
    assert (stay.kind, stay.name, len(stay.args)) == (CALLEE_PLUGIN, "log", 1)
    assert [name for name, _ in stay.kwargs] == ["level"]
    assert tasks["pay"].compensation is None
    assert [tasks[name].priority for name in ("fly", "stay", "pay")] == [0, 0, -7]


@pytest.mark.parametrize(
    ("line", "mode"),
    [
        ("", ON_FAILURE_PAUSE),
        ("on failure pause\n", ON_FAILURE_PAUSE),
        ("on failure cancel\n", ON_FAILURE_CANCEL),
    ],
)
def test_a_case_pauses_if_nothing_else_is_said(line: str, mode: int) -> None:
    net = load(workflow(f"{line}task a\nflow\n    start -> a -> end"))["w"].net
    assert net.on_failure == mode


def test_connectors_of_compensations_belong_to_the_net() -> None:
    body = """
task a
    compensate with shop.post("/undo")
flow
    start -> a -> end
"""
    before = 'connector shop = http(base_url: "http://shop")\n'
    net = load(before + workflow(body))["w"].net
    assert [connector.name for connector in net.connectors] == ["shop"]


# --- undoing -----------------------------------------------------------------------------


def test_what_has_completed_is_undone_the_last_first_then_the_case_is_cancelled() -> None:
    case = failed_trip()
    assert (str(case.status), case.compensating, case.offered) == ("running", True, ("stay",))
    case.run("stay")
    assert (case.offered, case.compensating) == (("fly",), True)
    case.run("fly")
    assert (str(case.status), case.compensating, case.offered) == ("cancelled", False, ())
    assert undone(case) == [("stay", 2, "cancel room R2"), ("fly", 1, "cancel flight F1")]
    assert case.failure is not None
    assert (case.failure.task, case.failure.error) == ("pay", "Declined")


def test_an_undo_has_its_own_callee_and_ordinary_work_has_none_to_undo() -> None:
    case = failed_trip()
    item = case.start("stay")
    assert case.callee(item).name == "log"
    assert case.arguments(item) == (["cancel room R2"], {"level": "warning"})
    assert case.callee(case.item(2)).name == ""
    assert (case.item(2).undoes, item.undoes) == (None, 2)
    assert repr(item) == f"<WorkItem {item.id} stay started undoes 2>"


def test_the_result_of_an_undo_is_not_checked_and_not_kept() -> None:
    body = TRIP.replace("task fly\n", "task fly = log(5 / 1)\n").replace("5 / 1", '"fly"')
    case = failed_trip(body)
    data = case.data
    case.run("stay")
    case.run("fly", {"not": "a text"})
    assert (str(case.status), case.data) == ("cancelled", data)


def test_all_other_work_is_stopped_before_anything_is_undone() -> None:
    body = """
on failure compensate
task a
    compensate with log("not a")
task b
task c
task d
    timeout 5s
task e = timer 1m
task f = message go
flow
    start -> a -> all(b, c, d, e, f) -> end
"""
    case = case_of(body)
    case.run("a")
    b, _, d = case.start("b"), case.items[2], case.start("d")
    effects = case.apply(Input(2 + 1, 0, b.id, error="Broken"))
    assert kinds(effects) == [(STOP_WORK, 3), (STOP_WORK, d.id), (OFFER, 7)]
    assert (case.offered, case.started, case.marking) == (("a",), (), {})
    case.advance(seconds=120)
    assert not case.send("go")
    assert case.offered == ("a",)
    states = {item.task: str(item.state) for item in case.items[1:6]}
    assert states == dict.fromkeys("cdef", "withdrawn") | {"b": "failed"}


def test_a_task_without_compensation_and_one_that_has_not_completed_are_not_undone() -> None:
    body = """
on failure compensate
task a
    compensate with log("a")
task b
task c
    compensate with log("c")
flow
    start -> a -> b -> c -> end
"""
    case = case_of(body)
    case.run("a")
    case.run("b")
    case.start("c")
    case.fail("c", "Broken")
    assert undo_all(case) == ["a"]


def test_a_case_with_nothing_to_undo_is_cancelled_at_once() -> None:
    case = case_of("on failure compensate\ntask a\nflow\n    start -> a -> end")
    case.start("a")
    effects = case.apply(Input(3, 0, 1, error="Broken"))
    assert kinds(effects) == [(ENDED, -1)]
    assert (str(case.status), case.failure.error) == ("cancelled", "Broken")


def test_each_round_of_a_loop_is_undone_with_its_own_values() -> None:
    body = """
on failure compensate
var n: int = 0
task step
    sets n = n + 1
    compensate with log("{step} {n}")
task check
flow
    start -> repeat(step) until n >= 3 -> check -> end
"""
    case = case_of(body)
    for result in ("x", "y", "z"):
        case.run("step", result)
    case.start("check")
    case.fail("check", "Broken")
    assert undo_all(case) == ["z 3", "y 2", "x 1"]


def test_undoing_follows_the_order_of_completion_not_that_of_starts() -> None:
    body = """
on failure compensate
task a
    compensate with log("a")
task b
    compensate with log("b")
task c
flow
    start -> all(a, b) -> c -> end
"""
    case = case_of(body)
    case.start("a")
    case.run("b")
    case.complete("a")
    case.start("c")
    case.fail("c", "Broken")
    assert undo_all(case) == ["a", "b"]


def test_a_message_task_is_undone_as_offered_work() -> None:
    body = """
on failure compensate
task paid = message payment
    retry 1 every 10s
    compensate with log("pay back {paid}")
task ship
flow
    start -> paid -> ship -> end
"""
    case = case_of(body)
    case.send("payment", 30)
    case.start("ship")
    case.fail("ship", "Broken")
    case.start("paid")
    case.send("payment", 40)
    assert case.started == ("paid",)
    case.fail("paid", "Busy")
    assert case.offered == ()
    case.send("payment", 50)
    case.advance(seconds=10)
    assert undo_all(case) == ["pay back 30"]


def test_a_failure_that_an_exception_flow_takes_up_undoes_nothing() -> None:
    case = case_of(TRIP + "    pay -> fly on error Declined\n")
    case.run("fly", "F1")
    case.run("stay", "R1")
    case.start("pay")
    case.fail("pay", "Declined")
    assert (case.compensating, case.offered) == (False, ("fly",))
    case.run("fly", "F2")
    case.start("stay")
    case.fail("stay", "Broken")
    assert undo_all(case) == ["cancel flight F2", "cancel room R1", "cancel flight F1"]


# --- instances ---------------------------------------------------------------------------


MANY = """
on failure compensate
task pack
    for each item in items
    compensate with log("{item}: {pack}")
task ship
flow
    start -> pack -> ship -> end
"""


def test_each_completed_instance_is_undone_with_its_element_and_its_own_result() -> None:
    case = case_of(MANY, "w(items: list[str])", items=["a", "b", "c"])
    first, second, third = case.start("pack"), case.start("pack"), case.start("pack")
    case.complete(third, 3)
    case.complete(first, 1)
    case.complete(second, 2)
    assert case.data["pack"] == [1, 2, 3]
    case.start("ship")
    case.fail("ship", "Broken")
    undo = case.start("pack")
    assert (undo.instance, undo.value, undo.undoes) == (1, "b", second.id)
    case.complete(undo)
    assert undo_all(case) == ["a: 1", "c: 3"]


def test_the_completed_instances_of_a_task_that_fails_are_undone() -> None:
    case = case_of(MANY, "w(items: list[str])", items=["a", "b", "c"])
    case.run("pack", 1)
    case.start("pack")
    case.fail("pack", "Broken")
    assert undo_all(case) == ["a: 1"]


def test_a_straggling_instance_that_completes_is_undone_too() -> None:
    body = MANY.replace("items\n    comp", "items\n    complete when done >= 1\n    comp")
    case = case_of(body, "w(items: list[str])", items=["a", "b", "c"])
    one, two, three = case.start("pack"), case.start("pack"), case.start("pack")
    case.complete(one, 1)
    assert case.offered == ("ship",)
    case.complete(two, 2)
    case.fail(three, "Broken")
    case.start("ship")
    case.fail("ship", "Broken")
    assert undo_all(case) == ["b: 2", "a: 1"]


def test_instances_of_a_task_that_does_not_wait_are_undone() -> None:
    body = MANY.replace("items\n    comp", "items\n    without waiting\n    comp")
    case = case_of(body, "w(items: list[str])", items=["a", "b"])
    case.run("pack", 1)
    case.run("pack", 2)
    case.start("ship")
    case.fail("ship", "Broken")
    assert undo_all(case) == ["b: 2", "a: 1"]


def test_a_task_without_instances_has_nothing_to_undo() -> None:
    case = case_of(MANY, "w(items: list[str])", items=[])
    case.start("ship")
    case.fail("ship", "Broken")
    assert str(case.status) == "cancelled"


# --- arguments that fail -----------------------------------------------------------------


def test_an_argument_that_fails_fails_the_completion() -> None:
    body = """
var n: int = 0
task a
    sets n = n + 1
    compensate with log("{10 / (n - 1)}")
task b
flow
    start -> a -> b -> end
"""
    case = case_of(body)
    case.run("a", "x")
    assert (str(case.status), case.failure.task) == ("failed", "a")
    assert case.failure.error == "ExpressionError"
    assert case.data == {"n": 0}
    case.compensate()
    assert str(case.status) == "cancelled"


def test_a_completion_that_failed_for_its_arguments_is_undone_once_when_it_succeeds() -> None:
    body = """
on failure compensate
task a = half()
    retry 3 every 1s
    compensate with log("{10 / a}")
task b
flow
    start -> a -> b -> end
"""
    case = case_of(body, before=HALF)
    case.run("a", 0)
    assert (str(case.status), case.offered) == ("running", ())
    case.advance(seconds=1)
    case.run("a", 2)
    case.start("b")
    case.fail("b", "Broken")
    assert undo_all(case) == ["5.0"]


def test_a_guard_that_fails_after_the_arguments_leaves_nothing_to_undo() -> None:
    body = """
on failure compensate
task a = half()
    compensate with log("a {a}")
task b
flow
    start -> a -> one(b when 10 / a > 1, skip otherwise) -> end
"""
    case = case_of(body, before=HALF)
    case.run("a", 0)
    assert (str(case.status), undone(case)) == ("cancelled", [])


def test_the_arguments_of_an_instance_fail_that_instance() -> None:
    body = """
task a = half()
    times 2
    compensate with log("{10 / a}")
flow
    start -> a -> end
"""
    case = case_of(body, before=HALF)
    case.run("a", 5)
    case.run("a", 0)
    assert (str(case.status), case.failure.error) == ("failed", "ExpressionError")
    assert "a" not in case.data
    case.compensate()
    assert undo_all(case) == ["2.0"]


# --- when undoing fails ------------------------------------------------------------------


def test_an_undo_uses_the_retry_and_the_timeout_of_its_task() -> None:
    body = TRIP.replace("task stay\n", "task stay\n    retry 1 every 10s\n    timeout 5s\n")
    case = failed_trip(body)
    item = case.start("stay")
    case.advance(seconds=5)
    assert (str(item.state), case.offered, case.started) == ("waiting", (), ())
    assert "waits 10 s more" in case.explain("stay")
    case.advance(seconds=10)
    assert (case.offered, item.attempt) == (("stay",), 2)
    case.start("stay")
    case.advance(seconds=5)
    assert (str(case.status), str(item.state)) == ("failed", "failed")
    assert "longer than 5 s" in case.failure.message


def test_an_undo_that_fails_for_good_fails_the_case_and_names_the_compensation() -> None:
    case = failed_trip()
    case.start("stay")
    case.fail("stay", "Closed", "nobody answers")
    assert (str(case.status), case.compensating) == ("failed", True)
    assert (case.failure.task, case.failure.error) == ("stay", "Closed")
    assert case.failure.message == (
        "the compensation of task 'stay' has failed: nobody answers"
        " (the case is being undone because of Declined: no money)"
    )
    assert [item.undoes for item in case.failed] == [2]


def test_resume_tries_the_undo_again_and_goes_on_with_the_rest() -> None:
    body = TRIP.replace("task stay\n", "task stay\n    retry 1\n")
    case = failed_trip(body)
    for _ in range(2):
        case.start("stay")
        case.fail("stay", "Closed")
    assert str(case.status) == "failed"
    case.resume()
    assert (str(case.status), case.offered) == ("running", ("stay",))
    assert case.failure.error == "Declined"
    case.start("stay")
    case.fail("stay", "Closed")
    assert case.offered == ("stay",)
    assert undo_all(case) == ["cancel room R2", "cancel flight F1"]
    assert (str(case.status), case.failure.error) == ("cancelled", "Declined")


def test_resume_may_name_the_task_whose_undo_has_failed() -> None:
    case = failed_trip()
    case.start("stay")
    case.fail("stay", "Closed")
    with pytest.raises(NotOffered, match="it has not failed"):
        case.resume("fly")
    case.resume("stay")
    assert case.offered == ("stay",)


def test_skip_goes_on_with_the_next_undo() -> None:
    case = failed_trip()
    case.start("stay")
    case.fail("stay", "Closed")
    case.skip("stay")
    assert (str(case.status), case.offered, case.failure.error) == ("running", ("fly",), "Declined")
    case.skip("fly")
    assert str(case.status) == "cancelled"


@pytest.mark.parametrize("state", ["offered", "started"])
def test_an_undo_under_way_can_be_skipped(state: str) -> None:
    case = failed_trip()
    if state == "started":
        case.start("stay")
    case.skip("stay")
    assert case.offered == ("fly",)


def test_an_undo_can_be_released() -> None:
    case = failed_trip()
    item = case.start("stay")
    case.release(item)
    assert (case.offered, item.attempt) == (("stay",), 2)
    assert undo_all(case) == ["cancel room R2", "cancel flight F1"]


# --- from outside ------------------------------------------------------------------------


def test_compensating_can_be_suspended_and_resumed() -> None:
    case = failed_trip()
    item = case.start("stay")
    case.suspend()
    case.complete(item)
    assert (str(case.status), case.offered) == ("suspended", ())
    case.resume()
    assert (case.offered, case.compensating) == (("fly",), True)


def test_cancel_while_undoing_leaves_the_rest_as_it_is() -> None:
    case = failed_trip()
    case.run("stay")
    case.cancel()
    assert (str(case.status), case.compensating, len(undone(case))) == ("cancelled", False, 2)
    assert str(case.items[-1].state) == "withdrawn"


def test_a_case_that_is_cancelled_otherwise_is_not_undone() -> None:
    case = case_of(TRIP)
    case.run("fly")
    case.cancel()
    assert (str(case.status), undone(case)) == ("cancelled", [])
    by_itself = case_of(TRIP.replace("-> pay -> end", "-> pay -> abort"))
    for name in ("fly", "stay", "pay"):
        by_itself.run(name)
    assert (str(by_itself.status), undone(by_itself)) == ("cancelled", [])


def test_on_failure_cancel_cancels_the_case_and_keeps_the_failure() -> None:
    case = failed_trip(TRIP.replace("on failure compensate", "on failure cancel"))
    assert (str(case.status), undone(case), case.offered) == ("cancelled", [], ())
    assert case.failure.error == "Declined"


@pytest.mark.parametrize("state", ["running", "suspended", "failed", "stuck"])
def test_a_case_can_be_told_to_undo_itself(state: str) -> None:
    body = TRIP.replace("on failure compensate\n", "")
    if state == "stuck":
        body = body.replace("start -> fly", "start -> one(fly when true, never otherwise)\n    fly")
        body = body.replace("task pay", "place never\ntask pay").replace("-> pay -> end", "-> pay")
        body += "    all(pay, never) -> end\n"
    case = case_of(body)
    case.run("fly", "F1")
    case.run("stay", "R1")
    case.start("pay")
    if state == "suspended":
        case.suspend()
    elif state == "failed":
        case.fail("pay", "Declined")
    elif state == "stuck":
        case.complete("pay")
    assert str(case.status) == state
    case.compensate()
    assert (str(case.status), case.compensating) == ("running", True)
    assert undo_all(case) == ["cancel room R1", "cancel flight F1"]
    assert str(case.status) == "cancelled"
    assert (case.failure is not None) == (state == "failed")


def test_a_case_that_is_undone_or_has_ended_cannot_be_told_to_undo_itself() -> None:
    case = failed_trip()
    seq = case.seq
    (refused,) = case.apply(Input(COMPENSATE, 0))
    assert (refused.kind, refused.why) == (REFUSED, "the case is being undone already")
    undo_all(case)
    with pytest.raises(CaseEnded):
        case.compensate()
    assert case.seq == seq + 4


def test_a_case_that_fails_while_it_is_suspended_is_undone_when_it_is_resumed() -> None:
    case = case_of(TRIP)
    case.run("fly", "F1")
    case.run("stay", "R1")
    case.start("pay")
    case.suspend()
    case.fail("pay", "Declined")
    assert (str(case.status), case.compensating) == ("suspended", False)
    assert case.failure.error == "Declined"
    case.resume()
    assert (str(case.status), case.offered) == ("running", ("stay",))


def test_a_failure_while_suspended_can_be_mended_by_skip() -> None:
    case = case_of(TRIP)
    case.run("fly")
    case.run("stay")
    case.start("pay")
    case.suspend()
    case.fail("pay", "Declined")
    case.skip("pay")
    assert (str(case.status), case.failure) == ("suspended", None)
    case.resume()
    assert str(case.status) == "completed"


def test_work_of_a_case_that_is_undone_is_not_withdrawn_nor_added_to() -> None:
    case = failed_trip()
    for ask in (lambda: case.withdraw("stay"), lambda: case.add_instance("stay")):
        with pytest.raises(NotOffered, match="being undone"):
            ask()
    assert case.offered == ("stay",)
    with pytest.raises(NotOffered, match="being undone: only what has completed"):
        case.start("fly")


def test_a_failing_return_undoes_the_case() -> None:
    body = TRIP.replace("on failure", "var n: int = 0\non failure") + "return 1 / n\n"
    case = case_of(body)
    for name in ("fly", "stay", "pay"):
        case.run(name, name)
    assert undo_all(case) == ["cancel room stay", "cancel flight fly"]
    assert (case.failure.task, case.failure.error) == ("", "ExpressionError")


def test_a_variable_that_cannot_be_computed_ends_the_case() -> None:
    body = "on failure compensate\nvar n: int = 0\nvar m: float = 1 / n\n"
    case = case_of(body + "task a\n    sets m = m\nflow\n    start -> a -> end\nreturn m")
    assert (str(case.status), case.failure.error) == ("cancelled", "ExpressionError")


def test_mutexes_milestones_and_room_play_no_part_in_undoing() -> None:
    body = """
on failure compensate
mutex m
place p
task a
    holds m
    while p
    at most 1 at once
    compensate with log("a")
task b
task c
    holds m
task close
flow
    start -> all(p, a -> b -> end, c -> end)
    p -> close -> end
"""
    case = case_of(body)
    case.run("a")
    case.run("close")
    case.start("c")
    case.start("b")
    case.fail("b", "Broken")
    item = case.start("a")
    case.release(item)
    assert undo_all(case) == ["a"]


def test_a_replay_gives_the_same_undoing() -> None:
    case = failed_trip()
    case.start("stay")
    case.fail("stay", "Closed")
    case.resume()
    case.release(case.start("stay"))
    case.skip("stay")
    again = Case(case._program, case.id)
    for fact in case.history:
        again.apply(fact)
    assert repr(again.items) == repr(case.items)
    assert (again.offered, again.status, again.seq) == (case.offered, case.status, case.seq)
    assert repr(again.failure) == repr(case.failure)
