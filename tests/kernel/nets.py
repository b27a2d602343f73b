"""Nets drawn by hand for the kernel's tests, without the language.

``Drawing`` collects tasks, routing nodes and places by name and gives the ``Net``;
``expression`` makes one from a Python function of the data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from knhk.errors import ExpressionError
from knhk.kernel import Case, Program
from knhk.model import (
    CALLEE_OUTSIDE,
    CREATE,
    JOIN_XOR,
    NODE_ROUTE,
    NODE_TASK,
    SPLIT_AND,
    Arrow,
    Callee,
    ExceptionArrow,
    Expression,
    Input,
    Moment,
    Mutex,
    Net,
    Node,
    Place,
    Region,
    Section,
    Task,
    Variable,
)

#: What :meth:`Drawing.task` gives to the node, all else goes to the task.
OF_NODE = ("cancels_case", "takes")
#: Attributes of a node that name others, which may be drawn later.
NAMING = ("cancels", "completes", "holds", "while_place")


def expression(function: Callable[[dict[str, object]], object], text: str = "...") -> Expression:
    """An expression that raises nothing but ``ExpressionError``."""

    def evaluate(data: dict[str, object], moment: Moment) -> object:
        try:
            return function(data)
        except (ArithmeticError, LookupError, TypeError) as error:
            raise ExpressionError(text, str(error)) from error

    return Expression(text, evaluate)


@dataclass
class Drawing:
    """A net in the making; places come to be when they are first named."""

    nodes: list[Node] = field(default_factory=list)
    routes: list[Node] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)
    mutexes: tuple[str, ...] = ()
    sections: list[tuple[str, str, str]] = field(default_factory=list)
    named: dict[str, dict[str, Any]] = field(default_factory=dict)
    initial: str = "start"

    def place(self, name: str) -> int:
        return self.places.setdefault(name, len(self.places))

    def task(
        self,
        name: str,
        inputs: str,
        outputs: str = "",
        *,
        join: int = JOIN_XOR,
        split: int = SPLIT_AND,
        guards: tuple[Expression | None, ...] = (),
        exceptions: tuple[tuple[int, str, str], ...] = (),
        callee: Callee | None = None,
        puts: tuple[int, ...] = (),
        **attributes: object,
    ) -> Drawing:
        """``cancels="b c; p q"`` names tasks and places; other names of nodes are names too."""
        own = self._without_names(name, attributes)
        node = {key: value for key, value in own.items() if key in OF_NODE}
        lines = {key: value for key, value in own.items() if key not in OF_NODE}
        task = Task(callee or Callee(CALLEE_OUTSIDE), **lines)  # type: ignore[arg-type]
        arrows = tuple(
            ExceptionArrow(kind, error, self.place(place)) for kind, error, place in exceptions
        )
        self.nodes.append(
            Node(
                name,
                NODE_TASK,
                inputs=tuple(self.place(place) for place in inputs.split()),
                join=join,
                outputs=self._arrows(outputs, guards, puts),
                split=split,
                exceptions=arrows,
                task=task,
                **node,  # type: ignore[arg-type]
            )
        )
        return self

    def route(
        self,
        name: str,
        inputs: str,
        outputs: str = "",
        *,
        kind: int = NODE_ROUTE,
        join: int = JOIN_XOR,
        split: int = SPLIT_AND,
        guards: tuple[Expression | None, ...] = (),
        **attributes: object,
    ) -> Drawing:
        self.routes.append(
            Node(
                name,
                kind,
                inputs=tuple(self.place(place) for place in inputs.split()),
                join=join,
                outputs=self._arrows(outputs, guards, ()),
                split=split,
                **self._without_names(name, attributes),  # type: ignore[arg-type]
            )
        )
        return self

    def _without_names(self, node: str, attributes: dict[str, object]) -> dict[str, object]:
        """The attributes but those that name others, which are kept for later."""
        self.named[node] = {key: value for key, value in attributes.items() if key in NAMING}
        return {key: value for key, value in attributes.items() if key not in NAMING}

    def section(self, mutex: str, nodes: str, places: str = "") -> Drawing:
        """A critical section with these nodes and places inside."""
        self.sections.append((mutex, nodes, places))
        return self

    def _arrows(
        self, outputs: str, guards: tuple[Expression | None, ...], puts: tuple[int, ...]
    ) -> tuple[Arrow, ...]:
        places = outputs.split()
        return tuple(
            Arrow(self.place(place), guard, weight)
            for place, guard, weight in zip(
                places,
                guards or (None,) * len(places),
                puts or (1,) * len(places),
                strict=True,
            )
        )

    def _resolved(self, node: Node, numbers: dict[str, int]) -> Node:
        """A node with numbers in place of the names of others."""
        changes = dict(self.named[node.name])
        if "cancels" in changes:
            tasks, _, places = changes["cancels"].partition(";")
            joins = [name for name in tasks.split() if name.startswith("join")]
            changes["cancels"] = Region(
                tuple(numbers[name] for name in tasks.split() if name not in joins),
                tuple(self.place(name) for name in places.split()),
                tuple(numbers[name] for name in joins),
            )
        if "completes" in changes:
            changes["completes"] = numbers[changes["completes"]]
        if "while_place" in changes:
            changes["while_place"] = self.place(changes["while_place"])
        if "holds" in changes:
            changes["holds"] = tuple(self.mutexes.index(name) for name in changes["holds"])
        return replace(node, **changes) if changes else node

    def net(
        self,
        variables: tuple[Variable, ...] = (),
        returns: Expression | None = None,
    ) -> Net:
        self.place(self.initial)
        nodes = (*self.nodes, *self.routes)
        numbers = {node.name: number for number, node in enumerate(nodes)}
        nodes = tuple(self._resolved(node, numbers) for node in nodes)
        return Net(
            "drawn",
            nodes,
            tuple(Place(name, tokens=int(name == self.initial)) for name in self.places),
            mutexes=tuple(Mutex(name) for name in self.mutexes),
            sections=tuple(
                Section(
                    self.mutexes.index(mutex),
                    tuple(numbers[name] for name in inside.split()),
                    tuple(self.place(name) for name in places.split()),
                )
                for mutex, inside, places in self.sections
            ),
            variables=variables,
            returns=returns,
        )

    def case(self, **data: object) -> Case:
        """A case of the net, begun with ``data`` as its parameters."""
        return begun(self.net(), **data)


def begun(net: Net, **data: object) -> Case:
    case = Case(Program(net), "c1")
    case.apply(Input(CREATE, 0, value=data))
    return case
