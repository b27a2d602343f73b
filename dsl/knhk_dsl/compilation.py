"""From sources to nets: all passes in order.

Files are read, those used first; records are defined; every declaration and workflow of
every file is checked; and if nothing is wrong, the workflows become nets. A compilation is a
function of the sources, the environment, and the Python files whose signatures it reads.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from knhk.errors import ERROR, CheckError, Diagnostic, Span
from knhk.model import (
    Callee,
    Codec,
    Connector,
    Expression,
    ForEach,
    Moment,
    Net,
    Parameter,
    Task,
    Variable,
)
from knhk_dsl import ast
from knhk_dsl.callees import Callees, visible_types
from knhk_dsl.check import CheckedTask, CheckedWorkflow, WorkflowCheck
from knhk_dsl.emit import Emitter, TooLarge
from knhk_dsl.environment import Environment
from knhk_dsl.files import CheckedFile, FileCheck
from knhk_dsl.infer import Typer
from knhk_dsl.lower import lower
from knhk_dsl.names import FileReader, FileScope, Symbol, warn_of_unused
from knhk_dsl.policies import first, retry_of
from knhk_dsl.records import Codecs
from knhk_dsl.report import Report
from knhk_dsl.sources import Sources
from knhk_dsl.types import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Diagnostics of one check; what comes after them is not reported.
DIAGNOSTICS_MAX: Final = 10_000


@dataclass(frozen=True)
class Compilation:
    """Workflows ready to run, and what is needed to make them again.

    ``nets`` holds the workflows of the entry file and those it uses from others; ``files``
    every `.knhk` source that was read, by its path relative to ``root``; ``digest`` is a hash
    of these; ``diagnostics`` are the warnings.
    """

    nets: dict[str, Net]
    files: dict[str, str]
    entry: str
    root: Path | None
    digest: str
    diagnostics: tuple[Diagnostic, ...]
    _scope: FileScope = field(repr=False, compare=False)
    _codecs: Codecs = field(repr=False, compare=False)

    @cached_property
    def records(self) -> dict[str, type]:
        """The pydantic models of the records, and the enumerations, that the entry file sees."""
        made: dict[str, type] = {}
        for name, type_ in visible_types(self._scope).items():
            model: type[object | Enum]
            if isinstance(type_, Record):
                model = self._codecs.model(type_)
            else:
                model = self._codecs.enum(type_)
            made[name] = model
        return made


class _Check:
    """One check of all files: what it found, and what it found wrong."""

    def __init__(self, sources: Sources, environment: Environment) -> None:
        self.report = Report()
        reader = FileReader(sources, self.report)
        self.entry = reader.read()
        self.typer = Typer(self.report)
        self.files: dict[str, CheckedFile] = {}
        self.workflows: dict[int, CheckedWorkflow] = {}
        callees = Callees(sources, environment, self.report)
        checks = [
            FileCheck(scope, self.typer, callees, environment, self.report)
            for scope in reader.scopes.values()
        ]
        for check in checks:
            check.define_records()
        for check in checks:
            self.files[check.checked.scope.name] = check.run()
        for scope in reader.scopes.values():
            for symbol in scope.own:
                if isinstance(symbol.value, ast.WorkflowDecl):
                    workflow = WorkflowCheck(symbol.value, scope, self.typer, callees, self.report)
                    self.workflows[id(symbol.value)] = workflow.run()
            warn_of_unused(scope, self.report)

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Everything that was found, by place, each once."""
        unique = dict.fromkeys(self.report.diagnostics)
        ordered = sorted(unique, key=lambda diagnostic: (diagnostic.span, diagnostic.code))
        return tuple(ordered[:DIAGNOSTICS_MAX])


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Leave the cyclic garbage collector off for the length of the block.

    A compiler only adds to its trees: every full collection walks all of them and finds
    nothing, which makes large sources cost more than in proportion. Sources are bounded, and
    so is the time that the collector rests.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@_collector_at_rest()
