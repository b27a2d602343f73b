"""What is allowed and hurts in production: findings on one workflow and what it declares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from knhk.errors import WARNING, Diagnostic, Span
from knhk.model import (
    CALLEE_CONNECTOR,
    CALLEE_PLUGIN,
    CALLEE_PYTHON,
    CALLEE_WORKFLOW,
    NODE_ABORT,
    NODE_TASK,
    Net,
    Node,
)
from knhk_dsl.check.policies import first, retry_of
from knhk_dsl.check.workflow import CheckedTask, CheckedWorkflow
from knhk_dsl.syntax import ast

UNDONE: Final = "KN721"
CANCELLED: Final = "KN722"
OUTLASTS: Final = "KN724"
RACE: Final = "KN726"

#: What the engine starts by itself; of it a log entry alone changes nothing outside.
_AUTOMATIC: Final = frozenset({CALLEE_PYTHON, CALLEE_CONNECTOR, CALLEE_WORKFLOW, CALLEE_PLUGIN})
_BY_PEOPLE: Final = "human"
_HARMLESS: Final = "log"


def check_practice(workflow: CheckedWorkflow, net: Net) -> Iterator[Diagnostic]:
    """What would hurt when the workflow runs."""
    if _compensates(workflow):
        yield from _not_undone(workflow)
        yield from _cancelled(workflow, net)
    yield from _outlasting(workflow)
    yield from _races(workflow, net)


# --- compensation -----------------------------------------------------------------------------


def _compensates(workflow: CheckedWorkflow) -> bool:
    """Whether completed work is to be undone when the case fails."""
    return any(
        isinstance(statement, ast.OnFailure) and statement.mode == "compensate"
        for statement in workflow.declaration.body
    )


def _undoes(task: CheckedTask) -> bool:
    return first(task.lines, ast.CompensateLine) is not None


def _is_automatic(task: CheckedTask) -> bool:
    """Whether the engine starts a task by itself."""
    by_people = task.callee is not None and task.callee.name == _BY_PEOPLE
    return task.kind in _AUTOMATIC and not by_people


def _has_effects(task: CheckedTask) -> bool:
    """Whether a task may change something outside."""
    return _is_automatic(task) and (task.callee is None or task.callee.name != _HARMLESS)


def _not_undone(workflow: CheckedWorkflow) -> Iterator[Diagnostic]:
    for name, task in workflow.tasks.items():
        if _has_effects(task) and not _undoes(task):
            yield Diagnostic(
                UNDONE,
                f"`{name}` may change something outside, and nothing undoes it when the case fails",
                task.declaration.name_span,
                "say how to undo it: compensate with ...",
                WARNING,
            )


def _cancelled(workflow: CheckedWorkflow, net: Net) -> Iterator[Diagnostic]:
    for node in net.nodes:
        span = node.span or net.span or workflow.declaration.name_span
        ends = node.cancels_case or node.kind == NODE_ABORT
        undoing = [name for name, task in workflow.tasks.items() if _undoes(task)]
        if ends and undoing:
            what = f"`{node.name}` cancels the case, and what `{undoing[0]}` has done is not undone"
            yield _uncompensated(what, span)
        for victim in [] if node.cancels is None else node.cancels.tasks:
            name = net.nodes[victim].name
            if name in undoing:
                by = node.name if node.kind == NODE_TASK else node.word
                what = f"`{by}` cancels `{name}`, and what that has begun is not undone"
                yield _uncompensated(what, span)


def _uncompensated(message: str, span: Span) -> Diagnostic:
    hint = "only completed tasks of a failed case are undone: undo it in a task of its own"
    return Diagnostic(CANCELLED, message, span, hint, WARNING)


# --- time -------------------------------------------------------------------------------------


def _outlasting(workflow: CheckedWorkflow) -> Iterator[Diagnostic]:
    """Retries inside the calls of a connector that may take longer than the task's timeout."""
    for name, task in workflow.tasks.items():
        timeout = first(task.lines, ast.TimeoutLine)
        connector = None if task.callee is None else task.callee.connector
        if timeout is None or connector is None:
            continue
        declaration = connector.value
        if not isinstance(declaration, ast.ConnectorDecl):
            continue
        retry = retry_of(first(declaration.policies, ast.RetryLine))
        if retry is not None and sum(retry.delays_us) >= timeout.us:
            yield Diagnostic(
                OUTLASTS,
                f"the retries of `{declaration.name}` wait {sum(retry.delays_us) / 1e6:g} s in all,"
                f" and `{name}` times out after {timeout.us / 1e6:g} s",
                timeout.span,
                "give the task more time, or the connector fewer or shorter retries",
                WARNING,
                ((declaration.name_span, "its retries are here"),),
            )


# --- choices ------------------------------------------------------------------------------------


def _races(workflow: CheckedWorkflow, net: Net) -> Iterator[Diagnostic]:
    """Choices that are left to who starts first, between tasks that the engine starts at once."""
    for place in range(len(net.places)):
        rivals = [node for node in net.nodes if place in node.inputs and _starts(workflow, node)]
        if len(rivals) > 1 and len(rivals) == sum(place in node.inputs for node in net.nodes):
            names = " and ".join(f"`{node.name}`" for node in rivals)
            span = rivals[1].span or net.span or workflow.declaration.name_span
            yield Diagnostic(
                RACE,
                f"the engine starts {names} by itself, so their order decides the choice",
                span,
                "choose by data with one(...), or let a person, a message or a timer decide",
                WARNING,
            )


def _starts(workflow: CheckedWorkflow, node: Node) -> bool:
    if node.kind != NODE_TASK or node.holds or node.while_place >= 0:
        return False
    task = workflow.tasks.get(node.name)
    return task is not None and _is_automatic(task)
