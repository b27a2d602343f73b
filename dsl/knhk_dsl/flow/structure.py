"""What is wrong with a flow as a whole: ways that are missing, ambiguous, or lead nowhere.

One mistake gives one message. What has been reported counts as mended: a node without a way
in is taken as a beginning, one without a way out as an end, so that only what is wrong for
another reason is reported as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from knhk.errors import WARNING, Diagnostic
from knhk.graphs import components, reached, shortest_round
from knhk.model import JOIN_AND, JOIN_PARTIAL
from knhk_dsl.flow.draft import FINAL_ROLES, Draft, DraftNode, Role
from knhk_dsl.syntax import ast

#: Nodes whose ways out are parted by what they are.
_PARTED: Final = frozenset({Role.ghost, Role.split, Role.test})
_NAMED: Final = frozenset({Role.task, Role.place, Role.skip})
#: A message names at most so many nodes of a round.
_NAMES_MAX: Final = 6


def check_ways_out(draft: Draft) -> Iterator[Diagnostic]:
    """Report nodes that several ways leave without a word about how they part."""
    for node in draft.nodes:
        if len(node.out) < 2 or node.role in _PARTED or node.is_place:
            continue
        second = node.out[1]
        related = ((node.out[0].source_span, "the first way out"),)
        if all(arc.target.role is Role.split for arc in node.out):
            yield Diagnostic(
                "KN409",
                f"two groups part the flow behind `{node.name}`",
                second.source_span,
                "put one into the other, or a `skip` before one of them",
                related=related,
            )
        else:
            yield Diagnostic(
                "KN408",
                f"several ways leave `{node.name}`, and nothing says which of them is taken",
                second.source_span,
                f"all of them, `{node.name} -> all(x, y)`, or one of them,"
                f" `{node.name} -> one(x when g, y otherwise)`",
                related=related,
            )


def check_rounds(draft: Draft) -> Iterator[Diagnostic]:
    """Report rounds without a task: the case would turn in them for ever."""
    successors = _successors(draft)
    left = [node.index for node in draft.nodes if not _works(node)]
    while left:
        looked_at, left = left, []
        for members in components(looked_at, successors):
            way = shortest_round(members[0], members, successors)
            waits = _waiting_joins(draft, members) if way else set()
            if waits:
                # without them, rounds inside may be left: look again
                left.extend(member for member in members if member not in waits)
            elif way:
                yield _endless(draft, way)


def _waiting_joins(draft: Draft, members: Sequence[int]) -> set[int]:
    """Nodes of a round that also wait for something outside it, so that it rests there."""
    inside = set(members)
    grows = any(arc.puts > 1 for n in members for arc in draft.nodes[n].out)
    return {n for n in members if _waits(draft.nodes[n], inside, grows)}


def _waits(node: DraftNode, inside: AbstractSet[int], grows: bool) -> bool:
    """Whether a node waits for more than what comes round to it.

    An AND-join does if something else leads into it, and so does a partial join, which begins
    a new round of its own only when all have come. One that cancels begins it at once: it
    waits if fewer ways than it needs are of the round. An OR-join waits for nobody who cannot
    come. What takes several tokens at once waits if the round does not put several anywhere.
    """
    outside = any(arc.source.index not in inside for arc in node.into)
    if node.join == JOIN_AND:
        return outside
    if node.join == JOIN_PARTIAL and node.region is not None:
        return sum(arc.source.index in inside for arc in node.into) < node.threshold
    if node.join == JOIN_PARTIAL:
        return outside
    return not grows and any(arc.takes > 1 for arc in node.into if arc.source.index in inside)


def _endless(draft: Draft, way: Sequence[int]) -> Diagnostic:
    nodes = [draft.nodes[index] for index in way]
    steps = " -> ".join(node.name for node in (*nodes, nodes[0]))
    return Diagnostic(
        "KN426",
        f"this round has no task in it and would never rest: {steps}",
        nodes[0].used or nodes[0].span,
        "put a task into the round that does something, or waits: `task pause = timer 1m`",
    )


def check_reach(draft: Draft, start: DraftNode) -> Iterator[Diagnostic]:
    """Report what is never reached, and what never comes to an end."""
    yield from _check_uses(draft)
    if start.used is None:
        yield from _missing_start(draft, start)
    ways_in = list(_missing_ways(draft, "in")) if start.used is not None else []
    ways_out = list(_missing_ways(draft, "out"))
    yield from (diagnostic for _, diagnostic in (*ways_in, *ways_out))
    successors, predecessors = _successors(draft), _predecessors(draft)
    used = [node for node in draft.nodes if node.used is not None]
    if start.used is not None:
        roots = [n.index for n in used if n is start or n.excused_in or n.role is Role.ghost]
        roots += [node.index for node, _ in ways_in]
        yield from _check_lost(draft, "KN406", roots, successors, predecessors)
    ends = [n.index for n in used if n.role in FINAL_ROLES or n.excused_out]
    ends += [n.index for n in used if n.role is Role.ghost]
    ends += [node.index for node, _ in ways_out]
    yield from _check_lost(draft, "KN407", ends, predecessors, successors)


def _check_uses(draft: Draft) -> Iterator[Diagnostic]:
    for node in draft.nodes:
        if node.used is not None:
            continue
        if node.role is Role.task:
            yield Diagnostic(
                "KN404",
                f"task `{node.name}` stands nowhere in the flow, so nothing leads to it",
                node.span,
                f"put it into a chain, `... -> {node.name} -> ...`, or take it out",
            )
        elif node.role is Role.place:
            yield Diagnostic(
                "KN422",
                f"place `{node.name}` stands nowhere in the flow",
                node.span,
                "put it into a chain, or take it out",
                WARNING,
            )


def _missing_start(draft: Draft, start: DraftNode) -> Iterator[Diagnostic]:
    heads = [n for n in draft.nodes if n.used is not None and n.role in _NAMED and not n.into]
    first = heads[0].name if heads else "a"
    yield Diagnostic(
        "KN403",
        "the flow has no `start`, so nothing ever happens",
        start.span,
        f"say what comes first: `start -> {first}`",
    )


def _missing_ways(draft: Draft, side: str) -> Iterator[tuple[DraftNode, Diagnostic]]:
    """Nodes of the flow that no arrow leads to (``in``) or leaves (``out``)."""
    for node in draft.nodes:
        if node.used is None or node.role not in _NAMED:
            continue
        if side == "in" and not node.into and not node.excused_in:
            yield node, Diagnostic("KN404", _no_way_in(node), node.used, _way_in_hint(node))
        if side == "out" and not node.out and not node.excused_out:
            yield node, Diagnostic("KN405", _no_way_out(node), node.used, _way_out_hint(node))


def _no_way_in(node: DraftNode) -> str:
    if node.role is Role.place:
        return f"nothing puts a token into place `{node.name}`, so it is always empty"
    what = "this `skip`" if node.role is Role.skip else f"task `{node.name}`"
    return f"{what} has no way in: no arrow leads to it"


def _way_in_hint(node: DraftNode) -> str:
    return f"lead an arrow to it: `start -> {node.name}` or `x -> {node.name}`"


def _no_way_out(node: DraftNode) -> str:
    if node.role is Role.place:
        return f"nothing takes a token from place `{node.name}`, so it stays there at the end"
    what = "this `skip`" if node.role is Role.skip else f"task `{node.name}`"
    return f"{what} has no way out: no arrow leaves it"


def _way_out_hint(node: DraftNode) -> str:
    return f"say where it goes: `{node.name} -> end` if nothing comes behind it"


def _check_lost(
    draft: Draft,
    code: str,
    roots: Sequence[int],
    successors: Sequence[Sequence[int]],
    predecessors: Sequence[Sequence[int]],
) -> Iterator[Diagnostic]:
    """Report each round that no way leads into (KN406), or out of, seen backwards (KN407)."""
    seen = reached(roots, successors)
    lost = [n.index for n in draft.nodes if n.used is not None and not seen[n.index]]
    for members in components(lost, successors):
        inside = set(members)
        if any(p not in inside for member in members for p in predecessors[member]):
            continue
        names = _name_list([draft.nodes[index] for index in members])
        node = draft.nodes[members[0]]
        if code == "KN406":
            message = f"no way leads from `start` to {names}"
            hint = "lead an arrow into the round from a node that is reached"
        else:
            message = f"no way leads from {names} to `end`, `stop` or `abort`"
            hint = "let one of them part: `one(end when g, x otherwise)`"
        yield Diagnostic(code, message, node.used or node.span, hint)


def _name_list(nodes: Sequence[DraftNode]) -> str:
    """Some nodes as a message names them, those of the source only if there are any."""
    named = [node for node in nodes if node.role in _NAMED] or list(nodes)
    names = [f"`{node.name}`" for node in named[:_NAMES_MAX]]
    more = ["others"] if len(named) > _NAMES_MAX else []
    *head, tail = names + more
    return f"{', '.join(head)} and {tail}" if head else tail


def _works(node: DraftNode) -> bool:
    """Whether something happens at a node; a `skip` task that sets nothing does nothing."""
    if node.role is Role.ghost or node.role in FINAL_ROLES:
        return True
    if node.task is None or not isinstance(node.task.callee, ast.SkipCallee):
        return node.role is Role.task
    return any(isinstance(line, ast.SetsLine) for line in node.task.attributes)


def _successors(draft: Draft) -> list[list[int]]:
    return [[a.target.index for a in (*n.out, *n.exceptions)] for n in draft.nodes]


def _predecessors(draft: Draft) -> list[list[int]]:
    return [[arc.source.index for arc in node.into] for node in draft.nodes]
