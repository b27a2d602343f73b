"""Sources for the index: a small project, and places in it marked with ``|``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from knhk.plugins import environment
from knhk_dsl.compilation import Analysis, analyse
from knhk_dsl.index import Completion, Index, Page, complete, index_of
from knhk_dsl.sources import Readings, Sources
from knhk_dsl.syntax.memory import Memory

HANDLERS = '''
"""What the shop does."""
from dataclasses import dataclass


@dataclass
class Hold:
    code: str


def reserve(items: list["Item"], note: str = "") -> Hold:
    """Put the items aside."""
'''

TYPES = '''
record Item
    """One line of an order."""
    sku: str
    price: decimal = 1

enum Size: small, large
'''

ORDER = '''
from shop use reserve(items: list[Item], note: str = "") -> Box
from "types.knhk" use Item, Size

record Box
    code: str
    size: Size?

policy patient
    retry 3 every 1s

workflow pack(id: str) -> int
    """Pack one box."""
    task go
    flow
        start -> go -> end
    return 1

workflow order(id: str, items: list[Item]) -> str
    var total: decimal = sum(item.price for item in items if item.price > 0)
    place waiting
    mutex scale
    task hold = reserve(items, note: "for {id} \U0001f600 {total}")
        uses patient
        sets total = total + 1
    task one = pack(id: hold.code)
        for each item in items
        holds scale
        while waiting
    task ask = message paid(id)
    flow
        start -> hold -> all(one, ask) -> waiting -> end
        ask -> critical scale(one) on message paid
    return "{hold.code}"
'''


@dataclass(frozen=True)
class Marked:
    """A text without its marks, and the offsets where they stood."""

    text: str
    offsets: tuple[int, ...]


def marked(text: str) -> Marked:
    """Take the marks out."""
    *parts, last = text.split("|")
    offsets, length = [], 0
    for part in parts:
        length += len(part)
        offsets.append(length)
    return Marked("".join((*parts, last)), tuple(offsets))


def place(text: str, offset: int) -> tuple[int, int]:
    """The line and column of an offset."""
    before = text[:offset]
    return before.count("\n") + 1, offset - before.rfind("\n")


def project(directory: Path, order: str = ORDER, types: str = TYPES) -> Path:
    """Write the files of the project; the path of its order."""
    (directory / "pyproject.toml").touch()
    (directory / "shop.py").write_text(HANDLERS, encoding="utf-8")
    (directory / "types.knhk").write_text(types, encoding="utf-8")
    path = directory / "order.knhk"
    path.write_text(order, encoding="utf-8")
    return path.resolve()


def analysis_of(path: Path, text: str | None = None) -> Analysis:
    """A file checked, with another text than it has on disk."""
    texts = {} if text is None else {path: text}
    return analyse(Sources.of_editor(path, texts, Readings()), environment())


def index_at(path: Path) -> tuple[Analysis, Index]:
    """A file checked and indexed."""
    analysis = analysis_of(path)
    return analysis, index_of(analysis)


def completed(path: Path, text: str) -> Completion | None:
    """What could be written at the mark in a text, in the place of a file."""
    source = marked(text)
    (offset,) = source.offsets
    page = Page("", source.text)
    return complete(page.text, offset, Memory(), lambda other: analysis_of(path, other))


def names(completion: Completion | None, *kinds: str) -> list[str]:
    """The names among what could be written, of these kinds."""
    assert completion is not None
    return sorted(each.name for each in completion.candidates if not kinds or each.kind in kinds)
