"""The token game of one case: facts in, requests out, nothing else.

``apply(input) -> effects`` is the only way to change a case. It first moves the case's
clock to the time of the input, then does what the input says, then goes on by itself as far
as it can:

1. *Routing*: every node that is not an offered task passes as soon as its join is complete,
   in net order (the inner loop is in :mod:`knhk.kernel.marking`).
2. *Offering*: every arrival at a task becomes a work item, or an activation with one item
   per instance, as far as ``at most``, milestones and mutexes allow. The tokens stay where
   they are. (:mod:`knhk.kernel.offering`)
3. *OR-joins* are examined anew, as tokens have moved. (:mod:`knhk.kernel.orjoin`)
4. Messages that were kept go to those who have begun to wait; *timers* that are due fire.
   (:mod:`knhk.kernel.events`)

until nothing changes. When then nothing is offered, started or waiting, the case has ended:
*completed* if no token is left, else *stuck* (pattern 11, Implicit Termination).

The firing rule. A *start* takes the tokens of the join: those of every input (AND, pattern 3;
surplus tokens persist, pattern 33), the token of the one arrival (XOR, patterns 5 and 8), or
those of the marked inputs (OR). What a *completion* or a *failure* does stands in
:mod:`knhk.kernel.completing`.

Standing still (failed or suspended): nothing is offered, routing and timers wait, what runs
may end. ``resume`` goes on, and offers what had failed with fresh attempts; ``skip`` takes it
for done. (:mod:`knhk.kernel.repairing`)

A case that fails ``on failure compensate``, or is told to, only undoes what has completed
(:mod:`knhk.kernel.compensating`); one ``on failure cancel`` is cancelled.

What the outside does wrong is answered with a ``REFUSED`` effect and changes nothing.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from knhk.errors import ExpressionError
from knhk.kernel import item as items
from knhk.kernel.arrivals import take
from knhk.kernel.cancelling import cancel_task
from knhk.kernel.compensating import begin_undoing, offer_again, undo_next
from knhk.kernel.completing import complete, fail
from knhk.kernel.data import evaluate
from knhk.kernel.ending import end, fail_case, finish
from knhk.kernel.events import (
    deliver_kept,
    fire_due,
    receive_message,
    receive_signal,
)
from knhk.kernel.item import OFFERED, STARTED, WorkItem
from knhk.kernel.mutexes import enter_again, free_empty_sections
from knhk.kernel.offering import (
    INSTANCES_MAX,
    add_instance,
    offer_more,
    open_activation,
    receive,
    review_dirty,
)
from knhk.kernel.program import Program
from knhk.kernel.repairing import release, resume, resume_refusal, skip, skip_refusal
from knhk.kernel.routing import examine_or_joins, route
from knhk.kernel.state import (
    CANCELLED,
    COMPLETED,
    FAILED,
    RUNNING,
    STATUSES,
    STUCK,
    SUSPENDED,
    Message,
    State,
)
from knhk.model import (
    ADD_INSTANCE,
    CANCEL,
    CLOCK,
    COMPENSATE,
    COMPLETE,
    CREATE,
    EXPRESSION_ERROR,
    FAIL,
    LATE,
    MESSAGE,
    ON_FAILURE_CANCEL,
    ON_FAILURE_PAUSE,
    REFUSED,
    RELEASE,
    RESUME,
    SIGNAL,
    SKIP,
    START,
    SUSPEND,
    WAKE,
    WITHDRAW,
    Effect,
    Input,
)

#: How many messages a case keeps that nobody has taken yet.
KEPT_MAX: Final = 10_000
#: How often one input may lead from completions to new offers and on; more is a round in
#: which every task completes by itself (no instances, a timer of no time).
ROUNDS_MAX: Final = 100_000


class Game(State):
    """The transition function ``apply`` over the state of one case."""

    def __init__(self, program: Program, id: str, keeps_history: bool) -> None:
        super().__init__(program, id, keeps_history)

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
        history = self._history
        if history is not None:
            history.append(fact)
        self._now = None
        self._seq += 1
        self._taken = 0
        kind = fact.kind
        if kind == CLOCK:
            self._advance(fact.at_us)
        else:
            self._now_us = max(self._now_us, fact.at_us)
            if kind == START:
                self._start(self._items[fact.item - 1])
            elif kind == COMPLETE:
                complete(self, self._items[fact.item - 1], fact.value)
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
            fail(self, self._items[fact.item - 1], fact.error, fact.message, fact.value)
        elif kind == CREATE:
            self._create(fact.value)
        elif kind == WITHDRAW:
            cancel_task(self, self._program.names[fact.task])
        elif kind == MESSAGE:
            key, payload = _message_of(fact.value)
            receive_message(self, Message(fact.task, key, payload))
        elif kind == SIGNAL:
            receive_signal(self, fact.task, fact.value)
        elif kind == ADD_INSTANCE:
            add_instance(self, self._program.names[fact.task], fact.value)
        elif kind == SUSPEND:
            self._status = SUSPENDED
        elif kind == RESUME:
            self._resume(fact.task)
        elif kind == SKIP:
            skip(self, self._items[fact.item - 1], fact.value)
        elif kind == RELEASE:
            release(self, self._items[fact.item - 1])
        elif kind == COMPENSATE:
            begin_undoing(self)
        elif kind == CANCEL:
            end(self, CANCELLED)
        else:
            assert kind == LATE  # a fact for the record

    # --- refusals -----------------------------------------------------------------------

    def _refusal(self, fact: Input) -> str:
        """Why a fact cannot be taken up; empty when it can."""
        kind = fact.kind
        if (kind == CREATE) != (self._seq == 0):
            return "the case has begun already" if self._seq else "the case has not begun"
        if kind == CREATE:
            return ""
        status = self._status
        if kind == LATE:
            return self._late_refusal(fact)
        if status == COMPLETED or status == CANCELLED:
            return f"the case is {STATUSES[status]}"
        if kind == START or kind == COMPLETE or kind == FAIL or kind == SKIP or kind == RELEASE:
            return self._item_refusal(fact, kind)
        if kind == WITHDRAW or kind == ADD_INSTANCE:
            return self._task_refusal(fact)
        if kind == MESSAGE:
            full = len(self._kept) >= KEPT_MAX
            return f"it keeps {KEPT_MAX} messages that nobody takes" if full else ""
        if kind == SUSPEND:
            return "" if status == RUNNING else f"the case is {STATUSES[status]}"
        if kind == RESUME:
            return resume_refusal(self, fact.task)
        if kind == COMPENSATE:
            return "the case is being undone already" if self._compensating else ""
        return ""

    def _task_refusal(self, fact: Input) -> str:
        node = self._program.names.get(fact.task, -1)
        if node < 0:
            return f"there is no task {fact.task!r}"
        if self._compensating:
            return "the case is being undone: an undo can be skipped, or the case cancelled"
        if fact.kind == ADD_INSTANCE:
            return self._instance_refusal(node)
        idle = self._desk(node).idle() and all(item._node != node for item in self._failed)
        return "it has no work item" if idle else ""

    def _late_refusal(self, fact: Input) -> str:
        if fact.item < 1 or fact.item > len(self._items):
            return f"there is no work item {fact.item}"
        return ""

    def _instance_refusal(self, node: i64) -> str:
        row = self._row(node)
        if not row.open:
            return "it is not `open`: no instance can be added"
        if self._status != RUNNING:
            return f"the case is {STATUSES[self._status]}: no instance can be added"
        activation = open_activation(self, node)
        if activation is None:
            return "it is neither offered nor running: no instance can be added"
        if len(activation.values) >= INSTANCES_MAX:
            return f"it has {INSTANCES_MAX} instances: no more can be added"
        return ""

    def _item_refusal(self, fact: Input, kind: i64) -> str:
        if fact.item < 1 or fact.item > len(self._items):
            return f"there is no work item {fact.item}"
        item = self._items[fact.item - 1]
        if kind == SKIP:
            return skip_refusal(self, item)
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
        if self._compensating:
            self._undo()
            return
        left: i64 = ROUNDS_MAX
        while self._status == RUNNING:
            left -= 1
            if left < 0:
                why = f"{ROUNDS_MAX} times round, and still something completes by itself"
                fail_case(self, "", "Livelock", why)
                break
            marking = self._marking
            if marking.agenda_size > 0:
                route(self)
            elif marking.arrivals:
                receive(self)
            elif marking.dirty:
                review_dirty(self)
            elif self._busy:
                offer_more(self)
            elif not self._proceed_seldom():
                break
        if self._status == RUNNING and self._live == 0:
            if self._marking.total > 0:
                end(self, STUCK)
            else:
                finish(self)
        if self._status == FAILED and self._program.on_failure != ON_FAILURE_PAUSE:
            self._give_up()

    def _give_up(self) -> None:
        """The case has failed and does not stand still for it: it is undone, or cancelled."""
        if self._program.on_failure == ON_FAILURE_CANCEL:
            end(self, CANCELLED)
            return
        begin_undoing(self)
        self._undo()

    def _undo(self) -> None:
        """Offer what is to be undone next, until somebody has to act."""
        while self._status == RUNNING:
            if self._live == 0:
                undo_next(self)
            elif not offer_again(self) and not fire_due(self, self._now_us):
                return

    def _proceed_seldom(self) -> bool:
        """What is left when nothing is to be routed or offered; whether anything changed."""
        if self._holders and free_empty_sections(self):
            return True
        if self._program.or_joins and examine_or_joins(self):
            return True
        if self._hearing:
            deliver_kept(self)
            return True
        return fire_due(self, self._now_us)

    def _advance(self, to_us: i64) -> None:
        """Move the clock, stopping at every due moment on the way."""
        while self._status == RUNNING:
            due_us = self._next_wake_us()
            if due_us < 0 or due_us > to_us:
                break
            self._now_us = max(self._now_us, due_us)
            fire_due(self, self._now_us)
            self._proceed()
        self._now_us = max(self._now_us, to_us)

    def _start(self, item: WorkItem) -> None:
        desk = self._desk(item._node)
        desk.offered.remove(item)
        desk.started.insert(item)
        item.move(items.START)
        if item._undoes >= 0:
            pass  # the net plays no part any more
        elif item._taken and item._activation is None:
            enter_again(self, item)
        else:
            take(self, item)
        timeout_us = self._row(item._node).timeout_us
        if timeout_us > 0:
            self._set_due(item, self._now_us + timeout_us)

    # --- beginning and going on ---------------------------------------------------------

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
                    value = evaluate(self, variable.initial, variable.codec, moment)
                self._data[variable.name] = value
        except ExpressionError as error:
            fail_case(self, "", EXPRESSION_ERROR, str(error))
            return
        self._begun = True
        for number, place in enumerate(net.places):
            for _ in range(place.tokens):
                self._marking.put(number)

    def _resume(self, task: str) -> None:
        resume(self, task)
        if self._status == RUNNING and not self._begun and not self._compensating:
            self._begin()


def _message_of(value: object) -> tuple[object, object]:
    """The key and the payload of a message's input."""
    assert isinstance(value, dict)
    return value.get("key"), value.get("payload")


__all__ = ["Game"]
