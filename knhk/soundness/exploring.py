"""All states that can be reached, by breadth: what follows from each, and how it was come to.

A state is *stable*: nothing in it passes by itself. State number 0 stands for every end of the
case. A step is something that the environment does, and all the routing that follows from it;
where routing has a choice, a step leads to several states.
"""

from __future__ import annotations

from typing import Final, final

from librt.vecs import append, vec
from mypy_extensions import i64

from knhk.soundness.packing import Packing, Store, filled
from knhk.soundness.rules import ROUTES_MAX, Rules

#: The state in which the case is over.
OVER: Final = 0
#: Something that has not happened.
NEVER: Final = -1
NOBODY: Final[frozenset[int]] = frozenset()
#: How many pairs of states are kept of which one covers the other.
COVERS_MAX: Final = 200


@final
class Exploration:
    """The states that can be reached, and the steps between them.

    ``parent`` and ``way`` tell for each state from which one it was reached first, and by
    which way of a transition (-1: at the beginning). The followers of state ``n`` stand in
    ``targets`` from ``edge_at[n]`` on. ``overflow``: a field was too narrow. ``endless``:
    routing does not come to rest. ``covers`` holds states that hold all tokens of one on the
    way to them, and more. The nodes in ``without`` never complete.

    ``first`` is for each transition the first state in which it may happen, or in which the
    step begins on which it passes, and ``first_way`` the way of that step; ``over_at`` and
    ``over_way`` are the same for the end of the case.
    """

    def __init__(self, rules: Rules, packing: Packing, without: frozenset[int] = NOBODY) -> None:
        self.rules = rules
        self.packing = packing
        self.store = Store(packing.width)
        self.parent: vec[i64] = vec[i64]()
        self.way: vec[i64] = vec[i64]()
        self.edge_at: vec[i64] = vec[i64]()
        self.targets: vec[i64] = vec[i64]()
        self.first: vec[i64] = filled(len(rules.moves.transitions), NEVER)
        self.first_way: vec[i64] = filled(len(rules.moves.transitions), NEVER)
        self.over_at: i64 = NEVER
        self.over_way: i64 = NEVER
        self.expanded: i64 = 0
        self.overflow = not packing.fits
        self.endless = False
        self.covers: list[tuple[int, int]] = []
        self._width: i64 = packing.width
        self._routes: i64 = len(rules.moves.routes)
        self._plain_routes = True
        for route in rules.moves.routes:
            if route.special() or route.forbids:
                self._plain_routes = False
        self._ways_at: vec[i64] = vec[i64]()
        for transition in rules.moves.transitions:
            self._ways_at = append(self._ways_at, transition.ways[0].number)
        self._ways_at = append(self._ways_at, len(rules.moves.ways))
        self._ends: vec[i64] = vec[i64]()
        for way in rules.moves.ways:
            self._ends = append(self._ends, int(way.ends))
        self._barred: vec[i64] = filled(len(rules.moves.ways), 0)
        for transition in rules.moves.transitions:
            for way in transition.ways:
                if transition.node in without and not way.event:
                    self._barred[way.number] = 1
        self._stack: vec[i64] = filled(self._width * 64, 0)
        self._stack_size: i64 = 0
        self._here: vec[i64] = filled(self._width, 0)
        self.store.add(self._here, 0)
        self._note(-1, -1)
        if not self.overflow:
            self._push(packing.pack(rules.moves.start), 0)
            self._settle(-1, -1)
        self.expanded = 1
        self.edge_at = append(self.edge_at, 0)

    def counts(self, number: i64) -> list[int]:
        """The counts of a state."""
        return self.packing.unpack(self.store.words, number * self._width)

    def finished(self) -> bool:
        """Whether every state that was found has been looked at."""
        return self.expanded >= self.store.count

    def go_on(self, steps: int) -> None:
        """Look at so many further states."""
        left: i64 = steps
        while left > 0 and self.expanded < self.store.count:
            if self.overflow or self.endless:
                return
            self._expand(self.expanded)
            self.expanded += 1
            left -= 1

    # --- one state ------------------------------------------------------------------------------

    def _expand(self, number: i64) -> None:
        self.edge_at = append(self.edge_at, len(self.targets))
        packing = self.packing
        transitions: i64 = len(self._ways_at) - 1
        base = number * self._width
        transition = packing.next_enabled(self.store.words, base, self._routes, transitions)
        while transition < transitions:
            if packing.special[transition]:
                self._special(number, transition)
            else:
                if self.first[transition] < 0:
                    self.first[transition] = number
                way = self._ways_at[transition]
                while way < self._ways_at[transition + 1]:
                    if self._barred[way]:
                        pass
                    elif self._ends[way]:
                        self._finish(number, way)
                    else:
                        self._push_after(self.store.words, base, transition, way)
                        self._settle(number, way)
                    way += 1
            transition = packing.next_enabled(self.store.words, base, transition + 1, transitions)

    def _special(self, number: i64, transition: i64) -> None:
        rules = self.rules
        chosen = rules.moves.transitions[transition]
        counts = self.counts(number)
        if not rules.enabled(chosen, counts):
            return
        if self.first[transition] < 0:
            self.first[transition] = number
        for way in chosen.ways:
            if self._barred[way.number]:
                continue
            if way.ends:
                self._finish(number, way.number)
            else:
                self._push(self.packing.pack(rules.after(chosen, way, counts)), 0)
                self._settle(number, way.number)

    def _push_after(self, words: vec[i64], base: i64, transition: i64, way: i64) -> None:
        """Put the state after a transition on the stack."""
        top = self._room()
        if not self.packing.fire(words, base, transition, way, self._stack, top):
            self.overflow = True

    def _push(self, words: vec[i64], base: i64) -> None:
        top = self._room()
        for word in range(self._width):
            if words[base + word] & self.packing.guards[word]:
                self.overflow = True
            self._stack[top + word] = words[base + word]

    def _room(self) -> i64:
        top = self._stack_size * self._width
        self._stack_size += 1
        while len(self._stack) < top + self._width:
            self._stack = append(self._stack, 0)
        return top

    # --- routing --------------------------------------------------------------------------------

    def _settle(self, origin: i64, way: i64) -> None:
        """Let the states on the stack route, each way, and add those that come to rest."""
        left: i64 = ROUTES_MAX
        width = self._width
        here = self._here
        while self._stack_size > 0:
            if self.overflow:
                self._stack_size = 0
                return
            self._stack_size -= 1
            top = self._stack_size * width
            for word in range(width):
                here[word] = self._stack[top + word]
            transition = self._next_route(here)
            if transition < 0:
                self._reach(here, origin, way)
                continue
            left -= 1
            if left == 0:
                self.endless = True
                self._stack_size = 0
                return
            if self.first[transition] < 0:
                self.first[transition] = max(origin, 0)
                self.first_way[transition] = way
            self._route(transition, here)

    def _next_route(self, here: vec[i64]) -> i64:
        if not self._plain_routes:
            found = self.rules.next_route(self.packing.unpack(here, 0))
            return -1 if found is None else found.number
        transition = self.packing.next_enabled(here, 0, 0, self._routes)
        return transition if transition < self._routes else -1

    def _route(self, transition: i64, here: vec[i64]) -> None:
        rules = self.rules
        if self.packing.special[transition]:
            chosen = rules.moves.transitions[transition]
            counts = self.packing.unpack(here, 0)
            for one in reversed(chosen.ways):
                if one.ends:
                    self._push(filled(self._width, 0), 0)
                else:
                    self._push(self.packing.pack(rules.after(chosen, one, counts)), 0)
            return
        way = self._ways_at[transition + 1] - 1
        while way >= self._ways_at[transition]:
            if self._ends[way]:
                self._push(filled(self._width, 0), 0)
            else:
                self._push_after(here, 0, transition, way)
            way -= 1

    def _reach(self, here: vec[i64], origin: i64, way: i64) -> None:
        """Add a state that has come to rest."""
        over = True
        many = False
        for word in range(self._width):
            if here[word] & self.packing.tokens[word]:
                over = False
            if here[word] & self.packing.many[word]:
                many = True
        if over:
            self._finish(origin, way)
            return
        number = self.store.add(here, 0)
        if origin >= 0:
            self._add_edge(number)
        if self.store.fresh:
            self._note(origin, way)
            if many and len(self.covers) < COVERS_MAX:
                self._look_back(number)

    def _note(self, origin: i64, way: i64) -> None:
        self.parent = append(self.parent, origin)
        self.way = append(self.way, way)

    def _finish(self, origin: i64, way: i64) -> None:
        """The case comes to its end."""
        if origin >= 0:
            self._add_edge(OVER)
        if self.over_at < 0:
            self.over_at = max(origin, 0)
            self.over_way = way

    def _add_edge(self, target: i64) -> None:
        self.targets = append(self.targets, target)

    def _look_back(self, number: i64) -> None:
        """Note the nearest state on the way to this one that it covers."""
        before = self.parent[number]
        while before > 0:
            if self._covers(number, before):
                self.covers.append((int(before), int(number)))
                return
            before = self.parent[before]

    def _covers(self, more: i64, less: i64) -> bool:
        words = self.store.words
        for word in range(self._width):
            guards = self.packing.guards[word]
            large = words[more * self._width + word] | guards
            if (large - words[less * self._width + word]) & guards != guards:
                return False
        return True


