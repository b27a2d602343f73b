"""In which order the workflows of a file are checked: those called before those that call.

A workflow that does not say what it gives is typed by its `return`, which must be known
before the tasks are typed that call it. Workflows that call each other in a round see each
other's undeclared results as json.
"""

from __future__ import annotations

from collections.abc import Iterator

from knhk.graphs import components
from knhk_dsl.names.namespaces import FileScope
from knhk_dsl.syntax import ast


def calling_rounds(scope: FileScope) -> list[list[ast.WorkflowDecl]]:
    """The workflows of a file, called ones first; those that call each other are together."""
    workflows = [s.value for s in scope.own if isinstance(s.value, ast.WorkflowDecl)]
    numbers = {id(workflow): number for number, workflow in enumerate(workflows)}
    called = [
        [numbers[id(other)] for other in _called(workflow, scope) if id(other) in numbers]
        for workflow in workflows
    ]
    rounds = components(range(len(workflows)), called)
    return [[workflows[number] for number in numbers_] for numbers_ in rounds]


def _called(workflow: ast.WorkflowDecl, scope: FileScope) -> Iterator[ast.WorkflowDecl]:
    for statement in workflow.body:
        if not isinstance(statement, ast.TaskDecl):
            continue
        match statement.callee:
            case ast.CallCallee(call=ast.Call(callee=ast.Name(name=name))):
                symbol = scope.symbols.get(name)
                if symbol is not None and isinstance(symbol.value, ast.WorkflowDecl):
                    yield symbol.value
            case _:
                pass
