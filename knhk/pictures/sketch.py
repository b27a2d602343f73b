"""A net as its reader thinks of it: tasks, joins and splits, arrows from one to the next.

The places that stand on arrows are not shown, nor is the routing node behind the start: a
:class:`Line` goes through them. Named places are shown, and so are those that hold tokens. A
:class:`Group` is what is shaded together: what a node cancels, or what runs one at a time.

Nothing of this depends on how it is drawn: SVG, Mermaid and dot all start from a sketch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from knhk.errors import Run
from knhk.model import NODE_ROUTE, Net
from knhk.pictures.arcs import Arc, arcs_of
from knhk.pictures.captions import captions, join_words, split_words
from knhk.pictures.trace import Trace, trace

__all__ = ["Group", "Line", "Sketch", "groups_of", "sketch"]

#: The kinds of lines.
FLOW: Final = "flow"
ASIDE: Final = "aside"
READ: Final = "read"


@dataclass(frozen=True)
class Line:
    """A line between two things that are shown, and the things that it goes through.

    ``kind`` is ``flow``, ``aside`` for an exception, or ``read`` from a place to a task that may
    start only while it holds a token. ``taken`` says that a run went all the way along it.
    """

    source: int
    target: int
    kind: str
    words: tuple[str, ...]
    through: tuple[int, ...] = ()
    taken: bool = False


@dataclass(frozen=True)
class Group:
    """What is shaded together, with its title; ``owner`` is the node that cancels it, or -1."""

    title: str
    members: frozenset[int]
    owner: int = -1


@dataclass(frozen=True)
class Sketch:
    """What is shown of a net: things by their numbers, lines, groups, and the marks of a run."""

    net: Net
    shown: tuple[int, ...]
    lines: tuple[Line, ...]
    groups: tuple[Group, ...]
    trace: Trace | None = None

    def name(self, thing: int) -> str:
        """The name of a thing; a place on an arrow has none."""
        nodes = self.net.nodes
        if thing < len(nodes):
            return nodes[thing].name
        place = self.net.places[thing - len(nodes)]
        return place.name if place.named else ""

    def label(self, thing: int) -> list[str]:
        """What a drawing without badges says of a thing, line by line."""
        if thing >= len(self.net.nodes):
            tokens = self.tokens(thing)
            return [*filter(None, [self.name(thing), f"{tokens} ●" if tokens else ""])]
        node = self.net.nodes[thing]
        name = "" if node.kind == NODE_ROUTE else node.name
        head = " ▸ ".join(filter(None, (join_words(node), name, split_words(node))))
        steps = ", ".join(map(str, self.visits(thing)))
        return [
            *([f"step {steps}"] if steps else []),
            *([head] if head else []),
            *captions(self.net, node),
            *(["at work"] if self.works(thing) else []),
        ]

    def emptied(self) -> dict[int, int]:
        """The lines that a cancellation empties: their numbers, with that of the first group."""
        groups: dict[int, int] = {}
        for number, group in reversed([*enumerate(self.groups)]):
            if group.owner >= 0:
                groups |= dict.fromkeys(group.members, number)
        return {
            number: min(groups[thing] for thing in line.through if thing in groups)
            for number, line in enumerate(self.lines)
            if any(thing in groups for thing in line.through)
        }

    def visits(self, thing: int) -> tuple[int, ...]:
        """The steps of the run that are those of a node, from 1."""
        return self.trace.visits.get(thing, ()) if self.trace else ()

    def works(self, thing: int) -> bool:
        """Whether a task is still at work at the end of the run."""
        return self.trace is not None and thing in self.trace.working

    def tokens(self, thing: int) -> int:
        """How many tokens a place holds: at the end of the run, or at the beginning without one."""
        place = thing - len(self.net.nodes)
        if self.trace is not None:
            return self.trace.left.get(place, 0)
        return self.net.places[place].tokens


def sketch(net: Net, run: Run | None = None) -> Sketch:
    """What is shown of a net, and of a run of it."""
    arcs = list(arcs_of(net))
    marks = None if run is None else trace(net, arcs, run)
    hidden = _hidden(net, marks)
    after: dict[int, list[Arc]] = defaultdict(list)
    for arc in arcs:
        after[arc.source].append(arc)
    shown = tuple(n for n in range(len(net.nodes) + len(net.places)) if n not in hidden)
    lines = [_line(arc, after, hidden, marks) for thing in shown for arc in after[thing]]
    lines += [
        Line(len(net.nodes) + node.while_place, number, READ, ("while",))
        for number, node in enumerate(net.nodes)
        if node.while_place >= 0
    ]
    return Sketch(net, shown, tuple(lines), tuple(groups_of(net)), marks)


def _hidden(net: Net, marks: Trace | None) -> set[int]:
    """The places on arrows that hold nothing, and the routing node behind the start."""
    read = {node.while_place for node in net.nodes}
    left = marks.left if marks else {}
    hidden = {
        len(net.nodes) + number
        for number, place in enumerate(net.places)
        if not (place.named or place.tokens or number in left or number in read)
        and len(place.producers) == len(place.consumers) == 1
    }
    for number, node in enumerate(net.nodes):
        if (
            node.kind == NODE_ROUTE
            and len(node.inputs) == len(node.outputs) == 1
            and net.places[node.inputs[0]].tokens
            and node.cancels is None
            and not node.cancels_case
        ):
            hidden.add(number)
    return hidden


def _line(arc: Arc, after: dict[int, list[Arc]], hidden: set[int], marks: Trace | None) -> Line:
    """Follow an arrow through all that is hidden; each of these has one way on."""
    way = [arc]
    while way[-1].target in hidden and len(way) <= len(hidden):
        way += after[way[-1].target]
    return Line(
        arc.source,
        way[-1].target,
        ASIDE if any(each.exception for each in way) else FLOW,
        tuple(words for each in way for words in each.words),
        tuple(each.target for each in way[:-1]),
        marks is not None and marks.taken.issuperset(way),
    )


def groups_of(net: Net) -> Iterator[Group]:
    """Cancellation regions in net order, then critical sections, then what was interleaved."""
    first = len(net.nodes)
    for number, node in enumerate(net.nodes):
        if node.cancels is not None:
            places = [first + place for place in node.cancels.places]
            members = frozenset([*node.cancels.tasks, *node.cancels.joins, *places])
            yield Group(f"cancelled by {node.word or node.name}", members, number)
    for section in net.sections:
        members = frozenset([*section.nodes, *(first + place for place in section.places)])
        yield Group(f"critical {net.mutexes[section.mutex].name}", members)
    holders: dict[int, list[int]] = defaultdict(list)
    for number, node in enumerate(net.nodes):
        for mutex in node.holds:
            holders[mutex].append(number)
    for mutex, nodes in sorted(holders.items()):
        if not net.mutexes[mutex].named:
            yield Group("one at a time", frozenset(nodes))
