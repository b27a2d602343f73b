"""Words of the flow as plugins: the bundled ones, new ones, and those that do not fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import knhk_plugins.patterns
from knhk import load
from knhk.errors import CheckError
from knhk.patterns import Drawing, Pattern
from knhk.plugins import environment, failures, patterns
from tests.plugins.installing import install

__all__ = ["install"]

Install = Callable[[str, str], None]

WORD = """
from knhk.hookspecs import hookimpl
from knhk.patterns import AND, Pattern

def draw(drawing):
    {body}

@hookimpl
def knhk_patterns():
    return [Pattern({word!r}, "A word of a test.", draw{more})]
"""
BOTH = """entry = drawing.part(AND)
    drawing.follow(drawing.meet(AND, [drawing.lead(entry, b) for b in drawing.branches]))"""


def word(name: str, body: str = BOTH, more: str = "") -> str:
    return WORD.format(word=name, body=body, more=more)


def source(chain: str, *lines: str) -> str:
    body = "".join(f"    {line}\n" for line in ("task a", "task b", "task c", *lines))
    return f"workflow w(g: bool = true)\n{body}    flow\n        {chain}\n"


def codes(text: str) -> list[str]:
    with pytest.raises(CheckError) as caught:
        load(text)
    return [each.code for each in caught.value.diagnostics]


def nothing(drawing: Drawing) -> None:
    """Draws nothing."""


def test_the_words_of_the_language_come_from_a_plugin() -> None:
    assert list(patterns()) == [
        "all", "one", "any", "first", "of", "pick", "interleave", "critical", "repeat",
    ]  # fmt: skip
    assert environment().patterns == patterns()


def test_every_word_is_documented_and_stands_for_a_pattern() -> None:
    assert all(each.doc and each.numbers for each in patterns().values())


def test_the_bundled_words_are_drawn_with_public_names_only() -> None:
    text = Path(str(knhk_plugins.patterns.__file__)).read_text(encoding="utf-8")
    imports = [line for line in text.splitlines() if line.startswith(("import ", "from "))]
    assert imports == [
        "from __future__ import annotations",
        "from knhk.hookspecs import hookimpl",
        "from knhk.patterns import AND, OR, PARTIAL, XOR, Drawing, Pattern",
    ]
    assert "._" not in text


def test_a_plugin_adds_a_word(install: Install) -> None:
    install("knhk_both", word("both"))
    case = load(source("start -> both(a, b) -> c -> end"))["w"].case()
    assert case.offered == ("a", "b")
    case.run("a")
    case.run("b")
    assert list(case.offered) == ["c"]
    assert failures() == ()


def test_a_word_may_take_a_count_and_a_test(install: Install) -> None:
    body = """entry = drawing.node()
    assert (drawing.count, drawing.test is None) == (1, False)
    drawing.connect(drawing.before, entry)
    (branch,) = drawing.branches
    drawing.follow(drawing.lead(entry, branch, drawing.test))"""
    install("knhk_odd", word("odd", body, ", count=True, test=True, branches_max=1"))
    assert load(source("start -> 1 odd(a) until g -> b -> c -> end"))["w"].case().offered == ("a",)


def test_a_word_that_is_taken_is_left_out_by_the_name_of_its_plugin(install: Install) -> None:
    install("knhk_rude", word("all"))
    assert patterns()["all"].doc != "A word of a test."
    assert [(f.plugin, f.why) for f in failures()] == [
        ("knhk_rude", "the group 'all' is taken by knhk_plugins.patterns")
    ]


@pytest.mark.parametrize("name", ["start", "skip", "when", "not", "cancelling"])
def test_a_word_of_the_language_is_left_out(install: Install, name: str) -> None:
    install("knhk_rude", word(name))
    assert name not in patterns()
    assert [f.why for f in failures()] == [f"the group {name!r} is a word of the language"]


def test_something_else_than_a_pattern_is_left_out(install: Install) -> None:
    install("knhk_odd", word("odd").replace("return [", "return [7, "))
    assert "odd" in patterns()
    assert [f.why for f in failures()] == ["knhk_patterns gives Pattern, not 7"]


def test_a_pattern_that_makes_no_sense_is_left_out(install: Install) -> None:
    install("knhk_odd", word("not a name"))
    assert [f.why for f in failures()] == ["ValueError: the word 'not a name' is not a name"]


@pytest.mark.parametrize(
    "fields",
    [
        {"doc": " "},
        {"branches_min": 0},
        {"branches_min": 3, "branches_max": 2},
        {"count": True, "mutex": True},
    ],
)
def test_a_pattern_says_what_is_wrong_with_it(fields: dict[str, object]) -> None:
    given: dict[str, object] = {"word": "odd", "doc": "A word.", "draw": nothing, **fields}
    with pytest.raises(ValueError, match="the pattern 'odd'"):
        Pattern(**given)  # type: ignore[arg-type]


def test_a_drawing_that_fails_is_reported_at_the_group(install: Install) -> None:
    install("knhk_odd", word("odd", "raise KeyError('x')"))
    assert codes(source("start -> odd(a, b) -> c -> end")) == ["KN437"]


def test_a_drawing_without_an_end_is_a_problem_of_the_plugin(install: Install) -> None:
    install("knhk_odd", word("odd", "drawing.lead(drawing.part(AND), drawing.branches[0])"))
    assert codes(source("start -> odd(a, b) -> c -> end")) == ["KN437"]
