"""What compiled expressions call: the built-in functions, and operators that need a bound.

Every evaluation that loops or builds something counts its work in a :class:`Work`: elements
visited, and characters and elements built. Each count has a limit, so that an expression
ends soon and in little memory whatever the data is. Nothing here knows the clock, the
environment's randomness or a mutable setting of the process: time and randomness come from
the :class:`knhk.model.Moment`, decimals are computed in a context of our own, floats are
added from left to right (``sum`` of Python does that differently from version to version).
So a replay computes the same again.

Regular expressions run on the engine inside ``pydantic_core`` (Rust's ``regex``), whose time
is linear in the text for every pattern. A time-out, the other way to stop a pattern that
explodes, would make a replay depend on the speed of the machine.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import (
    Clamped,
    Context,
    Decimal,
    DecimalException,
    DivisionByZero,
    InvalidOperation,
    Overflow,
)
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NoReturn

from knhk.errors import ExpressionError, MisfitError
from knhk.model import Moment
from knhk_dsl.values.durations import parse_duration, spell_duration
from knhk_dsl.values.plain import dump_json, kind_of, plain

#: Elements that one evaluation may visit.
EXPRESSION_STEPS_MAX: Final = 100_000
#: Characters and elements that one evaluation may build.
EXPRESSION_SIZE_MAX: Final = 10_000_000
#: Bits of a whole number: more could not be written down (Python stops at 4,300 digits).
INTEGER_BITS_MAX: Final = 4_096
#: Decimals are computed to this many digits, and with this exponent at most.
DECIMAL_DIGITS: Final = 28
DECIMAL_EXPONENT_MAX: Final = 6_144
#: Characters of a pattern, and the width that `format` may ask for.
PATTERN_LENGTH_MAX: Final = 1_000
FORMAT_WIDTH_MAX: Final = 1_000
_PATTERNS_KEPT: Final = 256
#: What `format` takes for dates: what depends on neither the machine's zone nor its language.
_DATE_DIRECTIVES: Final = frozenset("YmdjHIMSfzuwyUVWG%")
#: Above this the length of a range could not be told.
_RANGE_BOUND_MAX: Final = 2**61
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

CONTEXT: Final = Context(
    prec=DECIMAL_DIGITS,
    Emin=-DECIMAL_EXPONENT_MAX,
    Emax=DECIMAL_EXPONENT_MAX,
    traps=[InvalidOperation, DivisionByZero, Overflow],
)
CONTEXT.clear_flags()
assert not CONTEXT.traps[Clamped]


class Fault(Exception):
    """Why an expression cannot be evaluated, in words for its author."""


class NotSet(Fault):
    """A variable of the environment, or a secret, that is not there."""


def explain(problem: Exception) -> str:
    """Why an evaluation failed, in words: types by their names in the language."""
    if isinstance(problem, Fault):
        return str(problem)
    if isinstance(problem, ExpressionError):
        return problem.why
    if isinstance(problem, MisfitError):
        return str(problem)
    if isinstance(problem, (ZeroDivisionError, DivisionByZero)):
        return "it divides by zero"
    if isinstance(problem, DecimalException):
        return "a decimal calculation has no result that could be written down"
    if isinstance(problem, OverflowError):
        return "a number or a moment is too large"
    if isinstance(problem, KeyError):
        return f"there is no key {problem.args[0]!r}"
    if isinstance(problem, IndexError):
        return "there is no element at this index"
    if isinstance(problem, (MemoryError, RecursionError)):
        return "it takes too much memory"
    return _PYTHON_NAMES.sub(lambda match: _NAMES[match[0]], str(problem)) or type(problem).__name__


_NAMES: Final = {
    "NoneType": "none",
    "datetime.datetime": "datetime",
    "datetime.timedelta": "duration",
    "datetime.date": "date",
    "decimal.Decimal": "decimal",
    " instances of": "",
}
_PYTHON_NAMES: Final = re.compile("|".join(map(re.escape, _NAMES)))


def fail(why: str) -> NoReturn:
    """Ends the evaluation."""
    raise Fault(why)


# --- values -----------------------------------------------------------------------------


def member(value: object, name: str) -> object:
    """``value.name`` of a json value: the entry of an object, or none if it has no such one."""
    if isinstance(value, dict):
        return value.get(name)
    if name in getattr(type(value), "knhk_fields", ()):
        return getattr(value, name)
    fail(f"{kind_of(value)} has no field `{name}`")


def element(value: object, index: object) -> object:
    """``value[index]`` of a json value."""
    if isinstance(value, dict):
        return value[index]
    if isinstance(value, (list, str)):
        if type(index) is not int:
            fail(f"{kind_of(value)} is indexed by a whole number, not by {kind_of(index)}")
        return value[index]
    fail(f"{kind_of(value)} has no elements")


def truth(value: object) -> bool:
    """A json value as a condition: only true and false are."""
    if value is True or value is False:
        return value
    fail(f"a condition must be true or false, and this is {kind_of(value)}")


def text(value: object) -> str:
    """A value as text, as in ``"order {id}"``."""
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, str):
        return value
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, timedelta):
        return spell_duration(value)
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, (int, float, Decimal)):
        return str(value)
    return dump_json(plain(value))


def whole(value: int) -> int:
    """A whole number of a bounded size."""
    if value.bit_length() > INTEGER_BITS_MAX:
        fail("a whole number is too large")
    return value


def finite(value: float) -> float:
    """A float that is a number."""
    if not math.isfinite(value):
        fail("the result is not a finite number")
    return value


def secret_value(name: str) -> str:
    """The secret ``name``: the variable of that name, or the file that ``name_FILE`` names."""
    value = os.environ.get(name)
    if value is not None:
        return value
    file = os.environ.get(f"{name}_FILE")
    if file is None:
        raise NotSet(f"the secret {name} is not set: set the variable {name} or {name}_FILE")
    try:
        return Path(file).read_text(encoding="utf-8").rstrip("\n")
    except (OSError, UnicodeDecodeError):
        raise NotSet(f"the file that {name}_FILE names cannot be read") from None


@lru_cache(maxsize=_PATTERNS_KEPT)
def compile_pattern(pattern: str) -> Callable[[object], bool]:
    """A test whether a whole text matches; raises :class:`Fault` for what is no pattern."""
    from pydantic_core import SchemaError, SchemaValidator, core_schema

    if len(pattern) > PATTERN_LENGTH_MAX:
        fail(f"a pattern has at most {PATTERN_LENGTH_MAX} characters")
    try:
        SchemaValidator(core_schema.str_schema(pattern=pattern))
        whole_pattern = rf"\A(?:{pattern})\z"
        validator = SchemaValidator(core_schema.str_schema(pattern=whole_pattern))
    except SchemaError:
        fail(f"{pattern!r} is not a pattern (look-around and back-references are not known)")
    return validator.isinstance_python


# --- bounded work -----------------------------------------------------------------------

_Number = (int, float, Decimal)


class Work:
    """One evaluation that loops or builds something: its counts, and all built-ins."""

    __slots__ = ("moment", "size", "steps")

    def __init__(self, moment: Moment) -> None:
        self.moment = moment
        self.steps = 0
        self.size = 0

    # counting

    def walk(self, count: int) -> None:
        """Counts ``count`` elements visited."""
        self.steps += count
        if self.steps > EXPRESSION_STEPS_MAX:
            fail(f"it takes more than {EXPRESSION_STEPS_MAX:,} steps")

    def build(self, count: int) -> None:
        """Counts ``count`` characters or elements built."""
        self.size += count
        if self.size > EXPRESSION_SIZE_MAX:
            fail(f"it builds more than {EXPRESSION_SIZE_MAX:,} characters or elements")

    def each(self, values: object) -> Iterator[object]:
        """The elements of a list, or the keys of a dictionary, each counted."""
        if not isinstance(values, (list, dict)):
            fail(f"{kind_of(values)} is no list")
        for value in values:
            self.walk(1)
            yield value

    def elements(self, values: object) -> Iterable[object]:
        """The elements for a built-in; those of a comprehension are counted already."""
        if isinstance(values, (list, dict)):
            self.walk(len(values))
            return values
        if isinstance(values, Iterator):
            return values
        fail(f"{kind_of(values)} is no list")

    def sized(self, value: str) -> str:
        """A text that was built."""
        self.build(len(value))
        return value

    def joined(self, *parts: str) -> str:
        """The text of a template."""
        self.build(sum(map(len, parts)))
        return "".join(parts)

    def listed(self, values: list[object]) -> list[object]:
        """A list that was built."""
        self.build(len(values))
        return values

    # operators

    def contains(self, values: object, value: object) -> bool:
        """``value in values``."""
        if isinstance(values, str):
            if not isinstance(value, str):
                fail(f"a text holds text, not {kind_of(value)}")
            self.build(len(values))
            return value in values
        if isinstance(values, dict):
            return value in values
        if isinstance(values, list):
            self.walk(len(values))
            return value in values
        fail(f"{kind_of(values)} has no elements")

    def add(self, left: object, right: object) -> object:
        """``+`` of values whose types only the run time knows, or that need a bound."""
        if isinstance(left, str) and isinstance(right, str):
            self.build(len(left) + len(right))
            return left + right
        if isinstance(left, list) and isinstance(right, list):
            self.build(len(left) + len(right))
            return left + right
        return self._operate("+", left, right)

    def subtract(self, left: object, right: object) -> object:
        """``-``."""
        return self._operate("-", left, right)

    def multiply(self, left: object, right: object) -> object:
        """``*``."""
        if isinstance(right, (str, list)) and type(left) is int:
            left, right = right, left
        if isinstance(left, (str, list)) and type(right) is int:
            self.build(len(left) * max(right, 0))
            return left * right
        return self._operate("*", left, right)

    def divide(self, left: object, right: object) -> object:
        """``/``."""
        return self._operate("/", left, right)

    def floor_divide(self, left: object, right: object) -> object:
        """``//``."""
        return self._operate("//", left, right)

    def modulo(self, left: object, right: object) -> object:
        """``%``."""
        return self._operate("%", left, right)

    def power(self, left: object, right: object) -> object:
        """``**``; a whole number to a negative power is refused, as it would not be whole."""
        if type(left) is int and type(right) is int:
            if right < 0:
                fail("a whole number to a negative power: write float(x) ** y")
            if left.bit_length() * right > INTEGER_BITS_MAX and abs(left) > 1:
                fail("a whole number is too large")
        value = self._operate("**", left, right)
        if isinstance(value, complex):
            fail("a negative number to a broken power has no result")
        return value

    def _operate(self, operator: str, left: object, right: object) -> object:
        numbers = isinstance(left, _Number) and isinstance(right, _Number)
        if isinstance(left, bool) or isinstance(right, bool) or (operator == "**" and not numbers):
            fail(f"`{operator}` does not take {kind_of(left)} and {kind_of(right)}")
        if isinstance(left, Decimal) or isinstance(right, Decimal):
            if numbers:
                return DECIMAL_OPERATIONS[operator](exact(left), exact(right))
            fail(f"`{operator}` does not take {kind_of(left)} and {kind_of(right)}")
        if isinstance(left, (str, list, dict)) or isinstance(right, (str, list, dict)):
            fail(f"`{operator}` does not take {kind_of(left)} and {kind_of(right)}")
        value = _PLAIN_OPERATIONS[operator](left, right)
        if type(value) is int:
            return whole(value)
        return finite(value) if type(value) is float else value

    # built-ins: `name_` is the function `name` of the language

    def len_(self, value: object) -> int:
        if isinstance(value, (str, list, dict, bytes)):
            return len(value)
        fail(f"{kind_of(value)} has no length")

    def sum_(self, values: object, start: object = 0) -> object:
        total = start
        for value in self.elements(values):
            total = self.add(total, value)
        return total

    def min_(self, *values: object) -> object:
        return min(self._chosen("min", values))  # type: ignore[type-var]

    def max_(self, *values: object) -> object:
        return max(self._chosen("max", values))  # type: ignore[type-var]

    def _chosen(self, name: str, values: tuple[object, ...]) -> list[object]:
        chosen = list(self.elements(values[0])) if len(values) == 1 else list(values)
        if not chosen:
            fail(f"`{name}` of an empty list: test it with len(...) first")
        return chosen

    def any_(self, values: object) -> bool:
        return any(truth(value) for value in self.elements(values))

    def all_(self, values: object) -> bool:
        return all(truth(value) for value in self.elements(values))

    def sorted_(self, values: object, *reverse: object) -> list[object]:
        backwards = bool(reverse) and truth(reverse[0])
        found: list[Any] = list(self.elements(values))
        found.sort(reverse=backwards)
        return self.listed(found)

    def abs_(self, value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, (*_Number, timedelta)):
            fail(f"`abs` does not take {kind_of(value)}")
        return CONTEXT.abs(value) if isinstance(value, Decimal) else abs(value)

    def round_(self, value: object, digits: object = None) -> object:
        if isinstance(value, bool) or not isinstance(value, _Number):
            fail(f"`round` does not take {kind_of(value)}")
        if digits is None:
            return whole(int(CONTEXT.to_integral_value(exact(value))))
        if type(digits) is not int or abs(digits) > DECIMAL_DIGITS:
            fail(f"`round` takes from -{DECIMAL_DIGITS} to {DECIMAL_DIGITS} digits")
        if isinstance(value, Decimal):
            return CONTEXT.quantize(value, Decimal((0, (1,), -digits)))
        return round(value, digits)

    def str_(self, value: object) -> str:
        return self.sized(text(value))

    def int_(self, value: object) -> int:
        if isinstance(value, bool):
            return int(value)
        if isinstance(value, str):
            if not _INTEGER.fullmatch(value) or len(value) > INTEGER_BITS_MAX // 4:
                fail(f"{_short(value)} is no whole number")
            return whole(int(value))
        if isinstance(value, (int, float)):
            return whole(int(finite(value)) if isinstance(value, float) else value)
        if isinstance(value, Decimal) and value.is_finite():
            if value.adjusted() > INTEGER_BITS_MAX // 4:
                fail("a whole number is too large")
            return whole(int(value))
        fail(f"`int` does not take {kind_of(value)}")

    def float_(self, value: object) -> float:
        if isinstance(value, (int, float, Decimal)):
            return finite(float(value))
        if isinstance(value, str):
            try:
                return finite(float(value))
            except ValueError:
                fail(f"{_short(value)} is no number")
        fail(f"`float` does not take {kind_of(value)}")

    def decimal_(self, value: object) -> Decimal:
        return exact(value)

    def now_(self) -> datetime:
        return EPOCH + timedelta(microseconds=int(self.moment.at_us))

    def today_(self) -> date:
        return self.now_().date()

    def random_(self) -> float:
        return self.moment.random()

    def date_(self, *parts: object) -> date:
        try:
            if len(parts) == 3:
                year, month, day = (self.int_(part) for part in parts)
                return date(year, month, day)
            if isinstance(parts[0], str):
                return date.fromisoformat(parts[0][:10])
        except ValueError:
            fail("there is no such day: a date is written 2026-11-30")
        if isinstance(parts[0], datetime):
            return parts[0].date()
        if isinstance(parts[0], date):
            return parts[0]
        fail(f"`date` does not take {kind_of(parts[0])}")

    def duration_(self, value: object) -> timedelta:
        if isinstance(value, timedelta):
            return value
        if isinstance(value, _Number) and not isinstance(value, bool):
            return timedelta(microseconds=round(exact(value) * 1_000_000))
        found = parse_duration(value) if isinstance(value, str) else None
        if found is None:
            fail("a duration is a number of seconds, or written 1h30m or PT1H30M")
        return found

    def env_(self, name: object, default: object = None) -> str:
        value = os.environ.get(text(name))
        if value is not None:
            return value
        if default is None:
            raise NotSet(f"the environment variable {text(name)} is not set")
        return text(default)

    def secret_(self, name: object) -> str:
        return secret_value(text(name))

    def keys_(self, value: object) -> list[object]:
        return self.listed(list(_dictionary(value)))

    def values_(self, value: object) -> list[object]:
        return self.listed(list(_dictionary(value).values()))

    def range_(self, *bounds: object) -> list[object]:
        whole_bounds = [bound for bound in bounds if type(bound) is int]
        if len(whole_bounds) != len(bounds) or whole_bounds[2:] == [0]:
            fail("`range` takes whole numbers, and a step that is not 0")
        if any(abs(bound) > _RANGE_BOUND_MAX for bound in whole_bounds):
            fail("`range` takes smaller numbers")
        numbers = range(*whole_bounds)
        self.walk(len(numbers))
        return list(numbers)

    def format_(self, value: object, spec: object) -> str:
        if not isinstance(spec, str):
            fail(f"the format is a text, not {kind_of(spec)}")
        if isinstance(value, date):
            odd = sorted(set(re.findall(r"%(.?)", spec)) - _DATE_DIRECTIVES)
            if odd:
                fail(f"%{odd[0]} is not one of %{' %'.join(sorted(_DATE_DIRECTIVES))}")
        if any(int(digits[:9]) > FORMAT_WIDTH_MAX for digits in re.findall(r"\d+", spec)) and (
            not isinstance(value, (date, datetime))
        ):
            fail(f"a format is at most {FORMAT_WIDTH_MAX} wide")
        if isinstance(value, bool) or not isinstance(value, (int, float, Decimal, str, date)):
            value = text(value)
        if isinstance(value, Enum):
            value = text(value)
        try:
            return self.sized(format(value, spec[:PATTERN_LENGTH_MAX]))
        except ValueError:
            fail(f"{_short(spec)} does not format {kind_of(value)}")

    def json_(self, value: object) -> object:
        result = plain(value)
        self.build(len(result) if isinstance(result, (str, list, dict)) else 1)
        return result

    def lower_(self, value: object) -> str:
        return self.sized(_text_only("lower", value).lower())

    def upper_(self, value: object) -> str:
        return self.sized(_text_only("upper", value).upper())

    def split_(self, value: object, separator: object = None) -> list[object]:
        whole_text = _text_only("split", value)
        if separator == "":
            fail("`split` needs a separator that is not empty")
        by = None if separator is None else _text_only("split", separator)
        self.build(len(whole_text))
        return self.listed(list(whole_text.split(by)))

    def join_(self, values: object, separator: object = "") -> str:
        parts = [_text_only("join", value) for value in self.elements(values)]
        between = _text_only("join", separator)
        self.build(sum(map(len, parts)) + len(between) * len(parts))
        return between.join(parts)

    def matches_(self, value: object, pattern: object) -> bool:
        checked = _text_only("matches", value)
        self.build(len(checked))
        return compile_pattern(_text_only("matches", pattern))(checked)

    def coalesce_(self, *values: object) -> object:
        return next((value for value in values if value is not None), None)


