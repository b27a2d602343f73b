"""The net of a workflow on the level of the syntax tree: guards are still expressions.

It is what :mod:`knhk_dsl.flow.construction` makes of the chains, what the checker types guards
with, and what :mod:`knhk_dsl.flow.lower` turns into a :class:`knhk.model.Net`. Numbers are
positions in ``FlowGraph.nodes`` and ``FlowGraph.places``; kinds, joins and splits are those of
:mod:`knhk.model`.
"""

from __future__ import annotations

from dataclasses import dataclass

from knhk.errors import Span
from knhk.model import JOIN_XOR, SPLIT_AND, Mutex, Region, Section
from knhk_dsl.syntax import ast


@dataclass(frozen=True, slots=True)
class GraphArrow:
    """An arrow into a place; at an XOR-split the arrows are tried in the order they stand.

    ``otherwise`` says that it is taken without asking. ``guard`` may be there all the same:
    that of a branch which, by proof, is the only one left when its turn comes.
    """

    place: int
    guard: ast.Expr | None = None
    otherwise: bool = False
    weight: int = 1


@dataclass(frozen=True, slots=True)
class GraphException:
    """An exception chain's arrow: ``kind`` as in :class:`knhk_dsl.syntax.ast.ExceptionClause`."""

    kind: str
    name: str
    place: int
    weight: int = 1


@dataclass(frozen=True, slots=True)
class GraphPlace:
    """A place, named in the source or implicit on an arrow, with its node numbers."""

    name: str
    named: bool
    tokens: int
    producers: tuple[int, ...]
    consumers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A task (``task`` is its declaration) or a routing node.

    ``span`` is the task's name in its declaration, or what the routing node stands for. The
    fields behind ``task`` are those of :class:`knhk.model.Node`.
    """

    name: str
    kind: int
    span: Span
    inputs: tuple[int, ...] = ()
    join: int = JOIN_XOR
    outputs: tuple[GraphArrow, ...] = ()
    split: int = SPLIT_AND
    exceptions: tuple[GraphException, ...] = ()
    task: ast.TaskDecl | None = None
    takes: tuple[int, ...] = ()
    threshold: int = 0
    cancels: Region | None = None
    cancels_case: bool = False
    while_place: int = -1
    holds: tuple[int, ...] = ()
    completes: int = -1
    word: str = ""


@dataclass(frozen=True, slots=True)
class FlowGraph:
    """All nodes and places of a workflow: tasks first, in order of declaration.

    Routing nodes follow in the order of the flow. The first place is ``start``, then come
    the named places in order of declaration, then one for each arrow in the order of the
    flow. ``mutexes`` begin with those of the source, in order of declaration.
    """

    nodes: tuple[GraphNode, ...]
    places: tuple[GraphPlace, ...]
    mutexes: tuple[Mutex, ...] = ()
    sections: tuple[Section, ...] = ()
