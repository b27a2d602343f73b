"""From the graph on the syntax tree to the nodes and places of a net, and a net in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from knhk.model import (
    EXCEPT_ERROR,
    EXCEPT_MESSAGE,
    EXCEPT_NAMES,
    EXCEPT_SIGNAL,
    EXCEPT_TIMEOUT,
    JOIN_NAMES,
    JOIN_PARTIAL,
    NODE_NAMES,
    SPLIT_AND,
    SPLIT_NAMES,
    Arrow,
    ExceptionArrow,
    Expression,
    Net,
    Node,
    Place,
    Region,
    Task,
)
from knhk_dsl.flow.graph import FlowGraph, GraphArrow, GraphNode
from knhk_dsl.syntax import ast

_EXCEPTIONS: Final = {
    "error": EXCEPT_ERROR,
    "timeout": EXCEPT_TIMEOUT,
    "message": EXCEPT_MESSAGE,
    "signal": EXCEPT_SIGNAL,
}


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
        tuple(
            ExceptionArrow(_EXCEPTIONS[e.kind], e.name, e.place, e.weight) for e in node.exceptions
        ),
        tasks[node.name] if node.task is not None else None,
        node.takes,
        node.threshold,
        node.cancels,
        node.cancels_case,
        node.while_place,
        node.holds,
        node.completes,
        node.word,
        node.span,
    )


def _arrow(arrow: GraphArrow, expression: Callable[[ast.Expr], Expression]) -> Arrow:
    if arrow.guard is None or arrow.otherwise:
        return Arrow(arrow.place, None, arrow.weight)
    return Arrow(arrow.place, expression(arrow.guard), arrow.weight)


def describe(net: Net) -> str:
    """A net as plain text, a line for each place, node and arrow, for golden files.

    A join is named where several places lead into a node, a split where several arrows
    leave it; weights are written as in the source.
    """
    return "".join(f"{line}\n" for line in _lines(net))


def _lines(net: Net) -> Iterator[str]:
    yield f"net {net.name}"
    for mutex in net.mutexes:
        yield f"  mutex {mutex.name}{' named' if mutex.named else ''}"
    for place in net.places:
        tokens = f" tokens {place.tokens}" if place.tokens else ""
        named = " named" if place.named else ""
        yield f"  place [{place.name}]{named}{tokens}"
    for node in net.nodes:
        yield f"  {NODE_NAMES[node.kind]} {node.name}"
        yield from (f"    {line}" for line in _node_lines(net, node))
    for section in net.sections:
        yield f"  section {net.mutexes[section.mutex].name}"
        inside = [net.nodes[number].name for number in section.nodes]
        yield f"    holds while inside {', '.join(_with_places(net, inside, section.places))}"


def _node_lines(net: Net, node: Node) -> Iterator[str]:
    if node.while_place >= 0:
        yield f"while {_places(net, (node.while_place,))}"
    if node.holds:
        yield f"holds {', '.join(net.mutexes[mutex].name for mutex in node.holds)}"
    if node.inputs:
        yield f"takes{_join_words(node)} {_inputs(net, node)}"
    if node.cancels is not None:
        yield f"cancels {_region(net, node.cancels)}"
    if node.cancels_case:
        yield "cancels case"
    if len(node.outputs) > 1:
        yield f"puts {SPLIT_NAMES[node.split]}"
    for arrow in node.outputs:
        yield _arrow_line(net, arrow, node.split != SPLIT_AND)
    for exception in node.exceptions:
        kind = f"{EXCEPT_NAMES[exception.kind]} {exception.name}".rstrip()
        yield f"on {kind} {_head(exception.weight)} {_places(net, (exception.place,))}"
    if node.completes >= 0:
        yield f"completes {net.nodes[node.completes].name}"


def _join_words(node: Node) -> str:
    if node.join == JOIN_PARTIAL:
        return f" {node.threshold} of"
    return f" {JOIN_NAMES[node.join]}" if len(node.inputs) > 1 else ""


def _inputs(net: Net, node: Node) -> str:
    weights = node.takes or (1,) * len(node.inputs)
    return ", ".join(
        _places(net, (place,)) if weight == 1 else f"{weight} from {_places(net, (place,))}"
        for place, weight in zip(node.inputs, weights, strict=True)
    )


def _places(net: Net, places: Iterable[int]) -> str:
    return ", ".join(f"[{net.places[place].name}]" for place in places)


def _region(net: Net, region: Region) -> str:
    names = [net.nodes[number].name for number in (*region.tasks, *region.joins)]
    return ", ".join(_with_places(net, names, region.places)) or "nothing"


def _with_places(net: Net, names: list[str], places: tuple[int, ...]) -> list[str]:
    return [*names, *filter(None, [_places(net, places)])]


def _arrow_line(net: Net, arrow: Arrow, chosen: bool) -> str:
    place = f"{_head(arrow.weight)} {_places(net, (arrow.place,))}"
    if arrow.guard is not None:
        return f"{place} when {arrow.guard.text}"
    return f"{place} otherwise" if chosen else place


def _head(weight: int) -> str:
    return "->" if weight == 1 else f"-[{weight}]->"
