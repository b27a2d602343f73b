"""A flow while it is being read: nodes and arcs as written, to be checked and then joined up.

Here places are nodes like any other, and every group has a parting and a meeting node of
its own; :mod:`knhk_dsl.routing` lets those that are not needed vanish.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from knhk.errors import Span
from knhk_dsl import ast


class Role(Enum):
    """What a node of the draft is."""

    task = "task"
    place = "place"
    start = "start"
    end = "end"
    stop = "stop"
    abort = "abort"
    skip = "skip"
    split = "split"  # where a group parts
    join = "join"  # where a group meets
    enter = "enter"  # where the rounds of a `repeat` begin
    leave = "leave"  # where a round ends and is tested: `until`
    test = "test"  # where a round is tested and begins: `while`
    link = "link"  # between two places
    ghost = "ghost"  # stands for something that was reported already


#: Where a thread ends: nothing arrives behind them.
FINAL_ROLES: Final = frozenset({Role.end, Role.stop, Role.abort})


@dataclass(slots=True, eq=False)
class DraftNode:
    """A node as written; ``used`` is where it stands first in the flow.

    ``word`` is the group's word. ``join`` and ``split`` are ``None`` as long as nothing
    decides them. ``excused_in`` and ``excused_out`` say that what is missing on that side
    has been reported.
    """

    index: int
    name: str
    role: Role
    span: Span
    word: str = ""
    task: ast.TaskDecl | None = None
    used: Span | None = None
    join: int | None = None
    split: int | None = None
    into: list[DraftArc] = field(default_factory=list)
    out: list[DraftArc] = field(default_factory=list)
    exceptions: list[DraftArc] = field(default_factory=list)
    excused_in: bool = False
    excused_out: bool = False

    @property
    def title(self) -> str:
        """The node as a message names it."""
        return f"`{self.word}(...)`" if self.word else f"`{self.name}`"


@dataclass(slots=True, eq=False)
class DraftArc:
    """An arrow as written, and what decides whether it is taken.

    ``span`` is the arrow, or the branch that it leads into; ``source_span`` the node it
    leaves, as written there. ``certain``: by proof it is taken when its turn comes.
    """

    source: DraftNode
    target: DraftNode
    span: Span
    source_span: Span
    guard: ast.Expr | None = None
    otherwise: bool = False
    certain: bool = False
    exception: ast.ExceptionClause | None = None
    merged: bool = False


class Draft:
    """The nodes and arcs read so far."""

    def __init__(self) -> None:
        self.nodes: list[DraftNode] = []
        self.arcs: list[DraftArc] = []

    def node(self, name: str, role: Role, span: Span) -> DraftNode:
        """Add a node."""
        node = DraftNode(len(self.nodes), name, role, span)
        self.nodes.append(node)
        return node

    def arc(self, arc: DraftArc) -> None:
        """Add an arc, on both its ends."""
        self.arcs.append(arc)
        arc.target.into.append(arc)
        (arc.source.out if arc.exception is None else arc.source.exceptions).append(arc)


def spelling(group: ast.Group) -> str:
    """What a message writes before the brackets of a group."""
    return f"{group.count} of " if group.word == "of" else group.word
