"""Questions about what may happen in a net, each answered by the shortest run that shows it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import Final

from knhk.errors import Run, TooComplex
from knhk.model import Net
from knhk.soundness.exploring import NEVER, Exploration
from knhk.soundness.moves import Moves, Transition
from knhk.soundness.packing import WIDTHS, Packing
from knhk.soundness.rules import Rules
from knhk.soundness.telling import passages, run_of, step_to

#: How many states are looked at for the answer to one question.
STATES_MAX: Final = 3_000
#: A node's place in a question: the end of the case.
THE_END: Final = -1


class Inquiry:
    """Questions about one net. ``None`` says that no run was found, not that there is none."""

    def __init__(self, net: Net) -> None:
        self.net = net
        try:
            self._moves: Moves | None = Moves(net)
        except TooComplex:
            self._moves = None

    def run_without(self, missing: frozenset[int], node: int) -> Run | None:
        """A run on which a node starts or passes, or the case ends, and some never completed."""
        found = self._explored(missing)
        if found is None:
            return None
        if node == THE_END:
            state, way = int(found.over_at), int(found.over_way)
        else:
            state, way = _first(found, node)
        if state < 0:
            return None
        told = passages(found, state) if state else []
        counts = found.counts(state)
        if way >= 0:
            step = step_to(found.rules, counts, found.rules.moves.ways[way], node)
            told, counts = [*told, *step], step[-1].after
        return run_of(found.rules.moves, told, counts, shortest=True)

    def runs_together(self, groups: Iterable[frozenset[int]]) -> dict[tuple[int, int], Run]:
        """For each two tasks of one group that may be at work at once a run to where they may."""
        wanted = [group for group in groups if len(group) > 1]
        found = self._explored(frozenset()) if wanted else None
        if found is None:
            return {}
        rules = found.rules
        asked = frozenset().union(*wanted)
        transitions = [each for each in rules.moves.tasks if each.node in asked]
        runs: dict[tuple[int, int], Run] = {}
        for state in range(1, int(found.expanded)):
            counts = found.counts(state)
            ready = [each for each in transitions if rules.enabled(each, counts)]
            for one, other in combinations(ready, 2):
                pair = (min(one.node, other.node), max(one.node, other.node))
                together = any(pair[0] in group and pair[1] in group for group in wanted)
                if pair in runs or one.node == other.node or not together:
                    continue
                if _apart(rules, one, other, counts):
                    told = passages(found, state)
                    runs[pair] = run_of(rules.moves, told, counts, shortest=True)
        return runs

    def _explored(self, without: frozenset[int]) -> Exploration | None:
        if self._moves is None:
            return None
        for bits in WIDTHS:
            found = Exploration(Rules(self._moves), Packing(self._moves, bits), without)
            found.go_on(STATES_MAX)
            if not found.overflow:
                return found
        return None


def _first(found: Exploration, node: int) -> tuple[int, int]:
    """The first state in which a node may start, or from which it passes, and by which way."""
    least = (NEVER, NEVER)
    for transition in found.rules.moves.transitions:
        state = int(found.first[transition.number])
        if transition.node == node and state >= 0 and (least[0] < 0 or state < least[0]):
            least = (state, int(found.first_way[transition.number]))
    return least


def _apart(rules: Rules, one: Transition, other: Transition, counts: list[int]) -> bool:
    """Whether two transitions that may happen may do so at once, each with its own tokens."""
    wanted = dict(rules.inputs(one))
    for at, count in rules.inputs(other):
        wanted[at] = wanted.get(at, 0) + count
    same_mutex = bool(one.forbids) and one.forbids == other.forbids
    return all(counts[at] >= count for at, count in wanted.items()) and not same_mutex
