"""The names that a file defines, and those that it uses from other files.

One namespace per file. A name that could not be read properly stands for ``unknown``, so that
its uses are not reported as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from knhk.errors import Span
from knhk_dsl.report import Report, an, did_you_mean
from knhk_dsl.sources import Source, Sources, UnreadableSource
from knhk_dsl.syntax import ast
from knhk_dsl.values.types import SCALARS, Enumeration, Record

#: Words that stand for themselves in a flow or an expression.
RESERVED: Final = frozenset(
    {"start", "end", "stop", "abort", "skip", "case", "true", "false", "none"}
)
_SNAKE: Final = re.compile(r"[^\WA-Z]+")
_CAMEL: Final = re.compile(r"[A-Z][^\W_]*")
#: Attributes of every pydantic model class that a field cannot be named after.
_FIELDS_TAKEN: Final = frozenset(
    {
        "model_config",
        "model_fields",
        "model_computed_fields",
        "model_extra",
        "model_fields_set",
        "model_post_init",
        "model_construct",
        "knhk_fields",
    }
)


@dataclass(eq=False)
class Symbol:
    """A name on the level of a file, and what it stands for.

    ``value`` is a Record, an Enumeration, or the declaration; ``file`` is the scope that
    defines it. Kinds: record, enumeration, connector, policy, workflow, callable, trigger,
    invariant, strategy, unknown.
    """

    kind: str
    name: str
    span: Span
    file: FileScope
    value: object = None


@dataclass(eq=False)
class FileScope:
    """The names of one file; ``used`` are those that something has needed so far."""

    source: Source
    symbols: dict[str, Symbol] = field(default_factory=dict)
    own: list[Symbol] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    unreadable: bool = False

    @property
    def name(self) -> str:
        """The file's name."""
        return self.source.file

    def find(self, name: str) -> Symbol | None:
        """The symbol of a name, which is used thereby."""
        symbol = self.symbols.get(name)
        if symbol is not None:
            self.used.add(name)
        return symbol

    def of_kind(self, *kinds: str) -> Iterator[Symbol]:
        """The symbols of these kinds."""
        return (symbol for symbol in self.symbols.values() if symbol.kind in kinds)


def check_style(name: str, span: Span, kind: str, report: Report, *, camel: bool = False) -> None:
    """Warns of a spelling that is not the usual one."""
    if camel and not _CAMEL.fullmatch(name):
        better = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
        report.warning(
            "KN213", f"the {kind} `{name}` is not in CamelCase", span, f"call it `{better}`"
        )
    elif not camel and not _SNAKE.fullmatch(name):
        better = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
        report.warning(
            "KN213", f"the {kind} `{name}` is not in snake_case", span, f"call it `{better}`"
        )


