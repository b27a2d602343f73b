"""The picture of a net as a flowchart of Mermaid, which Markdown viewers draw."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

from knhk.errors import Run
from knhk.model import NODE_ROUTE, NODE_TASK, Net
from knhk.pictures.elements import LIGHT
from knhk.pictures.nesting import Nest, nest
from knhk.pictures.sketch import ASIDE, FLOW, Line, Sketch, sketch
from knhk.pictures.words import LABEL_MAX, cut

__all__ = ["mermaid"]

#: What Mermaid would take for its own syntax, for HTML or for Markdown: all but plain signs,
#: an underscore at the edge of a word, and whatever begins a list.
SPECIAL: Final = re.compile(r"[^\w ,:=+/()\[\].▸●…-]|\b_|_\b|^[^\w]|(?<=^\d)[.)]")
ARROWS: Final = {FLOW: "-->", ASIDE: "-.->"}
READ_ARROW: Final = "-.-"


def mermaid(net: Net, run: Run | None = None) -> str:
    """The net as a Mermaid flowchart, and ``run`` on it.

    Regions and sections are subgraphs; what belongs to one that overlaps with a larger one has
    its colour instead.
    """
    return "".join(f"{line}\n" for line in _Chart(sketch(net, run)).lines())


class _Chart:
    def __init__(self, shown: Sketch) -> None:
        self.sketch = shown
        self.boxes, self.apart = nest(shown.groups, shown.shown)

    def lines(self) -> Iterator[str]:
        """The lines of the flowchart."""
        yield "flowchart LR"
        boxed = {thing for box in self.boxes for thing in box.things}
        yield from (self._thing(n, "    ") for n in self.sketch.shown if n not in boxed)
        for box in self.boxes:
            yield from self._box(box, "    ")
        yield from (f"    {self._line(line)}" for line in self.sketch.lines)
        yield from (f"    {line}" for line in self._groups())
        if self.sketch.trace is not None:
            yield from (f"    {line}" for line in self._run())

    def _box(self, box: Nest, indent: str) -> Iterator[str]:
        yield f'{indent}subgraph g{box.number}["{_text(box.group.title)}"]'
        yield from (self._thing(n, indent + "    ") for n in box.own)
        for inner in box.inner:
            yield from self._box(inner, indent + "    ")
        yield f"{indent}end"
        colour = LIGHT.group(box.number, region=box.group.owner >= 0)
        yield f"{indent}style g{box.number} fill:{colour}22,stroke:{colour}"

    def _id(self, thing: int) -> str:
        nodes = len(self.sketch.net.nodes)
        return f"n{thing}" if thing < nodes else f"p{thing - nodes}"

    def _thing(self, thing: int, indent: str) -> str:
        nodes = self.sketch.net.nodes
        label = "<br/>".join(map(_text, self.sketch.label(thing))) or " "
        before, behind = "([", "])"
        if thing >= len(nodes):
            before, behind = "((", "))"
        elif nodes[thing].kind == NODE_TASK:
            before, behind = "[", "]"
        elif nodes[thing].kind == NODE_ROUTE:
            before, behind = "{{", "}}"
        return f'{indent}{self._id(thing)}{before}"{label}"{behind}'

    def _line(self, line: Line) -> str:
        label = f'|"{_text(", ".join(line.words))}"|' if line.words else ""
        arrow = ARROWS.get(line.kind, READ_ARROW)
        return f"{self._id(line.source)} {arrow}{label} {self._id(line.target)}"

    def _groups(self) -> Iterator[str]:
        """The colours of what overlaps."""
        for number in self.apart:
            group = self.sketch.groups[number]
            colour = LIGHT.group(number, region=group.owner >= 0)
            members = sorted(group.members.intersection(self.sketch.shown))
            yield from self._class(f"group{number}", members, f"stroke:{colour},fill:{colour}22")
        emptied: dict[int, list[str]] = defaultdict(list)
        for line, number in self.sketch.emptied().items():
            emptied[number].append(str(line))
        for number, lines in sorted(emptied.items()):
            yield f"linkStyle {','.join(lines)} stroke:{LIGHT.group(number, region=True)}"

    def _run(self) -> Iterator[str]:
        """The marks of the run."""
        shown = self.sketch.shown
        working = [n for n in shown if self.sketch.works(n)]
        visited = [n for n in shown if self.sketch.visits(n) and not self.sketch.works(n)]
        left = [n for n in shown if n >= len(self.sketch.net.nodes) and self.sketch.tokens(n)]
        yield from self._class("visited", visited, f"stroke:{LIGHT.run},stroke-width:2px")
        yield from self._class("working", working, f"stroke:{LIGHT.run},stroke-width:4px")
        yield from self._class("left", left, f"fill:{LIGHT.run},color:{LIGHT.page}")
        taken = [str(n) for n, line in enumerate(self.sketch.lines) if line.taken]
        if taken:
            yield f"linkStyle {','.join(taken)} stroke:{LIGHT.run},stroke-width:3px"

    def _class(self, name: str, things: Iterable[int], style: str) -> Iterator[str]:
        members = [self._id(thing) for thing in things]
        if members:
            yield f"classDef {name} {style}"
            yield f"class {','.join(members)} {name}"


def _text(words: str) -> str:
    """Words as they stand between quotes: what is special is written by its number."""
    return SPECIAL.sub(lambda found: f"#{ord(found[0])};", cut(words, LABEL_MAX))
