"""Sources and the nets that they become, in words.

A case is a file in ``cases/nets``: a source and its net. ``KNHK_GOLDEN=write`` writes the net of
now; read it before you keep it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from knhk.model import CALLEE_OUTSIDE, Callee, Expression, Moment, Net, Task
from knhk_dsl.flow.lower import describe, lower
from knhk_dsl.syntax import ast
from knhk_dsl.syntax.parse import parse
from tests.dsl.flow.words import build

CASES = sorted((Path(__file__).parent / "cases" / "nets").glob("*.case"))
_MARKS = re.compile(r"^-- (?:source|net) --\n", re.MULTILINE)
FILE = "case.knhk"


def evaluate(data: dict[str, object], moment: Moment) -> object:
    """Nothing is run here."""
    raise NotImplementedError


def net_of(source: str) -> Net:
    """The net of the first workflow, with guards that are only text."""
    file, problems = parse(source, FILE)
    assert () == problems
    tree = next(tree for tree in file.declarations if isinstance(tree, ast.WorkflowDecl))
    graph, diagnostics = build(tree)
    assert () == diagnostics
    lines = source.splitlines()

    def expression(guard: ast.Expr) -> Expression:
        line = lines[guard.span.line - 1]
        text = line[guard.span.column - 1 : guard.span.end_column - 1]
        return Expression(text, evaluate, guard.span)

    tasks = {node.name: Task(Callee(CALLEE_OUTSIDE)) for node in graph.nodes if node.task}
    nodes, places = lower(graph, tasks, expression)
    return Net(tree.name, nodes, places, mutexes=graph.mutexes, sections=graph.sections)


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_a_source_becomes_its_net(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    _, source, expected = _MARKS.split(text)
    actual = describe(net_of(source))
    if os.environ.get("KNHK_GOLDEN") == "write":
        path.write_text(f"-- source --\n{source}-- net --\n{actual}", encoding="utf-8")
        return
    assert expected == actual


def test_there_are_cases() -> None:
    assert len(CASES) > 20


def test_a_task_node_carries_its_task_and_a_routing_node_none() -> None:
    net = net_of("workflow w()\n    task a\n    flow\n        start -> a -> end\n")
    assert [True, False, False] == [node.task is not None for node in net.nodes]
    assert ["a", "start", "end"] == [node.name for node in net.nodes]
    assert (2, 10) == (net.nodes[0].span.line, net.nodes[0].span.column)  # type: ignore[union-attr]
