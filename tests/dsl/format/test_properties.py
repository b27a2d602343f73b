"""What holds for every source: the meaning and the comments stay, and twice is as once."""

from __future__ import annotations

from random import Random
from unittest.mock import patch

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from knhk_dsl.format import format_text, layout, lines
from knhk_dsl.format.comments import all_comments
from knhk_dsl.format.sameness import same
from knhk_dsl.syntax.parse import read

from .sources import SOURCES, readable, shaken

CHANCES = st.integers(0, 2**32).map(Random)


def check(text: str) -> None:
    """Format a source, and compare."""
    formatted = format_text(text)
    before, after = read(text, "x"), read(formatted, "x")
    assert () == after.diagnostics
    assert same(before.tree, after.tree)
    assert all_comments(before) == all_comments(after)
    assert formatted == format_text(formatted)
    *rows, end = formatted.split("\n")
    assert "" == end
    assert rows == [row.rstrip() for row in rows]
    assert rows[-1] != ""


@pytest.mark.parametrize("text", SOURCES)
def test_every_source_of_the_repository_keeps_its_meaning_and_its_comments(text: str) -> None:
    check(text)


@given(st.sampled_from(SOURCES), CHANCES)
def test_however_a_source_is_written_it_keeps_its_meaning_and_its_comments(
    text: str, chance: Random
) -> None:
    mixed = shaken(text, chance)
    assume(readable(mixed))
    check(mixed)


@given(st.sampled_from(SOURCES), CHANCES, st.integers(1, 60))
def test_however_narrow_the_page_is_a_source_keeps_its_meaning_and_its_comments(
    text: str, chance: Random, width: int
) -> None:
    mixed = shaken(text, chance)
    assume(readable(mixed))
    with patch.object(layout, "WIDTH", width), patch.object(lines, "WIDTH", width):
        check(mixed)


@pytest.mark.parametrize(
    "text",
    [
        "workflow w\n    return " + "(" * 99 + "1" + ")" * 99,
        "workflow w\n    return x + " + "(" * 98 + "1" + ")" * 98,
        "workflow w\n    return " + "f(a or " * 45 + "1" + ")" * 45,
        "workflow w\n    return " + "[1 + " * 48 + "1" + "]" * 48,
        "workflow w\n    flow\n        " + "all(" * 99 + "a" + ")" * 99,
        "workflow w\n    var x: " + "list[" * 99 + "int" + "]" * 99,
    ],
)
def test_what_is_nested_as_deep_as_the_language_allows_is_formatted(text: str) -> None:
    check(text)
