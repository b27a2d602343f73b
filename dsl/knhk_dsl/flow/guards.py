"""Rules for guards on branches, and the proof that one of several guards always holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from knhk.errors import Diagnostic
from knhk_dsl.flow.draft import spelling
from knhk_dsl.syntax import ast
from knhk_dsl.syntax.shapes import Shape, shape

_NEGATED: Final = {"!=": "==", "not in": "in"}
_MIRRORED: Final = {">": "<", ">=": "<="}


def closing_branch(branches: Sequence[ast.Branch]) -> int | None:
    """The branch at which it is certain that it, or one before it, is taken.

    A branch whose guard is literally ``true``, or one whose guard is the opposite of an
    earlier one (``g`` and ``not g``, ``x > 5`` and ``x <= 5``). ``None`` without a proof.
    """
    seen: set[Shape] = set()
    for number, branch in enumerate(branches):
        if branch.guard is None:
            continue
        form, holds = _signed(branch.guard)
        if isinstance(branch.guard, ast.Literal) and branch.guard.value is True:
            return number
        if (form, not holds) in seen:
            return number
        seen.add((form, holds))
    return None


def check_guards(group: ast.Group, parts: bool, guarded: bool) -> Iterator[Diagnostic]:
    """Report guards that are missing, or that stand where nothing is chosen.

    ``guarded`` says that the group chooses by guards where it ``parts``.
    """
    if not guarded:
        yield from _misplaced(group, "KN416")
    elif not parts:
        yield from _misplaced(group, "KN412")
    else:
        yield from _missing(group)


def _misplaced(group: ast.Group, code: str) -> Iterator[Diagnostic]:
    for branch in group.branches:
        if branch.guard is None and not branch.otherwise:
            continue
        what = "`otherwise`" if branch.guard is None else "a guard"
        span = branch.span if branch.guard is None else branch.guard.span
        if code == "KN412":
            yield Diagnostic(
                code,
                f"{what} stands where `{spelling(group)}(...)` only joins: nothing is chosen here",
                span,
                "write the guard where the flow parts",
            )
        else:
            yield Diagnostic(
                code,
                f"a branch of `{spelling(group)}(...)` has no guard, but {what} stands here",
                span,
                "use `one(...)` for one branch by guards, `any(...)` for every branch that holds",
            )


def _missing(group: ast.Group) -> Iterator[Diagnostic]:
    plain = [b for b in group.branches if b.guard is None and not b.otherwise]
    others = [b for b in group.branches if b.otherwise]
    for branch in plain:
        yield Diagnostic(
            "KN415",
            f"this branch of `{spelling(group)}(...)` says neither `when` nor `otherwise`",
            branch.span,
            "give it a guard, `x when g`, or make it the rest: `x otherwise`",
        )
    for branch in others[1:]:
        yield Diagnostic(
            "KN414",
            f"`{spelling(group)}(...)` has more than one `otherwise`",
            branch.span,
            "keep one, and give the others a guard: `when ...`",
            related=((others[0].span, "the first `otherwise`"),),
        )
    if not others and not plain and closing_branch(group.branches) is None:
        yield Diagnostic(
            "KN413",
            f"`{spelling(group)}(...)` has no `otherwise`, and its guards may all be false",
            group.span,
            "add a branch for the rest, such as `skip otherwise`",
        )


def _signed(guard: ast.Expr) -> tuple[Shape, bool]:
    """The guard as a canonical shape and whether that has to be true or false."""
    holds = True
    while isinstance(guard, ast.Unary) and guard.operator == "not":
        guard, holds = guard.operand, not holds
    if not (isinstance(guard, ast.Comparison) and len(guard.operators) == 1):
        return shape(guard), holds
    operator, left, right = guard.operators[0], shape(guard.left), shape(guard.operands[0])
    if operator in (">", ">="):
        operator, left, right = _MIRRORED[operator], right, left
    if operator == "<=":
        # `a <= b` is `not b < a`, so that `<` is the only order left
        operator, left, right, holds = "<", right, left, not holds
    if operator in _NEGATED:
        operator, holds = _NEGATED[operator], not holds
    if operator == "==" and repr(left) > repr(right):
        left, right = right, left
    return (operator, left, right), holds
