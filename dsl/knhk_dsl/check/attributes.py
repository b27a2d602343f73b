"""Which attribute lines make sense on which task, and together; what their names stand for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from knhk.errors import Span
from knhk.model import CALLEE_MESSAGE, CALLEE_SIGNAL, CALLEE_SKIP, CALLEE_TIMER
from knhk_dsl.check.policies import LINE_WORDS, Line, first
from knhk_dsl.report import Report
from knhk_dsl.syntax import ast

#: Lines that only a task with several instances can have.
_INSTANCE_LINES: Final = (ast.WithoutWaitingLine, ast.OpenLine, ast.CompleteWhenLine)
#: Lines that only a task with work of its own can have.
_EFFORT_LINES: Final = (
    ast.TimeoutLine,
    ast.BreakerLine,
    ast.AtMostLine,
    ast.UsesLine,
    ast.PriorityLine,
)
_EVENT_LINES: Final = _EFFORT_LINES
#: A timer may retry what it `sets`.
_TIMER_LINES: Final = (
    *_EFFORT_LINES,
    ast.ForEachLine,
    ast.TimesLine,
    *_INSTANCE_LINES,
    ast.CompensateLine,
)
#: A skip passes at once: there is no start that could be put off, or tried again.
_SKIP_LINES: Final = (*_TIMER_LINES, ast.RetryLine, ast.WhileLine, ast.HoldsLine)
#: By the kind of a callee: what it is called, and the lines that it cannot have.
_SENSELESS: Final[Mapping[int, tuple[str, tuple[type, ...]]]] = {
    CALLEE_TIMER: ("timer", _TIMER_LINES),
    CALLEE_SKIP: ("skip", _SKIP_LINES),
    CALLEE_MESSAGE: ("message", _EVENT_LINES),
    CALLEE_SIGNAL: ("signal", _EVENT_LINES),
}
_EVENTS: Final = (CALLEE_MESSAGE, CALLEE_SIGNAL)


def has_instances(lines: Iterable[Line]) -> bool:
    """Whether a task has several instances."""
    return any(isinstance(line, (ast.ForEachLine, ast.TimesLine)) for line in lines)


def instances(lines: Iterable[Line]) -> tuple[bool, bool]:
    """Whether a task has several instances, and whether it waits for them."""
    return has_instances(lines), first(lines, ast.WithoutWaitingLine) is None


def check_sense(task: ast.TaskDecl, kind: int, report: Report) -> None:
    """Reports the lines of a task that make no sense on it; ``kind`` is that of its callee."""
    what, senseless = _SENSELESS.get(kind, ("", ()))
    for line in task.attributes:
        if not isinstance(line, senseless):
            continue
        word = LINE_WORDS[type(line)]
        message = f"`{word}` makes no sense on a {what} task"
        hint = "leave it out, or give the task something to do"
        if kind in _EVENTS:
            hint = "leave it out"
            if isinstance(line, ast.TimeoutLine):
                message += f": the {what} starts and completes it in one step"
                hint = f"let it race with a timer: pick({task.name}, a_timer)"
            elif isinstance(line, ast.UsesLine):
                hint = "write the `retry` line of the policy here"
        elif isinstance(line, ast.CompensateLine):
            message += ": it has done nothing that could be undone"
            hint = "put the line on the task that does the work"
        elif kind == CALLEE_SKIP and isinstance(line, (ast.WhileLine, ast.HoldsLine)):
            message += ": it passes at once"
            hint = "leave it out, or put the line on the task that comes next"
        report.error("KN502", message, line.span, hint)
    _check_instances(task.attributes, report)


def _check_instances(lines: tuple[Line, ...], report: Report) -> None:
    for_each, times = first(lines, ast.ForEachLine), first(lines, ast.TimesLine)
    if for_each is not None and times is not None:
        report.error(
            "KN508",
            "a task has either `for each` or `times`",
            times.span,
            "leave one of the two out",
            ((for_each.span, "the other one"),),
        )
    if for_each is None and times is None:
        for line in lines:
            if isinstance(line, _INSTANCE_LINES):
                report.error(
                    "KN502",
                    f"`{LINE_WORDS[type(line)]}` needs a task with several instances",
                    line.span,
                    "add `for each x in xs`, or `times 3`",
                )
        return
    at_once = first(lines, ast.WithoutWaitingLine)
    for line in lines:
        if at_once is not None and isinstance(line, (ast.OpenLine, ast.CompleteWhenLine)):
            late = "no instance can be added to it"
            if isinstance(line, ast.CompleteWhenLine):
                late = "it does not wait for a condition"
            report.error(
                "KN502",
                f"`{LINE_WORDS[type(line)]}` makes no sense with `without waiting`: the task"
                f" completes at its start, so {late}",
                line.span,
                "leave one of the two out",
                ((at_once.span, "the other one"),),
            )


@dataclass(frozen=True, slots=True)
class Declarations:
    """What the lines of tasks may name; ``check`` reports a name that is none of those known.

    ``check`` takes the name, the names that may stand there, and what these are.
    """

    tasks: Mapping[str, ast.TaskDecl]
    places: Collection[str]
    mutexes: Collection[str]
    check: Callable[[ast.Declared, Collection[str], str], None]


def check_references(task: ast.TaskDecl, known: Declarations, report: Report) -> None:
    """Reports what is wrong with the names in a task's lines."""
    for line in task.attributes:
        match line:
            case ast.CancelsLine():
                _check_cancels(task, line, known, report)
            case ast.CompletesLine():
                _check_completes(task, line, known, report)
            case ast.WhileLine():
                known.check(line.place, known.places, "place")
            case ast.HoldsLine():
                known.check(line.mutex, known.mutexes, "mutex")
            case _:
                pass


