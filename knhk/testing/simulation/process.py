"""A simulated process: an engine on its own event loop, from its start to its crash or its end."""

from __future__ import annotations

from asyncio import Event, Task
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import Context
from typing import TYPE_CHECKING, Protocol, final

from knhk.call import Call
from knhk.engine import Engine
from knhk.errors import JournalError, KnhkError
from knhk.journal import Commit, Journal, Letter
from knhk.module import Module
from knhk.surroundings import SURROUNDINGS
from knhk.testing.simulation.around import Answer, SimulatedClock, SimulatedSurroundings
from knhk.testing.simulation.faults import Chance
from knhk.testing.simulation.invariants import Knowledge
from knhk.testing.simulation.journal import simulated_journal
from knhk.testing.simulation.loop import simulated_loop
from knhk.testing.simulation.machine import Machine

if TYPE_CHECKING:
    from knhk_dsl.environment import Environment

__all__ = ["Process"]


class Host(Protocol):
    """The run that a process is a part of."""

    machine: Machine
    chance: Chance
    module: Module
    environment: Environment
    is_bare: bool

    def has_ended(self, process: Process) -> None:
        """The engine of a process was closed, or could not be opened."""

    def has_crashed(self, process: Process) -> None:
        """A process is gone."""

    def operate(self, process: Process) -> None:
        """Have an operator look after what the engine has let go of."""

    def breaks(self, invariant: str, why: str) -> None:
        """Something is wrong."""

    def written(self, process: Process, commits: Sequence[Commit]) -> None:
        """A process has written something."""

    def acknowledged(self, process: Process, commits: Sequence[Commit]) -> None:
        """A process hears that something is written."""

    def expires(self, process: Process, until_us: int) -> None:
        """A process has the store forget messages."""

    def begun(self, process: Process, call: Call, callee: str) -> None:
        """A callee begins an attempt."""

    def ended(self, process: Process, call: Call, how: str) -> None:
        """A callee has ended an attempt."""


@final
class Process:
    """One life of an engine; ``number`` counts the lives of a run from 1."""

    def __init__(
        self, run: Host, number: int, inner: Journal, answers: Mapping[str, Answer], park_s: float
    ) -> None:
        self.name = f"engine {number}"
        self.loop = simulated_loop(run.machine, self.name)
        self.engine: Engine | None = None
        self.known = Knowledge()
        self.is_gone = False
        self._run = run
        self._park_s = park_s
        self._stopping = Event()
        self._inner = inner
        self._journal, self._simulated = simulated_journal(
            inner, run.machine, run.chance, self, is_bare=run.is_bare
        )
        self._surroundings = SimulatedSurroundings(
            run.machine, self.loop, run.chance, self, answers
        )
        self._clock = SimulatedClock(run.machine, run.chance, self.name)
        self._tasks: list[Task[None]] = []
        self._main = self.begin(self._live)

    # Its life

    def begin(self, work: Callable[[], Awaitable[None]]) -> Task[None]:
        """Have something done in this process."""

        async def doing() -> None:
            SURROUNDINGS.set(self._surroundings)
            try:
                await work()
            except Exception as error:  # noqa: BLE001  nobody else is going to see it
                if not self.is_gone:
                    self._run.breaks("nothing is swallowed", f"{type(error).__name__}: {error}")

        task = self.loop.create_task(doing(), context=Context())
        self._tasks.append(task)
        return task

    async def _live(self) -> None:
        run = self._run
        opening = Engine.open(
            self._journal,
            clock=self._clock,
            resume=False,
            park_after_s=self._park_s,
            environment=run.environment,
        )
        try:
            async with opening as engine:
                await engine.deploy(run.module)
                await engine.resume(parked=False)
                self.engine = engine
                run.machine.note(self.name, "is ready")
                await self._stopping.wait()
                self.engine = None
        except JournalError as error:
            run.machine.note(self.name, f"ends: {type(error).__name__}")
        if not self.is_gone:
            self.loop.is_dead = self.is_gone = True
            run.has_ended(self)

    def stop(self) -> None:
        """Have the engine closed in order."""
        self.loop.call_soon(self._stopping.set)

    def crash(self) -> None:
        """Die, this moment."""
        if self.is_gone:
            return
        self.is_gone = self.loop.is_dead = self._simulated.is_gone = True
        self.engine = None
        self._run.has_crashed(self)

    def kept(self) -> list[Letter]:
        """The messages that its store keeps."""
        found: list[Letter] = []
        while page := self._inner.letters(after=found[-1] if found else None):
            found.extend(page)
        return found

    def bury(self) -> None:
        """Unwind what a crash has left, now that nobody looks any more."""
        self.loop.is_dead = True
        for task in self._tasks:
            task.cancel()
        self._run.machine.bury(self.loop, lambda: all(task.done() for task in self._tasks))

    async def resume_stranded(self) -> None:
        """What an operator does: have the engine take up again what it had to let go of."""
        engine = self.engine
        if engine is None or not engine.stranded:
            return
        try:
            await engine.resume()
        except KnhkError as error:
            self._run.machine.note(self.name, f"cannot resume: {type(error).__name__}")
        if engine.stranded:
            self._run.operate(self)

    # What it does at its journal

    def written(self, commits: Sequence[Commit]) -> None:
        self._run.written(self, commits)

    def acknowledged(self, commits: Sequence[Commit]) -> None:
        self._run.acknowledged(self, commits)

    def refused(self, commits: Sequence[Commit], error: JournalError) -> None:
        cases = " ".join(dict.fromkeys(commit.case for commit in commits))
        self._run.machine.note("store", f"{self.name} is told: {type(error).__name__} ({cases})")
        self._run.operate(self)

    def expires(self, until_us: int) -> None:
        if not self.is_gone:
            self._run.expires(self, until_us)

    def read(self, case: str, last_seq: int, *, is_loading: bool) -> None:
        self.known.has_read(case, last_seq, is_loading=is_loading)

    # What its callees do

    def begun(self, call: Call, callee: str) -> None:
        self._run.begun(self, call, callee)

    def ended(self, call: Call, how: str) -> None:
        self._run.ended(self, call, how)
