"""Runs in words: which transitions fired on the way to a state, as the reader names them."""

from __future__ import annotations

from typing import Final, final

from knhk.errors import Run, Step
from knhk.model import NODE_ROUTE, Net
from knhk.soundness.exploring import Exploration
from knhk.soundness.moves import END, ROUTE, Moves, Transition, Way
from knhk.soundness.rules import ROUTES_MAX, Rules

#: The task of the step in which a case begins and chooses at once.
BEGINNING: Final = "start"


@final
class Passage:
    """One transition on a run: the way it went, and the counts before and after."""

    def __init__(
        self, transition: Transition, way: Way, before: list[int], after: list[int]
    ) -> None:
        self.transition = transition
        self.way = way
        self.before = before
        self.after = after


def passages(found: Exploration, number: int) -> list[Passage]:
    """Everything that fired on the shortest way to a state."""
    first = _line(found, -1, number)[0]
    begun = _routed(found.rules, found.rules.moves.start, found.counts(first))
    return begun + passages_between(found, first, number)


def passages_between(found: Exploration, before: int, after: int) -> list[Passage]:
    """Everything that fired between two states, one of which lies on the way to the other."""
    moves = found.rules.moves
    told: list[Passage] = []
    here = before
    for state in _line(found, before, after):
        way = moves.ways[int(found.way[state])]
        told.extend(passed(found.rules, found.counts(here), way, found.counts(state)))
        here = state
    return told


def _line(found: Exploration, before: int, after: int) -> list[int]:
    """The states on the way behind one, up to another."""
    line: list[int] = []
    while after != before:
        line.append(after)
        after = int(found.parent[after])
    line.reverse()
    return line


def passed(rules: Rules, before: list[int], way: Way, target: list[int]) -> list[Passage]:
    """One step: a transition of the environment, and the routing that leads to a state."""
    transition = owner(rules.moves, way)
    after = rules.after(transition, way, before)
    return [Passage(transition, way, before, after), *_routed(rules, after, target)]


def owner(moves: Moves, way: Way) -> Transition:
    """The transition that a way belongs to."""
    for transition in moves.transitions:
        if transition.ways[0].number <= way.number <= transition.ways[-1].number:
            return transition
    raise AssertionError("every way belongs to a transition")


def _routed(rules: Rules, counts: list[int], target: list[int]) -> list[Passage]:
    """The routing from some counts to those of a stable state."""
    pending: list[tuple[list[int], list[Passage]]] = [(counts, [])]
    left = ROUTES_MAX
    while pending and left > 0:
        left -= 1
        here, told = pending.pop()
        transition = rules.next_route(here)
        if transition is None:
            if here == target:
                return told
            continue
        for way in reversed(transition.ways):
            if not way.ends:
                after = rules.after(transition, way, here)
                pending.append((after, [*told, Passage(transition, way, here, after)]))
    return []


def step_to(rules: Rules, before: list[int], way: Way, node: int) -> list[Passage]:
    """One step and the routing behind it, up to the passing of a node or the end of the case."""
    transition = owner(rules.moves, way)
    first = Passage(transition, way, before, rules.after(transition, way, before))
    pending = [[first]]
    left = ROUTES_MAX
    while pending and left > 0:
        left -= 1
        told = pending.pop()
        last = told[-1]
        if last.transition.node == node or last.way.ends:
            return told
        route = rules.next_route(last.after)
        if route is None:
            if node < 0 and rules.is_over(last.after):
                return told
            continue
        for one in reversed(route.ways):
            after = rules.after(route, one, last.after)
            pending.append([*told, Passage(route, one, last.after, after)])
    return [first]


# --- in words -----------------------------------------------------------------------------------


def run_of(moves: Moves, told: list[Passage], counts: list[int], *, shortest: bool) -> Run:
    """A run as steps of tasks, and how it leaves the net."""
    steps: list[Step] = []
    for one in told:
        transition, choice = one.transition, readable(moves.net, one.way.choice)
        if transition.kind != ROUTE:
            event = one.way.event
            if transition.kind == END and not event:
                event = "completes"
            steps.append(Step(transition.name, event, choice))
        elif one.way.event and transition.name:
            steps.append(Step(transition.name, one.way.event, choice))
        elif choice and len(transition.ways) > 1:
            if not steps:
                steps.append(Step(BEGINNING))
            last = steps[-1]
            steps[-1] = Step(last.task, last.event, _extended(last.choice, choice, one))
    marking = tuple(
        (place.name, counts[at]) for at, place in enumerate(moves.net.places) if counts[at]
    )
    working = tuple(
        moves.net.nodes[node].name for node, at in sorted(moves.work.items()) if counts[at]
    )
    return Run(_joined(steps), marking, working, shortest)


def _extended(choice: tuple[str, ...], more: tuple[str, ...], one: Passage) -> tuple[str, ...]:
    """A choice in which a routing node is replaced by what it chose."""
    name = one.transition.name
    kept = tuple(each for each in choice if each != name)
    return kept + tuple(each for each in more if each not in kept)


def _joined(steps: list[Step]) -> tuple[Step, ...]:
    """Steps in which a task that starts and then completes at once is one step."""
    joined: list[Step] = []
    for step in steps:
        if joined and step.event == "completes" and joined[-1] == Step(step.task, "starts"):
            joined[-1] = Step(step.task, "", step.choice)
        else:
            joined.append(step)
    return tuple(joined)


def readable(net: Net, choice: tuple[str, ...]) -> tuple[str, ...]:
    """Names of a choice; a routing node without words of its own by what is behind it."""
    names: list[str] = []
    for name in choice:
        for each in _behind(net, name, 0):
            if each not in names:
                names.append(each)
    return tuple(names)


def _behind(net: Net, name: str, depth: int) -> list[str]:
    for node in net.nodes:
        if node.name != name or node.kind != NODE_ROUTE or node.task is not None:
            continue
        if len(node.outputs) == 1 and depth < len(net.nodes):
            place = net.places[node.outputs[0].place]
            if place.named:
                return [place.name]
            for other in net.nodes:
                if node.outputs[0].place in other.inputs:
                    return _behind(net, other.name, depth + 1)
        return [node.word or name]
    return [name]


__all__ = ["Passage", "owner", "passages", "passages_between", "run_of", "step_to"]
