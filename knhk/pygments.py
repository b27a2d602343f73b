"""Colours for `.knhk` sources, wherever Pygments is used: in Sphinx, in MkDocs, on a terminal.

Pygments finds it by its entry point, as the language ``knhk``.
"""

from __future__ import annotations

from typing import ClassVar

from pygments.lexer import RegexLexer, default, include, words
from pygments.token import (
    Comment,
    Keyword,
    Name,
    Number,
    Operator,
    Punctuation,
    String,
    Whitespace,
)

from knhk_dsl.syntax.words import (
    CLAUSES,
    CONSTANTS,
    DECLARATIONS,
    GROUPS,
    NODES,
    OPERATORS,
    TYPES,
)

__all__ = ["KnhkLexer"]

_GROUP = rf"\b({'|'.join(GROUPS)})(?=\s*(?:[^\W\d]\w*\s*)?\()"
_DURATION = r"\d[\d_]*(?:\.\d[\d_]*)?(?:(?:ms|s|m|h|d|w)\b|%)"
_NUMBER = r"\d[\d_]*(?:\.\d[\d_]*)?(?:[eE][+-]?\d+)?"


class KnhkLexer(RegexLexer):
    """A token stream for highlighting; it colours words wherever they stand."""

    name = "KNHK"
    aliases: ClassVar[list[str]] = ["knhk"]
    filenames: ClassVar[list[str]] = ["*.knhk"]

    tokens: ClassVar[dict[str, list[object]]] = {
        "root": [include("code"), (r"[{}]", Punctuation)],
        "code": [
            (r"\s+", Whitespace),
            (r"#.*$", Comment.Single),
            (r'"""(?:[^"\\]|\\.|"(?!""))*"""', String.Doc),
            (r'"', String.Double, "text"),
            (r"-\[[^\]\n]*\]->|->", Operator),
            (_DURATION, Number),
            (_NUMBER, Number),
            (_GROUP, Keyword.Reserved),
            (words(DECLARATIONS, prefix=r"\b", suffix=r"\b"), Keyword.Declaration, "declared"),
            (words(CONSTANTS, prefix=r"\b", suffix=r"\b"), Keyword.Constant),
            (words(OPERATORS, prefix=r"\b", suffix=r"\b"), Operator.Word),
            (words(NODES, prefix=r"\b", suffix=r"\b"), Name.Builtin.Pseudo),
            (words(CLAUSES, prefix=r"\b", suffix=r"\b"), Keyword),
            (words(TYPES, prefix=r"\b", suffix=r"\b"), Keyword.Type),
            (r"[^\W\d]\w*", Name),
            (r"[-+*/%<>=!]+", Operator),
            (r"[()\[\],:.?]", Punctuation),
        ],
        "declared": [
            (r"[ \t]+", Whitespace),
            (r"[^\W\d]\w*", Name.Class, "#pop"),
            default("#pop"),
        ],
        "text": [
            (r"\\.", String.Escape),
            (r"\{\{|\}\}", String.Escape),
            (r"\{", String.Interpol, "hole"),
            (r'"', String.Double, "#pop"),
            (r'[^"\\{}\n]+', String.Double),
            (r"\n", Whitespace, "#pop"),
        ],
        "hole": [
            (r"\}", String.Interpol, "#pop"),
            (r"\{", Punctuation, "braces"),
            include("code"),
        ],
        "braces": [
            (r"\}", Punctuation, "#pop"),
            (r"\{", Punctuation, "#push"),
            include("code"),
        ],
    }
