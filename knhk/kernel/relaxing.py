"""What can be said about an OR-join without a search: relaxed reachability, and a plan.

When tokens are only ever added and never taken, read arcs, joins and weights can still hold a
move back, but nothing can hinder it once it could be made. What cannot be reached so cannot be
reached at all; that takes one run over the moves for each step of the longest way. What can
be reached so gives a plan: the moves that it took. When these moves can really be made in
that order, a marking that makes the join wait has been found (delete relaxation and relaxed
plans, Hoffmann and Nebel 2001). Only when the plan fails is there anything left to search.
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

from knhk.kernel.reaching import PASSES, UNKNOWN, WAITS, Step, covers, enabled, fire, told
from knhk.kernel.spread import Move, Spread

#: How often a plan is gone through; a move may be needed again for a join that takes several.
TURNS_MAX: Final = 3
#: Nothing has brought a token to a component.
NEVER: Final = -1


@final
class Relaxation:
    """What can be marked from a state if no move ever took a token."""

    def __init__(self, spread: Spread, moves: list[Move], state: list[int]) -> None:
        self._spread = spread
        self._moves = moves
        self._state = state
        #: The move that first brought a token to a component, by its position in ``done``.
        self._made = [NEVER] * spread.size
        self._done: list[Move] = []
        self._run()

    def _run(self) -> None:
        left = self._moves
        grows = True
        while grows:
            grows = False
            later: list[Move] = []
            for move in left:
                if not self._could(move):
                    later.append(move)
                    continue
                new = False
                for at in move.puts:
                    if self._made[at] < 0:
                        self._made[at] = len(self._done)
                        new = True
                if new:
                    self._done.append(move)
                    grows = True
            left = later

    def _could(self, move: Move) -> bool:
        for number in range(len(move.takes)):
            if not self.has(move.takes[number], move.taken[number]):
                return False
        if move.reads >= 0 and not self.has(move.reads, 1):
            return False
        if move.partial < 0:
            return True
        partial = self._spread.partials[move.partial]
        there: i64 = 0
        for place in partial.places:
            if self.has(place, 1):
                there += 1
        return there >= partial.threshold

    def has(self, at: i64, count: i64) -> bool:
        """Whether a component could hold so many tokens."""
        return self._state[at] >= count or self._made[at] >= 0

    def plan(self, target: i64, count: i64) -> list[Move]:
        """The moves that bring tokens to a component, in an order in which they could be made."""
        chosen: set[int] = set()
        wanted: list[tuple[int, int]] = [(int(target), int(count))]
        while wanted:
            at, much = wanted.pop()
            made = self._made[at]
            if self._state[at] >= much or made in chosen:
                continue
            chosen.add(made)
            move = self._done[made]
            for number in range(len(move.takes)):
                wanted.append((move.takes[number], move.taken[number]))
            if move.reads >= 0:
                wanted.append((int(move.reads), 1))
            if move.partial >= 0:
                wanted.extend(self._arrivals(move, made))
        return [self._done[made] for made in sorted(chosen)]

    def _arrivals(self, move: Move, before: int) -> list[tuple[int, int]]:
        """The places of as many branches of a partial join as it needs to pass."""
        partial = self._spread.partials[move.partial]
        found = [
            (place, 1)
            for place in partial.places
            if self._state[place] > 0 or -1 < self._made[place] < before
        ]
        return found[: int(partial.threshold)]


def foresee(spread: Spread, start: list[int], marked: list[int]) -> int:
    """Whether one more input can be marked, as far as that is plain without a search."""
    relaxed = Relaxation(spread, spread.useful(marked), start)
    possible = False
    for number in range(len(spread.inputs)):
        if number in marked or not relaxed.has(spread.inputs[number], spread.weights[number]):
            continue
        possible = True
        if _carry_out(spread, relaxed, number, start, marked) is not None:
            return WAITS
    return UNKNOWN if possible else PASSES


def planned(spread: Spread, start: list[int], marked: list[int]) -> list[str]:
    """A way to a marking with one more input, as :func:`knhk.kernel.reaching.witness` tells it."""
    relaxed = Relaxation(spread, spread.moves, start)
    for number in range(len(spread.inputs)):
        if number in marked or not relaxed.has(spread.inputs[number], spread.weights[number]):
            continue
        reached = _carry_out(spread, relaxed, number, start, marked)
        if reached is not None:
            return told(spread, reached, marked)
    return []


def _carry_out(
    spread: Spread, relaxed: Relaxation, number: int, start: list[int], marked: list[int]
) -> Step | None:
    """Make the moves of the plan for an input, really; where they led to one more input."""
    plan = relaxed.plan(spread.inputs[number], spread.weights[number])
    step = Step(None, "", start)
    for _ in range(TURNS_MAX):
        for move in plan:
            if not enabled(spread, move, step.state):
                continue
            step = Step(step, move.name, fire(spread, move, step.state))
            if covers(spread, step.state, marked):
                return step
    return None
