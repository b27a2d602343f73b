"""Where the parts of a drawn graph stand, and the ways of the lines between them.

Layers stand from left to right (:mod:`knhk.pictures.layers`), are ordered
(:mod:`knhk.pictures.ordering`) and aligned (:mod:`knhk.pictures.alignment`). A line is level where
it passes a layer, and rises or falls only between two layers, where nothing stands: so no line
crosses a vertex or its words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from knhk.pictures.alignment import aligned
from knhk.pictures.layers import Edge, Layers, Vertex
from knhk.pictures.ordering import ordered

__all__ = ["Layout", "Point", "lay_out"]

Point = tuple[float, float]

#: How much wider a gap gets for the height that the steepest line in it climbs, and at most.
SLOPE: Final = 0.12
WIDER_MAX: Final = 60.0


@dataclass(frozen=True)
class Layout:
    """Centres of the vertices, and the way of each edge from the right of one to the left of one.

    Between two points of a way at one height the line is straight; else it leaves the first and
    comes to the second level (:func:`knhk.pictures.elements.curve` draws it so).
    """

    centres: list[Point]
    ways: dict[Edge, list[Point]]
    width: float
    height: float


def lay_out(
    vertices: Sequence[Vertex], edges: Sequence[Edge], gap_x: float, gap_y: float
) -> Layout:
    """Place the vertices; what earlier edges lead to stands higher where there is a choice.

    An edge from a vertex to itself is left out.
    """
    if not vertices:
        return Layout([], {}, 0.0, 0.0)
    graph = Layers(vertices, [edge for edge in dict.fromkeys(edges) if edge[0] != edge[1]])
    layers = ordered(graph)
    ys = aligned(graph, layers, gap_y)
    top = min(y - part.above for y, part in zip(ys, graph.parts, strict=True))
    ys = [y - top for y in ys]
    columns = _columns(graph, layers, ys, gap_x)
    return _layout(graph, ys, columns, gap_x)


def _columns(
    graph: Layers, layers: list[list[int]], ys: list[float], gap: float
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
        left = right + gap + min(WIDER_MAX, SLOPE * climb)
    return columns


def _layout(
    graph: Layers, ys: list[float], columns: list[tuple[float, float]], gap: float
) -> Layout:
    height = max(y + part.below for y, part in zip(ys, graph.parts, strict=True))
    xs = [sum(columns[graph.ranks[n]]) / 2 for n in range(graph.size)]
    ways: dict[Edge, list[Point]] = {}
    for edge in graph.edges:
        source, target = edge
        right, left = columns[graph.ranks[source]][1], columns[graph.ranks[target]][0]
        if edge in graph.bends:
            between = _through(graph, edge, ys, columns)
        else:
            height += gap / 2
            between = [(right + gap / 2, height), (left - gap / 2, height)]
        ways[edge] = [
            (xs[source] + graph.parts[source].port, ys[source]),
            (right, ys[source]),
            *between,
            (left, ys[target]),
            (xs[target] - graph.parts[target].port, ys[target]),
        ]
    centres = list(zip(xs, ys[: graph.size], strict=True))
    return Layout(centres, ways, columns[-1][1], height)


def _through(
    graph: Layers, edge: Edge, ys: list[float], columns: list[tuple[float, float]]
) -> list[Point]:
    """The way of an edge by its bends, level in each layer."""
    points: list[Point] = []
    for number in graph.bends[edge]:
        ends = columns[graph.ranks[number]]
        points += [(x, ys[number]) for x in (ends[::-1] if edge in graph.turned else ends)]
    return points
