"""What can be called and with what: signatures, and fitting arguments to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from knhk.errors import Span
from knhk.model import OperationSignature, ParameterSignature
from knhk_dsl.names.typenames import parse_type
from knhk_dsl.report import Report, did_you_mean
from knhk_dsl.syntax import ast
from knhk_dsl.values.types import JSON, UNKNOWN, Type


@dataclass(frozen=True, slots=True)
class CallParameter:
    """A parameter of a signature."""

    name: str
    type: Type
    required: bool = True
    keyword_only: bool = False
    positional_only: bool = False


@dataclass(frozen=True, slots=True)
class CallSignature:
    """What a call takes and gives.

    ``more`` is the type of any further positional arguments, ``more_named`` that of further
    keyword arguments; ``None`` where there are none.
    """

    parameters: tuple[CallParameter, ...]
    result: Type
    more: Type | None = None
    more_named: Type | None = None


#: The signature of something that nothing is known of.
ANYTHING: Final = CallSignature((), JSON, UNKNOWN, UNKNOWN)


def signature_of(operation: OperationSignature) -> CallSignature:
    """The signature of a plugin's task type or a connector's operation."""
    return _of_parameters(operation.parameters, parse_type(operation.result))


def settings_signature(settings: Iterable[ParameterSignature]) -> CallSignature:
    """The settings of a connector type: all of them by name."""
    signature = _of_parameters(tuple(settings), JSON)
    named = tuple(
        CallParameter(p.name, p.type, p.required, keyword_only=True) for p in signature.parameters
    )
    return CallSignature(named, JSON, None, signature.more_named)


def _of_parameters(parameters: tuple[ParameterSignature, ...], result: Type) -> CallSignature:
    many = next((parse_type(p.type) for p in parameters if p.many), None)
    return CallSignature(
        tuple(
            CallParameter(p.name, parse_type(p.type), p.required, p.keyword_only)
            for p in parameters
            if not p.many
        ),
        result,
        None,
        many,
    )


@dataclass(frozen=True, slots=True)
class MisfitCodes:
    """Which codes tell of a missing argument, one too many, one of the wrong type."""

    missing: str = "KN306"
    surplus: str = "KN307"
    type: str = "KN308"


CALL_CODES: Final = MisfitCodes()
SETTING_CODES: Final = MisfitCodes("KN602", "KN602", "KN602")


def bind(
    what: str,
    arguments: tuple[ast.Argument, ...],
    signature: CallSignature,
    span: Span,
    report: Report,
    infer: Callable[[ast.Expr, Type, str, str], None],
    codes: MisfitCodes = CALL_CODES,
) -> None:
    """Fits arguments to a signature; every misfit is a diagnostic of its own.

    ``infer(value, type, words, code)`` types an argument against the type it must have.
    """
    by_place = [p for p in signature.parameters if not p.keyword_only]
    by_name = {p.name: p for p in signature.parameters if not p.positional_only}
    given: set[str] = set()
    position = 0
    for argument in arguments:
        parameter = None
        if argument.name:
            parameter = by_name.get(argument.name)
            type_ = signature.more_named if parameter is None else parameter.type
            problem = _named_problem(argument.name, parameter, type_, given)
        else:
            if position < len(by_place):
                parameter = by_place[position]
            position += 1
            type_ = signature.more if parameter is None else parameter.type
            problem = "" if type_ is not None else f"takes {_count(len(by_place))} by position"
        if problem:
            hint = _surplus_hint(argument.name, [n for n in by_name if n not in given])
            report.error(codes.surplus, f"{what} {problem}", argument.span, hint)
        name = argument.name if parameter is None else parameter.name
        if parameter is not None:
            given.add(name)
        words = f"the argument `{name}` of {what}" if name else f"an argument of {what}"
        infer(argument.value, UNKNOWN if type_ is None else type_, words, codes.type)
    for parameter in signature.parameters:
        if parameter.required and parameter.name not in given:
            written = f"{parameter.name}: ..."
            report.error(
                codes.missing,
                f"{what} needs `{parameter.name}`"
                + ("" if parameter.type in (JSON, UNKNOWN) else f" ({parameter.type})"),
                span,
                f"add it: {written}",
            )


def _surplus_hint(name: str, left: list[str]) -> str:
    """How to mend an argument that is not taken; ``left`` are the parameters still free."""
    if name:
        return did_you_mean(name, left)
    return f"write its name: {', '.join(f'{n}: ...' for n in left)}" if left else "leave it out"


def _named_problem(
    name: str, parameter: CallParameter | None, type_: Type | None, given: set[str]
) -> str:
    if type_ is None:
        return f"does not take `{name}`"
    if parameter is not None and name in given:
        return f"is given `{name}` twice"
    return ""


def _count(number: int) -> str:
    return f"{number or 'no'} argument{'' if number == 1 else 's'}"
