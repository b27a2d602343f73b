"""Pictures of nets: SVG, Mermaid, Graphviz's dot, JSON, and PNML for other tools.

Each is a function of the net and of a run, to the byte. They read values of
:mod:`knhk.model` and nothing else, so a picture of a workflow takes neither the compiler nor
the kernel.
"""

from __future__ import annotations

from knhk.pictures.drawing import svg
from knhk.pictures.elements import Colours

__all__ = ["Colours", "svg"]
