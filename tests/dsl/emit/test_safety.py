"""What no expression can do: reach Python, see another case's randomness, or differ in a replay."""

from __future__ import annotations

import ast as python
import os
from pathlib import Path

import pytest

from knhk.errors import ExpressionError
from knhk.model import Moment
from knhk_dsl.expressions import emit, expression_code
from tests.dsl.emit.expressions import (
    NOW_US,
    argument,
    compiled,
    data_of,
    evaluated,
    problem,
    refusals,
    returned,
)

DUNDERS = ["__class__", "__dict__", "__init__", "__subclasses__", "mro", "format", "model_fields"]


@pytest.mark.parametrize("name", DUNDERS)
def test_an_attribute_of_a_json_value_is_an_entry_and_nothing_else(name: str) -> None:
    assert evaluated(f"j.{name}") is None
    assert "mine" == evaluated(f"j.{name}", j={name: "mine"})
    for value in ("js", "jn", "jl", "jt", "nothing"):
        assert f"has no field `{name}`" in problem(f"{value}.{name}")


@pytest.mark.parametrize("name", DUNDERS)
def test_an_attribute_that_a_record_does_not_declare_is_refused(name: str) -> None:
    assert ["KN304"] == refusals(f"item.{name}")
    assert ["KN304"] == refusals(f"Size.{name}")
    assert ["KN304"] == refusals(f"s.{name}")


def test_a_record_in_json_shows_its_declared_fields_only() -> None:
    net = compiled("j.model_fields")
    item = data_of(net)["item"]
    with pytest.raises(ExpressionError) as caught:
        returned(net).evaluate({"j": item}, Moment(NOW_US, 1, 1))
    assert "an Item has no field `model_fields`" == caught.value.why


@pytest.mark.parametrize(
    "text",
    ["__import__", "eval", "data", "moment", "w", "v0", "Work", "e0", "failed", "getattr", "open"],
)
def test_a_name_of_the_generated_code_is_no_name_of_the_language(text: str) -> None:
    assert ["KN205"] == refusals(text)
    assert ["KN305"] == refusals(f'{text}("x")')


def test_names_and_texts_of_a_source_never_become_code() -> None:
    evil = "'; raise SystemExit; '"
    assert evil == evaluated(f'"{evil}"')
    assert {'"]=1#': [1, "\\'\n"]} == evaluated('{"\\"]=1#": [1, "\\\\\'\\n"]}')
    assert "a'b" == evaluated('j["a\'b"]', j={"a'b": "a'b"})
    assert [1, 2] == evaluated("[lambda_ for lambda_ in sorted([2, 1])]")


def test_the_generated_code_has_no_builtins() -> None:
    expression = returned(compiled("sum(v for v in xs)"))
    names = expression.evaluate.__globals__
    assert {} == names["__builtins__"]
    assert {"data", "moment"}.isdisjoint(names)


def test_only_the_emitter_runs_generated_code() -> None:
    calls = []
    for module in (emit, expression_code):
        tree = python.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
        calls += [
            node.func.id
            for node in python.walk(tree)
            if isinstance(node, python.Call)
            and isinstance(node.func, python.Name)
            and node.func.id in ("exec", "eval", "compile", "__import__")
        ]
    assert ["compile", "exec"] == sorted(set(calls))


def test_time_and_randomness_come_from_the_moment() -> None:
    expression = returned(compiled("[random(), random(), now()]"))
    first = expression.evaluate({}, Moment(NOW_US, 1, 1))
    assert first == expression.evaluate({}, Moment(NOW_US, 1, 1))
    assert first != expression.evaluate({}, Moment(NOW_US, 2, 1))
    assert first != expression.evaluate({}, Moment(NOW_US, 1, 2))


def test_a_decimal_does_not_depend_on_the_context_of_the_thread() -> None:
    import decimal

    expected = evaluated("d / 3")
    with decimal.localcontext(prec=3):
        assert expected == evaluated("d / 3")
        assert expected * 3 == evaluated("sum([d / 3, d / 3, d / 3])")  # type: ignore[operator]


def test_data_is_never_changed() -> None:
    net = compiled("[sorted(xs), xs + [1], [v for v in xs], {a: stock}, xs * 2, json(j)]")
    data = data_of(net)
    kept = data_of(net)
    returned(net).evaluate(data, Moment(NOW_US, 1, 1))
    assert kept == data


def test_the_value_of_a_secret_is_in_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "KNHK_TEST_SECRET", "hunter2")
    given = argument('int(secret("KNHK_TEST_SECRET"))')
    with pytest.raises(ExpressionError) as caught:
        given.evaluate({}, Moment(NOW_US, 1, 1))
    assert "hunter2" not in str(caught.value)
    monkeypatch.delitem(os.environ, "KNHK_TEST_SECRET")
    with pytest.raises(ExpressionError) as caught:
        given.evaluate({}, Moment(NOW_US, 1, 1))
    assert (
        "the secret KNHK_TEST_SECRET is not set: set the variable KNHK_TEST_SECRET"
        " or KNHK_TEST_SECRET_FILE"
    ) == caught.value.why
