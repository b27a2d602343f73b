"""The order within the layers of a graph, such that few lines cross.

The vertices of a layer are ordered by the means of their neighbours in the layer before, then of
those in the layer behind, and so on (Sugiyama, Tagawa and Toda, 1981); the best order that was
met is taken. It begins with the order of the source, each line that leads back below or above its
loop, where fewer lines cross.

The time is bounded by ``WORK_MAX``: a large graph is swept less often, and so may have more lines
that cross.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from typing import Final

from knhk.pictures.layers import Edge, Layers

__all__ = ["ordered"]

#: How often the layers are swept, where there is time for it.
SWEEPS_MAX: Final = 12
SWEEPS_MIN: Final = 2
#: How many parts and links of a picture all sweeps together look at; likewise all tries.
WORK_MAX: Final = 400_000


def ordered(graph: Layers) -> list[list[int]]:
    """The vertices and bends of each layer from top to bottom."""
    heights = _heights(graph)
    layers: list[list[int]] = [[] for _ in range(max(graph.ranks) + 1)]
    for number, rank in enumerate(graph.ranks):
        layers[rank].append(number)
    for layer in layers:
        layer.sort(key=heights.__getitem__)
    return _turned_over(graph, _swept(graph, _turned_over(graph, layers, heights)), heights)


def _heights(graph: Layers) -> list[float]:
    """When a walk meets the vertices; a line that leads back is met after its loop."""
    heights = [0.0] * len(graph.parts)
    for met, number in enumerate(graph.met):
        heights[number] = float(met)
    for edge, bends in graph.bends.items():
        source, target = heights[edge[0]], heights[edge[1]]
        for number in bends:
            heights[number] = source + 0.5 if edge in graph.turned else (source + target) / 2
    return heights


def _swept(graph: Layers, layers: list[list[int]]) -> list[list[int]]:
    """The best order that sweeps from this one find, or this one."""
    best = [list(layer) for layer in layers]
    position = _positions(graph, layers)
    fewest = _crossings(graph, layers)
    sweeps = WORK_MAX // (len(graph.parts) + len(graph.links))
    for sweep in range(max(SWEEPS_MIN, min(SWEEPS_MAX, sweeps))):
        if not fewest:
            break
        neighbours = graph.right if sweep % 2 else graph.left
        for layer in reversed(layers) if sweep % 2 else layers:
            means = {n: _mean(graph, n, neighbours[n], position) for n in layer}
            layer.sort(key=means.__getitem__)
            for at, number in enumerate(layer):
                position[number] = at
        crossings = _crossings(graph, layers)
        if crossings < fewest:
            best, fewest = [list(layer) for layer in layers], crossings
    return best


def _turned_over(graph: Layers, layers: list[list[int]], heights: list[float]) -> list[list[int]]:
    """The same order, but each line that leads back below or above its loop, if that is better."""
    fewest = _crossings(graph, layers)
    tries = WORK_MAX // (len(graph.parts) + len(graph.links)) // 2
    for edge in [edge for edge in graph.bends if edge in graph.turned][:tries]:
        for below in (True, False):
            if not fewest:
                return layers
            tried = _beside_its_loop(graph, layers, heights, edge, below=below)
            crossings = _crossings(graph, tried)
            if crossings < fewest:
                layers, fewest = tried, crossings
    return layers


def _beside_its_loop(
    graph: Layers, layers: list[list[int]], heights: list[float], edge: Edge, *, below: bool
) -> list[list[int]]:
    """The same order, but one line that leads back directly below or above its loop."""
    first, last = heights[edge[1]], heights[edge[0]]
    moved = list(layers)
    for number in graph.bends[edge]:
        rank = graph.ranks[number]
        layer = [n for n in layers[rank] if n != number]
        loop = [at for at, n in enumerate(layer) if first <= heights[n] <= last]
        if loop:
            layer.insert(loop[-1] + 1 if below else loop[0], number)
            moved[rank] = layer
    return moved


def _positions(graph: Layers, layers: list[list[int]]) -> list[int]:
    position = [0] * len(graph.parts)
    for layer in layers:
        for at, number in enumerate(layer):
            position[number] = at
    return position


def _mean(graph: Layers, number: int, near: list[int], position: list[int]) -> float:
    """The mean position of the neighbours, or its own; a bend also stays by what it turns to."""
    if graph.is_bend(number):
        near = near + graph.beside[number]
    return sum(position[n] for n in near) / len(near) if near else float(position[number])


def _crossings(graph: Layers, layers: list[list[int]]) -> int:
    """How many pairs of links cross, and how many vertices a line turns round past."""
    position = _positions(graph, layers)
    found = sum(abs(position[one] - position[other]) - 1 for one, other in graph.ties)
    for layer in layers:
        ends: list[int] = []
        for number in layer:
            targets = [position[n] for n in graph.right[number]]
            found += sum(len(ends) - bisect_right(ends, target) for target in targets)
            for target in targets:
                insort(ends, target)
    return found
