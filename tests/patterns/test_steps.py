"""The steps of a run: every form of the format, and what it means."""

from __future__ import annotations

import pytest

from knhk.testing.conformance.steps import read_steps
from knhk.testing.conformance.values import (
    Add,
    Cancel,
    Complete,
    DataIs,
    Expected,
    Explains,
    Fail,
    Message,
    Offered,
    Perform,
    ResultIs,
    Resume,
    Signal,
    Start,
    Started,
    StatusIs,
    Suspend,
    Wait,
    Withdraw,
)


@pytest.mark.parametrize(
    "text,expected",
    [
        ("a+", Start("a")),
        ("a[2]+", Start("a", 2)),
        ("a-", Complete("a")),
        ("a- 5", Complete("a", None, 5)),
        ('a[0]- {"x": [1, 2]}', Complete("a", 0, {"x": [1, 2]})),
        ("a!", Perform("a")),
        ('a[1]! "five"', Perform("a", 1, "five")),
        ("add!", Perform("add")),
        ("fail a Declined", Fail("a", "Declined")),
        ("fail a[1] Declined", Fail("a", "Declined", 1)),
        ("withdraw a", Withdraw("a")),
        ("add n 5", Add("n", 5)),
        ("add n", Add("n")),
        ("message pay", Message("pay")),
        ('message pay key "k" payload {"x": 1} -> taken', Message("pay", "k", {"x": 1}, True)),
        ("message pay -> kept", Message("pay", None, None, False)),
        ("signal go", Signal("go")),
        ("signal go payload 5 -> 2", Signal("go", 5, 2)),
        ("wait 200ms", Wait(200_000)),
        ("wait 90s", Wait(90_000_000)),
        ("wait 1.5h", Wait(5_400_000_000)),
        ("wait 2d", Wait(172_800_000_000)),
        ("suspend", Suspend()),
        ("resume", Resume()),
        ("cancel", Cancel()),
        ("offered", Offered(())),
        ("offered b c c", Offered(("b", "c", "c"))),
        ("started a", Started(("a",))),
        ("status stuck", StatusIs("stuck")),
        ("result null", ResultIs(None)),
        ("data total [1]", DataIs("total", [1])),
        ('explain d "waits for b"', Explains("d", "waits for b")),
    ],
)
def test_a_step_is_read(text: str, expected: Expected) -> None:
    _, (step,) = read_steps(text, 1)

    assert (expected, text, False) == (step.expected, step.text, step.refused)


def test_a_step_that_must_be_refused_says_so() -> None:
    _, (step,) = read_steps("refused offered b", 1)

    assert (Offered(("b",)), True) == (step.expected, step.refused)


def test_lines_are_numbered_without_blanks_and_comments() -> None:
    parameters, steps = read_steps('given {"x": 1}\n\n# so\na!\n  b!\n', 10)

    assert {"x": 1} == parameters
    assert [(2, 13, "a!"), (3, 14, "b!")] == [(each.number, each.line, each.text) for each in steps]
