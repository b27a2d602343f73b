"""Which items of one case may begin now, where an engine or a workflow has limits."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import final

from knhk.call import Call
from knhk.engine.concurrency import is_counted
from knhk.engine.fairness import line_of
from knhk.engine.slots import Slots, Ticket
from knhk.engine.version import Version
from knhk.kernel import WorkItem
from knhk.model import START, Input

__all__ = ["Admission", "admission"]


def admission(
    slots: Slots, version: Version, tenant: str, begin: Callable[[int], None]
) -> Admission | None:
    """What lets the items of a case begin; ``None`` where nothing is limited."""
    if not version.needs and not slots.limits_tenant(tenant):
        return None
    return Admission(slots, version, tenant, begin)


@final
class Admission:
    """The tickets of one case; ``begin`` starts an item, by its number, whose turn has come.

    A ticket is here until its work is handed over to be done, and then is with the work.
    """

    def __init__(
        self, slots: Slots, version: Version, tenant: str, begin: Callable[[int], None]
    ) -> None:
        self._slots = slots
        self._version = version
        self._tenant = tenant
        self._begin = begin
        #: Of items that are offered.
        self._offered: dict[int, Ticket] = {}
        #: Of items that are started, by their attempt, whose work is not yet handed over.
        self._started: dict[tuple[int, int], Ticket] = {}

    @property
    def is_waiting(self) -> bool:
        """Whether something of the case waits for its turn, or to be handed over."""
        return bool(self._offered) or bool(self._started)

    def admits(self, item: WorkItem) -> bool:
        """Whether an offered item may be started now; else it is begun when its turn comes."""
        ticket = self._offered.get(item.id)
        if ticket is None:
            ticket = self._ticket(item, partial(self._begin, item.id))
            if ticket is None:
                return True
            self._offered[item.id] = ticket
            self._slots.ask(ticket)
        return ticket.is_held

    def allows(self, fact: Input) -> bool:
        """Whether a fact is none that starts an item whose turn has not come."""
        ticket = self._offered.get(fact.item) if fact.kind == START else None
        return ticket is None or ticket.is_held

    def start(self, item: WorkItem) -> None:
        """An item has been started."""
        ticket = self._offered.pop(item.id, None)
        if ticket is not None:
            self._started[item.id, item.attempt] = ticket

    def start_again(self, item: WorkItem, go: Callable[[], None]) -> None:
        """Have work go on that has begun before a restart, when it has its places again."""
        ticket = self._ticket(item, go)
        if ticket is not None:
            self._started[item.id, item.attempt] = ticket
            self._slots.ask(ticket, has_begun=True)
        if ticket is None or ticket.is_held:
            go()

    def hand_over(self, call: Call) -> Ticket | None:
        """The ticket of an attempt whose work is going to be done, or is not wanted any more."""
        return self._started.pop((call.item, call.attempt), None)

    def withdraw(self, number: int) -> None:
        """An item is not offered any more."""
        ticket = self._offered.pop(number, None)
        if ticket is not None:
            ticket.free()

    def leave(self) -> None:
        """Nothing of the case may be started now: what waits for that does so no more."""
        for number in list(self._offered):
            self.withdraw(number)

    def serve(self) -> None:
        """Let others have what this case has left free."""
        self._slots.serve()

    def close(self) -> None:
        """The case leaves memory."""
        self.leave()
        for ticket in self._started.values():
            ticket.free()
        self._started.clear()
        self._slots.serve()

    def why_waiting(self, number: int) -> str:
        """What an offered item waits for, in words; empty if it does not wait."""
        ticket = self._offered.get(number)
        if ticket is None or ticket.is_held:
            return ""
        return self._slots.why_waiting(ticket)

    def _ticket(self, item: WorkItem, go: Callable[[], None]) -> Ticket | None:
        version, slots = self._version, self._slots
        needs = version.needs.get((item.task, item.undoes is not None), ())
        if not needs and not (
            slots.limits_tenant(self._tenant) and is_counted(version.performer(item))
        ):
            return None
        line = line_of(self._tenant, version.priorities.get(item.task, 0))
        return Ticket(slots, slots.lane(needs), line, go)
