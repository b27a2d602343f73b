"""Parts of the reference that are read from the code, so that they cannot rot.

`knhk-bounds` lists every named bound: a module-level constant with `MAX` or `MIN` in its name
and a `#:` comment before it; `knhk-journal` shows the SQL of the store;
`knhk-results` shows the figures of the last benchmark run, if there was one.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import knhk
import knhk_dsl
from knhk.journal.schema import MIGRATIONS

__all__ = ["Bound", "bounds", "setup"]

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "RESULTS.md"
#: The name of a role before a reference, which only reStructuredText needs.
ROLE = re.compile(r":\w+:(?=`)")
#: A link to another file of the source tree, which is no page here.
RELATIVE_LINK = re.compile(r"\[([^\]]+)\]\((?!https?:)[^)]+\)")
BOUND_WORDS = frozenset({"MAX", "MIN"})


@dataclass(frozen=True)
class Bound:
    """A named bound: where it stands, its value as written, and what it is for."""

    module: str
    name: str
    value: str
    doc: str


def bounds() -> list[Bound]:
    """Every named bound of the packages, in order of module and line."""
    found: list[Bound] = []
    for package in (knhk, knhk_dsl):
        root = Path(package.__path__[0])
        for path in sorted(root.rglob("*.py")):
            relative = path.relative_to(root.parent).with_suffix("")
            found.extend(_bounds_of(".".join(relative.parts), path.read_text(encoding="utf-8")))
    return found


def _bounds_of(module: str, source: str) -> Iterator[Bound]:
    lines = source.splitlines()
    for statement in ast.parse(source).body:
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        name = statement.target.id
        doc = _comment_before(lines, statement.lineno - 1)
        if (
            name.startswith("_")
            or statement.value is None
            or not doc
            or not BOUND_WORDS & set(name.split("_"))
        ):
            continue
        value = ast.get_source_segment(source, statement.value) or ""
        yield Bound(module, name, value, doc)


def _comment_before(lines: list[str], index: int) -> str:
    words: list[str] = []
    while index > 0 and lines[index - 1].startswith("#:"):
        index -= 1
        words.insert(0, lines[index].lstrip("#:").strip())
    return ROLE.sub("", " ".join(words))


def _table(heads: tuple[str, ...], widths: tuple[int, ...]) -> tuple[nodes.table, nodes.tbody]:
    table = nodes.table(classes=["colwidths-given"])
    group = nodes.tgroup(cols=len(heads))
    table += group
    for width in widths:
        group += nodes.colspec(colwidth=width)
    head = nodes.thead()
    head += _row(nodes.paragraph("", text) for text in heads)
    body = nodes.tbody()
    group += head
    group += body
    return table, body


def _row(cells: Iterator[nodes.Element]) -> nodes.row:
    row = nodes.row()
    for cell in cells:
        entry = nodes.entry()
        entry += cell
        row += entry
    return row


def _text(text: str) -> nodes.paragraph:
    """A paragraph in which `` `x` `` is shown as code."""
    paragraph = nodes.paragraph()
    for index, part in enumerate(text.split("`")):
        paragraph += nodes.literal("", part) if index % 2 else nodes.Text(part)
    return paragraph


class BoundsDirective(SphinxDirective):
    """The table of all named bounds."""

    def run(self) -> list[nodes.Node]:
        table, body = _table(("bound", "value", "what for"), (34, 16, 50))
        for bound in bounds():
            name = nodes.paragraph("", "", nodes.literal("", f"{bound.module}.{bound.name}"))
            value = nodes.paragraph("", "", nodes.literal("", bound.value))
            body += _row(iter((name, value, _text(bound.doc))))
        return [table]


class JournalDirective(SphinxDirective):
    """The schema of an SQLite store, as its migrations make it."""

    def run(self) -> list[nodes.Node]:
        text = "\n".join(textwrap.dedent(step).strip() for step in MIGRATIONS)
        return [nodes.literal_block(text, text, language="sql")]


class ResultsDirective(SphinxDirective):
    """The figures of the last benchmark run, or how to get some."""

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(RESULTS))
        if not RESULTS.exists():
            return [_text("No run is kept in this tree. `nox -s bench` makes one.")]
        text = RELATIVE_LINK.sub(r"\1", RESULTS.read_text(encoding="utf-8"))
        if text.startswith("# "):  # the page has a title of its own
            text = text.partition("\n")[2]
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    app.add_directive("knhk-bounds", BoundsDirective)
    app.add_directive("knhk-journal", JournalDirective)
    app.add_directive("knhk-results", ResultsDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
