"""The net of a workflow on the level of the syntax tree: guards are still expressions.

It is what :mod:`knhk_dsl.flow` makes of the chains, what the checker types guards with, and
what :mod:`knhk_dsl.lower` turns into a :class:`knhk.model.Net`. Numbers are positions in
``FlowGraph.nodes`` and ``FlowGraph.places``; kinds, joins and splits are those of
:mod:`knhk.model`.
"""

from __future__ import annotations

from dataclasses import dataclass

from knhk.errors import Span
from knhk.model import JOIN_XOR, SPLIT_AND
from knhk_dsl import ast


@dataclass(frozen=True, slots=True)
class GraphArrow:
    """An arrow into a place; at an XOR-split the arrows are tried in the order they stand.

    ``otherwise`` says that it is taken without asking. ``guard`` may be there all the same:
    that of a branch which, by proof, is the only one left when its turn comes.
    """

    place: int
    guard: ast.Expr | None = None
    otherwise: bool = False


@dataclass(frozen=True, slots=True)
class GraphException:
    """The arrow of an exception chain: ``kind`` as in :class:`knhk_dsl.ast.ExceptionClause`."""

    kind: str
    name: str
    place: int


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

    ``span`` is the task's name in its declaration, or what the routing node stands for.
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


@dataclass(frozen=True, slots=True)
class FlowGraph:
    """All nodes and places of a workflow: tasks first, in order of declaration.

    Routing nodes follow in the order of the flow. The first place is ``start``, then come
    the named places in order of declaration, then one for each arrow in the order of the
    flow.
    """

    nodes: tuple[GraphNode, ...]
    places: tuple[GraphPlace, ...]
