"""Compensation: completed work is undone, the last first (Garcia-Molina, Salem 1987: sagas).

An item whose task has a compensation is remembered when it completes, with the arguments of
the compensation as they are at that moment. So each round of a loop and each instance is
undone with its own values, whatever happens to the data later.

When the case is to be undone, all that is at work is withdrawn and all tokens are taken; the
net plays no part any more. Then the remembered items are undone one after another, in reverse
order of completion: for each a new work item of its task is offered, and the next one when it
has completed. After the last the case is *cancelled*. An undo that fails for good makes the
case *failed*; it stands still until that undo is tried again or skipped.
"""

from __future__ import annotations

from knhk.errors import ExpressionError
from knhk.kernel import item as items
from knhk.kernel.cancelling import withdraw_all
from knhk.kernel.data import call_arguments, restore
from knhk.kernel.ending import end
from knhk.kernel.item import WorkItem
from knhk.kernel.program import TaskRow
from knhk.kernel.state import CANCELLED, FAILED, RUNNING, Failure, State
from knhk.model import ENDED, Effect

# --- remembering ------------------------------------------------------------------------


def remember(
    game: State,
    row: TaskRow,
    item: WorkItem,
    data: dict[str, object],
    before: dict[str, object] | None,
) -> None:
    """Note that an item completes, and with which arguments it would be undone.

    They are evaluated on ``data``. If that fails, what the completion has assigned, if it has,
    is restored from ``before``, and the ``ExpressionError`` raised.
    """
    callee = row.compensation
    assert callee is not None
    try:
        arguments = call_arguments(callee, data, game._moment())
    except ExpressionError:
        if before is not None:
            restore(game, before)
        raise
    game._undo_arguments[item.id] = arguments
    game._to_undo.append(item.id)


def forget(game: State, item: WorkItem) -> None:
    """The completion that was just remembered, if it was, has failed after all."""
    if item.id in game._undo_arguments:
        del game._undo_arguments[item.id]
        game._to_undo.pop()


# --- undoing ----------------------------------------------------------------------------


def begin_undoing(game: State) -> None:
    """Withdraw all work and empty the net; from now on the case is only undone."""
    withdraw_all(game)
    game._cause = game._failure
    game._more_failures.clear()
    game._hearing = False
    game._compensating = True
    game._status = RUNNING


def undo_next(game: State) -> None:
    """Offer to undo what has completed last; when nothing is left the case is cancelled."""
    if not game._to_undo:
        end(game, CANCELLED)
        return
    number = game._to_undo[-1]
    done = game._items[number - 1]
    item = game._new_item(game._row(done._node), done._transition)
    item._undoes = number
    item._instance = done._instance
    item._value = done._value
    game._offer(item, game._desk(done._node))


def offer_again(game: State) -> bool:
    """Offer the undo under way for its next attempt, if it waits for nothing else."""
    item = game._items[-1]
    if not item._ready:
        return False
    desk = game._desk(item._node)
    game._remove(item, desk)
    game._offer(item, desk)
    return True


def complete_undo(game: State, item: WorkItem) -> None:
    """An item has been undone."""
    game._close(item, items.COMPLETE)
    game._to_undo.pop()


def fail_undo(game: State, item: WorkItem, error: str, message: str) -> None:
    """An undo has failed for good: the case stands still until it is resumed."""
    game._close(item, items.FAIL)
    game._failed.append(item)
    cause = game._cause
    what = f"the compensation of task {item._task!r} has failed: {message}"
    if cause is not None:
        what += f" (the case is being undone because of {cause.error}: {cause.message})"
    game._failure = Failure(item._task, error, what)
    game._status = FAILED
    game._effects.append(Effect(ENDED))
