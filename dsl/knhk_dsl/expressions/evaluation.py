"""One evaluation of a compiled expression: the built-ins, with values counted part by part.

A list may hold another one many times over: ``[[a, a] for a in [[b, b] for b in ...]]`` needs
little memory and has more parts than could ever be visited. What visits all parts of a value
(text, comparison, leaving the expression) therefore counts them first.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from knhk_dsl.expressions.functions import Work, fail
from knhk_dsl.values.plain import kind_of

#: What a part of a list, a dictionary or a record weighs, in characters.
PART_SIZE: Final = 8
#: Characters of a text that is read as a number or a time.
READABLE_LENGTH_MAX: Final = 1_000


class Evaluation(Work):
    """A :class:`~knhk_dsl.expressions.functions.Work` that counts each part of what it visits."""

    __slots__ = ()

    def packed(self, value: object) -> object:
        """The value itself, all its parts counted, each as often as it stands in it."""
        if isinstance(value, (str, bytes)):
            self.build(len(value))
            return value
        pending = [value]
        while pending:
            part = pending.pop()
            if isinstance(part, (str, bytes)):
                self.build(len(part))
            elif isinstance(part, list):
                self.build(len(part) * PART_SIZE)
                pending.extend(part)
            elif isinstance(part, dict):
                self.build(len(part) * PART_SIZE)
                pending.extend(part.values())
            elif hasattr(type(part), "knhk_fields"):
                fields = vars(part)
                self.build(len(fields) * PART_SIZE)
                pending.extend(fields.values())
        return value

    def add(self, left: object, right: object) -> object:
        """``+``; bytes are bounded as texts are."""
        if isinstance(left, bytes) and isinstance(right, bytes):
            self.build(len(left) + len(right))
            return left + right
        return super().add(left, right)

    def _operate(self, operator: str, left: object, right: object) -> object:
        try:
            return super()._operate(operator, left, right)
        except TypeError:
            fail(f"`{operator}` does not take {kind_of(left)} and {kind_of(right)}")

    def contains(self, values: object, value: object) -> bool:
        """``value in values``, where each comparison may visit all parts."""
        return super().contains(self.packed(values), self.packed(value))

    def min_(self, *values: object) -> object:
        return super().min_(*self._counted(values))

    def max_(self, *values: object) -> object:
        return super().max_(*self._counted(values))

    def _counted(self, values: tuple[object, ...]) -> tuple[object, ...]:
        if len(values) > 1:
            return tuple(self.packed(value) for value in values)
        return (self.packed(list(self.elements(values[0]))),)

    def sorted_(self, values: object, *reverse: object) -> list[object]:
        return super().sorted_(self.packed(list(self.elements(values))), *reverse)

    def str_(self, value: object) -> str:
        return super().str_(self.packed(value))

    def json_(self, value: object) -> object:
        return super().json_(self.packed(value))

    def format_(self, value: object, spec: object) -> str:
        return super().format_(self.packed(value), spec)

    def float_(self, value: object) -> float:
        return super().float_(_readable(value))

    def date_(self, *parts: object) -> date:
        return super().date_(*map(_readable, parts))

    def duration_(self, value: object) -> timedelta:
        return super().duration_(_readable(value))


def _readable(value: object) -> object:
    if isinstance(value, str) and len(value) > READABLE_LENGTH_MAX:
        fail("the text is too long to be read as a number or a time")
    return value
