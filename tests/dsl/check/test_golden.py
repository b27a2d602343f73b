"""Every case: a source, and what the checker says about it.

`KNHK_UPDATE_GOLDEN=1 pytest tests/dsl/check` writes what comes out; read the difference. Files
that cases use lie in `cases/used`, Python modules beside the cases.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from knhk.errors import Diagnostic
from knhk_dsl import Sources, check_sources
from knhk_dsl.diagnostics import codes
from knhk_dsl.rendering.human import render_human
from tests.dsl.check.environment import ENVIRONMENT

CASES = Path(__file__).parent / "cases"
SOURCES = sorted(CASES.glob("*.knhk"))
#: A code that needs a file no tool would let lie here; test_files.py has it.
ELSEWHERE = {"KN211"}


def check(path: Path) -> tuple[tuple[Diagnostic, ...], Sources]:
    sources = Sources(path.name, CASES, {path.name: path.read_bytes()}, closed=False)
    return check_sources(sources, ENVIRONMENT), sources


@pytest.mark.parametrize("source", SOURCES, ids=[path.stem for path in SOURCES])
def test_the_checker_says_what_stands_in_the_golden_file(source: Path) -> None:
    diagnostics, sources = check(source)
    actual = render_human(diagnostics, sources.files)
    golden = source.with_suffix(".txt")
    if os.environ.get("KNHK_UPDATE_GOLDEN"):
        golden.write_text(actual, encoding="utf-8")
    expected = golden.read_text(encoding="utf-8") if golden.exists() else "(no golden file)"
    assert expected == actual


def test_every_golden_file_has_its_source() -> None:
    assert [path.stem for path in sorted(CASES.glob("*.txt"))] == [path.stem for path in SOURCES]


@pytest.mark.parametrize(
    "source",
    [path for path in SOURCES if path.stem.startswith("good_")],
    ids=lambda path: path.stem,
)
def test_a_source_that_lacks_a_line_is_checked_too(source: Path) -> None:
    lines = source.read_text(encoding="utf-8").splitlines(keepends=True)
    for number in range(len(lines)):
        text = "".join(lines[:number] + lines[number + 1 :]).encode()
        sources = Sources(source.name, CASES, {source.name: text}, closed=False)
        for diagnostic in check_sources(sources, ENVIRONMENT):
            assert diagnostic.span.line <= len(lines)


def test_cases_named_good_are_silent_and_all_others_are_not() -> None:
    silent = [path.stem for path in SOURCES if not check(path)[0]]
    assert [path.stem for path in SOURCES if path.stem.startswith("good_")] == silent


def test_a_case_named_after_a_code_reports_that_code_and_no_other_error() -> None:
    for path in SOURCES:
        code = path.stem.split("_")[0].upper()
        if code.startswith("KN"):
            assert {code} == {each.code for each in check(path)[0]}, path.stem


def test_every_code_of_the_checker_has_a_case() -> None:
    reported = {each.code for path in SOURCES for each in check(path)[0]}
    known = {code for code in codes() if code[:3] in {"KN2", "KN3", "KN5", "KN6", "KN9"}}
    assert known - ELSEWHERE == reported & known
