"""Whatever is in a source: the index answers, and names stand where it says."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knhk_dsl.index import Page, actions, complete, hover, index_of, outline
from knhk_dsl.syntax.memory import Memory
from tests.dsl.index.sources import ORDER, analysis_of, project
from tests.dsl.syntax.test_memory import edited


@pytest.fixture(scope="module")
def path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        yield project(Path(directory))


@settings(max_examples=60)
@given(chance=st.randoms(use_true_random=False))
def test_every_name_stands_where_the_index_says(path: Path, chance: random.Random) -> None:
    text = ORDER
    for _ in range(4):
        analysis = analysis_of(path, text)
        page = Page("order.knhk", text)
        index = index_of(analysis)
        found = index.in_file("order.knhk")
        for occurrence in found:
            shown = page.shown(occurrence.span)
            assert occurrence.definition.kind == "file" or shown.isidentifier()
            assert hover(occurrence)
        ends = [(each.span.line, each.span.end_column) for each in found]
        starts = [(each.span.line, each.span.column) for each in found]
        assert all(end <= start for end, start in zip(ends, starts[1:], strict=False))
        outline(index, "order.knhk")
        for diagnostic in analysis.diagnostics:
            if diagnostic.span.file == "order.knhk":
                actions(diagnostic, page)
        text = edited(text, chance)


@settings(max_examples=60)
@given(chance=st.randoms(use_true_random=False))
def test_a_completion_comes_at_every_place(path: Path, chance: random.Random) -> None:
    text = ORDER
    for _ in range(4):
        page = Page("order.knhk", text)
        offset = chance.randrange(len(page.text) + 1)
        found = complete(page.text, offset, Memory(), lambda other: analysis_of(path, other))
        assert found is None or 0 <= found.start <= offset
        text = edited(text, chance)
