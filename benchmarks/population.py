"""Stores full of cases: one case is run for real, and then written many times over.

The engine runs one case in memory until it stands still, and what it commits is recorded. Each copy
has an id of its own, and so hashes of its own: it is what the engine would have written, and can be
loaded, verified and continued like any other case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import anyio

from knhk import Engine
from knhk.engine.naming import fresh_case_id
from knhk.journal import Bundle, Commit, InputRow, MemoryJournal, SQLiteJournal
from knhk.journal.chain import hash_of_opening, link

__all__ = ["Template", "fill", "template_of"]

#: Copies that are written with one transaction.
GROUP = 1_000


class Template:
    """What a case that stands still has written: its sources, and one commit of all of it."""

    def __init__(self, bundle: Bundle, commits: Sequence[Commit]) -> None:
        self.bundle = bundle
        opened = commits[0].opened
        assert opened is not None
        self._opened = opened
        self._inputs = tuple(row for commit in commits for row in commit.inputs)
        self._last = Commit("")
        for commit in commits:
            # Of each thing what was written last; a case that ends, or writes more, is none.
            last = self._last
            self._last = Commit(
                "",
                snapshot=commit.snapshot or last.snapshot,
                rest=commit.rest or last.rest,
                waits=last.waits if commit.waits is None else commit.waits,
            )
            known = commit._replace(case="", inputs=(), opened=None)
            if known != Commit("", snapshot=commit.snapshot, rest=commit.rest, waits=commit.waits):
                raise AssertionError(f"a copy of this would not be true: {known}")

    @property
    def inputs(self) -> int:
        """How many inputs each copy has."""
        return len(self._inputs)

    def copy(self, number: int) -> Commit:
        """The case once more, with another id; those that are made in order stand in order."""
        case = fresh_case_id("w", self._opened.created_us + number)
        opened = replace(self._opened, id=case)
        sealed = hash_of_opening(opened)
        rows: list[InputRow] = []
        hashes = [b""]
        for row in self._inputs:
            sealed = link(sealed, case, row.seq, row.at_us, row.kind, row.item, row.task, row.body)
            hashes.append(sealed)
            rows.append(row._replace(case=case, hash=sealed))
        snapshot = self._last.snapshot
        if snapshot is not None:
            snapshot = replace(snapshot, hash=hashes[snapshot.seq])
        return self._last._replace(case=case, inputs=tuple(rows), opened=opened, snapshot=snapshot)


class _Recorder(MemoryJournal):
    """A journal that remembers what it was given, and sets ``still`` when that is all of a case."""

    def __init__(self, inputs: int, *, is_parked: bool) -> None:
        super().__init__()
        self.bundles: list[Bundle] = []
        self.commits: list[Commit] = []
        self.still = anyio.Event()
        self._inputs_left = inputs
        self._wants_parked = is_parked

    def append(self, commits: Sequence[Commit]) -> None:
        super().append(commits)
        self.commits.extend(commits)
        self._inputs_left -= sum(len(commit.inputs) for commit in commits)
        is_parked = any(commit.rest is not None and commit.rest.is_parked for commit in commits)
        if self._inputs_left == 0 and is_parked is self._wants_parked:
            self.still.set()

    def keep(self, bundle: Bundle) -> None:
        super().keep(bundle)
        self.bundles.append(bundle)


def template_of(source: Path, *, inputs: int, is_parked: bool) -> Template:
    """Run one case of the workflow ``w`` until it has so many inputs and stands still.

    It is parked then, or else its last task waits in a handler.
    """

    async def run() -> _Recorder:
        recorder = _Recorder(inputs, is_parked=is_parked)
        park_after_s = 0.01 if is_parked else 3_600.0
        async with Engine.open(recorder, park_after_s=park_after_s) as engine:
            await engine.deploy(source)
            await engine.start("w", given=0)
            with anyio.fail_after(60):
                await recorder.still.wait()
        return recorder

    recorder = anyio.run(run)
    return Template(recorder.bundles[0], recorder.commits)


def fill(
    store: Path,
    template: Template,
    copies: int,
    change: Callable[[Commit], Commit] = lambda commit: commit,
) -> list[str]:
    """Write copies of a case to a store, which is made if it is not there; their ids."""
    journal = SQLiteJournal(store, durability="normal")
    try:
        journal.keep(template.bundle)
        ids: list[str] = []
        for commits in _groups(template, copies):
            journal.append([change(commit) for commit in commits])
            ids += [commit.case for commit in commits]
    finally:
        journal.close()
    return ids


def _groups(template: Template, copies: int) -> Iterator[list[Commit]]:
    for first in range(0, copies, GROUP):
        yield [template.copy(number) for number in range(first, min(first + GROUP, copies))]
