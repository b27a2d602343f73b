"""What an expression that fails says: one plain sentence, and no value that may be secret."""

from __future__ import annotations

import pytest

from knhk.errors import ExpressionError
from knhk.model import Moment
from tests.dsl.emit.expressions import NOW_US, compiled, data_of, problem, returned


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("n / zero", "it divides by zero"),
        ("n // zero", "it divides by zero"),
        ("n % zero", "it divides by zero"),
        ("d / zero", "it divides by zero"),
        ("dur / zero", "it divides by zero"),
        ("xs[9]", "there is no element at this index"),
        ("s[9]", "there is no element at this index"),
        ('stock["z"]', "there is no key 'z'"),
        ('j["z"]', "there is no key 'z'"),
        ("jl[9]", "there is no element at this index"),
        ('jl["a"]', "a list is indexed by a whole number, not by a text"),
        ("jn[0]", "a whole number has no elements"),
        ("jn.field", "a whole number has no field `field`"),
        ("nothing.field", "none has no field `field`"),
        ("nothing + 1", "`+` does not take none and a whole number"),
        ("js + 1", "`+` does not take a text and a whole number"),
        ("jt + 1", "`+` does not take a bool and a whole number"),
        ("jn and on", "a condition must be true or false, and this is a whole number"),
        ("not nothing", "a condition must be true or false, and this is none"),
        ("1 if jl else 2", "a condition must be true or false, and this is a list"),
        ("[v for v in jn]", "a whole number is no list"),
        ("1 in nothing", "none has no elements"),
        ("1 in js", "a text holds text, not a whole number"),
        ("min(none_at_all)", "`min` of an empty list: test it with len(...) first"),
        ("max(v for v in xs if v > 9)", "`max` of an empty list: test it with len(...) first"),
        ("sum(j.k)", "`+` does not take a number and a text"),
        ('int("3.5")', "'3.5' is no whole number"),
        ('float("x")', "'x' is no number"),
        ('decimal("x")', "'x' is no number"),
        ("decimal(js)", "'word' is no number"),
        ('date("x")', "there is no such day: a date is written 2026-11-30"),
        ("date(2026, 2, 30)", "there is no such day: a date is written 2026-11-30"),
        ('duration("x")', "a duration is a number of seconds, or written 1h30m or PT1H30M"),
        ('split(s, "")', "`split` needs a separator that is not empty"),
        ("range(1, 2, zero)", "`range` takes whole numbers, and a step that is not 0"),
        ('format(n, "q")', "'q' does not format a whole number"),
        (
            'format(day, "%s")',
            "%s is not one of %% %G %H %I %M %S %U %V %W %Y %d %f %j %m %u %w %y %z",
        ),
        ("2 ** m", "a whole number to a negative power: write float(x) ** y"),
        ("(-x) ** 0.5", "a negative number to a broken power has no result"),
        ("at + 3650000d", "a number or a moment is too large"),
        ("j.at < at and j.price > at", "must be a moment such as 2026-11-30T12:00:00Z"),
        ("d > js", "must be a number such as 12.50"),
    ],
)
def test_a_failure_is_told_in_one_sentence(text: str, why: str) -> None:
    assert why == problem(text)


@pytest.mark.parametrize(
    "text",
    ["jn < js", "nothing < 3", "max(j.k)", "sorted(j.k)", 'nothing in "text"', "jl < 1"],
)
def test_what_python_refuses_is_told_in_words_of_the_language(text: str) -> None:
    why = problem(text)
    assert why
    for word in ("NoneType", "instances", "Traceback", "object has no"):
        assert word not in why


def test_a_record_whose_fields_do_not_fit_names_them() -> None:
    assert "price: must be a number such as 12.50" == problem('Item(sku: "a", price: js)')
    assert "quantity: must be a whole number, not a text" == problem(
        'Item(sku: "a", price: 1, quantity: js)'
    )


def test_the_error_shows_the_text_of_the_expression_shortened() -> None:
    net = compiled(f"[1, 2][9] + {' + '.join(['n'] * 70)}")
    with pytest.raises(ExpressionError) as caught:
        returned(net).evaluate(data_of(net), Moment(NOW_US, 1, 1))
    assert 200 == len(caught.value.text)
    assert caught.value.text.startswith("[1, 2][9] + n + n")
    assert caught.value.text.endswith("...")


def test_data_that_is_missing_is_none_for_a_task_and_an_error_for_a_parameter() -> None:
    data: dict[str, object] = {}
    assert returned(compiled("t == none")).evaluate(data, Moment(NOW_US, 1, 1)) is True
    with pytest.raises(ExpressionError) as caught:
        returned(compiled("n > 3")).evaluate(data, Moment(NOW_US, 1, 1))
    assert "there is no key 'n'" == caught.value.why


@pytest.mark.parametrize(
    "text",
    ["n + 1", "items[0].sku", "item.price", "xs[0]", "s[0]", "-n", "[v + 1 for v in xs]", "d + 1"],
)
def test_data_of_a_wrong_type_gives_an_expression_error_and_no_other(text: str) -> None:
    data: dict[str, object] = {"n": None, "items": [None], "item": object(), "xs": (), "s": 3}
    with pytest.raises(ExpressionError) as caught:
        returned(compiled(text)).evaluate({**data, "d": "1"}, Moment(NOW_US, 1, 1))
    assert text == caught.value.text
    assert caught.value.why
    assert caught.value.__cause__ is None
