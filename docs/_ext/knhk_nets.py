"""The picture of a compiled net, drawn from nothing but the net.

Circles are places, boxes are tasks, and what stands before and behind a box is its join and its
split. A routing node is its join and split alone, or a small diamond. Shaded in one colour are a
node that cancels and all that it empties; other shades are critical sections and tasks that run
one at a time. Dashed lines with an arrow are taken by exceptions, those without are read arcs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count, pairwise

from knhk_layout import Layout, Vertex, lay_out
from knhk_svg import picture, text

from knhk.model import (
    CALLEE_MESSAGE,
    CALLEE_SIGNAL,
    CALLEE_SKIP,
    CALLEE_TIMER,
    CALLEE_WORKFLOW,
    EXCEPT_ERROR,
    EXCEPT_NAMES,
    JOIN_NAMES,
    JOIN_PARTIAL,
    NODE_ABORT,
    NODE_END,
    NODE_NAMES,
    NODE_STOP,
    NODE_TASK,
    SPLIT_NAMES,
    Net,
    Node,
    Place,
)

__all__ = ["draw_net"]

GAP_X, GAP_Y, MARGIN = 30.0, 16.0, 26.0
#: How far an arrow that leads back goes straight before it bends.
TURN = 24.0
LINE, LETTER, SMALL_LETTER, BADGE_LETTER = 14.0, 8.0, 6.4, 6.2
#: The longest guard or other label that is shown whole.
LABEL_MAX = 40
#: How many colours there are for cancellation regions.
COLOURS = 4
ENDS = (NODE_END, NODE_STOP, NODE_ABORT)

NUMBERS = count()


@dataclass(frozen=True)
class Shape:
    """What is drawn for a node or place: badges, words, captions, and how far it reaches."""

    kind: str
    words: str = ""
    join: str = ""
    split: str = ""
    above: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    tokens: int = 0
    many: bool = False

    @property
    def badges(self) -> tuple[float, float]:
        """The widths of the two badges."""
        return _badge_width(self.join), _badge_width(self.split)

    @property
    def body(self) -> float:
        """The width of what is between the badges."""
        if self.kind == "task":
            return max(38.0, LETTER * len(self.words) + 16)
        if self.kind == "end":
            return max(34.0, LETTER * len(self.words) + 8)
        if self.kind == "place":
            return 22.0 if self.words else 13.0
        return 0.0 if self.join or self.split else 15.0

    @property
    def half_width(self) -> float:
        """Half the width of the shape itself."""
        return (self.body + sum(self.badges)) / 2

    @property
    def half_height(self) -> float:
        """Half the height of the shape itself."""
        return {"task": 16.0, "end": 13.0, "place": self.body / 2}.get(
            self.kind, 11.0 if self.join or self.split else 7.5
        )

    def vertex(self) -> Vertex:
        """The room it takes, captions included."""
        longest = max((len(line) for line in self.above + self.below), default=0)
        if self.kind == "place" and self.words:
            longest = max(longest, len(self.words))
        below = len(self.below) + (self.kind == "place" and bool(self.words))
        return Vertex(
            max(self.half_width, min(longest * SMALL_LETTER / 2, 70.0)),
            self.half_height + LINE * len(self.above) + (6 if self.many else 0),
            self.half_height + LINE * below,
        )


def _badge_width(words: str) -> float:
    return BADGE_LETTER * len(words) + 10 if words else 0.0


def draw_net(net: Net) -> str:
    """The net as an SVG element."""
    drawing = _Drawing(net)
    return drawing.svg()


class _Drawing:
    """The shapes of a net, where they stand, and what is drawn around and between them."""

    def __init__(self, net: Net) -> None:
        self.net = net
        self.first_place = len(net.nodes)
        self.marker = f"head-net-{next(NUMBERS)}"
        self.labels = self._labels()
        self.shapes = [
            *(self._node(number, node) for number, node in enumerate(net.nodes)),
            *(self._place(number, place) for number, place in enumerate(net.places)),
        ]
        self.edges = list(self._edges())
        self.reads = [
            (self.first_place + node.while_place, number)
            for number, node in enumerate(net.nodes)
            if node.while_place >= 0
        ]
        self.layout: Layout = lay_out(
            [shape.vertex() for shape in self.shapes], self.edges + self.reads, GAP_X, GAP_Y
        )
        self.at = [(x + MARGIN, y + MARGIN) for x, y in self.layout.centres]

    def svg(self) -> str:
        parts = [*self._shades()]
        parts += [self._edge(edge) for edge in dict.fromkeys(self.edges)]
        parts += [self._read_arc(edge) for edge in self.reads]
        for shape, (x, y) in zip(self.shapes, self.at, strict=True):
            parts += _drawn(shape, x, y)
        low = max((y for way in self.layout.ways.values() for _, y in way), default=0.0)
        turned = 40.0 if any(not self.layout.ways[edge] for edge in self.layout.turned) else 0.0
        width = self.layout.width + 2 * MARGIN
        height = max(self.layout.height, low) + 2 * MARGIN + turned
        return picture(width, height, f"The net of workflow {self.net.name}", parts, self.marker)

    # What there is

    def _edges(self) -> Iterator[tuple[int, int]]:
        """Arrows between numbers: a node's is its own, a place's comes after all nodes."""
        for number, node in enumerate(self.net.nodes):
            yield from ((self.first_place + place, number) for place in node.inputs)
            yield from ((number, self.first_place + out.place) for out in node.outputs)
            yield from ((number, self.first_place + out.place) for out in node.exceptions)

    def _labels(self) -> dict[tuple[int, int], list[str]]:
        """The words on arrows: guards, exceptions, and how many tokens if not one."""
        labels: dict[tuple[int, int], list[str]] = defaultdict(list)
        for number, node in enumerate(self.net.nodes):
            for place, tokens in zip(node.inputs, node.takes, strict=False):
                if tokens != 1:
                    labels[self.first_place + place, number].append(f"takes {tokens}")
            for out in node.outputs:
                edge = (number, self.first_place + out.place)
                if len(node.outputs) > 1 and node.split != 0:
                    labels[edge].append("otherwise" if out.guard is None else _cut(out.guard.text))
                if out.weight != 1:
                    labels[edge].append(f"puts {out.weight}")
            for aside in node.exceptions:
                kind = EXCEPT_NAMES[aside.kind]
                words = f"on {kind} {aside.name}".strip()
                if aside.kind == EXCEPT_ERROR and not aside.name:
                    words = "on error"
                labels[number, self.first_place + aside.place].append(words)
        return labels

    def _node(self, number: int, node: Node) -> Shape:
        join = split = ""
        if node.join == JOIN_PARTIAL:
            join = "first" if node.threshold == 1 else f"{node.threshold} of {len(node.inputs)}"
        elif len(node.inputs) > 1:
            join = JOIN_NAMES[node.join].upper()
        if len(node.outputs) > 1:
            split = SPLIT_NAMES[node.split].upper()
        if node.kind in ENDS:
            return Shape("end", NODE_NAMES[node.kind], join=join)
        above, below = self._titles(number), tuple(self._captions(node))
        if node.kind != NODE_TASK:
            return Shape("route", "", join, split, above, below)
        many = node.task is not None and node.task.for_each is not None
        return Shape("task", node.name, join, split, above, below, many=many)

    def _titles(self, number: int) -> tuple[str, ...]:
        """What a shade is, over the first node in it."""
        net = self.net
        titles = [
            f"critical {net.mutexes[section.mutex].name}"
            for section in net.sections
            if min(section.nodes) == number
        ]
        for mutex in net.nodes[number].holds:
            first = min(n for n, node in enumerate(net.nodes) if mutex in node.holds)
            if first == number and not net.mutexes[mutex].named:
                titles.append("one at a time")
        return tuple(titles)

    def _captions(self, node: Node) -> Iterator[str]:
        if node.task is not None:
            callee, each = node.task.callee, node.task.for_each
            words = {
                CALLEE_MESSAGE: f"message {callee.name}",
                CALLEE_SIGNAL: f"signal {callee.name}",
                CALLEE_TIMER: "timer",
                CALLEE_SKIP: "skip",
                CALLEE_WORKFLOW: f"workflow {callee.name}",
            }.get(callee.kind)
            if words:
                yield words
            if each is not None:
                yield _cut(
                    f"times {each.times.text}" if each.times else f"for each {each.variable}"
                )
                if each.open:
                    yield "open"
                if not each.waits:
                    yield "without waiting"
                if each.complete_when is not None:
                    rest = " then cancel rest" if each.cancel_rest else ""
                    yield _cut(f"complete when {each.complete_when.text}{rest}")
        if node.cancels_case:
            yield "cancels case"
        if node.cancels is not None:
            yield "cancels"
        if node.completes >= 0:
            yield f"completes {self.net.nodes[node.completes].name}"
        for mutex in node.holds:
            if self.net.mutexes[mutex].named:
                yield f"holds {self.net.mutexes[mutex].name}"

    def _place(self, number: int, place: Place) -> Shape:
        """A place; the words of its only arrow in stand above, of its only arrow out below."""
        own = self.first_place + number
        into = [edge for edge in self._edges() if edge[1] == own]
        out = [edge for edge in self._edges() if edge[0] == own]
        above = tuple(self.labels.get(into[0], ())) if len(into) == 1 else ()
        below = tuple(self.labels.get(out[0], ())) if len(out) == 1 else ()
        name = place.name if place.named else ""
        return Shape("place", name, above=above, below=below, tokens=place.tokens)

    # What is drawn between

    def _way(self, edge: tuple[int, int]) -> list[str]:
        """The line of an edge, as the commands of an SVG path."""
        source, target = edge
        bends = [(x + MARGIN, y + MARGIN) for x, y in self.layout.ways[edge]]
        sx, sy = self.at[source]
        tx, ty = self.at[target]
        if edge not in self.layout.turned:
            start = (sx + self.shapes[source].half_width, sy)
            end = (tx - self.shapes[target].half_width, ty)
            return _smooth([start, *bends, end])
        low_source, low_target = self.shapes[source].half_height, self.shapes[target].half_height
        if not bends:
            y1, y2 = sy + low_source, ty + low_target
            low = max(y1, y2) + 34
            return [f"M{sx:.1f},{y1:.1f} C{sx:.1f},{low:.1f} {tx:.1f},{low:.1f} {tx:.1f},{y2:.1f}"]
        (x1, y1), (x2, y2) = bends[0], bends[-1]
        down = 1 if y1 >= sy else -1
        up = 1 if y2 >= ty else -1
        begin, end = sy + down * low_source, ty + up * low_target
        leave = f"{sx:.1f},{begin + down * TURN:.1f} {x1 + TURN:.1f},{y1:.1f} {x1:.1f},{y1:.1f}"
        come = f"{x2 - TURN:.1f},{y2:.1f} {tx:.1f},{end + up * TURN:.1f} {tx:.1f},{end:.1f}"
        return [f"M{sx:.1f},{begin:.1f} C{leave}", *_smooth(bends)[1:], f"C{come}"]

    def _edge(self, edge: tuple[int, int]) -> str:
        source, target = edge
        kind = "arrow"
        if source < self.first_place:
            node, place = self.net.nodes[source], target - self.first_place
            if all(out.place != place for out in node.outputs):
                kind = "arrow aside"
        path = " ".join(self._way(edge))
        line = f'<path class="{kind}" d="{path}" marker-end="url(#{self.marker})"/>'
        words = self.labels.get(edge, [])
        shown = source >= self.first_place and self.shapes[source].below
        shown = shown or (target >= self.first_place and self.shapes[target].above)
        if words and not shown:
            (x1, y1), (x2, y2) = self.at[source], self.at[target]
            line += text(", ".join(words), (x1 + x2) / 2, (y1 + y2) / 2 - 8, "small")
        return line

    def _read_arc(self, edge: tuple[int, int]) -> str:
        """A line from a place to the task that may start only while it holds a token."""
        (x1, y1), (x2, y2) = self.at[edge[0]], self.at[edge[1]]
        line = f'<path class="arrow read" d="{" ".join(self._way(edge))}"/>'
        return line + text("while", (x1 + x2) / 2, (y1 + y2) / 2 - 8, "small")

    # What is shaded

    def _shades(self) -> Iterator[str]:
        colour = 0
        for number, node in enumerate(self.net.nodes):
            region = node.cancels
            if region is None:
                continue
            members = [*region.tasks, *region.joins]
            members += [self.first_place + place for place in region.places]
            yield self._shade([number, *members], f"region region-{colour % COLOURS}")
            colour += 1
        for section in self.net.sections:
            members = [*section.nodes, *(self.first_place + place for place in section.places)]
            yield self._shade(members, "section")
        for mutex, value in enumerate(self.net.mutexes):
            tasks = [n for n, node in enumerate(self.net.nodes) if mutex in node.holds]
            if tasks and not value.named:
                yield self._shade(tasks, "section")

    def _shade(self, members: Iterable[int], kind: str) -> str:
        inside = set(members)
        parts = [
            f'<path d="{" ".join(self._way(edge))}"/>'
            for edge in dict.fromkeys(self.edges)
            if inside.issuperset(edge)
        ]
        for number in sorted(inside):
            (x, y), shape = self.at[number], self.shapes[number]
            w, h = shape.half_width + 9, shape.half_height + 9
            parts.append(
                f'<rect x="{x - w:.1f}" y="{y - h:.1f}" width="{2 * w:.1f}" height="{2 * h:.1f}"'
                ' rx="9"/>'
            )
        return f'<g class="shade {kind}">{"".join(parts)}</g>'


def _cut(words: str) -> str:
    return words if len(words) <= LABEL_MAX else f"{words[: LABEL_MAX - 1]}…"


def _smooth(points: list[tuple[float, float]]) -> list[str]:
    """A line through points, level at its ends (cubic Hermite, as Catmull and Rom slope it)."""
    slopes = [0.0] * len(points)
    for number in range(1, len(points) - 1):
        (x1, y1), (x2, y2) = points[number - 1], points[number + 1]
        slopes[number] = (y2 - y1) / (x2 - x1) if x1 != x2 else 0.0
    path = [f"M{points[0][0]:.1f},{points[0][1]:.1f}"]
    for number, ((x1, y1), (x2, y2)) in enumerate(pairwise(points)):
        third = (x2 - x1) / (2 if len(points) == 2 else 2.5)
        first, second = y1 + third * slopes[number], y2 - third * slopes[number + 1]
        path.append(
            f"C{x1 + third:.1f},{first:.1f} {x2 - third:.1f},{second:.1f} {x2:.1f},{y2:.1f}"
        )
    return path


def _drawn(shape: Shape, x: float, y: float) -> Iterator[str]:
    """A shape with its badges, words and captions."""
    w, h = shape.half_width, shape.half_height
    join, split = shape.badges
    left, body = x - w + join, shape.body
    if shape.kind == "place":
        yield f'<circle class="place" cx="{x:.1f}" cy="{y:.1f}" r="{w:.1f}"/>'
        if shape.tokens:
            yield f'<circle class="token" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>'
        if shape.words:
            yield text(shape.words, x, y + h + LINE / 2 + 2, "small")
    elif shape.kind == "route" and not join and not split:
        points = f"{x - w:.1f},{y:.1f} {x:.1f},{y - h:.1f} {x + w:.1f},{y:.1f} {x:.1f},{y + h:.1f}"
        yield f'<polygon class="box" points="{points}"/>'
    elif shape.kind != "route":
        if shape.many:
            for shift in (6, 3):
                yield _rect("box", left + shift, y - h - shift, body, 2 * h)
        yield _rect("box final" if shape.kind == "end" else "box", left, y - h, body, 2 * h)
        yield text(shape.words, left + body / 2, y)
    for words, at, width in ((shape.join, x - w, join), (shape.split, x + w - split, split)):
        if words:
            yield _rect("badge", at, y - h, width, 2 * h)
            yield text(words, at + width / 2, y, "tiny")
    raised = h + (6 if shape.many else 0)
    for number, line in enumerate(reversed(shape.above)):
        yield text(line, x, y - raised - LINE * (number + 0.6), "small")
    first = 0.6 + (shape.kind == "place" and bool(shape.words))
    for number, line in enumerate(shape.below):
        yield text(line, x, y + h + LINE * (number + first), "small")


def _rect(kind: str, x: float, y: float, width: float, height: float) -> str:
    corner = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect class="{kind}" {corner} rx="4"/>'
