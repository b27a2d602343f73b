"""Work items: what is offered, started and ended; one table holds every transition.

A work item is one piece of work of one task in one case. A plain task has one item per
arrival of tokens, a multiple-instance task one item per instance of an :class:`Activation`,
which is one arrival of that task. Items are never reused and never forgotten while their
case lives; their numbers count from 1 in the order in which they came to be, so a smaller
number is an older item.

An item *waits* for an event (a timer, a message, a signal, the end of a back-off after a
failed attempt) or for a free place under ``at most``; it is *offered* when it may be started.
Tokens stay in their places until the first start of an item (or of an activation) takes
them; until then it is *pending*, and goes when its tokens go.
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from knhk.model import ItemState

NEW: Final = -1
WAITING: Final = 0
OFFERED: Final = 1
STARTED: Final = 2
COMPLETED: Final = 3
FAILED: Final = 4
WITHDRAWN: Final = 5

STATES: Final = (
    ItemState.waiting,
    ItemState.offered,
    ItemState.started,
    ItemState.completed,
    ItemState.failed,
    ItemState.withdrawn,
)

# The events that move a work item, and their names.
ARRIVE: Final = 0
WAIT: Final = 1
START: Final = 2
COMPLETE: Final = 3
COME_DUE: Final = 4
FAIL: Final = 5
WITHDRAW: Final = 6
RESUME: Final = 7
EVENTS: Final = ("arrive", "wait", "start", "complete", "come due", "fail", "withdraw", "resume")

#: Every transition of a work item: ``(state, event) -> state``; nothing else can happen.
#: The state diagram in the documentation is drawn from this table.
TRANSITIONS: Final[dict[tuple[int, int], int]] = {
    (NEW, ARRIVE): OFFERED,
    (NEW, WAIT): WAITING,  # a task that waits for a timer, message or signal
    (OFFERED, START): STARTED,
    (OFFERED, COMPLETE): COMPLETED,  # skipped; or a multiple-instance task without instances
    (OFFERED, WAIT): WAITING,  # back-off; or a rival has taken the mutex
    (OFFERED, FAIL): FAILED,  # the same, with no attempt left
    (OFFERED, WITHDRAW): WITHDRAWN,
    (WAITING, COME_DUE): OFFERED,
    (WAITING, COMPLETE): COMPLETED,  # the event comes: started and completed in one step; skipped
    (WAITING, WAIT): WAITING,  # back-off of a timer task
    (WAITING, FAIL): FAILED,
    (WAITING, WITHDRAW): WITHDRAWN,
    (STARTED, COMPLETE): COMPLETED,
    (STARTED, WAIT): WAITING,  # back-off after a failed attempt; or released, for a new one
    (STARTED, FAIL): FAILED,
    (STARTED, WITHDRAW): WITHDRAWN,
    (FAILED, RESUME): WAITING,
}


def _table() -> list[int]:
    states = range(NEW, WITHDRAWN + 1)
    return [TRANSITIONS.get((s, e), NEW) for s in states for e in range(len(EVENTS))]


_TABLE: Final = _table()


#: The result of an instance that has none (yet).
NO_RESULT: Final = object()


@final
class Activation:
    """One arrival of a multiple-instance task: its instances, their values and results.

    ``again`` and then ``following`` give the instances that have no item yet: those withdrawn
    when a sibling failed come anew on resume. ``begun``: its tokens are taken. ``halted``: an
    instance has failed for good and the case stands still. ``over``: the task has completed;
    what is still at work are stragglers (patterns 12, 34 and 36).
    """

    def __init__(self, transition: i64, values: list[object]) -> None:
        self.transition = transition
        self.values = values
        self.results: list[object] = [NO_RESULT] * len(values)
        self.following: i64 = 0
        self.again: list[int] = []
        self.done: i64 = 0
        self.failed: i64 = 0
        self.begun = False
        self.halted = False
        self.over = False
        self.mutexes: list[int] = []

    def todo(self) -> bool:
        """Whether there are instances without an item that may be offered."""
        return not self.halted and (len(self.again) > 0 or self.following < len(self.values))

    def next_instance(self) -> i64:
        """Take the next instance that has no item yet."""
        if self.again:
            again: i64 = self.again.pop(0)
            return again
        instance = self.following
        self.following += 1
        return instance

    def unfinished(self) -> i64:
        """How many instances have neither completed nor failed for good."""
        return len(self.values) - self.done - self.failed

    def completed_results(self) -> list[object]:
        """The results of the instances that have completed, in item order."""
        if self.done == len(self.values):
            return list(self.results)
        return [result for result in self.results if result is not NO_RESULT]


@final
class WorkItem:
    """One piece of work of one task; an instance has ``instance`` and ``value`` too.

    ``attempt`` counts from 1; ``due_us`` is when a timeout, a timer or a back-off ends
    (-1: never). An item that undoes another names it in ``undoes``.
    """

    def __init__(self, id: i64, node: i64, task: str, transition: i64) -> None:
        self._id = id
        self._node = node
        self._task = task
        self._transition = transition
        self._state: i64 = NEW
        self._instance: i64 = -1
        self._undoes: i64 = -1
        self._value: object = None
        self._attempt: i64 = 1
        self._failures: i64 = 0
        self._due_us: i64 = -1
        self._taken = False
        self._ready = False
        self._key: object = None
        self._given = False
        self._payload: object = None
        self._mutexes: list[int] | None = None
        self._activation: Activation | None = None
        self._before: WorkItem | None = None
        self._after: WorkItem | None = None

    def move(self, event: i64) -> None:
        """Go to the state that :data:`TRANSITIONS` gives for an event."""
        state: i64 = _TABLE[(self._state + 1) * 8 + event]
        assert state >= 0, "no such transition of a work item"
        self._state = state

    @property
    def id(self) -> int:
        """The number of the item in its case, from 1 in order of age."""
        return self._id

    @property
    def node(self) -> int:
        """The number of its task's node in the net."""
        return self._node

    @property
    def task(self) -> str:
        """The name of its task."""
        return self._task

    @property
    def state(self) -> ItemState:
        """Where it stands."""
        return STATES[self._state]

    @property
    def instance(self) -> int | None:
        """Which instance of a multiple-instance task it is, from 0."""
        return None if self._instance < 0 else self._instance

    @property
    def value(self) -> object:
        """The element of ``for each`` that it works on."""
        return self._value

    @property
    def undoes(self) -> int | None:
        """The number of the completed item that this one undoes, ``None`` for ordinary work."""
        return None if self._undoes < 0 else self._undoes

    @property
    def key(self) -> object:
        """The key of the message that it waits for; ``None`` if it takes any."""
        return self._key

    @property
    def attempt(self) -> int:
        """Which attempt this is or was the last, from 1."""
        return self._attempt

    @property
    def due_us(self) -> int:
        """When its timeout, timer or back-off ends, -1 if it has none."""
        return self._due_us

    def __repr__(self) -> str:
        number = "" if self._instance < 0 else f"[{self._instance}]"
        undoes = "" if self._undoes < 0 else f" undoes {self._undoes}"
        return f"<WorkItem {self._id} {self._task}{number} {self.state}{undoes}>"


