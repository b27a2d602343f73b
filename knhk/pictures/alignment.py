"""How high the vertices and bends of a layered graph stand, such that lines are straight.

After Brandes and Köpf, *Fast and simple horizontal coordinate assignment* (2001), turned by a
quarter: four times every vertex is put into line with a neighbour in the middle of those it has,
as long as lines do not cross; what is in one line is a block, and blocks are moved together. The
four differ in where they begin, and everything stands in the middle of its four heights. It takes
time in proportion to the graph.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import Final

from knhk.pictures.layers import Edge, Layers

__all__ = ["aligned"]

#: What is less out of line than this looks like a mistake.
NEARLY: Final = 8.0


def aligned(graph: Layers, layers: list[list[int]], gap: float) -> list[float]:
    """The heights of all centres; in each layer the order and the gaps are kept."""
    conflicts = _conflicts(graph, layers)
    found: list[list[float]] = []
    for forwards in (True, False):
        for downwards in (True, False):
            way = _Way(graph, layers, gap, forwards=forwards, downwards=downwards)
            found.append(way.heights(conflicts))
    spans = [(min(ys), max(ys)) for ys in found]
    top, bottom = min(spans, key=lambda span: span[1] - span[0])
    # Those that were built from above meet the flattest at its top, the others at its bottom.
    shifts = [
        bottom - high if number % 2 else top - low for number, (low, high) in enumerate(spans)
    ]
    heights = []
    for four in zip(*found, strict=True):
        _, second, third, _ = sorted(y + shift for y, shift in zip(four, shifts, strict=True))
        heights.append((second + third) / 2)
    _straighten(graph, layers, heights, gap)
    return heights


def _straighten(graph: Layers, layers: list[list[int]], heights: list[float], gap: float) -> None:
    """Put what stands nearly in line with something before it wholly in line, if there is room."""
    for layer in layers:
        for at, number in enumerate(layer):
            near = [heights[other] for other in graph.left[number]]
            wanted = min(near, key=lambda y: abs(y - heights[number]), default=heights[number])
            if not 0 < abs(wanted - heights[number]) < NEARLY:
                continue
            above, below = layer[at - 1 : at] if at else [], layer[at + 1 : at + 2]
            if all(wanted - heights[n] >= _room(graph, n, number, gap) for n in above) and all(
                heights[n] - wanted >= _room(graph, number, n, gap) for n in below
            ):
                heights[number] = wanted


def _room(graph: Layers, upper: int, lower: int, gap: float) -> float:
    """How far two neighbours in a layer stand apart at least."""
    return graph.parts[upper].below + gap + graph.parts[lower].above


def _conflicts(graph: Layers, layers: list[list[int]]) -> set[Edge]:
    """The links that cross one between two bends: a long line stays straight instead of them."""
    position = {number: at for layer in layers for at, number in enumerate(layer)}
    conflicts: set[Edge] = set()
    for before, layer in pairwise(layers):
        first = scanned = 0
        for at, number in enumerate(layer):
            inner = _inner(graph, number)
            if inner < 0 and at < len(layer) - 1:
                continue
            last = position[inner] if inner >= 0 else len(before) - 1
            for other in layer[scanned : at + 1]:
                if _inner(graph, other) >= 0:
                    continue
                conflicts.update(
                    (near, other)
                    for near in graph.left[other]
                    if not first <= position[near] <= last
                )
            first, scanned = last, at + 1
    return conflicts


def _inner(graph: Layers, number: int) -> int:
    """The bend before a bend, or -1."""
    left = graph.left[number]
    return left[0] if left and graph.is_bend(number) and graph.is_bend(left[0]) else -1


class _Way:
    """One of the four ways: from the left or the right, from above or from below.

    What is done from below is done from above on the mirrored graph, and mirrored back.
    """

    def __init__(
        self,
        graph: Layers,
        layers: list[list[int]],
        gap: float,
        *,
        forwards: bool,
        downwards: bool,
    ) -> None:
        self.graph = graph
        self.gap = gap
        self.forwards = forwards
        self.downwards = downwards
        self.near = graph.left if forwards else graph.right
        ordered = [layer if downwards else layer[::-1] for layer in layers]
        self.layers = ordered if forwards else ordered[::-1]
        self.position = {n: at for layer in self.layers for at, n in enumerate(layer)}

    def heights(self, conflicts: set[Edge]) -> list[float]:
        """The height of everything, measured from above."""
        roots = self._roots(conflicts)
        tops = self._tops(roots)
        sign = 1.0 if self.downwards else -1.0
        return [sign * tops[root] for root in roots]

    def _roots(self, conflicts: set[Edge]) -> list[int]:
        """The first of the block that each belongs to."""
        roots = list(range(len(self.graph.parts)))
        for layer in self.layers:
            above = -1
            for number in layer:
                near = sorted(self.near[number], key=self.position.__getitem__)
                middle = len(near) // 2
                for other in near[middle - (len(near) % 2 == 0) : middle + 1] if near else ():
                    link = (other, number) if self.forwards else (number, other)
                    if self.position[other] > above and link not in conflicts:
                        roots[number] = roots[other]
                        above = self.position[other]
                        break
        return roots

    def _tops(self, roots: list[int]) -> dict[int, float]:
        """The height of each block: as high as it can, then as near to those below as it can."""
        below: dict[int, dict[int, float]] = defaultdict(dict)
        missing = dict.fromkeys(roots, 0)
        for layer in self.layers:
            for upper, lower in pairwise(layer):
                one, other = roots[upper], roots[lower]
                if other not in below[one]:
                    missing[other] += 1
                first, second = (upper, lower) if self.downwards else (lower, upper)
                room = _room(self.graph, first, second, self.gap)
                below[one][other] = max(below[one].get(other, 0.0), room)
        order: list[int] = [root for root, count in missing.items() if not count]
        tops = dict.fromkeys(missing, 0.0)
        for root in order:  # which grows as the blocks above are done
            for other, room in below[root].items():
                tops[other] = max(tops[other], tops[root] + room)
                missing[other] -= 1
                if not missing[other]:
                    order.append(other)
        for root in reversed(order):
            if below[root]:
                nearest = min(tops[other] - room for other, room in below[root].items())
                tops[root] = max(tops[root], nearest)
        return tops
