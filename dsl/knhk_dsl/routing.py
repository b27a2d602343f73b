"""From the draft to the net: parting and meeting nodes go where a neighbour can do it.

A node does the parting of a group itself if the group is all that stands behind it, and the
meeting if the group is all that stands before it. Where arrivals pass one by one on both
sides, the meeting node is not needed either. What is left over stays as a routing node: a
group beside a place, first or last in a branch, or one arrival among others.
"""

from __future__ import annotations

from typing import Final

from knhk.model import (
    JOIN_AND,
    JOIN_XOR,
    NODE_ABORT,
    NODE_END,
    NODE_ROUTE,
    NODE_STOP,
    NODE_TASK,
    SPLIT_AND,
)
from knhk_dsl.draft import FINAL_ROLES, Draft, DraftArc, DraftNode, Role
from knhk_dsl.flowgraph import FlowGraph, GraphArrow, GraphException, GraphNode, GraphPlace

_KINDS: Final = {
    Role.task: NODE_TASK,
    Role.end: NODE_END,
    Role.stop: NODE_STOP,
    Role.abort: NODE_ABORT,
}
#: Nodes that can part by themselves.
_PARTING: Final = frozenset({Role.task, Role.start, Role.skip, Role.join, Role.enter})


def assemble(draft: Draft) -> FlowGraph:
    """Make the net of a draft that has a ``start`` (its first place)."""
    merged = _Merging(draft)
    return _Assembly(draft, merged).graph()


class _Merging:
    """Which nodes of the draft are done by another one."""

    def __init__(self, draft: Draft) -> None:
        self._into: dict[int, DraftNode] = {}
        for node in draft.nodes:
            if node.role is Role.split:
                self._merge_split(node)
        for node in draft.nodes:
            if node.role is Role.join:
                self._merge_join(node)

    def gone(self, node: DraftNode) -> bool:
        """Whether another node does what this one stood for."""
        return node.index in self._into

    def survivor(self, node: DraftNode) -> DraftNode:
        """The node that does what ``node`` stood for."""
        while node.index in self._into:
            node = self._into[node.index]
        return node

    def _merge_split(self, split: DraftNode) -> None:
        """Let the node before a group part by itself."""
        arc = split.into[0] if len(split.into) == 1 else None
        if arc is None or arc.exception is not None:
            return
        before = arc.source
        if before.role not in _PARTING or before.split is not None or len(before.out) != 1:
            return
        before.split = split.split
        if before.role is Role.join:
            before.name, before.span = split.name, split.span
        self._into[split.index] = before
        arc.merged = True

    def _merge_join(self, join: DraftNode) -> None:
        """Let the node behind a group join by itself."""
        if join.split is not None or len(join.out) != 1:
            return
        arc = join.out[0]
        behind = arc.target
        if behind.role is Role.place:
            return
        if join.join == JOIN_AND:
            alone = len(behind.into) == 1 and behind.join is None
            if not alone or behind.role in FINAL_ROLES:
                return
            behind.join = JOIN_AND
        elif behind.join == JOIN_AND:
            return
        self._into[join.index] = behind
        arc.merged = True


class _Assembly:
    """Numbers nodes and places, and joins them up."""

    def __init__(self, draft: Draft, merged: _Merging) -> None:
        self._merged = merged
        self._draft = draft
        nodes = [n for n in draft.nodes if n.role is not Role.place and not merged.gone(n)]
        nodes.sort(key=lambda node: node.role is not Role.task)
        self._nodes = nodes
        self._numbers = {node.index: number for number, node in enumerate(nodes)}
        self._inputs: list[list[int]] = [[] for _ in nodes]
        self._outputs: list[list[GraphArrow]] = [[] for _ in nodes]
        self._rest: list[list[GraphArrow]] = [[] for _ in nodes]
        self._exceptions: list[list[GraphException]] = [[] for _ in nodes]
        self._places: list[tuple[str, bool]] = []
        self._producers: list[list[int]] = []
        self._consumers: list[list[int]] = []
        self._taken: set[tuple[int, int]] = set()
        self._put: set[tuple[int, int]] = set()
        self._named: dict[int, int] = {}
        self._name_counts: dict[str, int] = {}

    def graph(self) -> FlowGraph:
        """Put it all together."""
        start = next(node for node in self._nodes if node.role is Role.start)
        self._consume(self._place("start", named=False), self._numbers[start.index])
        for node in self._draft.nodes:
            if node.role is Role.place:
                self._named[node.index] = self._place(node.name, named=True)
        for arc in self._draft.arcs:
            if not arc.merged:
                self._arc(arc)
        return FlowGraph(
            tuple(self._node(number) for number in range(len(self._nodes))),
            tuple(
                GraphPlace(
                    name,
                    named,
                    int(number == 0),
                    tuple(self._producers[number]),
                    tuple(self._consumers[number]),
                )
                for number, (name, named) in enumerate(self._places)
            ),
        )

    def _node(self, number: int) -> GraphNode:
        node = self._nodes[number]
        return GraphNode(
            node.name,
            _KINDS.get(node.role, NODE_ROUTE),
            node.span,
            tuple(self._inputs[number]),
            JOIN_XOR if node.join is None else node.join,
            (*self._outputs[number], *self._rest[number]),
            SPLIT_AND if node.split is None else node.split,
            tuple(self._exceptions[number]),
            node.task,
        )

    def _place(self, name: str, named: bool) -> int:
        self._places.append((name, named))
        self._producers.append([])
        self._consumers.append([])
        return len(self._places) - 1

    def _consume(self, place: int, node: int) -> None:
        if (place, node) not in self._taken:
            self._taken.add((place, node))
            self._consumers[place].append(node)
            self._inputs[node].append(place)

    def _arc(self, arc: DraftArc) -> None:
        """An arrow from or to a place is an arc; between two nodes it has one of its own."""
        source, target = self._merged.survivor(arc.source), self._merged.survivor(arc.target)
        if source.role is Role.place:
            self._consume(self._named[source.index], self._numbers[target.index])
            return
        if target.role is Role.place:
            place = self._named[target.index]
        else:
            place = self._place(self._name(source, target), named=False)
            self._consume(place, self._numbers[target.index])
        self._produce(arc, self._numbers[source.index], place)

    def _produce(self, arc: DraftArc, node: int, place: int) -> None:
        if (place, node) not in self._put:
            self._put.add((place, node))
            self._producers[place].append(node)
        if arc.exception is not None:
            exception = GraphException(arc.exception.kind, arc.exception.name, place)
            self._exceptions[node].append(exception)
            return
        # `otherwise` may be written anywhere, and is tried last
        arrows = self._rest if arc.otherwise else self._outputs
        arrows[node].append(GraphArrow(place, arc.guard, arc.otherwise or arc.certain))

    def _name(self, source: DraftNode, target: DraftNode) -> str:
        name = f"{source.name} -> {target.name}"
        count = self._name_counts[name] = self._name_counts.get(name, 0) + 1
        return name if count == 1 else f"{name} #{count}"
