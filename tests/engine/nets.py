"""Modules of nets drawn by hand, for what is tested of the engine and not of the language.

A :class:`Drawing` collects tasks, routing nodes and places by name; :func:`module` makes a
deployable module of the nets. Its sources are no text that could be compiled again, so after a
restart the module is deployed anew before the cases are resumed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, cast

from knhk.engine.plain import JSON
from knhk.errors import ExpressionError
from knhk.model import (
    CALLEE_MESSAGE,
    CALLEE_OUTSIDE,
    CALLEE_PLUGIN,
    CALLEE_PYTHON,
    CALLEE_SIGNAL,
    CALLEE_SKIP,
    CALLEE_WORKFLOW,
    JOIN_XOR,
    NODE_ROUTE,
    NODE_TASK,
    SPLIT_AND,
    Arrow,
    Callee,
    ExceptionArrow,
    Expression,
    Moment,
    Net,
    Node,
    Parameter,
    Place,
    Task,
)
from knhk.module import Module

OUTSIDE = Callee(CALLEE_OUTSIDE)
SKIP = Callee(CALLEE_SKIP)


def expression(function: Callable[[dict[str, Any]], object], text: str = "...") -> Expression:
    """An expression that raises nothing but ``ExpressionError``."""

    def evaluate(data: dict[str, object], moment: Moment) -> object:
        try:
            return function(data)
        except (ArithmeticError, LookupError, TypeError) as error:
            raise ExpressionError(text, str(error)) from error

    return Expression(text, evaluate)


def value(given: object) -> Expression:
    """A name of the data, as text, or a constant."""
    if isinstance(given, Expression):
        return given
    if isinstance(given, str):
        return expression(lambda data: data[given], given)
    return expression(lambda data: given, repr(given))


def calls(name: str, *args: object, **kwargs: object) -> Callee:
    """A function of `handlers.py`."""
    return _callee(CALLEE_PYTHON, "handlers", name, args, kwargs)


def runs(workflow: str, *args: object, **kwargs: object) -> Callee:
    """Another workflow, as a sub-case."""
    return _callee(CALLEE_WORKFLOW, "", workflow, args, kwargs)


def message(name: str, key: object = None) -> Callee:
    return Callee(CALLEE_MESSAGE, "", name, key=None if key is None else value(key))


def signal(name: str) -> Callee:
    return Callee(CALLEE_SIGNAL, "", name)


def plugin(name: str, **kwargs: object) -> Callee:
    return _callee(CALLEE_PLUGIN, "", name, (), kwargs)


def _callee(
    kind: int, module: str, name: str, args: tuple[object, ...], kwargs: dict[str, object]
) -> Callee:
    named = tuple((key, value(given)) for key, given in kwargs.items())
    return Callee(kind, module, name, tuple(map(value, args)), named)


@dataclass
class Drawing:
    """A net in the making; places come to be when they are first named."""

    name: str = "w"
    nodes: list[Node] = field(default_factory=list)
    routes: list[Node] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=lambda: {"start": 0})

    def place(self, name: str) -> int:
        return self.places.setdefault(name, len(self.places))

    def task(
        self,
        name: str,
        inputs: str,
        outputs: str = "",
        callee: Callee = OUTSIDE,
        *,
        exceptions: tuple[tuple[int, str, str], ...] = (),
        node: dict[str, Any] | None = None,
        **attributes: Any,
    ) -> Drawing:
        self.nodes.append(
            Node(
                name,
                NODE_TASK,
                inputs=tuple(map(self.place, inputs.split())),
                outputs=tuple(Arrow(self.place(place)) for place in outputs.split()),
                exceptions=tuple(
                    ExceptionArrow(kind, error, self.place(place))
                    for kind, error, place in exceptions
                ),
                task=Task(callee, **attributes),
                **(node or {}),
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
        **more: Any,
    ) -> Drawing:
        places = outputs.split()
        self.routes.append(
            Node(
                name,
                kind,
                inputs=tuple(map(self.place, inputs.split())),
                join=join,
                outputs=tuple(
                    Arrow(self.place(place), guard)
                    for place, guard in zip(places, guards or (None,) * len(places), strict=True)
                ),
                split=split,
                **more,
            )
        )
        return self

    def net(self, *parameters: str, returns: object = None, **more: Any) -> Net:
        """The net; ``name=`` gives a parameter a default of ``none``."""
        nodes = (*self.nodes, *self.routes)
        places = tuple(
            Place(
                name,
                named=" " not in name,
                tokens=int(name == "start"),
                producers=tuple(
                    _at(nodes, lambda n, p=number: any(a.place == p for a in n.outputs))
                ),  # type: ignore[misc]
                consumers=tuple(_at(nodes, lambda n, p=number: p in n.inputs)),  # type: ignore[misc]
            )
            for name, number in self.places.items()
        )
        return Net(
            self.name,
            nodes,
            places,
            parameters=tuple(
                Parameter(name.rstrip("="), JSON, value(None) if name.endswith("=") else None)
                for name in parameters
            ),
            returns=None if returns is None else value(returns),
            **more,
        )


def _at(nodes: tuple[Node, ...], wanted: Callable[[Node], bool]) -> list[int]:
    return [number for number, node in enumerate(nodes) if wanted(node)]


def chain(name: str, *tasks: tuple[str, Callee], returns: object = None, **more: Any) -> Net:
    """A workflow of tasks one after another."""
    drawing = Drawing(name)
    for number, (task, callee) in enumerate(tasks):
        before = "start" if number == 0 else f"{tasks[number - 1][0]} -> {task}"
        drawing.place(before)
        drawing.nodes.append(
            Node(task, NODE_TASK, inputs=(drawing.place(before),), task=Task(callee))
        )
        if number:
            last = drawing.nodes[number - 1]
            drawing.nodes[number - 1] = Node(
                last.name,
                NODE_TASK,
                inputs=last.inputs,
                outputs=(Arrow(drawing.place(before)),),
                task=last.task,
            )
    return drawing.net(*more.pop("parameters", ()), returns=returns, **more)


@dataclass(frozen=True)
class Compiled:
    """What the compiler would have made, as far as a module and its deployment look at it."""

    nets: dict[str, Net]
    files: dict[str, str]
    entry: str
    root: Path
    digest: str


def module(directory: Path, *nets: Net) -> Module:
    """A module of these nets, whose Python modules are looked for in ``directory``."""
    text = "\n".join(f"{net!r}" for net in nets)
    digest = blake2b(text.encode(), digest_size=16).hexdigest()
    files = {"w.knhk": f"# drawn by hand: {digest}\n"}
    named = {net.name: net for net in nets}
    return Module(cast("Any", Compiled(named, files, "w.knhk", directory, digest)))
