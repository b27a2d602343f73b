"""Where a logical line may be broken: inside brackets only, first between their elements.

Inside an element a line may be broken before an operator, before those that bind loosest first.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from knhk_dsl.format.brackets import Bracket, Element, Item, first_word, last_word
from knhk_dsl.format.layout import HARD, Behind, Break, Part, WhenBroken, group, indent
from knhk_dsl.format.words import WRAP, Word

#: The operators that a line may be broken before, from those that bind loosest.
_OPERATORS: Final = (
    ("FOR",),
    ("WHEN",),
    ("ARROW", "WEIGHTED_ARROW"),
    ("IF", "ELSE"),
    ("OR",),
    ("AND",),
    ("EQUALS", "DIFFERS", "LESSTHAN", "ATMOST", "MORETHAN", "ATLEAST", "NOT", "IN"),
    ("PLUS", "MINUS"),
    ("STAR", "SLASH", "SLASHES", "MODULO"),
    ("STARS",),
)
_LEVEL: Final = {kind: level for level, kinds in enumerate(_OPERATORS) for kind in kinds}


def line_parts(items: Sequence[Item]) -> list[Part]:
    """The parts of a logical line; outside brackets it cannot be broken."""
    return _joined(items, deep=False)


def loosest(items: Sequence[Item]) -> list[int]:
    """Where the operators stand that bind loosest, those in brackets left aside."""
    found: dict[int, list[int]] = {}
    for index, item in enumerate(items):
        if index and isinstance(item, Word) and item.kind in _LEVEL and not _bound(items, index):
            level = 0 if item.kind == "IF" and 0 in found else _LEVEL[item.kind]
            found.setdefault(level, []).append(index)
    return found[min(found)] if found else []


def _bound(items: Sequence[Item], index: int) -> bool:
    """Whether this `not` or `in` begins no comparison."""
    kinds = [last_word(item).kind for item in items[max(0, index - 2) : index + 2]]
    here = min(index, 2)
    if kinds[here] == "NOT":
        return kinds[here + 1 :] != ["IN"]
    return kinds[here] == "IN" and (kinds[here - 1] == "NOT" or kinds[0] == "FOR")


def _phrase(items: Sequence[Item], *, deep: bool) -> list[Part]:
    """The parts of an element, with a break before each of its loosest operators.

    ``deep``: the lines behind its first one are indented, so that the next element stands out.
    """
    cuts = loosest(items)
    if not cuts:
        return _joined(items, deep=deep)
    first = _phrase(items[: cuts[0]], deep=deep)
    rest: list[Part] = []
    for start, end in pairwise([*cuts, len(items)]):
        rest += _between(items[start - 1], items[start], Break(" "))
        rest += _phrase(items[start:end], deep=deep)
    return [group(*first, indent(*rest))] if deep else [group(*first, *rest)]


def _joined(items: Sequence[Item], *, deep: bool) -> list[Part]:
    """The parts of items that stand on one line if no comment is between them."""
    parts: list[Part] = []
    for index, item in enumerate(items):
        if index:
            space = " " if first_word(item).spaced else ""
            between = _between(items[index - 1], item, space)
            parts += [indent(*between)] if deep else between
        parts.append(_bracket(item) if isinstance(item, Bracket) else item.text)
    return parts


def _between(first: Item, second: Item, plain: Part) -> list[Part]:
    """What stands between two items: the comments there, or else what is given."""
    behind, before = last_word(first).behind, first_word(second).before
    if not behind and not before:
        return [plain]
    return [*_behind(behind), *(part for text in before for part in (HARD, text)), HARD]


def _behind(comment: str) -> list[Part]:
    return [Behind(comment)] if comment else []


def _bracket(bracket: Bracket) -> Part:
    """Two brackets: on one line, or with one element on each."""
    if _stays(bracket):
        return _flat(bracket)
    optional = bracket.opener.kind == WRAP
    opener, closer = bracket.opener.text, bracket.closer.text
    inner: list[Part] = []
    for index, element in enumerate(bracket.elements):
        inner.append(Break(" " if index else ""))
        inner += [part for text in element.before for part in (text, HARD)]
        if optional and bracket.listed:  # names behind `use`: an arrow there is no operator
            inner += _joined(element.items, deep=True)
        else:
            inner += _phrase(element.items, deep=bracket.listed)
        if index + 1 < len(bracket.elements):
            inner.append(",")
        elif bracket.listed:
            inner.append(WhenBroken(","))
        inner += _behind(element.behind)
    inner += [part for text in bracket.before_end for part in (HARD, text)]
    return group(
        WhenBroken(opener) if optional else opener,
        *_behind(bracket.opener.behind),
        indent(*inner),
        Break(""),
        WhenBroken(closer) if optional else closer,
        broken=bracket.ended,
    )


def _stays(bracket: Bracket) -> bool:
    """Whether nothing is won by breaking: `()`, `items[0]`, `dict[str, Item]`."""
    if bracket.opener.behind or bracket.before_end or bracket.listed:
        return False
    return not bracket.elements or (
        bracket.opener.kind == "LSQB" and all(map(_is_word, bracket.elements))
    )


def _is_word(element: Element) -> bool:
    alone = len(element.items) == 1 and isinstance(element.items[0], Word)
    return alone and not element.before and not element.behind


def _flat(bracket: Bracket) -> str:
    """Brackets of words that stand on one line in any case."""
    words = ", ".join(first_word(each.items[0]).text for each in bracket.elements)
    return f"{bracket.opener.text}{words}{bracket.closer.text}"
