"""A snapshot back into a case: every number is looked at before it is believed.

A snapshot comes from a store, so it may be damaged, of another format, or of another net. Then
:func:`restore` raises :class:`~knhk.errors.SnapshotError`, and nothing that it has made is of
use. It sees what cannot be: numbers of things that are not there, values that their types do
not know. It cannot see a wrong value that could be a right one.
"""

from __future__ import annotations

from heapq import heappush
from typing import Final

from librt.vecs import vec
from mypy_extensions import i64

from knhk.errors import MisfitError, SnapshotError
from knhk.kernel.item import (
    NO_RESULT,
    OFFERED,
    STARTED,
    WAITING,
    WITHDRAWN,
    Activation,
    WorkItem,
)
from knhk.kernel.offering import INSTANCES_MAX
from knhk.kernel.program import TaskRow
from knhk.kernel.snapshot import (
    BEGUN,
    FORMAT,
    GIVEN,
    HALTED,
    OVER,
    READY,
    TAKEN,
    row_of,
)
from knhk.kernel.state import HELD_BY_WORK, STATUSES, Desk, Failure, Message, State
from knhk.model import Codec, Moment

#: The largest number that the kernel counts with.
WHOLE_MAX: Final = 0x7FFF_FFFF_FFFF_FFFF
#: The parts of a snapshot that it always has, and those that may be left out.
ALWAYS: Final = ("format", "net", "clock", "status", "data", "tokens", "items")
SELDOM: Final = (
    "failure",
    "failures",
    "result",
    "ready",
    "marked",
    "arrived",
    "passed",
    "needed",
    "agenda",
    "arrivals",
    "dirty",
    "busy",
    "desks",
    "activations",
    "failed",
    "halted",
    "holders",
    "kept",
    "undo",
    "to_undo",
    "undoing",
    "cause",
)
#: What reading something else than a snapshot runs into, codecs included.
PROBLEMS: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MisfitError,
    TypeError,
    ValueError,
)


def restore(game: State, plain: object) -> None:
    """Give a new case the state of a snapshot.

    Raises :class:`~knhk.errors.SnapshotError` for one that is damaged, has an unknown format
    or is of a net of another shape.
    """
    try:
        parts = _dictionary(plain, "the snapshot")
        _check_parts(game, parts)
        _read_all(game, parts)
    except PROBLEMS as error:
        raise SnapshotError(game._id, str(error) or type(error).__name__) from error


def _check_parts(game: State, parts: dict[str, object]) -> None:
    if parts.get("format") != FORMAT:
        number = parts.get("format")
        raise ValueError(f"its format is {number!r}; this version of KNHK knows {FORMAT}")
    if parts.get("net") != game._program.shape():
        raise ValueError("it is of a net of another shape")
    for key in ALWAYS:
        if key not in parts:
            raise ValueError(f"it has no {key!r}")
    for key in parts:
        if key not in ALWAYS and key not in SELDOM:
            raise ValueError(f"it has a part that is not known: {key!r}")


def _read_all(game: State, parts: dict[str, object]) -> None:
    _read_clock(game, parts)
    _read_data(game, _dictionary(parts["data"], "data"))
    _read_marking(game, parts)
    activations = [_activation(game, one) for one in _list(parts.get("activations", []))]
    for one in _list(parts["items"]):
        _read_item(game, _list(one), activations)
    for one in _list(parts.get("desks", [])):
        _read_desk(game, _list(one), activations)
    if "result" in parts:
        game._result = decode(game._program.net.result, parts["result"])
    if "failure" in parts:
        game._failure = _failure(parts["failure"])
    game._more_failures = [_failure(one) for one in _list(parts.get("failures", []))]
    _read_undoing(game, parts)
    nodes: i64 = len(game._desks)
    for number in _numbers(parts.get("busy", []), 0, nodes - 1):
        _row(game, number)
        game._busy.append(number)
    for number in _numbers(parts.get("failed", []), 1, len(game._items)):
        game._failed.append(game._items[number - 1])
    for number in _numbers(parts.get("halted", []), 0, len(activations) - 1):
        game._halted.append(activations[number])
    for one in _list(parts.get("kept", [])):
        name, key, payload = _list(one)
        game._kept.append(Message(_text(name), key, payload))
    if "holders" in parts:
        sections: i64 = len(game._program.net.sections)
        holders = _numbers(parts["holders"], HELD_BY_WORK, sections - 1)
        game._holders = _as_many(holders, len(game._holders), "holders")


def _failure(value: object) -> Failure:
    task, error, message = _list(value)
    return Failure(_text(task), _text(error), _text(message))


def _read_undoing(game: State, parts: dict[str, object]) -> None:
    """What can be undone, and how far that has come."""
    items: i64 = len(game._items)
    for one in _list(parts.get("undo", [])):
        number, args, kwargs = _list(one)
        (item,) = _numbers([number], 1, items)
        game._undo_arguments[item] = (_list(args), _dictionary(kwargs, "arguments"))
    for number in _numbers(parts.get("to_undo", []), 1, items):
        if number not in game._undo_arguments:
            raise ValueError(f"work item {number} has nothing to be undone with")
        game._to_undo.append(number)
    game._compensating = "undoing" in parts
    if "cause" in parts:
        game._cause = _failure(parts["cause"])


