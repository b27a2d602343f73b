"""Which work item is meant when work is skipped or given back from outside."""

from __future__ import annotations

from knhk.errors import NotOffered
from knhk.kernel import Case, WorkItem
from knhk.model import ItemState

__all__ = ["item_to_release", "item_to_skip"]


def item_to_skip(case: Case, which: str | int) -> WorkItem:
    """By task name the oldest item that has failed, else is started, offered, or waits.

    Raises :class:`NotOffered` when there is none, and :class:`UnknownName` for a number that no
    item has.
    """
    if not isinstance(which, str):
        return case.item(which)
    failed = (item for item in case.failed if item.task == which)
    found = next(failed, None)
    for state in (ItemState.started, ItemState.offered, ItemState.waiting):
        found = found or _oldest(case, which, state)
    if found is None:
        raise NotOffered(which, f"it has no work item to skip; {case.explain(which)}")
    return found


def item_to_release(case: Case, which: str | int) -> WorkItem:
    """By task name the oldest started item; errors like those of :func:`item_to_skip`."""
    if not isinstance(which, str):
        return case.item(which)
    found = _oldest(case, which, ItemState.started)
    if found is None:
        raise NotOffered(which, f"no work item of it is started; {case.explain(which)}")
    return found


def _oldest(case: Case, task: str, state: ItemState) -> WorkItem | None:
    return next((item for item in case.items if item.task == task and item.state is state), None)
