"""How work ends: completed, failed, interrupted; and what that does to the net.

A *completion* binds the result, does ``sets``, chooses the arrows, empties the cancellation
set and then puts the tokens; at last it completes the task that it names. If an expression
fails on the way, nothing of the completion stays and the attempt has failed with
``ExpressionError``.

A *failure* uses up an attempt of ``retry`` and the item backs off; without one left the
token leaves by the exception arrow that names the error, else by ``on timeout`` for a
timeout, else by ``on error`` without a name; else the case has *failed* and stands still.

An item with a compensation is remembered when it completes, with the arguments of that
(:mod:`knhk.kernel.compensating`); if they fail, so does the completion.

A multiple-instance task does all this once, when it completes: at the end of its last
instance (patterns 13 to 15), when its ``complete when`` holds (34 to 36), when another task
completes it (27), or, ``without waiting``, at its start (12).
"""

from __future__ import annotations

from typing import final

from mypy_extensions import i64

from knhk.errors import ExpressionError
from knhk.kernel import item as items
from knhk.kernel.arrivals import begin, drop, let_go, take
from knhk.kernel.cancelling import cancel_region
from knhk.kernel.compensating import complete_undo, fail_undo, forget, remember
from knhk.kernel.data import assign, choose
from knhk.kernel.ending import end, fail_case
from knhk.kernel.item import NO_RESULT, Activation, WorkItem
from knhk.kernel.mutexes import leave, leave_all
from knhk.kernel.program import TaskRow
from knhk.kernel.state import CANCELLED, RUNNING, Desk, State
from knhk.model import (
    EXCEPT_ERROR,
    EXCEPT_TIMEOUT,
    EXPRESSION_ERROR,
    INCOMPLETE_ERROR,
    TIMEOUT_ERROR,
    ExceptionArrow,
)


@final
class Choice:
    """The arrows that a completion takes: ``None`` for all of them."""

    def __init__(self, arrows: list[int] | None) -> None:
        self.arrows = arrows


def complete(game: State, item: WorkItem, value: object) -> None:
    """Complete the attempt at an item with its result."""
    activation = item._activation
    if activation is not None and item._instance >= 0:
        _complete_instance(game, item, activation, value)
        return
    if item._undoes >= 0:
        complete_undo(game, item)
        return
    _complete_whole(game, game._row(item._node), item, value)


def _complete_whole(game: State, row: TaskRow, item: WorkItem, value: object) -> None:
    """Complete an item that is no instance of many."""
    if row.compensation is None or row.multiple:
        choice = _prepare(game, item, row, value)
    else:
        choice = _prepare_undoable(game, item, row, value)
    if choice is None:
        return
    take(game, item)
    game._close(item, items.COMPLETE)
    let_go(game, item)
    _pass_on(game, row, choice)


def _prepare(game: State, item: WorkItem, row: TaskRow, value: object) -> Choice | None:
    """Bind the result and choose the arrows; ``None`` when that failed the item."""
    try:
        return Choice(choose(game, row.node, assign(game, row, value)))
    except ExpressionError as error:
        fail(game, item, EXPRESSION_ERROR, str(error), None)
        return None


def _prepare_undoable(game: State, item: WorkItem, row: TaskRow, value: object) -> Choice | None:
    """The same for an item with a compensation, which is remembered."""
    try:
        before = assign(game, row, value)
        remember(game, row, item, game._data, before)
        return Choice(choose(game, row.node, before))
    except ExpressionError as error:
        forget(game, item)
        fail(game, item, EXPRESSION_ERROR, str(error), None)
        return None


def _pass_on(game: State, row: TaskRow, choice: Choice) -> None:
    """What follows a completion: cancellation, tokens, another task's completion."""
    if row.cancels_case:
        end(game, CANCELLED)
        return
    region = game._program.regions[row.node]
    if region is not None:
        cancel_region(game, region)
    put(game, row.node, choice.arrows)
    if row.completes >= 0:
        complete_early(game, row.completes)