_INTEGER: Final = re.compile(r"\s*[+-]?[0-9]+\s*")


def _short(value: str) -> str:
    return repr(value if len(value) <= 40 else value[:37] + "...")


def _text_only(function: str, value: object) -> str:
    if isinstance(value, str):
        return str(value.value) if isinstance(value, Enum) else value
    fail(f"`{function}` takes text, not {kind_of(value)}")


def _dictionary(value: object) -> dict[object, object]:
    if isinstance(value, dict):
        return value
    fail(f"{kind_of(value)} is no dictionary")


def exact(value: object) -> Decimal:
    """A value as a decimal: a float by its shortest text, so that 0.1 is 0.1."""
    if isinstance(value, Decimal) and value.is_finite():
        return value
    if isinstance(value, int):
        return Decimal(value)
    if isinstance(value, float):
        return Decimal(repr(finite(value)))
    if isinstance(value, str) and len(value) <= PATTERN_LENGTH_MAX:
        try:
            number = Decimal(value.strip())
        except InvalidOperation:
            fail(f"{_short(value)} is no number")
        if number.is_finite() and abs(number.adjusted()) <= DECIMAL_EXPONENT_MAX:
            return number
    fail(f"{kind_of(value)} is no decimal")


DECIMAL_OPERATIONS: Final[dict[str, Callable[[Decimal | int, Decimal | int], Decimal]]] = {
    "+": CONTEXT.add,
    "-": CONTEXT.subtract,
    "*": CONTEXT.multiply,
    "/": CONTEXT.divide,
    "//": CONTEXT.divide_int,
    "%": CONTEXT.remainder,
    "**": CONTEXT.power,
}


def _plain_operations() -> dict[str, Callable[[object, object], object]]:
    import operator

    return {
        "+": operator.add,
        "-": operator.sub,
        "*": operator.mul,
        "/": operator.truediv,
        "//": operator.floordiv,
        "%": operator.mod,
        "**": operator.pow,
    }


_PLAIN_OPERATIONS: Final = _plain_operations()
