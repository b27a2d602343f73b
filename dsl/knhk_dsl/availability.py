"""Which tasks have certainly completed, so that their results may be used untested.

Forward, a token carries what must have completed for it to be where it is; what has once
completed stays so (a repeated task keeps its old result). An AND-join knows what all its
arrivals know, an XOR-join or a place with several producers only what every one of them
knows. Backward, a token promises what must still complete before it is gone: behind an
AND-split what any branch promises, behind an XOR-split what every branch promises. A task
adds itself on its normal arrows, not on those of its exceptions.

Both are greatest fixed points over sets of tasks, kept as bits of an ``int``: places start
with every task and lose those that some way avoids. What is never reached keeps them all,
so an unreachable node draws no further message. The results are sound for every net, safe
or not; withdrawal from outside is not considered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from knhk.model import JOIN_AND, NODE_ABORT, NODE_END, NODE_STOP, NODE_TASK, SPLIT_AND
from knhk_dsl.flowgraph import FlowGraph, GraphNode


class TaskSet(AbstractSet[str]):
    """A set of task names that costs no more than the bits it is kept in."""

    __slots__ = ("_bits", "_numbers")

    def __init__(self, numbers: Mapping[str, int], bits: int) -> None:
        self._numbers = numbers
        self._bits = bits

    def __contains__(self, name: object) -> bool:
        number = self._numbers.get(name) if isinstance(name, str) else None
        return number is not None and bool(self._bits >> number & 1)

    def __iter__(self) -> Iterator[str]:
        return (name for name, number in self._numbers.items() if self._bits >> number & 1)

    def __len__(self) -> int:
        return self._bits.bit_count()

    def __repr__(self) -> str:
        return f"TaskSet({{{', '.join(self)}}})"

    @classmethod
    def _from_iterable(cls, it: object) -> frozenset[str]:  # type: ignore[override]
        """Set operations give plain sets: the bits belong to one net."""
        return frozenset(it)  # type: ignore[call-overload, no-any-return]


class Availability:
    """What has certainly completed before and after each node, and at the end.

    Nodes are named as in the graph. ``before`` holds for a task's arguments, ``after`` for
    what it ``sets`` and for the guards behind it; both are the same for a routing node.
    """

    def __init__(self, graph: FlowGraph) -> None:
        self._names: Final = {n.name: i for i, n in enumerate(graph.nodes)}
        self._tasks: Final = {n.name: i for i, n in enumerate(graph.nodes) if n.kind == NODE_TASK}
        order = _reverse_post_order(graph)
        self._before: Final = _Past(graph).solve(order)
        future = _Future(graph).solve(order[::-1])
        self._end: Final = _at_end(graph, self._before, future)

    def before(self, node: str) -> TaskSet:
        """What has completed whenever the node starts (or passes)."""
        return TaskSet(self._tasks, self._before[self._names[node]])

    def after(self, node: str) -> TaskSet:
        """What has completed whenever the node has completed normally."""
        number = self._names[node]
        own = 1 << number if node in self._tasks else 0
        return TaskSet(self._tasks, self._before[number] | own)

    @property
    def at_end(self) -> TaskSet:
        """What has completed whenever the case completes."""
        return TaskSet(self._tasks, self._end)


def _every_task(graph: FlowGraph) -> int:
    return (1 << sum(node.kind == NODE_TASK for node in graph.nodes)) - 1


class _Past:
    """What tokens carry, forward."""

    def __init__(self, graph: FlowGraph) -> None:
        self._graph = graph
        self._every = _every_task(graph)
        self._places = [0 if place.tokens else self._every for place in graph.places]

    def solve(self, order: Sequence[int]) -> list[int]:
        """What has completed before each node; sweeps in ``order`` until nothing changes."""
        before = [self._every] * len(self._graph.nodes)
        dirty = bytearray(b"\1" * len(before))
        while any(dirty):
            for number in order:
                if dirty[number]:
                    dirty[number] = 0
                    before[number] = self._arrive(self._graph.nodes[number])
                    self._leave(number, before[number], dirty)
        return before

    def _arrive(self, node: GraphNode) -> int:
        if node.join == JOIN_AND:
            known = 0
            for place in node.inputs:
                known |= self._places[place]
            return known
        known = self._every
        for place in node.inputs:
            known &= self._places[place]
        return known

    def _leave(self, number: int, before: int, dirty: bytearray) -> None:
        node = self._graph.nodes[number]
        after = before | 1 << number if node.kind == NODE_TASK else before
        for arrow in node.outputs:
            self._put(arrow.place, after, dirty)
        for exception in node.exceptions:
            self._put(exception.place, before, dirty)

    def _put(self, place: int, known: int, dirty: bytearray) -> None:
        left = self._places[place] & known
        if left != self._places[place]:
            self._places[place] = left
            for consumer in self._graph.places[place].consumers:
                dirty[consumer] = 1


class _Future:
    """What tokens promise, backward, in runs that complete without a ``stop``."""

    def __init__(self, graph: FlowGraph) -> None:
        self._graph = graph
        self._every = _every_task(graph)
        self._places = [self._every for _ in graph.places]

    def solve(self, order: Sequence[int]) -> list[int]:
        """What completes from the start of each node on; sweeps as :class:`_Past`."""
        future = [self._every] * len(self._graph.nodes)
        dirty = bytearray(b"\1" * len(future))
        while any(dirty):
            for number in order:
                if dirty[number]:
                    dirty[number] = 0
                    future[number] = self._promise(number)
                    self._tell(self._graph.nodes[number], future[number], dirty)
        return future

    def _promise(self, number: int) -> int:
        node = self._graph.nodes[number]
        if node.kind == NODE_END:
            return 0
        if node.kind in (NODE_STOP, NODE_ABORT):
            return self._every
        if node.split == SPLIT_AND:
            coming = 0
            for arrow in node.outputs:
                coming |= self._places[arrow.place]
        else:
            coming = self._every
            for arrow in node.outputs:
                coming &= self._places[arrow.place]
        if node.kind == NODE_TASK:
            coming |= 1 << number
        for exception in node.exceptions:
            coming &= self._places[exception.place]
        return coming

    def _tell(self, node: GraphNode, future: int, dirty: bytearray) -> None:
        for place in node.inputs:
            left = self._places[place] & future
            if left != self._places[place]:
                self._places[place] = left
                for producer in self._graph.places[place].producers:
                    dirty[producer] = 1


def _at_end(graph: FlowGraph, before: Sequence[int], future: Sequence[int]) -> int:
    """What has completed when the case completes: at the last ``end``, or at a ``stop``."""
    first = graph.places[0].consumers[0]
    completed = future[first]
    for number, node in enumerate(graph.nodes):
        if node.kind == NODE_END:
            # a case that completes without `stop` has passed `end` at least once
            completed |= before[number]
    for number, node in enumerate(graph.nodes):
        if node.kind == NODE_STOP:
            completed &= before[number]
    return completed


def _reverse_post_order(graph: FlowGraph) -> list[int]:
    """Nodes before those behind them, but for loops; those never reached come last."""
    seen = bytearray(len(graph.nodes))
    done: list[int] = []
    roots = [*graph.places[0].consumers, *range(len(graph.nodes))]
    orders: list[int] = []
    for root in roots:
        if seen[root]:
            continue
        seen[root] = 1
        stack = [(root, iter(_successors(graph, root)))]
        done = []
        while stack:
            node, targets = stack[-1]
            target = next((t for t in targets if not seen[t]), None)
            if target is None:
                stack.pop()
                done.append(node)
            else:
                seen[target] = 1
                stack.append((target, iter(_successors(graph, target))))
        orders.extend(reversed(done))
    return orders


def _successors(graph: FlowGraph, number: int) -> list[int]:
    node = graph.nodes[number]
    places = [arrow.place for arrow in node.outputs]
    places += [exception.place for exception in node.exceptions]
    return [consumer for place in places for consumer in graph.places[place].consumers]