def put(game: State, node: i64, arrows: list[int] | None) -> None:
    """Put the tokens of a node's arrows, of all of them or of those chosen."""
    marking = game._marking
    if arrows is None:
        marking.put_all(node)
        return
    join = game._program.block_end.get(node, -1)
    if join >= 0:
        marking.expect(join, len(arrows))
    for arrow in arrows:
        marking.put_arrow(node, arrow)


# --- multiple instances -----------------------------------------------------------------


def _complete_instance(game: State, item: WorkItem, activation: Activation, value: object) -> None:
    row = game._row(item._node)
    activation.results[item._instance] = value
    activation.done += 1
    before: dict[str, object] | None = None
    choice: Choice | None = None
    try:
        if not activation.over and _is_over(game, row, activation):
            before = assign(game, row, activation.completed_results())
        if row.compensation is not None:
            remember(game, row, item, _as_seen_by(game, row, item, value), before)
        if before is not None:
            choice = Choice(choose(game, row.node, before))
    except ExpressionError as error:
        forget(game, item)
        activation.results[item._instance] = NO_RESULT
        activation.done -= 1
        fail(game, item, EXPRESSION_ERROR, str(error), None)
        return
    if activation.over:
        game._close(item, items.COMPLETE)
        _see_off_straggler(game, item._node, activation)
        return
    take(game, item)
    game._close(item, items.COMPLETE)
    if choice is not None:
        _complete_activation(game, row, activation, choice)
    elif activation.unfinished() == 0:
        _fail_incomplete(game, row, activation, item)


def _as_seen_by(game: State, row: TaskRow, item: WorkItem, value: object) -> dict[str, object]:
    """The data as an instance sees it that completes: its element, and its own result."""
    data = dict(game._data)
    if row.variable:
        data[row.variable] = item._value
    data[row.name] = value
    return data


def _is_over(game: State, row: TaskRow, activation: Activation) -> bool:
    """Whether a multiple-instance task completes now; may raise ``ExpressionError``."""
    if row.complete_when is None:
        return activation.unfinished() == 0
    return holds(
        game,
        row,
        activation.done,
        activation.failed,
        len(activation.values),
        activation.completed_results() if row.reads_results else [],
    )


def holds(
    game: State, row: TaskRow, done: i64, failed: i64, total: i64, results: list[object]
) -> bool:
    """Whether a task's ``complete when`` holds; may raise ``ExpressionError``."""
    condition = row.complete_when
    assert condition is not None
    data = dict(game._data)
    data["done"] = int(done)
    data["failed"] = int(failed)
    data["total"] = int(total)
    data["results"] = results
    return bool(condition.evaluate(data, game._moment()))


def _complete_activation(game: State, row: TaskRow, activation: Activation, choice: Choice) -> None:
    """The task completes; what is unfinished is withdrawn, or straggles."""
    desk = game._desk(row.node)
    activation.over = True
    desk.busy -= 1
    if activation.unfinished() == 0:
        desk.activations.remove(activation)
        leave_all(game, activation)
    elif row.cancel_rest:
        drop(game, desk, activation)
    else:
        desk.straggling += 1
    _pass_on(game, row, choice)


def _see_off_straggler(game: State, node: i64, activation: Activation) -> None:
    """An instance of a task that has completed is over; when it was the last, all is."""
    if activation.unfinished() > 0:
        return
    desk = game._desk(node)
    desk.straggling -= 1
    desk.activations.remove(activation)
    leave_all(game, activation)
    game._busy.append(node)


def complete_without_waiting(game: State, row: TaskRow, activation: Activation) -> bool:
    """Complete a task at its start, its instances running on (pattern 12).

    It fails with ``ExpressionError`` like any completion; then it is false.
    """
    first = _first_item(game._desk(row.node), activation)
    choice = _prepare(game, first, row, [])
    if choice is None:
        return False
    begin(game, activation, row.node)
    _complete_activation(game, row, activation, choice)
    return True


def _first_item(desk: Desk, activation: Activation) -> WorkItem:
    for item in desk.items():
        if item._activation is activation:
            return item
    raise AssertionError("an activation that begins has an item")


