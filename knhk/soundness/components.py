"""Strongly connected components (Tarjan 1972), without recursion."""

from __future__ import annotations

from typing import final


def components(ahead: list[list[int]]) -> list[list[int]]:
    """The components of a graph, each sorted; one comes after all that it leads to.

    ``ahead`` lists for each vertex those that its edges lead to.
    """
    search = _Search(ahead)
    for root in range(len(ahead)):
        if search.order[root] < 0:
            search.visit(root)
    return search.found


@final
class _Search:
    def __init__(self, ahead: list[list[int]]) -> None:
        self.ahead = ahead
        self.order = [-1] * len(ahead)
        self.found: list[list[int]] = []
        self._low = [0] * len(ahead)
        self._open = [False] * len(ahead)
        self._stack: list[int] = []
        self._clock = 0

    def visit(self, root: int) -> None:
        """Search in depth from a vertex that was not visited yet."""
        path: list[int] = []
        position: list[int] = []
        self._enter(root, path, position)
        while path:
            vertex = path[-1]
            if position[-1] < len(self.ahead[vertex]):
                target = self.ahead[vertex][position[-1]]
                position[-1] += 1
                if self.order[target] < 0:
                    self._enter(target, path, position)
                elif self._open[target]:
                    self._low[vertex] = min(self._low[vertex], self.order[target])
                continue
            path.pop()
            position.pop()
            if path:
                self._low[path[-1]] = min(self._low[path[-1]], self._low[vertex])
            if self._low[vertex] == self.order[vertex]:
                self._close(vertex)

    def _enter(self, vertex: int, path: list[int], position: list[int]) -> None:
        self.order[vertex] = self._low[vertex] = self._clock
        self._clock += 1
        self._stack.append(vertex)
        self._open[vertex] = True
        path.append(vertex)
        position.append(0)

    def _close(self, root: int) -> None:
        """Take the component of a root off the stack."""
        component: list[int] = []
        while True:
            vertex = self._stack.pop()
            self._open[vertex] = False
            component.append(vertex)
            if vertex == root:
                break
        self.found.append(sorted(component))
