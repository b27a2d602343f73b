"""Arrivals: tokens that wait to be taken by a task, and the items that stand for them.

An arrival is announced when the tokens for one more start of a task are there. Until a start
takes them it is *pending*: an item, an activation of a multiple-instance task, or an entry in
the queue for room. When its tokens go another way (a rival of a deferred choice takes them,
pattern 16; they are cancelled) the arrival is *retracted*.
"""

from __future__ import annotations

from typing import final

from mypy_extensions import i64

from knhk.kernel.item import Activation, WorkItem
from knhk.kernel.mutexes import enter, leave, leave_all
from knhk.kernel.program import CONTESTED
from knhk.kernel.state import Desk, State


@final
class Pending:
    """One pending arrival: an item, an activation, or (neither) an entry of the queue."""

    def __init__(self, age: i64, item: WorkItem | None, activation: Activation | None) -> None:
        self.age = age
        self.item = item
        self.activation = activation


def pending(desk: Desk, transition: i64) -> list[Pending]:
    """The pending arrivals of a transition, oldest first."""
    found: list[Pending] = []
    for item in desk.items():
        alone = item._activation is None and not item._taken
        if alone and item._transition == transition:
            found.append(Pending(item._id, item, None))
    for activation in desk.activations:
        if not activation.begun and activation.transition == transition:
            found.append(Pending(_age(desk, activation), None, activation))
    found.sort(key=lambda one: one.age)
    for number in desk.queue:
        if number == transition:
            found.append(Pending(0, None, None))
    return found


def _age(desk: Desk, activation: Activation) -> i64:
    """The number of the oldest item of an activation that has not begun."""
    for item in desk.items():
        if item._activation is activation:
            return item._id
    return 0


def take(game: State, item: WorkItem) -> None:
    """Take the tokens of an item's arrival, and its mutexes, unless that was done before."""
    activation = item._activation
    if activation is not None:
        if not activation.begun:
            begin(game, activation, item._node)
        item._taken = True
        return
    if item._taken:
        return
    transition = item._transition
    contested = game._program.contested[transition]
    position: i64 = 0
    if contested:
        position = _position(game._desk(item._node), item)
    item._taken = True
    item._mutexes = enter(game, transition, None)
    game._desk(item._node).busy += 1
    game._marking.take_for_work(transition)
    if contested:
        _retract_rivals(game, transition, position)


def begin(game: State, activation: Activation, node: i64) -> None:
    """The first start of a multiple-instance task: take its tokens and mutexes."""
    transition = activation.transition
    activation.begun = True
    held = enter(game, transition, activation.mutexes)
    if held is not None:
        activation.mutexes = held
    game._desk(node).busy += 1
    game._marking.take_for_work(transition)
    if game._program.contested[transition]:
        _retract_rivals(game, transition, 0)


def _position(desk: Desk, item: WorkItem) -> i64:
    """How many pending arrivals of the same transition are older than an item's."""
    if desk.offered.head is item and desk.waiting.count + desk.ready.count == 0:
        return 0
    older: i64 = 0
    for other in desk.items():
        if other._transition == item._transition and not other._taken and other._id < item._id:
            older += 1
    return older


def _retract_rivals(game: State, transition: i64, position: i64) -> None:
    """Retract the arrivals of others whose tokens were taken just now."""
    program = game._program
    marking = game._marking
    start = program.input_at[transition]
    for at in range(start, start + program.width[transition]):
        place = program.inputs[at]
        if program.consumer[place] != CONTESTED:
            continue
        for rival in program.users[place]:
            task = not program.routes[rival] and program.or_join[rival] < 0
            if rival != transition and task:
                excess = marking.ready[rival] - marking.degree(rival)
                if excess > 0:
                    retract(game, rival, excess, position)


def retract(game: State, transition: i64, count: i64, position: i64) -> None:
    """Retract pending arrivals of a task's transition, from the one at ``position`` on."""
    desk = game._desk(game._program.node_of[transition])
    count -= _retract_new(game, transition, count)
    if count == 0:
        return
    there = pending(desk, transition)
    first: i64 = min(position, len(there) - count)
    first = max(first, 0)
    for number in range(first, min(first + count, len(there))):
        one = there[number]
        game._marking.ready[transition] -= 1
        if one.item is not None:
            game._withdraw(one.item)
        elif one.activation is not None:
            drop(game, desk, one.activation)
        else:
            desk.queue.remove(transition)
            game._live -= 1
    if len(there) < count:
        _forget_failed(game, transition, count - len(there))


def _retract_new(game: State, transition: i64, count: i64) -> i64:
    """Retract arrivals that nobody has taken up yet, at most ``count``; gives how many."""
    arrivals = game._marking.arrivals
    retracted: i64 = 0
    while retracted < count and transition in arrivals:
        arrivals.remove(transition)
        game._marking.ready[transition] -= 1
        retracted += 1
    return retracted


def _forget_failed(game: State, transition: i64, count: i64) -> None:
    """Forget failed items that had not taken their tokens: there is nothing to resume."""
    left: list[WorkItem] = []
    for item in game._failed:
        if count > 0 and not item._taken and item._transition == transition:
            game._marking.ready[transition] -= 1
            count -= 1
        else:
            left.append(item)
    game._failed = left


def drop(game: State, desk: Desk, activation: Activation) -> None:
    """Withdraw all that is at work for an activation, and forget it."""
    activation.halted = True
    for item in desk.items():
        if item._activation is activation:
            game._withdraw(item)
    if activation in desk.activations:
        desk.activations.remove(activation)
    leave_all(game, activation)


def let_go(game: State, item: WorkItem) -> None:
    """A plain item that has taken its tokens is over: they are gone, or are put elsewhere."""
    if item._taken and item._activation is None:
        game._desk(item._node).busy -= 1
    leave(game, item)
