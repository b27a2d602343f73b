"""What a condition says about none: ``x != none and ...`` makes ``x?`` an ``x`` behind it."""

from __future__ import annotations

from typing import Final

from knhk_dsl.names.scope import Path
from knhk_dsl.syntax import ast

_NOTHING: Final[frozenset[Path]] = frozenset()


def path_of(expr: ast.Expr) -> Path | None:
    """The path that an expression is, if it is one."""
    names: list[str] = []
    while isinstance(expr, ast.Attribute):
        names.append(expr.name)
        expr = expr.value
    if not isinstance(expr, ast.Name):
        return None
    names.append(expr.name)
    return tuple(reversed(names))


def tested(condition: ast.Expr, holds: bool) -> frozenset[Path]:
    """The paths that are not none when the condition is true (or, not ``holds``, false)."""
    match condition:
        case ast.Unary() if condition.operator == "not":
            return tested(condition.operand, not holds)
        case ast.Binary() if condition.operator in ("and", "or"):
            left = tested(condition.left, holds)
            right = tested(condition.right, holds)
            return left | right if (condition.operator == "and") == holds else left & right
        case ast.Comparison() if len(condition.operators) == 1:
            return _compared(condition.left, condition.operators[0], condition.operands[0], holds)
        case _:
            return _NOTHING


def _compared(left: ast.Expr, operator: str, right: ast.Expr, holds: bool) -> frozenset[Path]:
    if operator not in ("==", "!="):
        return _NOTHING
    if _is_none(left):
        left, right = right, left
    path = path_of(left)
    if path is None:
        return _NOTHING
    if _is_none(right):
        return frozenset({path}) if (operator == "!=") == holds else _NOTHING
    # What equals a value that is there is there itself.
    is_there = isinstance(right, (ast.Literal, ast.Template, ast.DurationLiteral))
    return frozenset({path}) if is_there and (operator == "==") == holds else _NOTHING


def _is_none(expr: ast.Expr) -> bool:
    return isinstance(expr, ast.Literal) and expr.value is None
