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
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeVar, final

import anyio
import anyio.to_thread

from knhk.connect import ConnectorPool
from knhk.engine.callees import Callees
from knhk.engine.cases import ENDED, Cases, Receipt
from knhk.engine.catalogue import Catalogue, in_thread
from knhk.engine.clock import Clock, SystemClock
from knhk.engine.events import Observer
from knhk.engine.facts import decode_object, encode_json, read_outcome
from knhk.engine.forking import forked, up_to
from knhk.engine.handle import CaseHandle
from knhk.engine.kin import DEPTH_MAX, cancelled
from knhk.engine.live import LiveCase, Refused
from knhk.engine.parking import AFTER_S
from knhk.engine.plain import JSON, jsonable
from knhk.engine.repairing import item_to_release, item_to_skip
from knhk.engine.replaying import replay
from knhk.engine.report import CaseReport, EventWait, Waits, WorkOffer, report, report_at
from knhk.engine.runtime import Runtime
from knhk.engine.standing import CaseStanding
from knhk.engine.threads import THREADS_MAX
from knhk.engine.verifying import Fault, faults
from knhk.engine.work import Start
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
    UnknownName,
    UsageError,
)
from knhk.journal import (
    MEMORY,
    UNFINISHED,
    CaseRow,
    Durability,
    Journal,
    Stream,
    open_journal,
)
from knhk.model import (
    ADD_INSTANCE,
    CANCEL,
    COMPENSATE,
    COMPLETE,
    FAIL,
    INPUT_NAMES,
    MESSAGE,
    RELEASE,
    RESUME,
    SIGNAL,
    SKIP,
    START,
    SUSPEND,
    WITHDRAW,
    CaseStatus,
    Input,
    ItemState,
)
from knhk.module import Module

if TYPE_CHECKING:
    from knhk_dsl.environment import Environment

__all__ = ["Engine"]

#: The longest name of a case, and of a message or signal.
CASE_ID_MAX: Final = 255

