"""Random nets with OR-joins, small enough that all their markings can be looked at.

:func:`free_nets` draws arbitrary graphs: cyclic ones, and by choice acyclic ones.
:func:`close_nets` draws a few nodes around one join. :func:`block_nets` draws nets as the
language's groups make them. All are then decorated with exception arrows, cancellation sets,
milestones, mutexes, critical sections, instances and weights. No net has a round without a
task in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import hypothesis.strategies as st

from knhk.model import (
    CALLEE_OUTSIDE,
    EXCEPT_ERROR,
    EXCEPT_MESSAGE,
    EXCEPT_SIGNAL,
    EXCEPT_TIMEOUT,
    JOIN_AND,
    JOIN_OR,
    JOIN_PARTIAL,
    JOIN_XOR,
    NODE_END,
    NODE_ROUTE,
    NODE_STOP,
    NODE_TASK,
    SPLIT_AND,
    SPLIT_OR,
    SPLIT_XOR,
    Arrow,
    Callee,
    ExceptionArrow,
    Net,
    Node,
    Region,
    Section,
    Task,
)

from .drawing import CHANCE, TWICE, Draft

EXCEPTIONS = (EXCEPT_ERROR, EXCEPT_TIMEOUT, EXCEPT_MESSAGE, EXCEPT_SIGNAL)


def or_joins(net: Net) -> list[int]:
    """The nodes with an OR-join."""
    return [number for number, node in enumerate(net.nodes) if node.join == JOIN_OR]


# --- arbitrary graphs -----------------------------------------------------------------------


@dataclass
class Sketch:
    """A node before its arrows are known."""

    is_task: bool
    rank: int
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)


@st.composite
def free_nets(draw: st.DrawFn) -> Net:
    """A net of two to six tasks and up to three routing nodes with arbitrary arrows.

    Every place belongs to the node that takes from it; some are shared by a second task. A
    producer is drawn for each place. In an acyclic net, and wherever two routing nodes meet,
    arrows go from lower to higher rank.
    """
    acyclic = draw(st.booleans())
    sketches = _sketches(draw)
    owners = _owners(draw, sketches)
    for place, takers in enumerate(owners):
        fitting = [
            number
            for number, giver in enumerate(sketches)
            if all(_may_lead(giver, sketches[taker], acyclic) for taker in takers)
        ]
        if fitting:
            for number in draw(st.sets(st.sampled_from(fitting), max_size=2)):
                sketches[number].outputs.append(place)
    draft = Draft(places=[f"p{place}" for place in range(len(owners))])
    wide = [number for number, sketch in enumerate(sketches) if len(sketch.inputs) > 1]
    chosen = draw(st.sampled_from(wide)) if wide else -1
    for number, sketch in enumerate(sketches):
        draft.nodes.append(_free_node(draw, number, sketch, number == chosen))
    if wide and draw(st.booleans()):
        draft.marked[draw(st.sampled_from(sketches[chosen].inputs))] = 1
    for place in draw(st.lists(st.sampled_from(range(len(owners))), min_size=1, max_size=2)):
        draft.marked[place] = draft.marked.get(place, 0) + 1
    return _decorated(draw, draft)


def _sketches(draw: st.DrawFn) -> list[Sketch]:
    tasks = draw(st.integers(2, 6))
    total = tasks + draw(st.integers(0, 3))
    ranks = draw(st.permutations(range(total)))
    return [Sketch(number < tasks, ranks[number]) for number in range(total)]


def _owners(draw: st.DrawFn, sketches: list[Sketch]) -> list[list[int]]:
    """Input places for every node; by place, the nodes that take from it."""
    owners: list[list[int]] = []
    for number, sketch in enumerate(sketches):
        for _ in range(draw(st.sampled_from([1, 1, 2, 2, 3]))):
            sketch.inputs.append(len(owners))
            owners.append([number])
    tasks = [number for number, sketch in enumerate(sketches) if sketch.is_task]
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        number = draw(st.sampled_from(tasks))
        place = draw(st.sampled_from(range(len(owners))))
        if sketches[owners[place][0]].is_task and number not in owners[place]:
            sketches[number].inputs.append(place)
            owners[place].append(number)
    return owners


def _may_lead(giver: Sketch, taker: Sketch, acyclic: bool) -> bool:
    free = not acyclic and (giver.is_task or taker.is_task)
    return free or giver.rank < taker.rank


def _free_node(draw: st.DrawFn, number: int, sketch: Sketch, joins_or: bool) -> Node:
    join = JOIN_XOR
    threshold = 0
    if joins_or:
        join = JOIN_OR
    elif len(sketch.inputs) > 1:
        partial = () if sketch.is_task else (JOIN_PARTIAL,)
        join = draw(st.sampled_from([JOIN_XOR, JOIN_AND, JOIN_OR, *partial]))
    if join == JOIN_PARTIAL:
        threshold = draw(st.integers(1, len(sketch.inputs)))
    kind = NODE_TASK
    if not sketch.is_task:
        last = [] if sketch.outputs else [NODE_END, NODE_END, NODE_STOP]
        kind = draw(st.sampled_from([NODE_ROUTE, *last]))
    outputs, split = _parted(draw, sketch.outputs)
    return Node(
        f"{'t' if sketch.is_task else 'r'}{number}",
        kind,
        inputs=tuple(sketch.inputs),
        join=join,
        outputs=outputs,
        split=split,
        threshold=threshold,
        task=Task(Callee(CALLEE_OUTSIDE)) if sketch.is_task else None,
    )


def _parted(draw: st.DrawFn, places: list[int]) -> tuple[tuple[Arrow, ...], int]:
    """Arrows to these places, and a split over them."""
    if len(places) < 2:
        return tuple(map(Arrow, places)), SPLIT_AND
    split = draw(st.sampled_from([SPLIT_AND, SPLIT_XOR, SPLIT_OR]))
    if split == SPLIT_AND:
        return tuple(map(Arrow, places)), split
    arrows = [Arrow(place, CHANCE) for place in places]
    arrows[-1] = Arrow(places[-1])
    return tuple(arrows), split


# --- small nets around one join -------------------------------------------------------------


@st.composite
def close_nets(draw: st.DrawFn) -> Net:
    """A join with one input marked, and two to four nodes that may mark another, or not.

    They are dense with tokens and with all that the language knows, so that the answer hangs
    on a single rule more often than in larger nets.
    """
    draft = Draft()
    wanted = draw(st.integers(2, 3))
    awaited = [draft.place(f"q{at}") for at in range(wanted)]
    draft.marked[awaited[0]] = draw(st.sampled_from([1, 1, 2]))
    tasks = draw(st.integers(2, 4))
    routes = draw(st.integers(0, 1))
    some = [Sketch(number < tasks, number) for number in range(tasks + routes)]
    own: list[int] = []
    for number, sketch in enumerate(some):
        for _ in range(draw(st.sampled_from([1, 1, 2]))):
            own.append(draft.place(f"p{len(own)}"))
            sketch.inputs.append(own[-1])
            draft.marked[own[-1]] = draw(st.sampled_from([0, 1, 1, 2]))
        if sketch.is_task and number and draw(st.integers(0, 2)) == 0:
            sketch.inputs.append(draw(st.sampled_from([*awaited, *some[0].inputs])))
    task_places = [place for sketch in some if sketch.is_task for place in sketch.inputs]
    for sketch in some:
        reach = [*awaited, *awaited[1:], *(own if sketch.is_task else task_places)]
        sketch.outputs = sorted(draw(st.sets(st.sampled_from(reach), min_size=1, max_size=3)))
    draft.nodes = [_free_node(draw, number, sketch, False) for number, sketch in enumerate(some)]
    join = Sketch(True, 0, awaited, draw(st.lists(st.sampled_from(own), max_size=1)))
    draft.nodes.insert(tasks, _free_node(draw, 9, join, True))
    return _decorated(draw, draft, least=3)


# --- nets as groups make them ---------------------------------------------------------------


class Builder:
    """Makes nodes for groups; a group goes from one place to another."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.draft = Draft()
        self.tasks: list[Node] = []
        self.routes: list[Node] = []

    def place(self) -> int:
        return self.draft.place(f"p{len(self.draft.places)}")

    def task(self, inputs: Iterable[int], outputs: Iterable[int]) -> Node:
        node = Node(
            f"t{len(self.tasks)}",
            NODE_TASK,
            inputs=tuple(inputs),
            outputs=tuple(map(Arrow, outputs)),
            task=Task(Callee(CALLEE_OUTSIDE)),
        )
        self.tasks.append(node)
        return node

    def node(self, inputs: Iterable[int], arrows: Iterable[Arrow], join: int, split: int) -> None:
        """A task or a routing node with this join and split."""
        task = self.draw(st.booleans())
        if task:
            self.task(inputs, ())
        else:
            self.routes.append(Node(f"r{len(self.routes)}", NODE_ROUTE, inputs=tuple(inputs)))
        nodes = self.tasks if task else self.routes
        nodes[-1] = replace(nodes[-1], outputs=tuple(arrows), join=join, split=split)

    def flow(self, start: int, end: int, depth: int) -> None:
        """Something from one place to another."""
        words = ["task", "task"]
        if depth:
            words = ["any", "any", "any", "all", "one", "first", "sequence", "repeat", "task"]
        word = self.draw(st.sampled_from(words))
        if word == "task":
            self.task([start], [end])
        elif word == "sequence":
            middle = self.place()
            self.flow(start, middle, depth - 1)
            self.flow(middle, end, depth - 1)
        elif word == "repeat":
            self.loop(start, end, depth)
        else:
            self.group(word, start, end, depth)

    def group(self, word: str, start: int, end: int, depth: int) -> None:
        """Two or three branches from a split to a join; one may stop before the join."""
        count = self.draw(st.integers(2, 3))
        entries = [self.place() for _ in range(count)]
        exits = [self.place() for _ in range(count)]
        arrows = [Arrow(place, CHANCE) for place in entries]
        arrows[-1] = Arrow(entries[-1])
        split = {"any": SPLIT_OR, "one": SPLIT_XOR}.get(word, SPLIT_AND)
        if split == SPLIT_AND:
            arrows = [Arrow(place) for place in entries]
        # An OR-join may meet what any other split has parted.
        join = {"any": JOIN_OR, "all": JOIN_AND, "one": JOIN_XOR}.get(word, JOIN_PARTIAL)
        join = self.draw(st.sampled_from([join, join, join, JOIN_OR]))
        self.node([start], arrows, JOIN_XOR, split)
        for entry, leave in zip(entries, exits, strict=True):
            self.flow(entry, leave, depth - 1)
        if join == JOIN_PARTIAL:
            threshold = self.draw(st.integers(1, count))
            self.routes.append(
                Node(
                    f"r{len(self.routes)}",
                    NODE_ROUTE,
                    inputs=tuple(exits),
                    join=join,
                    outputs=(Arrow(end),),
                    threshold=threshold,
                )
            )
        else:
            self.node(exits, [Arrow(end)], join, SPLIT_AND)

    def loop(self, start: int, end: int, depth: int) -> None:
        """A loop with a task in it, whose way back may meet the entry in an OR-join."""
        back, inner, after, tested = (self.place() for _ in range(4))
        join = self.draw(st.sampled_from([JOIN_XOR, JOIN_XOR, JOIN_OR]))
        self.node([start, back], [Arrow(inner)], join, SPLIT_AND)
        self.task([inner], [after])
        self.flow(after, tested, depth - 1)
        split = self.draw(st.sampled_from([SPLIT_XOR, SPLIT_XOR, SPLIT_OR, SPLIT_AND]))
        arrows = [Arrow(back, CHANCE), Arrow(end)]
        if split == SPLIT_AND:
            arrows = [Arrow(back), Arrow(end)]
        self.node([tested], arrows, JOIN_XOR, split)


