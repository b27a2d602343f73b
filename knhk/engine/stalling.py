"""Finds running cases that stand still though nothing stops them.

Theory of operation. A case that waits for a time, a message, a signal, somebody outside or a
sub-case stands still for a reason; so does one that is suspended, failed or stuck, which its status
says. What is *stalled* is running, nothing has happened in it for a while, and

- the engine has let go of it, or has never picked it up,
- or its timer has been due for that long, in memory or parked,
- or a piece of the engine's own work has been going on for that long and has no timeout,
- or the engine should be doing something and is not,
- or nothing that it waits for can come.

Of these the first three happen: to a store that failed, to a callee that hangs, to an engine
that is not there. The others would be faults of the engine, and are looked for all the same.

In memory it takes a comparison for each case in which something has happened of late; so it can be
asked for often. A case is parked only while there is something that may wake it, so of parked
ones only the times have to be looked at, by an index.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, final

import anyio

from knhk.engine.callees import is_own
from knhk.engine.catalogue import Catalogue, in_thread
from knhk.engine.events import Event
from knhk.engine.live import LiveCase, may_go_on
from knhk.engine.payloads import with_payloads
from knhk.engine.replaying import revive
from knhk.engine.runtime import Runtime
from knhk.errors import KnhkError, SnapshotError
from knhk.journal import CaseRow, Journal, Stored
from knhk.kernel import Case, WorkItem
from knhk.model import (
    CALLEE_WORKFLOW,
    START,
    US_PER_S,
    CaseStatus,
    ItemState,
)

__all__ = ["AFTER_S", "Stall", "StallWatch", "Stalls"]

_log = logging.getLogger(__name__)

#: How long nothing happens before a case is taken for stalled, unless something else is asked for.
AFTER_S: Final = 600.0
#: The longest explanation that is told.
_WHY_MAX: Final = 2_000


@dataclass(frozen=True, slots=True)
class Stall:
    """A running case that stands still, and why.

    ``since_us`` is when something last happened in it, -1 where that is not known; ``task`` is
    empty and ``item`` -1 where it is about no work item.
    """

    case: str
    workflow: str
    why: str
    since_us: int = -1
    task: str = ""
    item: int = -1

    def __str__(self) -> str:
        where = f": `{self.task}` (work item {self.item})" if self.item > 0 else ""
        return f"{self.case}{where}: {self.why}"


@final
class Stalls:
    """Looks for stalled cases: nothing has happened in them for ``after_us`` at ``now_us``."""

    def __init__(self, journal: Journal, catalogue: Catalogue, now_us: int, after_us: int) -> None:
        self._journal = journal
        self._catalogue = catalogue
        self._now_us = now_us
        self._until_us = now_us - after_us

    # With an engine that runs them

    async def of_engine(self, runtime: Runtime) -> tuple[Stall, ...]:
        """Those of a running engine, by case."""
        found = [
            Stall(case, "", f"the engine does not run it: {problem}")
            for case, problem in runtime.stranded.items()
        ]
        for live in list(runtime.live.values()):
            if live.is_at_rest:
                found.extend(self._of_live(live))
        async for row in self._awake(runtime.shards.only):
            known = row.id in runtime.live or row.id in runtime.stranded
            if not known and row.created_us <= self._until_us:
                fresh = await in_thread(self._journal, self._journal.case, row.id)
                if fresh == row and row.id not in runtime.live:
                    found.append(self._stall(row, "the engine has not picked it up; resume it"))
        found.extend([each async for each in self._overdue(runtime)])
        return tuple(sorted(found, key=lambda stall: (stall.case, stall.item)))

    def _of_live(self, live: LiveCase) -> Iterator[Stall]:
        case, row, began = live.case, live.standing.row, live.work_began()
        if case.now_us <= self._until_us:
            for stall in self._of_quiet(case, row):
                if not live.why_waiting(stall.item):
                    yield stall
            if case.status is CaseStatus.running:
                yield from self._of_unwanted(case, row, began)
        yield from self._of_work(case, row, began)

    def _of_unwanted(self, case: Case, row: CaseRow, began: dict[int, int]) -> Iterator[Stall]:
        for item in case.open_items:
            if item.state is ItemState.started and item.id not in began and _is_own(case, item):
                yield self._stall(row, "it is started, and nobody does it", case, item)

    # With a store alone

    async def of_store(self) -> tuple[Stall, ...]:
        """Those that can be told from what is stored, by case: of nobody's memory."""
        found: list[Stall] = []
        async for row in self._awake():
            (stored,) = await in_thread(self._journal, self._journal.stored, (row.id,))
            rows = stored.inputs
            if rows and rows[-1].at_us > self._until_us:
                continue
            try:
                case = await self._revived(stored)
            except KnhkError as error:
                found.append(self._stall(row, f"it cannot be brought back: {error}"))
                continue
            began = {entry.item: entry.at_us for entry in rows if entry.kind == START}
            found.extend(self._of_quiet(case, row))
            found.extend(self._of_work(case, row, began))
        found.extend([each async for each in self._overdue(None)])
        return tuple(sorted(found, key=lambda stall: (stall.case, stall.item)))

    async def _revived(self, stored: Stored) -> Case:
        row = stored.row
        version = await self._catalogue.read_only(row.workflow, row.digest)
        try:
            whole = await in_thread(self._journal, with_payloads, self._journal, stored)
            return revive(version, whole)
        except SnapshotError:
            rows = await in_thread(self._journal, self._journal.inputs, row.id)
            stored = stored._replace(snapshot=None, inputs=rows)
            whole = await in_thread(self._journal, with_payloads, self._journal, stored)
            return revive(version, whole)

    # What both need

    async def _awake(self, shards: Sequence[int] | None = None) -> AsyncIterator[CaseRow]:
        """All running cases that are not parked, or those of some shards."""
        after: CaseRow | None = None
        while True:
            asking = partial(
                self._journal.cases,
                status=(CaseStatus.running,),
                awake=True,
                shards=shards,
                after=after,
            )
            page = await in_thread(self._journal, asking)
            if not page:
                return
            after = page[-1]
            for row in page:
                yield row

    async def _overdue(self, runtime: Runtime | None) -> AsyncIterator[Stall]:
        """Parked cases that should have been woken long ago."""
        shards = None if runtime is None else runtime.shards.only
        asking = partial(self._journal.sleepers, self._until_us, shards=shards)
        sleepers = await in_thread(self._journal, asking)
        for wake_us, case in sleepers:
            if runtime is not None and (case in runtime.live or case in runtime.stranded):
                continue
            row = await in_thread(self._journal, self._journal.case, case)
            if row is not None and row.status is CaseStatus.running:
                why = f"it is parked, and was to be woken {self._ago(wake_us)}"
                yield self._stall(row, why)

    def _of_quiet(self, case: Case, row: CaseRow) -> Iterator[Stall]:
        """What stands still in a case in which nothing has happened of late."""
        if case.status is not CaseStatus.running:
            return
        due_us = case.next_wake_us
        if 0 <= due_us <= self._until_us:
            yield self._stall(row, f"its timer was due {self._ago(due_us)}", case)
        elif not may_go_on(case):
            yield self._stall(row, f"nothing that it waits for can come: {_explained(case)}", case)
        else:
            why = "it is offered, and the engine does not start it"
            for item in case.open_items:
                if item.state is ItemState.offered and _is_own(case, item):
                    yield self._stall(row, why, case, item)

    def _of_work(self, case: Case, row: CaseRow, began: dict[int, int]) -> Iterator[Stall]:
        """What goes on for long without a timeout; ``began`` is since when, by item."""
        for number, began_us in began.items():
            if began_us > self._until_us:
                continue
            item = case.item(number)
            is_at_work = item.state is ItemState.started and item.due_us < 0
            # A sub-case stands for itself.
            if is_at_work and _is_own(case, item) and case.callee(item).kind != CALLEE_WORKFLOW:
                why = f"it was begun {self._ago(began_us)}, and has no timeout"
                yield self._stall(row, why, case, item)

    def _stall(
        self, row: CaseRow, why: str, case: Case | None = None, item: WorkItem | None = None
    ) -> Stall:
        since_us = row.created_us if case is None else case.now_us
        if item is None:
            return Stall(row.id, row.workflow, why, since_us)
        return Stall(row.id, row.workflow, why, since_us, item.task, item.id)

    def _ago(self, at_us: int) -> str:
        return f"{(self._now_us - at_us) / US_PER_S:.0f} s ago"


