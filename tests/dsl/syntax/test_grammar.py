"""The grammar itself: no conflicts, a method for every rule, a meaning for every code."""

from __future__ import annotations

import logging
from importlib import resources
from pathlib import Path

import pytest
from lark import Lark, logger

from knhk_dsl.diagnostics import codes as known_codes
from knhk_dsl.syntax import codes
from knhk_dsl.syntax.build import Builder, callbacks
from knhk_dsl.syntax.making import NoLexer, make, written
from knhk_dsl.syntax.parse import grammar, made


def file(name: str) -> str:
    return resources.files("knhk_dsl.syntax").joinpath(name).read_text(encoding="utf-8")


def test_what_is_kept_is_made_of_this_grammar() -> None:
    # After a change of the grammar: python -m knhk_dsl.syntax.making
    assert written(file("grammar.lark")) == file("grammar.json")


def test_what_is_kept_is_what_is_made() -> None:
    assert make(file("grammar.lark")) == made()


def test_a_changed_grammar_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = file("grammar.lark").replace('"workflow"', '"process"')
    (tmp_path / "grammar.lark").write_text(text, encoding="utf-8")
    (tmp_path / "grammar.json").write_text(file("grammar.json"), encoding="utf-8")
    monkeypatch.setattr(resources, "files", lambda _package: tmp_path)

    words = {terminal.word for terminal in made().terminals}

    assert ("process" in words, "workflow" in words) == (True, False)


def test_the_grammar_has_no_conflicts(caplog: pytest.LogCaptureFixture) -> None:
    before = logger.level
    logger.setLevel(logging.DEBUG)
    logger.addHandler(caplog.handler)
    try:
        Lark(file("grammar.lark"), parser="lalr", lexer=NoLexer, start="file", debug=True)
    finally:
        logger.removeHandler(caplog.handler)
        logger.setLevel(before)
    assert [] == [record.getMessage() for record in caplog.records if "onflict" in record.message]


def test_every_rule_has_a_method_and_every_method_a_rule() -> None:
    rules = grammar().rules
    used = {method.__name__ for method in callbacks(Builder(), rules)}
    methods = {name for name in vars(Builder) if not name.startswith("_")} - {"report"}
    assert methods == used


def test_every_name_of_a_code_names_one_with_a_page() -> None:
    named = {value for name, value in vars(codes).items() if name.isupper()}
    assert named == {code for code in known_codes() if code.startswith("KN1")}
