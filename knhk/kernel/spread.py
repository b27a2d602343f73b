"""The part of a net from which tokens can come to an OR-join, as moves over a flat state.

This is the structural restriction of Wynn et al.: only what can reach the join counts. A
*state* is a list of counts: tokens in places, running work of tasks, marks of partial joins.
A :class:`Move` is one way in which tokens may move: the start of a task, its end by one
choice of arrows or by an exception flow, the firing of a routing node. Other OR-joins are
taken as XOR-joins, guards are free choices, and the join itself has no move.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, final

from mypy_extensions import i64

from knhk.kernel.program import OrJoin, Program
from knhk.model import JOIN_AND, JOIN_PARTIAL, NODE_TASK, SPLIT_OR, SPLIT_XOR, Node

#: Sets of arrows of an OR-split are listed for at most so many arrows.
SUBSETS_MAX: Final = 6


@final
class Move:
    """One way in which tokens may move: what it takes, reads, empties and puts.

    Components are numbers of the state: tokens in places, running work of tasks, marks of
    partial joins. ``transition`` is set when a mutex is needed, ``branch`` for an arrival at
    a partial join.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.takes: list[int] = []
        self.taken: list[int] = []
        self.reads: i64 = -1
        self.clears: list[int] = []
        self.drains: list[int] = []
        self.puts: list[int] = []
        self.put_counts: list[int] = []
        self.transition: i64 = -1
        self.partial: i64 = -1
        self.branch: i64 = -1

    def plain(self) -> bool:
        """Whether one token alone can make this move."""
        alone = len(self.takes) == 1 and self.taken[0] == 1
        return alone and not (
            self.reads >= 0
            or self.clears
            or self.drains
            or self.transition >= 0
            or self.partial >= 0
        )


@final
class PartialState:
    """Where the marks of a partial join are in the state."""

    def __init__(self, node: i64, threshold: i64) -> None:
        self.node = node
        self.threshold = threshold
        self.places: list[int] = []
        self.arrived: list[int] = []
        self.passed: i64 = -1


@final
class _Part:
    """The part of a net on which it depends whether a token can come to some places."""

    def __init__(self, program: Program, join: int, makers: list[list[int]]) -> None:
        self.program = program
        self.places: set[int] = set()
        self.nodes: set[int] = set()
        self._join = join
        self._makers = makers
        self._mutexes: set[int] = set()
        self._new_places: list[int] = []
        self._new_nodes: list[int] = []

    def add_places(self, places: Iterable[int]) -> None:
        """These places belong to it."""
        for place in places:
            if place not in self.places:
                self.places.add(place)
                self._new_places.append(place)

    def _add_nodes(self, nodes: Iterable[int]) -> None:
        for node in nodes:
            if node not in self.nodes:
                self.nodes.add(node)
                self._new_nodes.append(node)

    def close(self) -> None:
        """Add whatever what is there depends on, until nothing more is."""
        while self._new_places or self._new_nodes:
            if self._new_places:
                self._add_nodes(self._makers[self._new_places.pop()])
            else:
                number = self._new_nodes.pop()
                if number != self._join:
                    self._add_needs(number)

    def _add_needs(self, number: int) -> None:
        """What decides whether a node may do something, and what it then takes away."""
        program = self.program
        node = program.net.nodes[number]
        self.add_places(node.inputs)
        if node.while_place >= 0:
            self.add_places([node.while_place])
        first = program.first[number]
        for transition in range(first, first + program.count[number]):
            for section in program.enters[transition]:
                self._add_mutex(program.net.sections[section].mutex)
        for mutex in node.holds:
            self._add_mutex(mutex)
        if node.cancels is not None:
            for task in node.cancels.tasks:
                if program.net.nodes[task].join == JOIN_AND:
                    self.add_places(program.net.nodes[task].inputs)

    def _add_mutex(self, mutex: int) -> None:
        """Who may hold a mutex has to come to an end first, or to be cancelled."""
        if mutex in self._mutexes:
            return
        self._mutexes.add(mutex)
        net = self.program.net
        places: set[int] = set()
        inside: set[int] = set()
        for section in net.sections:
            if section.mutex == mutex:
                places.update(section.places)
                inside.update(section.nodes)
        inside.update([number for number, node in enumerate(net.nodes) if mutex in node.holds])
        self.add_places(places)
        self._add_nodes(inside)
        for number, node in enumerate(net.nodes):
            region = node.cancels
            if region is not None and not (
                inside.isdisjoint(region.tasks) and places.isdisjoint(region.places)
            ):
                self._add_nodes([number])


