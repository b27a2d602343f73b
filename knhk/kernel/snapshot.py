"""The state of a case as a plain value, to be written down between two inputs.

A snapshot is made of ``None``, booleans, numbers, texts, lists and dictionaries, and comes
back through JSON as it was. What it holds of values that have a type of the language is
encoded by the codec of that type: a result by that of its task, a parameter, variable or
``return`` by its own, the value of an instance by that of the ``for each``. What has no codec
is plain JSON already: keys and payloads of messages and signals are. The keys of a dictionary
must keep their order on the way, since ``keys(...)`` gives them in it.

Nodes, places and transitions stand as their numbers in the program, so a snapshot holds for a
program of the same :meth:`~knhk.kernel.program.Program.shape` only; an item is known by its
number too, an activation by its position in ``activations``. What follows from the rest is
made again by :mod:`knhk.kernel.restoring`: the lists of the desks from the states of the items,
the timers from their due times, the number of live items and of tokens. So are the answers
about OR-joins, which belong to the program. The history and the effects of the last input are
left out.

Two cases in the same state have equal snapshots, whatever way they came to it.

==============  =============================================================================
``format``      ``FORMAT``
``net``         the program's shape
``clock``       ``[seq, now_us, draws]``
``status``      ``[status, begun, hearing, disturbed, taken]``
``data``        the case data by name
``tokens``      ``[place, count, ...]`` of the marked places
``items``       every item there has been: ``[transition, state, flags]``, and of those of
                which there is more to say ``[..., attempt, failures, due_us, mutexes,
                activation, instance, key, payload]``, and last what it undoes
``failure``     ``[task, error, message]``; ``failures`` lists what else has failed
``result``      what ``return`` gave
``ready``       ``[transition, count, ...]``, as ``marked``, ``arrived``; ``passed`` by node
``needed``      the branches that each OR-join waits for
``agenda``      transitions in net order; ``arrivals`` in their order; ``dirty`` and ``busy``
                are nodes
``desks``       ``[node, busy, straggling, queue, activations]``
``activations`` ``[transition, following, done, failed, flags, again, mutexes, values,
                results]``; ``values`` is a number where they count from 0; a result is
                ``[value]``, one that is not there ``[]``
``failed``      numbers of items; ``halted`` of activations
``holders``     who holds each mutex
``kept``        ``[name, key, payload]`` of each message
``undo``        ``[number, args, kwargs]`` of each item that can be undone; ``to_undo`` are those
                that still are to be, ``undoing`` is there when that goes on, ``cause`` says why
==============  =============================================================================

From ``failure`` on a key is left out when there is nothing to say.
"""

from __future__ import annotations

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64

from knhk.kernel.item import NO_RESULT, WAITING, Activation, WorkItem
from knhk.kernel.program import Program, TaskRow
from knhk.kernel.state import FREE, Failure, State
from knhk.model import Codec

#: The number of this form; another one for every change of what is written or what it means.
FORMAT: Final = 1

# Flags of an item and of an activation.
TAKEN: Final = 1
READY: Final = 2
GIVEN: Final = 4
BEGUN: Final = 1
HALTED: Final = 2
OVER: Final = 4


def take(game: State) -> dict[str, object]:
    """The state of a case between two inputs.

    Lists and dictionaries of the case data may be parts of it as they are: write it down, or
    copy it, before anybody changes them.
    """
    numbers = Numbers()
    items: list[object] = [_item(item, numbers) for item in game._items]
    found: dict[str, object] = {
        "format": FORMAT,
        "net": game._program.shape(),
        "clock": _clock(game),
        "status": [
            game._status,
            int(game._begun),
            int(game._hearing),
            int(game._marking.disturbed),
            game._taken,
        ],
        "data": _data(game),
        "tokens": _counts(game._marking.counts),
        "items": items,
    }
    if game._failure is not None:
        failure = game._failure
        found["failure"] = _failure(failure)
    if game._more_failures:
        found["failures"] = [_failure(one) for one in game._more_failures]
    if game._result is not None:
        found["result"] = encode(game._program.net.result, game._result)
    _put_marking(found, game)
    _put_work(found, game, numbers)
    _put_undoing(found, game)
    if numbers.activations:
        program = game._program
        found["activations"] = [_activation(program, one) for one in numbers.activations]
    return found


def _failure(failure: Failure) -> list[object]:
    return [failure.task, failure.error, failure.message]


@final
class Numbers:
    """The activations of a case, numbered as they are met."""

    def __init__(self) -> None:
        self.activations: list[Activation] = []
        self._numbers: dict[Activation, int] = {}

    def of(self, activation: Activation) -> int:
        """The number of an activation."""
        number = self._numbers.get(activation, -1)
        if number < 0:
            number = len(self.activations)
            self._numbers[activation] = number
            self.activations.append(activation)
        return number


# --- values -----------------------------------------------------------------------------


def encode(codec: Codec | None, value: object) -> object:
    """A value as plain JSON; what has not been given yet is ``None`` whatever its type."""
    if value is None or codec is None:
        return value
    return codec.encode(value)


def _data(game: State) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in game._data.items():
        found[name] = None if value is None else _datum(game._program, name, value)
    return found


def _datum(program: Program, name: str, value: object) -> object:
    codec = program.codecs.get(name)
    if codec is not None:
        return codec.encode(value)
    row = row_of(program, name)
    if row is None or row.codec is None:
        return value
    if row.multiple and isinstance(value, list):
        return [encode(row.codec, one) for one in value]
    return row.codec.encode(value)


