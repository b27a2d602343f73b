"""The sans-IO case: joins, splits, loops, instances, failures, time, and the end."""

from __future__ import annotations

import pytest

from knhk.errors import (
    CaseEnded,
    ExpressionError,
    Misfit,
    MisfitError,
    NotOffered,
    ResultError,
    UnknownName,
)
from knhk.model import (
    CALLEE_SKIP,
    CALLEE_TIMER,
    EXCEPT_ERROR,
    EXCEPT_TIMEOUT,
    JOIN_AND,
    NODE_ABORT,
    NODE_END,
    NODE_STOP,
    SPLIT_XOR,
    Callee,
    CaseStatus,
    ForEach,
    ItemState,
    Retry,
    Variable,
)

from .nets import Drawing, begun, expression

S = 1_000_000
ITEMS = ForEach("item", expression(lambda data: data["items"]))


def sequence() -> Drawing:
    drawing = Drawing().task("a", "start", "p").task("b", "p", "q")
    return drawing.route("end", "q", kind=NODE_END)


def test_a_task_is_offered_only_after_the_one_before_it_completed() -> None:
    case = sequence().case()
    assert case.offered == ("a",)
    case.start("a")
    assert (case.offered, case.started) == ((), ("a",))
    case.complete("a")
    assert (case.offered, case.started) == (("b",), ())
    case.run("b")
    assert (case.status, case.marking) == (CaseStatus.completed, {})


def test_the_tokens_stay_in_their_place_until_the_start() -> None:
    case = sequence().case()
    assert case.marking == {"start": 1}
    case.start("a")
    assert case.marking == {}
    case.complete("a")
    assert case.marking == {"p": 1}


def test_a_result_is_bound_to_the_name_of_its_task() -> None:
    case = sequence().case(size=3)
    case.run("a", {"id": 7})
    assert case.data == {"size": 3, "a": {"id": 7}}


def test_an_and_join_waits_for_every_branch() -> None:
    case = (
        Drawing()
        .task("b", "pb", "qb")
        .task("c", "pc", "qc")
        .task("d", "qb qc", "z", join=JOIN_AND)
        .route("split", "start", "pb pc")
        .route("end", "z", kind=NODE_END)
        .case()
    )
    assert case.offered == ("b", "c")
    case.run("c")
    assert case.offered == ("b",)
    case.run("b")
    assert case.offered == ("d",)
    case.run("d")
    assert case.status == CaseStatus.completed


def test_surplus_tokens_of_an_and_join_count_for_its_next_firing() -> None:
    case = (
        Drawing()
        .task("b", "pb", "qb")
        .task("c", "pc", "qc")
        .task("d", "qb qc", join=JOIN_AND)
        .route("split", "start", "pb pb pc")
        .case()
    )
    case.run("b")
    case.run("b")
    assert case.offered == ("c",)
    case.run("c")
    assert (case.offered, case.marking) == (("d",), {"qb": 2, "qc": 1})
    case.run("d")
    assert (case.status, case.marking) == (CaseStatus.stuck, {"qb": 1})


def test_an_and_join_in_a_loop_waits_for_every_branch_in_every_round() -> None:
    case = (
        Drawing()
        .task("b", "pb", "qb")
        .task("c", "pc", "qc")
        .task("d", "qb qc", "pb pc", join=JOIN_AND)
        .route("split", "start", "pb pc")
        .case()
    )
    for _ in range(3):
        case.run("b")
        assert case.offered == ("c",)
        case.run("c")
        assert case.offered == ("d",)
        case.run("d")


def test_every_arrival_at_an_xor_join_passes_also_while_an_earlier_one_runs() -> None:
    case = (
        Drawing()
        .task("b", "pb", "qb")
        .task("c", "pc", "qc")
        .task("d", "qb qc")
        .route("split", "start", "pb pc")
        .case()
    )
    case.run("b")
    case.start("d")
    case.run("c")
    assert (case.offered, case.started) == (("d",), ("d",))
    case.start("d")
    assert case.started == ("d", "d")
    case.complete("d")
    case.complete("d")
    assert case.status == CaseStatus.completed


def choice() -> Drawing:
    big = expression(lambda data: data["total"] > 1000, "total > 1000")
    return (
        Drawing()
        .task("a", "start", "big small", split=SPLIT_XOR, guards=(big, None))
        .task("b", "big")
        .task("c", "small")
    )


