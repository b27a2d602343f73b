"""Characters as editors count them, and as sources do."""

from __future__ import annotations

import pytest
from lsprotocol.types import Position, PositionEncodingKind, Range

from knhk.errors import Span
from knhk.lsp.positions import place_of, position_of, range_of

LINES = ["abc", "a\u00e9\U0001f600b", ""]
UTF8, UTF16, UTF32 = (
    PositionEncodingKind.Utf8,
    PositionEncodingKind.Utf16,
    PositionEncodingKind.Utf32,
)


@pytest.mark.parametrize(
    ("encoding", "characters"),
    [(UTF8, [0, 1, 3, 7, 8]), (UTF16, [0, 1, 2, 4, 5]), (UTF32, [0, 1, 2, 3, 4])],
)
def test_a_place_goes_to_the_editor_and_comes_back(
    encoding: PositionEncodingKind, characters: list[int]
) -> None:
    found = [position_of(2, column, LINES, encoding) for column in range(1, 6)]

    assert [Position(1, character) for character in characters] == found
    assert [(2, column) for column in range(1, 6)] == [
        place_of(position, LINES, encoding) for position in found
    ]


def test_a_place_inside_a_character_is_before_it() -> None:
    assert (2, 3) == place_of(Position(1, 3), LINES, UTF16)


def test_a_place_that_is_not_there_is_the_nearest_before_it() -> None:
    assert (1, 4) == place_of(Position(0, 99), LINES, UTF16)
    assert (3, 1) == place_of(Position(99, 99), LINES, UTF16)
    assert Position(2, 0) == position_of(9, 9, LINES, UTF16)


def test_a_span_is_a_range() -> None:
    span = Span("x.knhk", 1, 2, 2, 4)

    assert Range(Position(0, 1), Position(1, 4)) == range_of(span, LINES, UTF16)
