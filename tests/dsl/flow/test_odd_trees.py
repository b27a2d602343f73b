"""Trees that no right source gives: whatever comes, there is a net, and a word about it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from knhk_dsl.diagnostics import codes as known_codes
from knhk_dsl.flow.availability import Availability
from knhk_dsl.syntax import ast
from tests.dsl.flow.test_meaning import assert_numbered
from tests.dsl.flow.trees import ARROW, SPAN, chain, group, guard, repeat, workflow
from tests.dsl.flow.words import PATTERNS, build

WORDS = [*PATTERNS, "frob"]
NODES = ["a", "b", "c", "p", "q", "start", "end", "stop", "abort", "skip", "lost", "typo"]
KINDS = ["error", "timeout", "message", "signal"]

arrows = st.sampled_from([ARROW, ARROW, ast.ArrowSyntax(SPAN, 3, 1)])
clauses = st.none() | st.builds(
    ast.ExceptionClause, st.just(SPAN), st.sampled_from(KINDS), st.sampled_from(["", "E"])
)
guards = st.none() | st.sampled_from([guard("g"), guard("h")])


@st.composite
def chains(draw: st.DrawFn, nodes: st.SearchStrategy[ast.FlowNode]) -> ast.Chain:
    picked = tuple(draw(st.lists(nodes, max_size=4)))
    between = tuple(draw(arrows) for _ in picked[1:])
    return ast.Chain(SPAN, picked, between, draw(clauses))


def groups(nodes: st.SearchStrategy[ast.FlowNode]) -> st.SearchStrategy[ast.FlowNode]:
    branches = st.builds(ast.Branch, st.just(SPAN), chains(nodes), guards, st.booleans())
    return st.builds(
        ast.Group,
        st.just(SPAN),
        st.sampled_from(WORDS),
        st.lists(branches, max_size=3).map(tuple),
        st.none() | st.integers(0, 3),
        st.sampled_from(["", "m"]),
        st.booleans(),
        guards,
        guards,
    )


refs: st.SearchStrategy[ast.FlowNode] = st.builds(
    ast.NodeRef, st.just(SPAN), st.sampled_from(NODES)
)
flow_nodes = st.recursive(refs, groups, max_leaves=8)
flow_chains = st.lists(chains(flow_nodes) | st.just(ast.BadStatement(SPAN, ())), max_size=6).map(
    tuple
)


@st.composite
def trees(draw: st.DrawFn) -> ast.WorkflowDecl:
    body: list[ast.WorkflowStatement] = [
        ast.TaskDecl(SPAN, name, SPAN, draw(st.sampled_from([None, ast.SkipCallee(SPAN)])), "", ())
        for name in "abc"
    ]
    body.append(ast.PlaceDecl(SPAN, (ast.Declared(SPAN, "p"), ast.Declared(SPAN, "q"))))
    body.append(ast.BadStatement(SPAN, ("lost",)))
    body += [ast.Flow(SPAN, read) for read in draw(st.lists(flow_chains, max_size=2))]
    return ast.WorkflowDecl(SPAN, "w", SPAN, (), None, "", "", tuple(body))


@given(trees())
def test_any_tree_has_a_net(tree: ast.WorkflowDecl) -> None:
    graph, diagnostics = build(tree)
    assert_numbered(graph)
    availability = Availability(graph)
    assert all(availability.before(node.name) is not None for node in graph.nodes)
    assert {d.code for d in diagnostics} <= set(known_codes())
    assert "lost" not in {d.message.split("`")[1] for d in diagnostics if d.code == "KN401"}


def codes(*read: ast.Chain, tasks: str = "ab") -> list[str]:
    return [d.code for d in build(workflow(tasks, read))[1]]


def test_an_empty_group_is_reported_once() -> None:
    assert ["KN424"] == codes(chain("start", "a", group("all"), "b", "end"))


def test_an_exception_in_a_branch_is_reported() -> None:
    inner = chain("a", "b", on=("error", ""))
    assert "KN428" in codes(chain("start", group("all", inner, chain("skip")), "end"))


def test_a_body_of_two_chains_is_reported_once() -> None:
    body = repeat(chain("a"), "until")
    two = ast.Group(
        SPAN,
        "repeat",
        (*body.branches, ast.Branch(SPAN, chain("b"), None, False)),
        None,
        "",
        False,
        body.until,
        None,
    )
    assert ["KN430"] == codes(chain("start", two, "end"))


def test_a_body_with_a_guard_is_reported() -> None:
    body = ast.Branch(SPAN, chain("a", "b"), guard("h"), False)
    loop = ast.Group(SPAN, "repeat", (body,), None, "", False, guard("g"), None)
    assert ["KN416"] == codes(chain("start", loop, "end"))


def test_a_long_flow_is_read_without_recursion() -> None:
    tasks = [f"t{number}" for number in range(4000)]
    branches = workflow(tasks, [chain("start", group("all", *map(chain, tasks)), "end")])
    graph, diagnostics = build(branches)
    assert () == diagnostics
    assert 4000 == len(Availability(graph).at_end)
    line = workflow(tasks, [chain("start", *tasks, "end")])
    graph, diagnostics = build(line)
    assert () == diagnostics
    assert 3999 == len(Availability(graph).before("t3999"))


def test_deep_groups_are_read() -> None:
    inner = chain("a")
    for _ in range(100):
        inner = chain(group("all", inner, chain("skip")))
    graph, diagnostics = build(workflow("a", [chain("start", *inner.nodes, "end")]))
    assert () == diagnostics
    assert {"a"} == set(Availability(graph).at_end)