@final
@mypyc_attr(acyclic=True)
class ItemList:
    """Items of one task in one state, oldest first; linked through the items themselves.

    (``acyclic``, as desks and markings are: nothing leads back to them, so the garbage
    collector need not look at those of thousands of cases, and each is smaller.)
    """

    def __init__(self) -> None:
        self.head: WorkItem | None = None
        self.tail: WorkItem | None = None
        self.count: i64 = 0

    def insert(self, item: WorkItem) -> None:
        """Put in an item by its age; the youngest, which is usual, in constant time."""
        before = self.tail
        while before is not None and before._id > item._id:
            before = before._before
        after = self.head if before is None else before._after
        item._before = before
        item._after = after
        if before is None:
            self.head = item
        else:
            before._after = item
        if after is None:
            self.tail = item
        else:
            after._before = item
        self.count += 1

    def remove(self, item: WorkItem) -> None:
        """Take out an item that is in this list."""
        before = item._before
        after = item._after
        if before is None:
            self.head = after
        else:
            before._after = after
        if after is None:
            self.tail = before
        else:
            after._before = before
        item._before = None
        item._after = None
        self.count -= 1

    def items(self) -> list[WorkItem]:
        """The items, oldest first."""
        found: list[WorkItem] = []
        item = self.head
        while item is not None:
            found.append(item)
            item = item._after
        return found
