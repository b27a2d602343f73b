"""A proof that no place can hold more and more tokens, without looking at states.

Tokens can only multiply in a loop. So the components are taken by loops (the strongly
connected components of "from here a token may come there"), and for each a weight of every
component is sought so that no way of any transition increases the weighted sum inside, and
every way that puts something outside decreases it. Then what a loop holds and sends out in
all is bounded by what came in, and by induction over the loops all is bounded (a place
sub-invariant for each loop; Murata 1989, section V). The weights are tried by parting what
comes in evenly; where that fails nothing is proved.
"""

from __future__ import annotations

from fractions import Fraction
from typing import final

from knhk.graphs import components
from knhk.soundness.moves import Moves, Transition


def is_bounded(moves: Moves) -> bool:
    """Whether all places were proved to be bounded; false says nothing."""
    if any(transition.special() for transition in moves.transitions):
        return False
    return all(_Loop(moves, loop).balanced() for loop in _loops(moves))


@final
class _Flow:
    """One way of a transition inside a loop: what it takes and puts there, what it puts outside."""

    def __init__(self, transition: Transition, number: int, inside: set[int]) -> None:
        way = transition.ways[number]
        self.takes = [(at, count) for at, count in transition.takes if at in inside]
        self.puts = [(at, count) for at, count in way.puts if at in inside]
        self.leaves = not way.ends and any(at not in inside for at, _ in way.puts)


@final
class _Loop:
    def __init__(self, moves: Moves, inside: set[int]) -> None:
        self.inside = inside
        self.flows = [
            flow
            for transition in moves.transitions
            for number in range(len(transition.ways))
            if (flow := _Flow(transition, number, inside)).takes
        ]

    def balanced(self) -> bool:
        """Whether weights were found by which nothing increases."""
        weights = self._weights(min(self.inside))
        return len(weights) == len(self.inside) and all(
            self._fits(flow, weights) for flow in self.flows
        )

    def _weights(self, first: int) -> dict[int, Fraction]:
        weights = {first: Fraction(1)}
        grows = True
        while grows:
            grows = False
            for flow in self.flows:
                new = [(at, count) for at, count in flow.puts if at not in weights]
                if not new or any(at not in weights for at, _ in flow.takes):
                    continue
                known = sum(
                    (weights[at] * count for at, count in flow.puts if at in weights), Fraction(0)
                )
                taken = sum((weights[at] * count for at, count in flow.takes), Fraction(0))
                left = taken - known
                if left <= 0:
                    return {}
                for at, count in new:
                    weights[at] = left / len(new) / count
                grows = True
        return weights

    def _fits(self, flow: _Flow, weights: dict[int, Fraction]) -> bool:
        taken = sum((weights[at] * count for at, count in flow.takes), Fraction(0))
        put = sum((weights[at] * count for at, count in flow.puts), Fraction(0))
        return put < taken or (put == taken and not flow.leaves)


def _loops(moves: Moves) -> list[set[int]]:
    """The sets of components among which tokens can go round."""
    ahead: list[set[int]] = [set() for _ in moves.start]
    for transition in moves.transitions:
        for way in transition.ways:
            for at, _ in transition.takes:
                ahead[at].update(target for target, _ in way.puts)
    return [
        set(loop)
        for loop in components(range(len(ahead)), [sorted(targets) for targets in ahead])
        if len(loop) > 1 or loop[0] in ahead[loop[0]]
    ]
