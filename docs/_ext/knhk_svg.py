"""An SVG element inside a page, whose colours are those of the page (`_static/knhk.css`)."""

from __future__ import annotations

from html import escape

__all__ = ["picture", "text"]


def picture(width: float, height: float, title: str, parts: list[str], marker: str) -> str:
    """A whole SVG element; `marker` is the id of its arrow head."""
    head = (
        f'<defs><marker id="{marker}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8"'
        ' markerHeight="8" orient="auto-start-reverse">'
        '<path class="head" d="M0,0 L10,5 L0,10 z"/></marker></defs>'
    )
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    return (
        f'<svg class="knhk-picture" role="img" xmlns="http://www.w3.org/2000/svg" {size}>'
        f"<title>{escape(title)}</title>{head}{''.join(parts)}</svg>"
    )


def text(words: str, x: float, y: float, kind: str = "") -> str:
    """Words centred at a point."""
    name = f' class="{kind}"' if kind else ""
    return f'<text{name} x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>'
