"""What was in order in a workflow when it was checked last, so that it need not be checked again.

Theory of operation: an edit changes a task or two, and most tasks have no problem, before and
after. Whether a task is in order depends on what is written in it, on what the words in it stand
for, and on which of the tasks that it names have certainly completed when it starts. These three
are kept of every task that was in order. Where they are as before it is so still, on whatever
lines it stands now, and only what checking it does for others is done again: it uses names. With
the guards of the flow it is the same; and the flow itself is as before where its chains are, and
what tasks and declarations have to do with it.

Nothing is kept of what is not in order: it is checked each time, and told with its places.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from knhk_dsl.check.meanings import Meaning
from knhk_dsl.environment import Environment
from knhk_dsl.flow.availability import Availability
from knhk_dsl.syntax import ast
from knhk_dsl.syntax.memory import Memory
from knhk_dsl.syntax.shapes import Shape, alike, shape, words

__all__ = ["Course", "Effects", "Known", "KnownFlow", "KnownWorkflow", "Past"]

#: Workflows of which something is known.
WORKFLOWS_MAX: Final = 1_000

#: Lines of a task that take part in the flow.
_FLOW_LINES: Final = (ast.CancelsLine, ast.CompletesLine, ast.HoldsLine, ast.WhileLine)
_NO_WORDS: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Effects:
    """What a part of a check does for others: it reads values, uses names of the file, sets."""

    read: frozenset[str]
    used: frozenset[str]
    set: frozenset[str]


@dataclass(frozen=True, slots=True)
class KnownTask:
    """A task that was in order.

    ``words`` is all that may be a name in it, ``tasks`` are those that name a task, and
    ``certain`` those of them that had certainly completed before it.
    """

    origin: ast.TaskDecl
    words: frozenset[str]
    tasks: frozenset[str]
    certain: frozenset[str]
    effects: Effects


@dataclass(frozen=True, slots=True)
class Course:
    """All that the net of a flow is made of: chains, tasks, and what else is declared.

    The nodes are origins: they need not stand where they stood.
    """

    chains: tuple[ast.SyntaxNode, ...]
    tasks: tuple[ast.TaskDecl, ...]
    declared: tuple[object, ...]

    @classmethod
    def of(cls, workflow: ast.WorkflowDecl, memory: Memory) -> Course:
        """What the flow of a workflow is made of; its places are not part of it."""
        chains: list[ast.SyntaxNode] = []
        tasks: list[ast.TaskDecl] = []
        declared: list[object] = []
        for statement in workflow.body:
            match statement:
                case ast.TaskDecl():
                    tasks.append(memory.origin(statement))
                case ast.Flow():
                    chains += map(memory.origin, statement.chains)
                    declared.append(len(chains))
                case ast.PlaceDecl() | ast.MutexDecl() | ast.BadStatement():
                    declared.append(shape(statement))
                case _:
                    pass
        return cls(tuple(chains), tuple(tasks), tuple(declared))

    def is_like(self, other: Course) -> bool:
        """Whether both make the same net."""
        return (
            self.declared == other.declared
            and len(self.chains) == len(other.chains)
            and len(self.tasks) == len(other.tasks)
            and all(map(alike, self.chains, other.chains))
            and all(map(_flow_alike, self.tasks, other.tasks))
        )


def _flow_alike(one: ast.TaskDecl, other: ast.TaskDecl) -> bool:
    return one is other or _part_in_flow(one) == _part_in_flow(other)


def _part_in_flow(task: ast.TaskDecl) -> Shape:
    """What a flow needs to know of a task, but for its timeout."""
    lines = tuple(line for line in task.attributes if isinstance(line, _FLOW_LINES))
    skips = isinstance(task.callee, ast.SkipCallee)
    sets = any(isinstance(line, ast.SetsLine) for line in task.attributes)
    return task.name, skips, sets, shape(lines)


@dataclass(frozen=True, slots=True)
class KnownFlow:
    """A flow in which nothing was wrong.

    ``timeouts`` says of some tasks whether they may time out: of those that this mattered for.
    ``guarded`` are the guards, by their numbers in the chains, and the nodes that they stand
    behind. ``guards`` is what they do for others, if they were in order too, and ``words`` all
    that may be a name in them.
    """

    course: Course
    timeouts: Mapping[str, bool]
    available: Availability
    guarded: tuple[tuple[str, int], ...]
    words: frozenset[str] = _NO_WORDS
    guards: Effects | None = None


@dataclass(frozen=True, slots=True)
class KnownWorkflow:
    """What was in order in a workflow.

    ``grounds`` is what all of it rests on; ``meanings`` says what each of its words stood for.
    """

    grounds: Meaning = None
    meanings: Mapping[str, Meaning] = field(default_factory=dict)
    tasks: Mapping[str, KnownTask] = field(default_factory=dict)
    flow: KnownFlow | None = None


class Known:
    """What is known of the workflows of a project, by their files and names.

    It is for those who check again and again, as an editor does. What is found is the same as
    without it; only with the ``environment`` that it was begun with.
    """

    def __init__(self, environment: Environment) -> None:
        self.environment: Final = environment
        self._workflows: dict[tuple[str, str], KnownWorkflow] = {}

    def workflow(self, file: str, name: str) -> KnownWorkflow:
        """What is known of a workflow."""
        return self._workflows.get((file, name), KnownWorkflow())

    def learn(self, file: str, name: str, workflow: KnownWorkflow) -> None:
        """Keep what a check has found out about a workflow."""
        self._workflows.pop((file, name), None)
        self._workflows[file, name] = workflow
        if len(self._workflows) > WORKFLOWS_MAX:
            del self._workflows[next(iter(self._workflows))]


def _tests(workflow: ast.WorkflowDecl) -> Iterator[ast.Expr]:
    """Every condition that stands in the flow, in order."""
    flows = [statement for statement in workflow.body if isinstance(statement, ast.Flow)]
    stack: list[ast.SyntaxNode] = [chain for flow in flows for chain in flow.chains]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Chain):
            stack.extend(each for each in node.nodes if isinstance(each, ast.Group))
        elif isinstance(node, ast.Group):
            stack.extend(branch.chain for branch in node.branches)
            tests = (*(branch.guard for branch in node.branches), node.until, node.while_)
            yield from (test for test in tests if test is not None)


def _no_meaning(_word: str) -> Meaning:
    return None


class Past:
    """What was known of a workflow, held against what it is now; and what is found out now."""

    def __init__(self, known: KnownWorkflow, memory: Memory) -> None:
        self._known = known
        self._memory = memory
        self._changed: frozenset[str] | None = None
        self._meanings: dict[str, Meaning] = {}
        self._grounds: Meaning = None
        self._meaning: Callable[[str], Meaning] = _no_meaning
        self._tasks: dict[str, KnownTask] = {}
        self._same_flow = False
        self._flow: KnownFlow | None = None

    # --- the flow ---------------------------------------------------------------------------

    def same_flow(
        self, workflow: ast.WorkflowDecl, may_time_out: Callable[[str], bool]
    ) -> KnownFlow | None:
        """What is known of the flow, if it is as it was."""
        known = self._known.flow
        if known is None:
            return None
        course = Course.of(workflow, self._memory)
        if not course.is_like(known.course):
            return None
        if any(may_time_out(name) != may for name, may in known.timeouts.items()):
            return None
        self._same_flow = True
        self._flow = KnownFlow(course, known.timeouts, known.available, known.guarded)
        return known

    def keep_flow(
        self,
        workflow: ast.WorkflowDecl,
        timeouts: Mapping[str, bool],
        available: Availability,
        guarded: Iterable[tuple[str, ast.Expr]],
    ) -> None:
        """Nothing is wrong with the flow; ``guarded`` are nodes and the guards behind them."""
        numbers = {id(guard): number for number, guard in enumerate(_tests(workflow))}
        found = [(node, numbers.get(id(guard), -1)) for node, guard in guarded]
        if all(number >= 0 for _, number in found):
            course = Course.of(workflow, self._memory)
            self._flow = KnownFlow(course, timeouts, available, tuple(found))

    def guarded(self, workflow: ast.WorkflowDecl) -> Iterator[tuple[str, ast.Expr]]:
        """The nodes and the guards behind them, of a flow that is as it was."""
        assert self._flow is not None
        tests = list(_tests(workflow))
        return ((node, tests[number]) for node, number in self._flow.guarded)

    # --- what words stand for ---------------------------------------------------------------

    def compare(self, grounds: Meaning, meaning: Callable[[str], Meaning]) -> None:
        """Find out what has changed, now that everything is declared."""
        known = self._known
        self._grounds, self._meaning = grounds, meaning
        if grounds == known.grounds:
            self._meanings = {word: meaning(word) for word in known.meanings}
            before = known.meanings
            changed = (word for word, now in self._meanings.items() if now != before[word])
            self._changed = frozenset(changed)

    def _stand(self, words_: frozenset[str]) -> bool:
        """Whether all these words stand for what they stood for."""
        return self._changed is not None and self._changed.isdisjoint(words_)

    # --- tasks and guards -------------------------------------------------------------------

    def same_task(self, task: ast.TaskDecl, before: Container[str]) -> Effects | None:
        """What a task does for others, if it is as it was and was in order."""
        known = self._known.tasks.get(task.name)
        if known is None:
            return None
        origin = self._memory.origin(task)
        if not (self._stand(known.words) and alike(origin, known.origin)):
            return None
        if any((name in before) != (name in known.certain) for name in known.tasks):
            return None
        if origin is not known.origin:
            known = replace(known, origin=origin)
        self._tasks[task.name] = known
        return known.effects

    def keep_task(
        self,
        task: ast.TaskDecl,
        tasks: Container[str],
        before: Container[str],
        effects: Effects,
    ) -> None:
        """Nothing is wrong with a task; ``tasks`` are all that there are."""
        found = words(task)
        named = frozenset(word for word in found if word in tasks)
        certain = frozenset(name for name in named if name in before)
        origin = self._memory.origin(task)
        self._tasks[task.name] = KnownTask(origin, found, named, certain, effects)

    def same_guards(self) -> Effects | None:
        """What the guards do for others, if all is as it was and was in order."""
        known = self._known.flow if self._same_flow else None
        if self._flow is None or known is None or known.guards is None:
            return None
        if not self._stand(known.words):
            return None
        self._flow = replace(self._flow, words=known.words, guards=known.guards)
        return known.guards

    def keep_guards(self, guards: Iterable[ast.Expr], effects: Effects) -> None:
        """Nothing is wrong with the guards of the flow."""
        if self._flow is not None:
            self._flow = replace(self._flow, words=words(tuple(guards)), guards=effects)

    # --- what comes of it -------------------------------------------------------------------

    def learnt(self) -> KnownWorkflow:
        """What is known now."""
        found = set() if self._flow is None else set(self._flow.words)
        for task in self._tasks.values():
            found |= task.words
        before, meaning = self._meanings, self._meaning
        meanings = {word: before[word] if word in before else meaning(word) for word in found}
        return KnownWorkflow(self._grounds, meanings, self._tasks, self._flow)
