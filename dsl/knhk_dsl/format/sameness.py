"""Whether two syntax trees say the same, wherever they stand."""

from __future__ import annotations

from dataclasses import fields
from functools import cache

from knhk_dsl.syntax.ast import SyntaxNode


def same(one: object, other: object) -> bool:
    """Whether two nodes, or parts of nodes, differ in nothing but their places."""
    todo = [(one, other)]
    while todo:
        one, other = todo.pop()
        if type(one) is not type(other):
            return False
        if isinstance(one, tuple) and isinstance(other, tuple):
            if len(one) != len(other):
                return False
            todo += zip(one, other, strict=True)
        elif isinstance(one, SyntaxNode):
            kind: type = type(one)
            todo += [(getattr(one, name), getattr(other, name)) for name in _names(kind)]
        elif one != other:
            return False
    return True


@cache
def _names(kind: type) -> tuple[str, ...]:
    """The fields of a kind of node that hold no place (``span``, ``name_span`` and so on)."""
    return tuple(field.name for field in fields(kind) if field.type != "Span")
