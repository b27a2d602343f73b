"""The pages of the diagnostics, written from the compiler's catalogue before every build.

Each group of codes gets a page under `reference/diagnostics`, with a section for each code: what
it means, a bad example with what the checker says about it, a good one. The directory holds
nothing else and is no part of the sources. `knhk-codes` is the table of all codes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from docutils import nodes
from knhk_written import write_pages
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from knhk.checking import check
from knhk.plugins import environment
from knhk_dsl import Sources
from knhk_dsl.diagnostics import ELLIPSIS, GROUPS, Example, Explanation, catalogue, group_of
from knhk_dsl.rendering.human import render_human
from knhk_dsl.silencing import silence

__all__ = ["pages", "setup"]

PAGES = Path("reference") / "diagnostics"


def pages() -> dict[str, str]:
    """The text of each page by the name of its file."""
    return {_file(group): _page(group) for group in GROUPS}


def _file(group: str) -> str:
    return f"{group.lower()}.md"


def _page(group: str) -> str:
    parts = [f"# {group.ljust(5, 'x')}: {GROUPS[group]}"]
    for page in catalogue():
        if group_of(page.code) == group:
            parts += _section(page)
    return "\n\n".join(parts) + "\n"


def _section(page: Explanation) -> Iterator[str]:
    yield f"({page.code.lower()})=\n## {page.code}: {page.title}"
    yield f"*{'An' if page.severity == 'error' else 'A'} {page.severity}.*"
    yield from page.paragraphs
    yield "**Bad:**"
    yield from _sources(page.bad)
    said = _said(page)
    if said:
        yield f"```{{code-block}} text\n{said.rstrip()}\n```"
    yield "**Good:**"
    yield from _sources(page.good)


def _sources(example: Example) -> Iterator[str]:
    for source in example.sources:
        caption = f":caption: {source.name}\n\n" if len(example.sources) > 1 else ""
        yield f"```{{code-block}} {source.language}\n{caption}{source.text.rstrip()}\n```"
    times, text = example.repeated
    if times:
        yield f"`{ELLIPSIS}` stands for {times} times `{text!r}`."


def _said(page: Explanation) -> str:
    """What the checker says of the code in the bad example, where it says it with what is here."""
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        (root / "knhk.toml").touch()
        for name, data in page.bad.files().items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(data)
        sources = Sources.of_file(root / page.bad.sources[0].name)
        found = check(sources, environment()).diagnostics
        shown, _ = silence(found, sources.files)
        wanted = [each for each in shown if each.code == (page.text or page.code)]
        return render_human(wanted, sources.files)


def _write(app: Sphinx) -> None:
    write_pages(Path(app.srcdir) / PAGES, pages())


class CodesDirective(SphinxDirective):
    """The table of all diagnostic codes, one group after the other, with links to the pages."""

    def run(self) -> list[nodes.Node]:
        lines: list[str] = []
        for group, title in GROUPS.items():
            name = group.ljust(5, "x")
            lines += ["", f"**[{name}](diagnostics/{_file(group)}): {title}**", ""]
            lines += ["| code | meaning | severity |", "| --- | --- | --- |"]
            lines += [
                f"| {{ref}}`{page.code} <{page.code.lower()}>` | {page.title} | {page.severity} |"
                for page in catalogue()
                if group_of(page.code) == group
            ]
        return self.parse_text_to_nodes("\n".join(lines))


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages before Sphinx looks for them, and register the directive."""
    app.connect("builder-inited", _write)
    app.add_directive("knhk-codes", CodesDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
