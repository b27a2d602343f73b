"""Random runs of workflows that are undone when they fail: what is undone, and in which order.

Whatever happens before (other failures, skipped and released work, interruptions), the items
undone are those that completed and have a compensation, the last first, each exactly once.
"""

from __future__ import annotations

import json
import os
from typing import Final

import hypothesis.strategies as st
from hypothesis import given, settings

from knhk import Workflow, load
from knhk.errors import UsageError
from knhk.kernel import Case

#: Loops, instances that straggle, parallel work, a message, a discriminator, exception flows.
SAGA: Final = load("""
workflow saga(items: list[str])
    on failure compensate
    var n: int = 0
    mutex m
    task book
        retry 1 every 5s
        sets n = n + 1
        compensate with log("book {n} {book}")
    task pack
        for each item in items
        at most 2 at once
        complete when done >= 2 or done + failed == total
        compensate with log("pack {item} {pack}")
    task mail
        times 2
        without waiting
        holds m
        compensate with log("mail {mail}")
    task paid = message payment
        compensate with log("paid {paid}")
    task rest
        timeout 20s
        holds m
    task quick
        compensate with log("quick {quick}")
    task slow
        compensate with log("slow {slow}")
    task amend
        cancels slow
        compensate with log("amend {amend}")
    flow
        start -> repeat(book) until n >= 2 -> all(
            pack, mail, paid, rest,
        ) -> first(quick, slow) -> end
        rest -> amend on timeout
        pack -> amend on error Torn
        amend -> end
""")["saga"]
RUNS: Final = 40 if "CI" in os.environ else 150
LIVE: Final = ("waiting", "offered", "started")
MANY: Final = ("pack", "mail")
STEPS: Final = st.lists(
    st.tuples(
        st.sampled_from(
            ["start"] * 6
            + ["complete"] * 6
            + ["fail", "skip", "release", "send", "wait", "suspend", "resume", "compensate"]
        ),
        st.integers(0, 5),
    ),
    max_size=50,
)


def act(case: Case, action: str, choice: int) -> None:
    """Do one thing to a case, if there is something to do it to."""
    live = [item for item in case.items if str(item.state) in LIVE]
    wanted = {"start": "offered", "complete": "started", "fail": "started", "release": "started"}
    there = [item for item in live if str(item.state) == wanted.get(action, str(item.state))]
    if action == "send":
        case.send("payment", choice)
    elif action == "wait":
        case.advance(seconds=choice * 5)
    elif action == "suspend":
        case.suspend()
    elif action == "resume":
        case.resume()
    elif action == "compensate":
        case.compensate()
    elif there:
        item = there[choice % len(there)]
        if action == "start":
            case.start(item)
        elif action == "complete":
            case.complete(item, choice)
        elif action == "fail":
            case.fail(item, ("Broken", "Torn")[choice % 2])
        elif action == "skip":
            case.skip(item, choice)
        else:
            case.release(item)


def attempt(case: Case, action: str, choice: int) -> None:
    """The same; what is refused changes nothing."""
    seq, before = case.seq, repr((case.items, case.status, case.data))
    try:
        act(case, action, choice)
    except UsageError:
        assert (seq, before) == (case.seq, repr((case.items, case.status, case.data)))


def undoable(case: Case) -> list[int]:
    """What has completed and can be undone; a kept message completes its task after the rest."""
    there = [item for item in case.items if item.undoes is None and item.task != "rest"]
    there = [item for item in there if str(item.state) == "completed"]
    # the item that completed for a task without instances has done nothing
    there = [item for item in there if item.instance is not None or item.task not in MANY]
    return [item.id for item in sorted(there, key=lambda item: item.task == "paid")]


def undo(case: Case) -> None:
    """End what is being undone; a case that stands still goes on."""
    while str(case.status) in ("running", "failed", "suspended"):
        if str(case.status) != "running":
            case.resume()
        for item in case.items[::-1]:
            if str(item.state) == "waiting":
                case.advance(seconds=10)
            if str(item.state) in ("offered", "started"):
                case.skip(item)
                break


@given(STEPS, st.sampled_from([[], ["a"], ["a", "b", "c"]]))
@settings(max_examples=2 * RUNS, deadline=None)
def test_what_has_completed_is_undone_in_reverse_each_exactly_once(
    steps: list[tuple[str, int]], items: list[str]
) -> None:
    case = SAGA.case(items=items)
    completed: list[int] = []
    for action, choice in steps:
        attempt(case, action, choice)
        new = [number for number in undoable(case) if number not in completed]
        assert len([number for number in new if case.item(number).task != "paid"]) <= 1
        completed.extend(new)
        if case.compensating:
            assert case.marking == {}
            assert len([item for item in case.items if str(item.state) in LIVE]) <= 1
    if str(case.status) in ("completed", "cancelled") and not undone(case):
        return
    if not case.compensating and str(case.status) != "cancelled":
        case.compensate()
    undo(case)
    assert str(case.status) == "cancelled"
    assert undone(case) == completed[::-1]
    check_replay(SAGA, case)


def undone(case: Case) -> list[int]:
    return [
        item.undoes
        for item in case.items
        if item.undoes is not None and str(item.state) == "completed"
    ]


def check_replay(workflow: Workflow, case: Case) -> None:
    again = Case(workflow.program, case.id)
    for fact in case.history:
        again.apply(fact)
    assert repr(again.items) == repr(case.items)
    assert (again.status, again.data, repr(again.failure)) == (
        case.status,
        case.data,
        repr(case.failure),
    )


@given(STEPS, st.sampled_from([[], ["a"], ["a", "b", "c"]]))
@settings(max_examples=RUNS, deadline=None)
def test_a_snapshot_holds_what_can_be_undone(
    steps: list[tuple[str, int]], items: list[str]
) -> None:
    case, other = SAGA.case(items=items), SAGA.case(items=items)
    for action, choice in steps:
        attempt(case, action, choice)
        attempt(other, action, choice)
        plain = json.loads(json.dumps(other.snapshot()))
        other = Case.restored(SAGA.program, other.id, plain)
        assert case.snapshot() == other.snapshot()
    if str(case.status) not in ("completed", "cancelled"):
        for one in (case, other):
            if not one.compensating:
                one.compensate()
            undo(one)
    assert undone(case) == undone(other)
    assert case.snapshot() == other.snapshot()
