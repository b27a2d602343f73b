"""A net as flat tables of integers, the form in which the token game is played.

The unit of the tables is the *transition* of classical Petri nets. A node with an AND-join
or an OR-join, or with one input, is one transition; a node with an XOR-join or a partial
join of n inputs is n transitions with one input each, because each arrival is taken on its
own. Transitions are numbered in net order, which is the order in which routing goes on.

A node is *contested* when somebody else decides with it whether it may take its tokens: it
shares an input with another node (deferred choice), has a milestone or a mutex, takes
several tokens at once, or has an OR-join. All other nodes are handled in constant time by
the place's only ``consumer``; for the places of contested nodes that is ``CONTESTED``, and
``users`` holds the transitions.

=================  ==========================================================================
``node_of[t]``     the node that transition ``t`` belongs to
``input_at[t]``    where its input places begin in ``inputs``; ``width[t]`` many
``takes``          parallel to ``inputs``: how many tokens it takes there
``single[t]``      its only input place, -1 if it has several
``routes[t]``      1 if it passes by itself, 0 if it belongs to a task that is offered
``plain[t]``       1 if passing only moves single tokens: no guard, no data, no end
``contested[t]``   1 if its node is contested
``partial[t]``     1 if it is a branch of a partial join
``or_join[t]``     the number of its OR-join in ``or_joins``, -1 if it is none
``follower[t]``    of a plain one-to-one transition whose output leads to a one-input
                   routing transition: that transition; else -1
``consumer[p]``    the transition that takes from place ``p``; ``NOBODY``, ``CONTESTED``
``first[n]``       the first transition of node ``n``, which has ``count[n]`` of them
``output_at[n]``   where the output places of node ``n`` begin in ``outputs``;
                   ``output_count[n]`` many; ``puts`` is parallel: how many tokens it puts
=================  ==========================================================================
"""

from __future__ import annotations

from typing import Final, final
from zlib import crc32

from librt.vecs import vec
from mypy_extensions import i64

from knhk.kernel.structure import blocks
from knhk.model import (
    CALLEE_MESSAGE,
    CALLEE_SIGNAL,
    CALLEE_SKIP,
    CALLEE_TIMER,
    EXCEPT_MESSAGE,
    EXCEPT_SIGNAL,
    JOIN_AND,
    JOIN_OR,
    JOIN_PARTIAL,
    NODE_ABORT,
    NODE_STOP,
    NODE_TASK,
    SPLIT_AND,
    Callee,
    Codec,
    ExceptionArrow,
    Expression,
    Net,
    Node,
    Region,
    Task,
)

#: What a task waits for, before it is started and completed in one step.
WAIT_NONE: Final = 0
WAIT_DELAY: Final = 1
WAIT_UNTIL: Final = 2
WAIT_MESSAGE: Final = 3
WAIT_SIGNAL: Final = 4

NOBODY: Final = -1
CONTESTED: Final = -2


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

    def __init__(self, number: i64, node: Node, task: Task, assignments: list[Assignment]) -> None:
        self.node = number
        self.name = node.name
        self.callee: Callee = task.callee
        self.codec: Codec | None = task.result
        self.assignments = assignments
        self.timeout_us: i64 = task.timeout_us
        self.at_most: i64 = task.at_most
        self.delays_us: list[int] = [] if task.retry is None else list(task.retry.delays_us)
        self.jitter: float = 0.0 if task.retry is None else task.retry.jitter
        self.while_place: i64 = node.while_place
        self.holds: list[int] = list(node.holds)
        self.completes: i64 = node.completes
        self.cancels_case = node.cancels_case
        self.compensation: Callee | None = task.compensation
        self._read_instances(task)
        self._read_wait(task.callee)

    def _read_instances(self, task: Task) -> None:
        each = task.for_each
        self.multiple = each is not None
        self.variable = "" if each is None else each.variable
        self.instances: Expression | None = None if each is None else each.items
        self.times: Expression | None = None if each is None else each.times
        self.element: Codec | None = None if each is None else each.element
        self.open = each is not None and each.open
        self.waits = each is None or each.waits
        self.complete_when: Expression | None = None if each is None else each.complete_when
        self.reads_results = each is not None and each.reads_results
        self.cancel_rest = each is not None and each.cancel_rest

    def _read_wait(self, callee: Callee) -> None:
        self.wait: i64 = WAIT_NONE
        self.event = ""
        self.key: Expression | None = callee.key
        self.moment: Expression | None = None
        if callee.kind == CALLEE_TIMER:
            until = callee.until
            self.wait = WAIT_DELAY if until is None else WAIT_UNTIL
            self.moment = callee.delay if until is None else until
        elif callee.kind == CALLEE_MESSAGE or callee.kind == CALLEE_SIGNAL:
            self.wait = WAIT_MESSAGE if callee.kind == CALLEE_MESSAGE else WAIT_SIGNAL
            self.event = callee.name


