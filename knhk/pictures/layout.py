"""Where the parts of a drawn graph stand: in layers from left to right.

After Sugiyama, Tagawa and Toda, *Methods for visual understanding of hierarchical systems* (1981).

Edges that close a loop are turned round first. Then every vertex stands right of all that lead
to it; an edge over several layers goes by a bend in each layer between, which takes up room like
a vertex. Within the layers, vertices are ordered by the means of their neighbours, and moved to
them as far as there is room. A line is level where it passes a layer and rises or falls only
between two layers, where nothing stands: so no line crosses a vertex or its words.

An edge that leads back begins and ends like all others, right of its source and left of its
target; between them it turns round, and passes both layers by a bend.

Time and room are bounded. The bends of long edges are, by ``BENDS_MAX``: those that are too many
go below everything. The sweeps that order and align the layers are, by ``WORK_MAX``: a large
graph gets fewer, and so may have more lines that cross.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

__all__ = ["Edge", "Layout", "Point", "Vertex", "lay_out"]

Edge = tuple[int, int]
Point = tuple[float, float]

#: How often the layers are ordered, and how often aligned, where there is time for it.
ORDERINGS_MAX: Final = 12
ALIGNMENTS_MAX: Final = 24
#: How many vertices and links all orderings together look at, and all alignments.
WORK_MAX: Final = 400_000
#: How many bends there are; the longest edges go below everything when these do not suffice.
BENDS_MAX: Final = 20_000

#: Half the room that a line takes on its way past vertices.
BEND_HALF_HEIGHT: Final = 7.0
#: How much wider a gap gets for the height that the steepest line in it climbs, and at most.
SLOPE: Final = 0.12
WIDER_MAX: Final = 60.0
#: How strongly the ends of a link pull at each other: both real, one a bend, both bends.
PULLS: Final = (1.0, 2.0, 8.0)


@dataclass(frozen=True)
class Vertex:
    """Something to be placed: half its width, and its extent above and below its centre."""

    half_width: float
    above: float
    below: float


BEND: Final = Vertex(0.0, BEND_HALF_HEIGHT, BEND_HALF_HEIGHT)


@dataclass(frozen=True)
class Layout:
    """Centres of the vertices, and the way of each edge from the right of one to the left of one.

    Between two points of a way at one height the line is straight; else it leaves the first and
    comes to the second level (see :func:`knhk.pictures.elements.curve`).
    """

    centres: list[Point]
    ways: dict[Edge, list[Point]]
    width: float
    height: float


def lay_out(
    vertices: Sequence[Vertex], edges: Sequence[Edge], gap_x: float, gap_y: float
) -> Layout:
    """Place the vertices; where there is a choice, those of earlier edges stand higher.

    An edge from a vertex to itself is left out.
    """
    if not vertices:
        return Layout([], {}, 0.0, 0.0)
    graph = _Graph(vertices, [edge for edge in dict.fromkeys(edges) if edge[0] != edge[1]])
    layers = _ordered(graph)
    ys = _aligned(graph, layers, gap_y)
    columns = _columns(graph, layers, ys, gap_x)
    return _drawn_up(graph, ys, columns, gap_x)


class _Graph:
    """The vertices with their bends, in layers, and the links between neighbouring layers.

    ``ties`` are between vertices of one layer: where an edge that leads back turns round.
    """

    def __init__(self, vertices: Sequence[Vertex], edges: list[Edge]) -> None:
        self.size = len(vertices)
        self.parts = list(vertices)
        self.edges = edges
        self.walk, self.turned = _walk(self.size, edges)
        self.ranks = _ranks(
            self.size, [(b, a) if (a, b) in self.turned else (a, b) for a, b in edges]
        )
        self.bends: dict[Edge, list[int]] = {}
        self.links: list[Edge] = []
        self.ties: list[Edge] = []
        by_length = sorted(edges, key=lambda edge: abs(self.ranks[edge[0]] - self.ranks[edge[1]]))
        with_bends = {edge for edge in by_length if self._bend(edge)}
        self.edges.sort(key=lambda edge: edge not in with_bends)  # stable: nothing else moves
        self.left, self.right = _neighbours(len(self.parts), self.links)
        self.beside, beside = _neighbours(len(self.parts), self.ties)
        for number, others in enumerate(beside):
            self.beside[number] += others

    def _bend(self, edge: Edge) -> bool:
        """Lead an edge through the layers between its ends, if there are bends left for it."""
        first, last = edge[::-1] if edge in self.turned else edge
        lead = 0 if edge in self.turned else 1
        between = range(self.ranks[first] + lead, self.ranks[last] + 1 - lead)
        if len(self.parts) + len(between) > self.size + BENDS_MAX:
            return False
        bends = list(range(len(self.parts), len(self.parts) + len(between)))
        self.parts += [BEND] * len(between)
        self.ranks += between
        if lead:
            self.links += pairwise([first, *bends, last])
        else:
            self.links += pairwise(bends)
            self.ties += [(first, bends[0]), (last, bends[-1])]
        self.bends[edge] = bends[::-1] if edge in self.turned else bends
        return True

    def is_bend(self, number: int) -> bool:
        return number >= self.size

    def sweeps(self, most: int, fewest: int) -> int:
        """How many sweeps over all layers there is time for."""
        return max(fewest, min(most, WORK_MAX // (len(self.parts) + len(self.links))))


def _neighbours(size: int, links: list[Edge]) -> tuple[list[list[int]], list[list[int]]]:
    left: list[list[int]] = [[] for _ in range(size)]
    right: list[list[int]] = [[] for _ in range(size)]
    for source, target in links:
        left[target].append(source)
        right[source].append(target)
    return left, right


def _walk(size: int, edges: list[Edge]) -> tuple[list[int], set[Edge]]:
    """The vertices as a walk in depth from the sources meets them, and the edges closing a loop."""
    followers, reached = defaultdict(list), set()
    for source, target in edges:
        followers[source].append(target)
        reached.add(target)
    met: list[int] = []
    state = [0] * size
    closing: set[Edge] = set()
    for root in [*(n for n in range(size) if n not in reached), *range(size)]:
        if state[root]:
            continue
        state[root] = 1
        met.append(root)
        path = [(root, iter(followers[root]))]
        while path:
            number, ahead = path[-1]
            for following in ahead:
                if state[following] == 1:
                    closing.add((number, following))
                elif state[following] == 0:
                    state[following] = 1
                    met.append(following)
                    path.append((following, iter(followers[following])))
                    break
            else:
                state[number] = 2
                path.pop()
    return met, closing


def _ranks(size: int, edges: list[Edge]) -> list[int]:
    """The length of the longest way to each vertex; a further source stands by its follower."""
    before, after = _neighbours(size, edges)
    missing = [len(each) for each in before]
    sources = [n for n in range(size) if not missing[n]]
    ranks = [0] * size
    ready = list(sources)
    while ready:
        number = ready.pop()
        for following in after[number]:
            ranks[following] = max(ranks[following], ranks[number] + 1)
            missing[following] -= 1
            if not missing[following]:
                ready.append(following)
    for number in sources[1:]:
        ranks[number] = max(0, min((ranks[n] for n in after[number]), default=1) - 1)
    return ranks


# --- the order in each layer ----------------------------------------------------------------


def _ordered(graph: _Graph) -> list[list[int]]:
    """The vertices of each layer from top to bottom, with few lines that cross."""
    layers: list[list[int]] = [[] for _ in range(max(graph.ranks) + 1)]
    place = [0.0] * len(graph.parts)
    for met, number in enumerate(graph.walk):
        place[number] = float(met)
    for edge, bends in graph.bends.items():
        for number in bends:
            place[number] = (place[edge[0]] + place[edge[1]]) / 2
    for number, rank in enumerate(graph.ranks):
        layers[rank].append(number)
    for layer in layers:
        layer.sort(key=place.__getitem__)
    position = [0] * len(graph.parts)
    for layer in layers:
        _number(layer, position)
    best, fewest = [list(layer) for layer in layers], _crossings(graph, layers, position)
    for sweep in range(graph.sweeps(ORDERINGS_MAX, 2)):
        if not fewest:
            break
        neighbours = graph.right if sweep % 2 else graph.left
        for layer in reversed(layers) if sweep % 2 else layers:
            means = {n: _mean(graph, n, neighbours[n], position) for n in layer}
            layer.sort(key=means.__getitem__)
            _number(layer, position)
        crossings = _crossings(graph, layers, position)
        if crossings < fewest:
            best, fewest = [list(layer) for layer in layers], crossings
    return best


def _number(layer: list[int], position: list[int]) -> None:
    for at, number in enumerate(layer):
        position[number] = at


def _mean(graph: _Graph, number: int, neighbours: list[int], position: list[int]) -> float:
    """The mean position of the neighbours and of what it turns round to, or else its own."""
    near = neighbours + graph.beside[number] if graph.is_bend(number) else neighbours
    return sum(position[n] for n in near) / len(near) if near else float(position[number])


def _crossings(graph: _Graph, layers: list[list[int]], position: list[int]) -> int:
    """How many pairs of links cross: those that begin higher and end lower."""
    found = 0
    for layer in layers:
        ends: list[int] = []
        for number in layer:
            targets = [position[n] for n in graph.right[number]]
            found += sum(len(ends) - bisect_right(ends, target) for target in targets)
            for target in targets:
                insort(ends, target)
    return found


# --- how high things stand --------------------------------------------------------------------


def _aligned(graph: _Graph, layers: list[list[int]], gap_y: float) -> list[float]:
    """Heights at which lines are short, while the order in each layer and the gaps are kept."""
    offsets = [_offsets(graph, layer, gap_y) for layer in layers]
    ys = [0.0] * len(graph.parts)
    for layer, offset in zip(layers, offsets, strict=True):
        for number, down in zip(layer, offset, strict=True):
            ys[number] = down - offset[-1] / 2
    sweeps = graph.sweeps(ALIGNMENTS_MAX, 4)
    for sweep in range(sweeps):
        backwards = sweep % 2 == 1
        late = sweep >= sweeps // 2
        ranks = range(len(layers) - 1, -1, -1) if backwards else range(len(layers))
        for rank in ranks:
            layer = layers[rank]
            wanted = [_wanted(graph, number, ys, backwards, late) for number in layer]
            for number, y in zip(layer, _spread(wanted, offsets[rank]), strict=True):
                ys[number] = y
    return ys


def _offsets(graph: _Graph, layer: list[int], gap_y: float) -> list[float]:
    """How far below the first of a layer each of it must stand at least."""
    offsets = [0.0]
    for upper, lower in pairwise(layer):
        room = graph.parts[upper].below + gap_y + graph.parts[lower].above
        offsets.append(offsets[-1] + room)
    return offsets


def _wanted(
    graph: _Graph, number: int, ys: list[float], backwards: bool, late: bool
) -> tuple[float, float]:
    """The height that the neighbours want something at, and how strongly."""
    left, right = graph.left[number], graph.right[number]
    near = left + right if late else (right if backwards else left) or left + right
    own = graph.is_bend(number)
    near = near + graph.beside[number] if own else near
    if not near:
        return ys[number], 1.0
    total = weight = 0.0
    for other in near:
        pull = PULLS[own + graph.is_bend(other)]
        total += pull * ys[other]
        weight += pull
    return total / weight, weight


def _spread(wanted: list[tuple[float, float]], offsets: list[float]) -> list[float]:
    """The heights nearest to the wanted ones that keep the gaps (pool adjacent violators)."""
    blocks: list[tuple[float, float, int]] = []
    for (want, weight), offset in zip(wanted, offsets, strict=True):
        total, weights, count = (want - offset) * weight, weight, 1
        while blocks and blocks[-1][0] * weights > total * blocks[-1][1]:
            more, heavier, others = blocks.pop()
            total, weights, count = total + more, weights + heavier, count + others
        blocks.append((total, weights, count))
    free = [total / weights for total, weights, count in blocks for _ in range(count)]
    return [base + offset for base, offset in zip(free, offsets, strict=True)]


# --- columns and ways --------------------------------------------------------------------------


def _columns(
    graph: _Graph, layers: list[list[int]], ys: list[float], gap_x: float
) -> list[tuple[float, float]]:
    """The left and right end of each layer; the gap behind it is wider where lines are steep."""
    climbs = [0.0] * len(layers)
    for source, target in graph.links:
        rank = graph.ranks[source]
        climbs[rank] = max(climbs[rank], abs(ys[source] - ys[target]))
    columns = []
    left = 0.0
    for layer, climb in zip(layers, climbs, strict=True):
        right = left + 2 * max(graph.parts[n].half_width for n in layer)
        columns.append((left, right))
        left = right + gap_x + min(WIDER_MAX, SLOPE * climb)
    return columns


def _drawn_up(
    graph: _Graph, ys: list[float], columns: list[tuple[float, float]], gap_x: float
) -> Layout:
    top = min(y - part.above for y, part in zip(ys, graph.parts, strict=True))
    ys = [y - top for y in ys]
    height = max(y + part.below for y, part in zip(ys, graph.parts, strict=True))
    xs = [sum(columns[graph.ranks[n]]) / 2 for n in range(graph.size)]
    ways: dict[Edge, list[Point]] = {}
    bottom = height
    for edge in graph.edges:
        source, target = edge
        begin = (xs[source] + graph.parts[source].half_width, ys[source])
        end = (xs[target] - graph.parts[target].half_width, ys[target])
        right, left = columns[graph.ranks[source]][1], columns[graph.ranks[target]][0]
        if edge in graph.bends:
            between = _through(graph.bends[edge], graph, ys, columns, edge in graph.turned)
        else:
            height = bottom + gap_x
            between = [(right + gap_x / 2, height), (left - gap_x / 2, height)]
        ways[edge] = [begin, (right, ys[source]), *between, (left, ys[target]), end]
    return Layout(list(zip(xs, ys[: graph.size], strict=True)), ways, columns[-1][1], height)


def _through(
    bends: list[int],
    graph: _Graph,
    ys: list[float],
    columns: list[tuple[float, float]],
    backwards: bool,
) -> list[Point]:
    """The way through the layers of some bends, level in each."""
    points: list[Point] = []
    for number in bends:
        left, right = columns[graph.ranks[number]]
        for x in (right, left) if backwards else (left, right):
            points.append((x, ys[number]))
    return points
