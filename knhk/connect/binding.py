"""From what a workflow wrote to what a connector takes: settings, and arguments of operations."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, final

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from knhk.call import Call
from knhk.connect.connector import Connector, SettingsModel, operations_of
from knhk.errors import ArgumentError, Misfit, SettingsError, UnknownName
from knhk.model import Connector as ConnectorSpec
from knhk.model import Moment
from knhk.signature import takes_call

__all__ = ["Binder", "resolve_settings"]

#: Shorter values are not looked for in messages: they would be found everywhere.
_VALUE_LENGTH_MIN: Final = 4


def resolve_settings(spec: ConnectorSpec, model: type[SettingsModel], now_us: int) -> SettingsModel:
    """The settings of a connector instance, evaluated and validated.

    Raises :class:`~knhk.errors.ExpressionError` (an ``env`` or ``secret`` that is not set)
    and :class:`~knhk.errors.SettingsError`, which shows no value.
    """
    moment = Moment(now_us, 0, 0)
    values = {name: expression.evaluate({}, moment) for name, expression in spec.settings}
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        hidden = {text for text in _texts(values) if len(text) >= _VALUE_LENGTH_MIN}
    # Raised outside of the handler: pydantic's error holds the values, and must not be chained.
    raise SettingsError(spec.name, [_misfit(problem, hidden) for problem in problems])


@final
class Binder:
    """Binds the arguments of the operations of one connector object."""

    def __init__(self, connector: Connector[Any]) -> None:
        self._connector = connector
        self._operations = {
            name: _Parameters(function) for name, function in operations_of(type(connector)).items()
        }

    def bind(
        self, operation: str, args: Sequence[object], kwargs: Mapping[str, object], call: Call
    ) -> tuple[bool, Callable[[], object]]:
        """Whether the operation is asynchronous, and the call of it, ready to be made.

        Raises :class:`~knhk.errors.UnknownName` and :class:`~knhk.errors.ArgumentError`.
        """
        parameters = self._operations.get(operation)
        if parameters is None:
            raise UnknownName("operation", operation, self._operations)
        method: Callable[..., object] = getattr(self._connector, operation)
        given_args, given_kwargs = parameters.accept(operation, args, kwargs, call)
        return parameters.is_async, partial(method, *given_args, **given_kwargs)


@final
class _Parameters:
    """The parameters of one operation, with a validator for each that is annotated."""

    def __init__(self, function: Callable[..., object]) -> None:
        hints = typing.get_type_hints(function, include_extras=True)
        listed = list(inspect.signature(function).parameters.values())[1:]  # without self
        self.is_async: Final = inspect.iscoroutinefunction(function)
        self._call = next((p.name for p in listed if takes_call(hints.get(p.name))), "")
        self._signature = inspect.Signature([p for p in listed if p.name != self._call])
        self._adapters: dict[str, TypeAdapter[object]] = {
            p.name: TypeAdapter(hints[p.name])
            for p in listed
            if p.name != self._call and hints.get(p.name) not in (None, object, Any)
        }

    def accept(
        self, operation: str, args: Sequence[object], kwargs: Mapping[str, object], call: Call
    ) -> tuple[list[object], dict[str, object]]:
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise ArgumentError([Misfit(operation, str(error))]) from None
        misfits: list[Misfit] = []
        for name, value in bound.arguments.items():
            if self._signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
                bound.arguments[name] = {
                    key: self._value(name, key, part, misfits) for key, part in value.items()
                }
            else:
                bound.arguments[name] = self._value(name, name, value, misfits)
        if misfits:
            raise ArgumentError(misfits)
        extra: dict[str, object] = {self._call: call} if self._call else {}
        return list(bound.args), {**bound.kwargs, **extra}

    def _value(self, name: str, path: str, value: object, misfits: list[Misfit]) -> object:
        adapter = self._adapters.get(name)
        if adapter is None:
            return value
        try:
            return adapter.validate_python(value)
        except ValidationError as error:
            problems = error.errors(include_url=False, include_input=False)
            misfits.extend(_misfit(problem, ()).under(path) for problem in problems)
            return None


def _misfit(problem: ErrorDetails, hidden: Iterable[str]) -> Misfit:
    path = ""
    for part in problem["loc"]:
        joint = "." if path else ""
        path += f"[{part}]" if isinstance(part, int) else f"{joint}{part}"
    message = problem["msg"]
    for text in sorted(hidden, key=len, reverse=True):
        message = message.replace(text, "***")
    return Misfit(path, message)


def _texts(value: object) -> Iterator[str]:
    """All texts within a value, as they must not be seen in a message."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _texts(part)