@pytest.mark.parametrize(("total", "offered"), [(1001, ("b",)), (1000, ("c",))])
def test_exactly_one_branch_is_chosen_by_the_data(total: int, offered: tuple[str, ...]) -> None:
    case = choice().case(total=total)
    case.run("a")
    assert case.offered == offered


def test_a_guard_that_fails_is_a_failure_of_its_task_and_leaves_nothing_behind() -> None:
    case = choice().case(total=None)
    case.run("a", 5)
    assert case.status == CaseStatus.failed
    assert case.failure is not None
    assert (case.failure.task, case.failure.error) == ("a", "ExpressionError")
    assert (case.data, case.marking) == ({"total": None}, {})


def test_sets_happens_before_the_guards_are_evaluated() -> None:
    big = expression(lambda data: data["total"] > 1000)
    raised = ("total", expression(lambda data: data["total"] + data["a"]))
    case = (
        Drawing()
        .task("a", "start", "p q", split=SPLIT_XOR, guards=(big, None), sets=(raised,))
        .task("b", "p")
        .task("c", "q")
        .case(total=999)
    )
    case.run("a", 2)
    assert (case.data["total"], case.offered) == (1001, ("b",))


def test_a_loop_back_offers_the_task_again() -> None:
    again = expression(lambda data: data["a"] == "again")
    case = (
        Drawing()
        .task("a", "start back", "back out", split=SPLIT_XOR, guards=(again, None))
        .route("end", "out", kind=NODE_END)
        .case()
    )
    for _ in range(3):
        case.run("a", "again")
    case.run("a", "enough")
    assert (case.status, len(case.items)) == (CaseStatus.completed, 4)


def test_a_declared_skip_passes_at_once_and_does_its_sets() -> None:
    one = ("total", expression(lambda data: 1))
    case = (
        Drawing()
        .task("s", "start", "p", callee=Callee(CALLEE_SKIP), sets=(one,))
        .task("a", "p")
        .case(total=0)
    )
    assert (case.offered, case.data["total"], case.items[0].task) == (("a",), 1, "a")


def test_stop_completes_the_case_and_withdraws_what_is_left() -> None:
    case = (
        Drawing()
        .task("a", "p", "x")
        .task("b", "q", "y")
        .route("split", "start", "p q")
        .route("stop", "x", kind=NODE_STOP)
        .route("end", "y", kind=NODE_END)
        .case()
    )
    running = case.start("b")
    case.run("a")
    assert (case.status, running.state) == (CaseStatus.completed, ItemState.withdrawn)
    assert (case.offered, case.started, case.marking) == ((), (), {})


def test_abort_cancels_the_case() -> None:
    case = Drawing().task("a", "start", "x").route("abort", "x", kind=NODE_ABORT).case()
    case.run("a")
    assert case.status == CaseStatus.cancelled


def test_return_is_evaluated_at_completion() -> None:
    drawing = Drawing().task("a", "start", "x").route("end", "x", kind=NODE_END)
    net = drawing.net(returns=expression(lambda data: data["a"] * 2))
    case = begun(net)
    assert case.result is None
    case.run("a", 21)
    assert (case.status, case.result) == (CaseStatus.completed, 42)


def test_a_return_that_fails_fails_the_case_and_can_be_resumed() -> None:
    drawing = Drawing().task("a", "start", "x").route("end", "x", kind=NODE_END)
    case = begun(drawing.net(returns=expression(lambda data: data["nope"])))
    case.run("a")
    assert case.status == CaseStatus.failed
    case.resume()
    assert case.status == CaseStatus.failed


def test_variables_get_their_first_values_in_order() -> None:
    class Anything:
        text = "json"

        def accept(self, value: object) -> object:
            return value

        encode = decode = accept

    variables = (
        Variable("x", Anything(), expression(lambda data: data["n"] + 1)),
        Variable("y", Anything(), expression(lambda data: data["x"] * 2)),
        Variable("z", Anything()),
    )
    case = begun(Drawing().task("a", "start").net(variables=variables), n=1)
    assert case.data == {"n": 1, "x": 2, "y": 4, "z": None}


# --- failures ---------------------------------------------------------------------------


def test_a_failure_without_exception_flow_fails_the_case_which_stands_still() -> None:
    case = Drawing().task("a", "p", "x").task("b", "q", "y").route("split", "start", "p q").case()
    case.start("a")
    case.start("b")
    case.fail("a", "Declined", "no money")
    assert case.status == CaseStatus.failed
    assert repr(case.failure) == "Failure(task='a', error='Declined', message='no money')"
    case.complete("b")
    assert (case.started, case.marking) == ((), {"y": 1})


