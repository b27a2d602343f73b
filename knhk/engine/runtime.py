"""What runs in an engine: the writer, the timers, the threads, and the cases in memory."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, Protocol, TypeVar, final
from weakref import WeakValueDictionary

import anyio
from anyio.abc import TaskGroup

from knhk.call import Call
from knhk.engine.catalogue import in_thread
from knhk.engine.clock import Clock
from knhk.engine.concurrency import Concurrency
from knhk.engine.events import MOVES, Event, Observer
from knhk.engine.failing import Failing
from knhk.engine.fairness import Ages
from knhk.engine.kin import ending_of, is_wanted
from knhk.engine.limits import Limits
from knhk.engine.live import LiveCase
from knhk.engine.parking import Parking
from knhk.engine.performer import SubWorkflow
from knhk.engine.post import PostOffice
from knhk.engine.shards import Shards
from knhk.engine.slots import Slots, Ticket
from knhk.engine.standing import CaseStanding
from knhk.engine.threads import ThreadPool
from knhk.engine.timers import Timers
from knhk.engine.work import Work, carry_out
from knhk.engine.workers import Workers
from knhk.errors import (
    JournalConflict,
    JournalError,
    KnhkError,
    ShardLost,
    StoreAway,
    UsageError,
)
from knhk.journal import (
    CaseRow,
    Commit,
    Fence,
    Journal,
    Rest,
    SharedJournal,
    Standing,
    Stream,
    Wait,
    Writer,
)
from knhk.model import CaseStatus

__all__ = ["Runtime"]

#: How long it takes until what failed for a store that is away is tried again.
AGAIN_S: Final = 0.5
#: A time that is later than all.
FOREVER_US: Final = 2**62

_log = logging.getLogger(__name__)

T = TypeVar("T")


class SubCases(Protocol):
    """Begins and cancels the sub-cases of an engine."""

    async def begin(self, parent: LiveCase, work: Work) -> None:
        """Begin the sub-case that does a piece of work, or find it again."""

    async def wake(self, ids: Sequence[str]) -> None:
        """Bring parked cases back whose time has come."""

    async def cancel(self, case_id: str) -> None:
        """Cancel a sub-case that is not wanted any more, if it is there and has not ended."""


@final
class Opening:
    """The first append of a case, on its way."""

    def __init__(self) -> None:
        self._ended: anyio.Event | None = None
        self._is_over = False

    def end(self) -> None:
        """It is written, or could not be."""
        self._is_over = True
        if self._ended is not None:
            self._ended.set()

    async def ended(self) -> None:
        """Return when it is written or could not be."""
        if not self._is_over:
            if self._ended is None:
                self._ended = anyio.Event()
            await self._ended.wait()


@final
class Runtime:
    """The parts of one running engine, and the ways between them."""

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        threads_max: int,
        observer: Observer | None,
        park_after_s: float,
        limits: Limits,
        concurrency: Concurrency,
        patience_s: float,
    ) -> None:
        self.clock: Final = clock
        self.limits: Final = limits
        self.patience_s: Final = patience_s
        self.writer: Final = Writer(
            journal,
            clock.writing,
            patience_s=patience_s,
            told=self._tell_of_store,
            queue_max=limits.queue_commits_max,
            queue_bytes_max=limits.queue_bytes_max,
            batch_max=limits.batch_commits_max,
        )
        self._weights = concurrency.weights
        ages = Ages(concurrency.weights)
        self.threads: Final = ThreadPool(threads_max, clock.working, self.late, ages)
        self.slots: Final = Slots(concurrency)
        self.timers: Final = Timers(clock, self._fire, self.writer.room)
        self.observed: Final = observer is not None
        self.live: Final[dict[str, LiveCase]] = {}
        self.shards: Final = Shards(is_shared=isinstance(journal, SharedJournal))
        self._journal = journal
        sleepers = partial(self.at_last, self._sleepers)
        self.parking: Final = Parking(
            self.timers,
            park_after_s,
            self.live.get,
            sleepers,
            self.wake,
            self.writer.room,
            sleepers_max=limits.sleepers_max,
        )
        self.post: Final = PostOffice(
            journal, clock, self.writer, self, kept_max=limits.kept_messages_max
        )
        #: Cases that are being begun: the store may have them, and nobody has heard of it yet.
        self.opening: Final[dict[str, Opening]] = {}
        #: Unfinished cases that the engine does not run, and why.
        self.stranded: Final[dict[str, KnhkError]] = {}
        #: What has left memory while somebody was reading cases: a set for each who does.
        self._readings: list[set[str]] = []
        self._shards_of_stranded: dict[str, int] = {}
        self._observer = observer
        self._standings: WeakValueDictionary[str, CaseStanding] = WeakValueDictionary()
        self._group: TaskGroup | None = None
        self._workers: Workers | None = None
        self._sub_cases: SubCases | None = None
        #: Sub-cases that are to be cancelled; no more than there are in memory.
        self._abandoned: deque[str] = deque()
        self._is_cancelling = False
        #: Called when there is something to be told to, or to be asked of, other processes.
        self.poke: Callable[[], None] = _nobody
        #: Whether another process waits for the end of a case, and one has ended since.
        self.is_awaited = False
        self.has_ended = False

    def run(self, group: TaskGroup, keepers: TaskGroup, sub_cases: SubCases) -> None:
        """Begin to write, to keep time and to work, in the two task groups."""
        self._group = group
        waiting_max = self.limits.waiting_work_max
        self._workers = Workers(self._carry_out, group, waiting_max, Ages(self._weights))
        self._sub_cases = sub_cases
        keepers.start_soon(self.writer.run, name="knhk journal writer")
        group.start_soon(self.timers.run, name="knhk timers")
        group.start_soon(self.parking.run, name="knhk parking")
        group.start_soon(self.parking.wake_in_time, name="knhk waking")
        group.start_soon(self.post.run, name="knhk post")
        group.start_soon(self.post.sweep, name="knhk sweeping of the post")

    def stop(self) -> None:
        """Stop all work. What is in the queue of the journal is still written."""
        self.slots.close()
        if self._workers is not None:
            self._workers.close()
            self._workers = None
        problem = UsageError("the engine has been closed; open the store again and ask there")
        for live in list(self.live.values()):
            live.stop()
            live.standing.strand(problem)
        self.threads.close()
        self.post.close()
        self.writer.close()

    # Cases

    def add(self, live: LiveCase) -> None:
        """Take a case into memory, unless its shard has been lost meanwhile."""
        if not self.shards.holds(live.fence):
            assert live.fence is not None
            live.drop(ShardLost(live.fence.shard))
            return
        self.live[live.id] = live
        self.stranded.pop(live.id, None)

    def forget(self, live: LiveCase) -> None:
        """The case is done: it leaves memory."""
        if self.live.get(live.id) is live:
            del self.live[live.id]
            for gone in self._readings:
                gone.add(live.id)
            self.timers.forget(live.id)
            self.parking.stirs(live.id)

    @contextmanager
    def reading(self) -> Iterator[set[str]]:
        """Around what reads cases: gives those that have left memory meanwhile.

        What was read of one of these before may be old.
        """
        gone: set[str] = set()
        self._readings.append(gone)
        try:
            yield gone
        finally:
            self._readings = [each for each in self._readings if each is not gone]

    def is_live(self, case_id: str) -> bool:
        """Whether a case is in memory."""
        return case_id in self.live

    def wants(self, row: CaseRow) -> bool:
        """Whether a case is no part of another, or one that is waited for."""
        if not row.parent:
            return True
        parent = self.live.get(row.parent)
        return parent is not None and not parent.is_abandoned and is_wanted(parent.case, row)

    def unpark(self, case_id: str, fence: Fence | None) -> None:
        """Have the journal know that a case is not parked, or not any more."""
        live = self.live.get(case_id)
        if case_id not in self.opening and (live is None or live.is_parked):
            awake = Commit(case_id, rest=Rest(is_parked=False), fence=fence)
            self.writer.put(awake, Stream(), _ignore)

    def find(self, case_id: str) -> LiveCase | None:
        """A case that is in memory."""
        return self.live.get(case_id)

    def is_stranded(self, case_id: str) -> bool:
        """Whether it was let go of for good."""
        return case_id in self.stranded

    def listens(self, waits: tuple[Wait, ...]) -> None:
        """A case has begun to wait for messages or signals."""
        self.post.listens(waits)

    def dispute(self, live: LiveCase, problem: JournalError, letters: tuple[str, ...]) -> None:
        """Let go of a case whose commit was refused that receives these letters.

        If that was for another who has received them, the post has it go on without.
        """
        if self.live.get(live.id) is live:
            live.stop()
            self.forget(live)
            self.post.dispute(live.standing.row, problem, letters)

    def give_up(self, row: CaseRow, problem: KnhkError) -> None:
        """Let go for good of a case that is not in memory, and of those that wait for its end."""
        if row.id in self.live:
            return  # somebody has loaded it meanwhile
        self.strand(row, problem)
        parent = self.live.get(row.parent)
        if parent is not None and parent.waits_for(row):
            self.lose(parent, problem)

    def lose(self, live: LiveCase, problem: KnhkError) -> None:
        """Let go of a case whose state in memory cannot be trusted to be in the journal.

        The cases that wait for its end are let go of too, so that nobody waits in vain. One whose
        shard is lost runs elsewhere, as do all others of that shard.
        """
        if isinstance(problem, ShardLost):
            live.drop(problem)
            self.forget(live)
            self.let_go([live.fence] if live.fence is not None else [])
            return
        lost: LiveCase | None = live
        while lost is not None:
            row = lost.standing.row
            lost.stop()
            if self.live.get(lost.id) is not lost:
                is_refused = isinstance(problem, JournalConflict)
                if not (lost.is_written or is_refused) and isinstance(problem, JournalError):
                    self.strand(row, problem)  # the store may have it, and only the answer was lost
                return
            self.forget(lost)
            if lost.is_written:  # else it was never begun: there is nothing to be picked up again
                self.strand(row, problem)
            parent = self.live.get(row.parent)
            lost = parent if parent is not None and parent.waits_for(row) else None

    def strand(self, row: CaseRow, problem: KnhkError) -> None:
        """Note that an unfinished case is not run, and why; whoever waits for it is told.

        One that another process runs is not stranded, and whoever waits for it goes on waiting.
        """
        if isinstance(problem, ShardLost):
            return
        self.stranded[row.id] = problem
        self._shards_of_stranded[row.id] = row.shard
        standing = self._standings.get(row.id)
        if standing is not None:
            standing.strand(problem)
        _log.warning("case %s is left standing: %s", row.id, problem)

    def acquit(self, case_id: str, row: CaseRow | None) -> None:
        """A case that was let go of has ended after all, or was never begun (no ``row``).

        What the engine was told has failed may be written all the same.
        """
        self.stranded.pop(case_id, None)
        self._shards_of_stranded.pop(case_id, None)
        standing = self._standings.get(case_id)
        if standing is not None and row is not None:
            standing.move(row.status, row.outcome)

    def standing(self, row: CaseRow) -> CaseStanding:
        """Where the case stands, shared by all who ask."""
        standing = self._standings.get(row.id)
        if standing is None:
            standing = self._standings[row.id] = CaseStanding(row)
            if self.shards.is_shared:
                standing.wanted = self._wanted
        elif standing.row.shard != row.shard:  # it was to begin on one that has been lost
            standing.row = row
        return standing

    # Shards

    def fence(self, shard: int) -> Fence | None:
        """What commits to a case of a shard carry, or :class:`~knhk.errors.ShardLost`."""
        return self.shards.fence(shard)

    def let_go(self, fences: Collection[Fence]) -> None:
        """Others hold these shards now: their cases leave memory, and whoever waits goes on so."""
        for fence in fences:
            self.shards.lose(fence)
        lost = {fence.shard for fence in fences if not self.shards.has(fence.shard)}
        for live in list(self.live.values()):
            if not self.shards.holds(live.fence):
                assert live.fence is not None
                live.drop(ShardLost(live.fence.shard))
                self.forget(live)
        for case_id, shard in list(self._shards_of_stranded.items()):
            if shard in lost:
                del self._shards_of_stranded[case_id]
                self.stranded.pop(case_id, None)
                standing = self._standings.get(case_id)
                if standing is not None:
                    standing.problem = None

    def awaited_elsewhere(self, gained: Collection[int] = ()) -> list[str]:
        """The cases that somebody here waits for, and that another process runs, or has ended.

        That may be so of those whose shards were ``gained`` of late.
        """
        return [
            case_id
            for case_id, standing in list(self._standings.items())
            if standing.is_awaited
            and case_id not in self.live
            and (standing.row.shard in gained or not self.shards.has(standing.row.shard))
        ]

    def moved_elsewhere(self, row: CaseRow) -> None:
        """A case that another process runs stands elsewhere now."""
        standing = self._standings.get(row.id)
        if standing is not None and row.id not in self.live:
            standing.move(row.status, row.outcome)

    def _wanted(self, standing: CaseStanding) -> None:
        if not self.shards.has(standing.row.shard):
            self.poke()

    async def _sleepers(self) -> Sequence[tuple[int, str]]:
        asking = partial(self._journal.sleepers, FOREVER_US, shards=self.shards.only)
        return await in_thread(self._journal, asking)

    # Sub-cases

    def settled(self, live: LiveCase) -> None:
        """Tell the parent of a sub-case how it has ended. What failed has no life of its own."""
        if self.is_awaited:
            self.has_ended = True
            self.poke()
        row, standing = live.standing.row, live.standing
        parent = self.live.get(row.parent) if row.parent else None
        if parent is None:
            return
        try:
            value, failure = ending_of(
                row.id, live.version.facts, standing.status, standing.outcome
            )
        except KnhkError as error:
            self.lose(parent, error)
            return
        if parent.waits_for(row):
            parent.take_over(row, value, failure)
            live.abandon_work()
        elif standing.status is not CaseStatus.cancelled and not is_wanted(parent.case, row):
            parent.late(row.parent_item, 0, value, failure)

    def abandon(self, case_id: str) -> None:
        """Have a sub-case cancelled that is not wanted any more.

        What is left of this when the engine stops is found again when the sub-case is loaded.
        """
        self._abandoned.append(case_id)
        if not self._is_cancelling and self._workers is not None:
            assert self._group is not None
            self._is_cancelling = True
            self._group.start_soon(self._cancel_abandoned, name="knhk sub-case canceller")

    async def _cancel_abandoned(self) -> None:
        assert self._sub_cases is not None
        try:
            with self._at_journal():
                while self._abandoned:
                    cancel = partial(self._sub_cases.cancel, self._abandoned.popleft())
                    await self.at_last(cancel)
        finally:
            self._is_cancelling = False

    @contextmanager
    def _at_journal(self) -> Iterator[None]:
        """What goes on in the block takes no time on a clock that somebody turns."""
        self.clock.writing(1)
        try:
            yield
        finally:
            self.clock.writing(-1)

    async def at_last(self, act: Callable[[], Awaitable[T]]) -> T:
        """What an act gives that is tried again and again while the store is away."""
        while True:
            try:
                return await act()
            except StoreAway as error:
                _log.info("it is tried again in %g s: %s", AGAIN_S, error)
            await anyio.sleep(AGAIN_S)

    # Work

    def dispatch(self, work: Work) -> None:
        """Have a piece of work done."""
        if self._workers is not None:
            self._workers.put(work)

    def _carry_out(self, work: Work) -> Coroutine[Any, Any, None] | None:
        """Do a piece of work up to where it waits, and give what is to be awaited then."""
        case, performer = work.case, work.performer
        if not case.holds(work):
            rest = None
        elif isinstance(performer, SubWorkflow):
            assert isinstance(case, LiveCase)
            rest = self._begin_sub_case(case, work)
        else:
            rest = carry_out(work, performer, self.writer, self.late)
        if work.ticket is None:
            return rest
        if rest is not None:
            return _see_through(rest, work.ticket)
        work.ticket.release()
        return None

    async def _begin_sub_case(self, parent: LiveCase, work: Work) -> None:
        assert self._sub_cases is not None
        with self._at_journal():
            await self.at_last(partial(self._sub_cases.begin, parent, work))

    def late(self, call: Call, value: object, failure: Failing | None) -> None:
        """Have it recorded what stopped work still gave, if its case is still in memory."""
        live = self.live.get(call.case) if self._workers is not None else None
        if live is None or not live.late(call.item, call.attempt, value, failure):
            _log.info("the late end of attempt %s is thrown away", call.idempotency_key)

    def _fire(self, case: str, now_us: int) -> None:
        live = self.live.get(case)
        if live is not None:
            live.tick(now_us)
        else:
            self.parking.ring(case)

    async def wake(self, ids: Sequence[str]) -> None:
        assert self._sub_cases is not None
        with self._at_journal():
            await self.at_last(partial(self._sub_cases.wake, ids))

    # Telling

    def tell(self, live: LiveCase, events: list[Event], moved: Standing | None) -> None:
        """Tell the observer what a commit has made true, in order."""
        for event in events:
            self.tell_of(event)
        if moved is not None:
            what = MOVES.get(moved.status, f"case {moved.status}")
            message = moved.outcome.decode()
            self.tell_of(Event(live.case.now_us, live.id, what, message=message))

    def _tell_of_store(self, reason: StoreAway | None) -> None:
        what, message = ("store back", "") if reason is None else ("store away", str(reason))
        self.tell_of(Event(self.clock.now_us(), "", what, message=message))

    def tell_of(self, event: Event) -> None:
        """Tell the observer of something."""
        if self._observer is None:
            return
        try:
            self._observer(event)
        except Exception:  # noqa: BLE001  an observer is somebody else's code, and only looks on
            _log.exception("the observer failed at %s", event)


def _nobody() -> None:
    """There are no other processes."""


async def _see_through(rest: Coroutine[Any, Any, None], ticket: Ticket) -> None:
    """Await the rest of a piece of work, and give its places back."""
    try:
        await rest
    finally:
        ticket.release()


def _ignore(_error: JournalError | None) -> None:
    """What follows it tells of the same trouble."""
