"""The elements of an SVG picture, and the colours that they have by their classes.

A picture carries its own style, so it needs nothing beside it. A page that shows pictures may
give them colours of its own, for instance the variables of its theme (:class:`Colours`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Final

from knhk.pictures.layout import Point
from knhk.pictures.words import printable

__all__ = ["Colours", "arrow_head", "circle", "curve", "path", "picture", "rect", "text"]

#: How far beneath the middle of a letter its foot stands, as a part of its size.
FOOT: Final = 0.35
#: The sizes of letters by the class of a text.
SIZES: Final = {"": 14.0, "small": 12.0, "tiny": 10.0}
#: How far an arrow head reaches back and to its sides.
HEAD: Final = (8.0, 3.6)
#: How far a line that turns round bulges.
BULGE: Final = 18.0


@dataclass(frozen=True)
class Colours:
    """The colours of a picture, each as CSS writes it, and the font.

    ``page`` lies behind all, ``ink`` is that of words, ``pen`` that of lines, ``box`` that of a
    task, ``run`` marks what a run has passed. ``regions`` are for cancellation regions, one after
    the other; ``section`` is for what runs one at a time.
    """

    page: str = "#ffffff"
    ink: str = "#1c1e21"
    pen: str = "#5a5f66"
    box: str = "#f4f5f7"
    run: str = "#1864ab"
    regions: tuple[str, ...] = ("#d9480f", "#9c36b5", "#2b8a3e", "#e8a700")
    section: str = "#3b82c4"
    font: str = "system-ui, 'DejaVu Sans', sans-serif"

    def group(self, number: int, *, region: bool) -> str:
        """The colour of a group of things by its number: a cancellation region or a section."""
        return self.regions[number % len(self.regions)] if region else self.section


LIGHT: Final = Colours()
DARK: Final = Colours("#131416", "#e6e8ea", "#9aa0a6", "#1f2226", "#74c0fc")


def picture(
    width: float, height: float, title: str, parts: Iterable[str], colours: Colours | None = None
) -> str:
    """A whole SVG element; without ``colours`` it is light or dark as the reader prefers."""
    style = _style(colours or LIGHT)
    if colours is None:
        style += f"@media (prefers-color-scheme: dark) {{{_style(DARK)}}}"
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    return (
        f'<svg class="knhk-picture" role="img" xmlns="http://www.w3.org/2000/svg" {size}>'
        f"<title>{escape(printable(title))}</title><style>{style}</style>"
        f'<rect class="page" width="100%" height="100%"/>{"".join(parts)}</svg>'
    )


def _style(colours: Colours) -> str:
    rules = {
        "": f"font-family: {colours.font}",
        ".page": f"fill: {colours.page}",
        ".box": f"fill: {colours.box}; stroke: {colours.pen}",
        ".place": f"fill: {colours.page}; stroke: {colours.pen}",
        ".final": "stroke-width: 3",
        ".arrow": f"fill: none; stroke: {colours.pen}; stroke-width: 1.4",
        ".aside, .read": "stroke-dasharray: 5 4",
        ".head, .badge": f"fill: {colours.pen}; stroke: {colours.pen}",
        ".token, .mark": f"fill: {colours.run}",
        ".visited": f"stroke: {colours.run}; stroke-width: 2",
        ".working": f"stroke: {colours.run}; stroke-width: 4",
        ".taken": f"stroke: {colours.run}; stroke-width: 2.6",
        ".head.taken": f"fill: {colours.run}; stroke-width: 1",
        ".shade": "opacity: 0.22",
        ".shade rect": "stroke: none",
        ".shade path": "fill: none; stroke-width: 20; stroke-linecap: round",
        ".section": f"fill: {colours.section}; stroke: {colours.section}",
        "text": f"fill: {colours.ink}; text-anchor: middle; font-size: {SIZES['']:.0f}px",
        "text.small": f"font-size: {SIZES['small']:.0f}px; fill: {colours.pen}",
        "text.tiny": f"font-size: {SIZES['tiny']:.0f}px; font-weight: 600; fill: {colours.page}",
    }
    rules |= {
        f".region-{number}": f"fill: {colour}; stroke: {colour}"
        for number, colour in enumerate(colours.regions)
    }
    return "".join(
        f"{', '.join(_scoped(one) for one in name.split(', '))} {{{rule}}}"
        for name, rule in rules.items()
    )


def _scoped(selector: str) -> str:
    return f".knhk-picture {selector}".rstrip()


def text(words: str, x: float, y: float, kind: str = "") -> str:
    """Words centred at a point; ``kind`` is empty, ``small`` or ``tiny``, and other classes."""
    foot = y + FOOT * SIZES[kind.partition(" ")[0]]
    return f'<text{_class(kind)} x="{x:.1f}" y="{foot:.1f}">{escape(printable(words))}</text>'


def rect(kind: str, x: float, y: float, width: float, height: float, corner: float = 4.0) -> str:
    """A box by its upper left corner."""
    size = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect{_class(kind)} {size} rx="{corner:.0f}"/>'


def circle(kind: str, x: float, y: float, radius: float) -> str:
    """A circle by its centre."""
    return f'<circle{_class(kind)} cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"/>'


def path(kind: str, commands: str) -> str:
    """A line."""
    return f'<path{_class(kind)} d="{commands}"/>'


def arrow_head(kind: str, x: float, y: float, along: Point = (1.0, 0.0)) -> str:
    """The head of an arrow that comes to a point in the direction ``along``."""
    length = (along[0] ** 2 + along[1] ** 2) ** 0.5 or 1.0
    dx, dy = along[0] / length, along[1] / length
    back, side = HEAD
    x1, y1 = x - back * dx - side * dy, y - back * dy + side * dx
    x2, y2 = x - back * dx + side * dy, y - back * dy - side * dx
    return path(f"head {kind}".strip(), f"M{x:.1f},{y:.1f} L{x1:.1f},{y1:.1f} L{x2:.1f},{y2:.1f} z")


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def curve(points: list[Point]) -> str:
    """The commands of a line through points that leaves and comes to each of them level.

    Where two points stand above each other it turns round, bulging to where it came from.
    """
    commands = [f"M{points[0][0]:.1f},{points[0][1]:.1f}"]
    side = 1.0
    for (x1, y1), (x2, y2) in pairwise(points):
        if y1 == y2:
            if x1 != x2:
                commands.append(f"L{x2:.1f},{y2:.1f}")
                side = 1.0 if x2 > x1 else -1.0
            continue
        if x1 == x2:
            near = far = x1 + side * BULGE
        else:
            near = far = (x1 + x2) / 2
            side = 1.0 if x2 > x1 else -1.0
        commands.append(f"C{near:.1f},{y1:.1f} {far:.1f},{y2:.1f} {x2:.1f},{y2:.1f}")
    return " ".join(commands)
