"""What a group is drawn on: its position in the flow, and what has been drawn of it.

The classes here are handed to patterns as they are, but what they are made of is private to
this package: a pattern only passes them on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, final

from knhk.errors import Span
from knhk_dsl.flow.arrows import Arrows, Way
from knhk_dsl.flow.draft import DraftNode, Inside, Role
from knhk_dsl.syntax import ast

#: Roles of routing nodes that belong to the group they were made in.
_OWN_ROLES: Final = (
    Role.split, Role.join, Role.passing, Role.test, Role.choice, Role.link, Role.skip,
)  # fmt: skip


@final
@dataclass(frozen=True, slots=True, eq=False)
class Guard:
    """A condition as it is written in the source."""

    expression: ast.Expr


@final
@dataclass(frozen=True, slots=True, eq=False)
class Branch:
    """A branch as it is written: a chain, with its guard if it has one.

    ``begins_with_task`` tells whether its first node is a task that is offered or waits, and
    not a group, a place or a `skip`.
    """

    syntax: ast.Branch
    certain: bool
    begins_with_task: bool


@final
@dataclass(frozen=True, slots=True, eq=False)
class Knot:
    """A point of a drawing, which arrows lead to and leave from."""

    node: DraftNode
    span: Span
    guard: ast.Expr | None = None
    otherwise: bool = False
    way: Way | None = None
    branch: ast.Branch | None = None
    takes: int = 1
    offers: bool = False


@final
@dataclass(frozen=True, slots=True, eq=False)
class Lock:
    """A mutex: one of the source, or one that a group has for itself."""

    number: int


@final
@dataclass(slots=True, eq=False)
class Sheet:
    """A group while it is drawn: what the reader of chains gives, and what it gets back.

    ``read`` reads a chain that a way leads into, and is told whether something stands behind
    it; ``number`` gives a word its next number. ``offered`` says that the group is a deferred
    choice, ``followed`` that ``exit`` was given.
    """

    group: ast.Group
    name: str
    way: Way | None
    joins: bool
    arrows: Arrows
    mutexes: dict[str, int]
    read: Callable[[ast.Chain, Way | None, bool], Knot | None]
    number: Callable[[str], str]
    begins_with_task: Callable[[ast.Chain], bool]
    first_node: int
    first_arc: int
    named: bool = False
    entered: bool = False
    offered: bool = False
    followed: bool = False
    exit: Knot | None = None
    inside: Inside = field(default_factory=Inside)
    holds: list[int] = field(default_factory=list)
    sections: list[int] = field(default_factory=list)
    regions: list[DraftNode] = field(default_factory=list)

    def own_name(self) -> str:
        """The name of the group for its first knot, and others like it for those behind."""
        name = self.name if not self.named else self.number(self.group.word)
        self.named = True
        return name

    def mention(self, node: DraftNode) -> None:
        """A task or place is written inside the group."""
        if node.role is Role.task or node.role is Role.place:
            self.inside.nodes[node.index] = node

    def finish(self, outer: Sheet | None) -> None:
        """Give mutexes, sections and regions to what is written inside; tell the group around."""
        draft, inside = self.arrows.draft, self.inside
        for node in draft.nodes[self.first_node :]:
            if node.role in _OWN_ROLES:
                inside.nodes[node.index] = node
        if self.holds or self.sections or self.regions:
            entry = () if self.way is None else self.way.laid
            inside.arcs = [arc for arc in draft.arcs[self.first_arc :] if arc not in entry]
        for mutex in self.holds:
            for task in inside.tasks:
                if mutex not in task.holds:
                    task.holds.append(mutex)
        for mutex in self.sections:
            draft.section(mutex, inside)
        for join in self.regions:
            join.region = inside
        if outer is not None:
            outer.inside.nodes.update(inside.nodes)
