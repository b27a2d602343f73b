"""The check of what stands in a file beside its workflows: records, connectors, policies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from knhk.graphs import components
from knhk_dsl.check.callees import Callees
from knhk_dsl.check.policies import check_lines, check_policy, policy_lines
from knhk_dsl.check.refusals import refuse_declarations
from knhk_dsl.environment import Environment
from knhk_dsl.expressions.infer import Typer
from knhk_dsl.names.arguments import (
    ANYTHING,
    SETTING_CODES,
    CallParameter,
    CallSignature,
    bind,
    settings_signature,
)
from knhk_dsl.names.namespaces import FileScope, Symbol, check_field_name
from knhk_dsl.names.scope import Scope, Value
from knhk_dsl.names.typenames import resolve_type
from knhk_dsl.report import Report, an, did_you_mean
from knhk_dsl.syntax import ast
from knhk_dsl.values.types import DURATION, JSON, STR, Field, Maybe, Record, Type

#: What makes a trigger start its workflow, and how each is written.
TRIGGER_SOURCES: Final[Mapping[str, CallSignature]] = {
    name: CallSignature((CallParameter(parameter, type_),), JSON)
    for name, parameter, type_ in (
        ("cron", "schedule", STR),
        ("every", "interval", DURATION),
        ("idle", "interval", DURATION),
        ("event", "name", STR),
        ("change", "name", STR),
    )
}


@dataclass(eq=False)
class CheckedFile:
    """A file's own expressions: settings of connectors, and defaults of record fields."""

    scope: FileScope
    sites: list[ast.Expr] = field(default_factory=list)
    defaults: dict[tuple[Record, str], ast.Expr] = field(default_factory=dict)


