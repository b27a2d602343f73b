"""In words why a task is or is not offered, with what it waits for."""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from knhk.kernel.item import WorkItem
from knhk.kernel.mutexes import occupied
from knhk.kernel.orjoin import way
from knhk.kernel.program import WAIT_MESSAGE, WAIT_SIGNAL, TaskRow
from knhk.kernel.state import FREE, HELD_BY_WORK, RUNNING, STATUSES, STUCK, Desk, State
from knhk.model import JOIN_AND, JOIN_OR, JOIN_PARTIAL, NODE_TASK, US_PER_S

#: A way by which a token could come is told in at most so many steps.
STEPS_MAX: Final = 8


def explain(game: State, row: TaskRow) -> str:
    """Why the task of ``row`` is or is not offered in ``game``, with what it waits for."""
    if game._status != RUNNING and game._status != STUCK:
        return f"the case is {STATUSES[game._status]}: nothing is offered"
    desk = game._desk(row.node)
    parts = _work(game, row, desk)
    if game._compensating:
        found = "; ".join(parts) or "only what has completed is offered, to undo it, the last first"
        return f"the case is being undone: {found}"
    if not parts:
        parts.extend(_hindrances(game, row))
    if not parts:
        parts.append(_missing(game, row.node))
    stuck = "the case is stuck: " if game._status == STUCK else ""
    return stuck + "; ".join(parts)


def _work(game: State, row: TaskRow, desk: Desk) -> list[str]:
    """What there is of the task now."""
    parts: list[str] = []
    if desk.offered.count > 0:
        parts.append(_count(desk.offered.count, "is offered", "are offered"))
    if desk.started.count > 0:
        parts.append(_count(desk.started.count, "is started", "are started"))
    parts.extend([_waiting(game, row, item) for item in desk.waiting.items()])
    for item in desk.ready.items():
        parts.append(f"work item {item.id} waits for room{_held(game, row)}")
    waiting = len(desk.queue) > 0 or any(one.todo() for one in desk.activations)
    if desk.straggling > 0 and row.waits and desk.queue:
        parts.append("it starts anew when the instances of its last time have all ended")
    elif waiting and not desk.room(row.at_most):
        parts.append(f"more wait for room: at most {row.at_most} at once")
    return parts


def _waiting(game: State, row: TaskRow, item: WorkItem) -> str:
    if item._due_us >= 0:
        seconds = float(item._due_us - game._now_us) / US_PER_S
        return f"work item {item.id} waits {seconds:g} s more"
    if row.wait == WAIT_MESSAGE:
        key = "" if row.key is None else f" with the key {item._key!r}"
        return f"work item {item.id} waits for the message `{row.event}`{key}"
    if row.wait == WAIT_SIGNAL:
        return f"work item {item.id} waits for the signal `{row.event}`"
    return f"work item {item.id} waits"


def _hindrances(game: State, row: TaskRow) -> list[str]:
    """What keeps back a task whose tokens are there."""
    program = game._program
    first = program.first[row.node]
    there = False
    for transition in range(first, first + program.count[row.node]):
        if program.or_join[transition] < 0 and game._marking.degree(transition) > 0:
            there = True
    parts: list[str] = []
    if not there:
        return parts
    if row.while_place >= 0 and game._marking.counts[row.while_place] == 0:
        name = program.net.places[row.while_place].name
        parts.append(f"it may start only while `{name}` is marked, which it is not now")
    held = _held(game, row)
    if held:
        parts.append(f"its tokens are there, but{held}")
    return parts


def _held(game: State, row: TaskRow) -> str:
    """Who holds a mutex that the task needs."""
    program = game._program
    net = program.net
    mutexes = list(net.nodes[row.node].holds)
    first = program.first[row.node]
    for transition in range(first, first + program.count[row.node]):
        mutexes.extend([net.sections[section].mutex for section in program.enters[transition]])
    found: list[str] = []
    for mutex in mutexes:
        if game._holders[mutex] == FREE:
            continue
        name = net.mutexes[mutex].name
        what = f"mutex `{name}`" if net.mutexes[mutex].named else "the interleaved group"
        text = f" {what} is held by {_holder(game, mutex)}"
        if text not in found:
            found.append(text)
    return " and".join(found)


def _holder(game: State, mutex: int) -> str:
    net = game._program.net
    section: int = game._holders[mutex]
    if section != HELD_BY_WORK:
        nodes = net.sections[section].nodes if occupied(game, section) else ()
        tasks = [net.nodes[n].name for n in nodes if net.nodes[n].kind == NODE_TASK]
        return f"a critical section ({', '.join(f'`{name}`' for name in tasks)})"
    for number, desk in enumerate(game._desks):
        if desk is None or mutex not in net.nodes[number].holds:
            continue
        if desk.started.count > 0 or any(one.begun for one in desk.activations):
            return f"`{net.nodes[number].name}`"
    return "other work"


# --- joins ------------------------------------------------------------------------------


