"""The token game of one case: facts in, requests out, nothing else.

``apply(input) -> effects`` is the only way to change a case. It first moves the case's
clock to the time of the input, then does what the input says, then goes on by itself as far
as it can:

1. *Routing*: every node that is not an offered task passes as soon as its join is complete,
   in net order (the inner loop is in :mod:`knhk.kernel.marking`).
2. *Offering*: every arrival at a task becomes a work item, or an activation with one item
   per instance, as far as ``at most`` leaves room. The tokens stay where they are.
3. *Timers* that are due fire.

until nothing changes. When then nothing is offered, started or waiting, the case has ended:
*completed* if no token is left, else *stuck* (pattern 11, Implicit Termination).

The firing rule. A *start* takes the tokens of the join: one from every input (AND,
pattern 3; surplus tokens persist, pattern 33) or the token of the one arrival (XOR,
patterns 5 and 8). A *completion* binds the result, does ``sets``, chooses the arrows (all of
an AND-split, pattern 2; the first whose guard is true of an XOR-split, pattern 4) and then
puts the tokens. If an expression fails on the way, nothing of the completion stays and the
attempt has failed with ``ExpressionError``.

A *failure* uses up an attempt of ``retry`` and the item backs off; without one left the
token leaves by the exception arrow that names the error, else by ``on timeout`` for a
timeout, else by ``on error`` without a name; else the case has *failed* and stands still.

Standing still (failed or suspended): nothing is offered, routing and timers wait, what runs
may end. ``resume`` goes on, and offers what had failed with fresh attempts.

What the outside does wrong is answered with a ``REFUSED`` effect and changes nothing.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Final, final
from zlib import crc32

from mypy_extensions import i64

from knhk.errors import ExpressionError, MisfitError
from knhk.kernel import item as items
from knhk.kernel.item import OFFERED, STARTED, WAITING, Activation, ItemList, WorkItem
from knhk.kernel.marking import Marking
from knhk.kernel.program import TIMER_DELAY, TIMER_NONE, Program, TaskRow
from knhk.model import (
    ADD_INSTANCE,
    CANCEL,
    CLOCK,
    COMPLETE,
    CREATE,
    ENDED,
    EXCEPT_ERROR,
    EXCEPT_TIMEOUT,
    EXPRESSION_ERROR,
    FAIL,
    NODE_ABORT,
    NODE_STOP,
    OFFER,
    REFUSED,
    RESUME,
    START,
    STOP_WORK,
    SUSPEND,
    TIMEOUT_ERROR,
    US_PER_S,
    WAKE,
    WITHDRAW,
    CaseStatus,
    Codec,
    Effect,
    Expression,
    Input,
    Moment,
)

RUNNING: Final = 0
SUSPENDED: Final = 1
COMPLETED: Final = 2
FAILED: Final = 3
CANCELLED: Final = 4
STUCK: Final = 5

STATUSES: Final = (
    CaseStatus.running,
    CaseStatus.suspended,
    CaseStatus.completed,
    CaseStatus.failed,
    CaseStatus.cancelled,
    CaseStatus.stuck,
)

#: How many routing nodes may pass after one input; more is a round without a task.
FIRINGS_MAX: Final = 1_000_000
#: How many instances one activation of a multiple-instance task may have.
INSTANCES_MAX: Final = 1_000_000
#: The longest time that a timer or back-off may take: a thousand years.
WAIT_US_MAX: Final = 1000 * 366 * 86_400 * US_PER_S

ABSENT: Final = object()


@final
class Failure:
    """Why a case has failed: the task (empty: a routing node), the error's name, the message."""

    def __init__(self, task: str, error: str, message: str) -> None:
        self.task = task
        self.error = error
        self.message = message

    def __repr__(self) -> str:
        return f"Failure(task={self.task!r}, error={self.error!r}, message={self.message!r})"


