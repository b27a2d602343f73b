"""Tokens in places, and the inner loop that moves them through plain routing nodes.

A marking counts tokens per place. For a join of several inputs it also keeps how often the
join is complete and not yet taken (``ready``), and how many of its inputs hold a token
beyond that (``marked``); the join is complete when ``needed`` of them do: all of an
AND-join, those that the split chose for the OR-join of a block. So a token that comes is
handled in constant time, and surplus tokens persist and count for later firings (pattern
33, Generalised AND-Join). For a task ``ready`` counts the arrivals that have been announced
and whose tokens are still there.

A routing transition that may be complete goes on the *agenda*, a binary heap of transition
numbers: routing goes on in net order. An arrival at a task is noted in ``arrivals``, in the
order of arrival. Contested tasks are noted in ``dirty`` instead, to be looked at again.

``passed`` and ``arrived`` belong to partial joins: a join that has passed in this round, and
the branches that have been taken in it. ``disturbed``: a token has vanished otherwise than by
firing, so that counting the branches of a block is not enough any more.
"""

from __future__ import annotations

from typing import final

from librt.vecs import append, vec
from mypy_extensions import i64, mypyc_attr

from knhk.kernel.program import CONTESTED, Program


@final
@mypyc_attr(acyclic=True)
class Marking:
    """The token counts of one case, its agenda and its arrivals."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.counts: vec[i64] = _zeros(len(program.consumer))
        self.ready: vec[i64] = _zeros(len(program.node_of))
        self.marked: vec[i64] = _zeros(len(program.node_of) if program.has_joins else 0)
        self.needed: vec[i64] = program.width
        if program.or_joins:
            self.needed = vec[i64](list(program.width))
            for join in program.or_joins:
                self.needed[join.transition] = 0
        self.agenda: vec[i64] = _zeros(4)
        self.agenda_size: i64 = 0
        self.arrivals: list[int] = []
        self.dirty: list[int] = []
        self.total: i64 = 0
        self.disturbed = False
        joins: i64 = len(program.node_of) if program.has_partial_joins else 0
        self.arrived: vec[i64] = _zeros(joins)
        self.passed: vec[i64] = _zeros(len(program.rows) if joins else 0)

    # --- putting ------------------------------------------------------------------------

    def put(self, place: i64) -> None:
        """Put a token into a place; what it completes is noted."""
        self.counts[place] += 1
        self.total += 1
        program = self.program
        transition = program.consumer[place]
        if transition < 0:
            if transition == CONTESTED:
                self.touch(place)
            return
        width = program.width[transition]
        if width > 1 and not self._completes(transition, place):
            return
        if program.routes[transition]:
            self.push(transition)
        else:
            if width == 1:
                self.ready[transition] += 1
            self.arrivals.append(transition)

    def _completes(self, transition: i64, place: i64) -> bool:
        """Whether the new token in ``place`` makes a join complete once more."""
        if self.counts[place] != self.ready[transition] + 1:
            return False
        self.marked[transition] += 1
        if self.marked[transition] < self.needed[transition]:
            return False
        if self.disturbed and self.program.or_join[transition] >= 0:
            return False
        self.ready[transition] += 1
        self.marked[transition] = self._beyond(transition)
        return True

    def _beyond(self, transition: i64) -> i64:
        """How many inputs of a join hold a token beyond those of the arrivals announced."""
        program = self.program
        ready = self.ready[transition]
        beyond: i64 = 0
        start = program.input_at[transition]
        for at in range(start, start + program.width[transition]):
            if self.counts[program.inputs[at]] > ready:
                beyond += 1
        return beyond

    def put_all(self, node: i64) -> None:
        """Put the tokens of every output arrow of a node (AND-split, pattern 2)."""
        program = self.program
        if not program.weighted[node]:
            self._put_each(node)
            return
        start = program.output_at[node]
        for at in range(start, start + program.output_count[node]):
            self.put_many(program.outputs[at], program.puts[at])

    def _put_each(self, node: i64) -> None:
        """Put one token on every output arrow of a node."""
        program = self.program
        start = program.output_at[node]
        for at in range(start, start + program.output_count[node]):
            self.put(program.outputs[at])

    def put_arrow(self, node: i64, arrow: i64) -> None:
        """Put the tokens of one output arrow of a node (XOR-split, pattern 4)."""
        at = self.program.output_at[node] + arrow
        self.put_many(self.program.outputs[at], self.program.puts[at])

    def put_many(self, place: i64, count: i64) -> None:
        """Put several tokens into a place, one after the other (pattern 42, Thread Split)."""
        for _ in range(count):
            self.put(place)

    def expect(self, transition: i64, branches: i64) -> None:
        """The OR-split of a block has chosen so many branches: its OR-join waits for them."""
        self.needed[transition] = branches

    def touch(self, place: i64) -> None:
        """The tokens of a contested place have changed: who uses it has to look again."""
        program = self.program
        for transition in program.users[place]:
            if not program.routes[transition]:
                self.dirty.append(program.node_of[transition])
            elif program.or_join[transition] < 0 and self.counts[place] > 0:
                self.push(transition)
        self.dirty.extend(program.watchers[place])

    # --- taking -------------------------------------------------------------------------

    def degree(self, transition: i64) -> i64:
        """How often a transition could fire with the tokens that are there; not for OR-joins."""
        program = self.program
        start = program.input_at[transition]
        least: i64 = self.counts[program.inputs[start]] // program.takes[start]
        for at in range(start + 1, start + program.width[transition]):
            times = self.counts[program.inputs[at]] // program.takes[at]
            least = min(least, times)
        return least

    def take(self, transition: i64) -> None:
        """Take the tokens of one firing of a complete transition that is not contested."""
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

    def take_marked(self, transition: i64) -> None:
        """Take the tokens of one firing of any complete transition; OR-joins take what is there."""
        program = self.program
        is_or = program.or_join[transition] >= 0
        if not is_or and not program.contested[transition]:
            self.take(transition)
            return
        start = program.input_at[transition]
        for at in range(start, start + program.width[transition]):
            place = program.inputs[at]
            weight = program.takes[at]
            if is_or and self.counts[place] < weight:
                continue
            self.counts[place] -= weight
            self.total -= weight
            if program.consumer[place] == CONTESTED:
                self.touch(place)
        if is_or and not program.contested[transition]:
            self.ready[transition] -= 1
            self.marked[transition] = self._beyond(transition)

    def take_for_work(self, transition: i64) -> None:
        """Take the tokens of one announced arrival at a task."""
        program = self.program
        alone = program.single[transition] >= 0 or program.contested[transition]
        self.take_marked(transition)
        if alone:
            self.ready[transition] -= 1

    def remove(self, place: i64, count: i64) -> None:
        """Take tokens out of a place without a firing (cancellation)."""
        if count == 0:
            return
        self.counts[place] -= count
        self.total -= count
        self.disturbed = True
        if self.program.consumer[place] == CONTESTED:
            self.touch(place)

    def recount(self, transition: i64) -> None:
        """Count the marked inputs of a join anew, after tokens were removed."""
        if self.program.width[transition] > 1:
            self.marked[transition] = self._beyond(transition)

    # --- the agenda ---------------------------------------------------------------------

    def push(self, transition: i64) -> None:
        """Note a routing transition on the agenda."""
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

    def complete(self, transition: i64) -> bool:
        """Whether a transition from the agenda still has its tokens."""
        place = self.program.single[transition]
        if place >= 0 and not self.program.contested[transition]:
            return self.counts[place] > 0
        if self.program.contested[transition]:
            return self.degree(transition) > 0
        return self.ready[transition] > 0

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
            if self.disturbed and not self.complete(transition):
                continue
            if self.agenda_size == 0 and follower[transition] >= 0:
                limit = self._pass_on(transition, limit)
            else:
                self.take(transition)
                self._put_each(program.node_of[transition])
                limit -= 1
        return 0

    def _pass_on(self, transition: i64, limit: i64) -> i64:
        """Fire a plain one-to-one transition and those that its token reaches next.

        The agenda is empty, so the transition that the token makes complete is the next in
        net order, and need not go over the agenda. Nobody sees the places on the way.
        """
        single = self.program.single
        follower = self.program.follower
        self.counts[single[transition]] -= 1
        following = follower[transition]
        while following >= 0 and limit > 0:
            limit -= 1
            transition = following
            following = follower[transition]
        self.counts[single[transition]] += 1
        self.push(transition)
        return limit


def _zeros(size: int) -> vec[i64]:
    return vec[i64]([i64(0) for _ in range(size)])
