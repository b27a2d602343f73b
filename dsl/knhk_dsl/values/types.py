"""The types of the language as values, and which of them fit where.

Records and enumerations are nominal; a record read from a Python class is structural, as
nobody declared it in a `.knhk` file. ``json`` is the gradual type: it takes every value, and
a json value may stand wherever another type is needed, which is then tested at run time.
``unknown`` is the type of what has been reported already: it fits everything and so keeps
one mistake from causing others.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class Scalar:
    """A type without parts."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class ListOf:
    """``list[T]``."""

    element: Type

    def __str__(self) -> str:
        return f"list[{self.element}]"


@dataclass(frozen=True, slots=True)
class DictOf:
    """``dict[str, T]``."""

    value: Type

    def __str__(self) -> str:
        return f"dict[str, {self.value}]"


@dataclass(frozen=True, slots=True)
class Maybe:
    """``T?``: a T or none. Never nested, and never around ``json``."""

    inner: Type

    def __str__(self) -> str:
        return f"{self.inner}?"


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a record: it is ``required`` if it has no default and may not be none.

    ``defaulted`` says that a default is written; without one an optional field is none.
    """

    type: Type
    required: bool
    defaulted: bool = False


@dataclass(frozen=True, eq=False)
class Record:
    """A record; ``fields`` is filled in once all names are known, as records may be recursive.

    ``structural`` tells one that was read from a Python class; the values of a ``mapping``
    (a TypedDict) are dictionaries at run time, those of all others objects.
    """

    name: str
    doc: str = ""
    structural: bool = False
    mapping: bool = False
    fields: dict[str, Field] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, eq=False)
class Enumeration:
    """An enumeration and its members."""

    name: str
    members: tuple[str, ...] = field(repr=False)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class EnumerationName:
    """The name of an enumeration itself, as in ``Size.small``; not a value."""

    enumeration: Enumeration

    def __str__(self) -> str:
        return f"the enumeration {self.enumeration}"


Type = Scalar | ListOf | DictOf | Maybe | Record | Enumeration | EnumerationName

STR: Final = Scalar("str")
INT: Final = Scalar("int")
FLOAT: Final = Scalar("float")
BOOL: Final = Scalar("bool")
DECIMAL: Final = Scalar("decimal")
BYTES: Final = Scalar("bytes")
DATE: Final = Scalar("date")
DATETIME: Final = Scalar("datetime")
DURATION: Final = Scalar("duration")
JSON: Final = Scalar("json")
NONE: Final = Scalar("none")
UNKNOWN: Final = Scalar("unknown")

#: The types that a source may name without declaring them.
SCALARS: Final[dict[str, Scalar]] = {
    scalar.name: scalar
    for scalar in (STR, INT, FLOAT, BOOL, DECIMAL, BYTES, DATE, DATETIME, DURATION, JSON)
}
NUMBERS: Final = frozenset({INT, FLOAT, DECIMAL})
ORDERED: Final = frozenset({INT, FLOAT, DECIMAL, STR, DATE, DATETIME, DURATION, BYTES})


def is_open(type_: Type) -> bool:
    """Whether only the run time can tell what the value is."""
    return type_ is JSON or type_ is UNKNOWN


def maybe(type_: Type) -> Type:
    """``T?``, where that says more than T."""
    if isinstance(type_, Maybe) or type_ in (JSON, UNKNOWN, NONE):
        return type_
    return Maybe(type_)


def without_none(type_: Type) -> Type:
    """T of ``T?``."""
    return type_.inner if isinstance(type_, Maybe) else type_


def assignable(source: Type, target: Type) -> bool:
    """Whether a value of type ``source`` may stand where ``target`` is needed."""
    return _fits(source, target, frozenset())


_Pairs = frozenset[tuple[Record, Record]]


def _fits(source: Type, target: Type, seen: _Pairs) -> bool:
    if source == target or is_open(source) or is_open(target):
        return True
    if isinstance(target, Maybe):
        return source is NONE or _fits(without_none(source), target.inner, seen)
    if source is INT:
        return target is FLOAT or target is DECIMAL
    if isinstance(source, ListOf) and isinstance(target, ListOf):
        return _fits(source.element, target.element, seen)
    if isinstance(source, DictOf) and isinstance(target, DictOf):
        return _fits(source.value, target.value, seen)
    if isinstance(source, Record) and isinstance(target, Record):
        return _record_fits(source, target, seen)
    return False


def _record_fits(source: Record, target: Record, seen: _Pairs) -> bool:
    if not (source.structural or target.structural):
        return False
    if (source, target) in seen:
        return True
    seen = seen | {(source, target)}
    for name, wanted in target.fields.items():
        given = source.fields.get(name)
        if given is None:
            if wanted.required:
                return False
        elif not _fits(given.type, wanted.type, seen):
            return False
    return True


def common(left: Type, right: Type) -> Type:
    """The type of a value that is one or the other, as of ``x if c else y``."""
    if left == right or right is UNKNOWN:
        return left
    if left is UNKNOWN:
        return right
    if left is NONE:
        return maybe(right)
    if right is NONE:
        return maybe(left)
    if isinstance(left, Maybe) or isinstance(right, Maybe):
        return maybe(common(without_none(left), without_none(right)))
    if isinstance(left, ListOf) and isinstance(right, ListOf):
        return ListOf(common(left.element, right.element))
    if isinstance(left, DictOf) and isinstance(right, DictOf):
        return DictOf(common(left.value, right.value))
    if left is INT and right in NUMBERS:
        return right
    if right is INT and left in NUMBERS:
        return left
    return JSON


def comparable(left: Type, right: Type) -> bool:
    """Whether ``==`` between the two can ever be true."""
    if left is NONE or right is NONE or is_open(left) or is_open(right):
        return True
    left, right = without_none(left), without_none(right)
    if is_open(left) or is_open(right):
        return True
    if left in NUMBERS and right in NUMBERS:
        return {left, right} != {FLOAT, DECIMAL}
    if isinstance(left, ListOf) and isinstance(right, ListOf):
        return comparable(left.element, right.element)
    if isinstance(left, DictOf) and isinstance(right, DictOf):
        return comparable(left.value, right.value)
    return assignable(left, right) or assignable(right, left)


def holds_json(type_: Type) -> bool:
    """Whether json or unknown stands somewhere inside lists, dictionaries and optionals."""
    return is_open(_innermost(type_))


def mixes(type_: Type) -> bool:
    """Whether parts of a value may be of another type than this says, until it is accepted.

    Of ``[1, 2.5]`` the first is a whole number still, of ``[a_date, "x"]`` the first a date.
    """
    return holds_json(type_) or _innermost(type_) in (FLOAT, DECIMAL)


def _innermost(type_: Type) -> Type:
    """The type inside lists, dictionaries and optionals."""
    while True:
        if isinstance(type_, ListOf):
            type_ = type_.element
        elif isinstance(type_, DictOf):
            type_ = type_.value
        elif isinstance(type_, Maybe):
            type_ = type_.inner
        else:
            return type_
