"""Durations as text: ``1h30m`` as in the language, ``PT1H30M`` as in ISO 8601."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Final

_UNITS_US: Final = {
    "w": 604_800_000_000,
    "d": 86_400_000_000,
    "h": 3_600_000_000,
    "m": 60_000_000,
    "s": 1_000_000,
    "ms": 1_000,
    "us": 1,
}
_NUMBER: Final = r"(?P<{0}>\d{{1,18}}(?:\.\d{{1,6}})?)"
_ISO: Final = re.compile(
    r"(?P<sign>[+-]?)P(?:{w}W)?(?:{d}D)?(?:T(?:{h}H)?(?:{m}M)?(?:{s}S)?)?".format(
        **{unit: _NUMBER.format(unit) for unit in ("w", "d", "h", "m", "s")}
    )
)
_UNIT: Final = re.compile(r"\s*(\d{1,18}(?:\.\d{1,6})?)\s*(w|d|h|ms|us|m|s)")


def parse_duration(text: str) -> timedelta | None:
    """The duration that a text says, in either spelling; ``None`` if it says none."""
    text = text.strip()
    us = _iso_us(text) if "P" in text[:2] else _units_us(text)
    if us is None:
        return None
    try:
        return timedelta(microseconds=us)
    except OverflowError:
        return None


def _iso_us(text: str) -> int | None:
    match = _ISO.fullmatch(text)
    if match is None or text.endswith(("P", "T")):
        return None
    us = sum(_scaled(match[unit], unit) for unit in "wdhms" if match[unit])
    return -us if match["sign"] == "-" else us


def _units_us(text: str) -> int | None:
    negative = text.startswith("-")
    position, us = int(negative), 0
    while match := _UNIT.match(text, position):
        us += _scaled(match[1], match[2])
        position = match.end()
    if position != len(text) or position == int(negative):
        return None
    return -us if negative else us


def _scaled(number: str, unit: str) -> int:
    whole, _, fraction = number.partition(".")
    parts = int(whole) * 1_000_000 + int(fraction.ljust(6, "0")[:6])
    return parts * _UNITS_US[unit] // 1_000_000


def whole_us(duration: timedelta) -> int:
    """A duration in microseconds, exactly."""
    return (duration.days * 86_400 + duration.seconds) * 1_000_000 + duration.microseconds


def iso_duration(duration: timedelta) -> str:
    """A duration as ISO 8601 writes it, exact to the microsecond."""
    us = whole_us(duration)
    sign, us = ("-", -us) if us < 0 else ("", us)
    seconds, us = divmod(us, 1_000_000)
    days, seconds = divmod(seconds, 86_400)
    hours, seconds = divmod(seconds, 3_600)
    minutes, seconds = divmod(seconds, 60)
    clock = (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "")
    if us:
        clock += f"{seconds}.{us:06d}".rstrip("0") + "S"
    elif seconds or not (days or clock):
        clock += f"{seconds}S"
    return f"{sign}P{f'{days}D' if days else ''}{f'T{clock}' if clock else ''}"


def iso_time(time: date) -> str:
    """A date or a datetime as ISO 8601 writes it; one in UTC ends with ``Z``."""
    text = time.isoformat()
    return f"{text[:-6]}Z" if text.endswith("+00:00") else text


def spell_duration(duration: timedelta) -> str:
    """A duration as the language writes it, such as ``1h30m``."""
    us = whole_us(duration)
    if us == 0:
        return "0s"
    sign, us = ("-", -us) if us < 0 else ("", us)
    parts = []
    for unit, size in _UNITS_US.items():
        if unit != "w" and us >= size:
            count, us = divmod(us, size)
            parts.append(f"{count}{unit}")
    return sign + "".join(parts)
