"""From the graph on the syntax tree to the nodes and places of a net, and a net in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from knhk.model import (
    EXCEPT_ERROR,
    EXCEPT_NAMES,
    EXCEPT_TIMEOUT,
    JOIN_NAMES,
    NODE_NAMES,
    SPLIT_NAMES,
    SPLIT_XOR,
    Arrow,
    ExceptionArrow,
    Expression,
    Net,
    Node,
    Place,
    Task,
)
from knhk_dsl import ast
from knhk_dsl.flowgraph import FlowGraph, GraphArrow, GraphNode

_EXCEPTIONS: Final = {"error": EXCEPT_ERROR, "timeout": EXCEPT_TIMEOUT}


def lower(
    graph: FlowGraph,
    tasks: Mapping[str, Task],
    expression: Callable[[ast.Expr], Expression],
) -> tuple[tuple[Node, ...], tuple[Place, ...]]:
    """The nodes and places of a net, from a graph that drew no error.

    ``tasks`` holds what each task does, by name; ``expression`` compiles a guard.
    """
    nodes = tuple(_node(node, tasks, expression) for node in graph.nodes)
    places = tuple(
        Place(place.name, place.named, place.tokens, place.producers, place.consumers)
        for place in graph.places
    )
    return nodes, places


def _node(
    node: GraphNode, tasks: Mapping[str, Task], expression: Callable[[ast.Expr], Expression]
) -> Node:
    return Node(
        node.name,
        node.kind,
        node.inputs,
        node.join,
        tuple(_arrow(arrow, expression) for arrow in node.outputs),
        node.split,
        tuple(ExceptionArrow(_EXCEPTIONS[e.kind], e.name, e.place) for e in node.exceptions),
        tasks[node.name] if node.task is not None else None,
        node.span,
    )


def _arrow(arrow: GraphArrow, expression: Callable[[ast.Expr], Expression]) -> Arrow:
    if arrow.guard is None or arrow.otherwise:
        return Arrow(arrow.place)
    return Arrow(arrow.place, expression(arrow.guard))


def describe(net: Net) -> str:
    """A net as plain text, a line for each place, node and arrow, for golden files.

    A join is named where several places lead into a node, a split where several arrows
    leave it.
    """
    return "".join(f"{line}\n" for line in _lines(net))


def _lines(net: Net) -> Iterator[str]:
    yield f"net {net.name}"
    for place in net.places:
        tokens = f" tokens {place.tokens}" if place.tokens else ""
        named = " named" if place.named else ""
        yield f"  place [{place.name}]{named}{tokens}"
    for node in net.nodes:
        yield f"  {NODE_NAMES[node.kind]} {node.name}"
        if node.inputs:
            join = f" {JOIN_NAMES[node.join]}" if len(node.inputs) > 1 else ""
            yield f"    takes{join} {', '.join(f'[{net.places[p].name}]' for p in node.inputs)}"
        if len(node.outputs) > 1:
            yield f"    puts {SPLIT_NAMES[node.split]}"
        for arrow in node.outputs:
            yield f"    {_arrow_line(net, arrow, node.split == SPLIT_XOR)}"
        for exception in node.exceptions:
            kind = f"{EXCEPT_NAMES[exception.kind]} {exception.name}".rstrip()
            yield f"    on {kind} -> [{net.places[exception.place].name}]"


def _arrow_line(net: Net, arrow: Arrow, chosen: bool) -> str:
    place = f"-> [{net.places[arrow.place].name}]"
    if arrow.guard is not None:
        return f"{place} when {arrow.guard.text}"
    return f"{place} otherwise" if chosen else place
