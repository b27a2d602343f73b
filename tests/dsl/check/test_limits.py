"""What a source cannot make too large, because the parser refuses it before."""

from __future__ import annotations

from knhk.errors import Span
from knhk_dsl import Sources, ast
from knhk_dsl.infer import EXPRESSION_DEPTH_MAX, Typer
from knhk_dsl.names import FileScope
from knhk_dsl.report import Report
from knhk_dsl.scope import Scope
from knhk_dsl.types import INT, Type

SPAN = Span("workflow.knhk", 1, 1, 1, 2)


def nested(levels: int) -> ast.Expr:
    expr: ast.Expr = ast.Literal(SPAN, 1, "1")
    for _ in range(levels - 1):
        expr = ast.Unary(SPAN, "-", expr)
    return expr


def infer(levels: int) -> tuple[Type, list[str]]:
    report = Report()
    scope = Scope(FileScope(Sources.of_text("").open_entry()))
    type_ = Typer(report).infer(nested(levels), scope)
    return type_, [diagnostic.code for diagnostic in report.diagnostics]


def test_a_tree_that_is_too_deep_is_reported_once() -> None:
    assert ["KN313"] == infer(EXPRESSION_DEPTH_MAX * 20)[1]


def test_a_tree_of_the_greatest_depth_has_a_type() -> None:
    assert (INT, []) == infer(EXPRESSION_DEPTH_MAX)