# --- plain values -----------------------------------------------------------------------


def _dictionary(value: object, name: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ValueError(f"{name} is no object")  # noqa: TRY004  of the data, not of a caller
    return value


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise ValueError(f"{_shown(value)} stands for a list")  # noqa: TRY004  likewise
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{_shown(value)} stands for a text")  # noqa: TRY004  likewise
    return value


def _whole(value: object, low: int, high: int) -> int:
    """A whole number from ``low`` to ``high``."""
    if not isinstance(value, int) or value < low or value > high:
        raise ValueError(f"{_shown(value)} stands for a number from {low} to {high}")
    return value


def _numbers(values: object, low: int, high: int) -> list[int]:
    return [_whole(value, low, high) for value in _list(values)]


def _as_many(values: list[int], count: int, name: str) -> list[int]:
    if len(values) != count:
        raise ValueError(f"there are {len(values)} {name}, not {count}")
    return values


def _shown(value: object) -> str:
    return repr(value)[:80]


def decode(codec: Codec | None, plain: object) -> object:
    """The typed value of what :func:`knhk.kernel.snapshot.encode` made."""
    if plain is None or codec is None:
        return plain
    return codec.decode(plain)


# --- the case ---------------------------------------------------------------------------


def _read_clock(game: State, parts: dict[str, object]) -> None:
    clock = _as_many(_numbers(parts["clock"], 0, WHOLE_MAX), 3, "times")
    game._seq = clock[0]
    game._now_us = clock[1]
    if clock[2] > 0:
        moment = Moment(game._now_us, game._seed, game._seq)
        moment.draws = clock[2]
        game._now = moment
    status = _as_many(_numbers(parts["status"], 0, WHOLE_MAX), 5, "marks of the status")
    game._status = _whole(status[0], 0, len(STATUSES) - 1)
    game._begun = status[1] > 0
    game._hearing = status[2] > 0
    game._marking.disturbed = status[3] > 0
    game._taken = status[4]


def _read_data(game: State, plain: dict[str, object]) -> None:
    for name, value in plain.items():
        game._data[name] = None if value is None else _datum(game, name, value)


def _datum(game: State, name: str, value: object) -> object:
    codec = game._program.codecs.get(name)
    if codec is not None:
        return codec.decode(value)
    row = row_of(game._program, name)
    if row is None or row.codec is None:
        return value
    return _result(row, row.codec, value)


def _result(row: TaskRow, codec: Codec, value: object) -> object:
    if row.multiple and isinstance(value, list):
        return [decode(codec, one) for one in value]
    return codec.decode(value)


def _read_marking(game: State, parts: dict[str, object]) -> None:
    marking = game._marking
    marking.total = _fill(marking.counts, parts["tokens"], 1)
    # An OR-join that is not counted any more passes more often than it was counted to be ready.
    _fill(marking.ready, parts.get("ready", []), -WHOLE_MAX)
    _fill(marking.marked, parts.get("marked", []), 1)
    _fill(marking.arrived, parts.get("arrived", []), 1)
    _fill(marking.passed, parts.get("passed", []), 1)
    if "needed" in parts:
        joins = game._program.or_joins
        needed = _as_many(_numbers(parts["needed"], 0, WHOLE_MAX), len(joins), "OR-joins")
        for join, branches in zip(joins, needed, strict=True):
            marking.needed[join.transition] = branches
    last: i64 = len(game._program.node_of)
    last -= 1
    for number in _numbers(parts.get("agenda", []), 0, last):
        marking.push(number)
    for number in _numbers(parts.get("arrivals", []), 0, last):
        _row_of(game, number)
        marking.arrivals.append(number)
    for number in _numbers(parts.get("dirty", []), 0, len(game._desks) - 1):
        _row(game, number)
        marking.dirty.append(number)


def _fill(counts: vec[i64], plain: object, least: int) -> i64:
    """Set the counts that are not 0, each of them ``least`` or more; gives their sum."""
    pairs = _list(plain)
    if len(pairs) % 2:
        raise ValueError("a count is missing")
    last: i64 = len(counts)
    last -= 1
    total: i64 = 0
    for number in range(0, len(pairs), 2):
        at: i64 = _whole(pairs[number], 0, last)
        count: i64 = _whole(pairs[number + 1], least, WHOLE_MAX)
        counts[at] = count
        total += count
    return total


# --- work -------------------------------------------------------------------------------


def _row(game: State, node: i64) -> TaskRow:
    """The task of a node."""
    row = game._program.rows[node]
    if row is None:
        raise ValueError(f"node {node} is no task")
    return row


def _row_of(game: State, transition: i64) -> TaskRow:
    """The task of a transition."""
    return _row(game, game._program.node_of[transition])


def _transition(game: State, value: object) -> int:
    return _whole(value, 0, len(game._program.node_of) - 1)


def _mutexes(game: State, values: object) -> list[int]:
    return _numbers(values, 0, len(game._holders) - 1)


def _read_item(game: State, plain: list[object], activations: list[Activation]) -> None:
    """Add an item to the case, and put it on the list it belongs to."""
    transition = _transition(game, plain[0])
    row = _row_of(game, transition)
    item = WorkItem(len(game._items) + 1, row.node, row.name, transition)
    state = _whole(plain[1], WAITING, WITHDRAWN)
    flags = _whole(plain[2], 0, TAKEN | READY | GIVEN)
    item._state = state
    item._taken = flags & TAKEN != 0
    item._ready = flags & READY != 0
    item._given = flags & GIVEN != 0
    if len(plain) in (11, 12):
        _read_seldom(game, item, plain, activations)
    elif len(plain) != 3:
        raise ValueError(f"work item {item._id} has {len(plain)} parts")
    game._items.append(item)
    if state > STARTED:
        return
    _file(game._desk(row.node), item)
    game._live += 1
    if item._due_us >= 0:
        heappush(game._timers, (item._due_us, item._id))


def _read_seldom(
    game: State, item: WorkItem, plain: list[object], activations: list[Activation]
) -> None:
    item._attempt = _whole(plain[3], 1, WHOLE_MAX)
    item._failures = _whole(plain[4], 0, WHOLE_MAX)
    item._due_us = _whole(plain[5], -1, WHOLE_MAX)
    mutexes = _mutexes(game, plain[6])
    item._mutexes = mutexes or None
    number = _whole(plain[7], -1, len(activations) - 1)
    instance = _whole(plain[8], -1, WHOLE_MAX)
    item._instance = instance
    if number >= 0:
        activation = activations[number]
        if activation.transition != item._transition:
            raise ValueError(f"work item {item._id} is no instance of activation {number}")
        item._activation = activation
        item._value = activation.values[_whole(instance, 0, len(activation.values) - 1)]
    item._key = plain[9]
    item._payload = plain[10]
    if len(plain) == 12:
        item._undoes = _whole(plain[11], 1, len(game._items))
        item._value = game._items[item._undoes - 1]._value


def _file(desk: Desk, item: WorkItem) -> None:
    """Put a live item on the list of its state."""
    if item._state == STARTED:
        desk.started.insert(item)
    elif item._state == OFFERED:
        desk.offered.insert(item)
    elif item._ready:
        desk.ready.insert(item)
    else:
        desk.waiting.insert(item)


def _read_desk(game: State, plain: list[object], activations: list[Activation]) -> None:
    node, busy, straggling, queue, some = plain
    number = _whole(node, 0, len(game._desks) - 1)
    _row(game, number)
    desk = game._desk(number)
    desk.busy = _whole(busy, 0, WHOLE_MAX)
    desk.straggling = _whole(straggling, 0, WHOLE_MAX)
    for transition in _list(queue):
        found = _transition(game, transition)
        if game._program.node_of[found] != number:
            raise ValueError(f"transition {found} is not of node {number}")
        desk.queue.append(found)
    game._live += len(desk.queue)
    for at in _numbers(some, 0, len(activations) - 1):
        activation = activations[at]
        if game._program.node_of[activation.transition] != number:
            raise ValueError(f"activation {at} is not of node {number}")
        desk.activations.append(activation)


def _activation(game: State, value: object) -> Activation:
    transition, following, done, failed, marks, again, mutexes, values, results = _list(value)
    number = _transition(game, transition)
    row = _row_of(game, number)
    activation = Activation(number, _values(row, values))
    last = len(activation.values) - 1
    activation.following = _whole(following, 0, last + 1)
    activation.done = _whole(done, 0, last + 1)
    activation.failed = _whole(failed, 0, last + 1)
    flags = _whole(marks, 0, BEGUN | HALTED | OVER)
    activation.begun = flags & BEGUN != 0
    activation.halted = flags & HALTED != 0
    activation.over = flags & OVER != 0
    activation.again = _numbers(again, 0, last)
    activation.mutexes = _mutexes(game, mutexes)
    results = _list(results)
    if len(results) != last + 1:
        raise ValueError(f"there are {len(results)} results of {last + 1} instances")
    activation.results = [_result_of(row, one) for one in results]
    return activation


def _values(row: TaskRow, plain: object) -> list[object]:
    if isinstance(plain, int):
        return list(range(_whole(plain, 0, INSTANCES_MAX)))
    if row.element is None:
        return list(_list(plain))
    return [decode(row.element, value) for value in _list(plain)]


def _result_of(row: TaskRow, plain: object) -> object:
    parts = _list(plain)
    if not parts:
        return NO_RESULT
    (value,) = parts
    return decode(row.codec, value)


__all__ = ["restore"]
