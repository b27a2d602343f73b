"""Say in the language's own words what was expected, and guess what a bad line was meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from knhk.errors import Diagnostic, Span
from knhk_dsl.syntax import codes
from knhk_dsl.syntax.lalr import Row, Tables
from knhk_dsl.syntax.tokens import RESERVED, Token

_VALUE_STARTS: Final = frozenset(
    [
        "NAME",
        "INT",
        "FLOAT",
        "SHARE",
        "DURATION",
        "STRING",
        "TEXT_OPEN",
        "TRUE",
        "FALSE",
        "NONE",
        "LPAR",
        "LSQB",
        "LBRACE",
        "NOT",
        "PLUS",
        "MINUS",
    ]
)
_OPERATORS: Final = frozenset(
    [
        "PLUS",
        "MINUS",
        "STAR",
        "STARS",
        "SLASH",
        "SLASHES",
        "MODULO",
        "EQUALS",
        "DIFFERS",
        "LESSTHAN",
        "ATMOST",
        "MORETHAN",
        "ATLEAST",
        "AND",
        "OR",
        "IF",
        "IN",
        "NOT",
        "DOT",
        "LPAR",
        "LSQB",
        "QMARK",
    ]
)
_NODE_STARTS: Final = frozenset({"NAME", "INT", "GROUP", "NAMED_GROUP"})
_WORDING: Final = {
    "NAME": "a name",
    "NEWLINE": "the end of the line",
    "INT": "a whole number",
    "FLOAT": "a number",
    "SHARE": "a share such as `10%`",
    "DURATION": "a duration such as `10s`",
    "STRING": "a text in double quotes",
    "DOCSTRING": 'a `"""docstring"""`',
    "WEIGHTED_ARROW": "",
    "INDENT": "",
    "ARROW": "`->`",
    "LPAR": "`(`",
    "RPAR": "`)`",
    "LSQB": "`[`",
    "RSQB": "`]`",
    "LBRACE": "`{`",
    "RBRACE": "`}`",
    "HOLE_CLOSE": "`}`",
    "COMMA": "`,`",
    "COLON": "`:`",
    "EQUAL": "`=`",
    "DOT": "`.`",
    "MINUS": "`-`",
    "QMARK": "`?`",
    "PLUS": "`+`",
    "STAR": "`*`",
    "STARS": "`**`",
    "SLASH": "`/`",
    "SLASHES": "`//`",
    "MODULO": "`%`",
    "EQUALS": "`==`",
    "DIFFERS": "`!=`",
    "LESSTHAN": "`<`",
    "ATMOST": "`<=`",
    "MORETHAN": "`>`",
    "ATLEAST": "`>=`",
    "GROUP": "a group",
    "NAMED_GROUP": "a group",
    "TIMER": "`timer`",
    "MESSAGE": "`message NAME`",
    "SIGNAL": "`signal NAME`",
    "SKIP": "`skip`",
}
_NO_WORDS: Final = frozenset({"DEDENT", "TEXT_OPEN", "TEXT_PART", "TEXT_CLOSE", "HOLE_OPEN"})
_BLOCKS: Final = {
    "record": "BAD_RECORD",
    "connector": "BAD_CONNECTOR",
    "policy": "BAD_POLICY",
    "trigger": "BAD_TRIGGER",
    "strategy": "BAD_STRATEGY",
    "workflow": "BAD_WORKFLOW",
    "task": "BAD_TASK",
    "flow": "FLOW",
}
_DECLARING: Final = frozenset(
    {*_BLOCKS, "var", "place", "mutex", "enum", "invariant", "from"} - {"flow"}
)
_BELONGS: Final = {
    "a workflow": ("task", "var", "place", "mutex", "flow", "return", "on"),
    "a task": (
        "retry", "timeout", "breaker", "at", "uses", "for", "times", "without", "open",
        "complete", "cancels", "completes", "while", "holds", "sets", "compensate", "optional",
        "priority",
    ),
    "a file, without indentation": (
        "from", "record", "enum", "connector", "policy", "workflow", "trigger", "invariant",
        "strategy",
    ),
    "a strategy": ("do",),
}  # fmt: skip
_FOREIGN: Final = {
    "import": "from module use name, name",
    "def": "task name = callee(...)",
    "class": "record Name",
    "step": "task name",
    "let": "var name: type = value",
    "const": "var name: type = value",
    "if": "one(a when test, b otherwise)",
    "process": "workflow name(...)",
}
_EXPECTED_MAX: Final = 6
_TEXT_MAX: Final = 40


class Situation:
    """Where the parser stands: what it could read next, without reading it."""

    def __init__(self, tables: Tables, states: list[int], soft: frozenset[str]) -> None:
        self._tables = tables
        self._states = states
        self._soft = soft

    @property
    def row(self) -> Row:
        """What terminals do here."""
        return self._tables.rows[self._states[-1]]

    def completed_by(self, terminal: str) -> frozenset[str]:
        """The rules that the terminal, read here, completes."""
        states = self._tables.shifted(self._states, terminal)
        row = {} if states is None else self._tables.rows[states[-1]]
        return frozenset(entry[1] for entry in row.values() if isinstance(entry, tuple))

    def accepts(self, terminal: str) -> bool:
        """Whether the terminal can be read here."""
        return self._tables.shifted(self._states, terminal) is not None

    def takes(self, token: Token) -> bool:
        """Whether the token can be read here, as a keyword or as a name."""
        return self.accepts(token.type) or (token.type in self._soft and self.accepts("NAME"))

    def after(self, terminal: str) -> Situation:
        """Where the parser stands after the terminal, which must be accepted."""
        states = self._tables.shifted(self._states, terminal)
        assert states is not None, terminal
        return Situation(self._tables, states, self._soft)

    def accepted(self) -> list[str]:
        """Every terminal that can be read here, in the order of the alphabet."""
        return [item for item in sorted(self.row) if self.accepts(item)]


@dataclass(frozen=True, slots=True)
class Guess:
    """What a bad line was meant to be: the token that stands for it, the names it declares."""

    kind: str
    names: tuple[str, ...]


# --- what was expected ------------------------------------------------------------------------


def unexpected(start: Situation, tokens: list[Token], index: int) -> Diagnostic:
    """The diagnostic for the token at ``index`` of a line (one too many: the line's end)."""
    here = start
    for token in tokens[:index]:
        here = here.after(token.type)
    accepted = here.accepted()
    if index == len(tokens):
        last = tokens[-1]
        span = Span(last.file, last.end_line, last.end_column, last.end_line, last.end_column + 1)
        message = f"expected {_expected(accepted)} after `{_text(last)}`, but the line ends"
        return Diagnostic(codes.UNEXPECTED, message, span, _end_hint(tokens))
    found = tokens[index]
    if index == 0:
        return _unknown(found, accepted)
    if found.text in RESERVED and "NAME" in accepted:
        message = f"`{found.text}` is a reserved word and cannot be a name"
        return Diagnostic(codes.RESERVED_WORD, message, found.span, "choose another name")
    before = tokens[index - 1]
    message = f"expected {_expected(accepted)} after `{_text(before)}`, not `{_text(found)}`"
    if found.type in _CLOSING and not _opened(tokens[:index]):
        message = f"this `{found.text}` closes no bracket"
    return Diagnostic(codes.UNEXPECTED, message, found.span, _hint(tokens, index, accepted))


_CLOSING: Final = frozenset({"RPAR", "RSQB", "RBRACE"})


def _opened(tokens: list[Token]) -> bool:
    opened = sum(token.type in ("LPAR", "LSQB", "LBRACE") for token in tokens)
    return opened > sum(token.type in _CLOSING for token in tokens)


def _text(token: Token) -> str:
    text = token.text.split("\n", 1)[0]
    return text if len(text) <= _TEXT_MAX else f"{text[: _TEXT_MAX - 3]}..."


def _expected(accepted: Iterable[str]) -> str:
    """The terminals in words: "`,` or `)`"."""
    left = set(accepted)
    phrases: list[str] = []
    if "TRUE" in left:
        phrases.append("a value")
        left -= _VALUE_STARTS
    elif "GROUP" in left:
        phrases.append("a task, place or group")
        left -= _NODE_STARTS
    elif "PLUS" in left:
        left -= _OPERATORS
    elif "FLOAT" in left:
        phrases.append("a number")
        left -= {"INT", "FLOAT"}
    if "DOT" in left:
        left -= {"DOT", "LPAR", "LSQB"}
    ends = "NEWLINE" in left
    left.discard("NEWLINE")
    phrases += filter(None, (_WORDING.get(item, f"`{item.lower()}`") for item in sorted(left)))
    if ends:
        phrases.append(_WORDING["NEWLINE"])
    phrases = list(dict.fromkeys(phrases))
    if len(phrases) > _EXPECTED_MAX:
        phrases = [*phrases[: _EXPECTED_MAX - 1], "something else of the kind"]
    if not phrases:
        return "something else"
    if len(phrases) == 1:
        return phrases[0]
    return f"{', '.join(phrases[:-1])} or {phrases[-1]}"


def _unknown(found: Token, accepted: list[str]) -> Diagnostic:
    """The diagnostic for a line whose first word begins nothing that may stand here."""
    kind = _kind(accepted)
    word = found.text
    if not word.isidentifier():
        message = f"{kind} cannot begin with `{_text(found)}`"
        if found.type == "DOCSTRING":
            message = "a docstring can stand only at the head of what it describes"
        hint = "a chain goes on on the next line only inside brackets" if word == "->" else ""
        return Diagnostic(codes.UNEXPECTED, message, found.span, hint)
    for home, belonging in _BELONGS.items():
        if word in belonging:
            message = f"`{word}` cannot stand here"
            return Diagnostic(codes.UNEXPECTED, message, found.span, f"`{word}` belongs in {home}")
    message = f"unknown {kind.removeprefix('a ')} `{_text(found)}`"
    return Diagnostic(codes.UNKNOWN_WORD, message, found.span, _similar(word, _words(accepted)))


def _kind(accepted: Iterable[str]) -> str:
    has = set(accepted)
    if "HOLDS" in has:
        return "a task attribute"
    if "VAR" in has:
        return "a statement"
    if "WORKFLOW" in has:
        return "a declaration"
    if "RETRY" in has:
        return "a policy line"
    if "GROUP" in has:
        return "a chain of the flow"
    if "DO" in has:
        return "a line of a strategy"
    return "a line here"


def _words(accepted: Iterable[str]) -> list[str]:
    """The keywords among the terminals."""
    words = (item.lower() for item in accepted if item not in _NO_WORDS and item not in _WORDING)
    return sorted(word for word in words if not word.startswith("bad"))


def _similar(word: str, words: list[str]) -> str:
    if word in _FOREIGN:
        return f"did you mean `{_FOREIGN[word]}`?"
    close = difflib.get_close_matches(word.lower(), words, n=1, cutoff=0.6)
    if close:
        return f"did you mean `{close[0]}`?"
    if not words:
        return ""
    return f"here may stand: {', '.join(words)}"


def _end_hint(tokens: list[Token]) -> str:
    if tokens[-1].type in ("ARROW", "WEIGHTED_ARROW"):
        return "a chain goes on on the next line only inside brackets"
    return ""


def _hint(tokens: list[Token], index: int, accepted: list[str]) -> str:
    found = tokens[index]
    if found.type == "COLON" and index == len(tokens) - 1:
        return "remove the `:`; indentation alone makes a block"
    after = tokens[index + 1].text if index + 1 < len(tokens) else ""
    if (found.text, after) in (("=", ">"), ("-", "->"), ("-", ">"), ("-", "-")):
        return "an arrow is written `->`"
    if found.text == "=" and "PLUS" in accepted:
        return "compare with `==`"
    if found.text == "import":
        return "write `use`"
    if found.text in ("is", "equals"):
        return "compare with `==`"
    if found.type == "INT" and "DURATION" in accepted:
        return f"give the unit too, such as `{found.text}s`"
    if found.type in ("TEXT_OPEN", "TEXT_PART") and "STRING" in accepted:
        return "this text cannot have holes; write `{{` for a brace"
    if found.text in ("message", "signal") and "MESSAGE" in accepted:
        return f"a name follows it: `{found.text} NAME`"
    if found.text == "?" and "NEWLINE" in accepted:
        return "write `a if test else b`"
    if found.text.isidentifier():
        close = difflib.get_close_matches(found.text, _words(accepted), n=1, cutoff=0.6)
        if close:
            return f"did you mean `{close[0]}`?"
    return ""


# --- what a bad line was meant to be ----------------------------------------------------------


def guess_line(tokens: list[Token], here: Situation) -> Guess:
    """What a line that cannot be read was meant to be."""
    word = tokens[0].text
    texts = [token.text for token in tokens]
    known = any(word in belonging for belonging in _BELONGS.values())
    if not known and not here.takes(tokens[0]) and word.isidentifier():
        words = _words(here.accepted())
        close = difflib.get_close_matches(word.lower(), words, n=1, cutoff=0.6)
        if close:
            word = close[0]
    kind = _BLOCKS.get(word, "BAD")
    if word == "from":
        return Guess(kind, _identifiers(texts[texts.index("use") :]) if "use" in texts else ())
    if word in ("place", "mutex"):
        return Guess(kind, _identifiers(texts[1:]))
    if word in _DECLARING:
        return Guess(kind, _identifiers(texts[1:2]))
    if len(texts) > 1 and texts[1] in (":", "="):
        return Guess(kind, _identifiers(texts[:1]))
    if len(texts) > 2 and texts[2] in (":", "=", "("):
        return Guess(kind, _identifiers(texts[1:2]))
    return Guess(kind, ())


def _identifiers(texts: Iterable[str]) -> tuple[str, ...]:
    found = (text for text in texts if text.isidentifier() and text not in RESERVED)
    return tuple(dict.fromkeys(text for text in found if text != "use"))