# --- what the steps tell ----------------------------------------------------------------------


def stuck_states(found: Exploration) -> list[int]:
    """The states that nothing follows from, but the end of the case, in order."""
    stuck: list[int] = []
    number: i64 = 1
    while number < found.expanded:
        last = found.edge_at[number + 1] if number + 1 < found.expanded else len(found.targets)
        if found.edge_at[number] == last:
            stuck.append(int(number))
        number += 1
    return stuck


def hopeless_states(found: Exploration, goals: list[int]) -> list[int]:
    """The states from which none of some states can be reached, in order."""
    count = found.store.count
    arrivals: vec[i64] = filled(count + 1, 0)
    for edge in range(len(found.targets)):
        arrivals[found.targets[edge] + 1] += 1
    for number in range(count):
        arrivals[number + 1] += arrivals[number]
    slots: vec[i64] = filled(count, 0)
    sources: vec[i64] = filled(len(found.targets), 0)
    number = 0
    while number < count:
        last = found.edge_at[number + 1] if number + 1 < count else len(found.targets)
        edge_number = found.edge_at[number]
        while edge_number < last:
            target = found.targets[edge_number]
            sources[arrivals[target] + slots[target]] = number
            slots[target] += 1
            edge_number += 1
        number += 1
    reached: vec[i64] = filled(count, 0)
    line: list[i64] = []
    for goal in goals:
        reached[goal] = 1
        line.append(goal)
    while line:
        target = line.pop()
        at = arrivals[target]
        while at < arrivals[target + 1]:
            source = sources[at]
            if not reached[source]:
                reached[source] = 1
                line.append(source)
            at += 1
    hopeless: list[int] = []
    for number in range(count):
        if not reached[number]:
            hopeless.append(int(number))
    return hopeless
