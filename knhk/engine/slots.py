"""Places at work: who has one, who waits for one, and who is next.

Theory of operation. A limit is a number of places. A work item needs a place under each limit
that it falls under, all of them at once, for as long as its work goes on. An item that cannot have
them *stays offered*: its start is an input like any other, given when its turn has come. So its
timeout does not run meanwhile, and a crash finds it where it was.

Items that need places under the same limits wait in one *lane*; under the limit of its tenant is
whoever is of that tenant, in any lane. A lane has a queue that is fair between tenants
(:mod:`knhk.engine.fairness`); a tenant at its own limit stands aside there. Of all lanes with room
the one whose next is due first is served. Whenever a place has become free, everybody who can go
on does so before anything else is let in; so what comes later never overtakes.

A ticket is freed when the work has really ended: what was stopped may take a while to notice. Only
of a plain function in a thread that is given up it cannot be known when it ends, so it does not
count any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, final

from knhk.engine.concurrency import Concurrency, Need
from knhk.engine.fairness import Ages, FairQueue, Line, Rank

__all__ = ["Lane", "LimitUse", "Slots", "Ticket"]


@final
@dataclass(frozen=True, slots=True)
class LimitUse:
    """A limit and how far it is used: ``taken`` places, and ``waiting`` items that need one.

    ``name`` is ``total``, ``task WORKFLOW.TASK``, ``connector NAME`` or ``tenant NAME``. Where
    versions of a workflow say different things, ``at_most`` is the smallest of these.
    """

    name: str
    at_most: int
    taken: int
    waiting: int


@final
class _Limit:
    """The places of one limit, whatever at most each who needs one allows."""

    __slots__ = ("at_most", "shown", "taken")

    def __init__(self, shown: str, at_most: int) -> None:
        self.shown = shown
        self.at_most = at_most
        self.taken = 0


@final
class Lane:
    """Where items wait that need the same places."""

    def __init__(self, needs: list[tuple[_Limit, int]], queue: FairQueue[Ticket]) -> None:
        self.needs: Final = needs
        self.queue: Final = queue

    def has_room(self) -> bool:
        """Whether there is a place under each of its limits."""
        return all(limit.taken < at_most for limit, at_most in self.needs)


@final
class Ticket:
    """One item that wants its places, or has them; ``go`` is called when its turn has come."""

    __slots__ = ("_slots", "go", "is_held", "is_over", "lane", "line")

    def __init__(self, slots: Slots, lane: Lane, line: Line, go: Callable[[], None]) -> None:
        self._slots = slots
        self.lane: Final = lane
        self.line: Final = line
        self.go: Final = go
        self.is_held = False
        self.is_over = False

    def free(self) -> None:
        """Give the places back, or wait no more; nobody goes on before :meth:`Slots.serve`."""
        self._slots.free(self)

    def release(self) -> None:
        """Give the places back, or wait no more; others go on."""
        self._slots.free(self)
        self._slots.serve()


@final
class Slots:
    """The places of one engine."""

    def __init__(self, concurrency: Concurrency) -> None:
        self._concurrency = concurrency
        self._ages = Ages(concurrency.weights)
        self._limits: dict[str, _Limit] = {}
        self._lanes: dict[tuple[Need, ...], Lane] = {}
        #: Work that goes on, by tenant, of those that have a limit.
        self._tenants: dict[str, int] = {}
        self._waiting = 0
        self._held = 0  # blocks that hold new work back
        self._has_freed = False
        self._is_serving = False
        self._closed = False

    def lane(self, needs: tuple[Need, ...]) -> Lane:
        """The lane of those who need these places."""
        lane = self._lanes.get(needs)
        if lane is None:
            limits = [(self._limit(need), need.at_most) for need in needs]
            lane = self._lanes[needs] = Lane(limits, FairQueue(self._ages, self._may))
        return lane

    def limits_tenant(self, tenant: str) -> bool:
        """Whether a tenant has a limit of its own."""
        return self._concurrency.of_tenant(tenant) is not None

    def ask(self, ticket: Ticket, *, has_begun: bool = False) -> None:
        """Give a ticket its places if it can have them now; else it waits for its turn.

        Work that ``has_begun`` before a restart is not held back.
        """
        lane, tenant = ticket.lane, ticket.line.tenant
        overtakes = self._waiting and self._has_freed
        is_held_back = self._held and not has_begun
        has_room = lane.has_room() and self._may(tenant)
        if self._closed or overtakes or is_held_back or not has_room:
            self._wait(ticket)
        else:
            self._take(ticket)

    def free(self, ticket: Ticket) -> None:
        """Give back the places of a ticket, or have it wait no more; once is enough."""
        if ticket.is_over:
            return
        ticket.is_over = True
        lane, tenant = ticket.lane, ticket.line.tenant
        if not ticket.is_held:
            self._waiting -= 1
            lane.queue.discard(ticket.line, ticket)
            return
        for limit, _ in lane.needs:
            limit.taken -= 1
        self._has_freed = True
        if tenant in self._tenants:
            self._tenants[tenant] -= 1
            if not self._tenants[tenant]:
                del self._tenants[tenant]
            for each in self._lanes.values():
                each.queue.bring_back(tenant)

    def serve(self) -> None:
        """Let everybody go on who can."""
        if self._is_serving or not self._has_freed or self._held or self._closed:
            return
        self._is_serving = True
        try:
            while self._waiting and (lane := self._next_lane()) is not None:
                ticket = lane.queue.take()
                self._waiting -= 1
                self._take(ticket)
                ticket.go()
            self._has_freed = False
        finally:
            self._is_serving = False

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """Let nothing new begin in the block: what has begun before a restart goes first."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
            self._has_freed = True
            self.serve()

    def close(self) -> None:
        """Let nobody go on any more."""
        self._closed = True

    def why_waiting(self, ticket: Ticket) -> str:
        """The limits that keep a ticket waiting, in words."""
        full = [
            f"{limit.shown} (at most {at_most} at once)"
            for limit, at_most in ticket.lane.needs
            if limit.taken >= at_most
        ]
        tenant = ticket.line.tenant
        if not self._may(tenant):
            limit = self._concurrency.of_tenant(tenant)
            full.append(f"tenant {tenant} (at most {limit} at once)")
        return " and ".join(full) or "its turn"

    def usage(self) -> tuple[LimitUse, ...]:
        """How far each limit is used: those of tasks, connectors and the total, then of tenants."""
        found: list[LimitUse] = []
        for limit in self._limits.values():
            lanes = [
                lane for lane in self._lanes.values() if any(limit is one for one, _ in lane.needs)
            ]
            waiting = sum(len(lane.queue) for lane in lanes)
            found.append(LimitUse(limit.shown, limit.at_most, limit.taken, waiting))
        waiting_of: dict[str, int] = dict.fromkeys(self._tenants, 0)
        for lane in self._lanes.values():
            for tenant, count in lane.queue.counts().items():
                waiting_of[tenant] = waiting_of.get(tenant, 0) + count
        for tenant, waiting in waiting_of.items():
            at_most = self._concurrency.of_tenant(tenant)
            if at_most is not None:
                taken = self._tenants.get(tenant, 0)
                found.append(LimitUse(f"tenant {tenant}", at_most, taken, waiting))
        return tuple(found)

    # Small things

    def _limit(self, need: Need) -> _Limit:
        limit = self._limits.get(need.limit)
        if limit is None:
            limit = self._limits[need.limit] = _Limit(need.shown, need.at_most)
        limit.at_most = min(limit.at_most, need.at_most)
        return limit

    def _may(self, tenant: str) -> bool:
        """Whether a tenant's own limit leaves room."""
        at_most = self._concurrency.of_tenant(tenant)
        return at_most is None or self._tenants.get(tenant, 0) < at_most

    def _wait(self, ticket: Ticket) -> None:
        ticket.lane.queue.put(ticket.line, ticket)
        self._waiting += 1

    def _take(self, ticket: Ticket) -> None:
        ticket.is_held = True
        for limit, _ in ticket.lane.needs:
            limit.taken += 1
        tenant = ticket.line.tenant
        if self._concurrency.of_tenant(tenant) is not None:
            self._tenants[tenant] = self._tenants.get(tenant, 0) + 1

    def _next_lane(self) -> Lane | None:
        """The lane whose next is due first, of those where it can go on."""
        best: tuple[Rank, Lane] | None = None
        for lane in self._lanes.values():
            if not len(lane.queue) or not lane.has_room():
                continue
            rank = lane.queue.rank()
            if rank is not None and (best is None or rank < best[0]):
                best = rank, lane
        return None if best is None else best[1]
