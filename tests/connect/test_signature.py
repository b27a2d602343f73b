"""Annotations of Python functions in the words of the language."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest

from knhk.call import Call
from knhk.model import OperationSignature, ParameterSignature
from knhk.signature import operation_signature, takes_call, type_word


class Colour(enum.Enum):
    red = "red"


@pytest.mark.parametrize(
    ("annotation", "word"),
    [
        (str, "str"),
        (bool, "bool"),
        (Decimal, "decimal"),
        (bytes, "bytes"),
        (date, "date"),
        (datetime, "datetime"),
        (timedelta, "duration"),
        (list[int], "list[int]"),
        (Sequence[float], "list[float]"),
        (Iterable[str], "list[str]"),
        (tuple[int, ...], "list[int]"),
        (tuple[int, str], "json"),
        (dict[str, list[int]], "dict[str, list[int]]"),
        (Mapping[str, object], "dict[str, json]"),
        (dict[int, str], "json"),
        (int | None, "int?"),
        (list[str | None], "list[str?]"),
        (int | str, "json"),
        (object | None, "json"),
        (Annotated[int, "of pieces"], "int"),
        (Literal["a", "b"], "str"),
        (Literal["a", 1], "json"),
        (Colour, "json"),
        (list, "json"),
        (Any, "json"),
        (None, "json"),
    ],
)
def test_an_annotation_is_written_in_the_words_of_the_language(
    annotation: object, word: str
) -> None:
    assert word == type_word(annotation)


def test_a_signature_tells_required_named_and_further_arguments() -> None:
    def ship(id: str, count: int = 1, *, express: bool, **labels: str) -> list[Decimal]:
        """Ship it."""
        return []

    expected = OperationSignature(
        (
            ParameterSignature("id", "str"),
            ParameterSignature("count", "int", required=False),
            ParameterSignature("express", "bool", keyword_only=True),
            ParameterSignature("labels", "str", required=False, keyword_only=True, many=True),
        ),
        "list[decimal]",
        "Ship it.",
    )

    assert expected == operation_signature(ship)


def test_what_is_not_annotated_is_json() -> None:
    def anything(value):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        return value

    assert OperationSignature((ParameterSignature("value"),)) == operation_signature(anything)


def test_the_call_is_no_argument_of_the_workflow() -> None:
    def one(path: str, call: Call) -> None: ...
    def other(path: str, *, which: Call | None = None) -> None: ...

    expected = (ParameterSignature("path", "str"),)

    assert expected == operation_signature(one).parameters
    assert expected == operation_signature(other).parameters
    assert not takes_call(str)


def test_arguments_without_a_name_and_a_number_cannot_be_declared() -> None:
    def many(*paths: str) -> None: ...

    with pytest.raises(TypeError, match=r"\*paths cannot be given from a workflow; take a list"):
        operation_signature(many)
