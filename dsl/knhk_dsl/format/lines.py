"""A logical line as text."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from knhk_dsl.format.brackets import gather
from knhk_dsl.format.layout import WIDTH, render
from knhk_dsl.format.phrases import line_parts
from knhk_dsl.format.words import CLOSERS, Word
from knhk_dsl.format.wrapping import content, is_bracketed, wrapped


def line_text(words: Sequence[Word], column: int, *, whole: bool = False) -> str:
    """The text of a line that begins in a column; unless it stays whole, it may be broken."""
    first, *others = words
    text = first.text + "".join(f" {word.text}" if word.spaced else word.text for word in others)
    if whole or (column + len(text) <= WIDTH and _is_plain(words)):
        return text
    return render(line_parts(gather(wrapped(words))), column)


def _is_plain(words: Sequence[Word]) -> bool:
    """Whether nothing but the width of the line can have a say in how it is written."""
    if any(word.before or word.behind for word in words):
        return False
    if any(one.kind == "COMMA" and other.kind in CLOSERS for one, other in pairwise(words)):
        return False
    start, end = content(words)
    return not is_bracketed(words[start:end])
