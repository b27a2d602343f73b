"""The words of the language by what they are for, for those who colour sources.

The grammar has the same words (a test compares the two); here they are sorted as a reader sees
them, and cost nothing to import.
"""

from __future__ import annotations

from typing import Final

__all__ = ["CLAUSES", "CONSTANTS", "DECLARATIONS", "GROUPS", "NODES", "OPERATORS", "TYPES"]

#: Words that declare something, most of them with a name behind.
DECLARATIONS: Final = (
    "connector",
    "enum",
    "flow",
    "invariant",
    "mutex",
    "place",
    "policy",
    "record",
    "strategy",
    "task",
    "trigger",
    "var",
    "workflow",
)
#: Words that begin or join clauses.
CLAUSES: Final = (
    "after",
    "again",
    "at",
    "backoff",
    "breaker",
    "by",
    "cancel",
    "cancelling",
    "cancels",
    "case",
    "compensate",
    "complete",
    "completes",
    "do",
    "each",
    "error",
    "every",
    "failure",
    "failures",
    "for",
    "from",
    "holds",
    "jitter",
    "message",
    "most",
    "on",
    "once",
    "open",
    "opens",
    "optional",
    "otherwise",
    "pause",
    "priority",
    "rest",
    "retry",
    "return",
    "sets",
    "signal",
    "starts",
    "then",
    "timeout",
    "timer",
    "times",
    "to",
    "tries",
    "until",
    "up",
    "use",
    "uses",
    "version",
    "waiting",
    "when",
    "while",
    "with",
    "without",
)
#: Words before the brackets of a group of the flow.
GROUPS: Final = (
    "all",
    "any",
    "critical",
    "first",
    "interleave",
    "of",
    "one",
    "pick",
    "repeat",
)
#: Nodes of the flow that nobody declares.
NODES: Final = ("abort", "end", "skip", "start", "stop")
#: Operators of expressions that are words.
OPERATORS: Final = ("and", "else", "if", "in", "not", "or")
#: Values that are words.
CONSTANTS: Final = ("false", "none", "true")
#: Types that nobody declares.
TYPES: Final = (
    "bool",
    "bytes",
    "date",
    "datetime",
    "decimal",
    "dict",
    "duration",
    "float",
    "int",
    "json",
    "list",
    "str",
)
