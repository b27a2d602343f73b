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
    ON_FAILURE_NAMES,
    ON_FAILURE_PAUSE,
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
from knhk_dsl.check.callees import Callees, FoundCallee, visible_types
from knhk_dsl.check.calling import calling_rounds
from knhk_dsl.check.files import CheckedFile, FileCheck
from knhk_dsl.check.known import Known
from knhk_dsl.check.meanings import Meanings
from knhk_dsl.check.policies import first, retry_of
from knhk_dsl.check.workflow import CheckedTask, CheckedWorkflow, WorkflowCheck, reads
from knhk_dsl.environment import Environment
from knhk_dsl.expressions.emit import Emitter, TooLarge
from knhk_dsl.expressions.infer import Typer
from knhk_dsl.flow.lower import lower
from knhk_dsl.names.namespaces import FileReader, FileScope, Symbol, warn_of_unused
from knhk_dsl.report import Report
from knhk_dsl.sources import Sources
from knhk_dsl.syntax import ast
from knhk_dsl.values.records import Codecs
from knhk_dsl.values.types import JSON, UNKNOWN, ListOf, Record

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Diagnostics of one check; what comes after them is not reported.
DIAGNOSTICS_MAX: Final = 10_000


@dataclass(frozen=True)
class Compilation:
    """Workflows ready to run, and what is needed to make them again.

    ``nets`` holds the workflows that the entry file names, its own and those it uses from
    others, and every workflow that these call as a sub-case, however deep. One that the entry
    file does not name is called after its file too, as in ``parts/pack.knhk:pack``, which no
    other name can be. ``files`` holds every `.knhk` source that was read, by its path relative
    to ``root``; ``digest`` is a hash of these; ``diagnostics`` are the warnings.
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


class Analysis:
    """All that a check finds out about the sources, and what it finds wrong.

    ``scopes`` are the files by name, those used first, and ``entry`` is one of them; ``typer``
    holds the types of all expressions; ``files`` and ``workflows`` are what was checked, the
    latter by the identity of their declarations.

    What is ``known`` to be in order is passed over, so that only the diagnostics are complete.
    """

    def __init__(
        self, sources: Sources, environment: Environment, known: Known | None = None
    ) -> None:
        self.sources = sources
        self.environment = environment
        self.report = Report()
        reader = FileReader(sources, self.report)
        self.entry = reader.read()
        self.scopes = reader.scopes
        self.typer = Typer(self.report)
        self.files: dict[str, CheckedFile] = {}
        self.workflows: dict[int, CheckedWorkflow] = {}
        self.callees = Callees(sources, environment, self.report)
        checks = [
            FileCheck(scope, self.typer, self.callees, environment, self.report)
            for scope in self.scopes.values()
        ]
        for check in checks:
            check.define_records()
        for check in checks:
            self.files[check.checked.scope.name] = check.run()
        self._known = known
        self._meanings = None if known is None else Meanings(self.scopes.values(), self.callees)
        for scope in self.scopes.values():
            self._check_workflows(scope)
            warn_of_unused(scope, self.report)

    def _check_workflows(self, scope: FileScope) -> None:
        for together in calling_rounds(scope):
            for declaration in together:
                check = WorkflowCheck(
                    declaration,
                    scope,
                    self.typer,
                    self.callees,
                    self.environment,
                    self.report,
                    self._meanings,
                    self._known,
                )
                self.workflows[id(declaration)] = check.run()
            for declaration in together:
                result = self.workflows[id(declaration)].result
                if result is not None:
                    self.callees.learn(declaration, result)

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
def analyse(sources: Sources, environment: Environment) -> Analysis:
    """Everything that a check finds out about the sources."""
    return Analysis(sources, environment)


@_collector_at_rest()
def check_again(sources: Sources, known: Known) -> tuple[Diagnostic, ...]:
    """What :func:`check_sources` finds, of sources of which much was checked before.

    What is found does not depend on what is ``known``, only the time does that it takes.
    """
    return Analysis(sources, known.environment, known).diagnostics


def check_sources(sources: Sources, environment: Environment) -> tuple[Diagnostic, ...]:
    """Every problem of the sources, errors and warnings, in the order of their places.

    No nets are made: what was checked without an error can be compiled. Expressions are bounded
    in depth by the check, and cut into functions that Python takes by the compiler.
    """
    return analyse(sources, environment).diagnostics


@_collector_at_rest()
def compile_sources(sources: Sources, environment: Environment) -> Compilation:
    """The workflows of the sources; raises :class:`knhk.errors.CheckError` with all diagnostics."""
    check = Analysis(sources, environment)
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

    def __init__(self, check: Analysis, sources: Sources) -> None:
        self.codecs = Codecs(self._default)
        self._check = check
        self._lines = {name: text.splitlines() for name, text in sources.files.items()}
        self._file_emitters: dict[str, Emitter] = {}
        self._names: dict[int, str] = {}

    def nets(self) -> dict[str, Net]:
        """The nets of the entry file's workflows; raises :class:`knhk.errors.CheckError`."""
        for symbol in self._check.entry.of_kind("workflow"):
            assert isinstance(symbol.value, ast.WorkflowDecl)
            self._names[id(symbol.value)] = symbol.name
        pending = [self._check.workflows[number] for number in self._names]
        nets: dict[str, Net] = {}
        for workflow in pending:
            pending.extend(self._name_callees(workflow))
            name = self._names[id(workflow.declaration)]
            try:
                nets[name] = self._net(name, workflow)
            except TooLarge as problem:
                message, hint = "this expression is too large", "compute a part of it in a variable"
                error = Diagnostic("KN313", message, problem.span, hint)
                raise CheckError((*self._check.diagnostics, error)) from None
        return nets

    def _name_callees(self, workflow: CheckedWorkflow) -> Iterator[CheckedWorkflow]:
        """The workflows that one calls and that had no name so far."""
        for task in workflow.tasks.values():
            called = None if task.callee is None else task.callee.workflow
            if called is not None and id(called) not in self._names:
                checked = self._check.workflows[id(called)]
                self._names[id(called)] = f"{checked.file.name}:{called.name}"
                yield checked

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
            name: _Tasks(emitter, self.codecs, self._check.typer, self._names).task(task)
            for name, task in workflow.tasks.items()
        }
        assert workflow.graph is not None
        nodes, places = lower(workflow.graph, tasks, emitter.expression)
        return Net(
            name=name,
            nodes=nodes,
            places=places,
            mutexes=workflow.graph.mutexes,
            sections=workflow.graph.sections,
            on_failure=_on_failure(workflow.on_failure),
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
            for callee in (task.callee, task.compensation):
                if callee is not None and callee.connector is not None:
                    used.setdefault(callee.module, callee.connector)
        return tuple(self._connector(name, symbol) for name, symbol in used.items())

    def _connector(self, name: str, symbol: Symbol) -> Connector:
        declaration = symbol.value
        assert isinstance(declaration, ast.ConnectorDecl)
        emitter = self._file_emitter(self._check.files[symbol.file.name])
        settings = tuple(
            (setting.name, emitter.expression(setting.value)) for setting in declaration.settings
        )
        at_most = first(declaration.policies, ast.AtMostLine)
        limit = 0 if at_most is None else at_most.limit
        return Connector(name, declaration.type, settings, declaration.name_span, limit)


def _optional(emitter: Emitter, expr: ast.Expr | None) -> Expression | None:
    return None if expr is None else emitter.expression(expr)


def _on_failure(line: ast.OnFailure | None) -> int:
    return ON_FAILURE_PAUSE if line is None else ON_FAILURE_NAMES.index(line.mode)


class _Tasks:
    """Makes tasks of a net."""

    def __init__(
        self, emitter: Emitter, codecs: Codecs, typer: Typer, names: Mapping[int, str]
    ) -> None:
        self._emitter = emitter
        self._codecs = codecs
        self._typer = typer
        self._names = names

    def task(self, task: CheckedTask) -> Task:
        """What a task node does."""
        timeout = first(task.lines, ast.TimeoutLine)
        at_most = first(task.lines, ast.AtMostLine)
        priority = first(task.lines, ast.PriorityLine)
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
            compensation=self._compensation(task),
            priority=0 if priority is None else priority.value,
        )

    def _result(self, task: CheckedTask) -> Codec | None:
        has_result = not isinstance(task.declaration.callee, (ast.TimerCallee, ast.SkipCallee))
        return self._codecs.codec(task.result) if has_result else None

    def _callee(self, task: CheckedTask) -> Callee:
        match task.declaration.callee:
            case ast.CallCallee(call=call):
                assert task.callee is not None
                return self._call(call, task.callee)
            case ast.TimerCallee(delay=delay, until=until):
                return Callee(
                    task.kind,
                    delay=_optional(self._emitter, delay),
                    until=_optional(self._emitter, until),
                )
            case ast.MessageCallee(name=name, key=key):
                return Callee(task.kind, name=name, key=_optional(self._emitter, key))
            case ast.SignalCallee(name=name):
                return Callee(task.kind, name=name)
            case _:
                return Callee(task.kind)

    def _call(self, call: ast.Call, callee: FoundCallee) -> Callee:
        called = callee.workflow
        expression = self._emitter.expression
        return Callee(
            callee.kind,
            callee.module,
            callee.name if called is None else self._names[id(called)],
            tuple(expression(a.value) for a in call.arguments if not a.name),
            tuple((a.name, expression(a.value)) for a in call.arguments if a.name),
        )

    def _compensation(self, task: CheckedTask) -> Callee | None:
        line = first(task.lines, ast.CompensateLine)
        if line is None or task.compensation is None:
            return None
        return self._call(line.call, task.compensation)

    def _for_each(self, task: CheckedTask) -> ForEach | None:
        for_each = first(task.lines, ast.ForEachLine)
        times = first(task.lines, ast.TimesLine)
        if for_each is None and times is None:
            return None
        condition = first(task.lines, ast.CompleteWhenLine)
        return ForEach(
            variable="" if for_each is None else for_each.variable,
            items=None if for_each is None else self._emitter.expression(for_each.items),
            times=None if times is None else self._emitter.expression(times.count),
            element=None if for_each is None else self._element(for_each.items),
            open=first(task.lines, ast.OpenLine) is not None,
            waits=first(task.lines, ast.WithoutWaitingLine) is None,
            complete_when=None
            if condition is None
            else self._emitter.expression(condition.condition),
            reads_results=condition is not None and reads(condition.condition, "results"),
            cancel_rest=condition is not None and condition.cancel_rest,
        )

    def _element(self, items: ast.Expr) -> Codec:
        """The type of the instances of a list."""
        type_ = self._typer.types[id(items)]
        element = type_.element if isinstance(type_, ListOf) else JSON
        return self._codecs.codec(JSON if element is UNKNOWN else element)
