"""From types as they are written, in a source or in a plugin's signature, to type values."""

from __future__ import annotations

import re
from typing import Final

from knhk_dsl.names.namespaces import FileScope
from knhk_dsl.report import Report, an, did_you_mean
from knhk_dsl.syntax import ast
from knhk_dsl.values.types import (
    JSON,
    SCALARS,
    STR,
    UNKNOWN,
    DictOf,
    Enumeration,
    ListOf,
    Record,
    Type,
    maybe,
)

#: Names from Python and elsewhere, and what they are called here.
_FAMILIAR: Final = {
    "string": "str",
    "text": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "Decimal": "decimal",
    "timedelta": "duration",
    "any": "json",
    "object": "json",
    "dict": "dict[str, json]",
    "list": "list[json]",
}
_TOKEN: Final = re.compile(r"\s*([A-Za-z_][\w.]*|[\[\],?])")


def resolve_type(syntax: ast.TypeSyntax, scope: FileScope, report: Report) -> Type:
    """The type that is written; an unknown one is reported, and fits everything."""
    match syntax:
        case ast.NamedType():
            return _named(syntax, scope, report)
        case ast.ListType():
            return ListOf(resolve_type(syntax.element, scope, report))
        case ast.OptionalType():
            return maybe(resolve_type(syntax.inner, scope, report))
        case ast.DictType():
            key = resolve_type(syntax.key, scope, report)
            if key is not STR and key is not UNKNOWN:
                report.error(
                    "KN214",
                    f"the keys of a dictionary are texts, not {key}",
                    syntax.key.span,
                    "write dict[str, T]",
                )
            return DictOf(resolve_type(syntax.value, scope, report))


def _named(syntax: ast.NamedType, scope: FileScope, report: Report) -> Type:
    symbol = scope.find(syntax.name)
    if symbol is not None and isinstance(symbol.value, (Record, Enumeration)):
        return symbol.value
    if symbol is not None and symbol.kind == "unknown":
        return UNKNOWN
    scalar = SCALARS.get(syntax.name)
    if scalar is not None:
        return scalar
    if symbol is not None:
        report.error(
            "KN214",
            f"`{syntax.name}` is {an(symbol.kind)}, not a type",
            syntax.span,
            "a type is a record, an enum, or one of " + ", ".join(SCALARS),
        )
        return UNKNOWN
    if not scope.unreadable:
        known = [*SCALARS, "list", "dict", *(s.name for s in scope.of_kind(*_TYPE_KINDS))]
        familiar = _FAMILIAR.get(syntax.name)
        hint = f"write {familiar}" if familiar else did_you_mean(syntax.name, known)
        report.error("KN214", f"there is no type `{syntax.name}`", syntax.span, hint)
    return UNKNOWN


_TYPE_KINDS: Final = ("record", "enumeration")


def parse_type(text: str) -> Type:
    """The type that a plugin's signature writes; what it does not know is json."""
    tokens = _TOKEN.findall(text)
    type_, position = _parse(tokens, 0)
    return type_ if position == len(tokens) else JSON


def _parse(tokens: list[str], position: int) -> tuple[Type, int]:
    word = tokens[position] if position < len(tokens) else ""
    position += 1
    type_: Type = SCALARS.get(word, JSON)
    if word in ("list", "dict") and tokens[position : position + 1] == ["["]:
        position += 1
        if word == "dict":
            position = _parse(tokens, position)[1] + 1
        inner, position = _parse(tokens, position)
        type_ = ListOf(inner) if word == "list" else DictOf(inner)
        position += 1
    while tokens[position : position + 1] == ["?"]:
        type_ = maybe(type_)
        position += 1
    return type_, position