T = TypeVar("T")


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
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._catalogue = catalogue
        self._running = runtime
        self._depth_max = depth_max

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
        ``observer`` is called for every event. Raises the family of
        :class:`~knhk.errors.JournalError` for a store that cannot be used.
        """
        if depth_max < 0:
            raise UsageError(f"depth_max is how deep sub-cases may stand, not {depth_max}")
        if isinstance(store, (str, os.PathLike)):
            opening = partial(open_journal, store, durability=durability, reading=reading)
            journal = await anyio.to_thread.run_sync(opening)
        else:
            journal = store
        if clock is None:
            clock = SystemClock()
        installed = _installed_environment if environment is None else lambda: environment
        try:
            if reading:
                yield cls(journal, clock, Catalogue(journal, installed, None), None, depth_max)
                return
            runtime = Runtime(journal, clock, threads_max, observer, park_after_s)
            connectors = ConnectorPool(runtime.threads.run)
            callees = Callees(runtime.threads, connectors)
            catalogue = Catalogue(journal, installed, callees)
            engine = cls(journal, clock, catalogue, runtime, depth_max)
            async with engine._running_cases(runtime, connectors, resume):
                yield engine
        finally:
            with anyio.CancelScope(shield=True):
                await in_thread(journal, journal.close)

    @asynccontextmanager
    async def _running_cases(
        self, runtime: Runtime, connectors: ConnectorPool, resume: bool
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

    # Deploying

    async def deploy(self, source: str | Path | Module) -> Module:
        """Make the workflows of a file (or of a loaded module) known, and give the module.

        Cases that run stay with the sources they began with. Raises
        :class:`~knhk.errors.CheckError` for a file that does not check, and
        :class:`~knhk.errors.DeployError` for callees that are not there.
        """
        self._runtime("deploying a workflow")
        return await self._catalogue.deploy(source, self._clock.now_us())

    # Cases

    async def start(
        self, workflow: str, /, *, case_id: str | None = None, **parameters: object
    ) -> CaseHandle:
        """Begin a case of a deployed workflow; its parameters are given by keyword.

        When this returns the case is in the journal. ``case_id`` names it; without it a name
        is made up. Raises :class:`~knhk.errors.InputError` for parameters that do not fit,
        and :class:`~knhk.errors.CaseExists` for a name that is taken.
        """
        runtime = self._runtime("starting a case")
        if case_id is not None:
            _check_case_id(case_id)
        version = await self._catalogue.newest(workflow)
        now_us = self._clock.now_us()
        values = version.workflow.accept(parameters, now_us)
        await runtime.writer.room()
        if case_id is None:
            case_id = f"{workflow}-{secrets.token_hex(8)}"
        row = CaseRow(case_id, version.name, version.digest, now_us)
        live = await self._cases(runtime).open(version, row, values)
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
        if problem is not None:
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
        after: CaseRow | None = None,
        limit: int = 1_000,
    ) -> tuple[CaseRow, ...]:
        """Cases by age, at most ``limit``; ``after`` is the last one of the page before.

        With ``parent`` only the sub-cases that this case began itself.
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
        rows = await self._ask(self._journal.inputs, case_id)
        if at is not None:
            version = await self._catalogue.read_only(row.workflow, row.digest)
            return report_at(row, up_to(rows, at), version)
        children: list[CaseRow] = []
        while page := await self.cases(parent=case_id, after=children[-1] if children else None):
            children.extend(page)
        try:
            version = await self._catalogue.read_only(row.workflow, row.digest)
        except KnhkError as error:
            return report(row, rows, children, None, error)
        return report(row, rows, children, version, None)

    async def verify(self, case_id: str) -> tuple[Fault, ...]:
        """What does not fit in what the store holds of a case; nothing if all does.

        Raises :class:`~knhk.errors.UnknownName`.
        """
        row = await self._row(case_id)
        while True:
            rows = await self._ask(self._journal.inputs, case_id)
            again = await self._row(case_id)
            if again == row:  # else it went on while it was read
                break
            row = again
        try:
            version = await self._catalogue.read_only(row.workflow, row.digest)
        except KnhkError as error:
            return tuple(faults(row, rows, None, error))
        return tuple(faults(row, rows, version, None))

    async def explain(self, case_id: str, task: str) -> str:
        """In words why a task of a case is or is not offered.

        Raises :class:`~knhk.errors.UnknownName` for a case or task that is not there.
        """
        live = None if self._running is None else self._running.live.get(case_id)
        if live is not None:
            return live.case.explain(task)
        row = await self._row(case_id)
        rows = await self._ask(self._journal.inputs, case_id)
        version = await self._catalogue.read_only(row.workflow, row.digest)
        return replay(version, row, rows).explain(task)

    async def resume(self, *, parked: bool = True) -> tuple[CaseHandle, ...]:
        """Pick up every unfinished case that is not in memory, oldest first.

        Those that are ``parked`` would come back by themselves when they are woken. What cannot
        be picked up is in :attr:`stranded`, and is tried again the next time.
        """
        runtime = self._runtime("resuming")
        handles: list[CaseHandle] = []
        after: CaseRow | None = None
        while True:
            asking = partial(self._journal.cases, status=UNFINISHED, awake=not parked, after=after)
            page = await self._ask(asking)
            if not page:
                break
            after = page[-1]
            loaded = self._cases(runtime).load_all(page)
            handles.extend([CaseHandle(live.standing, self._outcome) async for live in loaded])
        return tuple(handles)

    @property
    def stranded(self) -> Mapping[str, KnhkError]:
        """Unfinished cases that the engine does not run, with the reason for each."""
        if self._running is None:
            return {}
        return MappingProxyType(self._running.stranded)

    # Work from outside

    async def work(self, case_id: str | None = None) -> tuple[WorkOffer, ...]:
        """All work that waits for somebody outside, of one case or of all, by case and age."""
        runtime = self._runtime("asking for work")
        found: list[WorkOffer] = []
        for live in runtime.live.values():
            if case_id is None or live.id == case_id:
                found.extend(_offers(live))
        return tuple(found)

    async def waits(self, case_id: str) -> Waits | None:
        """What a case waits for from outside, with its sub-cases, if there is nothing else.

        It is ``None`` while the engine itself has something to do for it, or waits for a time,
        and for a case that is not in memory.
        """
        runtime = self._runtime("asking what a case waits for")
        work: list[WorkOffer] = []
        events: list[EventWait] = []
        family = [case_id]
        while family:
            live = runtime.live.get(family.pop())
            if live is None or not live.is_idle():
                return None
            work.extend(_offers(live))
            events.extend(
                EventWait(live.id, live.version.name, live.case.item(item).task, item, event)
                for item, event in live.events()
            )
            family.extend(live.sub_cases())
        return Waits(tuple(work), tuple(events))

    async def claim(self, case_id: str, which: str | int) -> int:
        """Start work for outside: by task name the oldest item offered, or by its number.

        Gives the number of the item, which is now the caller's to complete or to fail. Raises
        :class:`~knhk.errors.NotOffered`.
        """
        async with self._reached(case_id, "claiming work") as live:
            number, facts = self._begin(live, which, only_offered=True)
            await self._give(live, facts, live.case.item(number).task)
            return number

    async def complete(self, case_id: str, which: str | int, value: object = None) -> None:
        """Complete work for outside: by task name the oldest item, or by the item's number.

        Raises :class:`~knhk.errors.NotOffered`, and :class:`~knhk.errors.ResultError` for a
        value that does not fit; then nothing has changed.
        """
        async with self._reached(case_id, "completing work") as live:
            number, facts = self._begin(live, which)
            task = live.case.item(number).task
            try:
                typed = live.version.facts.accept(live.case.item(number), value)
                facts.append(Input(COMPLETE, self._now_us(live), number, value=typed))
                await self._give(live, facts, task)
            except MisfitError as error:
                raise ResultError(task, error.misfits) from error

    async def fail(self, case_id: str, which: str | int, error: str, message: str = "") -> None:
        """Fail the attempt at work for outside, with the name of an error."""
        async with self._reached(case_id, "failing work") as live:
            number, facts = self._begin(live, which)
            task = live.case.item(number).task
            facts.append(
                Input(FAIL, self._now_us(live), number, value=(), error=error, message=message)
            )
            try:
                await self._give(live, facts, task)
            except MisfitError as misfit:
                raise UsageError(f"the error cannot be kept: {misfit}") from misfit

    def _begin(
        self, live: LiveCase, which: str | int, *, only_offered: bool = False
    ) -> tuple[int, list[Input]]:
        """The item that is meant, and its start if it has none yet."""
        state = live.case.item
        numbers = [
            number
            for number in live.outside_items()
            if not only_offered or state(number).state is ItemState.offered
        ]
        if isinstance(which, str):
            _check_task(live, which)
            numbers = [number for number in numbers if state(number).task == which]
            # What has been started is older work than what is only offered.
            numbers.sort(key=lambda number: state(number).state is ItemState.offered)
            if not numbers:
                raise NotOffered(which, f"there is no work for outside; {live.case.explain(which)}")
            number = numbers[0]
        elif which in numbers:
            number = which
        else:
            item = state(which)
            raise NotOffered(item.task, f"work item {which} ({item.state}) is not for outside now")
        if state(number).state is ItemState.offered:
            return number, [Input(START, self._now_us(live), number)]
        return number, []

    async def withdraw(self, case_id: str, task: str) -> None:
        """Cancel a task of a case: all its items, and the tokens they would have taken.

        What runs of it is stopped (pattern 19, Cancel Task). Raises
        :class:`~knhk.errors.NotOffered` when it has no item.
        """
        async with self._reached(case_id, "withdrawing a task") as live:
            _check_task(live, task)
            await self._give(live, [Input(WITHDRAW, self._now_us(live), task=task)], task)

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
        _check_name(what, name)
        try:
            async with self._reached(case_id, f"sending the {what} {name!r}") as live:
                fact = Input(kind, self._now_us(live), task=name, value=value)
                return await self._give(live, [fact], "")
        except CaseEnded as ended:
            if ended.status not in (CaseStatus.completed.value, CaseStatus.cancelled.value):
                why = f"case {case_id!r} cannot take the {what} {name!r}: {ended.asked}"
                raise UsageError(why) from None
            return 0

    # Steering

    async def suspend(self, case_id: str) -> None:
        """Let a case stand still: nothing new is begun, what runs may end."""
        await self._steer(case_id, SUSPEND, "suspending it", (CaseStatus.running,))

    async def resume_case(self, case_id: str) -> None:
        """Have a suspended case go on."""
        await self._steer(case_id, RESUME, "resuming it", (CaseStatus.suspended,))

    async def retry(self, case_id: str, task: str | None = None) -> None:
        """Have a failed case go on: what failed is done again, with fresh attempts.

        With a ``task`` only what has failed of that; the case stays failed as long as another
        has. Where an undo has failed it is tried again. The failure of a sub-case is its
        parent's; so it is that one which can be retried. Raises
        :class:`~knhk.errors.NotOffered` for a task that has not failed.
        """
        await self._refuse_a_part(case_id, "retrying it alone")
        await self._steer(case_id, RESUME, "retrying it", (CaseStatus.failed,), task or "")

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

    async def release(self, case_id: str, which: str | int) -> None:
        """Give started work back: it is stopped, and offered anew without using up a retry.

        By task name it is the oldest started item; or it is an item by its number. What the
        engine does itself it then starts again. Raises :class:`~knhk.errors.NotOffered`.
        """
        async with self._reached(case_id, "giving its work back") as live:
            if isinstance(which, str):
                _check_task(live, which)
            item = item_to_release(live.case, which)
            await self._give(live, [Input(RELEASE, self._now_us(live), item.id)], item.task)

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
            new_id = f"{row.workflow}-{secrets.token_hex(8)}"
        _check_case_id(new_id)
        rows = await self._ask(self._journal.inputs, case_id)
        version = await self._catalogue.version(row.workflow, row.digest)
        commit = forked(version, row, up_to(rows, at), new_id)
        await runtime.writer.room()
        receipt = Receipt()
        runtime.writer.put(commit, Stream(), receipt)
        try:
            await receipt.written()
        except JournalConflict as error:
            raise CaseExists(new_id) from error
        fork = await self._row(new_id)
        if fork.status in UNFINISHED:
            await self._cases(runtime).load(fork)
        return await self.case(new_id)

    async def _refuse_a_part(self, case_id: str, asked: str) -> None:
        """A sub-case that has failed has no life of its own any more."""
        row = await self._row(case_id)
        if row.parent and row.status is CaseStatus.failed:
            asked = f"{asked}, a part of case {row.parent!r},"
            raise CaseEnded(case_id, str(row.status), asked)

    async def _give(self, live: LiveCase, facts: list[Input], task: str) -> int:
        """Give facts and wait until they are written; how many items took up an event."""
        receipt = Receipt()
        try:
            taken = live.give(*facts, written=receipt)
        except Refused as refused:
            if task:
                raise NotOffered(task, str(refused)) from None
            raise CaseEnded(live.id, str(live.case.status), str(refused)) from None
        await receipt.written()
        return taken

    # Getting at things

    @asynccontextmanager
    async def _reached(self, case_id: str, asked: str) -> AsyncIterator[LiveCase]:
        """A case in memory for the length of the block, loaded from the journal if need be."""
        runtime = self._runtime(asked)
        await runtime.writer.room()
        live = runtime.live.get(case_id)
        if live is None:
            row = await self._row(case_id)
            if row.status not in ENDED:
                live = await self._cases(runtime).load(row)
        if live is None:
            raise CaseEnded(case_id, str((await self._row(case_id)).status), asked)
        with live.kept():
            yield live

    async def _outcome(self, standing: CaseStanding) -> object:
        """The result of a case that stands where it will not move from by itself."""
        if standing.problem is not None:
            raise standing.problem
        case = standing.row.id
        if standing.status is CaseStatus.cancelled:
            raise cancelled(case, standing.outcome)
        if standing.status is CaseStatus.completed:
            row = standing.row
            version = await self._catalogue.read_only(row.workflow, row.digest)
            return read_outcome(case, version.facts.decode_result, standing.outcome)
        told = read_outcome(case, decode_object, standing.outcome)
        if standing.status is CaseStatus.stuck:
            raise CaseStuck(case, str(told.get("marking", "")))
        raise CaseFailed(
            case, str(told.get("task")), str(told.get("error")), str(told.get("message"))
        )

    async def _row(self, case_id: str) -> CaseRow:
        row = await self._ask(self._journal.case, case_id)
        if row is None:
            raise UnknownName("case", case_id)
        return row

    async def _ask(self, question: Callable[..., T], *args: object) -> T:
        return await in_thread(self._journal, question, *args)

    def _cases(self, runtime: Runtime) -> Cases:
        return Cases(self._journal, runtime, self._catalogue, self._depth_max)

    def _runtime(self, asked: str) -> Runtime:
        if self._running is None:
            raise UsageError(
                f"{asked} needs an engine that runs: this one is closed or only reads;"
                " open the store for running"
            )
        return self._running

    def _now_us(self, live: LiveCase) -> int:
        return max(self._clock.now_us(), live.case.now_us)


def _installed_environment() -> Environment:
    from knhk.plugins import environment

    return environment()


def _check_case_id(case_id: str) -> None:
    if not case_id or len(case_id) > CASE_ID_MAX or not case_id.isprintable():
        raise UsageError(
            f"a case id is 1 to {CASE_ID_MAX} printable characters, not {case_id[:40]!r}"
        )


def _offers(live: LiveCase) -> Iterable[WorkOffer]:
    for number in live.outside_items():
        item = live.case.item(number)
        start = Start.of(live.case, number, live.version.name)
        yield WorkOffer(
            live.id,
            live.version.name,
            item.task,
            number,
            item.state,
            item.attempt,
            item.instance,
            item.due_us,
            jsonable(item.value),
            tuple(jsonable(value) for value in start.args),
            tuple((name, jsonable(value)) for name, value in start.kwargs.items()),
            item.undoes,
        )


def _check_name(kind: str, name: str) -> None:
    if not name or len(name) > CASE_ID_MAX or not name.isprintable():
        raise UsageError(
            f"the name of a {kind} is 1 to {CASE_ID_MAX} printable characters, not {name[:40]!r}"
        )


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
