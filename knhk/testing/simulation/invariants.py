"""What must be so whatever happens: one function for each promise, and the ledger they look at.

Each gives what is wrong, in words, or nothing. They are asked at every append, at every call of a
callee, at every opening of the store and when all has come to rest; the first that finds something
ends the run.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple, final

from knhk.call import Call
from knhk.engine.facts import decode_object
from knhk.engine.kin import is_wanted, sub_case_id
from knhk.engine.version import Version
from knhk.journal import UNFINISHED, CaseRow, Commit, InputRow, Rest
from knhk.journal.chain import first_misfit
from knhk.kernel import Case, WorkItem
from knhk.model import (
    CALLEE_OUTSIDE,
    CALLEE_PLUGIN,
    CALLEE_WORKFLOW,
    MESSAGE,
    CaseStatus,
    ItemState,
)
from knhk.plugins import task_types
from knhk.testing.simulation.shadow import Shadow

__all__ = [
    "INVARIANTS",
    "Knowledge",
    "Ledger",
    "Published",
    "chain_unbroken",
    "no_acknowledged_input_lost",
    "no_attempt_made_twice",
    "no_completed_task_run_again",
    "no_message_lost_or_taken_twice",
    "nobody_stands_still",
    "nothing_done_before_it_is_written",
    "one_holder_of_an_attempt",
    "one_owners_writes_only",
    "replay_equals_live",
]


class Published(NamedTuple):
    """A message that a client was told is published; its payload is its id."""

    id: str
    name: str
    key: object


@final
class Knowledge:
    """What one process knows of the store: it has written or read it."""

    def __init__(self) -> None:
        self.last: dict[str, int] = {}
        self.loads: dict[str, int] = {}
        self.runs: dict[str, tuple[int, int]] = {}

    def has_read(self, case: str, last_seq: int, *, is_loading: bool) -> None:
        """It has read a case, up to that input."""
        self.last[case] = last_seq
        if is_loading:
            self.loads[case] = self.loads.get(case, 0) + 1

    def has_written(self, commit: Commit) -> None:
        """It was told that this is written."""
        if commit.inputs:
            self.last[commit.case] = commit.inputs[-1].seq


@final
class Ledger:
    """What was written, by shadows of all cases, and what was acknowledged."""

    def __init__(self, versions: Mapping[str, Version]) -> None:
        self.shadows: dict[str, Shadow] = {}
        self.acknowledged: dict[str, InputRow] = {}
        #: Who was given work for outside, by case, item and attempt.
        self.holders: dict[tuple[str, int, int], str] = {}
        #: Messages that clients were told are published, by id.
        self.published: dict[str, Published] = {}
        #: The ids of those that the store has forgotten, since they were kept for long.
        self.expired: set[str] = set()
        self._versions = versions

    def take(self, commit: Commit) -> str:
        """Take what was written of a case; what is wrong with it, if anything is."""
        if commit.opened is not None:
            if commit.case in self.shadows:
                return f"case {commit.case} is opened a second time"
            self.shadows[commit.case] = self._shadow(commit.opened)
        shadow = self.shadows.get(commit.case)
        if shadow is None:
            if commit == Commit(commit.case, rest=Rest(is_parked=False), fence=commit.fence):
                return ""  # a sub-case that its parent has let go of, and that was never begun
            return f"case {commit.case} was never opened"
        for row in commit.inputs:
            wrong = shadow.take(row)
            if wrong:
                return f"case {commit.case}: {wrong}"
        if commit.standing is not None:
            shadow.status = commit.standing.status
        return ""

    def acknowledge(self, commit: Commit) -> None:
        """The engine was told that this is written."""
        if commit.inputs:
            self.acknowledged[commit.case] = commit.inputs[-1]

    def forget(self, stored: Mapping[str, Sequence[InputRow]]) -> None:
        """What is not in the store any more is gone, and was allowed to."""
        for case, row in tuple(self.acknowledged.items()):
            if len(stored.get(case, ())) <= row.seq:
                del self.acknowledged[case]

    def read(self, row: CaseRow, rows: Sequence[InputRow]) -> str:
        """Compare with what the store holds of a case after a crash, and go on from there."""
        broken = first_misfit(row, rows)
        if broken is not None:
            return f"input {broken} of case {row.id} does not fit its hash"
        shadow = self.shadows.get(row.id)
        if shadow is not None and shadow.is_of(row, rows):
            return ""
        self.shadows[row.id] = shadow = self._shadow(row)
        for each in rows:
            wrong = shadow.take(each)
            if wrong:
                return f"case {row.id}: {wrong}"
        if shadow.case.status is not row.status:
            return f"case {row.id} says {row.status}, and a replay leads to {shadow.case.status}"
        if row.status is not CaseStatus.completed:
            return ""
        result = shadow.version.facts.encode_result(shadow.case.result)
        return "" if result == row.outcome else f"the result of case {row.id} is another one"

    def _shadow(self, row: CaseRow) -> Shadow:
        return Shadow(self._versions[row.workflow], row)


def chain_unbroken(ledger: Ledger, commit: Commit) -> str:
    """Every row follows from the one before, and a replay takes it and stands where it says."""
    wrong = ledger.take(commit)
    shadow = ledger.shadows.get(commit.case)
    if wrong or shadow is None:
        return wrong
    if commit.standing is not None and commit.standing.status is not shadow.case.status:
        return (
            f"case {commit.case} is written as {commit.standing.status},"
            f" and a replay leads to {shadow.case.status}"
        )
    return ""


def one_owners_writes_only(last: int, commit: Commit) -> str:
    """Whoever writes to a case knows all that is written before; nobody writes over another.

    ``last`` is the number of the last input that the writing process knows of.
    """
    if commit.opened is not None or not commit.inputs:
        return ""
    if commit.inputs[0].seq == last + 1:
        return ""
    return (
        f"input {commit.inputs[0].seq} of case {commit.case} was written by a process that knows"
        f" the case up to input {last}"
    )


def one_holder_of_an_attempt(ledger: Ledger, commit: Commit) -> str:
    """Nobody is given an attempt at work for outside that somebody else has or had."""
    for lease in commit.leases:
        key = commit.case, lease.item, lease.attempt
        holder = ledger.holders.setdefault(key, lease.holder)
        if holder != lease.holder:
            return (
                f"attempt {lease.attempt} at item {lease.item} of case {commit.case} is given to"
                f" {lease.holder!r}, and was given to {holder!r}"
            )
    return ""


def no_acknowledged_input_lost(
    acknowledged: Mapping[str, InputRow], stored: Mapping[str, Sequence[InputRow]]
) -> str:
    """What was told to be written is there, with all before it, as the hash says."""
    for case, row in acknowledged.items():
        rows = stored.get(case, ())
        if len(rows) <= row.seq or rows[row.seq].hash != row.hash:
            return f"input {row.seq} of case {case} was acknowledged, and is not in the store"
    return ""


def nothing_done_before_it_is_written(ledger: Ledger, known: Knowledge, call: Call) -> str:
    """A callee is called only when the start of its item is in the journal."""
    shadow = ledger.shadows.get(call.case)
    seq = -1 if shadow is None else shadow.started.get((call.item, call.attempt), -1)
    if 0 <= seq <= known.last.get(call.case, -1):
        return ""
    return f"attempt {call.idempotency_key} is made, and its start is not written"


def no_completed_task_run_again(ledger: Ledger, known: Knowledge, call: Call) -> str:
    """What a process knows to be completed it never does again."""
    shadow = ledger.shadows.get(call.case)
    seq = -1 if shadow is None else shadow.completed.get(call.item, -1)
    if 0 <= seq <= known.last.get(call.case, -1):
        return f"attempt {call.idempotency_key} is made, and its item was completed by input {seq}"
    return ""


def no_attempt_made_twice(ledger: Ledger, known: Knowledge, call: Call) -> str:
    """A process makes an attempt once, unless it is started anew or its case was loaded again."""
    shadow = ledger.shadows.get(call.case)
    started = -1 if shadow is None else shadow.started.get((call.item, call.attempt), -1)
    now = (started, known.loads.get(call.case, 0))
    if known.runs.get(call.idempotency_key) == now:
        return f"attempt {call.idempotency_key} is made a second time, with no crash in between"
    known.runs[call.idempotency_key] = now
    return ""


def replay_equals_live(case: Case, shadow: Shadow) -> str:
    """The case in memory is what its rows make of it."""
    if case.status is not shadow.case.status:
        return f"case {case.id} is {case.status} in memory, and {shadow.case.status} by its inputs"
    mine, other = case.snapshot(), shadow.case.snapshot()
    if mine != other and mine is not None and other is not None:
        parts = sorted(name for name in mine if mine[name] != other.get(name))
        return f"case {case.id} differs from a replay of its inputs in {', '.join(parts)}"
    return ""


def nobody_stands_still(shadows: Mapping[str, Shadow]) -> str:
    """When nothing moves any more, whatever is unfinished waits for somebody outside."""
    for shadow in shadows.values():
        case = shadow.case
        if case.status not in UNFINISHED:
            continue
        for item in case.items:
            why = _why_still(case, item, shadows)
            if why:
                return f"case {case.id} stands still: item {item.id} of {item.task!r} {why}"
        parent = shadows.get(shadow.row.parent)
        if shadow.row.parent and (parent is None or not is_wanted(parent.case, shadow.row)):
            return f"case {case.id} goes on, and its parent does not wait for it"
    return ""


def no_message_lost_or_taken_twice(ledger: Ledger, kept: Collection[str]) -> str:
    """Each message is taken once by one case, or kept because nobody would take it.

    ``kept`` are the ids of those that the store keeps when nothing moves any more.
    """
    taken: dict[str, list[str]] = {}
    shadows = ledger.shadows.values()
    for shadow in shadows:
        for row in shadow.rows:
            if row.kind == MESSAGE:
                value = decode_object(row.body)["value"]
                assert isinstance(value, dict)
                taken.setdefault(str(value["payload"]), []).append(shadow.row.id)
    for message in ledger.published.values():
        takers = taken.get(message.id, [])
        if len(takers) + (message.id in kept) + (message.id in ledger.expired) != 1:
            is_kept = ", and kept" if message.id in kept else ""
            return f"{message.id} was taken by {takers or 'nobody'}{is_kept}"
        for shadow in shadows if message.id in kept else ():
            if shadow.case.would_take(message.name, message.key):
                return f"{message.id} is kept, and case {shadow.row.id} waits for it"
    return ""


def _why_still(case: Case, item: WorkItem, shadows: Mapping[str, Shadow]) -> str:
    """Why an item is one that the engine has forgotten; nothing if it rightly waits."""
    is_running = case.status is CaseStatus.running
    if item.state is ItemState.waiting and item.due_us >= 0 and is_running:
        return "waits for a time that has passed"
    callee = case.callee(item)
    is_outside = callee.kind == CALLEE_OUTSIDE or (
        callee.kind == CALLEE_PLUGIN and task_types()[callee.name].run is None
    )
    if is_outside or item.state not in (ItemState.offered, ItemState.started):
        return ""
    if item.state is ItemState.offered:
        return "is offered to the engine, which does not start it" if is_running else ""
    if callee.kind != CALLEE_WORKFLOW:
        return "is started, and nobody is at work on it"
    call = Call(case.id, case.workflow, item.task, item.id, item.attempt, item.instance)
    child = shadows.get(sub_case_id(call))
    is_at_work = child is not None and child.case.status in UNFINISHED
    return "" if is_at_work else "waits for a sub-case that is not at work"


#: The promises, by name.
INVARIANTS: Final = (
    "no acknowledged input lost",
    "no completed task run again",
    "no attempt made twice",
    "nothing done before it is written",
    "one owner's writes only",
    "one holder of an attempt",
    "work for outside is offered",
    "replay equals live state",
    "chain unbroken",
    "nobody stands still",
    "no message lost or taken twice",
)
