"""Journals that die at a given moment, and what is left of them for the next process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from knhk.errors import JournalError, StoreFull
from knhk.journal import Commit, MemoryJournal

J = TypeVar("J", bound="Dying")


class Dying(MemoryJournal):
    """A journal that may die; what it has acknowledged can be taken over by another."""

    crashed = False

    def survivor(self, journal: J) -> J:
        """The same journal, with all that this one has acknowledged, for the next process."""
        for name in (
            "_bundles",
            "_newest",
            "_cases",
            "_snapshots",
            "_rests",
            "_waits",
            "_waiters",
            "_blobs",
            "_letters",
            "_received",
            "_leases",
            "_offers",
        ):
            setattr(journal, name, dict(getattr(self, name)))
        journal._inputs = {case: list(rows) for case, rows in self._inputs.items()}
        return journal

    def die(self) -> None:
        """Take nothing any more."""
        self.crashed = True
        raise JournalError("the process is gone")

    def items(self, kind: int, case: str = "c") -> set[int]:
        """The items of a case with such an input in the journal."""
        return {row.item for row in self.inputs(case) if row.kind == kind}

    def done(self, kind: int) -> set[tuple[str, int]]:
        """The items of all cases with such an input."""
        return {(case, item) for case in self._inputs for item in self.items(kind, case)}


class Crashing(Dying):
    """Takes so many appends and then none."""

    def __init__(self, appends_left: int) -> None:
        super().__init__()
        self.appends_left = appends_left

    def append(self, commits: Sequence[Commit]) -> None:
        if self.appends_left == 0:
            self.die()
        self.appends_left -= 1
        super().append(commits)


class CrashingAtCommit(Dying):
    """Takes so many commits, one at a time, and then none; or dies at the first that is ``fatal``.

    Commits that come together are refused together, upon which the writer tries them alone.
    """

    def __init__(self, commits_left: int, fatal: Callable[[Commit], bool] | None = None) -> None:
        super().__init__()
        self.commits_left = commits_left
        self._fatal = fatal

    def append(self, commits: Sequence[Commit]) -> None:
        if len(commits) > 1:
            raise JournalError("one at a time")
        if self.crashed or self.commits_left == 0:
            self.die()
        if self._fatal is not None and self._fatal(commits[0]):
            self.die()
        self.commits_left -= 1
        super().append(commits)


class FullFor(Dying):
    """A journal on a disk that is too full for the commits of one case."""

    def __init__(self, case: str) -> None:
        super().__init__()
        self.case_refused = case
        self.refused = 0

    def append(self, commits: Sequence[Commit]) -> None:
        if any(commit.case == self.case_refused for commit in commits):
            self.refused += 1
            raise StoreFull("the disk is full")
        super().append(commits)
