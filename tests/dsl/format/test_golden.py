"""Every case: a source, and the same in the canonical style.

`KNHK_UPDATE_GOLDEN=1 pytest tests/dsl/format` writes what comes out; read the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from knhk_dsl.format import format_text

CASES = Path(__file__).parent / "cases"
SOURCES = sorted(CASES.glob("*.knhk"))


@pytest.mark.parametrize("source", SOURCES, ids=[path.stem for path in SOURCES])
def test_a_source_is_written_as_in_its_golden_file(source: Path) -> None:
    actual = format_text(source.read_bytes(), source.name)
    golden = source.with_suffix(".txt")
    if os.environ.get("KNHK_UPDATE_GOLDEN"):
        golden.write_text(actual, encoding="utf-8")
    expected = golden.read_text(encoding="utf-8") if golden.exists() else "(no golden file)"
    assert expected == actual


def test_every_golden_file_has_its_source() -> None:
    assert [path.stem for path in sorted(CASES.glob("*.txt"))] == [path.stem for path in SOURCES]
