"""From typed expressions to Python functions: all those of a workflow in one compilation.

:mod:`knhk_dsl.expressions.expression_code` writes each expression as Python; here each becomes
a function of the case data and the moment that raises :class:`~knhk.errors.ExpressionError` and
nothing else. Expressions that read alike and mean the same share one function.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, cast

from knhk.errors import ExpressionError, KnhkError, Span
from knhk.model import Evaluate, Expression
from knhk_dsl.expressions.expression_code import GLOBALS, Code, CodeWriter
from knhk_dsl.expressions.functions import Fault, NotSet, explain
from knhk_dsl.syntax import ast
from knhk_dsl.values.records import Codecs
from knhk_dsl.values.types import DATETIME, DURATION, Type

#: Characters of an expression's text that its errors show.
TEXT_MAX: Final = 200

#: What an evaluation may run into; all of it is the expression's fault and becomes its error.
#: `RuntimeError` is what recursion without end and pydantic's own refusals are.
PROBLEMS: Final = (
    ArithmeticError,
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    RuntimeError,
    MemoryError,
    KnhkError,
    Fault,
)
#: What Python's compiler says of code that is too much for it.
_REFUSALS: Final = (SyntaxError, RecursionError, MemoryError, OverflowError)


class Form(Enum):
    """What an expression becomes: its value, a condition, or microseconds for the kernel.

    Of an ``accepted`` value all parts are of the type that they are said to have.
    """

    value = "value"
    accepted = "accepted"
    condition = "condition"
    delay_us = "delay_us"
    moment_us = "moment_us"


#: Functions in one compilation: many, as each call costs; not all, as its cost per line grows.
PIECES_AT_ONCE: Final = 256


class TooLarge(Exception):
    """An expression that Python cannot compile, with its place."""

    def __init__(self, span: Span) -> None:
        self.span = span
        super().__init__()


@dataclass(frozen=True, slots=True)
class _Function:
    """What becomes one function: the code, and how the source writes it."""

    code: Code
    text: str

    def source(self, number: int) -> str:
        work = "  w = Work(moment)\n" if self.code.works else ""
        return (
            f"def e{number}(data, moment):\n try:\n{work}  return {self.code.text}\n"
            f" except PROBLEMS as problem:\n  raise failed({number}, problem) from None"
        )

    def failed(self, problem: Exception) -> ExpressionError:
        """The error of a problem; values that may be secret are not in it."""
        why = explain(problem)
        if self.code.secret and not isinstance(problem, NotSet):
            why = "it reads a secret or the environment, so that its values are not shown"
        return ExpressionError(self.text, why)


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
        self._writer = CodeWriter(types, codecs, present)
        self._show = show
        self._functions: dict[_Function, int] = {}
        self._places: dict[int, tuple[Span, _Function]] = {}
        self._compiled: list[Evaluate] = []

    def add(self, expr: ast.Expr, target: Type | None = None, form: Form = Form.value) -> None:
        """Adds an expression typed without errors; its value is made to fit ``target``.

        As a condition it gives true or false, and fails for any other json value.
        """
        if id(expr) in self._places:
            return
        if form is Form.condition:
            code = self._writer.condition(expr)
        elif form is Form.value:
            code = self._writer.value(expr, target)
        elif form is Form.accepted:
            assert target is not None
            code = self._writer.accepted(expr, target)
        else:
            code = self._writer.microseconds(expr, DURATION if form is Form.delay_us else DATETIME)
        function = _Function(code, self._text(expr.span))
        self._functions.setdefault(function, len(self._functions))
        self._places[id(expr)] = (expr.span, function)

    def _text(self, span: Span) -> str:
        text = " ".join(self._show(span).split())
        return text if len(text) <= TEXT_MAX else f"{text[: TEXT_MAX - 3]}..."

    def finish(self) -> None:
        """Compiles what was added; raises :class:`TooLarge`."""
        functions = list(self._functions)

        def failed(number: int, problem: Exception) -> ExpressionError:
            return functions[number].failed(problem)

        space = {**GLOBALS, **self._writer.constants, "PROBLEMS": PROBLEMS, "failed": failed}
        sources = [function.source(number) for number, function in enumerate(functions)]
        pieces = [*self._writer.helpers, *sources]
        for start in range(0, len(pieces), PIECES_AT_ONCE):
            source = "\n".join(pieces[start : start + PIECES_AT_ONCE])
            try:
                code = compile(source, "<expressions>", "exec")
            except _REFUSALS:
                raise TooLarge(self._too_large()) from None
            exec(code, space)  # noqa: S102  (names, numbers and quoted texts only: see the writer)
        self._compiled = [cast("Evaluate", space[f"e{n}"]) for n in range(len(functions))]

    def _too_large(self) -> Span:
        for span, function in self._places.values():
            try:
                compile(function.source(0), "<expression>", "exec")
            except _REFUSALS:
                return span
        return next(iter(self._places.values()))[0]

    def expression(self, expr: ast.Expr) -> Expression:
        """An expression that was added, compiled."""
        span, function = self._places[id(expr)]
        return Expression(function.text, self._compiled[self._functions[function]], span)
