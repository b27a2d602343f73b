"""Expressions that would take very long or very much: each ends soon, with its reason."""

from __future__ import annotations

import time

import pytest

from tests.dsl.emit.expressions import evaluated, problem

STEPS = "it takes more than 100,000 steps"
SIZE = "it builds more than 10,000,000 characters or elements"
WHOLE = "a whole number is too large"


def nested(element: str, levels: int, start: str) -> str:
    """``[element for v0 in [element for v1 in ...]]``; ``#`` is the variable."""
    text = start
    for level in range(levels):
        text = f"[{element.replace('#', f'v{level}')} for v{level} in {text}]"
    return text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("10 ** 10 ** 10", WHOLE),
        ("n ** 5000", WHOLE),
        ("jn ** 5000", WHOLE),
        ("2.0 ** 5000", "a number or a moment is too large"),
        ("x * 1e308 * 10", "the result is not a finite number"),
        ("d ** 10 ** 9", "a decimal calculation has no result that could be written down"),
        ('"a" * 10 ** 12', SIZE),
        ("[0] * 10 ** 9", SIZE),
        ("10 ** 12 * xs", SIZE),
        ("jl * 10 ** 9", SIZE),
        ("range(10 ** 12)", STEPS),
        ("range(0, 10 ** 30)", "`range` takes smaller numbers"),
        ("len([[w for w in range(1000)] for v in range(1000)])", STEPS),
        ("sum(sum(w for w in range(1000)) for v in range(1000))", STEPS),
        ("all(any(w < 0 for w in xs) or on for v in range(99999))", STEPS),
        ("len([v for v in range(2000) if v in [w + 0 for w in range(60)]])", STEPS),
        ('join(["x" * 1000 for v in range(50000)])', SIZE),
        ('join([str(v) for v in range(20000)], "x" * 1000)', SIZE),
        ('format(n, "2000d")', "a format is at most 1000 wide"),
        ('format(x, ".99999f")', "a format is at most 1000 wide"),
        ("len([upper(long) for v in range(50000)])", SIZE),
        ("len([1 for v in range(50000) if long == lower(long)])", SIZE),
        ("len([1 for v in range(50000) if long in [long]])", SIZE),
        ('len([1 for v in range(50000) if "z" in long])', SIZE),
        (
            "len([float(long) for v in range(9)])",
            "the text is too long to be read as a number or a time",
        ),
        (
            "len([duration(long) for v in range(9)])",
            "the text is too long to be read as a number or a time",
        ),
        ("len([split(long) for v in range(50000)])", SIZE),
        ('len([1 for v in range(50000) if matches(long, "z*")])', SIZE),
        (nested("# * #", 40, "[n]"), WHOLE),
        (nested("# + #", 45, '["a"]'), SIZE),
        (nested("# + #", 45, "[[1]]"), SIZE),
        (nested("# + #", 45, "[b]"), SIZE),
        (nested("[#, #]", 30, "[n]"), SIZE),
        (nested("{a: #, b: #}", 30, "[jl]"), SIZE),
        (nested("Box(inner: #, other: #)", 30, "[none]"), SIZE),
        (f"str({nested('[#, #]', 30, '[n]')})", SIZE),
        (f"json({nested('[#, #]', 30, '[n]')})", SIZE),
        (f'"{{{nested("[#, #]", 30, "[n]")}}}"', SIZE),
        (f"{nested('[#, #]', 30, '[n]')} == {nested('[#, #]', 30, '[n]')}", SIZE),
        (f"jl in {nested('[#, #]', 30, '[n]')}", SIZE),
    ],
)
def test_bounded_work_ends_soon(text: str, why: str) -> None:
    began = time.perf_counter()
    assert why == problem(text)
    # A bound on hours, not a benchmark: each of these would otherwise never end.
    assert time.perf_counter() - began < 20


def test_what_stays_below_the_limits_is_computed() -> None:
    assert 99_999 == evaluated("len(range(99999))")
    assert 49_999 * 25_000 == evaluated("sum(v for v in range(50000))")
    assert 9_000_000 == evaluated('len("a" * 9000000)')
    assert 2**2000 == evaluated("2 ** 2000")
