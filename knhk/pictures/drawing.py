"""The picture of a net as SVG.

Boxes are tasks, and what stands before and behind a box is its join and its split; a routing
node is its join and split alone, or a small diamond. Circles are places. Shaded in one colour are
a node that cancels and all that it empties; another shade holds what runs one at a time. Dashed
lines with an arrow are taken by exceptions, those without lead from a place to a task that may
start only while the place holds a token.

A run is drawn on it: the numbers of its steps stand on the tasks that it visits, arrows that it
takes are thick, places show the tokens that are left in them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from html import escape
from typing import Final

from knhk.errors import Run
from knhk.model import NODE_ABORT, NODE_END, NODE_NAMES, NODE_STOP, NODE_TASK, Net
from knhk.pictures.captions import captions, join_words, split_words
from knhk.pictures.elements import LIGHT, Colours, arrow_head, curve, path, picture, rect
from knhk.pictures.layout import lay_out
from knhk.pictures.shapes import AROUND, Shape
from knhk.pictures.sketch import ASIDE, READ, Group, Line, Sketch, sketch
from knhk.pictures.words import cut, lines_of, printable

__all__ = ["svg"]

GAP_X: Final = 22.0
GAP_Y: Final = 14.0
MARGIN: Final = 26.0
#: How many steps of a run are told at one task.
VISITS_MAX: Final = 6
ENDS: Final = (NODE_END, NODE_STOP, NODE_ABORT)


def svg(
    net: Net, run: Run | None = None, *, places: bool = False, colours: Colours | None = None
) -> str:
    """The net as an SVG picture that needs nothing beside it, and ``run`` on it.

    With ``places``, those that stand on arrows are drawn too. A picture has light or dark colours
    as its reader prefers, or those that are given.
    """
    return _Drawing(sketch(net, run), places, colours).svg()


class _Drawing:
    """Where everything stands. Vertices are the things that are shown, then a joint per line."""

    def __init__(self, shown: Sketch, places: bool, colours: Colours | None) -> None:
        self.sketch = shown
        self.colours = colours
        self.vertices = {thing: number for number, thing in enumerate(shown.shown)}
        self.titles = _titles(shown)
        self.shapes = [self._shape(thing) for thing in shown.shown]
        self.first_joint = len(self.shapes)
        self.shapes += [_joint(line, places, shown) for line in shown.lines]
        edges = [edge for number in range(len(shown.lines)) for edge in self._edges(number)]
        self.after: dict[int, list[int]] = defaultdict(list)
        for source, target in edges:
            self.after[source].append(target)
        self.layout = lay_out([shape.vertex() for shape in self.shapes], edges, GAP_X, GAP_Y)

    def svg(self) -> str:
        """The whole picture."""
        parts = [*self._shades()]
        parts += [self._line(number, line) for number, line in enumerate(self.sketch.lines)]
        for shape, (x, y) in zip(self.shapes, self.layout.centres, strict=True):
            parts.append(shape.svg(x + MARGIN, y + MARGIN))
        width, height = self.layout.width + 2 * MARGIN, self.layout.height + 2 * MARGIN
        title = f"The net of workflow {self.sketch.net.name}"
        return picture(width, height, title, parts, self.colours) + "\n"

    # What there is

    def _shape(self, thing: int) -> Shape:
        net = self.sketch.net
        name = self.sketch.name(thing)
        if thing >= len(net.nodes):
            return Shape(
                "place",
                cut(name),
                printable(net.places[thing - len(net.nodes)].name),
                tokens=self.sketch.tokens(thing),
                counted=self.sketch.trace is not None and self.sketch.tokens(thing) > 0,
            )
        node = net.nodes[thing]
        join, split = join_words(node), split_words(node)
        if node.kind in ENDS:
            return Shape("end", NODE_NAMES[node.kind], printable(name), join)
        works = self.sketch.works(thing)
        below = [line for caption in captions(net, node) for line in lines_of(caption)]
        return Shape(
            "task" if node.kind == NODE_TASK else "route",
            cut(name) if node.kind == NODE_TASK else "",
            printable(name),
            join,
            split,
            tuple(self.titles[thing]),
            (*below, *(["at work"] if works else [])),
            many=node.task is not None and node.task.for_each is not None,
            mark=_mark(self.sketch.visits(thing)),
            state="working" if works else "visited" if self.sketch.visits(thing) else "",
        )

    def _edges(self, line: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """The two halves of a line."""
        joint, value = self.first_joint + line, self.sketch.lines[line]
        return (self.vertices[value.source], joint), (joint, self.vertices[value.target])

    # What is drawn between

    def _way(self, edge: tuple[int, int]) -> list[tuple[float, float]]:
        return [(x + MARGIN, y + MARGIN) for x, y in self.layout.ways[edge]]

    def _line(self, number: int, line: Line) -> str:
        first, second = (self._way(edge) for edge in self._edges(number))
        kind = {ASIDE: "arrow aside", READ: "arrow read"}.get(line.kind, "arrow")
        if line.taken:
            kind += " taken"
        whole = self.shapes[self.first_joint + number].kind == "joint"
        drawn = path(kind, curve([*first, *second]))
        if not whole:
            drawn = path(kind, curve(first)) + path(kind, curve(second))
        if line.kind == READ:
            return drawn
        ends = [second[-1]] if whole else [first[-1], second[-1]]
        heads = (arrow_head("taken" if line.taken else "", x, y) for x, y in ends)
        return drawn + "".join(heads)

    # What is shaded

    def _shades(self) -> Iterator[str]:
        regions = len((self.colours or LIGHT).regions)
        joints: dict[int, list[int]] = defaultdict(list)
        for number, line in enumerate(self.sketch.lines):
            for thing in line.through:
                joints[thing].append(self.first_joint + number)
        for number, group in enumerate(self.sketch.groups):
            kind = f"region region-{number % regions}" if group.owner >= 0 else "section"
            members = {self.vertices[n] for n in group.members if n in self.vertices}
            members.update(joint for n in group.members for joint in joints.get(n, ()))
            if group.owner in self.vertices:
                members.add(self.vertices[group.owner])
            yield self._shade(group, members, kind)

    def _shade(self, group: Group, members: set[int], kind: str) -> str:
        """A group: what is shown of it, the lines within it, and those that it empties, whole."""
        edges: dict[tuple[int, int], None] = {}
        for number in sorted(members):
            if self.shapes[number].kind == "joint":
                edges |= dict.fromkeys(self._edges(number - self.first_joint))
            inside = (following for following in self.after[number] if following in members)
            edges |= dict.fromkeys((number, following) for following in inside)
        parts = [f"<title>{escape(printable(group.title))}</title>"]
        parts += [path("", curve(self._way(edge))) for edge in edges]
        for number in sorted(members):
            (x, y), shape = self.layout.centres[number], self.shapes[number]
            if shape.kind != "joint":
                w, h = shape.half_width + AROUND, shape.half_height + AROUND
                parts.append(rect("", x + MARGIN - w, y + MARGIN - h, 2 * w, 2 * h, AROUND))
        return f'<g class="shade {kind}">{"".join(parts)}</g>'


def _titles(shown: Sketch) -> dict[int, list[str]]:
    """What a shade is, over the first node in it."""
    titles: dict[int, list[str]] = defaultdict(list)
    for group in shown.groups:
        if group.owner < 0 and group.members:
            titles[min(group.members)].append(cut(group.title))
    return titles


def _joint(line: Line, places: bool, shown: Sketch) -> Shape:
    """The middle of a line: its words, and with ``places`` the place that stands on it."""
    words = [each for label in line.words for each in lines_of(label)]
    nodes = len(shown.net.nodes)
    place = next((thing for thing in line.through if thing >= nodes), None)
    if place is None or not places:
        return Shape("joint", above=tuple(words))
    return Shape("place", title=printable(shown.net.places[place - nodes].name), above=tuple(words))


def _mark(visits: Iterable[int]) -> str:
    """The numbers of steps at a task."""
    numbers = [str(number) for number in visits]
    return ", ".join([*numbers[:VISITS_MAX], *(["…"] if len(numbers) > VISITS_MAX else [])])
