"""What cancellation takes away, and what it leaves."""

from __future__ import annotations

import pytest

from knhk.errors import NotOffered
from knhk.model import (
    CALLEE_SKIP,
    EXCEPT_ERROR,
    JOIN_AND,
    JOIN_PARTIAL,
    NODE_END,
    Callee,
    ForEach,
)

from .nets import Drawing, expression


def _split(*tasks: str) -> Drawing:
    return Drawing().route("split", "start", " ".join(f"p_{name}" for name in tasks))


def test_a_running_item_is_withdrawn_and_puts_no_token() -> None:
    case = (
        _split("a", "b")
        .task("a", "p_a", "e")
        .task("b", "p_b", "e", cancels="a")
        .route("end", "e", kind=NODE_END)
        .case()
    )
    case.start("a")
    case.run("b")
    assert ((), "completed") == (case.started, case.status)


def test_an_offered_item_goes_with_its_tokens_and_its_rivals_go_too() -> None:
    case = (
        Drawing()
        .route("split", "start", "p x")
        .task("a", "p", "e")
        .task("rival", "p", "e")
        .task("c", "x", "e", cancels="a")
        .route("end", "e", kind=NODE_END)
        .case()
    )
    assert ("a", "rival", "c") == case.offered
    case.run("c")
    assert ((), "completed") == (case.offered, case.status)


def test_tokens_of_a_join_that_is_not_complete_stay() -> None:
    case = (
        Drawing()
        .route("split", "start", "p x")
        .task("a", "p q", "e", join=JOIN_AND)
        .task("c", "x", "e", cancels="a")
        .route("end", "e", kind=NODE_END)
        .case()
    )
    case.run("c")
    assert ({"p": 1}, "stuck") == (case.marking, case.status)


def test_what_is_offered_is_what_was_offered_before_anything_was_emptied() -> None:
    """Two joins share ``q``; both were offered, so the tokens of both go."""
    case = (
        Drawing()
        .route("split", "start", "p q r x")
        .task("a", "p q", "e", join=JOIN_AND)
        .task("b", "q r", "e", join=JOIN_AND)
        .task("c", "x", "e", cancels="a b")
        .route("end", "e", kind=NODE_END)
        .case()
    )
    case.run("c")
    assert ({}, "completed") == (case.marking, case.status)


def test_an_emptied_place_makes_a_join_incomplete_and_leaves_its_other_tokens() -> None:
    case = (
        Drawing()
        .route("split", "start", "p q x")
        .task("a", "p q", "e", join=JOIN_AND)
        .task("c", "x", "e", cancels="; p")
        .route("end", "e", kind=NODE_END)
        .case()
    )
    assert ("a", "c") == case.offered
    case.run("c")
    assert ({"q": 1}, (), "stuck") == (case.marking, case.offered, case.status)


def test_a_join_counts_rightly_after_its_place_was_emptied() -> None:
    case = (
        Drawing()
        .route("split", "start", "p q x y")
        .task("a", "p q", "e", join=JOIN_AND)
        .task("c", "x", "e", cancels="; p")
        .task("again", "y", "p")
        .route("end", "e", kind=NODE_END)
        .case()
    )
    case.run("c")
    case.run("again")
    assert ("a",) == case.offered
    case.run("a")
    assert "completed" == case.status


def test_a_routing_join_does_not_pass_on_tokens_that_were_cancelled() -> None:
    case = (
        Drawing()
        .route("split", "start", "p x y")
        .route("join", "p q", "e", join=JOIN_AND)
        .task("c", "x", "e", cancels="; p")
        .task("d", "y", "q")
        .route("end", "e", kind=NODE_END)
        .case()
    )
    case.run("c")
    case.run("d")
    assert ({"q": 1}, "stuck") == (case.marking, case.status)


def test_a_skip_task_may_cancel_in_the_middle_of_routing() -> None:
    case = (
        Drawing()
        .task("go", "start", "p x")
        .task("clear", "x", "e", callee=Callee(CALLEE_SKIP), cancels="; p")
        .route("pass", "p", "e")
        .route("end", "e", kind=NODE_END)
        .case()
    )
    case.run("go")
    assert "completed" == case.status


def test_an_arrival_that_is_cancelled_before_it_is_offered_leaves_nothing_behind() -> None:
    case = (
        Drawing()
        .task("go", "start", "p x")
        .task("b", "p", "e")
        .task("clear", "x", "e", callee=Callee(CALLEE_SKIP), cancels="; p")
        .route("end", "e", kind=NODE_END)
        .case()
    )
    case.run("go")
    assert ((), "completed") == (case.offered, case.status)


def test_own_tokens_are_put_after_the_region_was_emptied() -> None:
    case = (
        Drawing()
        .task("a", "start", "p", cancels="; p")
        .task("b", "p", "e")
        .route("end", "e", kind=NODE_END)
        .case()
    )
    case.run("a")
    assert ("b",) == case.offered


