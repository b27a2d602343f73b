"""Case data: results bound, variables set, guards asked; and undone when one of them fails."""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from knhk.errors import ExpressionError, MisfitError
from knhk.kernel.program import TaskRow
from knhk.kernel.state import Arguments, State
from knhk.model import SPLIT_OR, Callee, Codec, Expression, Moment

ABSENT: Final = object()


def evaluate(game: State, expression: Expression, codec: Codec | None, moment: Moment) -> object:
    """The value of an expression as its declared type, or an ``ExpressionError``."""
    value = expression.evaluate(game._data, moment)
    if codec is None:
        return value
    try:
        return codec.accept(value)
    except MisfitError as error:
        raise ExpressionError(expression.text, str(error)) from error


def call_arguments(callee: Callee, data: dict[str, object], moment: Moment) -> Arguments:
    """The arguments of a callee, evaluated on ``data``; may raise ``ExpressionError``."""
    args = [expression.evaluate(data, moment) for expression in callee.args]
    kwargs = {name: expression.evaluate(data, moment) for name, expression in callee.kwargs}
    return args, kwargs


def assign(game: State, row: TaskRow, result: object) -> dict[str, object]:
    """Bind a task's result and do its ``sets``; gives what was there before.

    If an expression fails, what was there before is restored first.
    """
    undo: dict[str, object] = {row.name: game._data.get(row.name, ABSENT)}
    game._data[row.name] = result
    if row.assignments:
        moment = game._moment()
        try:
            for assignment in row.assignments:
                value = evaluate(game, assignment.value, assignment.codec, moment)
                if assignment.name not in undo:
                    undo[assignment.name] = game._data.get(assignment.name, ABSENT)
                game._data[assignment.name] = value
        except ExpressionError:
            restore(game, undo)
            raise
    return undo


def restore(game: State, undo: dict[str, object]) -> None:
    """Put back what :func:`assign` has overwritten."""
    for name, value in undo.items():
        if value is ABSENT:
            game._data.pop(name, None)
        else:
            game._data[name] = value


def choose(game: State, node: i64, undo: dict[str, object]) -> list[int] | None:
    """The arrows that a split takes, ``None`` for all; on failure data is restored.

    The first whose guard is true of an XOR-split (pattern 4, Exclusive Choice), every one
    whose guard is true of an OR-split (pattern 6, Multi-Choice).
    """
    if not game._program.chooses[node]:
        return None
    moment = game._moment()
    every = game._program.split[node] == SPLIT_OR
    chosen: list[int] = []
    try:
        number = 0
        for guard in game._program.guards[node]:
            if guard is None:
                if not chosen:
                    chosen.append(number)
            elif guard.evaluate(game._data, moment):
                chosen.append(number)
            if chosen and not every:
                return chosen
            number += 1
        if not chosen:
            name = game._program.name_of(node)
            raise ExpressionError(
                f"{'any' if every else 'one'}(...) after {name}",
                "no guard is true; add `otherwise`",
            )
    except ExpressionError:
        restore(game, undo)
        raise
    return chosen
