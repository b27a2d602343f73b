"""Whose turn it is: fair between tenants, and by priority within each.

Theory of operation. A tenant of weight *w* that is served gets older by 1/*w*; next is always the
youngest tenant that has something waiting (start-time fair queueing: Goyal, Vin and Cheng 1996).
So whoever has waited for nothing yet is next after at most one round of the others, however much
these have waiting; and while many tenants wait, each is served in proportion to its weight. A
tenant that comes back after a time with nothing to do is as old as the one served last: being
absent is nothing that one could save up.

Within a tenant a larger priority goes first, and what is older among equals. As that alone could
keep a small priority waiting for ever, every :data:`OLDEST_EVERY`-th time the tenant's oldest goes.

Ages are shared between the queues of one engine that serve from them (:class:`Ages`), so that a
tenant does not get a share of its own in each.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import lru_cache
from heapq import heappop, heappush
from typing import Final, Generic, NamedTuple, TypeVar, final

__all__ = [
    "LINE",
    "OLDEST_EVERY",
    "PLAIN",
    "Ages",
    "FairQueue",
    "Line",
    "Rank",
    "ReadyQueue",
    "line_of",
]

#: Every so many turns of a tenant its oldest goes, whatever its priority.
OLDEST_EVERY: Final = 10
#: Lines that are remembered.
LINES_MAX: Final = 10_000
#: Tenants whose ages are kept before those are cleared out that tell nothing.
TENANTS_MAX: Final = 1_000

T = TypeVar("T")


class Line(NamedTuple):
    """What stands in line together, first come first served: one tenant's, of one priority."""

    tenant: str = ""
    priority: int = 0


#: The line of most work.
PLAIN: Final = Line()
#: The line of the work that is being done.
LINE: Final[ContextVar[Line]] = ContextVar("knhk_line", default=PLAIN)


@lru_cache(maxsize=LINES_MAX)
def line_of(tenant: str, priority: int) -> Line:
    """A line; most often the same object for the same one, so that comparing it is quick."""
    if not tenant and not priority:
        return PLAIN
    return Line(tenant, priority)


class Rank(NamedTuple):
    """When a queue's next is due, compared with that of another queue: the smaller goes first."""

    age: float
    negative_priority: int
    number: int


@final
class Ages:
    """How much each tenant has been served, in units of its weight (1 if it has none)."""

    def __init__(self, weights: Mapping[str, int] | None = None) -> None:
        self._weights = {} if weights is None else weights
        self._other = self._weights.get("*", 1)
        self._ages: dict[str, float] = {}
        self._last = 0.0
        self._count = 0
        self._ages_max = TENANTS_MAX

    def of(self, tenant: str) -> float:
        """The age of a tenant that waits."""
        return self._ages.get(tenant, self._last)

    def arrive(self, tenant: str) -> None:
        """A tenant has something waiting, and had nothing: its absence is not made up for."""
        self._ages[tenant] = max(self._ages.get(tenant, 0.0), self._last)

    def serve(self, tenant: str, *, is_last: bool) -> None:
        """A tenant gets its turn; ``is_last`` if nobody else waits."""
        age = self.of(tenant)
        after = self._ages[tenant] = age + 1.0 / self._weights.get(tenant, self._other)
        self._last = max(self._last, after if is_last else age)
        if len(self._ages) > self._ages_max:
            self._clear_out()

    def next_number(self) -> int:
        """A number that is larger than all before it."""
        self._count += 1
        return self._count

    def _clear_out(self) -> None:
        """Forget the tenants that are as old as one that is not known."""
        self._ages = {name: age for name, age in self._ages.items() if age > self._last}
        self._ages_max = 2 * len(self._ages) + TENANTS_MAX


@final
class _Backlog(Generic[T]):
    """What one tenant has waiting, by priority, with the numbers that they came by."""

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self.by_priority: dict[int, OrderedDict[T, int]] = {}
        self.turns = 0

    def next_priority(self) -> int:
        """The priority whose oldest is next."""
        waiting = self.by_priority
        if len(waiting) == 1:
            return next(iter(waiting))
        if self.turns % OLDEST_EVERY == OLDEST_EVERY - 1:
            return min(waiting, key=lambda priority: next(iter(waiting[priority].values())))
        return max(waiting)

    def take(self) -> T:
        priority = self.next_priority()
        queue = self.by_priority[priority]
        job, _number = queue.popitem(last=False)
        if not queue:
            del self.by_priority[priority]
        self.turns += 1
        return job