class FileReader:
    """Reads the entry and every file it uses into scopes, those used first."""

    def __init__(self, sources: Sources, report: Report) -> None:
        self._sources = sources
        self._report = report
        self._path: list[str] = []
        self.scopes: dict[str, FileScope] = {}

    def read(self) -> FileScope:
        """The scope of the entry file."""
        return self._scope(self._sources.open_entry())

    def _scope(self, source: Source) -> FileScope:
        self._path.append(source.file)
        self._report.diagnostics.extend(source.diagnostics)
        scope = FileScope(source)
        for declaration in source.tree.declarations:
            self._declare(declaration, scope)
        self.scopes[source.file] = scope
        self._path.pop()
        return scope

    def _declare(self, declaration: ast.Declaration, scope: FileScope) -> None:
        match declaration:
            case ast.UseFile():
                self._use_file(declaration, scope)
            case ast.UsePython():
                for used in declaration.names:
                    self._define(
                        scope, Symbol("callable", used.name, used.span, scope, (declaration, used))
                    )
            case ast.BadStatement():
                scope.unreadable = scope.unreadable or not declaration.names
                for name in declaration.names:
                    scope.symbols.setdefault(name, Symbol("unknown", name, declaration.span, scope))
            case ast.RecordDecl():
                record = Record(declaration.name, declaration.doc)
                check_style(
                    declaration.name, declaration.name_span, "record", self._report, camel=True
                )
                self._own(scope, "record", declaration, record)
            case ast.EnumDecl():
                check_style(
                    declaration.name, declaration.name_span, "enum", self._report, camel=True
                )
                members = tuple(dict.fromkeys(declaration.members))
                self._check_members(declaration)
                self._own(scope, "enumeration", declaration, Enumeration(declaration.name, members))
            case _:
                kind = _KINDS[type(declaration)]
                check_style(declaration.name, declaration.name_span, kind, self._report)
                self._own(scope, kind, declaration, declaration)

    def _own(self, scope: FileScope, kind: str, declaration: _Named, value: object) -> None:
        symbol = Symbol(kind, declaration.name, declaration.name_span, scope, value)
        scope.own.append(symbol)
        self._define(scope, symbol)

    def _define(self, scope: FileScope, symbol: Symbol) -> None:
        if symbol.name in RESERVED or (symbol.name in SCALARS and symbol.kind != "callable"):
            self._report.error(
                "KN207",
                f"`{symbol.name}` is a word of the language and cannot name {an(symbol.kind)}",
                symbol.span,
                "choose another name",
            )
        first = scope.symbols.setdefault(symbol.name, symbol)
        if first is not symbol and first.kind != "unknown":
            self._report.error(
                "KN206",
                f"`{symbol.name}` is defined twice",
                symbol.span,
                "rename one of the two",
                ((first.span, "the first definition"),),
            )

    def _check_members(self, declaration: ast.EnumDecl) -> None:
        seen: set[str] = set()
        for member in declaration.members:
            if member in seen:
                self._report.error(
                    "KN206",
                    f"the member `{member}` of {declaration.name} is there twice",
                    declaration.span,
                    "remove one of the two",
                )
            elif member in ("name", "value", "mro") or member.startswith("_"):
                self._report.error(
                    "KN207",
                    f"`{member}` cannot name a member of an enumeration",
                    declaration.span,
                    "choose another name",
                )
            seen.add(member)

    def _use_file(self, use: ast.UseFile, scope: FileScope) -> None:
        other = self._used_scope(use, scope)
        for used in use.names:
            symbol = None
            if other is not None:
                symbol = next((own for own in other.own if own.name == used.name), None)
                if symbol is None and not other.unreadable and used.name not in other.symbols:
                    self._report.error(
                        "KN208",
                        f"{use.path!r} does not define `{used.name}`",
                        used.span,
                        did_you_mean(used.name, [own.name for own in other.own])
                        or "it defines nothing",
                    )
            self._bring_in(used, symbol, scope)

    def _bring_in(self, used: ast.UsedName, symbol: Symbol | None, scope: FileScope) -> None:
        """A symbol of its own, so that its use in this file is known; never a second error."""
        if used.signature is not None:
            self._report.error(
                "KN215",
                f"`{used.name}` comes from a .knhk file and takes no signature",
                used.signature.span,
                "leave the signature out",
            )
        if symbol is None:
            unknown = Symbol("unknown", used.name, used.span, scope)
            scope.symbols.setdefault(used.name, unknown)
            return
        self._define(scope, Symbol(symbol.kind, used.name, used.span, symbol.file, symbol.value))

    def _used_scope(self, use: ast.UseFile, scope: FileScope) -> FileScope | None:
        try:
            name = self._sources.resolve(scope.name, use.path)
            if name in self._path:
                circle = " -> ".join([*self._path[self._path.index(name) :], name])
                self._report.error(
                    "KN204",
                    f"files use each other in a circle: {circle}",
                    use.path_span,
                    "move what both need to a file of its own",
                )
                return None
            if name in self.scopes:
                return self.scopes[name]
            if len(self._path) > _FILES_DEEP_MAX:
                raise UnreadableSource("KN201", "too many files use one another", "use fewer")
            return self._scope(self._sources.open(name))
        except UnreadableSource as problem:
            self._report.error(problem.code, problem.message, use.path_span, problem.hint)
            return None


#: Files that may use one another in a row.
_FILES_DEEP_MAX: Final = 100

_Named = (
    ast.RecordDecl
    | ast.EnumDecl
    | ast.ConnectorDecl
    | ast.PolicyDecl
    | ast.TriggerDecl
    | ast.InvariantDecl
    | ast.StrategyDecl
    | ast.WorkflowDecl
)
_KINDS: Final[dict[type, str]] = {
    ast.ConnectorDecl: "connector",
    ast.PolicyDecl: "policy",
    ast.TriggerDecl: "trigger",
    ast.InvariantDecl: "invariant",
    ast.StrategyDecl: "strategy",
    ast.WorkflowDecl: "workflow",
}


def check_field_name(name: str, span: Span, report: Report) -> bool:
    """Whether a record may have a field of this name; reports it if not."""
    if name.startswith("_") or name in _FIELDS_TAKEN:
        report.error(
            "KN207", f"`{name}` cannot name a field", span, "choose a name without `_` in front"
        )
        return False
    check_style(name, span, "field", report)
    return True


def warn_of_unused(scope: FileScope, report: Report) -> None:
    """Warns of names that a file uses from elsewhere and never needs."""
    if scope.unreadable:
        return
    for symbol in scope.symbols.values():
        # A workflow of another file is used by being named: it can then be run from here.
        is_needed = symbol.name in scope.used or symbol.kind in ("workflow", "unknown")
        if not is_needed and symbol not in scope.own:
            report.warning(
                "KN212",
                f"`{symbol.name}` is never used",
                symbol.span,
                "remove it from the `use` line",
            )