@final
class OrJoin:
    """An OR-join: its node and transition.

    ``counts`` says that it is the end of a block, where it is enough to count the branches
    that the split of the block chose, as long as no token has left the block another way.
    ``analysis`` is made by :mod:`knhk.kernel.orjoin` when it is needed first.
    """

    def __init__(self, number: i64, node: i64, transition: i64, counts: bool) -> None:
        self.number = number
        self.node = node
        self.transition = transition
        self.counts = counts
        self.analysis: object = None


@final
class Program:
    """A compiled :class:`knhk.model.Net`; shared by all its cases and never changed."""

    def __init__(self, net: Net) -> None:
        self.net = net
        self.names: dict[str, int] = {}
        self.rows: list[TaskRow | None] = []
        self.guards: list[list[Expression | None]] = []
        self.exceptions: list[list[ExceptionArrow]] = []
        self.regions: list[Region | None] = []
        self.or_joins: list[OrJoin] = []
        #: The OR-join at the end of the block that a node's OR-split begins: its transition.
        self.block_end: dict[int, int] = {}
        self.on_failure: i64 = net.on_failure
        self.has_partial_joins = any(node.join == JOIN_PARTIAL for node in net.nodes)
        self._read_nodes(net)
        self._number_transitions(net)
        self._find_contested(net)
        self._read_mutexes(net)
        self._read_events()
        self._link(net)
        self._shape: i64 = -1

    def _read_nodes(self, net: Net) -> None:
        #: The types of variables and parameters; those of results stand in the rows.
        self.codecs: dict[str, Codec] = {}
        for variable in net.variables:
            self.codecs[variable.name] = variable.codec
        for parameter in net.parameters:
            self.codecs[parameter.name] = parameter.codec
        output_at: list[int] = []
        output_count: list[int] = []
        outputs: list[int] = []
        puts: list[int] = []
        for number, node in enumerate(net.nodes):
            task = node.task
            if task is None:
                self.rows.append(None)
            else:
                assignments = [
                    Assignment(name, value, self.codecs.get(name)) for name, value in task.sets
                ]
                self.rows.append(TaskRow(number, node, task, assignments))
                self.names[node.name] = number
            self.guards.append([arrow.guard for arrow in node.outputs])
            self.exceptions.append(list(node.exceptions))
            self.regions.append(node.cancels)
            output_at.append(len(outputs))
            output_count.append(len(node.outputs))
            outputs.extend([arrow.place for arrow in node.outputs])
            puts.extend([arrow.weight for arrow in node.outputs])
        self.output_at = _vector(output_at)
        self.output_count = _vector(output_count)
        self.outputs = _vector(outputs)
        self.puts = _vector(puts)
        self.weighted = _vector([int(_is_weighted(node)) for node in net.nodes])
        self.chooses = _vector([int(_chooses(node)) for node in net.nodes])
        self.split = _vector([node.split for node in net.nodes])
        self.threshold = _vector([node.threshold for node in net.nodes])

    def _number_transitions(self, net: Net) -> None:
        node_of: list[int] = []
        input_at: list[int] = []
        width: list[int] = []
        inputs: list[int] = []
        takes: list[int] = []
        first: list[int] = []
        count: list[int] = []
        or_join: list[int] = []
        self.users: list[list[int]] = [[] for _ in net.places]
        ends = blocks(net) if any(node.join == JOIN_OR for node in net.nodes) else {}
        for number, node in enumerate(net.nodes):
            together = node.join == JOIN_AND or node.join == JOIN_OR
            weights = node.takes or (1,) * len(node.inputs)
            numbers = range(len(node.inputs))
            groups = [list(numbers)] if together else [[at] for at in numbers]
            first.append(len(node_of))
            for group in groups:
                if not group:
                    continue
                transition = len(node_of)
                for at in group:
                    self.users[node.inputs[at]].append(transition)
                is_or = node.join == JOIN_OR and len(group) > 1
                or_join.append(len(self.or_joins) if is_or else -1)
                if is_or:
                    split = ends.get(number, -1)
                    if split >= 0:
                        self.block_end[split] = transition
                    join = OrJoin(len(self.or_joins), number, transition, split >= 0)
                    self.or_joins.append(join)
                node_of.append(number)
                input_at.append(len(inputs))
                width.append(len(group))
                inputs.extend([node.inputs[at] for at in group])
                takes.extend([weights[at] for at in group])
            count.append(len(node_of) - first[number])
        self.node_of = _vector(node_of)
        self.input_at = _vector(input_at)
        self.width = _vector(width)
        self.inputs = _vector(inputs)
        self.takes = _vector(takes)
        self.first = _vector(first)
        self.count = _vector(count)
        self.or_join = _vector(or_join)
        self.single = _vector(
            [inputs[at] if count == 1 else -1 for at, count in zip(input_at, width, strict=True)]
        )
        self.has_joins = any(count > 1 for count in width)
        self.partial = _vector([int(net.nodes[n].join == JOIN_PARTIAL) for n in node_of])

    # --- who decides with whom ----------------------------------------------------------

    def _find_contested(self, net: Net) -> None:
        """Contested nodes and places; one such input makes all inputs of a node contested."""
        #: Tasks to be looked at again when a place becomes marked or empty (milestones).
        self.watchers: list[list[int]] = [[] for _ in net.places]
        places = [len(users) > 1 for users in self.users]
        nodes = [self._alone_contested(number, node) for number, node in enumerate(net.nodes)]
        for number, node in enumerate(net.nodes):
            if node.while_place >= 0:
                self.watchers[node.while_place].append(number)
                places[node.while_place] = True
        pending = [number for number in range(len(nodes)) if nodes[number]]
        for place in range(len(places)):
            if places[place]:
                pending.extend([int(self.node_of[t]) for t in self.users[place]])
        while pending:
            number = pending.pop()
            nodes[number] = True
            for place in net.nodes[number].inputs:
                if not places[place]:
                    places[place] = True
                    pending.extend([int(self.node_of[t]) for t in self.users[place]])
        consumer: list[int] = []
        for place in range(len(places)):
            users = self.users[place]
            if places[place] and (users or self.watchers[place]):
                consumer.append(CONTESTED)
            else:
                consumer.append(users[0] if users else NOBODY)
        self.consumer = _vector(consumer)
        self.contested = _vector([int(nodes[node]) for node in self.node_of])
        for join in self.or_joins:
            if nodes[join.node]:
                join.counts = False
        self.block_end = {
            split: transition
            for split, transition in self.block_end.items()
            if not nodes[self.node_of[transition]]
        }

    def _alone_contested(self, number: i64, node: Node) -> bool:
        """Whether a node is contested by what it is, whoever else takes from its places."""
        if node.while_place >= 0 or node.holds or self._sections_entered(number):
            return True
        if node.join == JOIN_OR and len(node.inputs) > 1:
            return not self.or_joins[self.or_join[self.first[number]]].counts
        return any(weight != 1 for weight in node.takes)

    def _sections_entered(self, number: i64) -> bool:
        return any(
            number in section.nodes
            and any(place not in section.places for place in self.net.nodes[number].inputs)
            for section in self.net.sections
        )

    def _read_mutexes(self, net: Net) -> None:
        """Which mutexes a transition needs, and which nodes wait for a mutex.

        ``enters[t]`` holds the sections that transition ``t`` enters, the outermost first,
        ``inside[t]`` those that it is in already.
        """
        self.enters: list[list[int]] = []
        self.inside: list[list[int]] = []
        self.mutex_users: list[list[int]] = [[] for _ in net.mutexes]
        order = sorted(
            range(len(net.sections)), key=lambda number: -len(net.sections[number].nodes)
        )
        for transition in range(len(self.node_of)):
            number = self.node_of[transition]
            start = self.input_at[transition]
            places = [self.inputs[at] for at in range(start, start + self.width[transition])]
            enters: list[int] = []
            inside: list[int] = []
            for section in order:
                if number not in net.sections[section].nodes:
                    continue
                if any(place in net.sections[section].places for place in places):
                    inside.append(section)
                else:
                    enters.append(section)
            self.enters.append(enters)
            self.inside.append(inside)
            mutexes = [net.sections[section].mutex for section in enters]
            mutexes.extend(net.nodes[number].holds)
            for mutex in mutexes:
                if number not in self.mutex_users[mutex]:
                    self.mutex_users[mutex].append(number)
        self.exclusive = _vector(
            [
                int(bool(self.enters[t]) or bool(net.nodes[self.node_of[t]].holds))
                for t in range(len(self.node_of))
            ]
        )

    def _read_events(self) -> None:
        """Which tasks wait for a message or signal, and which are interrupted by one."""
        self.takers: dict[str, list[int]] = {}
        self.listeners: dict[str, list[int]] = {}
        self.message_exits: dict[str, list[int]] = {}
        self.signal_exits: dict[str, list[int]] = {}
        self.hears_messages: list[bool] = []
        for number, row in enumerate(self.rows):
            hears = row is not None and row.wait == WAIT_MESSAGE
            if row is not None and row.wait == WAIT_MESSAGE:
                self.takers.setdefault(row.event, []).append(number)
            if row is not None and row.wait == WAIT_SIGNAL:
                self.listeners.setdefault(row.event, []).append(number)
            for arrow in self.exceptions[number]:
                if arrow.kind == EXCEPT_MESSAGE:
                    self.message_exits.setdefault(arrow.name, []).append(number)
                    hears = True
                elif arrow.kind == EXCEPT_SIGNAL:
                    self.signal_exits.setdefault(arrow.name, []).append(number)
            self.hears_messages.append(hears)
        messages = bool(self.takers or self.message_exits)
        #: Whether there is any message or signal that its cases take.
        self.hears: bool = messages or bool(self.listeners or self.signal_exits)

    # --- what passes by itself ----------------------------------------------------------

    def _link(self, net: Net) -> None:
        routes: list[int] = []
        plain: list[int] = []
        for transition in range(len(self.node_of)):
            node = net.nodes[self.node_of[transition]]
            routes.append(int(_routes(node)))
            simple = not self.contested[transition] and self.or_join[transition] < 0
            plain.append(int(simple and _plain(node)))
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

    def shape(self) -> i64:
        """A checksum of what gives nodes, places and transitions their numbers.

        A snapshot speaks in these numbers. A source may get others from a later compiler.
        """
        if self._shape < 0:
            places = [f"{place.name} {place.tokens}" for place in self.net.places]
            nodes = [_shape(node) for node in self.net.nodes]
            sections = [f"{one.mutex} {one.nodes} {one.places}" for one in self.net.sections]
            mutexes = [mutex.name for mutex in self.net.mutexes]
            text = "\n".join(places + nodes + sections + mutexes)
            self._shape = crc32(text.encode("utf-8", "surrogatepass"))
        return self._shape


