"""Values from the command line: --input gives many, -p one, typed by its parameter."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from knhk.cli.parameters import parameters, result
from knhk.errors import Misfit, MisfitError
from knhk.model import Net, Parameter


class Text:
    """A stand-in for a type of the language: takes values of one Python type."""

    def __init__(self, text: str, kind: type, words: tuple[str, ...] = ()) -> None:
        self.text = text
        self._kind = kind
        self._words = words

    def accept(self, value: object) -> object:
        if isinstance(value, self._kind) or value in self._words:
            return value
        raise MisfitError([Misfit("", f"is no {self.text}")])

    def encode(self, value: object) -> object:
        return value

    def decode(self, data: object) -> object:
        return data


NET = Net(
    name="order",
    nodes=(),
    places=(),
    parameters=(
        Parameter("id", Text("str", str)),
        Parameter("note", Text("str?", str)),
        Parameter("total", Text("decimal", str)),
        Parameter("count", Text("int", int)),
        Parameter("items", Text("list[int]", list)),
        Parameter("size", Text("Size", int, ("small",))),
    ),
)


def test_a_text_parameter_takes_its_text_as_it_is() -> None:
    given = parameters(NET, None, ["id=007", 'note="x"', "total=1.10"])

    assert {"id": "007", "note": '"x"', "total": "1.10"} == given


def test_other_parameters_are_read_as_json() -> None:
    assert {"count": 3, "items": [1, 2]} == parameters(NET, None, ["count=3", "items=[1, 2]"])


def test_a_member_of_an_enumeration_needs_no_quotes() -> None:
    assert {"size": "small"} == parameters(NET, None, ["size=small"])


def test_a_value_may_hold_an_equals_sign_and_may_be_empty() -> None:
    assert {"id": "a=b", "note": ""} == parameters(NET, None, ["id=a=b", "note="])


def test_a_single_value_goes_before_the_same_one_of_the_input() -> None:
    assert {"id": "A2", "count": 1} == parameters(NET, '{"id": "A1", "count": 1}', ["id=A2"])


def test_the_input_may_stand_in_a_file_with_or_without_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "input.json"
    file.write_text('{"id": "Ä"}', encoding="utf-8-sig")

    assert {"id": "Ä"} == parameters(NET, f"@{file}", [])


@pytest.mark.parametrize(
    "pair,words",
    [
        ("count", "'count' is not written name=value"),
        ("=3", "'=3' is not written name=value"),
        ("colour=red", "no parameter 'colour'; it has: id, note, total, count, items, size"),
        ("count=three", "parameter count is of type int, and 'three' is not JSON"),
        ("count=NaN", "parameter count is of type int, and 'NaN' is not JSON"),
        ("items=" + "[" * 100_000, "parameter items is of type list[int]"),
        ("count=" + "9" * 10_000, "parameter count is of type int"),
    ],
)
def test_a_value_that_cannot_be_read_names_its_parameter(pair: str, words: str) -> None:
    with pytest.raises(click.BadParameter) as caught:
        parameters(NET, None, [pair])

    assert words in caught.value.message


def test_a_parameter_is_not_given_twice() -> None:
    with pytest.raises(click.BadParameter, match="count is given twice"):
        parameters(NET, None, ["count=1", "count=2"])


@pytest.mark.parametrize(
    "text,words",
    [
        ("", "is not JSON: line 1, column 1"),
        ("{", "is not JSON: line 1, column 2"),
        ("[1]", "must be a JSON object"),
        ("null", "must be a JSON object"),
        ('{"count": Infinity}', "Infinity is not a JSON value"),
        ("[" * 100_000, "cannot be read as JSON"),
    ],
)
def test_an_input_that_is_no_json_object_is_refused_with_its_place(text: str, words: str) -> None:
    with pytest.raises(click.BadParameter) as caught:
        parameters(NET, text, [])

    assert words in caught.value.message


def test_an_input_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "latin.json").write_bytes(b'{"id": "\xe4"}')

    with pytest.raises(click.UsageError, match=r"none\.json: No such file"):
        parameters(NET, f"@{tmp_path / 'none.json'}", [])
    with pytest.raises(click.UsageError, match="byte 8 is not UTF-8"):
        parameters(NET, f"@{tmp_path / 'latin.json'}", [])
    with pytest.raises(click.UsageError, match="Is a directory"):
        parameters(NET, f"@{tmp_path}", [])


def test_a_result_may_be_any_json_value() -> None:
    assert [None, [1], "x"] == [result(text, "--result") for text in ("null", "[1]", '"x"')]
