"""Nets and their states as text, for directed tests and for printing what has failed.

One line is one node, ``KIND NAME = JOIN inputs -> SPLIT outputs | clause | clause``::

    marked start, q*2
    task a = xor start -> all p, q*2
    task b = xor p -> one r?, s | on error q | on message s
    task c = and q*2, s -> any t?, u?, v | while r | twice | holds m | cancels a, j, p
    task d = or t, u, v -> all
    route j = 2of r, u -> all t | cancels case
    end e = xor v -> all
    section m = b, p

``p*2`` is a weight, ``r?`` an arrow with a guard; ``twice`` gives a task two instances. Names
behind ``cancels`` and ``section`` are those of nodes and places, which all differ.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from knhk.model import (
    CALLEE_OUTSIDE,
    EXCEPT_ERROR,
    EXCEPT_NAMES,
    EXCEPT_TIMEOUT,
    JOIN_AND,
    JOIN_OR,
    JOIN_PARTIAL,
    JOIN_XOR,
    NODE_NAMES,
    NODE_TASK,
    SPLIT_AND,
    SPLIT_OR,
    SPLIT_XOR,
    Arrow,
    Callee,
    ExceptionArrow,
    Expression,
    ForEach,
    Mutex,
    Net,
    Node,
    Place,
    Region,
    Section,
    Task,
)

from .oracle import State

JOINS = {"and": JOIN_AND, "xor": JOIN_XOR, "or": JOIN_OR}
SPLITS = {"all": SPLIT_AND, "one": SPLIT_XOR, "any": SPLIT_OR}

#: A guard that is true now and then: it draws from the case's own randomness.
CHANCE = Expression("chance", lambda data, moment: moment.random() < 0.5)

#: Two instances of a task.
TWICE = ForEach(times=Expression("2", lambda data, moment: 2))


@dataclass
class Draft:
    """A net in the making: nodes in any order, places by name as they come."""

    nodes: list[Node] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    mutexes: list[str] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    marked: dict[int, int] = field(default_factory=dict)

    def place(self, name: str) -> int:
        if name not in self.places:
            self.places.append(name)
        return self.places.index(name)

    def mutex(self, name: str) -> int:
        if name not in self.mutexes:
            self.mutexes.append(name)
        return self.mutexes.index(name)

    def net(self) -> Net:
        """The net, with what places know of their producers and consumers."""
        assert self.nodes == sorted(self.nodes, key=lambda node: node.kind != NODE_TASK)
        producers: list[list[int]] = [[] for _ in self.places]
        consumers: list[list[int]] = [[] for _ in self.places]
        for number, node in enumerate(self.nodes):
            for place in {arrow.place for arrow in (*node.outputs, *node.exceptions)}:
                producers[place].append(number)
            for place in node.inputs:
                consumers[place].append(number)
        places = [
            Place(name, True, self.marked.get(at, 0), tuple(producers[at]), tuple(consumers[at]))
            for at, name in enumerate(self.places)
        ]
        return Net(
            "drawn",
            tuple(self.nodes),
            tuple(places),
            mutexes=tuple(Mutex(name) for name in self.mutexes),
            sections=tuple(self.sections),
        )


def net(text: str) -> Net:
    """The net that is written so."""
    draft = Draft()
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    heads = [line.partition("=") for line in lines]
    written = [
        (head.split(), body)
        for head, equals, body in heads
        if equals and head.split()[0] in NODE_NAMES
    ]
    written.sort(key=lambda pair: pair[0][0] != "task")
    numbers = {name: at for at, ((_, name), _) in enumerate(written)}
    joins = {name for (_, name), body in written if _words(body)[0].endswith("of")}
    for line in lines:
        if line.startswith("marked"):
            for name, weight, _ in _arrows(line.removeprefix("marked")):
                draft.marked[draft.place(name)] = weight
    for (kind, name), body in written:
        draft.nodes.append(_node(draft, kind, name, body, numbers, joins))
    for line in lines:
        if line.startswith("section"):
            mutex, _, inside = line.removeprefix("section").partition("=")
            names = _words(inside)
            draft.sections.append(
                Section(
                    draft.mutex(mutex.strip()),
                    tuple(numbers[name] for name in names if name in numbers),
                    tuple(draft.place(name) for name in names if name not in numbers),
                )
            )
    return draft.net()


def _node(
    draft: Draft, kind: str, name: str, body: str, numbers: dict[str, int], joins: set[str]
) -> Node:
    flow, *clauses = body.split("|")
    before, _, after = flow.partition("->")
    join, *_ = before.split()
    split, *_ = after.split()
    inputs = _arrows(before.strip().removeprefix(join))
    takes = tuple(weight for _, weight, _ in inputs)
    node = Node(
        name,
        NODE_NAMES.index(kind),
        inputs=tuple(draft.place(place) for place, _, _ in inputs),
        join=JOINS.get(join, JOIN_PARTIAL),
        outputs=tuple(
            Arrow(draft.place(place), CHANCE if guarded else None, weight)
            for place, weight, guarded in _arrows(after.strip().removeprefix(split))
        ),
        split=SPLITS[split],
        task=Task(Callee(CALLEE_OUTSIDE)) if kind == "task" else None,
        takes=takes if set(takes) != {1} else (),
        threshold=0 if join in JOINS else int(join.removesuffix("of")),
    )
    for clause in clauses:
        node = _with(draft, node, clause.strip(), numbers, joins)
    return node


def _with(draft: Draft, node: Node, clause: str, numbers: dict[str, int], joins: set[str]) -> Node:
    word, *names = _words(clause)
    changes: dict[str, Any] = {}
    if word == "while":
        changes["while_place"] = draft.place(names[0])
    elif word == "holds":
        changes["holds"] = tuple(draft.mutex(name) for name in names)
    elif word == "twice":
        changes["task"] = Task(Callee(CALLEE_OUTSIDE), for_each=TWICE)
    elif names == ["case"]:
        changes["cancels_case"] = True
    elif word == "cancels":
        changes["cancels"] = Region(
            tasks=tuple(numbers[name] for name in names if name in numbers and name not in joins),
            places=tuple(draft.place(name) for name in names if name not in numbers),
            joins=tuple(numbers[name] for name in names if name in joins),
        )
    else:
        assert word == "on", clause
        kind = EXCEPT_NAMES.index(names[0])
        ((place, weight, _),) = _arrows(names[1])
        heard = "" if kind in (EXCEPT_ERROR, EXCEPT_TIMEOUT) else "m"
        arrow = ExceptionArrow(kind, heard, draft.place(place), weight)
        changes["exceptions"] = (*node.exceptions, arrow)
    return replace(node, **changes)


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _arrows(text: str) -> list[tuple[str, int, bool]]:
    """Places with their weights, and whether there is a guard."""
    found = []
    for word in _words(text):
        name, _, weight = word.removesuffix("?").partition("*")
        found.append((name, int(weight or 1), word.endswith("?")))
    return found


def text_of(net: Net) -> str:
    """A net as the text that :func:`net` reads."""
    name = [place.name for place in net.places]

    def weighted(place: int, weight: int, *, guarded: bool = False) -> str:
        return name[place] + (f"*{weight}" if weight != 1 else "") + ("?" if guarded else "")

    marked = [weighted(at, place.tokens) for at, place in enumerate(net.places) if place.tokens]
    lines = [f"marked {', '.join(marked)}"]
    joins = {code: word for word, code in JOINS.items()}
    splits = {code: word for word, code in SPLITS.items()}
    for node in net.nodes:
        takes = node.takes or (1,) * len(node.inputs)
        inputs = ", ".join(map(weighted, node.inputs, takes))
        outputs = ", ".join(
            weighted(arrow.place, arrow.weight, guarded=arrow.guard is not None)
            for arrow in node.outputs
        )
        join = joins.get(node.join, f"{node.threshold}of")
        line = f"{NODE_NAMES[node.kind]} {node.name} = {join} {inputs} -> {splits[node.split]}"
        clauses = [f"{line} {outputs}".rstrip()]
        if node.while_place >= 0:
            clauses.append(f"while {name[node.while_place]}")
        if node.task is not None and node.task.for_each is not None:
            clauses.append("twice")
        if node.holds:
            clauses.append("holds " + ", ".join(net.mutexes[mutex].name for mutex in node.holds))
        if node.cancels is not None:
            region = node.cancels
            members = [net.nodes[number].name for number in (*region.tasks, *region.joins)]
            members += [name[place] for place in region.places]
            clauses.append("cancels " + ", ".join(members))
        if node.cancels_case:
            clauses.append("cancels case")
        clauses += [
            f"on {EXCEPT_NAMES[arrow.kind]} {weighted(arrow.place, arrow.weight)}"
            for arrow in node.exceptions
        ]
        lines.append(" | ".join(clauses))
    for section in net.sections:
        members = [net.nodes[number].name for number in section.nodes]
        members += [name[place] for place in section.places]
        lines.append(f"section {net.mutexes[section.mutex].name} = {', '.join(members)}")
    return "\n".join(lines)


def state(net: Net, tokens: str = "", running: str = "", arrived: str = "") -> State:
    """A state as text: ``"p, q*2"``, ``"a, b*2"``, ``"j:p j:q"`` (branch p of partial join j)."""
    places = {place.name: at for at, place in enumerate(net.places)}
    nodes = {node.name: at for at, node in enumerate(net.nodes)}
    counts = [0] * len(places)
    work = [0] * len(nodes)
    branches = [frozenset[int]()] * len(nodes)
    for name, weight, _ in _arrows(tokens):
        counts[places[name]] = weight
    for name, weight, _ in _arrows(running):
        work[nodes[name]] = weight
    for word in arrived.split():
        join, _, place = word.partition(":")
        branches[nodes[join]] |= {net.nodes[nodes[join]].inputs.index(places[place])}
    return State(tuple(counts), tuple(work), tuple(branches))


def text_of_state(net: Net, state: State) -> str:
    """A state as one line."""
    tokens = [
        f"{place.name}*{count}"
        for place, count in zip(net.places, state.tokens, strict=True)
        if count
    ]
    running = [
        f"{node.name}*{count}"
        for node, count in zip(net.nodes, state.running, strict=True)
        if count
    ]
    arrived = [
        f"{node.name}:{net.places[node.inputs[at]].name}"
        for node, branches in zip(net.nodes, state.arrived, strict=True)
        for at in sorted(branches)
    ]
    return f"tokens {', '.join(tokens)}; running {', '.join(running)}; arrived {' '.join(arrived)}"
