"""Expressions as deep as the checker lets through, of every construct."""

from __future__ import annotations

import pytest

from knhk.model import Moment
from knhk_dsl.expressions.infer import EXPRESSION_DEPTH_MAX
from tests.dsl.emit.expressions import NOW_US, compiled, data_of, evaluated, refusals, returned

LEVELS = EXPRESSION_DEPTH_MAX - 1
#: The parser counts a bracket and what stands in it.
RIGHT = 48


def nested(before: str, inner: str, after: str, levels: int = LEVELS) -> str:
    """``inner`` with ``before`` and ``after`` around it; ``#`` is the number of the level."""
    text = inner
    for level in range(levels):
        text = f"{before}{text}{after}".replace("#", str(level))
    return text


def lists(levels: int) -> object:
    value: object = 7
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (nested("(", "n", " + 1)"), 106),
        (nested("(1 + ", "n", ")", RIGHT), 7 + RIGHT),
        (nested("(1 * ", "n", ")", RIGHT), 7),
        (nested("(1.0 * ", "x", ")", RIGHT), 2.5),
        (nested("(", "jn", " - 0)"), 5),
        (nested("-", "n", ""), -7),
        (nested("not ", "on", ""), False),
        (nested("not ", "jt", ""), False),
        (nested("(on and ", "jt", ")", RIGHT), True),
        (nested("(", "jt", " and on)"), True),
        (nested("(false or (true and ", "jt", "))", RIGHT // 2), True),
        (nested("(true == ", "on", ")", RIGHT), True),
        (nested("(", "jt", " == jt)"), True),
        (nested("(n if on else ", "m", ")", RIGHT), 7),
        (nested("(", "n", " if on else m)"), 7),
        (nested("(n if ", "on", " else m) == n", LEVELS // 2), True),
        (nested("abs(", "m", ")"), 3),
        (nested("str(", "jn", ")"), "5"),
        (nested("coalesce(none, ", "n", ")"), 7),
        (nested("max(m, ", "n", ")"), 7),
        (nested('"{', "n", '}"', 1), "7"),
        (nested("[", "n", "]"), lists(LEVELS)),
        (nested("[", "n", "][0]", LEVELS // 2), 7),
        (nested("{a: ", "n", '}["a"]', LEVELS // 2), 7),
        (nested("[v# for v# in ", "xs", "]"), [3, 1, 2]),
        (nested("[v# for v# in [", "n", "]][0]", LEVELS // 3), 7),
        (nested("sum(v# for v# in [", "n", "])", LEVELS // 3), 7),
        (nested("sum(v# + 0 for v# in [", "jn", "])", LEVELS // 3), 5),
        (nested("sum(", "n", " for v# in [1])", LEVELS // 2), 7),
        (nested("sum([", "n", " for v# in [1] if v# > 0])", LEVELS // 2), 7),
        (nested("any(", "on", " for v# in [1] if v# > 0)", LEVELS // 2), True),
        (nested("join([upper(", "s", ")])", LEVELS // 3), "TEXT"),
        (nested("(7 in [", "n", "] and on)", 1), True),
        (nested("j.", "k", "", 0), None),
    ][:-1],
)
def test_an_expression_of_the_greatest_depth_is_computed(text: str, expected: object) -> None:
    assert expected == evaluated(text)


def test_records_in_records_are_computed() -> None:
    net = compiled(nested("Box(inner: ", "none", ", other: none)", 90))
    value = returned(net).evaluate(data_of(net), Moment(NOW_US, 1, 1))
    depth = 0
    while value is not None:
        value, depth = value.inner, depth + 1  # type: ignore[attr-defined]
    assert 90 == depth


def test_attributes_and_indexes_go_deep() -> None:
    value: object = "end"
    for _ in range(LEVELS):
        value = {"a": [value]}
    assert "end" == evaluated("j" + ".a[0]" * (LEVELS // 2), j=_within(value, LEVELS // 2))
    assert "end" == evaluated("j" + ".a" * LEVELS, j=_dictionaries(LEVELS))


def _within(value: object, levels: int) -> object:
    while levels < LEVELS:
        assert isinstance(value, dict)
        value, levels = value["a"][0], levels + 1
    return value


def _dictionaries(levels: int) -> object:
    value: object = "end"
    for _ in range(levels):
        value = {"a": value}
    return value


def test_a_part_that_is_a_function_of_its_own_is_evaluated_only_when_it_is_needed() -> None:
    deep = nested("(", "n / zero", " + 1)", 60)
    assert evaluated(f"on or {deep} > 0") is True
    assert 1 == evaluated(f"1 if on else {deep}")
    assert [0] == evaluated(f"[v if v == 0 else {deep} for v in [0]]")


def test_one_level_more_is_refused_by_the_checker() -> None:
    assert ["KN313"] == refusals(nested("-", "n", "", LEVELS + 1))


def test_a_wide_expression_is_compiled() -> None:
    assert list(range(20_000)) == evaluated(f"[{', '.join(map(str, range(20_000)))}]")
    assert "7" * 90 == evaluated('"' + "{n}" * 90 + '"')
    assert evaluated(" <= ".join(["n"] * 3_000)) is True
