"""Which markings can be reached from a state of a :class:`Spread`, and which cannot.

Two bounded searches. Forward, over the states themselves; backward, over minimal markings,
where more tokens never hinder and a place grows without bound, or too much goes on at once
(Abdulla, Cerans, Jonsson, Tsay 1996, with the reset arcs of Dufourd, Finkel,
Schnoebelen 1998).
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

from knhk.kernel.spread import Move, PartialState, Spread

#: How many markings one search may look at.
STATES_MAX: Final = 5_000
#: How many minimal markings one backward search may keep.
BASIS_MAX: Final = 2_000
#: A place with so many tokens more than there were in all is taken to grow without bound.
SURPLUS: Final = 3
#: More tokens than this in one place are not told apart.
COUNT_MAX: Final = 250

WAITS: Final = 0
PASSES: Final = 1
UNKNOWN: Final = 2


def marked_inputs(spread: Spread, state: list[int]) -> list[int]:
    """Which inputs hold enough tokens, as positions in ``inputs``."""
    found: list[int] = []
    for number in range(len(spread.inputs)):
        if state[spread.inputs[number]] >= spread.weights[number]:
            found.append(number)
    return found


@final
class Step:
    """How a marking was come to: from which one, and what moved."""

    def __init__(self, before: Step | None, name: str, state: list[int]) -> None:
        self.before = before
        self.name = name
        self.state = state


def search(spread: Spread, start: list[int], marked: list[int]) -> int:
    """Look for a marking with one more input, among those that can be reached."""
    moves = spread.useful(marked)
    most = min(sum(start) + SURPLUS, COUNT_MAX)
    seen: set[bytes] = {as_bytes(start)}
    line: list[list[int]] = [start]
    first = 0
    grows = False
    while first < len(line):
        if spread.monotone:
            state = line.pop()  # in depth: what is found is found sooner
        else:
            state = line[first]
            first += 1
        for move in moves:
            if not enabled(spread, move, state):
                continue
            following = fire(spread, move, state)
            for at in move.puts:
                if following[at] > most:
                    grows = True
            name = as_bytes(following)
            if name in seen:
                continue
            seen.add(name)
            if covers(spread, following, marked):
                return WAITS
            line.append(following)
        if spread.monotone and (grows or len(seen) > STATES_MAX):
            return cover(spread, moves, start, marked)
        if len(seen) > STATES_MAX or (grows and most == COUNT_MAX):
            return UNKNOWN
    return PASSES


def witness(spread: Spread, start: list[int], marked: list[int]) -> list[str]:
    """The shortest way to a marking with one more input: its nodes, then that input's place.

    Empty when there is none among the first ``STATES_MAX`` markings.
    """
    seen: set[bytes] = {as_bytes(start)}
    line: list[Step] = [Step(None, "", start)]
    at = 0
    while at < len(line) and len(seen) <= STATES_MAX:
        step = line[at]
        at += 1
        for move in spread.moves:
            if not enabled(spread, move, step.state):
                continue
            following = fire(spread, move, step.state)
            name = as_bytes(following)
            if name in seen:
                continue
            seen.add(name)
            reached = Step(step, move.name, following)
            if covers(spread, following, marked):
                return told(spread, reached, marked)
            line.append(reached)
    return []


def told(spread: Spread, last: Step, marked: list[int]) -> list[str]:
    """The nodes that moved, one after the other, then the place of the input that they marked."""
    names: list[str] = []
    for number in range(len(spread.inputs)):
        at = spread.inputs[number]
        if number not in marked and last.state[at] >= spread.weights[number]:
            names.append(spread.program.net.places[spread.places[at]].name)
            break
    step: Step | None = last
    while step is not None:
        if step.name and names[-1] != step.name:
            names.append(step.name)
        step = step.before
    names.reverse()
    return names


def covers(spread: Spread, state: list[int], marked: list[int]) -> bool:
    """Whether a state marks one more input, and all those that were marked."""
    more = 0
    for number in range(len(spread.inputs)):
        if state[spread.inputs[number]] >= spread.weights[number]:
            more += 1
        elif number in marked:
            return False
    return more > len(marked)


def enabled(spread: Spread, move: Move, state: list[int]) -> bool:
    """Whether a move can be made in a state."""
    for number in range(len(move.takes)):
        if state[move.takes[number]] < move.taken[number]:
            return False
    if move.reads >= 0 and state[move.reads] == 0:
        return False
    if move.partial >= 0:
        partial = spread.partials[move.partial]
        if state[partial.passed] > 0 and state[partial.arrived[move.branch]] > 0:
            return False
        if state[partial.passed] == 0 and not _enough(partial, state):
            return False
    return move.transition < 0 or _may_enter(spread, move.transition, state)


def _enough(partial: PartialState, state: list[int]) -> bool:
    there = 0
    for place in partial.places:
        if state[place] > 0:
            there += 1
    return there >= partial.threshold


def _may_enter(spread: Spread, transition: i64, state: list[int]) -> bool:
    """Whether the mutexes that a transition needs are free in a state."""
    program = spread.program
    net = program.net
    node = program.node_of[transition]
    inside = program.inside[transition]
    for section in program.enters[transition]:
        if not _is_free(spread, net.sections[section].mutex, inside, state):
            return False
    return all(_is_free(spread, mutex, inside, state) for mutex in net.nodes[node].holds)


def _is_free(spread: Spread, mutex: int, inside: list[int], state: list[int]) -> bool:
    net = spread.program.net
    for number, section in enumerate(net.sections):
        if section.mutex == mutex and _occupied(spread, number, state):
            return number in inside
    for task in spread.tasks:
        if mutex in net.nodes[task].holds and state[spread.task_at[task]] > 0:
            return False
    return True


def _occupied(spread: Spread, number: int, state: list[int]) -> bool:
    section = spread.program.net.sections[number]
    for place in section.places:
        if place in spread.place_at and state[spread.place_at[place]] > 0:
            return True
    return any(node in spread.task_at and state[spread.task_at[node]] > 0 for node in section.nodes)


def fire(spread: Spread, move: Move, state: list[int]) -> list[int]:
    """The state after a move."""
    after = list(state)
    if move.partial >= 0 and state[spread.partials[move.partial].passed] > 0:
        _absorb(spread, move, after)
        return after
    if move.partial >= 0:
        _pass_partial(spread, move, after)
    else:
        for number in range(len(move.takes)):
            after[move.takes[number]] -= move.taken[number]
    drained = _drained(spread, move, state, after)
    for at in move.clears:
        after[at] = 0
    for place, count in drained.items():
        after[place] -= min(count, after[place])
    for number in range(len(move.puts)):
        after[move.puts[number]] += move.put_counts[number]
    return after


def _absorb(spread: Spread, move: Move, after: list[int]) -> None:
    """A partial join that has passed takes a late branch; with the last it is reset."""
    partial = spread.partials[move.partial]
    after[move.takes[0]] -= 1
    after[partial.arrived[move.branch]] = 1
    if all(after[mark] > 0 for mark in partial.arrived):
        _reset(partial, after)


def _pass_partial(spread: Spread, move: Move, after: list[int]) -> None:
    """A partial join passes: it takes a token of every branch that has arrived."""
    partial = spread.partials[move.partial]
    node = spread.program.net.nodes[partial.node]
    for branch, place in enumerate(partial.places):
        if after[place] > 0:
            after[place] -= 1
            after[partial.arrived[branch]] = 1
    after[partial.passed] = 1
    if node.cancels is not None or all(after[mark] > 0 for mark in partial.arrived):
        _reset(partial, after)


def _drained(spread: Spread, move: Move, before: list[int], after: list[int]) -> dict[int, int]:
    """The tokens that go with the offered items of the tasks that a move cancels.

    Whether a milestone or a mutex kept them from being offered is seen ``before`` the move.
    """
    drained: dict[int, int] = {}
    program = spread.program
    for task in move.drains:
        node = program.net.nodes[task]
        if task == spread.join.node:
            continue
        closed = node.while_place >= 0 and (
            node.while_place in spread.place_at and before[spread.place_at[node.while_place]] == 0
        )
        first = program.first[task]
        left = 1 if program.exclusive[first] else COUNT_MAX
        for transition in range(first, first + program.count[task]):
            free = not program.exclusive[transition] or _may_enter(spread, transition, before)
            if free and not closed:
                left -= _drain(spread, transition, left, after, drained)
    return drained


def _drain(
    spread: Spread, transition: i64, left: int, state: list[int], drained: dict[int, int]
) -> int:
    program = spread.program
    start = program.input_at[transition]
    inputs = range(start, start + program.width[transition])
    times = left
    for number in inputs:
        place: int = program.inputs[number]
        there = state[spread.place_at[place]] if place in spread.place_at else 0
        if program.or_join[transition] >= 0:
            if place in spread.place_at:
                at = spread.place_at[place]
                drained[at] = drained.get(at, 0) + there
        else:
            times = min(times, there // int(program.takes[number]))
    if program.or_join[transition] >= 0 or times <= 0:
        return 0
    for number in inputs:
        at = spread.place_at[int(program.inputs[number])]
        drained[at] = drained.get(at, 0) + times * int(program.takes[number])
    return times


# --- coverability -------------------------------------------------------------------


def cover(spread: Spread, moves: list[Move], start: list[int], marked: list[int]) -> int:
    """Whether a marking with one more input can be covered, searched backward from it.

    For nets whose places can grow without bound, or where too much goes on at once. Exact
    where more tokens never hinder: a net with critical sections or cancelled tasks is not of
    that kind.
    """
    basis: list[list[int]] = []
    for number in range(len(spread.inputs)):
        if number not in marked:
            target = [0] * spread.size
            for other in [*marked, number]:
                target[spread.inputs[other]] = spread.weights[other]
            basis.append(target)
    at = 0
    while at < len(basis):
        for move in moves:
            before = _before(move, basis[at])
            if not before or any(_covered(before, one) for one in basis):
                continue
            if _covered(start, before):
                return WAITS
            basis.append(before)
            if len(basis) > BASIS_MAX:
                return UNKNOWN
        at += 1
    return PASSES


def as_bytes(state: list[int]) -> bytes:
    """A state as a key."""
    return bytes([min(255, count) for count in state])


def _reset(partial: PartialState, state: list[int]) -> None:
    state[partial.passed] = 0
    for mark in partial.arrived:
        state[mark] = 0


def _before(move: Move, after: list[int]) -> list[int]:
    """The least marking from which a move leads to one that covers ``after``; empty: none."""
    before = list(after)
    for number in range(len(move.puts)):
        at = move.puts[number]
        before[at] = max(0, before[at] - move.put_counts[number])
    for at in move.clears:
        if before[at] > 0:
            return []
    for number in range(len(move.takes)):
        before[move.takes[number]] += move.taken[number]
    if move.reads >= 0 and before[move.reads] == 0:
        before[move.reads] = 1
    return before


def _covered(state: list[int], least: list[int]) -> bool:
    """Whether a state holds at least the tokens of another."""
    for at in range(len(state)):
        if state[at] < least[at]:
            return False
    return True