def _vector(values: list[int]) -> vec[i64]:
    return vec[i64]([i64(value) for value in values])


def _shape(node: Node) -> str:
    outputs = [(arrow.place, arrow.weight) for arrow in node.outputs]
    exceptions = [(one.kind, one.name, one.place, one.weight) for one in node.exceptions]
    kind = f"{node.name} {node.kind} {node.join} {node.split} {node.threshold}"
    others = f"{node.cancels} {node.cancels_case} {node.while_place} {node.completes}"
    return f"{kind} {node.inputs} {node.takes} {outputs} {exceptions} {node.holds} {others}"


def _routes(node: Node) -> bool:
    return node.kind != NODE_TASK or (
        node.task is not None and node.task.callee.kind == CALLEE_SKIP
    )


def _is_weighted(node: Node) -> bool:
    return any(arrow.weight != 1 for arrow in node.outputs)


def _chooses(node: Node) -> bool:
    return node.split != SPLIT_AND and len(node.outputs) > 0


def _plain(node: Node) -> bool:
    """Whether a routing node only moves single tokens."""
    ends = node.kind == NODE_STOP or node.kind == NODE_ABORT
    counted = node.join == JOIN_PARTIAL or _is_weighted(node)
    acts = node.task is not None or node.cancels is not None or node.cancels_case
    return _routes(node) and not (acts or ends or counted or _chooses(node))
