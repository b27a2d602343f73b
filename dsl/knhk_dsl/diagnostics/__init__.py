"""Every diagnostic there is: its title, what it means, how it is mended, with examples that run.

There is one page for each code under ``pages``, and nothing about a code stands anywhere else.
A page is Markdown: the title, lines ``key: value``, paragraphs, then ``## Bad`` and ``## Good``
with sources. A page is read when it is first asked for, so a check that finds nothing reads
none.

The keys:

- ``severity``: ``error`` or ``warning``;
- ``also``: codes that the examples give too, because it cannot be helped;
- ``text``: for what only a tree made by a program can give: the code that its text gives;
- ``ellipsis``: what the sign ``…`` of the bad example stands for, a number and a JSON text;
- ``encoding``: how the bad example is saved, if not as UTF-8.
"""

from __future__ import annotations

from knhk_dsl.diagnostics.catalogue import (
    GROUPS,
    catalogue,
    codes,
    explanation,
    group_of,
    nearest,
    spelt_out,
)
from knhk_dsl.diagnostics.page import ELLIPSIS, Example, Explanation

__all__ = [
    "ELLIPSIS",
    "GROUPS",
    "Example",
    "Explanation",
    "catalogue",
    "codes",
    "explanation",
    "group_of",
    "nearest",
    "spelt_out",
]
