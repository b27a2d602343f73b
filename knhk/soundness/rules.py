"""What the transitions of a net do to its counts: the plain form, a step at a time.

The exploration does the same on packed counts for whatever is simple
(:mod:`knhk.soundness.packing`), and comes here for partial joins, OR-joins and the tokens that
a cancelled task takes along. Runs are told from here too.
"""

from __future__ import annotations

from typing import Final, final

from knhk.kernel.orjoin import decide, spread_of
from knhk.kernel.reaching import PASSES, UNKNOWN
from knhk.soundness.moves import Drain, Moves, Transition, Way

#: How many routing nodes may pass after one step; more is a round without a task.
ROUTES_MAX: Final = 10_000
#: A count that is never reached: as often as there are tokens.
EVER: Final = 1_000_000


@final
class Rules:
    """When the transitions of some moves may happen, and what they do.

    ``unsure`` is set when an OR-join's analysis has reached its bound: then what was found out
    is not certain.
    """

    def __init__(self, moves: Moves) -> None:
        self.moves = moves
        self.unsure = False

    # --- may it happen ------------------------------------------------------------------------

    def enabled(self, transition: Transition, counts: list[int]) -> bool:
        """Whether a transition may happen now."""
        for at, count in transition.takes:
            if counts[at] < count:
                return False
        for at in transition.reads:
            if counts[at] == 0:
                return False
        for at in transition.forbids:
            if counts[at] > 0:
                return False
        if transition.or_join >= 0:
            return self._may_pass(transition, counts)
        return transition.arrives < 0 or self._may_arrive(transition, counts)

    def _may_pass(self, transition: Transition, counts: list[int]) -> bool:
        """Whether an OR-join may pass (Wynn et al., :mod:`knhk.kernel.orjoin`)."""
        program = self.moves.program
        spread = spread_of(program, transition.or_join)
        state = [0] * spread.size
        at = 0
        for place in spread.places:
            state[at] = counts[place]
            at += 1
        for task in spread.tasks:
            if task in self.moves.work:
                state[at] = counts[self.moves.work[task]]
            at += 1
        for mark in spread.partials:
            partial = self.moves.partials[int(mark.node)]
            state[mark.passed] = counts[partial.passed]
            for branch, arrived in enumerate(mark.arrived):
                state[arrived] = counts[partial.arrived[branch]]
        answer = decide(spread, state)
        if answer == UNKNOWN:
            self.unsure = True
        return answer == PASSES

    def _may_arrive(self, transition: Transition, counts: list[int]) -> bool:
        partial = self.moves.partials[transition.node]
        if counts[partial.passed] > 0:
            return counts[partial.arrived[transition.arrives]] == 0
        there = [place for place in partial.places if counts[place] > 0]
        return len(there) >= partial.threshold

    # --- what it does -------------------------------------------------------------------------

    def after(self, transition: Transition, way: Way, counts: list[int]) -> list[int]:
        """The counts after a transition that may happen, by one of its ways."""
        after = list(counts)
        if transition.arrives >= 0:
            if counts[self.moves.partials[transition.node].passed] > 0:
                self._absorb(transition, after)
                return after
            self._pass_partial(transition, after)
        elif transition.or_join >= 0:
            for at, count in self.inputs(transition):
                if after[at] >= count:
                    after[at] -= count
        else:
            for at, count in transition.takes:
                after[at] -= count
        drained: dict[int, int] = {}
        for drain in way.drains:
            self._drain(drain, counts, after, drained)
        for at in way.clears:
            after[at] = 0
        for at, count in drained.items():
            after[at] -= min(count, after[at])
        for at, count in way.puts:
            after[at] += count
        return after

    def inputs(self, transition: Transition) -> list[tuple[int, int]]:
        """The inputs of an OR-join with their weights; of others what they take."""
        if transition.or_join < 0:
            return transition.takes
        program = self.moves.program
        number = program.or_joins[transition.or_join].transition
        start = program.input_at[number]
        return [
            (int(program.inputs[at]), int(program.takes[at]))
            for at in range(start, start + program.width[number])
        ]

    def _absorb(self, transition: Transition, after: list[int]) -> None:
        partial = self.moves.partials[transition.node]
        after[transition.takes[0][0]] -= 1
        after[partial.arrived[transition.arrives]] = 1
        if all(after[mark] > 0 for mark in partial.arrived):
            _reset(partial.passed, partial.arrived, after)

    def _pass_partial(self, transition: Transition, after: list[int]) -> None:
        partial = self.moves.partials[transition.node]
        for branch, place in enumerate(partial.places):
            if after[place] > 0:
                after[place] -= 1
                after[partial.arrived[branch]] = 1
        after[partial.passed] = 1
        if partial.resets or all(after[mark] > 0 for mark in partial.arrived):
            _reset(partial.passed, partial.arrived, after)

    def _drain(
        self, drain: Drain, before: list[int], after: list[int], drained: dict[int, int]
    ) -> None:
        """Note the tokens of the items of a task that were offered before the step."""
        transition = drain.transition
        if any(before[at] == 0 for at in transition.reads):
            return
        if any(before[at] > 0 for at in transition.forbids):
            return
        inputs = self.inputs(transition)
        if drain.loose:
            for at, count in inputs:
                drained[at] = drained.get(at, 0) + after[at] // count * count
            return
        times = 1 if drain.single else EVER
        for at, count in inputs:
            times = min(times, after[at] // count)
        for at, count in inputs:
            drained[at] = drained.get(at, 0) + times * count

    # --- what passes by itself ------------------------------------------------------------------

    def next_route(self, counts: list[int]) -> Transition | None:
        """The transition that passes by itself next.

        In net order; what enters a critical section after all that does not, and OR-joins last.
        """
        for order in range(3):
            for transition in self.moves.routes:
                if _order(transition) == order and self.enabled(transition, counts):
                    return transition
        return None

    def is_over(self, counts: list[int]) -> bool:
        """Whether no token and no work is left."""
        return not any(counts[at] for at in range(self.moves.tokens))


def _order(transition: Transition) -> int:
    if transition.or_join >= 0:
        return 2
    return 1 if transition.forbids else 0


def _reset(passed: int, arrived: list[int], counts: list[int]) -> None:
    counts[passed] = 0
    for mark in arrived:
        counts[mark] = 0
