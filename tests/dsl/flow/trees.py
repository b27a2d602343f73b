"""Flows as syntax trees, written in Python: for tests that make them at random."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from knhk.errors import Span
from knhk_dsl.syntax import ast

SPAN = Span("test.knhk", 1, 1, 1, 2)
ARROW = ast.ArrowSyntax(SPAN, 1, 1)


def ref(name: str) -> ast.NodeRef:
    """A node of a flow."""
    return ast.NodeRef(SPAN, name)


def chain(*nodes: ast.FlowNode | str, on: tuple[str, str] | None = None) -> ast.Chain:
    """``a -> b -> c``, with ``on error`` or ``on timeout`` if given."""
    read = tuple(ref(node) if isinstance(node, str) else node for node in nodes)
    clause = ast.ExceptionClause(SPAN, *on) if on is not None else None
    return ast.Chain(SPAN, read, (ARROW,) * (len(read) - 1), clause)


def guard(name: str) -> ast.Expr:
    """A guard that nothing is known of."""
    return ast.Name(SPAN, name)


def group(
    word: str,
    *chains: ast.Chain,
    parts: bool = True,
    count: int | None = None,
    cancelling: bool = False,
) -> ast.Group:
    """A group; ``one`` and ``any`` have guards where they part, and ``otherwise`` at the end."""
    branches = []
    for number, inner in enumerate(chains):
        chosen = parts and word in ("one", "any")
        last = number == len(chains) - 1
        when = guard(f"g{number}") if chosen and not last else None
        branches.append(ast.Branch(SPAN, inner, when, chosen and last))
    return ast.Group(SPAN, word, tuple(branches), count, "", cancelling, None, None)


def repeat(inner: ast.Chain, word: str) -> ast.Group:
    """``repeat(...) until g`` or ``repeat(...) while g``."""
    until, while_ = (guard("g"), None) if word == "until" else (None, guard("g"))
    body = (ast.Branch(SPAN, inner, None, False),)
    return ast.Group(SPAN, "repeat", body, None, "", False, until, while_)


def cancels(*names: str) -> ast.CancelsLine:
    """``cancels a, p``; without names ``cancels case``."""
    return ast.CancelsLine(SPAN, tuple(ast.Declared(SPAN, name) for name in names))


def workflow(
    tasks: Iterable[str],
    chains: Sequence[ast.Chain],
    places: Sequence[str] = (),
    lines: Mapping[str, ast.TaskAttribute] = MappingProxyType({}),
) -> ast.WorkflowDecl:
    """A workflow whose tasks are done outside and may time out; some with one more line."""
    timeout = ast.TimeoutLine(SPAN, 1)
    body: list[ast.WorkflowStatement] = [
        ast.TaskDecl(
            SPAN, name, SPAN, None, "", (timeout, lines[name]) if name in lines else (timeout,)
        )
        for name in tasks
    ]
    if places:
        body.append(ast.PlaceDecl(SPAN, tuple(ast.Declared(SPAN, name) for name in places)))
    body.append(ast.Flow(SPAN, tuple(chains)))
    return ast.WorkflowDecl(SPAN, "w", SPAN, (), None, "", "", tuple(body))
