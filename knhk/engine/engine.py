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
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeVar, final

import anyio
import anyio.to_thread

from knhk.connect import ConnectorPool
from knhk.engine.callees import Callees
from knhk.engine.clock import Clock, SystemClock
from knhk.engine.deployment import Deployment, bundle_of
from knhk.engine.events import Observer
from knhk.engine.facts import decode_json
from knhk.engine.handle import CaseHandle
from knhk.engine.live import LiveCase, Refused
from knhk.engine.plain import jsonable
from knhk.engine.report import CaseReport, WorkOffer, report
from knhk.engine.runtime import Runtime
from knhk.engine.standing import CaseStanding
from knhk.engine.threads import THREADS_MAX
from knhk.engine.version import Version
from knhk.engine.work import Start
from knhk.errors import (
    CaseCancelled,
    CaseEnded,
    CaseExists,
    CaseFailed,
    CaseStuck,
    JournalConflict,
    JournalError,
    KnhkError,
    MisfitError,
    NotOffered,
    ResultError,
    StoreDamaged,
    UnknownName,
    UsageError,
)
from knhk.journal import (
    MEMORY,
    UNFINISHED,
    CaseRow,
    Durability,
    Journal,
    open_journal,
)
from knhk.model import (
    CANCEL,
    COMPLETE,
    FAIL,
    RESUME,
    START,
    SUSPEND,
    CaseStatus,
    Input,
    ItemState,
)
from knhk.module import Module, load

if TYPE_CHECKING:
    from knhk_dsl.environment import Environment

__all__ = ["Engine"]

#: The longest name of a case.
CASE_ID_MAX: Final = 255

T = TypeVar("T")


