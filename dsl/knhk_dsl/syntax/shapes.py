"""Syntax without its places: what two nodes that say the same have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from operator import attrgetter
from typing import Any, Final, TypeAlias

from knhk.errors import Span
from knhk_dsl.syntax import ast

__all__ = ["Shape", "alike", "parts", "shape", "words"]

#: A node without its places: equal for nodes that are written alike.
Shape: TypeAlias = tuple[object, ...]


def shape(node: object) -> Shape:
    """A node, or a part of one, without its places, flat and in order: long ones nest deeply."""
    flat: list[object] = []
    stack: list[object] = [node]
    while stack:
        value = stack.pop()
        if isinstance(value, ast.SyntaxNode):
            flat.append(type(value).__name__)
            stack.extend(reversed(parts(value)))
        elif isinstance(value, tuple):
            flat.append(len(value))
            stack.extend(reversed(value))
        elif not isinstance(value, Span):
            # 1, 1.0 and True are equal in Python and not in the language
            flat.append((type(value).__name__, value))
    return tuple(flat)


def alike(one: object, other: object) -> bool:
    """Whether two nodes say the same, perhaps in different places."""
    return one is other or shape(one) == shape(other)


def words(node: object) -> frozenset[str]:
    """Every text in a node: all its names, and what else is written in it."""
    found: set[str] = set()
    stack: list[object] = [node]
    while stack:
        value = stack.pop()
        if isinstance(value, str):
            found.add(value)
        elif isinstance(value, tuple):
            stack.extend(value)
        elif isinstance(value, ast.SyntaxNode):
            stack.extend(parts(value))
    return frozenset(found)


def parts(node: ast.SyntaxNode) -> tuple[Any, ...]:
    """The parts of a node, in the order in which its class takes them."""
    made = type(node)
    getter = _PARTS.get(made)
    if getter is None:
        getter = _PARTS[made] = _getter([field.name for field in fields(made)])
    return getter(node)


def _getter(names: list[str]) -> Callable[[object], tuple[Any, ...]]:
    if len(names) > 1:
        return attrgetter(*names)
    return lambda node: (getattr(node, *names),)


#: There are as many as there are classes of nodes.
_PARTS: Final[dict[type, Callable[[object], tuple[Any, ...]]]] = {}
