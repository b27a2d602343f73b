"""Where names are defined and used."""

from __future__ import annotations

from pathlib import Path

import pytest

from knhk_dsl.index import Occurrence, Page, hover, outline
from tests.dsl.index.sources import ORDER, TYPES, index_at, marked, place, project


def at(path: Path, text: str) -> tuple[Occurrence | None, list[tuple[str, int, int]]]:
    """The name at the mark in a text, and every place where it stands for the same."""
    source = marked(text)
    path.write_text(source.text, encoding="utf-8")
    _, index = index_at(path)
    occurrence = index.at("order.knhk", *place(source.text, source.offsets[0]))
    if occurrence is None:
        return None, []
    spans = [each.span for each in index.of(occurrence.definition)]
    return occurrence, [(span.file, span.line, span.column) for span in spans]


@pytest.mark.parametrize(
    ("before", "kind", "times"),
    [
        ("var to", "variable", 4),
        ("sum(it", "element", 3),
        ("item.pr", "field", 3),
        ("task ho", "task", 4),
        ('"for {i', "parameter", 3),
        ("\U0001f600 {tot", "variable", 4),
        ("place wai", "place", 3),
        ("holds sc", "mutex", 3),
        ("critical sc", "mutex", 3),
        ("uses pat", "policy", 2),
        ("task one = pa", "workflow", 2),
        ("pack(i", "parameter", 2),
        ("hold.co", "field", 3),
        ("-> Bo", "record", 2),
        ("use It", "record", 4),
        ("= reser", "callable", 2),
        ("message pa", "message", 2),
        ("sum", "function", 1),
        ("size: Si", "enumeration", 3),
    ],
)
def test_a_name_is_found_wherever_it_stands(
    tmp_path: Path, before: str, kind: str, times: int
) -> None:
    occurrence, places = at(project(tmp_path), ORDER.replace(before, f"{before}|", 1))

    assert occurrence is not None
    assert (kind, times) == (occurrence.definition.kind, len(places))


def test_no_name_stands_in_a_comment_or_a_word_of_the_language(tmp_path: Path) -> None:
    path = project(tmp_path)

    assert (None, []) == at(path, f"# ord|er\n{ORDER}")
    assert (None, []) == at(path, ORDER.replace("task hold", "ta|sk hold"))


def test_a_name_in_brackets_is_found_without_them(tmp_path: Path) -> None:
    text = ORDER.replace("total + 1", "( # note\n            (to|tal)) + 1")

    occurrence, _ = at(project(tmp_path), text)

    assert occurrence is not None
    assert 5 == occurrence.span.end_column - occurrence.span.column


def test_a_definition_may_lie_in_another_file(tmp_path: Path) -> None:
    occurrence, places = at(project(tmp_path), ORDER.replace("item.pr", "item.pr|", 1))

    assert occurrence is not None
    span = occurrence.definition.place
    assert span is not None
    assert ("types.knhk", "price") == (span.file, Page("", TYPES).shown(span))
    assert ["order.knhk", "order.knhk", "types.knhk"] == [file for file, _, _ in places]


def test_a_python_function_is_found_in_its_module(tmp_path: Path) -> None:
    path = project(tmp_path)
    text = ORDER.replace('reserve(items: list[Item], note: str = "") -> Box', "reserve", 1)
    occurrence, _ = at(path, text.replace("= res", "= res|"))

    assert occurrence is not None
    found = occurrence.definition
    assert found.elsewhere is not None
    assert (tmp_path / "shop.py", 10) == (found.elsewhere.path, found.elsewhere.line)
    assert "Put the items aside." == found.doc
    assert "reserve(items: list[Item], note: str = ...) -> Hold" == found.shape


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("task ho", "```knhk\ntask hold"),
        ("task ho", "a task of the workflow `order`"),
        ("task one = pa", "```knhk\nworkflow pack(id: str) -> int\n```"),
        ("task one = pa", "Pack one box."),
        ("list[It", "One line of an order."),
        ("list[It", "record Item\n    sku: str\n    price: decimal = 1"),
        ("item.pr", "a field of the record `Item`"),
        ("sum", "a function"),
        ("= reser", "from the Python module `shop`"),
    ],
)
def test_hovering_tells_what_a_name_is(tmp_path: Path, before: str, expected: str) -> None:
    occurrence, _ = at(project(tmp_path), ORDER.replace(before, f"{before}|", 1))

    assert occurrence is not None
    assert expected in hover(occurrence)


def test_hovering_tells_the_type_that_a_value_has_at_its_place(tmp_path: Path) -> None:
    text = (
        "workflow w(a: int?)\n    flow\n        start -> end\n    return a| if a != none else 0\n"
    )

    occurrence, _ = at(project(tmp_path), text)

    assert occurrence is not None
    assert "int" == occurrence.type
    assert "here of type `int`" in hover(occurrence)


def test_the_outline_of_a_file_is_a_tree(tmp_path: Path) -> None:
    _, index = index_at(project(tmp_path))

    found = {
        entry.definition.name: [inner.definition.name for inner in entry.entries]
        for entry in outline(index, "order.knhk")
    }

    assert {
        "Box": ["code", "size"],
        "patient": [],
        "pack": ["id", "go"],
        "order": ["id", "items", "total", "waiting", "scale", "hold", "one", "ask"],
    } == found


def test_members_of_an_enumeration_are_names(tmp_path: Path) -> None:
    text = ORDER.replace('return "{hold.code}"', "return str(Size.la|rge == hold.size)")

    occurrence, places = at(project(tmp_path), text)

    assert occurrence is not None
    assert ("member", 2) == (occurrence.definition.kind, len(places))
