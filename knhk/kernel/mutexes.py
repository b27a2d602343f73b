"""Mutexes: who may begin, who holds, when it is free again (patterns 17, 39 and 40).

A mutex is held by a *run*, from the start of a task that ``holds`` it (or stands in an
``interleave``) to its end; or by a *section*, from the moment something enters it until no
token and no work is inside. Who is inside the section that holds a mutex may use it again.
"""

from __future__ import annotations

from mypy_extensions import i64

from knhk.kernel.item import Activation, WorkItem
from knhk.kernel.state import FREE, HELD_BY_WORK, State


def may_enter(game: State, transition: i64) -> bool:
    """Whether the mutexes that a transition needs are free, or held by a section it is in."""
    program = game._program
    if not program.exclusive[transition]:
        return True
    inside = program.inside[transition]
    sections = program.net.sections
    for section in program.enters[transition]:
        holder = game._holders[sections[section].mutex]
        if holder != FREE and holder not in inside:
            return False
    for mutex in program.net.nodes[program.node_of[transition]].holds:
        holder = game._holders[mutex]
        if holder != FREE and holder not in inside:
            return False
    return True


def enter(game: State, transition: i64, mutexes: list[int] | None) -> list[int] | None:
    """Take the mutexes that a transition needs, which are free; gives those held by the run.

    ``mutexes`` are those that the run holds already.
    """
    program = game._program
    if not program.exclusive[transition]:
        return mutexes
    for section in program.enters[transition]:
        mutex = program.net.sections[section].mutex
        if game._holders[mutex] == FREE:
            _hold(game, mutex, section)
    return _hold_for_run(game, transition, mutexes)


def enter_again(game: State, item: WorkItem) -> None:
    """Take the mutexes of a run for an attempt after the first."""
    if game._program.exclusive[item._transition]:
        item._mutexes = _hold_for_run(game, item._transition, None)


def _hold_for_run(game: State, transition: i64, mutexes: list[int] | None) -> list[int] | None:
    program = game._program
    held: list[int] = [] if mutexes is None else mutexes
    for mutex in program.net.nodes[program.node_of[transition]].holds:
        if game._holders[mutex] == FREE:
            _hold(game, mutex, HELD_BY_WORK)
            held.append(mutex)
    return held


def _hold(game: State, mutex: int, holder: i64) -> None:
    game._holders[mutex] = holder
    _call_users(game, mutex)


def _call_users(game: State, mutex: int) -> None:
    """Have everybody who waits for a mutex look at it again."""
    program = game._program
    for node in program.mutex_users[mutex]:
        first = program.first[node]
        if not program.routes[first]:
            game._marking.dirty.append(node)
            continue
        for transition in range(first, first + program.count[node]):
            if program.or_join[transition] < 0 and game._marking.degree(transition) > 0:
                game._marking.push(transition)


def leave(game: State, item: WorkItem) -> None:
    """The run of an item ends, or is put off: it frees what it holds."""
    held = item._mutexes
    if held:
        item._mutexes = None
        _free(game, held)


def leave_all(game: State, activation: Activation) -> None:
    """The run of a multiple-instance task ends."""
    held = activation.mutexes
    if held:
        activation.mutexes = []
        _free(game, held)


def _free(game: State, held: list[int]) -> None:
    for mutex in held:
        game._holders[mutex] = FREE
        _call_users(game, mutex)


def free_empty_sections(game: State) -> bool:
    """Free the mutexes of sections that nothing is in any more; whether there were any."""
    freed = False
    for mutex, holder in enumerate(game._holders):
        if holder >= 0 and not occupied(game, holder):
            game._holders[mutex] = FREE
            _call_users(game, mutex)
            freed = True
    return freed


def occupied(game: State, number: int) -> bool:
    """Whether a token or work is inside a section."""
    section = game._program.net.sections[number]
    for place in section.places:
        if game._marking.counts[place] > 0:
            return True
    for node in section.nodes:
        desk = game._desks[node]
        if desk is not None and desk.busy + desk.straggling > 0:
            return True
    return False
