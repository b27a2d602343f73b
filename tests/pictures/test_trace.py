"""What a run marks: the arrows that it takes, also through nodes that pass by themselves."""

from __future__ import annotations

from knhk.errors import Run, Step
from knhk.model import NODE_END, Net
from knhk.pictures.arcs import arcs_of
from knhk.pictures.trace import Trace, trace

from .nets import DEADLOCK, case, flow


def traced(net: Net, *steps: Step, left: dict[str, int] | None = None) -> Trace:
    return trace(net, arcs_of(net), Run(steps, tuple((left or {}).items())))


def taken(net: Net, found: Trace) -> set[str]:
    """The places that tokens came to."""
    nodes = len(net.nodes)
    return {net.places[arc.target - nodes].name for arc in found.taken if arc.target >= nodes}


def test_steps_are_numbered_from_one_and_a_task_may_have_several() -> None:
    net = flow("a b", "start -> repeat(a) until x -> b -> end", given="x: bool")

    found = traced(net, Step("a"), Step("a"), Step("b"))

    assert {0: (1, 2), 1: (3,)} == found.visits


def test_a_choice_takes_the_arrow_to_what_it_names() -> None:
    net = flow("a b c", "start -> a -> one(b when x, c otherwise) -> end", given="x: bool")

    found = traced(net, Step("a", "", ("c",)))

    assert {"start -> a", "a -> c"} == taken(net, found)


def test_a_choice_that_is_not_told_shows_by_what_comes_after_it() -> None:
    net = flow("a b c", "start -> a -> one(b when x, c otherwise) -> end", given="x: bool")

    found = traced(net, Step("a"), Step("c"))

    assert {"start -> a", "a -> c", "c -> end"} == taken(net, found)


def test_a_choice_may_name_what_lies_behind_routing_nodes() -> None:
    net = flow("a b c", "start -> a -> one(b when x, skip otherwise) -> c -> end", given="x: bool")

    found = traced(net, Step("a", "", ("c",)), Step("c"))

    assert {"start -> a", "a -> skip", "skip -> c", "c -> end"} == taken(net, found)


def test_routing_nodes_pass_where_a_step_needs_it() -> None:
    net = flow("a b c", "start -> all(all(a, b), c) -> end")

    found = traced(net, Step("b"))

    assert taken(net, found) == {
        *("start -> all#2", "start -> c"),
        *("all#2 -> a", "all#2 -> b", "b -> all#2.join"),
    }


def test_a_choice_between_many_takes_all_that_it_names() -> None:
    net = flow(
        "a b c d", "start -> a -> any(b when x, c when x, d otherwise) -> end", given="x: bool"
    )

    found = traced(net, Step("a", "", ("b", "c")))

    assert {"start -> a", "a -> b", "a -> c"} == taken(net, found)


def test_a_failure_takes_the_arrow_that_names_it() -> None:
    net = case("sections")

    found = traced(net, Step("sort"), Step("stamp", "fails with Torn"))

    assert "stamp -> give_up" in taken(net, found)
    assert "stamp -> all#1.join" not in taken(net, found)


def test_a_task_that_takes_too_long_goes_the_way_of_its_timeout() -> None:
    net = case("sections")

    found = traced(net, Step("bid", "takes too long"))

    assert "bid -> give_up" in taken(net, found)


def test_a_failure_for_which_there_is_no_arrow_takes_none() -> None:
    net = flow("a", "start -> a -> end")

    assert {"start -> a"} == taken(net, traced(net, Step("a", "fails with Torn")))


def test_a_task_that_starts_takes_its_tokens_once() -> None:
    net = flow("a b", "start -> a -> b -> end")

    begun = traced(net, Step("a", "starts"))
    done = traced(net, Step("a", "starts"), Step("a", "completes"))

    assert {"start -> a"} == taken(net, begun)
    assert {"start -> a", "a -> b"} == taken(net, done)
    assert {0: (1, 2)} == done.visits


def test_what_is_left_is_told_by_place() -> None:
    net = case("deadlock")

    found = trace(net, arcs_of(net), DEADLOCK)

    assert ["check -> ship"] == [net.places[place].name for place in found.left]


def test_an_end_that_the_run_does_not_name_is_reached_all_the_same() -> None:
    net = flow("a b", "start -> a -> all(b, end)", "b -> end")

    found = traced(net, Step("a"), Step("b"))

    end = next(number for number, node in enumerate(net.nodes) if node.kind == NODE_END)
    assert 2 == sum(arc.target == end for arc in found.taken)


def test_a_run_of_another_workflow_marks_nothing() -> None:
    net = flow("a b", "start -> a -> b -> end")

    found = traced(net, Step("other", "", ("there",)), left={"nowhere": 3})

    assert ({}, {}, frozenset()) == (found.visits, found.left, found.working)


def test_a_long_row_of_routing_nodes_is_not_looked_through_for_ever() -> None:
    skips = " -> ".join(["skip"] * 300)
    net = flow("a b", f"start -> a -> {skips} -> b -> end")

    found = traced(net, Step("a"), Step("b"))

    assert {0: (1,), 1: (2,)} == found.visits
