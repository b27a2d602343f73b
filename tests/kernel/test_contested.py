"""Who may start when somebody else decides with it: choices, milestones, mutexes, weights."""

from __future__ import annotations

import pytest

from knhk.errors import NotOffered
from knhk.model import (
    CALLEE_MESSAGE,
    CALLEE_TIMER,
    EXCEPT_ERROR,
    JOIN_AND,
    NODE_END,
    US_PER_S,
    Callee,
    ForEach,
    Retry,
)

from .nets import Drawing, expression


def _choice(**attributes: object) -> Drawing:
    return (
        Drawing()
        .task("a", "start", "p", puts=(2,))
        .task("b", "p", "e", **attributes)
        .task("c", "p", "e")
        .route("end", "e", kind=NODE_END)
    )


def test_every_token_of_a_choice_is_offered_to_all_who_may_take_it() -> None:
    case = _choice().case()
    case.run("a")
    assert ("b", "b", "c", "c") == case.offered
    case.start("b")
    assert ("b", "c") == case.offered
    case.start("c")
    assert () == case.offered


def test_the_item_of_a_rival_goes_with_the_token_that_was_taken() -> None:
    case = _choice().case()
    case.run("a")
    second = [item for item in case.items if item.task == "b"][1]
    case.start(second)
    rivals = [item for item in case.items if item.task == "c"]
    assert ["offered", "withdrawn"] == [str(item.state) for item in rivals]


def test_a_timer_takes_its_token_only_when_it_fires() -> None:
    timer = Callee(CALLEE_TIMER, delay=expression(lambda _: 5 * US_PER_S))
    case = _choice(callee=timer).case()
    case.run("a")
    assert ("c", "c") == case.offered
    case.start("c")
    case.advance(5)
    assert () == case.offered
    case.complete("c")
    assert "completed" == case.status


def test_a_message_is_kept_while_its_milestone_is_closed() -> None:
    case = (
        Drawing()
        .route("split", "start", "p q")
        .task("go", "p", "open")
        .task("shut", "open", "e")
        .task("hear", "q", "e", while_place="open", callee=Callee(CALLEE_MESSAGE, name="m"))
        .route("end", "e", kind=NODE_END)
        .case()
    )
    assert case.send("m", 1) is False
    case.run("go")
    assert 1 == case.data["hear"]


def test_a_milestone_withdraws_what_is_only_offered() -> None:
    case = (
        Drawing()
        .route("split", "start", "open q q2")
        .task("shut", "open", "e")
        .task("x", "q", "e", while_place="open")
        .task("y", "q2", "e", while_place="open")
        .route("end", "e", kind=NODE_END)
        .case()
    )
    assert ("shut", "x", "y") == case.offered
    case.start("x")
    case.run("shut")
    assert ((), ("x",)) == (case.offered, case.started)
    with pytest.raises(NotOffered, match="only while `open` is marked"):
        case.start("y")
    case.complete("x")
    assert "stuck" == case.status


def _two_holders(**attributes: object) -> Drawing:
    return (
        Drawing(mutexes=("m",))
        .route("split", "start", "p q")
        .task("x", "p", "e", holds=("m",), **attributes)
        .task("y", "q", "e", holds=("m",))
        .route("end", "e", kind=NODE_END)
    )


def test_the_first_start_withdraws_all_others_that_want_the_mutex() -> None:
    case = _two_holders().case()
    assert ("x", "y") == case.offered
    case.start("y")
    assert () == case.offered
    assert "mutex `m` is held by `y`" in case.explain("x")
    case.complete("y")
    assert ("x",) == case.offered


def test_a_back_off_does_not_hold_the_mutex_and_waits_for_it_afterwards() -> None:
    case = _two_holders(retry=Retry((US_PER_S,))).case()
    case.start("x")
    case.fail("x", "Broken")
    assert ("y",) == case.offered
    case.start("y")
    case.advance(1)
    assert () == case.offered
    case.complete("y")
    assert ("x",) == case.offered
    case.run("x")
    assert "completed" == case.status


