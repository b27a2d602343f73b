"""What is certain to have completed, against every run of the net."""

from __future__ import annotations

from hypothesis import assume, given

from knhk.model import NODE_TASK
from knhk_dsl.flow.availability import Availability
from knhk_dsl.syntax import ast
from tests.dsl.flow.nets import flows
from tests.dsl.flow.terms import Term, terms, to_workflow
from tests.dsl.flow.token_game import explore
from tests.dsl.flow.trees import cancels, chain, group, repeat, workflow
from tests.dsl.flow.words import build


def available(tree: ast.WorkflowDecl) -> Availability:
    return Availability(build(tree)[0])


@given(flows())
def test_nothing_is_claimed_that_some_run_misses(tree: ast.WorkflowDecl) -> None:
    graph, _ = build(tree)
    run = explore(graph)
    availability = Availability(graph)
    for number, certain in run.passings.items():
        assert set() == set(availability.before(graph.nodes[number].name)) - certain
    if run.ends is not None:
        assert set() == set(availability.at_end) - run.ends


@given(terms)
def test_a_structured_flow_is_known_exactly(term: Term) -> None:
    graph, _ = build(to_workflow(term))
    run = explore(graph)
    assume(run.complete)
    availability = Availability(graph)
    for number, certain in run.passings.items():
        assert certain == set(availability.before(graph.nodes[number].name))
    assert run.ends == frozenset(availability.at_end)


def test_an_and_join_knows_all_its_branches_and_an_xor_join_none_of_them_alone() -> None:
    both = available(
        workflow("abcd", [chain("start", group("all", chain("a"), chain("b")), "c", "d", "end")])
    )
    assert {"a", "b"} == set(both.before("c"))
    assert {"a", "b", "c"} == set(both.after("c"))
    either = available(
        workflow("abcd", [chain("start", group("one", chain("a"), chain("b")), "c", "d", "end")])
    )
    assert set() == set(either.before("c"))
    assert {"c", "d"} == set(either.at_end)


def test_an_exception_does_not_complete_its_task_and_a_first_round_does() -> None:
    availability = available(
        workflow(
            "abc",
            [
                chain("start", repeat(chain("a"), "until"), "b", "end"),
                chain("b", "c", on=("error", "")),
                chain("c", "end"),
            ],
        )
    )
    assert {"a"} == set(availability.before("b"))
    assert {"a"} == set(availability.before("c"))
    assert {"a"} == set(availability.at_end)


def test_a_retried_task_is_certain_at_the_end() -> None:
    availability = available(
        workflow(
            "ab",
            [
                chain("start", "a", "end"),
                chain("a", "b", on=("error", "")),
                chain("b", "a"),
            ],
        )
    )
    assert {"a"} == set(availability.at_end)
    assert set() == set(availability.before("a"))


def test_threads_that_end_apart_are_all_certain_but_not_before_a_stop() -> None:
    ends = workflow(
        "abc", [chain("start", "a", group("all", chain("b", "end"), chain("c", "end")))]
    )
    assert {"a", "b", "c"} == set(available(ends).at_end)
    stops = workflow(
        "abc", [chain("start", "a", group("all", chain("b", "end"), chain("c", "stop")))]
    )
    assert {"a", "c"} == set(available(stops).at_end)


def test_a_run_that_gets_stuck_says_nothing_about_the_end() -> None:
    availability = available(
        workflow(
            "abcdej",
            [
                chain("start", "a", group("one", chain("b"), chain("c"))),
                chain("b", group("all", chain("d"), chain("e"))),
                chain("d", "p"),
                chain("c", "p"),
                chain(group("all", chain("p"), chain("e"), parts=False), "j", "end"),
            ],
            ["p"],
        )
    )
    assert {"a", "b", "e", "j"} == set(availability.at_end)


def test_a_set_of_tasks_is_a_set_of_names() -> None:
    before = available(workflow("ab", [chain("start", "a", "b", "end")])).before("b")
    assert "a" in before
    assert "b" not in before
    assert "nobody" not in before
    assert ["a"] == list(before)
    assert 1 == len(before)
    assert frozenset("a") == before & {"a", "z"}
    assert "TaskSet({a})" == repr(before)


def test_only_tasks_count_as_completed() -> None:
    graph, _ = build(workflow("a", [chain("start", "skip", "a", "end")]))
    availability = Availability(graph)
    assert {n.name for n in graph.nodes if n.kind == NODE_TASK} == set(availability.at_end)
    assert set() == set(availability.after("skip"))


def test_what_any_first_and_pick_have_done_is_not_certain() -> None:
    for word in ("any", "first", "pick"):
        parts = group(word, chain("a"), chain("b"))
        known = available(workflow("abcd", [chain("start", "c", parts, "d", "end")]))
        assert {"c"} == set(known.before("d"))


def test_n_of_knows_what_any_n_arrivals_know_together() -> None:
    branches = (chain("a", "s"), chain("b", "t"), chain("c"))
    two = group("of", *branches, count=2)
    three = group("of", *branches, count=3)
    for parts, expected in ((two, set()), (three, set("abcst"))):
        known = available(workflow("abcstd", [chain("start", parts, "d", "end")]))
        assert expected == set(known.before("d"))
    heads = group("of", chain("a"), chain("b"), chain("c"), count=2, parts=False)
    shared = workflow(
        "abcsd",
        [
            chain("start", group("all", chain("s"), chain("c"))),
            chain("s", group("all", chain("a"), chain("b"))),
            chain(heads, "d", "end"),
        ],
    )
    assert {"s"} == set(available(shared).before("d"))


def test_cancelled_work_promises_what_follows_its_cancellation() -> None:
    flow = [chain("start", group("all", chain("a", "end"), chain("b", "c", "end")))]
    calm = available(workflow("abc", flow))
    assert {"a", "b", "c"} == set(calm.at_end)
    cancelled = available(workflow("abc", flow, lines={"b": cancels("a")}))
    assert {"b", "c"} == set(cancelled.at_end)
    each_other = group("first", chain("a"), chain("b"), cancelling=True)
    after = available(workflow("abc", [chain("start", each_other, "c", "end")]))
    assert {"c"} == set(after.at_end)


def test_a_case_that_a_task_cancels_does_not_complete() -> None:
    flow = [chain("start", group("one", chain("a"), chain("b")), "end")]
    known = available(workflow("ab", flow, lines={"a": cancels()}))
    assert {"b"} == set(known.at_end)


def test_a_partial_join_may_take_silently_what_came_from_itself() -> None:
    heads = group("first", chain("a"), chain("b"), parts=False)
    flow = [
        chain("start", "a"),
        chain(heads, "c", group("one", chain("b"), chain("end"))),
    ]
    assert {"a"} == set(available(workflow("abc", flow)).at_end)
