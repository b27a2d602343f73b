"""Where the parts of a drawn graph stand: in layers from left to right.

After Sugiyama, Tagawa and Toda, *Methods for visual understanding of hierarchical systems* (1981).

Edges that close a loop are turned round first. Then every vertex stands right of all that lead
to it; an edge over several layers goes by a bend in each layer between, which takes up room like
a vertex, so that no line crosses a box. Within the layers, vertices are ordered by the means of
their neighbours, and moved to them as far as there is room.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

__all__ = ["Layout", "Vertex", "lay_out"]

ORDERINGS = 12
ALIGNMENTS = 24
#: Half the room that a line takes on its way past vertices.
BEND_HALF_HEIGHT = 7.0


@dataclass(frozen=True)
class Vertex:
    """Something to be placed: half its width, and its extent above and below its centre."""

    half_width: float
    above: float
    below: float


@dataclass
class Layout:
    """Centres of the vertices, and for each edge the bends on its way, from source to target.

    ``turned`` holds the edges that lead back to the left.
    """

    centres: list[tuple[float, float]]
    ways: dict[tuple[int, int], list[tuple[float, float]]]
    turned: set[tuple[int, int]] = field(default_factory=set)
    width: float = 0.0
    height: float = 0.0


def lay_out(
    vertices: list[Vertex], edges: list[tuple[int, int]], gap_x: float, gap_y: float
) -> Layout:
    """Place the vertices; the first edge between two of them decides on their order."""
    own = [edge for edge in dict.fromkeys(edges) if edge[0] != edge[1]]
    turned = _loop_edges(len(vertices), own)
    forward = [(b, a) if (a, b) in turned else (a, b) for a, b in own]
    ranks = _ranks(len(vertices), forward)
    parts = list(vertices)
    chains: dict[tuple[int, int], list[int]] = {}
    links: list[tuple[int, int]] = []
    for edge, (source, target) in zip(own, forward, strict=True):
        chain = [source]
        for rank in range(ranks[source] + 1, ranks[target]):
            parts.append(Vertex(1.0, BEND_HALF_HEIGHT, BEND_HALF_HEIGHT))
            ranks.append(rank)
            chain.append(len(parts) - 1)
        chain.append(target)
        links.extend(pairwise(chain))
        chains[edge] = chain
    layers = _ordered(ranks, links)
    xs, width = _columns(parts, layers, gap_x)
    ys = _aligned(parts, layers, links, gap_y)
    top = min(ys[n] - parts[n].above for n in range(len(parts)))
    ys = [y - top for y in ys]
    centres = [(xs[n], ys[n]) for n in range(len(parts))]
    ways = {}
    for edge, chain in chains.items():
        bends = [centres[n] for n in chain[1:-1]]
        ways[edge] = bends[::-1] if edge in turned else bends
    height = max(ys[n] + parts[n].below for n in range(len(parts)))
    return Layout(centres[: len(vertices)], ways, turned, width, height)


def _loop_edges(size: int, edges: list[tuple[int, int]]) -> set[tuple[int, int]]:
    """The edges that close a loop, as a walk from the sources in order finds them."""
    followers: dict[int, list[int]] = defaultdict(list)
    for source, target in edges:
        followers[source].append(target)
    reached = {target for _, target in edges}
    state = [0] * size
    closing: set[tuple[int, int]] = set()
    for root in [*(n for n in range(size) if n not in reached), *range(size)]:
        if state[root]:
            continue
        state[root] = 1
        path = [(root, iter(followers[root]))]
        while path:
            number, ahead = path[-1]
            for following in ahead:
                if state[following] == 1:
                    closing.add((number, following))
                elif state[following] == 0:
                    state[following] = 1
                    path.append((following, iter(followers[following])))
                    break
            else:
                state[number] = 2
                path.pop()
    return closing


def _ranks(size: int, edges: list[tuple[int, int]]) -> list[int]:
    """The length of the longest way to each vertex; a further source stands by its follower."""
    after: dict[int, list[int]] = defaultdict(list)
    missing = [0] * size
    for source, target in edges:
        after[source].append(target)
        missing[target] += 1
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


def _ordered(ranks: list[int], links: list[tuple[int, int]]) -> list[list[int]]:
    """The vertices of each layer from top to bottom, with few lines that cross."""
    layers: list[list[int]] = [[] for _ in range(max(ranks, default=0) + 1)]
    for number, rank in enumerate(ranks):
        layers[rank].append(number)
    left, right = _neighbours(links)
    best, fewest = [list(layer) for layer in layers], _crossings(layers, links)
    for sweep in range(ORDERINGS):
        neighbours = right if sweep % 2 else left
        for layer in reversed(layers) if sweep % 2 else layers:
            position = {n: at for other in layers for at, n in enumerate(other)}
            means = {n: _mean(n, neighbours[n], position) for n in layer}
            layer.sort(key=means.__getitem__)
        crossings = _crossings(layers, links)
        if crossings < fewest:
            best, fewest = [list(layer) for layer in layers], crossings
    return best


def _mean(number: int, near: list[int], position: dict[int, int]) -> float:
    """The mean position of the neighbours, or its own position if it has none."""
    return sum(position[n] for n in near) / len(near) if near else float(position[number])


def _neighbours(
    links: list[tuple[int, int]],
) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    left: dict[int, list[int]] = defaultdict(list)
    right: dict[int, list[int]] = defaultdict(list)
    for source, target in links:
        left[target].append(source)
        right[source].append(target)
    return left, right


def _crossings(layers: list[list[int]], links: list[tuple[int, int]]) -> int:
    position = {n: at for layer in layers for at, n in enumerate(layer)}
    rank = {n: at for at, layer in enumerate(layers) for n in layer}
    between: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for source, target in links:
        between[rank[source]].append((position[source], position[target]))
    return sum(
        (a - c) * (b - d) < 0
        for pairs in between.values()
        for index, (a, b) in enumerate(pairs)
        for c, d in pairs[:index]
    )


def _columns(
    parts: list[Vertex], layers: list[list[int]], gap_x: float
) -> tuple[list[float], float]:
    xs = [0.0] * len(parts)
    right = 0.0
    for layer in layers:
        half = max(parts[n].half_width for n in layer)
        for number in layer:
            xs[number] = right + half
        right += 2 * half + gap_x
    return xs, right - gap_x


def _aligned(
    parts: list[Vertex], layers: list[list[int]], links: list[tuple[int, int]], gap_y: float
) -> list[float]:
    """Heights at which lines are short, while the order in each layer and the gaps are kept."""
    ys = [0.0] * len(parts)
    for layer in layers:
        bottom = 0.0
        for number in layer:
            ys[number] = bottom + parts[number].above
            bottom += parts[number].above + parts[number].below + gap_y
        for number in layer:
            ys[number] -= bottom / 2
    left, right = _neighbours(links)
    for sweep in range(ALIGNMENTS):
        for layer in reversed(layers) if sweep % 2 else layers:
            wanted = []
            for number in layer:
                near = (right if sweep % 2 else left)[number] or (left[number] + right[number])
                if sweep >= ALIGNMENTS // 2:
                    near = left[number] + right[number]
                wanted.append(sum(ys[n] for n in near) / len(near) if near else ys[number])
            for number, y in zip(layer, _spread(parts, layer, wanted, gap_y), strict=True):
                ys[number] = y
    return ys


def _spread(
    parts: list[Vertex], layer: list[int], wanted: list[float], gap_y: float
) -> list[float]:
    """The heights nearest to the wanted ones that keep the gaps (pool adjacent violators)."""
    offsets = [0.0]
    for upper, lower in pairwise(layer):
        offsets.append(offsets[-1] + parts[upper].below + gap_y + parts[lower].above)
    blocks: list[tuple[float, int]] = []
    for want, offset in zip(wanted, offsets, strict=True):
        total, count = want - offset, 1
        while blocks and blocks[-1][0] / blocks[-1][1] > total / count:
            more, others = blocks.pop()
            total, count = total + more, count + others
        blocks.append((total, count))
    free = [total / count for total, count in blocks for _ in range(count)]
    return [base + offset for base, offset in zip(free, offsets, strict=True)]
