"""A plain, slow oracle for soundness: every state of a case, by breadth.

Written from section 6 and 9 of the language over :class:`knhk.model.Net` alone. Tasks start
and complete in two steps, whatever they are; routing nodes pass before anything else, in net
order, what enters a critical section after those that do not, OR-joins last and as the oracle of
``tests/orjoin`` decides. A partial join leaves its tokens in their places until it passes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from knhk.model import (
    JOIN_OR,
    JOIN_PARTIAL,
    NODE_ABORT,
    NODE_END,
    NODE_STOP,
    NODE_TASK,
    Net,
)
from tests.orjoin import oracle
from tests.orjoin.oracle import State

#: Tokens in one place beyond which a net may be unbounded.
TOKENS_MAX = 7
#: The case is over.
OVER = "over"


class TooLarge(Exception):
    """The net has too many states, or an OR-join could not be decided."""


@dataclass(frozen=True)
class Found:
    """What all states of a net tell.

    ``stuck`` holds the markings (tokens by place) in which a case may get stuck; ``hopeless``:
    some state leads neither to an end nor to one of those. ``dead`` are the tasks that never
    start, ``full`` whether a place held more than ``tokens_max`` tokens; then nothing else is
    certain. ``depth`` is the length of a shortest run to a stuck state.
    """

    stuck: frozenset[tuple[int, ...]]
    hopeless: bool
    dead: frozenset[int]
    full: bool
    states: int


def explore(net: Net, states_max: int, tokens_max: int = TOKENS_MAX) -> Found:
    """All states that can be reached; raises :class:`TooLarge`."""
    start: State | str = oracle.initial(net)
    after: dict[State | str, list[State | str]] = {}
    line: deque[State | str] = deque([start])
    seen: set[State | str] = {start}
    started: set[int] = set()
    full = False
    while line:
        here = line.popleft()
        following: list[State | str] = []
        if isinstance(here, State):
            if max(here.tokens) > tokens_max:
                full = True
                continue
            if not is_over(here):
                for number, there in _following(net, here):
                    started.add(number)
                    following.append(there)
        after[here] = following
        for there in following:
            if there not in seen:
                seen.add(there)
                line.append(there)
        if len(seen) > states_max:
            raise TooLarge
    stuck = [
        s for s, ahead in after.items() if isinstance(s, State) and not ahead and not is_over(s)
    ]
    ends = [s for s in seen if not isinstance(s, State) or is_over(s) or s in stuck]
    tasks = {number for number, node in enumerate(net.nodes) if node.kind == NODE_TASK}
    return Found(
        frozenset(state.tokens for state in stuck),
        len(_leading_to(after, ends)) < len(seen),
        frozenset(tasks - started),
        full,
        len(seen),
    )


def _leading_to(
    after: dict[State | str, list[State | str]], goals: list[State | str]
) -> set[State | str]:
    before: dict[State | str, list[State | str]] = {}
    for here, ahead in after.items():
        for there in ahead:
            before.setdefault(there, []).append(here)
    found = set(goals)
    pending = [*goals]
    while pending:
        for here in before.get(pending.pop(), []):
            if here not in found:
                found.add(here)
                pending.append(here)
    return found


def is_over(state: State) -> bool:
    """Whether no token is left and nothing is at work."""
    return not any(state.tokens) and not any(state.running)


def _following(net: Net, state: State) -> Iterator[tuple[int, State | str]]:
    """What happens next: the routing that has to, else whatever the environment does."""
    routing = _routing(net, state)
    if routing is not None:
        yield from ((-1, there) for there in routing)
        return
    for number, node in enumerate(net.nodes):
        if node.kind != NODE_TASK:
            continue
        yield from _task(net, state, number)


def _task(net: Net, state: State, number: int) -> Iterator[tuple[int, State | str]]:
    node = net.nodes[number]
    for took in _taken(net, state, number):
        for _, there in oracle.begun(net, took, number):
            yield number, there
    if not state.running[number]:
        return
    if node.cancels_case:
        yield number, OVER
    for there in oracle.completions(net, state, number):
        yield number, there
    for arrow in node.exceptions:
        left = oracle._changed(state, runs=number, by=-1)
        yield number, oracle._put(left, [(arrow.place, arrow.weight)])


def _taken(net: Net, state: State, number: int) -> list[State]:
    node = net.nodes[number]
    if node.join != JOIN_OR or len(node.inputs) < 2:
        return list(oracle._starts(net, state, number))
    if not oracle.may_take(net, state, number, node.inputs):
        return []
    may = oracle.passes(net, state, number)
    if may is None:
        raise TooLarge
    return [oracle.passed(net, state, number)] if may else []


def _routing(net: Net, state: State) -> list[State | str] | None:
    """The states after the routing node that passes next; ``None`` if none does."""
    for order in range(3):
        for number, node in enumerate(net.nodes):
            if node.kind == NODE_TASK:
                continue
            is_or = node.join == JOIN_OR and len(node.inputs) > 1
            if is_or != (order == 2):
                continue
            if node.join == JOIN_PARTIAL:
                found = _partial(net, state, number) if order == 0 else None
                if found is not None:
                    return found
                continue
            for at in range(len(node.inputs)):
                needs = bool(oracle._needed(net, number, ((node.inputs[at], 1),)))
                if not is_or and needs != (order == 1):
                    continue
                for took in _taken(net, state, number):
                    return _passing(net, took, number)
    return None


def _passing(net: Net, took: State, number: int) -> list[State | str]:
    node = net.nodes[number]
    if node.kind in (NODE_STOP, NODE_ABORT):
        return [OVER]
    if node.kind == NODE_END:
        return [oracle._changed(took, runs=number, by=-1)]
    return list(oracle.completions(net, took, number))


def _partial(net: Net, state: State, number: int) -> list[State | str] | None:
    node = net.nodes[number]
    there = [at for at, place in enumerate(node.inputs) if state.tokens[place]]
    have = state.arrived[number]
    if have:
        late = [at for at in there if at not in have]
        if not late:
            return None
        left = oracle._put(state, [(node.inputs[late[0]], -1)])
        now = have | {late[0]}
        now = frozenset() if len(now) == len(node.inputs) else now
        return [oracle._changed(left, arrived={number: now})]
    if len(there) < node.threshold:
        return None
    left = oracle._put(state, [(node.inputs[at], -1) for at in there])
    now = frozenset(there)
    if len(now) == len(node.inputs) or node.cancels is not None:
        now = frozenset()
    return _passing(net, oracle._changed(left, arrived={number: now}, runs=number), number)
