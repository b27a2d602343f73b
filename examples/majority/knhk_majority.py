"""``majority(x, y, z)``: goes on when more than half of its branches have arrived."""

from __future__ import annotations

from knhk.hookspecs import hookimpl
from knhk.patterns import AND, PARTIAL, Drawing, Pattern

__all__ = ["MAJORITY", "knhk_patterns"]


def _draw(drawing: Drawing) -> None:
    entry = drawing.part(AND) if drawing.parts else None
    ends = [drawing.lead(entry, branch) for branch in drawing.branches]
    if drawing.joins:
        half = len(drawing.branches) // 2
        drawing.follow(drawing.meet(PARTIAL, ends, half + 1, cancelling=drawing.cancelling))


#: The word and its meaning.
MAJORITY = Pattern(
    "majority",
    "Every branch; it goes on when more than half of them have arrived.",
    _draw,
    numbers=(30, 31, 32),
    branches_min=2,
    cancelling=True,
)


@hookimpl
def knhk_patterns() -> list[Pattern]:
    """Add ``majority``."""
    return [MAJORITY]
