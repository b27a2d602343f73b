"""The simulation can fail: whatever is broken in the engine or its journal, it is found out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import anyio
import pytest

from knhk.engine.cases import Receipt
from knhk.engine.facts import Facts
from knhk.engine.runtime import Runtime
from knhk.engine.timers import Timers
from knhk.engine.work import Work
from knhk.errors import JournalConflict, JournalError
from knhk.journal import Commit, InputRow, Journal, SQLiteJournal, Stream, Writer, writer
from knhk.journal.writer import Done
from knhk.model import COMPLETE, Input
from knhk.testing.simulation import Client, Faults, SimulationFailed, simulate
from knhk.testing.simulation.store import SQLiteStore
from tests.simulation.scenarios import module, play

#: Within so many seeds each mutant is found out.
SEEDS_MAX = 60

#: So that nothing is mended by a case that leaves memory and comes back.
NEVER_S = 1e9

#: A compiled class cannot be changed from outside.
needs_interpreted = pytest.mark.skipif(
    not str(writer.__file__).endswith(".py"), reason="the writer and the facts are compiled"
)

CRASHES = Faults(crash_between_steps=0.005, crash_after_append=0.03)


def found_out(name: str = "", **options: Any) -> SimulationFailed:
    """The first seed that finds something; the seeds are always the same."""
    for seed in range(SEEDS_MAX):
        try:
            play(seed, name, **options)
        except SimulationFailed as failed:
            return failed
    raise AssertionError(f"nothing is found out in {SEEDS_MAX} seeds")


class Passing:
    """A journal that passes everything on."""

    def __init__(self, inner: Journal) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def test_without_a_mutant_nothing_is_found() -> None:
    for seed in range(SEEDS_MAX):
        play(seed, faults=CRASHES)


def test_a_journal_that_acknowledges_what_it_has_not_written() -> None:
    class Hasty(Passing):
        """Writes an append when the next one comes, or somebody reads."""

        held: Sequence[Commit] = ()

        def append(self, commits: Sequence[Commit]) -> None:
            self.flush()
            self.held = commits

        def flush(self) -> None:
            held, self.held = self.held, ()
            if held:
                self.inner.append(held)

        def __getattr__(self, name: str) -> Any:
            self.flush()
            return super().__getattr__(name)

    failed = found_out("order", faults=CRASHES, mutate=Hasty)

    assert "no acknowledged input lost" == failed.invariant


def test_a_store_that_does_not_sync_what_it_acknowledges(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(self: SQLiteStore) -> Journal:
        path = self._root / str(self._lives) / "store.db"
        return SQLiteJournal(path, durability="normal", vfs=self._vfs.name)

    monkeypatch.setattr(SQLiteStore, "open", opened)

    failed = found_out("lab", faults=replace(CRASHES, power_cut=1.0), store="sqlite")

    assert "no acknowledged input lost" == failed.invariant


def test_an_answer_that_does_not_wait_for_the_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(self: Receipt) -> None:
        await anyio.lowlevel.checkpoint()

    monkeypatch.setattr(Receipt, "written", at_once)

    failed = found_out("lab", faults=Faults.only(slow_disk=0.3))

    assert "no acknowledged input lost" == failed.invariant


@needs_interpreted
def test_a_writer_that_acts_before_it_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    put = Writer.put

    def acting(self: Writer, commit: Commit, stream: Stream, done: Done) -> None:
        put(self, commit, stream, _nothing)
        done(None)

    monkeypatch.setattr(Writer, "put", acting)

    assert "nothing done before it is written" == found_out("lab").invariant


def _nothing(_error: JournalError | None) -> None:
    """Nobody is told."""


def test_an_engine_that_dispatches_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    dispatch = Runtime.dispatch

    def twice(self: Runtime, work: Work) -> None:
        dispatch(self, work)
        dispatch(self, work)

    monkeypatch.setattr(Runtime, "dispatch", twice)

    assert "no attempt made twice" == found_out("race").invariant


def test_an_engine_that_does_completed_work_again(monkeypatch: pytest.MonkeyPatch) -> None:
    carry_out = Runtime._carry_out

    def again(self: Runtime, work: Work) -> Awaitable[None]:
        return once_more(carry_out(self, work), work)

    async def once_more(rest: Awaitable[None] | None, work: Work) -> None:
        if rest is not None:
            await rest
        await anyio.sleep(1)
        performer: Any = work.performer
        if hasattr(performer, "perform"):
            await performer.perform(work.start.args, work.start.kwargs, work.start.call)

    monkeypatch.setattr(Runtime, "_carry_out", again)

    failed = found_out("lab", faults=Faults.none())

    assert "no completed task run again" == failed.invariant


def test_a_store_that_forgets_who_holds_work() -> None:
    class Forgetful(Passing):
        """Keeps no leases."""

        def append(self, commits: Sequence[Commit]) -> None:
            self.inner.append([commit._replace(leases=()) for commit in commits])

    failed = found_out("desk", faults=CRASHES, mutate=Forgetful)

    assert failed.invariant in ("one holder of an attempt", "work for outside is offered")


def test_a_store_that_offers_what_is_done() -> None:
    class Late(Passing):
        """Takes no offer back."""

        def append(self, commits: Sequence[Commit]) -> None:
            self.inner.append([commit._replace(closed=()) for commit in commits])

    failed = found_out("desk", faults=Faults.none(), mutate=Late)

    assert "work for outside is offered" == failed.invariant


def test_a_store_without_a_fence_between_two_engines() -> None:
    class Open(Passing):
        """Takes the rows of a second owner too, behind those of the first."""

        def append(self, commits: Sequence[Commit]) -> None:
            try:
                self.inner.append(commits)
            except JournalConflict:
                self.inner.append([self.moved(commit) for commit in commits if not commit.opened])

        def moved(self, commit: Commit) -> Commit:
            length = len(self.inner.inputs(commit.case))
            rows = (row._replace(seq=length + n) for n, row in enumerate(commit.inputs))
            return commit._replace(inputs=tuple(rows))

    failed = found_out("lab", engines=2, mutate=Open)

    assert failed.invariant in ("one owner's writes only", "chain unbroken")


@needs_interpreted
def test_facts_that_are_not_the_same_when_they_are_read_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decode, reads = Facts.decode, [0]

    def changing(self: Facts, row: InputRow, item: Any) -> Input:
        fact = decode(self, row, item)
        reads[0] += 1
        if fact.kind == COMPLETE and isinstance(fact.value, int):
            return Input(fact.kind, fact.at_us, fact.item, fact.task, fact.value + reads[0])
        return fact

    monkeypatch.setattr(Facts, "decode", changing)

    assert "replay equals live state" == found_out("rounds", faults=Faults.none()).invariant


def test_a_journal_that_changes_what_it_is_given() -> None:
    class Rotten(Passing):
        def append(self, commits: Sequence[Commit]) -> None:
            self.inner.append([self.changed(commit) for commit in commits])

        def changed(self, commit: Commit) -> Commit:
            rows = (row._replace(body=row.body.replace(b"10", b"11")) for row in commit.inputs)
            return commit._replace(inputs=tuple(rows))

    assert "chain unbroken" == found_out("order", mutate=Rotten).invariant


def test_timers_that_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    wake, wakes = Timers.wake, [0]

    def forgetful(self: Timers, case: str, at_us: int) -> None:
        wakes[0] += 1
        if wakes[0] <= 4:
            wake(self, case, at_us)

    monkeypatch.setattr(Timers, "wake", forgetful)

    async def begin(client: Client) -> None:
        await client.start("rounds", goal=40)

    with pytest.raises(SimulationFailed) as failed:
        simulate(1, module("rounds"), begin, faults=Faults.none(), park_s=NEVER_S)

    assert "nobody stands still" == failed.value.invariant


@pytest.mark.parametrize("missing", ["wait", "resume"])
def test_a_sub_case_that_is_left_to_itself(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    def forgets(self: Runtime, _given: object) -> None:
        """What has ended, or is not wanted any more, is told to nobody."""

    method: dict[str, Callable[..., None]] = {"wait": Runtime.settled, "resume": Runtime.abandon}
    monkeypatch.setattr(Runtime, method[missing].__name__, forgets)

    failed = found_out("stopper", faults=Faults.none(), park_s=NEVER_S)

    assert failed.invariant in ("nobody stands still", "it comes to an end")
