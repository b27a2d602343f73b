"""The lexer: found by its name, and at home with every source there is."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

import pytest
from pygments.token import Error, Keyword, String, Token

from knhk.plugins import environment
from knhk.pygments import KnhkLexer
from knhk_dsl.names.namespaces import RESERVED
from knhk_dsl.syntax import words
from knhk_dsl.syntax.build import FLOW_NODES
from knhk_dsl.syntax.parse import grammar, parse
from knhk_dsl.values.types import SCALARS

TESTS = Path(__file__).parent.parent
SOURCES = sorted(
    path
    for place in (TESTS / "dsl", TESTS.parent / "examples")
    for path in place.rglob("*.knhk")
    if not parse(path.read_bytes(), path.name)[1]
)


def test_there_are_sources() -> None:
    assert len(SOURCES) > 20


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_every_source_is_read_to_its_end_without_an_error(path: Path) -> None:
    text = path.read_text(encoding="utf-8").removeprefix("\ufeff").replace("\r\n", "\n")

    tokens = list(KnhkLexer(ensurenl=False, stripnl=False).get_tokens(text))

    assert [] == [value for kind, value in tokens if kind is Error]
    assert text == "".join(value for _, value in tokens)


def test_pygments_finds_it_by_its_name() -> None:
    found = {point.name: point.value for point in entry_points(group="pygments.lexers")}

    assert "knhk.pygments:KnhkLexer" == found["knhk"]


def test_it_knows_the_words_of_the_grammar_and_no_others() -> None:
    sorted_words = {
        word
        for name in words.__all__
        if name not in ("TYPES", "GROUPS", "NODES")
        for word in getattr(words, name)
    }
    # The grammar knows these by what stands around them, or as names.
    shaped = {"by", "message", "pause", "signal", "timer"}

    assert set(grammar().vocabulary.keywords) | shaped == sorted_words
    assert set(environment().patterns) == set(words.GROUPS)
    assert FLOW_NODES == set(words.NODES)
    assert {*SCALARS, "list", "dict"} == set(words.TYPES)
    assert {"case", *words.NODES, *words.CONSTANTS} == RESERVED


def test_what_stands_in_a_hole_is_code_and_not_text() -> None:
    tokens = list(KnhkLexer().get_tokens('"a {b if c else {x: "y"}["x"]} d"'))

    assert Token.Operator.Word in {kind for kind, value in tokens if value == "if"}
    assert [" d"] == [value for kind, value in tokens if kind is String.Double and "d" in value]


def test_a_word_is_a_word_only_as_a_whole() -> None:
    found = KnhkLexer().get_tokens("tasks order_end\n")
    tokens = {value: kind for kind, value in found}

    assert not {Keyword, Keyword.Declaration} & {tokens["tasks"], tokens["order_end"]}
