"""What a plugin that adds words to the flow works with: a pattern, and the strokes of a drawing.

The hook is :func:`knhk.hookspecs.knhk_patterns`; the bundled words in
``knhk_plugins.patterns`` are made with these names alone.
"""

from __future__ import annotations

from knhk_dsl.flow.drawing import (
    AND,
    LANGUAGE_WORDS,
    OR,
    PARTIAL,
    XOR,
    Branch,
    Drawing,
    Guard,
    Knot,
    Lock,
    Pattern,
)

__all__ = [
    "AND",
    "LANGUAGE_WORDS",
    "OR",
    "PARTIAL",
    "XOR",
    "Branch",
    "Drawing",
    "Guard",
    "Knot",
    "Lock",
    "Pattern",
]
