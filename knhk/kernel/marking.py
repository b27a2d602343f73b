"""Tokens in places, and the inner loop that moves them through plain routing nodes.

A marking counts tokens per place. For an AND-join of several inputs it also keeps how often
the join is complete and not yet taken (``ready``), and how many of its inputs hold a token
beyond that (``marked``); so a token that comes is handled in constant time, and surplus
tokens persist and count for later firings (pattern 33, Generalised AND-Join).

A routing transition that is complete goes on the *agenda*, a binary heap of transition
numbers: routing goes on in net order. A task's transition that is complete is noted in
``arrivals``, in the order of arrival.
"""

from __future__ import annotations

from typing import final

from librt.vecs import append, vec
from mypy_extensions import i64

from knhk.kernel.program import Program


@final
class Marking:
    """The token counts of one case, its agenda and its arrivals."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.counts: vec[i64] = _zeros(len(program.consumer))
        self.ready: vec[i64] = _zeros(len(program.node_of))
        self.marked: vec[i64] = _zeros(len(program.node_of))
        self.agenda: vec[i64] = _zeros(4)
        self.agenda_size: i64 = 0
        self.arrivals: list[int] = []
        self.total: i64 = 0

    def put(self, place: i64) -> None:
        """Put a token into a place; what it completes is noted."""
        self.counts[place] += 1
        self.total += 1
        program = self.program
        transition = program.consumer[place]
        if transition < 0:
            return
        width = program.width[transition]
        if width > 1 and not self._completes(transition, width, place):
            return
        if program.routes[transition]:
            self.push(transition)
        else:
            self.arrivals.append(transition)

    def _completes(self, transition: i64, width: i64, place: i64) -> bool:
        """Whether the new token in ``place`` makes an AND-join complete once more."""
        if self.counts[place] != self.ready[transition] + 1:
            return False
        self.marked[transition] += 1
        if self.marked[transition] < width:
            return False
        self.ready[transition] += 1
        beyond: i64 = 0
        start = self.program.input_at[transition]
        for at in range(start, start + width):
            if self.counts[self.program.inputs[at]] > self.ready[transition]:
                beyond += 1
        self.marked[transition] = beyond
        return True

    def take(self, transition: i64) -> None:
        """Take the tokens of one firing of a complete transition."""
        place = self.program.single[transition]
        if place >= 0:
            self.counts[place] -= 1
            self.total -= 1
            return
        start = self.program.input_at[transition]
        width = self.program.width[transition]
        for at in range(start, start + width):
            self.counts[self.program.inputs[at]] -= 1
        self.total -= width
        self.ready[transition] -= 1

    def put_all(self, node: i64) -> None:
        """Put one token on every output arrow of a node (AND-split, pattern 2)."""
        start = self.program.output_at[node]
        for at in range(start, start + self.program.output_count[node]):
            self.put(self.program.outputs[at])

    def put_one(self, node: i64, arrow: i64) -> None:
        """Put one token on one output arrow of a node (XOR-split, pattern 4)."""
        self.put(self.program.outputs[self.program.output_at[node] + arrow])

    def push(self, transition: i64) -> None:
        """Note a complete routing transition on the agenda."""
        at = self.agenda_size
        self.agenda_size += 1
        if at == len(self.agenda):
            self.agenda = append(self.agenda, transition)
        heap = self.agenda
        while at > 0:
            parent = (at - 1) >> 1
            if heap[parent] <= transition:
                break
            heap[at] = heap[parent]
            at = parent
        heap[at] = transition

    def pop(self) -> i64:
        """The next routing transition in net order, -1 if there is none."""
        size = self.agenda_size
        if size == 0:
            return -1
        heap = self.agenda
        first = heap[0]
        size -= 1
        self.agenda_size = size
        if size > 0:
            last = heap[size]
            at: i64 = 0
            child: i64 = 1
            while child < size:
                if child + 1 < size and heap[child + 1] < heap[child]:
                    child += 1
                if last <= heap[child]:
                    break
                heap[at] = heap[child]
                at = child
                child = 2 * at + 1
            heap[at] = last
        return first

    def run(self, limit: i64) -> i64:
        """Fire plain routing transitions in net order, at most ``limit`` of them.

        Gives the number of firings that are left of ``limit``. It stops when the agenda is
        empty, or when its first transition is not plain: that one is put back for the game,
        which knows data and ends.
        """
        program = self.program
        plain = program.plain
        follower = program.follower
        while limit > 0:
            transition = self.pop()
            if transition < 0:
                return limit
            if not plain[transition]:
                self.push(transition)
                return limit
            if self.agenda_size == 0 and follower[transition] >= 0:
                limit = self._pass_on(transition, limit)
            else:
                self.take(transition)
                self.put_all(program.node_of[transition])
                limit -= 1
        return 0

    def _pass_on(self, transition: i64, limit: i64) -> i64:
        """Fire a plain one-to-one transition and those that its token reaches next.

        The agenda is empty, so the transition that the token makes complete is the next in
        net order, and need not go over the agenda.
        """
        program = self.program
        counts = self.counts
        single = program.single
        follower = program.follower
        following = follower[transition]
        while following >= 0 and limit > 0:
            counts[single[transition]] -= 1
            counts[single[following]] += 1
            limit -= 1
            transition = following
            following = follower[transition]
        self.push(transition)
        return limit


def _zeros(size: int) -> vec[i64]:
    return vec[i64]([i64(0) for _ in range(size)])
