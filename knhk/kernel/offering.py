"""Offering: arrivals become work items, as far as room, milestones and mutexes allow.

A task has as many items as it could start one after another with no completion between. A
closed milestone or a held mutex offers none; a free mutex offers all that want it, and the
first start withdraws the rest. For contested tasks that number is worked out anew whenever
something they depend on has changed (:func:`review`); all others have an item per arrival.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from knhk.errors import ExpressionError
from knhk.kernel import item as items
from knhk.kernel.arrivals import begin, retract
from knhk.kernel.completing import complete, complete_without_waiting, fail, holds
from knhk.kernel.events import wait
from knhk.kernel.item import NO_RESULT, Activation, WorkItem
from knhk.kernel.mutexes import may_enter
from knhk.kernel.orjoin import passes_left
from knhk.kernel.program import WAIT_NONE, TaskRow
from knhk.kernel.state import RUNNING, Desk, State
from knhk.model import EXPRESSION_ERROR, INCOMPLETE_ERROR, OFFER, Effect

#: How many instances one activation of a multiple-instance task may have.
INSTANCES_MAX: Final = 1_000_000


def receive(game: State) -> None:
    """Take up the arrivals at tasks in their order."""
    while game._marking.arrivals and game._status == RUNNING:
        transition: i64 = game._marking.arrivals.pop(0)
        node = game._program.node_of[transition]
        row = game._row(node)
        desk = game._desk(node)
        if row.multiple or desk.queue or not desk.room(row.at_most):
            desk.queue.append(transition)
            game._live += 1
            game._busy.append(node)
        elif row.wait != WAIT_NONE:
            wait(game, game._new_item(row, transition), row)
        else:
            game._offer(game._new_item(row, transition), desk)


# --- contested tasks --------------------------------------------------------------------


def review_dirty(game: State) -> None:
    """Look again at the contested tasks that something has changed for, in net order."""
    dirty = sorted(set(game._marking.dirty))
    game._marking.dirty = []
    for node in dirty:
        review(game, node)


def review(game: State, node: i64) -> None:
    """Announce and retract arrivals until there are as many as could be started."""
    program = game._program
    marking = game._marking
    first = program.first[node]
    last = first + program.count[node]
    left: i64 = 1  # a task that needs a mutex could not be started twice
    needs_mutex = False
    for transition in range(first, last):
        wanted = _startable(game, transition)
        if program.exclusive[transition]:
            needs_mutex = True
            wanted = min(wanted, left)
        excess = marking.ready[transition] - wanted
        if excess > 0:
            retract(game, transition, excess, 0)
        if program.exclusive[transition]:
            left -= marking.ready[transition]
    for transition in range(first, last):
        more = _startable(game, transition) - marking.ready[transition]
        if program.exclusive[transition]:
            more = min(more, left)
            left -= max(more, 0)
        for _ in range(more):
            marking.ready[transition] += 1
            marking.arrivals.append(transition)
    if needs_mutex:
        _review_attempts(game, node)


def _startable(game: State, transition: i64) -> i64:
    """How often a task could be started from one of its joins, one start after another."""
    program = game._program
    node = program.node_of[transition]
    row = game._row(node)
    if row.while_place >= 0 and game._marking.counts[row.while_place] == 0:
        return 0
    if not may_enter(game, transition):
        return 0
    if program.or_join[transition] >= 0:
        return passes_left(game, program.or_join[transition])
    return game._marking.degree(transition)


def _review_attempts(game: State, node: i64) -> None:
    """Put off attempts after the first while the mutex is held, and offer them when it is free."""
    desk = game._desk(node)
    for item in desk.offered.items():
        alone = item._taken and item._activation is None
        if alone and not may_enter_again(game, item):
            game._put_off(item, desk)
    if desk.ready.count > 0:
        game._busy.append(node)


def may_enter_again(game: State, item: WorkItem) -> bool:
    """Whether the mutexes are free that an attempt after the first has to hold."""
    if item._activation is not None or not item._taken:
        return True
    inside = game._program.inside[item._transition]
    entered = game._program.enters[item._transition]
    for mutex in game._program.net.nodes[item._node].holds:
        holder = game._holders[mutex]
        if holder >= 0 and (holder in inside or holder in entered):
            continue
        if holder != -1:
            return False
    return True


# --- room -------------------------------------------------------------------------------


def offer_more(game: State) -> None:
    """Offer, at the tasks that may have room, what waits for it; the oldest first."""
    busy = game._busy
    game._busy = []
    for node in busy:
        row = game._row(node)
        desk = game._desk(node)
        while game._status == RUNNING and desk.room(row.at_most):
            if not _offer_next(game, row, desk):
                break


def _offer_next(game: State, row: TaskRow, desk: Desk) -> bool:
    """Offer one more item of a task, if something there waits for nothing but room."""
    ready = desk.ready.head
    while ready is not None and not may_enter_again(game, ready):
        ready = ready._after
    if ready is not None:
        game._remove(ready, desk)
        if row.multiple and ready._activation is None:
            activate(game, row, desk, ready)
        else:
            game._offer(ready, desk)
        return True
    for activation in desk.activations:
        if activation.todo():
            _offer_instance(game, row, desk, activation)
            return True
    straggling = desk.straggling > 0 and row.waits
    if not desk.queue or straggling:
        return False
    transition = desk.queue.pop(0)
    game._live -= 1
    item = game._new_item(row, transition)
    if row.multiple:
        activate(game, row, desk, item)
    elif row.wait != WAIT_NONE:
        wait(game, item, row)
    else:
        game._offer(item, desk)
    return True


def _offer_instance(game: State, row: TaskRow, desk: Desk, activation: Activation) -> None:
    item = game._new_item(row, activation.transition)
    _attach(item, activation)
    if row.wait != WAIT_NONE:
        wait(game, item, row)
    else:
        game._offer(item, desk)


def _attach(item: WorkItem, activation: Activation) -> None:
    instance = activation.next_instance()
    item._activation = activation
    item._instance = instance
    item._value = activation.values[instance]


# --- instances --------------------------------------------------------------------------


def activate(game: State, row: TaskRow, desk: Desk, first: WorkItem) -> None:
    """Make the instances of an arrival at a multiple-instance task (patterns 12 to 15).

    ``first`` is the item of the first instance; it stands for the whole while the list is
    evaluated, and fails if that fails. Without instances it completes at once.
    """
    _stand_for_all(game, row, desk, first)
    try:
        values = _instance_values(game, row)
        if not values and row.complete_when is not None and not holds(game, row, 0, 0, 0, []):
            condition = row.complete_when.text
            fail(game, first, INCOMPLETE_ERROR, f"no instances, and not {condition}", None)
            return
    except ExpressionError as error:
        fail(game, first, EXPRESSION_ERROR, str(error), None)
        return
    if not values:
        complete(game, first, [])
        return
    activation = Activation(first._transition, values)
    _attach(first, activation)
    desk.activations.append(activation)
    if not row.waits and not complete_without_waiting(game, row, activation):
        return
    if row.wait != WAIT_NONE:
        wait(game, first, row)
        return
    game._effects.append(Effect(OFFER, first._id))
    if game._program.hears_messages[row.node] and game._kept:
        game._hearing = True


def _stand_for_all(game: State, row: TaskRow, desk: Desk, first: WorkItem) -> None:
    if row.wait == WAIT_NONE:
        game._appear(first, desk)
        return
    if first._state < 0:
        first.move(items.WAIT)
    else:
        first._attempt += 1
    desk.waiting.insert(first)


def _instance_values(game: State, row: TaskRow) -> list[object]:
    expression = row.instances if row.times is None else row.times
    assert expression is not None
    value = expression.evaluate(game._data, game._moment())
    if isinstance(value, bool) or not isinstance(value, (int, list, tuple)):
        raise ExpressionError(expression.text, "a list or a number of instances is needed")
    count = value if isinstance(value, int) else len(value)
    if count > INSTANCES_MAX:
        raise ExpressionError(expression.text, f"{count} instances are more than {INSTANCES_MAX}")
    if isinstance(value, int):
        return list(range(value))
    return list(value)


def add_instance(game: State, node: i64, value: object) -> None:
    """Add an instance to a task that is offered or runs (pattern 15); it then has started."""
    activation = open_activation(game, node)
    assert activation is not None
    row = game._row(node)
    activation.values.append(len(activation.values) if row.times is not None else value)
    activation.results.append(NO_RESULT)
    if not activation.begun:
        begin(game, activation, node)
    game._busy.append(node)


def open_activation(game: State, node: i64) -> Activation | None:
    """The oldest activation of an ``open`` task that instances may be added to."""
    desk = game._desks[node]
    if desk is None or not game._row(node).open:
        return None
    for activation in desk.activations:
        if not activation.over:
            return activation
    return None
