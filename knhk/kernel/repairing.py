"""Repair from outside: work that has failed is tried again, or counts as done; or is given back.

``resume`` gives what has failed fresh attempts, all of it or that of one task. ``skip``
completes an item with a result that somebody else says. ``release`` offers a started item
anew, because whoever held it gave it back or is gone. All of it can be done to ordinary work
and, in a case that is undone, to the undo under way.
"""

from __future__ import annotations

from knhk.kernel import item as items
from knhk.kernel.completing import complete, complete_without_waiting, try_again
from knhk.kernel.ending import note_failure
from knhk.kernel.events import come_due, wait
from knhk.kernel.item import OFFERED, STARTED, WAITING, Activation, WorkItem
from knhk.kernel.mutexes import leave
from knhk.kernel.program import WAIT_NONE
from knhk.kernel.state import FAILED, RUNNING, STATUSES, SUSPENDED, Failure, State
from knhk.model import STOP_WORK, Effect

# --- trying again -----------------------------------------------------------------------


def resume_refusal(game: State, task: str) -> str:
    """Why a case, or one failed task of it, cannot be resumed; empty when it can."""
    status = game._status
    if not task:
        stands = status == SUSPENDED or status == FAILED
        return "" if stands else f"the case is {STATUSES[status]}, it does not stand still"
    if task not in game._program.names:
        return f"there is no task {task!r}"
    if status != FAILED:
        return f"the case is {STATUSES[status]}: nothing has failed that could be tried again"
    found = any(failure.task == task for failure in _failures(game))
    return "" if found or any(item._task == task for item in game._failed) else "it has not failed"


def resume(game: State, task: str) -> None:
    """Go on after ``suspend`` or a failure; with a ``task``, if nothing else has failed.

    A suspended case that has failed meanwhile is now undone or cancelled.
    """
    if game._compensating:
        _resume_undoing(game)
        return
    if game._status == SUSPENDED and game._failure is not None:
        game._status = FAILED
        return
    failures = _failures(game)
    failed = game._failed
    halted = game._halted
    game._failed = [item for item in failed if task and item._task != task]
    game._halted = [one for one in halted if task and _task_of(game, one) != task]
    _dismiss(game, task)
    goes_on = game._failure is None
    if goes_on:
        _go_on(game)
    for item in failed:
        if task and item._task != task:
            continue
        if goes_on and game._status != RUNNING:
            _keep_failed(game, item._task, failures)
            game._failed.append(item)
        else:
            _reoffer(game, item)
    for activation in halted:
        if task and _task_of(game, activation) != task:
            continue
        if goes_on and game._status != RUNNING:
            _keep_failed(game, _task_of(game, activation), failures)
            game._halted.append(activation)
        else:
            try_again(game, activation)
    if goes_on:
        _look_for_work(game)


def _failures(game: State) -> list[Failure]:
    first = game._failure
    return [] if first is None else [first, *game._more_failures]


def _task_of(game: State, activation: Activation) -> str:
    return game._row(game._program.node_of[activation.transition]).name


def _dismiss(game: State, task: str) -> None:
    """Forget the failure of a task, without a name of everything."""
    left = [failure for failure in _failures(game) if task and failure.task != task]
    game._failure = left.pop(0) if left else None
    game._more_failures = left


def _keep_failed(game: State, task: str, failures: list[Failure]) -> None:
    """What was resumed first has failed at once, so that this has not been tried again."""
    for failure in failures:
        if failure.task == task:
            note_failure(game, failure)


def _go_on(game: State) -> None:
    game._status = RUNNING
    game._hearing = len(game._kept) > 0


def _look_for_work(game: State) -> None:
    """Offer what had to wait while the case stood still."""
    for node, desk in enumerate(game._desks):
        if desk is not None and desk.wants_room():
            game._busy.append(node)


def _resume_undoing(game: State) -> None:
    """Go on undoing, with fresh attempts for the undo that has failed."""
    game._status = RUNNING
    for item in game._failed:
        item._failures = 0
        _revive(game, item)
        come_due(game, item)
    game._failed = []
    game._failure = game._cause


