"""Which tasks have certainly completed, so that their results may be used untested.

Forward, a token carries what must have completed for it to be where it is; what has once
completed stays so (a repeated task keeps its old result). An AND-join knows what all its
arrivals know. An XOR-join or a place with several producers knows only what every one of them
knows, and so does an OR-join, which may pass with any of its inputs alone. A partial join that
waits for n arrivals knows what fewer than n of its inputs do not know. Who takes a token from
a place with several followers knows what the token knows.

Backward, a token promises what will have completed when the case has: behind an AND-split
what any branch promises, behind an XOR-split or OR-split what every branch promises. A token
that a partial join takes silently promises what is behind the join, which has passed before;
but if what is behind leads back to the join, that may have been this very token, so it
promises nothing. A token that is cancelled is gone because somebody else went on: it promises
no more than that one does. A task adds itself on its normal arrows, not on those of its
exceptions.

Both are greatest fixed points over sets of tasks, kept as bits of an ``int``: places start
with every task and lose those that some way avoids. What is never reached keeps them all,
so an unreachable node draws no further message. The results are sound for every net, safe
or not; withdrawal from outside is not considered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from knhk.graphs import components
from knhk.model import (
    JOIN_AND,
    JOIN_PARTIAL,
    NODE_ABORT,
    NODE_END,
    NODE_STOP,
    NODE_TASK,
    SPLIT_AND,
)
from knhk_dsl.flow.graph import FlowGraph, GraphNode


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
        swallowing = _swallowing_joins(graph)
        future = _Future(graph, swallowing).solve(order[::-1])
        self._end: Final = _at_end(graph, self._before, future, bool(swallowing))

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
        if node.join == JOIN_PARTIAL:
            return self._known_to_most(node)
        known = self._every
        for place in node.inputs:
            known &= self._places[place]
        return known

    def _known_to_most(self, node: GraphNode) -> int:
        """What fewer inputs than the threshold do not know: any so many arrivals tell it."""
        if not 0 < node.threshold <= len(node.inputs):
            return 0
        needed = len(node.inputs) - node.threshold + 1
        known_to = [self._every] + [0] * needed  # what at least so many inputs know
        for place in node.inputs:
            for count in range(needed, 0, -1):
                known_to[count] |= known_to[count - 1] & self._places[place]
        return known_to[needed]

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

    def __init__(self, graph: FlowGraph, swallowing: AbstractSet[int]) -> None:
        self._graph = graph
        self._swallowing = swallowing
        self._every = _every_task(graph)
        self._places = [self._every for _ in graph.places]
        self._future: list[int] = [self._every] * len(graph.nodes)
        #: Those who cancel a node, by its number.
        self._cancellers: dict[int, list[int]] = {}
        for number, node in enumerate(graph.nodes):
            for task in () if node.cancels is None else node.cancels.tasks:
                self._cancellers.setdefault(task, []).append(number)

    def solve(self, order: Sequence[int]) -> list[int]:
        """What has completed at the end, if a node starts; sweeps as :class:`_Past`."""
        future = self._future
        dirty = bytearray(b"\1" * len(future))
        while any(dirty):
            for number in order:
                if dirty[number]:
                    dirty[number] = 0
                    future[number] = self._promise(number)
                    self._tell(number, future[number], dirty)
        return future

    def _promise(self, number: int) -> int:
        node = self._graph.nodes[number]
        if node.kind == NODE_END:
            return 0
        if node.kind in (NODE_STOP, NODE_ABORT):
            return self._every
        coming = self._coming(number, node)
        for exception in node.exceptions:
            coming &= self._places[exception.place]
        for canceller in self._cancellers.get(number, ()):
            coming &= self._future[canceller]
        return coming

    def _coming(self, number: int, node: GraphNode) -> int:
        """What a node that completes normally promises."""
        if node.cancels_case:
            return self._every
        if node.split == SPLIT_AND:
            coming = 0
            for arrow in node.outputs:
                coming |= self._places[arrow.place]
        else:
            coming = self._every
            for arrow in node.outputs:
                coming &= self._places[arrow.place]
        return coming | 1 << number if node.kind == NODE_TASK else coming

    def _tell(self, number: int, future: int, dirty: bytearray) -> None:
        """Let what leads here know, and what this node cancels."""
        node = self._graph.nodes[number]
        if node.cancels is not None:
            self._lower(node.cancels.places, future, dirty)
            for task in node.cancels.tasks:
                if self._future[task] & ~future:
                    dirty[task] = 1
        self._lower(node.inputs, 0 if number in self._swallowing else future, dirty)

    def _lower(self, places: Iterable[int], future: int, dirty: bytearray) -> None:
        for place in places:
            left = self._places[place] & future
            if left != self._places[place]:
                self._places[place] = left
                for producer in self._graph.places[place].producers:
                    dirty[producer] = 1


def _swallowing_joins(graph: FlowGraph) -> frozenset[int]:
    """Partial joins that may take silently what came from themselves; then nothing goes on."""
    partial = [
        number
        for number, node in enumerate(graph.nodes)
        if node.join == JOIN_PARTIAL and node.cancels is None
    ]
    if not partial:
        return frozenset()
    successors = [_successors(graph, number) for number in range(len(graph.nodes))]
    for number, node in enumerate(graph.nodes):
        # who is cancelled has, in a way, gone on to who cancels
        if node.cancels is not None:
            for place in node.cancels.places:
                for producer in graph.places[place].producers:
                    successors[producer].append(number)
            for task in node.cancels.tasks:
                successors[task].append(number)
    inside: set[int] = set()
    for members in components(range(len(graph.nodes)), successors):
        if len(members) > 1 or members[0] in successors[members[0]]:
            inside.update(members)
    return frozenset(inside.intersection(partial))


def _at_end(graph: FlowGraph, before: Sequence[int], future: Sequence[int], swallows: bool) -> int:
    """What has completed when the case completes: at the last ``end``, or at a ``stop``."""
    first = graph.places[0].consumers[0]
    completed = future[first]
    for number, node in enumerate(graph.nodes):
        if node.kind == NODE_END and not swallows:
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
