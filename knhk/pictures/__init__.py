"""Pictures of nets: SVG, Mermaid, Graphviz's dot, JSON, and PNML for other tools.

Each is a function of the net and of a run, to the byte. They read values of
:mod:`knhk.model` and nothing else, so a picture of a workflow takes neither the compiler nor
the kernel.
"""

from __future__ import annotations

from knhk.pictures.document import as_json
from knhk.pictures.drawing import svg
from knhk.pictures.elements import Colours
from knhk.pictures.flowchart import mermaid
from knhk.pictures.graphviz import dot
from knhk.pictures.petri import pnml

__all__ = ["Colours", "as_json", "dot", "mermaid", "pnml", "svg"]
