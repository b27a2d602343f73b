"""From typed expressions to Python functions: all those of a workflow in one compilation.

Every expression becomes a function of the case data and the moment, as plain as its types
allow: ``total > 1000`` becomes ``data["total"] > 1000``. What loops, grows or is only known
at run time goes through :mod:`knhk_dsl.functions`. A name of the source never becomes a name
of the Python code as it is: data is looked up by key, a loop variable gets a prefix, and
texts enter as literals, so that nothing in a source can reach Python itself.
"""

from __future__ import annotations

import keyword
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final

from knhk.errors import ExpressionError, MisfitError, Span
from knhk.model import Evaluate, Expression
from knhk_dsl import ast, functions
from knhk_dsl.builtin_types import BUILTINS
from knhk_dsl.durations import whole_us
from knhk_dsl.records import Codecs
from knhk_dsl.scalars import SCALAR_CODECS
from knhk_dsl.types import (
    BOOL,
    BYTES,
    DATE,
    DATETIME,
    DECIMAL,
    DURATION,
    FLOAT,
    INT,
    JSON,
    NUMBERS,
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

#: Characters of an expression's text that its errors show.
TEXT_MAX: Final = 200

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
_SPAN_OF_TIME: Final = frozenset({DATE, DATETIME, DURATION, BYTES})
#: Types that a json value is turned into before it is compared with one of them.
_READ_FROM_JSON: Final = frozenset({DATE, DATETIME, DURATION, DECIMAL, BYTES})


class Form(Enum):
    """What an expression becomes: its value, a condition, or microseconds for the kernel."""

    value = "value"
    condition = "condition"
    delay_us = "whole_us"
    moment_us = "epoch_us"


_TIMED: Final = {Form.delay_us: DURATION, Form.moment_us: DATETIME}


class TooLarge(Exception):
    """An expression that Python cannot compile, with its place."""

    def __init__(self, span: Span) -> None:
        self.span = span
        super().__init__()


@dataclass(frozen=True, slots=True)
class _Site:
    text: str
    code: str
    works: bool
    secret: bool
    span: Span


class Emitter:
    """The expressions of one workflow (or file): added one by one, then compiled at once.

    ``types`` are those the typer found; ``present`` holds the names that the data always has;
    ``show`` gives the source text of a place.
    """

    def __init__(
        self,
        types: Mapping[int, Type],
        codecs: Codecs,
        present: Container[str],
        show: Callable[[Span], str],
    ) -> None:
        self._types = types
        self._codecs = codecs
        self._present = present
        self._show = show
        self._numbers: dict[int, int] = {}
        self._sites: list[_Site] = []
        self._functions: list[Evaluate] = []
        self._globals: dict[str, object] = {**_GLOBALS}
        self._constants: dict[object, str] = {}
        self._local: list[str] = []
        self._works = False
        self._secret = False

    def add(self, expr: ast.Expr, target: Type | None = None, form: Form = Form.value) -> None:
        """Adds an expression; its value is made to fit ``target`` and takes a form."""
        if id(expr) in self._numbers:
            return
        self._works = self._secret = False
        code = self._truth(expr) if form is Form.condition else self._code(expr)
        if target is not None:
            code = self._converted(code, expr, target)
        if form is Form.delay_us or form is Form.moment_us:
            code = f"{form.value}({self._accept(_TIMED[form])}({code}))"
        self._numbers[id(expr)] = len(self._sites)
        text = " ".join(self._show(expr.span).split())
        shown = text if len(text) <= TEXT_MAX else text[: TEXT_MAX - 3] + "..."
        self._sites.append(_Site(shown, code, self._works, self._secret, expr.span))

    def finish(self) -> None:
        """Compiles what was added; raises :class:`TooLarge`."""
        lines = [line for n, site in enumerate(self._sites) for line in _function(n, site)]
        self._globals["failed"] = self._failed
        try:
            exec(compile("\n".join(lines), "<expressions>", "exec"), self._globals)  # noqa: S102
        except (SyntaxError, RecursionError, MemoryError, OverflowError):
            raise TooLarge(self._too_large()) from None
        self._functions = [self._globals[f"e{n}"] for n in range(len(self._sites))]  # type: ignore[misc]

    def _too_large(self) -> Span:
        for number, site in enumerate(self._sites):
            try:
                compile("\n".join(_function(number, site)), "<expression>", "exec")
            except (SyntaxError, RecursionError, MemoryError, OverflowError):
                return site.span
        return self._sites[-1].span

    def expression(self, expr: ast.Expr) -> Expression:
        """An expression that was added, compiled."""
        number = self._numbers[id(expr)]
        site = self._sites[number]
        return Expression(site.text, self._functions[number], site.span)

    def _failed(self, number: int, problem: Exception) -> ExpressionError:
        site = self._sites[number]
        if site.secret:
            return ExpressionError(site.text, _secret_why(problem))
        return ExpressionError(site.text, functions.explain(problem))

    # --- values -------------------------------------------------------------------------

    def _type(self, expr: ast.Expr) -> Type:
        return without_none(self._types[id(expr)])

    def _constant(self, value: object, key: object) -> str:
        name = self._constants.get(key)
        if name is None:
            name = self._constants[key] = f"k{len(self._constants)}"
            self._globals[name] = value
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
        if source == target and not (holds_json(target) and not isinstance(expr, ast.Name)):
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

    def _code(self, expr: ast.Expr) -> str:
        return _METHODS[type(expr)](self, expr)

    # --- literals and displays ----------------------------------------------------------

    def _literal(self, expr: ast.Literal) -> str:
        if self._types[id(expr)] is DECIMAL:
            value = _decimal(expr)
            return self._constant(value, ("decimal", str(value)))
        return repr(expr.value)

    def _duration(self, expr: ast.DurationLiteral) -> str:
        return self._constant(timedelta(microseconds=expr.us), ("duration", expr.us))

    def _template(self, expr: ast.Template) -> str:
        parts = [
            repr(part)
            if isinstance(part, str)
            else (self._code(part) if self._type(part) is STR else f"text({self._code(part)})")
            for part in expr.parts
        ]
        return self._work(f"joined({', '.join(parts)})")

    def _list(self, expr: ast.ListDisplay) -> str:
        return f"[{', '.join(self._code(element) for element in expr.elements)}]"

    def _dict(self, expr: ast.DictDisplay) -> str:
        pairs = zip(expr.keys, expr.values, strict=True)
        code = "{" + ", ".join(f"{key!r}: {self._code(value)}" for key, value in pairs) + "}"
        type_ = self._type(expr)
        return f"{self._accept(type_)}({code})" if isinstance(type_, Record) else code

    def _comprehension(self, expr: ast.Comprehension) -> str:
        return f"[{self._loop(expr)}]"

    def _loop(self, expr: ast.Comprehension) -> str:
        values = self._work(f"each({self._code(expr.iterable)})")
        self._local.append(expr.variable)
        condition = "" if expr.condition is None else f" if {self._truth(expr.condition)}"
        element = self._code(expr.element)
        self._local.pop()
        return f"{element} for v_{expr.variable} in {values}{condition}"

    # --- names and parts ----------------------------------------------------------------

    def _name(self, expr: ast.Name) -> str:
        if expr.name in self._local:
            return f"v_{expr.name}"
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
            return f"getattr({value}, {expr.name!r})"
        return f"{value}.{expr.name}"

    def _index(self, expr: ast.Index) -> str:
        value, index = self._code(expr.value), self._code(expr.index)
        owner = self._type(expr.value)
        if (isinstance(owner, (ListOf, DictOf)) or owner is STR) and not is_open(
            self._type(expr.index)
        ):
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
        left_type, right_type = self._type(expr.left), self._type(expr.right)
        if left_type is DECIMAL or right_type is DECIMAL:
            left = f"exact({left})" if is_open(left_type) else left
            right = f"exact({right})" if is_open(right_type) else right
            return f"{_DECIMAL_CALLS[operator]}({left}, {right})"
        if operator != "**" and left_type in _PLAIN_NUMBERS and right_type in _PLAIN_NUMBERS:
            return f"({left} {operator} {right})"
        timed = left_type in _SPAN_OF_TIME or right_type in _SPAN_OF_TIME
        if timed and not is_open(left_type) and not is_open(right_type):
            return f"({left} {operator} {right})"
        return self._work(f"{_WORK_CALLS[operator]}({left}, {right})")

    def _chain(self, expr: ast.Binary) -> str:
        """``a and b and c`` without brackets around each."""
        left = expr.left
        same = isinstance(left, ast.Binary) and left.operator == expr.operator
        first = self._chain(left) if same and isinstance(left, ast.Binary) else self._truth(left)
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
        if not is_open(self._type(expr)) or wanted not in _READ_FROM_JSON:
            return code
        accept = self._accept(wanted)
        return f"like({accept}, {code})" if operator in ("==", "!=") else f"{accept}({code})"

    def _membership(self, expr: ast.Comparison) -> str:
        values = expr.operands[0]
        item, type_ = self._code(expr.left), self._type(values)
        code = self._code(values)
        negated = expr.operators[0] == "not in"
        if isinstance(type_, (ListOf, DictOf)) and not self._local:
            return f"({item} {expr.operators[0]} {code})"
        call = self._work(f"contains({code}, {item})")
        return f"(not {call})" if negated else call

    def _conditional(self, expr: ast.Conditional) -> str:
        value, other = self._code(expr.value), self._code(expr.other)
        return f"({value} if {self._truth(expr.test)} else {other})"

    # --- calls --------------------------------------------------------------------------

    def _call(self, expr: ast.Call) -> str:
        assert isinstance(expr.callee, ast.Name)
        type_ = self._type(expr)
        name = expr.callee.name
        if isinstance(type_, Record) and name == type_.name:
            fields = (f"{a.name!r}: {self._code(a.value)}" for a in expr.arguments)
            return f"{self._accept(type_)}({{{', '.join(fields)}}})"
        values = [argument.value for argument in expr.arguments]
        by_name = {a.name: a.value for a in expr.arguments if a.name}
        if by_name:
            placed = [a.value for a in expr.arguments if not a.name]
            rest = BUILTINS[name].arguments[len(placed) :]
            values = [*placed, *(by_name[parameter] for parameter in rest if parameter in by_name)]
        self._secret = self._secret or name in ("secret", "env")
        codes = [self._argument(name, value) for value in values]
        if name == "sum" and len(codes) == 1:
            codes.append(_SUM_STARTS.get(type_, "0"))
        if name == "len" and not is_open(self._type(values[0])):
            return f"len({codes[0]})"
        return self._work(f"{name}_({', '.join(codes)})")

    def _argument(self, function: str, expr: ast.Expr) -> str:
        if function in _LAZY and isinstance(expr, ast.Comprehension):
            return f"({self._loop(expr)})"
        return self._code(expr)


def _function(number: int, site: _Site) -> tuple[str, ...]:
    work = (" w = Work(moment)",) if site.works else ()
    return (
        f"def e{number}(data, moment):",
        " try:",
        *(f" {line}" for line in work),
        f"  return {site.code}",
        # Whatever goes wrong inside is the expression's fault, and becomes its error.
        " except Exception as problem:",
        f"  raise failed({number}, problem) from None",
    )


def _decimal(expr: ast.Literal) -> Decimal:
    text = expr.text.replace("_", "")
    if text.endswith("%"):
        return functions.CONTEXT.divide(Decimal(text[:-1]), 100)
    return Decimal(text)


def _secret_why(problem: Exception) -> str:
    """Why, without the values that may be secret: a variable that is not set may be named."""
    if isinstance(problem, functions.NotSet):
        return str(problem)
    return "it reads a secret or the environment, so that its values are not shown"


def _like(accept: Callable[[object], object], value: object) -> object:
    try:
        return accept(value)
    except MisfitError:
        return value


def _epoch_us(moment: datetime) -> int:
    return whole_us(moment - functions.EPOCH)


_GLOBALS: Final[dict[str, object]] = {
    "__builtins__": {"len": len, "getattr": getattr, "Exception": Exception},
    "Work": functions.Work,
    "truth": functions.truth,
    "text": functions.text,
    "member": functions.member,
    "element": functions.element,
    "exact": functions.exact,
    "like": _like,
    "whole_us": whole_us,
    "epoch_us": _epoch_us,
    "zero_decimal": Decimal(0),
    "no_time": timedelta(0),
    "dec_minus": functions.CONTEXT.minus,
    **{name: functions.DECIMAL_OPERATIONS[sign] for sign, name in _DECIMAL_CALLS.items()},
}

_METHODS: Final[Mapping[type, Callable[[Emitter, Any], str]]] = {
    ast.Literal: Emitter._literal,
    ast.DurationLiteral: Emitter._duration,
    ast.Template: Emitter._template,
    ast.Name: Emitter._name,
    ast.Attribute: Emitter._attribute,
    ast.Index: Emitter._index,
    ast.Call: Emitter._call,
    ast.Unary: Emitter._unary,
    ast.Binary: Emitter._binary,
    ast.Comparison: Emitter._comparison,
    ast.Conditional: Emitter._conditional,
    ast.ListDisplay: Emitter._list,
    ast.DictDisplay: Emitter._dict,
    ast.Comprehension: Emitter._comprehension,
}
