"""Records that hold each other."""

from __future__ import annotations

import pytest

from knhk_dsl import Environment, Sources, check_sources


def problems(text: str) -> list[str]:
    return [str(each) for each in check_sources(Sources.of_text(text), Environment())]


def test_a_record_that_must_hold_itself_is_reported() -> None:
    text = "record A\n    b: B\n\nrecord B\n    a: A\n\nrecord C\n    c: C\n    a: A?\n"
    assert problems(text) == [
        "workflow.knhk:1:8: KN301 the record A holds itself without end",
        "workflow.knhk:4:8: KN301 the record B holds itself without end",
        "workflow.knhk:7:8: KN301 the record C holds itself without end",
    ]


@pytest.mark.parametrize("type_", ["A?", "list[A]", "dict[str, A]"])
def test_a_record_may_hold_itself_where_it_can_end(type_: str) -> None:
    assert problems(f"record A\n    a: {type_}\n") == []


def test_a_long_row_of_records_is_checked() -> None:
    rows = "".join(f"record R{i}\n    a: R{i + 1}\n\n" for i in range(2000))
    assert problems(f"{rows}record R2000\n    a: int\n") == []
