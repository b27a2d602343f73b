"""Nets as they are drawn in these pages: with all places, in the colours of the theme."""

from __future__ import annotations

from typing import Final

from knhk.model import Net
from knhk.pictures import Colours, svg

__all__ = ["PAGE", "draw_net"]

#: The theme's colours, light and dark; those of regions and sections are seen on both.
PAGE: Final = Colours(
    page="var(--color-background-primary)",
    ink="var(--color-foreground-primary)",
    pen="var(--color-foreground-secondary)",
    box="var(--color-background-secondary)",
    run="var(--color-brand-primary)",
    font="var(--font-stack)",
)


def draw_net(net: Net) -> str:
    """The net as an SVG element."""
    return svg(net, places=True, colours=PAGE)
