"""Diagnostics as a log of SARIF 2.1.0, the form that code scanning services read.

A rule is a code, with the text of its page. A run of a case is a code flow: its steps have the
place of the finding, as a step has none of its own, and the name of its task. What a comment
silences stands there as a suppressed result, with the reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath
from typing import Final
from urllib.parse import quote

from knhk.errors import ERROR, Diagnostic, Run, Span
from knhk_dsl.diagnostics import Example, Explanation, explanation
from knhk_dsl.rendering.runs import heading, remains
from knhk_dsl.silencing import Silenced

__all__ = ["render_sarif"]

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
#: The name of the directory that relative places are seen from; services set it to their checkout.
ROOT: Final = "%SRCROOT%"

_Json = dict[str, object]


def render_sarif(
    diagnostics: Iterable[Diagnostic], silenced: Iterable[Silenced], version: str
) -> str:
    """The log of one check by this version of KNHK; its places are relative to where it ran."""
    shown = [(each, ()) for each in diagnostics]
    hidden = [(each.diagnostic, (_suppression(each),)) for each in silenced]
    found: list[tuple[Diagnostic, tuple[_Json, ...]]] = [*shown, *hidden]
    codes = sorted({each.code for each, _ in found})
    index = {code: number for number, code in enumerate(codes)}
    driver = {"name": "knhk", "version": version, "rules": [_rule(code) for code in codes]}
    run: _Json = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(each, index[each.code], hides) for each, hides in found],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _rule(code: str) -> _Json:
    page = explanation(code)
    text = "\n\n".join(page.paragraphs)
    return {
        "id": code,
        "shortDescription": {"text": _plain(page.title)},
        "fullDescription": {"text": _plain(page.paragraphs[0])},
        "help": {"text": _plain(text), "markdown": _markdown(page)},
        "defaultConfiguration": {"level": _level(page.severity)},
    }


def _plain(text: str) -> str:
    return text.replace("`", "")


def _markdown(page: Explanation) -> str:
    parts = [*page.paragraphs]
    for title, example in (("Bad", page.bad), ("Good", page.good)):
        parts += [f"**{title}:**", *_fences(example)]
    return "\n\n".join(parts)


def _fences(example: Example) -> list[str]:
    return [f"```{source.language}\n{source.text}```" for source in example.sources]


def _level(severity: str) -> str:
    return "error" if severity == ERROR else "warning"


def _suppression(silenced: Silenced) -> _Json:
    return {"kind": "inSource", "justification": silenced.reason}


def _result(diagnostic: Diagnostic, rule: int, suppressions: Sequence[_Json]) -> _Json:
    message = diagnostic.message
    if diagnostic.hint:
        message += f"\nhint: {diagnostic.hint}"
    result: _Json = {
        "ruleId": diagnostic.code,
        "ruleIndex": rule,
        "level": _level(diagnostic.severity),
        "message": {"text": message},
        "locations": [_location(diagnostic.span)],
    }
    if diagnostic.related:
        result["relatedLocations"] = [
            {"id": number, **_location(span, words)}
            for number, (span, words) in enumerate(diagnostic.related, 1)
        ]
    if diagnostic.run is not None:
        result["codeFlows"] = [_code_flow(diagnostic.run, diagnostic.span)]
    if suppressions:
        result["suppressions"] = list(suppressions)
    return result


def _location(span: Span, words: str = "", task: str = "") -> _Json:
    region = {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }
    found: _Json = {
        "physicalLocation": {"artifactLocation": _artifact(span.file), "region": region}
    }
    if words:
        found["message"] = {"text": words}
    if task:
        found["logicalLocations"] = [{"name": task, "kind": "task"}]
    return found


def _artifact(file: str) -> _Json:
    if PurePath(file).is_absolute():
        return {"uri": Path(file).as_uri()}
    return {"uri": quote(PurePath(file).as_posix()), "uriBaseId": ROOT}


def _code_flow(run: Run, span: Span) -> _Json:
    steps: list[_Json] = [
        {"executionOrder": number, "location": _location(span, str(step), step.task)}
        for number, step in enumerate(run.steps, 1)
    ]
    end = "; ".join(remains(run)) or "here it shows"
    steps.append({"executionOrder": len(steps) + 1, "location": _location(span, end)})
    return {"message": {"text": heading(run)}, "threadFlows": [{"locations": steps}]}
