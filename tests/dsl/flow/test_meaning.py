"""Chains and groups against what they mean: the same orders of tasks are possible."""

from __future__ import annotations

from hypothesis import given

from knhk.model import NODE_ABORT, NODE_END, NODE_STOP
from knhk_dsl.flow.graph import FlowGraph
from knhk_dsl.syntax import ast
from tests.dsl.flow.nets import flows
from tests.dsl.flow.terms import Term, term_traces, terms, to_workflow
from tests.dsl.flow.token_game import traces
from tests.dsl.flow.words import build

LENGTH = 4


@given(terms)
def test_a_net_allows_what_its_chain_says(term: Term) -> None:
    graph, diagnostics = build(to_workflow(term))
    assert () == diagnostics
    allowed = {trace for trace in term_traces(term, LENGTH + 1) if len(trace) <= LENGTH}
    played = {trace for trace in traces(graph, LENGTH + 1) if len(trace) <= LENGTH}
    assert allowed == played


def assert_numbered(graph: FlowGraph) -> None:
    """Arcs are written on both their ends, places have names of their own."""
    assert len({place.name for place in graph.places}) == len(graph.places)
    consumers: list[set[int]] = [set() for _ in graph.places]
    producers: list[set[int]] = [set() for _ in graph.places]
    for number, node in enumerate(graph.nodes):
        for place in node.inputs:
            consumers[place].add(number)
        for arrow in node.outputs:
            producers[arrow.place].add(number)
        for exception in node.exceptions:
            producers[exception.place].add(number)
    assert consumers == [set(place.consumers) for place in graph.places]
    assert producers == [set(place.producers) for place in graph.places]
    assert all(len(set(p.consumers)) == len(p.consumers) for p in graph.places)


def assert_well_formed(graph: FlowGraph) -> None:
    """Nodes have names of their own, and all but the ends have something behind them."""
    assert_numbered(graph)
    assert len({node.name for node in graph.nodes}) == len(graph.nodes)
    for node in graph.nodes:
        leaves = bool(node.outputs or node.exceptions)
        assert leaves == (node.kind not in (NODE_END, NODE_STOP, NODE_ABORT))


@given(terms)
def test_a_structured_net_has_one_consumer_and_one_producer_a_place(term: Term) -> None:
    graph, _ = build(to_workflow(term))
    assert_well_formed(graph)
    assert all(len(place.consumers) == 1 for place in graph.places)
    assert all(len(place.producers) == 1 for place in graph.places[1:])


@given(flows())
def test_a_net_without_structure_is_well_formed(tree: ast.WorkflowDecl) -> None:
    graph, diagnostics = build(tree)
    assert_well_formed(graph)
    assert all(d.severity == "error" for d in diagnostics)
    if not diagnostics:
        assert all(
            len(p.consumers) == 1 for p in graph.places if not p.named and "pick" not in p.name
        )
