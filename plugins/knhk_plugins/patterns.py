"""The groups of the flow: ``all one any first of pick interleave critical repeat``.

Each is a word and a function that draws its net, with the public drawing interface only.
"""

from __future__ import annotations

from knhk.hookspecs import hookimpl
from knhk.patterns import AND, OR, PARTIAL, XOR, Drawing, Pattern

__all__ = ["knhk_patterns"]


def _block(drawing: Drawing, split: str, join: str, threshold: int = 1) -> None:
    """Branches that part at one knot and meet at another."""
    entry = drawing.part(split) if drawing.parts else None
    ends = [drawing.lead(entry, branch) for branch in drawing.branches]
    if drawing.joins:
        cancelling = drawing.cancelling
        drawing.follow(drawing.meet(join, ends, threshold, cancelling=cancelling))


def _draw_all(drawing: Drawing) -> None:
    _block(drawing, AND, AND)


def _draw_one(drawing: Drawing) -> None:
    _block(drawing, XOR, XOR)


def _draw_any(drawing: Drawing) -> None:
    _block(drawing, OR, OR)


def _draw_first(drawing: Drawing) -> None:
    _block(drawing, AND, PARTIAL)


def _draw_some(drawing: Drawing) -> None:
    _block(drawing, AND, PARTIAL, drawing.count)


def _draw_pick(drawing: Drawing) -> None:
    choice = drawing.offer() if drawing.parts else None
    ends = [drawing.lead(choice, branch) for branch in drawing.branches]
    if drawing.joins:
        drawing.follow(drawing.meet(XOR, ends))


def _draw_interleave(drawing: Drawing) -> None:
    drawing.hold(drawing.mutex())
    _block(drawing, AND, AND)


def _draw_critical(drawing: Drawing) -> None:
    """A section is entered by its first task, or by a knot before what passes by itself."""
    (body,) = drawing.branches
    drawing.section(drawing.mutex())
    entry = drawing.before
    if entry is not None and not body.begins_with_task:
        entry = drawing.node()
        drawing.connect(drawing.before, entry)
    drawing.follow(drawing.lead(entry, body))


def _draw_repeat(drawing: Drawing) -> None:
    (body,) = drawing.branches
    if drawing.test_first:
        test = drawing.node(XOR, "while")
        drawing.connect(drawing.before, test)
        drawing.connect(drawing.lead(test, body, drawing.test, goes_on=True), test)
        drawing.follow(test, otherwise=True)
        return
    enter = drawing.node()
    test = drawing.node(XOR, "until")
    drawing.connect(drawing.before, enter)
    drawing.connect(drawing.lead(enter, body, goes_on=True), test)
    drawing.connect(test, enter, otherwise=True)
    drawing.follow(test, drawing.test)


@hookimpl
def knhk_patterns() -> list[Pattern]:
    """Add the groups of the language."""
    return [
        Pattern(
            "all",
            "Every branch; what stands behind it waits for all of them.",
            _draw_all,
            numbers=(2, 3, 33),
        ),
        Pattern(
            "one",
            "The first branch whose guard is true; what stands behind it goes on at each arrival.",
            _draw_one,
            numbers=(4, 5, 8),
            guards=True,
        ),
        Pattern(
            "any",
            "Every branch whose guard is true; what stands behind it waits for every branch"
            " that may still arrive.",
            _draw_any,
            numbers=(6, 7, 37, 38),
            guards=True,
        ),
        Pattern(
            "first",
            "Every branch; the first to arrive goes on, the others are taken silently.",
            _draw_first,
            numbers=(9, 28, 29),
            cancelling=True,
        ),
        Pattern(
            "of",
            "Every branch; it goes on when so many have arrived, the others are taken silently.",
            _draw_some,
            numbers=(30, 31, 32),
            count=True,
            cancelling=True,
        ),
        Pattern(
            "pick",
            "The first task of every branch is offered; the first to start withdraws the others.",
            _draw_pick,
            numbers=(16,),
        ),
        Pattern(
            "interleave",
            "Every branch, but only one task at a time; what stands behind it waits for all.",
            _draw_interleave,
            numbers=(17, 40),
        ),
        Pattern(
            "critical",
            "A sequence that holds a mutex from its first task to its end.",
            _draw_critical,
            numbers=(39,),
            branches_max=1,
            mutex=True,
        ),
        Pattern(
            "repeat",
            "A loop, tested after each round (`until`) or before it (`while`).",
            _draw_repeat,
            numbers=(21,),
            branches_max=1,
            test=True,
            head=False,
            tail=False,
        ),
    ]
