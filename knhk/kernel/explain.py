"""In words why a task is or is not offered."""

from __future__ import annotations

from knhk.kernel.game import RUNNING, STATUSES, Game
from knhk.kernel.program import TaskRow
from knhk.model import JOIN_AND, US_PER_S


def explain(game: Game, row: TaskRow) -> str:
    """Why the task of ``row`` is or is not offered in ``game``, with what it waits for."""
    if game._status != RUNNING:
        return f"the case is {STATUSES[game._status]}: nothing is offered"
    desk = game._desk(row.node)
    parts: list[str] = []
    if desk.offered.count > 0:
        parts.append(_count(desk.offered.count, "is offered", "are offered"))
    if desk.started.count > 0:
        parts.append(_count(desk.started.count, "is started", "are started"))
    for item in desk.waiting.items():
        seconds = float(item._due_us - game._now_us) / US_PER_S
        parts.append(f"work item {item.id} waits {seconds:g} s more")
    if desk.wants_room() and not desk.room(row.at_most):
        parts.append(f"more wait for room: at most {row.at_most} at once")
    if not parts:
        parts.append(_missing_tokens(game, row))
    return "; ".join(parts)


def _missing_tokens(game: Game, row: TaskRow) -> str:
    node = game._program.net.nodes[row.node]
    counts = game._marking.counts
    names = game._program.net.places
    missing = [f"`{names[place].name}`" for place in node.inputs if counts[place] == 0]
    if not node.inputs:
        return "no arrow leads to it"
    if node.join == JOIN_AND and len(node.inputs) > 1:
        there = [f"`{names[place].name}`" for place in node.inputs if counts[place] > 0]
        have = f"has a token at {', '.join(there)} and " if there else ""
        return f"it waits for every branch: it {have}needs one at {', '.join(missing)}"
    return f"no token has come to it: {' or '.join(missing)} is empty"


def _count(count: int, one: str, many: str) -> str:
    return f"one item {one}" if count == 1 else f"{count} items {many}"