@final
class StallWatch:
    """Tells an observer, once each, of cases that have come to stand still."""

    def __init__(
        self,
        find: Callable[[], Awaitable[Sequence[Stall]]],
        runtime: Runtime,
        every_s: float,
    ) -> None:
        self._find = find
        self._runtime = runtime
        self._every_s = every_s
        #: What has been told of, and still stands still.
        self._known: set[tuple[str, int]] = set()

    async def run(self) -> None:
        """Look again and again until cancelled; time is the machine's."""
        while True:
            await anyio.sleep(self._every_s)
            try:
                await self._look()
            except KnhkError as error:
                _log.warning("stalled cases cannot be looked for now: %s", error)

    async def _look(self) -> None:
        stalls = await self._find()
        for stall in stalls:
            if (stall.case, stall.item) not in self._known:
                at_us = self._runtime.clock.now_us()
                event = Event(at_us, stall.case, "stalled", stall.task, stall.item, 0, stall.why)
                self._runtime.tell_of(event)
        self._known = {(stall.case, stall.item) for stall in stalls}


def _is_own(case: Case, item: WorkItem) -> bool:
    """Whether the engine itself does an item."""
    return is_own(case.callee(item))


def _explained(case: Case) -> str:
    tasks = dict.fromkeys(item.task for item in case.open_items)
    told = "; ".join(f"`{task}`: {case.explain(task)}" for task in tasks)
    marked = ", ".join(case.marking)
    return (told or f"there are tokens at {marked or 'no place'}")[:_WHY_MAX]
