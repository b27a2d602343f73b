"""Diagnostics as a JSON list of objects."""

from __future__ import annotations

import json
from collections.abc import Iterable

from knhk.errors import Diagnostic, Run, Span

__all__ = ["render_json"]


def render_json(diagnostics: Iterable[Diagnostic]) -> str:
    """The diagnostics as a JSON list of objects.

    Their keys are ``code severity message file line column end_line end_column hint related run``.
    The items of ``related`` have ``message file line column end_line end_column``. ``run`` is null
    or has ``shortest steps marking working``: the items of ``steps`` have ``task event choice``,
    ``marking`` maps places to numbers of tokens, ``working`` lists tasks. Lines and columns count
    from 1, the end column is exclusive.
    """
    found: list[dict[str, object]] = [
        {
            "code": diagnostic.code,
            "severity": diagnostic.severity,
            "message": diagnostic.message,
            **_place(diagnostic.span),
            "hint": diagnostic.hint,
            "related": [{"message": words, **_place(span)} for span, words in diagnostic.related],
            "run": None if diagnostic.run is None else _run(diagnostic.run),
        }
        for diagnostic in diagnostics
    ]
    return json.dumps(found, indent=2)


def _place(span: Span) -> dict[str, object]:
    return {
        "file": span.file,
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
    }


def _run(run: Run) -> dict[str, object]:
    return {
        "shortest": run.shortest,
        "steps": [
            {"task": step.task, "event": step.event, "choice": step.choice} for step in run.steps
        ],
        "marking": dict(run.marking),
        "working": run.working,
    }
