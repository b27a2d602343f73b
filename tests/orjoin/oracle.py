"""A plain, slow oracle for the OR-join: all markings that can be reached, by breadth.

It is written from section 6 of the language (and section 9 for cancelling) over
:class:`knhk.model.Net` alone, and knows nothing of the kernel. An OR-join may pass when at
least one of its inputs is marked, and no marking can be reached, without passing this join,
that marks one more of its inputs while those marked now are still marked (Wynn, Edmond,
van der Aalst, ter Hofstede 2005). An input is marked when it holds its weight.

A :class:`State` is the tokens of each place, the running work of each node, and for each
partial join the branches that have arrived since the last reset. :func:`steps` gives what can
happen next in a state:

* a node takes the tokens of its join. Routing nodes and tasks alike do so at any time and in
  any order, for it is the marking that counts and not who is quick. AND takes from all inputs,
  XOR from one; every other OR-join is taken as an XOR-join, the join in question never passes;
  a partial join takes one branch at a time;
* running work completes: its cancellation set is emptied, then its tokens are put, by every
  choice of an XOR-split and every non-empty choice of an OR-split (or its ``otherwise``),
  because guards are free;
* running work leaves by any of its exception arrows, and offered work by those for a message
  or a signal;
* a milestone must be marked, and a mutex free, for a start. A mutex is held by running work
  of nodes that hold it, and by a critical section with a token or running work inside.

What ends the case (``stop``, ``abort``, ``cancels case``) leaves no marking.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain, combinations, product
from typing import NamedTuple

from knhk.model import (
    EXCEPT_MESSAGE,
    EXCEPT_SIGNAL,
    JOIN_AND,
    JOIN_PARTIAL,
    NODE_ABORT,
    NODE_END,
    NODE_STOP,
    NODE_TASK,
    SPLIT_AND,
    SPLIT_XOR,
    Arrow,
    Net,
    Node,
    Region,
)

#: How many states a question may visit before its answer is "not known".
STATES_MAX = 20_000

#: No join is in question: every OR-join is an XOR-join.
NONE = -1


class State(NamedTuple):
    """Tokens by place, running work by node, arrived branches (input numbers) by node."""

    tokens: tuple[int, ...]
    running: tuple[int, ...]
    arrived: tuple[frozenset[int], ...]


class Verdict(NamedTuple):
    """Whether a join may pass (``None``: the bound was reached), and if not, for which run.

    ``run`` names the steps that lead to a marking of one more input; ``states`` counts those
    visited.
    """

    passes: bool | None
    run: tuple[str, ...]
    states: int


def initial(net: Net) -> State:
    """The marking at the beginning of a case, before anything has moved."""
    return State(
        tuple(place.tokens for place in net.places),
        (0,) * len(net.nodes),
        (frozenset(),) * len(net.nodes),
    )


def passes(net: Net, state: State, node: int, bound: int = STATES_MAX) -> bool | None:
    """Whether the OR-join before ``node`` may pass now; ``None`` if the bound was reached."""
    return verdict(net, state, node, bound).passes


def verdict(net: Net, state: State, node: int, bound: int = STATES_MAX) -> Verdict:
    """The answer of :func:`passes`, with a shortest run as the reason why a join waits."""
    now = marked_inputs(net, state, node)
    if not now:
        return Verdict(False, (), 0)
    if len(now) == len(net.nodes[node].inputs):
        return Verdict(True, (), 0)
    came_by: dict[State, tuple[State, str] | None] = {state: None}
    queue = deque([state])
    while queue:
        here = queue.popleft()
        if marked_inputs(net, here, node) > now:
            return Verdict(False, _run_to(here, came_by), len(came_by))
        for name, there in steps(net, here, node):
            if there not in came_by:
                came_by[there] = (here, name)
                queue.append(there)
        if len(came_by) > bound:
            return Verdict(None, (), len(came_by))
    return Verdict(True, (), len(came_by))


def _run_to(state: State, came_by: dict[State, tuple[State, str] | None]) -> tuple[str, ...]:
    names: list[str] = []
    back = came_by[state]
    while back is not None:
        names.append(back[1])
        back = came_by[back[0]]
    return tuple(reversed(names))


def marked_inputs(net: Net, state: State, node: int) -> frozenset[int]:
    """The inputs of a node that hold their weight, by their number in ``Node.inputs``."""
    return frozenset(
        at
        for at, (place, weight) in enumerate(_inputs(net.nodes[node]))
        if state.tokens[place] >= weight
    )


def passed(net: Net, state: State, node: int) -> State:
    """The state after an OR-join has passed: a task runs, a routing node's work is begun.

    It takes the weight of every input that holds it.
    """
    inputs = _inputs(net.nodes[node])
    tokens = list(state.tokens)
    for at in marked_inputs(net, state, node):
        place, weight = inputs[at]
        tokens[place] -= weight
    return _changed(state, tokens=tokens, runs=node)


def may_take(net: Net, state: State, number: int, places: Iterable[int]) -> bool:
    """Whether milestone and mutexes let a node take from these places."""
    bundle = tuple((place, 1) for place in places)
    return _milestone_open(net, state, number) and _mutexes_free(net, state, number, bundle)


def is_partial(node: Node) -> bool:
    """Whether branches arrive at a node one by one."""
    return node.join == JOIN_PARTIAL


# --- what can happen next -------------------------------------------------------------------


def steps(net: Net, state: State, without: int = NONE) -> Iterator[tuple[str, State]]:
    """Everything that can happen next, named, with the state after it.

    ``without`` is the node whose join never passes.
    """
    for number, node in enumerate(net.nodes):
        if node.kind == NODE_TASK:
            yield from _task_steps(net, state, number, without)
        elif number != without:
            yield from _routing_steps(net, state, number)


def _task_steps(net: Net, state: State, number: int, without: int) -> Iterator[tuple[str, State]]:
    node = net.nodes[number]
    for took in _starts(net, state, number, without):
        yield from begun(net, took, number)
    if not state.running[number]:
        return
    for after in completions(net, state, number, without):
        yield f"{node.name}-", after
    for arrow in node.exceptions:
        left = _changed(state, runs=number, by=-1)
        yield f"{node.name} fails", _put(left, [(arrow.place, arrow.weight)])


def begun(net: Net, took: State, number: int) -> Iterator[tuple[str, State]]:
    """An offered item is started, or interrupted: its tokens are taken in either case."""
    node = net.nodes[number]
    yield f"{node.name}+", took
    for arrow in node.exceptions:
        if arrow.kind in (EXCEPT_MESSAGE, EXCEPT_SIGNAL):
            left = _changed(took, runs=number, by=-1)
            yield f"{node.name} interrupted", _put(left, [(arrow.place, arrow.weight)])


def _routing_steps(net: Net, state: State, number: int) -> Iterator[tuple[str, State]]:
    node = net.nodes[number]
    if is_partial(node):
        yield from _partial_steps(net, state, number)
        return
    for took in _starts(net, state, number):
        if node.kind == NODE_END:
            yield node.name, _changed(took, runs=number, by=-1)
        elif node.kind not in (NODE_STOP, NODE_ABORT):
            for after in completions(net, took, number):
                yield node.name, after


def _starts(net: Net, state: State, number: int, without: int = NONE) -> Iterator[State]:
    """The states after a node has taken the tokens of its join once; its work then runs."""
    node = net.nodes[number]
    if number == without or not _milestone_open(net, state, number):
        return
    for bundle in _bundles(node):
        enough = all(state.tokens[place] >= weight for place, weight in bundle)
        if enough and _mutexes_free(net, state, number, bundle):
            tokens = list(state.tokens)
            for place, weight in bundle:
                tokens[place] -= weight
            yield _changed(state, tokens=tokens, runs=number)


def completions(net: Net, state: State, number: int, without: int = NONE) -> Iterator[State]:
    """The states after running work has completed, in every way that the split allows."""
    node = net.nodes[number]
    if node.cancels_case:
        return
    for emptied in _emptied(net, state, number, without):
        left = _changed(emptied, runs=number, by=-1)
        for arrows in choices(node):
            yield _put(left, [(arrow.place, arrow.weight) for arrow in arrows])


def choices(node: Node) -> list[tuple[Arrow, ...]]:
    """The sets of arrows that a split may choose when its guards are free."""
    arrows = node.outputs
    if node.split == SPLIT_AND or not arrows:
        return [arrows]
    if node.split == SPLIT_XOR:
        return [(arrow,) for arrow in arrows]
    guarded = [arrow for arrow in arrows if arrow.guard is not None]
    sizes = range(1, len(guarded) + 1)
    some = list(chain.from_iterable(combinations(guarded, size) for size in sizes))
    otherwise = [(arrow,) for arrow in arrows if arrow.guard is None]
    return some + otherwise


def _partial_steps(net: Net, state: State, number: int) -> Iterator[tuple[str, State]]:
    """A branch of a partial join arrives, once a round; at the threshold the join passes.

    A round ends when all branches have arrived, or, with a cancellation set, on passing.
    """
    node = net.nodes[number]
    for at, (place, weight) in enumerate(_inputs(node)):
        if at in state.arrived[number] or state.tokens[place] < weight:
            continue
        if not _mutexes_free(net, state, number, ((place, weight),)):
            continue
        have = state.arrived[number] | {at}
        took = _put(state, [(place, -weight)])
        passing = len(have) == node.threshold
        if len(have) == len(node.inputs) or (passing and node.cancels is not None):
            have = frozenset()
        took = _changed(took, arrived={number: have})
        if not passing:
            yield f"{node.name} absorbs", took
            continue
        for after in completions(net, _changed(took, runs=number), number):
            yield node.name, after


# --- cancelling -----------------------------------------------------------------------------


def _emptied(net: Net, state: State, number: int, without: int) -> Iterator[State]:
    """The states after the cancellation set of completing work has been emptied.

    There are several only where a mutex lets one of several arrivals be offered, and the
    state does not say which is the oldest.
    """
    region = net.nodes[number].cancels
    if region is None:
        yield state
        return
    offered = [offers(net, state, task, without) for task in region.tasks]
    for ways in product(*offered):
        tokens = list(state.tokens)
        for place, weight in chain.from_iterable(ways):
            tokens[place] = max(0, tokens[place] - weight)
        yield _cleared(state, tokens, region, number)


def _cleared(state: State, tokens: list[int], region: Region, completing: int) -> State:
    running = list(state.running)
    for place in region.places:
        tokens[place] = 0
    for task in region.tasks:
        running[task] = int(task == completing)
    arrived = dict.fromkeys(region.joins, frozenset[int]())
    return _changed(state._replace(running=tuple(running)), tokens=tokens, arrived=arrived)


def offers(
    net: Net, state: State, number: int, without: int = NONE
) -> list[tuple[tuple[int, int], ...]]:
    """What the offered items of a task would take, as places with numbers of tokens.

    There is one item for each arrival, but only one for all arrivals that need a mutex; of
    which arrival that is, is open: so there may be several answers.
    """
    node = net.nodes[number]
    if number == without or not _milestone_open(net, state, number):
        return [()]
    always: list[tuple[int, int]] = []
    either: list[tuple[tuple[int, int], ...]] = []
    for bundle in _bundles(node):
        times = min(state.tokens[place] // weight for place, weight in bundle)
        if not times or not _mutexes_free(net, state, number, bundle):
            continue
        if _needed(net, number, bundle):
            either.append(bundle)
        else:
            always.extend((place, weight * times) for place, weight in bundle)
    return [(*always, *bundle) for bundle in either or [()]]


# --- milestones and mutexes -----------------------------------------------------------------


def _milestone_open(net: Net, state: State, number: int) -> bool:
    place = net.nodes[number].while_place
    return place < 0 or state.tokens[place] > 0


def _mutexes_free(net: Net, state: State, number: int, bundle: tuple[tuple[int, int], ...]) -> bool:
    return all(free(net, state, mutex) for mutex in _needed(net, number, bundle))


def _needed(net: Net, number: int, bundle: tuple[tuple[int, int], ...]) -> set[int]:
    """The mutexes that a node needs to take these tokens.

    Those it holds itself, and those of the sections it enters; but not those of a section
    that it is in already.
    """
    inside: set[int] = set()
    entered: set[int] = set()
    for section in net.sections:
        if number in section.nodes:
            within = all(place in section.places for place, _ in bundle)
            (inside if within else entered).add(section.mutex)
    return (set(net.nodes[number].holds) | entered) - inside


def free(net: Net, state: State, mutex: int) -> bool:
    """Whether nobody holds a mutex."""
    for number, node in enumerate(net.nodes):
        if state.running[number] and mutex in node.holds:
            return False
    for section in net.sections:
        busy = any(state.running[number] for number in section.nodes)
        marked = any(state.tokens[place] for place in section.places)
        if section.mutex == mutex and (busy or marked):
            return False
    return True


# --- states ---------------------------------------------------------------------------------


def _inputs(node: Node) -> list[tuple[int, int]]:
    """The input places of a node, each with the number of tokens it takes."""
    return list(zip(node.inputs, node.takes or (1,) * len(node.inputs), strict=True))


def _bundles(node: Node) -> list[tuple[tuple[int, int], ...]]:
    """What a node may take at once: of an AND-join all its inputs, else one of them."""
    inputs = _inputs(node)
    if node.join == JOIN_AND:
        return [tuple(inputs)] if inputs else []
    return [(pair,) for pair in inputs]


def _put(state: State, pairs: list[tuple[int, int]]) -> State:
    tokens = list(state.tokens)
    for place, count in pairs:
        tokens[place] += count
    return state._replace(tokens=tuple(tokens))


def _changed(
    state: State,
    *,
    tokens: list[int] | None = None,
    runs: int = NONE,
    by: int = 1,
    arrived: dict[int, frozenset[int]] | None = None,
) -> State:
    """A state with other tokens, ``by`` more running work of ``runs``, other arrivals."""
    running = state.running
    if runs != NONE:
        running = (*running[:runs], running[runs] + by, *running[runs + 1 :])
    branches = list(state.arrived)
    for number, have in (arrived or {}).items():
        branches[number] = have
    counts = state.tokens if tokens is None else tuple(tokens)
    return State(counts, running, tuple(branches))
