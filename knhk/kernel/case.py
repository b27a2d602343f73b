"""The sans-IO case: the public face of the token game.

For tests, debugging and embedding without I/O. Nothing runs by itself but ``skip`` nodes
and the case's own timers: tasks with a callee are offered like any other, and whoever drives
the case starts and completes them. The clock of a case begins at the Unix epoch and moves by
:meth:`Case.advance`.
"""

from __future__ import annotations

from typing import final

from mypy_extensions import i64

from knhk.errors import (
    CaseEnded,
    Misfit,
    MisfitError,
    NotOffered,
    ResultError,
    UnknownName,
    UsageError,
)
from knhk.kernel.data import call_arguments
from knhk.kernel.events import Wish, wishes, would_take
from knhk.kernel.explain import explain
from knhk.kernel.game import Game
from knhk.kernel.item import OFFERED, STARTED, WorkItem
from knhk.kernel.program import Program, TaskRow
from knhk.kernel.repairing import skip_refusal
from knhk.kernel.restoring import restore
from knhk.kernel.snapshot import has_plain_form, take
from knhk.kernel.state import CANCELLED, COMPLETED, RUNNING, STATUSES, Failure
from knhk.model import (
    ADD_INSTANCE,
    CANCEL,
    CLOCK,
    COMPENSATE,
    COMPLETE,
    FAIL,
    INPUT_NAMES,
    MESSAGE,
    REFUSED,
    RELEASE,
    RESUME,
    SIGNAL,
    SKIP,
    START,
    SUSPEND,
    US_PER_S,
    WITHDRAW,
    Callee,
    CaseStatus,
    Effect,
    Input,
)


