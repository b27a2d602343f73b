"""The engine: makes happen what cases ask for, and never forgets what has happened.

``Engine.open`` is an async context manager; within its block cases run, and leaving the block
stops them cleanly: what was acknowledged is in the journal, and goes on when the store is
opened again. No task outlives the block, nor any thread that is still wanted. It runs on
asyncio and on trio.

**Write, then act**: every fact is in the journal before anything follows from it. State changes
happen exactly once; work is done at least once, with an idempotency key for each attempt
(:class:`knhk.call.Call`).
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeVar, final, overload

import anyio

from knhk.connect import ConnectorPool
from knhk.engine.callees import Callees
from knhk.engine.cases import ENDED, Cases, Receipt
from knhk.engine.catalogue import Catalogue, asked, in_thread
from knhk.engine.claims import CLAIM_S, Claim, Meant, meant, offer_as_told
from knhk.engine.clock import Clock, SystemClock
from knhk.engine.collector import collector_at_rest
from knhk.engine.company import Company, process_name
from knhk.engine.concurrency import Concurrency
from knhk.engine.events import Observer
from knhk.engine.facts import NO_PAYLOADS, Payloads, decode_object, encode_json, read_outcome
from knhk.engine.forking import forked, up_to
from knhk.engine.handle import CaseHandle
from knhk.engine.kin import DEPTH_MAX, cancelled
from knhk.engine.limits import USUAL, Limits
from knhk.engine.live import LiveCase, Refused
from knhk.engine.messages import Broadcast, KeptMessage, letter_of
from knhk.engine.naming import check_case_id, check_event_name, check_tenant, fresh_case_id
from knhk.engine.opening import all_parameters
from knhk.engine.outside import OutsideWork
from knhk.engine.parking import AFTER_S
from knhk.engine.payloads import fetched, joined, refers
from knhk.engine.plain import JSON
from knhk.engine.post import TTL_S
from knhk.engine.relay import Relay, carried, relayed
from knhk.engine.repairing import item_to_skip
from knhk.engine.replaying import replay
from knhk.engine.report import CaseReport, EventWait, Waits, WorkOffer, report, report_at
from knhk.engine.runtime import Runtime
from knhk.engine.slots import LimitUse
from knhk.engine.stalling import AFTER_S as STALLED_AFTER_S
from knhk.engine.stalling import Stall, Stalls, StallWatch
from knhk.engine.standing import CaseStanding
from knhk.engine.threads import THREADS_MAX
from knhk.engine.verifying import Fault, Verification
from knhk.errors import (
    CaseEnded,
    CaseExists,
    CaseFailed,
    CaseStuck,
    InputError,
    JournalConflict,
    KnhkError,
    Misfit,
    MisfitError,
    NotOffered,
    ResultError,
    ShardLost,
    StoreAway,
    UnknownName,
    UsageError,
)
from knhk.journal import (
    LEASE_S,
    MEMORY,
    PAGE_MAX,
    PATIENCE_S,
    UNFINISHED,
    CaseRow,
    Commit,
    Durability,
    InputRow,
    Journal,
    SharedJournal,
    Stream,
    VersionRow,
    WorkFilter,
    open_journal,
)
from knhk.journal.patience import Patience
from knhk.model import (
    ADD_INSTANCE,
    CANCEL,
    COMPENSATE,
    INPUT_NAMES,
    MESSAGE,
    RESUME,
    SIGNAL,
    SKIP,
    SUSPEND,
    US_PER_S,
    WITHDRAW,
    CaseStatus,
    Input,
)
from knhk.module import Module
from knhk.surroundings import call_in_thread

if TYPE_CHECKING:
    from knhk_dsl.environment import Environment

__all__ = ["Engine"]

#: How long a newer version that another process deploys may stay unknown to one that hears of it.
NEWEST_S: Final = 0.5

T = TypeVar("T")

#: Messages that one call of :meth:`Engine.messages` gives at most.
MESSAGES_MAX: Final = 100


@final
class Engine:
    """Runs the cases of one store; made by :meth:`open`."""

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        catalogue: Catalogue,
        runtime: Runtime | None,
        depth_max: int,
        patience_s: float,
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._catalogue = catalogue
        self._running = runtime
        self._depth_max = depth_max
        self._patience_s = patience_s
        #: The other processes, where the store is shared, and what is asked of them.
        self._company: Company | None = None
        self.relay: Relay | None = None
        self._newest_at = 0.0
        self._outside = OutsideWork(
            journal, clock, patience_s, self._reached, self._give, self._claim, self._patience
        )

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        store: str | os.PathLike[str] | Journal = MEMORY,
        *,
        durability: Durability = "full",
        resume: bool = True,
        reading: bool = False,
        threads_max: int = THREADS_MAX,
        depth_max: int = DEPTH_MAX,
        park_after_s: float = AFTER_S,
        patience_s: float = PATIENCE_S,
        lease_s: float = LEASE_S,
        concurrency: Concurrency | None = None,
        stalled_after_s: float = STALLED_AFTER_S,
        limits: Limits = USUAL,
        clock: Clock | None = None,
        observer: Observer | None = None,
        environment: Environment | None = None,
    ) -> AsyncIterator[Engine]:
        """Open a store, pick up its unfinished cases, and run until the block is left.

        ``store`` is a path, ``sqlite:///PATH``, ``postgresql://...``, ``:memory:``, or a
        journal, which is closed at the end. With ``resume`` off, unfinished cases wait for
        :meth:`resume`. With ``reading`` the store may be open elsewhere, and nothing runs: cases
        can be listed and shown. Sub-cases stand at most ``depth_max`` deep below the case that
        was begun first; one that would stand deeper fails its task with ``TooDeep``. A case
        that has had nothing to do for ``park_after_s`` leaves memory until it is woken.
        When the store goes away later (its server is down, its disk is full) work waits until it
        is back; calls raise :class:`~knhk.errors.StoreAway` when they had to wait for
        ``patience_s``. Of a store in PostgreSQL other processes may run a part of the cases, and
        take over those of one that has not been heard of for ``lease_s``. ``limits`` are how much
        else the engine takes; ``concurrency`` limits what is at work at once, and says how tenants
        share.
        ``observer`` is called for every event; every ``stalled_after_s`` it is told of the cases
        that :meth:`stalled` finds, once of each. Raises the family of
        :class:`~knhk.errors.JournalError` for a store that cannot be used.
        """
        if depth_max < 0:
            raise UsageError(f"depth_max is how deep sub-cases may stand, not {depth_max}")
        if lease_s <= 0:
            raise UsageError(f"lease_s is how many seconds nothing is heard, not {lease_s}")
        if isinstance(store, (str, os.PathLike)):
            opening = partial(open_journal, store, durability=durability, reading=reading)
            journal = await call_in_thread(opening)
        else:
            journal = store
        if clock is None:
            clock = SystemClock()
        installed = _installed_environment if environment is None else lambda: environment
        try:
            if reading:
                catalogue = Catalogue(journal, installed, None, patience_s)
                yield cls(journal, clock, catalogue, None, depth_max, patience_s)
                return
            shares = Concurrency() if concurrency is None else concurrency
            runtime = Runtime(
                journal, clock, threads_max, observer, park_after_s, limits, shares, patience_s
            )
            connectors = ConnectorPool(runtime.threads.run)
            callees = Callees(runtime.threads, connectors, shares)
            catalogue = Catalogue(journal, installed, callees, patience_s)
            engine = cls(journal, clock, catalogue, runtime, depth_max, patience_s)
            if isinstance(journal, SharedJournal):
                await engine._join(journal, runtime, lease_s, resumes=resume)
            watch = StallWatch(
                partial(engine.stalled, after_s=stalled_after_s), runtime, stalled_after_s
            )
            async with engine._running_cases(runtime, connectors, watch, resume):
                yield engine
        finally:
            with anyio.CancelScope(shield=True):
                await in_thread(journal, journal.close)

    @asynccontextmanager
    async def _running_cases(
        self, runtime: Runtime, connectors: ConnectorPool, watch: StallWatch, resume: bool
    ) -> AsyncIterator[None]:
        """The task groups of the engine. What the block raises comes out as it was raised."""
        raised: BaseException | None = None
        try:
            async with (
                aclosing(connectors),
                anyio.create_task_group() as keepers,
                anyio.create_task_group() as workers,
            ):
                runtime.run(workers, keepers, self._cases(runtime))
                if self._company is not None and self.relay is not None:
                    await self._company.look()
                    self.relay.run(workers)
                    self._company.run(workers)
                if runtime.observed:
                    workers.start_soon(watch.run, name="knhk stall watch")
                try:
                    if resume:
                        await self.resume(parked=False)
                    yield
                except anyio.get_cancelled_exc_class():
                    raise
                except GeneratorExit:
                    raise
                except BaseException as error:  # noqa: BLE001  raised again below
                    raised = error
                finally:
                    self._running = None
                    runtime.stop()
                    workers.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise _only(group) from None
        if raised is not None:
            raise raised

    async def _join(
        self, journal: SharedJournal, runtime: Runtime, lease_s: float, *, resumes: bool
    ) -> None:
        """Be one of the processes that run the store."""
        joining = partial(journal.join, process_name(), lease_s=lease_s, is_modest=not resumes)
        membership = await call_in_thread(joining)
        runtime.post.elsewhere = self._collect_elsewhere
        self._company = Company(
            membership,
            runtime,
            self._pick_up,
            self._heard,
            resumes=resumes,
            patience_s=self._patience_s,
        )
        self.relay = Relay(
            self,
            self._company,
            membership,
            patience_s=self._patience_s,
            bytes_max=runtime.limits.value_bytes_max,
        )

    async def _heard(self) -> None:
        """Other processes may have done something, such as to deploy a workflow."""
        now = anyio.current_time()
        if now - self._newest_at >= NEWEST_S:
            self._newest_at = now
            self._catalogue.forget_newest()
        if self.relay is not None:
            await self.relay.look()

    # Deploying

    async def deploy(self, source: str | Path | Module) -> Module:
        """Make the workflows of a file (or of a loaded module) known, and give the module.

        Cases that run stay with the sources they began with. Raises
        :class:`~knhk.errors.CheckError` for a file that does not check, and
        :class:`~knhk.errors.DeployError` for callees that are not there.
        """
        self._runtime("deploying a workflow")
        module = await self._catalogue.deploy(source, self._clock.now_us())
        if self._company is not None:
            with suppress(StoreAway):  # else they hear of it a little later
                await self._company.tell()
        return module

    # Cases

    async def start(
        self,
        workflow: str,
        parameters: Mapping[str, object] | None = None,
        /,
        *,
        case_id: str | None = None,
        tenant: str | None = None,
        **named: object,
    ) -> CaseHandle:
        """Begin a case of a deployed workflow; its parameters are given by keyword.

        When this returns the case is in the journal. ``case_id`` names it; without it a name
        is made up. It belongs to ``tenant``, if one is named: 1 to 255 printable characters.
        Parameters may also stand in one mapping; those of a workflow that are themselves called
        ``case_id`` or ``tenant`` must. Raises :class:`~knhk.errors.InputError` for parameters
        that do not fit, :class:`~knhk.errors.UsageError` for a name that cannot be one or a
        keyword that could mean either, and :class:`~knhk.errors.CaseExists` for a name that is
        taken. After a :class:`~knhk.errors.StoreAway` the case may still come to be: ask for
        it by its name, or start it again under the same one.
        """
        runtime = self._runtime("starting a case")
        taken: dict[str, str] = {}
        if case_id is not None:
            check_case_id(case_id)
            taken["case_id"] = "the name of the case"
        if tenant is not None:
            check_tenant(tenant)
            taken["tenant"] = "whose case it is"
        version = await self._catalogue.newest(workflow)
        now_us = self._clock.now_us()
        given = all_parameters(version.workflow, parameters or {}, named, taken)
        values = version.workflow.accept(given, now_us)
        await runtime.writer.admission()
        if case_id is None:
            case_id = fresh_case_id(workflow, now_us)
        while True:
            shard = 0 if self._company is None else await self._company.home()
            row = CaseRow(
                case_id, version.name, version.digest, now_us, tenant=tenant or "", shard=shard
            )
            receipt = Receipt(runtime.writer.patience)
            try:
                live = await self._cases(runtime).open(version, row, values, receipt)
            except ShardLost:
                continue  # it has not begun, and does on another shard
            return CaseHandle(live.standing, self._outcome)

    async def case(self, case_id: str) -> CaseHandle:
        """The handle of a case; raises :class:`~knhk.errors.UnknownName`."""
        row = await self._row(case_id)
        if self._running is None:
            standing = CaseStanding(row)
            if not standing.settled:
                standing.strand(UsageError(f"case {case_id!r} is {row.status}, and not run here"))
            return CaseHandle(standing, self._outcome)
        while row.status not in ENDED and case_id not in self._running.live:
            # It may have gone on, and left memory, while its row was read.
            fresh = await self._row(case_id)
            if fresh == row:
                break
            row = fresh
        standing = self._running.standing(row)
        problem = self._running.stranded.get(case_id)
        if problem is not None and row.status not in UNFINISHED:
            self._running.acquit(case_id, row)
        elif problem is not None:
            standing.strand(problem)
        elif case_id not in self._running.live and standing.status is not row.status:
            standing.move(row.status, row.outcome)
        return CaseHandle(standing, self._outcome)

    async def cases(
        self,
        *,
        status: CaseStatus | str | Sequence[CaseStatus | str] = (),
        workflow: str = "",
        parent: str = "",
        tenant: str = "",
        after: CaseRow | None = None,
        limit: int = 1_000,
    ) -> tuple[CaseRow, ...]:
        """Cases by age, at most ``limit``; ``after`` is the last one of the page before.

        With ``parent`` only the sub-cases that this case began itself, with ``tenant`` the cases
        that belong to it.
        """
        wanted = (status,) if isinstance(status, str) else tuple(status)
        try:
            states = tuple(CaseStatus(one) for one in wanted)
        except ValueError as error:
            raise UnknownName(
                "status", ", ".join(map(str, wanted)), [one.value for one in CaseStatus]
            ) from error
        asking = partial(
            self._journal.cases,
            status=states,
            workflow=workflow,
            parent=parent,
            tenant=tenant,
            after=after,
            limit=limit,
        )
        return await self._ask(asking)

    async def show(self, case_id: str, *, at: int | None = None) -> CaseReport:
        """A case as it stands in the journal, with its history, data, open items, sub-cases.

        With ``at`` as it stood after the input of that number, from 0: its status, data, marking
        and open items then, and the history up to there, without outcome and sub-cases. Raises
        :class:`~knhk.errors.UnknownName` for a case or an input that is not there.
        """
        row = await self._row(case_id)
        rows, payloads = await self._history(row)
        if at is not None:
            version = await self._catalogue.read_only(row.workflow, row.digest)
            return report_at(row, up_to(rows, at), payloads, version)
        children: list[CaseRow] = []
        while page := await self.cases(parent=case_id, after=children[-1] if children else None):
            children.extend(page)
        try:
            version = await self._catalogue.read_only(row.workflow, row.digest)
        except KnhkError as error:
            return report(row, rows, payloads, children, None, error)
        return report(row, rows, payloads, children, version, None)

    async def verify(self, case_id: str) -> tuple[Fault, ...]:
        """What does not fit in what the store holds of a case; nothing if all does.

        Raises :class:`~knhk.errors.UnknownName`.
        """
        record = await self._ask(self._journal.record, case_id)
        if record is None:
            raise UnknownName("case", case_id)
        fault = await Verification(self._journal, self._catalogue, record).fault()
        return () if fault is None else (fault,)

    async def check(self) -> str:
        """What is wrong with the store as a whole, in words; empty if nothing is.

        It reads all of the store. :meth:`verify` looks at what its cases hold.
        """
        return await self._ask(self._journal.check)

    async def explain(self, case_id: str, task: str) -> str:
        """In words why a task of a case is or is not offered.

        Raises :class:`~knhk.errors.UnknownName` for a case or task that is not there.
        """
        live = None if self._running is None else self._running.live.get(case_id)
        if live is not None:
            return live.explain(task)
        row = await self._row(case_id)
        rows, payloads = await self._history(row)
        version = await self._catalogue.read_only(row.workflow, row.digest)
        return replay(version, row, rows, payloads).explain(task)

    async def resume(self, *, parked: bool = True) -> tuple[CaseHandle, ...]:
        """Pick up every unfinished case that is not in memory, oldest first.

        Those that are ``parked`` would come back by themselves when they are woken. What cannot
        be picked up is in :attr:`stranded`, and is tried again the next time.
        """
        runtime = self._runtime("resuming")
        if self._company is not None:
            await self._company.settle()
        handles = await self._pick_up(runtime.shards.only, parked=parked)
        await self._cases(runtime).acquit()
        return handles

    async def _pick_up(
        self, shards: Sequence[int] | None, *, parked: bool = False
    ) -> tuple[CaseHandle, ...]:
        """Pick up the unfinished cases of some shards, or all there are, oldest first."""
        runtime = self._runtime("resuming")
        handles: list[CaseHandle] = []
        after: CaseRow | None = None
        # What had begun before goes first.
        with runtime.slots.held_back(), collector_at_rest():
            while True:
                asking = partial(
                    self._journal.cases,
                    status=UNFINISHED,
                    awake=not parked,
                    shards=shards,
                    after=after,
                )
                page = await self._ask(asking)
                if not page:
                    runtime.post.look_through()
                    return tuple(handles)
                after = page[-1]
                loaded = self._cases(runtime).load_all(page)
                handles.extend([CaseHandle(live.standing, self._outcome) async for live in loaded])

    @property
    def stranded(self) -> Mapping[str, KnhkError]:
        """Unfinished cases that the engine does not run, with the reason for each."""
        if self._running is None:
            return {}
        return MappingProxyType(self._running.stranded)

    @property
    def away(self) -> StoreAway | None:
        """What keeps the store away now, while work waits to be written to it; else ``None``."""
        return None if self._running is None else self._running.writer.away

    @property
    def concurrency(self) -> tuple[LimitUse, ...]:
        """The limits that something has come under, and how far each is used now."""
        return () if self._running is None else self._running.slots.usage()

    async def stalled(self, *, after_s: float = STALLED_AFTER_S) -> tuple[Stall, ...]:
        """Running cases that stand still though nothing stops them, by case.

        In which nothing has happened for ``after_s``, and that the engine has let go of, or
        whose timer is overdue, or whose work goes on and has no timeout, or that wait for what
        cannot come. An engine that only reads tells what can be told from the store.
        """
        if after_s <= 0:
            raise UsageError(f"after_s is how many seconds nothing has happened, not {after_s}")
        now_us = self._clock.now_us()
        stalls = Stalls(self._journal, self._catalogue, now_us, round(after_s * US_PER_S))
        if self._running is None:
            return await stalls.of_store()
        return await stalls.of_engine(self._running)

    async def versions(self, workflow: str = "") -> tuple[VersionRow, ...]:
        """The deployed versions of a workflow, or of all, the newest of each name first.

        Each with how many of its cases stand in which status. Raises
        :class:`~knhk.errors.UnknownName` for a workflow that was never deployed.
        """
        found = await self._ask(self._journal.versions, workflow)
        if workflow and not found:
            raise UnknownName("workflow", workflow, await self._ask(self._journal.workflows))
        return found

    # Work from outside

    async def work(
        self,
        case_id: str | None = None,
        *,
        task: str = "",
        workflow: str = "",
        tenant: str = "",
        role: str = "",
        worker: str = "",
        held: bool | None = None,
        after: WorkOffer | None = None,
        limit: int = PAGE_MAX,
    ) -> tuple[WorkOffer, ...]:
        """Work that waits for somebody outside or is done there, at most ``limit`` of it.

        By priority, the largest first, then by age. It is asked of the store, so it is told of
        cases that are not in memory too, and to engines that only read. What is named narrows it
        down; ``worker`` is who holds it, with ``held`` whether anybody does. ``after`` is the last
        one of the page before.
        """
        wanted = WorkFilter(case_id or "", 0, task, workflow, tenant, role, worker, held)
        return await self._outside.page(wanted, after, limit)

    @relayed
    async def waits(self, case_id: str) -> Waits | None:
        """What a case waits for from outside, with its sub-cases, if there is nothing else.

        It is ``None`` while the engine itself has something to do for it, or waits for a time,
        and for a case that is in nobody's memory.
        """
        runtime = self._runtime("asking what a case waits for")
        if runtime.shards.is_shared and case_id not in runtime.live:
            row = await self._row(case_id)
            if row.status in UNFINISHED:
                runtime.fence(row.shard)
        with anyio.move_on_after(self._patience_s):
            await runtime.post.settled()  # a message that is kept may be for it
        work: list[WorkOffer] = []
        events: list[EventWait] = []
        family = [case_id]
        while family:
            live = runtime.live.get(family.pop())
            if live is None or not live.is_idle():
                return None
            work.extend(_offers(live))
            events.extend(
                EventWait(live.id, live.version.name, live.case.item(item).task, item, event, key)
                for item, event, key in live.events()
            )
            family.extend(live.sub_cases())
        return Waits(tuple(work), tuple(events))

    async def claim(
        self,
        case_id: str,
        which: str | int,
        *,
        worker: str = "",
        lease_s: float | None = CLAIM_S,
    ) -> Claim:
        """Take work for outside: by task name the oldest item nobody holds, or by its number.

        It is the caller's, as ``worker``, to complete, to fail or to release with the
        :class:`~knhk.engine.Claim`, for ``lease_s`` seconds; :meth:`heartbeat` prolongs that. When
        they are over the item is offered anew. ``None`` is a claim without an end. Raises
        :class:`~knhk.errors.NotOffered`.
        """
        return await self._claim(case_id, which, worker, lease_s)

    @relayed
    async def _claim(
        self, case_id: str, which: str | int, worker: str, lease_s: float | None
    ) -> Claim:
        return await self._outside.claim(case_id, which, worker, lease_s)

    async def claim_next(
        self,
        *,
        task: str = "",
        workflow: str = "",
        tenant: str = "",
        role: str = "",
        worker: str = "",
        lease_s: float | None = CLAIM_S,
    ) -> Claim | None:
        """Take the first of the work that nobody holds, as :meth:`work` tells it.

        ``None`` if there is none. Of many who ask at once each gets something else.
        """
        wanted = WorkFilter("", 0, task, workflow, tenant, role)
        return await self._outside.claim_next(wanted, worker, lease_s)

    @overload
    async def heartbeat(self, claim: Claim, /, *, lease_s: float | None = CLAIM_S) -> Claim: ...
    @overload
    async def heartbeat(
        self, case_id: str, which: str | int, *, attempt: int, lease_s: float | None = CLAIM_S
    ) -> Claim: ...
    async def heartbeat(
        self,
        case_id: str | Claim,
        which: str | int = "",
        *,
        attempt: int | None = None,
        lease_s: float | None = CLAIM_S,
    ) -> Claim:
        """Have a claim last for ``lease_s`` seconds from now on; gives it with its new end.

        Raises :class:`~knhk.errors.ClaimLost` when it has been lost: then its worker may stop.
        """
        return await self._heartbeat(*meant(case_id, which, attempt), lease_s)

    @relayed
    async def _heartbeat(
        self, case_id: str, which: str | int, attempt: int | None, lease_s: float | None
    ) -> Claim:
        return await self._outside.heartbeat(Meant(case_id, which, attempt), lease_s)

    @overload
    async def complete(self, claim: Claim, value: object = None, /) -> None: ...
    @overload
    async def complete(
        self, case_id: str, which: str | int, value: object = None, *, attempt: int | None = None
    ) -> None: ...
    async def complete(
        self,
        case_id: str | Claim,
        which: object = None,
        value: object = None,
        *,
        attempt: int | None = None,
    ) -> None:
        """Complete work for outside: that of a claim, or some that nobody holds.

        The latter by task name, the oldest item, or by the item's number; with ``attempt`` it is
        as with the claim of that attempt. Raises :class:`~knhk.errors.ClaimLost` for a claim that
        has been lost, :class:`~knhk.errors.NotOffered` where there is no such work, or somebody
        else holds it, and :class:`~knhk.errors.ResultError` for a value that does not fit; then
        nothing has changed.
        """
        if isinstance(case_id, Claim):
            value = which
        await self._complete(*meant(case_id, which, attempt), value)

    @relayed
    async def _complete(
        self, case_id: str, which: str | int, attempt: int | None, value: object
    ) -> None:
        await self._outside.complete(Meant(case_id, which, attempt), value)

    @overload
    async def fail(self, claim: Claim, error: str, message: str = "", /) -> None: ...
    @overload
    async def fail(
        self,
        case_id: str,
        which: str | int,
        error: str,
        message: str = "",
        *,
        attempt: int | None = None,
    ) -> None: ...
    async def fail(
        self,
        case_id: str | Claim,
        which: str | int = "",
        error: str = "",
        message: str = "",
        *,
        attempt: int | None = None,
    ) -> None:
        """Fail the attempt at work for outside, with the name of an error.

        What is meant, and the errors, are as with :meth:`complete`.
        """
        if isinstance(case_id, Claim):
            error, message = str(which), error
        await self._fail(*meant(case_id, which, attempt), error, message)

    @relayed
    async def _fail(
        self, case_id: str, which: str | int, attempt: int | None, error: str, message: str
    ) -> None:
        await self._outside.fail(Meant(case_id, which, attempt), error, message)

    @overload
    async def release(self, claim: Claim, /) -> None: ...
    @overload
    async def release(
        self, case_id: str, which: str | int, *, attempt: int | None = None
    ) -> None: ...
    async def release(
        self, case_id: str | Claim, which: str | int = "", *, attempt: int | None = None
    ) -> None:
        """Give started work back: it is stopped, and offered anew without using up a retry.

        That of a claim, or, whoever holds it, by task name the oldest started item, or an item by
        its number. What the engine does itself it then starts again. Raises
        :class:`~knhk.errors.ClaimLost` and :class:`~knhk.errors.NotOffered`.
        """
        await self._release(*meant(case_id, which, attempt))

    @relayed
    async def _release(self, case_id: str, which: str | int, attempt: int | None) -> None:
        await self._outside.release(Meant(case_id, which, attempt))

    @relayed
    async def withdraw(self, case_id: str, task: str) -> None:
        """Cancel a task of a case: all its items, and the tokens they would have taken.

        What runs of it is stopped (pattern 19, Cancel Task). Raises
        :class:`~knhk.errors.NotOffered` when it has no item.
        """
        async with self._reached(case_id, "withdrawing a task") as live:
            _check_task(live, task)
            await self._give(live, [Input(WITHDRAW, self._now_us(live), task=task)], task)

    @relayed
    async def add_instance(self, case_id: str, task: str, value: object = None) -> None:
        """Add an instance to an ``open`` multiple-instance task (pattern 15).

        Raises :class:`~knhk.errors.NotOffered` where none can be added, and
        :class:`~knhk.errors.InputError` for a value that does not fit; then nothing has changed.
        """
        async with self._reached(case_id, "adding an instance") as live:
            _check_task(live, task)
            try:
                typed = live.version.facts.accept_instance(task, value)
                fact = Input(ADD_INSTANCE, self._now_us(live), task=task, value=typed)
                await self._give(live, [fact], task)
            except MisfitError as error:
                raise InputError(f"an instance of task {task!r}", error.misfits) from error

    # Events

    @relayed
    async def send(
        self, case_id: str, name: str, payload: object = None, key: object = None
    ) -> bool:
        """Send a message to a case: ``True`` if it is taken now, ``False`` if it is kept.

        After the end of the case it is neither, and the answer ``False`` (pattern 24,
        Persistent Trigger). Raises :class:`~knhk.errors.InputError` for a payload or a key
        that does not fit into JSON, and :class:`~knhk.errors.UsageError` when the case keeps
        too many messages already; then nothing has changed.
        """
        value = _plain(f"message {name!r}", {"key": key, "payload": payload})
        return await self._event(MESSAGE, case_id, name, value) > 0

    @relayed
    async def signal(self, case_id: str, name: str, payload: object = None) -> int:
        """Send a signal to a case: how many items it started or interrupted.

        It is lost where nothing waits for it, and after the end of the case (pattern 23,
        Transient Trigger). Raises :class:`~knhk.errors.InputError` like :meth:`send`.
        """
        value = _plain(f"signal {name!r}", {"payload": payload})
        return await self._event(SIGNAL, case_id, name, value["payload"])

    async def _event(self, kind: int, case_id: str, name: str, value: object) -> int:
        """Give a case a message or a signal; how many items took it up."""
        what = INPUT_NAMES[kind]
        check_event_name(what, name)
        try:
            async with self._reached(case_id, f"sending the {what} {name!r}") as live:
                if kind == MESSAGE:
                    live.refuse_messages()
                fact = Input(kind, self._now_us(live), task=name, value=value)
                return await self._give(live, [fact], "")
        except MisfitError as error:
            raise InputError(f"{what} {name!r}", error.misfits) from error
        except CaseEnded as ended:
            if ended.status not in (CaseStatus.completed.value, CaseStatus.cancelled.value):
                why = f"case {case_id!r} cannot take the {what} {name!r}: {ended.asked}"
                raise UsageError(why) from None
            return 0

    # Messages and signals to no case in particular

    async def publish(
        self,
        name: str,
        payload: object = None,
        *,
        key: object = None,
        id: str | None = None,
        ttl_s: float = TTL_S,
    ) -> str | None:
        """Publish a message to whichever case waits for it: the case that takes it, if one does.

        It is given to exactly one case; which, if several wait for it, is not said. If none does
        it is kept for ``ttl_s`` (a week), until one begins to. A task with a key takes it only if
        the ``key`` is equal. When this returns the message is in the journal. One with the same
        ``id`` as another is the same message: it is taken once, however often it is published
        within its time to live, or within a week. Without an id a new one is made up.

        Raises :class:`~knhk.errors.InputError` for a payload or a key that does not fit into JSON,
        and :class:`~knhk.errors.LimitExceeded` for a message that is too long or one too many to
        keep; then nothing has changed.
        """
        runtime = self._runtime("publishing a message")
        value = _plain(f"message {name!r}", {"key": key, "payload": payload})
        letter = letter_of(
            name,
            value,
            message_id=id,
            ttl_s=ttl_s,
            now_us=self._clock.now_us(),
            bytes_max=runtime.limits.message_bytes_max,
        )
        await runtime.writer.admission()
        await runtime.post.refuse_too_many()
        receipt = Receipt(runtime.writer.patience)
        runtime.post.post(letter, receipt)
        await receipt.written()
        with anyio.move_on_after(self._patience_s):
            return await runtime.post.receiver(letter)
        return None  # it is in the journal, and goes on when the store is back

    async def messages(
        self,
        name: str = "",
        *,
        after: KeptMessage | None = None,
        limit: int = MESSAGES_MAX,
    ) -> tuple[KeptMessage, ...]:
        """Published messages that no case has taken yet, by name and age, at most ``limit``.

        With a ``name`` only those of that name. ``after`` is the last one of the page before.
        """
        limit = min(limit, MESSAGES_MAX)
        behind = None if after is None else after.letter
        asking = partial(self._journal.letters, name, after=behind, limit=limit)
        return tuple(map(KeptMessage.of, await self._ask(asking)))

    async def drop_messages(self, *message_ids: str) -> int:
        """Throw away messages that are kept, by their ids; how many there were.

        One that a case has taken is not among them.
        """
        return await self._runtime("dropping messages").post.drop(message_ids)

    async def broadcast(
        self, name: str, payload: object = None, *, workflow: str = "", tenant: str = ""
    ) -> int:
        """Send a signal to all cases that wait for it now: how many items it has started.

        Or interrupted. With ``workflow`` and ``tenant`` only to cases of those. It goes to one case
        after the other: when this fails some of them may have it. Raises
        :class:`~knhk.errors.InputError` for a payload that does not fit into JSON.
        """
        runtime = self._runtime("broadcasting a signal")
        check_event_name("signal", name)
        value = _plain(f"signal {name!r}", {"payload": payload})
        sending = Broadcast(
            runtime, self._journal, self._ask, self.signal, workflow=workflow, tenant=tenant
        )
        return await sending.send(name, value["payload"])

    @relayed
    async def _collect(self, case_id: str, name: str, key: str) -> None:
        """Have messages that are kept taken by cases that are run where this one is."""
        runtime = self._runtime("giving out messages")
        runtime.fence((await self._row(case_id)).shard)
        await runtime.post.collect(name, key)

    async def _collect_elsewhere(self, name: str, key: str, cases: Sequence[str]) -> None:
        """Have others give out messages for which their cases wait, as long as there are any."""
        runtime = self._runtime("giving out messages")
        asked: set[int] = set()
        for case_id in cases:
            shard = (await self._row(case_id)).shard
            kept = await self._ask(partial(self._journal.letters, name, key, limit=1))
            if kept and shard not in asked:
                asked.add(shard)
                await runtime.at_last(partial(self._collect, case_id, name, key))

    # Steering

    @relayed
    async def suspend(self, case_id: str) -> None:
        """Let a case stand still: nothing new is begun, what runs may end."""
        await self._steer(case_id, SUSPEND, "suspending it", (CaseStatus.running,))

    @relayed
    async def resume_case(self, case_id: str) -> None:
        """Have a suspended case go on."""
        await self._steer(case_id, RESUME, "resuming it", (CaseStatus.suspended,))

    @relayed
    async def retry(self, case_id: str, task: str | None = None) -> None:
        """Have a failed case go on: what failed is done again, with fresh attempts.

        With a ``task`` only what has failed of that; the case stays failed as long as another
        has. Where an undo has failed it is tried again. The failure of a sub-case is its
        parent's; so it is that one which can be retried. Raises
        :class:`~knhk.errors.NotOffered` for a task that has not failed.
        """
        await self._refuse_a_part(case_id, "retrying it alone")
        await self._steer(case_id, RESUME, "retrying it", (CaseStatus.failed,), task or "")

    @relayed
    async def skip(self, case_id: str, which: str | int, value: object = None) -> None:
        """Take work for done, with ``value`` as its result; what runs of it is stopped.

        By task name it is the oldest item that has failed, else is started, offered or waits;
        or it is an item by its number. When nothing else has failed, a failed case goes on. An
        undo that is skipped counts as undone. For a multiple-instance task that failed before
        it had instances, ``value`` is the list of their results. Raises
        :class:`~knhk.errors.NotOffered`, and :class:`~knhk.errors.ResultError` for a value that
        does not fit; then nothing has changed.
        """
        await self._refuse_a_part(case_id, "skipping its work")
        async with self._reached(case_id, "skipping its work") as live:
            if isinstance(which, str):
                _check_task(live, which)
            item = item_to_skip(live.case, which)
            try:
                typed = live.version.facts.accept(item, value)
                fact = Input(SKIP, self._now_us(live), item.id, value=typed)
                await self._give(live, [fact], item.task)
            except MisfitError as error:
                raise ResultError(item.task, error.misfits) from error

    @relayed
    async def cancel(self, case_id: str, *, compensate: bool = False) -> None:
        """Withdraw all work of a case; it has then no result.

        With ``compensate`` what has completed is undone first, the last at first; raises
        :class:`~knhk.errors.CaseEnded` where it is being undone already. Without, nothing is
        undone, and a case that is being undone leaves the rest as it is.
        """
        states = (*UNFINISHED, CaseStatus.failed, CaseStatus.stuck)
        kind, asked = (COMPENSATE, "undoing it") if compensate else (CANCEL, "cancelling it")
        await self._steer(case_id, kind, asked, states)

    async def _steer(
        self, case_id: str, kind: int, asked: str, states: tuple[CaseStatus, ...], task: str = ""
    ) -> None:
        async with self._reached(case_id, asked) as live:
            if task:
                _check_task(live, task)
            if live.case.status not in states:
                raise CaseEnded(case_id, str(live.case.status), asked)
            if kind == COMPENSATE and live.case.compensating:
                raise CaseEnded(case_id, str(live.case.status), f"{asked} a second time")
            await self._give(live, [Input(kind, self._now_us(live), task=task)], task)

    async def fork(self, case_id: str, *, at: int, new_id: str | None = None) -> CaseHandle:
        """Begin a new case whose history is a copy of another's, up to its input ``at``, from 0.

        It goes on by itself from there, with the sources of the other; what was started then
        is done again. The other case stays as it is. ``new_id`` names it; without it a name is
        made up. Raises :class:`~knhk.errors.CaseExists` for a name that is taken,
        :class:`~knhk.errors.CaseEnded` where the other case had ended by then, and
        :class:`~knhk.errors.UsageError` for a sub-case, and for a history that used
        ``random()``, which goes by the name of its case.
        """
        runtime = self._runtime("forking a case")
        row = await self._row(case_id)
        if row.parent:
            raise UsageError(f"case {case_id!r} is a part of case {row.parent!r}: fork that one")
        if new_id is None:
            new_id = fresh_case_id(row.workflow, self._clock.now_us())
        check_case_id(new_id)
        rows, payloads = await self._history(row)
        version = await self._catalogue.version(row.workflow, row.digest)
        shard = 0 if self._company is None else await self._company.home()
        commit = forked(version, row, up_to(rows, at), payloads, new_id, runtime.fence(shard))
        await runtime.writer.admission()
        receipt = Receipt(runtime.writer.patience)
        runtime.writer.put(commit, Stream(), receipt)
        try:
            await receipt.written()
        except JournalConflict as error:
            raise CaseExists(new_id) from error
        fork = await self._row(new_id)
        if fork.status in UNFINISHED:
            await self._cases(runtime).load(fork)
            receipt = Receipt(runtime.writer.patience)
            runtime.writer.put(Commit(new_id), Stream(), receipt)  # behind all that this has led to
            await receipt.written()
        return await self.case(new_id)

    async def _refuse_a_part(self, case_id: str, asked: str) -> None:
        """A sub-case that has failed has no life of its own any more."""
        row = await self._row(case_id)
        if row.parent and row.status is CaseStatus.failed:
            asked = f"{asked}, a part of case {row.parent!r},"
            raise CaseEnded(case_id, str(row.status), asked)

    async def _give(self, live: LiveCase, facts: list[Input], task: str) -> int:
        """Give facts and wait until they are written; how many items took up an event.

        After a :class:`~knhk.errors.StoreAway` they may still be written.
        """
        receipt = Receipt(self._patience())
        try:
            taken = live.give(*facts, written=receipt, carries=carried())
        except Refused as refused:
            if task:
                raise NotOffered(task, str(refused)) from None
            raise CaseEnded(live.id, str(live.case.status), str(refused)) from None
        await receipt.written()
        return taken

    # Getting at things

    @asynccontextmanager
    async def _reached(
        self, case_id: str, asked: str, *, even_ended: bool = False
    ) -> AsyncIterator[LiveCase]:
        """A case in memory for the length of the block, loaded from the journal if need be.

        Raises :class:`~knhk.errors.CaseEnded` for one that has ended, unless ``even_ended``.
        """
        runtime = self._runtime(asked)
        await runtime.writer.admission()
        live = runtime.live.get(case_id)
        if live is None:
            row = await self._row(case_id)
            if even_ended or row.status not in ENDED:
                live = await self._cases(runtime).load(row, even_ended=even_ended)
        if live is None:
            raise CaseEnded(case_id, str((await self._row(case_id)).status), asked)
        with live.kept():
            yield live

    async def _outcome(self, standing: CaseStanding) -> object:
        """The result of a case that stands where it will not move from by itself."""
        if standing.problem is not None:
            raise standing.problem
        case, outcome = standing.row.id, standing.outcome
        if refers(outcome):
            payloads = await self._ask(fetched, self._journal, (outcome,))
            outcome = read_outcome(case, partial(joined, payloads=payloads), outcome)
        if standing.status is CaseStatus.cancelled:
            raise cancelled(case, outcome)
        if standing.status is CaseStatus.completed:
            row = standing.row
            version = await self._catalogue.read_only(row.workflow, row.digest)
            return read_outcome(case, version.facts.decode_result, outcome)
        told = read_outcome(case, decode_object, outcome)
        if standing.status is CaseStatus.stuck:
            raise CaseStuck(case, str(told.get("marking", "")))
        raise CaseFailed(
            case, str(told.get("task")), str(told.get("error")), str(told.get("message"))
        )

    async def _history(self, row: CaseRow) -> tuple[Sequence[InputRow], Payloads]:
        """All inputs of a case, and the payloads that they and its outcome refer to."""
        rows = await self._ask(self._journal.inputs, row.id)
        bodies = [row.outcome, *(entry.body for entry in rows)]
        if not any(map(refers, bodies)):
            return rows, NO_PAYLOADS
        return rows, await self._ask(fetched, self._journal, bodies)

    async def _row(self, case_id: str) -> CaseRow:
        row = await self._ask(self._journal.case, case_id)
        if row is None:
            raise UnknownName("case", case_id)
        return row

    async def _ask(self, question: Callable[..., T], *args: object) -> T:
        return await asked(self._journal, self._patience_s, question, *args)

    def _cases(self, runtime: Runtime) -> Cases:
        return Cases(self._journal, runtime, self._catalogue, self._depth_max)

    def _runtime(self, asked: str) -> Runtime:
        if self._running is None:
            raise UsageError(
                f"{asked} needs an engine that runs: this one is closed or only reads;"
                " open the store for running"
            )
        return self._running

    def _patience(self) -> Patience:
        return self._runtime("writing").writer.patience

    def _now_us(self, live: LiveCase) -> int:
        return max(self._clock.now_us(), live.case.now_us)


def _installed_environment() -> Environment:
    from knhk.plugins import environment

    return environment()


def _offers(live: LiveCase) -> Iterable[WorkOffer]:
    for number in live.outside_items():
        yield offer_as_told(live.open_work(number), NO_PAYLOADS)


def _check_task(live: LiveCase, task: str) -> None:
    if task not in live.version.performers:
        raise UnknownName("task", task, live.version.performers)


def _plain(what: str, parts: Mapping[str, object]) -> dict[str, object]:
    """Values as plain JSON, or :class:`InputError` naming every one that does not fit."""
    misfits: list[Misfit] = []
    plain: dict[str, object] = {}
    for name, value in parts.items():
        try:
            plain[name] = JSON.accept(value)
            encode_json(plain[name])
        except MisfitError as error:
            misfits.extend(misfit.under(name) for misfit in error.misfits)
    if misfits:
        raise InputError(what, misfits)
    return plain


def _only(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one exception in a group of groups, or the group if there are several."""
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup) and len(found.exceptions) == 1:
        found = found.exceptions[0]
    return found
