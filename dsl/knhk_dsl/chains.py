"""From the chains of a flow to a draft of the net: what every arrow and group means.

A chain is read from left to right with a :class:`Way`, the open end of an arrow: the node
it leaves and, behind a group, the guard it is taken by. A group that a way leads into parts;
a group that something stands behind joins; so one rule covers the middle, the end and the
head of a chain, and branches, which are chains themselves (section 5 of the language).

Recursion goes as deep as groups nest, which the parser bounds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from knhk.errors import WARNING, Diagnostic, Span
from knhk.model import JOIN_AND, JOIN_XOR, SPLIT_AND, SPLIT_XOR
from knhk_dsl import ast
from knhk_dsl.draft import FINAL_ROLES, Draft, DraftArc, DraftNode, Role, spelling
from knhk_dsl.flow_names import FlowNames
from knhk_dsl.guards import GUARDED_WORDS, check_guards, closing_branch

#: How each group parts and joins. Those that are not executed yet stand with what comes
#: nearest for the checks: never a certainty more than theirs.
_GROUPS: Final = {
    "all": (SPLIT_AND, JOIN_AND),
    "one": (SPLIT_XOR, JOIN_XOR),
    "any": (SPLIT_XOR, JOIN_XOR),
    "first": (SPLIT_AND, JOIN_XOR),
    "of": (SPLIT_AND, JOIN_XOR),
    "pick": (SPLIT_XOR, JOIN_XOR),
    "interleave": (SPLIT_AND, JOIN_AND),
}
_EXECUTED: Final = frozenset({"all", "one", "repeat"})
_EXECUTED_HINT: Final = "this version executes `all`, `one` and `repeat`"


@dataclass(frozen=True, slots=True)
class Way:
    """The open end of an arrow: where it comes from, and what lets it be taken."""

    source: DraftNode
    source_span: Span
    span: Span
    guard: ast.Expr | None = None
    otherwise: bool = False
    certain: bool = False
    exception: ast.ExceptionClause | None = None


class ChainReader:
    """Reads the chains of one workflow into ``draft``; problems go to ``diagnostics``."""

    def __init__(self, names: FlowNames, has_timeout: Callable[[ast.TaskDecl], bool]) -> None:
        self.draft = Draft()
        self.diagnostics: list[Diagnostic] = []
        self._names = names
        self._has_timeout = has_timeout
        self._named: dict[str, DraftNode] = {}
        self._counts: dict[str, int] = {}
        self._until: dict[int, ast.Expr | None] = {}
        self._arcs: dict[tuple[int, int], Span] = {}
        self._exceptions: dict[tuple[int, str, str], Span] = {}
        for task in names.tasks.values():
            self._named[task.name] = self.draft.node(task.name, Role.task, task.name_span)
            self._named[task.name].task = task
        for place in names.places.values():
            if place.name not in self._named:
                self._named[place.name] = self.draft.node(place.name, Role.place, place.span)

    # --- chains -------------------------------------------------------------------------

    def read(self, chain: ast.Chain) -> None:
        """Read a chain of the flow."""
        match chain.nodes:
            case (ast.NodeRef() as ref,):
                self._report_lonely(chain)
                lonely = self._resolve(ref)
                lonely.excused_in = lonely.excused_out = True
                return
            case (ast.Group(word=word),) if word != "repeat":
                self._report_lonely(chain)
            case _:
                pass
        self._chain(chain, None, joins=False)

    def _chain(self, chain: ast.Chain, way: Way | None, joins: bool) -> DraftNode | None:
        """Read a chain that ``way`` leads into; gives the node that its end leaves from.

        ``joins`` says that something stands behind the chain.
        """
        last: DraftNode | None = None
        final = len(chain.nodes) - 1
        for number, node in enumerate(chain.nodes):
            if number == 0 and chain.exception is not None and isinstance(node, ast.Group):
                last = self._headless(node)
            else:
                last = self._node(node, way, joins or number < final)
            if number < final:
                arrow = chain.arrows[number]
                self._check_weight(arrow)
                exception = None
                if number == 0 and chain.exception is not None:
                    exception = self._exception(chain.exception, last, node)
                way = None
                if last is not None:
                    way = self._way(last, node.span, arrow.span, exception)
        return last

    def _report_lonely(self, chain: ast.Chain) -> None:
        self._report(
            "KN427",
            "a chain needs at least one arrow",
            chain.span,
            "say what comes before or behind it: `a -> b`",
        )

    def _way(
        self,
        source: DraftNode,
        source_span: Span,
        span: Span,
        exception: ast.ExceptionClause | None = None,
    ) -> Way:
        """The way that leaves a node; a loop is left by its guard, or when that fails."""
        if source.role is Role.leave:
            return Way(source, source_span, span, self._until.get(source.index))
        otherwise = source.role is Role.test
        return Way(source, source_span, span, otherwise=otherwise, exception=exception)

    def _node(self, node: ast.FlowNode, way: Way | None, joins: bool) -> DraftNode | None:
        if isinstance(node, ast.Group):
            return self._group(node, way, joins)
        target = self._resolve(node)
        if way is not None:
            self._connect(way, target, node.span)
        return target

    # --- names --------------------------------------------------------------------------

    def _resolve(self, ref: ast.NodeRef) -> DraftNode:
        """The node that a name stands for; an unknown one is reported and stood in for."""
        if ref.name == "skip":
            node = self.draft.node(self._numbered("skip"), Role.skip, ref.span)
        elif ref.name in self._named:
            node = self._named[ref.name]
        elif ref.name in ("start", "end", "stop", "abort"):
            node = self._add(ref, Role(ref.name))
            node.join = JOIN_XOR
        elif ref.name in self._names.unread:
            node = self._add(ref, Role.ghost)
        else:
            diagnostic, meant = self._names.unknown(ref)
            self.diagnostics.append(diagnostic)
            if meant:
                return self._resolve(ast.NodeRef(ref.span, meant))
            # the same slip again is worth a message of its own: it is not remembered
            node = self.draft.node(ref.name, Role.ghost, ref.span)
        if node.used is None:
            node.used = ref.span
        return node

    def _add(self, ref: ast.NodeRef, role: Role) -> DraftNode:
        node = self._named[ref.name] = self.draft.node(ref.name, role, ref.span)
        return node

    def _numbered(self, word: str) -> str:
        """``all#1``, ``all#2``; the first ``skip`` goes without a number."""
        count = self._counts[word] = self._counts.get(word, 0) + 1
        return word if word == "skip" and count == 1 else f"{word}#{count}"

    # --- groups -------------------------------------------------------------------------

    def _group(self, group: ast.Group, way: Way | None, joins: bool) -> DraftNode | None:
        """Read a group; gives the node where it has come together, if it joins."""
        if group.word not in _EXECUTED or group.cancelling:
            self._report_unexecuted(group)
        if not group.branches:
            self._report("KN424", f"`{group.word}()` is empty", group.span, "give it branches")
            return self._stand_in(group, way)
        if group.word == "repeat":
            return self._repeat(group, way, joins)
        if group.word == "critical":
            return self._critical(group, way, joins)
        if way is not None or joins:
            self.diagnostics.extend(check_guards(group, parts=way is not None))
        self._check_size(group)
        return self._branches(group, way, joins)

    def _branches(self, group: ast.Group, way: Way | None, joins: bool) -> DraftNode | None:
        split_kind, join_kind = _GROUPS[group.word]
        name = self._numbered(group.word)
        split: DraftNode | None = None
        if way is not None:
            split = self._route(name, Role.split, group)
            split.split = split_kind
            self._connect(way, split, group.span)
        closing = closing_branch(group.branches) if group.word in GUARDED_WORDS else None
        ends = []
        for number, branch in enumerate(group.branches):
            if branch.chain.exception is not None:
                self._report_inner_exception(branch.chain.exception)
            inner: Way | None = None
            if split is not None:
                inner = Way(
                    split,
                    branch.span,
                    branch.span,
                    branch.guard,
                    branch.otherwise,
                    certain=number == closing,
                )
            ends.append(self._chain(branch.chain, inner, joins))
        if not joins:
            return None
        return self._join(group, name if split is None else f"{name}.join", join_kind, ends)

    def _join(
        self, group: ast.Group, name: str, kind: int, ends: list[DraftNode | None]
    ) -> DraftNode:
        """Bring together what arrives; what goes to an end of its own does not."""
        arriving = [end is not None and end.role not in FINAL_ROLES for end in ends]
        if not any(arriving):
            self._report(
                "KN419",
                f"no branch of `{spelling(group)}(...)` arrives at what stands behind it",
                group.span,
                "end the chain with the group, or let a branch go on",
            )
            return self._stand_in(group, None)
        join = self._route(name, Role.join, group)
        join.join = kind
        for branch, end, arrives in zip(group.branches, ends, arriving, strict=True):
            if end is None:
                continue
            if arrives:
                span = branch.chain.nodes[-1].span
                self._connect(self._way(end, span, span), join, span)
            elif kind == JOIN_AND:
                self._report(
                    "KN418",
                    f"`{spelling(group)}(...)` waits for this branch, which goes to `{end.name}`"
                    " and never comes",
                    branch.span,
                    f"let the branch go on, or part before: `all(x -> {end.name}, y -> z)`",
                )
        return join

    def _repeat(self, group: ast.Group, way: Way | None, joins: bool) -> DraftNode:
        """A loop: the body between an entry and a test, or behind a test (pattern 21)."""
        branch = self._sole_branch(group)
        if way is None:
            self._report_repeat(group, "begins", "in", "`start -> repeat(...)`")
        if not joins:
            self._report_repeat(group, "ends", "out", "`repeat(...) until g -> end`")
        if group.while_ is not None:
            test = self._route(self._numbered("while"), Role.test, group)
            test.join, test.split = JOIN_XOR, SPLIT_XOR
            self._loop_ends(group, way, joins, test, test)
            body = Way(test, group.span, branch.span, group.while_)
            self._round(self._chain(branch.chain, body, joins=True), branch, test)
            return test
        enter = self._route(self._numbered("repeat"), Role.enter, group)
        enter.join = JOIN_XOR
        leave = self._route(self._numbered("until"), Role.leave, group)
        leave.split = SPLIT_XOR
        self._until[leave.index] = group.until
        self._loop_ends(group, way, joins, enter, leave)
        end = self._chain(branch.chain, Way(enter, group.span, branch.span), joins=True)
        self._round(end, branch, leave)
        again = Way(leave, group.span, group.span, otherwise=True)
        self._connect(again, enter, group.span)
        return leave

    def _loop_ends(
        self,
        group: ast.Group,
        way: Way | None,
        joins: bool,
        enter: DraftNode,
        leave: DraftNode,
    ) -> None:
        if way is not None:
            self._connect(way, enter, group.span)
        enter.excused_in = way is None
        leave.excused_out = not joins

    def _round(self, end: DraftNode | None, branch: ast.Branch, test: DraftNode) -> None:
        """Lead the end of a loop's body to its test."""
        span = branch.chain.nodes[-1].span if branch.chain.nodes else branch.span
        if end is None:
            return
        if end.role in FINAL_ROLES:
            self._report(
                "KN419",
                f"the body of `repeat(...)` goes to `{end.name}` and is never repeated",
                span,
                f"take `{end.name}` out of the body, or do without `repeat`",
            )
            test.excused_in = True
            return
        self._connect(self._way(end, span, span), test, span)

    def _critical(self, group: ast.Group, way: Way | None, joins: bool) -> DraftNode | None:
        if group.mutex not in self._names.mutexes | self._names.unread:
            self._report(
                "KN429",
                f"there is no mutex `{group.mutex}`",
                group.span,
                f"declare it: `mutex {group.mutex}`",
            )
        return self._chain(self._sole_branch(group).chain, way, joins)

    def _sole_branch(self, group: ast.Group) -> ast.Branch:
        """The body of ``repeat`` or ``critical``, which has neither a guard nor a rival."""
        for branch in group.branches[:1]:
            if branch.guard is not None or branch.otherwise:
                self._report(
                    "KN416",
                    f"the body of `{spelling(group)}(...)` takes no guard",
                    branch.span,
                    "put the choice inside it: `one(x when g, skip otherwise)`",
                )
            if branch.chain.exception is not None:
                self._report_inner_exception(branch.chain.exception)
        if len(group.branches) > 1:
            self._report(
                "KN430",
                f"`{spelling(group)}(...)` has one body, a single chain",
                group.branches[1].span,
                "join the parts with `->`, or put them in a group: `all(x, y)`",
            )
            for branch in group.branches[1:]:
                self._excuse(branch.chain)
        return group.branches[0]

    def _excuse(self, chain: ast.Chain) -> None:
        """Leave out a chain without further messages about what it names."""
        stack = [chain]
        while stack:
            for node in stack.pop().nodes:
                if isinstance(node, ast.Group):
                    stack.extend(branch.chain for branch in node.branches)
                elif node.name in self._named:
                    named = self._named[node.name]
                    named.used = named.used or node.span
                    named.excused_in = named.excused_out = True

    def _stand_in(self, group: ast.Group, way: Way | None) -> DraftNode:
        """A node for a group that was reported, so that what stands around it holds."""
        node = self._route(self._numbered(group.word), Role.ghost, group)
        if way is not None:
            self._connect(way, node, group.span)
        return node

    def _route(self, name: str, role: Role, group: ast.Group) -> DraftNode:
        node = self.draft.node(name, role, group.span)
        node.word, node.used = spelling(group), group.span
        return node

    # --- arrows -------------------------------------------------------------------------

    def _connect(self, way: Way, target: DraftNode, target_span: Span) -> None:
        """Lay an arrow, unless it may not be there."""
        source = way.source
        if source.role in FINAL_ROLES:
            self._report(
                "KN411",
                f"nothing comes behind `{source.name}`",
                way.source_span,
                f"end the chain with `{source.name}`",
            )
            target.excused_in = True
            return
        if target.role is Role.start:
            self._report(
                "KN411",
                "no arrow leads to `start`",
                target_span,
                "to begin anew, lead the arrow to the first task",
            )
            source.excused_out = True
            return
        if way.exception is None and self._is_double(way, target):
            return
        if source.role is Role.place and target.role is Role.place:
            source, way = self._link(way, target)
        self.draft.arc(
            DraftArc(
                source,
                target,
                way.span,
                way.source_span,
                way.guard,
                way.otherwise,
                way.certain,
                way.exception,
            )
        )

    def _is_double(self, way: Way, target: DraftNode) -> bool:
        """Report an arrow that is there already; guards may lead two branches one way."""
        source = way.source
        if source.role is Role.ghost or source.split == SPLIT_XOR:
            return False
        key = (source.index, target.index)
        first = self._arcs.get(key)
        if first is None:
            self._arcs[key] = way.span
            return False
        to = f"the end of {target.title}" if target.role is Role.join else target.title
        self._report(
            "KN410",
            f"the arrow from {source.title} to {to} is written twice",
            way.span,
            "write it once",
            related=((first, "the first time"),),
        )
        return True

    def _link(self, way: Way, target: DraftNode) -> tuple[DraftNode, Way]:
        """Put a routing node between two places."""
        link = self.draft.node(f"{way.source.name} to {target.name}", Role.link, way.span)
        link.used = way.span
        self.draft.arc(DraftArc(way.source, link, way.span, way.source_span))
        return link, Way(link, way.source_span, way.span)

    def _exception(
        self, clause: ast.ExceptionClause, source: DraftNode | None, node: ast.FlowNode
    ) -> ast.ExceptionClause:
        """Check the head of an exception chain."""
        if source is None or source.role not in (Role.task, Role.ghost):
            self._report_no_task(node)
            if source is not None:
                source.excused_out = True
            return clause
        if clause.kind in ("message", "signal"):
            self._report("KN901", f"`on {clause.kind}` is not executed yet", clause.span)
        elif (
            clause.kind == "timeout"
            and source.task is not None
            and not self._has_timeout(source.task)
        ):
            self._report(
                "KN420",
                f"task `{source.name}` has no timeout, so this flow is never taken",
                clause.span,
                "give the task a line such as `timeout 10s`",
                related=((source.span, "the task"),),
            )
        self._check_single_exception(clause, source)
        return clause

    def _headless(self, group: ast.Group) -> DraftNode:
        """A group in the place of the task that an exception flow begins at."""
        self._report_no_task(group)
        for branch in group.branches:
            self._excuse(branch.chain)
        return self._stand_in(group, None)

    def _check_single_exception(self, clause: ast.ExceptionClause, source: DraftNode) -> None:
        key = (source.index, clause.kind, clause.name)
        first = self._exceptions.setdefault(key, clause.span)
        if first is not clause.span and source.role is Role.task:
            text = f"on {clause.kind} {clause.name}".rstrip()
            self._report(
                "KN421",
                f"task `{source.name}` has two flows `{text}`",
                clause.span,
                "keep one of them",
                related=((first, "the other one"),),
            )

    # --- small checks -------------------------------------------------------------------

    def _check_weight(self, arrow: ast.ArrowSyntax) -> None:
        if arrow.puts != 1 or arrow.takes != 1:
            self._report("KN901", "a weighted arrow is not executed yet", arrow.span, "use `->`")

    def _check_size(self, group: ast.Group) -> None:
        if group.word == "of" and not 1 <= group.count <= len(group.branches):
            self._report(
                "KN432",
                f"`{group.count} of` needs at least as many branches, and at least one",
                group.span,
                f"there are {len(group.branches)} branches",
            )
        if len(group.branches) == 1:
            self._report(
                "KN425",
                f"`{spelling(group)}(...)` has one branch and does nothing",
                group.span,
                "write the branch without the group",
                severity=WARNING,
            )

    def _report_unexecuted(self, group: ast.Group) -> None:
        cancelling = " cancelling" if group.cancelling else ""
        self._report(
            "KN901",
            f"`{spelling(group)}(...){cancelling}` is not executed yet",
            group.span,
            _EXECUTED_HINT,
        )

    def _report_repeat(self, group: ast.Group, verb: str, side: str, example: str) -> None:
        self._report(
            "KN417",
            f"the chain {verb} with `repeat(...)`, which has no way {side}",
            group.span,
            f"say where it {'comes from' if side == 'in' else 'goes on'}: {example}",
        )

    def _report_no_task(self, node: ast.FlowNode) -> None:
        self._report(
            "KN431",
            "an exception flow begins at a task",
            node.span,
            "name the task that may fail: `charge -> refuse on error`",
        )

    def _report_inner_exception(self, clause: ast.ExceptionClause) -> None:
        self._report(
            "KN428",
            "an exception flow cannot stand inside a group",
            clause.span,
            "write it as a chain of its own: `charge -> refuse on error`",
        )

    def _report(
        self,
        code: str,
        message: str,
        span: Span,
        hint: str = "",
        severity: str = "error",
        related: tuple[tuple[Span, str], ...] = (),
    ) -> None:
        self.diagnostics.append(Diagnostic(code, message, span, hint, severity, related))
