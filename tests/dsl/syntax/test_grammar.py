"""The grammar itself: no conflicts, a method for every rule, a meaning for every code."""

from __future__ import annotations

import logging
from importlib import resources

import pytest
from lark import Lark, logger

from knhk_dsl.diagnostics import codes as known_codes
from knhk_dsl.syntax import codes
from knhk_dsl.syntax.build import Builder, callbacks
from knhk_dsl.syntax.parse import NoLexer, grammar


def test_the_grammar_has_no_conflicts(caplog: pytest.LogCaptureFixture) -> None:
    text = resources.files("knhk_dsl.syntax").joinpath("grammar.lark").read_text(encoding="utf-8")
    before = logger.level
    logger.setLevel(logging.DEBUG)
    logger.addHandler(caplog.handler)
    try:
        Lark(text, parser="lalr", lexer=NoLexer, start="file", debug=True)
    finally:
        logger.removeHandler(caplog.handler)
        logger.setLevel(before)
    assert [] == [record.getMessage() for record in caplog.records if "onflict" in record.message]


def test_every_rule_has_a_method_and_every_method_a_rule() -> None:
    rules = grammar().rules
    made = callbacks(Builder(), rules)
    used = {method.__name__ for method in made.values()}
    methods = {name for name in vars(Builder) if not name.startswith("_")} - {"report"}
    assert methods == used


def test_every_name_of_a_code_names_one_with_a_page() -> None:
    named = {value for name, value in vars(codes).items() if name.isupper()}
    assert named == {code for code in known_codes() if code.startswith("KN1")}
