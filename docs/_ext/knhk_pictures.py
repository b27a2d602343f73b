"""Pictures that are drawn while building, as SVG inside the page; nothing is fetched.

`knhk-item-states` draws the table of transitions of a work item, `knhk-architecture` the parts
of the whole. `knhk-net` compiles the flow that it holds and draws its net (`knhk_nets`),
`knhk-picture` draws a workflow that stands on the page as `knhk graph` does.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from knhk_nets import PAGE, draw_net
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from knhk.checking import check
from knhk.kernel.item import EVENTS, NEW, STATES, TRANSITIONS
from knhk.pictures import svg
from knhk.pictures.elements import arrow_head, circle, path, picture, rect, text
from knhk.plugins import environment
from knhk_dsl import Sources, compile_sources

__all__ = ["Box", "draw_architecture", "draw_item_states", "setup"]


@dataclass(frozen=True)
class Box:
    """Something that arrows begin and end at: a centre, half its width and height, a shape."""

    x: float
    y: float
    half_width: float
    half_height: float
    words: str = ""
    shape: str = "box"

    def edge_towards(self, x: float, y: float) -> tuple[float, float]:
        """Where the line from the centre to a point leaves this box."""
        dx, dy = x - self.x, y - self.y
        scale = min(self.half_width / max(abs(dx), 1e-9), self.half_height / max(abs(dy), 1e-9))
        return self.x + dx * scale, self.y + dy * scale

    def svg(self) -> str:
        """The shape and its text."""
        x, y, w, h = self.x, self.y, self.half_width, self.half_height
        label = text(self.words, x, y) if self.words else ""
        if self.shape == "token":
            return circle("token", x, y, w) + label
        kind = "box final" if self.shape == "last" else "box"
        return rect(kind, x - w, y - h, 2 * w, 2 * h, 6) + label


def arrow(source: Box, target: Box, words: str = "", bend: float = 0.0) -> str:
    """An arrow between two boxes, bent to its left by `bend`, with a text at its middle."""
    dx, dy = target.x - source.x, target.y - source.y
    length = max((dx * dx + dy * dy) ** 0.5, 1e-9)
    middle_x = (source.x + target.x) / 2 + bend * dy / length
    middle_y = (source.y + target.y) / 2 - bend * dx / length
    x1, y1 = source.edge_towards(middle_x, middle_y)
    x2, y2 = target.edge_towards(middle_x, middle_y)
    line = path("arrow", f"M{x1:.1f},{y1:.1f} Q{middle_x:.1f},{middle_y:.1f} {x2:.1f},{y2:.1f}")
    line += arrow_head("", x2, y2, (x2 - middle_x, y2 - middle_y))
    if not words:
        return line
    label_x = 0.25 * x1 + 0.5 * middle_x + 0.25 * x2
    label_y = 0.25 * y1 + 0.5 * middle_y + 0.25 * y2 - 9
    return line + text(words, label_x, label_y, "small")


# --- the states of a work item ----------------------------------------------------------

#: Where each state stands; a state of the table without a place here stops the build.
STATE_PLACES = {
    "new": (50, 130),
    "offered": (230, 130),
    "started": (480, 130),
    "waiting": (355, 270),
    "completed": (760, 60),
    "failed": (760, 270),
    "withdrawn": (480, 420),
}
LAST_STATES = ("completed", "withdrawn")
BENDS = {
    ("offered", "completed"): 90.0,
    ("offered", "failed"): 34.0,
    ("offered", "waiting"): -34.0,
    ("waiting", "offered"): -34.0,
    ("failed", "waiting"): -26.0,
    ("waiting", "failed"): -26.0,
    ("waiting", "completed"): -50.0,
    ("offered", "withdrawn"): -170.0,
    ("started", "withdrawn"): 50.0,
    ("new", "waiting"): -30.0,
}


def draw_item_states() -> str:
    """The state diagram of `knhk.kernel.item.TRANSITIONS`."""

    def box(number: int) -> Box:
        name = "new" if number == NEW else str(STATES[number])
        x, y = STATE_PLACES[name]
        if number == NEW:
            return Box(x, y, 8, 8, shape="token")
        return Box(x, y, 56, 20, name, "last" if name in LAST_STATES else "box")

    events: dict[tuple[int, int], list[str]] = defaultdict(list)
    for (state, event), following in TRANSITIONS.items():
        events[state, following].append(EVENTS[event])
    parts = [box(number).svg() for number in (NEW, *range(len(STATES)))]
    for (state, following), words in events.items():
        label = ", ".join(words)
        source, target = box(state), box(following)
        if state == following:
            parts.append(_loop(source, label))
        else:
            bend = BENDS.get((source.words or "new", target.words), 0.0)
            parts.append(arrow(source, target, label, bend))
    return picture(840, 460, "The states of a work item", parts, PAGE)


def _loop(box: Box, words: str) -> str:
    x, y = box.x - 20, box.y + box.half_height
    low = y + 44
    line = path("arrow", f"M{x - 18},{y} C{x - 34},{low} {x + 34},{low} {x + 18},{y}")
    head = arrow_head("", x + 18, y, (-16.0, y - low))
    return line + head + text(words, x, y + 44, "small")


# --- the parts and what goes between them ------------------------------------------------

PARTS = {
    "text": Box(70, 60, 56, 22, ".knhk text"),
    "net": Box(290, 60, 44, 22, "net"),
    "program": Box(480, 60, 52, 22, "program"),
    "case": Box(690, 60, 44, 22, "case"),
    "engine": Box(690, 220, 52, 24, "engine"),
    "journal": Box(880, 220, 52, 24, "journal"),
    "world": Box(330, 220, 140, 24, "Python, connectors, people, clock"),
}
FLOWS = (
    ("text", "net", "check", 0.0),
    ("net", "program", "tables", 0.0),
    ("program", "case", "new case", 0.0),
    ("engine", "case", "inputs", -90.0),
    ("case", "engine", "effects", -90.0),
    ("engine", "journal", "first", 0.0),
    ("engine", "world", "then act", 24.0),
    ("world", "engine", "results", 24.0),
)


def draw_architecture() -> str:
    """The parts from a source to a running case."""
    parts = [box.svg() for box in PARTS.values()]
    for source, target, words, bend in FLOWS:
        parts.append(arrow(PARTS[source], PARTS[target], words, bend))
    return picture(950, 280, "From a source to a running case", parts, PAGE)


class ItemStatesDirective(SphinxDirective):
    """The state diagram of a work item."""

    def run(self) -> list[nodes.Node]:
        return [nodes.raw("", draw_item_states(), format="html")]


class ArchitectureDirective(SphinxDirective):
    """The parts from a source to a running case."""

    def run(self) -> list[nodes.Node]:
        return [nodes.raw("", draw_architecture(), format="html")]


class NetDirective(SphinxDirective):
    """The net of the lines of a flow over the tasks named in the argument."""

    has_content = True
    required_arguments = 1
    final_argument_whitespace = True
    option_spec = {"given": directives.unchanged}  # noqa: RUF012 - docutils wants it so

    def run(self) -> list[nodes.Node]:
        tasks = "".join(f"    task {name}\n" for name in self.arguments[0].split())
        lines = "".join(f"        {line}\n" for line in self.content)
        head = f"workflow example({self.options.get('given', '')})\n"
        whole = f"{head}{tasks}    flow\n{lines}"
        net = compile_sources(Sources.of_text(whole), environment()).nets["example"]
        source = nodes.literal_block(whole, "\n".join(self.content), language="knhk")
        return [source, nodes.raw("", draw_net(net), format="html")]


class PictureDirective(SphinxDirective):
    """The picture of a workflow of this page: of the block with that file name.

    With `run`, the run of the check's first finding is drawn on it.
    """

    required_arguments = 1
    option_spec = {"run": directives.flag}  # noqa: RUF012 - docutils wants it so

    def run(self) -> list[nodes.Node]:
        page = Path(self.env.doc2path(self.env.docname)).read_text(encoding="utf-8")
        block = re.search(
            rf"^% example: file {re.escape(self.arguments[0])}\b.*\n```knhk\n(?s:(.*?))^```",
            page,
            re.MULTILINE,
        )
        if block is None:
            raise self.error(f"this page has no knhk block for a file {self.arguments[0]}")
        sources = Sources.of_text(block[1])
        (net,) = compile_sources(sources, environment()).nets.values()
        runs = [found.run for found in check(sources, environment()).diagnostics if found.run]
        drawn = svg(net, runs[0] if "run" in self.options else None, colours=PAGE)
        return [nodes.raw("", drawn, format="html")]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    app.add_directive("knhk-item-states", ItemStatesDirective)
    app.add_directive("knhk-architecture", ArchitectureDirective)
    app.add_directive("knhk-net", NetDirective)
    app.add_directive("knhk-picture", PictureDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
