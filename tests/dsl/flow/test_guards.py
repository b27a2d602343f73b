"""When some guard is certain to hold, and what then becomes of the branch that closes."""

from __future__ import annotations

import pytest

from knhk_dsl.flow.guards import closing_branch
from knhk_dsl.syntax import ast
from knhk_dsl.syntax.parse import parse
from tests.dsl.flow.trees import SPAN, chain, workflow
from tests.dsl.flow.words import build


def one(*guards: str) -> ast.Group:
    """A group with these guards, from the source."""
    tasks = [f"t{number}" for number in range(len(guards))]
    branches = ", ".join(f"{t} when {g}" for t, g in zip(tasks, guards, strict=True))
    lines = ["workflow w()", *(f"    task {task}" for task in tasks)]
    lines += ["    flow", f"        start -> one({branches}) -> end", ""]
    file, problems = parse("\n".join(lines), "w.knhk")
    assert () == problems
    (tree,) = file.declarations
    assert isinstance(tree, ast.WorkflowDecl)
    flow = tree.body[-1]
    assert isinstance(flow, ast.Flow)
    (chain,) = flow.chains
    assert isinstance(chain, ast.Chain)
    group = chain.nodes[1]
    assert isinstance(group, ast.Group)
    return group


@pytest.mark.parametrize(
    "guards, closing",
    [
        (("true",), 0),
        (("g", "not g"), 1),
        (("not g", "h", "g"), 2),
        (("g", "not not not g"), 1),
        (("a < b", "a >= b"), 1),
        (("a < b", "b <= a"), 1),
        (("a > b", "a <= b"), 1),
        (("a > b", "not b < a"), 1),
        (("a == b", "b != a"), 1),
        (("f(x).y[1] == 2", "f(x).y[1] != 2"), 1),
        (("a in b", "a not in b"), 1),
        (("a in b", "not a in b"), 1),
        (("g and h", "not (g and h)"), 1),
        (("false",), None),
        (("g", "h"), None),
        (("g", "g"), None),
        (("a < b", "a > b"), None),
        (("a < b", "b >= a"), None),
        (("a <= b", "a >= b"), None),
        (("a == 1", "a != 2"), None),
        (("a == 1", "a != true"), None),
        (("a in b", "b not in a"), None),
        (("a < b < c", "a >= b >= c"), None),
        (("f(x)", "not f(y)"), None),
        (("f(x)", "not f(k: x)"), None),
    ],
)
def test_a_pair_of_opposite_guards_closes(guards: tuple[str, ...], closing: int | None) -> None:
    assert closing == closing_branch(one(*guards).branches)


def test_guards_of_any_length_are_compared() -> None:
    sum_: ast.Expr = ast.Name(SPAN, "x")
    for _ in range(5000):
        sum_ = ast.Binary(SPAN, "+", sum_, ast.Name(SPAN, "x"))
    opposite: ast.Expr = sum_
    for _ in range(5001):
        opposite = ast.Unary(SPAN, "not", opposite)
    branches = [ast.Branch(SPAN, chain("a"), guard, False) for guard in (sum_, opposite)]
    assert 1 == closing_branch(branches)


def test_the_closing_branch_is_taken_without_asking_and_keeps_its_place() -> None:
    group = one("x > 5", "x <= 5", "x == 7")
    tree = workflow(["t0", "t1", "t2"], [chain("start", group)])
    graph, _ = build(tree)
    start = next(node for node in graph.nodes if node.name == "start")
    assert [False, True, False] == [arrow.otherwise for arrow in start.outputs]
    assert [b.guard for b in group.branches] == [arrow.guard for arrow in start.outputs]