def test_an_offered_second_attempt_is_put_off_and_never_lost() -> None:
    case = _two_holders(retry=Retry((0,))).case()
    case.start("x")
    case.fail("x", "Broken")
    assert ("x", "y") == case.offered
    case.start("y")
    assert () == case.offered
    case.complete("y")
    assert ("x",) == case.offered
    assert 2 == case.start("x").attempt
    case.complete("x")
    assert "completed" == case.status


def test_failure_frees_the_mutex_and_resume_takes_it_again() -> None:
    case = _two_holders().case()
    case.start("x")
    case.fail("x", "Broken")
    case.resume()
    assert ("x", "y") == case.offered
    case.start("x")
    assert () == case.offered


def test_instances_hold_the_mutex_together_from_the_first_start_to_the_last_end() -> None:
    three = ForEach(times=expression(lambda _: 3))
    case = _two_holders(for_each=three).case()
    assert ("x", "x", "x", "y") == case.offered
    case.start("x")
    assert ("x", "x") == case.offered
    case.complete("x")
    assert ("x", "x") == case.offered
    case.run("x")
    case.run("x")
    assert ("y",) == case.offered


def _sections() -> Drawing:
    """``critical m(a -> b)`` beside ``critical m(c -> d)``."""
    return (
        Drawing(mutexes=("m",))
        .route("split", "start", "p q")
        .task("a", "p", "ab", exceptions=((EXCEPT_ERROR, "", "e"),))
        .task("b", "ab", "e")
        .task("c", "q", "cd")
        .task("d", "cd", "e", holds=("m",))
        .section("m", "a b", "ab")
        .section("m", "c d", "cd")
        .route("end", "e", kind=NODE_END)
    )


def test_a_section_is_held_until_nothing_is_inside() -> None:
    case = _sections().case()
    assert ("a", "c") == case.offered
    case.run("a")
    assert ("b",) == case.offered
    assert "critical section" in case.explain("c")
    case.run("b")
    assert ("c",) == case.offered
    case.run("c")
    assert ("d",) == case.offered, "a task inside may name the same mutex again"
    case.run("d")
    assert "completed" == case.status


def test_exceptions_and_cancellation_free_a_section() -> None:
    case = _sections().case()
    case.start("a")
    case.fail("a", "Broken")
    assert ("c",) == case.offered
    case.run("c")
    case.withdraw("d")
    assert "completed" == case.status


def test_weighted_arrows_put_and_take_several_tokens() -> None:
    case = (
        Drawing()
        .task("a", "start", "p", puts=(3,))
        .task("b", "p", "q")
        .task("c", "q", "e", takes=(2,))
        .route("end", "e", kind=NODE_END)
        .case()
    )
    case.run("a")
    assert ("b", "b", "b") == case.offered
    case.run("b")
    assert "1 of 2" in case.explain("c")
    case.run("b")
    assert ("b", "c") == case.offered
    case.run("c")
    case.run("b")
    assert ("stuck", {"q": 1}) == (case.status, case.marking)


def test_an_and_join_with_a_shared_input_is_offered_as_often_as_it_could_start() -> None:
    case = (
        Drawing()
        .route("split", "start", "p p q q q")
        .task("both", "p q", "e", join=JOIN_AND)
        .task("other", "q", "e")
        .route("end", "e", kind=NODE_END)
        .case()
    )
    assert ("both", "both", "other", "other", "other") == case.offered
    case.start("other")
    assert ("both", "both", "other", "other") == case.offered
    case.start("other")
    assert ("both", "other") == case.offered
    case.start("both")
    assert () == case.offered


def test_a_routing_node_at_a_shared_place_goes_before_any_task() -> None:
    case = (
        Drawing()
        .route("split", "start", "p")
        .task("x", "p", "e")
        .route("pass", "p", "e")
        .route("end", "e", kind=NODE_END)
        .case()
    )
    assert ("completed", ()) == (case.status, case.items)
