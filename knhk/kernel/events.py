"""What comes from outside to those who wait: timers, messages and signals.

A task that waits for an event has an item in the state *waiting*; the event starts and
completes it in one step. A message is kept until somebody takes it (pattern 24, Persistent
Trigger): it goes to the item that has waited longest, and kept ones are taken in order of
arrival. A signal goes to all that wait at that moment and is lost when none does (pattern
23, Transient Trigger). Both also interrupt work that has an exception flow for them.
"""

from __future__ import annotations

from heapq import heappop
from typing import Final, final

from mypy_extensions import i64

from knhk.errors import ExpressionError
from knhk.kernel import item as items
from knhk.kernel.completing import complete, fail, interrupt
from knhk.kernel.item import STARTED, WAITING, WorkItem
from knhk.kernel.program import (
    WAIT_DELAY,
    WAIT_MESSAGE,
    WAIT_NONE,
    WAIT_SIGNAL,
    TaskRow,
)
from knhk.kernel.state import RUNNING, Message, State
from knhk.model import (
    EXCEPT_MESSAGE,
    EXCEPT_SIGNAL,
    EXPRESSION_ERROR,
    MESSAGE,
    SIGNAL,
    STOP_WORK,
    TIMEOUT_ERROR,
    US_PER_S,
    Effect,
    ExceptionArrow,
)

#: With which keys a message is wanted: any, one, or one of too many to tell them.
ANY_KEY: Final = 0
KEYED: Final = 1
CROWDED: Final = 2


@final
class Wish:
    """An event that a case would take now: the ``kind`` of its input, its name, which keys."""

    def __init__(self, kind: i64, name: str, keys: i64 = ANY_KEY, key: object = None) -> None:
        self.kind = kind
        self.name = name
        self.keys = keys
        self.key = key


#: The longest time that a timer or back-off may take: a thousand years.
WAIT_US_MAX: Final = 1000 * 366 * 86_400 * US_PER_S


# --- waiting ----------------------------------------------------------------------------


def wait(game: State, item: WorkItem, row: TaskRow) -> None:
    """Let an item, new or failed before, wait for its event, unless that has come already."""
    desk = game._desk(item._node)
    if item._state < 0:
        item.move(items.WAIT)
        desk.waiting.insert(item)
    if item._given:
        complete(game, item, item._payload)
    elif row.wait == WAIT_SIGNAL:
        return
    elif row.wait == WAIT_MESSAGE:
        _wait_for_message(game, item, row)
    else:
        _wait_for_time(game, item, row)


def _wait_for_message(game: State, item: WorkItem, row: TaskRow) -> None:
    game._hearing = game._hearing or len(game._kept) > 0
    if row.key is None:
        return
    try:
        item._key = row.key.evaluate(_with_instance(game, item, row), game._moment())
    except ExpressionError as error:
        fail(game, item, EXPRESSION_ERROR, str(error), None)


def _with_instance(game: State, item: WorkItem, row: TaskRow) -> dict[str, object]:
    if not row.variable:
        return game._data
    data = dict(game._data)
    data[row.variable] = item._value
    return data


def _wait_for_time(game: State, item: WorkItem, row: TaskRow) -> None:
    expression = row.moment
    assert expression is not None
    try:
        value = expression.evaluate(game._data, game._moment())
        if not isinstance(value, int):
            raise ExpressionError(expression.text, "a duration or a moment is needed")
        due_us = game._now_us + value if row.wait == WAIT_DELAY else value
        if due_us > game._now_us + WAIT_US_MAX:
            raise ExpressionError(expression.text, "that is more than a thousand years away")
    except ExpressionError as error:
        fail(game, item, EXPRESSION_ERROR, str(error), None)
        return
    game._set_due(item, max(due_us, game._now_us))


def fire_due(game: State, until_us: i64) -> bool:
    """Fire the timer that is due first, if it is due by ``until_us``."""
    due_us = game._next_wake_us()
    if due_us < 0 or due_us > until_us:
        return False
    _, number = heappop(game._timers)
    item = game._items[number - 1]
    item._due_us = -1
    row = game._row(item._node)
    if item._state == STARTED:
        game._effects.append(Effect(STOP_WORK, item._id))
        seconds = float(row.timeout_us) / US_PER_S
        fail(game, item, TIMEOUT_ERROR, f"took longer than {seconds:g} s", None)
    elif row.wait == WAIT_NONE or item._undoes >= 0 or (row.multiple and item._activation is None):
        come_due(game, item)
    else:
        complete(game, item, item._payload)
    return True


def come_due(game: State, item: WorkItem) -> None:
    """A back-off is over: the item is offered again as soon as there is room."""
    desk = game._desk(item._node)
    desk.waiting.remove(item)
    desk.ready.insert(item)
    item._ready = True
    game._busy.append(item._node)


# --- messages ---------------------------------------------------------------------------


def receive_message(game: State, message: Message) -> None:
    """A message has come: somebody takes it, or it is kept."""
    if game._status != RUNNING or game._compensating or not _deliver(game, message):
        game._kept.append(message)


def deliver_kept(game: State) -> None:
    """Offer the messages that were kept to those who have begun to wait, in their order."""
    game._hearing = False
    for message in list(game._kept):
        if game._status != RUNNING:
            return
        if _deliver(game, message) and message in game._kept:  # the case may have ended with it
            game._kept.remove(message)


def _deliver(game: State, message: Message) -> bool:
    """Give a message to the work that has waited longest for it, if there is any."""
    taker = _taker(game, message)
    arrow: ExceptionArrow | None = None
    for node in game._program.message_exits.get(message.name, []):
        item = _oldest_at_work(game, node)
        if item is not None and (taker is None or item._id < taker._id):
            taker = item
            arrow = _exit(game, node, EXCEPT_MESSAGE, message.name)
    if taker is None:
        return False
    if arrow is not None:
        game._taken += interrupt(game, taker, arrow)
    else:
        game._taken += 1
        _give(game, taker, message.payload)
    return True


