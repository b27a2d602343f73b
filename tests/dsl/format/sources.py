"""Every source of the repository that can be read, and the same written in other ways."""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from knhk_dsl.syntax.parse import parse, read
from knhk_dsl.syntax.tokens import Token

ROOT = Path(__file__).parents[3]
PLACES = ("benchmarks", "docs/_examples", "examples", "tests")
BLOCK = re.compile(r"^```knhk\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMENTS = ("# a comment", "#", "#!odd", '# "text" (and brackets', "# täsk -> 漢字, x")
OPENERS = frozenset({"LPAR", "LSQB", "LBRACE"})
CLOSERS = frozenset({"RPAR", "RSQB", "RBRACE"})


def _texts() -> Iterator[str]:
    for place in PLACES:
        for path in sorted((ROOT / place).rglob("*.knhk")):
            yield path.read_bytes().decode("utf-8", "replace")
    for path in sorted((ROOT / "docs").rglob("*.md")):
        yield from BLOCK.findall(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "tests" / "patterns").glob("*.toml")):
        nets = tomllib.loads(path.read_text(encoding="utf-8")).get("net", [])
        yield from (net["knhk"] for net in nets if "knhk" in net)


def readable(text: str) -> bool:
    """Whether a source can be read."""
    return not parse(text, "x")[1]


SOURCES = [text for text in dict.fromkeys(_texts()) if readable(text)]


def shaken(text: str, chance: random.Random) -> str:
    """The source with other white space, blank lines, line ends, comments and last commas.

    It need not be readable any more; where it is, it may differ in meaning.
    """
    step = chance.randint(1, 8)
    written: list[str] = []
    indents = [0]
    for line in read(text, "x").lines:
        while line.indent < indents[-1]:
            indents.pop()
        if line.indent > indents[-1]:
            indents.append(line.indent)
        written.append(_between_lines(chance))
        written.append(" " * (step * (len(indents) - 1)))
        written += _line(text, line.tokens, chance)
        written.append(chance.choice(["", "", "", "  ", " # behind", f"{COMMENTS[-1]} \t"]))
        written.append("\n")
    written.append(_between_lines(chance))
    shaken = "".join(written)
    if chance.random() < 0.1:
        shaken = shaken.rstrip("\n")
    if chance.random() < 0.2:
        shaken = "\ufeff" + shaken.replace("\n", chance.choice(["\r\n", "\r"]))
    return shaken


def _between_lines(chance: random.Random) -> str:
    lines = ""
    while chance.random() < 0.3:
        comment = chance.choice(["", "", *COMMENTS])
        lines += " " * chance.randint(0, 16) * bool(comment) + comment + "\n"
    return lines


def _line(text: str, tokens: list[Token], chance: random.Random) -> Iterator[str]:
    source = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    open_brackets = open_texts = 0
    wild = chance.random() < 0.4
    for before, token in zip([None, *tokens], tokens, strict=False):
        open_texts += token.type == "TEXT_OPEN"
        if before is None:
            pass
        elif open_texts:
            yield (
                source[token.line - 1][before.end_column - 1 : token.column - 1]
                if before.end_line == token.line and token.type != "TEXT_OPEN"
                else " "
            )
        else:
            apart = before.end_line != token.line or before.end_column != token.column
            yield _between_tokens(chance, apart=apart, brackets=open_brackets if wild else 0)
        if token.type in CLOSERS and before is not None and chance.random() < 0.05:
            yield ","
        open_texts -= token.type == "TEXT_CLOSE"
        open_brackets += (token.type in OPENERS) - (token.type in CLOSERS)
        yield token.text


def _between_tokens(chance: random.Random, *, apart: bool, brackets: int) -> str:
    blank = " " * (chance.randint(1, 4) if apart else chance.choice([0, 0, 1]))
    if brackets and chance.random() < 0.3:
        blank += chance.choice(["", *(f"  {comment}" for comment in COMMENTS)]) + "\n"
        blank += _between_lines(chance) + " " * chance.randint(1, 12)
    return blank
