"""Where things stand: apart from each other, and no line in their way."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knhk.pictures import layers, layout
from knhk.pictures.elements import BULGE
from knhk.pictures.layers import Edge, Vertex
from knhk.pictures.layout import Layout, Point, lay_out

from .nets import Box

GAP_X, GAP_Y = 22.0, 14.0
#: How far a line that turns round reaches: three quarters of where its curve is drawn to.
TURN = 0.75 * BULGE


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Vertex], list[Edge]]:
    size = draw(st.integers(1, 14))
    lengths = st.sampled_from([2.0, 10.0, 40.0])
    vertices = [
        Vertex(half := draw(lengths), draw(lengths), draw(lengths), half) for _ in range(size)
    ]
    numbers = st.integers(0, size - 1)
    return vertices, draw(st.lists(st.tuples(numbers, numbers), max_size=24))


def rooms(vertices: list[Vertex], drawn: Layout) -> list[Box]:
    return [
        Box(x - v.half_width, y - v.above, x + v.half_width, y + v.below)
        for v, (x, y) in zip(vertices, drawn.centres, strict=True)
    ]


def reach(way: list[Point]) -> list[Box]:
    """The room of each piece of a line; where it turns round, it bulges to where it came from."""
    boxes = []
    side = 1.0
    for (x1, y1), (x2, y2) in pairwise(way):
        turn = side * TURN if x1 == x2 else 0.0
        side = side if x1 == x2 else x2 - x1
        side /= abs(side)
        xs = (x1, x2, x1 + turn)
        boxes.append(Box(min(xs), min(y1, y2), max(xs), max(y1, y2)))
    return boxes


@given(graphs())
def test_nothing_stands_on_anything_else(graph: tuple[list[Vertex], list[Edge]]) -> None:
    vertices, edges = graph

    drawn = lay_out(vertices, edges, GAP_X, GAP_Y)

    boxes = rooms(vertices, drawn)
    assert [] == [pair for pair in combinations(boxes, 2) if pair[0].meets(pair[1])]
    assert all(box.left >= 0 and box.right <= drawn.width + 1e-6 for box in boxes)
    assert all(box.top >= -1e-6 and box.bottom <= drawn.height + 1e-6 for box in boxes)


@given(graphs())
def test_no_line_crosses_what_it_does_not_lead_to(graph: tuple[list[Vertex], list[Edge]]) -> None:
    vertices, edges = graph

    drawn = lay_out(vertices, edges, GAP_X, GAP_Y)

    boxes = rooms(vertices, drawn)
    for edge, way in drawn.ways.items():
        others = [box for number, box in enumerate(boxes) if number not in edge]
        assert [] == [(edge, p, b) for p in reach(way) for b in others if p.meets(b)]


@given(graphs())
def test_every_edge_gets_a_way_but_those_from_something_to_itself(
    graph: tuple[list[Vertex], list[Edge]],
) -> None:
    vertices, edges = graph

    drawn = lay_out(vertices, edges, GAP_X, GAP_Y)

    assert {edge for edge in edges if edge[0] != edge[1]} == set(drawn.ways)


def test_a_chain_stands_on_one_line() -> None:
    box = Vertex(20, 16, 16, 20)

    drawn = lay_out([box] * 5, [(0, 1), (1, 2), (2, 3), (3, 4)], GAP_X, GAP_Y)

    assert [16.0] * 5 == [y for _, y in drawn.centres]


def test_branches_stand_in_the_order_in_which_they_are_given() -> None:
    box = Vertex(20, 16, 16, 20)
    edges = [(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4)]

    drawn = lay_out([box] * 5, edges, GAP_X, GAP_Y)

    heights = [y for _, y in drawn.centres]
    assert sorted(heights[1:4]) == heights[1:4]
    assert heights[0] == heights[2] == heights[4]


def test_lines_for_which_there_are_no_bends_go_below_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(layers, "BENDS_MAX", 2)
    box = Vertex(20, 16, 16, 20)
    edges = [(0, 1), (1, 2), (2, 3), (3, 4), (0, 2), (0, 4)]

    drawn = lay_out([box] * 5, edges, GAP_X, GAP_Y)

    lowest = {edge: max(y for _, y in way) for edge, way in drawn.ways.items()}
    assert lowest[0, 2] < lowest[0, 4] == drawn.height
    assert max(y + box.below for _, y in drawn.centres) < lowest[0, 4]


def test_nothing_has_no_layout() -> None:
    assert layout.Layout([], {}, 0.0, 0.0) == lay_out([], [], GAP_X, GAP_Y)


def test_a_tangle_of_a_thousand_is_laid_out_with_no_more_bends_than_there_may_be() -> None:
    size = 1000
    box = Vertex(20, 16, 16, 20)
    edges = [(n, n + 1) for n in range(size - 1)]
    edges += [(n, (n * 617 + 91) % size) for n in range(size)]

    drawn = lay_out([box] * size, edges, GAP_X, GAP_Y)

    kept = {edge for edge in edges if edge[0] != edge[1]}
    assert kept == set(drawn.ways)
    # A way has four points of its own, two more for each bend, or two in place of bends.
    assert sum(len(way) - 4 for way in drawn.ways.values()) <= 2 * layers.BENDS_MAX + 2 * len(kept)
