"""Routing: nodes that pass by themselves, in net order, before anything else happens."""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from knhk.errors import ExpressionError
from knhk.kernel.cancelling import cancel_region, reset
from knhk.kernel.completing import complete_early, put
from knhk.kernel.data import assign, choose
from knhk.kernel.ending import end, fail_case, stop
from knhk.kernel.mutexes import enter, may_enter
from knhk.kernel.offering import review
from knhk.kernel.orjoin import counts_branches, passes_left
from knhk.kernel.state import CANCELLED, RUNNING, State
from knhk.model import EXPRESSION_ERROR, NODE_ABORT, NODE_STOP

#: How many routing nodes may pass after one input; more is a round without a task.
FIRINGS_MAX: Final = 1_000_000


def route(game: State) -> None:
    """Pass routing nodes in net order until none is complete or the case stands still."""
    left: i64 = FIRINGS_MAX
    while game._status == RUNNING:
        left = game._marking.run(left)
        if left == 0:
            _fail_endless(game)
            return
        transition = game._marking.pop()
        if transition < 0:
            return
        left -= 1
        if not game._marking.complete(transition):
            continue
        if game._program.partial[transition]:
            _arrive(game, transition)
        elif may_enter(game, transition):
            _pass(game, transition)


def _fail_endless(game: State) -> None:
    fail_case(game, "", "Livelock", f"{FIRINGS_MAX} routing nodes passed without a task")


def _pass(game: State, transition: i64) -> None:
    """Fire a routing node that has a guard or data, is contested, or ends the case."""
    program = game._program
    node = program.node_of[transition]
    kind = program.net.nodes[node].kind
    row = program.rows[node]
    arrows: list[int] | None = None
    try:
        undo = assign(game, row, None) if row is not None else {}
        arrows = choose(game, node, undo)
    except ExpressionError as error:
        game._marking.push(transition)
        fail_case(game, "" if row is None else row.name, EXPRESSION_ERROR, str(error))
        return
    enter(game, transition, None)
    game._marking.take_marked(transition)
    if kind == NODE_STOP:
        stop(game)
    elif kind == NODE_ABORT or (row is not None and row.cancels_case):
        end(game, CANCELLED)
    else:
        region = program.regions[node]
        if region is not None:
            cancel_region(game, region)
        put(game, node, arrows)
        if row is not None and row.completes >= 0:
            complete_early(game, row.completes)


# --- partial joins ----------------------------------------------------------------------


def _arrive(game: State, transition: i64) -> None:
    """A token is there for a branch of a partial join (patterns 9, 28 to 32).

    The join passes when so many branches as its threshold have arrived in this round, and
    takes those tokens. Then it takes the other branches silently; with the last of them, or
    at once if it is cancelling, a new round begins. A branch that was taken in this round
    waits for the next.
    """
    program = game._program
    marking = game._marking
    node = program.node_of[transition]
    if marking.passed[node]:
        if not marking.arrived[transition]:
            _absorb(game, node, transition)
        return
    first = program.first[node]
    there = [
        branch
        for branch in range(first, first + program.count[node])
        if marking.counts[program.single[branch]] > 0
    ]
    if len(there) < program.threshold[node]:
        return
    arrows: list[int] | None = None
    try:
        arrows = choose(game, node, {})
    except ExpressionError as error:
        marking.push(transition)
        fail_case(game, "", EXPRESSION_ERROR, str(error))
        return
    marking.passed[node] = 1
    for branch in there:
        marking.take_marked(branch)
        marking.arrived[branch] = 1
    region = program.regions[node]
    if region is not None:
        cancel_region(game, region)
        reset(marking, node)
    else:
        _reset_if_all_came(game, node)
    put(game, node, arrows)


def _absorb(game: State, node: i64, transition: i64) -> None:
    game._marking.take_marked(transition)
    game._marking.arrived[transition] = 1
    _reset_if_all_came(game, node)


def _reset_if_all_came(game: State, node: i64) -> None:
    program = game._program
    first = program.first[node]
    for branch in range(first, first + program.count[node]):
        if not game._marking.arrived[branch]:
            return
    reset(game._marking, node)


# --- OR-joins ---------------------------------------------------------------------------


def examine_or_joins(game: State) -> bool:
    """Look again at every OR-join that is not counted; whether that changed something."""
    program = game._program
    for join in program.or_joins:
        if counts_branches(game, join.number):
            continue
        if not program.routes[join.transition]:
            review(game, join.node)
        elif may_enter(game, join.transition) and passes_left(game, join.number) > 0:
            _pass(game, join.transition)
            return True
    marking = game._marking
    return bool(marking.arrivals) or bool(marking.dirty) or bool(game._busy)
