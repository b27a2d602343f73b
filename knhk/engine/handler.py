"""Python callables as callees: found by name, given what their annotations ask for.

Arguments come as values of the language. Where a parameter is annotated with a model, a
dataclass, a ``TypedDict``, a named tuple or an enumeration (also within lists and the like),
they are made into that with pydantic; else they are passed as they are, records as the
objects of their record type. A parameter annotated :class:`knhk.call.Call`, or keyword-only
and named ``call``, is given the call itself.
"""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from enum import Enum
from functools import partial
from importlib import import_module, invalidate_caches
from pathlib import Path
from types import ModuleType
from typing import Final, cast, final

from pydantic import BaseModel, PydanticUserError, TypeAdapter, ValidationError

from knhk.call import Call
from knhk.engine.plain import detached, unwrapped
from knhk.errors import ArgumentError, DeployError, Misfit
from knhk.signature import takes_call

__all__ = ["Handler", "find_callable"]

#: How deep annotations are searched for a type that needs making.
_ANNOTATION_DEPTH_MAX: Final = 8


@final
class Handler:
    """A Python callable and how to call it from a workflow."""

    def __init__(self, name: str, function: Callable[..., object]) -> None:
        self.name: Final = name
        self._function: Final = function
        self.is_async: Final = _is_async(function)
        self._positional: list[str] = []
        self._rest = ""
        self._call_parameter = ""
        self._makers: dict[str, Callable[[object], object]] = {}
        self._read_signature()

    def _read_signature(self) -> None:
        try:
            parameters = inspect.signature(self._function).parameters.values()
        except (TypeError, ValueError):
            return  # a builtin without a signature takes what it is given
        hints = _hints(self._function)
        for parameter in parameters:
            hint = hints.get(parameter.name)
            if _takes_call(parameter, hint):
                self._call_parameter = parameter.name
                continue
            if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
                self._positional.append(parameter.name)
            elif parameter.kind == parameter.VAR_POSITIONAL:
                self._rest = parameter.name
            if hint is not None and _needs_making(hint):
                self._makers[parameter.name] = _maker(hint)

    def bind(
        self, args: Sequence[object], kwargs: Mapping[str, object], call: Call
    ) -> Callable[[], object]:
        """The call with its arguments; raises :class:`ArgumentError` naming every misfit."""
        if not (args or kwargs or self._call_parameter):
            return self._function
        misfits: list[Misfit] = []
        names = [*self._positional, *([self._rest] * (len(args) - len(self._positional)))]
        made_args = [
            self._made(name, value, misfits) for name, value in zip(names, args, strict=False)
        ]
        made_kwargs = {name: self._made(name, value, misfits) for name, value in kwargs.items()}
        if misfits:
            raise ArgumentError(misfits)
        made_args.extend(detached(value) for value in args[len(made_args) :])
        if self._call_parameter and self._call_parameter not in made_kwargs:
            made_kwargs[self._call_parameter] = call
        return partial(self._function, *made_args, **made_kwargs)

    def _made(self, name: str, value: object, misfits: list[Misfit]) -> object:
        maker = self._makers.get(name)
        if maker is None:
            return detached(value)
        try:
            return maker(unwrapped(value))
        except ValidationError as error:
            for problem in error.errors(include_url=False, include_input=False):
                path = ".".join(str(part) for part in (name, *problem["loc"]))
                misfits.append(Misfit(path, problem["msg"]))
            return None


def find_callable(module: str, attribute: str, places: Iterable[Path]) -> Handler:
    """The callable ``module.attribute``, looked for in ``places`` before anywhere else.

    Raises :class:`DeployError` saying what is missing.
    """
    name = f"{module}.{attribute}"
    _make_importable(module.partition(".")[0], list(places))
    try:
        found: object = import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or module
        raise DeployError(
            f"there is no Python module {missing!r}, which {name} needs;"
            " install it, or put it beside the workflow or in the project's root"
        ) from error
    except Exception as error:  # somebody else's module may raise anything
        raise DeployError(
            f"the Python module {module!r} cannot be imported:"
            f" {type(error).__name__}: {error}; mend it, then deploy again"
        ) from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise DeployError(
                f"the Python module {module!r} has no {attribute!r}; define it there,"
                " or change what the workflow uses"
            )
        found = getattr(found, part)
    if not callable(found):
        raise DeployError(f"{name} is a {type(found).__name__}, which cannot be called")
    return Handler(name, found)


def _make_importable(top: str, places: list[Path]) -> None:
    """Put ``places`` first on ``sys.path``, for good: a callee may import when it is called.

    Where a module of the same name from another project is loaded, it is loaded anew from
    here; callables of the other one that are in use stay what they are.
    """
    for name in reversed([str(place) for place in places]):
        if name in sys.path:
            sys.path.remove(name)
        sys.path.insert(0, name)
    invalidate_caches()
    loaded = sys.modules.get(top)
    if loaded is None or top in sys.stdlib_module_names:
        return
    for place in places:
        for here in (place / f"{top}.py", place / top / "__init__.py"):
            if here.is_file():
                if not _is_from(loaded, here):
                    for name in [name for name in sys.modules if name.partition(".")[0] == top]:
                        del sys.modules[name]
                return


def _is_from(module: ModuleType, file: Path) -> bool:
    origin = getattr(module, "__file__", None)
    return origin is not None and Path(origin).resolve() == file.resolve()


def _is_async(function: Callable[..., object]) -> bool:
    while isinstance(function, partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(type(function), "__call__", None)  # noqa: B004  a class with an async __call__
    )


def _hints(function: Callable[..., object]) -> dict[str, object]:
    """The annotations, evaluated; none where they name what is only there for type checkers."""
    while isinstance(function, partial):
        function = function.func
    if not inspect.isroutine(function):
        method = "__init__" if isinstance(function, type) else "__call__"
        kind = function if isinstance(function, type) else type(function)
        function = cast("Callable[..., object]", getattr(kind, method))
    try:
        return typing.get_type_hints(function)
    except Exception:  # noqa: BLE001  evaluating annotations runs other people's code
        return {}


def _takes_call(parameter: inspect.Parameter, hint: object) -> bool:
    if takes_call(hint):
        return True
    return hint is None and parameter.name == "call" and parameter.kind == parameter.KEYWORD_ONLY


def _maker(hint: object) -> Callable[[object], object]:
    """What makes unwrapped values into what ``hint`` names."""
    try:
        return TypeAdapter(cast("type[object]", hint)).validate_python
    except PydanticUserError:
        # Before Python 3.12 pydantic knows the TypedDict of typing_extensions only; a plain
        # dictionary is what the handler asks for all the same.
        return lambda value: value


def _needs_making(hint: object, depth: int = 0) -> bool:
    """Whether values of the language have to be made into what ``hint`` names."""
    if depth > _ANNOTATION_DEPTH_MAX:
        return False
    if isinstance(hint, type) and not typing.get_args(hint):
        return (
            issubclass(hint, (BaseModel, Enum))
            or is_dataclass(hint)
            # Not typing.is_typeddict, which does not know the one of typing_extensions.
            or (issubclass(hint, dict) and hasattr(hint, "__required_keys__"))
            or (issubclass(hint, tuple) and hasattr(hint, "_fields"))
        )
    return any(_needs_making(part, depth + 1) for part in typing.get_args(hint))
