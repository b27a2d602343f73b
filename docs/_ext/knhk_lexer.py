"""Colours for `.knhk` sources in the documentation."""

from __future__ import annotations

from typing import ClassVar

from pygments.lexer import RegexLexer, bygroups, words
from pygments.token import (
    Comment,
    Keyword,
    Name,
    Number,
    Operator,
    Punctuation,
    String,
    Text,
    Whitespace,
)
from sphinx.application import Sphinx

__all__ = ["KnhkLexer", "setup"]

DECLARATIONS = (
    "workflow",
    "record",
    "enum",
    "connector",
    "policy",
    "trigger",
    "invariant",
    "strategy",
    "task",
    "flow",
    "var",
    "place",
    "mutex",
    "return",
    "version",
)
GROUPS = ("all", "one", "any", "first", "pick", "interleave", "critical", "repeat", "of")
NODES = ("start", "end", "stop", "abort", "skip")
WORDS = (
    "from",
    "use",
    "when",
    "otherwise",
    "until",
    "while",
    "cancelling",
    "on",
    "error",
    "timeout",
    "failure",
    "message",
    "signal",
    "timer",
    "retry",
    "every",
    "backoff",
    "up",
    "to",
    "jitter",
    "breaker",
    "opens",
    "after",
    "failures",
    "tries",
    "again",
    "at",
    "most",
    "once",
    "uses",
    "for",
    "each",
    "times",
    "without",
    "waiting",
    "open",
    "complete",
    "then",
    "cancel",
    "rest",
    "cancels",
    "completes",
    "holds",
    "sets",
    "compensate",
    "with",
    "optional",
    "priority",
    "pause",
    "starts",
    "do",
    "by",
)
TYPES = (
    "str",
    "int",
    "float",
    "bool",
    "decimal",
    "bytes",
    "date",
    "datetime",
    "duration",
    "json",
    "list",
    "dict",
)


class KnhkLexer(RegexLexer):
    """A token stream for highlighting; it colours words wherever they stand."""

    name = "KNHK"
    aliases: ClassVar[list[str]] = ["knhk"]
    filenames: ClassVar[list[str]] = ["*.knhk"]

    tokens: ClassVar[dict[str, list[object]]] = {
        "root": [
            (r"\n", Whitespace),
            (r"[ \t]+", Whitespace),
            (r"#.*$", Comment.Single),
            (r'"""(?:.|\n)*?"""', String.Doc),
            (r'"', String.Double, "string"),
            (r"-\[[^\]\n]*\]->|->", Operator),
            (r"\d+(?:\.\d+)?(?:(?:ms|s|m|h|d|w)\b|%)", Number),
            (r"\d+(?:\.\d+)?", Number),
            (
                r"(workflow|record|enum|connector|policy|trigger|task)(\s+)(\w+)",
                bygroups(Keyword.Declaration, Whitespace, Name.Class),
            ),
            (words(DECLARATIONS, prefix=r"\b", suffix=r"\b"), Keyword.Declaration),
            (words(("true", "false", "none"), prefix=r"\b", suffix=r"\b"), Keyword.Constant),
            (words(("and", "or", "not", "in", "if", "else"), suffix=r"\b"), Operator.Word),
            (rf"\b({'|'.join(GROUPS)})(?=\s*(?:\w+\s*)?\()", Keyword.Reserved),
            (words(NODES, prefix=r"\b", suffix=r"\b"), Name.Builtin.Pseudo),
            (words(WORDS, prefix=r"\b", suffix=r"\b"), Keyword),
            (words(TYPES, prefix=r"\b", suffix=r"\b"), Keyword.Type),
            (r"[A-Za-z_]\w*", Name),
            (r"[-+*/%<>=!]+", Operator),
            (r"[()\[\]{},:.?]", Punctuation),
            (r".", Text),
        ],
        "string": [
            (r"\\.", String.Escape),
            (r"\{\{|\}\}", String.Escape),
            (r"\{[^}\n]*\}", String.Interpol),
            (r'"', String.Double, "#pop"),
            (r'[^"\\{}\n]+', String.Double),
            (r"\n", Whitespace, "#pop"),
            (r".", String.Double),
        ],
    }


def setup(app: Sphinx) -> dict[str, bool]:
    """Make the lexer known to Sphinx as `knhk`."""
    app.add_lexer("knhk", KnhkLexer)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
