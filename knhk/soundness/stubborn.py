"""Fewer states that tell the same: exploration with stubborn sets (partial-order reduction).

Of transitions that cannot influence each other one order is as good as any other. In each
state only the enabled transitions of a *stubborn set* are followed: whatever the others do
meanwhile, they neither enable, disable nor change those in the set (Valmari 1990, strong
stubborn sets). So every state where a case gets stuck is still found. That nothing is put off
for ever is seen to afterwards: in every terminal component of the reduced graph each
transition that may happen there must have been followed; else one state of it is followed
wholly, and the exploration goes on. Then the answers to "can it always end" and "can this
task ever run" are those of the whole graph (Valmari and Hansen 2016).

Here routing is not eager: a routing node passes as a transition like any other. That comes to
the same as long as nobody looks at a marking on the way (:func:`applies`). How full places can
become is *not* preserved; :mod:`knhk.soundness.boundedness` answers that.
"""

from __future__ import annotations

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64

from knhk.graphs import components
from knhk.soundness.moves import Moves, Transition
from knhk.soundness.packing import Packing, Store, filled

#: The state in which the case is over.
OVER: Final = 0
#: Enabled transitions that are tried as the first of a set; the smallest set is taken.
TRIED_MAX: Final = 8


def applies(moves: Moves) -> bool:
    """Whether nobody sees the markings that routing passes through."""
    if moves.hidden or any(transition.special() for transition in moves.transitions):
        return False
    seen = moves.watched()
    for transition in moves.transitions:
        seen.update(transition.reads)
        for way in transition.ways:
            seen.update(way.clears)
    for route in moves.routes:
        for way in route.ways:
            if way.ends or way.clears:
                return False
            if any(at in seen for at, _ in [*route.takes, *way.puts]):
                return False
        if route.reads or route.forbids:
            return False
    return True


@final
class Reduced:
    """A reduced graph of states, in the order in which they were found."""

    def __init__(self, moves: Moves, packing: Packing) -> None:
        self.moves = moves
        self.packing = packing
        self.store = Store(packing.width)
        self.overflow = not packing.fits
        self.expanded: i64 = 1
        self.targets: list[list[int]] = [[]]
        self.followed: list[set[int]] = [set()]
        self._whole: set[int] = set()
        self._again: list[int] = []
        self._width: i64 = packing.width
        self._dependent = [sorted(each) for each in _dependent(moves)]
        self._putters, self._takers = _users(moves)
        self._here: vec[i64] = filled(self._width, 0)
        self.store.add(self._here, 0)
        if not self.overflow:
            self._reach(packing.pack(moves.start))

    def count(self) -> int:
        """How many states were found."""
        return int(self.store.count)

    def finished(self) -> bool:
        """Whether all is done, also what must not be put off for ever."""
        if self.expanded < self.store.count or self._again:
            return False
        self._again = self._put_off()
        return not self._again

    def go_on(self, steps: int) -> None:
        """Look at so many further states."""
        left: i64 = steps
        while left > 0 and not self.overflow:
            if self._again:
                self._expand(self._again.pop(), whole=True)
            elif self.expanded < self.store.count:
                self._expand(int(self.expanded), whole=False)
                self.expanded += 1
            else:
                return
            left -= 1

    # --- one state ------------------------------------------------------------------------------

    def _expand(self, number: int, *, whole: bool) -> None:
        enabled = [
            transition
            for transition in range(len(self.moves.transitions))
            if self._enabled(number, transition)
        ]
        chosen = enabled if whole or len(enabled) < 2 else self._stubborn(number, enabled)
        if whole:
            self._whole.add(number)
        else:
            self.targets.append([])
            self.followed.append(set())
        for transition in chosen:
            if transition not in self.followed[number]:
                self.followed[number].add(transition)
                self._follow(number, transition)

    def _enabled(self, number: i64, transition: i64) -> bool:
        return self.packing.enabled(self.store.words, number * self._width, transition)

    def _follow(self, number: i64, transition: i64) -> None:
        words = self.store.words
        for way in self.moves.transitions[transition].ways:
            if way.ends:
                self.targets[number].append(OVER)
                continue
            base = number * self._width
            if not self.packing.fire(words, base, transition, way.number, self._here, 0):
                self.overflow = True
                return
            self.targets[number].append(self._reach(self._here))

    def _reach(self, words: vec[i64]) -> int:
        for word in range(self._width):
            if words[word] & self.packing.tokens[word]:
                return int(self.store.add(words, 0))
        return OVER

    # --- stubborn sets ----------------------------------------------------------------------------

    def _stubborn(self, number: int, enabled: list[int]) -> list[int]:
        """The enabled transitions of the smallest stubborn set that was found."""
        ready = set(enabled)
        best = enabled
        for first in enabled[:TRIED_MAX]:
            members = self._closed(number, first, ready, len(best))
            if members and len(members) < len(best):
                best = members
                if len(best) == 1:
                    break
        return best

    def _closed(self, number: int, first: int, ready: set[int], most: int) -> list[int]:
        """The enabled members of the stubborn set around a transition; empty if too many."""
        members = {first}
        pending = [first]
        enabled: list[int] = []
        while pending:
            transition = pending.pop()
            if transition in ready:
                enabled.append(transition)
                if len(enabled) >= most:
                    return []
                others = self._dependent[transition]
            else:
                others = self._enablers(number, transition)
            for other in others:
                if other not in members:
                    members.add(other)
                    pending.append(other)
        return enabled

    def _enablers(self, number: int, transition: int) -> list[int]:
        """The transitions one of which must happen before a disabled one can."""
        counts = self.packing.unpack(self.store.words, number * int(self._width))
        one = self.moves.transitions[transition]
        for at, count in one.takes:
            if counts[at] < count:
                return self._putters[at]
        for at in one.reads:
            if counts[at] == 0:
                return self._putters[at]
        for at in one.forbids:
            if counts[at] > 0:
                return self._takers[at]
        raise AssertionError("a transition that is not enabled lacks something")

    # --- nothing is put off for ever ------------------------------------------------------------

    def _put_off(self) -> list[int]:
        """A state of each terminal component in which something enabled is never followed."""
        again: list[int] = []
        for component in _terminal_components(self.targets):
            followed: set[int] = set()
            for number in component:
                followed |= self.followed[number]
            for number in component:
                if number in self._whole:
                    continue
                if any(
                    self._enabled(number, transition)
                    for transition in range(len(self.moves.transitions))
                    if transition not in followed
                ):
                    again.append(number)
                    break
        return again

    # --- what it tells ----------------------------------------------------------------------------

    def fired_transitions(self) -> set[int]:
        """The transitions that can happen."""
        fired: set[int] = set()
        for one in self.followed:
            fired |= one
        return fired

    def can_end(self) -> bool:
        """Whether from every state the case can come to its end."""
        return all(component == [OVER] for component in _terminal_components(self.targets))


