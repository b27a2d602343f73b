"""One run of a simulation: its processes, its store, its ledger, from the beginning to the end."""

from __future__ import annotations

from asyncio import Future, Task
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, final

from knhk.call import Call
from knhk.engine import Engine
from knhk.engine.verifying import misplaced
from knhk.errors import JournalError
from knhk.journal import Commit, InputRow, Journal
from knhk.model import INPUT_NAMES, US_PER_S
from knhk.module import Module
from knhk.testing.simulation.client import Client
from knhk.testing.simulation.faults import Chance
from knhk.testing.simulation.invariants import (
    Ledger,
    Published,
    chain_unbroken,
    no_acknowledged_input_lost,
    no_attempt_made_twice,
    no_completed_task_run_again,
    no_message_lost_or_taken_twice,
    nobody_stands_still,
    nothing_done_before_it_is_written,
    one_holder_of_an_attempt,
    one_owners_writes_only,
    replay_equals_live,
)
from knhk.testing.simulation.loop import simulated_loop
from knhk.testing.simulation.machine import Machine, Overrun
from knhk.testing.simulation.plan import Plan
from knhk.testing.simulation.process import Process
from knhk.testing.simulation.report import Broken
from knhk.testing.simulation.store import Store

if TYPE_CHECKING:
    from knhk_dsl.environment import Environment

__all__ = ["Run"]

#: How long it takes until a process that has ended is started again, on average.
RESTART_S: Final = 3.0
#: How long it takes until an operator looks after cases that were let go of.
OPERATOR_S: Final = 20.0
#: Rows of a page of cases.
_PAGE: Final = 1_000


