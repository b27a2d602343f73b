"""What is said of a node: how it joins and splits, and what else it does."""

from __future__ import annotations

from collections.abc import Iterator

from knhk.model import (
    CALLEE_MESSAGE,
    CALLEE_SIGNAL,
    CALLEE_SKIP,
    CALLEE_TIMER,
    CALLEE_WORKFLOW,
    JOIN_NAMES,
    JOIN_PARTIAL,
    SPLIT_NAMES,
    ForEach,
    Net,
    Node,
    Task,
)

__all__ = ["captions", "join_words", "split_words"]


def join_words(node: Node) -> str:
    """How arrows meet before a node; empty where there is one."""
    if node.join == JOIN_PARTIAL:
        return "first" if node.threshold == 1 else f"{node.threshold} of {len(node.inputs)}"
    return JOIN_NAMES[node.join].upper() if len(node.inputs) > 1 else ""


def split_words(node: Node) -> str:
    """How arrows part behind a node; empty where there is one."""
    return SPLIT_NAMES[node.split].upper() if len(node.outputs) > 1 else ""


def captions(net: Net, node: Node) -> Iterator[str]:
    """What a node does besides taking and putting tokens, a line each."""
    if node.task is not None:
        yield from _callee(node.task)
        if node.task.for_each is not None:
            yield from _instances(node.task.for_each)
    if node.cancels_case:
        yield "cancels case"
    if node.cancels is not None:
        yield "cancels"
    if node.completes >= 0:
        yield f"completes {net.nodes[node.completes].name}"
    for mutex in node.holds:
        if net.mutexes[mutex].named:
            yield f"holds {net.mutexes[mutex].name}"


def _callee(task: Task) -> Iterator[str]:
    callee = task.callee
    words = {
        CALLEE_MESSAGE: f"message {callee.name}",
        CALLEE_SIGNAL: f"signal {callee.name}",
        CALLEE_TIMER: "timer",
        CALLEE_SKIP: "skip",
        CALLEE_WORKFLOW: f"workflow {callee.name}",
    }.get(callee.kind)
    if words:
        yield words


def _instances(each: ForEach) -> Iterator[str]:
    yield f"times {each.times.text}" if each.times else f"for each {each.variable}"
    if each.open:
        yield "open"
    if not each.waits:
        yield "without waiting"
    if each.complete_when is not None:
        rest = " then cancel rest" if each.cancel_rest else ""
        yield f"complete when {each.complete_when.text}{rest}"
