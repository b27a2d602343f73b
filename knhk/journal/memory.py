"""A journal in memory: for tests, for embedding without a disk, gone with the process."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

from knhk.errors import JournalConflict
from knhk.journal.record import PAGE_MAX, Bundle, CaseRow, Commit, InputRow
from knhk.model import CaseStatus

__all__ = ["MemoryJournal"]


class MemoryJournal:
    """Keeps everything in dictionaries; an append is checked whole before it is done."""

    blocking = False

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bundles: dict[str, Bundle] = {}
        self._newest: dict[str, str] = {}
        self._cases: dict[str, CaseRow] = {}
        self._inputs: dict[str, list[InputRow]] = {}

    def append(self, commits: Sequence[Commit]) -> None:
        with self._lock:
            self._refuse_conflicts(commits)
            for commit in commits:
                if commit.opened is not None:
                    self._cases[commit.case] = commit.opened
                    self._inputs[commit.case] = []
                self._inputs[commit.case].extend(commit.inputs)
                if commit.standing is not None:
                    self._cases[commit.case] = replace(
                        self._cases[commit.case],
                        status=commit.standing.status,
                        ended_us=commit.standing.ended_us,
                        outcome=commit.standing.outcome,
                    )

    def _refuse_conflicts(self, commits: Sequence[Commit]) -> None:
        lengths: dict[str, int] = {}
        for commit in commits:
            length = lengths.get(commit.case, len(self._inputs.get(commit.case, ())))
            known = commit.case in lengths or commit.case in self._cases
            if known == (commit.opened is not None):
                raise JournalConflict(commit.case, 0 if known else length)
            for row in commit.inputs:
                if row.seq != length:
                    raise JournalConflict(commit.case, row.seq)
                length += 1
            lengths[commit.case] = length

    def keep(self, bundle: Bundle) -> None:
        with self._lock:
            self._bundles.setdefault(bundle.digest, bundle)
            for name in bundle.workflows:
                self._newest[name] = bundle.digest

    def bundle(self, digest: str) -> Bundle | None:
        with self._lock:
            return self._bundles.get(digest)

    def newest(self, workflow: str) -> str | None:
        with self._lock:
            return self._newest.get(workflow)

    def workflows(self) -> tuple[str, ...]:
        with self._lock:
            return tuple(sorted(self._newest))

    def case(self, case: str) -> CaseRow | None:
        with self._lock:
            return self._cases.get(case)

    def cases(
        self,
        *,
        status: Sequence[CaseStatus] = (),
        workflow: str = "",
        parent: str = "",
        after: CaseRow | None = None,
        limit: int = PAGE_MAX,
    ) -> tuple[CaseRow, ...]:
        with self._lock:
            rows = [
                row
                for row in self._cases.values()
                if (not status or row.status in status)
                and (not workflow or row.workflow == workflow)
                and (not parent or row.parent == parent)
                and (after is None or _age(row) > _age(after))
            ]
        rows.sort(key=_age)
        return tuple(rows[: max(0, min(limit, PAGE_MAX))])

    def inputs(self, case: str) -> tuple[InputRow, ...]:
        with self._lock:
            return tuple(self._inputs.get(case, ()))

    def close(self) -> None:
        """Nothing to let go of: what was written can still be read."""


def _age(row: CaseRow) -> tuple[int, str]:
    return (row.created_us, row.id)