def complete_early(game: State, node: i64) -> None:
    """Complete a multiple-instance task with what it has (pattern 27)."""
    row = game._row(node)
    desk = game._desk(node)
    for activation in list(desk.activations):
        if activation.over or game._status != RUNNING:
            continue
        _complete_now(game, row, desk, activation)
    for item in desk.items():
        # what could not list its instances yet, and is to try again
        if item._activation is None and game._status == RUNNING:
            _complete_whole(game, row, item, [])
    while desk.queue and game._status == RUNNING:
        transition = desk.queue.pop(0)
        game._live -= 1
        item = game._new_item(row, transition)
        game._appear(item, desk)
        _complete_whole(game, row, item, [])


def _complete_now(game: State, row: TaskRow, desk: Desk, activation: Activation) -> None:
    results = activation.completed_results() if activation.begun else []
    item = _first_item(desk, activation) if _has_items(desk, activation) else None
    try:
        choice = Choice(choose(game, row.node, assign(game, row, results)))
    except ExpressionError as error:
        _fail_activation(game, row, activation, item, EXPRESSION_ERROR, str(error), None)
        return
    if not activation.begun:
        begin(game, activation, row.node)
    drop(game, desk, activation)
    activation.over = True
    desk.busy -= 1
    _pass_on(game, row, choice)


def _has_items(desk: Desk, activation: Activation) -> bool:
    return any(item._activation is activation for item in desk.items())


# --- failing ----------------------------------------------------------------------------


def fail(game: State, item: WorkItem, error: str, message: str, bases: object) -> None:
    """The attempt at an item has failed."""
    row = game._row(item._node)
    activation = item._activation
    straggles = activation is not None and activation.over and row.waits
    if item._failures < len(row.delays_us) and not straggles:
        _back_off(game, item, row)
        return
    if item._undoes >= 0:
        fail_undo(game, item, error, message)
        return
    if activation is not None and item._instance >= 0:
        _fail_instance(game, row, item, activation, error, message, bases)
        return
    arrow = exception_arrow(game, item._node, error, bases)
    game._close(item, items.FAIL)
    if arrow is None:
        leave(game, item)
        game._failed.append(item)
        fail_case(game, item._task, error, message)
        return
    take(game, item)
    let_go(game, item)
    leave_by(game, arrow)


def _back_off(game: State, item: WorkItem, row: TaskRow) -> None:
    """Use up an attempt: the item waits, then it is offered (or waits for its event) anew."""
    delay = float(row.delays_us[item._failures])
    if row.jitter > 0.0:
        draw = game._moment().random()
        delay = delay * (1.0 + row.jitter * (2.0 * draw - 1.0))
    desk = game._desk(item._node)
    game._remove(item, desk)
    item._failures += 1
    item.move(items.WAIT)
    desk.waiting.insert(item)
    game._set_due(item, game._now_us + int(delay))
    if item._activation is None:
        leave(game, item)
    if desk.wants_room():
        game._busy.append(item._node)


def _fail_instance(
    game: State,
    row: TaskRow,
    item: WorkItem,
    activation: Activation,
    error: str,
    message: str,
    bases: object,
) -> None:
    """An instance has failed for good."""
    if row.complete_when is None:
        game._close(item, items.FAIL)
        _fail_activation(game, row, activation, item, error, message, bases)
        return
    activation.failed += 1
    game._close(item, items.FAIL)
    if activation.over:
        _see_off_straggler(game, row.node, activation)
        return
    try:
        choice: Choice | None = None
        if _is_over(game, row, activation):
            undo = assign(game, row, activation.completed_results())
            choice = Choice(choose(game, row.node, undo))
    except ExpressionError as problem:
        _fail_activation(game, row, activation, item, EXPRESSION_ERROR, str(problem), None)
        return
    if choice is not None:
        _complete_activation(game, row, activation, choice)
    elif activation.unfinished() == 0:
        _fail_incomplete(game, row, activation, item)


