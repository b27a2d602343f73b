"""Every field of the state of a case, and the whole of it in a form that can be compared.

``FIELDS`` says of every field of every class what the snapshot does with it. A field that is
not there makes :func:`deep` and a test fail, so that nobody adds one and forgets the snapshot:
write it in ``knhk.kernel.snapshot``, read it in ``knhk.kernel.restoring``, and say here how it
is kept.
"""

from __future__ import annotations

import json
from typing import Any

from knhk.kernel import Case
from knhk.kernel.item import NO_RESULT

#: It stands in the snapshot.
KEPT = "kept"
#: It follows from what stands there.
MADE = "made"
#: It is no part of what a case does next.
LEFT = "left out"

FIELDS: dict[str, dict[str, str]] = {
    "Case": {
        "_program": LEFT,
        "_id": LEFT,
        "_seed": MADE,
        "_seq": KEPT,
        "_now_us": KEPT,
        "_status": KEPT,
        "_data": KEPT,
        "_marking": KEPT,
        "_desks": KEPT,
        "_busy": KEPT,
        "_items": KEPT,
        "_live": MADE,
        "_timers": MADE,
        "_failure": KEPT,
        "_failed": KEPT,
        "_halted": KEPT,
        "_result": KEPT,
        "_history": LEFT,
        "_effects": LEFT,
        "_begun": KEPT,
        "_now": KEPT,
        "_holders": KEPT,
        "_kept": KEPT,
        "_hearing": KEPT,
        "_taken": KEPT,
        "_undo_arguments": KEPT,
        "_to_undo": KEPT,
        "_compensating": KEPT,
        "_cause": KEPT,
        "_more_failures": KEPT,
    },
    "Marking": {
        "program": LEFT,
        "counts": KEPT,
        "ready": KEPT,
        "marked": KEPT,
        "needed": KEPT,
        "agenda": KEPT,
        "agenda_size": KEPT,
        "arrivals": KEPT,
        "dirty": KEPT,
        "total": MADE,
        "disturbed": KEPT,
        "arrived": KEPT,
        "passed": KEPT,
    },
    "Desk": {
        "offered": MADE,
        "started": MADE,
        "waiting": MADE,
        "ready": MADE,
        "queue": KEPT,
        "activations": KEPT,
        "busy": KEPT,
        "straggling": KEPT,
    },
    "ItemList": {"head": MADE, "tail": MADE, "count": MADE},
    "WorkItem": {
        "_id": MADE,
        "_node": MADE,
        "_task": MADE,
        "_transition": KEPT,
        "_state": KEPT,
        "_instance": KEPT,
        "_value": MADE,
        "_attempt": KEPT,
        "_failures": KEPT,
        "_due_us": KEPT,
        "_taken": KEPT,
        "_ready": KEPT,
        "_key": KEPT,
        "_given": KEPT,
        "_payload": KEPT,
        "_mutexes": KEPT,
        "_activation": KEPT,
        "_undoes": KEPT,
        "_before": MADE,
        "_after": MADE,
    },
    "Activation": {
        "transition": KEPT,
        "values": KEPT,
        "results": KEPT,
        "following": KEPT,
        "again": KEPT,
        "done": KEPT,
        "failed": KEPT,
        "begun": KEPT,
        "halted": KEPT,
        "over": KEPT,
        "mutexes": KEPT,
    },
    "Failure": {"task": KEPT, "error": KEPT, "message": KEPT},
    "Message": {"name": KEPT, "key": KEPT, "payload": KEPT},
    "Moment": {"at_us": LEFT, "seed": MADE, "seq": MADE, "draws": KEPT},
}


def fields(thing: object) -> set[str]:
    """The fields that an instance of a class of the state has, compiled or not."""
    compiled = getattr(type(thing), "__mypyc_attrs__", None)
    return set(vars(thing) if compiled is None else compiled)


def deep(case: Case) -> object:
    """All that a case will do depends on, down to the types of the values.

    What a desk of a task that was never reached and one with nothing on it differ in makes no
    difference, nor does the order of the agenda's heap, nor a timer that nobody waits for.
    """
    return _Walk().of(case)


class _Walk:
    """Things in the order in which they are met; one met again is its number."""

    def __init__(self) -> None:
        self._met: dict[int, int] = {}

    def of(self, thing: Any) -> object:
        name = type(thing).__name__
        if name == "vec[i64]":
            return [int(one) for one in thing]
        if isinstance(thing, list):
            return [self.of(one) for one in thing]
        if type(thing).__module__ == "knhk.records":
            return repr(thing)
        if not type(thing).__module__.startswith("knhk."):
            return "no result" if thing is NO_RESULT else (name, repr(thing))
        if id(thing) in self._met:
            return (name, self._met[id(thing)])
        self._met[id(thing)] = len(self._met)
        there, known = fields(thing), FIELDS[name]
        assert there == known.keys(), f"tell {__name__}.FIELDS of {name}"
        if name == "Moment" and thing.draws == 0:
            return None
        special = _SPECIAL.get(name, {})
        return name, {
            field: special.get(field, _Walk.of)(self, getattr(thing, field))
            for field, how in known.items()
            if how != LEFT and not (name == "Marking" and field == "agenda")
        } | (_agenda(thing) if name == "Marking" else _timers(thing) if name == "Case" else {})

    def desks(self, desks: list[Any]) -> object:
        return [None if desk is None or _bare(desk) else self.of(desk) for desk in desks]

    def moment(self, moment: Any) -> object:
        return None if moment is None else self.of(moment)

    def data(self, data: dict[str, object]) -> object:
        return {name: (type(value).__name__, repr(value)) for name, value in data.items()}

    def either(self, values: list[int] | None) -> object:
        return values or []

    def whatever_order(self, nodes: list[int]) -> object:
        return sorted(set(nodes))

    def number(self, item: Any) -> object:
        return None if item is None else item.id

    def skipped(self, _: object) -> object:
        return None


def _bare(desk: Any) -> bool:
    lists = (desk.offered, desk.started, desk.waiting, desk.ready)
    counts = [one.count for one in lists] + [desk.busy, desk.straggling]
    return not (any(counts) or desk.queue or desk.activations)


def _agenda(marking: Any) -> dict[str, object]:
    return {"agenda": sorted(int(one) for one in list(marking.agenda)[: marking.agenda_size])}


def _timers(case: Any) -> dict[str, object]:
    """The timers that somebody waits for, as the heap would give them."""
    wanted = {(item.due_us, item.id) for item in case.items if str(item.state) in LIVE}
    return {"_timers": sorted({*case._timers} & wanted)}


LIVE = ("waiting", "offered", "started")
_SPECIAL: dict[str, dict[str, Any]] = {
    "Case": {
        "_desks": _Walk.desks,
        "_now": _Walk.moment,
        "_data": _Walk.data,
        "_timers": _Walk.skipped,
    },
    "Marking": {"dirty": _Walk.whatever_order},
    "ItemList": {"head": _Walk.number, "tail": _Walk.number},
    "WorkItem": {
        "_mutexes": _Walk.either,
        "_before": _Walk.number,
        "_after": _Walk.number,
    },
}


def through_json(plain: object) -> object:
    """A plain value as it comes back from a store."""
    return json.loads(json.dumps(plain, allow_nan=False))


def parked(case: Case, **options: bool) -> Case:
    """The case as it comes back from its snapshot."""
    return Case.restored(case._program, case.id, through_json(case.snapshot()), **options)
