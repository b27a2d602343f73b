"""The check of one workflow: its names, its tasks and attributes, every expression in it.

What was found out on the way (types of parameters and results, callees, the graph of the
flow) is kept in :class:`CheckedWorkflow`, from which :mod:`knhk_dsl.compilation` makes a net
when nothing was wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

from knhk.errors import ERROR, Span
from knhk.model import (
    CALLEE_MESSAGE,
    CALLEE_OUTSIDE,
    CALLEE_SIGNAL,
    CALLEE_SKIP,
    CALLEE_TIMER,
    CALLEE_WORKFLOW,
)
from knhk_dsl.check.attributes import (
    Declarations,
    check_references,
    check_sense,
    has_instances,
    instances,
    used_mutexes,
)
from knhk_dsl.check.callees import Callees, FoundCallee
from knhk_dsl.check.known import Effects, Known, Past
from knhk_dsl.check.meanings import Meaning, Meanings
from knhk_dsl.check.policies import Line, check_lines, first, has_timeout, merged_lines
from knhk_dsl.check.refusals import refuse, refuse_statements
from knhk_dsl.environment import Environment
from knhk_dsl.expressions.emit import Form
from knhk_dsl.expressions.infer import Typer
from knhk_dsl.flow.availability import Availability
from knhk_dsl.flow.construction import FlowGraph, build
from knhk_dsl.names.arguments import bind
from knhk_dsl.names.namespaces import RESERVED, FileScope, check_style
from knhk_dsl.names.scope import EVERYTHING, Scope, Value
from knhk_dsl.names.typenames import resolve_type
from knhk_dsl.report import Report, did_you_mean
from knhk_dsl.syntax import ast
from knhk_dsl.values.types import (
    DATE,
    DATETIME,
    DURATION,
    INT,
    JSON,
    NONE,
    UNKNOWN,
    EnumerationName,
    ListOf,
    Maybe,
    Type,
    is_open,
    maybe,
    mixes,
)

#: What `complete when` may use of its task, beside `results`.
_COUNTS: Final = {name: Value(INT, "word") for name in ("done", "failed", "total")}


@dataclass(frozen=True, slots=True)
class CheckedTask:
    """A task as the check has understood it; ``result`` is the type of one instance.

    ``compensation`` is the callee of its ``compensate with``.
    """

    declaration: ast.TaskDecl
    kind: int
    callee: FoundCallee | None
    lines: tuple[Line, ...]
    result: Type
    compensation: FoundCallee | None = None


@dataclass(eq=False)
class CheckedWorkflow:
    """A workflow, and everything that making a net of it needs.

    ``sites`` are its expressions, with the type that each must be made to fit, and its form.
    """

    declaration: ast.WorkflowDecl
    file: FileScope
    parameters: dict[str, Type] = field(default_factory=dict)
    variables: dict[str, tuple[ast.VarDecl, Type]] = field(default_factory=dict)
    tasks: dict[str, CheckedTask] = field(default_factory=dict)
    returns: ast.Expr | None = None
    on_failure: ast.OnFailure | None = None
    result: Type | None = None
    graph: FlowGraph | None = None
    sites: list[tuple[ast.Expr, Type | None, Form]] = field(default_factory=list)
    places: set[str] = field(default_factory=set)
    mutexes: set[str] = field(default_factory=set)


class WorkflowCheck:
    """Checks one workflow, in the order: names, flow, tasks, expressions."""

    def __init__(
        self,
        declaration: ast.WorkflowDecl,
        file: FileScope,
        typer: Typer,
        callees: Callees,
        environment: Environment,
        report: Report,
        meanings: Meanings | None = None,
        known: Known | None = None,
    ) -> None:
        self.checked = CheckedWorkflow(declaration, file)
        self._patterns = environment.patterns
        self._declaration = declaration
        self._file = file
        self._typer = typer
        self._callees = callees
        self._report = report
        self._names: dict[str, tuple[Span, str]] = {}
        self._values: dict[str, Value] = {}
        self._set: set[str] = set()
        self._available: Availability | None = None
        self._unreadable = False
        self._known = known
        self._meanings = meanings
        self._past: Past | None = None
        if known is not None:
            last = known.workflow(file.name, declaration.name)
            self._past = Past(last, file.source.memory)

    def run(self) -> CheckedWorkflow:
        """The checked workflow; what is wrong with it is in the report.

        What is known to be in order is passed over: then expressions in it get no types, and
        the flow perhaps no graph.
        """
        self._typer.read.clear()
        for statement in self._declaration.body:
            self._declare_bad(statement)
        self._parameters()
        for statement in self._declaration.body:
            self._declare(statement)
        self._flow()
        self._variables()
        if self._past is not None:
            self._past.compare(self._grounds(), self._meaning)
        for task in self.checked.tasks.values():
            self._task_or_pass(task)
        self._guards_or_pass()
        self._return()
        refuse_statements(self._declaration.body, self._report)
        self._unused()
        if self._known is not None and self._past is not None:
            self._known.learn(self._file.name, self._declaration.name, self._past.learnt())
        return self.checked

    # --- what is known ------------------------------------------------------------------

    def _grounds(self) -> Meaning:
        """What every expression rests on beside its words."""
        assert self._meanings is not None
        return self._meanings.records, self._file.unreadable, self._unreadable

    def _meaning(self, word: str) -> Meaning:
        """What a word stands for, in this workflow and in its file."""
        assert self._meanings is not None
        symbol, here = self._file.symbols.get(word), self._names.get(word)
        value, task = self._values.get(word), self.checked.tasks.get(word)
        if symbol is None and here is None and value is None:
            return None
        return (
            None if symbol is None else self._meanings.symbol(symbol),
            None if here is None else here[1],
            None if value is None else (value.kind, self._meanings.type(value.type)),
            None if task is None else instances(task.declaration.attributes),
            word in self.checked.places,
            word in self.checked.mutexes,
            word in self.checked.variables,
        )

    def _watched(self, check: Callable[[], None]) -> Effects | None:
        """Do a part of the check; gives what it does for others, if nothing is wrong there."""
        typer, file, problems = self._typer, self._file, len(self._report.diagnostics)
        read, used, set_ = typer.read, file.used, self._set
        typer.read, file.used, self._set = set(), set(), set()
        check()
        effects = Effects(frozenset(typer.read), frozenset(file.used), frozenset(self._set))
        typer.read, file.used, self._set = read, used, set_
        self._enact(effects)
        return effects if len(self._report.diagnostics) == problems else None

    def _enact(self, effects: Effects) -> None:
        self._typer.read |= effects.read
        self._file.used |= effects.used
        self._set |= effects.set

    def _task_or_pass(self, task: CheckedTask) -> None:
        """Check a task, unless it is known to be in order."""
        past, declaration = self._past, task.declaration
        if past is None:
            self._task(task)
            return
        before = self._before(declaration.name)
        effects = past.same_task(declaration, before)
        if effects is not None:
            self._enact(effects)
            return
        effects = self._watched(lambda: self._task(task))
        if effects is not None:
            past.keep_task(declaration, self.checked.tasks, before, effects)

    def _guards_or_pass(self) -> None:
        """Check the guards of the flow, unless they are known to be in order."""
        past = self._past
        if past is None:
            self._guards()
            return
        effects = past.same_guards()
        if effects is not None:
            self._enact(effects)
            return
        effects = self._watched(self._guards)
        if effects is not None:
            past.keep_guards((guard for _, guard in self._guarded()), effects)

    # --- names --------------------------------------------------------------------------

    def _declare_bad(self, statement: ast.WorkflowStatement) -> None:
        if isinstance(statement, ast.BadStatement):
            self._unreadable = self._unreadable or not statement.names
            for name in statement.names:
                self._values.setdefault(name, Value(UNKNOWN, "unknown"))

    def _name(self, name: str, span: Span, kind: str) -> bool:
        """Takes a name; whether it is free."""
        if name in RESERVED:
            self._report.error(
                "KN207",
                f"`{name}` is a word of the language and cannot name a {kind}",
                span,
                "choose another name",
            )
            return False
        check_style(name, span, kind, self._report)
        taken = self._names.setdefault(name, (span, kind))
        if taken[0] is span:
            return True
        self._report.error(
            "KN206",
            f"`{name}` is the name of a {taken[1]} already",
            span,
            "parameters, variables, tasks, places and mutexes share one set of names",
            ((taken[0], "the first definition"),),
        )
        return False

    def _parameters(self) -> None:
        for parameter in self._declaration.parameters:
            type_ = resolve_type(parameter.type, self._file, self._report)
            if not self._name(parameter.name, parameter.span, "parameter"):
                continue
            if parameter.default is not None:
                words = f"the default of `{parameter.name}`"
                self._typer.check(parameter.default, type_, self._scope(), words)
                self.checked.sites.append((parameter.default, None, Form.value))
            self._values[parameter.name] = Value(type_, "parameter")
            self.checked.parameters[parameter.name] = type_

    def _declare(self, statement: ast.WorkflowStatement) -> None:
        match statement:
            case ast.VarDecl():
                type_ = resolve_type(statement.type, self._file, self._report)
                if self._name(statement.name, statement.name_span, "variable"):
                    kept = type_ if statement.initial is not None else maybe(type_)
                    self.checked.variables[statement.name] = (statement, kept)
            case ast.PlaceDecl():
                for declared in statement.names:
                    self._name(declared.name, declared.span, "place")
                    self.checked.places.add(declared.name)
            case ast.MutexDecl():
                for declared in statement.names:
                    self._name(declared.name, declared.span, "mutex")
                    self.checked.mutexes.add(declared.name)
            case ast.TaskDecl():
                if self._name(statement.name, statement.name_span, "task"):
                    self._declare_task(statement)
            case ast.Return():
                self._once(statement.span, self.checked.returns, "return")
                self.checked.returns = self.checked.returns or statement.value
            case ast.OnFailure():
                self._once(statement.span, self.checked.on_failure, "on failure")
                self.checked.on_failure = self.checked.on_failure or statement
            case _:
                pass

    def _once(self, span: Span, earlier: ast.SyntaxNode | None, what: str) -> None:
        if earlier is not None:
            self._report.error(
                "KN507",
                f"`{what}` is given twice",
                span,
                "keep one of the two",
                ((earlier.span, "the first one"),),
            )

    def _declare_task(self, task: ast.TaskDecl) -> None:
        kind, callee = CALLEE_OUTSIDE, None
        result: Type = JSON
        match task.callee:
            case ast.CallCallee(call=call):
                callee = self._callees.find(call, self._file)
                kind, result = callee.kind, callee.signature.result
            case ast.TimerCallee():
                kind = CALLEE_TIMER
            case ast.SkipCallee():
                kind = CALLEE_SKIP
            case ast.MessageCallee():
                kind = CALLEE_MESSAGE
            case ast.SignalCallee():
                kind = CALLEE_SIGNAL
            case _:
                pass
        result = JSON if result is NONE or result is UNKNOWN else result
        lines = merged_lines(task.attributes, self._file, self._report)
        undo = first(lines, ast.CompensateLine)
        undone = None if undo is None else self._callees.find(undo.call, self._file)
        self.checked.tasks[task.name] = CheckedTask(task, kind, callee, lines, result, undone)
        many = has_instances(task.attributes)
        self._values[task.name] = Value(ListOf(result) if many else result, "task")

    # --- flow ---------------------------------------------------------------------------

    def _flow(self) -> None:
        past = self._past
        known = None if past is None else past.same_flow(self._declaration, self._may_time_out)
        if known is not None:
            self._available = known.available
        else:
            self._read_flow()
        if not self.checked.tasks and not self._unreadable:
            self._report.warning(
                "KN506",
                f"workflow `{self._declaration.name}` has no tasks",
                self._declaration.name_span,
                "declare what is to be done: task ...",
            )

    def _read_flow(self) -> None:
        timeouts: dict[str, bool] = {}

        def may_time_out(task: ast.TaskDecl) -> bool:
            timeouts[task.name] = has_timeout(task, self._file)
            return timeouts[task.name]

        graph, diagnostics = build(self._declaration, may_time_out, self._patterns)
        self._report.diagnostics.extend(diagnostics)
        self.checked.graph = graph
        if not any(diagnostic.severity == ERROR for diagnostic in diagnostics):
            self._available = Availability(graph)
            if self._past is not None and not diagnostics:
                found = self._guarded()
                self._past.keep_flow(self._declaration, timeouts, self._available, found)

    def _may_time_out(self, name: str) -> bool:
        task = self.checked.tasks.get(name)
        return task is not None and has_timeout(task.declaration, self._file)

    def _before(self, name: str) -> Container[str]:
        return EVERYTHING if self._available is None else self._available.before(name)

    def _after(self, name: str) -> Container[str]:
        return EVERYTHING if self._available is None else self._available.after(name)

    def _scope(self, certain: Container[str] = EVERYTHING, place: str = "inside") -> Scope:
        return Scope(
            self._file,
            self._values,
            certain=certain,
            place=place,
            lenient=self._unreadable,
        )

    def _guards(self) -> None:
        for node, guard in self._guarded():
            self._condition(guard, self._scope(self._after(node)), "a guard")

    def _guarded(self) -> Iterator[tuple[str, ast.Expr]]:
        """The guards, with the names of the nodes that they stand behind."""
        if self.checked.graph is None:
            assert self._past is not None
            yield from self._past.guarded(self._declaration)
            return
        for node in self.checked.graph.nodes:
            for arrow in node.outputs:
                if arrow.guard is not None:
                    yield node.name, arrow.guard

    # --- expressions --------------------------------------------------------------------

    def _condition(self, expr: ast.Expr, scope: Scope, words: str) -> None:
        self._typer.condition(expr, scope, words)
        self.checked.sites.append((expr, None, Form.condition))

    def _value(
        self, expr: ast.Expr, type_: Type, scope: Scope, words: str, form: Form = Form.value
    ) -> None:
        self._typer.check(expr, type_, scope, words)
        self.checked.sites.append((expr, None, form))

    def _variables(self) -> None:
        """In order: an initial value may use parameters and the variables before."""
        tasks = {
            name: self._values.pop(name) for name in self.checked.tasks if name in self._values
        }
        pending = dict(self.checked.variables)
        for name, (declaration, type_) in self.checked.variables.items():
            if declaration.initial is not None:
                self._check_early(declaration.initial, tasks, pending)
                self._value(declaration.initial, type_, self._scope(), f"the variable `{name}`")
            del pending[name]
            for later in (*pending, *tasks):
                if self._values.get(later) == _HIDDEN:
                    del self._values[later]
            self._values[name] = Value(type_, "variable")
        self._values.update(tasks)

    def _check_early(
        self,
        initial: ast.Expr,
        tasks: dict[str, Value],
        pending: dict[str, tuple[ast.VarDecl, Type]],
    ) -> None:
        """Reports tasks and later variables by name, better than as unknown names."""
        for name in _names_in(initial):
            if name.name in self._values:
                continue
            if name.name in tasks or name.name in pending:
                kind = "a task" if name.name in tasks else "a variable that comes later"
                self._report.error(
                    "KN215",
                    f"`{name.name}` is {kind}: it has no value when the case begins",
                    name.span,
                    "use parameters and earlier variables; let a task set it: sets x = ...",
                )
                self._values[name.name] = _HIDDEN

    def _return(self) -> None:
        declared = self._declaration.result
        wanted = UNKNOWN if declared is None else resolve_type(declared, self._file, self._report)
        self.checked.result = wanted if declared is not None else None
        value = self.checked.returns
        if value is None:
            may_be_none = isinstance(wanted, Maybe) or is_open(wanted)
            if declared is not None and not may_be_none and not self._unreadable:
                self._report.error(
                    "KN315",
                    f"workflow `{self._declaration.name}` gives {wanted}, but has no `return`",
                    declared.span,
                    "add a line: return ...",
                )
            return
        at_end = EVERYTHING if self._available is None else self._available.at_end
        found = self._typer.check(value, wanted, self._scope(at_end), "what the workflow returns")
        self.checked.sites.append((value, None, Form.value))
        if declared is None:
            vague = found in (UNKNOWN, NONE) or isinstance(found, EnumerationName)
            self.checked.result = JSON if vague or found == ListOf(UNKNOWN) else found

    # --- tasks --------------------------------------------------------------------------

    def _task(self, task: CheckedTask) -> None:
        declaration = task.declaration
        before = self._scope(self._before(declaration.name))
        after = self._scope(self._after(declaration.name))
        check_lines(declaration.attributes, self._report)
        check_sense(declaration, task.kind, self._report)
        check_references(declaration, self._declarations, self._report)
        inner = before
        for line in declaration.attributes:
            match line:
                case ast.ForEachLine():
                    inner = self._for_each(line, before)
                case ast.TimesLine():
                    self._typer.check(line.count, INT, before, "`times`")
                    self.checked.sites.append((line.count, INT, Form.value))
                    self._check_times(line)
                case ast.CompleteWhenLine():
                    words = {**_COUNTS, "results": Value(ListOf(task.result), "word")}
                    counted = replace(before, local=words)
                    self._condition(line.condition, counted, "`complete when`")
                case _:
                    pass
        self._sets(declaration, after)
        self._callee(task, inner)
        undo = first(task.lines, ast.CompensateLine)
        if undo is not None and task.compensation is not None:
            self._compensation(task, undo, task.compensation, replace(after, local=inner.local))

    def _for_each(self, line: ast.ForEachLine, scope: Scope) -> Scope:
        items = self._typer.value(line.items, scope, ListOf(UNKNOWN))
        # The kernel would take a number too, for `times`; and it keeps the elements by their type.
        target = ListOf(JSON) if items is JSON else items
        bound = isinstance(line.items, ast.Name) and items is not JSON
        form = Form.accepted if mixes(items) and not bound else Form.value
        self.checked.sites.append((line.items, target, form))
        element: Type = UNKNOWN
        if isinstance(items, ListOf):
            element = items.element
        elif items is JSON:
            element = JSON
        elif items is not UNKNOWN:
            self._report.error(
                "KN310",
                f"`for each` needs a list, not {items}",
                line.items.span,
                "give a list, or keys(...) or values(...) of a dictionary",
            )
        taken = self._names.get(line.variable)
        if taken is not None:
            self._report.error(
                "KN206",
                f"`{line.variable}` is the name of a {taken[1]} already",
                line.variable_span,
                "choose another name for the element",
                ((taken[0], "the first definition"),),
            )
        elif line.variable in RESERVED:
            message = f"`{line.variable}` is a word of the language and cannot name an element"
            self._report.error("KN207", message, line.variable_span, "choose another name")
        else:
            check_style(line.variable, line.variable_span, "loop variable", self._report)
        return scope.with_local(line.variable, Value(element, "loop variable"))

    def _check_times(self, line: ast.TimesLine) -> None:
        count = line.count
        if isinstance(count, ast.Unary) and isinstance(count.operand, ast.Literal):
            negative = count.operator == "-" and count.operand.value != 0
            if negative:
                message, hint = "`times` takes 0 or more", "write a number such as: times 3"
                self._report.error("KN503", message, line.span, hint)

    @cached_property
    def _declarations(self) -> Declarations:
        """What attribute lines may name; asked for when all of it is declared."""
        tasks = {name: task.declaration for name, task in self.checked.tasks.items()}
        return Declarations(tasks, self.checked.places, self.checked.mutexes, self._check_declared)

    def _check_declared(self, declared: ast.Declared, known: Collection[str], kind: str) -> None:
        value = self._values.get(declared.name)
        if (
            declared.name in known
            or self._unreadable
            or (value is not None and value.kind == "unknown")
        ):
            return
        taken = self._names.get(declared.name)
        if taken is not None:
            message, code = f"`{declared.name}` is a {taken[1]}, not a {kind}", "KN215"
        else:
            message, code = f"there is no {kind} `{declared.name}`", "KN205"
        self._report.error(code, message, declared.span, did_you_mean(declared.name, known))

    def _sets(self, task: ast.TaskDecl, scope: Scope) -> None:
        seen: dict[str, Span] = {}
        for line in task.attributes:
            if not isinstance(line, ast.SetsLine):
                continue
            name = line.name.name
            self._set.add(name)
            variable = self.checked.variables.get(name)
            if variable is None:
                self._check_declared(line.name, set(self.checked.variables), "variable")
            if name in seen:
                self._report.error(
                    "KN501",
                    f"`{name}` is set twice by one task",
                    line.span,
                    "keep one of the two",
                    ((seen[name], "the first one"),),
                )
            seen.setdefault(name, line.span)
            type_ = UNKNOWN if variable is None else variable[1]
            self._value(line.value, type_, scope, f"the variable `{name}`")

    def _callee(self, task: CheckedTask, scope: Scope) -> None:
        match task.declaration.callee:
            case ast.CallCallee(call=call):
                assert task.callee is not None
                self._arguments(call, task.callee, scope)
            case ast.TimerCallee(delay=delay, until=until):
                if delay is not None:
                    self._value(delay, DURATION, scope, "what a timer waits", Form.delay_us)
                if until is not None:
                    is_date = self._typer.infer(until, scope) is DATE
                    words = "what a timer waits for"
                    type_ = DATE if is_date else DATETIME
                    self._value(until, type_, scope, words, Form.moment_us)
            case ast.MessageCallee(key=key):
                if key is not None:
                    self._typer.value(key, scope)
                    # As it comes in from outside, so that the two compare equal.
                    self.checked.sites.append((key, JSON, Form.value))
            case _:
                pass

    def _compensation(
        self, task: CheckedTask, line: ast.CompensateLine, callee: FoundCallee, scope: Scope
    ) -> None:
        """Its arguments are evaluated, and kept, when the task or one instance of it completes."""
        if callee.kind == CALLEE_WORKFLOW:
            refuse("a workflow in `compensate with`", line.call.span, self._report)
        if has_instances(task.declaration.attributes):
            scope = scope.with_local(task.declaration.name, Value(task.result, "loop variable"))
        self._arguments(line.call, callee, scope, "compensation")

    def _arguments(
        self, call: ast.Call, callee: FoundCallee, scope: Scope, place: str = "outside"
    ) -> None:
        scope = replace(scope, place=place if callee.workflow is None else "sub-case")

        def infer(expr: ast.Expr, type_: Type, words: str, code: str) -> None:
            self._typer.check(expr, type_, scope, words, code)
            self.checked.sites.append((expr, type_, Form.value))

        what = "this" if callee.kind < 0 else f"`{callee.name}`"
        bind(what, call.arguments, callee.signature, call.span, self._report, infer)

    def _unused(self) -> None:
        if self._unreadable:
            return
        for name, (declaration, _) in self.checked.variables.items():
            if name not in self._typer.read and name not in self._set:
                self._report.warning(
                    "KN212",
                    f"the variable `{name}` is never used",
                    declaration.name_span,
                    "remove it",
                )
        used = used_mutexes(self._declaration)
        if not used <= self.checked.mutexes:
            return  # one of them may be meant
        for name in self.checked.mutexes - used:
            if name in self._names:
                self._report.warning(
                    "KN212",
                    f"the mutex `{name}` is never used",
                    self._names[name][0],
                    "remove it",
                )


_HIDDEN: Final = Value(UNKNOWN, "unknown")


def _names_in(expr: object) -> list[ast.Name]:
    """Every name in an expression."""
    if isinstance(expr, ast.Name):
        return [expr]
    found: list[ast.Name] = []
    if isinstance(expr, ast.Call) and isinstance(expr.callee, ast.Name):
        return [name for argument in expr.arguments for name in _names_in(argument)]
    if isinstance(expr, tuple):
        for part in expr:
            found.extend(_names_in(part))
    elif isinstance(expr, ast.SyntaxNode):
        for slot in type(expr).__slots__:
            if not slot.endswith("span"):
                found.extend(_names_in(getattr(expr, slot)))
    return found


def reads(expr: ast.Expr, name: str) -> bool:
    """Whether a name stands in an expression."""
    return any(found.name == name for found in _names_in(expr))
