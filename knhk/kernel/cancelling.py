"""Cancelling: tasks, places and regions are emptied (patterns 19, 20, 25, 29 and 32).

A running item is withdrawn. An offered or waiting one is withdrawn together with the tokens
that its start would have taken; so its rivals go too. What is offered is what was offered
before anything was emptied. Tokens of a join that is not complete stay, unless their place
is named.
"""

from __future__ import annotations

from mypy_extensions import i64

from knhk.kernel.arrivals import drop, let_go, retract
from knhk.kernel.marking import Marking
from knhk.kernel.program import NOBODY
from knhk.kernel.state import FREE, State
from knhk.model import Region


def cancel_region(game: State, region: Region) -> None:
    """Empty the tasks, places and partial joins of a region."""
    drained: dict[int, int] = {}
    for node in region.tasks:
        _drain(game, node, drained)
    for node in region.tasks:
        _withdraw_work(game, node)
    for place in region.places:
        _empty(game, place, game._marking.counts[place])
    for place, count in drained.items():
        _empty(game, place, min(count, game._marking.counts[place]))
    for node in region.joins:
        reset(game._marking, node)


def cancel_task(game: State, node: i64) -> None:
    """Withdraw all work of one task from outside (pattern 19, Cancel Task)."""
    drained: dict[int, int] = {}
    _drain(game, node, drained)
    _withdraw_work(game, node)
    for place, count in drained.items():
        _empty(game, place, min(count, game._marking.counts[place]))


def _drain(game: State, node: i64, drained: dict[int, int]) -> None:
    """Note the tokens that the pending arrivals of a task would have taken."""
    program = game._program
    marking = game._marking
    for transition in range(program.first[node], program.first[node] + program.count[node]):
        arrivals = marking.ready[transition]
        if arrivals == 0:
            continue
        start = program.input_at[transition]
        for at in range(start, start + program.width[transition]):
            place = program.inputs[at]
            times = arrivals
            if program.or_join[transition] >= 0:  # a start takes from where there is enough
                times = min(times, marking.counts[place] // program.takes[at])
            drained[place] = drained.get(place, 0) + int(times * program.takes[at])


def _withdraw_work(game: State, node: i64) -> None:
    """Withdraw every item of a task, what waits for room included; tokens stay where they are."""
    desk = game._desk(node)  # one that there is not is as one with nothing on it
    marking = game._marking
    if desk.busy > 0 or desk.straggling > 0:
        marking.disturbed = True
    activations = list(desk.activations)
    for activation in activations:
        drop(game, desk, activation)
    for item in desk.items():
        game._withdraw(item)
        let_go(game, item)
    game._failed = [item for item in game._failed if item._node != node]
    game._halted = [one for one in game._halted if one not in activations]
    desk.busy = 0
    desk.straggling = 0
    game._live -= len(desk.queue)
    desk.queue.clear()
    program = game._program
    for transition in range(program.first[node], program.first[node] + program.count[node]):
        while transition in marking.arrivals:
            marking.arrivals.remove(transition)
        marking.ready[transition] = 0
        marking.recount(transition)


def _empty(game: State, place: i64, count: i64) -> None:
    """Remove tokens from a place, and retract the arrivals that needed them."""
    if count == 0:
        return
    program = game._program
    marking = game._marking
    marking.remove(place, count)
    if program.consumer[place] == NOBODY:
        return
    for transition in program.users[place]:
        if program.or_join[transition] >= 0:
            if not program.contested[transition]:
                _retract_or(game, transition)
            continue
        degree = marking.degree(transition)
        excess = marking.ready[transition] - degree
        if excess > 0:
            if program.routes[transition]:
                marking.ready[transition] = degree
            else:
                retract(game, transition, excess, 0)
        marking.recount(transition)


def _retract_or(game: State, transition: i64) -> None:
    """The OR-join of a block has lost a token: whether it may still pass is searched anew."""
    marking = game._marking
    ready = marking.ready[transition]
    if ready > 0 and game._program.routes[transition]:
        marking.ready[transition] = 0
    elif ready > 0:
        retract(game, transition, ready, 0)
    marking.recount(transition)


def reset(marking: Marking, node: i64) -> None:
    """Begin a new round of a partial join: every branch may arrive again."""
    program = marking.program
    marking.passed[node] = 0
    for transition in range(program.first[node], program.first[node] + program.count[node]):
        marking.arrived[transition] = 0
        if marking.counts[program.single[transition]] > 0:
            marking.push(transition)


def withdraw_all(game: State) -> None:
    """Empty the case: every item is withdrawn, every token taken."""
    for desk in game._desks:
        if desk is None:
            continue
        for item in desk.items():
            game._withdraw(item)
        game._live -= len(desk.queue)
        desk.queue.clear()
        desk.activations.clear()
        desk.busy = 0
        desk.straggling = 0
    game._busy.clear()
    game._failed.clear()
    game._halted.clear()
    game._holders = [FREE] * len(game._holders)
    game._marking = Marking(game._program)
