"""What is checked and understood, but not executed by this release."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from knhk.errors import Span
from knhk_dsl.check.policies import LINE_WORDS
from knhk_dsl.report import Report
from knhk_dsl.syntax import ast

#: Attribute lines that are refused.
REFUSED_LINES: Final = (ast.BreakerLine, ast.OptionalLine)
_DECLARATIONS: Final[dict[type, str]] = {
    ast.TriggerDecl: "a trigger",
    ast.InvariantDecl: "an invariant",
    ast.StrategyDecl: "a strategy",
}


def refuse(what: str, span: Span, report: Report) -> None:
    """Reports something that is not executed yet."""
    report.error("KN901", f"{what} is not executed yet", span, "leave it out for now")


def refuse_declarations(declarations: Iterable[ast.Declaration], report: Report) -> None:
    """Refuses declarations of a file, and policy lines of connectors and policies."""
    for declaration in declarations:
        if type(declaration) in _DECLARATIONS:
            refuse(_DECLARATIONS[type(declaration)], declaration.span, report)
        elif isinstance(declaration, ast.ConnectorDecl):
            for line in declaration.policies:
                if not isinstance(line, (ast.AtMostLine, ast.BadStatement)):
                    words = f"`{LINE_WORDS[type(line)]}` of a connector"
                    refuse(words, line.span, report)
        elif isinstance(declaration, ast.PolicyDecl):
            refuse_lines(declaration.lines, report)


def refuse_statements(statements: Iterable[ast.WorkflowStatement], report: Report) -> None:
    """Refuses statements of a workflow; those of its flow are refused where it is read."""
    for statement in statements:
        if isinstance(statement, ast.TaskDecl):
            refuse_lines(statement.attributes, report)


def refuse_lines(lines: Iterable[ast.TaskAttribute], report: Report) -> None:
    """Refuses attribute lines."""
    for line in lines:
        if isinstance(line, REFUSED_LINES):
            refuse(f"`{LINE_WORDS[type(line)]}`", line.span, report)
