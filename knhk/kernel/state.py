"""The state of one case, and the smallest steps that change it.

Everything the rest of the kernel does is made of these steps: an item appears, moves between
the lists of its task's :class:`Desk`, and leaves. Modules above this one are functions over a
:class:`State`, each for one part of the rules; :mod:`knhk.kernel.game` joins them up.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Final, final
from zlib import crc32

from mypy_extensions import i64, mypyc_attr

from knhk.kernel import item as items
from knhk.kernel.item import OFFERED, STARTED, WAITING, Activation, ItemList, WorkItem
from knhk.kernel.marking import Marking
from knhk.kernel.program import Program, TaskRow
from knhk.model import OFFER, STOP_WORK, CaseStatus, Effect, Input, Moment

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

#: The arguments of a call, by position and by name.
Arguments = tuple[list[object], dict[str, object]]

#: Nobody holds a mutex; a section's number is its holder otherwise, or ``HELD_BY_WORK``.
FREE: Final = -1
HELD_BY_WORK: Final = -2


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
class Message:
    """A message that nobody has taken yet."""

    def __init__(self, name: str, key: object, payload: object) -> None:
        self.name = name
        self.key = key
        self.payload = payload


@final
@mypyc_attr(acyclic=True)
class Desk:
    """The work of one task in one case: its items by state, and what waits for room.

    ``waiting`` items wait for an event, ``ready`` ones only for room under ``at most`` or for
    a mutex; ``queue`` holds arrivals (transitions) that have no item yet. ``busy`` counts the
    arrivals that have taken their tokens and will put some, ``straggling`` the activations
    whose task has completed while instances are still at work.
    """

    def __init__(self) -> None:
        self.offered = ItemList()
        self.started = ItemList()
        self.waiting = ItemList()
        self.ready = ItemList()
        self.queue: list[int] = []
        self.activations: list[Activation] = []
        self.busy: i64 = 0
        self.straggling: i64 = 0

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

    def empty(self) -> bool:
        """Whether it is as a desk that has just been set up."""
        return self.idle() and self.busy == 0 and self.straggling == 0

    def idle(self) -> bool:
        """Whether there is nothing here that could be withdrawn."""
        at_work = self.offered.count + self.started.count + self.waiting.count
        return at_work == 0 and not self.wants_room()


class State:
    """The state of one case.

    Every field stands in the snapshot of a case (:mod:`knhk.kernel.snapshot`), or is made anew
    from what stands there.
    """

    def __init__(self, program: Program, id: str, keeps_history: bool) -> None:
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
        #: What else has failed meanwhile, one of each task.
        self._more_failures: list[Failure] = []
        self._failed: list[WorkItem] = []
        self._halted: list[Activation] = []
        self._result: object = None
        self._history: list[Input] | None = [] if keeps_history else None
        self._effects: list[Effect] = []
        self._begun = False
        self._now: Moment | None = None
        self._holders: list[int] = [FREE] * len(program.net.mutexes)
        self._kept: list[Message] = []
        self._hearing = False
        self._taken: i64 = 0
        #: The arguments of the compensations of completed items, by the item's number.
        self._undo_arguments: dict[int, Arguments] = {}
        #: The items that are not undone yet, in order of completion: the last is next.
        self._to_undo: list[int] = []
        self._compensating = False
        #: The failure for which the case is undone.
        self._cause: Failure | None = None

    # --- getting at things --------------------------------------------------------------

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

    def _slim(self) -> None:
        """Let go of what is made again when it is needed."""
        desks = self._desks
        for node, desk in enumerate(desks):
            if desk is not None and desk.empty():
                desks[node] = None
        self._effects = []

    # --- time ---------------------------------------------------------------------------

    def _set_due(self, item: WorkItem, due_us: i64) -> None:
        item._due_us = due_us
        heappush(self._timers, (due_us, item._id))

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

    # --- items --------------------------------------------------------------------------

    def _new_item(self, row: TaskRow, transition: i64) -> WorkItem:
        number: i64 = len(self._items) + 1
        item = WorkItem(number, row.node, row.name, transition)
        self._items.append(item)
        self._live += 1
        return item

    def _offer(self, item: WorkItem, desk: Desk) -> None:
        """Offer an item: for the first time, or for its next attempt."""
        self._appear(item, desk)
        self._effects.append(Effect(OFFER, item._id))
        if self._program.hears_messages[item._node] and self._kept:
            self._hearing = True

    def _appear(self, item: WorkItem, desk: Desk) -> None:
        if item._state < 0:
            item.move(items.ARRIVE)
        else:
            item.move(items.COME_DUE)
            item._attempt += 1
        desk.offered.insert(item)

    def _put_off(self, item: WorkItem, desk: Desk) -> None:
        """Take back the offer of an attempt after the first: a rival holds the mutex."""
        self._effects.append(Effect(STOP_WORK, item._id))
        desk.offered.remove(item)
        item.move(items.WAIT)
        item._attempt -= 1
        item._ready = True
        desk.ready.insert(item)

    def _remove(self, item: WorkItem, desk: Desk) -> None:
        """Take an item out of the list it is in."""
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

    def _close(self, item: WorkItem, event: i64) -> None:
        """An item leaves the game; its place under ``at most`` is free."""
        desk = self._desk(item._node)
        self._remove(item, desk)
        item.move(event)
        item._due_us = -1
        self._live -= 1
        if desk.wants_room():
            self._busy.append(item._node)

    def _withdraw(self, item: WorkItem) -> None:
        """An item is withdrawn, and its work stopped; its tokens are another matter."""
        if item._state == OFFERED or item._state == STARTED:
            self._effects.append(Effect(STOP_WORK, item._id))
        self._close(item, items.WITHDRAW)


__all__ = ["RUNNING", "STATUSES", "Desk", "Failure", "Message", "State"]
