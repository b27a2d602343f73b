"""The definitions of an analysed set of sources, made as they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from knhk_dsl.compilation import Analysis
from knhk_dsl.expressions.builtin_types import BUILTINS
from knhk_dsl.index.definitions import Definition, Location
from knhk_dsl.index.page import Page
from knhk_dsl.index.shapes import (
    callable_shape,
    connector_type_shape,
    function_shape,
    operation_shape,
    record_shape,
    type_shown,
    workflow_shape,
)
from knhk_dsl.names.namespaces import FileScope, Symbol
from knhk_dsl.syntax import ast
from knhk_dsl.values.types import Enumeration, Record

Names = Mapping[str, Definition]


class Known:
    """What the names of the analysed files stand for."""

    def __init__(self, analysis: Analysis) -> None:
        self.analysis = analysis
        self.pages = {
            name: Page(name, scope.source.text) for name, scope in analysis.scopes.items()
        }
        self._symbols: dict[tuple[str, str, str], Definition] = {}
        self._workflows: dict[int, dict[str, Definition]] = {}

    # --- names of files ---------------------------------------------------------------------

    @cached_property
    def declarations(self) -> dict[tuple[str, str], ast.SyntaxNode]:
        """The declarations of all files, by file and name; of two of one name the first."""
        found: dict[tuple[str, str], ast.SyntaxNode] = {}
        for file, scope in self.analysis.scopes.items():
            for declaration in scope.source.tree.declarations:
                name = getattr(declaration, "name", None)
                if name is not None:
                    found.setdefault((file, name), declaration)
        return found

    def symbol(self, symbol: Symbol) -> Definition:
        """What a name on the level of a file stands for."""
        key = (symbol.file.name, symbol.kind, symbol.name)
        if key not in self._symbols:
            self._symbols[key] = self._define(symbol)
        return self._symbols[key]

    def _define(self, symbol: Symbol) -> Definition:
        if symbol.kind == "callable":
            return self._callable(symbol)
        declaration = self.declarations.get((symbol.file.name, symbol.name))
        if declaration is None:
            return Definition(symbol.kind, symbol.name)
        page = self.pages[symbol.file.name]
        shape = f"{symbol.kind} {symbol.name}"
        match declaration:
            case ast.WorkflowDecl():
                shape = workflow_shape(declaration, page)
            case ast.RecordDecl():
                shape = record_shape(declaration, page)
            case ast.EnumDecl():
                shape = f"enum {declaration.name}: {', '.join(declaration.members)}"
            case ast.ConnectorDecl():
                shape = f"connector {declaration.name} = {declaration.type}(...)"
            case _:
                pass
        place = getattr(declaration, "name_span", None)
        doc = getattr(declaration, "doc", "")
        return Definition(symbol.kind, symbol.name, place, declaration.span, "", shape, doc)

    def _callable(self, symbol: Symbol) -> Definition:
        assert isinstance(symbol.value, tuple)
        use, used = symbol.value
        signature = self.analysis.callees.python(symbol)
        found = self.analysis.callees.python_place(symbol)
        where = None if found is None else Location(found.path, found.line, found.column)
        doc = "" if found is None else found.doc
        shape = callable_shape(symbol.name, signature)
        name, module = used.name, use.module
        return Definition("callable", name, within=module, shape=shape, doc=doc, elsewhere=where)

    # --- fields and members -----------------------------------------------------------------

    @cached_property
    def fields(self) -> dict[int, dict[str, Definition]]:
        """The fields of the records that the sources define, by the identity of their types."""
        found: dict[int, dict[str, Definition]] = {}
        for scope in self.analysis.scopes.values():
            for symbol in scope.own:
                declaration = self.declarations.get((scope.name, symbol.name))
                if isinstance(symbol.value, Record) and isinstance(declaration, ast.RecordDecl):
                    found[id(symbol.value)] = self._fields(declaration)
        return found

    def _fields(self, record: ast.RecordDecl) -> dict[str, Definition]:
        page = self.pages[record.span.file]
        return {
            field.name: Definition(
                "field",
                field.name,
                page.name_in(field.span),
                field.span,
                record.name,
                page.shown(field.span),
            )
            for field in reversed(record.fields)
        }

    @cached_property
    def members(self) -> dict[int, dict[str, Definition]]:
        """The members of enumerations, by the identity of their types."""
        found: dict[int, dict[str, Definition]] = {}
        for scope in self.analysis.scopes.values():
            for symbol in scope.own:
                declaration = self.declarations.get((scope.name, symbol.name))
                if isinstance(symbol.value, Enumeration) and isinstance(declaration, ast.EnumDecl):
                    found[id(symbol.value)] = self._members(declaration)
        return found

    def _members(self, enum: ast.EnumDecl) -> dict[str, Definition]:
        page = self.pages[enum.span.file]
        places = page.names_between(page.end(enum.name_span), page.end(enum.span))
        return {
            name: Definition("member", name, place, place, enum.name, f"{enum.name}.{name}")
            for name, place in reversed(list(zip(enum.members, places, strict=False)))
        }

    # --- names of workflows -----------------------------------------------------------------

    def workflow(self, workflow: ast.WorkflowDecl) -> dict[str, Definition]:
        """The names of parameters, variables, tasks, places and mutexes of a workflow."""
        if id(workflow) not in self._workflows:
            found: dict[str, Definition] = {}
            for definition in self._in_workflow(workflow):
                found.setdefault(definition.name, definition)
            self._workflows[id(workflow)] = found
        return self._workflows[id(workflow)]

    def _in_workflow(self, workflow: ast.WorkflowDecl) -> list[Definition]:
        page = self.pages[workflow.span.file]
        found = [
            Definition(
                "parameter",
                parameter.name,
                page.name_in(parameter.span),
                parameter.span,
                workflow.name,
                page.shown(parameter.span),
            )
            for parameter in workflow.parameters
        ]
        for statement in workflow.body:
            match statement:
                case ast.VarDecl(name=name, name_span=place, span=span):
                    shape = f"var {name}: {page.shown(statement.type.span)}"
                    found.append(Definition("variable", name, place, span, workflow.name, shape))
                case ast.TaskDecl():
                    found.append(self._task(statement, workflow, page))
                case ast.PlaceDecl() | ast.MutexDecl():
                    kind = "place" if isinstance(statement, ast.PlaceDecl) else "mutex"
                    for declared in statement.names:
                        name, place = declared.name, declared.span
                        shape = f"{kind} {name}"
                        found.append(Definition(kind, name, place, place, workflow.name, shape))
                case _:
                    pass
        return found

    def _task(self, task: ast.TaskDecl, workflow: ast.WorkflowDecl, page: Page) -> Definition:
        checked = self.analysis.workflows[id(workflow)].tasks.get(task.name)
        words = [] if task.callee is None else page.shown(task.callee.span).split()
        callee = f" = {' '.join(words)}" if words else ""
        result = "" if checked is None else f" -> {type_shown(checked.result)}"
        shape = f"task {task.name}{callee}{result}"
        return Definition(
            "task", task.name, task.name_span, task.span, workflow.name, shape, task.doc
        )

    # --- what comes from elsewhere ----------------------------------------------------------

    def function(self, name: str) -> Definition | None:
        """A built-in function."""
        found = BUILTINS.get(name)
        return None if found is None else Definition("function", name, shape=function_shape(found))

    def task_type(self, name: str) -> Definition | None:
        """A task type of a plugin."""
        found = self.analysis.environment.task_types.get(name)
        if found is None:
            return None
        return Definition("task type", name, shape=operation_shape(name, found), doc=found.doc)

    def connector_type(self, name: str) -> Definition:
        """A connector type, or what is taken for one."""
        found = self.analysis.callees.connector(name)
        if found is None:
            return Definition("connector type", name)
        shape = connector_type_shape(name, found.settings)
        return Definition("connector type", name, shape=shape, doc=found.doc)

    def operations(self, connector: str) -> dict[str, Definition]:
        """The operations of a connector type."""
        found = self.analysis.callees.connector(connector)
        operations = () if found is None else found.operations
        return {
            name: Definition(
                "operation",
                name,
                within=connector,
                shape=operation_shape(name, operation),
                doc=operation.doc,
            )
            for name, operation in operations
        }

    def scope(self, file: str) -> FileScope:
        """The names of a file."""
        return self.analysis.scopes[file]
