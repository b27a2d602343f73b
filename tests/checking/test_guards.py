"""What the solver for guards adds, and that the check is whole without it."""

from __future__ import annotations

import sys

import pytest

from knhk.checking import check
from knhk.plugins import environment
from knhk.soundness import Answer
from knhk_dsl import Sources

AGREEING = """\
workflow w(x: int)
    task a
    task b
    task c
    task d
    task e
    flow
        start -> all(a, b)
        a -> one(c when {first}, end otherwise)
        b -> one(d when {second}, end otherwise)
        all(c, d) -> e -> end
"""


def answer(first: str, second: str) -> Answer:
    text = AGREEING.format(first=first, second=second)
    (verdict,) = check(Sources.of_text(text), environment()).verdicts.values()
    return verdict.answer


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        pytest.param("x > 5", "x > 5", Answer.sound, id="the same"),
        pytest.param("x > 5", "not x <= 5", Answer.sound, id="the opposite of the opposite"),
        pytest.param("2 * x > 10", "x >= 6", Answer.sound, id="the same over integers"),
        pytest.param("x > 5", "x > 6", Answer.unsound, id="not quite the same"),
        pytest.param("x > 5 and len(str(x)) > 1", "x > 5", Answer.unsound, id="one asks more"),
        pytest.param("random() > 0.5", "random() > 0.5", Answer.unsound, id="drawn anew"),
    ],
)
def test_guards_over_data_that_never_change_agree(
    first: str, second: str, expected: Answer
) -> None:
    pytest.importorskip("z3")

    assert expected == answer(first, second)


def test_without_the_solver_guards_are_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "z3", None)

    assert Answer.unsound == answer("x > 5", "x > 5")


def test_guards_over_data_that_a_task_sets_may_differ() -> None:
    pytest.importorskip("z3")
    text = AGREEING.format(first="y > 5", second="y > 5")
    text = text.replace("    task a\n", "    var y: int = x\n    task a\n        sets y = 7\n")

    (verdict,) = check(Sources.of_text(text), environment()).verdicts.values()

    assert verdict.answer is Answer.unsound