def _fail_incomplete(
    game: State, row: TaskRow, activation: Activation, item: WorkItem | None
) -> None:
    """All instances are finished, and the task's condition does not hold."""
    condition = row.complete_when
    assert condition is not None
    counts = f"{activation.done} of {len(activation.values)} done, {activation.failed} failed"
    message = f"all instances are finished ({counts}) and `{condition.text}` does not hold"
    _fail_activation(game, row, activation, item, INCOMPLETE_ERROR, message, None)


def _fail_activation(
    game: State,
    row: TaskRow,
    activation: Activation,
    item: WorkItem | None,
    error: str,
    message: str,
    bases: object,
) -> None:
    """A multiple-instance task has failed: its other instances are withdrawn.

    If the token leaves by an exception arrow the activation ends; else it can go on after
    ``resume``, with the siblings offered anew and the completed ones kept.
    """
    desk = game._desk(row.node)
    for sibling in desk.items():
        if sibling._activation is activation:
            game._withdraw(sibling)
            activation.again.append(sibling._instance)
    activation.again.sort()
    activation.halted = True
    arrow = exception_arrow(game, row.node, error, bases)
    if arrow is None:
        _stand_still(game, activation, item)
        fail_case(game, row.name, error, message)
        return
    if not activation.begun:
        begin(game, activation, row.node)
    if activation.over:
        desk.straggling -= 1
    else:
        desk.busy -= 1
    desk.activations.remove(activation)
    leave_all(game, activation)
    leave_by(game, arrow)


def _stand_still(game: State, activation: Activation, item: WorkItem | None) -> None:
    """Note what ``resume`` is to take up: the instances that failed, or the task as a whole."""
    if item is None or item._state != items.FAILED:
        game._halted.append(activation)
    elif activation.failed == 0:
        game._failed.append(item)
    else:
        for other in game._items:
            if other._activation is activation and other._state == items.FAILED:
                game._failed.append(other)


def try_again(game: State, activation: Activation) -> None:
    """After ``resume``: complete a task whose instances are all finished, if it can now."""
    activation.halted = False
    row = game._row(game._program.node_of[activation.transition])
    if activation.unfinished() > 0:
        game._busy.append(row.node)
        return
    try:
        if not _is_over(game, row, activation):
            _fail_incomplete(game, row, activation, None)
            return
        undo = assign(game, row, activation.completed_results())
        choice = Choice(choose(game, row.node, undo))
    except ExpressionError as error:
        _fail_activation(game, row, activation, None, EXPRESSION_ERROR, str(error), None)
        return
    _complete_activation(game, row, activation, choice)


def exception_arrow(game: State, node: i64, error: str, bases: object) -> ExceptionArrow | None:
    """The exception arrow that a failed task leaves by, ``None`` if the case is to fail."""
    names = [error]
    if isinstance(bases, (list, tuple)):
        names.extend([str(base) for base in bases])
    arrows = game._program.exceptions[node]
    for name in names:
        for arrow in arrows:
            if arrow.kind == EXCEPT_ERROR and arrow.name == name:
                return arrow
    if error == TIMEOUT_ERROR:
        for arrow in arrows:
            if arrow.kind == EXCEPT_TIMEOUT:
                return arrow
    for arrow in arrows:
        if arrow.kind == EXCEPT_ERROR and not arrow.name:
            return arrow
    return None


def leave_by(game: State, arrow: ExceptionArrow) -> None:
    """Put the token of an exception flow."""
    game._marking.disturbed = True
    game._marking.put_many(arrow.place, arrow.weight)


# --- interrupting -----------------------------------------------------------------------


def interrupt(game: State, item: WorkItem, arrow: ExceptionArrow) -> i64:
    """Withdraw the work that an item belongs to; its token leaves by an exception flow.

    Gives how many items it was.

    (``on message`` and ``on signal``, and what they share with any exception flow.)
    """
    activation = item._activation
    desk = game._desk(item._node)
    interrupted: i64 = 1
    if activation is None:
        take(game, item)
        game._withdraw(item)
        let_go(game, item)
    else:
        if not activation.begun:
            begin(game, activation, item._node)
        live = game._live
        drop(game, desk, activation)
        interrupted = live - game._live
        desk.busy -= 1
    leave_by(game, arrow)
    return interrupted
