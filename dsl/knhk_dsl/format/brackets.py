"""Words gathered into brackets, and what stands in a bracket into elements."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from knhk_dsl.format.words import CLOSERS, OPENERS, VALUE_ENDS, WRAP, Word


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a bracket: its items, the comments on lines before it, the one behind it."""

    items: tuple[Item, ...]
    before: tuple[str, ...]
    behind: str


@dataclass(frozen=True, slots=True)
class Bracket:
    """Two brackets with the elements between them.

    ``listed``: a comma may stand behind the last element; ``ended``: one does.
    ``before_end`` are the comments on lines of their own before the closing bracket.
    """

    opener: Word
    elements: tuple[Element, ...]
    closer: Word
    before_end: tuple[str, ...]
    listed: bool
    ended: bool


Item = Word | Bracket


def first_word(item: Item) -> Word:
    """The word that an item begins with."""
    return item.opener if isinstance(item, Bracket) else item


def last_word(item: Item) -> Word:
    """The word that an item ends with."""
    return item.closer if isinstance(item, Bracket) else item


def gather(words: Iterable[Word]) -> tuple[Item, ...]:
    """The words of a line, those in brackets gathered."""
    levels = [_Level(None)]
    for word in words:
        here = levels[-1]
        if word.kind in OPENERS:
            levels.append(_Level(word))
        elif word.kind in CLOSERS:
            levels.pop()
            levels[-1].items.append(here.close(word, levels[-1].items))
        elif word.kind == "COMMA" and here.opener is not None:
            here.cut(word)
        else:
            here.items.append(word)
    return tuple(levels[0].items)


class _Level:
    """A bracket that is being read, or the line itself."""

    def __init__(self, opener: Word | None) -> None:
        self.opener = opener
        self.items: list[Item] = []
        self._elements: list[Element] = []
        self._before: tuple[str, ...] = ()

    def cut(self, comma: Word) -> None:
        """End an element; the comments around its comma move behind it or to the next one."""
        behind, loose = last_word(self.items[-1]).behind, comma.before
        if comma.behind and (behind or loose):
            loose = (*loose, comma.behind)
        else:
            behind = behind or comma.behind
        self._end(behind)
        self._before = loose

    def close(self, closer: Word, outside: list[Item]) -> Bracket:
        """The whole bracket, behind the items ``outside``."""
        assert self.opener is not None
        ended = not self.items and bool(self._elements)
        if self.items:
            self._end(last_word(self.items[-1]).behind)
        elements = tuple(self._elements)
        listed = _listed(self.opener, elements, outside)
        before_end = self._before + closer.before
        return Bracket(self.opener, elements, closer, before_end, listed, ended)

    def _end(self, behind: str) -> None:
        before = self._before + first_word(self.items[0]).before
        self._elements.append(Element(tuple(self.items), before, behind))
        self.items.clear()
        self._before = ()


def _listed(opener: Word, elements: tuple[Element, ...], outside: list[Item]) -> bool:
    """Whether the grammar takes a comma behind the last of these elements."""
    if not elements or any(last_word(item).kind == "FOR" for item in elements[0].items):
        return False
    kinds = ["", "", *(last_word(item).kind for item in outside[-2:])]
    if opener.kind == WRAP:
        return kinds[-1] == "USE"
    if opener.kind == "LPAR":
        return kinds[-1] in VALUE_ENDS and kinds[-2] != "MESSAGE"
    return opener.kind == "LBRACE" or kinds[-1] not in VALUE_ENDS
