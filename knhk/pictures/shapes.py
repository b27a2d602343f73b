"""The shapes of tasks, joins and splits, places and ends: how large they are, and their SVG."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Final

from knhk.pictures.elements import SIZES, circle, rect, text
from knhk.pictures.layers import Vertex
from knhk.pictures.words import width_of

__all__ = ["AROUND", "Shape"]

#: The height of a line of small words.
LINE: Final = 14.0
#: How far a box that stands for many is set off.
BEHIND: Final = 3.0
#: How far a shade reaches beyond what is in it; the words above stand above the shade.
AROUND: Final = 9.0
#: The height of the mark with the steps of a run, half of which stands above the box.
MARK: Final = 16.0


@dataclass(frozen=True)
class Shape:
    """What is drawn at a point: a body with badges on its sides, and words above and below.

    ``kind`` is ``task``, ``end``, ``route``, ``place`` or ``joint``, which is where the words of
    a line stand. ``mark`` holds the steps of a run. ``title`` is told when one points at it.
    """

    kind: str
    words: str = ""
    title: str = ""
    join: str = ""
    split: str = ""
    above: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    tokens: int = 0
    counted: bool = False
    many: bool = False
    mark: str = ""
    state: str = ""

    @property
    def badges(self) -> tuple[float, float]:
        """The widths of the join and of the split."""
        return _badge(self.join), _badge(self.split)

    @property
    def body(self) -> float:
        """The width of what is between the badges."""
        if self.kind == "task":
            return max(38.0, width_of(self.words, SIZES[""]) + 16)
        if self.kind == "end":
            return max(34.0, width_of(self.words, SIZES[""]) + 12)
        if self.kind == "place":
            return 22.0 if self.words or self.counted else 13.0
        if self.kind == "joint":
            return 0.0
        return 0.0 if self.join or self.split else 15.0

    @property
    def half_width(self) -> float:
        """Half the width of body and badges."""
        return (self.body + sum(self.badges)) / 2

    @property
    def half_height(self) -> float:
        """Half the height of the body."""
        heights = {"task": 16.0, "end": 13.0, "place": self.body / 2, "joint": 2.0}
        return heights.get(self.kind, 11.0 if self.join or self.split else 7.5)

    @property
    def _raised(self) -> float:
        """How far above the body the words above it begin."""
        shade = AROUND if self.kind != "joint" and self.above else 0
        return (2 * BEHIND if self.many else 0) + (MARK / 2 if self.mark else 0) + shade

    @property
    def _beneath(self) -> tuple[str, ...]:
        """The words below it; those of a place are too long for its circle."""
        return (self.words, *self.below) if self.kind == "place" and self.words else self.below

    def vertex(self) -> Vertex:
        """The room it takes."""
        lines = (*self.above, *self._beneath)
        widest = max((width_of(line, SIZES["small"]) for line in lines), default=0.0)
        mark = _mark(self.mark) / 2 + self.half_width if self.mark else 0.0
        return Vertex(
            max(self.half_width, widest / 2, mark),
            self.half_height + self._raised + LINE * len(self.above),
            self.half_height + LINE * len(self._beneath) + (2 if self._beneath else 0),
            self.half_width,
        )

    def svg(self, x: float, y: float) -> str:
        """The shape with its words around a point."""
        title = f"<title>{escape(self.title)}</title>" if self.title else ""
        parts = [*self._body(x, y), *self._badges(x, y), *self._words(x, y)]
        return f'<g class="net-{self.kind}">{title}{"".join(parts)}</g>' if parts else ""

    def _body(self, x: float, y: float) -> Iterator[str]:
        w, h = self.half_width, self.half_height
        left, body = x - w + self.badges[0], self.body
        state = f" {self.state}" if self.state else ""
        if self.kind == "place":
            yield circle(f"place{state}", x, y, w)
            if self.counted and self.tokens:
                yield circle("token", x, y, w - 3)
                yield text(str(self.tokens), x, y, "tiny")
            elif self.tokens:
                yield circle("token", x, y, 3.5)
        elif self.kind == "route" and not body:
            return
        elif self.kind == "route":
            corners = f"{x - w:.1f},{y:.1f} {x:.1f},{y - h:.1f} {x + w:.1f},{y:.1f}"
            yield f'<polygon class="box{state}" points="{corners} {x:.1f},{y + h:.1f}"/>'
        elif self.kind != "joint":
            for shift in (2 * BEHIND, BEHIND) if self.many else ():
                yield rect("box behind", left + shift, y - h - shift, body, 2 * h)
            kind, corner = ("box final", h) if self.kind == "end" else ("box", 4.0)
            yield rect(f"{kind}{state}", left, y - h, body, 2 * h, corner)
            yield text(self.words, left + body / 2, y)

    def _badges(self, x: float, y: float) -> Iterator[str]:
        w, h = self.half_width, self.half_height
        join, split = self.badges
        for words, at, width in ((self.join, x - w, join), (self.split, x + w - split, split)):
            if words:
                yield rect("badge", at, y - h, width, 2 * h)
                yield text(words, at + width / 2, y, "tiny")
        if self.mark:
            width = _mark(self.mark)
            yield rect("mark", x - w - width / 2, y - h - MARK / 2, width, MARK, MARK / 2)
            yield text(self.mark, x - w, y - h, "tiny")

    def _words(self, x: float, y: float) -> Iterator[str]:
        top, bottom = y - self.half_height - self._raised, y + self.half_height + 2
        for number, line in enumerate(reversed(self.above)):
            yield text(line, x, top - LINE * (number + 0.55), "small")
        for number, line in enumerate(self._beneath):
            yield text(line, x, bottom + LINE * (number + 0.55), "small")


def _badge(words: str) -> float:
    return width_of(words, SIZES["tiny"]) + 8 if words else 0.0


def _mark(words: str) -> float:
    return max(MARK, width_of(words, SIZES["tiny"]) + 8)