@final
class Case(Game):
    """One case of a workflow, driven by hand.

    One that ``keeps_history`` can tell its inputs; else they are for somebody else to keep.
    """

    def __init__(self, program: Program, id: str, *, keeps_history: bool = True) -> None:
        super().__init__(program, id, keeps_history)

    @classmethod
    def restored(
        cls, program: Program, id: str, plain: object, *, keeps_history: bool = True
    ) -> Case:
        """The case that a :meth:`snapshot` was taken of, over the same workflow.

        To all that is done next it answers as that one would. Raises
        :class:`~knhk.errors.SnapshotError` for a snapshot that is damaged, has an unknown
        format, or is of another net; the history can then be replayed as a whole.
        """
        case = cls(program, id, keeps_history=keeps_history)
        restore(case, plain)
        return case

    def snapshot(self) -> dict[str, object] | None:
        """The state of the case as plain JSON values, for :meth:`restored`.

        There is none when a compensation was given arguments that are no plain JSON values.

        It holds everything but the case's ``id`` and its history. Write it down at once:
        lists and dictionaries of the data may be parts of it as they are. The keys of
        dictionaries must keep their order, since ``keys(...)`` gives them in it. Results
        that no type describes are taken for JSON as they are.
        """
        return take(self) if has_plain_form(self) else None

    def slim(self) -> None:
        """Take less memory while nothing happens, as for a case that waits for a long time."""
        self._slim()

    # --- what it is ---------------------------------------------------------------------

    @property
    def id(self) -> str:
        """The name of the case; it seeds ``random()``."""
        return self._id

    @property
    def workflow(self) -> str:
        """The name of the workflow."""
        return self._program.net.name

    @property
    def status(self) -> CaseStatus:
        """Where the case stands."""
        return STATUSES[self._status]

    @property
    def offered(self) -> tuple[str, ...]:
        """Names of tasks with an offered item, one per item, by task declaration, then age."""
        names: list[str] = []
        if self._status == RUNNING:
            for desk in self._desks:
                if desk is not None:
                    names.extend([item._task for item in desk.offered.items()])
        return tuple(names)

    @property
    def started(self) -> tuple[str, ...]:
        """Names of tasks with a started item, one per item, by task declaration, then age."""
        names: list[str] = []
        for desk in self._desks:
            if desk is not None:
                names.extend([item._task for item in desk.started.items()])
        return tuple(names)

    @property
    def items(self) -> tuple[WorkItem, ...]:
        """Every work item there has been, oldest first."""
        return tuple(self._items)

    @property
    def open_items(self) -> tuple[WorkItem, ...]:
        """The items that something is still to come of: waiting, offered, started; oldest first.

        It takes no longer where many items have ended.
        """
        found: list[WorkItem] = []
        for desk in self._desks:
            if desk is not None:
                found.extend(desk.items())
        found.sort(key=_number)
        return tuple(found)

    @property
    def kept(self) -> int:
        """How many messages are kept that nobody has taken yet."""
        return len(self._kept)

    @property
    def result(self) -> object:
        """What ``return`` gave when the case completed; ``None`` before."""
        return self._result

    @property
    def data(self) -> dict[str, object]:
        """A copy of the case data: parameters, variables, and results by task name."""
        return dict(self._data)

    @property
    def marking(self) -> dict[str, int]:
        """The tokens in each marked place; the place on an arrow is named ``a -> b``."""
        counts = self._marking.counts
        found: dict[str, int] = {}
        for number, place in enumerate(self._program.net.places):
            if counts[number] > 0:
                found[place.name] = counts[number]
        return found

    @property
    def history(self) -> tuple[Input, ...]:
        """Every input so far; applied in this order to a new case they give this case again.

        Of a restored case it has those since its snapshot. It is empty for a case that does
        not keep its history; ``seq`` counts all inputs whatever is kept.
        """
        return () if self._history is None else tuple(self._history)

    @property
    def failure(self) -> Failure | None:
        """Why the case has failed, ``None`` if it has not.

        It is kept while the case is undone for it, and when it is cancelled then.
        """
        return self._failure

    @property
    def compensating(self) -> bool:
        """Whether the case is being undone: what is offered undoes completed items."""
        return self._compensating

    @property
    def failed(self) -> tuple[WorkItem, ...]:
        """The items that let the case fail, which ``resume`` offers again."""
        return tuple(self._failed)

    @property
    def seq(self) -> int:
        """How many inputs the case has taken up."""
        return self._seq

    @property
    def taken(self) -> int:
        """How many items the last input, a message or signal, has started or interrupted."""
        return self._taken

    @property
    def now_us(self) -> int:
        """The case's own clock, in microseconds since the Unix epoch."""
        return self._now_us

    @property
    def next_wake_us(self) -> int:
        """When the next timer is due, in microseconds since the Unix epoch; -1 for never."""
        return self._next_wake_us()

    def would_take(self, name: str, key: object = None) -> bool:
        """Whether a message would be taken now, and not kept."""
        return would_take(self, name, key)

    def wishes(self, keys_max: int) -> list[Wish]:
        """The messages and signals that would be taken now.

        A task that waits for more than ``keys_max`` keys has one wish for all of them.
        """
        return wishes(self, keys_max)

    def item(self, id: int) -> WorkItem:
        """The work item of that number, or :class:`~knhk.errors.UnknownName`."""
        if id < 1 or id > len(self._items):
            raise UnknownName("work item", str(id))
        return self._items[id - 1]

    def arguments(self, item: WorkItem) -> tuple[list[object], dict[str, object]]:
        """The arguments of an item's callee, evaluated now.

        Those of an item that undoes another were evaluated when that one completed. Raises
        :class:`~knhk.errors.ExpressionError`; the item should then be failed with it.
        """
        if item._undoes >= 0:
            args, kwargs = self._undo_arguments[item._undoes]
            return list(args), dict(kwargs)
        row = self._row(item._node)
        data = self._data
        if row.variable:
            data = dict(data)
            data[row.variable] = item._value
        return call_arguments(row.callee, data, self._moment())

    def callee(self, item: WorkItem) -> Callee:
        """Who does an item: its task's callee, or the compensation if it undoes another."""
        row = self._row(item._node)
        compensation = row.compensation
        return row.callee if item._undoes < 0 or compensation is None else compensation

    def explain(self, task: str) -> str:
        """In words why a task is or is not offered."""
        return explain(self, self._known(task))

    # --- driving it ---------------------------------------------------------------------

    def start(self, which: str | WorkItem) -> WorkItem:
        """Start an offered item: by task name the oldest, or the one given.

        Raises :class:`~knhk.errors.NotOffered`.
        """
        item = self._find(which, OFFERED)
        self._must(Input(START, self._now_us, item._id))
        return item

    def complete(self, which: str | WorkItem, value: object = None) -> WorkItem:
        """Complete a started item with its result: by task name the oldest, or the one given.

        Raises :class:`~knhk.errors.NotOffered`, and :class:`~knhk.errors.ResultError` for a
        value that does not fit the task's result type; the item is then still started.
        """
        item = self._find(which, STARTED)
        value = self._accepted(item, value)
        self._must(Input(COMPLETE, self._now_us, item._id, "", value))
        return item

    def run(self, which: str | WorkItem, value: object = None) -> WorkItem:
        """Start and complete an offered item."""
        item = self._find(which, OFFERED)
        value = self._accepted(item, value)
        self._must(Input(START, self._now_us, item._id))
        self._must(Input(COMPLETE, self._now_us, item._id, "", value))
        return item

    def fail(self, which: str | WorkItem, error: str, message: str = "") -> WorkItem:
        """Fail the attempt of a started item with an error's type name.

        Raises :class:`~knhk.errors.NotOffered`.
        """
        item = self._find(which, STARTED)
        self._must(Input(FAIL, self._now_us, item._id, "", None, error, message))
        return item

    def withdraw(self, task: str) -> None:
        """Cancel a task from outside: all its items, and the tokens they would have taken.

        Raises :class:`~knhk.errors.NotOffered` when it has none.
        """
        self._known(task)
        self._must(Input(WITHDRAW, self._now_us, -1, task))

    def send(self, name: str, payload: object = None, key: object = None) -> bool:
        """Send a message to the case: ``True`` if it is taken now, ``False`` if it is kept.

        A task without a key takes any message of that name, one with a key only a message
        with an equal one (pattern 24). After the end of the case it is neither taken nor kept.
        Raises :class:`~knhk.errors.UsageError` when the case keeps too many already.
        """
        if self._status == COMPLETED or self._status == CANCELLED:
            return False
        self._must(Input(MESSAGE, self._now_us, -1, name, {"key": key, "payload": payload}))
        return self._taken > 0

    def signal(self, name: str, payload: object = None) -> int:
        """Send a signal: how many items it started or interrupted.

        It is lost when none waits for it (pattern 23).
        """
        if self._status == COMPLETED or self._status == CANCELLED:
            return 0
        self._must(Input(SIGNAL, self._now_us, -1, name, payload))
        return self._taken

    def advance(self, seconds: float) -> None:
        """Move the case's clock; timers fire at their moments."""
        if seconds < 0:
            raise ValueError("a clock moves forward only: seconds must not be negative")
        self._must(Input(CLOCK, self._now_us + round(seconds * US_PER_S)))

    def add_instance(self, task: str, value: object = None) -> None:
        """Add an instance to an ``open`` task that is offered or running (pattern 15).

        Raises :class:`~knhk.errors.NotOffered`, and :class:`~knhk.errors.ResultError` for a
        value that is not of the type of the others.
        """
        codec = self._known(task).element
        if codec is not None:
            try:
                value = codec.accept(value)
            except MisfitError as error:
                raise ResultError(task, error.misfits, "new instance") from error
        self._must(Input(ADD_INSTANCE, self._now_us, -1, task, value))

    def suspend(self) -> None:
        """Let the case stand still: nothing is offered, timers and routing wait."""
        self._must(Input(SUSPEND, self._now_us))

    def resume(self, task: str | None = None) -> None:
        """Go on after ``suspend`` or after a failure, with fresh attempts for what failed.

        With a ``task`` only what has failed of it gets them; the case is failed as long as
        others are. Raises :class:`~knhk.errors.NotOffered` when it has not failed.
        """
        if task is not None:
            self._known(task)
        self._must(Input(RESUME, self._now_us, -1, task or ""))

    def skip(self, which: str | WorkItem, value: object = None) -> WorkItem:
        """Complete an item that has failed, is started, offered or waits, as if it ended well.

        By task name it is the oldest in the first of these states. Its result is ``value``.
        When it was the last that had failed, the case goes on. Raises
        :class:`~knhk.errors.NotOffered`, and :class:`~knhk.errors.ResultError` for a value that
        does not fit the task's result type.
        """
        item = self._to_skip(which)
        why = skip_refusal(self, item)
        if why:
            raise NotOffered(item._task, why)
        value = self._accepted(item, value)
        self._must(Input(SKIP, self._now_us, item._id, "", value))
        return item

    def release(self, which: str | WorkItem) -> WorkItem:
        """Give a started item back: it is offered for a new attempt, which uses up no retry.

        Raises :class:`~knhk.errors.NotOffered`.
        """
        item = self._find(which, STARTED)
        self._must(Input(RELEASE, self._now_us, item._id))
        return item

    def cancel(self) -> None:
        """Withdraw everything; the case is then cancelled (pattern 20). Nothing is undone."""
        self._must(Input(CANCEL, self._now_us))

    def compensate(self) -> None:
        """Withdraw everything and undo what has completed; the case is then cancelled.

        Raises :class:`~knhk.errors.CaseEnded` when it has ended, or is being undone already.
        """
        self._must(Input(COMPENSATE, self._now_us))

    # --- checks -------------------------------------------------------------------------

    def _must(self, fact: Input) -> list[Effect]:
        effects = self.apply(fact)
        if effects and effects[0].kind == REFUSED:
            why = effects[0].why
            if fact.kind == MESSAGE:
                raise UsageError(f"case {self._id!r} cannot take the message {fact.task!r}: {why}")
            if fact.task and fact.kind != SIGNAL:
                raise NotOffered(fact.task, why)
            raise CaseEnded(self._id, str(STATUSES[self._status]), INPUT_NAMES[fact.kind])
        return effects

    def _accepted(self, item: WorkItem, value: object) -> object:
        """A result as its task's type, or :class:`~knhk.errors.ResultError`.

        Nobody reads what an undo gives. A task that could not list its instances has a list.
        """
        row = self._row(item._node)
        codec = row.codec
        if codec is None or item._undoes >= 0:
            return value
        try:
            if row.multiple and item._activation is None:
                given = [] if value is None else value
                if not isinstance(given, list):
                    misfit = Misfit("", "a list of results is needed")
                    raise ResultError(item._task, (misfit,))
                return [codec.accept(one) for one in given]
            return codec.accept(value)
        except MisfitError as error:
            raise ResultError(item._task, error.misfits) from error

    def _known(self, task: str) -> TaskRow:
        node = self._program.names.get(task, -1)
        if node < 0:
            raise UnknownName("task", task, self._program.names)
        return self._row(node)

    def _to_skip(self, which: str | WorkItem) -> WorkItem:
        """The item meant: by name the oldest that has failed, else is started, offered, waits."""
        if not isinstance(which, str):
            self._must_own(which)
            return which
        row = self._known(which)
        desk = self._desk(row.node)
        failed = [item for item in self._failed if item._node == row.node]
        found: WorkItem | None = failed[0] if failed else None
        for listed in (desk.started, desk.offered, desk.waiting, desk.ready):
            found = found or listed.head
        if found is None:
            raise NotOffered(which, f"it has no work item; {explain(self, row)}")
        return found

    def _must_own(self, item: WorkItem) -> None:
        if item._id > len(self._items) or self._items[item._id - 1] is not item:
            raise NotOffered(item._task, "the work item belongs to another case")

    def _find(self, which: str | WorkItem, state: i64) -> WorkItem:
        """The item meant, in the state that is needed; else ``NotOffered`` with the reason."""
        if isinstance(which, str):
            desk = self._desk(self._known(which).node)
            item = desk.offered.head if state == OFFERED else desk.started.head
        else:
            item = which
            self._must_own(item)
            if item._state != state:
                wanted = "offered" if state == OFFERED else "started"
                raise NotOffered(item._task, f"the work item is {item.state}, not {wanted}")
        if item is None:
            assert isinstance(which, str)
            why = explain(self, self._known(which))
            raise NotOffered(which, why if state == OFFERED else f"no item is started; {why}")
        if state == OFFERED and self._status != RUNNING:
            raise NotOffered(item._task, f"the case is {STATUSES[self._status]}")
        return item


def _number(item: WorkItem) -> int:
    return item._id


__all__ = ["Case"]
