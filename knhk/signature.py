"""Signatures of Python functions in the words of the language, read from their annotations.

Plugins' task types and connectors' operations are described to the checker by these.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Final, Literal, Union, get_args, get_origin

from knhk.call import Call
from knhk.model import OperationSignature, ParameterSignature

__all__ = ["operation_signature", "takes_call", "type_word"]

_WORDS: Final[dict[object, str]] = {
    str: "str",
    int: "int",
    float: "float",
    bool: "bool",
    Decimal: "decimal",
    bytes: "bytes",
    date: "date",
    datetime: "datetime",
    timedelta: "duration",
}
_LISTS: Final = (list, Sequence, Iterable)
_DICTS: Final = (dict, Mapping)
_JSON: Final = "json"


def type_word(annotation: object) -> str:
    """The type of the language that an annotation says; ``json`` where there is none."""
    word = _WORDS.get(annotation) if isinstance(annotation, type) else None
    if word is not None:
        return word
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_word(arguments[0])
    if origin is Literal:
        words = {_WORDS.get(type(value), _JSON) for value in arguments}
        return words.pop() if len(words) == 1 else _JSON
    if origin is Union or origin is types.UnionType:
        return _union_word(arguments)
    if _is_one_of(origin, _LISTS) and len(arguments) == 1:
        return f"list[{type_word(arguments[0])}]"
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return f"list[{type_word(arguments[0])}]"
    if _is_one_of(origin, _DICTS) and len(arguments) == 2 and arguments[0] is str:
        return f"dict[str, {type_word(arguments[1])}]"
    return _JSON


def _is_one_of(origin: object, classes: Sequence[object]) -> bool:
    return any(origin is each for each in classes)


def _union_word(members: Sequence[object]) -> str:
    words = {type_word(member) for member in members if member is not types.NoneType}
    if len(words) != 1 or _JSON in words:
        return _JSON
    word = words.pop()
    return f"{word}?" if types.NoneType in members else word


def takes_call(annotation: object) -> bool:
    """Whether a parameter annotated so is given the :class:`~knhk.call.Call` by the engine."""
    if get_origin(annotation) is Union or isinstance(annotation, types.UnionType):
        return Call in get_args(annotation)
    return annotation is Call


def operation_signature(function: Callable[..., object]) -> OperationSignature:
    """The signature of a function or a bound method, with its docstring.

    Parameters annotated :class:`~knhk.call.Call` are left out, as a workflow does not give
    them. Raises ``TypeError`` for ``*args``, which the language cannot write down, and
    ``NameError`` for annotations that cannot be evaluated.
    """
    hints = typing.get_type_hints(function, include_extras=True)
    parameters = [
        _parameter(parameter, hints.get(parameter.name, object))
        for parameter in inspect.signature(function).parameters.values()
        if not takes_call(hints.get(parameter.name))
    ]
    return OperationSignature(
        parameters=tuple(parameters),
        result=type_word(hints.get("return", object)),
        doc=inspect.getdoc(function) or "",
    )


def _parameter(parameter: inspect.Parameter, hint: object) -> ParameterSignature:
    if parameter.kind is parameter.VAR_POSITIONAL:
        raise TypeError(f"*{parameter.name} cannot be given from a workflow; take a list instead")
    many = parameter.kind is parameter.VAR_KEYWORD
    return ParameterSignature(
        name=parameter.name,
        type=type_word(hint),
        required=not many and parameter.default is parameter.empty,
        keyword_only=many or parameter.kind is parameter.KEYWORD_ONLY,
        many=many,
    )
