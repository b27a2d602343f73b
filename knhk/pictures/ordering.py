"""The order within the layers of a graph, such that few lines cross.

The vertices of a layer are ordered by the means of their neighbours in the layer before, then of
those in the layer behind, and so on (Sugiyama, Tagawa and Toda, 1981); the best order that was
met is taken. It begins with the order of the source, once with the lines that lead back below the
others and once above.

The time is bounded by ``WORK_MAX``: a large graph is swept less often, and so may have more lines
that cross.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from typing import Final

from knhk.pictures.layers import Layers

__all__ = ["ordered"]

#: How often the layers are swept, where there is time for it.
SWEEPS_MAX: Final = 12
SWEEPS_MIN: Final = 2
#: How many parts and links of a picture all sweeps together look at.
WORK_MAX: Final = 400_000


def ordered(graph: Layers) -> list[list[int]]:
    """The vertices and bends of each layer from top to bottom."""
    best: list[list[int]] = []
    fewest = -1
    for above in (False, True):
        layers, crossings = _swept(graph, _first_order(graph, above=above))
        if fewest < 0 or crossings < fewest:
            best, fewest = layers, crossings
    return best


def _first_order(graph: Layers, *, above: bool) -> list[list[int]]:
    """The order in which a walk meets the vertices, and the lines that lead back above or below."""
    height = [0.0] * len(graph.parts)
    for met, number in enumerate(graph.met):
        height[number] = float(met)
    for edge, bends in graph.bends.items():
        for number in bends:
            if edge in graph.turned:
                height[number] = -1.0 if above else float(graph.size)
            else:
                height[number] = (height[edge[0]] + height[edge[1]]) / 2
    layers: list[list[int]] = [[] for _ in range(max(graph.ranks) + 1)]
    for number, rank in enumerate(graph.ranks):
        layers[rank].append(number)
    for layer in layers:
        layer.sort(key=height.__getitem__)
    return layers


def _swept(graph: Layers, layers: list[list[int]]) -> tuple[list[list[int]], int]:
    """The best order that sweeps from this one find, and how many lines cross in it."""
    position = [0] * len(graph.parts)
    for layer in layers:
        _number(layer, position)
    best, fewest = [list(layer) for layer in layers], _crossings(graph, layers, position)
    work = len(graph.parts) + len(graph.links)
    for sweep in range(max(SWEEPS_MIN, min(SWEEPS_MAX, WORK_MAX // work))):
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
    return best, fewest


def _number(layer: list[int], position: list[int]) -> None:
    for at, number in enumerate(layer):
        position[number] = at


def _mean(graph: Layers, number: int, near: list[int], position: list[int]) -> float:
    """The mean position of the neighbours, or its own; a bend also stays by what it turns to."""
    if graph.is_bend(number):
        near = near + graph.beside[number]
    return sum(position[n] for n in near) / len(near) if near else float(position[number])


def _crossings(graph: Layers, layers: list[list[int]], position: list[int]) -> int:
    """How many pairs of links cross, and how many vertices a line turns round past."""
    found = sum(abs(position[one] - position[other]) - 1 for one, other in graph.ties)
    for layer in layers:
        ends: list[int] = []
        for number in layer:
            targets = [position[n] for n in graph.right[number]]
            found += sum(len(ends) - bisect_right(ends, target) for target in targets)
            for target in targets:
                insort(ends, target)
    return found
