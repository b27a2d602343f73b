"""The names that may stand in a flow: tasks, places, and what was declared but not read."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final

from knhk.errors import Diagnostic
from knhk_dsl.syntax import ast

#: Words that are nodes by themselves.
FLOW_WORDS: Final = ("start", "end", "stop", "abort", "skip")
#: Searching for similar names takes time: only so many unknown names of a flow get a hint.
HINTS_MAX: Final = 20


class FlowNames:
    """What a workflow declares, and which names its flow uses."""

    def __init__(self, workflow: ast.WorkflowDecl) -> None:
        self.tasks: dict[str, ast.TaskDecl] = {}
        self.places: dict[str, ast.Declared] = {}
        self.mutexes: dict[str, ast.Declared] = {}
        self.unread: set[str] = set()
        self.others: dict[str, str] = {p.name: "a parameter" for p in workflow.parameters}
        self.flows: list[ast.Flow] = []
        self.unreadable = False
        for statement in workflow.body:
            self._declare(statement)
        self.used = {name for flow in self.flows for name in _names(flow)}
        self._hints = 0
        self._meant: dict[str, str] = {}

    def _declare(self, statement: ast.WorkflowStatement) -> None:
        match statement:
            case ast.TaskDecl():
                self.tasks.setdefault(statement.name, statement)
            case ast.PlaceDecl():
                for declared in statement.names:
                    self.places.setdefault(declared.name, declared)
            case ast.MutexDecl():
                for declared in statement.names:
                    self.mutexes.setdefault(declared.name, declared)
            case ast.VarDecl():
                self.others[statement.name] = "a variable"
            case ast.Flow():
                self.flows.append(statement)
            case ast.BadStatement():
                self.unread.update(statement.names)
                self.unreadable = self.unreadable or not statement.names
            case _:
                pass

    def unknown(self, ref: ast.NodeRef) -> tuple[Diagnostic, str]:
        """Report a name that is no node, with the name that was probably meant (or none).

        That one is taken in its stead when it stands nowhere else, so that one slip of the
        pen gives one message.
        """
        what = self.others.get(ref.name, "a mutex" if ref.name in self.mutexes else "")
        near = [] if what else self._near(ref.name)
        if what:
            message = f"`{ref.name}` is {what}: only tasks and places stand in a flow"
        else:
            message = f"there is no task or place `{ref.name}`"
        hint = f"did you mean `{near[0]}`?" if near else f"declare it: `task {ref.name}`"
        if what:
            hint = f"declare a task or a place, or take `{ref.name}` out of the flow"
        if ref.name not in self._meant:
            self._meant[ref.name] = next((name for name in near if name not in self.used), "")
            self.used.add(self._meant[ref.name])
        return Diagnostic("KN401", message, ref.span, hint), self._meant[ref.name]

    def _near(self, name: str) -> list[str]:
        self._hints += 1
        if self._hints > HINTS_MAX:
            return []
        return get_close_matches(name, [*FLOW_WORDS, *self.tasks, *self.places])


def _names(flow: ast.Flow) -> Iterator[str]:
    """Every name that stands in a flow."""
    stack = [chain for chain in flow.chains if isinstance(chain, ast.Chain)]
    while stack:
        for node in stack.pop().nodes:
            if isinstance(node, ast.NodeRef):
                yield node.name
            else:
                stack.extend(branch.chain for branch in node.branches)
