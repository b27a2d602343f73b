"""Values without a type of the workflow: what fits into JSON, and how others become it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Final, final

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, to_jsonable_python

from knhk.errors import Misfit, MisfitError

__all__ = ["JSON", "detached", "jsonable", "unwrapped"]


def unwrapped(value: object) -> object:
    """Records of any make (models, dataclasses, named tuples) as dictionaries of their fields.

    Other values stay what they are; lists, tuples and dictionaries are new ones.
    """
    if value is None or isinstance(value, (str, int, float, bool, bytes, Enum)):
        return value
    if isinstance(value, BaseModel):
        return {name: unwrapped(getattr(value, name)) for name in type(value).model_fields}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: unwrapped(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {name: unwrapped(getattr(value, name)) for name in value._fields}
    if isinstance(value, Mapping):
        return {key: unwrapped(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [unwrapped(part) for part in value]
    return value


def detached(value: object) -> object:
    """The value with lists, dictionaries and records of its own, for a callee to keep or change."""
    if isinstance(value, list):
        return [detached(part) for part in value]
    if isinstance(value, dict):
        return {key: detached(part) for key, part in value.items()}
    if isinstance(value, BaseModel):
        return value.model_copy(deep=True)
    return value


def jsonable(value: object) -> object:
    """Any value of a case as plain JSON values, to be shown."""
    return to_jsonable_python(value, inf_nan_mode="strings", fallback=str)


@final
class _Json:
    """The type ``json`` at run time."""

    text = "json"

    def accept(self, value: object) -> object:
        """Plain JSON values of ``value``; records and the like are unfolded."""
        try:
            found = to_jsonable_python(value, inf_nan_mode="strings")
        except (PydanticSerializationError, ValueError, RecursionError) as error:
            raise MisfitError((Misfit("", f"does not fit into JSON: {error}"),)) from error
        return found

    def encode(self, value: object) -> object:
        return value

    def decode(self, data: object) -> object:
        return data


JSON: Final = _Json()