def test_resume_offers_the_failed_item_again_with_fresh_attempts() -> None:
    case = sequence().case()
    item = case.start("a")
    case.fail("a", "Declined")
    assert (case.offered, item.state) == ((), ItemState.failed)
    case.resume()
    assert (case.status, case.offered, item.attempt) == (CaseStatus.running, ("a",), 2)
    case.run("a")
    assert case.offered == ("b",)


def test_a_failed_attempt_backs_off_and_is_offered_anew_when_the_time_has_come() -> None:
    case = Drawing().task("a", "start", retry=Retry((10 * S, 20 * S))).case()
    item = case.start("a")
    case.fail("a", "Busy")
    assert (case.status, case.offered, item.state) == (
        CaseStatus.running,
        (),
        ItemState.waiting,
    )
    case.advance(9)
    assert case.offered == ()
    case.advance(1)
    assert case.offered == ("a",)
    case.start("a")
    case.fail("a", "Busy")
    case.advance(20)
    case.start("a")
    case.fail("a", "Busy")
    assert (case.status, item.attempt) == (CaseStatus.failed, 3)


def test_jitter_changes_a_delay_by_at_most_its_share_and_the_same_way_in_a_replay() -> None:
    drawing = Drawing().task("a", "start", retry=Retry((10 * S,), jitter=0.1))
    waits = []
    for _ in range(2):
        case = drawing.case()
        case.start("a")
        case.fail("a", "Busy")
        waits.append(case.next_wake_us)
    assert waits[0] == waits[1] != 10 * S
    assert 9 * S <= waits[0] <= 11 * S


EXCEPTIONS = (
    (EXCEPT_ERROR, "Declined", "d"),
    (EXCEPT_TIMEOUT, "", "t"),
    (EXCEPT_ERROR, "", "e"),
)


@pytest.mark.parametrize(
    ("error", "offered"), [("Declined", "on_d"), ("Timeout", "on_t"), ("Other", "on_e")]
)
def test_a_failure_leaves_by_the_exception_flow_that_names_it(error: str, offered: str) -> None:
    case = (
        Drawing()
        .task("a", "start", "out", exceptions=EXCEPTIONS)
        .task("on_d", "d")
        .task("on_t", "t")
        .task("on_e", "e")
        .case()
    )
    case.start("a")
    case.fail("a", error)
    assert (case.status, case.offered, case.marking) == (
        CaseStatus.running,
        (offered,),
        {offered[-1]: 1},
    )


def test_a_timeout_runs_from_the_start_and_fails_the_item() -> None:
    case = (
        Drawing()
        .task("a", "start", timeout_us=10 * S, exceptions=EXCEPTIONS)
        .task("late", "t")
        .case()
    )
    case.advance(100)
    item = case.start("a")
    case.advance(9.999999)
    assert item.state == ItemState.started
    case.advance(0.000001)
    assert (item.state, case.offered) == (ItemState.failed, ("late",))


# --- time -------------------------------------------------------------------------------


def test_a_timer_waits_and_starts_and_completes_in_one_step() -> None:
    delay = expression(lambda data: 60 * S, "1m")
    case = (
        Drawing()
        .task("t", "start", "p", callee=Callee(CALLEE_TIMER, delay=delay))
        .task("a", "p")
        .case()
    )
    assert (case.status, case.offered, case.items[0].state) == (
        CaseStatus.running,
        (),
        ItemState.waiting,
    )
    case.advance(59)
    assert case.offered == ()
    case.advance(1)
    assert (case.offered, case.items[0].state) == (("a",), ItemState.completed)


def test_the_clock_stops_at_every_due_moment() -> None:
    delay = expression(lambda data: 60 * S, "1m")
    timer = Callee(CALLEE_TIMER, delay=delay)
    case = (
        Drawing()
        .task("first", "start", "p", callee=timer)
        .task("second", "p", "q", callee=timer)
        .route("end", "q", kind=NODE_END)
        .case()
    )
    case.advance(119)
    assert case.status == CaseStatus.running
    case.advance(1)
    assert case.status == CaseStatus.completed


def test_a_timer_until_a_moment_that_is_past_fires_at_once() -> None:
    until = expression(lambda data: -5)
    case = Drawing().task("t", "start", callee=Callee(CALLEE_TIMER, until=until)).case()
    assert case.status == CaseStatus.completed


