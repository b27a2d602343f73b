"""The check of what stands in a file beside its workflows: records, connectors, policies."""

from __future__ import annotations

from dataclasses import dataclass, field

from knhk_dsl import ast
from knhk_dsl.arguments import (
    ANYTHING,
    SETTING_CODES,
    CallSignature,
    bind,
    settings_signature,
)
from knhk_dsl.callees import Callees
from knhk_dsl.environment import Environment
from knhk_dsl.infer import Typer
from knhk_dsl.names import FileScope, Symbol, check_field_name
from knhk_dsl.policies import check_lines, check_policy, policy_lines
from knhk_dsl.refusals import refuse_declarations
from knhk_dsl.report import Report, did_you_mean
from knhk_dsl.scope import Scope
from knhk_dsl.typenames import resolve_type
from knhk_dsl.types import UNKNOWN, Field, Maybe, Record, Type


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
            if not declaration.fields:
                self._report.error(
                    "KN306",
                    f"the record {record} has no fields",
                    declaration.name_span,
                    "add lines such as: name: str",
                )
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
            record.fields[declared.name] = Field(type_, declared.default is None)

    def run(self) -> CheckedFile:
        """Checks defaults, connectors, policies and what is refused."""
        for symbol, record in self._own(ast.RecordDecl):
            assert isinstance(symbol.value, Record)
            self._defaults(symbol.value, record)
            self._check_finite(symbol.value, record)
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

    def _check_finite(self, record: Record, declaration: ast.RecordDecl) -> None:
        """A record that must hold itself could never be made."""
        if _must_hold(record, record, set()):
            self._report.error(
                "KN301",
                f"the record {record} holds itself without end",
                declaration.name_span,
                f"make one of the fields optional or a list: {record}?",
            )

    def _connector(self, connector: ast.ConnectorDecl) -> None:
        signature = self._callees.connector(connector.type)
        if signature is None:
            known = list(self._environment.connector_names())
            hint = did_you_mean(connector.type, known)
            self._report.error(
                "KN601",
                f"there is no connector type `{connector.type}`",
                connector.type_span,
                hint or f"install it: pip install knhk-{connector.type}",
            )
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

    def _refused(
        self, declaration: ast.TriggerDecl | ast.InvariantDecl | ast.StrategyDecl
    ) -> None:
        """What is not executed yet is typed as far as its names are known."""
        scope = Scope(self._scope, lenient=True)
        match declaration:
            case ast.TriggerDecl():
                started = self._scope.find(declaration.starts.callee.name) if isinstance(
                    declaration.starts.callee, ast.Name
                ) else None
                if started is None and not self._scope.unreadable:
                    known = [workflow.name for workflow in self._scope.of_kind("workflow")]
                    name = getattr(declaration.starts.callee, "name", "")
                    self._report.error(
                        "KN205",
                        f"there is no workflow `{name}`",
                        declaration.starts.callee.span,
                        did_you_mean(name, known),
                    )
                for argument in (*declaration.source.arguments, *declaration.starts.arguments):
                    self._typer.infer(argument.value, scope)
                if declaration.when is not None:
                    self._typer.condition(declaration.when, scope, "`when`")
            case ast.InvariantDecl():
                self._typer.condition(declaration.rule, scope, "an invariant")
            case ast.StrategyDecl():
                self._typer.condition(declaration.when, scope, "`when`")
                for argument in declaration.action.arguments:
                    self._typer.infer(argument.value, scope)


def _must_hold(record: Record, wanted: Record, seen: set[Record]) -> bool:
    for field_ in record.fields.values():
        type_ = field_.type
        if isinstance(type_, Maybe) or type_ is UNKNOWN or not isinstance(type_, Record):
            continue
        if type_ is wanted:
            return True
        if type_ not in seen:
            seen.add(type_)
            if _must_hold(type_, wanted, seen):
                return True
    return False