def _reoffer(game: State, item: WorkItem) -> None:
    """Offer a failed item again, with fresh attempts."""
    item._failures = 0
    row = game._row(item._node)
    if not _revive(game, item):
        return  # completing the task has failed it again
    unlisted = row.multiple and item._activation is None
    if row.wait != WAIT_NONE and not unlisted:
        wait(game, item, row)
    else:
        come_due(game, item)


def _revive(game: State, item: WorkItem) -> bool:
    """A failed item is at work again, and waits; false if that has failed it at once."""
    game._live += 1
    item.move(items.RESUME)
    game._desk(item._node).waiting.insert(item)
    activation = item._activation
    if activation is not None:
        row = game._row(item._node)
        activation.halted = False
        if row.complete_when is not None:
            activation.failed -= 1
        if not row.waits and not activation.over:
            complete_without_waiting(game, row, activation)
    return item._state == WAITING


# --- skipping ---------------------------------------------------------------------------


def skip_refusal(game: State, item: WorkItem) -> str:
    """Why an item cannot be completed from outside; empty when it can."""
    state = item._state
    if state == items.FAILED:
        return "" if item in game._failed else "it has failed, and the case has gone on without it"
    if state > STARTED:
        return f"work item {item.id} is {item.state}"
    if not _has_taken(item) and game._status != RUNNING:
        return f"the case is {STATUSES[game._status]}: nothing is offered"
    return ""


def _has_taken(item: WorkItem) -> bool:
    """Whether an item has taken its tokens, or needs none."""
    activation = item._activation
    if activation is not None:
        return activation.begun
    return item._taken or item._state == STARTED


def skip(game: State, item: WorkItem, value: object) -> None:
    """Complete an item with a given result, as if it had ended well."""
    if item._state == items.FAILED:
        _skip_failed(game, item, value)
        return
    if item._state == OFFERED or item._state == STARTED:
        game._effects.append(Effect(STOP_WORK, item._id))
    complete(game, item, value)


def _skip_failed(game: State, item: WorkItem, value: object) -> None:
    """The same for an item that has failed; after the last of them the case goes on."""
    if game._compensating:
        _resume_undoing(game)
        complete(game, item, value)
        return
    game._failed.remove(item)
    if not _is_failed(game, item._task):
        _dismiss(game, item._task)
    stood = game._status == FAILED
    if stood:
        _go_on(game)  # what follows a completion is done in running cases only
    if _revive(game, item):
        complete(game, item, value)
    _forget_settled(game)
    if stood and game._status == RUNNING:
        if game._failure is None:
            _look_for_work(game)
        else:
            game._status = FAILED


def _is_failed(game: State, task: str) -> bool:
    """Whether work of a task has failed and waits to be resumed."""
    failed = any(item._task == task for item in game._failed)
    return failed or any(_task_of(game, one) == task for one in game._halted)


def _forget_settled(game: State) -> None:
    """Forget failed instances whose task has completed after all, without them."""
    settled = [item for item in game._failed if _is_settled(game, item)]
    over = [one for one in game._halted if one.over]
    game._failed = [item for item in game._failed if item not in settled]
    game._halted = [one for one in game._halted if not one.over]
    tasks = [item._task for item in settled] + [_task_of(game, one) for one in over]
    for task in tasks:
        if not _is_failed(game, task):
            _dismiss(game, task)


def _is_settled(game: State, item: WorkItem) -> bool:
    activation = item._activation
    return activation is not None and activation.over and game._row(item._node).waits


# --- giving back ------------------------------------------------------------------------


def release(game: State, item: WorkItem) -> None:
    """Offer a started item for a new attempt, which uses up none of ``retry``."""
    game._effects.append(Effect(STOP_WORK, item._id))
    desk = game._desk(item._node)
    desk.started.remove(item)
    item._due_us = -1
    item.move(items.WAIT)
    item._ready = True
    desk.ready.insert(item)
    if item._activation is None:
        leave(game, item)
    game._busy.append(item._node)
