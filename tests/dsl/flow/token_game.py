"""A token game over a flow graph, written for plainness: what the nets of tests can do."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

from knhk.model import (
    JOIN_AND,
    JOIN_OR,
    JOIN_PARTIAL,
    NODE_ABORT,
    NODE_END,
    NODE_STOP,
    NODE_TASK,
    SPLIT_AND,
    SPLIT_OR,
    Region,
)
from knhk_dsl.flow.graph import FlowGraph, GraphArrow, GraphNode

#: A marking: the sorted places of all tokens. A branch that a partial join has taken in its
#: round stands there as a negative number, see :func:`_mark`.
Marking = tuple[int, ...]
#: How many markings are looked at for one OR-join; structured nets have fewer.
SEARCH_MAX = 20_000


class Step(NamedTuple):
    """A node that passes: whether normally, and what is marked then (``None``: it is over).

    ``silent``: a partial join has taken a token without passing.
    """

    node: int
    normal: bool
    after: Marking
    over: bool
    silent: bool = False


def beginning(graph: FlowGraph) -> Marking:
    """Where the tokens are at first."""
    return tuple(number for number, place in enumerate(graph.places) if place.tokens)


def steps(graph: FlowGraph, marking: Marking, *, eager: bool = False) -> Iterator[Step]:
    """Everything that may happen next; guards are free choices.

    An OR-join waits for every token that can come to another of its inputs; an ``eager`` one
    never waits, which allows every run there is, and more. Mutexes are left aside: a task
    starts and completes in one step.
    """
    for number, node in enumerate(graph.nodes):
        if node.while_place >= 0 and node.while_place not in marking:
            continue
        if node.join == JOIN_PARTIAL:
            yield from _partial(graph, number, marking)
            continue
        for left in _taken(graph, number, marking, eager):
            yield from _passed(graph, number, left)


def _passed(graph: FlowGraph, number: int, left: Marking) -> Iterator[Step]:
    node = graph.nodes[number]
    if node.kind in (NODE_STOP, NODE_ABORT):
        yield Step(number, True, left, over=True)
        return
    emptied = left if node.cancels is None else _emptied(graph, node.cancels, left)
    if node.kind == NODE_END:
        yield Step(number, True, left, over=False)
    else:
        for chosen in _chosen(node):
            put = [arrow.place for arrow in chosen for _ in range(arrow.weight)]
            yield Step(number, True, tuple(sorted([*emptied, *put])), over=False)
    for exception in node.exceptions:
        after = sorted([*left, *[exception.place] * exception.weight])
        yield Step(number, False, tuple(after), over=False)


def _chosen(node: GraphNode) -> Iterator[tuple[GraphArrow, ...]]:
    """The sets of arrows that a split may choose."""
    if node.split == SPLIT_AND:
        yield node.outputs
    elif node.split == SPLIT_OR:
        for size in range(1, len(node.outputs) + 1):
            yield from combinations(node.outputs, size)
    else:
        yield from ((arrow,) for arrow in node.outputs)


def _taken(graph: FlowGraph, number: int, marking: Marking, eager: bool) -> Iterator[Marking]:
    """What a join leaves of the tokens, for each way in which it can pass."""
    node = graph.nodes[number]
    weights = node.takes or (1,) * len(node.inputs)
    inputs = list(zip(node.inputs, weights, strict=True))
    marked = [(place, weight) for place, weight in inputs if marking.count(place) >= weight]
    if node.join == JOIN_OR and len(inputs) > 1:
        there = {place for place, _ in marked}
        missing = {place for place, _ in inputs} - there
        if marked and (eager or not _may_come(graph, marking, there, missing, number)):
            yield _without(marking, marked)
    elif node.join == JOIN_AND:
        if len(marked) == len(inputs):
            yield _without(marking, marked)
    else:
        yield from (_without(marking, [one]) for one in marked)


def _without(marking: Marking, taken: list[tuple[int, int]]) -> Marking:
    left = list(marking)
    for place, weight in taken:
        for _ in range(weight):
            left.remove(place)
    return tuple(left)


def _may_come(
    graph: FlowGraph, marking: Marking, marked: set[int], missing: set[int], join: int
) -> bool:
    """Whether a token can come to a missing input, while those marked stay, past the join."""
    seen = {marking}
    stack = [marking]
    while stack:
        here = stack.pop()
        if missing.intersection(here) and marked.issubset(here):
            return True
        for step in steps(graph, here, eager=True):
            if step.node == join or step.over or step.after in seen:
                continue
            assert len(seen) < SEARCH_MAX
            seen.add(step.after)
            stack.append(step.after)
    return False


def _mark(graph: FlowGraph, node: int, branch: int) -> int:
    """The number that says that a partial join has taken a branch in this round."""
    return -1 - node * len(graph.places) - graph.nodes[node].inputs[branch]


def _partial(graph: FlowGraph, number: int, marking: Marking) -> Iterator[Step]:
    """A partial join takes what has come, or, when it has passed, one more silently."""
    node = graph.nodes[number]
    marks = [_mark(graph, number, branch) for branch in range(len(node.inputs))]
    arrived = [mark for mark in marks if mark in marking]
    come = [at for at, place in enumerate(node.inputs) if place in marking]
    if not arrived:
        if len(come) < node.threshold:
            return
        left = _without(marking, [(node.inputs[at], 1) for at in come])
        if node.cancels is None and len(come) < len(marks):
            left = tuple(sorted([*left, *(marks[at] for at in come)]))
        yield from _passed(graph, number, left)
        return
    for at in come:
        if marks[at] in marking:
            continue
        left = _without(marking, [(node.inputs[at], 1)])
        if len(arrived) + 1 == len(marks):
            left = tuple(item for item in left if item not in marks)
        else:
            left = tuple(sorted([*left, marks[at]]))
        yield Step(number, True, left, over=False, silent=True)


def _emptied(graph: FlowGraph, region: Region, marking: Marking) -> Marking:
    """What a cancellation leaves; what is offered goes with the tokens it would have taken."""
    left = [item for item in marking if item not in region.places]
    for number in region.tasks:
        for offered in _taken(graph, number, marking, eager=True):
            gone = set(marking) - set(offered) | {
                place for place in set(marking) if marking.count(place) > offered.count(place)
            }
            left = [item for item in left if item not in gone]
    marks = {
        _mark(graph, number, branch)
        for number in region.joins
        for branch in range(len(graph.nodes[number].inputs))
    }
    return tuple(item for item in left if item not in marks)


def _is_over(marking: Marking) -> bool:
    """Whether no token is left; what partial joins remember is none."""
    return all(item < 0 for item in marking)


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
        if _is_over(marking):
            ends = done if ends is None else ends & done
        for step in steps(graph, marking, eager=True):
            node = graph.nodes[step.node]
            if step.silent:
                state = (step.after, done)
                if state not in seen:
                    seen.add(state)
                    stack.append(state)
                continue
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
        if _is_over(marking):
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
