"""The picture of a net in dot, the language of Graphviz."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from knhk.errors import Run
from knhk.model import NODE_ROUTE, NODE_TASK, Net
from knhk.pictures.elements import LIGHT
from knhk.pictures.nesting import Nest, nest
from knhk.pictures.sketch import ASIDE, FLOW, READ, Line, Sketch, sketch
from knhk.pictures.words import LABEL_MAX, cut

__all__ = ["dot"]

STYLES: Final[dict[str, dict[str, str]]] = {
    FLOW: {},
    ASIDE: {"style": "dashed"},
    READ: {"style": "dashed", "dir": "none"},
}


def dot(net: Net, run: Run | None = None) -> str:
    """The net as a digraph of Graphviz, and ``run`` on it.

    Regions and sections are clusters; what belongs to one that overlaps with a larger one has its
    colour instead.
    """
    return "".join(f"{line}\n" for line in _Graph(sketch(net, run)).lines())


class _Graph:
    def __init__(self, shown: Sketch) -> None:
        self.sketch = shown
        self.boxes, apart = nest(shown.groups, shown.shown)
        self.colours = {
            thing: LIGHT.group(number, region=shown.groups[number].owner >= 0)
            for number in apart
            for thing in sorted(shown.groups[number].members)
        }

    def lines(self) -> Iterator[str]:
        """The lines of the digraph."""
        yield f"digraph {_quoted(self.sketch.net.name)} {{"
        yield "    rankdir=LR"
        yield '    node [fontname="Helvetica" fontsize=12 shape=box style="rounded,filled"]'
        yield f'    node [fillcolor="{LIGHT.box}"]'
        yield '    edge [fontname="Helvetica" fontsize=10]'
        boxed = {thing for box in self.boxes for thing in box.things}
        yield from (self._thing(n, "    ") for n in self.sketch.shown if n not in boxed)
        for box in self.boxes:
            yield from self._box(box, "    ")
        emptied = self.sketch.emptied()
        for number, line in enumerate(self.sketch.lines):
            yield f"    {self._line(line, emptied.get(number))}"
        yield "}"

    def _box(self, box: Nest, indent: str) -> Iterator[str]:
        colour = LIGHT.group(box.number, region=box.group.owner >= 0)
        yield f"{indent}subgraph cluster_{box.number} {{"
        yield f"{indent}    label={_quoted(box.group.title)}"
        yield f'{indent}    style="filled,rounded" color="{colour}" fillcolor="{colour}22"'
        yield from (self._thing(n, indent + "    ") for n in box.own)
        for inner in box.inner:
            yield from self._box(inner, indent + "    ")
        yield f"{indent}}}"

    def _id(self, thing: int) -> str:
        nodes = len(self.sketch.net.nodes)
        return f"n{thing}" if thing < nodes else f"p{thing - nodes}"

    def _thing(self, thing: int, indent: str) -> str:
        nodes = self.sketch.net.nodes
        settings = {"label": "\n".join(self.sketch.label(thing))}
        if thing >= len(nodes):
            settings["shape"] = "circle" if settings["label"] else "point"
        elif nodes[thing].kind == NODE_ROUTE:
            settings["shape"] = "hexagon" if settings["label"] else "diamond"
        elif nodes[thing].kind != NODE_TASK:
            settings["peripheries"] = "2"
        if thing in self.colours:
            settings |= {"color": self.colours[thing], "fillcolor": f"{self.colours[thing]}22"}
        if self.sketch.visits(thing) or self.sketch.works(thing):
            width = "3" if self.sketch.works(thing) else "2"
            settings |= {"color": LIGHT.run, "penwidth": width}
        elif self.sketch.trace and thing >= len(nodes) and self.sketch.tokens(thing):
            settings |= {"fillcolor": LIGHT.run, "fontcolor": LIGHT.page}
        return f"{indent}{self._id(thing)} {_settings(settings)}"

    def _line(self, line: Line, emptied_by: int | None) -> str:
        settings = dict(STYLES[line.kind])
        if emptied_by is not None:
            settings["color"] = LIGHT.group(emptied_by, region=True)
        if line.words:
            settings["label"] = ", ".join(line.words)
        if line.taken:
            settings |= {"color": LIGHT.run, "penwidth": "2.5"}
        return f"{self._id(line.source)} -> {self._id(line.target)} {_settings(settings)}".rstrip()


def _settings(settings: dict[str, str]) -> str:
    """Attributes in brackets; nothing for none."""
    inside = " ".join(f"{name}={_quoted(value)}" for name, value in settings.items())
    return f"[{inside}]" if inside else ""


def _quoted(words: str) -> str:
    r"""Words between quotes, of several lines: in them a backslash and an ampersand say more."""
    lines = (cut(line, LABEL_MAX) for line in words.split("\n"))
    plain = (line.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;") for line in lines)
    return '"' + "\\n".join(plain) + '"'