def _missing(game: State, number: i64) -> str:
    """What a node waits for."""
    node = game._program.net.nodes[number]
    if not node.inputs:
        return "no arrow leads to it"
    if node.join == JOIN_OR and len(node.inputs) > 1:
        return _or_join(game, number)
    if node.join == JOIN_PARTIAL:
        return _partial_join(game, number)
    counts = game._marking.counts
    weights = node.takes or (1,) * len(node.inputs)
    names = [game._program.net.places[place].name for place in node.inputs]
    missing: list[str] = []
    there: list[str] = []
    for at, place in enumerate(node.inputs):
        count: int = counts[place]
        if count >= weights[at]:
            there.append(f"`{names[at]}`")
        elif weights[at] == 1:
            missing.append(f"`{names[at]}`")
        else:
            missing.append(f"`{names[at]}` (it has {count} of {weights[at]})")
    if node.join == JOIN_AND and len(node.inputs) > 1:
        have = f"has a token at {', '.join(there)} and " if there else ""
        return f"it waits for every branch: it {have}needs one at {', '.join(missing)}"
    blocked = _before(game, number)
    text = f"no token has come to it: {' or '.join(missing)} is empty"
    if any(weight > 1 for weight in weights):
        text = f"not enough tokens have come to it: {' or '.join(missing)}"
    if blocked:
        return f"{text}; {blocked}"
    sources = _sources(game, number)
    return f"{text}; tokens come from {sources}" if sources else text


def _sources(game: State, number: i64) -> str:
    """The tasks right before a node, routing nodes left out."""
    net = game._program.net
    found: list[str] = []
    seen: set[int] = set()
    nodes: list[int] = [number]
    while nodes:
        inputs = net.nodes[nodes.pop()].inputs
        for maker, node in enumerate(net.nodes):
            puts = any(arrow.place in inputs for arrow in node.outputs)
            if maker in seen or not (puts or any(e.place in inputs for e in node.exceptions)):
                continue
            seen.add(maker)
            if node.kind == NODE_TASK:
                found.append(f"`{node.name}`")
            else:
                nodes.append(maker)
    return " or ".join(found)


def _before(game: State, number: i64) -> str:
    """What holds tokens back in a join right before a node."""
    net = game._program.net
    marking = game._marking
    inputs = net.nodes[number].inputs
    for producer, node in enumerate(net.nodes):
        if node.kind == NODE_TASK or len(node.inputs) < 2:
            continue
        if not any(arrow.place in inputs for arrow in node.outputs):
            continue
        held = any(marking.counts[place] > 0 for place in node.inputs)
        title = f"before it, `{node.word or node.name}`"
        if node.join == JOIN_PARTIAL and (held or marking.passed[producer] > 0):
            return f"{title}: {_partial_join(game, producer)}"
        if held and (node.join == JOIN_OR or node.join == JOIN_AND):
            return f"{title}: {_missing(game, producer)}"
    return ""


def _partial_join(game: State, number: i64) -> str:
    """Which round a partial join is in, and who has arrived."""
    program = game._program
    marking = game._marking
    node = program.net.nodes[number]
    first = program.first[number]
    if not marking.passed[number]:
        here = [_place(game, p) for p in node.inputs if marking.counts[p] > 0]
        come = f": {', '.join(here)}" if here else ""
        return f"it has {len(here)} of {node.threshold} arrivals in this round{come}"
    missing: list[str] = []
    blocked: list[str] = []
    for branch in range(first, first + program.count[number]):
        place = program.single[branch]
        if not marking.arrived[branch]:
            missing.append(_place(game, place))
        elif marking.counts[place] > 0:
            blocked.append(_place(game, place))
    text = f"it has passed in this round and begins anew after {', '.join(missing)}"
    if blocked:
        text += f"; {', '.join(blocked)} waits for the next round"
    return text


def _or_join(game: State, number: i64) -> str:
    """Which branch an OR-join still waits for, and a way by which a token could come."""
    program = game._program
    net = program.net
    counts = game._marking.counts
    join = program.or_join[program.first[number]]
    node = net.nodes[number]
    marked = [place for place in node.inputs if counts[place] > 0]
    empty = [place for place in node.inputs if counts[place] == 0]
    if not marked:
        names = " and ".join([_place(game, place) for place in empty])
        return f"no token has come to it: {names} are empty"
    have = f"it has a token at {', '.join([_place(game, place) for place in marked])}"
    steps = way(game, join)
    if not steps:
        return f"{have} and waits: whether more may come could not be decided"
    shown = ", ".join([f"`{name}`" for name in steps[:-1][-STEPS_MAX:]])
    through = f" through {shown}" if shown else ""
    return f"{have} and waits: a token could still come to `{steps[-1]}`{through}"


def _place(game: State, place: i64) -> str:
    return f"`{game._program.net.places[place].name}`"


def _count(count: int, one: str, many: str) -> str:
    return f"one item {one}" if count == 1 else f"{count} items {many}"


__all__ = ["explain"]
