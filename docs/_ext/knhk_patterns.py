"""The pages of the patterns, written from the suite in `tests/patterns` before every build.

Each pattern gets a page under `reference/patterns/pages`: what it means, its workflows with their
nets drawn, and its runs. The pairs and the OR-joins get one page each. The directory holds
nothing else and is no part of the sources. `knhk-pattern-table` is the table of all 43.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from docutils import nodes
from knhk_nets import draw_net
from knhk_written import write_pages
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from knhk.plugins import environment
from knhk.testing.conformance import (
    PATTERN_NAMES,
    Pair,
    Pattern,
    Run,
    Suite,
    SuiteError,
    SuiteNet,
    load_suite,
)
from knhk_dsl import Sources, compile_sources

__all__ = ["pages", "setup"]

ROOT = Path(__file__).parents[2]
SUITE = ROOT / "tests" / "patterns"
PAGES = Path("reference") / "patterns" / "pages"


def pages(suite: Suite) -> dict[str, str]:
    """The text of each page by the name of its file."""
    found = {f"{_name(pattern)}.md": _page(pattern) for pattern in suite.patterns}
    if suite.pairs:
        found["pairs.md"] = _pairs_page(suite.pairs)
    if suite.or_joins:
        found["or-joins.md"] = _or_joins_page(suite.or_joins)
    return found


def _name(pattern: Pattern) -> str:
    return pattern.file.stem.replace("_", "-")


def _page(pattern: Pattern) -> str:
    parts = [
        f"# {pattern.number}. {pattern.name}",
        f"*{pattern.group[:1].upper()}{pattern.group[1:]}.* {pattern.meaning}",
        f"Source: {pattern.source}.",
    ]
    if pattern.notes:
        parts.append(f":::{{admonition}} Notes\n:class: note\n\n{pattern.notes}\n:::")
    for net in pattern.nets:
        parts += _net(net)
    return _joined(parts)


def _pairs_page(pairs: Iterable[Pair]) -> str:
    parts = [
        "# Patterns that are easily taken for each other",
        "Each run passes on the first workflow and fails on the second, at the marked step.",
    ]
    for pair in pairs:
        names = " and ".join(f"{n} ({PATTERN_NAMES[n]})" for n in pair.patterns)
        parts += [f"## {names}", pair.why, _source(pair.allowed), _source(pair.refused)]
        marked = [n for n, step in enumerate(pair.run.steps, 1) if step.number == pair.step]
        parts.append(_steps(pair.run, marked))
    return _joined(parts)


def _or_joins_page(nets: Iterable[SuiteNet]) -> str:
    parts = [
        "# OR-joins that are easily got wrong",
        "Each OR-join here waits, passes or is in a deadlock, exactly as the definition says.",
    ]
    for net in nets:
        parts += _net(net, f": {net.expected}")
    return _joined(parts)


def _net(net: SuiteNet, more: str = "") -> Iterator[str]:
    yield f"## {net.title[:1].upper()}{net.title[1:]}{more}"
    yield _source(net.source)
    for drawn in _drawn(net.source):
        yield f"```{{raw}} html\n{drawn}\n```"
    for run in net.allowed:
        yield f"**Allowed:** {run.title}"
        yield _steps(run, [])
    for run in net.refused:
        yield f"**Refused at step {run.steps[-1].number}:** {run.title}"
        yield _steps(run, [len(run.steps)])


def _source(source: str) -> str:
    return f"```{{code-block}} knhk\n{source.rstrip()}\n```"


def _drawn(source: str) -> Iterator[str]:
    for net in compile_sources(Sources.of_text(source), environment()).nets.values():
        yield draw_net(net)


def _steps(run: Run, marked: Iterable[int]) -> str:
    """The steps of a run; those that are marked must not be possible."""
    lines = [step.text for step in run.steps]
    shift = 0
    if run.parameters:
        lines.insert(0, f"given {json.dumps(dict(run.parameters))}")
        shift = 1
    emphasis = ",".join(str(n + shift) for n in marked)
    option = f":emphasize-lines: {emphasis}\n" if emphasis else ""
    text = "\n".join(lines)
    return f"```{{code-block}} text\n{option}\n{text}\n```"


def _joined(parts: Iterable[str]) -> str:
    return "\n\n".join(parts) + "\n"


def _write(app: Sphinx) -> None:
    try:
        suite = load_suite(SUITE)
    except SuiteError as error:
        raise ExtensionError(str(error), error, "knhk_patterns") from error
    write_pages(Path(app.srcdir) / PAGES, pages(suite))


class PatternTableDirective(SphinxDirective):
    """The table of all patterns of the suite, with links to their pages."""

    def run(self) -> list[nodes.Node]:
        suite = load_suite(SUITE)
        lines = [
            "| number | pattern | group | runs allowed | runs refused |",
            "| ---: | --- | --- | ---: | ---: |",
        ]
        for each in suite.patterns:
            self.env.note_dependency(str(each.file))
            allowed = sum(len(net.allowed) for net in each.nets)
            refused = sum(len(net.refused) for net in each.nets)
            link = f"[{each.name}](pages/{_name(each)}.md)"
            lines.append(f"| {each.number} | {link} | {each.group} | {allowed} | {refused} |")
        return self.parse_text_to_nodes("\n".join(lines))


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages before Sphinx looks for them, and register the directive."""
    app.connect("builder-inited", _write)
    app.add_directive("knhk-pattern-table", PatternTableDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
