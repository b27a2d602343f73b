"""The suite on the durable engine, on an SQLite store, with or without a crash at every input.

Many runs are played at the same time, each with a case of its own, on one engine and one store,
whose clock stands still. A run in which time passes has an engine of its own. The clock begins at
the Unix epoch as that of the sans-IO kernel does. All runs take an input each, then the engine is
left until it waits; the checks of a run see what has come of that.

A crash is played as the machine would leave it: when an input of every run has been acknowledged
and the engine waits, the files of the store are copied as they are, with what stands in the
write-ahead file, and the engine is thrown away. A new one opens the copy and resumes. What the
old one still does at its close goes to its own files, which nobody reads again. The new engine
must offer the same work as the old one did. The first new one has the sources of the workflows
from the store alone; later ones are given them again, as a program does that starts anew.

A task that is done by a sub-workflow is started by the engine itself, which really begins the
sub-case. So its item counts as offered until the run starts it. To complete it, the work of the
sub-case, and of those below, is done to its end; what it then returns must be the result that
the run gives, if it gives one. To fail it, work of the sub-case fails with that error, or the
sub-case is cancelled for ``CaseCancelled``.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeVar, final

import anyio

from knhk.engine import Engine
from knhk.engine.report import CaseReport, ItemReport, WorkOffer
from knhk.errors import CaseCancelled, KnhkError, UsageError
from knhk.journal.sqlite import SQLiteJournal
from knhk.model import CALLEE_WORKFLOW, US_PER_S, CaseStatus, ItemState
from knhk.module import Module
from knhk.testing.clock import VirtualClock
from knhk.testing.conformance.kernel import REFUSALS, compiled, first_workflow
from knhk.testing.conformance.player import StepRefused
from knhk.testing.conformance.runner import Verdict, play
from knhk.testing.conformance.values import Run, Wait

__all__ = ["CrashChanged", "EnginePlayer", "SubCaseDiffers", "play_on_engine"]

#: What the store is called.
STORE: Final = "store.db"
#: The files of a store: its pages, and what has not gone into them yet.
STORE_FILES: Final = (STORE, f"{STORE}-wal")
#: How long the engine may take over one request.
REQUEST_MAX_S: Final = 60.0
#: How long all runs together may take over one step.
ROUND_MAX_S: Final = 120.0
#: The runs that are played at the same time.
RUNS_MAX: Final = 100
#: Where a sub-case stands that works no more.
ENDED: Final = (
    CaseStatus.completed,
    CaseStatus.failed,
    CaseStatus.cancelled,
    CaseStatus.stuck,
)
#: The most pieces of work that are done to bring a sub-case to its end.
SUB_CASE_WORK_MAX: Final = 1_000
#: The file system in memory of Linux.
SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108  the directory in it has a name of its own

T = TypeVar("T")


@final
class _InlineStore(SQLiteJournal):
    """A store whose short calls are made where they are asked for: threads would take longer."""

    blocking = False


class CrashChanged(KnhkError):
    """After a crash the engine tells something else of the case than it did before."""


class SubCaseDiffers(KnhkError):
    """A sub-case cannot be played so that it ends as the run says."""


async def play_on_engine(
    jobs: Sequence[tuple[str, Run]], *, crashing: bool = False
) -> tuple[Verdict, ...]:
    """Play runs, each on a source; with ``crashing`` the engine crashes after every input."""
    verdicts: dict[int, Verdict] = {}

    async def play_one(number: int, player: EnginePlayer) -> None:
        source, run = jobs[number]
        try:
            verdicts[number] = await play(source, run, player)
        finally:
            player.leave()

    for group in _groups([run for _, run in jobs]):
        with TemporaryDirectory(prefix="knhk-conformance-", dir=_memory_directory()) as directory:
            stage = _Stage(Path(directory), crashing=crashing)
            players = [(number, EnginePlayer(stage, f"run-{number}")) for number in group]
            async with anyio.create_task_group() as tasks, stage:
                for number, player in players:
                    tasks.start_soon(play_one, number, player)
                await stage.run()
    return tuple(verdicts[number] for number in range(len(jobs)))


def _groups(runs: Sequence[Run]) -> list[list[int]]:
    """Runs by their numbers, those that may be played at the same time together."""
    alone = {
        number
        for number, run in enumerate(runs)
        if any(isinstance(step.expected, Wait) for step in run.steps)
    }
    shared = [number for number in range(len(runs)) if number not in alone]
    groups = [shared[first : first + RUNS_MAX] for first in range(0, len(shared), RUNS_MAX)]
    return [*groups, *([number] for number in sorted(alone))]


@final
class _Stage:
    """One engine at a time, and the runs that are played on it, step by step together.

    A player that has given an input parks. When all have, the engine is left to settle and
    crashes if it is to, and then all go on. It opens and closes engines in the task that called
    :meth:`run`, since their cancel scopes belong to one task.
    """

    def __init__(self, directory: Path, *, crashing: bool) -> None:
        self.clock = VirtualClock(0, autofire=False)
        self.starting = anyio.Lock()
        self._directory = directory
        self._place = directory
        self._crashing = crashing
        self._stores = 0
        self._stack = AsyncExitStack()
        self._engine: Engine | None = None
        self._modules: dict[str, Module] = {}
        self._players: dict[str, EnginePlayer] = {}
        self._parked = 0
        self._turn = anyio.Event()
        self._on = anyio.Event()

    async def __aenter__(self) -> _Stage:
        await self._open(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def engine(self) -> Engine:
        """The engine that runs now."""
        assert self._engine is not None, "no engine is open"
        return self._engine

    def enter(self, player: EnginePlayer) -> None:
        """A player that will give inputs."""
        self._players[player.case] = player

    def leave(self, player: EnginePlayer) -> None:
        """The player gives no more inputs."""
        del self._players[player.case]
        self._look()

    def park(self) -> anyio.Event:
        """An input has been given: what the player then waits for."""
        self._parked += 1
        self._look()
        return self._on

    def keep(self, module: Module) -> None:
        """Remember a module, to give it to the engines that come."""
        self._modules[module.digest] = module

    def _look(self) -> None:
        if self._parked >= len(self._players):
            self._turn.set()

    async def run(self) -> None:
        """Lead the players through their runs, until all have left."""
        while self._players:
            with anyio.move_on_after(ROUND_MAX_S) as waiting:
                await self._turn.wait()
            if waiting.cancelled_caught:
                raise TimeoutError(f"a step takes longer than {ROUND_MAX_S:g} s")
            if not self._players:
                return
            await self._settle()
            self._turn, self._parked = anyio.Event(), 0
            on, self._on = self._on, anyio.Event()
            on.set()

    async def _settle(self) -> None:
        """Let happen what follows from the inputs; what goes wrong goes to the players."""
        try:
            await self.clock.settle()
            for player in self._players.values():
                player.forget()
            if self._crashing:
                await self._crash()
        except Exception as error:  # noqa: BLE001  told by those whose runs it ends
            for player in self._players.values():
                player.problem = error

    async def _crash(self) -> None:
        """Throw the engine away and go on with a new one on a copy of the store."""
        before = _by_case(await self.engine.work())
        image = self._next_place()
        for name in STORE_FILES:
            if (self._place / name).exists():
                shutil.copyfile(self._place / name, image / name)
        await self._stack.aclose()
        self._place = image
        await self._open(self.clock.now_us())
        await self.clock.settle()
        after = _by_case(await self.engine.work())
        for case, player in self._players.items():
            player.problem = self.engine.stranded.get(case)
            if before.get(case) != after.get(case):
                player.problem = CrashChanged(
                    f"before the crash its work was {before.get(case)}, then {after.get(case)}"
                )

    def _next_place(self) -> Path:
        self._stores += 1
        place = self._directory / str(self._stores)
        place.mkdir()
        return place

    async def _open(self, now_us: int) -> None:
        self.clock = VirtualClock(now_us, autofire=False)
        store = _InlineStore(self._place / STORE, durability="normal")
        given = self._stores > 1
        opening = Engine.open(store, clock=self.clock, resume=not given)
        self._engine = await self._stack.enter_async_context(opening)
        if given:
            for module in self._modules.values():
                await self._engine.deploy(module)
            await self._engine.resume()


@final
class EnginePlayer:
    """Plays a case of an :class:`~knhk.engine.Engine`."""

    def __init__(self, stage: _Stage, case: str) -> None:
        #: The name of the case.
        self.case: Final = case
        #: What has gone wrong with it while the player was parked.
        self.problem: Exception | None = None
        self._stage = stage
        #: The number of the item of each task that was started last.
        self._last: dict[str, int] = {}
        #: The attempts that were claimed, by the numbers of their items.
        self._attempts: dict[int, int] = {}
        #: What the engine tells of the case, until the next input.
        self._known: CaseReport | None = None
        #: The tasks that are done by sub-workflows.
        self._sub_tasks: frozenset[str] = frozenset()
        #: Their items that the run has started: number and attempt.
        self._claimed: set[tuple[int, int]] = set()
        stage.enter(self)

    @property
    def engine(self) -> Engine:
        """The engine that runs now."""
        return self._stage.engine

    def leave(self) -> None:
        """Let the others go on without this one."""
        self._stage.leave(self)

    def forget(self) -> None:
        """What was known of the case may be so no more."""
        self._known = None

    async def begin(self, source: str, parameters: Mapping[str, object]) -> None:
        module = compiled(source)
        workflow = first_workflow(module)
        self._sub_tasks = frozenset(
            node.name
            for node in workflow.net.nodes
            if node.task is not None and node.task.callee.kind == CALLEE_WORKFLOW
        )
        async with self._stage.starting:  # workflows of several sources have one name
            await _within(self.engine.deploy(module))
            await _within(self.engine.start(workflow.name, parameters, case_id=self.case))
        self._stage.keep(module)
        await self._settled()

    async def end(self) -> None:
        """Cancel the case, so that no engine has to pick it up again."""
        try:
            await _within(self.engine.cancel(self.case))
        except UsageError:
            return  # it has ended, or has never begun

    async def start(self, task: str, instance: int | None) -> None:
        await self._claim(task, instance)

    async def complete(self, task: str, instance: int | None, value: object) -> None:
        await self._complete(task, await self._started(task, instance), value)

    async def perform(self, task: str, instance: int | None, value: object) -> None:
        await self._complete(task, await self._claim(task, instance), value)

    async def fail(self, task: str, instance: int | None, error: str) -> None:
        number = await self._started(task, instance)
        if task in self._sub_tasks:
            await self._fail_sub_case(number, error)
        else:
            attempt = self._attempts.get(number)
            await self._ask(self.engine.fail(self.case, number, error, attempt=attempt))

    async def withdraw(self, task: str) -> None:
        await self._ask(self.engine.withdraw(self.case, task))

    async def add(self, task: str, value: object) -> None:
        await self._ask(self.engine.add_instance(self.case, task, value))

    async def message(self, name: str, key: object, payload: object) -> bool:
        return await self._ask(self.engine.send(self.case, name, payload=payload, key=key))

    async def signal(self, name: str, payload: object) -> int:
        return await self._ask(self.engine.signal(self.case, name, payload=payload))

    async def wait(self, duration_us: int) -> None:
        await self._ask(self._stage.clock.advance(duration_us / US_PER_S))

    async def suspend(self) -> None:
        await self._ask(self.engine.suspend(self.case))

    async def resume(self) -> None:
        failed = await self.status() == "failed"
        asking = self.engine.retry if failed else self.engine.resume_case
        await self._ask(asking(self.case))

    async def cancel(self) -> None:
        await self._ask(self.engine.cancel(self.case))

    async def offered(self) -> tuple[str, ...]:
        report = await self._report()
        tasks = [
            each.task
            for each in await _within(self.engine.work(self.case))
            if each.state is ItemState.offered
        ]
        if report.status is CaseStatus.running:
            tasks += [item.task for item in report.items if self._is_offered_sub_case(item)]
        return tuple(tasks)

    async def started(self) -> tuple[str, ...]:
        return tuple(
            item.task
            for item in (await self._report()).items
            if item.state is ItemState.started and not self._is_offered_sub_case(item)
        )

    async def status(self) -> str:
        return str((await self._report()).status)

    async def result(self) -> object:
        outcome = (await self._report()).outcome
        return outcome.get("result") if isinstance(outcome, dict) else None

    async def data(self, name: str) -> object:
        found = (await self._report()).data
        return found.get(name) if isinstance(found, dict) else None

    async def explain(self, task: str) -> str:
        return await _within(self.engine.explain(self.case, task))

    # Items

    async def _claim(self, task: str, instance: int | None) -> int:
        """Start an offered item; its number."""
        if task in self._sub_tasks:
            return await self._claim_sub_case(task, instance)
        which: str | int = task
        if instance is not None:
            found = await self._item(task, instance, ItemState.offered)
            if found is None:
                raise StepRefused(f"instance {instance} of task {task!r} is not offered")
            which = found.id
        claim = await self._ask(self.engine.claim(self.case, which, lease_s=None))
        self._last[task] = claim.item
        self._attempts[claim.item] = claim.attempt
        return claim.item

    async def _complete(self, task: str, number: int, value: object) -> None:
        if task in self._sub_tasks:
            await self._complete_sub_case(number, value)
        else:
            attempt = self._attempts.get(number)
            await self._ask(self.engine.complete(self.case, number, value, attempt=attempt))

    async def _started(self, task: str, instance: int | None) -> int:
        """The number of the started item that a step means.

        If there is none it is the one that was started last, for the engine to refuse.
        """
        found = await self._item(task, instance, ItemState.started)
        if found is not None:
            return found.id
        if task not in self._last:
            raise StepRefused(f"no item of task {task!r} has been started")
        return self._last[task]

    async def _item(self, task: str, instance: int | None, state: ItemState) -> ItemReport | None:
        for item in (await self._report()).items:
            if item.task != task or item.state is not state:
                continue
            if instance in (None, item.instance) and not self._is_offered_sub_case(item):
                return item
        return None

    # Sub-cases

    def _is_offered_sub_case(self, item: ItemReport) -> bool:
        """Whether the engine has begun a sub-case for this item, and the run has not."""
        return (
            item.task in self._sub_tasks
            and item.state is ItemState.started
            and (item.id, item.attempt) not in self._claimed
        )

    async def _claim_sub_case(self, task: str, instance: int | None) -> int:
        report = await self._report()
        for item in report.items:
            if (
                item.task == task
                and instance in (None, item.instance)
                and report.status is CaseStatus.running
                and self._is_offered_sub_case(item)
            ):
                self._claimed.add((item.id, item.attempt))
                self._last[task] = item.id
                return item.id
        raise StepRefused(f"no sub-case has been begun; {await self.explain(task)}")

    async def _sub_case(self, number: int) -> str:
        """The id of the sub-case that now works for an item."""
        children = [each for each in (await self._report()).children if each.item == number]
        if not children or children[-1].status in ENDED:
            raise StepRefused(f"work item {number} has no sub-case at work")
        return children[-1].case

    async def _complete_sub_case(self, number: int, value: object) -> None:
        """Do all work of a sub-case; its result must be the value, unless that is ``None``."""
        sub_case = await self._sub_case(number)
        for _ in range(SUB_CASE_WORK_MAX):
            work = await _within(self.engine.work())
            ready = [each for each in work if f"{each.case}/".startswith(f"{sub_case}/")]
            if not ready:
                break
            await self._ask(self.engine.complete(ready[-1].case, ready[-1].item))
        report = await _within(self.engine.show(sub_case))
        found = report.outcome.get("result") if isinstance(report.outcome, dict) else None
        if report.status is not CaseStatus.completed or (value is not None and found != value):
            raise SubCaseDiffers(
                f"with all its work done the sub-case is {report.status} with result {found!r},"
                f" where the run says {value!r}"
            )

    async def _fail_sub_case(self, number: int, error: str) -> None:
        sub_case = await self._sub_case(number)
        if error == CaseCancelled.__name__:
            await self._ask(self.engine.cancel(sub_case))
            return
        work = await _within(self.engine.work(sub_case))
        if not work:
            raise SubCaseDiffers(f"the sub-case {sub_case!r} has no work that could fail")
        await self._ask(self.engine.fail(sub_case, work[0].item, error))

    # The engine

    async def _report(self) -> CaseReport:
        if self._known is None:
            self._known = await _within(self.engine.show(self.case))
        return self._known

    async def _ask(self, asking: Awaitable[T]) -> T:
        """Ask the engine for something that changes the case, and wait for all that follows."""
        try:
            answer = await _within(asking)
        except REFUSALS as error:
            raise StepRefused(str(error)) from error
        await self._settled()
        return answer

    async def _settled(self) -> None:
        """Wait until all players have given an input and the engine has settled."""
        await self._stage.park().wait()
        problem, self.problem = self.problem, None
        if problem is not None:
            raise problem


def _by_case(work: Sequence[WorkOffer]) -> dict[str, list[WorkOffer]]:
    """Work by the run that it belongs to, in an order that does not change."""
    found: dict[str, list[WorkOffer]] = {}
    for each in sorted(work, key=lambda one: (one.case, one.item)):
        found.setdefault(each.case.split("/")[0], []).append(each)
    return found


def _memory_directory() -> str | None:
    """Where files are kept in memory, if there is such a place: a run has thousands of stores."""
    return str(SHARED_MEMORY) if os.access(SHARED_MEMORY, os.W_OK) else None


async def _within(asking: Awaitable[T]) -> T:
    """What is asked for, unless it takes too long."""
    with anyio.fail_after(REQUEST_MAX_S):
        return await asking
