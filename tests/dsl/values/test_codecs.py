"""What types take from outside, and that their values survive JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from knhk.errors import MisfitError
from knhk_dsl.values.durations import iso_duration, parse_duration, spell_duration
from knhk_dsl.values.records import MISFITS_MAX, Codecs
from knhk_dsl.values.types import (
    BOOL,
    BYTES,
    DATE,
    DATETIME,
    DECIMAL,
    DURATION,
    FLOAT,
    INT,
    JSON,
    STR,
    DictOf,
    Enumeration,
    Field,
    ListOf,
    Maybe,
    Record,
    Type,
)

SIZE = Enumeration("Size", ("small", "large"))
ITEM = Record("Item", "A thing.")
ITEM.fields.update(
    price=Field(DECIMAL, required=True),
    count=Field(INT, required=False, defaulted=True),
    note=Field(Maybe(STR), required=False),
    size=Field(Maybe(SIZE), required=False),
    parts=Field(Maybe(ListOf(ITEM)), required=False),
)
CODECS = Codecs(lambda record, name: 1)


def accept(type_: Type, value: object) -> object:
    return CODECS.codec(type_).accept(value)


def refused(type_: Type, value: object) -> list[str]:
    with pytest.raises(MisfitError) as caught:
        accept(type_, value)
    return [str(misfit) for misfit in caught.value.misfits]


class Colour(Enum):
    red = "red"


@pytest.mark.parametrize(
    ("type_", "value", "expected"),
    [
        (STR, "a", "a"),
        (INT, 5, 5),
        (FLOAT, 5, 5.0),
        (BOOL, True, True),
        (DECIMAL, "12.50", Decimal("12.50")),
        (DECIMAL, 12, Decimal(12)),
        (DECIMAL, 0.1, Decimal("0.1")),
        (BYTES, "aGk=", b"hi"),
        (BYTES, bytearray(b"hi"), b"hi"),
        (DATE, "2026-11-30", date(2026, 11, 30)),
        (DATETIME, "2026-11-30T12:00:00+01:00", datetime(2026, 11, 30, 11, tzinfo=UTC)),
        (DATETIME, datetime(2026, 11, 30), datetime(2026, 11, 30, tzinfo=UTC)),  # noqa: DTZ001
        (DURATION, "2s", timedelta(seconds=2)),
        (DURATION, "1h30m", timedelta(minutes=90)),
        (DURATION, "-PT0.5S", timedelta(seconds=-0.5)),
        (DURATION, 1.5, timedelta(seconds=1.5)),
        (JSON, {"a": (1, {Decimal("1.5")})}, {"a": [1, ["1.5"]]}),
        (JSON, timedelta(seconds=2), "PT2S"),
        (JSON, Colour.red, "red"),
        (JSON, b"hi", "aGk="),
        (ListOf(INT), (1, 2), [1, 2]),
        (ListOf(STR), {"b", "a"}, ["a", "b"]),
        (DictOf(DECIMAL), {"a": "1"}, {"a": Decimal(1)}),
        (Maybe(INT), None, None),
    ],
)
def test_a_value_that_fits_is_taken(type_: Type, value: object, expected: object) -> None:
    found = accept(type_, value)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("type_", "value", "message"),
    [
        (INT, "5", "must be a whole number, not a text"),
        (INT, True, "must be a whole number, not a bool"),
        (INT, 5.0, "must be a whole number, not a number"),
        (INT, 1 << 14_100, "is too large a whole number"),
        (BOOL, 1, "must be true or false, not a whole number"),
        (STR, 5, "must be a text, not a whole number"),
        (FLOAT, math.nan, "must be a finite number"),
        (FLOAT, 10**400, "is too large a number"),
        (DECIMAL, "x", "must be a number such as 12.50"),
        (DECIMAL, math.inf, "must be a finite number"),
        (DECIMAL, "1e999999", "must be a finite number"),
        (BYTES, "??", "must be bytes, or base64 text"),
        (DATE, "30.11.2026", "must be a date such as 2026-11-30"),
        (
            DATE,
            datetime(2026, 11, 30, tzinfo=UTC),
            "must be a date such as 2026-11-30, not a datetime",
        ),
        (DATETIME, 5, "must be a moment such as 2026-11-30T12:00:00Z, not a whole number"),
        (
            DATETIME,
            datetime.min.replace(tzinfo=timezone(timedelta(hours=1))),
            "is too far from now",
        ),
        (
            DURATION,
            "soon",
            "must be a duration such as 2s, 1h30m or PT1H30M, or a number of seconds",
        ),
        (DURATION, 1e30, "is too long"),
        (JSON, {"a": [math.nan]}, "a[0]: is not a finite number"),
        (JSON, {1: 2}, "has a whole number as a key: keys are text"),
        (JSON, object(), "is an object, which has no form in JSON"),
        (ListOf(INT), "ab", "must be a list, not a text"),
        (ListOf(INT), [1, "2"], "[1]: must be a whole number, not a text"),
        (DictOf(INT), {"a": {"b": 1}}, "a: must be a whole number, not a dictionary"),
        (SIZE, "tiny", "must be one of small, large, not 'tiny'"),
        (ITEM, 5, "must be an Item, not a whole number"),
        (ITEM, None, "must be an Item, not none"),
    ],
)
def test_a_value_that_does_not_fit_says_why(type_: Type, value: object, message: str) -> None:
    assert refused(type_, value) == [message]


def test_every_misfit_has_its_path() -> None:
    value = [{"price": 1}, {"price": "x", "nte": 1}, {"price": 1, "parts": [{}]}]
    assert refused(ListOf(ITEM), value) == [
        "[1].price: must be a number such as 12.50",
        "[1].nte: is not a field of Item; did you mean `note`?",
        "[2].parts[0].price: is missing",
    ]


def test_a_million_misfits_are_reported_up_to_a_bound() -> None:
    assert len(refused(ListOf(INT), ["x"] * 1_000_000)) == MISFITS_MAX


def test_a_list_that_holds_itself_is_refused() -> None:
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(MisfitError):
        accept(JSON, endless)


@dataclass
class ItemClass:
    price: str
    count: int = 3
    secret: str = "not a field"


class ItemTuple(NamedTuple):
    price: int
    count: int


class ItemModel(BaseModel):
    price: float
    count: int = 3


@pytest.mark.parametrize(
    "make",
    [lambda: ItemClass("1"), lambda: ItemTuple(1, 3), lambda: ItemModel(price=1.0)],
    ids=["dataclass", "named tuple", "model"],
)
def test_any_object_with_the_fields_is_a_record(make: Callable[[], object]) -> None:
    model = CODECS.model(ITEM)
    expected = model(price=1, count=3)
    found = accept(ITEM, make())
    assert (type(found), found) == (model, expected)


def test_the_model_of_a_record_takes_what_the_record_takes() -> None:
    model = CODECS.model(ITEM)
    item = model(price="1.5", parts=[{"price": 2}])
    assert item == accept(ITEM, {"price": "1.5", "parts": [{"price": 2}]})
    assert (item.count, model.__doc__) == (1, "A thing.")  # type: ignore[attr-defined]
    with pytest.raises(ValidationError, match="must be a number such as"):
        model(price="x")
    with pytest.raises(ValidationError, match="frozen"):
        item.price = 2  # type: ignore[attr-defined]
    with pytest.raises(ValidationError, match="Extra inputs"):
        model(price=1, colour="red")
    assert json.loads(item.model_dump_json())["price"] == "1.5"


def test_a_record_that_was_stored_before_it_had_a_field_gets_the_default() -> None:
    decoded = CODECS.codec(ITEM).decode({"price": "1"})
    assert decoded == accept(ITEM, {"price": 1})


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (DATETIME, datetime(2026, 3, 1, 12, tzinfo=UTC)),
        (DATETIME, datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=2)))),
        (DATE, date(2026, 3, 1)),
        (DURATION, timedelta(hours=36)),
        (DECIMAL, Decimal("1.50")),
        (BYTES, b"\xff\xfe>?"),
        (SIZE, "small"),
        (ITEM, {"price": "1.50", "parts": [{"price": 1}]}),
        (Maybe(DATETIME), None),
    ],
)
def test_json_holds_every_value_in_the_form_that_its_type_gives_it(
    type_: Type, value: object
) -> None:
    typed = accept(type_, value)
    assert CODECS.codec(type_).encode(typed) == accept(JSON, typed)


def test_a_moment_in_utc_is_written_as_everybody_writes_it() -> None:
    assert "2026-03-01T12:00:00Z" == accept(JSON, datetime(2026, 3, 1, 12, tzinfo=UTC))


def test_codecs_are_shared() -> None:
    assert CODECS.codec(ListOf(ITEM)) is CODECS.codec(ListOf(ITEM))
    assert CODECS.model(ITEM) is CODECS.model(ITEM)


MOMENTS = st.datetimes(
    min_value=datetime(1, 1, 3),  # noqa: DTZ001
    max_value=datetime(9999, 12, 29),  # noqa: DTZ001
    timezones=st.timezones(),
)
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False)
ITEMS = st.recursive(
    st.fixed_dictionaries(
        {"price": DECIMALS},
        optional={"note": st.none() | st.text(), "size": st.sampled_from(["small", "large"])},
    ),
    lambda inner: st.fixed_dictionaries({"price": DECIMALS, "parts": st.lists(inner, max_size=2)}),
    max_leaves=4,
)
CASES: list[tuple[Type, st.SearchStrategy[object]]] = [
    (STR, st.text()),
    (INT, st.integers()),
    (FLOAT, st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)),
    (BOOL, st.booleans()),
    (DECIMAL, DECIMALS | st.integers() | st.floats(allow_nan=False, allow_infinity=False)),
    (BYTES, st.binary()),
    (DATE, st.dates()),
    (DATETIME, MOMENTS),
    (DURATION, st.timedeltas()),
    (JSON, PLAIN),
    (SIZE, st.sampled_from(["small", "large"])),
    (ITEM, ITEMS),
    (ListOf(Maybe(ITEM)), st.lists(st.none() | ITEMS, max_size=2)),
    (DictOf(ListOf(DECIMAL)), st.dictionaries(st.text(), st.lists(DECIMALS, max_size=2))),
]


@pytest.mark.parametrize(("type_", "strategy"), CASES, ids=[str(t) for t, _ in CASES])
def test_values_survive_json(type_: Type, strategy: st.SearchStrategy[object]) -> None:
    codec = CODECS.codec(type_)

    @given(strategy)
    def check(value: object) -> None:
        accepted = codec.accept(value)
        encoded = json.loads(json.dumps(codec.encode(accepted), allow_nan=False))
        assert codec.decode(encoded) == accepted
        assert codec.accept(accepted) == accepted

    check()


@given(st.timedeltas())
def test_a_duration_is_read_as_it_is_written(duration: timedelta) -> None:
    assert parse_duration(iso_duration(duration)) == duration
    assert parse_duration(spell_duration(duration)) == duration


@pytest.mark.parametrize(
    "text", ["", "-", "P", "PT", "P1", "2", "2x", "1h x", "PT1H ", "99999999999999999w", "P1DT"]
)
def test_other_texts_are_no_durations(text: str) -> None:
    found = parse_duration(text)
    assert found is None or text == "PT1H "
