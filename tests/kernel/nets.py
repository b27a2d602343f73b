"""Nets drawn by hand for the kernel's tests, without the language.

``Drawing`` collects tasks, routing nodes and places by name and gives the ``Net``;
``expression`` makes one from a Python function of the data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

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
    Net,
    Node,
    Place,
    Task,
    Variable,
)


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
        **attributes: object,
    ) -> Drawing:
        task = Task(callee or Callee(CALLEE_OUTSIDE), **attributes)  # type: ignore[arg-type]
        arrows = tuple(
            ExceptionArrow(kind, error, self.place(place)) for kind, error, place in exceptions
        )
        self.nodes.append(
            Node(
                name,
                NODE_TASK,
                inputs=tuple(self.place(place) for place in inputs.split()),
                join=join,
                outputs=self._arrows(outputs, guards),
                split=split,
                exceptions=arrows,
                task=task,
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
    ) -> Drawing:
        self.routes.append(
            Node(
                name,
                kind,
                inputs=tuple(self.place(place) for place in inputs.split()),
                join=join,
                outputs=self._arrows(outputs, guards),
                split=split,
            )
        )
        return self

    def _arrows(self, outputs: str, guards: tuple[Expression | None, ...]) -> tuple[Arrow, ...]:
        places = outputs.split()
        return tuple(
            Arrow(self.place(place), guard)
            for place, guard in zip(places, guards or (None,) * len(places), strict=True)
        )

    def net(
        self,
        variables: tuple[Variable, ...] = (),
        returns: Expression | None = None,
    ) -> Net:
        self.place(self.initial)
        return Net(
            "drawn",
            (*self.nodes, *self.routes),
            tuple(Place(name, tokens=int(name == self.initial)) for name in self.places),
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
