"""A net as flat tables of integers, the form in which the token game is played.

The unit of the tables is the *transition* of classical Petri nets. A node with an AND-join,
or with one input, is one transition; a node with an XOR-join of n inputs is n transitions
with one input each, because each arrival passes on its own. Transitions are numbered in net
order, which is the order in which routing goes on.

=================  ==========================================================================
``node_of[t]``     the node that transition ``t`` belongs to
``input_at[t]``    where its input places begin in ``inputs``; ``width[t]`` many
``single[t]``      its only input place, -1 if it has several
``routes[t]``      1 if it passes by itself, 0 if it belongs to a task that is offered
``plain[t]``       1 if passing only moves tokens: no guard, no data, no end of the case
``follower[t]``    of a plain one-to-one transition whose output leads to a one-input
                   routing transition: that transition; else -1
``consumer[p]``    the transition that takes from place ``p``, -1 if none does
``output_at[n]``   where the output places of node ``n`` begin in ``outputs``;
                   ``output_count[n]`` many
=================  ==========================================================================
"""

from __future__ import annotations

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64

from knhk.model import (
    CALLEE_SKIP,
    CALLEE_TIMER,
    JOIN_AND,
    NODE_ABORT,
    NODE_STOP,
    NODE_TASK,
    SPLIT_XOR,
    Callee,
    Codec,
    ExceptionArrow,
    Expression,
    Net,
    Node,
    Task,
)

TIMER_NONE: Final = 0
TIMER_DELAY: Final = 1
TIMER_UNTIL: Final = 2


@final
class Assignment:
    """``sets name = value``: the name, its expression, and the codec of its type."""

    def __init__(self, name: str, value: Expression, codec: Codec | None) -> None:
        self.name = name
        self.value = value
        self.codec = codec


@final
class TaskRow:
    """What the game must know of a task, unpacked for quick access."""

    def __init__(self, node: i64, name: str, task: Task, assignments: list[Assignment]) -> None:
        self.node = node
        self.name = name
        self.callee: Callee = task.callee
        self.codec: Codec | None = task.result
        self.assignments = assignments
        self.timeout_us: i64 = task.timeout_us
        self.at_most: i64 = task.at_most
        self.delays_us: list[int] = [] if task.retry is None else list(task.retry.delays_us)
        self.jitter: float = 0.0 if task.retry is None else task.retry.jitter
        self.multiple = task.for_each is not None
        self.variable = "" if task.for_each is None else task.for_each.variable
        self.instances: Expression | None = None
        self.times: Expression | None = None
        if task.for_each is not None:
            self.instances = task.for_each.items
            self.times = task.for_each.times
        self.timer: i64 = TIMER_NONE
        self.moment: Expression | None = None
        if task.callee.kind == CALLEE_TIMER:
            until = task.callee.until
            self.timer = TIMER_DELAY if until is None else TIMER_UNTIL
            self.moment = task.callee.delay if until is None else until


@final
class Program:
    """A compiled :class:`knhk.model.Net`; shared by all its cases and never changed."""

    def __init__(self, net: Net) -> None:
        self.net = net
        self.names: dict[str, int] = {}
        self.rows: list[TaskRow | None] = []
        self.guards: list[list[Expression | None]] = []
        self.exceptions: list[list[ExceptionArrow]] = []
        self._read_nodes(net)
        self._number_transitions(net)
        self._link(net)

    def _read_nodes(self, net: Net) -> None:
        codecs: dict[str, Codec] = {}
        for variable in net.variables:
            codecs[variable.name] = variable.codec
        for parameter in net.parameters:
            codecs[parameter.name] = parameter.codec
        output_at: list[int] = []
        output_count: list[int] = []
        outputs: list[int] = []
        for number, node in enumerate(net.nodes):
            task = node.task
            if task is None:
                self.rows.append(None)
            else:
                assignments = [
                    Assignment(name, value, codecs.get(name)) for name, value in task.sets
                ]
                self.rows.append(TaskRow(number, node.name, task, assignments))
                self.names[node.name] = number
            self.guards.append([arrow.guard for arrow in node.outputs])
            self.exceptions.append(list(node.exceptions))
            output_at.append(len(outputs))
            output_count.append(len(node.outputs))
            outputs.extend([arrow.place for arrow in node.outputs])
        self.output_at = _vector(output_at)
        self.output_count = _vector(output_count)
        self.outputs = _vector(outputs)
        self.chooses = _vector([int(_chooses(node)) for node in net.nodes])

    def _number_transitions(self, net: Net) -> None:
        node_of: list[int] = []
        input_at: list[int] = []
        width: list[int] = []
        inputs: list[int] = []
        consumer = [-1] * len(net.places)
        for number, node in enumerate(net.nodes):
            groups = [list(node.inputs)] if node.join == JOIN_AND else [[p] for p in node.inputs]
            for group in groups:
                if not group:
                    continue
                for place in group:
                    consumer[place] = len(node_of)
                node_of.append(number)
                input_at.append(len(inputs))
                width.append(len(group))
                inputs.extend(group)
        self.node_of = _vector(node_of)
        self.input_at = _vector(input_at)
        self.width = _vector(width)
        self.inputs = _vector(inputs)
        self.consumer = _vector(consumer)
        self.single = _vector(
            [inputs[at] if count == 1 else -1 for at, count in zip(input_at, width, strict=True)]
        )

    def _link(self, net: Net) -> None:
        routes: list[int] = []
        plain: list[int] = []
        for transition in range(len(self.node_of)):
            node = net.nodes[self.node_of[transition]]
            routes.append(int(_routes(node)))
            plain.append(int(_plain(node)))
        follower = [-1] * len(routes)
        for transition in range(len(routes)):
            node_number = self.node_of[transition]
            one_to_one = self.single[transition] >= 0 and self.output_count[node_number] == 1
            if plain[transition] and one_to_one:
                target: int = self.consumer[self.outputs[self.output_at[node_number]]]
                if target >= 0 and routes[target] and self.width[target] == 1:
                    follower[transition] = target
        self.routes = _vector(routes)
        self.plain = _vector(plain)
        self.follower = _vector(follower)

    def name_of(self, node: i64) -> str:
        """The name of a node."""
        return self.net.nodes[node].name


def _vector(values: list[int]) -> vec[i64]:
    return vec[i64]([i64(value) for value in values])


def _routes(node: Node) -> bool:
    return node.kind != NODE_TASK or (
        node.task is not None and node.task.callee.kind == CALLEE_SKIP
    )


def _chooses(node: Node) -> bool:
    return node.split == SPLIT_XOR and len(node.outputs) > 0


def _plain(node: Node) -> bool:
    ends = node.kind == NODE_STOP or node.kind == NODE_ABORT
    return _routes(node) and node.task is None and not ends and not _chooses(node)
