"""Every test that the page of promises names is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "explanation" / "promises.md"


def functions_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, functions)}


@pytest.mark.skipif(not PAGE.exists(), reason="the documentation is not here")
def test_every_promise_names_tests_that_are_there() -> None:
    named = re.findall(
        r"`((?:tests|knhk/testing)/[\w/]+\.py)::(\w+)`", PAGE.read_text(encoding="utf-8")
    )

    assert len(named) > 40
    missing = [
        (path, test)
        for path, test in named
        if not (ROOT / path).exists() or test not in functions_in(ROOT / path)
    ]
    assert [] == missing


@pytest.mark.skipif(not PAGE.exists(), reason="the documentation is not here")
def test_every_promise_names_a_test() -> None:
    sections = PAGE.read_text(encoding="utf-8").split("\n## ")[1:]

    assert [] == [each.splitlines()[0] for each in sections if "::test_" not in each]
