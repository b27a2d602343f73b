"""Values of expressions: every operator and built-in, and the bounds of their work."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, getcontext

import pytest

from knhk.errors import ExpressionError
from knhk.model import Moment
from tests.dsl.values.evaluation import compiled, evaluated, problems

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)

VALUES: list[tuple[str, object]] = [
    ("1 + 2 * 3", 7),
    ("7 - 10", -3),
    ("7 / 2", 3.5),
    ("7 // 2", 3),
    ("-7 % 3", 2),
    ("2 ** 10", 1024),
    ("-2 ** 2", -4),
    ("+3", 3),
    ("1.5 + 1", 2.5),
    ('"a" + "b"', "ab"),
    ('"ab" * 3', "ababab"),
    ("[1] + [2]", [1, 2]),
    ("[0] * 3", [0, 0, 0]),
    ("10%", 0.1),
    ("1 < 2 <= 2", True),
    ("1 == 1.0", True),
    ("1 != 2", True),
    ("3 > 4 or 4 >= 4", True),
    ("not (1 == 1)", False),
    ("true and false", False),
    ("2 in [1, 2]", True),
    ("2 not in [1, 2]", False),
    ('"b" in "abc"', True),
    ('"k" in {k: 1}', True),
    ('"yes" if 1 > 2 else "no"', "no"),
    ("[x * x for x in [1, 2, 3] if x != 2]", [1, 9]),
    ("[[x + y for y in [1]] for x in [1, 2]]", [[2], [3]]),
    ("{a: 1, b: 2}", {"a": 1, "b": 2}),
    ("[1, 2, 3][-1]", 3),
    ('{a: 1}["a"]', 1),
    ('"abc"[1]', "b"),
    ('"{1 + 1} and {true} {none == none} {2s}"', "2 and true true 2s"),
    ('"{{x}}"', "{x}"),
    ("2s + 500ms", timedelta(milliseconds=2500)),
    ("1h - 1m", timedelta(minutes=59)),
    ("2 * 3d", timedelta(days=6)),
    ("1h / 2", timedelta(minutes=30)),
    ("1h / 1m", 60.0),
    ("1h // 7m", 8),
    ("1h % 7m", timedelta(minutes=4)),
    ("2m > 90s", True),
    ("-2s", timedelta(seconds=-2)),
    ("now()", NOON),
    ("now() + 1d", NOON + timedelta(days=1)),
    ("now() - (now() - 2h)", timedelta(hours=2)),
    ("today()", date(2026, 11, 30)),
    ("today() - 7d", date(2026, 11, 23)),
    ('today() - date("2026-11-01")', timedelta(days=29)),
    ("date(2026, 2, 28) < today()", True),
    ("date(now())", date(2026, 11, 30)),
    ('len("abc") + len([1]) + len({a: 1})', 5),
    ("sum([1, 2, 3])", 6),
    ("sum(x for x in [1, 2])", 3),
    ("sum([1.5, 2.5])", 4.0),
    ("sum([1s, 2s])", timedelta(seconds=3)),
    ("sum([])", 0),
    ("min(3, 1, 2)", 1),
    ("max([3, 5])", 5),
    ("max(x * x for x in [1, 2])", 4),
    ("any(x > 1 for x in [1, 2])", True),
    ("all(x > 1 for x in [1, 2])", False),
    ("sorted([3, 1, 2])", [1, 2, 3]),
    ("sorted([3, 1, 2], reverse: true)", [3, 2, 1]),
    ("abs(-3)", 3),
    ("abs(-2s)", timedelta(seconds=2)),
    ("round(2.6)", 3),
    ("round(2.345, 1)", 2.3),
    ("round(decimal(2.5))", 2),
    ('round(decimal("2.345"), 2)', Decimal("2.34")),
    ("str(12) + str(true) + str(none)", "12truenone"),
    ('int("12") + int(2.9) + int(true)', 15),
    ('float("1.5")', 1.5),
    ("decimal(0.1)", Decimal("0.1")),
    ('duration("1h30m")', timedelta(minutes=90)),
    ('duration("PT1H30M")', timedelta(minutes=90)),
    ("duration(1.5)", timedelta(seconds=1.5)),
    ("keys({a: 1, b: 2})", ["a", "b"]),
    ("values({a: 1, b: 2})", [1, 2]),
    ("range(3)", [0, 1, 2]),
    ("range(1, 6, 2)", [1, 3, 5]),
    ('format(3.14159, ".2f")', "3.14"),
    ('format(now(), "%Y")', "2026"),
    ("json({a: 2s, b: decimal(1)})", {"a": "PT2S", "b": "1"}),
    ('lower("AB") + upper("cd")', "abCD"),
    ('split("a,b", ",")', ["a", "b"]),
    ('split(" a  b ")', ["a", "b"]),
    ('join(["a", "b"], "-")', "a-b"),
    ('join(lower(x) for x in ["A", "B"])', "ab"),
    ('matches("A-12", "[A-Z]-[0-9]+")', True),
    ('matches("xA-12", "[A-Z]-[0-9]+")', False),
    ("coalesce(none, none, 3)", 3),
    ("Size.small == Size.small", True),
    ('str(Size.medium) + "{Size.large}"', "mediumlarge"),
    ('Item(price: 3).sku + Item(price: 1, class: "b").class', "noneb"),
    ("Item(price: 3).note == none", True),
    ("random() < 1", True),
]


@pytest.mark.parametrize(("text", "expected"), VALUES, ids=[text for text, _ in VALUES])
def test_the_value_of(text: str, expected: object) -> None:
    value = evaluated(text)
    assert (value, type(value)) == (expected, type(expected))


def test_a_literal_beside_a_decimal_is_exact() -> None:
    data = {"d": "0.3"}
    assert evaluated("d + 0.1", "d: decimal", data) == Decimal("0.4")
    assert evaluated("d == 0.3", "d: decimal", data) is True
    assert evaluated("[d, 0.1]", "d: decimal", data) == [Decimal("0.3"), Decimal("0.1")]
    assert evaluated("max(d, 0.5)", "d: decimal", data) == Decimal("0.5")
    assert evaluated("d * 10%", "d: decimal", data) == Decimal("0.03")
    assert evaluated("0.5 if d > 1 else d", "d: decimal", data) == Decimal("0.3")


def test_decimals_do_not_depend_on_the_process() -> None:
    before = getcontext().prec
    getcontext().prec = 3
    try:
        value = evaluated("d / 3", "d: decimal", {"d": 1})
    finally:
        getcontext().prec = before
    assert value == Decimal("0." + "3" * 28)


def test_json_values_are_tested_when_they_are_used() -> None:
    order = {"id": "A", "total": 12.5, "lines": [{"n": 1}, {"n": 2}], "at": "2026-11-30T11:00:00Z"}
    data = {"o": order}
    assert evaluated("o.id", "o: json", data) == "A"
    assert evaluated("o.lines[1].n", "o: json", data) == 2
    assert evaluated("o.missing == none", "o: json", data) is True
    assert evaluated("sum(line.n for line in o.lines)", "o: json", data) == 3
    assert evaluated("o.at < now()", "o: json", data) is True
    assert evaluated("o.total + decimal(1)", "o: json", data) == Decimal("13.5")
    assert evaluated('"{o.lines}"', "o: json", data) == '[{"n": 1}, {"n": 2}]'


def test_none_is_left_out_by_a_test() -> None:
    records = {"xs": [{"price": 1, "note": "a"}, {"price": 2, "note": None}]}
    text = "[x.note for x in xs if x.note != none and len(x.note) > 0]"
    assert evaluated(text, "xs: list[Item]", records) == ["a"]
    assert evaluated("n + 1 if n != none else 0", "n: int?", {"n": None}) == 0
    assert evaluated("0 if n == none or n < 1 else n", "n: int?", {"n": 4}) == 4
    assert evaluated("coalesce(n, 7) + 1", "n: int?", {"n": None}) == 8


def test_data_that_is_not_there_is_none() -> None:
    assert compiled("t == none").evaluate({}, Moment(0, 0, 0)) is True


def test_a_simple_expression_stays_a_simple_expression() -> None:
    expression = compiled("total > 1000", "total: int")
    assert (expression.text, str(expression.span)) == ("total > 1000", "workflow.knhk:14:12")
    assert expression.evaluate({"total": 1001}, Moment(0, 0, 0)) is True


def test_random_follows_the_moment() -> None:
    expression = compiled("[random() for x in range(3)]")
    first = expression.evaluate({}, Moment(0, 1, 2))
    assert first == expression.evaluate({}, Moment(0, 1, 2))
    assert first != expression.evaluate({}, Moment(0, 1, 3))


FAILURES = [
    ("1 / 0", "it divides by zero"),
    ("decimal(1) / 0", "it divides by zero"),
    ("[1][3]", "there is no element at this index"),
    ('{a: 1}["b"]', "there is no key 'b'"),
    ('int("x")', "'x' is no whole number"),
    ('float("nan")', "the result is not a finite number"),
    ('decimal("nan")', "a text is no decimal"),
    ("min([x for x in [1] if x > 1])", "`min` of an empty list: test it with len(...) first"),
    ("2 ** 10000", "a whole number is too large"),
    ("10 ** (10 ** 9)", "a whole number is too large"),
    ("2 ** -1", "a whole number to a negative power: write float(x) ** y"),
    ("(-8.0) ** 0.5", "a negative number to a broken power has no result"),
    ("10.0 ** 999", "a number or a moment is too large"),
    ("now() + 1w * 10000000", "a number or a moment is too large"),
    ("range(1000000)", "it takes more than 100,000 steps"),
    ("len([x for x in range(90000) if x in range(90000)])", "it takes more than 100,000 steps"),
    ('"a" * 1000000000', "it builds more than 10,000,000 characters or elements"),
    ("[0] * 1000000000", "it builds more than 10,000,000 characters or elements"),
    (
        '["x" * 1000000 for x in range(100)]',
        "it builds more than 10,000,000 characters or elements",
    ),
    ('format(1, "999999999d")', "a format is at most 1000 wide"),
    ('split("a", "")', "`split` needs a separator that is not empty"),
    ('duration("soon")', "a duration is a number of seconds, or written 1h30m or PT1H30M"),
    ('date("soon")', "there is no such day: a date is written 2026-11-30"),
    ("date(2026, 13, 1)", "there is no such day: a date is written 2026-11-30"),
    (
        'matches("a", lower("(?=A)"))',
        "'(?=a)' is not a pattern (look-around and back-references are not known)",
    ),
]


@pytest.mark.parametrize(("text", "why"), FAILURES, ids=[text for text, _ in FAILURES])
def test_what_fails_says_why(text: str, why: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluated(text)
    assert (caught.value.text, caught.value.why) == (text, why)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("o + 1", "`+` does not take a text and a whole number"),
        ("o.x", "a text has no field `x`"),
        ('o[0][0]["x"]', "a text is indexed by a whole number, not by a text"),
        ("1 if o else 2", "a condition must be true or false, and this is a text"),
        ("o > 1", "'>' not supported between 'str' and 'int'"),
        ("[x for x in o]", "a text is no list"),
        ("o > now()", "must be a moment such as 2026-11-30T12:00:00Z"),
    ],
)
def test_json_of_another_kind_fails(text: str, why: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluated(text, "o: json", {"o": "text"})
    assert caught.value.why == why


def test_a_pattern_that_explodes_elsewhere_is_quick() -> None:
    text = "a" * 5000 + "!"
    assert evaluated('matches(s, "(a+)+b")', "s: str", {"s": text}) is False


PROBLEMS = [
    ('1 + "a"', "KN302 `+` does not take an int and a str"),
    ("float(1) + decimal(1)", "KN302 `+` does not take a float and a decimal"),
    ("now() + now()", "KN302 `+` does not take a datetime and a datetime"),
    ("2s + 1", "KN302 `+` does not take a duration and an int"),
    ('-"a"', "KN302 `-` does not take a str"),
    ('"a" < 1', "KN302 `<` does not take a str and an int"),
    ("none < 1", "KN302 `<` does not take none"),
    ('1 == "a"', "KN312 an int and a str are never equal"),
    ('Size.small == "small"', "KN312 a Size and a str are never equal"),
    ('"a" in [1]', "KN312 a str is never in a list[int]"),
    ("1 in 2", "KN310 `in` needs a list, a text or a dictionary, not an int"),
    ("1 and true", "KN309 what stands beside `and` must be true or false, not an int"),
    ("1 if 2 else 3", "KN309 the condition of `if` must be true or false, not an int"),
    ("nope", "KN205 there is no `nope` here"),
    ("len", "KN205 `len` is a function"),
    ("Size", "KN215 `Size` is an enumeration, not a value"),
    ("Item", "KN215 `Item` is a record, not a value"),
    ("Size.tiny", "KN304 the enumeration Size has no member `tiny`"),
    ("Item(price: 1).prize", "KN304 Item has no field `prize`"),
    ("{a: 1}.a", "KN304 a dict[str, int] has no field `a`"),
    ('Item(price: "x")', "KN308 the argument `price` of `Item` must be a decimal, not a str"),
    ("Item()", "KN306 `Item` needs `price` (decimal)"),
    ("Item(price: 1, prise: 2)", "KN307 `Item` does not take `prise`"),
    ("foo(1)", "KN305 there is no function `foo`"),
    ('"a".upper()', "KN305 this cannot be called"),
    ("len(1)", "KN308 `len` needs a list, a text or a dictionary, not an int"),
    ("len()", "KN306 `len` needs `value`"),
    ("len([1], [2])", "KN307 `len` does not take so many arguments"),
    ('sum(["a"])', "KN308 `sum` needs a list of numbers or durations, not a list[str]"),
    ('min(1, "a")', "KN308 `min` needs values of one kind, not a str"),
    ('env("X")', "KN311 `env` may only stand in a connector's settings and a task's arguments"),
    (
        'matches("a", "(")',
        "KN314 '(' is not a pattern (look-around and back-references are not known)",
    ),
    ("[x for x in 3]", "KN310 `for x in ...` needs a list, not an int"),
    ("[t for t in [1]]", "KN206 `t` is the name of a task already"),
    ("{a: 1, a: 2}", "KN206 the key `a` is there twice"),
    ("1[0]", "KN310 an int has no elements"),
    ('[1]["a"]', "KN302 the index must be an int, not a str"),
]


@pytest.mark.parametrize(("text", "expected"), PROBLEMS, ids=[text for text, _ in PROBLEMS])
def test_what_does_not_fit_is_reported_once(text: str, expected: str) -> None:
    assert problems(text) == [expected]


@pytest.mark.parametrize(
    ("text", "path"), [("n + 1", "n"), ("n > 1", "n"), ("i.note + i.sku", "i.note")]
)
def test_a_value_that_may_be_none_must_be_tested(text: str, path: str) -> None:
    assert problems(text, "n: int?, i: Item") == [f"KN303 `{path}` may be none here"]


def test_what_is_left_out_and_what_is_too_much_are_both_reported() -> None:
    assert problems("Item(1)") == [
        "KN306 `Item` needs `price` (decimal)",
        "KN307 `Item` takes no arguments by position",
    ]


def test_what_fits_is_not_reported() -> None:
    fitting = ["1.5 + decimal(1)", "Item(price: 1)", "t", "t.anything", "{a: [1, none]}"]
    assert [problems(text) for text in fitting] == [[]] * len(fitting)
