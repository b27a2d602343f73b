"""Every case: a source, and the tree or the diagnostics that it gives.

`KNHK_UPDATE_GOLDEN=1 pytest tests/dsl/syntax` writes what comes out; read the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from knhk_dsl.rendering.human import render_human
from knhk_dsl.syntax.parse import parse
from tests.dsl.syntax.dump import dump

CASES = Path(__file__).parent / "cases"
SOURCES = sorted(CASES.glob("*.knhk"))


@pytest.mark.parametrize("source", SOURCES, ids=[path.stem for path in SOURCES])
def test_a_source_gives_the_tree_or_the_problems_in_its_golden_file(source: Path) -> None:
    data = source.read_bytes()
    tree, diagnostics = parse(data, source.name)
    if diagnostics:
        text = data.decode("utf-8", "replace")
        actual = render_human(diagnostics, {source.name: text})
    else:
        actual = dump(tree)
    golden = source.with_suffix(".txt")
    if os.environ.get("KNHK_UPDATE_GOLDEN"):
        golden.write_text(actual, encoding="utf-8")
    expected = golden.read_text(encoding="utf-8") if golden.exists() else "(no golden file)"
    assert expected == actual


def test_every_golden_file_has_its_source() -> None:
    assert [path.stem for path in sorted(CASES.glob("*.txt"))] == [path.stem for path in SOURCES]


def test_cases_named_bad_are_refused_and_all_others_are_read() -> None:
    refused = [path.stem for path in SOURCES if parse(path.read_bytes(), path.name)[1]]
    assert [path.stem for path in SOURCES if path.stem.startswith("bad_")] == refused
