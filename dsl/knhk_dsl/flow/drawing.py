"""The drawing interface: with it the pattern of a group says which net the group becomes.

A :class:`Pattern` is the word of a group with all that the language must know about it, and
``draw``, a function that is called for every group with that word. It gets a
:class:`Drawing`: the branches as they are written, what stands before the group and behind
it, and the few strokes that a net is drawn with. A stroke makes a :class:`Knot`, and arrows
lead from knot to knot. The bundled words are drawn with nothing else.

A group stands in three positions, and one ``draw`` does for all: in the middle of a chain
``parts`` and ``joins`` are true; at the end of a chain only ``parts``, and each branch goes on
wherever its last node stands in another chain; at the head only ``joins``. So the word `all`
is drawn like this::

    def draw_all(drawing: Drawing) -> None:
        entry = drawing.part(AND) if drawing.parts else None
        ends = [drawing.lead(entry, branch) for branch in drawing.branches]
        if drawing.joins:
            drawing.follow(drawing.meet(AND, ends))

Routing nodes that a neighbour can stand for vanish later, so a pattern need not save them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, final

from knhk.model import (
    JOIN_AND,
    JOIN_OR,
    JOIN_PARTIAL,
    JOIN_XOR,
    SPLIT_AND,
    SPLIT_OR,
    SPLIT_XOR,
)
from knhk_dsl.flow.arrows import Way
from knhk_dsl.flow.draft import FINAL_ROLES, Role, spelling
from knhk_dsl.flow.guards import closing_branch
from knhk_dsl.flow.sheet import Branch, Guard, Knot, Lock, Sheet
from knhk_dsl.syntax.tokens import RESERVED

__all__ = [
    "AND",
    "LANGUAGE_WORDS",
    "OR",
    "PARTIAL",
    "XOR",
    "Branch",
    "Drawing",
    "Guard",
    "Knot",
    "Lock",
    "Pattern",
]

#: How a knot parts or meets: all; one; every one that is chosen or may come; some.
AND: Final = "and"
XOR: Final = "xor"
OR: Final = "or"
PARTIAL: Final = "partial"

_SPLITS: Final = {AND: SPLIT_AND, XOR: SPLIT_XOR, OR: SPLIT_OR}
_JOINS: Final = {AND: JOIN_AND, XOR: JOIN_XOR, OR: JOIN_OR, PARTIAL: JOIN_PARTIAL}
#: Words that stand in the flow already, so that no group can have them.
LANGUAGE_WORDS: Final = frozenset(
    {
        *RESERVED,
        "start",
        "end",
        "stop",
        "abort",
        "skip",
        "when",
        "otherwise",
        "until",
        "while",
        "cancelling",
        "on",
    }
)


@final
@dataclass(frozen=True, slots=True)
class Pattern:
    """A word of the flow and what a group with it means.

    ``draw`` draws the net of one such group. ``doc`` says in a sentence or two what the group
    does, ``numbers`` which workflow control-flow patterns it stands for. It takes from
    ``branches_min`` to ``branches_max`` branches (``None``: any number).

    What may be written around it: ``guards`` on its branches (`when g`, `otherwise`);
    ``count`` before the word (`2 of (...)`); ``mutex``, a name behind it (`critical m(...)`);
    ``test`` behind the brackets (`until g`, `while g`); ``cancelling`` behind the brackets.
    The first three and the test are then needed, `cancelling` is free. ``head`` and ``tail``
    say whether it may begin and end a chain.

    Raises ``ValueError`` for a pattern that makes no sense.
    """

    word: str
    doc: str
    draw: Callable[[Drawing], None]
    numbers: tuple[int, ...] = ()
    branches_min: int = 1
    branches_max: int | None = None
    guards: bool = False
    count: bool = False
    mutex: bool = False
    test: bool = False
    cancelling: bool = False
    head: bool = True
    tail: bool = True

    def __post_init__(self) -> None:
        if not self.word.isidentifier():
            raise ValueError(f"the word {self.word!r} is not a name")
        if not self.doc.strip():
            raise ValueError(f"the pattern {self.word!r} has no documentation")
        most = self.branches_max
        if self.branches_min < 1 or (most is not None and most < self.branches_min):
            raise ValueError(f"the pattern {self.word!r} takes no possible number of branches")
        if self.count and self.mutex:
            raise ValueError(f"the pattern {self.word!r} takes a count or a mutex, not both")


@final
class Drawing:
    """One group while its net is drawn; see the head of the module.

    ``parts`` says that something stands before the group, ``joins`` that something stands
    behind it. ``count`` is the number before the word (0: none), ``cancelling`` whether that
    word stands behind the brackets, ``test`` the condition behind them and ``test_first``
    whether it is a `while`.
    """

    def __init__(self, sheet: Sheet) -> None:
        group = sheet.group
        test = group.until if group.until is not None else group.while_
        closing = closing_branch(group.branches)
        self.parts: Final = sheet.way is not None
        self.joins: Final = sheet.joins
        self.count: Final = group.count or 0
        self.cancelling: Final = group.cancelling
        self.test: Final = None if test is None else Guard(test)
        self.test_first: Final = group.until is None
        self.branches: Final = tuple(
            Branch(branch, at == closing, sheet.begins_with_task(branch.chain))
            for at, branch in enumerate(group.branches)
        )
        self._sheet = sheet
        self._arrows = sheet.arrows
        self._form = f"`{spelling(group)}(...)`"

    # --- knots --------------------------------------------------------------------------

    @property
    def before(self) -> Knot | None:
        """What stands before the group; ``None`` at the head of a chain.

        The arrow that leaves it is the one that is written before the group, so it is led to
        one knot or one branch.
        """
        if self._sheet.way is None:
            return None
        return Knot(self._sheet.way.source, self._sheet.way.source_span, way=self._sheet.way)

    def part(self, split: str = AND) -> Knot:
        """A knot that is reached from before the group, and parts by ``AND``, ``XOR`` or ``OR``.

        Behind ``XOR`` and ``OR`` the guards of the branches choose, in the order written.
        """
        knot = self._knot(self._sheet.own_name(), Role.split)
        self._sheet.entered = True
        knot.node.split = _SPLITS[split]
        if self._sheet.way is not None:
            self.connect(self.before, knot)
        return knot

    def node(self, split: str | None = None, label: str = "") -> Knot:
        """A knot that every arrival passes on its own; with ``split`` it chooses or parts.

        Nothing leads to it yet. ``label`` is what it is called in place of the group's word.
        """
        role = Role.passing if split is None else Role.test
        knot = self._knot(self._sheet.number(label) if label else self._sheet.own_name(), role)
        knot.node.join = JOIN_XOR
        knot.node.split = None if split is None else _SPLITS[split]
        return knot

    def offer(self) -> Knot:
        """The place of a deferred choice: the environment chooses what is started first.

        Behind a place, or in a branch of another deferred choice, it is that place itself.
        """
        self._sheet.offered = True
        way = self._sheet.way
        if way is not None and way.source.is_place:
            self._arrows.check_puts(way)
            return Knot(way.source, way.source_span, takes=way.takes, offers=True)
        knot = self._knot(self._sheet.own_name(), Role.choice)
        takes = 1
        if way is not None:
            takes = way.takes
            self.connect(self.before, knot)
        return Knot(knot.node, knot.span, takes=takes, offers=True)

    def meet(
        self,
        join: str,
        ends: Sequence[Knot | None],
        threshold: int = 1,
        *,
        cancelling: bool = False,
    ) -> Knot:
        """A knot where branches come together: by ``AND``, ``XOR``, ``OR`` or ``PARTIAL``.

        A partial join passes at the arrival of the ``threshold``-th of its branches; with
        ``cancelling`` it then empties everything that is written inside the group.
        """
        arriving = [end for end in ends if _arrives(end)]
        if not arriving:
            self._arrows.report(
                "KN419",
                f"no branch of {self._form} arrives at what stands behind it",
                self._sheet.group.span,
                "end the chain with the group, or let a branch go on",
            )
            return self._knot(self._sheet.number(self._sheet.group.word), Role.ghost)
        name = (
            f"{self._sheet.name}.join"
            if self._sheet.entered or self._sheet.offered
            else self._sheet.own_name()
        )
        knot = self._knot(name, Role.join)
        knot.node.join = _JOINS[join]
        if join == PARTIAL:
            knot.node.threshold = threshold
            self._check_threshold(threshold, len(arriving), len(ends))
        if cancelling:
            self._sheet.regions.append(knot.node)
        for end in ends:
            if end is not None and _arrives(end):
                self.connect(end, knot)
            elif end is not None and join == AND:
                self._report_never(end)
        return knot

    def _knot(self, name: str, role: Role) -> Knot:
        node = self._arrows.draft.node(name, role, self._sheet.group.span)
        node.word, node.used = spelling(self._sheet.group).strip(), self._sheet.group.span
        return Knot(node, self._sheet.group.span)

    # --- arrows -------------------------------------------------------------------------

    def lead(
        self,
        source: Knot | None,
        branch: Branch,
        guard: Guard | None = None,
        *,
        goes_on: bool | None = None,
    ) -> Knot | None:
        """Read a branch, with an arrow from ``source`` to its first node.

        The arrow has the guard of the branch, or ``guard``; from ``None`` there is no arrow.
        ``goes_on`` says whether anything comes behind the branch (``joins``, if not given).
        Gives the knot where the branch ends, ``None`` if it has none.
        """
        syntax = branch.syntax
        way: Way | None = None
        if source is not None:
            way = source.way or Way(
                source.node,
                syntax.span,
                syntax.span,
                syntax.guard if guard is None else guard.expression,
                syntax.otherwise,
                certain=branch.certain and source.node.split == SPLIT_XOR,
                takes=source.takes,
                offered=source.offers,
            )
        end = self._sheet.read(syntax.chain, way, self.joins if goes_on is None else goes_on)
        if end is None:
            return None
        return Knot(end.node, end.span, end.guard, end.otherwise, end.way, syntax)

    def connect(
        self,
        source: Knot | None,
        target: Knot,
        guard: Guard | None = None,
        *,
        otherwise: bool = False,
    ) -> None:
        """Lead an arrow from one knot to another; behind a choice with a guard or `otherwise`."""
        if source is None:
            return
        if source.branch is not None and source.node.role in FINAL_ROLES:
            self._report_final(source, target)
            return
        way = source.way or Way(
            source.node,
            source.span,
            source.span,
            source.guard if guard is None else guard.expression,
            source.otherwise or otherwise,
        )
        self._arrows.connect(way, target.node, target.span)

    def follow(
        self, knot: Knot | None, guard: Guard | None = None, *, otherwise: bool = False
    ) -> None:
        """What stands behind the group goes on from ``knot``."""
        if knot is not None and (guard is not None or otherwise):
            expression = None if guard is None else guard.expression
            knot = Knot(knot.node, knot.span, expression, otherwise)
        self._sheet.exit = knot
        self._sheet.followed = True

    # --- mutexes ------------------------------------------------------------------------

    def mutex(self) -> Lock:
        """The mutex that the source names, or a new one that belongs to this group alone."""
        name = self._sheet.group.mutex
        if not name:
            return Lock(self._arrows.draft.mutex(self._sheet.name, named=False))
        if name not in self._sheet.mutexes:
            self._arrows.report(
                "KN429",
                f"there is no mutex `{name}`",
                self._sheet.group.span,
                f"declare it: `mutex {name}`",
            )
            self._sheet.mutexes[name] = self._arrows.draft.mutex(name, named=True)
        return Lock(self._sheet.mutexes[name])

    def hold(self, mutex: Lock) -> None:
        """Every task written inside the group holds the mutex while it runs."""
        self._sheet.holds.append(mutex.number)

    def section(self, mutex: Lock) -> None:
        """The group holds the mutex while a token or running work is inside it.

        Arrows that lead into the group and out of it are not inside.
        """
        self._sheet.sections.append(mutex.number)

    # --- what may be wrong ----------------------------------------------------------------

    def _report_never(self, end: Knot) -> None:
        branch, name = end.branch, end.node.name
        assert branch is not None
        self._arrows.report(
            "KN418",
            f"{self._form} waits for this branch, which goes to `{name}` and never comes",
            branch.span,
            f"let the branch go on, or part before: `all(x -> {name}, y -> z)`",
        )

    def _report_final(self, source: Knot, target: Knot) -> None:
        name = source.node.name
        self._arrows.report(
            "KN419",
            f"the body of {self._form} goes to `{name}` and never goes on",
            source.span,
            f"take `{name}` out of the body, or do without `{self._sheet.group.word}`",
        )
        target.node.excused_in = True

    def _check_threshold(self, threshold: int, arriving: int, written: int) -> None:
        if arriving < threshold <= written:
            self._arrows.report(
                "KN432",
                f"{self._form} waits for {threshold} arrivals, and only"
                f" {arriving} of its branches {'goes' if arriving == 1 else 'go'} on",
                self._sheet.group.span,
                "let more branches go on, or wait for fewer",
            )


def _arrives(end: Knot | None) -> bool:
    return end is not None and end.node.role not in FINAL_ROLES
