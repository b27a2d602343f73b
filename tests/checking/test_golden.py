"""Golden files: a source, and all that the whole check says about it.

``cases/NAME.knhk`` is checked and rendered for people; the result is to be ``cases/NAME.txt``. To
add a case, add the source and run pytest with ``KNHK_UPDATE_GOLDEN=1``; then read what came out.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from knhk.checking import check
from knhk.plugins import environment
from knhk_dsl import Sources
from knhk_dsl.rendering.human import render_human

CASES = Path(__file__).parent / "cases"


@pytest.mark.parametrize("source", sorted(CASES.glob("*.knhk")), ids=lambda path: path.stem)
def test_a_check_says_what_is_in_the_golden_file(source: Path) -> None:
    text = source.read_text(encoding="utf-8")
    golden = source.with_suffix(".txt")

    sources = Sources(source.name, CASES, {source.name: text.encode()}, closed=False)
    actual = render_human(check(sources, environment()).diagnostics, {source.name: text})

    if os.environ.get("KNHK_UPDATE_GOLDEN"):
        golden.write_text(actual, encoding="utf-8")
    assert golden.read_text(encoding="utf-8") == actual
