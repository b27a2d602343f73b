"""The journal as one simulated process has it: with faults, and with somebody who takes notes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol, TypeVar, cast, final

from knhk.errors import JournalError, StoreFull, StoreUnavailable
from knhk.journal import PAGE_MAX, Commit, InputRow, Journal, Stored
from knhk.model import US_PER_S
from knhk.testing.simulation.faults import Chance
from knhk.testing.simulation.machine import Machine

__all__ = ["Notes", "SimulatedJournal", "simulated_journal"]

T = TypeVar("T")

#: What an append and a question take where the store itself takes no time.
APPEND_US: Final = 120
QUESTION_US: Final = 30
#: How long a slow append takes at most, and a store is full on average.
SLOW_US: Final = 400_000
FULL_S: Final = 20.0


class Notes(Protocol):
    """Is told what a process does at its journal."""

    def written(self, commits: Sequence[Commit]) -> None:
        """These are in the store."""

    def acknowledged(self, commits: Sequence[Commit]) -> None:
        """The process is going to hear that they are."""

    def refused(self, commits: Sequence[Commit], error: JournalError) -> None:
        """They could not be written, or that is what the process is going to hear."""

    def expires(self, until_us: int) -> None:
        """The process has the store forget messages whose time comes until then."""

    def read(self, case: str, last_seq: int, *, is_loading: bool) -> None:
        """The process has read a case up to that input."""

    def crash(self) -> None:
        """The process dies now."""


@final
class SimulatedJournal:
    """Passes calls on to ``inner`` and has faults strike them; silent once its process is gone.

    ``is_bare`` says that the store below brings no faults of a disk, so that they are made here.
    """

    blocking = True

    def __init__(
        self, inner: Journal, machine: Machine, chance: Chance, notes: Notes, *, is_bare: bool
    ) -> None:
        self._inner = inner
        self._machine = machine
        self._chance = chance
        self._notes = notes
        self._is_bare = is_bare
        self._full_until_us = 0
        self._doubted: frozenset[Commit] = frozenset()
        self.is_gone = False

    def append(self, commits: Sequence[Commit]) -> None:
        self._refuse_gone()
        self._strike("crash_before_append")
        try:
            if self._is_bare:
                self._befall()
            # Those that were written before their answer was lost, as `PostgresJournal` has it.
            fresh = [commit for commit in commits if commit not in self._doubted]
            if len(fresh) < len(commits):
                self._notes.acknowledged([each for each in commits if each not in fresh])
            if fresh:
                self._inner.append(fresh)
            self._refuse_gone()  # it may have crashed in the midst of it
            self._notes.written(fresh)
            if self._chance.strikes("lost_acknowledgement", "store"):
                self._doubted = self._doubted.union(commits)
                raise StoreUnavailable("the connection was lost while it was written; try again")
            self._doubted = self._doubted.difference(commits)
        except JournalError as error:
            self._refuse_gone()
            self._notes.refused(commits, error)
            raise
        self._strike("crash_after_append")
        self._notes.acknowledged(commits)

    def stored(self, cases: Sequence[str]) -> tuple[Stored, ...]:
        found = self._asked(partial(self._inner.stored, cases))
        for one in found:
            last = one.inputs[-1].seq if one.inputs else one.snapshot.seq - 1 if one.snapshot else 0
            self._notes.read(one.row.id, last, is_loading=True)
        return found

    def inputs(self, case: str) -> tuple[InputRow, ...]:
        found = self._asked(partial(self._inner.inputs, case))
        if found:
            self._notes.read(case, found[-1].seq, is_loading=False)
        return found

    def expire(self, now_us: int, limit: int = PAGE_MAX) -> int:
        self._notes.expires(now_us)
        return self._asked(partial(self._inner.expire, now_us, limit))

    def close(self) -> None:
        """Let go of the store; of a process that is gone the store does not hear it."""
        self._inner.close()

    def __getattr__(self, name: str) -> object:
        """Every other call of a journal, whatever there is."""
        question = getattr(self._inner, name)
        if not callable(question):
            return question

        def ask(*args: object, **kwargs: object) -> object:
            return self._asked(partial(question, *args, **kwargs))

        return ask

    def _asked(self, question: Callable[[], T]) -> T:
        self._refuse_gone()
        self._machine.spend(QUESTION_US)
        answer = question()
        self._refuse_gone()
        return answer

    def _befall(self) -> None:
        """What befalls a disk, or the way to it."""
        machine, chance = self._machine, self._chance
        machine.spend(APPEND_US)
        if machine.now_us < self._full_until_us:
            raise StoreFull("the store is full: free some space, then resume")
        if chance.strikes("slow_disk", "store"):
            machine.spend(chance.random.randrange(SLOW_US))
        if chance.strikes("full_disk", "store"):
            self._full_until_us = machine.now_us + int(chance.mean(FULL_S) * US_PER_S)
            raise StoreFull("the store is full: free some space, then resume")
        if chance.strikes("failing_disk", "store"):
            raise StoreUnavailable("the store cannot be reached; try again")

    def _strike(self, fault: str) -> None:
        if self._chance.strikes(fault, "store"):
            self._notes.crash()
            self._refuse_gone()

    def _refuse_gone(self) -> None:
        if self.is_gone:
            raise JournalError("the process is gone")


def simulated_journal(
    inner: Journal, machine: Machine, chance: Chance, notes: Notes, *, is_bare: bool
) -> tuple[Journal, SimulatedJournal]:
    """The journal for a process, as the engine takes it and as it is."""
    made = SimulatedJournal(inner, machine, chance, notes, is_bare=is_bare)
    return cast("Journal", made), made
