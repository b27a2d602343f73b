"""A token game over a flow graph, written for plainness: what the nets of tests can do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from knhk.model import (
    JOIN_AND,
    NODE_ABORT,
    NODE_END,
    NODE_STOP,
    NODE_TASK,
    SPLIT_AND,
)
from knhk_dsl.flowgraph import FlowGraph

#: A marking: the sorted places of all tokens.
Marking = tuple[int, ...]


class Step(NamedTuple):
    """A node that passes: whether normally, and what is marked then (``None``: it is over)."""

    node: int
    normal: bool
    after: Marking
    over: bool


def beginning(graph: FlowGraph) -> Marking:
    """Where the tokens are at first."""
    return tuple(number for number, place in enumerate(graph.places) if place.tokens)


def steps(graph: FlowGraph, marking: Marking) -> Iterator[Step]:
    """Everything that may happen next; guards are free choices."""
    for number, node in enumerate(graph.nodes):
        for left in _taken(node.inputs, node.join, marking):
            if node.kind in (NODE_STOP, NODE_ABORT):
                yield Step(number, True, left, over=True)
            elif node.kind == NODE_END:
                yield Step(number, True, left, over=False)
            elif node.split == SPLIT_AND:
                after = sorted([*left, *(arrow.place for arrow in node.outputs)])
                yield Step(number, True, tuple(after), over=False)
            else:
                for arrow in node.outputs:
                    yield Step(number, True, tuple(sorted([*left, arrow.place])), over=False)
            for exception in node.exceptions:
                yield Step(number, False, tuple(sorted([*left, exception.place])), over=False)


def _taken(inputs: tuple[int, ...], join: int, marking: Marking) -> Iterator[Marking]:
    """What a join leaves of the tokens, for each way in which it can pass."""
    sets = [inputs] if join == JOIN_AND else [(place,) for place in inputs]
    for wanted in sets:
        left = list(marking)
        try:
            for place in wanted:
                left.remove(place)
        except ValueError:
            continue
        yield tuple(left)


class Run(NamedTuple):
    """All that is reachable: each passing with the tasks completed before, and the ends.

    ``ends`` holds the tasks completed whenever a case completes, by ``stop`` or because no
    token is left. ``complete`` is false if the search was given up.
    """

    passings: dict[int, frozenset[str]]
    ends: frozenset[str] | None
    complete: bool


def explore(graph: FlowGraph, states_max: int = 3000, tokens_max: int = 6) -> Run:
    """Play every run; what is certain is what no run contradicts."""
    first = (beginning(graph), frozenset[str]())
    seen = {first}
    stack = [first]
    passings: dict[int, frozenset[str]] = {}
    ends: frozenset[str] | None = None
    complete = True
    while stack:
        marking, done = stack.pop()
        if not marking:
            ends = done if ends is None else ends & done
        for step in steps(graph, marking):
            node = graph.nodes[step.node]
            passings[step.node] = passings.get(step.node, done) & done
            if step.over:
                if node.kind == NODE_STOP:
                    ends = done if ends is None else ends & done
                continue
            completed = node.kind == NODE_TASK and step.normal
            state = (step.after, done | {node.name} if completed else done)
            if state in seen:
                continue
            if len(seen) >= states_max or len(step.after) > tokens_max:
                complete = False
                continue
            seen.add(state)
            stack.append(state)
    return Run(passings, ends, complete)


def traces(graph: FlowGraph, length: int) -> set[tuple[str, ...]]:
    """Every order in which tasks may complete, up to a length, and ``.`` where a case is over."""
    found: set[tuple[str, ...]] = set()
    first = (beginning(graph), ())
    seen: set[tuple[Marking, tuple[str, ...]]] = {first}
    stack: list[tuple[Marking, tuple[str, ...]]] = [first]
    while stack:
        marking, trace = stack.pop()
        found.add(trace)
        if not marking:
            found.add((*trace, "."))
        if len(trace) == length:
            continue
        for step in steps(graph, marking):
            node = graph.nodes[step.node]
            longer = (*trace, node.name) if node.kind == NODE_TASK else trace
            state = (step.after, longer)
            if state not in seen:
                seen.add(state)
                stack.append(state)
    return found
