"""From a typed expression to the text of a Python expression that computes it.

The text is as plain as the types allow: ``total > 1000`` becomes ``data['total'] > 1000``.
What loops, grows or is only known at run time goes through
:mod:`knhk_dsl.expressions.functions`, by way of ``w``, the
:class:`~knhk_dsl.expressions.evaluation.Evaluation`. A name of the source never becomes a name
of the text: data is looked up by key, loop variables are numbered, literals enter by their
``repr`` or as constants. The one exception are fields that a record declares.

Python's parser takes only so many brackets inside one another. Every ``LEVELS_MAX`` levels of
an expression therefore become a function of their own, called in their place.
"""

from __future__ import annotations

import keyword
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, Final

from knhk.errors import MisfitError
from knhk_dsl.expressions import functions
from knhk_dsl.expressions.builtin_types import BUILTINS
from knhk_dsl.expressions.evaluation import Evaluation
from knhk_dsl.syntax import ast
from knhk_dsl.values.durations import whole_us
from knhk_dsl.values.records import Codecs
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
    STR,
    DictOf,
    Enumeration,
    EnumerationName,
    ListOf,
    Maybe,
    Record,
    Type,
    holds_json,
    is_open,
    without_none,
)

#: Levels of an expression that become one Python expression: five brackets each at most.
LEVELS_MAX: Final = 20

_DECIMAL_CALLS: Final = {
    "+": "dec_add",
    "-": "dec_subtract",
    "*": "dec_multiply",
    "/": "dec_divide",
    "//": "dec_floor_divide",
    "%": "dec_modulo",
    "**": "dec_power",
}
_WORK_CALLS: Final = {
    "+": "add",
    "-": "subtract",
    "*": "multiply",
    "/": "divide",
    "//": "floor_divide",
    "%": "modulo",
    "**": "power",
}
#: Built-ins that take the elements of a comprehension one by one.
_LAZY: Final = frozenset({"sum", "min", "max", "any", "all", "sorted", "join"})
_SUM_STARTS: Final[dict[Type, str]] = {FLOAT: "0.0", DECIMAL: "zero_decimal", DURATION: "no_time"}
_PLAIN_NUMBERS: Final = frozenset({INT, FLOAT})
_TIMES: Final = frozenset({DATE, DATETIME, DURATION})
#: Types whose values are of one small size.
_SMALL: Final = frozenset({INT, FLOAT, BOOL, DECIMAL, DATE, DATETIME, DURATION, NONE})
#: Types that a json value is turned into before it is compared with one of them.
_READ_FROM_JSON: Final = frozenset({DATE, DATETIME, DURATION, DECIMAL, BYTES})
#: Expressions that give what is there already, and build nothing.
_FOUND: Final = (ast.Literal, ast.Name, ast.Attribute, ast.Index)


@dataclass(frozen=True, slots=True)
class Code:
    """A Python expression of ``data``, and of ``w`` if it ``works``.

    ``secret`` tells that its values must not be shown.
    """

    text: str
    works: bool
    secret: bool


