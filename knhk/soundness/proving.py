"""Whether a workflow is sound: every case of it can always come to its end, properly.

A workflow is *sound* (van der Aalst 1997, here for nets with implicit termination) when from
every state that can be reached the case can still end (option to complete), when it never
stands still with tokens left (proper completion), when every task can run in some case (no
dead task), and when no place can hold more and more tokens (boundedness).

All that is decided on the states that can be reached (:mod:`knhk.soundness.exploring`). Where
these are too many, fewer are enough (:mod:`knhk.soundness.stubborn`). There are three answers
and no fourth; when a bound or the time is reached first, the answer is *unknown*.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import Enum
from typing import Final

from knhk.errors import Run, TooComplex
from knhk.model import NODE_TASK, Net
from knhk.soundness import stubborn
from knhk.soundness.boundedness import is_bounded
from knhk.soundness.exploring import OVER, Exploration, hopeless_states, stuck_states
from knhk.soundness.moves import ROUTE, Moves
from knhk.soundness.packing import WIDTHS, Packing
from knhk.soundness.rules import Rules
from knhk.soundness.telling import Passage, passages, passages_between, run_of

#: How long one workflow is explored, if nothing else is said.
LIMIT_S: Final = 10.0
#: How many words of memory the states of one exploration may take: 8 bytes each.
WORDS_MAX: Final = 16_000_000
#: So many states are looked at before fewer are tried, the first few in small portions.
FIRST_STATES: Final = 5_000
FIRST_STEPS: Final = 50
#: States that are looked at between two looks at the clock: so many, or for so long.
SLICE: Final = 5_000
SLICE_S: Final = 0.05
#: How many states a reduced graph may have.
REDUCED_MAX: Final = 200_000
#: How many different ways to get stuck are told of one workflow.
STUCK_MAX: Final = 5
#: A run that may go on for ever is repeated so often to see that it does.
REPEATS: Final = 4


class Answer(str, Enum):
    """What was found out about a workflow."""

    sound = "sound"
    unsound = "unsound"
    unknown = "unknown"

    def __str__(self) -> str:
        return str(self.value)


class Kind(str, Enum):
    """What may go wrong in a workflow."""

    stuck = "stuck"
    unbounded = "unbounded"
    hopeless = "hopeless"
    dead = "dead"


@dataclass(frozen=True)
class Problem:
    """Something that may go wrong: where (node numbers), and the run that leads there.

    ``passages`` is the run in detail and ``counts`` what it leaves. A task that can never run
    has no run.
    """

    kind: Kind
    nodes: tuple[int, ...]
    run: Run | None
    passages: tuple[Passage, ...] = ()
    counts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """The answer for one workflow: its problems, or the reason why there is no answer.

    ``states`` counts those that were looked at.
    """

    answer: Answer
    problems: tuple[Problem, ...] = ()
    reason: str = ""
    states: int = 0
    moves: Moves | None = None


def prove(
    net: Net, limit_s: float = LIMIT_S, choices: dict[int, list[list[int]]] | None = None
) -> Verdict:
    """Explore a net; raises nothing. Takes about ``limit_s`` seconds at most.

    ``choices`` says for some nodes which sets of their arrows may be taken; all else is free.
    """
    deadline = time.monotonic() + limit_s
    try:
        moves = Moves(net, choices)
    except TooComplex as error:
        return Verdict(Answer.unknown, reason=str(error))
    rules = Rules(moves)
    for bits in WIDTHS:
        verdict = _explore(Exploration(rules, Packing(moves, bits)), deadline, limit_s)
        if verdict is not None:
            return verdict
    most = (1 << (WIDTHS[-1] - 1)) - 1
    return Verdict(Answer.unknown, reason=f"a place may hold more than {most:,} tokens")


def _explore(found: Exploration, deadline: float, limit_s: float) -> Verdict | None:
    """The verdict of a whole exploration; ``None`` when its fields were too narrow."""
    steps, tried, reduced = FIRST_STEPS, 0, False
    while True:
        begun = time.monotonic()
        found.go_on(steps)
        slow = time.monotonic() - begun > SLICE_S
        steps = max(steps // 2, FIRST_STEPS) if slow else min(2 * steps, SLICE)
        if found.overflow:
            return None
        if found.endless:
            return _unknown(found, "routing does not come to rest")
        for before, after in found.covers[tried:]:
            grown = _grows(found, before, after)
            if grown is not None:
                return _verdict(found, [*_stuck(found), grown])
        tried = len(found.covers)
        if found.rules.unsure:
            return _unknown(found, "an OR-join could not be decided within its bound")
        if found.finished():
            return _verdict(found, [*_stuck(found), *_hopeless(found), *_dead(found)])
        if found.expanded >= FIRST_STATES and not reduced:
            reduced = True
            fewer = _sound_by_fewer(found, deadline)
            if fewer:
                return Verdict(Answer.sound, states=fewer, moves=found.rules.moves)
        if len(found.store.words) + len(found.targets) > WORDS_MAX:
            return _unknown(found, f"it has more than {found.store.count:,} states", stuck=True)
        if time.monotonic() > deadline:
            return _unknown(found, f"the limit of {limit_s:g} s was reached", stuck=True)


def _sound_by_fewer(found: Exploration, deadline: float) -> int:
    """How many states of a reduced graph prove that the net is sound; 0 if they do not."""
    moves = found.rules.moves
    if not stubborn.applies(moves) or not is_bounded(moves):
        return 0
    reduced = stubborn.Reduced(moves, found.packing)
    while not reduced.finished():
        if reduced.overflow or reduced.count() > REDUCED_MAX or time.monotonic() > deadline:
            return 0
        reduced.go_on(SLICE)
    alive = {moves.transitions[number].node for number in reduced.fired_transitions()}
    tasks = [number for number, node in enumerate(moves.net.nodes) if node.kind == NODE_TASK]
    return reduced.count() if reduced.can_end() and alive.issuperset(tasks) else 0


def _verdict(found: Exploration, problems: list[Problem]) -> Verdict:
    answer = Answer.unsound if problems else Answer.sound
    return Verdict(answer, tuple(problems), "", int(found.expanded), found.rules.moves)


def _unknown(found: Exploration, reason: str, *, stuck: bool = False) -> Verdict:
    """Not everything was seen; but what was seen to get stuck does."""
    problems = _stuck(found) if stuck else []
    if problems:
        return _verdict(found, problems)
    seen = f"{reason}, after {int(found.expanded):,} states"
    return Verdict(Answer.unknown, (), seen, int(found.expanded), found.rules.moves)


# --- what goes wrong ------------------------------------------------------------------------------


def _problem(kind: Kind, nodes: tuple[int, ...], found: Exploration, state: int) -> Problem:
    told = passages(found, state)
    counts = found.counts(state)
    run = run_of(found.rules.moves, told, counts, shortest=True)
    return Problem(kind, nodes, run, tuple(told), tuple(counts))


def _stuck(found: Exploration) -> list[Problem]:
    """The shortest run to every set of nodes at which a case gets stuck together."""
    moves = found.rules.moves
    seen: set[tuple[int, ...]] = set()
    problems: list[Problem] = []
    for state in stuck_states(found):
        counts = found.counts(state)
        nodes = _waiting_nodes(moves, counts)
        if nodes in seen:
            continue
        seen.add(nodes)
        problems.append(_problem(Kind.stuck, nodes, found, state))
        if len(problems) == STUCK_MAX:
            break
    return problems


def _waiting_nodes(moves: Moves, counts: list[int]) -> tuple[int, ...]:
    """The nodes that have a token before them."""
    return tuple(
        number
        for number, node in enumerate(moves.net.nodes)
        if any(counts[place] for place in node.inputs)
    )


def _hopeless(found: Exploration) -> list[Problem]:
    """A state from which the case can neither end nor get stuck: a round without a way out."""
    for state in hopeless_states(found, [OVER, *stuck_states(found)]):
        counts = found.counts(state)
        moves = found.rules.moves
        nodes = tuple(
            sorted({t.node for t in moves.tasks if found.rules.enabled(t, counts)})
        ) or _waiting_nodes(moves, counts)
        return [_problem(Kind.hopeless, nodes, found, state)]
    return []


def _dead(found: Exploration) -> list[Problem]:
    """Tasks that cannot run; of those one behind the other only the first."""
    moves = found.rules.moves
    net = moves.net
    alive = {moves.transitions[n].node for n in range(len(found.first)) if found.first[n] >= 0}
    dead = [
        number
        for number, node in enumerate(net.nodes)
        if node.kind == NODE_TASK and number not in alive
    ]
    makers: dict[int, set[int]] = {}
    for number, node in enumerate(net.nodes):
        for place in (*(a.place for a in node.outputs), *(e.place for e in node.exceptions)):
            makers.setdefault(place, set()).add(number)
    first = [
        number
        for number in dead
        if any(makers.get(place, set()) & alive for place in net.nodes[number].inputs)
    ]
    return [Problem(Kind.dead, (number,), None) for number in first or dead]


def _grows(found: Exploration, before: int, after: int) -> Problem | None:
    """The problem that a place grows without bound, if the way between two states shows it.

    The way is gone several times more. When it always adds the same, and each place that grows
    holds more than anything takes from it at once, then it can be gone for ever.
    """
    rules = found.rules
    moves = rules.moves
    told = passages_between(found, before, after)
    counts = found.counts(before)
    gains: list[list[int]] = []
    for _ in range(REPEATS + _largest(moves)):
        following = _repeated(rules, told, counts)
        if following is None:
            return None
        gains.append([late - early for late, early in zip(following, counts, strict=True)])
        counts = following
    gained = gains[-1]
    if gained != gains[-2] or not any(gained) or min(gained) < 0 or not _harmless(moves, gained):
        return None
    nodes = tuple(
        number
        for number, node in enumerate(moves.net.nodes)
        if any(gained[place] for place in node.inputs)
    )
    return _problem(Kind.unbounded, nodes, found, after)


def _repeated(rules: Rules, told: list[Passage], counts: list[int]) -> list[int] | None:
    """The counts after a run, if it can be made from here just as it was made before."""
    for one in told:
        route = rules.next_route(counts)
        if one.transition.kind == ROUTE:
            if route is not one.transition:
                return None
        elif route is not None or not rules.enabled(one.transition, counts):
            return None
        counts = rules.after(one.transition, one.way, counts)
    return None if rules.next_route(counts) is not None else counts


def _largest(moves: Moves) -> int:
    """The most tokens of one component that any transition takes."""
    return max((count for each in moves.transitions for _, count in each.takes), default=1)


def _harmless(moves: Moves, gained: list[int]) -> bool:
    """Whether more tokens where they were gained can change nothing but what they enable."""
    watched = moves.watched()
    return not any(more and at in watched for at, more in enumerate(gained))


__all__ = ["LIMIT_S", "Answer", "Kind", "Problem", "Verdict", "prove"]