def row_of(program: Program, name: str) -> TaskRow | None:
    """The task of that name, if there is one."""
    node = program.names.get(name, -1)
    return None if node < 0 else program.rows[node]


def _clock(game: State) -> list[object]:
    """The clock, and how often the last input has drawn: arguments may draw on."""
    moment = game._now
    draws: i64 = 0 if moment is None else moment.draws
    return [game._seq, game._now_us, draws]


# --- tokens -----------------------------------------------------------------------------


def _counts(counts: vec[i64]) -> list[object]:
    """What is not 0, each behind its position."""
    found: list[object] = []
    size: i64 = len(counts)
    for at in range(size):
        if counts[at] != 0:
            found.append(at)
            found.append(counts[at])
    return found


def _put_marking(found: dict[str, object], game: State) -> None:
    marking = game._marking
    _put(found, "ready", _counts(marking.ready))
    _put(found, "marked", _counts(marking.marked))
    _put(found, "arrived", _counts(marking.arrived))
    _put(found, "passed", _counts(marking.passed))
    needed: list[object] = [marking.needed[join.transition] for join in game._program.or_joins]
    if any(needed):
        found["needed"] = needed
    if marking.agenda_size > 0:
        agenda = [marking.agenda[at] for at in range(marking.agenda_size)]
        found["agenda"] = sorted(agenda)
    if marking.arrivals:
        found["arrivals"] = list(marking.arrivals)
    if marking.dirty:
        found["dirty"] = sorted(set(marking.dirty))


def _put(found: dict[str, object], key: str, values: list[object]) -> None:
    if values:
        found[key] = values


# --- work -------------------------------------------------------------------------------


def _item(item: WorkItem, numbers: Numbers) -> list[object]:
    flags: i64 = 0
    if item._taken:
        flags = TAKEN
    if item._state == WAITING and item._ready:
        flags += READY
    if item._given:
        flags += GIVEN
    row: list[object] = [item._transition, item._state, flags]
    if _is_plain(item):
        return row
    activation = item._activation
    row.append(item._attempt)
    row.append(item._failures)
    row.append(item._due_us)
    row.append(item._mutexes or [])
    row.append(-1 if activation is None else numbers.of(activation))
    row.append(item._instance)
    row.append(item._key)
    row.append(item._payload)
    if item._undoes >= 0:
        row.append(item._undoes)
    return row


def _is_plain(item: WorkItem) -> bool:
    """Whether an item is no instance, and is or was offered for the first time."""
    return (
        item._activation is None
        and item._undoes < 0
        and item._attempt == 1
        and item._failures == 0
        and item._due_us < 0
        and item._key is None
        and item._payload is None
        and not item._mutexes
    )


def _put_work(found: dict[str, object], game: State, numbers: Numbers) -> None:
    desks: list[object] = []
    for node, desk in enumerate(game._desks):
        if desk is None:
            continue
        if desk.busy != 0 or desk.straggling != 0 or desk.queue or desk.activations:
            activations: list[object] = [numbers.of(one) for one in desk.activations]
            desks.append([node, desk.busy, desk.straggling, list(desk.queue), activations])
    _put(found, "desks", desks)
    if game._busy:
        found["busy"] = list(game._busy)
    if game._failed:
        found["failed"] = [item._id for item in game._failed]
    if game._halted:
        found["halted"] = [numbers.of(activation) for activation in game._halted]
    for holder in game._holders:
        if holder != FREE:
            found["holders"] = list(game._holders)
            break
    if game._kept:
        found["kept"] = [[one.name, one.key, one.payload] for one in game._kept]


def _put_undoing(found: dict[str, object], game: State) -> None:
    if game._undo_arguments:
        found["undo"] = [
            [number, list(args), dict(kwargs)]
            for number, (args, kwargs) in game._undo_arguments.items()
        ]
    if game._to_undo:
        found["to_undo"] = list(game._to_undo)
    if game._compensating:
        found["undoing"] = True
    if game._cause is not None:
        found["cause"] = _failure(game._cause)


def has_plain_form(game: State) -> bool:
    """Whether all that the case holds can be written; arguments of undos have no codecs."""
    for args, kwargs in game._undo_arguments.values():
        if not _is_json(args) or not _is_json(kwargs):
            return False
    return True


def _is_json(value: object) -> bool:
    if value is None or isinstance(value, (str, bool, int, float)):
        return True
    if isinstance(value, list):
        return all(_is_json(one) for one in value)
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(one) for key, one in value.items())
    return False


def _activation(program: Program, activation: Activation) -> list[object]:
    row = program.rows[program.node_of[activation.transition]]
    assert row is not None
    flags: i64 = 0
    if activation.begun:
        flags = BEGUN
    if activation.halted:
        flags += HALTED
    if activation.over:
        flags += OVER
    results: list[object] = [
        [] if result is NO_RESULT else [encode(row.codec, result)] for result in activation.results
    ]
    return [
        activation.transition,
        activation.following,
        activation.done,
        activation.failed,
        flags,
        list(activation.again),
        list(activation.mutexes),
        _values(row, activation.values),
        results,
    ]


def _values(row: TaskRow, values: list[object]) -> object:
    """The values of the instances, or only their number where they are counted."""
    if row.times is not None and _count_up(values):
        return len(values)
    if row.element is None:
        return list(values)
    return [encode(row.element, value) for value in values]


def _count_up(values: list[object]) -> bool:
    for number, value in enumerate(values):
        if not isinstance(value, int) or value != number:
            return False
    return True


__all__ = ["FORMAT", "has_plain_form", "take"]
