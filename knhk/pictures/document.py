"""A net as JSON, for programs that draw or inspect it themselves.

The classes here are the schema: each field is in the document under its name, and none is left
out. ``version`` grows when a field changes its meaning or goes; new fields may come without.
Nodes are called ``n0``, ``n1``, places ``p0``, ``p1``, in the order of the net.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from knhk.errors import Run, Span
from knhk.model import JOIN_NAMES, NODE_NAMES, SPLIT_NAMES, Net
from knhk.pictures.arcs import Arc, arcs_of
from knhk.pictures.captions import captions
from knhk.pictures.sketch import groups_of
from knhk.pictures.trace import Trace, trace
from knhk.pictures.words import printable

__all__ = [
    "NetArrow",
    "NetDocument",
    "NetNode",
    "NetPlace",
    "NetRegion",
    "NetRun",
    "NetSection",
    "NetSource",
    "NetStep",
    "as_json",
]

FORMAT: Final = "knhk-net"
VERSION: Final = 1


class NetSource(msgspec.Struct, frozen=True):
    """Where something stands in its source; lines and columns count from 1."""

    file: str
    line: int
    column: int


class NetNode(msgspec.Struct, frozen=True):
    """A task or a routing node.

    ``kind`` is ``task``, ``route``, ``end``, ``stop`` or ``abort``; ``join`` is ``and``, ``xor``,
    ``or`` or ``partial``, which passes at ``threshold`` arrivals; ``split`` is ``and``, ``xor`` or
    ``or``. ``captions`` say what else it does, in words. ``holds`` names mutexes. ``while_place``
    is the place that it reads, ``completes`` the task that it completes. ``visits`` are the steps
    of the run, from 1, and ``working`` says whether it is at work at its end.
    """

    id: str
    name: str
    kind: str
    join: str
    threshold: int
    split: str
    captions: list[str]
    cancels_case: bool
    while_place: str | None
    holds: list[str]
    completes: str | None
    source: NetSource | None
    visits: list[int]
    working: bool


class NetPlace(msgspec.Struct, frozen=True):
    """A place: ``tokens`` at the beginning, ``left`` at the end of the run, if there is one.

    ``named`` tells one of the source from one that stands on an arrow.
    """

    id: str
    name: str
    named: bool
    tokens: int
    left: int | None


class NetArrow(msgspec.Struct, frozen=True):
    """An arrow between a node and a place, which moves ``weight`` tokens.

    At a choice it has a ``guard`` or is taken ``otherwise``. ``exception`` says what an exception
    arrow waits for, such as ``on error PaymentDeclined``. ``taken`` says whether the run goes by.
    """

    source: str
    target: str
    guard: str | None
    otherwise: bool
    exception: str | None
    weight: int
    taken: bool


class NetRegion(msgspec.Struct, frozen=True):
    """What a node cancels."""

    title: str
    owner: str
    nodes: list[str]
    places: list[str]


class NetSection(msgspec.Struct, frozen=True):
    """What runs one at a time: a critical section, or the tasks of an ``interleave``."""

    title: str
    nodes: list[str]
    places: list[str]


class NetStep(msgspec.Struct, frozen=True):
    """One step of a run, as in :class:`knhk.errors.Step`; ``node`` is the task that it names."""

    node: str | None
    task: str
    event: str
    choice: tuple[str, ...]


class NetRun(msgspec.Struct, frozen=True):
    """A run, as in :class:`knhk.errors.Run`."""

    steps: list[NetStep]
    shortest: bool


class NetDocument(msgspec.Struct, frozen=True):
    """The whole document; ``run`` is null where none was given."""

    format: str
    version: int
    workflow: str
    workflow_version: str
    nodes: list[NetNode]
    places: list[NetPlace]
    arrows: list[NetArrow]
    regions: list[NetRegion]
    sections: list[NetSection]
    run: NetRun | None


def as_json(net: Net, run: Run | None = None) -> str:
    """The net as a JSON document, and ``run`` in it; `msgspec` reads it as a ``NetDocument``."""
    document = _document(net, run)
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def _document(net: Net, run: Run | None) -> NetDocument:
    arcs = list(arcs_of(net))
    marks = None if run is None else trace(net, arcs, run)
    regions, sections = _groups(net)
    return NetDocument(
        FORMAT,
        VERSION,
        net.name,
        printable(net.version),
        [_node(net, number, marks) for number in range(len(net.nodes))],
        [_place(net, number, marks) for number in range(len(net.places))],
        [_arrow(net, arc, marks) for arc in arcs],
        regions,
        sections,
        None if run is None else _run(net, run),
    )


def _id(net: Net, thing: int) -> str:
    return f"n{thing}" if thing < len(net.nodes) else f"p{thing - len(net.nodes)}"


def _node(net: Net, number: int, marks: Trace | None) -> NetNode:
    node = net.nodes[number]
    return NetNode(
        _id(net, number),
        node.name,
        NODE_NAMES[node.kind],
        JOIN_NAMES[node.join],
        node.threshold,
        SPLIT_NAMES[node.split],
        [printable(words) for words in captions(net, node)],
        node.cancels_case,
        f"p{node.while_place}" if node.while_place >= 0 else None,
        [net.mutexes[mutex].name for mutex in node.holds],
        _id(net, node.completes) if node.completes >= 0 else None,
        _source(node.span),
        list(marks.visits.get(number, ())) if marks else [],
        marks is not None and number in marks.working,
    )


def _source(span: Span | None) -> NetSource | None:
    return None if span is None else NetSource(printable(span.file), span.line, span.column)


def _place(net: Net, number: int, marks: Trace | None) -> NetPlace:
    place = net.places[number]
    left = marks.left.get(number, 0) if marks else None
    return NetPlace(f"p{number}", place.name, place.named, place.tokens, left)


def _arrow(net: Net, arc: Arc, marks: Trace | None) -> NetArrow:
    return NetArrow(
        _id(net, arc.source),
        _id(net, arc.target),
        arc.guard or None,
        arc.otherwise,
        arc.exception or None,
        arc.weight,
        marks is not None and arc in marks.taken,
    )


def _groups(net: Net) -> tuple[list[NetRegion], list[NetSection]]:
    regions, sections = [], []
    for group in groups_of(net):
        nodes = _ids(net, (thing for thing in group.members if thing < len(net.nodes)))
        places = _ids(net, (thing for thing in group.members if thing >= len(net.nodes)))
        if group.owner >= 0:
            regions.append(NetRegion(group.title, _id(net, group.owner), nodes, places))
        else:
            sections.append(NetSection(group.title, nodes, places))
    return regions, sections


def _ids(net: Net, things: Iterable[int]) -> list[str]:
    return [_id(net, thing) for thing in sorted(things)]


def _run(net: Net, run: Run) -> NetRun:
    numbers = {node.name: number for number, node in reversed([*enumerate(net.nodes)])}
    steps = [
        NetStep(
            _id(net, numbers[step.task]) if step.task in numbers else None,
            step.task,
            step.event,
            step.choice,
        )
        for step in run.steps
    ]
    return NetRun(steps, run.shortest)
