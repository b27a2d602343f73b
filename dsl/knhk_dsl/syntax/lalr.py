"""The tables of the grammar as plain numbers, and the machine that runs them.

Lark makes the tables; running them is what a check spends most of its reading on, so that is done
here, on rows of integers instead of rules and actions. More than half of all reductions are of a
rule with one part that is handed on unchanged (a name that is an atom that is a sum that is an
expression): they only change the state, and are no more than that here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from knhk_dsl.syntax.made import Made
from knhk_dsl.syntax.tokens import Token

#: A rule that is complete: how many parts it has, what it is a rule of, and the number of the
#: action that makes its node (``HANDED_ON``: its one part stays as it is).
Reduction: TypeAlias = tuple[int, str, int]
#: What terminals do in a state: lead to another, or show that a rule is complete.
Row: TypeAlias = Mapping[str, int | Reduction]
#: Makes the node of a rule from its parts.
Action: TypeAlias = Callable[[list[Any]], Any]

HANDED_ON: Final = -1
#: The terminal behind the last token.
END: Final = "$END"


class Unexpected(Exception):
    """A token that cannot be read where it stands."""


class Tables:
    """For every state its row, and in ``gotos`` the states that complete parts lead to."""

    def __init__(self, made: Made, actions: Sequence[int]) -> None:
        """``actions`` are the numbers of the actions of the rules."""
        self.start: int = made.start
        self.end: int = made.end
        self.gotos: Sequence[Mapping[str, int]] = made.gotos
        complete = [
            (rule.size, rule.origin, action)
            for rule, action in zip(made.rules, actions, strict=True)
        ]
        self.rows: list[Row] = [
            {symbol: entry if entry >= 0 else complete[-1 - entry] for symbol, entry in row.items()}
            for row in made.rows
        ]

    def behind(self, *parts: str) -> frozenset[int]:
        """The states in which one of these parts has just been completed."""
        return frozenset(gotos[part] for gotos in self.gotos for part in parts if part in gotos)

    def shifted(self, states: Sequence[int], terminal: str) -> list[int] | None:
        """The stack of states after a terminal has been read, or None if it cannot be."""
        stack = list(states)
        while True:
            entry = self.rows[stack[-1]].get(terminal)
            if entry is None:
                return None
            if not isinstance(entry, tuple):
                stack.append(entry)
                return stack
            size, origin, _ = entry
            if size:
                del stack[-size:]
            stack.append(self.gotos[stack[-1]][origin])


class Machine:
    """A parser at work: the stack of its states, and that of what has been made so far."""

    __slots__ = ("_actions", "_tables", "states", "values")

    def __init__(self, tables: Tables, actions: Sequence[Action]) -> None:
        self._tables = tables
        self._actions = actions
        self.states: list[int] = [tables.start]
        self.values: list[Any] = []

    def feed(self, token: Token) -> None:
        """Read one token; raises :class:`Unexpected`, and what the action of a rule raises."""
        target = self.settle(token.type)
        if target is None:
            raise Unexpected
        self.states.append(target)
        self.values.append(token)

    def settle(self, kind: str) -> int | None:
        """Complete what is complete before such a token, and give the state that it leads to."""
        rows, gotos, states = self._tables.rows, self._tables.gotos, self.states
        values, actions = self.values, self._actions
        while True:
            entry = rows[states[-1]].get(kind)
            if not isinstance(entry, tuple):
                return entry
            size, origin, action = entry
            if action == HANDED_ON:
                states[-1] = gotos[states[-2]][origin]
                continue
            parts: list[Any] = []
            if size:
                parts = values[-size:]
                del states[-size:], values[-size:]
            values.append(actions[action](parts))
            states.append(gotos[states[-1]][origin])

    def finish(self) -> object:
        """What the whole text has become; there is nothing to read behind it."""
        self.settle(END)
        assert self.states[-1] == self._tables.end
        return self.values[-1]
