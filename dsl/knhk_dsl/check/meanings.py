"""What names stand for, as values that can be compared between one check and the next.

Every check makes its records, symbols and signatures anew, so that these cannot be compared
themselves. The meaning of a name says all of what it stands for that can decide whether its use
is in order: two checks in which a name has equal meanings find the same of what is written with
it, as long as their records are equal too (:attr:`Meanings.records`).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TypeAlias

from knhk_dsl.check.callees import Callees
from knhk_dsl.names.arguments import CallSignature
from knhk_dsl.names.namespaces import FileScope, Symbol
from knhk_dsl.syntax import ast
from knhk_dsl.syntax.shapes import shape
from knhk_dsl.values.types import (
    DictOf,
    Enumeration,
    EnumerationName,
    ListOf,
    Maybe,
    Record,
    Scalar,
    Type,
)

__all__ = ["Meaning", "Meanings"]

#: Equal where what is meant is equal.
Meaning: TypeAlias = Hashable


class Meanings:
    """The meanings of types and symbols in the files of one check.

    ``records`` is what is declared about every record: a record means its declaration only, so
    that this is to be compared beside it.
    """

    def __init__(self, scopes: Iterable[FileScope], callees: Callees) -> None:
        self._callees = callees
        self._files: dict[int, str] = {}
        self._known: dict[int, tuple[Type, Meaning]] = {}
        declared = [symbol for scope in scopes for symbol in scope.own]
        for symbol in declared:
            if isinstance(symbol.value, (Record, Enumeration)):
                self._files[id(symbol.value)] = symbol.file.name
        self.records: Meaning = tuple(
            (symbol.file.name, symbol.name, self._fields(symbol.value, ()))
            for symbol in declared
            if isinstance(symbol.value, Record)
        )

    def type(self, type_: Type) -> Meaning:
        """The meaning of a type."""
        if isinstance(type_, Scalar):
            return type_.name
        if isinstance(type_, ListOf):
            return "list", self.type(type_.element)
        found = self._known.get(id(type_))
        if found is None:
            # With the type, so that its identity is not given to another one.
            found = self._known[id(type_)] = type_, self._type(type_, ())
        return found[1]

    def _type(self, type_: Type, around: tuple[Record, ...]) -> Meaning:
        match type_:
            case Scalar():
                return type_.name
            case ListOf():
                return "list", self._type(type_.element, around)
            case DictOf():
                return "dict", self._type(type_.value, around)
            case Maybe():
                return "maybe", self._type(type_.inner, around)
            case EnumerationName():
                return "names of", self._type(type_.enumeration, around)
            case Enumeration():
                # One that is declared nowhere is equal to itself only.
                place = self._files.get(id(type_))
                return type_ if place is None else ("enum", place, type_.name, type_.members)
            case Record():
                return self._record(type_, around)

    def _record(self, record: Record, around: tuple[Record, ...]) -> Meaning:
        file = self._files.get(id(record))
        if file is not None:
            return "record", file, record.name
        if record in around:
            return "record around", around.index(record)
        fields = self._fields(record, (*around, record))
        return "class", record.name, record.structural, record.mapping, fields

    def _fields(self, record: Record, around: tuple[Record, ...]) -> Meaning:
        return tuple(
            (name, self._type(field.type, around), field.required, field.defaulted)
            for name, field in record.fields.items()
        )

    def symbol(self, symbol: Symbol) -> Meaning:
        """The meaning of a name on the level of a file, for the workflows that are checked now."""
        what, value = (symbol.kind, symbol.file.name, symbol.name), symbol.value
        match value:
            case Record() | Enumeration():
                return what, self.type(value)
            case ast.WorkflowDecl():
                return what, self._signature(self._callees.workflow(value, symbol.file))
            case ast.ConnectorDecl():
                return what, value.type
            case ast.PolicyDecl():
                return what, shape(value.lines)
            case (ast.UsePython() as use, _):
                return what, use.module, self._signature(self._callees.known_python(symbol))
            case _:
                return what

    def _signature(self, signature: CallSignature | None) -> Meaning:
        if signature is None:
            return None
        parameters = tuple(
            (
                each.name,
                self.type(each.type),
                each.required,
                each.keyword_only,
                each.positional_only,
            )
            for each in signature.parameters
        )
        more = signature.more, signature.more_named
        others = tuple(None if each is None else self.type(each) for each in more)
        return parameters, self.type(signature.result), others
