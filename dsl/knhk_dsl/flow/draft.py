"""A flow while it is being read: nodes and arcs as written, to be checked and then joined up.

Here places are nodes like any other, and every group has a parting and a meeting node of
its own; :mod:`knhk_dsl.flow.routing` lets those that are not needed vanish.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from knhk.errors import Span
from knhk_dsl.syntax import ast


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
    passing = "passing"  # a routing node that each arrival passes, such as where rounds begin
    test = "test"  # a routing node that chooses by itself, such as where a round is tested
    choice = "choice"  # the place of a deferred choice
    link = "link"  # between two places
    ghost = "ghost"  # stands for something that was reported already


# Tuples, as a role is compared faster than it is hashed.
#: Where a thread ends: nothing arrives behind them.
FINAL_ROLES: Final = (Role.end, Role.stop, Role.abort)
#: Where tokens rest.
PLACE_ROLES: Final = (Role.place, Role.choice)


@dataclass(slots=True, eq=False)
class DraftNode:
    """A node as written; ``used`` is where it stands first in the flow.

    ``word`` is the group's word. ``join`` and ``split`` are ``None`` as long as nothing
    decides them; ``threshold`` belongs to a partial join, ``region`` to one that cancels.
    ``holds`` are the numbers of mutexes, ``sections`` those of the critical sections that it
    is in. ``excused_in`` and ``excused_out`` say that what is missing on that side has been
    reported, or is no mistake.
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
    threshold: int = 0
    region: Inside | None = None
    holds: list[int] = field(default_factory=list)
    sections: list[int] = field(default_factory=list)
    into: list[DraftArc] = field(default_factory=list)
    out: list[DraftArc] = field(default_factory=list)
    exceptions: list[DraftArc] = field(default_factory=list)
    excused_in: bool = False
    excused_out: bool = False

    @property
    def title(self) -> str:
        """The node as a message names it."""
        return f"`{self.word}(...)`" if self.word else f"`{self.name}`"

    @property
    def is_place(self) -> bool:
        """Whether tokens rest here."""
        return self.role in PLACE_ROLES


@dataclass(slots=True, eq=False)
class DraftArc:
    """An arrow as written, and what decides whether it is taken.

    ``span`` is the arrow, or the branch that it leads into; ``source_span`` the node it
    leaves, as written there. ``certain``: by proof it is taken when its turn comes. It puts
    ``puts`` tokens, and what it leads to takes ``takes`` at once.
    """

    source: DraftNode
    target: DraftNode
    span: Span
    source_span: Span
    guard: ast.Expr | None = None
    otherwise: bool = False
    certain: bool = False
    exception: ast.ExceptionClause | None = None
    puts: int = 1
    takes: int = 1
    merged: bool = False


@dataclass(slots=True, eq=False)
class Inside:
    """What is written inside a group: its tasks, places, routing nodes and arrows."""

    nodes: dict[int, DraftNode] = field(default_factory=dict)
    arcs: list[DraftArc] = field(default_factory=list)

    @property
    def tasks(self) -> list[DraftNode]:
        """The tasks."""
        return [node for node in self.nodes.values() if node.role is Role.task]


@dataclass(slots=True)
class DraftMutex:
    """A mutex: one of the source, or one that a group made."""

    name: str
    named: bool


@dataclass(slots=True)
class DraftSection:
    """A critical section: the number of its mutex, and what is inside."""

    mutex: int
    inside: Inside


class Draft:
    """The nodes and arcs read so far."""

    def __init__(self) -> None:
        self.nodes: list[DraftNode] = []
        self.arcs: list[DraftArc] = []
        self.mutexes: list[DraftMutex] = []
        self.sections: list[DraftSection] = []

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

    def mutex(self, name: str, named: bool) -> int:
        """Add a mutex; gives its number."""
        self.mutexes.append(DraftMutex(name, named))
        return len(self.mutexes) - 1

    def section(self, mutex: int, inside: Inside) -> None:
        """Add a critical section; its nodes learn of it."""
        for node in inside.nodes.values():
            node.sections.append(len(self.sections))
        self.sections.append(DraftSection(mutex, inside))


def spelling(group: ast.Group) -> str:
    """What a message writes before the brackets of a group."""
    if group.count is not None:
        return f"{group.count} {group.word} "
    return f"{group.word} {group.mutex}" if group.mutex else group.word
