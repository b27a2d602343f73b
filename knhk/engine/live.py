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
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Final, Protocol, final

from knhk.call import Call
from knhk.engine.admission import admission
from knhk.engine.clock import Clock
from knhk.engine.events import TOLD, Event
from knhk.engine.facts import decode_object, encode_snapshot
from knhk.engine.failing import Failing
from knhk.engine.fairness import line_of
from knhk.engine.kin import call_of, sub_case_id
from knhk.engine.limits import Limits
from knhk.engine.offers import NONE, Changes, Offers, recordable
from knhk.engine.outcome import outcome_of
from knhk.engine.parking import Parking
from knhk.engine.payloads import put_away, put_away_known
from knhk.engine.performer import Manner, Outside, SubWorkflow
from knhk.engine.replaying import revive
from knhk.engine.slots import Slots
from knhk.engine.standing import CaseStanding
from knhk.engine.subscriptions import waits_of
from knhk.engine.timers import Timers
from knhk.engine.version import Version
from knhk.engine.work import Start, Work
from knhk.errors import (
    JournalConflict,
    JournalError,
    KnhkError,
    LimitExceeded,
    Misfit,
    MisfitError,
    SnapshotError,
    StoreDamaged,
)
from knhk.journal import (
    UNFINISHED,
    CaseRow,
    Commit,
    Fence,
    InputRow,
    Lease,
    Letter,
    OpenWork,
    Rest,
    Snapshot,
    Standing,
    Stored,
    Stream,
    Wait,
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
    RELEASE,
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

__all__ = ["Host", "LiveCase", "Refused", "may_go_on"]

_log = logging.getLogger(__name__)


#: A snapshot is taken after more inputs where the last one was large: one for so many bytes of it,
#: so that all of them together are no larger than the inputs.
SNAPSHOT_INPUT_BYTES: Final = 64
#: The callees that wait for an event, and what they are called.
EVENTS: Final = {CALLEE_MESSAGE: "message", CALLEE_SIGNAL: "signal"}
_NOTHING: Final[dict[int, Start]] = {}
#: What is no number of inputs.
_NEVER: Final = 1 << 62


class Refused(Exception):
    """The case did not take the fact, and has not changed."""


class Host(Protocol):
    """What a case in memory needs of the engine that runs it."""

    @property
    def clock(self) -> Clock: ...
    @property
    def limits(self) -> Limits: ...
    @property
    def timers(self) -> Timers: ...
    @property
    def writer(self) -> Writer: ...
    @property
    def observed(self) -> bool: ...

    def standing(self, row: CaseRow) -> CaseStanding:
        """Where the case stands, shared by all who ask."""

    def fence(self, shard: int) -> Fence | None:
        """What commits to a case of that shard carry, or :class:`ShardLost`."""

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

    @property
    def slots(self) -> Slots: ...

    def is_live(self, case_id: str) -> bool:
        """Whether a case is in memory."""

    def wants(self, row: CaseRow) -> bool:
        """Whether a case is no part of another, or one that is waited for."""

    def unpark(self, case_id: str, fence: Fence | None) -> None:
        """Have the journal know that a case is not parked, or not any more."""

    def listens(self, waits: tuple[Wait, ...]) -> None:
        """A case has begun to wait for messages or signals: some may be kept."""

    def dispute(self, case: LiveCase, problem: JournalError, letters: tuple[str, ...]) -> None:
        """Let go of a case that wanted to receive these letters, which others may have."""

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
        #: Ids of the sub-cases that did what is stopped.
        self.unwanted: list[str] = []
        self.events: list[Event] = []
        self.wakes = False
        self.moved: Standing | None = None
        self.failed: Input | None = None
        self.taken = 0
        #: The letters that this commit receives.
        self.received: tuple[str, ...] = ()
        #: What the case waits for since this commit, if that may be more than before.
        self.waits: tuple[Wait, ...] = ()
        #: The payloads that the rows refer to, by hash.
        self.blobs: dict[bytes, bytes] | None = None
        #: What has changed of the work for outside.
        self.outside: Changes = NONE


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
        fence: Fence | None,
    ) -> None:
        self.id: Final = case.id
        self.version: Final = version
        self.case: Final = case
        self.standing: Final = standing
        #: What its commits stand under, where other processes may run the store too.
        self.fence: Final = fence
        self._tenant: Final = standing.row.tenant
        self._runtime = runtime
        self._stream = Stream()
        #: Why it is not run here any more.
        self._gone: JournalError | None = None
        self._seq = seq
        self._hash = sealed
        self._pending = 0
        self._work: dict[int, Work] = {}
        self._line = line_of(self._tenant, 0)
        #: What may begin, where something is limited that concerns this case.
        self._admission = admission(runtime.slots, version, self._tenant, self._begin)
        #: What somebody outside may do of it, where there is such work.
        self._offers: Final = Offers(case, version, standing.row) if version.has_outside else None
        self._snapshot_seq = 0
        limits = runtime.limits
        self._snapshot_due = limits.snapshot_inputs
        self._inline_bytes_max: Final = limits.inline_bytes_max
        self._inputs_max: Final = limits.case_inputs_max or _NEVER
        #: The hashes of its payloads that are in the store, or in the queue to it.
        self._known: set[bytes] | None = None
        #: Whether the journal may have it as parked.
        self.is_parked = False
        #: What may have to be done again after loading.
        self._at_work = _NOTHING
        #: The events that it waits for, as the journal has them; not known after loading.
        self._waits: tuple[Wait, ...] | None = () if seq == 0 else None
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
        """A case that begins with ``parameters``, which fit; raises :class:`ShardLost`."""
        fence = runtime.fence(row.shard)
        case = Case(version.workflow.program, row.id, keeps_history=False)
        standing = runtime.standing(row)
        live = cls(runtime, version, case, standing, 0, hash_of_opening(row), fence)
        live._give_all([Input(CREATE, row.created_us, value=parameters)], row, written)
        return live

    @classmethod
    def load(cls, runtime: Host, version: Version, stored: Stored, fence: Fence | None) -> LiveCase:
        """The case that the journal has kept; :meth:`wake_up` has it go on.

        The ``fence`` was asked for before it was read.
        Raises :class:`SnapshotError` where the whole history is needed, and
        :class:`StoreDamaged` or :class:`ReplayError` for a history that makes none.
        """
        at_work: dict[int, Start] = {}
        case = revive(version, stored, at_work)
        row, snapshot, rows = stored.row, stored.snapshot, stored.inputs
        sealed = rows[-1].hash if rows else b"" if snapshot is None else snapshot.hash
        live = cls(runtime, version, case, runtime.standing(row), case.seq, sealed, fence)
        if case.status in UNFINISHED:
            live.refuse_too_many()
        if at_work:
            live._at_work = at_work
        live.is_parked = True  # so it may be
        if live._offers is not None:
            live._offers.restore(stored)
        if stored.payloads:
            live._known = set(stored.payloads)
        if snapshot is not None:
            live._snapshot_at(snapshot.seq, len(snapshot.body))
            if not live.begun() <= at_work.keys():
                raise SnapshotError(row.id, "work has begun before it")
        return live

    def begun(self) -> set[int]:
        """Numbers of the items that the engine has started and that have not ended."""
        return {
            item.id
            for item in self.case.open_items
            if item.state is ItemState.started
            and not isinstance(self.version.performer(item), Outside)
        }

    def wake_up(self) -> None:
        """Go on after loading: do again what was being done, start what is offered."""
        at_work, self._at_work = self._at_work, _NOTHING
        again = self.begun() if at_work else ()
        for start in [start for item, start in at_work.items() if item in again]:
            if self._admission is None:
                self._dispatch(start)
            else:
                item = self.case.item(start.call.item)
                self._admission.start_again(item, partial(self._dispatch, start))
        for work in self._work.values():
            work.at_us = self._now_us()
        self._set_timer()
        if self.case.status is CaseStatus.running:
            facts = [Input(START, self._now_us(), item) for item in self._not_yet_started()]
            if facts:
                self._give_all(facts, None, None)
        self._make_good()
        if self.standing.status in UNFINISHED:  # else whoever wants it holds it next
            self._rest_or_leave()

    def _not_yet_started(self) -> Iterable[int]:
        """Numbers of the items that are offered, and that the engine is to start now."""
        for item in self.case.open_items:
            if item.state is ItemState.offered and self._is_to_start(item):
                yield item.id

    def _is_to_start(self, item: WorkItem) -> bool:
        """Whether the engine is to start an offered item, and may do so now."""
        if self._manner(item) is Manner.outside:
            return False
        return self._admission is None or self._admission.admits(item)

    def _begin(self, item: int) -> None:
        """The turn of an item has come that had to wait for it."""
        try:
            self.give(Input(START, self._now_us(), item))
        except Refused as refused:
            assert self._admission is not None
            self._admission.withdraw(item)
            _log.info("case %s: item %d is not started any more: %s", self.id, item, refused)
        except KnhkError as error:
            self._runtime.lose(self, error)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep the case in memory for the length of the block, whatever its state."""
        self._pending += 1
        try:
            yield
        finally:
            self._pending -= 1
            self._rest_or_leave()

    def _make_good(self) -> None:
        """Write what the journal lacks of the work for outside, after a copy or an update."""
        changes = NONE if self._offers is None else self._offers.changes()
        if changes is not NONE:
            self._pending += 1
            acts = _Acts()
            acts.outside = self._with_short_bodies(changes, acts)
            blobs = () if acts.blobs is None else tuple(acts.blobs.items())
            commit = _with_work(Commit(self.id, blobs=blobs, fence=self.fence), acts.outside)
            self._runtime.writer.put(commit, self._stream, partial(self._written, acts, None))

    # Parking

    def can_park(self) -> bool:
        """Whether it has nothing to do but to wait."""
        if self._pending or self._stream.error is not None or self.is_abandoned:
            return False
        if self._gone is not None:
            return False
        if self._admission is not None and self._admission.is_waiting:
            return False
        if self.standing.status not in UNFINISHED or not self._runtime.wants(self.standing.row):
            return False
        for work in self._work.values():
            if not work.is_begun or not isinstance(work.performer, SubWorkflow):
                return False
            if self._runtime.is_live(sub_case_id(work.start.call)):
                return False
        # What nothing could wake would never come back.
        return may_go_on(self.case) or self.case.status is not CaseStatus.running

    def park(self) -> None:
        """Leave memory once it is in the journal that the case may, with a snapshot."""
        self.is_parked = True
        self._pending += 1
        rest = Rest(is_parked=True, wake_us=self._wake_us())
        snapshot = self._snapshot() if self._seq > self._snapshot_seq else None
        acts = _Acts()
        is_new = self._waits is None and self.version.hears
        waits = self._changed_waits(acts) if is_new else None
        commit = Commit(self.id, snapshot=snapshot, rest=rest, waits=waits, fence=self.fence)
        self._runtime.writer.put(commit, self._stream, partial(self._parked, acts.waits))

    def _parked(self, waits: tuple[Wait, ...], error: JournalError | None) -> None:
        self._pending -= 1
        if error is not None:
            self._runtime.lose(self, error)
            return
        if waits:
            self._runtime.listens(waits)
        if self.is_parked and self.can_park():
            self._runtime.forget(self)
            parking = self._runtime.parking
            parking.parked(self.id, self._wake_us())
            if self.standing.row.parent:
                parking.rests(self.standing.row.parent)  # it could not as long as this one did not

    def _wake_us(self) -> int:
        """When it wants to be woken: by a timer, or as a lease runs out; -1 for never."""
        return self.case.next_wake_us if self._offers is None else self._offers.wake_us()

    def _set_timer(self) -> None:
        wake_us = self._wake_us()
        if wake_us >= 0:
            self._runtime.timers.wake(self.id, wake_us)

    def _snapshot(self) -> Snapshot | None:
        """The state as it is now; none if it has no plain form."""
        plain = self.case.snapshot()
        body = b"" if plain is None else encode_snapshot(plain)
        if plain is not None and self._known and len(body) > self._inline_bytes_max:
            body = encode_snapshot(put_away_known(plain, self._inline_bytes_max, self._known))
        self._snapshot_at(self._seq, len(body))
        return Snapshot(self._seq, self._hash, body) if body else None

    def _snapshot_at(self, seq: int, size_bytes: int) -> None:
        """The next one is due after the more inputs the larger this one is."""
        self._snapshot_seq = seq
        every = self._runtime.limits.snapshot_inputs
        self._snapshot_due = seq + every + size_bytes // SNAPSHOT_INPUT_BYTES

    # Facts

    def give(
        self,
        *facts: Input,
        written: Callable[[JournalError | None], None] | None = None,
        carries: tuple[str, ...] = (),
    ) -> int:
        """Apply facts, write them, then act. The first may be refused: :class:`Refused`.

        ``written`` is told when the journal has them, or that it could not take them; with them it
        is noted that the commands ``carries`` have been carried out. Gives
        how many items a message or a signal among them has started or interrupted. Raises
        :class:`MisfitError` for a value that cannot be written.
        """
        return self._give_all(list(facts), None, written, carries=carries)

    def would_take(self, name: str, key: object) -> bool:
        """Whether a message would be taken now."""
        is_sound = self._stream.error is None and not self.is_abandoned
        return is_sound and self.case.would_take(name, key)

    def wants_some(self, name: str) -> bool:
        """Whether it waits for messages of that name with any key, or with one of many."""
        waits = waits_of(self.case)[0] if self._waits is None else self._waits
        return Wait(MESSAGE, name, "") in waits

    def hears_signal(self, name: str) -> bool:
        """Whether it would take a signal now."""
        return any(wait[:2] == (SIGNAL, name) for wait in waits_of(self.case)[0])

    def receive(self, letter: Letter, done: Callable[[JournalError | None], None]) -> bool:
        """Take a letter, and say whether it did; ``done`` is told when that is written, or not."""
        value = decode_object(letter.payload)
        fact = Input(MESSAGE, self._now_us(), task=letter.name, value=value)
        try:
            self._give_all([fact], None, done, received=(letter.id,))
        except (Refused, MisfitError, KnhkError) as error:
            _log.info("case %s does not take the message %s: %s", self.id, letter.id, error)
            return False
        return True

    def cancel(self) -> None:
        """Cancel the case, if that can still be."""
        try:
            self.give(Input(CANCEL, self._now_us()))
        except Refused:
            pass  # it has ended by itself meanwhile
        except KnhkError as error:
            self._runtime.lose(self, error)

    def late(
        self,
        item: int,
        attempt: int,
        value: object,
        failure: Failing | None,
        written: Callable[[JournalError | None], None] | None = None,
    ) -> bool:
        """Record what work that had been stopped still gave; whether that could be done.

        ``attempt`` is 0 where that is not known. What comes while that same attempt is being
        made again, after a restart, is not late. ``written`` is as in :meth:`give`.
        """
        found = self.case.item(item)
        if attempt and found.state is ItemState.started and found.attempt == attempt:
            return False
        error, message = "", ""
        if failure is not None:
            error, message = _clean(failure[0]), _clean(failure[1])
        fact = Input(LATE, self._now_us(), item, "", recordable(value), error, message)
        told = f"{error}: {message}" if error else ""
        event = Event(fact.at_us, self.id, "late", found.task, item, attempt or found.attempt, told)
        try:
            self._give_all([fact], None, written, event)
        except (Refused, KnhkError) as problem:
            _log.info("case %s: a late result cannot be recorded: %s", self.id, problem)
            return False
        return True

    def tick(self, now_us: int) -> None:
        """Tell the case the time, if it is due, and end the leases that have run out.

        What has timed out has no lease any more, which is why that is looked at first.
        """
        if 0 <= self.case.next_wake_us <= now_us:
            self._take_up(Input(CLOCK, self._now_us()))
        if self._offers is not None and self.case.status in UNFINISHED:
            for item in self._offers.expired(now_us):
                self._take_up(Input(RELEASE, self._now_us(), item))
        self._set_timer()

    # Work for outside

    def lease(self, number: int) -> Lease | None:
        """Who holds an item; ``None`` if nobody does."""
        return None if self._offers is None else self._offers.lease(number)

    def open_work(self, number: int) -> OpenWork:
        """An item for outside as it is here, and who holds it."""
        assert self._offers is not None
        return OpenWork(self._offers.offer(number), self._offers.lease(number))

    def hold(
        self,
        lease: Lease,
        written: Callable[[JournalError | None], None],
        carries: tuple[str, ...] = (),
    ) -> None:
        """Have somebody outside hold an item, which is started with that, or prolong it.

        The item is one for outside that is offered or started, and ``lease`` is for its attempt.
        Errors, ``written`` and ``carries`` are as in :meth:`give`.
        """
        item = self.case.item(lease.item)
        is_offered = item.state is ItemState.offered
        facts = [Input(START, self._now_us(), item.id)] if is_offered else []
        self._give_all(facts, None, written, lease=lease, carries=carries)

    def _give_all(
        self,
        facts: list[Input],
        opened: CaseRow | None,
        written: Callable[[JournalError | None], None] | None,
        event: Event | None = None,
        lease: Lease | None = None,
        received: tuple[str, ...] = (),
        carries: tuple[str, ...] = (),
    ) -> int:
        broken = self._gone or self._stream.error
        if broken is not None:
            raise broken
        self.refuse_too_many()
        # All bodies first: once a fact has been applied nothing may stand in its way.
        waiting = [(fact, self._body(fact)) for fact in facts]
        before, cause = self.case.status, self.case.failure
        acts = _Acts()
        acts.received = received
        if event is not None and self._runtime.observed:
            acts.events.append(event)
        rows: list[InputRow] = []
        try:
            at = 0
            while at < len(waiting):
                fact, body = waiting[at]
                at += 1
                if self._admission is not None and not self._admission.allows(fact):
                    continue
                why = self._apply(fact, body, rows, acts, waiting)
                if why and not rows:
                    raise Refused(why)
            status = self.case.status
            other_cause = status is CaseStatus.failed and self.case.failure is not cause
            if status is not before or other_cause:
                acts.moved = self._moved(status, acts)
                if self._admission is not None and status is not CaseStatus.running:
                    self._admission.leave()
            acts.outside = self._changes(acts, lease)
        except (Refused, StoreDamaged):
            raise
        except Exception as error:
            # The case in memory is ahead of the journal now: it cannot be gone on with.
            problem = KnhkError(f"case {self.id!r} cannot go on: {type(error).__name__}: {error}")
            self._runtime.lose(self, problem)
            raise problem from error
        self._put(tuple(rows), opened, acts, received, carries, written)
        if self._admission is not None:
            self._admission.serve()
        return acts.taken

    def _roused(self, acts: _Acts) -> Rest | None:
        """What a commit says of parking: the case is awake, and so is what it lets go of."""
        for sub_case in acts.unwanted:
            # Written before that: else nobody would wake it after a crash, to be cancelled.
            self._runtime.unpark(sub_case, self.fence)
        if not self.is_parked:
            return None
        self.is_parked = False
        return Rest(is_parked=False)

    def _changed_waits(self, acts: _Acts) -> tuple[Wait, ...] | None:
        """What the case waits for, if the journal does not have that yet; ``None`` if it does."""
        waits, is_crowded = waits_of(self.case)
        if waits == self._waits:
            if is_crowded:
                acts.waits = waits
            return None
        self._waits = acts.waits = waits
        return waits

    def refuse_too_many(self) -> None:
        """Raise :class:`LimitExceeded` where the case may have no more inputs."""
        inputs_max = self._inputs_max
        if self._seq >= inputs_max:
            raise LimitExceeded(
                f"case {self.id!r} has {self._seq:,} inputs",
                "case_inputs_max",
                inputs_max,
                "open the engine with a larger limit to have it go on, or to cancel it",
            )

    def refuse_messages(self) -> None:
        """Raise :class:`LimitExceeded` where the case keeps as many messages as it may."""
        kept_max = self._runtime.limits.case_messages_max
        if self.case.kept >= kept_max:
            raise LimitExceeded(
                f"case {self.id!r} keeps {kept_max:,} messages that nobody takes",
                "case_messages_max",
                kept_max,
                "send none that it does not wait for",
            )

    def _body(self, fact: Input) -> bytes:
        body = self.version.facts.encode(fact, self._item(fact.item))
        if len(body) > self._inline_bytes_max:
            bytes_max = self._runtime.limits.value_bytes_max
            if len(body) > bytes_max:
                what = f"it has {len(body):,} bytes as JSON, and Limits.value_bytes_max is"
                why = f"{what} {bytes_max:,}; keep it elsewhere, and give the case its name"
                raise MisfitError((Misfit("", why),))
        return body

    def _put_away(self, body: bytes, acts: _Acts) -> bytes:
        """What a long body is in its row; what it then refers to is to be written with it."""
        found, blobs = put_away(body, self._inline_bytes_max)
        if self._known is None:
            self._known = set()
        if acts.blobs is None:
            acts.blobs = {}
        for key, data in blobs.items():
            if key not in self._known:
                self._known.add(key)
                acts.blobs[key] = data
        return found

    def _put(
        self,
        rows: tuple[InputRow, ...],
        opened: CaseRow | None,
        acts: _Acts,
        received: tuple[str, ...],
        carries: tuple[str, ...],
        written: Callable[[JournalError | None], None] | None,
    ) -> None:
        """Have written what facts have led to, and then acted upon."""
        self._pending += 1
        rest = self._roused(acts)
        snapshot = self._snapshot() if self._seq >= self._snapshot_due else None
        moved = acts.moved
        if moved is not None and len(moved.outcome) > self._inline_bytes_max:
            moved = replace(moved, outcome=self._put_away(moved.outcome, acts))
        blobs = () if acts.blobs is None else tuple(acts.blobs.items())
        waits = self._changed_waits(acts) if self.version.hears else None
        commit = Commit(
            self.id,
            rows,
            opened,
            moved,
            snapshot,
            rest,
            waits,
            blobs,
            received,
            fence=self.fence,
            carries=carries,
        )
        self._runtime.writer.put(
            _with_work(commit, acts.outside),
            self._stream,
            partial(self._written, acts, written),
        )

    def _changes(self, acts: _Acts, lease: Lease | None) -> Changes:
        """What has changed of the work for outside."""
        if self._offers is None:
            return NONE
        if acts.moved is not None:
            self._offers.touch_all()
        return self._with_short_bodies(self._offers.changes(lease), acts)

    def _with_short_bodies(self, changes: Changes, acts: _Acts) -> Changes:
        """Offers whose long values stand elsewhere."""
        bytes_max = self._inline_bytes_max
        offers = list(changes.offers)
        for at, offer in enumerate(offers):
            if len(offer.body) > bytes_max:
                offers[at] = offer._replace(body=self._put_away(offer.body, acts))
        return changes if not offers else changes._replace(offers=tuple(offers))

    def _apply(
        self,
        fact: Input,
        body: bytes,
        rows: list[InputRow],
        acts: _Acts,
        waiting: list[tuple[Input, bytes]],
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
        if len(body) > self._inline_bytes_max:
            body = self._put_away(body, acts)
            sealed = link(self._hash, self.id, self._seq, at_us, kind, item, task, body)
            row = InputRow(self.id, self._seq, at_us, kind, item, task, body, sealed)
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
        waiting: list[tuple[Input, bytes]],
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
        if fact.kind == START:
            self._note_start(self.case.item(fact.item), acts)
        if self._offers is not None:
            self._touch(fact.item, effects)
        observed = self._runtime.observed
        if observed and fact.kind in TOLD:
            acts.events.append(self._told(fact))
        for effect in effects:
            kind = effect.kind
            if observed and kind in (OFFER, STOP_WORK):
                what = "offered" if kind == OFFER else "stopped"
                acts.events.append(self._event(self.case.now_us, what, effect.item))
            if kind == OFFER:
                if self._is_to_start(self.case.item(effect.item)):
                    waiting.append((Input(START, fact.at_us, effect.item), b""))
            elif kind == STOP_WORK:
                self._note_stop(effect.item, acts)
            elif kind == WAKE:
                acts.wakes = True

    def _touch(self, number: int, effects: list[Effect]) -> None:
        """Note which items an input has done something to."""
        assert self._offers is not None
        if number > 0:
            self._offers.touch(number)
        for effect in effects:
            if effect.item > 0:
                self._offers.touch(effect.item)

    def _note_start(self, item: WorkItem, acts: _Acts) -> None:
        if not isinstance(self.version.performer(item), Outside):
            acts.starts.append(Start.of(self.case, item.id, self.version.name, self._tenant))
            if self._admission is not None:
                self._admission.start(item)

    def _note_stop(self, item: int, acts: _Acts) -> None:
        acts.stops.append(item)
        found = self.case.item(item)
        if isinstance(self.version.performer(found), SubWorkflow):
            # The item may be at its next attempt already; nobody does it where all is cancelled.
            work = self._work.get(item)
            call = call_of(self.case, found) if work is None else work.start.call
            acts.unwanted.append(sub_case_id(call))
        if self._admission is not None:
            self._admission.withdraw(item)

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
        if error is not None and acts.received and isinstance(error, JournalConflict):
            self._runtime.dispute(self, error, acts.received)
        elif error is not None:
            self._runtime.lose(self, error)
        else:
            if not self.is_written:
                self.is_written = True
                self._runtime.add(self)
            if self._gone is None:
                self._act(acts)
            else:
                self._tell(acts)  # it runs elsewhere now, and there is acted upon what is so
        if written is not None:
            written(error)

    def _act(self, acts: _Acts) -> None:
        """Do what the journal now says is so."""
        for item in acts.stops:
            work = self._work.pop(item, None)
            if work is not None:
                work.stop()
        for sub_case in acts.unwanted:
            self._runtime.abandon(sub_case)
        self._tell(acts)
        if acts.wakes or acts.outside.leases or acts.moved is not None:
            self._set_timer()
        if acts.waits:
            self._runtime.listens(acts.waits)
        for start in acts.starts:
            self._dispatch(start)
        if acts.moved is not None and acts.moved.status not in UNFINISHED:
            self._runtime.settled(self)
        self._rest_or_leave()

    def _tell(self, acts: _Acts) -> None:
        """Tell those who look on what the journal now says is so."""
        if self._runtime.observed:
            self._runtime.tell(self, acts.events, acts.moved)
        if acts.moved is not None:
            self.standing.move(acts.moved.status, acts.moved.outcome)

    def _dispatch(self, start: Start) -> None:
        """Have the work done, unless it has been stopped since it was started."""
        call = start.call
        ticket = None if self._admission is None else self._admission.hand_over(call)
        item = self.case.item(call.item)
        if item.state is not ItemState.started or item.attempt != call.attempt:
            if ticket is not None:
                ticket.release()
            return
        performer = self.version.performer(item)
        if isinstance(performer, Outside):
            return
        if start.problem is not None:
            if ticket is not None:
                ticket.free()
            self._fail(call.item, EXPRESSION_ERROR, str(start.problem), ("KnhkError",))
        else:
            line = self._line
            if self.version.priorities:
                line = line_of(self._tenant, self.version.priorities.get(call.task, 0))
            # The time of the case is that of the start, but for what had to wait for its turn.
            at_us = self.case.now_us if ticket is None else self._now_us()
            work = self._work[call.item] = Work(self, start, performer, at_us, line, ticket)
            self._runtime.dispatch(work)

    def holds(self, work: Work) -> bool:
        """Whether that piece of work is still wanted."""
        return self._work.get(work.start.call.item) is work

    def finish(self, work: Work, value: object) -> None:
        """The work has given a value: the item completes, or fails if the value does not fit."""
        del self._work[work.start.call.item]
        if work.ticket is not None:
            work.ticket.free()
        self._complete(work.start.call, value)

    def give_up(self, work: Work, error: str, message: str, bases: tuple[str, ...]) -> None:
        """The work has failed."""
        item = work.start.call.item
        del self._work[item]
        if work.ticket is not None:
            work.ticket.free()
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
        if self._admission is not None:
            self._admission.leave()
        for sub_case in self.sub_cases():
            self._runtime.abandon(sub_case)
        for work in self._work.values():
            work.stop()
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

    def drop(self, problem: JournalError) -> None:
        """Let go of a case that another process runs: nothing more is begun here.

        What is in the queue of the journal is written as long as the fence stands.
        """
        self._gone = problem
        self.stop()

    def stop(self) -> None:
        """Stop all work; nothing of it is written."""
        if self._admission is not None:
            self._admission.close()
        for work in self._work.values():
            work.stop()
        self._work.clear()

    def _rest_or_leave(self) -> None:
        """Leave memory when all is done, and rest when there is nothing to do."""
        if self._pending or self._gone is not None:
            return
        if self.standing.status in UNFINISHED:
            if not self._work or self.can_park():
                self.case.slim()
                self._runtime.parking.rests(self.id)
        elif not self._work:
            if self._admission is not None:
                self._admission.close()
            self._runtime.forget(self)

    # Small things

    def explain(self, task: str) -> str:
        """In words why a task is or is not offered, and what keeps it from being started."""
        told = self.case.explain(task)
        for item in self.case.open_items:
            why = self.why_waiting(item.id) if item.task == task else ""
            if why:
                return f"{told}; item {item.id} waits for a place: {why}"
        return told

    def why_waiting(self, item: int) -> str:
        """Which limit an offered item waits for; empty if it waits for none."""
        return "" if self._admission is None else self._admission.why_waiting(item)

    def outside_items(self) -> Iterable[int]:
        """Numbers of the items that somebody outside may work on."""
        if not self.version.has_outside:
            return
        for item in self.case.open_items:
            if self.is_outside(item):
                yield item.id

    def is_outside(self, item: WorkItem) -> bool:
        """Whether somebody outside may work on an item, or does."""
        if item.state is ItemState.offered:
            is_offered = self.case.status is CaseStatus.running
            return is_offered and self._manner(item) is Manner.outside
        is_started = item.state is ItemState.started
        return is_started and self._manner(item) in (Manner.outside, Manner.handed_out)

    def events(self) -> Iterable[tuple[int, str, object]]:
        """The items that wait for an event: their numbers, what they wait for, and its key."""
        for item in self.case.open_items:
            if item.state is ItemState.waiting and item.due_us < 0:
                callee = self.case.callee(item)
                if callee.kind in EVENTS:
                    yield item.id, f"{EVENTS[callee.kind]} {callee.name}", item.key

    def sub_cases(self) -> Iterable[str]:
        """The ids of the sub-cases that items wait for."""
        for work in self._work.values():
            if isinstance(work.performer, SubWorkflow):
                yield sub_case_id(work.start.call)

    @property
    def is_at_rest(self) -> bool:
        """Whether all that has happened is in the journal, and acted upon."""
        return not self._pending

    def work_began(self) -> dict[int, int]:
        """When the engine has begun the work that goes on, by the numbers of its items."""
        return {item: work.at_us for item, work in self._work.items()}

    def is_idle(self) -> bool:
        """Whether nothing is to come of it but from outside, or from its sub-cases."""
        if self._pending or len(self._work) > len(list(self.sub_cases())):
            return False
        known = {*self.outside_items(), *(item for item, *_ in self.events()), *self._work}
        return all(item.id in known for item in self.case.open_items)

    def _manner(self, item: WorkItem) -> Manner:
        return self.version.performer(item).manner

    def _item(self, number: int) -> WorkItem | None:
        return self.case.item(number) if number > 0 else None

    def _now_us(self) -> int:
        """The time for a fact: a wall clock may go back, a case's does not."""
        return max(self._runtime.clock.now_us(), self.case.now_us)


def may_go_on(case: Case) -> bool:
    """Whether something is offered or started in a case, or waits for what may come."""
    for item in case.open_items:
        if item.state is not ItemState.waiting or item.due_us >= 0:
            return True
        if item.undoes is None and case.callee(item).kind in EVENTS:
            return True
    return False


def _with_work(commit: Commit, changes: Changes) -> Commit:
    """A commit with what has changed of the work for outside."""
    if changes is NONE:
        return commit
    offers, closed, leases = changes
    return commit._replace(leases=leases, offers=offers, closed=closed)


def _clean(text: str) -> str:
    """Text that can be written: what is no Unicode in it is replaced."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