@final
class Desk:
    """The work of one task in one case: its items by state, and what waits for room.

    ``waiting`` items wait for a time, ``ready`` ones only for room under ``at most``;
    ``queue`` holds arrivals (transitions) that have no item yet.
    """

    def __init__(self) -> None:
        self.offered = ItemList()
        self.started = ItemList()
        self.waiting = ItemList()
        self.ready = ItemList()
        self.queue: list[int] = []
        self.activations: list[Activation] = []

    def room(self, at_most: i64) -> bool:
        """Whether one more item may be offered under ``at most``."""
        return at_most == 0 or self.offered.count + self.started.count < at_most

    def wants_room(self) -> bool:
        """Whether something here may wait for room."""
        return self.ready.count > 0 or len(self.queue) > 0 or len(self.activations) > 0

    def items(self) -> list[WorkItem]:
        """All items that are at work here."""
        return (
            self.offered.items() + self.started.items() + self.waiting.items() + self.ready.items()
        )

    def idle(self) -> bool:
        """Whether there is nothing here that could be withdrawn."""
        at_work = self.offered.count + self.started.count + self.waiting.count
        return at_work == 0 and not self.wants_room()


class Game:
    """The state of one case and its transition function ``apply``."""

    def __init__(self, program: Program, id: str) -> None:
        self._program = program
        self._id = id
        self._seed: int = crc32(id.encode("utf-8", "surrogatepass"))
        self._seq: i64 = 0
        self._now_us: i64 = 0
        self._status: i64 = RUNNING
        self._data: dict[str, object] = {}
        self._marking = Marking(program)
        self._desks: list[Desk | None] = [None] * len(program.rows)
        self._busy: list[int] = []
        self._items: list[WorkItem] = []
        self._live: i64 = 0
        self._timers: list[tuple[int, int]] = []
        self._failure: Failure | None = None
        self._failed: list[WorkItem] = []
        self._result: object = None
        self._history: list[Input] = []
        self._effects: list[Effect] = []
        self._begun = False
        self._now: Moment | None = None

    # --- the one way in -----------------------------------------------------------------

    def apply(self, fact: Input) -> list[Effect]:
        """Take up one fact and give what is asked for in return.

        A ``REFUSED`` effect, then the only one, means that nothing has changed.
        """
        why = self._refusal(fact)
        if why:
            return [Effect(REFUSED, fact.item, 0, why)]
        effects: list[Effect] = []
        self._effects = effects
        wake_us = self._next_wake_us()
        self._history.append(fact)
        self._now = None
        self._seq += 1
        kind = fact.kind
        if kind == CLOCK:
            self._advance(fact.at_us)
        else:
            self._now_us = max(self._now_us, fact.at_us)
            if kind == START:
                self._start(self._items[fact.item - 1])
            elif kind == COMPLETE:
                self._complete(self._items[fact.item - 1], fact.value)
            else:
                self._apply_seldom(fact)
            self._proceed()
        if self._timers:
            next_us = self._next_wake_us()
            if next_us >= 0 and next_us != wake_us:
                effects.append(Effect(WAKE, -1, next_us))
        return effects

    def _apply_seldom(self, fact: Input) -> None:
        kind = fact.kind
        if kind == FAIL:
            item = self._items[fact.item - 1]
            self._fail(item, fact.error, fact.message, fact.value)
        elif kind == CREATE:
            self._create(fact.value)
        elif kind == WITHDRAW:
            self._withdraw_task(self._program.names[fact.task])
        elif kind == SUSPEND:
            self._status = SUSPENDED
        elif kind == RESUME:
            self._resume()
        elif kind == CANCEL:
            self._end(CANCELLED)
        # A message is kept in the history; no task of this release waits for one.

    def _refusal(self, fact: Input) -> str:
        """Why a fact cannot be taken up; empty when it can."""
        kind = fact.kind
        if (kind == CREATE) != (self._seq == 0):
            return "the case has begun already" if self._seq else "the case has not begun"
        if kind == CREATE:
            return ""
        status = self._status
        if status == COMPLETED or status == CANCELLED:
            return f"the case is {STATUSES[status]}"
        if kind == START or kind == COMPLETE or kind == FAIL:
            return self._item_refusal(fact, kind)
        if kind == WITHDRAW:
            node = self._program.names.get(fact.task, -1)
            if node < 0:
                return f"there is no task {fact.task!r}"
            idle = self._desk(node).idle()
            return "it has no work item" if idle else ""
        if kind == SUSPEND:
            return "" if status == RUNNING else f"the case is {STATUSES[status]}"
        if kind == RESUME:
            stands = status == SUSPENDED or status == FAILED
            return "" if stands else f"the case is {STATUSES[status]}, it does not stand still"
        if kind == ADD_INSTANCE:
            return "it is not open: no instance can be added"
        return ""

    def _item_refusal(self, fact: Input, kind: i64) -> str:
        if fact.item < 1 or fact.item > len(self._items):
            return f"there is no work item {fact.item}"
        item = self._items[fact.item - 1]
        if kind != START:
            if item._state == STARTED:
                return ""
            return f"work item {fact.item} is {item.state}, not started"
        if item._state != OFFERED:
            return f"work item {fact.item} is {item.state}, not offered"
        if self._status != RUNNING:
            return f"the case is {STATUSES[self._status]}: nothing is offered"
        return ""

    # --- going on -----------------------------------------------------------------------

    def _proceed(self) -> None:
        """Route, offer and fire what is due until nothing changes; then see to the end."""
        while self._status == RUNNING:
            if self._marking.agenda_size > 0:
                self._route()
            elif self._marking.arrivals:
                self._receive()
            elif self._busy:
                self._offer_more()
            elif not self._fire_due(self._now_us):
                break
        if self._status == RUNNING and self._live == 0:
            if self._marking.total > 0:
                self._end(STUCK)
            else:
                self._finish()

    def _advance(self, to_us: i64) -> None:
        """Move the clock, stopping at every due moment on the way."""
        while self._status == RUNNING:
            due_us = self._next_wake_us()
            if due_us < 0 or due_us > to_us:
                break
            self._now_us = max(self._now_us, due_us)
            self._fire_due(self._now_us)
            self._proceed()
        self._now_us = max(self._now_us, to_us)

    def _next_wake_us(self) -> i64:
        """When the next timer is due, -1 if none is or the case stands still."""
        if self._status != RUNNING:
            return -1
        while self._timers:
            due, number = self._timers[0]
            item = self._items[number - 1]
            if item._due_us == due and item._state <= STARTED:
                return due
            heappop(self._timers)
        return -1

    def _fire_due(self, until_us: i64) -> bool:
        """Fire the timer that is due first, if it is due by ``until_us``."""
        due_us = self._next_wake_us()
        if due_us < 0 or due_us > until_us:
            return False
        _, number = heappop(self._timers)
        item = self._items[number - 1]
        item._due_us = -1
        row = self._row(item._node)
        if item._state == STARTED:
            self._effects.append(Effect(STOP_WORK, item._id))
            seconds = float(row.timeout_us) / US_PER_S
            self._fail(item, TIMEOUT_ERROR, f"took longer than {seconds:g} s", None)
        elif row.timer != TIMER_NONE:
            self._complete(item, None)
        else:
            self._come_due(item)
        return True

    def _set_due(self, item: WorkItem, due_us: i64) -> None:
        item._due_us = due_us
        heappush(self._timers, (due_us, item._id))

    def _moment(self) -> Moment:
        """What expressions may know now; all draws of one input are one stream."""
        moment = self._now
        if moment is None:
            moment = Moment(self._now_us, self._seed, self._seq)
            self._now = moment
        moment.at_us = self._now_us
        return moment

    def _row(self, node: i64) -> TaskRow:
        row = self._program.rows[node]
        assert row is not None
        return row

    def _desk(self, node: i64) -> Desk:
        """The desk of a task; it is set up when the task is first reached."""
        desk = self._desks[node]
        if desk is None:
            desk = Desk()
            self._desks[node] = desk
        return desk

    # --- routing ------------------------------------------------------------------------

    def _route(self) -> None:
        """Pass routing nodes in net order until none is complete or the case stands still."""
        left: i64 = FIRINGS_MAX
        while self._status == RUNNING:
            left = self._marking.run(left)
            if left == 0:
                self._fail_case(
                    "", "Livelock", f"{FIRINGS_MAX} routing nodes passed without a task"
                )
                return
            transition = self._marking.pop()
            if transition < 0:
                return
            left -= 1
            self._pass(transition)

    def _pass(self, transition: i64) -> None:
        """Fire a routing node that has a guard or data, or that ends the case."""
        node = self._program.node_of[transition]
        kind = self._program.net.nodes[node].kind
        row = self._program.rows[node]
        arrow: i64 = -1
        try:
            undo = self._assign(row, None) if row is not None else {}
            arrow = self._choose(node, undo)
        except ExpressionError as error:
            self._marking.push(transition)
            self._fail_case("" if row is None else row.name, EXPRESSION_ERROR, str(error))
            return
        self._marking.take(transition)
        if kind == NODE_STOP:
            self._withdraw_all()
            self._finish()
        elif kind == NODE_ABORT:
            self._end(CANCELLED)
        else:
            self._put(node, arrow)

    def _put(self, node: i64, arrow: i64) -> None:
        if arrow < 0:
            self._marking.put_all(node)
        else:
            self._marking.put_one(node, arrow)

    def _choose(self, node: i64, undo: dict[str, object]) -> i64:
        """The arrow that an XOR-split takes, -1 for an AND-split; on failure data is restored."""
        if not self._program.chooses[node]:
            return -1
        moment = self._moment()
        try:
            number: i64 = 0
            for guard in self._program.guards[node]:
                if guard is None or guard.evaluate(self._data, moment):
                    return number
                number += 1
            name = self._program.name_of(node)
            raise ExpressionError(f"one(...) after {name}", "no guard is true; add `otherwise`")
        except ExpressionError:
            self._restore(undo)
            raise

    def _assign(self, row: TaskRow, result: object) -> dict[str, object]:
        """Bind a task's result and do its ``sets``; gives what was there before.

        If an expression fails, what was there before is restored first.
        """
        undo: dict[str, object] = {row.name: self._data.get(row.name, ABSENT)}
        self._data[row.name] = result
        if row.assignments:
            moment = self._moment()
            try:
                for assignment in row.assignments:
                    value = self._evaluate(assignment.value, assignment.codec, moment)
                    if assignment.name not in undo:
                        undo[assignment.name] = self._data.get(assignment.name, ABSENT)
                    self._data[assignment.name] = value
            except ExpressionError:
                self._restore(undo)
                raise
        return undo

    def _evaluate(self, expression: Expression, codec: Codec | None, moment: Moment) -> object:
        """The value of an expression as its declared type, or an ``ExpressionError``."""
        value = expression.evaluate(self._data, moment)
        if codec is None:
            return value
        try:
            return codec.accept(value)
        except MisfitError as error:
            raise ExpressionError(expression.text, str(error)) from error

    def _restore(self, undo: dict[str, object]) -> None:
        for name, value in undo.items():
            if value is ABSENT:
                self._data.pop(name, None)
            else:
                self._data[name] = value

    # --- beginning, ending, standing still ----------------------------------------------

    def _create(self, parameters: object) -> None:
        assert isinstance(parameters, dict)
        self._data.update(parameters)
        self._begin()

    def _begin(self) -> None:
        """Give the variables their first values, then put the first token."""
        net = self._program.net
        moment = self._moment()
        try:
            for variable in net.variables:
                value: object = None
                if variable.initial is not None:
                    value = self._evaluate(variable.initial, variable.codec, moment)
                self._data[variable.name] = value
        except ExpressionError as error:
            self._fail_case("", EXPRESSION_ERROR, str(error))
            return
        self._begun = True
        for number, place in enumerate(net.places):
            for _ in range(place.tokens):
                self._marking.put(number)

    def _finish(self) -> None:
        """Complete the case: evaluate ``return``, then end."""
        net = self._program.net
        if net.returns is not None:
            try:
                self._result = self._evaluate(net.returns, net.result, self._moment())
            except ExpressionError as error:
                self._fail_case("", EXPRESSION_ERROR, str(error))
                return
        self._end(COMPLETED)

    def _end(self, status: i64) -> None:
        self._status = status
        if status == CANCELLED:
            self._withdraw_all()
        self._effects.append(Effect(ENDED))

    def _fail_case(self, task: str, error: str, message: str) -> None:
        if self._status == FAILED:
            return  # the first failure is the reason; further items that failed are in `_failed`
        self._failure = Failure(task, error, message)
        self._status = FAILED
        self._effects.append(Effect(ENDED))

    def _resume(self) -> None:
        self._status = RUNNING
        self._failure = None
        failed = self._failed
        self._failed = []
        if not self._begun:
            self._begin()
        for item in failed:
            self._reoffer(item)
        for node, desk in enumerate(self._desks):
            if desk is not None and desk.wants_room():
                self._busy.append(node)

    def _reoffer(self, item: WorkItem) -> None:
        """Offer a failed item again, with fresh attempts."""
        item._failures = 0
        self._live += 1
        desk = self._desk(item._node)
        activation = item._activation
        if activation is not None:
            activation.halted = False
        item.move(items.RESUME)
        desk.waiting.insert(item)
        row = self._row(item._node)
        if row.timer != TIMER_NONE:
            self._wait_for_timer(item, row)
        else:
            self._come_due(item)

    # --- offering -----------------------------------------------------------------------

    def _receive(self) -> None:
        """Take up the arrivals at tasks in their order."""
        arrivals = self._marking.arrivals
        taken: i64 = 0
        while taken < len(arrivals) and self._status == RUNNING:
            transition: i64 = arrivals[taken]
            taken += 1
            node = self._program.node_of[transition]
            row = self._row(node)
            desk = self._desk(node)
            if row.timer != TIMER_NONE:
                self._wait_from_arrival(row, desk, transition)
            elif desk.queue or desk.activations or row.multiple or not desk.room(row.at_most):
                desk.queue.append(transition)
                self._live += 1
                self._busy.append(node)
            else:
                self._offer(self._new_item(row, transition), desk)
        self._marking.arrivals = arrivals[taken:]

    def _new_item(self, row: TaskRow, transition: i64) -> WorkItem:
        number: i64 = len(self._items) + 1
        item = WorkItem(number, row.node, row.name, transition)
        self._items.append(item)
        self._live += 1
        return item

    def _offer(self, item: WorkItem, desk: Desk) -> None:
        self._appear(item)
        desk.offered.insert(item)
        self._effects.append(Effect(OFFER, item._id))

    def _appear(self, item: WorkItem) -> None:
        """An item becomes offered: for the first time, or for its next attempt."""
        if item._state < 0:
            item.move(items.ARRIVE)
        else:
            item.move(items.COME_DUE)
            item._attempt += 1

    def _offer_more(self) -> None:
        """Offer, at the tasks that may have room, what waits for it; the oldest first."""
        busy = self._busy
        self._busy = []
        for node in busy:
            row = self._row(node)
            desk = self._desk(node)
            while self._status == RUNNING and desk.room(row.at_most):
                if not self._offer_next(row, desk):
                    break

    def _offer_next(self, row: TaskRow, desk: Desk) -> bool:
        """Offer one more item of a task, if something there waits for nothing but room."""
        ready = desk.ready.head
        if ready is not None:
            self._remove(ready, desk)
            if row.multiple and ready._activation is None:
                self._activate(row, desk, ready)
            else:
                self._offer(ready, desk)
            return True
        for activation in desk.activations:
            if activation.todo():
                instance = activation.next_instance()
                item = self._new_item(row, activation.transition)
                item._activation = activation
                item._instance = instance
                item._value = activation.values[instance]
                self._offer(item, desk)
                return True
        if not desk.queue:
            return False
        transition = desk.queue.pop(0)
        self._live -= 1
        if row.multiple:
            self._activate(row, desk, self._new_item(row, transition))
        else:
            self._offer(self._new_item(row, transition), desk)
        return True

    def _come_due(self, item: WorkItem) -> None:
        """A back-off is over: the item is offered again as soon as there is room."""
        desk = self._desk(item._node)
        desk.waiting.remove(item)
        desk.ready.insert(item)
        item._ready = True
        self._busy.append(item._node)

    def _activate(self, row: TaskRow, desk: Desk, first: WorkItem) -> None:
        """Make the instances of an arrival at a multiple-instance task (patterns 13, 14).

        ``first`` is the item of the first instance; it stands for the whole while the list
        is evaluated, and fails if that fails. Without instances it completes at once.
        """
        self._appear(first)
        desk.offered.insert(first)
        try:
            values = self._instance_values(row)
        except ExpressionError as error:
            self._fail(first, EXPRESSION_ERROR, str(error), None)
            return
        if not values:
            self._complete(first, [])
            return
        activation = Activation(first._transition, values)
        first._activation = activation
        first._instance = activation.next_instance()
        first._value = values[0]
        desk.activations.append(activation)
        self._effects.append(Effect(OFFER, first._id))

    def _instance_values(self, row: TaskRow) -> list[object]:
        expression = row.instances if row.times is None else row.times
        assert expression is not None
        value = expression.evaluate(self._data, self._moment())
        if isinstance(value, bool) or not isinstance(value, (int, list, tuple)):
            raise ExpressionError(expression.text, "a list or a number of instances is needed")
        count = value if isinstance(value, int) else len(value)
        if count > INSTANCES_MAX:
            raise ExpressionError(
                expression.text, f"{count} instances are more than {INSTANCES_MAX}"
            )
        if isinstance(value, int):
            return list(range(value))
        return list(value)

    def _wait_from_arrival(self, row: TaskRow, desk: Desk, transition: i64) -> None:
        item = self._new_item(row, transition)
        item.move(items.WAIT)
        desk.waiting.insert(item)
        self._wait_for_timer(item, row)

    def _wait_for_timer(self, item: WorkItem, row: TaskRow) -> None:
        expression = row.moment
        assert expression is not None
        try:
            value = expression.evaluate(self._data, self._moment())
            if not isinstance(value, int):
                raise ExpressionError(expression.text, "a duration or a moment is needed")
            due_us = self._now_us + value if row.timer == TIMER_DELAY else value
            if due_us > self._now_us + WAIT_US_MAX:
                raise ExpressionError(expression.text, "that is more than a thousand years away")
        except ExpressionError as error:
            self._fail(item, EXPRESSION_ERROR, str(error), None)
            return
        self._set_due(item, max(due_us, self._now_us))

    # --- starting, completing -----------------------------------------------------------

    def _start(self, item: WorkItem) -> None:
        desk = self._desk(item._node)
        desk.offered.remove(item)
        desk.started.insert(item)
        item.move(items.START)
        self._take(item)
        timeout_us = self._row(item._node).timeout_us
        if timeout_us > 0:
            self._set_due(item, self._now_us + timeout_us)

    def _take(self, item: WorkItem) -> None:
        """Take the tokens of the item's arrival, unless that was done before."""
        activation = item._activation
        if activation is not None:
            if not activation.begun:
                activation.begun = True
                self._marking.take(item._transition)
        elif not item._taken:
            self._marking.take(item._transition)
        item._taken = True

    def _complete(self, item: WorkItem, value: object) -> None:
        activation = item._activation
        if activation is not None and item._instance >= 0:
            activation.results[item._instance] = value
            if activation.open > 1:
                activation.open -= 1
                self._close(item, items.COMPLETE)
                return
            value = list(activation.results)
        row = self._row(item._node)
        arrow: i64 = -1
        try:
            arrow = self._choose(item._node, self._assign(row, value))
        except ExpressionError as error:
            self._fail(item, EXPRESSION_ERROR, str(error), None)
            return
        self._take(item)
        self._close(item, items.COMPLETE)
        if activation is not None and item._instance >= 0:
            self._desk(item._node).activations.remove(activation)
        self._put(item._node, arrow)

    def _close(self, item: WorkItem, event: i64) -> None:
        """An item leaves the game; its place under ``at most`` is free."""
        desk = self._desk(item._node)
        self._remove(item, desk)
        item.move(event)
        item._due_us = -1
        self._live -= 1
        if desk.wants_room():
            self._busy.append(item._node)

    def _remove(self, item: WorkItem, desk: Desk) -> None:
        state = item._state
        if state == STARTED:
            desk.started.remove(item)
        elif state == OFFERED:
            desk.offered.remove(item)
        elif state == WAITING and item._ready:
            item._ready = False
            desk.ready.remove(item)
        elif state == WAITING:
            desk.waiting.remove(item)

    # --- failing ------------------------------------------------------------------------

    def _fail(self, item: WorkItem, error: str, message: str, bases: object) -> None:
        row = self._row(item._node)
        if item._failures < len(row.delays_us):
            self._back_off(item, row)
            return
        desk = self._desk(item._node)
        self._close(item, items.FAIL)
        place = self._exception_place(item._node, error, bases)
        activation = item._activation
        if activation is not None and item._instance >= 0:
            self._halt(desk, activation, place >= 0)
        if place >= 0:
            self._take(item)
            self._marking.put(place)
        else:
            self._failed.append(item)
            self._fail_case(item._task, error, message)

    def _back_off(self, item: WorkItem, row: TaskRow) -> None:
        """Use up an attempt: the item waits, then it is offered (or its timer set) anew."""
        delay = float(row.delays_us[item._failures])
        if row.jitter > 0.0:
            draw = self._moment().random()
            delay = delay * (1.0 + row.jitter * (2.0 * draw - 1.0))
        desk = self._desk(item._node)
        self._remove(item, desk)
        item._failures += 1
        item.move(items.WAIT)
        desk.waiting.insert(item)
        self._set_due(item, self._now_us + int(delay))
        if desk.wants_room():
            self._busy.append(item._node)

    def _exception_place(self, node: i64, error: str, bases: object) -> i64:
        """Where the token of a failed task goes, -1 if the case is to fail."""
        names = [error]
        if isinstance(bases, (list, tuple)):
            names.extend([str(base) for base in bases])
        arrows = self._program.exceptions[node]
        for name in names:
            for arrow in arrows:
                if arrow.kind == EXCEPT_ERROR and arrow.name == name:
                    return arrow.place
        if error == TIMEOUT_ERROR:
            for arrow in arrows:
                if arrow.kind == EXCEPT_TIMEOUT:
                    return arrow.place
        for arrow in arrows:
            if arrow.kind == EXCEPT_ERROR and not arrow.name:
                return arrow.place
        return -1

    def _halt(self, desk: Desk, activation: Activation, ends: bool) -> None:
        """An instance has failed for good: withdraw its siblings.

        If the token leaves by an exception arrow the activation ends; else it can go on
        after ``resume``, with the siblings offered anew and the completed ones kept.
        """
        for sibling in desk.items():
            if sibling._activation is activation:
                self._withdraw(sibling)
                activation.again.append(sibling._instance)
        activation.again.sort()
        activation.halted = True
        if ends:
            desk.activations.remove(activation)

    # --- withdrawing --------------------------------------------------------------------

    def _withdraw(self, item: WorkItem) -> None:
        if item._state == OFFERED or item._state == STARTED:
            self._effects.append(Effect(STOP_WORK, item._id))
        self._close(item, items.WITHDRAW)

    def _withdraw_task(self, node: i64) -> None:
        """Withdraw all items of a task, and the tokens that their start would have taken.

        (Pattern 19, Cancel Task.)
        """
        desk = self._desk(node)
        for item in desk.items():
            self._take(item)
            self._withdraw(item)
        for activation in desk.activations:
            if not activation.begun:
                self._marking.take(activation.transition)
        desk.activations.clear()
        for transition in desk.queue:
            self._marking.take(transition)
            self._live -= 1
        desk.queue.clear()
        self._failed = [item for item in self._failed if item._node != node]

    def _withdraw_all(self) -> None:
        """Empty the case: every item is withdrawn, every token taken."""
        for desk in self._desks:
            if desk is None:
                continue
            for item in desk.items():
                self._withdraw(item)
            self._live -= len(desk.queue)
            desk.queue.clear()
            desk.activations.clear()
        self._busy.clear()
        self._failed.clear()
        self._marking = Marking(self._program)


__all__ = ["FIRINGS_MAX", "INSTANCES_MAX", "Desk", "Failure", "Game"]
