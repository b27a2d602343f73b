"""Strongly connected components and reachability, iteratively: graphs may be deep."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def reached(roots: Iterable[int], successors: Sequence[Sequence[int]]) -> bytearray:
    """Mark (1) every node that can be reached from ``roots``, these included."""
    seen = bytearray(len(successors))
    stack = list(roots)
    for root in stack:
        seen[root] = 1
    while stack:
        for target in successors[stack.pop()]:
            if not seen[target]:
                seen[target] = 1
                stack.append(target)
    return seen


def components(members: Sequence[int], successors: Sequence[Sequence[int]]) -> list[list[int]]:
    """The strongly connected components among ``members``, successors before predecessors.

    Tarjan 1972, with a stack of its own in place of recursion. Members of a component are
    sorted; arcs to nodes outside ``members`` are ignored.
    """
    inside = bytearray(len(successors))
    for member in members:
        inside[member] = 1
    order = [0] * len(successors)  # 0: not visited yet
    low = [0] * len(successors)
    open_nodes: list[int] = []
    is_open = bytearray(len(successors))
    found: list[list[int]] = []
    count = 0
    for root in members:
        if order[root]:
            continue
        work = [(root, 0)]
        while work:
            node, at = work.pop()
            if at == 0:
                count += 1
                order[node] = low[node] = count
                open_nodes.append(node)
                is_open[node] = 1
            targets = successors[node]
            while at < len(targets):
                target = targets[at]
                at += 1
                if not inside[target]:
                    continue
                if not order[target]:
                    work.append((node, at))
                    work.append((target, 0))
                    break
                if is_open[target]:
                    low[node] = min(low[node], order[target])
            else:
                if work:
                    parent = work[-1][0]
                    low[parent] = min(low[parent], low[node])
                if low[node] == order[node]:
                    found.append(_close(node, open_nodes, is_open))
    return found


def _close(root: int, open_nodes: list[int], is_open: bytearray) -> list[int]:
    """Take the component of ``root`` off the stack of open nodes."""
    members = []
    while True:
        node = open_nodes.pop()
        is_open[node] = 0
        members.append(node)
        if node == root:
            return sorted(members)


def shortest_round(
    start: int, members: Iterable[int], successors: Sequence[Sequence[int]]
) -> list[int]:
    """The shortest round from ``start`` back to itself among ``members``, without its last step.

    Empty if there is none.
    """
    allowed = set(members)
    came_from: dict[int, int] = {}
    wave = [start]
    while wave:
        following = []
        for node in wave:
            for target in successors[node]:
                if target == start:
                    way = [node]
                    while way[-1] != start:
                        way.append(came_from[way[-1]])
                    return way[::-1]
                if target in allowed and target not in came_from:
                    came_from[target] = node
                    following.append(target)
        wave = following
    return []
