"""The flow of a workflow as a net: chains and groups read, checked and joined up.

Three steps, each in a module of its own: :mod:`knhk_dsl.flow.chains` reads what is written into
a draft, :mod:`knhk_dsl.flow.structure` checks the draft as a whole, :mod:`knhk_dsl.flow.routing`
makes the net, with no more routing nodes than it needs. Section 9 of the language says what
the net has to be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from knhk.errors import Diagnostic
from knhk_dsl.flow.chains import ChainReader
from knhk_dsl.flow.draft import Draft, Role
from knhk_dsl.flow.drawing import Pattern
from knhk_dsl.flow.graph import FlowGraph, GraphArrow, GraphException, GraphNode, GraphPlace
from knhk_dsl.flow.names import FlowNames
from knhk_dsl.flow.routing import assemble
from knhk_dsl.flow.structure import check_reach, check_rounds, check_ways_out
from knhk_dsl.syntax import ast

__all__ = [
    "FlowGraph",
    "GraphArrow",
    "GraphException",
    "GraphNode",
    "GraphPlace",
    "build",
    "may_time_out",
]

_NO_PATTERNS: Final[Mapping[str, Pattern]] = {}


def may_time_out(task: ast.TaskDecl) -> bool:
    """Whether a task has a timeout, or may have one from a policy or an unreadable line."""
    lines = (ast.TimeoutLine, ast.UsesLine, ast.BadStatement)
    return any(isinstance(line, lines) for line in task.attributes)


def build(
    workflow: ast.WorkflowDecl,
    has_timeout: Callable[[ast.TaskDecl], bool] = may_time_out,
    patterns: Mapping[str, Pattern] = _NO_PATTERNS,
) -> tuple[FlowGraph, tuple[Diagnostic, ...]]:
    """Make the net of a workflow, with all that is wrong with its flow.

    ``has_timeout`` tells whether a task can time out, for one that knows the policies;
    ``patterns`` are the groups that there are, by their words. The net is there for a broken
    flow too, without what could not be understood; it may be run only when no diagnostic is
    an error.
    """
    names = FlowNames(workflow)
    reader = ChainReader(names, has_timeout, patterns)
    reader.diagnostics.extend(_check_count(workflow, names))
    readable = bool(names.flows)
    for flow in names.flows:
        for chain in flow.chains:
            if isinstance(chain, ast.BadStatement):
                readable = False
            else:
                reader.read(chain)
    draft = reader.draft
    start = next((node for node in draft.nodes if node.role is Role.start), None)
    if start is None:
        span = names.flows[0].span if names.flows else workflow.name_span
        start = draft.node("start", Role.start, span)
    _note_attributes(draft)
    reader.diagnostics.extend(check_ways_out(draft))
    reader.diagnostics.extend(check_rounds(draft))
    if readable:
        reader.diagnostics.extend(check_reach(draft, start))
    diagnostics = sorted(reader.diagnostics, key=lambda diagnostic: diagnostic.span)
    return assemble(draft), tuple(diagnostics)


def _note_attributes(draft: Draft) -> None:
    """What attribute lines do with places: a milestone reads its place, `cancels` empties it."""
    places = {node.name: node for node in draft.nodes if node.role is Role.place}
    for task in [node.task for node in draft.nodes if node.task is not None]:
        for line in task.attributes:
            if isinstance(line, ast.WhileLine) and line.place.name in places:
                place = places[line.place.name]
                place.used = place.used or line.place.span
                place.excused_out = True
            elif isinstance(line, ast.CancelsLine):
                for declared in line.names:
                    if declared.name in places:
                        places[declared.name].excused_out = True


def _check_count(workflow: ast.WorkflowDecl, names: FlowNames) -> list[Diagnostic]:
    """A workflow has one flow block; an unreadable statement may have been it."""
    if not names.flows and not names.unreadable:
        return [
            Diagnostic(
                "KN402",
                f"workflow `{workflow.name}` has no flow",
                workflow.name_span,
                "say what comes first and last: `flow` and, indented, `start -> a -> end`",
            )
        ]
    return [
        Diagnostic(
            "KN402",
            f"workflow `{workflow.name}` has a second flow",
            flow.span,
            "put all chains into one flow block",
            related=((names.flows[0].span, "the first one"),),
        )
        for flow in names.flows[1:]
    ]
