"""What the formatter refuses: sources that cannot be read, and its own mistakes."""

from __future__ import annotations

from unittest.mock import patch

import pytest

import knhk_dsl.format
from knhk.errors import CheckError
from knhk_dsl.format import NotFaithful, format_text
from knhk_dsl.format.sameness import same
from knhk_dsl.syntax.parse import parse

SOURCE = "workflow w\n  # why\n  return 1\n"


def test_a_source_that_cannot_be_read_is_refused_with_every_problem() -> None:
    with pytest.raises(CheckError) as caught:
        format_text("workflow w\n    task a = = b\n    vra x: int\n", "bad.knhk")

    places = [str(each.span) for each in caught.value.diagnostics]
    assert ["bad.knhk:2:14", "bad.knhk:3:5"] == places


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing but a comment\n"])
def test_a_source_without_a_declaration_is_refused(text: str) -> None:
    with pytest.raises(CheckError):
        format_text(text)


@pytest.mark.parametrize(
    "written",
    [
        "workflow w\n    # why\n    return 2\n",
        "workflow w\n    return 1\n",
        "workflow w\n    # because\n    return 1\n",
        "workflow w\n    # why\n    return = 1\n",
    ],
    ids=["another meaning", "a lost comment", "another comment", "a syntax error"],
)
def test_a_result_that_is_not_faithful_is_refused(written: str) -> None:
    with (
        patch.object(knhk_dsl.format, "lay_out", lambda _reading: written),
        pytest.raises(NotFaithful, match=r"w\.knhk .* please report this together with the file"),
    ):
        format_text(SOURCE, "w.knhk")


@pytest.mark.parametrize(
    "other",
    [
        "workflow v\n    return 1 + 2",
        "workflow w\n    return 1 + 3",
        "workflow w\n    return 1 - 2",
        "workflow w\n    return 2",
        "workflow w\n    return 1.0 + 2",
        "workflow w\n    return 1 + 2\n    return 1 + 2",
    ],
)
def test_trees_that_say_different_things_are_not_the_same(other: str) -> None:
    tree = parse("workflow w\n    return 1 + 2", "w")[0]

    assert not same(tree, parse(other, "w")[0])


def test_trees_that_say_the_same_at_different_places_are_the_same() -> None:
    tree = parse("workflow w\n    return 1 + 2", "w")[0]

    assert same(tree, parse("\n\nworkflow  w\n  return (1 +\n 2)", "w")[0])
