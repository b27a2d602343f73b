"""When an OR-join may pass (patterns 7, 37 and 38, Synchronizing Merge).

An OR-join may pass when at least one of its inputs is marked and no marking can be reached
from here, without passing this join, that marks one more of them while those marked now are
still marked (Wynn, Edmond, van der Aalst, ter Hofstede 2005). Running work may complete in
any way or leave by any of its exception flows, guards are free choices, other OR-joins are
taken as XOR-joins; cancellation, milestones and mutexes are respected.

Three tests give that answer, and the cheapest that is exact for the net is taken:

*count*: the join ends a block and nothing has disturbed it: the branches that the split
chose are counted, in :mod:`knhk.kernel.marking`.

*reach*: every way to the join can be gone by one token alone: it is enough to look which
tokens have a way to an unmarked input (local thread information).

*search*: in general. :class:`Spread` is the part of the net on which it depends whether a token
can come to the join (the structural restriction of Wynn et al.). A token that has no way to an
unmarked input (their active projection), or that has one it can go alone, decides at once;
next a relaxed analysis does (:mod:`knhk.kernel.relaxing`). Else the markings that can be
reached from here are searched (:mod:`knhk.kernel.reaching`), which is bounded; a join whose
search is not finished waits. Answers are kept in a table of markings, which fills as it is
asked and is shared by all cases of the program.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from knhk.kernel.program import OrJoin, Program
from knhk.kernel.reaching import PASSES, UNKNOWN, WAITS, as_bytes, marked_inputs, search, witness
from knhk.kernel.relaxing import foresee, planned
from knhk.kernel.spread import Spread
from knhk.kernel.state import State

#: How many answers are kept for one join.
ANSWERS_MAX: Final = 20_000
#: How often in a row an OR-join is asked for the items of its task.
PASSES_MAX: Final = 100


# --- states -------------------------------------------------------------------------


def read(spread: Spread, game: State) -> list[int]:
    """The state of a case as this join sees it."""
    state = [0] * spread.size
    counts = game._marking.counts
    at = 0
    for place in spread.places:
        state[at] = counts[place]
        at += 1
    for task in spread.tasks:
        desk = game._desks[task]
        if desk is not None:
            state[at] = desk.busy
        at += 1
    for partial in spread.partials:
        first = spread.program.first[partial.node]
        state[partial.passed] = game._marking.passed[partial.node]
        for branch, mark in enumerate(partial.arrived):
            state[mark] = game._marking.arrived[first + branch]
    return state


def way(game: State, number: i64) -> list[str]:
    """The nodes by which one more token could come, then the place it would come to.

    Empty when the join does not wait for one, or none was found within the bound.
    """
    spread = spread_of(game._program, number)
    state = read(spread, game)
    marked = marked_inputs(spread, state)
    return witness(spread, state, marked) or planned(spread, state, marked)


def decide(spread: Spread, state: list[int]) -> int:
    """``PASSES``, ``WAITS``, or ``UNKNOWN`` where a search has reached its bound."""
    marked = marked_inputs(spread, state)
    if not marked:
        return WAITS
    if len(marked) == len(spread.inputs):
        return PASSES
    quick = look(spread, state, marked)
    if quick != UNKNOWN:
        return quick
    key = as_bytes(state)
    answer = spread.answers.get(key, -1)
    if answer < 0:
        answer = foresee(spread, state, marked)
        if answer == UNKNOWN:
            answer = search(spread, state, marked)
        if len(spread.answers) >= ANSWERS_MAX:
            spread.answers.clear()
        spread.answers[key] = answer
    return answer


def look(spread: Spread, state: list[int], marked: list[int]) -> int:
    """What can be said without a search: which tokens have a way, and which alone."""
    there = 0
    free = 0
    for at in range(spread.size):
        if state[at] > 0:
            there |= 1 << at
    free = there
    for number in marked:
        at = spread.inputs[number]
        if state[at] <= spread.weights[number]:
            free &= ~(1 << at)
    possible = False
    for number in range(len(spread.inputs)):
        if number in marked:
            continue
        if spread.weights[number] == 1 and free & spread.alone[number]:
            return WAITS
        possible = possible or bool(there & spread.may[number])
    return UNKNOWN if possible else PASSES


# --- what the game asks -----------------------------------------------------------------


def spread_of(program: Program, number: i64) -> Spread:
    """The analysis of an OR-join, made when it is asked for first."""
    join = program.or_joins[number]
    analysis = join.analysis
    if analysis is None:
        made = Spread(program, join)
        join.analysis = made
        return made
    assert isinstance(analysis, Spread)
    return analysis


def counts_branches(game: State, number: i64) -> bool:
    """Whether it is enough to count the branches of the join's block."""
    return game._program.or_joins[number].counts and not game._marking.disturbed


def passes_left(game: State, number: i64) -> i64:
    """How often an OR-join may pass now, one time after another with no completion between."""
    join = game._program.or_joins[number]
    if counts_branches(game, number):
        return game._marking.ready[join.transition]
    if not any_marked(game, join):
        return 0
    spread = spread_of(game._program, number)
    state = read(spread, game)
    times: i64 = 0
    while times < PASSES_MAX and decide(spread, state) == PASSES:
        times += 1
        for position in marked_inputs(spread, state):
            state[spread.inputs[position]] -= spread.weights[position]
        if spread.own_busy >= 0:
            state[spread.own_busy] += 1
    return times


def any_marked(game: State, join: OrJoin) -> bool:
    """Whether an input of an OR-join holds enough tokens."""
    program = game._program
    start = program.input_at[join.transition]
    for at in range(start, start + program.width[join.transition]):
        if game._marking.counts[program.inputs[at]] >= program.takes[at]:
            return True
    return False


def may_pass(game: State, node: int, manner: str = "") -> bool | None:
    """Whether the OR-join before a node may pass now.

    ``manner`` forces one of the tests, ``count``, ``reach`` or ``search``; then it is ``None``
    where that test does not apply.
    """
    number = game._program.or_join[game._program.first[node]]
    assert number >= 0, "a join of one input is no OR-join"
    join = game._program.or_joins[number]
    if manner == "count":
        if not counts_branches(game, number):
            return None
        return game._marking.ready[join.transition] > 0
    if not manner:
        return passes_left(game, number) > 0
    spread = spread_of(game._program, number)
    state = read(spread, game)
    marked = marked_inputs(spread, state)
    if not marked:
        return False
    if manner == "reach":
        return look(spread, state, marked) == PASSES if spread.reach else None
    if len(marked) == len(spread.inputs):
        return True
    return search(spread, state, marked) == PASSES
