"""Work for somebody outside as rows of a database, and the question for it.

It is asked for by what a worker can do, and told in the order in which it should be done. An index
for each thing that is asked for has its rows in that order, so that the first of a million are
found without a look at the others. An order has one direction only: ``rank`` is the priority with
its sign changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from knhk.journal.record import PAGE_MAX, Lease, Offer, OpenWork, WorkFilter

__all__ = ["OFFER_COLUMNS", "OFFER_TYPES", "offer_of", "offer_row", "question", "work_of"]

OFFER_COLUMNS: Final = (
    "case_id, item, attempt, started, workflow, task, tenant, role, rank, since_us, due_us, body"
)
#: What the columns hold, in the order in which they are read.
OFFER_TYPES: Final = (str, int, int, int, str, str, str, str, int, int, int, bytes)

_COLUMNS: Final = ", ".join(f"o.{name}" for name in OFFER_COLUMNS.split(", "))
_LEASE: Final = "l.attempt, l.holder, l.until_us"
_ORDER: Final = "o.rank, o.since_us, o.case_id, o.item"

#: A value of a column.
Value = str | int | bytes


def offer_row(offer: Offer) -> tuple[Value, ...]:
    """The row of an offer, in the order of :data:`OFFER_COLUMNS`."""
    return (
        offer.case,
        offer.item,
        offer.attempt,
        int(offer.is_started),
        offer.workflow,
        offer.task,
        offer.tenant,
        offer.role,
        -offer.priority,
        offer.since_us,
        offer.due_us,
        offer.body,
    )


def offer_of(row: Sequence[object]) -> Offer:
    """The offer that a row is, in the order of :data:`OFFER_COLUMNS`."""
    case, item, attempt, started, workflow, task, tenant, role, rank, since_us, due_us, body = row
    return Offer(
        str(case),
        cast("int", item),
        cast("int", attempt),
        bool(started),
        str(workflow),
        str(task),
        str(tenant),
        str(role),
        -cast("int", rank),
        cast("int", since_us),
        cast("int", due_us),
        cast("bytes", body),
    )


def work_of(row: Sequence[object]) -> OpenWork:
    """A row of what :func:`question` asks for."""
    offer = offer_of(row[: len(OFFER_TYPES)])
    attempt, holder, until_us = row[len(OFFER_TYPES) :]
    if attempt is None:
        return OpenWork(offer)
    lease = Lease(offer.item, cast("int", attempt), str(holder), cast("int", until_us))
    return OpenWork(offer, lease)


def question(
    wanted: WorkFilter, after: Offer | None, limit: int, mark: str
) -> tuple[str, list[Value]]:
    """The statement that asks for work, with its values; ``mark`` stands for one there."""
    named = [(column, value) for column, value in _columns(wanted) if value]
    where = [f"o.{column} = {mark}" for column, _ in named]
    values: list[Value] = [value for _, value in named]
    # What the indexes over these are limited to, as a database does not see it by itself.
    where.extend(f"o.{column} != ''" for column, _ in named if column in ("tenant", "role"))
    tables = "offers AS o LEFT JOIN leases AS l ON l.case_id = o.case_id AND l.item = o.item"
    if wanted.holder:
        tables = "leases AS l JOIN offers AS o ON l.case_id = o.case_id AND l.item = o.item"
        where.append(f"l.holder = {mark}")
        values.append(wanted.holder)
    if wanted.is_held is not None:
        where.append("l.item IS NOT NULL" if wanted.is_held else "l.item IS NULL")
    if after is not None:
        where.append(f"({_ORDER}) > ({', '.join([mark] * 4)})")
        values.extend((-after.priority, after.since_us, after.case, after.item))
    clause = f" WHERE {' AND '.join(where)}" if where else ""
    values.append(max(0, min(limit, PAGE_MAX)))
    return (
        f"SELECT {_COLUMNS}, {_LEASE} FROM {tables}{clause} ORDER BY {_ORDER} LIMIT {mark}",  # noqa: S608
        values,
    )


def _columns(wanted: WorkFilter) -> tuple[tuple[str, Value], ...]:
    return (
        ("case_id", wanted.case),
        ("item", wanted.item),
        ("task", wanted.task),
        ("workflow", wanted.workflow),
        ("tenant", wanted.tenant),
        ("role", wanted.role),
    )
