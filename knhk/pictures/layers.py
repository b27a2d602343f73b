"""A graph in layers: every edge leads from a layer to the next.

After Sugiyama, Tagawa and Toda, *Methods for visual understanding of hierarchical systems* (1981).

Edges that close a loop are turned round first. Then every vertex stands right of all that lead to
it. An edge over several layers goes by a bend in each layer between, which takes up room like a
vertex. An edge that leads back passes the layers of both its ends by a bend too, where it turns
round.

The bends are bounded by ``BENDS_MAX``: the longest edges go without, and below everything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

__all__ = ["Edge", "Layers", "Vertex", "neighbours"]

Edge = tuple[int, int]

#: How many bends a picture has; the longest lines go below everything when these do not suffice.
BENDS_MAX: Final = 20_000
#: Half the room that a line takes on its way past vertices.
BEND_HALF_HEIGHT: Final = 7.0


@dataclass(frozen=True)
class Vertex:
    """Something to be placed: half its width, its extent above and below its centre.

    ``port`` is how far from its centre lines begin and end, which is no more than half its width.
    """

    half_width: float
    above: float
    below: float
    port: float


BEND: Final = Vertex(0.0, BEND_HALF_HEIGHT, BEND_HALF_HEIGHT, 0.0)


class Layers:
    """Vertices and, numbered after them, bends; the layer of each, and the links between layers.

    ``ties`` are links within a layer: where an edge that leads back turns round. ``met`` holds the
    vertices in the order of a walk in depth from the sources. ``bends`` has no entry for an edge
    that had to go without.
    """

    def __init__(self, vertices: Sequence[Vertex], edges: Sequence[Edge]) -> None:
        self.size = len(vertices)
        self.parts = list(vertices)
        self.edges = edges
        self.met, self.turned = _walk(self.size, edges)
        self.ranks = _ranks(
            self.size, [(b, a) if (a, b) in self.turned else (a, b) for a, b in edges]
        )
        self.bends: dict[Edge, list[int]] = {}
        self.links: list[Edge] = []
        self.ties: list[Edge] = []
        for edge in sorted(edges, key=lambda edge: abs(self.ranks[edge[0]] - self.ranks[edge[1]])):
            self._bend(edge)
        self.left, self.right = neighbours(len(self.parts), self.links)
        before, after = neighbours(len(self.parts), self.ties)
        self.beside = [one + other for one, other in zip(before, after, strict=True)]

    def _bend(self, edge: Edge) -> None:
        """Lead an edge through the layers between its ends, if there are bends left for it."""
        back = edge in self.turned
        first, last = edge[::-1] if back else edge
        between = range(self.ranks[first] + (not back), self.ranks[last] + back)
        if len(self.parts) + len(between) > self.size + BENDS_MAX:
            return
        bends = list(range(len(self.parts), len(self.parts) + len(between)))
        self.parts += [BEND] * len(between)
        self.ranks += between
        if back:
            self.links += pairwise(bends)
            self.ties += [(first, bends[0]), (last, bends[-1])]
        else:
            self.links += pairwise([first, *bends, last])
        self.bends[edge] = bends[::-1] if back else bends

    def is_bend(self, number: int) -> bool:
        """Whether this is a bend and no vertex."""
        return number >= self.size


def neighbours(size: int, links: Sequence[Edge]) -> tuple[list[list[int]], list[list[int]]]:
    """For each number those that lead to it, and those that it leads to."""
    left: list[list[int]] = [[] for _ in range(size)]
    right: list[list[int]] = [[] for _ in range(size)]
    for source, target in links:
        left[target].append(source)
        right[source].append(target)
    return left, right


def _walk(size: int, edges: Sequence[Edge]) -> tuple[list[int], set[Edge]]:
    """The vertices as a walk in depth from the sources meets them, and the edges closing a loop."""
    followers: dict[int, list[int]] = defaultdict(list)
    for source, target in edges:
        followers[source].append(target)
    reached = {target for _, target in edges}
    met: list[int] = []
    closing: set[Edge] = set()
    state = [0] * size
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


def _ranks(size: int, edges: Sequence[Edge]) -> list[int]:
    """The length of the longest way to each vertex; a further source stands by its follower."""
    before, after = neighbours(size, edges)
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
