"""Another name for a definition, everywhere, or a sentence that says why not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from knhk_dsl.index import Edit, Index, RefusedRename, applied, check_renamed, index_of, rename
from tests.dsl.index.sources import ORDER, analysis_of, marked, place, project


def renamed(path: Path, before: str, name: str) -> tuple[str, tuple[Edit, ...]]:
    """The source with what stands behind `before` renamed, and all edits."""
    source = marked(ORDER.replace(before, f"{before}|", 1))
    analysis = analysis_of(path)
    index = index_of(analysis)
    occurrence = index.at("order.knhk", *place(source.text, source.offsets[0]))
    assert occurrence is not None
    edits = rename(occurrence.definition, name, [index])
    text = applied(ORDER, [edit for edit in edits if edit.span.file == "order.knhk"])
    again = analysis_of(path, text)
    if all(edit.span.file == "order.knhk" for edit in edits):
        check_renamed(
            (analysis.diagnostics, index, analysis.scopes),
            (again.diagnostics, index_of(again), again.scopes),
            occurrence.definition,
            name,
        )
    return text, edits


@pytest.mark.parametrize(
    ("before", "old", "new"),
    [
        ("var to", "total", "amount"),
        ("task ho", "hold", "keep"),
        ("place wai", "waiting", "resting"),
        ("mutex sc", "scale", "balance"),
        ("policy pat", "patient", "calm"),
        ("sum(it", "item", "each_item"),
        ("record Bo", "Box", "Parcel"),
        ("workflow pa", "pack", "wrap"),
    ],
)
def test_a_name_changes_everywhere(tmp_path: Path, before: str, old: str, new: str) -> None:
    text, edits = renamed(project(tmp_path), before, new)

    assert 2 <= len(edits) == text.count(new)
    assert re.search(rf"\b{old}\b", text) is None or old == "item"


def test_a_parameter_changes_where_it_is_given_by_name(tmp_path: Path) -> None:
    text, edits = renamed(project(tmp_path), "workflow pack(i", "box")

    assert "workflow pack(box: str)" in text
    assert "pack(box: hold.code)" in text
    assert 2 == len(edits)


def test_a_field_changes_in_the_file_that_defines_it(tmp_path: Path) -> None:
    text, edits = renamed(project(tmp_path), "item.pr", "cost")

    assert {"order.knhk", "types.knhk"} == {edit.span.file for edit in edits}
    assert "sum(item.cost for item in items if item.cost > 0)" in text


@pytest.mark.parametrize(
    ("before", "name", "why"),
    [
        ("task ho", "9", "`9` is not a name: letters, digits and `_`, no digit first"),
        ("task ho", "a b", "`a b` is not a name: letters, digits and `_`, no digit first"),
        ("task ho", "start", "`start` is a word of the language"),
        ("task ho", "and", "`and` is a word of the language"),
        ("record Bo", "decimal", "`decimal` is a word of the language"),
        ("task ho", "total", "with the name `total`, `total` is the name of a variable already"),
        ("record Bo", "Item", "with the name `Item`, `Item` is defined twice"),
        ("sum(it", "items", "with the name `items`, `items` is the name of a parameter already"),
        ("= reser", "x", "`reserve` cannot be renamed here: it comes from Python: rename it there"),
        ("sum", "x", "`sum` cannot be renamed here: it is a function of the language"),
    ],
)
def test_a_name_that_cannot_be_is_refused(tmp_path: Path, before: str, name: str, why: str) -> None:
    with pytest.raises(RefusedRename) as refused:
        renamed(project(tmp_path), before, name)

    assert why == str(refused.value)


def test_a_name_that_would_take_the_place_of_another_is_refused(tmp_path: Path) -> None:
    text = (
        "enum Size: small\nworkflow w() -> bool\n    task a\n    flow\n"
        "        start -> a -> end\n    return Size.small == a\n"
    )
    analysis = analysis_of(project(tmp_path, text))
    index = index_of(analysis)
    occurrence = index.at("order.knhk", 3, 10)
    assert occurrence is not None
    edits = rename(occurrence.definition, "Size", [index])
    again = analysis_of(tmp_path / "order.knhk", applied(text, edits))

    with pytest.raises(RefusedRename):
        check_renamed(
            (analysis.diagnostics, index, analysis.scopes),
            (again.diagnostics, index_of(again), again.scopes),
            occurrence.definition,
            "Size",
        )


def test_edits_on_one_line_do_not_disturb_each_other() -> None:
    empty = Index(())

    assert [] == empty.in_file("x.knhk")
    assert "ab cd" == applied("ab cd", ())
