"""The tokens of a logical line as words to print."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from knhk_dsl.format.comments import NOTHING, Gaps
from knhk_dsl.syntax.tokens import Line, Token

#: What kinds of words can end a value: a bracket behind them calls or indexes, a sign joins.
VALUE_ENDS: Final = frozenset(
    {
        "NAME", "GROUP", "INT", "FLOAT", "SHARE", "DURATION", "STRING", "TEMPLATE",
        "TRUE", "FALSE", "NONE", "RPAR", "RSQB", "RBRACE", "QMARK",
    }
)  # fmt: skip
#: Brackets that stand only where what is in them does not fit on the line.
WRAP, UNWRAP = "WRAP", "UNWRAP"
OPENERS: Final = frozenset({"LPAR", "LSQB", "LBRACE", WRAP})
CLOSERS: Final = frozenset({"RPAR", "RSQB", "RBRACE", UNWRAP})
#: Nothing stands between these and the word before them, or behind them.
_TIGHT_BEFORE: Final = CLOSERS | {"COMMA", "COLON", "QMARK", "DOT"}
_TIGHT_BEHIND: Final = OPENERS | {"DOT", "SIGN"}
_SIGNS: Final = frozenset({"PLUS", "MINUS"})
_NOT_CALLED: Final = frozenset({("INT", "GROUP"), ("VERSION", "STRING")})


@dataclass(frozen=True, slots=True)
class Word:
    """A token to print.

    ``kind`` is its terminal; ``TEMPLATE`` is a whole text with holes, ``SIGN`` a plus or minus of
    one operand. ``spaced``: a space stands before it, if it is not the first of its line.
    ``before`` are the comments on lines of their own before it, ``behind`` the one behind it.
    """

    kind: str
    text: str
    spaced: bool
    before: tuple[str, ...]
    behind: str


def words_of(line: Line, gaps: Gaps) -> list[Word]:
    """The words of a line, without the comments around the line."""
    found: list[Word] = []
    kinds = ["", ""]
    last: Token | None = None
    for kind, text, first, end in _pieces(line.tokens, gaps):
        gap = NOTHING if last is None else gaps.between(last, first)
        if gap is not NOTHING:
            found[-1] = replace(found[-1], behind=gap.behind)
        kinds.append("SIGN" if kind in _SIGNS and kinds[-1] not in VALUE_ENDS else kind)
        before = tuple(comment.text for comment in gap.comments)
        found.append(Word(kinds[-1], text, _spaced(*kinds[-3:]), before, ""))
        last = end
    return found


def _pieces(tokens: list[Token], gaps: Gaps) -> Iterator[tuple[str, str, Token, Token]]:
    """The kind and text of each word, with its first and its last token."""
    opener: Token | None = None
    depth = 0
    for token in tokens:
        kind = token.type
        if kind == "TEXT_OPEN":
            opener = opener or token
            depth += 1
        elif kind == "TEXT_CLOSE":
            depth -= 1
            if depth == 0 and opener is not None:
                yield "TEMPLATE", gaps.written(opener, token), opener, token
                opener = None
        elif kind == "WEIGHTED_ARROW":
            weights = " ".join(token.text[2:-3].replace("by", " by ").split())
            yield kind, f"-[{weights}]->", token, token
        elif depth == 0:
            yield kind, token.text, token, token


def _spaced(before: str, last: str, kind: str) -> bool:
    """Whether a space stands before a word, by its kind and those of the two before it."""
    if kind in _TIGHT_BEFORE or last in _TIGHT_BEHIND:
        return False
    if kind == "LPAR":
        # `f(x)`, but `2 of (x, y)` and `version "2" (x: int)`
        return last not in VALUE_ENDS or (before, last) in _NOT_CALLED
    return not (kind == "LSQB" and last in VALUE_ENDS)