class CodeWriter:
    """Writes expressions as Python; ``types`` are those the typer found.

    ``present`` holds the names that the data always has; any other may be missing, and is none
    then. ``constants`` are the global names that the texts use, ``helpers`` the
    sources of the functions that they call.
    """

    def __init__(self, types: Mapping[int, Type], codecs: Codecs, present: Container[str]) -> None:
        self.constants: dict[str, object] = {}
        self.helpers: list[str] = []
        self._types = types
        self._codecs = codecs
        self._names: dict[object, str] = {}
        self._present = present
        self._locals: list[str] = []
        self._levels = 0
        self._works = False
        self._secret = False

    def value(self, expr: ast.Expr, target: Type | None) -> Code:
        """The code of an expression whose value is made to fit ``target``."""
        self._begin()
        text = self._counted(expr)
        return self._finished(text if target is None else self._converted(text, expr, target))

    def accepted(self, expr: ast.Expr, target: Type) -> Code:
        """The code of an expression whose value ``target`` accepts, with all its parts."""
        self._begin()
        return self._finished(f"{self._accept(target)}({self._counted(expr)})")

    def condition(self, expr: ast.Expr) -> Code:
        """The code of an expression that is true or false."""
        self._begin()
        return self._finished(self._truth(expr))

    def microseconds(self, expr: ast.Expr, type_: Type) -> Code:
        """The code of a duration or a datetime in whole microseconds (since the epoch)."""
        self._begin()
        unit = "whole_us" if type_ is DURATION else "epoch_us"
        code = self._code(expr)
        # A date is a moment already: its midnight.
        value = code if self._types[id(expr)] is DATE else f"{self._accept(type_)}({code})"
        return self._finished(f"{unit}({value})")

    def _begin(self) -> None:
        self._levels = 0
        self._works = self._secret = False

    def _finished(self, text: str) -> Code:
        return Code(text, self._works, self._secret)

    # --- values -------------------------------------------------------------------------

    def _code(self, expr: ast.Expr) -> str:
        beside, self._levels = self._levels, 0
        code = self._METHODS[type(expr)](self, expr)
        levels = self._levels + 1
        if levels >= LEVELS_MAX:
            code, levels = self._helper(code), 1
        self._levels = max(beside, levels)
        return code

    def _helper(self, code: str) -> str:
        """A call of a new function that computes ``code``."""
        names = ["data", *(["w"] if self._works else [])]
        names += [f"v{number}" for number in range(len(self._locals))]
        call = f"s{len(self.helpers)}({', '.join(names)})"
        self.helpers.append(f"def {call}:\n return {code}")
        return call

    def _type(self, expr: ast.Expr) -> Type:
        return without_none(self._types[id(expr)])

    def _constant(self, value: object, key: object) -> str:
        name = self._names.get(key)
        if name is None:
            name = self._names[key] = f"k{len(self._names)}"
            self.constants[name] = value
        return name

    def _accept(self, type_: Type) -> str:
        """The name of a type's ``accept``; its codec is made at the first use."""
        codecs = self._codecs

        def accept(value: object) -> object:
            return codecs.codec(type_).accept(value)

        return self._constant(accept, ("accept", type_))

    def _converted(self, code: str, expr: ast.Expr, target: Type) -> str:
        source = self._types[id(expr)]
        if is_open(target) and target is not JSON:
            return code
        if source == target and (isinstance(expr, ast.Name) or not holds_json(target)):
            return code
        if isinstance(without_none(source), Record) and isinstance(without_none(target), Record):
            return code
        if isinstance(target, Maybe) and source == target.inner and not holds_json(target):
            return code
        return f"{self._accept(target)}({code})"

    def _work(self, call: str) -> str:
        self._works = True
        return f"w.{call}"

    def _truth(self, expr: ast.Expr) -> str:
        code = self._code(expr)
        return code if self._types[id(expr)] is BOOL else f"truth({code})"

    def _small(self, expr: ast.Expr) -> bool:
        type_ = self._type(expr)
        return type_ in _SMALL or isinstance(type_, Enumeration)

    def _counted(self, expr: ast.Expr) -> str:
        """A value that goes elsewhere whole, its parts counted if it was built here."""
        code = self._code(expr)
        if isinstance(expr, _FOUND) or self._small(expr) or self._type(expr) is STR:
            return code
        return self._work(f"packed({code})")

    # --- literals and displays ----------------------------------------------------------

    def _literal(self, expr: ast.Literal) -> str:
        if self._types[id(expr)] is DECIMAL:
            value = _decimal(expr)
            return self._constant(value, ("decimal", str(value)))
        return repr(expr.value)

    def _duration(self, expr: ast.DurationLiteral) -> str:
        return self._constant(timedelta(microseconds=expr.us), ("duration", expr.us))

    def _template(self, expr: ast.Template) -> str:
        parts = [repr(p) if isinstance(p, str) else self._text(p) for p in expr.parts]
        return self._work(f"joined({', '.join(parts)})")

    def _text(self, expr: ast.Expr) -> str:
        code = self._code(expr)
        if self._types[id(expr)] is STR:
            return code
        return f"text({code})" if self._small(expr) else self._work(f"str_({code})")

    def _list(self, expr: ast.ListDisplay) -> str:
        return f"[{', '.join(self._code(element) for element in expr.elements)}]"

    def _dict(self, expr: ast.DictDisplay) -> str:
        type_ = self._type(expr)
        given = zip(expr.keys, expr.values, strict=True)
        if isinstance(type_, Record):
            return self._record(type_, given)
        return "{" + ", ".join(f"{key!r}: {self._code(value)}" for key, value in given) + "}"

    def _record(self, record: Record, given: Iterable[tuple[str, ast.Expr]]) -> str:
        fields = ", ".join(f"{name!r}: {self._counted(value)}" for name, value in given)
        return f"{self._accept(record)}({{{fields}}})"

    def _comprehension(self, expr: ast.Comprehension) -> str:
        return f"[{self._loop(expr)}]"

    def _loop(self, expr: ast.Comprehension) -> str:
        values = self._work(f"each({self._code(expr.iterable)})")
        variable = f"v{len(self._locals)}"
        self._locals.append(expr.variable)
        condition = "" if expr.condition is None else f" if {self._truth(expr.condition)}"
        element = self._code(expr.element)
        self._locals.pop()
        return f"{element} for {variable} in {values}{condition}"

    # --- names and parts ----------------------------------------------------------------

    def _name(self, expr: ast.Name) -> str:
        for number in reversed(range(len(self._locals))):
            if self._locals[number] == expr.name:
                return f"v{number}"
        if expr.name in self._present:
            return f"data[{expr.name!r}]"
        return f"data.get({expr.name!r})"

    def _attribute(self, expr: ast.Attribute) -> str:
        owner = self._type(expr.value)
        if isinstance(owner, EnumerationName):
            enumeration = owner.enumeration
            member = self._codecs.enum(enumeration)[expr.name]
            return self._constant(member, ("member", enumeration, expr.name))
        value = self._code(expr.value)
        if not isinstance(owner, Record):
            return f"member({value}, {expr.name!r})"
        if owner.mapping:
            required = owner.fields[expr.name].required
            return f"{value}[{expr.name!r}]" if required else f"{value}.get({expr.name!r})"
        if keyword.iskeyword(expr.name) or not expr.name.isascii():
            return f"field({value}, {expr.name!r})"
        return f"{value}.{expr.name}"

    def _index(self, expr: ast.Index) -> str:
        value, index = self._code(expr.value), self._code(expr.index)
        owner = self._type(expr.value)
        known = isinstance(owner, (ListOf, DictOf)) or owner is STR
        if known and not is_open(self._type(expr.index)):
            return f"{value}[{index}]"
        return f"element({value}, {index})"

    # --- operators ----------------------------------------------------------------------

    def _unary(self, expr: ast.Unary) -> str:
        if expr.operator == "not":
            return f"(not {self._truth(expr.operand)})"
        value, type_ = self._code(expr.operand), self._type(expr.operand)
        if is_open(type_):
            return self._work(f"{'add' if expr.operator == '+' else 'subtract'}(0, {value})")
        if expr.operator == "+":
            return value
        return f"dec_minus({value})" if type_ is DECIMAL else f"(-{value})"

    def _binary(self, expr: ast.Binary) -> str:
        operator = expr.operator
        if operator in ("and", "or"):
            return f"({self._chain(expr)})"
        left, right = self._code(expr.left), self._code(expr.right)
        types = left_type, right_type = self._type(expr.left), self._type(expr.right)
        if DECIMAL in types:
            left = f"exact({left})" if is_open(left_type) else left
            right = f"exact({right})" if is_open(right_type) else right
            return f"{_DECIMAL_CALLS[operator]}({left}, {right})"
        if operator != "**" and left_type in _PLAIN_NUMBERS and right_type in _PLAIN_NUMBERS:
            return self._numeric(expr, left, right)
        timed = left_type in _TIMES or right_type in _TIMES
        if timed and not is_open(left_type) and not is_open(right_type):
            return f"({left} {operator} {right})"
        return self._work(f"{_WORK_CALLS[operator]}({left}, {right})")

    def _numeric(self, expr: ast.Binary, left: str, right: str) -> str:
        """Plain arithmetic, its result tested where it could outgrow what can be written."""
        if self._type(expr) is INT:
            code = f"({left} {expr.operator} {right})"
            return f"whole{code}" if expr.operator == "*" else code
        # What is not finite stays so to the end of the calculation, and is tested there once.
        bare = [c.removeprefix("finite") if c.startswith("finite(") else c for c in (left, right)]
        return f"finite({bare[0]} {expr.operator} {bare[1]})"

    def _chain(self, expr: ast.Binary) -> str:
        """``a and b and c`` without brackets around each."""
        left = expr.left
        if isinstance(left, ast.Binary) and left.operator == expr.operator:
            first = self._chain(left)
        else:
            first = self._truth(left)
        return f"{first} {expr.operator} {self._truth(expr.right)}"

    def _comparison(self, expr: ast.Comparison) -> str:
        if len(expr.operators) == 1 and expr.operators[0] in ("in", "not in"):
            return self._membership(expr)
        operands = [expr.left, *expr.operands]
        parts = [self._operand(operands[0], operands[1], expr.operators[0])]
        for position, operator in enumerate(expr.operators):
            other = operands[position]
            parts.append(f"{operator} {self._operand(operands[position + 1], other, operator)}")
        return f"({' '.join(parts)})"

    def _operand(self, expr: ast.Expr, other: ast.Expr, operator: str) -> str:
        """An operand; a json one is read as what it is compared with: ``"12.50"`` as 12.5."""
        code, wanted = self._code(expr), self._type(other)
        if is_open(self._type(expr)) and wanted in _READ_FROM_JSON:
            accept = self._accept(wanted)
            return f"like({accept}, {code})" if operator in ("==", "!=") else f"{accept}({code})"
        cheap = isinstance(other, ast.Literal) or self._small(expr) or self._small(other)
        if cheap and operator not in ("in", "not in"):
            return code
        if not self._locals and isinstance(expr, _FOUND):
            return code
        return self._work(f"packed({code})")

    def _membership(self, expr: ast.Comparison) -> str:
        values = expr.operands[0]
        item, code = self._code(expr.left), self._code(values)
        known = isinstance(self._type(values), (ListOf, DictOf))
        if known and not self._locals and isinstance(values, _FOUND) and self._small(expr.left):
            return f"({item} {expr.operators[0]} {code})"
        call = self._work(f"contains({code}, {item})")
        return f"(not {call})" if expr.operators[0] == "not in" else call

    def _conditional(self, expr: ast.Conditional) -> str:
        value, other = self._code(expr.value), self._code(expr.other)
        return f"({value} if {self._truth(expr.test)} else {other})"

    # --- calls --------------------------------------------------------------------------

    def _call(self, expr: ast.Call) -> str:
        assert isinstance(expr.callee, ast.Name)
        name, type_ = expr.callee.name, self._type(expr)
        if isinstance(type_, Record) and name == type_.name:
            return self._record(type_, ((a.name, a.value) for a in expr.arguments))
        values = _placed(expr, BUILTINS[name].arguments)
        self._secret = self._secret or name in ("secret", "env")
        codes = [self._argument(name, value) for value in values]
        if name == "sum" and len(codes) == 1:
            codes.append(_SUM_STARTS.get(type_, "0"))
        if name == "len" and not is_open(self._type(values[0])):
            return f"length({codes[0]})"
        return self._work(f"{name}_({', '.join(codes)})")

    def _argument(self, function: str, expr: ast.Expr) -> str:
        if function in _LAZY and isinstance(expr, ast.Comprehension):
            return f"({self._loop(expr)})"
        return self._code(expr)

    _METHODS: ClassVar[Mapping[type, Callable[[CodeWriter, Any], str]]] = {
        ast.Literal: _literal,
        ast.DurationLiteral: _duration,
        ast.Template: _template,
        ast.Name: _name,
        ast.Attribute: _attribute,
        ast.Index: _index,
        ast.Call: _call,
        ast.Unary: _unary,
        ast.Binary: _binary,
        ast.Comparison: _comparison,
        ast.Conditional: _conditional,
        ast.ListDisplay: _list,
        ast.DictDisplay: _dict,
        ast.Comprehension: _comprehension,
    }


