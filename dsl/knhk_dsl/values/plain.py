"""Plain JSON values: none, booleans, numbers, text, lists and dictionaries with text keys."""

from __future__ import annotations

import base64
import json
import math
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Final

from knhk.errors import Misfit, MisfitError
from knhk_dsl.values.durations import iso_duration, iso_time

#: Values nested deeper than this are refused (a list that holds itself is one).
NESTING_MAX: Final = 200
#: Bits of a whole number in JSON: Python writes down no more than 4,300 digits.
WHOLE_BITS_MAX: Final = 14_000

_KINDS: Final[tuple[tuple[type, str], ...]] = (
    (bool, "a bool"),
    (Enum, "a member of an enumeration"),
    (str, "a text"),
    (int, "a whole number"),
    (float, "a number"),
    (Decimal, "a decimal"),
    (list, "a list"),
    (dict, "a dictionary"),
    (datetime, "a datetime"),
    (date, "a date"),
    (timedelta, "a duration"),
    (bytes, "bytes"),
)


def kind_of(value: object) -> str:
    """What a value is, in words."""
    if value is None:
        return "none"
    for kind, words in _KINDS:
        if isinstance(value, kind):
            return words
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def misfit(message: str, path: str = "") -> MisfitError:
    """The error of one value that does not fit."""
    return MisfitError((Misfit(path, message),))


def below(prefix: str, misfits: tuple[Misfit, ...]) -> list[Misfit]:
    """Misfits of a part, with their paths as seen from the whole."""
    return [Misfit(join_path(prefix, inner.path), inner.message) for inner in misfits]


def join_path(prefix: str, path: str) -> str:
    """``items[2]`` and ``price`` as ``items[2].price``."""
    if not path or not prefix:
        return prefix or path
    return prefix + path if path.startswith("[") else f"{prefix}.{path}"


def plain(value: object, path: str = "", depth: int = 0) -> object:
    """A value as plain JSON, in new containers; raises :class:`MisfitError` if it has none.

    Decimals, dates and durations become text; models, dataclasses, tuples and sets become
    objects and lists as ``pydantic_core.to_jsonable_python`` does it.
    """
    kind = type(value)
    if value is None or kind is str or kind is bool:
        return value
    if kind is int:
        return _whole(int(value), path)  # type: ignore[call-overload]
    if depth > NESTING_MAX:
        raise misfit(f"is nested deeper than {NESTING_MAX} levels", path[:200])
    if isinstance(value, dict):
        return {
            _key(key, path): plain(part, join_path(path, str(key)), depth + 1)
            for key, part in value.items()
        }
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return [plain(part, f"{path}[{i}]", depth + 1) for i, part in enumerate(value)]
    return _converted(value, path, depth)


def _whole(value: int, path: str) -> int:
    if value.bit_length() > WHOLE_BITS_MAX:
        raise misfit("is too large a whole number", path)
    return value


def _key(key: object, path: str) -> str:
    if isinstance(key, Enum):
        return str(key.value)
    if isinstance(key, str):
        return key
    raise misfit(f"has {kind_of(key)} as a key: keys are text", path)


def _converted(value: object, path: str, depth: int) -> object:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise misfit("is not a finite number", path)
        return float(value)
    if isinstance(value, Enum):
        return plain(value.value, path, depth + 1)
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise misfit("is not a finite number", path)
        return str(value)
    if isinstance(value, timedelta):
        return iso_duration(value)
    if isinstance(value, date):
        return iso_time(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if hasattr(type(value), "knhk_fields"):
        return plain(vars(value), path, depth + 1)
    if hasattr(value, "_asdict"):
        return plain(value._asdict(), path, depth + 1)
    return plain(_jsonable(value, path), path, depth + 1)


def _jsonable(value: object, path: str) -> object:
    from pydantic_core import PydanticSerializationError, to_jsonable_python

    try:
        return to_jsonable_python(value, bytes_mode="base64", timedelta_mode="iso8601")
    except (PydanticSerializationError, ValueError, RecursionError):
        raise misfit(f"is {kind_of(value)}, which has no form in JSON", path) from None


def dump_json(value: object) -> str:
    """A plain value as JSON text."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
