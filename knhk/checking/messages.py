"""Messages and signals that have a name on one side only.

Workflows wait for them; Python code of the project sends them, by ``case.send("name")`` or
``engine.send(case_id, "name")``. The names in such calls, where they are literal, are compared
with those that workflows wait for. A project without such a call is sent to from elsewhere,
and nothing is said.
"""

from __future__ import annotations

import ast as python
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from knhk.errors import WARNING, Diagnostic, Span
from knhk_dsl.check.workflow import CheckedWorkflow
from knhk_dsl.report import did_you_mean
from knhk_dsl.syntax import ast

ONE_SIDED: Final = "KN723"
#: Python files of a project that are read for the names of messages.
FILES_MAX: Final = 2_000
#: A Python file longer than this is not read for them.
FILE_BYTES_MAX: Final = 2_000_000
_SENDERS: Final = {"send": "message", "signal": "signal"}


@dataclass(frozen=True, slots=True)
class Wait:
    """A task or an exception flow that waits: for a ``message`` or ``signal`` of some name."""

    kind: str
    name: str
    span: Span


class Senders:
    """What the Python files under a directory send, read when it is first asked for."""

    def __init__(self, root: Path | None) -> None:
        self._root = root

    @cached_property
    def names(self) -> dict[str, set[str]]:
        """The literal names that are sent, by kind."""
        return _sent_names(self._root)


def check_messages(workflow: CheckedWorkflow, senders: Senders) -> Iterator[Diagnostic]:
    """The waits for names that nobody in the project sends."""
    for wait in _waits(workflow):
        sent = senders.names
        if any(sent.values()) and wait.name not in sent[wait.kind]:
            yield Diagnostic(
                ONE_SIDED,
                f"nothing in this project sends the {wait.kind} `{wait.name}`",
                wait.span,
                did_you_mean(wait.name, sent[wait.kind]) or "send it, or say who does: allow it",
                WARNING,
            )


def _waits(workflow: CheckedWorkflow) -> Iterator[Wait]:
    for task in workflow.tasks.values():
        match task.declaration.callee:
            case ast.MessageCallee(name=name, span=span):
                yield Wait("message", name, span)
            case ast.SignalCallee(name=name, span=span):
                yield Wait("signal", name, span)
            case _:
                pass
    if workflow.graph is not None:
        for node in workflow.graph.nodes:
            for exception in node.exceptions:
                if exception.kind in ("message", "signal"):
                    yield Wait(exception.kind, exception.name, node.span)


def _sent_names(root: Path | None) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {"message": set(), "signal": set()}
    for path in [] if root is None else _python_files(root):
        try:
            text = path.read_text(encoding="utf-8")
            tree = python.parse(text) if ".send(" in text or ".signal(" in text else None
        except (OSError, ValueError, SyntaxError, RecursionError):
            continue  # what cannot be read tells nothing
        for node in [] if tree is None else python.walk(tree):
            if isinstance(node, python.Call) and isinstance(node.func, python.Attribute):
                kind = _SENDERS.get(node.func.attr)
                if kind is not None:
                    found[kind].update(_literals(node))
    return found


def _literals(call: python.Call) -> Iterator[str]:
    """The texts where the name stands: first in a case's method, second in an engine's."""
    named = [keyword.value for keyword in call.keywords if keyword.arg == "name"]
    for argument in [*call.args[:2], *named]:
        if isinstance(argument, python.Constant) and isinstance(argument.value, str):
            yield argument.value


def _python_files(root: Path) -> Iterator[Path]:
    left = FILES_MAX
    for directory, inner, names in os.walk(root):
        inner[:] = sorted(name for name in inner if not name.startswith((".", "__", "venv")))
        if "pyvenv.cfg" in names:
            inner[:] = []
            continue
        for name in sorted(names):
            path = Path(directory, name)
            if name.endswith(".py") and left > 0 and path.stat().st_size <= FILE_BYTES_MAX:
                left -= 1
                yield path