@st.composite
def block_nets(draw: st.DrawFn) -> Net:
    """A net of nested groups between a start and an end, some of whose places are joined."""
    builder = Builder(draw)
    start, end = builder.place(), builder.place()
    builder.flow(start, end, draw(st.integers(1, 2)))
    builder.task([end], [])
    draft = builder.draft
    draft.nodes = builder.tasks + builder.routes
    draft.marked[start] = draw(st.sampled_from([1, 1, 1, 2]))
    return _decorated(draw, draft)


# --- decorations ----------------------------------------------------------------------------


def _decorated(draw: st.DrawFn, draft: Draft, least: int = 0) -> Net:
    """A net with up to four sorts of what else the language knows, at least so many."""
    tasks = [number for number, node in enumerate(draft.nodes) if node.kind == NODE_TASK]
    some_task = st.sampled_from(tasks)
    nodes = draft.nodes
    # What concerns the inputs of an OR-join tells most.
    joined = [place for node in nodes if node.join == JOIN_OR for place in node.inputs]
    some_place = st.sampled_from(range(len(draft.places)))
    if joined:
        some_place = st.one_of(some_place, st.sampled_from(sorted(joined)))
    words = st.sampled_from(sorted(DECORATIONS))
    wanted = draw(st.sets(words, min_size=least, max_size=4))
    for word in sorted(wanted):
        for _ in range(draw(st.integers(1, 2))):
            number = draw(some_task)
            nodes[number] = DECORATIONS[word](draw, draft, nodes[number], some_task, some_place)
    for number, node in enumerate(nodes):
        if node.join == JOIN_PARTIAL and draw(st.integers(0, 2)) == 0:
            region = draw(_regions(draft, some_task, some_place))
            nodes[number] = replace(node, cancels=region)
    if draw(st.integers(0, 4)) == 0:
        _add_section(draw, draft)
    return draft.net()


