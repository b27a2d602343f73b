"""What a case has for somebody outside: offered in the journal, and held under leases.

Theory of operation. Whatever work of a case may be done outside stands in the journal as an offer,
written in the commit of the inputs that made it so. Hence the work of a million parked cases can be
asked for without any of them in memory. An item is *open*, and has an offer, when it is offered for
somebody outside, or has been handed out to them; in a case that stands still only what somebody
holds is.

Who *claims* an item holds it under a lease. A lease ends with the attempt that it was given for: by
its result, or because the case wanted it no more. Where its time runs out before that, the item is
given back (the input ``release``) and so offered anew, as another attempt. The number of the
attempt is what tells its holder from all that held it before: it is the fence.

After an input only those items are looked at that it has touched. All are when the case begins or
ceases to stand still, and when it comes into memory: then what a crash, a copy or an earlier
release have left out is made good.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple, final

from knhk.engine.callees import role_of
from knhk.engine.facts import encode_json
from knhk.engine.performer import Manner
from knhk.engine.plain import jsonable
from knhk.engine.version import Version
from knhk.engine.work import Start
from knhk.journal import CaseRow, Lease, Offer, Stored
from knhk.kernel import Case, WorkItem
from knhk.model import CaseStatus, ItemState

__all__ = ["NEVER_US", "NONE", "Changes", "Offers", "recordable", "wake_of"]

#: The end of a lease that has none.
NEVER_US: Final = 2**62
#: The longest name of a type that is told in the place of a value that cannot be written.
_TYPE_MAX: Final = 200

_OUTSIDE: Final = (Manner.outside, Manner.handed_out)


class Changes(NamedTuple):
    """What is to be written of a case's work for outside, as in :class:`knhk.journal.Commit`."""

    offers: tuple[Offer, ...] = ()
    closed: tuple[int, ...] = ()
    leases: tuple[Lease, ...] = ()


class _Known(NamedTuple):
    """What of an offer may change, as the journal has it; and how old it is."""

    attempt: int
    is_started: bool
    since_us: int


#: Nothing has changed.
NONE: Final = Changes()


@final
class Offers:
    """The work of one case in memory that is for outside."""

    __slots__ = ("_case", "_known", "_leases", "_row", "_touched", "_version")

    def __init__(self, case: Case, version: Version, row: CaseRow) -> None:
        self._case = case
        self._version = version
        self._row = row
        self._known: dict[int, _Known] = {}
        self._leases: dict[int, Lease] = {}
        self._touched: set[int] | None = None

    def restore(self, stored: Stored) -> None:
        """Begin with what the journal has."""
        for offer in stored.offers:
            self._known[offer.item] = _Known(offer.attempt, offer.is_started, offer.since_us)
        self._leases.update((lease.item, lease) for lease in stored.leases)
        self.touch_all()

    def touch(self, number: int) -> None:
        """Something has happened to an item."""
        if self._touched is None:
            self._touched = {number}
        else:
            self._touched.add(number)

    def touch_all(self) -> None:
        """Something has happened that all items depend on."""
        for number in (*self._known, *self._leases, *(item.id for item in self._case.open_items)):
            self.touch(number)

    # Leases

    def lease(self, number: int) -> Lease | None:
        """Who holds an item; ``None`` if nobody does."""
        return self._leases.get(number)

    def wake_us(self) -> int:
        """When the case wants to be woken: by a timer or by the end of a lease; -1 for never."""
        return wake_of(self._case, self._leases.values())

    def expired(self, now_us: int) -> list[int]:
        """The items whose leases have run out."""
        return [item for item, lease in self._leases.items() if lease.until_us <= now_us]

    # What is to be written

    def changes(self, taken: Lease | None = None) -> Changes:
        """What is different now from what the journal has; it is taken to be written next.

        ``taken`` is a lease that is given or prolonged with it.
        """
        if taken is not None:
            self._leases[taken.item] = taken
        if self._touched is None:
            return NONE if taken is None else Changes(leases=(taken,))
        offers: list[Offer] = []
        closed: list[int] = []
        leases: list[Lease] = [] if taken is None else [taken]
        for number in sorted(self._touched):
            item = self._case.item(number)
            lease = self._leases.get(number)
            if lease is not None and not _is_at(item, lease.attempt):
                del self._leases[number]
                leases.append(lease._replace(until_us=-1))
            known = self._known.get(number)
            if self._is_open(item):
                since_us = self._case.now_us if known is None else known.since_us
                now = _Known(item.attempt, item.state is ItemState.started, since_us)
                if now != known:
                    self._known[number] = now
                    offers.append(self.offer(number))
            elif known is not None:
                del self._known[number]
                closed.append(number)
        self._touched = None
        if not (offers or closed or leases):
            return NONE
        return Changes(tuple(offers), tuple(closed), tuple(leases))

    def _is_open(self, item: WorkItem) -> bool:
        """Whether somebody outside may do it, or does."""
        manner = self._version.performer(item).manner
        if item.state is ItemState.offered:
            is_outside = manner is Manner.outside
        else:
            is_outside = item.state is ItemState.started and manner in _OUTSIDE
        is_running = self._case.status is CaseStatus.running
        return is_outside and (is_running or item.id in self._leases)

    def offer(self, number: int) -> Offer:
        """An open item as it is offered."""
        item = self._case.item(number)
        known = self._known.get(number)
        start = Start.of(self._case, number, self._row.workflow, self._row.tenant)
        return Offer(
            self._row.id,
            number,
            item.attempt,
            item.state is ItemState.started,
            self._row.workflow,
            item.task,
            self._row.tenant,
            role_of(self._case.callee(item), start),
            self._version.priorities.get(item.task, 0),
            self._case.now_us if known is None else known.since_us,
            item.due_us,
            _body(item, start),
        )


def wake_of(case: Case, leases: Iterable[Lease]) -> int:
    """When a case that is parked wants to be woken, given who holds work of it."""
    wake_us = case.next_wake_us
    for lease in leases:
        if lease.until_us < NEVER_US and (wake_us < 0 or lease.until_us < wake_us):
            wake_us = lease.until_us
    return wake_us


def _is_at(item: WorkItem, attempt: int) -> bool:
    return item.state is ItemState.started and item.attempt == attempt


def _body(item: WorkItem, start: Start) -> bytes:
    """What the workflow gives along, as JSON; its keys come after that of references."""
    plain = {
        "given": list(start.args),
        "named": dict(start.kwargs),
        "instance": item.instance,
        "value": item.value,
        "undoes": item.undoes,
    }
    return encode_json({name: recordable(value) for name, value in plain.items()})


def recordable(value: object) -> object:
    """Whatever there is as plain JSON values, or as text where there are none for it."""
    try:
        found = jsonable(value)
        encode_json(found)
    except Exception:  # noqa: BLE001  the texts of values are somebody else's code
        return f"(a {type(value).__name__} that cannot be written)"[:_TYPE_MAX]
    return found