# --- who influences whom ----------------------------------------------------------------------


def _touched(transition: Transition) -> tuple[set[int], set[int], set[int], set[int]]:
    """What a transition needs, forbids, may lessen and may add to."""
    needs = {at for at, _ in transition.takes} | set(transition.reads)
    lessens = {at for at, _ in transition.takes}
    adds: set[int] = set()
    for way in transition.ways:
        lessens.update(way.clears)
        adds.update(at for at, _ in way.puts)
    return needs, set(transition.forbids), lessens, adds


def _dependent(moves: Moves) -> list[set[int]]:
    """For each transition those that it must not be separated from once it may happen.

    One that ends the case disables all others.
    """
    touched = [_touched(transition) for transition in moves.transitions]
    clears = [{at for way in each.ways for at in way.clears} for each in moves.transitions]
    ends = [any(way.ends for way in each.ways) for each in moves.transitions]
    found: list[set[int]] = [set() for _ in moves.transitions]
    for one in range(len(touched)):
        for other in range(one):
            if ends[one] or ends[other] or _interfere(touched, clears, one, other):
                found[one].add(other)
                found[other].add(one)
    return found


def _interfere(
    touched: list[tuple[set[int], set[int], set[int], set[int]]],
    clears: list[set[int]],
    one: int,
    other: int,
) -> bool:
    """Whether one of two transitions may disable the other, or their order matters."""
    needs, forbids, lessens, adds = touched[one]
    their_needs, their_forbids, their_lessens, their_adds = touched[other]
    return not (
        lessens.isdisjoint(their_needs)
        and needs.isdisjoint(their_lessens)
        and adds.isdisjoint(their_forbids)
        and forbids.isdisjoint(their_adds)
        and clears[one].isdisjoint(their_adds | their_lessens)
        and clears[other].isdisjoint(adds | lessens)
    )


def _users(moves: Moves) -> tuple[list[list[int]], list[list[int]]]:
    """For each component who puts into it, and who may take from it."""
    putters: list[list[int]] = [[] for _ in moves.start]
    takers: list[list[int]] = [[] for _ in moves.start]
    for transition in moves.transitions:
        _, _, lessens, adds = _touched(transition)
        for at in adds:
            putters[at].append(transition.number)
        for at in lessens:
            takers[at].append(transition.number)
    return putters, takers


def _terminal_components(targets: list[list[int]]) -> list[list[int]]:
    """The components that nothing leaves."""
    members = components(range(len(targets)), targets)
    component = [0] * len(targets)
    for number, each in enumerate(members):
        for one in each:
            component[one] = number
    return [
        each
        for number, each in enumerate(members)
        if all(component[target] == number for one in each for target in targets[one])
    ]


__all__ = ["Reduced", "applies"]