def _give(game: State, item: WorkItem, payload: object) -> None:
    """Start and complete an item with what has come; it is kept for further attempts."""
    item._given = True
    item._payload = payload
    complete(game, item, payload)


def _taker(game: State, message: Message) -> WorkItem | None:
    """The item that has waited longest for a message of that name and key."""
    oldest: WorkItem | None = None
    for node in game._program.takers.get(message.name, []):
        desk = game._desks[node]
        if desk is None:
            continue
        keyed = game._row(node).key is not None
        item = desk.waiting.head
        while item is not None and (
            item._due_us >= 0 or (keyed and not _equal(item._key, message.key))
        ):
            item = item._after
        if item is not None and (oldest is None or item._id < oldest._id):
            oldest = item
    return oldest


def _equal(key: object, other: object) -> bool:
    """Whether two keys are equal; ``true`` is not 1."""
    return isinstance(key, bool) == isinstance(other, bool) and key == other


def _oldest_at_work(game: State, node: i64) -> WorkItem | None:
    """The oldest item of a task that an event may interrupt."""
    desk = game._desks[node]
    if desk is None:
        return None
    oldest: WorkItem | None = None
    for item in desk.items():
        activation = item._activation
        over = activation is not None and activation.over
        if not over and (oldest is None or item._id < oldest._id):
            oldest = item
    return oldest


def _exit(game: State, node: i64, kind: i64, name: str) -> ExceptionArrow:
    for arrow in game._program.exceptions[node]:
        if arrow.kind == kind and arrow.name == name:
            return arrow
    raise AssertionError("the program lists only nodes that have such an arrow")


# --- what would be taken --------------------------------------------------------------


def would_take(game: State, name: str, key: object) -> bool:
    """Whether somebody would take a message of that name and key now."""
    if game._status != RUNNING or game._compensating:
        return False
    if _taker(game, Message(name, key, None)) is not None:
        return True
    return any(_is_at_work(game, node) for node in game._program.message_exits.get(name, []))


def wishes(game: State, keys_max: i64) -> list[Wish]:
    """The events that somebody would take now; of one task at most ``keys_max`` keys."""
    found: list[Wish] = []
    if game._status != RUNNING or game._compensating:
        return found
    program = game._program
    for name, nodes in program.takers.items():
        for node in nodes:
            _wish_for_message(game, name, node, keys_max, found)
    for name, nodes in program.message_exits.items():
        if any(_is_at_work(game, node) for node in nodes):
            found.append(Wish(MESSAGE, name))
    for name, nodes in program.listeners.items():
        if any(_is_waiting(game, node) for node in nodes):
            found.append(Wish(SIGNAL, name))
    for name, nodes in program.signal_exits.items():
        if any(_is_at_work(game, node) for node in nodes):
            found.append(Wish(SIGNAL, name))
    return found


def _is_at_work(game: State, node: i64) -> bool:
    """Whether a task has an item that an event may interrupt."""
    desk = game._desks[node]
    if desk is None:
        return False
    for items_of in (desk.offered, desk.started, desk.waiting, desk.ready):
        item = items_of.head
        while item is not None:
            activation = item._activation
            if activation is None or not activation.over:
                return True
            item = item._after
    return False


def _is_waiting(game: State, node: i64) -> bool:
    """Whether a task has an item that waits for its event, and not for a time."""
    desk = game._desks[node]
    item = None if desk is None else desk.waiting.head
    while item is not None and item._due_us >= 0:
        item = item._after
    return item is not None


def _wish_for_message(game: State, name: str, node: i64, keys_max: i64, found: list[Wish]) -> None:
    """Add what the items of a task that takes messages wait for."""
    desk = game._desks[node]
    if desk is None:
        return
    keyed = game._row(node).key is not None
    before = len(found)
    item = desk.waiting.head
    while item is not None:
        if item._due_us < 0:
            if not keyed:
                found.append(Wish(MESSAGE, name))
                return
            if len(found) - before == keys_max:
                del found[before:]
                found.append(Wish(MESSAGE, name, CROWDED))
                return
            found.append(Wish(MESSAGE, name, KEYED, item._key))
        item = item._after


# --- signals ----------------------------------------------------------------------------


def receive_signal(game: State, name: str, payload: object) -> None:
    """A signal has come: all that wait for it now take it."""
    if game._status != RUNNING or game._compensating:
        return
    waiting: list[WorkItem] = []
    for node in game._program.listeners.get(name, []):
        desk = game._desks[node]
        if desk is not None:
            waiting.extend([item for item in desk.waiting.items() if item._due_us < 0])
    leaving: list[WorkItem] = []
    for node in game._program.signal_exits.get(name, []):
        desk = game._desks[node]
        if desk is not None:
            leaving.extend(desk.items())
    for item in sorted(waiting + leaving, key=lambda one: one._id):
        if game._status == RUNNING:
            _give_signal(game, item, name, payload)


def _give_signal(game: State, item: WorkItem, name: str, payload: object) -> None:
    """Start or interrupt one item, if it is still at work."""
    if item._state > STARTED:
        return
    row = game._row(item._node)
    if row.wait == WAIT_SIGNAL and row.event == name and item._state == WAITING:
        game._taken += 1
        _give(game, item, payload)
        return
    activation = item._activation
    if activation is not None and activation.over:
        return
    game._taken += interrupt(game, item, _exit(game, item._node, EXCEPT_SIGNAL, name))