def check_sources(sources: Sources, environment: Environment) -> tuple[Diagnostic, ...]:
    """Every problem of the sources, errors and warnings, in the order of their places."""
    check = _Check(sources, environment)
    try:
        if not _has_errors(check.diagnostics):
            _Builder(check, sources).nets()
    except CheckError as error:
        return error.diagnostics
    return check.diagnostics


@_collector_at_rest()
def compile_sources(sources: Sources, environment: Environment) -> Compilation:
    """The workflows of the sources; raises :class:`knhk.errors.CheckError` with all diagnostics."""
    check = _Check(sources, environment)
    diagnostics = check.diagnostics
    if _has_errors(diagnostics):
        raise CheckError(diagnostics)
    builder = _Builder(check, sources)
    nets = builder.nets()
    files = sources.files
    return Compilation(
        nets,
        files,
        sources.entry,
        sources.root,
        _digest(files, sources.entry),
        diagnostics,
        check.entry,
        builder.codecs,
    )


def _has_errors(diagnostics: tuple[Diagnostic, ...]) -> bool:
    return any(diagnostic.severity == ERROR for diagnostic in diagnostics)


def _digest(files: Mapping[str, str], entry: str) -> str:
    from blake3 import blake3

    digest = blake3()
    for part in (entry, *(text for pair in sorted(files.items()) for text in pair)):
        data = part.encode("utf-8", errors="surrogatepass")
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()


class _Builder:
    """Makes nets of workflows that were checked without an error."""

    def __init__(self, check: _Check, sources: Sources) -> None:
        self.codecs = Codecs(self._default)
        self._check = check
        self._lines = {name: text.splitlines() for name, text in sources.files.items()}
        self._file_emitters: dict[str, Emitter] = {}

    def nets(self) -> dict[str, Net]:
        """The nets of the entry file's workflows; raises :class:`knhk.errors.CheckError`."""
        nets: dict[str, Net] = {}
        for symbol in self._check.entry.of_kind("workflow"):
            assert isinstance(symbol.value, ast.WorkflowDecl)
            workflow = self._check.workflows[id(symbol.value)]
            try:
                nets[symbol.name] = self._net(symbol.name, workflow)
            except TooLarge as problem:
                message, hint = "this expression is too large", "compute a part of it in a variable"
                error = Diagnostic("KN313", message, problem.span, hint)
                raise CheckError((*self._check.diagnostics, error)) from None
        return nets

    def _show(self, span: Span) -> str:
        """The source text of a place."""
        lines = self._lines[span.file][span.line - 1 : span.end_line]
        if not lines:
            return ""
        lines[-1] = lines[-1][: span.end_column - 1]
        lines[0] = lines[0][span.column - 1 :]
        return "\n".join(lines)

    def _file_emitter(self, file: CheckedFile) -> Emitter:
        name = file.scope.name
        if name not in self._file_emitters:
            emitter = Emitter(self._check.typer.types, self.codecs, (), self._show)
            for expr in file.sites:
                emitter.add(expr)
            emitter.finish()
            self._file_emitters[name] = emitter
        return self._file_emitters[name]

    def _default(self, record: Record, name: str) -> object:
        """The default of a record's field: a constant."""
        for file in self._check.files.values():
            expr = file.defaults.get((record, name))
            if expr is not None:
                expression = self._file_emitter(file).expression(expr)
                return expression.evaluate({}, Moment(0, 0, 0))
        raise AssertionError(f"{record}.{name} has no default")

    def _net(self, name: str, workflow: CheckedWorkflow) -> Net:
        declaration = workflow.declaration
        variables = workflow.variables
        present = {
            *workflow.parameters,
            *(name for name, (var, _) in variables.items() if var.initial is not None),
        }
        emitter = Emitter(self._check.typer.types, self.codecs, present, self._show)
        for expr, target, form in workflow.sites:
            emitter.add(expr, target, form)
        emitter.finish()
        tasks = {
            name: _Tasks(emitter, self.codecs).task(task) for name, task in workflow.tasks.items()
        }
        assert workflow.graph is not None
        nodes, places = lower(workflow.graph, tasks, emitter.expression)
        return Net(
            name=name,
            nodes=nodes,
            places=places,
            parameters=self._parameters(workflow, emitter),
            variables=tuple(
                Variable(name, self.codecs.codec(type_), _optional(emitter, var.initial))
                for name, (var, type_) in variables.items()
            ),
            returns=_optional(emitter, workflow.returns),
            result=None if workflow.result is None else self.codecs.codec(workflow.result),
            connectors=self._connectors(workflow),
            version=declaration.version,
            doc=declaration.doc,
            span=declaration.name_span,
        )

    def _parameters(self, workflow: CheckedWorkflow, emitter: Emitter) -> tuple[Parameter, ...]:
        return tuple(
            Parameter(
                parameter.name,
                self.codecs.codec(workflow.parameters[parameter.name]),
                _optional(emitter, parameter.default),
            )
            for parameter in workflow.declaration.parameters
        )

    def _connectors(self, workflow: CheckedWorkflow) -> tuple[Connector, ...]:
        used: dict[str, Symbol] = {}
        for task in workflow.tasks.values():
            if task.callee is not None and task.callee.connector is not None:
                used.setdefault(task.callee.module, task.callee.connector)
        return tuple(self._connector(name, symbol) for name, symbol in used.items())

    def _connector(self, name: str, symbol: Symbol) -> Connector:
        declaration = symbol.value
        assert isinstance(declaration, ast.ConnectorDecl)
        emitter = self._file_emitter(self._check.files[symbol.file.name])
        settings = tuple(
            (setting.name, emitter.expression(setting.value)) for setting in declaration.settings
        )
        return Connector(name, declaration.type, settings, declaration.name_span)


