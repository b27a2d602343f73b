"""Which types an operator takes, and what it gives."""

from __future__ import annotations

from typing import Final

from knhk_dsl.values.types import (
    BYTES,
    DATE,
    DATETIME,
    DECIMAL,
    DURATION,
    FLOAT,
    INT,
    JSON,
    NUMBERS,
    ORDERED,
    STR,
    UNKNOWN,
    DictOf,
    Enumeration,
    ListOf,
    Maybe,
    Type,
    common,
    is_open,
)

_MOMENTS: Final[dict[tuple[str, Type, Type], Type]] = {
    ("+", DATETIME, DURATION): DATETIME,
    ("+", DURATION, DATETIME): DATETIME,
    ("-", DATETIME, DURATION): DATETIME,
    ("-", DATETIME, DATETIME): DURATION,
    ("+", DATE, DURATION): DATE,
    ("+", DURATION, DATE): DATE,
    ("-", DATE, DURATION): DATE,
    ("-", DATE, DATE): DURATION,
    ("+", DURATION, DURATION): DURATION,
    ("-", DURATION, DURATION): DURATION,
    ("*", DURATION, INT): DURATION,
    ("*", DURATION, FLOAT): DURATION,
    ("*", INT, DURATION): DURATION,
    ("*", FLOAT, DURATION): DURATION,
    ("/", DURATION, INT): DURATION,
    ("/", DURATION, FLOAT): DURATION,
    ("/", DURATION, DURATION): FLOAT,
    ("//", DURATION, INT): DURATION,
    ("//", DURATION, DURATION): INT,
    ("%", DURATION, DURATION): DURATION,
    ("+", STR, STR): STR,
    ("+", BYTES, BYTES): BYTES,
    ("*", STR, INT): STR,
    ("*", INT, STR): STR,
}


def binary_type(operator: str, left: Type, right: Type) -> Type | None:
    """What ``left operator right`` gives; ``None`` if the operator does not take these."""
    if left is UNKNOWN or right is UNKNOWN:
        return UNKNOWN
    if left is JSON or right is JSON:
        return _open_type(operator, left, right)
    if left in NUMBERS and right in NUMBERS:
        return _number_type(operator, left, right)
    if isinstance(left, ListOf) and isinstance(right, ListOf) and operator == "+":
        return ListOf(common(left.element, right.element))
    if isinstance(left, ListOf) and right is INT and operator == "*":
        return left
    if isinstance(right, ListOf) and left is INT and operator == "*":
        return right
    return _MOMENTS.get((operator, left, right))


def _number_type(operator: str, left: Type, right: Type) -> Type | None:
    if {left, right} == {FLOAT, DECIMAL}:
        return None
    type_ = common(left, right)
    return FLOAT if operator == "/" and type_ is INT else type_


def _open_type(operator: str, left: Type, right: Type) -> Type | None:
    known = right if left is JSON else left
    if known is JSON:
        return JSON
    if known is DECIMAL:
        return DECIMAL
    takes = any(known in pair for sign, *pair in _MOMENTS if sign == operator)
    if known in NUMBERS or takes or (isinstance(known, ListOf) and operator in "+*"):
        return JSON
    return None


def ordered(left: Type, right: Type) -> bool:
    """Whether ``<`` takes these types."""
    if is_open(left) or is_open(right):
        known = right if is_open(left) else left
        return is_open(known) or known in ORDERED
    if left in NUMBERS and right in NUMBERS:
        return {left, right} != {FLOAT, DECIMAL}
    return left == right and left in ORDERED


def operand_hint(operator: str, left: Type, right: Type) -> str:
    """How operands of the wrong types can be mended."""
    pair = {left, right}
    if pair == {FLOAT, DECIMAL}:
        return "a float is not exact: write decimal(x), or float(x) of the other"
    if STR in pair and operator == "+":
        return 'put the value into the text: "... {x} ..."'
    if pair == {DURATION, DECIMAL}:
        return "write float(x) of the number"
    if DURATION in pair and pair & NUMBERS:
        return "write a unit: 2s, 5m, 1d"
    if STR in pair and pair & NUMBERS:
        return "convert one of the two: int(x), decimal(x), str(x)"
    if pair == {DATE, DATETIME}:
        return "write date(x) of the moment"
    return ""


def comparison_hint(left: Type, right: Type) -> str:
    """How a comparison of values that are never equal can be mended."""
    for type_ in (left, right):
        inner = type_.inner if isinstance(type_, Maybe) else type_
        if isinstance(inner, Enumeration) and STR in (left, right):
            return f"name the member: {inner.name}.{inner.members[0]}"
        if isinstance(inner, Enumeration):
            break
    return operand_hint("==", left, right)


def element_type(type_: Type) -> Type | None:
    """What `for x in value` runs over; ``None`` if it has no elements."""
    if isinstance(type_, ListOf):
        return type_.element
    if isinstance(type_, DictOf):
        return STR
    return type_ if is_open(type_) else None
