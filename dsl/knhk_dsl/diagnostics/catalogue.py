"""The pages by their codes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from importlib import resources
from typing import Final

from knhk_dsl.diagnostics.page import Explanation, read_page

#: What the codes with the same beginning are about.
GROUPS: Final[Mapping[str, str]] = {
    "KN1": "Reading and syntax",
    "KN2": "Names",
    "KN3": "Types and expressions",
    "KN4": "Flow",
    "KN5": "Tasks, attributes, policies",
    "KN6": "Connectors and plugins",
    "KN70": "Soundness",
    "KN71": "Data flow",
    "KN72": "What hurts in production",
    "KN73": "Silencing",
    "KN9": "Not executed yet",
}
#: Codes that are named when one is asked for that there is not.
NEAREST_MAX: Final = 3

_PAGES: Final = resources.files("knhk_dsl.diagnostics") / "pages"
_CODE: Final = re.compile(r"(?:KN)?(\d{3})", re.IGNORECASE)


@cache
def codes() -> tuple[str, ...]:
    """Every code, in order."""
    names = (page.name for page in _PAGES.iterdir())
    return tuple(sorted(name.removesuffix(".md") for name in names if name.endswith(".md")))


@cache
def explanation(code: str) -> Explanation:
    """What is said about a code; raises :class:`KeyError` when there is none."""
    if code not in codes():
        raise KeyError(code)
    return read_page(code, (_PAGES / f"{code}.md").read_text(encoding="utf-8"))


def catalogue() -> tuple[Explanation, ...]:
    """What is said about every code, in order."""
    return tuple(explanation(code) for code in codes())


def group_of(code: str) -> str:
    """The beginning of a code that :data:`GROUPS` has."""
    return next(group for group in GROUPS if code.startswith(group))


def spelt_out(word: str) -> str:
    """The code that is meant by ``KN312``, ``kn312`` or ``312``; else the word as it is."""
    match = _CODE.fullmatch(word.strip())
    return f"KN{match[1]}" if match else word


def nearest(word: str) -> list[str]:
    """The codes that are most like a word."""
    return get_close_matches(spelt_out(word).upper(), codes(), n=NEAREST_MAX, cutoff=0.6)