def _optional(emitter: Emitter, expr: ast.Expr | None) -> Expression | None:
    return None if expr is None else emitter.expression(expr)


class _Tasks:
    """Makes tasks of a net."""

    def __init__(self, emitter: Emitter, codecs: Codecs) -> None:
        self._emitter = emitter
        self._codecs = codecs

    def task(self, task: CheckedTask) -> Task:
        """What a task node does."""
        timeout = first(task.lines, ast.TimeoutLine)
        at_most = first(task.lines, ast.AtMostLine)
        return Task(
            callee=self._callee(task),
            doc=task.declaration.doc,
            result=self._result(task),
            retry=retry_of(first(task.lines, ast.RetryLine)),
            timeout_us=0 if timeout is None else timeout.us,
            at_most=0 if at_most is None else at_most.limit,
            for_each=self._for_each(task),
            sets=tuple(
                (line.name.name, self._emitter.expression(line.value))
                for line in task.lines
                if isinstance(line, ast.SetsLine)
            ),
        )

    def _result(self, task: CheckedTask) -> Codec | None:
        has_result = not isinstance(task.declaration.callee, (ast.TimerCallee, ast.SkipCallee))
        return self._codecs.codec(task.result) if has_result else None

    def _callee(self, task: CheckedTask) -> Callee:
        match task.declaration.callee:
            case ast.CallCallee(call=call):
                assert task.callee is not None
                return Callee(
                    task.kind,
                    task.callee.module,
                    task.callee.name,
                    tuple(self._emitter.expression(a.value) for a in call.arguments if not a.name),
                    tuple(
                        (a.name, self._emitter.expression(a.value))
                        for a in call.arguments
                        if a.name
                    ),
                )
            case ast.TimerCallee(delay=delay, until=until):
                return Callee(
                    task.kind,
                    delay=_optional(self._emitter, delay),
                    until=_optional(self._emitter, until),
                )
            case _:
                return Callee(task.kind)

    def _for_each(self, task: CheckedTask) -> ForEach | None:
        for_each = first(task.lines, ast.ForEachLine)
        if for_each is not None:
            return ForEach(for_each.variable, items=self._emitter.expression(for_each.items))
        times = first(task.lines, ast.TimesLine)
        return None if times is None else ForEach(times=self._emitter.expression(times.count))