def test_cancels_case_ends_it_as_cancelled() -> None:
    case = _split("a", "b").task("a", "p_a", "e").task("b", "p_b", "e", cancels_case=True).case()
    case.start("a")
    case.run("b")
    assert ("cancelled", ()) == (case.status, case.started)


def test_withdraw_from_outside_is_refused_without_items() -> None:
    case = _split("a", "b").task("a", "p_a", "q").task("b", "p_b", "e").task("c", "q", "e").case()
    with pytest.raises(NotOffered):
        case.withdraw("c")
    case.withdraw("a")
    assert ("b",) == case.offered


def test_cancelled_instances_are_withdrawn_and_nothing_follows() -> None:
    three = ForEach(times=expression(lambda _: 3))
    case = (
        _split("n", "x")
        .task("n", "p_n", "q", for_each=three)
        .task("x", "p_x", "e", cancels="n")
        .task("after", "q", "e")
        .route("end", "e", kind=NODE_END)
        .case()
    )
    case.run("n")
    case.start("n")
    case.run("x")
    assert ((), (), "completed") == (case.offered, case.started, case.status)
    states = [str(item.state) for item in case.items if item.task == "n"]
    assert ["completed", "withdrawn", "withdrawn"] == states


def test_a_failed_task_can_be_withdrawn_and_the_case_resumed() -> None:
    case = (
        _split("a", "b")
        .task("a", "p_a", "e")
        .task("b", "p_b", "e")
        .route("end", "e", kind=NODE_END)
        .case()
    )
    case.start("a")
    case.fail("a", "Broken")
    case.withdraw("a")
    case.resume()
    case.run("b")
    assert "completed" == case.status


def _partial(threshold: int, cancels: str | None = None) -> Drawing:
    attributes: dict[str, object] = {} if cancels is None else {"cancels": cancels}
    return (
        Drawing()
        .task("a", "start", "p_b p_c p_e")
        .task("b", "p_b", "x")
        .task("c", "p_c", "y")
        .task("e", "p_e", "z")
        .route("join", "x y z", "out", join=JOIN_PARTIAL, threshold=threshold, **attributes)
        .task("d", "out", "last")
        .route("end", "last", kind=NODE_END)
    )


def test_a_partial_join_passes_at_its_threshold_and_takes_the_rest_silently() -> None:
    case = _partial(2).case()
    case.run("a")
    case.run("b")
    assert "1 of 2 arrivals" in case.explain("d")
    assert {"x": 1, "p_c": 1, "p_e": 1} == case.marking
    case.run("c")
    assert ("e", "d") == case.offered
    case.run("d")
    case.run("e")
    assert "completed" == case.status


def test_a_cancelling_partial_join_withdraws_the_rest_and_begins_anew() -> None:
    case = _partial(2, "b c e; p_b p_c p_e x y z").case()
    case.run("a")
    case.start("e")
    case.run("b")
    case.run("c")
    assert (("d",), ()) == (case.offered, case.started)
    case.run("d")
    assert "completed" == case.status


def test_a_second_arrival_of_a_branch_waits_for_the_reset() -> None:
    case = (
        Drawing()
        .task("a", "start", "p_b p_b p_c p_c")
        .task("b", "p_b", "x")
        .task("c", "p_c", "y")
        .route("join", "x y", "out", join=JOIN_PARTIAL, threshold=1)
        .task("d", "out", "last")
        .route("end", "last", kind=NODE_END)
        .case()
    )
    case.run("a")
    case.run("b")
    case.run("b")
    assert ("c", "c", "d") == case.offered
    assert {"x": 1, "p_c": 2, "out": 1} == case.marking
    case.run("d")
    assert "waits for the next round" in case.explain("d")
    case.run("c")
    assert ("c", "d") == case.offered, "the reset lets the second arrival of b pass"
    case.run("d")
    case.run("c")
    assert ((), "completed") == (case.offered, case.status)


def test_a_token_that_waits_below_the_threshold_makes_the_case_stuck() -> None:
    case = (
        Drawing()
        .task("a", "start", "p_b p_c")
        .task("b", "p_b", "x")
        .task("c", "p_c", "y", exceptions=((EXCEPT_ERROR, "", "last"),))
        .route("join", "x y", "out", join=JOIN_PARTIAL, threshold=2)
        .route("end", "out last", kind=NODE_END)
        .case()
    )
    case.run("a")
    case.run("b")
    case.start("c")
    case.fail("c", "Broken")
    assert ("stuck", {"x": 1}) == (case.status, case.marking)


def test_a_discriminator_whose_other_branch_never_comes_does_not_keep_the_case() -> None:
    case = (
        Drawing()
        .task("a", "start", "p_b p_c")
        .task("b", "p_b", "x")
        .task("c", "p_c", "y", exceptions=((EXCEPT_ERROR, "", "last"),))
        .route("join", "x y", "out", join=JOIN_PARTIAL, threshold=1)
        .route("end", "out last", kind=NODE_END)
        .case()
    )
    case.run("a")
    case.run("b")
    case.start("c")
    case.fail("c", "Broken")
    assert "completed" == case.status