@final
class Run:
    """All that one seed makes; the first thing that is wrong ends it."""

    def __init__(self, plan: Plan, seed: str) -> None:
        self.module: Module = plan.module
        self.environment: Environment = plan.environment
        self.machine = Machine(seed, plan.steps_max)
        self.chance = Chance(seed, plan.faults, self.machine)
        self.is_bare = plan.store == "memory"
        self.loop = simulated_loop(self.machine, "clients")
        self.processes: list[Process] = []
        self.ledger = Ledger(plan.versions)
        self.broken: Broken | None = None
        self.attempts: dict[str, int] = {}
        self._plan = plan
        self._store: Store = plan.make_store(self.machine, self.chance, self._crash_in_store)
        self._client = Client(self, seed)
        self.lives = 0
        self._is_single = plan.engines == 1
        self._is_ending = False
        self._graves: list[Process] = []
        self._awaited: list[tuple[Process, Future[object], Exception]] = []
        self._operated: set[Process] = set()
        self._opened: Process | None = None

    # The course of it

    def go(self) -> None:
        """The whole run; what is wrong is in ``broken``."""
        try:
            self._go()
        except Overrun as error:
            self.breaks("it comes to an end", str(error))
        finally:
            self._clean_up()

    def _go(self) -> None:
        machine = self.machine
        for _ in range(self._plan.engines):
            self._start()
        playing = self.loop.create_task(self._play())
        machine.run(partial(self._comes_to, playing))
        if self.broken is None and not playing.done():
            self.breaks("it comes to an end", "the scenario waits for something that never comes")
        if self.broken is None and (error := playing.exception()) is not None:
            raise error
        machine.note("run", "no faults from now on")
        self.chance.calm_down()
        self._keep_one()
        machine.run(_never)
        self._check_rest()
        if self.broken is None:
            self._restart_in_order()
        if self.broken is None:
            machine.run(_never)
            self._check_rest()

    async def _play(self) -> None:
        await self._plan.scenario(self._client)

    def _comes_to(self, playing: Task[None]) -> bool:
        """Whether the scenario has ended; if not, a process may crash here, between two steps."""
        if playing.done():
            return True
        if self.processes and self.chance.strikes("crash_between_steps", "run"):
            self.processes[self.chance.random.randrange(len(self.processes))].crash()
        return False

    def _keep_one(self) -> None:
        """Let one engine come to the end of everything alone.

        Where there were several a new one, since each has cases that another has gone on with.
        """
        if not self._is_single:
            self._is_single = True
            for process in tuple(self.processes):
                process.crash()

    def _restart_in_order(self) -> None:
        self.machine.note("run", "the engine is closed and opened once more")
        for process in self.processes:
            process.stop()
        self.machine.run(lambda: self.lives > 0 and self._is_up())

    def _is_up(self) -> bool:
        return len(self.processes) == 1 and self.processes[0].engine is not None

    def _clean_up(self) -> None:
        self.machine.is_stopped = True
        for process in (*self._graves, *self.processes):
            process.is_gone = True
            process.bury()
        self._store.close()

    # Processes

    def _start(self) -> None:
        if self._is_single and self.processes:
            return  # one that was to be started again, when there were more than one
        self.lives += 1
        journal = self._opening()
        if journal is None:
            return
        if self._is_single:
            self._check_store(journal)
        if self.broken is not None:
            journal.close()
            return
        inner = self._plan.mutate(journal)
        self.machine.note("run", f"engine {self.lives} is started")
        self.processes.append(
            Process(self, self.lives, inner, self._plan.answers, self._plan.park_s)
        )

    def _opening(self) -> Journal | None:
        """A journal for a process; if the store cannot be opened now, it is tried again."""
        try:
            return self._store.open()
        except JournalError as error:
            self.machine.note("run", f"the store cannot be opened: {type(error).__name__}")
            self._start_later()
            return None

    def _start_later(self) -> None:
        delay_us = int(self.chance.mean(RESTART_S) * US_PER_S)
        self.machine.later(self.machine.now_us + delay_us, self.loop, self._start)

    def has_ended(self, process: Process) -> None:
        """The engine of a process was closed, or could not be opened."""
        self.processes.remove(process)
        self._lose_answers(process)
        self._start_later()

    def has_crashed(self, process: Process) -> None:
        """A process is gone, and with it all that it has not written."""
        self.machine.note(process.name, "crashes")
        if process in self.processes:
            self.processes.remove(process)
        self._graves.append(process)
        self._store.crash()
        self._lose_answers(process)
        if not self._is_single or not self.processes:
            self._start_later()

    def _crash_in_store(self) -> None:
        for process in tuple(self.processes):
            process.crash()

    def _lose_answers(self, process: Process) -> None:
        """Whoever waits for an answer of that process finds the connection closed."""
        lost = [(future, error) for owner, future, error in self._awaited if owner is process]
        self._awaited = [each for each in self._awaited if each[0] is not process]
        for future, error in lost:
            self.loop.call_soon(_fail, future, error)

    def awaited(self, process: Process, answer: Future[object], lost: Exception) -> None:
        """A client waits for an answer of that process."""
        self._awaited = [each for each in self._awaited if not each[1].done()]
        if process.is_gone:
            self.loop.call_soon(_fail, answer, lost)
        else:
            self._awaited.append((process, answer, lost))

    def operate(self, process: Process) -> None:
        """Have an operator look after what the engine has let go of, in a while."""
        if process in self._operated:
            return
        self._operated.add(process)

        def look() -> None:
            self._operated.discard(process)
            if not process.is_gone:
                process.begin(process.resume_stranded)

        delay_us = int(self.chance.mean(OPERATOR_S) * US_PER_S)
        self.machine.later(self.machine.now_us + delay_us, self.loop, look)

    # What is to be so

    def breaks(self, invariant: str, why: str) -> None:
        """Something is wrong: the run ends here."""
        if self.broken is None and why:
            self.broken = Broken(invariant, why)
            self.machine.note("run", f"BROKEN {invariant}: {why}")
            self.machine.is_stopped = True

    def written(self, process: Process, commits: Sequence[Commit]) -> None:
        """A process has written something."""
        batch: dict[str, int] = {}  # what this process has written of a case in the same breath
        for commit in commits:
            if not commit.case:
                letters = " ".join(letter.id for letter in commit.posted)
                self.machine.note(process.name, f"posts {letters}")
                continue
            rows = " ".join(
                f"{row.seq}:{INPUT_NAMES[row.kind]}{f' {row.item}' if row.item > 0 else ''}"
                for row in commit.inputs
            )
            letters = "".join(f", receives {letter}" for letter in commit.received)
            rows = f"{rows or '(no input)'}{letters}"
            self.machine.note(process.name, f"writes {commit.case} {rows}")
            last = batch.get(commit.case, process.known.last.get(commit.case, -1))
            self.breaks("one owner's writes only", one_owners_writes_only(last, commit))
            if commit.inputs:
                batch[commit.case] = commit.inputs[-1].seq
            self.breaks("chain unbroken", chain_unbroken(self.ledger, commit))
            if self._plan.engines == 1:  # what is beside the inputs has no fence against others
                why = one_holder_of_an_attempt(self.ledger, commit)
                self.breaks("one holder of an attempt", why)
            if self.broken is None and commit.inputs:  # else another engine may have gone on
                self._compare(process, commit.case)

    def acknowledged(self, process: Process, commits: Sequence[Commit]) -> None:
        """A process hears that something is written."""
        for commit in commits:
            self.ledger.acknowledge(commit)
            process.known.has_written(commit)

    def answered(self, case: str, kind: int, item: int = -1) -> None:
        """A client was told that something is done."""
        shadow = self.ledger.shadows.get(case)
        rows: Sequence[InputRow] = () if shadow is None else shadow.rows
        if not any(row.kind == kind and row.item in (item, -1, 0) for row in rows):
            what = f"{INPUT_NAMES[kind]} of case {case}"
            self.breaks("no acknowledged input lost", f"{what} was answered, and is not written")

    def expires(self, process: Process, until_us: int) -> None:
        """A process has the store forget messages: nobody waits for one that is kept."""
        self._check_messages(process)
        over = [letter.id for letter in process.kept() if letter.expires_us <= until_us]
        self.ledger.expired.update(over)

    def published(self, message: Published) -> None:
        """A client was told that a message is published."""
        self.ledger.published[message.id] = message

    def begun(self, process: Process, call: Call, callee: str) -> None:
        """A callee begins an attempt."""
        if process.is_gone:
            return
        key, known = call.idempotency_key, process.known
        self.attempts[key] = self.attempts.get(key, 0) + 1
        self.machine.note(process.name, f"calls {callee} for {key}")
        self.breaks(
            "nothing done before it is written",
            nothing_done_before_it_is_written(self.ledger, known, call),
        )
        self.breaks(
            "no completed task run again", no_completed_task_run_again(self.ledger, known, call)
        )
        self.breaks("no attempt made twice", no_attempt_made_twice(self.ledger, known, call))

    def ended(self, process: Process, call: Call, how: str) -> None:
        """A callee has ended an attempt."""
        if not process.is_gone:
            self.machine.note(process.name, f"{call.idempotency_key} {how}")

    def _compare(self, process: Process, case: str) -> None:
        """Hold the case in memory against its shadow, if it is not ahead of it."""
        engine = process.engine
        runtime = None if engine is None else engine._running  # noqa: SLF001  that is what is tested
        live = None if runtime is None else runtime.live.get(case)
        shadow = self.ledger.shadows.get(case)
        if live is not None and shadow is not None and live.case.seq == len(shadow.rows):
            self.breaks("replay equals live state", replay_equals_live(live.case, shadow))

    def _check_store(self, journal: Journal) -> None:
        """What the store holds when a process opens it is what was acknowledged, and sound."""
        stored: dict[str, Sequence[InputRow]] = {}
        found = page = journal.cases(limit=_PAGE)
        while page:
            page = journal.cases(after=page[-1], limit=_PAGE)
            found += page
        for row in found:
            stored[row.id] = journal.inputs(row.id)
            self.breaks("chain unbroken", self.ledger.read(row, stored[row.id]))
            if self.broken is not None:
                return
        if self._store.has_forgotten:
            self._store.has_forgotten = False
            self.ledger.forget(stored)
            self.ledger.holders.clear()
        for gone in set(self.ledger.shadows) - set(stored):
            del self.ledger.shadows[gone]
        self.breaks(
            "no acknowledged input lost",
            no_acknowledged_input_lost(self.ledger.acknowledged, stored),
        )

    def _check_beside(self, engine: Engine, case: str) -> None:
        """What is stored beside the inputs of a case is what it has."""
        record = engine._journal.record(case)  # noqa: SLF001  that is what is tested
        if record is not None:
            why = misplaced(record, self.ledger.shadows[case].case)
            self.breaks("work for outside is offered", f"case {case}: {why}" if why else "")

    def _check_rest(self) -> None:
        """What must be so once nothing moves."""
        if self.broken is not None:
            return
        for process in self.processes:
            for error in process.loop.problems:
                self.breaks("nothing is swallowed", f"{type(error).__name__}: {error}")
            if process.engine is None:
                self.breaks("nobody stands still", "the engine does not come up")
                return
            for case, problem in process.engine.stranded.items():
                self.breaks("nobody stands still", f"case {case} is stranded: {problem}")
            for case in self.ledger.shadows:
                self._compare(process, case)
                if self._plan.engines == 1:
                    self._check_beside(process.engine, case)
        if not self.processes:
            self.breaks("nobody stands still", "there is no engine")
        self.breaks("nobody stands still", nobody_stands_still(self.ledger.shadows))
        for process in self.processes:
            self._check_messages(process)

    def _check_messages(self, process: Process) -> None:
        """Messages were taken once, or are kept as nobody waits for them."""
        if self.ledger.published:
            kept = {letter.id for letter in process.kept()}
            wrong = no_message_lost_or_taken_twice(self.ledger, kept)
            self.breaks("no message lost or taken twice", wrong)


def _never() -> bool:
    return False


def _fail(future: Future[object], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
