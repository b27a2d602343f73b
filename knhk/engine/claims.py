"""What somebody outside has in hand: work as it is offered, and a claim to it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from knhk.call import Call
from knhk.engine.facts import Payloads, whole
from knhk.engine.offers import NEVER_US
from knhk.engine.report import WorkOffer
from knhk.errors import StoreDamaged, UsageError
from knhk.journal import Lease, OpenWork
from knhk.model import US_PER_S, ItemState

__all__ = ["CLAIM_S", "Claim", "Meant", "Which", "claim_of", "meant", "offer_as_told", "until"]

#: How long a claim lasts that says nothing else.
CLAIM_S: Final = 300.0
#: The longest lease that has an end: ten years.
LEASE_MAX_S: Final = 3_650 * 86_400.0

#: Work of a case: by the name of its task, or by the number of the item.
Which: TypeAlias = str | int


@dataclass(frozen=True, slots=True)
class Claim:
    """Work that somebody outside holds, until ``until_us`` (microseconds, -1: without an end).

    ``attempt`` tells this claim from others to the same item, before it and after it: only while
    it is the attempt that is under way can it complete the work. The other values are those of
    :class:`WorkOffer`.
    """

    case: str
    workflow: str
    task: str
    item: int
    attempt: int
    worker: str = ""
    until_us: int = -1
    instance: int | None = None
    value: object = None
    args: tuple[object, ...] = ()
    kwargs: tuple[tuple[str, object], ...] = ()
    undoes: int | None = None
    tenant: str = ""

    @property
    def idempotency_key(self) -> str:
        """The same for this attempt whenever it is claimed, and for nothing else."""
        return Call(self.case, self.workflow, self.task, self.item, self.attempt).idempotency_key


class Meant(NamedTuple):
    """Work that is meant: with an ``attempt`` only as long as that is under way."""

    case: str
    which: Which
    attempt: int | None = None


def meant(case: str | Claim, which: object, attempt: int | None) -> Meant:
    """The work that a claim is for, or that is named."""
    if isinstance(case, Claim):
        return Meant(case.case, case.item, case.attempt)
    if not isinstance(which, (str, int)) or isinstance(which, bool) or which == "":
        raise UsageError(
            f"name a task of case {case!r}, or the number of a work item: not {which!r}"
        )
    return Meant(case, which, attempt)


def until(now_us: int, lease_s: float | None) -> int:
    """The end of a lease that begins now; raises :class:`UsageError` for one that cannot be."""
    if lease_s is None:
        return NEVER_US
    if isinstance(lease_s, bool) or not (0 < lease_s <= LEASE_MAX_S) or math.isnan(lease_s):
        raise UsageError(
            f"lease_s is a number of seconds above 0 and up to {LEASE_MAX_S:,.0f}, or None for a"
            f" claim without an end, not {lease_s!r}"
        )
    return now_us + max(1, round(lease_s * US_PER_S))


def offer_as_told(work: OpenWork, payloads: Payloads) -> WorkOffer:
    """Work as the journal has it, for those who ask; raises :class:`StoreDamaged`."""
    offer, lease = work
    try:
        body = whole(offer.body, payloads)
        args, kwargs = body.get("given"), body.get("named")
        instance, undoes = body.get("instance"), body.get("undoes")
        if not isinstance(args, list) or not isinstance(kwargs, dict):
            raise ValueError("it has no arguments")  # noqa: TRY004  of the data, not of a caller
    except (ValueError, LookupError) as error:
        raise StoreDamaged(
            f"the store is damaged: the work of item {offer.item} of case {offer.case!r} cannot be"
            f" read: {error}; go back to a copy of it"
        ) from error
    return WorkOffer(
        offer.case,
        offer.workflow,
        offer.task,
        offer.item,
        ItemState.started if offer.is_started else ItemState.offered,
        offer.attempt,
        instance if isinstance(instance, int) else None,
        offer.due_us,
        body.get("value"),
        tuple(args),
        tuple(kwargs.items()),
        undoes if isinstance(undoes, int) else None,
        offer.tenant,
        offer.role,
        offer.priority,
        offer.since_us,
        lease is not None,
        "" if lease is None else lease.holder,
        _end(lease),
    )


def claim_of(offer: WorkOffer, lease: Lease) -> Claim:
    """The claim to work that is held under a lease."""
    return Claim(
        offer.case,
        offer.workflow,
        offer.task,
        offer.item,
        lease.attempt,
        lease.holder,
        _end(lease),
        offer.instance,
        offer.value,
        offer.args,
        offer.kwargs,
        offer.undoes,
        offer.tenant,
    )


def _end(lease: Lease | None) -> int:
    return -1 if lease is None or lease.until_us >= NEVER_US else lease.until_us