@final
class Spread:
    """How tokens may spread towards one OR-join, and what was found out about it."""

    def __init__(self, program: Program, join: OrJoin) -> None:
        self.program = program
        self.join = join
        self.places: list[int] = []
        self.tasks: list[int] = []
        self.place_at: dict[int, int] = {}
        self.task_at: dict[int, int] = {}
        self.partials: list[PartialState] = []
        self.moves: list[Move] = []
        self.inputs: list[int] = []
        self.weights: list[int] = []
        self.answers: dict[bytes, int] = {}
        self._collect()
        self._make_moves()
        self.may = [self._sources(place, alone=False) for place in self.inputs]
        self.alone = [self._sources(place, alone=True) for place in self.inputs]
        others = [sum(1 << at for at in self.inputs if at != place) for place in self.inputs]
        #: Whether it is enough to look which tokens have a way to an input.
        self.reach = (
            self.may == self.alone
            and all(weight == 1 for weight in self.weights)
            and not any(may & other for may, other in zip(self.may, others, strict=True))
        )
        self._kept = [
            not any(place in move.takes or place in move.clears for move in self.moves)
            for place in self.inputs
        ]
        self._useful: dict[int, list[Move]] = {}

    # --- the part of the net that can reach the join -------------------------------------

    def _collect(self) -> None:
        """The places and nodes from which something can come to the join's inputs."""
        program = self.program
        net = program.net
        makers: list[list[int]] = [[] for _ in net.places]
        for number, node in enumerate(net.nodes):
            for arrow in node.outputs:
                makers[arrow.place].append(number)
            for exception in node.exceptions:
                makers[exception.place].append(number)
        start = program.input_at[self.join.transition]
        width = program.width[self.join.transition]
        own = [int(program.inputs[at]) for at in range(start, start + width)]
        self.weights = [int(program.takes[at]) for at in range(start, start + width)]
        part = _Part(program, self.join.node, makers)
        part.add_places(own)
        part.close()
        self._number(sorted(part.places), sorted(part.nodes), own)

    def _number(self, places: list[int], nodes: list[int], own: list[int]) -> None:
        """Give every place, task and partial join its components of the state."""
        program = self.program
        self.places = places
        for place in places:
            self.place_at[place] = len(self.place_at)
        self.inputs = [self.place_at[place] for place in own]
        size = len(places)
        for number in nodes:
            if program.net.nodes[number].kind == NODE_TASK and not _skips(program, number):
                self.tasks.append(number)
                self.task_at[number] = size
                size += 1
        for number in nodes:
            if program.net.nodes[number].join != JOIN_PARTIAL:
                continue
            partial = PartialState(number, program.threshold[number])
            partial.passed = size
            size += 1
            for place in program.net.nodes[number].inputs:
                partial.places.append(self.place_at[place])
                partial.arrived.append(size)
                size += 1
            self.partials.append(partial)
        self.size = size
        self.nodes = nodes
        self.own_busy: i64 = self.task_at.get(self.join.node, -1)

    # --- moves --------------------------------------------------------------------------

    def _make_moves(self) -> None:
        net = self.program.net
        nodes = [net.nodes[number] for number in self.nodes]
        #: Fewer tokens, or a token in another place, may let more happen.
        self.hindered = bool(net.sections) or any(
            node.cancels is not None and len(node.cancels.tasks) > 0 for node in nodes
        )
        #: Between start and end of a task nothing can be told from outside.
        self.atomic = not (self.hindered or self.partials) and not any(
            node.cancels is not None or node.while_place >= 0 or node.holds for node in nodes
        )
        for number in self.nodes:
            node = net.nodes[number]
            at = self.task_at.get(number, -1)
            if number != self.join.node:
                self._arrivals(number, node, at)
            if at >= 0:
                for move in self._endings(node):
                    move.takes.append(at)
                    move.taken.append(1)
                    self.moves.append(move)
        #: More tokens never hinder anything.
        self.monotone = not (
            self.hindered or self.partials or any(move.transition >= 0 for move in self.moves)
        )

    def _arrivals(self, number: int, node: Node, at: i64) -> None:
        """The moves by which a node takes tokens: starts of a task, firings of the others."""
        program = self.program
        first = program.first[number]
        for transition in range(first, first + program.count[number]):
            begin = program.input_at[transition]
            inputs = range(begin, begin + program.width[transition])
            ways = [[at] for at in inputs]
            if node.join == JOIN_AND:
                ways = [list(inputs)]
            for way in ways:
                endings = [Move(node.name)]
                if at >= 0 and not self.atomic:
                    endings[0].puts.append(at)
                    endings[0].put_counts.append(1)
                else:
                    endings = self._endings(node)
                for move in endings:
                    for input_number in way:
                        place: int = program.inputs[input_number]
                        move.takes.append(self.place_at[place])
                        move.taken.append(program.takes[input_number])
                    if node.while_place >= 0:
                        move.reads = self.place_at[node.while_place]
                    if program.exclusive[transition]:
                        move.transition = transition
                    if node.join == JOIN_PARTIAL:
                        move.partial = self._partial_of(number)
                        move.branch = transition - first
                    self.moves.append(move)

    def _partial_of(self, number: int) -> i64:
        for at, partial in enumerate(self.partials):
            if partial.node == number:
                return at
        raise AssertionError("every partial join of the nodes has a state")

    def _endings(self, node: Node) -> list[Move]:
        """The ways in which a node may put its tokens: a move for each choice of arrows."""
        found: list[Move] = []
        arrows = list(range(len(node.outputs)))
        choices: list[list[int]] = [arrows]
        if node.cancels_case:
            choices = []  # nothing comes after that
        elif node.split == SPLIT_XOR and arrows:
            choices = [[arrow] for arrow in arrows]
        elif node.split == SPLIT_OR and arrows:
            choices = self._or_choices(node)
        for chosen in choices:
            move = Move(node.name)
            for arrow in chosen:
                self._put(move, node.outputs[arrow].place, node.outputs[arrow].weight)
            self._cancel(move, node)
            found.append(move)
        if node.kind == NODE_TASK:
            for exception in node.exceptions:
                move = Move(node.name)
                self._put(move, exception.place, exception.weight)
                found.append(move)
        return found

    def _or_choices(self, node: Node) -> list[list[int]]:
        """The sets of arrows that an OR-split may take; the largest does for the others."""
        guarded = [number for number, arrow in enumerate(node.outputs) if arrow.guard is not None]
        others = [[number] for number, arrow in enumerate(node.outputs) if arrow.guard is None]
        if not self.hindered or len(guarded) > SUBSETS_MAX:
            return [guarded, *others] if guarded else others
        subsets: list[list[int]] = [[]]
        for number in guarded:
            subsets = subsets + [[*subset, number] for subset in subsets]
        return [subset for subset in subsets if subset] + others

    def _put(self, move: Move, place: int, count: int) -> None:
        at = self.place_at.get(place, -1)
        if at >= 0:
            move.puts.append(at)
            move.put_counts.append(count)

    def _cancel(self, move: Move, node: Node) -> None:
        region = node.cancels
        if region is None:
            return
        for task in region.tasks:
            if task in self.task_at:
                move.clears.append(self.task_at[task])
            move.drains.append(task)
        for place in region.places:
            if place in self.place_at:
                move.clears.append(self.place_at[place])
        for join in region.joins:
            for partial in self.partials:
                if partial.node == join:
                    move.clears.append(int(partial.passed))
                    move.clears.extend(partial.arrived)

    def _sources(self, target: int, alone: bool) -> int:
        """The components from which a token can come to a place, as bits; ``alone`` by itself."""
        found = 1 << target
        grows = True
        while grows:
            grows = False
            for move in self.moves:
                if alone and not move.plain():
                    continue
                if not any((found >> at) & 1 for at in move.puts):
                    continue
                needs = move.takes if move.reads < 0 else [*move.takes, int(move.reads)]
                for at in needs:
                    if not (found >> at) & 1:
                        found |= 1 << at
                        grows = True
        return found

    def useful(self, marked: list[int]) -> list[Move]:
        """The moves that can help to mark one more input than those marked.

        Those that only lead to an input that is marked, and cannot lose its token, do not.
        """
        if not self.monotone:
            return self.moves
        wanted = 0
        for number in range(len(self.inputs)):
            if number not in marked or not self._kept[number]:
                wanted |= self.may[number]
        moves = self._useful.get(wanted)
        if moves is None:
            moves = [move for move in self.moves if any((wanted >> at) & 1 for at in move.puts)]
            self._useful[wanted] = moves
        return moves


def _skips(program: Program, node: int) -> bool:
    """Whether a task passes by itself."""
    first = program.first[node]
    return program.count[node] > 0 and bool(program.routes[first])
