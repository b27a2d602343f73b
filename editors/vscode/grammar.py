"""Writes the TextMate grammar from the words of the language: `python editors/vscode/grammar.py`.

A test compares the file with what this writes, so that the two cannot differ.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from knhk_dsl.syntax import words

PATH: Final = Path(__file__).parent / "syntaxes" / "knhk.tmLanguage.json"
_NAME: Final = r"[\p{L}_][\p{L}\p{N}_]*"


def _word(names: Iterable[str]) -> str:
    return rf"\b({'|'.join(names)})\b"


def _match(scope: str, pattern: str) -> dict[str, object]:
    return {"name": f"{scope}.knhk", "match": pattern}


def _include(name: str) -> dict[str, object]:
    return {"include": f"#{name}"}


def _code() -> list[dict[str, object]]:
    """What stands outside of texts, in the order in which it is tried."""
    declaration = {
        "match": rf"\b({'|'.join(words.DECLARATIONS)})[ \t]+({_NAME})",
        "captures": {
            "1": {"name": "storage.type.knhk"},
            "2": {"name": "entity.name.type.knhk"},
        },
    }
    group = rf"\b({'|'.join(words.GROUPS)})(?=\s*(?:{_NAME}\s*)?\()"
    return [
        _match("comment.line.number-sign", "#.*$"),
        _include("docstring"),
        _include("text"),
        _match("keyword.operator.arrow", r"-\[[^\]\n]*\]->|->"),
        _match("constant.numeric", r"\b\d[\d_]*(?:\.\d[\d_]*)?(?:(?:ms|s|m|h|d|w)\b|%)"),
        _match("constant.numeric", r"\b\d[\d_]*(?:\.\d[\d_]*)?(?:[eE][+-]?\d+)?\b"),
        declaration,
        _match("keyword.control.group", group),
        _match("storage.type", _word(words.DECLARATIONS)),
        _match("constant.language", _word(words.CONSTANTS)),
        _match("keyword.operator.word", _word(words.OPERATORS)),
        _match("constant.language.node", _word(words.NODES)),
        _match("keyword.control", _word(words.CLAUSES)),
        _match("support.type", _word(words.TYPES)),
        _match("entity.name.function", rf"{_NAME}(?=\()"),
        _match("variable.other", _NAME),
        _match("keyword.operator", r"[-+*/%<>=!]+"),
    ]


def grammar() -> dict[str, object]:
    """The grammar."""
    escapes = [
        _match("constant.character.escape", r"\\(?:u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)"),
        _match("constant.character.escape", r"\{\{|\}\}"),
    ]
    hole = {
        "name": "meta.interpolation.knhk",
        "begin": r"\{",
        "end": r"\}|$",
        "beginCaptures": {"0": {"name": "punctuation.section.interpolation.begin.knhk"}},
        "endCaptures": {"0": {"name": "punctuation.section.interpolation.end.knhk"}},
        "patterns": [_include("braces"), _include("code")],
    }
    return {
        "name": "KNHK",
        "scopeName": "source.knhk",
        "fileTypes": ["knhk"],
        "patterns": [_include("code")],
        "repository": {
            "code": {"patterns": _code()},
            "docstring": {
                "name": "string.quoted.docstring.knhk",
                "begin": '"""',
                "end": '"""',
                "patterns": [escapes[0]],
            },
            "text": {
                "name": "string.quoted.double.knhk",
                "begin": '"',
                "end": '"|$',
                "patterns": [*escapes, hole],
            },
            "braces": {
                "begin": r"\{",
                "end": r"\}",
                "patterns": [_include("braces"), _include("code")],
            },
        },
    }


def written() -> str:
    """The text of the file."""
    return json.dumps(grammar(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(written(), encoding="utf-8")
