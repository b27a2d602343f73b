"""Where a workflow reads and writes its data: the results of tasks, and variables.

A read that is *tested* stands in an expression that asks whether the value is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from knhk.errors import Span
from knhk_dsl.check.workflow import CheckedWorkflow
from knhk_dsl.syntax import ast

#: Functions that take a value that may be missing.
_LENIENT = frozenset({"coalesce"})


@dataclass(frozen=True, slots=True)
class Read:
    """A value that is read: by which node, and whether after it has completed or before.

    ``node`` is empty for what a workflow returns.
    """

    name: str
    node: str
    after: bool
    span: Span
    tested: bool


@dataclass(frozen=True, slots=True)
class Write:
    """A ``sets`` line."""

    name: str
    task: str
    span: Span


def reads(workflow: CheckedWorkflow) -> Iterator[Read]:
    """Every read of a task's result or a variable, in no particular order."""
    names = {*workflow.tasks, *workflow.variables}
    for node, after, expr in _sites(workflow):
        tested = set(_tested(expr))
        for name in names_in(expr):
            if name.name in names:
                yield Read(name.name, node, after, name.span, name.name in tested)


def writes(workflow: CheckedWorkflow) -> Iterator[Write]:
    """Every ``sets`` line, in order."""
    for task in workflow.tasks.values():
        for line in task.declaration.attributes:
            if isinstance(line, ast.SetsLine) and line.name.name in workflow.variables:
                yield Write(line.name.name, task.declaration.name, line.span)


def _sites(workflow: CheckedWorkflow) -> Iterator[tuple[str, bool, ast.Expr]]:
    """Every expression that is evaluated in a running case: by which node, and when."""
    for task in workflow.tasks.values():
        name = task.declaration.name
        for expr in _before(task.declaration):
            yield name, False, expr
        for line in task.declaration.attributes:
            if isinstance(line, ast.SetsLine):
                yield name, True, line.value
            elif isinstance(line, ast.CompensateLine):
                for argument in line.call.arguments:
                    yield name, True, argument.value
    if workflow.graph is not None:
        for node in workflow.graph.nodes:
            for arrow in node.outputs:
                if arrow.guard is not None:
                    yield node.name, True, arrow.guard
    if workflow.returns is not None:
        yield "", True, workflow.returns


def _before(task: ast.TaskDecl) -> Iterator[ast.Expr]:
    match task.callee:
        case ast.CallCallee(call=call):
            yield from (argument.value for argument in call.arguments)
        case ast.TimerCallee(delay=delay, until=until):
            yield from (expr for expr in (delay, until) if expr is not None)
        case ast.MessageCallee(key=key) if key is not None:
            yield key
        case _:
            pass
    for line in task.attributes:
        match line:
            case ast.ForEachLine():
                yield line.items
            case ast.TimesLine():
                yield line.count
            case ast.CompleteWhenLine():
                yield line.condition
            case _:
                pass


def names_in(expr: object) -> Iterator[ast.Name]:
    """Every name in an expression that is not the name of a function."""
    if isinstance(expr, ast.Name):
        yield expr
    elif isinstance(expr, ast.Call) and isinstance(expr.callee, ast.Name):
        for argument in expr.arguments:
            yield from names_in(argument)
    else:
        for part in _parts(expr):
            yield from names_in(part)


def _tested(expr: object) -> Iterator[str]:
    """The names that an expression compares with ``none``, or gives to ``coalesce``."""
    match expr:
        case ast.Comparison():
            sides = (expr.left, *expr.operands)
            if any(isinstance(side, ast.Literal) and side.value is None for side in sides):
                yield from (name.name for side in sides for name in names_in(side))
        case ast.Call(callee=ast.Name(name=function)) if function in _LENIENT:
            yield from (name.name for argument in expr.arguments for name in names_in(argument))
        case _:
            pass
    for part in _parts(expr):
        yield from _tested(part)


def _parts(expr: object) -> Iterator[object]:
    if isinstance(expr, tuple):
        yield from expr
    elif isinstance(expr, ast.SyntaxNode):
        for slot in type(expr).__slots__:
            if not slot.endswith("span"):
                yield getattr(expr, slot)
