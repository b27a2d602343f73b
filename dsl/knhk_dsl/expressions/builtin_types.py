"""The built-in functions as the checker knows them: what they take, what they give.

What they do is in :mod:`knhk_dsl.expressions.functions`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from knhk_dsl.values.types import (
    BOOL,
    BYTES,
    DATE,
    DATETIME,
    DECIMAL,
    DURATION,
    FLOAT,
    INT,
    JSON,
    NONE,
    NUMBERS,
    ORDERED,
    STR,
    UNKNOWN,
    DictOf,
    Enumeration,
    ListOf,
    Maybe,
    Type,
    assignable,
    common,
    is_open,
    maybe,
    without_none,
)


class Unfit(Exception):
    """An argument that a built-in does not take: which one (from 0), and what it needs."""

    def __init__(self, position: int, needs: str) -> None:
        self.position = position
        self.needs = needs
        super().__init__(needs)


@dataclass(frozen=True, slots=True)
class Builtin:
    """A built-in function: names of its arguments, how many must be there, its result.

    ``many`` says that the last argument may come again. ``place`` restricts where it may
    stand: ``moment`` only where there is a current input, ``outside`` only where the kernel
    does not evaluate.
    """

    name: str
    arguments: tuple[str, ...]
    required: int
    result: Callable[[list[Type]], Type]
    many: bool = False
    place: str = ""
    takes_none: bool = False


def _needs(types: list[Type], position: int, words: str, *wanted: Type) -> None:
    if position < len(types) and not any(assignable(types[position], type_) for type_ in wanted):
        raise Unfit(position, words)


def _fixed(result: Type, *wanted: tuple[str, tuple[Type, ...]]) -> Callable[[list[Type]], Type]:
    def check(types: list[Type]) -> Type:
        for position, (words, accepted) in enumerate(wanted):
            _needs(types, position, words, *accepted)
        return result

    return check


_TEXT: Final = ("a text", (STR,))
_WHOLE: Final = ("a whole number", (INT,))


def _len(types: list[Type]) -> Type:
    _needs(types, 0, "a list, a text or a dictionary", STR, BYTES, ListOf(UNKNOWN), DictOf(UNKNOWN))
    return INT


def _element(types: list[Type]) -> Type:
    if is_open(types[0]):
        return types[0]
    if not isinstance(types[0], ListOf):
        raise Unfit(0, "a list")
    return types[0].element


def _sum(types: list[Type]) -> Type:
    element = _element(types)
    if element not in NUMBERS and element is not DURATION and not is_open(element):
        raise Unfit(0, "a list of numbers or durations")
    if len(types) > 1:
        element = common(element, types[1])
    return element


def _extreme(types: list[Type]) -> Type:
    if len(types) == 1:
        merged = _element(types)
    else:
        merged = types[0]
        for position, type_ in enumerate(types[1:], 1):
            merged = common(merged, type_)
            if merged is JSON and not is_open(type_) and not is_open(types[0]):
                raise Unfit(position, "values of one kind")
    if merged not in ORDERED and not is_open(merged):
        raise Unfit(0, "values that have an order: numbers, texts, dates, durations")
    return merged


def _truths(types: list[Type]) -> Type:
    element = _element(types)
    if element is not BOOL and not is_open(element):
        raise Unfit(0, "a list of true and false")
    return BOOL


def _sorted(types: list[Type]) -> Type:
    element = _element(types)
    if element not in ORDERED and not is_open(element):
        raise Unfit(0, "a list of values that have an order: numbers, texts, dates, durations")
    _needs(types, 1, "true or false", BOOL)
    return ListOf(element)


def _abs(types: list[Type]) -> Type:
    _needs(types, 0, "a number or a duration", FLOAT, DECIMAL, DURATION)
    return types[0]


def _round(types: list[Type]) -> Type:
    _needs(types, 0, "a number", FLOAT, DECIMAL)
    _needs(types, 1, "a whole number", INT)
    return INT if len(types) == 1 else types[0]


def _number(result: Type) -> Callable[[list[Type]], Type]:
    def check(types: list[Type]) -> Type:
        _needs(types, 0, "a number or a text", FLOAT, DECIMAL, STR, *([BOOL] * (result is INT)))
        return result

    return check


def _date(types: list[Type]) -> Type:
    if len(types) == 2:
        raise Unfit(1, "a month and a day, or neither")
    if len(types) == 3:
        for position in range(3):
            _needs(types, position, "a whole number", INT)
    else:
        _needs(types, 0, "a text such as 2026-11-30, or a moment", STR, DATE, DATETIME)
    return DATE


def _entries(values: bool) -> Callable[[list[Type]], Type]:
    def check(types: list[Type]) -> Type:
        _needs(types, 0, "a dictionary", DictOf(UNKNOWN))
        if not values:
            return ListOf(STR)
        return ListOf(types[0].value if isinstance(types[0], DictOf) else JSON)

    return check


def _range(types: list[Type]) -> Type:
    for position in range(len(types)):
        _needs(types, position, "a whole number", INT)
    return ListOf(INT)


def _join(types: list[Type]) -> Type:
    _needs(types, 0, "a list of texts", ListOf(STR))
    _needs(types, 1, "a text", STR)
    return STR


def _coalesce(types: list[Type]) -> Type:
    merged: Type = UNKNOWN
    for type_ in types:
        if type_ is not NONE:
            merged = common(merged, without_none(type_))
    last = types[-1]
    return maybe(merged) if isinstance(last, Maybe) or last is NONE else merged


def _format(types: list[Type]) -> Type:
    if isinstance(types[0], Enumeration):
        types = [STR, *types[1:]]
    _needs(types, 1, "a text", STR)
    return STR


BUILTINS: Final[dict[str, Builtin]] = {
    builtin.name: builtin
    for builtin in (
        Builtin("len", ("value",), 1, _len),
        Builtin("sum", ("values", "start"), 1, _sum),
        Builtin("min", ("values",), 1, _extreme, many=True),
        Builtin("max", ("values",), 1, _extreme, many=True),
        Builtin("any", ("values",), 1, _truths),
        Builtin("all", ("values",), 1, _truths),
        Builtin("sorted", ("values", "reverse"), 1, _sorted),
        Builtin("abs", ("value",), 1, _abs),
        Builtin("round", ("value", "digits"), 1, _round),
        Builtin("str", ("value",), 1, _fixed(STR), takes_none=True),
        Builtin("int", ("value",), 1, _number(INT)),
        Builtin("float", ("value",), 1, _number(FLOAT)),
        Builtin("decimal", ("value",), 1, _number(DECIMAL)),
        Builtin("now", (), 0, _fixed(DATETIME), place="moment"),
        Builtin("today", (), 0, _fixed(DATE), place="moment"),
        Builtin("random", (), 0, _fixed(FLOAT), place="moment"),
        Builtin("date", ("year", "month", "day"), 1, _date),
        Builtin(
            "duration",
            ("value",),
            1,
            _fixed(DURATION, ("a number of seconds or a text", (FLOAT, DECIMAL, STR, DURATION))),
        ),
        Builtin("env", ("name", "default"), 1, _fixed(STR, _TEXT, _TEXT), place="outside"),
        Builtin("secret", ("name",), 1, _fixed(STR, _TEXT), place="outside"),
        Builtin("keys", ("value",), 1, _entries(values=False)),
        Builtin("values", ("value",), 1, _entries(values=True)),
        Builtin("range", ("start", "stop", "step"), 1, _range),
        Builtin("format", ("value", "spec"), 2, _format),
        Builtin("json", ("value",), 1, _fixed(JSON), takes_none=True),
        Builtin("lower", ("value",), 1, _fixed(STR, _TEXT)),
        Builtin("upper", ("value",), 1, _fixed(STR, _TEXT)),
        Builtin("split", ("value", "separator"), 1, _fixed(ListOf(STR), _TEXT, _TEXT)),
        Builtin("join", ("values", "separator"), 1, _join),
        Builtin("matches", ("value", "pattern"), 2, _fixed(BOOL, _TEXT, _TEXT)),
        Builtin("coalesce", ("value",), 2, _coalesce, many=True, takes_none=True),
    )
}
