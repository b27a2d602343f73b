"""The brackets that mean nothing: those around the names behind ``use``, or a whole expression.

They stand where what is in them does not fit on its line, and only there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from knhk_dsl.format.brackets import gather
from knhk_dsl.format.phrases import loosest
from knhk_dsl.format.words import CLOSERS, OPENERS, UNWRAP, WRAP, Word

_OPENER: Final = Word(WRAP, "(", True, (), "")
_CLOSER: Final = Word(UNWRAP, ")", False, (), "")
#: A line that begins with the first word has its names or its expression behind the second one.
_BEHIND: Final = {
    "FROM": "USE",
    "RETURN": "RETURN",
    "VAR": "EQUAL",
    "SETS": "EQUAL",
    "NAME": "EQUAL",  # the field of a record
    "INVARIANT": "COLON",
    "WHEN": "WHEN",
    "FOR": "IN",
    "TIMES": "TIMES",
    "COMPLETE": "WHEN",
}


def wrapped(words: Sequence[Word]) -> list[Word]:
    """The words of a line, with brackets to show if need be around what may have them."""
    start, end = content(words)
    inside = list(words[start:end])
    if not inside:
        return list(words)
    names = words[start - 1].kind == "USE"
    # Comments, and a comma behind the last name, stay with the brackets that they stand in.
    kept = names or any(word.before or word.behind for word in inside)
    if kept and is_bracketed(inside):
        inside[0] = replace(inside[0], kind=WRAP)
        inside[-1] = replace(inside[-1], kind=UNWRAP)
        return [*words[:start], *inside, *words[end:]]
    while is_bracketed(inside):
        inside = [replace(inside[1], spaced=True), *inside[2:-1]]
    if names or loosest(gather(inside)):
        inside = [_OPENER, *inside, _CLOSER]
    return [*words[:start], *inside, *words[end:]]


def is_bracketed(words: Sequence[Word]) -> bool:
    """Whether the words are one pair of round brackets with all the others inside."""
    if not words or words[0].kind != "LPAR":
        return False
    depth = 0
    for word in words[:-1]:
        depth += (word.kind in OPENERS) - (word.kind in CLOSERS)
        if depth == 0:
            return False
    return True


def content(words: Sequence[Word]) -> tuple[int, int]:
    """From where to where the words may have brackets around them."""
    kinds = [word.kind for word in words]
    wanted = _BEHIND.get(kinds[0])
    if wanted is None or wanted not in kinds:
        return len(words), len(words)
    end = len(words) - 3 if kinds[-3:] == ["THEN", "CANCEL", "REST"] else len(words)
    return kinds.index(wanted) + 1, end