def test_suspended_nothing_is_offered_and_timers_stand_still_until_resumed() -> None:
    delay = expression(lambda data: 60 * S)
    case = (
        Drawing()
        .task("t", "p", "x", callee=Callee(CALLEE_TIMER, delay=delay))
        .task("a", "q", "y")
        .task("b", "x")
        .route("split", "start", "p q")
        .case()
    )
    case.start("a")
    case.suspend()
    case.advance(100)
    case.complete("a")
    assert (case.status, case.offered) == (CaseStatus.suspended, ())
    case.resume()
    assert (case.status, case.offered) == (CaseStatus.running, ("b",))


# --- multiple instances -----------------------------------------------------------------


def many(**attributes: object) -> Drawing:
    return Drawing().task("n", "start", "out", for_each=ITEMS, **attributes).task("next", "out")


def test_the_successor_comes_after_all_instances_with_the_results_in_item_order() -> None:
    case = many().case(items=["x", "y", "z"])
    assert case.offered == ("n", "n", "n")
    assert [(item.instance, item.value) for item in case.items] == [(0, "x"), (1, "y"), (2, "z")]
    started = [case.start("n") for _ in range(3)]
    for item in reversed(started):
        assert case.offered == ()
        case.complete(item, f"did {item.value}")
    assert (case.offered, case.data["n"]) == (("next",), ["did x", "did y", "did z"])


def test_the_first_start_of_an_instance_takes_the_tokens() -> None:
    case = many().case(items=[1, 2])
    assert case.marking == {"start": 1}
    case.start("n")
    assert case.marking == {}


def test_without_items_the_task_completes_at_once_with_an_empty_list() -> None:
    case = many().case(items=[])
    assert (case.offered, case.data["n"]) == (("next",), [])


def test_times_makes_that_many_instances() -> None:
    case = Drawing().task("n", "start", for_each=ForEach(times=expression(lambda data: 3))).case()
    assert case.offered == ("n", "n", "n")


def test_at_most_limits_how_many_are_offered_and_started_together() -> None:
    case = many(at_most=2).case(items=[1, 2, 3, 4])
    assert case.offered == ("n", "n")
    case.start("n")
    assert (case.offered, case.started) == (("n",), ("n",))
    case.complete("n")
    assert case.offered == ("n", "n")
    for _ in range(3):
        case.run("n")
    assert case.offered == ("next",)


def test_a_backing_off_instance_leaves_its_room_to_another_and_comes_before_the_rest() -> None:
    case = many(at_most=1, retry=Retry((10 * S,))).case(items=["x", "y", "z"])
    case.start("n")
    case.fail("n", "Busy")
    second = case.start("n")
    assert second.value == "y"
    case.advance(10)
    assert case.offered == ()
    case.complete("n")
    assert case.start("n").value == "x"


def test_an_instance_that_fails_for_good_fails_the_task_and_withdraws_the_others() -> None:
    drawing = many(exceptions=((EXCEPT_ERROR, "", "e"),)).task("mend", "e")
    case = drawing.case(items=[1, 2, 3])
    case.run("n")
    case.start("n")
    case.fail("n", "Broken")
    assert [str(item.state) for item in case.items[:3]] == ["completed", "failed", "withdrawn"]
    assert (case.status, case.offered) == (CaseStatus.running, ("mend",))


def test_resume_keeps_what_instances_had_completed() -> None:
    case = many().case(items=["x", "y", "z"])
    case.run("n", 1)
    case.start("n")
    case.fail("n", "Broken")
    assert case.status == CaseStatus.failed
    case.resume()
    assert case.offered == ("n", "n")
    for value in (2, 3):
        case.run("n", value)
    assert case.data["n"] == [1, 2, 3]


def test_resume_offers_the_withdrawn_instances_in_item_order() -> None:
    case = many().case(items=["w", "x", "y", "z"])
    case.start("n")
    case.start("n")
    case.fail(case.items[1], "Broken")
    case.resume()
    offered = sorted(i.instance for i in case.items if i.state == ItemState.offered)
    again = [i.value for i in case.items[4:]]
    assert (offered, again) == ([0, 1, 2, 3], ["w", "y", "z"])