class FileCheck:
    """Checks the declarations of one file that are no workflows."""

    def __init__(
        self,
        scope: FileScope,
        typer: Typer,
        callees: Callees,
        environment: Environment,
        report: Report,
    ) -> None:
        self.checked = CheckedFile(scope)
        self._scope = scope
        self._typer = typer
        self._callees = callees
        self._environment = environment
        self._report = report

    def define_records(self) -> None:
        """Fills in the fields of records; to be done before anything is typed."""
        for symbol, declaration in self._own(ast.RecordDecl):
            record = symbol.value
            assert isinstance(record, Record)
            for declared in declaration.fields:
                self._define_field(record, declared)

    def _define_field(self, record: Record, declared: ast.FieldDecl) -> None:
        type_ = resolve_type(declared.type, self._scope, self._report)
        if declared.name in record.fields:
            self._report.error(
                "KN206",
                f"the field `{declared.name}` of {record} is there twice",
                declared.span,
                "remove one of the two",
            )
        elif check_field_name(declared.name, declared.span, self._report):
            defaulted = declared.default is not None
            required = not defaulted and not isinstance(type_, Maybe)
            record.fields[declared.name] = Field(type_, required, defaulted)

    def run(self) -> CheckedFile:
        """Checks defaults, connectors, policies and what is refused."""
        for symbol, record in self._own(ast.RecordDecl):
            assert isinstance(symbol.value, Record)
            self._defaults(symbol.value, record)
        self._check_finite()
        for declaration in self._scope.source.tree.declarations:
            match declaration:
                case ast.ConnectorDecl():
                    self._connector(declaration)
                case ast.PolicyDecl():
                    check_policy(declaration, self._report)
                case ast.TriggerDecl() | ast.InvariantDecl() | ast.StrategyDecl():
                    self._refused(declaration)
                case _:
                    pass
        refuse_declarations(self._scope.source.tree.declarations, self._report)
        return self.checked

    def _own(self, kind: type[ast.RecordDecl]) -> list[tuple[Symbol, ast.RecordDecl]]:
        """The record declarations with the symbols that they have made."""
        spans = {id(symbol.span): symbol for symbol in self._scope.own}
        return [
            (spans[id(declaration.name_span)], declaration)
            for declaration in self._scope.source.tree.declarations
            if isinstance(declaration, kind)
        ]

    def _defaults(self, record: Record, declaration: ast.RecordDecl) -> None:
        scope = Scope(self._scope, place="constant")
        for declared in declaration.fields:
            field_ = record.fields.get(declared.name)
            if declared.default is not None and field_ is not None:
                words = f"the default of `{declared.name}`"
                self._typer.check(declared.default, field_.type, scope, words)
                self.checked.sites.append(declared.default)
                self.checked.defaults[record, declared.name] = declared.default

    def _check_finite(self) -> None:
        """A record that must hold itself could never be made.

        Only records of one file can hold each other, as files do not use each other in circles.
        """
        own = self._own(ast.RecordDecl)
        numbers = {symbol.value: number for number, (symbol, _) in enumerate(own)}
        held = [_held(symbol.value, numbers) for symbol, _ in own]
        for circle in components(range(len(own)), held):
            if len(circle) == 1 and circle[0] not in held[circle[0]]:
                continue
            for number in circle:
                declaration = own[number][1]
                self._report.error(
                    "KN301",
                    f"the record {declaration.name} holds itself without end",
                    declaration.name_span,
                    f"make one of the fields optional or a list: {declaration.name}?",
                )

    def _connector(self, connector: ast.ConnectorDecl) -> None:
        signature = self._callees.connector(connector.type)
        if signature is None:
            known = list(self._environment.connector_names())
            message = f"there is no connector type `{connector.type}`"
            hint = did_you_mean(connector.type, known)
            if connector.type in known:
                message = f"the connector type `{connector.type}` is installed and cannot be used"
                hint = "see the log for the reason, then reinstall or update its package"
            hint = hint or f"install it: pip install knhk-{connector.type}"
            self._report.error("KN601", message, connector.type_span, hint)
        settings = ANYTHING if signature is None else settings_signature(signature.settings)
        self._settings(connector, settings)
        check_lines(connector.policies, self._report)
        for line in connector.policies:
            if isinstance(line, ast.UsesLine):
                policy_lines(line, self._scope, self._report)

    def _settings(self, connector: ast.ConnectorDecl, signature: CallSignature) -> None:
        scope = Scope(self._scope, place="settings")

        def infer(expr: ast.Expr, type_: Type, words: str, code: str) -> None:
            self._typer.check(expr, type_, scope, words, code)
            self.checked.sites.append(expr)

        what = f"`{connector.type}`"
        span = connector.type_span
        bind(what, connector.settings, signature, span, self._report, infer, SETTING_CODES)

    def _refused(self, declaration: ast.TriggerDecl | ast.InvariantDecl | ast.StrategyDecl) -> None:
        """What is not executed yet is typed as far as its names are known."""
        scope = Scope(self._scope, lenient=True)
        match declaration:
            case ast.TriggerDecl():
                self._trigger(declaration)
            case ast.InvariantDecl():
                self._typer.condition(declaration.rule, scope, "an invariant")
            case ast.StrategyDecl():
                self._typer.condition(declaration.when, scope, "`when`")
                for argument in declaration.action.arguments:
                    self._typer.infer(argument.value, scope)

    def _trigger(self, trigger: ast.TriggerDecl) -> None:
        source = trigger.source.callee
        signature = TRIGGER_SOURCES.get(source.name) if isinstance(source, ast.Name) else None
        if signature is None:
            name = source.name if isinstance(source, ast.Name) else ""
            message = "nothing triggers in this way"
            hint = did_you_mean(name, TRIGGER_SOURCES)
            self._report.error("KN305", message, source.span, hint)
        scope = Scope(self._scope).with_local("event", Value(JSON, "word"))
        self._bind(trigger.source, signature or ANYTHING, scope)
        self._bind(trigger.starts, self._started(trigger.starts), scope)
        if trigger.when is not None:
            self._typer.condition(trigger.when, scope, "`when`")

    def _started(self, call: ast.Call) -> CallSignature:
        """What the workflow that a trigger starts takes."""
        name = call.callee.name if isinstance(call.callee, ast.Name) else ""
        symbol = self._scope.find(name)
        if symbol is not None and isinstance(symbol.value, ast.WorkflowDecl):
            return self._callees.find(call, self._scope).signature
        if symbol is None and not self._scope.unreadable:
            known = [workflow.name for workflow in self._scope.of_kind("workflow")]
            message, hint = f"there is no workflow `{name}`", did_you_mean(name, known)
            self._report.error("KN205", message, call.callee.span, hint)
        elif symbol is not None and symbol.kind != "unknown":
            message = f"`{name}` is {an(symbol.kind)}, and a trigger starts a workflow"
            self._report.error("KN215", message, call.callee.span, "name a workflow")
        return ANYTHING

    def _bind(self, call: ast.Call, signature: CallSignature, scope: Scope) -> None:
        def infer(expr: ast.Expr, type_: Type, words: str, code: str) -> None:
            self._typer.check(expr, type_, scope, words, code)

        what = f"`{call.callee.name}`" if isinstance(call.callee, ast.Name) else "this"
        bind(what, call.arguments, signature, call.span, self._report, infer)


def _held(record: object, numbers: Mapping[object, int]) -> list[int]:
    """The records that a record must hold: its fields that are records, and not optional."""
    assert isinstance(record, Record)
    types = (field_.type for field_ in record.fields.values())
    return [numbers[type_] for type_ in types if type_ in numbers]
