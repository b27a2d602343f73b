"""Workflows to draw, and what is read back from a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from knhk.errors import Run, Step
from knhk.model import NODE_TASK, SPLIT_XOR, Arrow, Expression, Moment, Net, Node, Place
from knhk.pictures.elements import FOOT, SIZES
from knhk.pictures.words import width_of
from knhk.plugins import environment
from knhk_dsl import Sources, compile_sources

SVG = "{http://www.w3.org/2000/svg}"
CASES = Path(__file__).parent / "cases"
#: By how much things may seem to overlap that only touch.
ROUNDING = 1e-6
#: What a name or a guard may try to be.
UNTRUSTED = "a\"b'<script>&amp;{}|\\N `x` **b** __y__ #quot; 1. z \x00\n;%% end -->"

#: A run on `cases/deadlock.knhk`.
DEADLOCK = Run(
    (Step("receive", "", ("check",)), Step("check")), (("check -> ship", 1),), working=()
)


def net_of(text: str) -> Net:
    """The only workflow of a source."""
    (net,) = compile_sources(Sources.of_text(text), environment()).nets.values()
    return net


def case(name: str) -> Net:
    """The workflow of a golden file."""
    return net_of((CASES / f"{name}.knhk").read_text(encoding="utf-8"))


def flow(tasks: str, *lines: str, given: str = "") -> Net:
    """The net of some lines of a flow over some tasks."""
    head = "".join(f"    task {name}\n" for name in tasks.split())
    body = "".join(f"        {line}\n" for line in lines)
    return net_of(f"workflow example({given})\n{head}    flow\n{body}")


def untrusted() -> Net:
    """A net in which every word is hostile, as no compiler would make it."""
    guard = Expression(UNTRUSTED, _true)
    return Net(
        UNTRUSTED,
        (
            Node(UNTRUSTED, NODE_TASK, (0,), outputs=(Arrow(1, guard), Arrow(2)), split=SPLIT_XOR),
            Node("1. one", NODE_TASK, (1,)),
            Node("- `two`", NODE_TASK, (2,)),
        ),
        (
            Place("start", tokens=1, consumers=(0,)),
            Place(UNTRUSTED, named=True, producers=(0,), consumers=(1,)),
            Place("y", producers=(0,), consumers=(2,)),
        ),
    )


def _true(_data: dict[str, object], _moment: Moment) -> object:
    return True


@dataclass(frozen=True)
class Box:
    """A rectangle of a picture."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box) -> bool:
        return (
            self.left < other.right - ROUNDING
            and other.left < self.right - ROUNDING
            and self.top < other.bottom - ROUNDING
            and other.top < self.bottom - ROUNDING
        )

    def holds(self, other: Box) -> bool:
        return (
            self.left <= other.left
            and self.top <= other.top
            and other.right <= self.right
            and other.bottom <= self.bottom
        )


class Picture:
    """An SVG picture, parsed."""

    def __init__(self, text: str) -> None:
        self.root = ET.fromstring(text)

    def all(self, tag: str, kind: str = "") -> list[ET.Element]:
        """The elements with a tag and a class."""
        found = self.root.iter(SVG + tag)
        return [each for each in found if not kind or kind in each.get("class", "").split()]

    def groups(self, kind: str) -> dict[str, ET.Element]:
        """The groups with a class, by their titles."""
        return {str(each.findtext(f"{SVG}title")): each for each in self.all("g", kind)}

    @property
    def words(self) -> list[str]:
        """All words in it."""
        return [str(each.text) for each in self.all("text")]

    def boxes(self) -> list[Box]:
        """Tasks, badges, ends and places, but no shades, marks of a run, or boxes behind others."""
        found = []
        for each in [*self.all("rect", "box"), *self.all("rect", "badge")]:
            if "behind" in each.get("class", ""):
                continue
            x, y, width, height = (float(each.get(k, "")) for k in ("x", "y", "width", "height"))
            found.append(Box(x, y, x + width, y + height))
        for each in self.all("circle", "place"):
            x, y, r = (float(each.get(key, "")) for key in ("cx", "cy", "r"))
            found.append(Box(x - r, y - r, x + r, y + r))
        return found

    def texts(self) -> dict[str, Box]:
        """Where words stand, at their widest; the same words twice are told apart."""
        found = {}
        for number, each in enumerate(self.all("text")):
            size = SIZES[each.get("class", "").split(" ")[0]]
            half = width_of(str(each.text), size) / 2
            x, foot = float(each.get("x", "")), float(each.get("y", ""))
            middle = foot - FOOT * size
            box = Box(x - half, middle - size * 0.45, x + half, middle + size * 0.45)
            found[f"{number}: {each.text}"] = box
        return found
