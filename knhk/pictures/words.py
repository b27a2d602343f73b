"""Words in pictures: how wide they are, how they are cut and broken, and what cannot be shown."""

from __future__ import annotations

import re
from textwrap import wrap
from typing import Final
from unicodedata import east_asian_width

__all__ = ["LABEL_MAX", "cut", "lines_of", "printable", "width_of"]

#: The longest name that is shown whole, in characters.
NAME_MAX: Final = 36
#: The longest label that is shown on one line where others break it.
LABEL_MAX: Final = 84
#: The longest line of a label, and how many lines one has.
LINE_MAX: Final = 28
LINES_MAX: Final = 3

#: How wide letters are, as a part of their size, in the wider of the common fonts.
WIDTHS: Final = {
    letter: width
    for letters, width in (
        ("ijl'|", 0.3),
        (' .,:;I!()[]ftr-/\\"', 0.4),
        ("_sz?JcxkvyLEFST", 0.58),
        ("mMW@%", 1.0),
        ("w=<>+~GOQDHNUCR&", 0.82),
    )
    for letter in letters
}
USUAL: Final = 0.66
WIDE: Final = 1.0
#: What XML cannot hold, and what would not be seen or would turn other words round.
HIDDEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)


def printable(words: str) -> str:
    """The words on one line, with a sign for each character that cannot be shown."""
    return HIDDEN.sub("\ufffd", " ".join(words.split()))


def width_of(words: str, size: float) -> float:
    """How wide the words are at most, where letters are ``size`` high."""
    return size * sum(_width(letter) for letter in words)


def _width(letter: str) -> float:
    known = WIDTHS.get(letter)
    if known is not None:
        return known
    return USUAL if letter < "\u0250" else WIDE if east_asian_width(letter) in "WF" else 0.82


def cut(words: str, longest: int = NAME_MAX) -> str:
    """The words, or their beginning where they are too long."""
    shown = printable(words)
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


def lines_of(words: str) -> tuple[str, ...]:
    """A label as lines; the last ends with a sign where there is more."""
    shown = cut(words, 2 * LABEL_MAX)  # no more is looked at, however long it is
    return tuple(
        wrap(shown, LINE_MAX, max_lines=LINES_MAX, placeholder="…", break_on_hyphens=False)
    )