def _placed(call: ast.Call, names: tuple[str, ...]) -> list[ast.Expr]:
    """The arguments of a built-in in its own order."""
    placed = [argument.value for argument in call.arguments if not argument.name]
    by_name = {argument.name: argument.value for argument in call.arguments if argument.name}
    return placed + [by_name[name] for name in names[len(placed) :] if name in by_name]


def _decimal(expr: ast.Literal) -> Decimal:
    text = expr.text.replace("_", "")
    if text.endswith("%"):
        return functions.CONTEXT.divide(Decimal(text[:-1]), 100)
    return Decimal(text)


def _like(accept: Callable[[object], object], value: object) -> object:
    try:
        return accept(value)
    except MisfitError:
        return value


def _epoch_us(moment: date) -> int:
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    return whole_us(moment - functions.EPOCH)


#: The global names of every text; Python's own built-ins are not among them.
GLOBALS: Final[dict[str, object]] = {
    "__builtins__": {},
    "Work": Evaluation,
    "truth": functions.truth,
    "text": functions.text,
    "member": functions.member,
    "element": functions.element,
    "exact": functions.exact,
    "whole": functions.whole,
    "finite": functions.finite,
    "field": getattr,
    "length": len,
    "like": _like,
    "zero_decimal": Decimal(0),
    "no_time": timedelta(0),
    "whole_us": whole_us,
    "epoch_us": _epoch_us,
    "dec_minus": functions.CONTEXT.minus,
    **{name: functions.DECIMAL_OPERATIONS[sign] for sign, name in _DECIMAL_CALLS.items()},
}