def _check_cancels(
    task: ast.TaskDecl, line: ast.CancelsLine, known: Declarations, report: Report
) -> None:
    seen: dict[str, Span] = {}
    for declared in line.names:
        name = declared.name
        known.check(declared, {*known.tasks, *known.places}, "task or place")
        if name in seen:
            report.error(
                "KN501",
                f"`{name}` is cancelled twice by one task",
                declared.span,
                "keep one of the two",
                ((seen[name], "the first one"),),
            )
        elif name == task.name:
            report.warning(
                "KN509",
                f"`{name}` cancels its other work, not itself: it has completed by then",
                declared.span,
                f"leave it out, unless `{name}` is at work more than once at a time",
            )
        seen.setdefault(name, declared.span)


def _check_completes(
    task: ast.TaskDecl, line: ast.CompletesLine, known: Declarations, report: Report
) -> None:
    name, span = line.name.name, line.name.span
    known.check(line.name, known.tasks, "task")
    other = known.tasks.get(name)
    if other is None:
        return
    if other is task:
        report.error(
            "KN502",
            f"`{name}` cannot complete itself",
            span,
            "say when it is done: complete when ..., in the task itself",
        )
    elif not has_instances(other.attributes):
        report.error(
            "KN502",
            f"`completes` needs a task with several instances, and `{name}` has one",
            span,
            "name a task with `for each` or `times`",
        )
    elif first(other.attributes, ast.WithoutWaitingLine) is not None:
        report.error(
            "KN502",
            f"`{name}` is `without waiting`: it has completed at its start",
            span,
            f"withdraw what is left of it: cancels {name}",
        )


def used_mutexes(workflow: ast.WorkflowDecl) -> set[str]:
    """The mutexes that a task holds, or a critical section."""
    used: set[str] = set()
    groups: list[ast.Group] = []
    for statement in workflow.body:
        if isinstance(statement, ast.TaskDecl):
            lines = statement.attributes
            used.update(line.mutex.name for line in lines if isinstance(line, ast.HoldsLine))
        elif isinstance(statement, ast.Flow):
            chains = (chain for chain in statement.chains if isinstance(chain, ast.Chain))
            groups.extend(group for chain in chains for group in _groups(chain))
    while groups:
        group = groups.pop()
        if group.mutex:
            used.add(group.mutex)
        groups.extend(inner for branch in group.branches for inner in _groups(branch.chain))
    return used


def _groups(chain: ast.Chain) -> list[ast.Group]:
    return [node for node in chain.nodes if isinstance(node, ast.Group)]
