"""Brings cases into memory: new ones, those of the journal, and sub-cases of others.

Theory of operation. A task whose callee is a workflow is started like any other; its work is
a case of its own. :meth:`Cases.begin` opens it under an id that follows from the attempt, so
that after a crash it is found again instead of begun twice: if it has ended its result is
taken over, if not it is waited for. Waiting takes no task and no thread: when a commit ends a
case, :meth:`knhk.engine.runtime.Runtime.settled` completes or fails the item of its parent.

**A sub-case in memory has its parent in memory**, for whose item it works; so a case is loaded
after its parents. Where an item was withdrawn, its sub-case is cancelled once that is in the
journal. A crash in between is made good when the sub-case is loaded: if its parent does not
wait for it (it has ended, or the item has moved on), it is cancelled instead of going on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Final, TypeVar, final

from knhk.engine.catalogue import Catalogue, asked
from knhk.engine.facts import read_outcome
from knhk.engine.failing import failure_of
from knhk.engine.kin import TooDeep, ending_of, named, sub_case_id
from knhk.engine.live import LiveCase
from knhk.engine.payloads import fetched, joined, referring, refers, with_payloads
from knhk.engine.performer import SubWorkflow
from knhk.engine.runtime import Opening, Runtime
from knhk.engine.version import Version
from knhk.engine.work import Work
from knhk.errors import (
    CaseExists,
    ExpressionError,
    InputError,
    JournalConflict,
    JournalError,
    KnhkError,
    MisfitError,
    ShardLost,
    SnapshotError,
    StoreAway,
    StoreDamaged,
    UnknownName,
)
from knhk.journal import UNFINISHED, CaseRow, Fence, Journal, Receipt, Stored
from knhk.model import CaseStatus

__all__ = ["ENDED", "Cases", "Receipt"]

#: A case in one of these states has nothing more to come.
ENDED: Final = (CaseStatus.completed, CaseStatus.cancelled)

T = TypeVar("T")


@final
class Cases:
    """The cases of one running engine; sub-cases stand at most ``depth_max`` deep."""

    def __init__(
        self, journal: Journal, runtime: Runtime, catalogue: Catalogue, depth_max: int
    ) -> None:
        self._journal = journal
        self._runtime = runtime
        self._catalogue = catalogue
        self._depth_max = depth_max

    # New ones

    async def open(
        self, version: Version, row: CaseRow, values: dict[str, object], receipt: Receipt
    ) -> LiveCase:
        """Begin a case with parameters that fit; it is in the journal when this returns.

        Raises :class:`~knhk.errors.CaseExists` for an id that is taken, and what ``receipt``
        raises while the store is away.
        """
        if row.id in self._runtime.live:
            raise CaseExists(row.id)
        opening = Opening()

        def opened(error: JournalError | None) -> None:
            self._runtime.opening.pop(row.id, None)
            opening.end()
            receipt(error)

        try:
            live = LiveCase.new(self._runtime, version, row, values, opened)
            self._runtime.opening.setdefault(row.id, opening)
            await receipt.written()
        except JournalConflict as error:
            raise CaseExists(row.id) from error
        except MisfitError as error:
            raise InputError(f"workflow {version.name!r}", error.misfits) from error
        return live

    # Those of the journal

    async def load(
        self, row: CaseRow, stored: Stored | None = None, *, even_ended: bool = False
    ) -> LiveCase | None:
        """Bring a case back into memory, after its parents, and have it go on.

        ``stored`` is what the journal has of it, where that has been read already, and no shard was
        gained since. Gives nothing for a case that has ended, unless ``even_ended``. Raises the
        family of :class:`~knhk.errors.KnhkError` for one that cannot be brought back, and among it
        :class:`~knhk.errors.ShardLost` for one that another process runs.
        """
        line = [row]
        top: LiveCase | None = None
        while line[-1].parent:
            top = self._runtime.live.get(line[-1].parent)
            if top is not None:
                break
            parent = await self._ask(self._journal.case, line[-1].parent)
            stored = None  # by now it may be old
            if parent is None:
                raise StoreDamaged(
                    f"the store is damaged: case {line[-1].parent!r} is missing, of which"
                    f" {line[-1].id!r} is a part; go back to a copy of it"
                )
            if parent.status in ENDED:
                break
            line.append(parent)
        live: LiveCase | None = None
        with ExitStack() as held:
            if top is not None:
                held.enter_context(top.kept())
            while line:
                row = line.pop()
                last = None if line else stored
                live = self._runtime.live.get(row.id) or await self._load_one(
                    row, last, even_ended=even_ended and not line
                )
                if live is not None and line:
                    held.enter_context(live.kept())
        return live

    async def load_all(self, rows: Sequence[CaseRow]) -> AsyncIterator[LiveCase]:
        """Bring many cases back, like :meth:`load`; those that cannot be are stranded.

        Raises :class:`~knhk.errors.StoreAway` when the store is.
        """
        ids = [row.id for row in rows if row.id not in self._runtime.live]
        turn = self._runtime.shards.turn
        with self._runtime.reading() as gone:
            stored = {one.row.id: one for one in await self._ask(self._journal.stored, ids)}
            for row in rows:
                await self._runtime.writer.room()
                is_old = row.id in gone or turn != self._runtime.shards.turn
                known = None if is_old else stored.get(row.id)
                try:
                    live = self._runtime.live.get(row.id) or await self.load(row, known)
                except StoreAway:
                    raise
                except KnhkError as error:
                    self._runtime.strand(row, error)
                    continue
                if live is not None:  # else it has ended meanwhile
                    yield live

    async def wake(self, ids: Sequence[str]) -> None:
        """Bring parked cases back whose time has come; may be asked again where that failed.

        Raises :class:`~knhk.errors.StoreAway` when the store is.
        """
        turn = self._runtime.shards.turn
        with self._runtime.reading() as gone:
            for one in await self._ask(self._journal.stored, ids):
                await self._runtime.writer.room()
                row = one.row
                try:
                    if row.id not in self._runtime.live and row.status in UNFINISHED:
                        is_old = row.id in gone or turn != self._runtime.shards.turn
                        await self.load(row, None if is_old else one)
                except StoreAway:
                    raise
                except KnhkError as error:
                    self._runtime.strand(row, error)

    async def acquit(self) -> None:
        """Strike those off the stranded ones that have ended, or that the store does not have."""
        for case_id in list(self._runtime.stranded):
            row = await self._ask(self._journal.case, case_id)
            if row is None or row.status not in UNFINISHED:
                self._runtime.acquit(case_id, row)

    async def _load_one(
        self, row: CaseRow, stored: Stored | None = None, *, even_ended: bool = False
    ) -> LiveCase | None:
        fence = self._runtime.fence(row.shard)
        opening = self._runtime.opening.get(row.id)
        if opening is not None:
            # Its row is there, and the engine is about to hear of it: it is not to run twice.
            await opening.ended()
            live = self._runtime.live.get(row.id)
            if live is not None:
                return live
        with self._runtime.reading() as gone:
            live, stored = await self._made(row, stored, fence)
            is_other = live is not None and live.case.status is not row.status
            is_old = is_other and await self.row(row.id) != row
            if live is None or row.id in self._runtime.live:
                return self._runtime.live.get(row.id)  # somebody else was quicker
            if is_old or row.id in gone:  # it was run, and has left memory, meanwhile
                return await self._load_one(await self.row(row.id), even_ended=even_ended)
        if live.case.status in ENDED and not even_ended:
            return None
        if not self._runtime.shards.holds(fence):
            raise ShardLost(row.shard)
        self._runtime.add(live)
        live.standing.move(row.status, row.outcome)
        if self._runtime.wants(row):
            live.wake_up()
        else:
            live.is_abandoned = True
            if live.case.status in UNFINISHED:
                live.cancel()
        return live

    async def _made(
        self, row: CaseRow, stored: Stored | None, fence: Fence | None
    ) -> tuple[LiveCase | None, Stored]:
        """The case that is stored, and what that is; nothing if it is in memory by now."""
        version = await self._catalogue.version(row.workflow, row.digest)
        if stored is None:
            stored = (await self._ask(self._journal.stored, (row.id,)))[0]
        stored = await self._with_payloads(stored)
        if row.id in self._runtime.live:
            return None, stored
        try:
            return LiveCase.load(self._runtime, version, stored, fence), stored
        except SnapshotError:
            # It is of another release, damaged, or not enough: the inputs are all that counts.
            rows = await self._ask(self._journal.inputs, row.id)
            stored = await self._with_payloads(stored._replace(snapshot=None, inputs=rows))
            return LiveCase.load(self._runtime, version, stored, fence), stored

    async def _with_payloads(self, stored: Stored) -> Stored:
        """What is stored of a case, with the payloads that its bodies refer to."""
        if not referring(stored):
            return stored
        return await self._ask(with_payloads, self._journal, stored)

    async def row(self, case_id: str) -> CaseRow:
        """The row of a case, or :class:`~knhk.errors.UnknownName`."""
        row = await self._ask(self._journal.case, case_id)
        if row is None:
            raise UnknownName("case", case_id)
        return row

    # Sub-cases

    async def begin(self, parent: LiveCase, work: Work) -> None:
        """Begin the sub-case that does a piece of work, or find it again.

        Raises :class:`~knhk.errors.StoreAway` when the store is; then it may be asked again.
        """
        try:
            await self._begin(parent, work)
            work.is_begun = True
        except StoreAway:
            raise
        except (InputError, ExpressionError, TooDeep, CaseExists) as error:
            if parent.holds(work):
                parent.give_up(work, *failure_of(error))
        except KnhkError as error:
            self._runtime.lose(parent, error)

    async def _begin(self, parent: LiveCase, work: Work) -> None:
        call = work.start.call
        case_id = sub_case_id(call)
        live = self._runtime.live.get(case_id)
        row = await self._ask(self._journal.case, case_id) if live is None else live.standing.row
        if row is None:
            await self._open_sub_case(parent, work, case_id)
            return
        if (row.parent, row.parent_item) != (call.case, call.item):
            raise CaseExists(case_id)
        if live is not None:
            row = live.row  # as it stands now
        if row.status in UNFINISHED:
            if live is None:
                await self.load(row)
            return  # its end will tell the parent
        version = await self._catalogue.read_only(row.workflow, row.digest)
        outcome = row.outcome
        if refers(outcome):
            payloads = await self._ask(fetched, self._journal, (outcome,))
            outcome = read_outcome(row.id, partial(joined, payloads=payloads), outcome)
        value, failure = ending_of(row.id, version.facts, row.status, outcome)
        if parent.holds(work):
            parent.take_over(row, value, failure)
        if live is not None:
            live.abandon_work()

    async def _open_sub_case(self, parent: LiveCase, work: Work, case_id: str) -> None:
        start, performer = work.start, work.performer
        assert isinstance(performer, SubWorkflow)
        depth = parent.standing.row.depth + 1
        if depth > self._depth_max:
            raise TooDeep(performer.workflow, self._depth_max)
        version = await self._catalogue.version(performer.workflow, parent.version.digest)
        await self._runtime.writer.room()
        if not parent.holds(work):
            return
        now_us = self._runtime.clock.now_us()
        given = named(version.workflow, start.args, start.kwargs)
        values = version.workflow.accept(given, now_us)
        row = CaseRow(
            case_id,
            version.name,
            version.digest,
            now_us,
            parent=parent.id,
            parent_item=start.call.item,
            depth=depth,
            tenant=parent.standing.row.tenant,
            shard=parent.standing.row.shard,
        )
        if self._runtime.wants(row):  # the item may be withdrawn, and that on its way to the disk
            await self.open(version, row, values, Receipt())

    async def cancel(self, case_id: str) -> None:
        """Cancel a sub-case that is not wanted any more, if it is there and has not ended.

        Raises :class:`~knhk.errors.StoreAway` when the store is; then it may be asked again.
        """
        await self._runtime.writer.room()
        opening = self._runtime.opening.get(case_id)
        if opening is not None:
            await opening.ended()
        live = self._runtime.live.get(case_id)
        if live is not None:
            live.cancel()
            return
        row = await self._ask(self._journal.case, case_id)
        if row is None or row.status not in UNFINISHED:
            return
        try:
            await self.load(row)  # which cancels what is not wanted
        except StoreAway:
            raise
        except KnhkError as error:
            self._runtime.strand(row, error)

    async def _ask(self, question: Callable[..., T], *args: object) -> T:
        return await asked(self._journal, self._runtime.patience_s, question, *args)
