"""What is made of the grammar, as plain data: it is kept in a file, as making it takes time.

Lark makes it (:mod:`knhk_dsl.syntax.making`), once for every change of ``grammar.lark``, and not
in the processes that check and run workflows. ``grammar.json`` says which text it was made of; for
another one it is made at once, so that what is used is never stale.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, Final

__all__ = ["GRAMMAR", "KEPT", "Made", "Rule", "Terminal", "digest_of", "grammar_text", "kept"]

GRAMMAR: Final = "grammar.lark"
KEPT: Final = "grammar.json"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of the grammar: what it is a rule of, its alias, and the number of its parts.

    ``hands_on`` says that a single part may stand for the whole.
    """

    origin: str
    alias: str
    size: int
    hands_on: bool


@dataclass(frozen=True, slots=True)
class Terminal:
    """A terminal: ``word`` is its text, if it is nothing but that."""

    name: str
    word: str
    pattern: str
    priority: int


@dataclass(frozen=True, slots=True)
class Made:
    """The rules and terminals, and for each state of the parser what terminals and rules do there.

    In a row of ``rows`` a number from 0 on is the state that a terminal leads to; one below says
    which rule is complete, counted from -1 downwards. ``gotos`` are the states behind a rule.
    """

    rules: tuple[Rule, ...]
    terminals: tuple[Terminal, ...]
    start: int
    end: int
    rows: tuple[Mapping[str, int], ...]
    gotos: tuple[Mapping[str, int], ...]


def grammar_text() -> str:
    """The grammar of the language."""
    return _file(GRAMMAR).read_text(encoding="utf-8")


def kept(text: str) -> Made | None:
    """What was made of a grammar, if it was of this one."""
    file = _file(KEPT)
    if not file.is_file():
        return None
    found: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if found["of"] != digest_of(text):
        return None
    return Made(
        tuple(Rule(*each) for each in found["rules"]),
        tuple(Terminal(*each) for each in found["terminals"]),
        found["start"],
        found["end"],
        tuple(found["rows"]),
        tuple(found["gotos"]),
    )


def digest_of(text: str) -> str:
    """By what a text is known."""
    return sha256(text.encode()).hexdigest()


def _file(name: str) -> Traversable:
    return resources.files("knhk_dsl.syntax").joinpath(name)
