"""What a run does to a net: which tasks it visits, which arrows it takes, what it leaves.

A run names tasks only. Routing nodes pass by themselves, so they are found backwards: where a
step takes a token that is not there yet, a routing node before the place must have put it. What
a run does not explain in this way is left unmarked; a run of another net marks nothing and
raises nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from knhk.errors import Run, Step
from knhk.model import (
    JOIN_AND,
    JOIN_PARTIAL,
    JOIN_XOR,
    NODE_TASK,
    SPLIT_AND,
    SPLIT_OR,
    SPLIT_XOR,
    TIMEOUT_ERROR,
    Net,
    Node,
    Region,
)
from knhk.pictures.arcs import Arc

__all__ = ["Trace", "trace"]

#: How many routing nodes in a row are looked through for the token that a step takes.
ROW_MAX: Final = 200
#: How often routing nodes may pass after the last step.
MOVES_MAX: Final = 10_000

STARTS: Final = "starts"
LATE: Final = "takes too long"
#: How the words of an event begin after which a task leaves by no arrow but an exception's.
BREAKS: Final = ("fails", LATE, "is interrupted")


@dataclass(frozen=True)
class Trace:
    """The marks of a run: ``visits`` holds the numbers of the steps, from 1, by node.

    ``left`` says how many tokens each place holds at the end, ``working`` which tasks are still
    at work then.
    """

    visits: dict[int, tuple[int, ...]]
    taken: frozenset[Arc]
    left: dict[int, int]
    working: frozenset[int]


def trace(net: Net, arcs: Iterable[Arc], run: Run) -> Trace:
    """The marks that a run makes on a net."""
    replay = _Replay(net, arcs)
    visits: dict[int, list[int]] = defaultdict(list)
    for number, step in enumerate(run.steps, 1):
        node = replay.numbers.get(step.task)
        if node is not None:
            visits[node].append(number)
            replay.play(node, step)
    places = {place.name: number for number, place in reversed([*enumerate(net.places)])}
    left = {places[name]: tokens for name, tokens in run.marking if name in places and tokens > 0}
    replay.finish(left)
    working = frozenset(replay.numbers[name] for name in run.working if name in replay.numbers)
    return Trace(
        {node: tuple(numbers) for node, numbers in sorted(visits.items())},
        frozenset(replay.taken),
        dict(sorted(left.items())),
        working,
    )


class _Replay:
    """Tokens on their way, and the arrows that they took. Places are numbers in the net here."""

    def __init__(self, net: Net, arcs: Iterable[Arc]) -> None:
        self.net = net
        self.first_place = len(net.nodes)
        self.numbers = {node.name: number for number, node in reversed([*enumerate(net.nodes)])}
        self.tokens = [place.tokens for place in net.places]
        self.started: Counter[int] = Counter()
        self.undecided: Counter[int] = Counter()
        self.taken: set[Arc] = set()
        self.into: dict[int, list[Arc]] = defaultdict(list)
        self.out: dict[int, list[Arc]] = defaultdict(list)
        self.aside: dict[int, list[Arc]] = defaultdict(list)
        for arc in arcs:
            if arc.source >= self.first_place:
                self.into[arc.target].append(arc)
            else:
                (self.aside if arc.exception else self.out)[arc.source].append(arc)

    def play(self, node: int, step: Step) -> None:
        """One step of a task."""
        if step.event == STARTS:
            self._take(node, 0)
            self.started[node] += 1
            return
        if self.started[node]:
            self.started[node] -= 1
        else:
            self._take(node, 0)
        if step.event.startswith(BREAKS):
            self._put(self._exceptions(node, step.event))
            return
        self._empty(self.net.nodes[node].cancels)
        self._part(node, step.choice)

    def finish(self, left: dict[int, int]) -> None:
        """Have routing nodes pass that put what is left, and those that took what is not."""
        for place in left:
            self._bring(place, 0, set())
        ready = [place for place, tokens in enumerate(self.tokens) if tokens > left.get(place, 0)]
        for _ in range(MOVES_MAX):
            if not ready:
                return
            for node in self.net.places[ready.pop()].consumers:
                if self._passes(node, left):
                    self._take(node, ROW_MAX)
                    self._put(self.out[node])
                    ready += [place for place in self._places(self.out[node]) if self.tokens[place]]

    def _passes(self, node: int, left: dict[int, int]) -> bool:
        """Whether a node passes by itself, in one way only, with tokens that do not stay."""
        value = self.net.nodes[node]
        if value.kind == NODE_TASK or (len(value.outputs) > 1 and value.split != SPLIT_AND):
            return False
        free = [self.tokens[place] > left.get(place, 0) for place in value.inputs]
        return all(free) if value.join == JOIN_AND else any(free)

    # What a node takes

    def _take(self, node: int, depth: int) -> None:
        """Take the tokens that a node begins with, as far as they can be brought there."""
        value = self.net.nodes[node]
        arcs = self.into[node]
        if value.join == JOIN_XOR:
            there = [arc for arc in arcs if self._holds(arc)]
            for arc in there or arcs:
                if self._brought(arc, depth):
                    self._use(arc)
                    return
            return
        for arc in arcs:
            if self._brought(arc, depth):
                self._use(arc)

    def _use(self, arc: Arc) -> None:
        self.tokens[arc.source - self.first_place] -= arc.weight
        self.taken.add(arc)

    def _holds(self, arc: Arc) -> bool:
        return self.tokens[arc.source - self.first_place] >= arc.weight

    def _brought(self, arc: Arc, depth: int) -> bool:
        return self._holds(arc) or (
            self._bring(arc.source - self.first_place, depth, set()) and self._holds(arc)
        )

    def _bring(self, place: int, depth: int, tried: set[int]) -> bool:
        """Have the routing nodes before a place pass, so that it holds a token, if they can."""
        if self.tokens[place] > 0:
            return True
        for node in self.net.places[place].producers:
            if node in tried or depth >= ROW_MAX:
                continue
            tried.add(node)
            arcs = [arc for arc in self.out[node] if arc.target == self.first_place + place]
            if self.undecided[node] and arcs:
                self.undecided[node] -= 1
                self._put(arcs[:1])
                return True
            if self.net.nodes[node].kind != NODE_TASK and self._ready(node, depth, tried):
                self._take(node, ROW_MAX)
                self._empty(self.net.nodes[node].cancels)
                self._leave(node, arcs)
                return True
        return False

    def _ready(self, node: int, depth: int, tried: set[int]) -> bool:
        """Whether the inputs of a routing node can be brought the tokens that it waits for."""
        value = self.net.nodes[node]
        there = 0
        for place in value.inputs:
            there += self._bring(place, depth + 1, tried)
        return there >= _needed(value)

    # What a node gives

    def _part(self, node: int, choice: tuple[str, ...]) -> None:
        """Put tokens by the split of a task; what the run does not say is decided later."""
        arcs, split = self.out[node], self.net.nodes[node].split
        if len(arcs) < 2 or split == SPLIT_AND:
            self._put(arcs)
            return
        direct = [arc for arc in arcs if set(choice) & self._names_after(arc)]
        chosen = direct or [arc for arc in arcs if set(choice) & self._names_ahead(arc)]
        if chosen:
            self._put(chosen[:1] if split == SPLIT_XOR else chosen)
        else:
            self.undecided[node] += 1 if split == SPLIT_XOR else len(arcs)

    def _leave(self, node: int, wanted: list[Arc]) -> None:
        """Put tokens by the split of a routing node so that one of the wanted arrows gets one."""
        split = self.net.nodes[node].split
        self._put(self.out[node] if split == SPLIT_AND else wanted[:1])
        if split == SPLIT_OR:
            self.undecided[node] += len(self.out[node]) - 1

    def _put(self, arcs: Iterable[Arc]) -> None:
        for arc in arcs:
            self.tokens[arc.target - self.first_place] += arc.weight
            self.taken.add(arc)

    def _places(self, arcs: Iterable[Arc]) -> list[int]:
        return [arc.target - self.first_place for arc in arcs]

    def _names_after(self, arc: Arc) -> set[str]:
        place = self.net.places[arc.target - self.first_place]
        nodes = [self.net.nodes[node] for node in place.consumers]
        return {place.name, *(node.name for node in nodes), *(node.word for node in nodes)} - {""}

    def _names_ahead(self, arc: Arc) -> set[str]:
        """The names of all that an arrow leads to through routing nodes."""
        names: set[str] = set()
        ahead, seen = [arc], {arc}
        while ahead:
            arc = ahead.pop()
            names |= self._names_after(arc)
            for node in self.net.places[arc.target - self.first_place].consumers:
                if self.net.nodes[node].kind != NODE_TASK:
                    more = [each for each in self.out[node] if each not in seen]
                    ahead += more
                    seen.update(more)
        return names

    def _exceptions(self, node: int, event: str) -> list[Arc]:
        """The exception arrow that an event goes by: one that names it, else one that does not."""
        kind = next((kind for kind in ("message", "signal") if f" {kind} " in event), "error")
        wanted = [f"on {kind} {event.rpartition(' ')[2]}"]
        if kind == "error":
            late = event == LATE or event.endswith(TIMEOUT_ERROR)
            wanted += ["on timeout", "on error"] if late else ["on error"]
        ways = {arc.exception: arc for arc in self.aside[node]}
        return [ways[words] for words in wanted if words in ways][:1]

    def _empty(self, region: Region | None) -> None:
        """Take away what a cancellation empties."""
        if region is None:
            return
        for place in region.places:
            self.tokens[place] = 0
        for node in region.tasks:
            self.started[node] = self.undecided[node] = 0


def _needed(node: Node) -> int:
    """How many inputs a join waits for."""
    if node.join == JOIN_AND:
        return len(node.inputs)
    return node.threshold if node.join == JOIN_PARTIAL else 1
