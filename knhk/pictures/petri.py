"""A net in PNML, the interchange format of Petri nets (ISO/IEC 15909-2), for other tools.

A place/transition net has no choice inside a transition, so a node becomes one transition for
each way in and each way out: an XOR-join of two and an XOR-split of three give six. Tasks are
labelled with their names, an exception with what it waits for too; routing nodes are silent, as
ProM and pm4py mark it. Guards are free choices. All ends lead to one place, ``end``, so that the
net is a workflow net; where several threads end by themselves, it gets a token from each.

What such a net cannot say is refused: joins that look at the whole net or remember, and what
takes away tokens from elsewhere or waits for what it does not take.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Final
from xml.etree import ElementTree as ET

from knhk.errors import InexpressibleNet
from knhk.model import (
    JOIN_AND,
    JOIN_OR,
    JOIN_PARTIAL,
    NODE_ABORT,
    NODE_END,
    NODE_STOP,
    NODE_TASK,
    SPLIT_AND,
    SPLIT_OR,
    SPLIT_XOR,
    Net,
    Node,
)
from knhk.pictures.arcs import Arc, arcs_of
from knhk.pictures.words import printable

__all__ = ["pnml"]

NAMESPACE: Final = "http://www.pnml.org/version-2009/grammar/pnml"
PLACE_TRANSITION_NET: Final = "http://www.pnml.org/version-2009/grammar/ptnet"
#: How many arcs a PNML document may have; an OR-split of n ways alone has over 2**n.
ARCS_MAX: Final = 200_000
END: Final = "end"


@dataclass(frozen=True)
class _Transition:
    """A way through a node: how many tokens it takes and puts where; silent without a label."""

    node: int
    label: str
    takes: tuple[tuple[str, int], ...]
    puts: tuple[tuple[str, int], ...]


def pnml(net: Net) -> str:
    """The net as a PNML document.

    Raises :class:`knhk.errors.InexpressibleNet` with every reason why it cannot be one.
    """
    reasons = list(_reasons(net))
    if reasons:
        raise InexpressibleNet(net.name, "place/transition net", reasons)
    root = ET.Element("pnml", xmlns=NAMESPACE)
    element = ET.SubElement(root, "net", id="net", type=PLACE_TRANSITION_NET)
    _named(element, net.name)
    page = ET.SubElement(element, "page", id="page")
    for number, place in enumerate(net.places):
        _place(page, f"p{number}", place.name, place.tokens)
    if any(node.kind == NODE_END for node in net.nodes):
        _place(page, END, END, 0)
    arcs: list[tuple[str, str, int]] = []
    for number, transition in enumerate(_transitions(net)):
        _transition(page, f"t{number}", transition, net.nodes[transition.node])
        arcs += [(place, f"t{number}", weight) for place, weight in transition.takes]
        arcs += [(f"t{number}", place, weight) for place, weight in transition.puts]
    for number, (source, target, weight) in enumerate(arcs):
        arc = ET.SubElement(page, "arc", id=f"a{number}", source=source, target=target)
        if weight != 1:
            _text(ET.SubElement(arc, "inscription"), str(weight))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


# --- what cannot be said ------------------------------------------------------------------


def _reasons(net: Net) -> Iterator[str]:
    """Why a net is none of places and transitions, a sentence for each node and section."""
    arcs = 0
    for node in net.nodes:
        yield from (f"`{node.word or node.name}` {reason}" for reason in _reasons_of(net, node))
        arcs += _arcs(node)
    if arcs > ARCS_MAX:
        yield f"all ways through its joins and splits need more than {ARCS_MAX} arcs"
    for section in net.sections:
        mutex = net.mutexes[section.mutex].name
        inside = ", ".join(f"`{net.nodes[number].name}`" for number in section.nodes)
        yield f"a critical section of mutex `{mutex}` holds {inside}"


def _reasons_of(net: Net, node: Node) -> Iterator[str]:
    if node.join == JOIN_OR and len(node.inputs) > 1:
        yield "has an OR-join, which waits for what may still come"
    if node.join == JOIN_PARTIAL:
        yield "passes at some of its arrivals and absorbs the others"
    if node.kind in (NODE_STOP, NODE_ABORT) or node.cancels_case:
        yield "ends the case, whatever else is at work"
    if node.cancels is not None:
        yield "cancels other parts of the net"
    if node.completes >= 0:
        yield f"completes `{net.nodes[node.completes].name}`"
    if node.while_place >= 0:
        yield f"may start only while `{net.places[node.while_place].name}` holds a token"
    for mutex in node.holds:
        held = net.mutexes[mutex]
        yield f"holds mutex `{held.name}`" if held.named else "is interleaved with other tasks"


def _arcs(node: Node) -> int:
    """How many arcs a node needs at most."""
    inputs, outputs = len(node.inputs), len(node.outputs)
    ways_in, taken = (1, inputs) if node.join == JOIN_AND else (inputs, 1)
    ways_out, put = (1, outputs) if node.split == SPLIT_AND else (outputs, 1)
    if node.split == SPLIT_OR:
        ways_out, put = 2**outputs, outputs
    return ways_in * (ways_out * (taken + put) + len(node.exceptions) * (taken + 1))


# --- what can -------------------------------------------------------------------------------


def _transitions(net: Net) -> Iterator[_Transition]:
    """The transitions of all nodes, in net order."""
    into: list[list[Arc]] = [[] for _ in net.nodes]
    out: list[list[Arc]] = [[] for _ in net.nodes]
    aside: list[list[Arc]] = [[] for _ in net.nodes]
    for arc in arcs_of(net):
        if arc.source >= len(net.nodes):
            into[arc.target].append(arc)
        else:
            (aside if arc.exception else out)[arc.source].append(arc)
    for number, node in enumerate(net.nodes):
        label = node.name if node.kind == NODE_TASK else ""
        for taken in [into[number]] if node.join == JOIN_AND else [[arc] for arc in into[number]]:
            takes = _weights((arc.source - len(net.nodes), arc) for arc in taken)
            for put in _splits(node, out[number]):
                puts = _weights((arc.target - len(net.nodes), arc) for arc in put)
                end = ((END, 1),) if node.kind == NODE_END else ()
                yield _Transition(number, label, takes, puts + end)
            for arc in aside[number]:
                puts = _weights([(arc.target - len(net.nodes), arc)])
                yield _Transition(number, f"{label} {arc.exception}", takes, puts)


def _splits(node: Node, out: list[Arc]) -> Iterator[tuple[Arc, ...]]:
    """The sets of arrows that may be taken together."""
    if node.split == SPLIT_AND or len(out) < 2:
        yield tuple(out)
        return
    for size in range(1, 2 if node.split == SPLIT_XOR else len(out) + 1):
        yield from combinations(out, size)


def _weights(arcs: Iterable[tuple[int, Arc]]) -> tuple[tuple[str, int], ...]:
    """How many tokens go to each place: two arrows to one place are one arc."""
    weights: dict[str, int] = {}
    for place, arc in arcs:
        weights[f"p{place}"] = weights.get(f"p{place}", 0) + arc.weight
    return tuple(weights.items())


# --- XML ------------------------------------------------------------------------------------


def _place(page: ET.Element, name: str, title: str, tokens: int) -> None:
    place = ET.SubElement(page, "place", id=name)
    _named(place, title)
    if tokens:
        _text(ET.SubElement(place, "initialMarking"), str(tokens))


def _transition(page: ET.Element, name: str, transition: _Transition, node: Node) -> None:
    element = ET.SubElement(page, "transition", id=name)
    _named(element, transition.label or node.name)
    if not transition.label:
        silent = {"tool": "ProM", "version": "6.4", "activity": "$invisible$"}
        ET.SubElement(element, "toolspecific", silent)


def _named(element: ET.Element, name: str) -> None:
    _text(ET.SubElement(element, "name"), name)


def _text(element: ET.Element, words: str) -> None:
    ET.SubElement(element, "text").text = printable(words)