def _exception(
    draw: st.DrawFn,
    draft: Draft,
    node: Node,
    some_task: st.SearchStrategy[int],
    some_place: st.SearchStrategy[int],
) -> Node:
    kind = draw(st.sampled_from(EXCEPTIONS))
    name = "m" if kind in (EXCEPT_MESSAGE, EXCEPT_SIGNAL) else ""
    arrow = ExceptionArrow(kind, name, draw(some_place))
    kept = [other for other in node.exceptions if other.kind != kind]
    return replace(node, exceptions=(*kept, arrow))


def _cancel(
    draw: st.DrawFn,
    draft: Draft,
    node: Node,
    some_task: st.SearchStrategy[int],
    some_place: st.SearchStrategy[int],
) -> Node:
    if draw(st.integers(0, 9)) == 0:
        return replace(node, cancels_case=True)
    return replace(node, cancels=draw(_regions(draft, some_task, some_place)))


def _regions(
    draft: Draft, some_task: st.SearchStrategy[int], some_place: st.SearchStrategy[int]
) -> st.SearchStrategy[Region]:
    joins = [number for number, node in enumerate(draft.nodes) if node.join == JOIN_PARTIAL]
    some_joins = st.sets(st.sampled_from(joins), max_size=1) if joins else st.just(set())
    return st.builds(
        lambda tasks, places, some: Region(
            tuple(sorted(tasks)), tuple(sorted(places)), tuple(sorted(some))
        ),
        st.one_of(st.just(set()), st.sets(some_task, min_size=1, max_size=2)),
        st.one_of(st.just(set()), st.sets(some_place, min_size=1, max_size=2)),
        some_joins,
    )