@final
class FairQueue(Generic[T]):
    """Things that wait, each in a line; what is waiting is told apart by identity or equality.

    ``may`` says whether a tenant may be served at all now; one that may not stands aside until
    :meth:`bring_back`.
    """

    def __init__(self, ages: Ages, may: Callable[[str], bool] | None = None) -> None:
        self._ages = ages
        self._may = may
        self._backlogs: dict[str, _Backlog[T]] = {}
        #: Every tenant with a backlog that does not stand aside, once, by an age that it has had.
        self._order: list[tuple[float, int, _Backlog[T]]] = []
        self._aside: set[str] = set()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def counts(self) -> Mapping[str, int]:
        """How much each tenant has waiting."""
        return {
            tenant: sum(map(len, backlog.by_priority.values()))
            for tenant, backlog in self._backlogs.items()
        }

    def put(self, line: Line, job: T) -> None:
        """Have ``job`` wait in its line."""
        backlog = self._backlogs.get(line.tenant)
        if backlog is None:
            backlog = self._backlogs[line.tenant] = _Backlog(line.tenant)
            self._ages.arrive(line.tenant)
            self._enter(backlog)
        elif not backlog.by_priority and line.tenant not in self._aside:
            self._ages.arrive(line.tenant)
        queue = backlog.by_priority.setdefault(line.priority, OrderedDict())
        queue[job] = self._ages.next_number()
        self._count += 1

    def rank(self) -> Rank | None:
        """How soon the next one is due; ``None`` if there is none that may be served."""
        backlog = self._first()
        if backlog is None:
            return None
        priority = backlog.next_priority()
        number = next(iter(backlog.by_priority[priority].values()))
        return Rank(self._ages.of(backlog.tenant), -priority, number)

    def take(self) -> T:
        """The next one, which waits no more; there has to be one."""
        backlog = self._first()
        assert backlog is not None, "nothing waits that may be served"
        heappop(self._order)
        job = backlog.take()
        self._count -= 1
        self._ages.serve(backlog.tenant, is_last=not self._count)
        if backlog.by_priority:
            self._enter(backlog)
        else:
            del self._backlogs[backlog.tenant]
        return job

    def discard(self, line: Line, job: T) -> None:
        """Have something wait no more, if it does."""
        backlog = self._backlogs.get(line.tenant)
        queue = None if backlog is None else backlog.by_priority.get(line.priority)
        if backlog is None or queue is None or queue.pop(job, None) is None:
            return
        self._count -= 1
        if not queue:
            # An empty backlog stays until it is come upon, so that it is in order only once.
            del backlog.by_priority[line.priority]

    def bring_back(self, tenant: str) -> None:
        """A tenant that stood aside may be served again."""
        if tenant in self._aside:
            self._aside.discard(tenant)
            self._ages.arrive(tenant)
            self._enter(self._backlogs[tenant])

    def _enter(self, backlog: _Backlog[T]) -> None:
        age = self._ages.of(backlog.tenant)
        heappush(self._order, (age, self._ages.next_number(), backlog))

    def _first(self) -> _Backlog[T] | None:
        """The backlog of the tenant that is next, at the head of the order."""
        order = self._order
        while order:
            age, _number, backlog = order[0]
            tenant = backlog.tenant
            if not backlog.by_priority:
                heappop(order)
                del self._backlogs[tenant]
            elif self._may is not None and not self._may(tenant):
                heappop(order)
                self._aside.add(tenant)
            elif age < self._ages.of(tenant):  # it has been served elsewhere meanwhile
                heappop(order)
                self._enter(backlog)
            else:
                return backlog
        return None


@final
class ReadyQueue(Generic[T]):
    """Things that wait to be done: fair between tenants and by priority, where that matters.

    As long as all of it is of one line it is first come first served, and costs no more than
    that.
    """

    def __init__(self, ages: Ages) -> None:
        #: What waits, as long as it is all of one line, which then is ``_line``.
        self._plain: deque[T] = deque()
        self._line: Line | None = None
        self._plain_line = PLAIN
        self._fair: FairQueue[T] = FairQueue(ages)

    def __len__(self) -> int:
        return len(self._plain) + len(self._fair)

    def put(self, line: Line, job: T) -> None:
        """Have something wait in its line."""
        if line is self._line:
            self._plain.append(job)
        elif self._plain or self._fair:
            self._put_fairly(line, job)
        else:
            self._line = self._plain_line = line
            self._plain.append(job)

    def take(self) -> T:
        """The next one; there has to be one."""
        return self._plain.popleft() if self._plain else self._fair.take()

    def clear(self) -> None:
        """Forget all that waits."""
        self._plain.clear()
        while self._fair:
            self._fair.take()

    def _put_fairly(self, line: Line, job: T) -> None:
        """Have something wait that is of another line than something before it."""
        self._line = None
        while self._plain:
            self._fair.put(self._plain_line, self._plain.popleft())
        self._fair.put(line, job)
