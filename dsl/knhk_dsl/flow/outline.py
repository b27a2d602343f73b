"""Nets without expressions: what the checker explores before anything is compiled.

An outline has the nodes, arrows and places of the net that a workflow becomes; its guards have
their text and cannot be evaluated. It can be had of any workflow whose flow has no error,
whatever is wrong with its types.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from knhk.errors import ExpressionError
from knhk.model import Callee, Expression, ForEach, Moment, Net, Task
from knhk_dsl.flow.lower import lower
from knhk_dsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from knhk_dsl.flow.graph import FlowGraph


def outline(workflow: ast.WorkflowDecl, graph: FlowGraph, kinds: Mapping[str, int]) -> Net:
    """The net of a workflow, of which ``kinds`` says how each task is done."""
    tasks = {
        node.name: _task(node.task, kinds.get(node.name, 0))
        for node in graph.nodes
        if node.task is not None
    }
    nodes, places = lower(graph, tasks, _expression)
    return Net(
        name=workflow.name,
        nodes=nodes,
        places=places,
        mutexes=graph.mutexes,
        sections=graph.sections,
        doc=workflow.doc,
        span=workflow.name_span,
    )


def _task(task: ast.TaskDecl, kind: int) -> Task:
    many = any(isinstance(line, ast.ForEachLine | ast.TimesLine) for line in task.attributes)
    name = task.callee.name if isinstance(task.callee, _EVENTS) else ""
    return Task(Callee(kind, name=name), task.doc, for_each=ForEach() if many else None)


_EVENTS = (ast.MessageCallee, ast.SignalCallee)


def _expression(expr: ast.Expr) -> Expression:
    return Expression("...", _never, expr.span)


def _never(_data: dict[str, object], _moment: Moment) -> object:
    raise ExpressionError("...", "an outline cannot be run")