def _milestone(
    draw: st.DrawFn,
    draft: Draft,
    node: Node,
    some_task: st.SearchStrategy[int],
    some_place: st.SearchStrategy[int],
) -> Node:
    place = draw(some_place)
    return node if place in node.inputs else replace(node, while_place=place)


def _mutex(
    draw: st.DrawFn,
    draft: Draft,
    node: Node,
    some_task: st.SearchStrategy[int],
    some_place: st.SearchStrategy[int],
) -> Node:
    return replace(node, holds=(draft.mutex("m"),))


def _weight(
    draw: st.DrawFn,
    draft: Draft,
    node: Node,
    some_task: st.SearchStrategy[int],
    some_place: st.SearchStrategy[int],
) -> Node:
    if node.outputs and draw(st.booleans()):
        at = draw(st.sampled_from(range(len(node.outputs))))
        arrows = list(node.outputs)
        arrows[at] = replace(arrows[at], weight=2)
        return replace(node, outputs=tuple(arrows))
    takes = list(node.takes or (1,) * len(node.inputs))
    takes[draw(st.sampled_from(range(len(takes))))] = 2
    return replace(node, takes=tuple(takes))


def _instances(
    draw: st.DrawFn,
    draft: Draft,
    node: Node,
    some_task: st.SearchStrategy[int],
    some_place: st.SearchStrategy[int],
) -> Node:
    if node.join == JOIN_OR:
        return node
    return replace(node, task=Task(Callee(CALLEE_OUTSIDE), for_each=TWICE))


DECORATIONS = {
    "cancel": _cancel,
    "exception": _exception,
    "instances": _instances,
    "milestone": _milestone,
    "mutex": _mutex,
    "weight": _weight,
}


def _add_section(draw: st.DrawFn, draft: Draft) -> None:
    """A critical section around a few nodes, with the places that lead only among them.

    A join of several inputs at once lies wholly inside or is an entry.
    """
    some = st.sets(st.sampled_from(range(len(draft.nodes))), min_size=1, max_size=3)
    inside = draw(some)
    places = []
    for place in range(len(draft.places)):
        around = {
            number
            for number, node in enumerate(draft.nodes)
            if place in node.inputs
            or any(place == arrow.place for arrow in (*node.outputs, *node.exceptions))
        }
        if around <= inside and place not in draft.marked:
            places.append(place)
    for number in inside:
        node = draft.nodes[number]
        kinds = {place in places for place in node.inputs}
        if node.kind not in (NODE_TASK, NODE_ROUTE):
            return
        if node.join != JOIN_XOR and (len(kinds) > 1 or node.join == JOIN_PARTIAL):
            return
    draft.sections.append(Section(draft.mutex("m"), tuple(sorted(inside)), tuple(places)))
