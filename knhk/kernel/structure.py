"""Blocks: OR-splits and OR-joins that belong together in a well-structured net.

A net is well-structured when, apart from exception flows, it is built of sequence, choice,
loops and properly nested blocks: an AND-split with its AND-join, an OR-split with its
OR-join. Then at most one token is in each branch of a block, and every branch that the split
chose sends exactly one token to the join, as long as nothing is cancelled and no exception is
taken. So the OR-join need only count arrivals (pattern 7, Structured Synchronizing Merge).

The proof goes over the net once, a branch at a time: from a place through everything that
turns one token into one token, up to the joins where it stops.
"""

from __future__ import annotations

from typing import Final, final

from knhk.model import (
    JOIN_AND,
    JOIN_OR,
    JOIN_PARTIAL,
    NODE_END,
    SPLIT_AND,
    SPLIT_OR,
    SPLIT_XOR,
    Net,
    Node,
)

#: Blocks nested deeper than this are not looked for; the OR-join then uses another test.
NESTING_MAX: Final = 100


def blocks(net: Net) -> dict[int, int]:
    """The OR-joins that may count, with the OR-splits of their blocks, by node number."""
    if net.sections:
        return {}
    reader = _Reader(net)
    start = [number for number, place in enumerate(net.places) if place.tokens > 0]
    if len(start) != 1 or net.places[start[0]].tokens != 1:
        return {}
    found = reader.branch(start[0], 0)
    if found is None or found.stops:
        return {}
    return reader.found


@final
class _Branch:
    """Where the tokens of a branch stop: ``(join, input place)``, and whether one may end."""

    def __init__(self) -> None:
        self.stops: set[tuple[int, int]] = set()
        self.ends = False


@final
class _Reader:
    def __init__(self, net: Net) -> None:
        self.net = net
        self.found: dict[int, int] = {}
        self._open: set[int] = set()
        self._joins: dict[int, int] = {}
        self._users: list[list[int]] = [[] for _ in net.places]
        for number, node in enumerate(net.nodes):
            for place in node.inputs:
                self._users[place].append(number)

    def branch(self, start: int, depth: int) -> _Branch | None:
        """Follow one token from a place; ``None`` where the net is not well-structured."""
        if depth > NESTING_MAX:
            return None
        branch = _Branch()
        seen = {start}
        places = [start]
        while places:
            place = places.pop()
            if self.net.places[place].tokens > 1 or not self._users[place]:
                return None
            for number in self._users[place]:
                node = self.net.nodes[number]
                following: list[int] | None
                if _collects(node):
                    branch.stops.add((number, place))
                    continue
                if node.kind == NODE_END:
                    branch.ends = True
                    continue
                following = self._behind(number, node, depth)
                if following is None:
                    return None
                for target in following:
                    if target not in seen:
                        seen.add(target)
                        places.append(target)
        return branch

    def _behind(self, number: int, node: Node, depth: int) -> list[int] | None:
        """The places where one token goes on behind a node, past the blocks it begins."""
        while True:
            if not _keeps_count(node) or number in self._open:
                return None
            if len(node.outputs) < 2 or node.split == SPLIT_XOR:
                return [arrow.place for arrow in node.outputs]
            join = self._joins.get(number, -2)
            if join == -2:
                self._open.add(number)
                join = self._block(node, depth)
                self._open.remove(number)
                self._joins[number] = join
            if join < 0:
                return None
            if node.split == SPLIT_OR:
                self.found[join] = number
            number = join
            node = self.net.nodes[number]

    def _block(self, split: Node, depth: int) -> int:
        """The join of the block that a split begins, -1 if there is none."""
        kind = JOIN_AND if split.split == SPLIT_AND else JOIN_OR
        join = -1
        arrived: set[int] = set()
        for arrow in split.outputs:
            branch = self.branch(arrow.place, depth + 1)
            if branch is None or branch.ends or len(branch.stops) != 1:
                return -1
            for number, place in branch.stops:
                if (join >= 0 and number != join) or place in arrived:
                    return -1
                join = number
                arrived.add(place)
        node = self.net.nodes[join]
        if node.join != kind or set(node.inputs) != arrived:
            return -1
        return join


def _collects(node: Node) -> bool:
    return len(node.inputs) > 1 and (
        node.join == JOIN_AND or node.join == JOIN_OR or node.join == JOIN_PARTIAL
    )


def _keeps_count(node: Node) -> bool:
    """Whether a node turns one token into one token, and nothing else hinders it."""
    single = all(arrow.weight == 1 for arrow in node.outputs)
    taken = all(weight == 1 for weight in node.takes)
    free = node.while_place < 0 and not node.holds
    return single and taken and free and node.join != JOIN_PARTIAL
