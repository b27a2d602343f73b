"""Groups that lie in each other or apart, which a text format can draw as boxes in boxes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from knhk.pictures.sketch import Group

__all__ = ["Nest", "nest"]

#: How many groups become boxes; every one is compared with those before it.
BOXES_MAX: Final = 200


@dataclass
class Nest:
    """A group as a box: all that is shown of it, and the boxes in it."""

    number: int
    group: Group
    things: frozenset[int]
    inner: list[Nest] = field(default_factory=list)

    @property
    def own(self) -> list[int]:
        """What stands in this box and in none of those in it."""
        return sorted(self.things.difference(*(box.things for box in self.inner)))


def nest(groups: Iterable[Group], shown: Iterable[int]) -> tuple[list[Nest], list[int]]:
    """The outermost boxes, and the numbers of the groups that overlap with a larger one."""
    visible = frozenset(shown)
    boxes = [Nest(n, group, visible & group.members) for n, group in enumerate(groups)]
    outer: list[Nest] = []
    apart = []
    for count, box in enumerate(sorted(boxes, key=lambda each: -len(each.things))):
        home = _home(outer, box.things) if count < BOXES_MAX and box.things else None
        if home is None:
            apart.append(box.number)
        else:
            home.append(box)
    return outer, sorted(apart)


def _home(outer: list[Nest], things: frozenset[int]) -> list[Nest] | None:
    """The boxes beside which one for these things stands; None where one would be cut."""
    inside = outer
    while True:
        touched = [box for box in inside if not things.isdisjoint(box.things)]
        if not touched:
            return inside
        if len(touched) > 1 or not things <= touched[0].things:
            return None
        inside = touched[0].inner
