"""Conditions, timers, arguments: what becomes of an expression's value at its place."""

from __future__ import annotations

from decimal import Decimal

import pytest

from knhk.errors import ExpressionError
from knhk.model import Expression, Moment
from tests.dsl.emit.expressions import NOW_US, argument, compiled, data_of, returned, workflow

MOMENT = Moment(NOW_US, 1, 1)
#: 2026-11-30 12:00:00 UTC.
AT_US = 1_796_040_000_000_000


def guard(text: str) -> Expression:
    """The guard of an arrow."""
    chain = f"start -> t -> one(u when {text}, skip otherwise) -> end"
    net = workflow(f"    task t\n    task u\n    flow\n        {chain}\n    return n\n")
    return next(arrow.guard for node in net.nodes for arrow in node.outputs if arrow.guard)


def timer(text: str) -> Expression:
    """What a timer task waits for."""
    body = f"    task t = timer {text}\n    flow\n        start -> t -> end\n    return n\n"
    task = workflow(body).nodes[0].task
    assert task is not None
    expression = task.callee.delay or task.callee.until
    assert expression is not None
    return expression


@pytest.mark.parametrize(
    ("text", "expected"),
    [("n > 5", True), ("jt", True), ("j.yes", False), ("not jt", False), ("jn > 9 or on", True)],
)
def test_a_condition_is_true_or_false_itself(text: str, expected: bool) -> None:
    data = data_of(compiled("n"), j={"yes": False})
    assert guard(text).evaluate(data, MOMENT) is expected


@pytest.mark.parametrize("text", ["jn", "js", "nothing", "jl"])
def test_a_json_value_that_is_not_true_or_false_is_no_condition(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        guard(text).evaluate(data_of(compiled("n")), MOMENT)
    assert caught.value.why.startswith("a condition must be true or false, and this is ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2d", 172_800_000_000),
        ("dur", 5_400_000_000),
        ("dur * 2", 10_800_000_000),
        ("dur - 2h", -1_800_000_000),
        ("3652058d", 3_652_058 * 86_400_000_000),
        ("duration(0.000001)", 1),
        ("js", 90_000_000),
        ("until at", AT_US),
        ("until now() + 1us_", NOW_US + 1_000),
        ("until js", AT_US),
    ],
)
def test_a_timer_gets_whole_microseconds(text: str, expected: int) -> None:
    word = "2026-11-30T13:00:00+01:00" if "until" in text else "1m30s"
    data = data_of(compiled("n"), js=word)
    actual = timer(text.replace("1us_", "1ms")).evaluate(data, MOMENT)
    assert expected == actual
    assert type(actual) is int


def test_a_timer_refuses_what_is_no_duration_and_no_moment() -> None:
    data = data_of(compiled("n"))
    for text in ("js", "until js"):
        with pytest.raises(ExpressionError) as caught:
            timer(text).evaluate(data, MOMENT)
        assert caught.value.why.startswith("must be a ")


def test_an_argument_is_made_to_fit_the_type_that_the_callee_says() -> None:
    data = data_of(compiled("n"), j={"price": "12.50"})
    for text, expected in (("n", "7"), ("j.price", "12.50"), ("0.1", "0.1"), ("d", "12.50")):
        value = argument(text, "price").evaluate(data, MOMENT)
        assert isinstance(value, Decimal)
        assert expected == str(value)


def test_an_argument_of_any_type_is_plain_json() -> None:
    data = data_of(compiled("n"))
    assert "12.50" == argument("d").evaluate(data, MOMENT)
    assert ["2026-11-30"] == argument("[day]").evaluate(data, MOMENT)
    assert "medium" == argument("size").evaluate(data, MOMENT)


def test_an_argument_that_does_not_fit_says_so() -> None:
    with pytest.raises(ExpressionError) as caught:
        argument("js", "price").evaluate(data_of(compiled("n")), MOMENT)
    assert "must be a number such as 12.50" == caught.value.why


def test_expressions_that_read_alike_share_one_function_and_keep_their_places() -> None:
    net = workflow(
        "    var a: int = n + 1\n    var c: int = n + 1\n    var e: float = n + 1\n    task t\n"
        "    flow\n        start -> t -> end\n    return a\n"
    )
    first, second, third = (variable.initial for variable in net.variables)
    assert first is not None
    assert second is not None
    assert third is not None
    assert first.evaluate is second.evaluate is third.evaluate
    assert [first.text, second.text] == ["n + 1", "n + 1"]
    assert first.span != second.span


def test_an_expression_over_several_lines_is_shown_on_one() -> None:
    assert "[ n, 1 ]" == returned(compiled("[\n        n,\n        1\n    ]")).text
