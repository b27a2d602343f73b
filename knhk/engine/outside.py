"""Work from outside: asked for, claimed, kept up, done or given back.

Theory of operation. What there is to do is asked of the journal (:mod:`knhk.engine.offers`). To
claim it its case comes into memory, and the first who claims an item there has it: whatever is done
to a case is done in one order. What is done to work names the attempt that it is meant for, so
nobody can complete what is somebody else's by now; what comes too late is recorded as that.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Final, Protocol, TypeVar, final

from knhk.engine.catalogue import asked
from knhk.engine.claims import Claim, Meant, Which, claim_of, offer_as_told, until
from knhk.engine.clock import Clock
from knhk.engine.facts import NO_PAYLOADS
from knhk.engine.failing import Failing
from knhk.engine.live import LiveCase, Refused
from knhk.engine.naming import check_worker
from knhk.engine.offers import NEVER_US
from knhk.engine.payloads import fetched, refers
from knhk.engine.relay import carried
from knhk.engine.repairing import item_to_release
from knhk.engine.report import WorkOffer
from knhk.errors import (
    CaseEnded,
    ClaimLost,
    KnhkError,
    MisfitError,
    NotOffered,
    ResultError,
    StoreAway,
    UnknownName,
    UsageError,
)
from knhk.journal import Journal, Lease, Offer, OpenWork, Receipt, WorkFilter
from knhk.journal.patience import Patience
from knhk.kernel import WorkItem
from knhk.model import COMPLETE, FAIL, RELEASE, START, US_PER_S, CaseStatus, Input, ItemState

__all__ = ["OutsideWork"]

#: Offers that are read at once for somebody who asks for the next.
NEXT_MAX: Final = 20

_log = logging.getLogger(__name__)

T = TypeVar("T")


class Reach(Protocol):
    """A case in memory for the length of a block."""

    def __call__(
        self, case_id: str, asked: str, *, even_ended: bool = False
    ) -> AbstractAsyncContextManager[LiveCase]: ...


@final
class OutsideWork:
    """The work for outside of one engine.

    ``reach`` brings cases into memory; ``give`` gives them facts, about a task, and waits until
    these are written; ``claim`` claims an item, by the number, of a case wherever that runs;
    ``patience`` is for those who wait for something to be written.
    """

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        patience_s: float,
        reach: Reach,
        give: Callable[[LiveCase, list[Input], str], Awaitable[int]],
        claim: Callable[[str, Which, str, float | None], Awaitable[Claim]],
        patience: Callable[[], Patience],
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._patience_s = patience_s
        self._reach = reach
        self._give = give
        self._claim = claim
        self._patience = patience
        #: What is being claimed by those who ask for the next.
        self._sought: set[tuple[str, int]] = set()

    # Looking

    async def page(
        self, wanted: WorkFilter, after: WorkOffer | None, limit: int
    ) -> tuple[WorkOffer, ...]:
        """What there is to do, in order; ``after`` is the last one of the page before."""
        found = await self._work(wanted, None if after is None else _place(after), limit)
        return await self._told(found)

    async def _work(
        self, wanted: WorkFilter, after: Offer | None, limit: int
    ) -> tuple[OpenWork, ...]:
        return await self._ask(partial(self._journal.work, wanted, after=after, limit=limit))

    async def _told(self, found: tuple[OpenWork, ...]) -> tuple[WorkOffer, ...]:
        bodies = [one.offer.body for one in found if refers(one.offer.body)]
        payloads = await self._ask(fetched, self._journal, bodies) if bodies else NO_PAYLOADS
        return tuple([offer_as_told(one, payloads) for one in found])

    # Claiming

    async def claim(self, case_id: str, which: Which, worker: str, lease_s: float | None) -> Claim:
        """Give somebody the oldest item of a task that nobody holds, or an item by its number."""
        check_worker(worker)
        until(0, lease_s)
        async with self._reach(case_id, "claiming work") as live:
            number = _open_item(live, which)
            if live.case.status is not CaseStatus.running:
                why = f"the case is {live.case.status}: nothing is offered"
                raise NotOffered(live.case.item(number).task, why)
            return await self._hold(live, number, worker, lease_s)

    async def claim_next(
        self, wanted: WorkFilter, worker: str, lease_s: float | None
    ) -> Claim | None:
        """Give somebody the first of what is wanted and nobody holds; ``None`` if there is none."""
        check_worker(worker)
        until(0, lease_s)
        after: Offer | None = None
        while page := await self._work(wanted._replace(is_held=False), after, NEXT_MAX):
            for one in page:
                claim = await self._claim_if_open(one.offer, worker, lease_s)
                if claim is not None:
                    return claim
            after = page[-1].offer
        return None

    async def _claim_if_open(
        self, offer: Offer, worker: str, lease_s: float | None
    ) -> Claim | None:
        """Claim what was open a moment ago; ``None`` if somebody was quicker."""
        key = offer.case, offer.item
        if key in self._sought:
            return None
        self._sought.add(key)
        try:
            return await self._claim(offer.case, offer.item, worker, lease_s)
        except StoreAway:
            raise
        except (NotOffered, CaseEnded, UnknownName):
            return None
        except KnhkError as error:  # one case that cannot be had must not keep all others back
            _log.warning("work of case %s cannot be claimed: %s", offer.case, error)
            return None
        finally:
            self._sought.discard(key)

    async def _hold(self, live: LiveCase, number: int, worker: str, lease_s: float | None) -> Claim:
        """Have somebody hold an item; what the workflow gives along is as the journal has it."""
        item = live.case.item(number)
        lease = Lease(number, item.attempt, worker, until(self._now_us(live), lease_s))
        receipt = Receipt(self._patience())
        try:
            live.hold(lease, receipt, carried())
        except Refused as refused:
            raise NotOffered(item.task, str(refused)) from None
        await receipt.written()
        found = await self._work(WorkFilter(case=live.id, item=number), None, 1)
        if not found or found[0].offer.attempt != lease.attempt:
            raise ClaimLost(item.task, live.id, number, lease.attempt, _fate(item))
        (offer,) = await self._told(found)
        return claim_of(offer, lease)

    async def heartbeat(self, meant: Meant, lease_s: float | None) -> Claim:
        """Prolong a claim: it lasts for ``lease_s`` from now on."""
        until(0, lease_s)
        async with self._meant(meant, "keeping work up") as (live, item):
            lease = live.lease(item.id)
            if lease is None:
                raise NotOffered(item.task, f"nobody holds work item {item.id}; claim it")
            return await self._hold(live, item.id, lease.holder, lease_s)

    # Ending

    async def complete(self, meant: Meant, value: object) -> None:
        """Complete work; ``value`` is recorded as late if its attempt is over."""
        async with self._meant(meant, "completing work", (value, None)) as (live, item):
            try:
                typed = live.version.facts.accept(item, value)
                fact = Input(COMPLETE, self._now_us(live), item.id, value=typed)
                await self._give(live, [*self._start(live, item), fact], item.task)
            except MisfitError as error:
                raise ResultError(item.task, error.misfits) from error

    async def fail(self, meant: Meant, error: str, message: str) -> None:
        """Fail an attempt at work; the error is recorded as late if that is over."""
        failure = (error, message, ())
        async with self._meant(meant, "failing work", (None, failure)) as (live, item):
            fact = Input(FAIL, self._now_us(live), item.id, value=(), error=error, message=message)
            try:
                await self._give(live, [*self._start(live, item), fact], item.task)
            except MisfitError as misfit:
                raise UsageError(f"the error cannot be kept: {misfit}") from misfit

    async def release(self, meant: Meant) -> None:
        """Give started work back, whoever holds it; with an attempt only if that is it."""
        asked = "giving its work back"
        if meant.attempt is not None:
            async with self._meant(meant, asked) as (live, item):
                await self._give(live, [Input(RELEASE, self._now_us(live), item.id)], item.task)
            return
        async with self._reach(meant.case, asked) as live:
            if isinstance(meant.which, str):
                _check_task(live, meant.which)
            item = item_to_release(live.case, meant.which)
            await self._give(live, [Input(RELEASE, self._now_us(live), item.id)], item.task)

    def _start(self, live: LiveCase, item: WorkItem) -> list[Input]:
        """The start of an item that has none yet."""
        is_offered = item.state is ItemState.offered
        return [Input(START, self._now_us(live), item.id)] if is_offered else []

    @asynccontextmanager
    async def _meant(
        self, meant: Meant, asked: str, late: tuple[object, Failing | None] | None = None
    ) -> AsyncIterator[tuple[LiveCase, WorkItem]]:
        """The item that is meant; where its attempt is over, ``late`` is recorded, if given."""
        attempt, which = meant.attempt, meant.which
        even_ended = attempt is not None and late is not None
        async with self._reach(meant.case, asked, even_ended=even_ended) as live:
            if attempt is None:
                number = _open_item(live, which)
            elif isinstance(which, str):
                number = _item_of_attempt(live, which, attempt)
            else:
                number = which
            item = live.case.item(number)
            if attempt is not None and not _is_at(live, item, attempt):
                if late is not None:
                    await self._record(live, number, attempt, *late)
                raise ClaimLost(item.task, live.id, number, attempt, _fate(item))
            yield live, item

    async def _record(
        self, live: LiveCase, number: int, attempt: int, value: object, failure: Failing | None
    ) -> None:
        receipt = Receipt(self._patience())
        if live.late(number, attempt, value, failure, receipt):
            await receipt.written()

    # Small things

    def _now_us(self, live: LiveCase) -> int:
        return max(self._clock.now_us(), live.case.now_us)

    async def _ask(self, question: Callable[..., T], *args: object) -> T:
        return await asked(self._journal, self._patience_s, question, *args)


def _open_item(live: LiveCase, which: Which) -> int:
    """By task name the oldest item that nobody holds, what is started first; or by its number."""
    case = live.case
    if isinstance(which, str):
        _check_task(live, which)
        numbers = [each for each in live.outside_items() if case.item(each).task == which]
        if not numbers:
            raise NotOffered(which, f"there is no work for outside; {case.explain(which)}")
        # What has been started is older work than what is only offered.
        numbers.sort(key=lambda number: case.item(number).state is ItemState.offered)
        free = [number for number in numbers if live.lease(number) is None]
        if not free:
            raise NotOffered(which, _held(live, numbers[0]))
        return free[0]
    item = case.item(which)
    if not live.is_outside(item):
        raise NotOffered(item.task, f"work item {which} ({item.state}) is not for outside now")
    if live.lease(which) is not None:
        raise NotOffered(item.task, _held(live, which))
    return which


def _held(live: LiveCase, number: int) -> str:
    """Who has an item, and what can be done about it."""
    lease = live.lease(number)
    assert lease is not None
    item = live.case.item(number)
    end = ""
    if lease.until_us < NEVER_US:
        moment = datetime.fromtimestamp(lease.until_us / US_PER_S, UTC)
        end = f" until {moment:%Y-%m-%d %H:%M:%S} UTC"
    by = f" by {lease.holder!r}" if lease.holder else ""
    return (
        f"work item {number} ({item.state}) is held{by}{end}, as attempt {lease.attempt}:"
        " whoever holds it names that attempt; `release` gives it back"
    )


def _item_of_attempt(live: LiveCase, task: str, attempt: int) -> int:
    _check_task(live, task)
    for number in live.outside_items():
        item = live.case.item(number)
        if item.task == task and _is_at(live, item, attempt):
            return number
    why = f"no work item of it is at attempt {attempt}; {live.case.explain(task)}"
    raise NotOffered(task, why)


def _is_at(live: LiveCase, item: WorkItem, attempt: int) -> bool:
    """Whether that attempt at an item is under way outside."""
    is_started = item.state is ItemState.started and item.attempt == attempt
    return is_started and live.is_outside(item)


def _fate(item: WorkItem) -> str:
    """What has become of an item."""
    if item.state in (ItemState.offered, ItemState.started):
        return f"it is {item.state} as attempt {item.attempt}"
    return f"it is {item.state}"


def _check_task(live: LiveCase, task: str) -> None:
    if task not in live.version.performers:
        raise UnknownName("task", task, live.version.performers)


def _place(offer: WorkOffer) -> Offer:
    """Where in the order of all work an offer stands."""
    return Offer(
        offer.case,
        offer.item,
        offer.attempt,
        offer.state is ItemState.started,
        offer.workflow,
        offer.task,
        priority=offer.priority,
        since_us=offer.since_us,
    )
