"""What a task's callee is: found by its name, with its signature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from knhk.errors import Span
from knhk.model import (
    CALLEE_CONNECTOR,
    CALLEE_PLUGIN,
    CALLEE_PYTHON,
    CALLEE_WORKFLOW,
    ConnectorSignature,
)
from knhk_dsl.environment import Environment
from knhk_dsl.expressions.builtin_types import BUILTINS
from knhk_dsl.names.arguments import ANYTHING, CallParameter, CallSignature, signature_of
from knhk_dsl.names.namespaces import FileScope, Symbol
from knhk_dsl.names.pymodules import UnreadableModule, is_known
from knhk_dsl.names.signatures import NoSuchName, PythonPlace, Signatures
from knhk_dsl.names.typenames import resolve_type
from knhk_dsl.report import Report, an, did_you_mean
from knhk_dsl.sources import Sources
from knhk_dsl.syntax import ast
from knhk_dsl.values.types import JSON, Enumeration, Record, Type


@dataclass(frozen=True, slots=True)
class FoundCallee:
    """A callee: its kind and names as in :class:`knhk.model.Callee`, and what it takes.

    ``kind`` is -1 for what is unknown; ``connector`` and ``workflow`` are the declarations of
    those that have one.
    """

    kind: int
    module: str
    name: str
    signature: CallSignature
    connector: Symbol | None = None
    workflow: ast.WorkflowDecl | None = None


_UNKNOWN = FoundCallee(-1, "", "", ANYTHING)


class Callees:
    """Finds callees, and reports those that are not there; each once."""

    def __init__(self, sources: Sources, environment: Environment, report: Report) -> None:
        self._sources = sources
        self._environment = environment
        self._report = report
        self._signatures = Signatures()
        self._python: dict[int, CallSignature] = {}
        self._parameters: dict[int, tuple[CallParameter, ...]] = {}
        self._results: dict[int, Type] = {}
        self._connectors: dict[str, ConnectorSignature | None] = {}
        self._operations: dict[tuple[str, str], CallSignature] = {}
        self._missing: set[tuple[str, str]] = set()
        self._task_types = {
            name: signature_of(operation) for name, operation in environment.task_types.items()
        }

    def find(self, call: ast.Call, scope: FileScope) -> FoundCallee:
        """The callee of a task; an unknown one is reported."""
        match call.callee:
            case ast.Name(name=name, span=span):
                return self._named(name, span, scope)
            case ast.Attribute(value=ast.Name(name=name, span=span), name=operation):
                return self._operation(name, span, operation, call.callee, scope)
            case _:
                self._report.error(
                    "KN604",
                    "this cannot be the callee of a task",
                    call.callee.span,
                    "name a Python callable, a connector's operation or a task type",
                )
                return _UNKNOWN

    def _named(self, name: str, span: Span, scope: FileScope) -> FoundCallee:
        symbol = scope.find(name)
        if symbol is not None:
            return self._symbol(symbol, span)
        signature = self._task_types.get(name)
        if signature is not None:
            return FoundCallee(CALLEE_PLUGIN, "", name, signature)
        if not scope.unreadable:
            callable_names = [s.name for s in scope.of_kind("callable", "workflow", "connector")]
            hint = did_you_mean(name, [*callable_names, *self._task_types])
            if name in BUILTINS:
                hint = f"call it in an expression: sets x = {name}(...)"
            elif not hint.startswith("did"):
                hint = f"import it: from a_module use {name}"
            self._report.error("KN604", f"there is nothing to call named `{name}`", span, hint)
        return _UNKNOWN

    def _symbol(self, symbol: Symbol, span: Span) -> FoundCallee:
        if symbol.kind == "unknown":
            return _UNKNOWN
        if symbol.kind == "callable":
            assert isinstance(symbol.value, tuple)
            use, _ = symbol.value
            return FoundCallee(CALLEE_PYTHON, use.module, symbol.name, self.python(symbol))
        if isinstance(symbol.value, ast.WorkflowDecl):
            signature = self.workflow(symbol.value, symbol.file)
            return FoundCallee(CALLEE_WORKFLOW, "", symbol.name, signature, None, symbol.value)
        hint = "name a Python callable, a connector's operation or a task type"
        if symbol.kind == "connector":
            hint = f"name an operation: {symbol.name}.{self._first_operation(symbol)}(...)"
        message = f"`{symbol.name}` is {an(symbol.kind)}, which a task cannot call"
        self._report.error("KN604", message, span, hint)
        return _UNKNOWN

    def _first_operation(self, symbol: Symbol) -> str:
        assert isinstance(symbol.value, ast.ConnectorDecl)
        signature = self.connector(symbol.value.type)
        return signature.operations[0][0] if signature and signature.operations else "operation"

    def _operation(
        self, name: str, span: Span, operation: str, callee: ast.Attribute, scope: FileScope
    ) -> FoundCallee:
        symbol = scope.find(name)
        if symbol is None or not isinstance(symbol.value, ast.ConnectorDecl):
            if symbol is not None and symbol.kind != "unknown":
                message = f"`{name}` is {an(symbol.kind)}, not a connector"
                self._report.error("KN604", message, span, "declare it: connector ... = type(...)")
            elif symbol is None and not scope.unreadable:
                known = [other.name for other in scope.of_kind("connector")]
                hint = did_you_mean(name, known) or f"declare it: connector {name} = type(...)"
                self._report.error("KN604", f"there is no connector `{name}`", span, hint)
            return _UNKNOWN
        type_name = symbol.value.type
        signature = self.connector(type_name)
        if signature is None:
            return FoundCallee(CALLEE_CONNECTOR, name, operation, ANYTHING, symbol)
        key = (type_name, operation)
        if key not in self._operations:
            found = dict(signature.operations).get(operation)
            if found is None:
                self._report.error(
                    "KN603",
                    f"connectors of type `{type_name}` have no operation `{operation}`",
                    callee.name_span,
                    did_you_mean(operation, dict(signature.operations)),
                )
                return _UNKNOWN
            self._operations[key] = signature_of(found)
        return FoundCallee(CALLEE_CONNECTOR, name, operation, self._operations[key], symbol)

    def connector(self, type_name: str) -> ConnectorSignature | None:
        """The signature of a connector type, if there is such a type."""
        if type_name not in self._connectors:
            self._connectors[type_name] = self._environment.connector(type_name)
        return self._connectors[type_name]

    def workflow(self, workflow: ast.WorkflowDecl, scope: FileScope) -> CallSignature:
        """What a workflow takes, and gives as far as that is known by now."""
        quiet = Report()  # the workflow's own check reports its types
        if id(workflow) not in self._parameters:
            self._parameters[id(workflow)] = _parameters(workflow.parameters, scope, quiet)
        if workflow.result is None:
            result = self._results.get(id(workflow), JSON)
        else:
            result = resolve_type(workflow.result, scope, quiet)
        return CallSignature(self._parameters[id(workflow)], result)

    def learn(self, workflow: ast.WorkflowDecl, result: Type) -> None:
        """Notes what a workflow gives that does not declare it: json until this is known."""
        self._results[id(workflow)] = result

    def python(self, symbol: Symbol) -> CallSignature:
        """The signature of a Python callable: written inline, or read from its source."""
        assert isinstance(symbol.value, tuple)
        use, used = symbol.value
        if id(used) not in self._python:
            written = used.signature
            if written is not None:
                result: Type = JSON
                if written.result is not None:
                    result = resolve_type(written.result, symbol.file, self._report)
                parameters = _parameters(written.parameters, symbol.file, self._report)
                signature = CallSignature(parameters, result)
            else:
                signature = self._read(use, used, symbol.file)
            self._python[id(used)] = signature
        return self._python[id(used)]

    def known_python(self, symbol: Symbol) -> CallSignature | None:
        """The signature of a Python callable, if it was asked for before."""
        assert isinstance(symbol.value, tuple)
        return self._python.get(id(symbol.value[1]))

    def python_place(self, symbol: Symbol) -> PythonPlace | None:
        """Where a Python callable is defined, if that can be read."""
        assert isinstance(symbol.value, tuple)
        use, used = symbol.value
        directories = self._directories(symbol.file)
        return self._signatures.place(use.module, used.name, directories)

    def python_names(self, module: str, scope: FileScope) -> list[str]:
        """What a Python module defines for others, if it can be read."""
        try:
            found = self._signatures.modules.find(module, self._directories(scope))
        except UnreadableModule:
            return []
        names = () if found is None else found.definitions
        return [name for name in names if not name.startswith("_")]

    def _read(self, use: ast.UsePython, used: ast.UsedName, scope: FileScope) -> CallSignature:
        types = visible_types(scope)
        try:
            found = self._signatures.of(use.module, used.name, self._directories(scope), types)
        except NoSuchName as problem:
            self._report.error(
                "KN209",
                f"the Python module {use.module} does not define `{used.name}`",
                used.span,
                did_you_mean(used.name, problem.known),
            )
            return ANYTHING
        except UnreadableModule as problem:
            self._warn_once("KN211", use, f"cannot be read ({problem})", "mend it")
            return ANYTHING
        if found is None and is_known(use.module):
            return ANYTHING
        if found is None:
            hint = "put it beside this file or in the project's root, or install it"
            self._warn_once("KN210", use, "was not found", hint)
            return ANYTHING
        scope.used.update(types)
        return found

    def _warn_once(self, code: str, use: ast.UsePython, what: str, hint: str) -> None:
        if (use.span.file, use.module) not in self._missing:
            self._missing.add((use.span.file, use.module))
            message = f"the Python module {use.module} {what}; its types are not checked"
            self._report.warning(code, message, use.span, hint)

    def _directories(self, scope: FileScope) -> tuple[Path, ...]:
        directory = self._sources.directory(scope.name)
        if directory is None or self._sources.root is None:
            return ()
        return (directory, self._sources.root)


def _parameters(
    parameters: tuple[ast.Parameter, ...], scope: FileScope, report: Report
) -> tuple[CallParameter, ...]:
    return tuple(
        CallParameter(p.name, resolve_type(p.type, scope, report), p.default is None)
        for p in parameters
    )


def visible_types(scope: FileScope) -> Mapping[str, Record | Enumeration]:
    """The records and enumerations that a file defines or uses, by name."""
    return {
        symbol.name: symbol.value
        for symbol in scope.symbols.values()
        if isinstance(symbol.value, (Record, Enumeration))
    }
