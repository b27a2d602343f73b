"""Colours, and text that a terminal does not act upon."""

from __future__ import annotations

import unicodedata
from typing import Final

RED: Final = "\x1b[31m"
YELLOW: Final = "\x1b[33m"
BLUE: Final = "\x1b[34m"
BOLD: Final = "\x1b[1m"
FAINT: Final = "\x1b[2m"
_PLAIN: Final = "\x1b[0m"


def paint(text: str, tint: str, colour: bool) -> str:
    """The text in a colour, if there are colours."""
    return f"{tint}{text}{_PLAIN}" if colour and text else text


def visible(text: str) -> str:
    """The text with a space for each tab, and a sign for whatever a terminal would act upon."""
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() else " " if sign == "\t" else "\ufffd" for sign in text
    )


def columns(text: str) -> int:
    """How many columns of a terminal the text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(sign) else 2 if unicodedata.east_asian_width(sign) in "WF" else 1
        for sign in text
    )