@final
class Engine:
    """Runs the cases of one store; made by :meth:`open`."""

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        environment: Callable[[], Environment],
        runtime: Runtime | None,
        callees: Callees | None,
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._environment = environment
        self._running = runtime
        self._callees = callees
        self._deployments: dict[str, Deployment] = {}
        self._newest: dict[str, str] = {}
        self._loading: dict[str, anyio.Lock] = {}

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
        clock: Clock | None = None,
        observer: Observer | None = None,
        environment: Environment | None = None,
    ) -> AsyncIterator[Engine]:
        """Open a store, pick up its unfinished cases, and run until the block is left.

        ``store`` is a path, ``sqlite:///PATH``, ``:memory:``, or a journal, which is closed
        at the end. With ``resume`` off, unfinished cases wait for :meth:`resume`. With
        ``reading`` the store may be open elsewhere, and nothing runs: cases can be listed and
        shown. ``observer`` is called for every event. Raises the family of
        :class:`~knhk.errors.JournalError` for a store that cannot be used.
        """
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
                yield cls(journal, clock, installed, None, None)
                return
            runtime = Runtime(journal, clock, threads_max, observer)
            connectors = ConnectorPool(runtime.threads.run)
            callees = Callees(runtime.threads, connectors)
            engine = cls(journal, clock, installed, runtime, callees)
            async with engine._running_cases(runtime, connectors, resume):
                yield engine
        finally:
            with anyio.CancelScope(shield=True):
                await _in_thread(journal, journal.close)

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
                runtime.run(workers, keepers)
                try:
                    if resume:
                        await self.resume()
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
        if isinstance(source, Module):
            module = source
        else:
            module = await self._loaded(source)
        bundle = bundle_of(module, self._clock.now_us())
        deployment = Deployment(
            module, module.compilation.root, module.compilation.entry, self._callees
        )
        for name in module:
            deployment.version(name)
        await self._ask(self._journal.keep, bundle)
        self._deployments[module.digest] = deployment
        for name in module:
            self._newest[name] = module.digest
        return module

    async def _loaded(self, source: str | Path) -> Module:
        try:
            return await anyio.to_thread.run_sync(load, source, self._environment())
        except OSError as error:
            raise UsageError(
                f"the workflow file {source} cannot be read: {error.strerror}; give another path"
            ) from error

    async def _version(self, workflow: str, digest: str) -> Version:
        """A workflow of a version: what is deployed, else what the journal has kept."""
        deployment = await self._deployment(digest)
        if self._running is None:
            return deployment.read_only(workflow)
        return deployment.version(workflow)

    async def _deployment(self, digest: str) -> Deployment:
        deployment = self._deployments.get(digest)
        if deployment is not None:
            return deployment
        # Compiling is long: many cases of one version must not all do it.
        async with self._loading.setdefault(digest, anyio.Lock()):
            deployment = self._deployments.get(digest)
            if deployment is None:
                bundle = await self._ask(self._journal.bundle, digest)
                if bundle is None or bundle.entry not in bundle.files:
                    raise StoreDamaged(
                        f"the store is damaged: the sources {digest} are missing;"
                        " go back to a copy of it"
                    )
                compiling = partial(
                    Deployment.of_bundle, bundle, self._environment(), self._callees
                )
                deployment = await anyio.to_thread.run_sync(compiling)
                self._deployments[digest] = deployment
        self._loading.pop(digest, None)
        return deployment

    async def _newest_version(self, workflow: str) -> Version:
        digest = self._newest.get(workflow)
        if digest is None:
            digest = await self._ask(self._journal.newest, workflow)
            if digest is None:
                known = await self._ask(self._journal.workflows)
                raise UnknownName("workflow", workflow, known)
            self._newest[workflow] = digest
        return await self._version(workflow, digest)

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
        version = await self._newest_version(workflow)
        now_us = self._clock.now_us()
        values = version.workflow.accept(parameters, now_us)
        await runtime.writer.room()
        if case_id is None:
            case_id = f"{workflow}-{secrets.token_hex(8)}"
        elif await self._ask(self._journal.case, case_id) is not None:
            raise CaseExists(case_id)
        if case_id in runtime.live:
            raise CaseExists(case_id)
        row = CaseRow(case_id, version.name, version.digest, now_us)
        receipt = _Receipt()
        try:
            live = LiveCase.new(runtime, version, row, values, receipt)
            runtime.add(live)
            await receipt.written()
        except JournalConflict as error:
            runtime.stranded.pop(case_id, None)
            raise CaseExists(case_id) from error
        except JournalError:
            # It was never begun: there is nothing to be picked up again.
            runtime.stranded.pop(case_id, None)
            raise
        return CaseHandle(live.standing, self._outcome)

    async def case(self, case_id: str) -> CaseHandle:
        """The handle of a case; raises :class:`~knhk.errors.UnknownName`."""
        row = await self._row(case_id)
        if self._running is None:
            standing = CaseStanding(row)
            if not standing.settled:
                standing.strand(UsageError(f"case {case_id!r} is {row.status}, and not run here"))
            return CaseHandle(standing, self._outcome)
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
        after: CaseRow | None = None,
        limit: int = 1_000,
    ) -> tuple[CaseRow, ...]:
        """Cases by age, at most ``limit``; ``after`` is the last one of the page before."""
        wanted = (status,) if isinstance(status, str) else tuple(status)
        try:
            states = tuple(CaseStatus(one) for one in wanted)
        except ValueError as error:
            raise UnknownName(
                "status", ", ".join(map(str, wanted)), [one.value for one in CaseStatus]
            ) from error
        asking = partial(
            self._journal.cases, status=states, workflow=workflow, after=after, limit=limit
        )
        return await self._ask(asking)

    async def show(self, case_id: str) -> CaseReport:
        """A case as it stands in the journal, with its history, data and open items."""
        row = await self._row(case_id)
        rows = await self._ask(self._journal.inputs, case_id)
        version: Version | None = None
        problem: KnhkError | None = None
        try:
            version = (await self._deployment(row.digest)).read_only(row.workflow)
        except KnhkError as error:
            problem = error
        return report(row, rows, version, problem)

    async def resume(self) -> tuple[CaseHandle, ...]:
        """Pick up every unfinished case that is not in memory, oldest first.

        What cannot be picked up is in :attr:`stranded`, and is tried again the next time.
        """
        runtime = self._runtime("resuming")
        handles: list[CaseHandle] = []
        after: CaseRow | None = None
        while page := await self.cases(status=UNFINISHED, after=after):
            after = page[-1]
            for row in page:
                await runtime.writer.room()
                try:
                    live = runtime.live.get(row.id) or await self._load(runtime, row)
                except KnhkError as error:
                    runtime.strand(row, error)
                    continue
                handles.append(CaseHandle(live.standing, self._outcome))
        return tuple(handles)

    @property
    def stranded(self) -> Mapping[str, KnhkError]:
        """Unfinished cases that the engine does not run, with the reason for each."""
        if self._running is None:
            return {}
        return MappingProxyType(self._running.stranded)

    # Work from outside

    async def work(self) -> tuple[WorkOffer, ...]:
        """All work that waits for somebody outside, by case and age."""
        runtime = self._runtime("asking for work")
        found: list[WorkOffer] = []
        for live in runtime.live.values():
            for number in live.outside_items():
                item = live.case.item(number)
                start = Start.of(live.case, number, live.version.name)
                found.append(
                    WorkOffer(
                        live.id,
                        live.version.name,
                        item.task,
                        number,
                        item.state,
                        item.attempt,
                        item.instance,
                        item.due_us,
                        tuple(jsonable(value) for value in start.args),
                        tuple((name, jsonable(value)) for name, value in start.kwargs.items()),
                    )
                )
        return tuple(found)

    async def complete(self, case_id: str, which: str | int, value: object = None) -> None:
        """Complete work for outside: by task name the oldest item, or by the item's number.

        Raises :class:`~knhk.errors.NotOffered`, and :class:`~knhk.errors.ResultError` for a
        value that does not fit; then nothing has changed.
        """
        async with self._reached(case_id, "completing work") as live:
            number, facts = self._begin(live, which)
            task = live.case.item(number).task
            try:
                typed = live.version.facts.accept(task, value)
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

    def _begin(self, live: LiveCase, which: str | int) -> tuple[int, list[Input]]:
        """The item that is meant, and its start if it has none yet."""
        numbers = list(live.outside_items())
        if isinstance(which, str):
            if which not in live.version.performers:
                raise UnknownName("task", which, live.version.performers)
            numbers = [number for number in numbers if live.case.item(number).task == which]
            # What has been started is older work than what is only offered.
            numbers.sort(key=lambda number: live.case.item(number).state is ItemState.offered)
            if not numbers:
                raise NotOffered(which, f"there is no work for outside; {live.case.explain(which)}")
            number = numbers[0]
        elif which in numbers:
            number = which
        else:
            item = live.case.item(which)
            raise NotOffered(item.task, f"work item {which} ({item.state}) is not for outside now")
        if live.case.item(number).state is ItemState.offered:
            return number, [Input(START, self._now_us(live), number)]
        return number, []

    # Steering

    async def suspend(self, case_id: str) -> None:
        """Let a case stand still: nothing new is begun, what runs may end."""
        await self._steer(case_id, SUSPEND, "suspending it", (CaseStatus.running,))

    async def resume_case(self, case_id: str) -> None:
        """Have a suspended case go on."""
        await self._steer(case_id, RESUME, "resuming it", (CaseStatus.suspended,))

    async def retry(self, case_id: str) -> None:
        """Have a failed case go on: what failed is done again, with fresh attempts."""
        await self._steer(case_id, RESUME, "retrying it", (CaseStatus.failed,))

    async def cancel(self, case_id: str) -> None:
        """Withdraw all work of a case; it has then no result."""
        states = (*UNFINISHED, CaseStatus.failed, CaseStatus.stuck)
        await self._steer(case_id, CANCEL, "cancelling it", states)

    async def _steer(
        self, case_id: str, kind: int, asked: str, states: tuple[CaseStatus, ...]
    ) -> None:
        async with self._reached(case_id, asked) as live:
            if live.case.status not in states:
                raise CaseEnded(case_id, str(live.case.status), asked)
            await self._give(live, [Input(kind, self._now_us(live))], "")

    async def _give(self, live: LiveCase, facts: list[Input], task: str) -> None:
        receipt = _Receipt()
        try:
            live.give(*facts, written=receipt)
        except Refused as refused:
            if task:
                raise NotOffered(task, str(refused)) from None
            raise CaseEnded(live.id, str(live.case.status), str(refused)) from None
        await receipt.written()

    # Getting at things

    @asynccontextmanager
    async def _reached(self, case_id: str, asked: str) -> AsyncIterator[LiveCase]:
        """A case in memory for the length of the block, loaded from the journal if need be."""
        runtime = self._runtime(asked)
        await runtime.writer.room()
        live = runtime.live.get(case_id)
        if live is None:
            row = await self._row(case_id)
            if row.status in (CaseStatus.completed, CaseStatus.cancelled):
                raise CaseEnded(case_id, str(row.status), asked)
            live = await self._load(runtime, row)
        with live.kept():
            yield live

    async def _load(self, runtime: Runtime, row: CaseRow) -> LiveCase:
        """Bring a case back into memory and have it go on."""
        version = await self._version(row.workflow, row.digest)
        rows = await self._ask(self._journal.inputs, row.id)
        live = runtime.live.get(row.id)
        if live is not None:  # somebody else was quicker
            return live
        live = LiveCase.load(runtime, version, row, rows)
        runtime.add(live)
        live.standing.move(row.status, row.outcome)
        live.wake_up(rows)
        return live

    async def _outcome(self, standing: CaseStanding) -> object:
        """The result of a case that stands where it will not move from by itself."""
        if standing.problem is not None:
            raise standing.problem
        case = standing.row.id
        if standing.status is CaseStatus.cancelled:
            raise CaseCancelled(case)
        try:
            if standing.status is CaseStatus.completed:
                version = await self._version(standing.row.workflow, standing.row.digest)
                return version.facts.decode_result(standing.outcome)
            told = decode_json(standing.outcome)
            assert isinstance(told, dict)
        except (ValueError, LookupError, MisfitError) as error:
            raise StoreDamaged(
                f"the store is damaged: the outcome of case {case!r} cannot be read: {error};"
                " go back to a copy of it"
            ) from error
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
        return await _in_thread(self._journal, question, *args)

    def _runtime(self, asked: str) -> Runtime:
        if self._running is None:
            raise UsageError(
                f"{asked} needs an engine that runs: this one is closed or only reads;"
                " open the store for running"
            )
        return self._running

    def _now_us(self, live: LiveCase) -> int:
        return max(self._clock.now_us(), live.case.now_us)


@final
class _Receipt:
    """Waits for what was queued to be written."""

    def __init__(self) -> None:
        self._event = anyio.Event()
        self._error: JournalError | None = None

    def __call__(self, error: JournalError | None) -> None:
        self._error = error
        self._event.set()

    async def written(self) -> None:
        """Return when it is written; raise what kept it from being."""
        await self._event.wait()
        if self._error is not None:
            raise self._error


async def _in_thread(journal: Journal, question: Callable[..., T], *args: object) -> T:
    if journal.blocking:
        return await anyio.to_thread.run_sync(partial(question, *args))
    return question(*args)


def _installed_environment() -> Environment:
    from knhk.plugins import environment

    return environment()


def _check_case_id(case_id: str) -> None:
    if not case_id or len(case_id) > CASE_ID_MAX or not case_id.isprintable():
        raise UsageError(
            f"a case id is 1 to {CASE_ID_MAX} printable characters, not {case_id[:40]!r}"
        )


def _only(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one exception in a group of groups, or the group if there are several."""
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup) and len(found.exceptions) == 1:
        found = found.exceptions[0]
    return found
