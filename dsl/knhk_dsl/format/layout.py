"""What is to be printed, with the places where a line may be broken; and the breaking.

Theory of operation, after Wadler, "A prettier printer" (2003): a group stands on one line if it
fits there together with what follows up to the next possible break; if it does not, all breaks
that are directly in it are taken, and the groups inside it are asked in turn. A comment behind a
word takes no room, and forces the groups around it to be broken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

#: Characters of a line, unless there is nothing in it that can be broken.
WIDTH: Final = 100
#: Characters of one level of indentation.
INDENTATION: Final = 4


@dataclass(frozen=True, slots=True)
class Break:
    """A place to break a line; where it is not broken, ``flat`` stands there."""

    flat: str
    forced: bool = False


@dataclass(frozen=True, slots=True)
class Behind:
    """A comment at the end of a line; a break follows it."""

    text: str


@dataclass(frozen=True, slots=True)
class WhenBroken:
    """Text that stands only where the group around it is broken."""

    text: str


@dataclass(frozen=True, slots=True)
class Indent:
    """Parts whose breaks lead to lines one level further in."""

    parts: tuple[Part, ...]
    forced: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Parts whose breaks are all taken, or none of them."""

    parts: tuple[Part, ...]
    forced: bool


Part = str | Break | Behind | WhenBroken | Indent | Group

HARD: Final = Break("", forced=True)


def group(*parts: Part, broken: bool = False) -> Group:
    """A group of parts, broken in any case if it is said or something in it forces it."""
    return Group(parts, broken or _forces(parts))


def indent(*parts: Part) -> Indent:
    """Parts one level further in."""
    return Indent(parts, _forces(parts))


def render(parts: Sequence[Part], column: int) -> str:
    """The parts as text; they begin in a line that is indented up to ``column``."""
    written: list[str] = []
    todo = [(part, column, False) for part in reversed(parts)]
    while todo:
        part, margin, flat = todo.pop()
        if isinstance(part, Break):
            piece = part.flat if flat else "\n" + " " * margin
        elif isinstance(part, str):
            piece = part
        elif isinstance(part, Behind):
            written.append(f"  {part.text}")
            continue
        elif isinstance(part, WhenBroken):
            piece = "" if flat else part.text
        else:
            if isinstance(part, Indent):
                margin += INDENTATION
            else:
                flat = flat or (not part.forced and _fits(part, todo, WIDTH - column))
            todo += [(each, margin, flat) for each in reversed(part.parts)]
            continue
        written.append(piece)
        column = len(piece) - 1 if piece.startswith("\n") else column + len(piece)
    return "".join(written)


def _fits(first: Group, rest: list[tuple[Part, int, bool]], room: int) -> bool:
    """Whether a group on one line, and the rest up to where it can be broken, find room."""
    todo: list[tuple[Part, bool]] = [(first, True)]
    behind = len(rest)
    while room >= 0:
        if not todo:
            if not behind:
                return True
            behind -= 1
            part, _, flat = rest[behind]
        else:
            part, flat = todo.pop()
        if isinstance(part, str):
            room -= len(part)
        elif isinstance(part, Break):
            if not flat:
                return True
            room -= len(part.flat)
        elif isinstance(part, Behind):
            return True
        elif isinstance(part, WhenBroken):
            room -= 0 if flat else len(part.text)
        else:
            todo += [(each, flat) for each in reversed(part.parts)]
    return False


def _forces(parts: tuple[Part, ...]) -> bool:
    return any(
        isinstance(part, Behind) or (isinstance(part, Break | Indent | Group) and part.forced)
        for part in parts
    )
