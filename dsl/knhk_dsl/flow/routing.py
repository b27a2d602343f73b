"""From the draft to the net: parting and meeting nodes go where a neighbour can do it.

A node does the parting of a group itself if the group is all that stands behind it, and the
meeting if the group is all that stands before it. Where arrivals pass one by one on both
sides, the meeting node is not needed either. What is left over stays as a routing node: a
group beside a place, first or last in a branch, or one arrival among others.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from knhk.model import (
    JOIN_PARTIAL,
    JOIN_XOR,
    NODE_ABORT,
    NODE_END,
    NODE_ROUTE,
    NODE_STOP,
    NODE_TASK,
    SPLIT_AND,
    Mutex,
    Region,
    Section,
)
from knhk_dsl.flow.draft import FINAL_ROLES, Draft, DraftArc, DraftNode, Inside, Role
from knhk_dsl.flow.graph import FlowGraph, GraphArrow, GraphException, GraphNode, GraphPlace
from knhk_dsl.syntax import ast

_KINDS: Final = {
    Role.task: NODE_TASK,
    Role.end: NODE_END,
    Role.stop: NODE_STOP,
    Role.abort: NODE_ABORT,
}
#: Nodes that can part by themselves.
_PARTING: Final = frozenset({Role.task, Role.start, Role.skip, Role.join, Role.passing})


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
        if arc is None or arc.exception is not None or _is_weighted(arc):
            return
        before = arc.source
        if before.role not in _PARTING or before.split is not None or len(before.out) != 1:
            return
        before.split = split.split
        if before.role is Role.join and before.join != JOIN_PARTIAL:
            before.name, before.span = split.name, split.span
            if before.join == JOIN_XOR:
                before.word = split.word
        self._into[split.index] = before
        arc.merged = True

    def _merge_join(self, join: DraftNode) -> None:
        """Let the node behind a group join by itself.

        A partial join passes at the arrival itself, so it stays; and what waits at the end of
        a critical section waits inside it.
        """
        if join.split is not None or join.join == JOIN_PARTIAL or len(join.out) != 1:
            return
        arc = join.out[0]
        behind = arc.target
        if behind.is_place or _is_weighted(arc) or not set(join.sections) <= set(behind.sections):
            return
        if join.join == JOIN_XOR:
            if behind.join not in (None, JOIN_XOR):
                return
        else:
            alone = len(behind.into) == 1 and behind.join is None
            if not alone or behind.role in FINAL_ROLES:
                return
            behind.join = join.join
        self._into[join.index] = behind
        arc.merged = True


def _is_weighted(arc: DraftArc) -> bool:
    return arc.puts != 1 or arc.takes != 1


class _Assembly:
    """Numbers nodes and places, and joins them up."""

    def __init__(self, draft: Draft, merged: _Merging) -> None:
        self._merged = merged
        self._draft = draft
        nodes = [n for n in draft.nodes if not n.is_place and not merged.gone(n)]
        nodes.sort(key=lambda node: node.role is not Role.task)
        self._nodes = nodes
        self._numbers = {node.index: number for number, node in enumerate(nodes)}
        self._inputs: list[list[int]] = [[] for _ in nodes]
        self._takes: list[list[int]] = [[] for _ in nodes]
        self._outputs: list[list[GraphArrow]] = [[] for _ in nodes]
        self._rest: list[list[GraphArrow]] = [[] for _ in nodes]
        self._exceptions: list[list[GraphException]] = [[] for _ in nodes]
        self._places: list[tuple[str, bool]] = []
        self._producers: list[list[int]] = []
        self._consumers: list[list[int]] = []
        self._taken: set[tuple[int, int, int]] = set()
        self._put: set[tuple[int, int]] = set()
        self._kept: dict[int, int] = {}  # places of the draft, by index
        self._own: dict[DraftArc, int] = {}  # places that arcs have for themselves
        self._name_counts: dict[str, int] = {}
        self._task_numbers = {n.name: at for at, n in enumerate(nodes) if n.role is Role.task}
        self._place_numbers: dict[str, int] = {}

    def graph(self) -> FlowGraph:
        """Put it all together."""
        start = next(node for node in self._nodes if node.role is Role.start)
        self._consume(self._place("start", named=False), self._numbers[start.index])
        for node in self._draft.nodes:
            if node.role is Role.place:
                number = self._place(node.name, named=True)
                self._kept[node.index] = self._place_numbers[node.name] = number
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
            tuple(Mutex(mutex.name, mutex.named) for mutex in self._draft.mutexes),
            tuple(
                Section(
                    each.mutex, self._nodes_inside(each.inside), self._places_inside(each.inside)
                )
                for each in self._draft.sections
            ),
        )

    def _node(self, number: int) -> GraphNode:
        node = self._nodes[number]
        weights = self._takes[number]
        lines = () if node.task is None else node.task.attributes
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
            tuple(weights) if any(weight != 1 for weight in weights) else (),
            node.threshold,
            self._region(node.region) if node.region is not None else self._cancels(lines),
            any(isinstance(line, ast.CancelsLine) and not line.names for line in lines),
            self._while_place(lines),
            (*self._holds(lines, node.holds),),
            self._completes(lines),
            node.word,
        )

    # --- what attribute lines and groups name -------------------------------------------

    def _cancels(self, lines: Iterable[ast.TaskAttribute]) -> Region | None:
        named = [line.names for line in lines if isinstance(line, ast.CancelsLine) and line.names]
        if not named:
            return None
        names = dict.fromkeys(declared.name for names in named for declared in names)
        tasks = [self._task_numbers[name] for name in names if name in self._task_numbers]
        places = [self._place_numbers[name] for name in names if name in self._place_numbers]
        return Region(tuple(tasks), tuple(places))

    def _while_place(self, lines: Iterable[ast.TaskAttribute]) -> int:
        names = [line.place.name for line in lines if isinstance(line, ast.WhileLine)]
        return next((self._place_numbers[n] for n in names if n in self._place_numbers), -1)

    def _holds(self, lines: Iterable[ast.TaskAttribute], more: Iterable[int]) -> list[int]:
        numbers = {mutex.name: at for at, mutex in enumerate(self._draft.mutexes) if mutex.named}
        names = [line.mutex.name for line in lines if isinstance(line, ast.HoldsLine)]
        return list(dict.fromkeys([*(numbers[n] for n in names if n in numbers), *more]))

    def _completes(self, lines: Iterable[ast.TaskAttribute]) -> int:
        names = [line.name.name for line in lines if isinstance(line, ast.CompletesLine)]
        return next((self._task_numbers[n] for n in names if n in self._task_numbers), -1)

    def _region(self, inside: Inside) -> Region:
        """What a cancelling group empties: its tasks, places, arrows and inner partial joins.

        A task before the group is not in it, though the group's split was merged into it.
        """
        numbers = self._nodes_inside(inside)
        tasks = [node.index for node in inside.nodes.values() if node.role is Role.task]
        return Region(
            tuple(sorted(self._numbers[index] for index in tasks)),
            self._places_inside(inside),
            tuple(
                n
                for n in numbers
                if self._nodes[n].join == JOIN_PARTIAL and self._nodes[n].region is not inside
            ),
        )

    def _nodes_inside(self, inside: Inside) -> tuple[int, ...]:
        found = {
            self._numbers[self._merged.survivor(node).index]
            for node in inside.nodes.values()
            if not node.is_place
        }
        return tuple(sorted(found))

    def _places_inside(self, inside: Inside) -> tuple[int, ...]:
        found = {self._kept[n.index] for n in inside.nodes.values() if n.index in self._kept}
        found.update(self._own[arc] for arc in inside.arcs if arc in self._own)
        return tuple(sorted(found))

    # --- places and arcs ----------------------------------------------------------------

    def _place(self, name: str, named: bool) -> int:
        self._places.append((name, named))
        self._producers.append([])
        self._consumers.append([])
        return len(self._places) - 1

    def _consume(self, place: int, node: int, takes: int = 1) -> None:
        if (place, node, takes) in self._taken:
            return
        self._taken.add((place, node, takes))
        self._inputs[node].append(place)
        self._takes[node].append(takes)
        if node not in self._consumers[place]:
            self._consumers[place].append(node)

    def _arc(self, arc: DraftArc) -> None:
        """An arrow from or to a place is an arc; between two nodes it has one of its own."""
        source, target = self._merged.survivor(arc.source), self._merged.survivor(arc.target)
        if source.is_place:
            self._consume(self._kept_place(source), self._numbers[target.index], arc.takes)
            return
        if target.role is Role.choice:
            place = self._kept_place(target, source)
        elif target.is_place:
            place = self._kept_place(target)
        else:
            place = self._own[arc] = self._place(self._name(source, target), named=False)
            self._consume(place, self._numbers[target.index], arc.takes)
        self._produce(arc, self._numbers[source.index], place)

    def _kept_place(self, node: DraftNode, source: DraftNode | None = None) -> int:
        """The place that a place of the draft has become; that of a choice as it is met."""
        if node.index not in self._kept:
            name = node.name if source is None else self._name(source, node)
            self._kept[node.index] = self._place(name, named=False)
        return self._kept[node.index]

    def _produce(self, arc: DraftArc, node: int, place: int) -> None:
        if (place, node) not in self._put:
            self._put.add((place, node))
            self._producers[place].append(node)
        if arc.exception is not None:
            exception = GraphException(arc.exception.kind, arc.exception.name, place, arc.puts)
            self._exceptions[node].append(exception)
            return
        # `otherwise` may be written anywhere, and is tried last
        arrows = self._rest if arc.otherwise else self._outputs
        arrow = GraphArrow(place, arc.guard, arc.otherwise or arc.certain, arc.puts)
        arrows[node].append(arrow)

    def _name(self, source: DraftNode, target: DraftNode) -> str:
        name = f"{source.name} -> {target.name}"
        count = self._name_counts[name] = self._name_counts.get(name, 0) + 1
        return name if count == 1 else f"{name} #{count}"
