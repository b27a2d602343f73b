"""Lark at work: from the text of the grammar to what a parser needs.

``python -m knhk_dsl.syntax.making`` keeps that in a file, after a change of the grammar.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import astuple
from operator import itemgetter
from pathlib import Path
from typing import Any

from lark import Lark
from lark.common import LexerConf
from lark.grammar import Rule as LarkRule
from lark.lexer import Lexer, LexerState, PatternStr, TerminalDef
from lark.lexer import Token as LarkToken
from lark.parsers.lalr_analysis import Shift
from lark.parsers.lalr_parser_state import ParseConf

from knhk_dsl.syntax.made import GRAMMAR, KEPT, Made, Rule, Terminal, digest_of

__all__ = ["NoLexer", "keep", "make", "written"]


class NoLexer(Lexer):
    """Tells Lark that the tokens come from elsewhere: from :mod:`knhk_dsl.syntax.tokens`."""

    __future_interface__ = True

    def __init__(self, conf: LexerConf) -> None:
        """Lark gives the terminals here; they are taken from the grammar instead."""

    def lex(self, _lexer_state: LexerState, _parser_state: object) -> Iterator[LarkToken]:
        return iter(())


def make(text: str) -> Made:
    """What a parser of this grammar needs."""
    lark = Lark(text, parser="lalr", lexer=NoLexer, start="file")
    tables = lark.parse_interactive("", start="file").parser_state.parse_conf
    complete = {rule: -1 - number for number, rule in enumerate(lark.rules)}
    # Lark numbers the states as its sets have them, in every process otherwise.
    states = _in_order(tables)
    numbers = {state: number for number, state in enumerate(states)}
    rows: list[dict[str, int]] = []
    gotos: list[dict[str, int]] = []
    for state in states:
        row: dict[str, int] = {}
        behind: dict[str, int] = {}
        for symbol, (action, argument) in _actions(tables, state):
            if action is not Shift:
                row[symbol] = complete[argument]
            elif symbol.isupper():
                row[symbol] = numbers[argument]
            else:
                behind[symbol] = numbers[argument]
        rows.append(row)
        gotos.append(behind)
    return Made(
        tuple(_rule(rule) for rule in lark.rules),
        tuple(_terminal(terminal) for terminal in lark.terminals),
        numbers[tables.start_state],
        numbers[tables.end_state],
        tuple(rows),
        tuple(gotos),
    )


def _in_order(tables: ParseConf[Any]) -> list[int]:
    """All states, those that are reached first from the start before others."""
    found = dict.fromkeys([tables.start_state])
    pending = [tables.start_state]
    for state in pending:
        for _, (action, target) in _actions(tables, state):
            if action is Shift and target not in found:
                found[target] = None
                pending.append(target)
    return pending


def _actions(tables: ParseConf[Any], state: int) -> list[tuple[str, tuple[object, Any]]]:
    """What symbols do in a state, by their names."""
    # Lark has words of its own, which compare slowly
    return sorted(
        ((str(name), action) for name, action in tables.states[state].items()), key=itemgetter(0)
    )


def _rule(rule: LarkRule) -> Rule:
    origin, alias = str(rule.origin.name), rule.alias or ""
    return Rule(origin, str(alias), len(rule.expansion), bool(rule.options.expand1))


def _terminal(terminal: TerminalDef) -> Terminal:
    pattern = terminal.pattern
    is_word = isinstance(pattern, PatternStr) and pattern.value.isidentifier()
    word = str(pattern.value) if is_word else ""
    return Terminal(str(terminal.name), word, pattern.to_regexp(), terminal.priority)


def written(text: str) -> str:
    """What is made of a grammar, as it is kept."""
    found = make(text)
    parts = {
        "of": digest_of(text),
        "start": found.start,
        "end": found.end,
        "rules": [astuple(rule) for rule in found.rules],
        "terminals": [astuple(terminal) for terminal in found.terminals],
        "rows": found.rows,
        "gotos": found.gotos,
    }
    lines = (f"{json.dumps(name)}: {_lines(part)}" for name, part in parts.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _lines(part: object) -> str:
    """A value as JSON, the parts of a list on lines of their own."""
    if not isinstance(part, list | tuple):
        return json.dumps(part)
    lines = (json.dumps(each, separators=(",", ":"), sort_keys=True) for each in part)
    return "[\n" + ",\n".join(lines) + "\n]"


def keep() -> None:
    """Write what is made of the grammar beside it."""
    grammar = Path(__file__).with_name(GRAMMAR)
    text = grammar.read_text(encoding="utf-8")
    grammar.with_name(KEPT).write_text(written(text), encoding="utf-8")


if __name__ == "__main__":
    keep()
