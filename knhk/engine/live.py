"""A case in memory: facts are applied, written, and only then acted upon.

Theory of operation. :meth:`LiveCase.give` applies a fact to the kernel's case and, with it,
the starts of all work that thereby was offered to the engine; the rows of all these go to the
journal as one commit, and the acts they call for wait in an :class:`_Acts` until that commit
is written. So a step costs one commit: the completion of one task and the start of the next
are written together. Everything here is synchronous and runs in the event loop's thread, so
facts of a case are applied, and queued for the journal, in one order.

Facts may be applied while earlier ones are still being written. If a commit fails, the case
in memory has got ahead of the journal: it is discarded, and can be loaded again.

Arguments of a callee are evaluated with the start of its item, not when it is dispatched, so
that an attempt that is made again after a crash is given equal arguments.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Final, Protocol, final

from knhk.call import Call
from knhk.engine.clock import Clock
from knhk.engine.events import TOLD, Event
from knhk.engine.facts import encode_json, encode_snapshot
from knhk.engine.failing import MESSAGE_MAX, Failing
from knhk.engine.kin import sub_case_id
from knhk.engine.outcome import outcome_of
from knhk.engine.parking import Parking
from knhk.engine.performer import Manner, Outside, SubWorkflow
from knhk.engine.plain import jsonable
from knhk.engine.replaying import revive, starts_again
from knhk.engine.standing import CaseStanding
from knhk.engine.timers import Timers
from knhk.engine.version import Version
from knhk.engine.work import Start, Work
from knhk.errors import JournalError, KnhkError, MisfitError, SnapshotError, StoreDamaged
from knhk.journal import (
    UNFINISHED,
    CaseRow,
    Commit,
    InputRow,
    Rest,
    Snapshot,
    Standing,
    Stored,
    Stream,
    Writer,
)
from knhk.journal.chain import hash_of_opening, link
from knhk.kernel import Case, WorkItem
from knhk.model import (
    CALLEE_MESSAGE,
    CALLEE_SIGNAL,
    CANCEL,
    CLOCK,
    COMPLETE,
    CREATE,
    EXPRESSION_ERROR,
    FAIL,
    LATE,
    MESSAGE,
    OFFER,
    REFUSED,
    RESUME,
    SIGNAL,
    SKIP,
    START,
    STOP_WORK,
    WAKE,
    CaseStatus,
    Effect,
    Input,
    ItemState,
)

__all__ = ["Host", "LiveCase", "Refused"]

_log = logging.getLogger(__name__)


#: A snapshot is taken after so many inputs; after more where the last one was large, so that
#: all of them together are no larger than the inputs.
SNAPSHOT_EVERY: Final = 200
SNAPSHOT_INPUT_BYTES: Final = 64
#: The callees that wait for an event, and what they are called.
EVENTS: Final = {CALLEE_MESSAGE: "message", CALLEE_SIGNAL: "signal"}
#: States of an item that something is still to come of.
AT_WORK: Final = (ItemState.waiting, ItemState.offered, ItemState.started)


class Refused(Exception):
    """The case did not take the fact, and has not changed."""


class Host(Protocol):
    """What a case in memory needs of the engine that runs it."""

    @property
    def clock(self) -> Clock: ...
    @property
    def timers(self) -> Timers: ...
    @property
    def writer(self) -> Writer: ...
    @property
    def observed(self) -> bool: ...

    def standing(self, row: CaseRow) -> CaseStanding:
        """Where the case stands, shared by all who ask."""

    def tell(self, case: LiveCase, events: list[Event], moved: Standing | None) -> None:
        """Tell the observer what a commit has made true."""

    def dispatch(self, work: Work) -> None:
        """Have a piece of work done."""

    def settled(self, case: LiveCase) -> None:
        """The case has ended, or has failed or is stuck: its parent is to be told."""

    def abandon(self, case_id: str) -> None:
        """Nobody wants that sub-case any more: have it cancelled."""

    def add(self, case: LiveCase) -> None:
        """The case is in the journal, and in memory."""

    @property
    def parking(self) -> Parking: ...

    def is_live(self, case_id: str) -> bool:
        """Whether a case is in memory."""

    def lose(self, case: LiveCase, problem: KnhkError) -> None:
        """Let go of a case that has got ahead of the journal."""

    def forget(self, case: LiveCase) -> None:
        """The case is done and leaves memory."""


@final
class _Acts:
    """What is to be done once a commit is written."""

    def __init__(self) -> None:
        self.starts: list[Start] = []
        self.stops: list[int] = []
        self.events: list[Event] = []
        self.wakes = False
        self.moved: Standing | None = None
        self.failed: Input | None = None
        self.taken = 0


@final
class LiveCase:
    """One case of one engine; made by :meth:`new` or :meth:`load`."""

    def __init__(
        self,
        runtime: Host,
        version: Version,
        case: Case,
        standing: CaseStanding,
        seq: int,
        sealed: bytes,
    ) -> None:
        self.id: Final = case.id
        self.version: Final = version
        self.case: Final = case
        self.standing: Final = standing
        self._runtime = runtime
        self._stream = Stream()
        self._seq = seq
        self._hash = sealed
        self._pending = 0
        self._work: dict[int, Work] = {}
        self._snapshot_seq = 0
        self._snapshot_due = SNAPSHOT_EVERY
        #: Whether the journal may have it as parked.
        self._is_parked = False
        #: Whether the journal has heard of it.
        self.is_written = seq > 0
        #: Whether it is a sub-case that its parent waits for no more.
        self.is_abandoned = False

    @property
    def row(self) -> CaseRow:
        """The case as the journal has it; when it ended is not told."""
        standing = self.standing
        return replace(standing.row, status=standing.status, outcome=standing.outcome)

    # Beginnings

    @classmethod
    def new(
        cls,
        runtime: Host,
        version: Version,
        row: CaseRow,
        parameters: dict[str, object],
        written: Callable[[JournalError | None], None],
    ) -> LiveCase:
        """A case that begins with ``parameters``, which fit."""
        case = Case(version.workflow.program, row.id, keeps_history=False)
        live = cls(runtime, version, case, runtime.standing(row), 0, hash_of_opening(row))
        live._give_all([Input(CREATE, row.created_us, value=parameters)], row, written)
        return live

    @classmethod
    def load(cls, runtime: Host, version: Version, stored: Stored) -> LiveCase:
        """The case that the journal has kept; :meth:`wake_up` has it go on.

        Raises :class:`SnapshotError` where the whole history is needed, and
        :class:`StoreDamaged` or :class:`ReplayError` for a history that makes none.
        """
        case = revive(version, stored)
        row, snapshot, rows = stored.row, stored.snapshot, stored.inputs
        sealed = rows[-1].hash if rows else b"" if snapshot is None else snapshot.hash
        live = cls(runtime, version, case, runtime.standing(row), case.seq, sealed)
        live._is_parked = True  # so it may be
        if snapshot is not None:
            live._snapshot_at(snapshot.seq, len(snapshot.body))
            known = {entry.item for entry in rows if entry.kind == START}
            if not live.begun() <= known:
                raise SnapshotError(row.id, "work has begun before it")
        return live

    def begun(self) -> set[int]:
        """Numbers of the items that the engine has started and that have not ended."""
        return {
            item.id
            for item in self.case.items
            if item.state is ItemState.started and self._manner(item) is not Manner.outside
        }

    def wake_up(self, stored: Stored) -> None:
        """Go on after loading: do again what was being done, start what is offered."""
        again = self.begun()
        for start in list(starts_again(self.version, stored, again)) if again else ():
            self._dispatch(start)
        if self.case.next_wake_us >= 0:
            self._runtime.timers.wake(self.id, self.case.next_wake_us)
        if self.case.status is CaseStatus.running:
            facts = [Input(START, self._now_us(), item) for item in self._not_yet_started()]
            if facts:
                self._give_all(facts, None, None)
        if self.standing.status in UNFINISHED:  # else whoever wants it holds it next
            self._rest_or_leave()

    def _not_yet_started(self) -> Iterable[int]:
        """Numbers of the items that are offered, and that the engine is to start."""
        for item in self.case.items:
            if item.state is ItemState.offered and self._manner(item) is not Manner.outside:
                yield item.id

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep the case in memory for the length of the block, whatever its state."""
        self._pending += 1
        try:
            yield
        finally:
            self._pending -= 1
            self._rest_or_leave()

    # Parking

    def can_park(self) -> bool:
        """Whether it has nothing to do but to wait, and nobody outside has work of it."""
        if self._pending or self._stream.error is not None or self.is_abandoned:
            return False
        if self.standing.status not in UNFINISHED or any(self.outside_items()):
            return False
        return all(
            isinstance(work.performer, SubWorkflow)
            and not self._runtime.is_live(sub_case_id(work.start.call))
            for work in self._work.values()
        )

    def park(self) -> None:
        """Leave memory once it is in the journal that the case may, with a snapshot."""
        self._is_parked = True
        self._pending += 1
        rest = Rest(is_parked=True, wake_us=self.case.next_wake_us)
        snapshot = self._snapshot() if self._seq > self._snapshot_seq else None
        commit = Commit(self.id, snapshot=snapshot, rest=rest)
        self._runtime.writer.put(commit, self._stream, self._parked)

    def _parked(self, error: JournalError | None) -> None:
        self._pending -= 1
        if error is not None:
            self._runtime.lose(self, error)
        elif self._is_parked and self.can_park():
            self._runtime.forget(self)
            self._runtime.parking.parked(self.id, self.case.next_wake_us)

    def _snapshot(self) -> Snapshot | None:
        """The state as it is now; none if it has no plain form."""
        plain = self.case.snapshot()
        body = b"" if plain is None else encode_snapshot(plain)
        self._snapshot_at(self._seq, len(body))
        return Snapshot(self._seq, self._hash, body) if body else None

    def _snapshot_at(self, seq: int, size_bytes: int) -> None:
        """The next one is due after the more inputs the larger this one is."""
        self._snapshot_seq = seq
        self._snapshot_due = seq + SNAPSHOT_EVERY + size_bytes // SNAPSHOT_INPUT_BYTES

    # Facts

    def give(
        self, *facts: Input, written: Callable[[JournalError | None], None] | None = None
    ) -> int:
        """Apply facts, write them, then act. The first may be refused: :class:`Refused`.

        ``written`` is told when the journal has them, or that it could not take them. Gives
        how many items a message or a signal among them has started or interrupted. Raises
        :class:`MisfitError` for a value that cannot be written.
        """
        return self._give_all(list(facts), None, written)

    def cancel(self) -> None:
        """Cancel the case, if that can still be."""
        try:
            self.give(Input(CANCEL, self._now_us()))
        except Refused:
            pass  # it has ended by itself meanwhile
        except KnhkError as error:
            self._runtime.lose(self, error)

    def late(self, item: int, attempt: int, value: object, failure: Failing | None) -> bool:
        """Record what work that had been stopped still gave; whether that could be done.

        ``attempt`` is 0 where that is not known. What comes while that same attempt is being
        made again, after a restart, is not late.
        """
        found = self.case.item(item)
        if attempt and found.state is ItemState.started and found.attempt == attempt:
            return False
        error, message = "", ""
        if failure is not None:
            error, message = _clean(failure[0]), _clean(failure[1])
        fact = Input(LATE, self._now_us(), item, "", _recordable(value), error, message)
        told = f"{error}: {message}" if error else ""
        event = Event(fact.at_us, self.id, "late", found.task, item, attempt or found.attempt, told)
        try:
            self._give_all([fact], None, None, event)
        except (Refused, KnhkError) as problem:
            _log.info("case %s: a late result cannot be recorded: %s", self.id, problem)
            return False
        return True

    def tick(self, now_us: int) -> None:
        """Tell the case the time, if it is due."""
        due_us = self.case.next_wake_us
        if 0 <= due_us <= now_us:
            self._take_up(Input(CLOCK, self._now_us()))
        elif due_us >= 0:
            self._runtime.timers.wake(self.id, due_us)

    def _give_all(
        self,
        facts: list[Input],
        opened: CaseRow | None,
        written: Callable[[JournalError | None], None] | None,
        event: Event | None = None,
    ) -> int:
        if self._stream.error is not None:
            raise self._stream.error
        # All bodies first: once a fact has been applied nothing may stand in its way.
        waiting = deque((fact, self._body(fact)) for fact in facts)
        before, cause = self.case.status, self.case.failure
        acts = _Acts()
        if event is not None and self._runtime.observed:
            acts.events.append(event)
        rows: list[InputRow] = []
        try:
            while waiting:
                fact, body = waiting.popleft()
                why = self._apply(fact, body, rows, acts, waiting)
                if why and not rows:
                    raise Refused(why)
            status = self.case.status
            other_cause = status is CaseStatus.failed and self.case.failure is not cause
            if status is not before or other_cause:
                acts.moved = self._moved(status, acts)
        except (Refused, StoreDamaged):
            raise
        except Exception as error:
            # The case in memory is ahead of the journal now: it cannot be gone on with.
            problem = KnhkError(f"case {self.id!r} cannot go on: {type(error).__name__}: {error}")
            self._runtime.lose(self, problem)
            raise problem from error
        self._pending += 1
        rest = None
        if self._is_parked:
            self._is_parked = False
            rest = Rest(is_parked=False)
        snapshot = self._snapshot() if self._seq >= self._snapshot_due else None
        self._runtime.writer.put(
            Commit(self.id, tuple(rows), opened, acts.moved, snapshot, rest),
            self._stream,
            partial(self._written, acts, written),
        )
        return acts.taken

    def _body(self, fact: Input) -> bytes:
        return self.version.facts.encode(fact, self._item(fact.item))

    def _apply(
        self,
        fact: Input,
        body: bytes,
        rows: list[InputRow],
        acts: _Acts,
        waiting: deque[tuple[Input, bytes]],
    ) -> str:
        """Let the case take exactly what will be written; why it did not, if it did not."""
        at_us, kind, item, task = fact.at_us, fact.kind, fact.item, fact.task
        sealed = link(self._hash, self.id, self._seq, at_us, kind, item, task, body)
        row = InputRow(self.id, self._seq, at_us, kind, item, task, body, sealed)
        if body:
            fact = self.version.facts.decode(row, self._item(item))
        effects = self.case.apply(fact)
        if effects and effects[0].kind == REFUSED:
            return effects[0].why
        self._seq += 1
        self._hash = sealed
        rows.append(row)
        self._note(fact, effects, acts, waiting)
        return ""

    def _note(
        self,
        fact: Input,
        effects: list[Effect],
        acts: _Acts,
        waiting: deque[tuple[Input, bytes]],
    ) -> None:
        """Sort out what a fact calls for: starts at once, the rest when it is written."""
        if fact.kind == FAIL:
            acts.failed = fact
        elif fact.kind in (MESSAGE, SIGNAL):
            acts.taken += self.case.taken
        elif fact.kind in (RESUME, SKIP):
            # Offered when the case came to stand still, and not started since.
            again = [Input(START, fact.at_us, item) for item in self._not_yet_started()]
            waiting.extend((start, b"") for start in again)
        if fact.kind == START and self._manner(self.case.item(fact.item)) is not Manner.outside:
            acts.starts.append(Start.of(self.case, fact.item, self.version.name))
        observed = self._runtime.observed
        if observed and fact.kind in TOLD:
            acts.events.append(self._told(fact))
        for effect in effects:
            kind = effect.kind
            if observed and kind in (OFFER, STOP_WORK):
                what = "offered" if kind == OFFER else "stopped"
                acts.events.append(self._event(self.case.now_us, what, effect.item))
            if kind == OFFER:
                if self._manner(self.case.item(effect.item)) is not Manner.outside:
                    waiting.append((Input(START, fact.at_us, effect.item), b""))
            elif kind == STOP_WORK:
                acts.stops.append(effect.item)
            elif kind == WAKE:
                acts.wakes = True

    def _told(self, fact: Input) -> Event:
        if fact.kind in (MESSAGE, SIGNAL):
            return Event(fact.at_us, self.id, TOLD[fact.kind], fact.task)
        message = f"{fact.error}: {fact.message}" if fact.kind == FAIL else ""
        return self._event(fact.at_us, TOLD[fact.kind], fact.item, message)

    def _event(self, at_us: int, what: str, number: int, message: str = "") -> Event:
        if number < 1:
            return Event(at_us, self.id, what, message=message)
        item = self.case.item(number)
        return Event(at_us, self.id, what, item.task, number, item.attempt, message)

    def _moved(self, status: CaseStatus, acts: _Acts) -> Standing:
        case = self.case
        if status in UNFINISHED:
            return Standing(status, seal=self._hash)
        fact, failure = acts.failed, case.failure
        is_known = fact is not None and failure is not None and fact.error == failure.error
        is_told = is_known and status is CaseStatus.failed and self.standing.row.parent
        bases = fact.value if is_told and fact is not None else None
        outcome = outcome_of(self.version, case, bases)
        return Standing(status, case.now_us, outcome, self._hash)

    # Acts

    def _written(
        self,
        acts: _Acts,
        written: Callable[[JournalError | None], None] | None,
        error: JournalError | None,
    ) -> None:
        self._pending -= 1
        if error is not None:
            self._runtime.lose(self, error)
        else:
            if not self.is_written:
                self.is_written = True
                self._runtime.add(self)
            self._act(acts)
        if written is not None:
            written(error)

    def _act(self, acts: _Acts) -> None:
        """Do what the journal now says is so."""
        for item in acts.stops:
            work = self._work.pop(item, None)
            if work is not None:
                self._stop(work)
        if self._runtime.observed:
            self._runtime.tell(self, acts.events, acts.moved)
        if acts.moved is not None:
            self.standing.move(acts.moved.status, acts.moved.outcome)
        if acts.wakes and self.case.next_wake_us >= 0:
            self._runtime.timers.wake(self.id, self.case.next_wake_us)
        for start in acts.starts:
            self._dispatch(start)
        if acts.moved is not None and acts.moved.status not in UNFINISHED:
            self._runtime.settled(self)
        self._rest_or_leave()

    def _stop(self, work: Work) -> None:
        """Have work stopped that was withdrawn, with the sub-case that does it."""
        work.stop()
        if isinstance(work.performer, SubWorkflow):
            self._runtime.abandon(sub_case_id(work.start.call))

    def _dispatch(self, start: Start) -> None:
        """Have the work done, unless it has been stopped since it was started."""
        call = start.call
        item = self.case.item(call.item)
        if item.state is not ItemState.started or item.attempt != call.attempt:
            return
        performer = self.version.performer(item)
        if isinstance(performer, Outside):
            return
        if start.problem is not None:
            self._fail(call.item, EXPRESSION_ERROR, str(start.problem), ("KnhkError",))
        else:
            work = self._work[call.item] = Work(self, start, performer)
            self._runtime.dispatch(work)

    def holds(self, work: Work) -> bool:
        """Whether that piece of work is still wanted."""
        return self._work.get(work.start.call.item) is work

    def finish(self, work: Work, value: object) -> None:
        """The work has given a value: the item completes, or fails if the value does not fit."""
        del self._work[work.start.call.item]
        self._complete(work.start.call, value)

    def give_up(self, work: Work, error: str, message: str, bases: tuple[str, ...]) -> None:
        """The work has failed."""
        item = work.start.call.item
        del self._work[item]
        self._fail(item, error, message, bases)

    def waits_for(self, row: CaseRow) -> bool:
        """Whether an item of this case waits for the end of that sub-case."""
        work = self._work.get(row.parent_item)
        return work is not None and sub_case_id(work.start.call) == row.id

    def take_over(self, row: CaseRow, value: object, failure: Failing | None) -> None:
        """The sub-case that an item waits for has ended, and with it the item."""
        work = self._work[row.parent_item]
        if failure is None:
            self.finish(work, value)
        else:
            self.give_up(work, *failure)

    def abandon_work(self) -> None:
        """Its failure is its parent's now: what still goes on in it is stopped for good."""
        self.is_abandoned = True
        for work in self._work.values():
            self._stop(work)
        self._work.clear()
        self._rest_or_leave()

    def _complete(self, call: Call, value: object) -> None:
        try:
            typed = self.version.facts.accept(self.case.item(call.item), value)
            self._take_up(Input(COMPLETE, self._now_us(), call.item, value=typed))
        except MisfitError as error:
            # What the class ResultError would say, by its name and those of its bases.
            message = f"the result does not fit its type: {error}"
            self._fail(call.item, "ResultError", message, ("UsageError", "KnhkError"))

    def _fail(self, item: int, error: str, message: str, bases: tuple[str, ...]) -> None:
        fact = Input(
            FAIL, self._now_us(), item, value=bases, error=_clean(error), message=_clean(message)
        )
        self._take_up(fact)

    def _take_up(self, fact: Input) -> None:
        try:
            self.give(fact)
        except Refused as refused:
            _log.info("case %s: a late result is thrown away: %s", self.id, refused)
        except MisfitError:
            raise
        except KnhkError as error:
            self._runtime.lose(self, error)

    def stop(self) -> None:
        """Stop all work; nothing of it is written."""
        for work in self._work.values():
            work.stop()
        self._work.clear()

    def _rest_or_leave(self) -> None:
        """Leave memory when all is done, and rest when there is nothing to do."""
        if self._pending:
            return
        if self.standing.status in UNFINISHED:
            if not self._work or self.can_park():
                self._runtime.parking.rests(self.id)
        elif not self._work:
            self._runtime.forget(self)

    # Small things

    def outside_items(self) -> Iterable[int]:
        """Numbers of the items that somebody outside may work on."""
        for item in self.case.items:
            manner = self._manner(item)
            if item.state is ItemState.offered and self.case.status is CaseStatus.running:
                if manner is Manner.outside:
                    yield item.id
            elif item.state is ItemState.started and manner in (Manner.outside, Manner.handed_out):
                yield item.id

    def events(self) -> Iterable[tuple[int, str]]:
        """The items that wait for an event: their numbers, and what they wait for."""
        for item in self.case.items:
            if item.state is ItemState.waiting and item.due_us < 0:
                callee = self.case.callee(item)
                if callee.kind in EVENTS:
                    yield item.id, f"{EVENTS[callee.kind]} {callee.name}"

    def sub_cases(self) -> Iterable[str]:
        """The ids of the sub-cases that items wait for."""
        for work in self._work.values():
            if isinstance(work.performer, SubWorkflow):
                yield sub_case_id(work.start.call)

    def is_idle(self) -> bool:
        """Whether nothing is to come of it but from outside, or from its sub-cases."""
        if self._pending or len(self._work) > len(list(self.sub_cases())):
            return False
        known = {*self.outside_items(), *(item for item, _ in self.events()), *self._work}
        return all(item.id in known for item in self.case.items if item.state in AT_WORK)

    def _manner(self, item: WorkItem) -> Manner:
        return self.version.performer(item).manner

    def _item(self, number: int) -> WorkItem | None:
        return self.case.item(number) if number > 0 else None

    def _now_us(self) -> int:
        """The time for a fact: a wall clock may go back, a case's does not."""
        return max(self._runtime.clock.now_us(), self.case.now_us)


def _recordable(value: object) -> object:
    """Whatever was returned as plain JSON values, or as text where there are none for it."""
    try:
        found = jsonable(value)
        encode_json(found)
    except Exception:  # noqa: BLE001  the texts of values are somebody else's code
        return f"(a {type(value).__name__} that cannot be written)"[:MESSAGE_MAX]
    return found


def _clean(text: str) -> str:
    """Text that can be written: what is no Unicode in it is replaced."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
