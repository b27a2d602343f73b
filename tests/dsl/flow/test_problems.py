"""Each mistake in a flow with its message, beside a neighbour that is right.

A case is a file in ``cases/problems``: a wrong source, what is said about it, a right source.
``KNHK_GOLDEN=write`` writes what is said now; read it before you keep it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from knhk.errors import Diagnostic
from knhk_dsl.diagnostics import codes as known_codes
from knhk_dsl.flow import construction
from knhk_dsl.syntax import ast
from knhk_dsl.syntax.parse import parse
from tests.dsl.flow.words import build

CASES = sorted((Path(__file__).parent / "cases" / "problems").glob("*.case"))
_MARKS = re.compile(r"^-- (?:wrong|problems|right) --\n", re.MULTILINE)


def problems(source: str) -> list[Diagnostic]:
    """What the flow pass says about all workflows of a source."""
    file, _ = parse(source, "case.knhk")
    trees = [tree for tree in file.declarations if isinstance(tree, ast.WorkflowDecl)]
    assert trees
    return [diagnostic for tree in trees for diagnostic in build(tree)[1]]


def told(diagnostics: list[Diagnostic]) -> str:
    """Diagnostics as the case files have them."""
    lines = []
    for d in diagnostics:
        s = d.span
        lines.append(f"{s.line}:{s.column}-{s.end_column} {d.severity} {d.code} {d.message}")
        lines += [f"    hint: {d.hint}"] if d.hint else []
        lines += [f"    {span.line}:{span.column} {text}" for span, text in d.related]
    return "".join(f"{line}\n" for line in lines)


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_a_mistake_has_its_message_and_its_right_neighbour_none(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    _, wrong, expected, right = _MARKS.split(text)
    actual = told(problems(wrong))
    if os.environ.get("KNHK_GOLDEN") == "write":
        path.write_text(
            f"-- wrong --\n{wrong}-- problems --\n{actual}-- right --\n{right}", encoding="utf-8"
        )
        return
    assert expected == actual
    assert "" == told(problems(right))


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_a_case_shows_the_code_it_is_named_after(path: Path) -> None:
    _, wrong, _, _ = _MARKS.split(path.read_text(encoding="utf-8"))
    name = path.stem.split("-")[0]
    codes = {diagnostic.code for diagnostic in problems(wrong)}
    assert name == "unreadable" or name in codes


def test_every_code_has_a_page_and_a_case() -> None:
    package = Path(construction.__file__).parent
    modules = ("arrows", "chains", "construction", "drawing", "guards", "names", "structure")
    written = {
        code
        for module in modules
        for code in re.findall(r'"(KN\d{3})"', (package / f"{module}.py").read_text("utf-8"))
    }
    known = {code for code in known_codes() if code.startswith("KN4")}
    assert written == known
    cases = {path.stem.split("-")[0] for path in CASES}
    # no source of the language alone gives these; see test_odd_trees and tests/plugins
    assert known - {"KN424", "KN428", "KN437"} == cases - {"unreadable"}