def test_a_list_that_cannot_be_made_fails_the_task_and_can_be_retried() -> None:
    case = many(retry=Retry((5 * S,))).case(items=None)
    assert (case.status, case.offered) == (CaseStatus.running, ())
    case.advance(5)
    assert case.status == CaseStatus.failed
    assert case.failure is not None
    assert case.failure.error == "ExpressionError"


# --- from outside -----------------------------------------------------------------------


def test_withdraw_cancels_a_task_with_its_tokens() -> None:
    case = sequence().case()
    case.withdraw("a")
    assert (case.status, case.marking) == (CaseStatus.completed, {})


def test_withdraw_is_refused_when_the_task_has_no_item() -> None:
    case = sequence().case()
    with pytest.raises(NotOffered, match="task 'b': it has no work item"):
        case.withdraw("b")
    assert len(case.history) == 1


def test_cancel_withdraws_everything_and_is_the_end() -> None:
    case = sequence().case()
    case.start("a")
    case.cancel()
    assert (case.status, case.started) == (CaseStatus.cancelled, ())
    with pytest.raises(CaseEnded, match="is cancelled: resume is not possible"):
        case.resume()


def test_a_task_that_is_not_offered_cannot_be_started_completed_or_failed() -> None:
    case = sequence().case()
    with pytest.raises(NotOffered, match="no token has come to it: `p` is empty"):
        case.start("b")
    with pytest.raises(NotOffered):
        case.complete("a")
    with pytest.raises(NotOffered):
        case.fail("a", "Error")
    with pytest.raises(UnknownName, match="there is no task 'nope'"):
        case.start("nope")
    assert len(case.history) == 1


def test_an_item_of_another_case_is_refused() -> None:
    item = sequence().case().start("a")
    other = sequence().case()
    with pytest.raises(NotOffered, match="another case"):
        other.complete(item)


def test_a_result_that_does_not_fit_is_refused_and_the_item_is_still_started() -> None:
    class Number:
        text = "int"

        def accept(self, value: object) -> object:
            if not isinstance(value, int):
                raise MisfitError([Misfit("", "is not an int")])
            return value

        encode = decode = accept

    case = Drawing().task("a", "start", result=Number()).case()
    case.start("a")
    with pytest.raises(ResultError, match="is not an int"):
        case.complete("a", "seven")
    assert case.started == ("a",)


def test_after_the_end_messages_and_signals_are_not_taken() -> None:
    case = Drawing().task("a", "start").case()
    assert (case.send("m"), case.signal("s"), len(case.history)) == (False, 0, 3)
    case.run("a")
    assert (case.send("m"), case.signal("s"), len(case.history)) == (False, 0, 5)


def test_tokens_that_cannot_go_on_make_the_case_stuck_never_completed() -> None:
    case = Drawing().task("a", "start", "p").task("d", "p q", join=JOIN_AND).case()
    case.run("a")
    assert (case.status, case.marking) == (CaseStatus.stuck, {"p": 1})
    assert case.explain("d") == (
        "the case is stuck: it waits for every branch: it has a token at `p` and needs one at `q`"
    )


def test_explain_names_the_branch_that_an_and_join_waits_for() -> None:
    case = (
        Drawing()
        .task("b", "pb", "qb")
        .task("c", "pc", "qc")
        .task("d", "qb qc", join=JOIN_AND)
        .route("split", "start", "pb pc")
        .case()
    )
    case.run("b")
    assert case.explain("d") == (
        "it waits for every branch: it has a token at `qb` and needs one at `qc`"
    )
    assert case.explain("c") == "one item is offered"


def test_a_round_of_routing_nodes_fails_the_case_instead_of_hanging() -> None:
    case = Drawing().route("r1", "start", "p").route("r2", "p", "start").case()
    assert case.status == CaseStatus.failed
    assert case.failure is not None
    assert case.failure.error == "Livelock"


def test_a_failing_argument_is_an_expression_error() -> None:
    callee = Callee(1, "m", "f", args=(expression(lambda data: data["nope"], "nope"),))
    case = Drawing().task("a", "start", callee=callee).case()
    with pytest.raises(ExpressionError, match="the expression `nope` failed"):
        case.arguments(case.items[0])


def test_arguments_see_the_instance_s_value() -> None:
    callee = Callee(
        1,
        "m",
        "f",
        args=(expression(lambda data: data["item"]),),
        kwargs=(("size", expression(lambda data: len(data["items"]))),),
    )
    case = many(callee=callee).case(items=["x", "y"])
    assert case.arguments(case.items[1]) == (["y"], {"size": 2})
