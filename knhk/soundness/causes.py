"""Why a case gets stuck, in words: who waits for whom, and what became of that.

The run that leads there is gone back from the place where a token is missing: to the nearest
node that could have put one and was cancelled, failed, chose another way, or has put one that
was taken since.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from knhk.model import JOIN_AND, JOIN_OR, JOIN_PARTIAL, NODE_TASK, Net, Node
from knhk.soundness.moves import Moves
from knhk.soundness.telling import Passage, readable

#: Names that are listed in one sentence.
NAMES_MAX: Final = 4
JOIN_HINT: Final = (
    "let every branch arrive, join with `any(...)` or `one(...)`, or end the case with `stop`"
)


@dataclass(frozen=True)
class Cause:
    """What keeps a node waiting: a sentence, who brought it about (-1: nobody), and a hint."""

    words: str
    culprit: int = -1
    hint: str = JOIN_HINT


def cause_of(moves: Moves, node: int, told: Iterable[Passage], counts: list[int]) -> Cause:
    """Why a node that has a token before it cannot go on."""
    net = moves.net
    waiting = net.nodes[node]
    name = named(net, node)
    passages = list(told)
    if _can_start(waiting, counts):
        return _held_back(moves, node, counts)
    if waiting.join == JOIN_OR and len(waiting.inputs) > 1:
        ways = listed(sources(net, place) for place in waiting.inputs if not counts[place])
        return Cause(f"{name} waits for what may still come from {ways}, which waits for {name}")
    missing = [
        place
        for place, weight in zip(waiting.inputs, _weights(waiting), strict=True)
        if counts[place] < weight
    ]
    if waiting.join == JOIN_PARTIAL:
        wanted = f"{waiting.threshold} of " if waiting.threshold > 1 else "one of "
        if counts[moves.partials[node].passed]:
            reset = listed(
                sources(net, place)
                for place, mark in zip(waiting.inputs, moves.partials[node].arrived, strict=True)
                if not counts[mark]
            )
            missing = [
                place
                for place, mark in zip(waiting.inputs, moves.partials[node].arrived, strict=True)
                if not counts[mark]
            ]
            why = _why_missing(moves, missing[0], passages)
            return Cause(
                f"{name} waits for {reset} before it can begin a new round, but {why.words}",
                why.culprit,
            )
    else:
        wanted = ""
    if any(counts[place] for place in missing) and len(waiting.inputs) == 1:
        there, weight = counts[missing[0]], _weights(waiting)[0]
        only = "is only one" if there == 1 else f"are only {there}"
        words = f"{name} takes {weight} tokens at a time, and there {only}"
        return Cause(words, hint="let the numbers on the arrows fit each other")
    everyone = listed(sources(net, place) for place in waiting.inputs)
    why = _why_missing(moves, missing[0], passages)
    return Cause(f"{name} waits for {wanted}{everyone}, but {why.words}", why.culprit)


def _can_start(node: Node, counts: list[int]) -> bool:
    """Whether a node has the tokens it takes, so that something else holds it back."""
    enough = [
        counts[place] >= weight for place, weight in zip(node.inputs, _weights(node), strict=True)
    ]
    if node.join == JOIN_AND:
        return all(enough)
    return node.join not in (JOIN_OR, JOIN_PARTIAL) and any(enough)


def _weights(node: Node) -> tuple[int, ...]:
    return node.takes or (1,) * len(node.inputs)


def _held_back(moves: Moves, node: int, counts: list[int]) -> Cause:
    """A milestone that is past, or a mutex that is not given back."""
    net = moves.net
    waiting = net.nodes[node]
    if waiting.while_place >= 0 and not counts[waiting.while_place]:
        place = net.places[waiting.while_place].name
        return Cause(
            f"`{waiting.name}` may only start while `{place}` holds a token, and it is empty",
            hint=f"let `{waiting.name}` be skipped when it is too late, for instance by `cancels`",
        )
    for section in net.sections:
        inside = [place for place in section.places if counts[place]]
        if inside and not any(place in section.places for place in waiting.inputs):
            mutex = net.mutexes[section.mutex].name
            held = listed(
                named(net, user)
                for user, other in enumerate(net.nodes)
                if any(place in inside for place in other.inputs)
            )
            words = f"{named(net, node)} needs `{mutex}`, which is held where {held} waits"
            return Cause(words, hint="take mutexes in the same order everywhere")
    return Cause(f"{named(net, node)} cannot start")


# --- what became of the token -----------------------------------------------------------------


def _why_missing(moves: Moves, place: int, told: list[Passage]) -> Cause:
    """Why there is no token in a place, from the nearest node on the way to it."""
    net = moves.net
    seen = {place}
    line = [place]
    while line:
        here = line.pop(0)
        for number, node in enumerate(net.nodes):
            if not any(arrow.place == here for arrow in node.outputs):
                continue
            found = _what_became(moves, number, here, told)
            if found is not None:
                return found
            for before in node.inputs:
                if before not in seen:
                    seen.add(before)
                    line.append(before)
    return Cause(f"nothing brings a token from {sources(net, place)}")


def _what_became(moves: Moves, number: int, place: int, told: list[Passage]) -> Cause | None:
    """What a node did instead of keeping a token in a place; ``None`` if it was never reached."""
    net = moves.net
    for one in reversed(told):
        if one.transition.node == number and one.way.event not in ("", "starts", "completes early"):
            return Cause(f"{named(net, number)} {one.way.event}", number)
        if one.transition.node == number and one.way.event != "starts":
            if any(at == place for at, _ in one.way.puts):
                return _taken_since(moves, place, told[told.index(one) + 1 :], number)
            choice = listed(f"`{name}`" for name in readable(net, one.way.choice))
            if choice:
                origin = _tasks_before(net, number, told)
                return Cause(f"after {origin} the case went to {choice}", number)
        if _lost(moves, number, one):
            return Cause(
                f"{named(net, number)} was cancelled by {named(net, one.transition.node)}",
                one.transition.node,
            )
    return None


def _lost(moves: Moves, number: int, one: Passage) -> bool:
    """Whether a step has emptied the work or the inputs of a node otherwise than by taking."""
    kept = list(one.before)
    for at, count in one.transition.takes:
        kept[at] -= count
    put = dict.fromkeys(range(len(kept)), 0)
    for at, count in one.way.puts:
        put[at] += count
    own = [*moves.net.nodes[number].inputs]
    if number in moves.work:
        own.append(moves.work[number])
    emptied = bool(one.way.clears or one.way.drains)
    return emptied and any(one.after[at] - put[at] < kept[at] for at in own)


def _taken_since(moves: Moves, place: int, later: list[Passage], number: int) -> Cause | None:
    for one in later:
        if one.after[place] < one.before[place]:
            taker = named(moves.net, one.transition.node)
            verb = "taken" if any(at == place for at, _ in one.transition.takes) else "cancelled"
            return Cause(
                f"the token of {named(moves.net, number)} was {verb} by {taker}",
                one.transition.node,
            )
    return None


def _tasks_before(net: Net, number: int, told: list[Passage]) -> str:
    """The task after which a routing node chose."""
    if net.nodes[number].kind == NODE_TASK:
        return named(net, number)
    last = -1
    for one in told:
        if one.transition.node == number:
            break
        if net.nodes[one.transition.node].kind == NODE_TASK:
            last = one.transition.node
    return "the beginning" if last < 0 else named(net, last)


# --- names -----------------------------------------------------------------------------------


def named(net: Net, number: int) -> str:
    """A node as its reader would name it: a join by what is behind it."""
    node = net.nodes[number]
    if node.kind == NODE_TASK:
        return f"`{node.name}`"
    behind = readable(net, (node.name,))
    if behind and behind[0] != node.name:
        word = f" `{node.word}`" if node.word else ""
        return f"the join{word} before {listed(f'`{name}`' for name in behind)}"
    return f"`{node.word or node.name}`"


def sources(net: Net, place: int) -> str:
    """Where the tokens of a place come from: its own name, or the tasks before it."""
    if net.places[place].named:
        return f"`{net.places[place].name}`"
    names: list[str] = []
    seen = {place}
    line = [place]
    while line:
        here = line.pop(0)
        for node in net.nodes:
            places = [arrow.place for arrow in node.outputs]
            places.extend(exception.place for exception in node.exceptions)
            if here not in places:
                continue
            if node.kind == NODE_TASK:
                if f"`{node.name}`" not in names:
                    names.append(f"`{node.name}`")
                continue
            for before in node.inputs:
                if before not in seen:
                    seen.add(before)
                    line.append(before)
    return listed(names, "or") if names else "the beginning"


def listed(names: Iterable[str], joint: str = "and") -> str:
    """Names as in a sentence."""
    found = list(dict.fromkeys(names))
    if len(found) > NAMES_MAX:
        found = [*found[: NAMES_MAX - 1], f"{len(found) - NAMES_MAX + 1} others"]
    if len(found) < 2:
        return "".join(found)
    return f"{', '.join(found[:-1])} {joint} {found[-1]}"
