"""Codecs of the types without parts: what each takes from outside, and its form in JSON.

Lenient where the meaning is plain (``"12.50"`` or ``12`` for a decimal, ISO texts for dates,
``"2s"`` for a duration), strict where a mistake would slip through (no ``"5"`` for an int, no
``1`` for a bool, no ``5`` for a text, no float that is not finite).
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Final

from knhk_dsl.values.durations import iso_duration, iso_time, parse_duration
from knhk_dsl.values.plain import WHOLE_BITS_MAX, kind_of, misfit, plain

#: Digits of a decimal, before or behind the point, that are taken from outside.
DECIMAL_DIGITS_MAX: Final = 6_144


@dataclass(frozen=True, slots=True)
class ScalarCodec:
    """The codec of a type without parts, made of its functions."""

    text: str
    accept: Callable[[object], object]
    encode: Callable[[object], object]
    decode: Callable[[object], object]


def _same(value: object) -> object:
    return value


def accept_str(value: object) -> str:
    """Text only; a member of a text enumeration is its value."""
    if type(value) is str:
        return value
    if isinstance(value, str):
        return str(value.value) if isinstance(value, Enum) else str.__str__(value)
    raise misfit(f"must be a text, not {kind_of(value)}")


def accept_int(value: object) -> int:
    """A whole number; no bool, no text, no float."""
    if isinstance(value, int) and not isinstance(value, bool):
        if value.bit_length() > WHOLE_BITS_MAX:
            raise misfit("is too large a whole number")
        return int(value)
    raise misfit(f"must be a whole number, not {kind_of(value)}")


def accept_float(value: object) -> float:
    """A finite number."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            raise misfit("is too large a number") from None
        if math.isfinite(number):
            return number
        raise misfit("must be a finite number")
    raise misfit(f"must be a number, not {kind_of(value)}")


def accept_bool(value: object) -> bool:
    """True or false only."""
    if isinstance(value, bool):
        return value
    raise misfit(f"must be true or false, not {kind_of(value)}")


def accept_decimal(value: object) -> Decimal:
    """A number, exactly; a float by its shortest text."""
    number: Decimal | None = None
    if isinstance(value, Decimal):
        number = value
    elif isinstance(value, int) and not isinstance(value, bool):
        number = Decimal(accept_int(value))
    elif isinstance(value, float):
        number = Decimal(repr(value))
    elif isinstance(value, str) and len(value) <= DECIMAL_DIGITS_MAX:
        try:
            number = Decimal(value.strip())
        except InvalidOperation:
            raise misfit("must be a number such as 12.50") from None
    if number is None:
        raise misfit(f"must be a number, not {kind_of(value)}")
    if not number.is_finite() or abs(number.adjusted()) > DECIMAL_DIGITS_MAX:
        raise misfit("must be a finite number")
    return number


def accept_bytes(value: object) -> bytes:
    """Bytes, or base64 text."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, str):
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise misfit("must be bytes, or base64 text") from None
    raise misfit(f"must be bytes, or base64 text, not {kind_of(value)}")


def accept_date(value: object) -> date:
    """A date, or ``2026-11-30``."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise misfit("must be a date such as 2026-11-30") from None
    raise misfit(f"must be a date such as 2026-11-30, not {kind_of(value)}")


def accept_datetime(value: object) -> datetime:
    """A moment, in UTC; one without a zone is taken as UTC."""
    moment = value
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            raise misfit("must be a moment such as 2026-11-30T12:00:00Z") from None
    if not isinstance(moment, datetime):
        raise misfit(f"must be a moment such as 2026-11-30T12:00:00Z, not {kind_of(value)}")
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC, fold=0)
    try:
        return moment.astimezone(UTC)
    except (OverflowError, ValueError):
        raise misfit("is too far from now") from None


def accept_duration(value: object) -> timedelta:
    """A duration: ``2s``, ``1h30m``, ISO 8601, or a number of seconds."""
    if isinstance(value, timedelta):
        return value
    found = parse_duration(value) if isinstance(value, str) else None
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        try:
            found = timedelta(seconds=value)
        except OverflowError:
            raise misfit("is too long") from None
    if found is None:
        raise misfit("must be a duration such as 2s, 1h30m or PT1H30M, or a number of seconds")
    return found


def accept_json(value: object) -> object:
    """Whatever has a form in JSON, in that form."""
    return plain(value)


def accept_none(value: object) -> None:
    """Nothing."""
    if value is not None:
        raise misfit(f"must be none, not {kind_of(value)}")


def _iso(value: object) -> object:
    assert isinstance(value, date)
    return iso_time(value)


def _iso_duration(value: object) -> object:
    assert isinstance(value, timedelta)
    return iso_duration(value)


def _base64(value: object) -> object:
    assert isinstance(value, bytes)
    return base64.b64encode(value).decode("ascii")


SCALAR_CODECS: Final[dict[str, ScalarCodec]] = {
    codec.text: codec
    for codec in (
        ScalarCodec("str", accept_str, _same, _same),
        ScalarCodec("int", accept_int, _same, _same),
        ScalarCodec("float", accept_float, _same, accept_float),
        ScalarCodec("bool", accept_bool, _same, _same),
        ScalarCodec("decimal", accept_decimal, str, accept_decimal),
        ScalarCodec("bytes", accept_bytes, _base64, accept_bytes),
        ScalarCodec("date", accept_date, _iso, accept_date),
        ScalarCodec("datetime", accept_datetime, _iso, accept_datetime),
        ScalarCodec("duration", accept_duration, _iso_duration, accept_duration),
        ScalarCodec("json", accept_json, _same, _same),
        ScalarCodec("none", accept_none, _same, _same),
        ScalarCodec("unknown", _same, plain, _same),
    )
}
