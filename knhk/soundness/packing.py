"""Counts packed into words, and transitions as masks over them.

A component is a field of ``bits`` bits; the highest bit of a field is its guard, which is
clear in a state. With all guards set, subtracting what a transition needs leaves the guard of
a field set exactly if the field holds enough: one subtraction and one comparison a word tell
whether a transition may happen, whatever the number of components (as in Valmari's and
Schmidt's packed explorers; the trick is that of carry-free vectors in a register). A guard that
is set after tokens were put means that a field was too small: then the exploration begins
anew with wider fields.
"""

from __future__ import annotations

from typing import Final, final

from librt.vecs import append, vec
from mypy_extensions import i64

from knhk.soundness.moves import Moves

#: Bits of a word that are used; the others keep sums of fields from running over.
WORD_BITS: Final = 62
#: Widths of fields, tried one after the other: one token a place, 7, 127, 32,767.
WIDTHS: Final = (2, 4, 8, 16)


@final
class Packing:
    """How the counts of some moves lie in words, and the masks of their transitions.

    ``need``, ``guard``, ``forbid`` and ``take`` hold a row of words for each transition,
    ``keep`` and ``put`` one for each way. ``first`` is the word by which a transition most
    likely fails. ``special`` transitions have no masks.
    """

    def __init__(self, moves: Moves, bits: int) -> None:
        self.moves = moves
        self.bits = bits
        size = len(moves.start)
        per_word = WORD_BITS // bits
        self.width = max(1, (size + per_word - 1) // per_word)
        self.count_max = (1 << (bits - 1)) - 1
        self.word = [at // per_word for at in range(size)]
        self.shift = [(at % per_word) * bits for at in range(size)]
        self.guards = self.row(dict.fromkeys(range(size), 1 << bits - 1))
        self.tokens = self.row(dict.fromkeys(range(moves.tokens), self.count_max))
        self.many = self.row(dict.fromkeys(range(size), self.count_max - 1))
        self.fits = max(moves.start, default=0) <= self.count_max
        self._add_transitions()
        self._add_ways()

    def _add_transitions(self) -> None:
        need: list[int] = []
        guard: list[int] = []
        forbid: list[int] = []
        take: list[int] = []
        first: list[int] = []
        special: list[int] = []
        for transition in self.moves.transitions:
            wanted = dict(transition.takes)
            for at in transition.reads:
                wanted[at] = max(1, wanted.get(at, 0))
            if max(wanted.values(), default=0) > self.count_max:
                self.fits = False
                wanted = {}
            need += list(self.row(wanted))
            guard += list(self.row(dict.fromkeys(wanted, 1 << self.bits - 1)))
            forbid += list(self.row(dict.fromkeys(transition.forbids, self.count_max)))
            take += list(self.row(dict(transition.takes) if wanted else {}))
            first.append(self.word[next(iter(wanted))] if wanted else 0)
            special.append(int(transition.special()))
        self.need = vector(need)
        self.guard = vector(guard)
        self.forbid = vector(forbid)
        self.take = vector(take)
        self.first = vector(first)
        self.special = vector(special)

    def _add_ways(self) -> None:
        keep: list[int] = []
        put: list[int] = []
        everything = (1 << WORD_BITS) - 1
        for way in self.moves.ways:
            cleared = list(self.row(dict.fromkeys(way.clears, self.count_max)))
            keep += [everything & ~word for word in cleared]
            total: dict[int, int] = {}
            for at, count in way.puts:
                total[at] = total.get(at, 0) + count
            if max(total.values(), default=0) > self.count_max:
                self.fits = False
                total = {}
            put += list(self.row(total))
        self.keep = vector(keep)
        self.put = vector(put)

    def row(self, counts: dict[int, int]) -> vec[i64]:
        """Counts of components as words."""
        words: list[int] = [0] * self.width
        for at, count in counts.items():
            words[self.word[at]] |= count << self.shift[at]
        return vector(words)

    def pack(self, counts: list[int]) -> vec[i64]:
        """A state as words; counts that do not fit set their guard."""
        highest = 1 << (self.bits - 1)
        return self.row({at: min(count, highest) for at, count in enumerate(counts) if count})

    def next_enabled(self, words: vec[i64], base: i64, transition: i64, stop: i64) -> i64:
        """The next transition that may happen in the state at ``base``, or is special.

        ``stop`` if there is none before it.
        """
        width = i64(self.width)
        need, guards, firsts, special = self.need, self.guard, self.first, self.special
        while transition < stop:
            if special[transition]:
                return transition
            row = transition * width
            first = firsts[transition]
            guard = guards[row + first]
            state = words[base + first] | self.guards[first]
            if (state - need[row + first]) & guard == guard and self._allows(words, base, row):
                return transition
            transition += 1
        return stop

    def enabled(self, words: vec[i64], base: i64, transition: i64) -> bool:
        """Whether a transition that is not special may happen in the state at ``base``."""
        return self._allows(words, base, transition * i64(self.width))

    def _allows(self, words: vec[i64], base: i64, row: i64) -> bool:
        for word in range(i64(self.width)):
            guard = self.guard[row + word]
            if guard:
                state = words[base + word] | self.guards[word]
                if (state - self.need[row + word]) & guard != guard:
                    return False
            if words[base + word] & self.forbid[row + word]:
                return False
        return True

    def fire(
        self, words: vec[i64], base: i64, transition: i64, way: i64, into: vec[i64], at: i64
    ) -> bool:
        """Write the state after a transition to ``into``; false if a field is too narrow."""
        width = i64(self.width)
        fits = True
        for word in range(width):
            state = words[base + word] - self.take[transition * width + word]
            state = (state & self.keep[way * width + word]) + self.put[way * width + word]
            if state & self.guards[word]:
                fits = False
            into[at + word] = state
        return fits

    def unpack(self, words: vec[i64], base: i64) -> list[int]:
        """The counts of a state whose words begin at ``base``."""
        mask: int = self.count_max
        found: list[int] = []
        for at in range(len(self.word)):
            word: int = words[base + self.word[at]]
            found.append((word >> self.shift[at]) & mask)
        return found


@final
class Store:
    """A set of states, numbered in the order in which they were added (open addressing)."""

    def __init__(self, width: int) -> None:
        self.width: i64 = width
        self.words: vec[i64] = vec[i64]()
        self.count: i64 = 0
        self.fresh = False
        self._table: vec[i64] = filled(1024, -1)
        self._mask: i64 = 1023

    def add(self, words: vec[i64], base: i64) -> i64:
        """The number of a state; ``fresh`` says whether it is new."""
        width = self.width
        at = self._hash(words, base) & self._mask
        while True:
            number = self._table[at]
            if number < 0:
                break
            if self._same(number * width, words, base):
                self.fresh = False
                return number
            at = (at + 1) & self._mask
        number = self.count
        self._table[at] = number
        self.count += 1
        for word in range(width):
            self.words = append(self.words, words[base + word])
        if self.count * 2 > self._mask:
            self._grow()
        self.fresh = True
        return number

    def _same(self, own: i64, words: vec[i64], base: i64) -> bool:
        for word in range(self.width):
            if self.words[own + word] != words[base + word]:
                return False
        return True

    def _hash(self, words: vec[i64], base: i64) -> i64:
        mixed: i64 = 0
        for word in range(self.width):
            mixed = ((mixed ^ words[base + word]) * 0x9E3779B97F4A7C1) & 0x3FFF_FFFF_FFFF_FFFF
            mixed ^= mixed >> 29
        return mixed

    def _grow(self) -> None:
        size = (self._mask + 1) * 4
        table = filled(size, -1)
        mask = size - 1
        number: i64 = 0
        while number < self.count:
            at = self._hash(self.words, number * self.width) & mask
            while table[at] >= 0:
                at = (at + 1) & mask
            table[at] = number
            number += 1
        self._table = table
        self._mask = mask


def vector(values: list[int]) -> vec[i64]:
    """A list as a vector."""
    return vec[i64]([i64(value) for value in values])


def filled(size: i64, value: i64) -> vec[i64]:
    """A vector of one value."""
    made = vec[i64]()
    at: i64 = 0
    while at < size:
        made = append(made, value)
        at += 1
    return made
