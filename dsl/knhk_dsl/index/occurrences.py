"""Every name in the analysed files, with what it stands for there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace

from knhk.errors import Span
from knhk_dsl.compilation import Analysis
from knhk_dsl.index.definitions import Definition, Index, Occurrence
from knhk_dsl.index.known import Known, Names
from knhk_dsl.index.shapes import type_shown
from knhk_dsl.names.namespaces import FileScope
from knhk_dsl.sources import UnreadableSource
from knhk_dsl.syntax import ast
from knhk_dsl.values.types import EnumerationName, Record, Type, without_none

Found = Iterator[Occurrence]


def index_of(analysis: Analysis) -> Index:
    """The index of all files of an analysis."""
    known = Known(analysis)
    return Index(
        occurrence
        for file, scope in analysis.scopes.items()
        for occurrence in _FileNames(known, scope).all()
    )


@dataclass(frozen=True)
class _Here:
    """The names of a workflow that can be used at one place, and of loops around it."""

    names: Names
    workflow: Names

    def with_element(self, definition: Definition) -> _Here:
        return replace(self, names={**self.names, definition.name: definition})


_NOTHING = _Here({}, {})


class _FileNames:
    """Finds the names of one file."""

    def __init__(self, known: Known, scope: FileScope) -> None:
        self._known = known
        self._scope = scope
        self._page = known.pages[scope.name]
        self._types: Mapping[int, Type] = known.analysis.typer.types

    def all(self) -> Found:
        """Every name of the file."""
        for declaration in self._scope.source.tree.declarations:
            yield from self._declaration(declaration)

    # --- declarations -----------------------------------------------------------------------

    def _declaration(self, declaration: ast.Declaration) -> Found:
        name_span = getattr(declaration, "name_span", None)
        if name_span is not None:
            yield from self._symbol(getattr(declaration, "name"), name_span)  # noqa: B009
        match declaration:
            case ast.UsePython():
                yield from self._use_python(declaration)
            case ast.UseFile():
                yield from self._use_file(declaration)
            case ast.RecordDecl():
                yield from self._record(declaration)
            case ast.EnumDecl():
                yield from self._enum(declaration)
            case ast.ConnectorDecl():
                type_ = self._known.connector_type(declaration.type)
                yield Occurrence(declaration.type_span, type_)
                yield from self._parts((declaration.settings, declaration.policies), _NOTHING)
            case ast.WorkflowDecl():
                yield from self._workflow(declaration)
            case ast.TriggerDecl():
                yield from self._parts((declaration.source.arguments, declaration.when), _NOTHING)
                yield from self._call(declaration.starts, _NOTHING)
            case ast.StrategyDecl():
                yield from self._parts((declaration.when, declaration.action.arguments), _NOTHING)
            case _:
                yield from self._parts(declaration, _NOTHING)

    def _symbol(self, name: str, span: Span, type_: str = "") -> Found:
        symbol = self._scope.symbols.get(name)
        if symbol is not None and symbol.kind != "unknown":
            yield Occurrence(span, self._known.symbol(symbol), type_)

    def _use_python(self, use: ast.UsePython) -> Found:
        for used in use.names:
            yield from self._symbol(used.name, self._page.name_in(used.span))
            yield from self._signature(used.signature)

    def _use_file(self, use: ast.UseFile) -> Found:
        try:
            name = self._known.analysis.sources.resolve(self._scope.name, use.path)
        except UnreadableSource:
            name = ""
        if name in self._known.pages:
            start = Span(name, 1, 1, 1, 1)
            yield Occurrence(use.path_span, Definition("file", name, start, start))
        for used in use.names:
            yield from self._symbol(used.name, self._page.name_in(used.span))

    def _signature(self, signature: ast.Signature | None) -> Found:
        if signature is not None:
            for parameter in signature.parameters:
                yield from self._type(parameter.type)
            yield from self._type(signature.result)

    def _record(self, record: ast.RecordDecl) -> Found:
        symbol = self._scope.symbols.get(record.name)
        known = self._known.fields.get(id(symbol.value), {}) if symbol is not None else {}
        for field in record.fields:
            if field.name in known:
                yield Occurrence(self._page.name_in(field.span), known[field.name])
            yield from self._type(field.type)
            yield from self._parts(field.default, _NOTHING)

    def _enum(self, enum: ast.EnumDecl) -> Found:
        symbol = self._scope.symbols.get(enum.name)
        known = self._known.members.get(id(symbol.value), {}) if symbol is not None else {}
        for definition in known.values():
            if definition.place is not None:
                yield Occurrence(definition.place, definition)

    def _type(self, type_: ast.TypeSyntax | None) -> Found:
        match type_:
            case ast.NamedType():
                yield from self._symbol(type_.name, type_.span)
            case ast.ListType():
                yield from self._type(type_.element)
            case ast.DictType():
                yield from self._type(type_.key)
                yield from self._type(type_.value)
            case ast.OptionalType():
                yield from self._type(type_.inner)
            case None:
                pass

    # --- workflows --------------------------------------------------------------------------

    def _workflow(self, workflow: ast.WorkflowDecl) -> Found:
        names = self._known.workflow(workflow)
        here = _Here(names, names)
        for parameter in workflow.parameters:
            yield from self._of(names, parameter.name, self._page.name_in(parameter.span))
            yield from self._type(parameter.type)
            yield from self._parts(parameter.default, here)
        yield from self._type(workflow.result)
        for statement in workflow.body:
            yield from self._statement(statement, here)

    def _of(self, names: Names, name: str, span: Span, type_: str = "") -> Found:
        if name in names:
            yield Occurrence(span, names[name], type_)

    def _statement(self, statement: ast.WorkflowStatement, here: _Here) -> Found:
        match statement:
            case ast.VarDecl():
                yield from self._of(here.names, statement.name, statement.name_span)
                yield from self._type(statement.type)
                yield from self._parts(statement.initial, here)
            case ast.PlaceDecl() | ast.MutexDecl():
                for declared in statement.names:
                    yield from self._of(here.names, declared.name, declared.span)
            case ast.Return():
                yield from self._expr(statement.value, here)
            case ast.TaskDecl():
                yield from self._of(here.names, statement.name, statement.name_span)
                yield from self._task(statement, here)
            case ast.Flow():
                for chain in statement.chains:
                    if isinstance(chain, ast.Chain):
                        yield from self._chain(chain, here)
            case _:
                pass

    def _task(self, task: ast.TaskDecl, here: _Here) -> Found:
        inner = here
        for line in task.attributes:
            if isinstance(line, ast.ForEachLine):
                yield from self._expr(line.items, here)
                element = self._element(line.variable, line.variable_span, line.items)
                yield Occurrence(line.variable_span, element)
                inner = here.with_element(element)
            elif isinstance(line, ast.CompensateLine):
                yield from self._call(line.call, here)
            elif not isinstance(line, ast.BadStatement):
                yield from self._parts(line, here)
        match task.callee:
            case ast.CallCallee(call=call):
                yield from self._call(call, inner)
            case ast.MessageCallee() | ast.SignalCallee():
                kind = "message" if isinstance(task.callee, ast.MessageCallee) else "signal"
                span = task.callee.span
                after = self._page.start(span) + len(kind)
                yield from self._outside(kind, task.callee.name, after)
                yield from self._parts(getattr(task.callee, "key", None), inner)
            case ast.TimerCallee():
                yield from self._parts((task.callee.delay, task.callee.until), inner)
            case _:
                pass

    def _outside(self, kind: str, name: str, offset: int) -> Found:
        span = self._page.name_at(offset)
        if span is not None:
            yield Occurrence(span, Definition(kind, name, shape=f"{kind} {name}"))

    def _element(self, name: str, span: Span, items: ast.Expr) -> Definition:
        type_ = self._types.get(id(items))
        element = getattr(without_none(type_), "element", None) if type_ is not None else None
        shown = type_shown(element)
        shape = f"{name}: {shown}" if shown else name
        return Definition("element", name, span, span, "", shape)

    # --- flow -------------------------------------------------------------------------------

    def _chain(self, chain: ast.Chain, here: _Here) -> Found:
        for node in chain.nodes:
            if isinstance(node, ast.NodeRef):
                yield from self._of(here.workflow, node.name, node.span)
            else:
                yield from self._group(node, here)
        clause = chain.exception
        if clause is not None and clause.kind in ("message", "signal"):
            offset = self._page.start(self._page.last_name_in(clause.span))
            yield from self._outside(clause.kind, clause.name, offset)

    def _group(self, group: ast.Group, here: _Here) -> Found:
        if group.mutex:
            start = self._page.start(group.span) + len(group.word)
            span = self._page.name_at(start)
            if span is not None:
                yield from self._of(here.workflow, group.mutex, span)
        for branch in group.branches:
            yield from self._chain(branch.chain, here)
            yield from self._parts(branch.guard, here)
        yield from self._parts((group.until, group.while_), here)

    # --- expressions ------------------------------------------------------------------------

    def _parts(self, node: object, here: _Here) -> Found:
        """The names in whatever is made of expressions and names."""
        match node:
            case ast.Name() | ast.Attribute() | ast.Call() | ast.Comprehension():
                yield from self._expr(node, here)
            case ast.Declared():
                yield from self._of(here.workflow, node.name, node.span)
            case ast.UsesLine():
                yield from self._symbol(node.policy, self._page.last_name_in(node.span))
            case tuple():
                for part in node:
                    yield from self._parts(part, here)
            case ast.SyntaxNode():
                for field in fields(node):
                    yield from self._parts(getattr(node, field.name), here)
            case _:
                pass

    def _expr(self, expr: ast.Expr, here: _Here) -> Found:
        match expr:
            case ast.Name():
                yield from self._name(expr, here)
            case ast.Attribute():
                yield from self._attribute(expr, here)
            case ast.Call():
                yield from self._call(expr, here)
            case ast.Comprehension():
                yield from self._comprehension(expr, here)
            case _:
                for field in fields(expr):
                    yield from self._parts(getattr(expr, field.name), here)

    def _name(self, name: ast.Name, here: _Here) -> Found:
        span = self._page.name_in(name.span)
        type_ = type_shown(self._types.get(id(name)))
        if name.name in here.names:
            yield from self._of(here.names, name.name, span, type_)
        else:
            yield from self._symbol(name.name, span, type_)

    def _attribute(self, expr: ast.Attribute, here: _Here) -> Found:
        yield from self._expr(expr.value, here)
        owner = self._types.get(id(expr.value))
        owner = None if owner is None else without_none(owner)
        names: Names = {}
        if isinstance(owner, Record):
            names = self._known.fields.get(id(owner), {})
        elif isinstance(owner, EnumerationName):
            names = self._known.members.get(id(owner.enumeration), {})
        elif isinstance(expr.value, ast.Name) and expr.value.name not in here.names:
            names = self._operations(expr.value.name)
        shown = type_shown(self._types.get(id(expr)))
        yield from self._of(names, expr.name, expr.name_span, shown)

    def _operations(self, connector: str) -> Names:
        symbol = self._scope.symbols.get(connector)
        if symbol is None or not isinstance(symbol.value, ast.ConnectorDecl):
            return {}
        return self._known.operations(symbol.value.type)

    def _call(self, call: ast.Call, here: _Here) -> Found:
        parameters: Names = {}
        callee = call.callee
        if isinstance(callee, ast.Name):
            symbol = self._scope.symbols.get(callee.name)
            if symbol is None:
                function = self._known.task_type(callee.name) or self._known.function(callee.name)
                if function is not None:
                    yield Occurrence(self._page.name_in(callee.span), function)
            else:
                yield from self._symbol(callee.name, self._page.name_in(callee.span))
                parameters = self._parameters(symbol.value)
        else:
            yield from self._expr(callee, here)
        for argument in call.arguments:
            if argument.name:
                yield from self._of(parameters, argument.name, self._page.name_in(argument.span))
            yield from self._expr(argument.value, here)

    def _parameters(self, value: object) -> Names:
        if isinstance(value, ast.WorkflowDecl):
            names = self._known.workflow(value)
            return {parameter.name: names[parameter.name] for parameter in value.parameters}
        return self._known.fields.get(id(value), {}) if isinstance(value, Record) else {}

    def _comprehension(self, expr: ast.Comprehension, here: _Here) -> Found:
        yield from self._expr(expr.iterable, here)
        element = self._element(expr.variable, expr.variable_span, expr.iterable)
        yield Occurrence(expr.variable_span, element)
        inner = here.with_element(element)
        yield from self._expr(expr.element, inner)
        yield from self._parts(expr.condition, inner)
