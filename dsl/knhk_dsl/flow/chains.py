"""From the chains of a flow to a draft of the net: what every arrow and group means.

A chain is read from left to right with a :class:`Way`, the open end of an arrow: the node
it leaves and, behind a group, the guard it is taken by. What a group becomes is for the
pattern of its word to say (:mod:`knhk_dsl.flow.drawing`); branches are chains themselves
(section 5 of the language).

Recursion goes as deep as groups nest, which the parser bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches

from knhk.errors import WARNING, Diagnostic, Span
from knhk.model import JOIN_XOR
from knhk_dsl.flow.arrows import Arrows, Way
from knhk_dsl.flow.draft import Draft, DraftNode, Role, spelling
from knhk_dsl.flow.drawing import Drawing, Pattern
from knhk_dsl.flow.guards import check_guards
from knhk_dsl.flow.names import FlowNames
from knhk_dsl.flow.sheet import Knot, Sheet
from knhk_dsl.syntax import ast


class ChainReader:
    """Reads the chains of one workflow into ``draft``; problems go to ``diagnostics``."""

    def __init__(
        self,
        names: FlowNames,
        has_timeout: Callable[[ast.TaskDecl], bool],
        patterns: Mapping[str, Pattern],
    ) -> None:
        self.draft = Draft()
        self.diagnostics: list[Diagnostic] = []
        self._arrows = Arrows(self.draft, self.diagnostics)
        self._report = self._arrows.report
        self._names = names
        self._patterns = patterns
        self._has_timeout = has_timeout
        self._named: dict[str, DraftNode] = {}
        self._counts: dict[str, int] = {}
        self._exceptions: dict[tuple[int, str, str], Span] = {}
        self._sheets: list[Sheet] = []
        for task in names.tasks.values():
            self._named[task.name] = self.draft.node(task.name, Role.task, task.name_span)
            self._named[task.name].task = task
        for place in names.places.values():
            if place.name not in self._named:
                self._named[place.name] = self.draft.node(place.name, Role.place, place.span)
        self._mutexes = {name: self.draft.mutex(name, named=True) for name in names.mutexes}

    # --- chains -------------------------------------------------------------------------

    def read(self, chain: ast.Chain) -> None:
        """Read a chain of the flow."""
        match chain.nodes:
            case (ast.NodeRef() as ref,):
                self._report_lonely(chain)
                lonely = self._resolve(ref)
                lonely.excused_in = lonely.excused_out = True
                return
            case (ast.Group() as group,) if self._may_be_alone(group):
                self._report_lonely(chain)
            case _:
                pass
        self._chain(chain, None, joins=False)

    def _may_be_alone(self, group: ast.Group) -> bool:
        """Whether nothing else is said about a group that is the whole of a chain."""
        pattern = self._patterns.get(group.word)
        return pattern is not None and (pattern.head or pattern.tail)

    def _chain(self, chain: ast.Chain, way: Way | None, joins: bool) -> Knot | None:
        """Read a chain that ``way`` leads into; gives the knot that its end leaves from.

        ``joins`` says that something stands behind the chain.
        """
        last: Knot | None = None
        final = len(chain.nodes) - 1
        for number, node in enumerate(chain.nodes):
            if number == 0 and chain.exception is not None and isinstance(node, ast.Group):
                last = self._headless(node)
            else:
                last = self._node(node, way, joins or number < final)
            if number < final:
                arrow = chain.arrows[number]
                exception = None
                if number == 0 and chain.exception is not None:
                    exception = self._exception(chain.exception, last, node)
                way = None if last is None else _way(last, node.span, arrow, exception)
        return last

    def _report_lonely(self, chain: ast.Chain) -> None:
        self._report(
            "KN427",
            "a chain needs at least one arrow",
            chain.span,
            "say what comes before or behind it: `a -> b`",
        )

    def _node(self, node: ast.FlowNode, way: Way | None, joins: bool) -> Knot | None:
        if isinstance(node, ast.Group):
            return self._group(node, way, joins)
        target = self._resolve(node)
        if way is not None:
            if way.offered and not _is_offered(target):
                self._report_not_offered(node.span, f"`{node.name}`")
            self._arrows.connect(way, target, node.span)
        return Knot(target, node.span)

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
        if self._sheets:
            self._sheets[-1].mention(node)
        return node

    def _add(self, ref: ast.NodeRef, role: Role) -> DraftNode:
        node = self._named[ref.name] = self.draft.node(ref.name, role, ref.span)
        return node

    def _numbered(self, word: str) -> str:
        """``all#1``, ``all#2``; the first ``skip`` goes without a number."""
        count = self._counts[word] = self._counts.get(word, 0) + 1
        return word if word == "skip" and count == 1 else f"{word}#{count}"

    # --- groups -------------------------------------------------------------------------

    def _group(self, group: ast.Group, way: Way | None, joins: bool) -> Knot | None:
        """Read a group; gives the knot where it has come together, if it joins."""
        pattern = self._patterns.get(group.word)
        if pattern is None:
            self._report_unknown(group)
            return self._stand_in(group, way, inner=True)
        if not group.branches:
            self._report("KN424", f"`{group.word}()` is empty", group.span, "give it branches")
            return self._stand_in(group, way)
        if not self._check_form(group, pattern):
            return self._stand_in(group, way, inner=True)
        group = self._check_branches(group, pattern, way, joins)
        sheet = Sheet(
            group,
            self._numbered(group.word),
            way,
            joins,
            self._arrows,
            self._mutexes,
            self._chain,
            self._numbered,
            self._begins_with_task,
            len(self.draft.nodes),
            len(self.draft.arcs),
        )
        outer = self._sheets[-1] if self._sheets else None
        self._sheets.append(sheet)
        try:
            pattern.draw(Drawing(sheet))
        except Exception as error:  # noqa: BLE001 - a plugin's code: anything may go wrong in it
            self._report_undrawn(group, f"{type(error).__name__}: {error}")
            return self._stand_in(group, None if way is None or way.laid else way, inner=True)
        finally:
            self._sheets.pop()
        sheet.finish(outer)
        if way is not None and way.offered and not sheet.offered:
            self._report_not_offered(group.span, f"`{spelling(group)}(...)`")
        self._excuse_ends(pattern, sheet)
        return self._leave(sheet) if joins else None

    def _leave(self, sheet: Sheet) -> Knot:
        """The knot where a group has come together."""
        if sheet.exit is not None:
            return sheet.exit
        if not sheet.followed:
            self._report_undrawn(sheet.group, "it does not say where the flow goes on")
        return self._stand_in(sheet.group, None, inner=not sheet.followed)

    def _excuse_ends(self, pattern: Pattern, sheet: Sheet) -> None:
        """What is missing before or behind a loop was reported."""
        if sheet.way is None and not pattern.head:
            for node in self.draft.nodes[sheet.first_node :]:
                node.excused_in = node.excused_in or node.role in (Role.passing, Role.test)
        if not sheet.joins and not pattern.tail and sheet.exit is not None:
            sheet.exit.node.excused_out = True

    def _begins_with_task(self, chain: ast.Chain) -> bool:
        """Whether a chain begins with a task that is offered."""
        if not chain.nodes or isinstance(chain.nodes[0], ast.Group):
            return False
        task = self._names.tasks.get(chain.nodes[0].name)
        return task is not None and not isinstance(task.callee, ast.SkipCallee)

    def _check_form(self, group: ast.Group, pattern: Pattern) -> bool:
        """What stands before and behind the word and the brackets; whether it can be drawn."""
        word = group.word
        tested = group.until is not None or group.while_ is not None
        problems = [
            (pattern.count, group.count is not None, "a number before it", f"`2 {word} (x, y)`"),
            (pattern.mutex, bool(group.mutex), "the name of a mutex", f"`{word} m(x)`"),
            (pattern.test, tested, "`until` or `while` behind it", f"`{word}(x) until g`"),
        ]
        fits = True
        for needs, has, what, example in problems:
            if needs == has:
                continue
            verb = "needs" if needs else "takes no"
            words = what.removeprefix("a ").removeprefix("the ") if has else what
            self._report(
                "KN434",
                f"`{word}` {verb} {words}",
                group.span,
                f"write it as {example}" if needs else "leave it out",
            )
            fits = False
        if group.cancelling and not pattern.cancelling:
            able = [f"`{word}`" for word, each in self._patterns.items() if each.cancelling]
            self._report(
                "KN434",
                f"a group `{word}` cannot be `cancelling`",
                group.span,
                f"groups that cancel the branches still at work: {', '.join(able)}"
                if able
                else "leave it out",
            )
        return fits

    def _check_branches(
        self, group: ast.Group, pattern: Pattern, way: Way | None, joins: bool
    ) -> ast.Group:
        """Report what is wrong with number, guards and position; gives the group to be drawn."""
        for branch in group.branches:
            if branch.chain.exception is not None:
                self._report_inner_exception(branch.chain.exception)
        if way is None and not pattern.head:
            self._report_position(group, "begins", "in", "`start -> {}`")
        if not joins and not pattern.tail:
            self._report_position(group, "ends", "out", "`{} -> end`")
        if way is not None or joins or not pattern.guards:
            self.diagnostics.extend(check_guards(group, way is not None, pattern.guards))
        return self._check_size(group, pattern)

    def _check_size(self, group: ast.Group, pattern: Pattern) -> ast.Group:
        found = len(group.branches)
        most = pattern.branches_max
        if most is not None and found > most:
            self._report_surplus(group, most)
            for branch in group.branches[most:]:
                self._excuse(branch.chain)
            group = ast.Group(
                group.span,
                group.word,
                group.branches[:most],
                group.count,
                group.mutex,
                group.cancelling,
                group.until,
                group.while_,
            )
        elif found < pattern.branches_min:
            self._report(
                "KN430",
                f"`{spelling(group)}(...)` needs {pattern.branches_min} branches",
                group.span,
                "write one more",
            )
        elif pattern.count and group.count is not None and not 1 <= group.count <= found:
            self._report(
                "KN432",
                f"`{spelling(group).strip()}` needs at least as many branches, and at least one",
                group.span,
                f"there are {found} branches" if found > 1 else "there is one branch",
            )
        if found == 1 and most != 1:
            self._report(
                "KN425",
                f"`{spelling(group)}(...)` has one branch and does nothing",
                group.span,
                "write the branch without the group",
                severity=WARNING,
            )
        return group

    def _report_surplus(self, group: ast.Group, most: int) -> None:
        form = f"`{spelling(group)}(...)`"
        self._report(
            "KN430",
            f"{form} has one body, a single chain"
            if most == 1
            else f"{form} has at most {most} branches",
            group.branches[most].span,
            "join the parts with `->`, or put them in a group: `all(x, y)`"
            if most == 1
            else "put several of them into a group: `all(x, y)`",
        )

    def _report_unknown(self, group: ast.Group) -> None:
        """A word that no plugin has defined; what it may be meant to be."""
        near = get_close_matches(group.word, self._patterns, n=1)
        hint = f"did you mean `{near[0]}(...)`? " if near else ""
        self._report(
            "KN433",
            f"there is no group `{group.word}(...)`",
            group.span,
            f"{hint}words of the flow come from plugins: install the one that adds it"
            if self._patterns
            else "words of the flow come from plugins, and none is there",
        )

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

    def _stand_in(self, group: ast.Group, way: Way | None, *, inner: bool = False) -> Knot:
        """A node for a group that was reported, so that what stands around it holds."""
        if inner:
            for branch in group.branches:
                self._excuse(branch.chain)
        node = self.draft.node(self._numbered(group.word), Role.ghost, group.span)
        node.word, node.used = spelling(group).strip(), group.span
        if way is not None:
            self._arrows.connect(way, node, group.span)
        return Knot(node, group.span)

    # --- exceptions ---------------------------------------------------------------------

    def _exception(
        self, clause: ast.ExceptionClause, head: Knot | None, node: ast.FlowNode
    ) -> ast.ExceptionClause:
        """Check the head of an exception chain."""
        source = None if head is None else head.node
        if source is None or source.role not in (Role.task, Role.ghost):
            self._report_no_task(node)
            if source is not None:
                source.excused_out = True
            return clause
        if (
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

    def _headless(self, group: ast.Group) -> Knot:
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

    # --- what else may be wrong -----------------------------------------------------------

    def _report_position(self, group: ast.Group, verb: str, side: str, example: str) -> None:
        test = " until g" if group.until is not None or group.while_ is not None else ""
        form = f"{group.word}(...){test}"
        self._report(
            "KN417",
            f"the chain {verb} with `{group.word}(...)`, which has no way {side}",
            group.span,
            f"say where it {'comes from' if side == 'in' else 'goes on'}: {example.format(form)}",
        )

    def _report_undrawn(self, group: ast.Group, why: str) -> None:
        self._report(
            "KN437",
            f"the plugin that defines `{group.word}(...)` cannot draw it: {why}",
            group.span,
            "tell its authors, or do without the word",
        )

    def _report_not_offered(self, span: Span, what: str) -> None:
        self._report(
            "KN435",
            f"a branch of a deferred choice begins with a task, not with {what}",
            span,
            "only work that is offered, or waits, can be chosen from outside: put a task first",
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


def _way(
    knot: Knot,
    source_span: Span,
    arrow: ast.ArrowSyntax,
    exception: ast.ExceptionClause | None,
) -> Way:
    """The way that an arrow of a chain leaves a knot by."""
    return Way(
        knot.node,
        source_span,
        arrow.span,
        knot.guard,
        knot.otherwise,
        exception=exception,
        puts=arrow.puts,
        takes=arrow.takes,
    )


def _is_offered(node: DraftNode) -> bool:
    """Whether the environment can choose a node: a task that does not pass by itself."""
    if node.role is Role.ghost:
        return True
    task = node.task
    return task is not None and not isinstance(task.callee, ast.SkipCallee)
