"""A net as transitions over counters, for the exploration of everything that may happen.

A *component* is something that is counted: the tokens of a place, the running work of a task,
the marks of a partial join. A :class:`Transition` says what it needs and takes; its
:class:`Way` s are the choices that are then free: the arrows of a split (guards are free), the
exception flows. Transitions of routing nodes pass by themselves, in net order, before
anything else happens; all others are the environment's.

Most tasks are one transition, start and end in one: whatever can happen while such a task
runs can as well happen before it starts. That is not so for a task whose start is seen by
others or whose tokens others may take away (:meth:`_Reader._lasts`); it has a component for its
running work, and two transitions.

Timers, messages, signals, workers and sub-cases are the environment: they come or do not.
A failure that no exception flow takes up is not a step of the net: the case stands still, or,
``on failure compensate`` or ``cancel``, ends. Undoing it empties the net first.

An OR-join that ends a block counts the branches that its split chose. Where nothing can
disturb that, the split puts the tokens of the branches that it does not choose straight
before the join, which so becomes an AND-join (dead-path elimination, as in BPEL).
"""

from __future__ import annotations

from itertools import combinations
from typing import Final, final

from knhk.errors import TooComplex
from knhk.kernel.orjoin import spread_of
from knhk.kernel.program import Program
from knhk.kernel.structure import blocks
from knhk.model import (
    CALLEE_SKIP,
    EXCEPT_ERROR,
    EXCEPT_MESSAGE,
    EXCEPT_SIGNAL,
    EXCEPT_TIMEOUT,
    JOIN_OR,
    JOIN_PARTIAL,
    NODE_ABORT,
    NODE_STOP,
    NODE_TASK,
    SPLIT_OR,
    SPLIT_XOR,
    Arrow,
    ExceptionArrow,
    Net,
    Node,
)

#: Arrows with guards behind one OR-split whose choices are all listed.
CHOICES_MAX: Final = 10

# What a transition is.
WHOLE: Final = 0  # a task from start to end
START: Final = 1
END: Final = 2
ROUTE: Final = 3


@final
class Drain:
    """What the cancellation of one task takes along: the tokens of its offered items.

    One entry for each of its transitions: what it takes, and what must hold for it to be
    offered. ``single``: it needs a mutex, so that one item is offered at a time. ``loose``: an
    OR-join, which takes what is there.
    """

    def __init__(self, transition: Transition, single: bool, loose: bool) -> None:
        self.transition = transition
        self.single = single
        self.loose = loose


@final
class Way:
    """One way in which a transition may go on.

    ``clears`` are emptied, then the tokens of the offered items in ``drains`` go, then ``puts``
    are put. ``ends``: the case is over then. ``event`` and ``choice`` tell it in words.
    """

    def __init__(self, event: str = "", choice: tuple[str, ...] = ()) -> None:
        self.number = 0
        self.event = event
        self.choice = choice
        self.puts: list[tuple[int, int]] = []
        self.clears: list[int] = []
        self.drains: list[Drain] = []
        self.ends = False


@final
class Transition:
    """Something that may happen: what it needs, and the ways in which it goes on.

    ``takes`` holds components with counts, ``reads`` components that must not be empty,
    ``forbids`` components that must be empty (mutexes). ``arrives`` is the branch of a partial
    join that passes or absorbs (-1: none), ``or_join`` the number of an OR-join (-1: none).
    """

    def __init__(self, node: int, name: str, kind: int) -> None:
        self.number = 0
        self.node = node
        self.name = name
        self.kind = kind
        self.takes: list[tuple[int, int]] = []
        self.reads: list[int] = []
        self.forbids: list[int] = []
        self.arrives = -1
        self.or_join = -1
        self.ways: list[Way] = []

    def special(self) -> bool:
        """Whether more than counts of single components decides about it."""
        return (
            self.arrives >= 0 or self.or_join >= 0 or any(len(way.drains) > 0 for way in self.ways)
        )


@final
class Partial:
    """The components of a partial join: branches, what has arrived of each, whether it passed."""

    def __init__(self, node: int, threshold: int, resets: bool) -> None:
        self.node = node
        self.threshold = threshold
        self.resets = resets
        self.places: list[int] = []
        self.arrived: list[int] = []
        self.passed = 0


@final
class Moves:
    """Everything that may happen in a net.

    ``start`` holds the counts at the beginning; components up to ``tokens`` are tokens and
    work, those behind are marks. ``routes`` and ``tasks`` are the transitions that pass by
    themselves, in net order, and those of the environment. ``choices`` says for some splits
    which sets of their arrows may be taken; all others are free.
    """

    def __init__(self, net: Net, choices: dict[int, list[list[int]]] | None = None) -> None:
        self.net = net
        self.choices: dict[int, list[list[int]]] = {} if choices is None else choices
        self.program = Program(net)
        self.names: list[str] = [place.name for place in net.places]
        self.start: list[int] = [place.tokens for place in net.places]
        self.work: dict[int, int] = {}
        self.partials: dict[int, Partial] = {}
        self.hidden: dict[int, int] = {}
        self.routes: list[Transition] = []
        self.tasks: list[Transition] = []
        reader = _Reader(self)
        self.tokens = len(self.start)
        reader.add_marks()
        reader.read()
        self.transitions: list[Transition] = [*self.routes, *self.tasks]
        self.ways: list[Way] = []
        for number, transition in enumerate(self.transitions):
            transition.number = number
            for way in transition.ways:
                way.number = len(self.ways)
                self.ways.append(way)

    def watched(self) -> set[int]:
        """The components that decide otherwise than by holding enough."""
        found = set(self.hidden.values())
        for partial in self.partials.values():
            found.update([*partial.places, *partial.arrived, partial.passed])
        for transition in self.transitions:
            found.update(transition.forbids)
            if transition.or_join >= 0:
                found.update(self._seen_by_or_join(transition))
            for way in transition.ways:
                for drain in way.drains:
                    found.update(at for at, _ in drain.transition.takes)
                    found.update(drain.transition.reads)
        return found

    def _seen_by_or_join(self, transition: Transition) -> list[int]:
        spread = spread_of(self.program, transition.or_join)
        return [*spread.places, *[self.work[task] for task in spread.tasks if task in self.work]]

    def component(self, name: str) -> int:
        """A new component."""
        self.names.append(name)
        self.start.append(0)
        return len(self.start) - 1


@final
class _Reader:
    """Reads the nodes of a net into transitions."""

    def __init__(self, moves: Moves) -> None:
        self.moves = moves
        self.net = moves.net
        self.program = moves.program
        self._regions = [node.cancels for node in self.net.nodes if node.cancels is not None]
        self._blocks = self._counted_blocks()
        self._exclusive_matters = any(
            self._exclusive(task) for region in self._regions for task in region.tasks
        )
        for number, node in enumerate(self.net.nodes):
            if node.kind == NODE_TASK and not _skips(node) and self._lasts(number, node):
                moves.work[number] = moves.component(node.name)
        for number in sorted({n.completes for n in self.net.nodes if n.completes >= 0}):
            moves.hidden[number] = moves.component(f"completion of {self.net.nodes[number].name}")

    def add_marks(self) -> None:
        """Components of partial joins, behind those that keep a case from completing."""
        moves = self.moves
        for number, node in enumerate(self.net.nodes):
            if node.join == JOIN_PARTIAL:
                partial = Partial(number, node.threshold, node.cancels is not None)
                partial.places = list(node.inputs)
                partial.arrived = [moves.component(f"{node.name} arrived") for _ in node.inputs]
                partial.passed = moves.component(f"{node.name} passed")
                moves.partials[number] = partial

    def read(self) -> None:
        """Make all transitions."""
        for number in self.moves.hidden:
            self._complete_early(number)
        for number, node in enumerate(self.net.nodes):
            if node.kind != NODE_TASK or _skips(node):
                self.moves.routes.extend(self._starts(number, node, ROUTE))
            elif number in self.moves.work:
                self._two_phases(number, node)
            else:
                self.moves.tasks.extend(self._starts(number, node, WHOLE))
        for transition in [*self.moves.routes, *self.moves.tasks]:
            for way in transition.ways:
                if transition.kind != START:
                    self._add_region(transition, way)

    # --- blocks ---------------------------------------------------------------------------

    def _counted_blocks(self) -> dict[int, dict[int, int]]:
        """By OR-split the place before the join that each of its arrows leads to."""
        disturbed = any(
            node.cancels is not None or node.exceptions or node.completes >= 0
            for node in self.net.nodes
        )
        if disturbed or not any(node.join == JOIN_OR for node in self.net.nodes):
            return {}
        found = {}
        for join, split in blocks(self.net).items():
            if self.program.or_joins[self._or_join(join)].counts:
                found[split] = self._branch_ends(split, join)
        self._counted = {join for join, split in blocks(self.net).items() if split in found}
        return found

    def _branch_ends(self, split: int, join: int) -> dict[int, int]:
        into = set(self.net.nodes[join].inputs)
        users: dict[int, list[int]] = {}
        for number, node in enumerate(self.net.nodes):
            for place in node.inputs:
                users.setdefault(place, []).append(number)
        ends = {}
        for at, arrow in enumerate(self.net.nodes[split].outputs):
            seen = {arrow.place}
            pending = [arrow.place]
            while pending:
                place = pending.pop()
                if place in into:
                    ends[at] = place
                    break
                for number in users.get(place, []):
                    for ahead in self.net.nodes[number].outputs:
                        if ahead.place not in seen:
                            seen.add(ahead.place)
                            pending.append(ahead.place)
        return ends

    def _or_join(self, node: int) -> int:
        return int(self.program.or_join[self.program.first[node]])

    # --- starts ---------------------------------------------------------------------------

    def _lasts(self, number: int, node: Node) -> bool:
        """Whether it matters to others that a task runs, or is cancelled while it does.

        It does when the milestone or the mutex that it needed may be gone by its end, when
        others empty or drain its inputs but not itself, and when a join looks at its inputs.
        """
        if node.while_place >= 0 or (self._exclusive_matters and self._exclusive(number)):
            return True
        if node.join == JOIN_OR and len(node.inputs) > 1 and not self._counts(number):
            return True
        inputs = set(node.inputs)
        for other, rival in enumerate(self.net.nodes):
            looks = rival.join == JOIN_PARTIAL or (rival.join == JOIN_OR and len(rival.inputs) > 1)
            if looks and other != number and not inputs.isdisjoint(rival.inputs):
                return True
        for region in self._regions:
            if number in region.tasks:
                continue
            touched = set(region.places)
            for task in region.tasks:
                touched.update(self.net.nodes[task].inputs)
            if not inputs.isdisjoint(touched):
                return True
        return False

    def _counts(self, number: int) -> bool:
        return bool(self._blocks) and number in self._counted

    def _exclusive(self, number: int) -> bool:
        first = self.program.first[number]
        return any(
            self.program.exclusive[transition]
            for transition in range(first, first + self.program.count[number])
        )

    def _two_phases(self, number: int, node: Node) -> None:
        work = self.moves.work[number]
        for start in self._starts(number, node, START):
            way = Way("starts")
            way.puts.append((work, 1))
            interrupted = [
                self._exception(arrow)
                for arrow in node.exceptions
                if arrow.kind == EXCEPT_MESSAGE or arrow.kind == EXCEPT_SIGNAL
            ]
            start.ways = [way, *interrupted]
            self.moves.tasks.append(start)
        end = Transition(number, node.name, END)
        end.takes.append((work, 1))
        end.ways = self._endings(number, node)
        self.moves.tasks.append(end)

    def _starts(self, number: int, node: Node, kind: int) -> list[Transition]:
        """The transitions by which a node takes tokens."""
        program = self.program
        found: list[Transition] = []
        first = program.first[number]
        counts = self._counts(number)
        for transition in range(first, first + program.count[number]):
            made = Transition(number, node.name, kind)
            start = program.input_at[transition]
            for at in range(start, start + program.width[transition]):
                made.takes.append((int(program.inputs[at]), int(program.takes[at])))
            if program.or_join[transition] >= 0 and not counts:
                made.or_join = int(program.or_join[transition])
                made.takes = []
            if node.join == JOIN_PARTIAL:
                made.arrives = transition - int(first)
            if node.while_place >= 0:
                made.reads.append(node.while_place)
            made.forbids = self._forbidden(number, transition)
            made.ways = self._endings(number, node)
            found.append(made)
        return found

    def _forbidden(self, number: int, transition: int) -> list[int]:
        """The components that must be empty for the mutexes that a transition needs to be free."""
        program = self.program
        sections = self.net.sections
        mutexes = [sections[section].mutex for section in program.enters[transition]]
        mutexes.extend(self.net.nodes[number].holds)
        found: set[int] = set()
        for mutex in mutexes:
            if any(sections[section].mutex == mutex for section in program.inside[transition]):
                continue
            for section in sections:
                if section.mutex == mutex:
                    found.update(section.places)
                    found.update(self._work(section.nodes))
            found.update(
                self._work([n for n, node in enumerate(self.net.nodes) if mutex in node.holds])
            )
        return sorted(found)

    def _work(self, nodes: tuple[int, ...] | list[int]) -> list[int]:
        return [self.moves.work[node] for node in nodes if node in self.moves.work]

    # --- endings --------------------------------------------------------------------------

    def _endings(self, number: int, node: Node) -> list[Way]:
        """The ways in which a node may go on once it has taken its tokens."""
        ways: list[Way] = []
        if node.kind == NODE_STOP or node.kind == NODE_ABORT or node.cancels_case:
            over = Way()
            over.ends = True
            ways.append(over)
        else:
            ways.extend(self._way(number, node, chosen) for chosen in self._choices(number, node))
        if node.kind == NODE_TASK and not _skips(node):
            ways.extend(self._exception(arrow) for arrow in node.exceptions)
        return ways

    def _choices(self, number: int, node: Node) -> list[list[int]]:
        """The sets of arrows that a split may choose when its guards are free."""
        arrows = list(range(len(node.outputs)))
        if number in self.moves.choices:
            return self.moves.choices[number]
        if node.split == SPLIT_XOR and arrows:
            return [[at] for at in arrows]
        if node.split != SPLIT_OR or not arrows:
            return [arrows]
        guarded = [at for at in arrows if node.outputs[at].guard is not None]
        if len(guarded) > CHOICES_MAX:
            raise TooComplex(node.name, f"more than {CHOICES_MAX} branches may be chosen together")
        chosen: list[list[int]] = []
        for size in range(1, len(guarded) + 1):
            chosen.extend(list(some) for some in combinations(guarded, size))
        chosen.extend([at] for at in arrows if node.outputs[at].guard is None)
        return chosen

    def _way(self, number: int, node: Node, chosen: list[int]) -> Way:
        free = node.split in (SPLIT_XOR, SPLIT_OR) and len(node.outputs) > 1
        names = tuple(self._target(node.outputs[at]) for at in chosen) if free else ()
        way = Way("", names)
        for at in chosen:
            way.puts.append((node.outputs[at].place, node.outputs[at].weight))
        for at, place in self._blocks.get(number, {}).items():
            if at not in chosen:
                way.puts.append((place, 1))
        if node.completes >= 0:
            way.puts.append((self.moves.hidden[node.completes], 1))
        return way

    def _target(self, arrow: Arrow) -> str:
        """Where an arrow leads to, as its reader would say."""
        place = self.net.places[arrow.place]
        if place.named:
            return place.name
        for node in self.net.nodes:
            if arrow.place in node.inputs:
                return node.name
        return place.name

    def _exception(self, arrow: ExceptionArrow) -> Way:
        words = {
            EXCEPT_ERROR: f"fails with {arrow.name}" if arrow.name else "fails",
            EXCEPT_TIMEOUT: "takes too long",
            EXCEPT_MESSAGE: f"is interrupted by message {arrow.name}",
            EXCEPT_SIGNAL: f"is interrupted by signal {arrow.name}",
        }
        way = Way(words[arrow.kind])
        way.puts.append((arrow.place, arrow.weight))
        return way

    def _add_region(self, transition: Transition, way: Way) -> None:
        """What a completion empties; an exception flow empties nothing."""
        node = self.net.nodes[transition.node]
        region = node.cancels
        exception = way.event not in ("", "completes early")
        if region is None or way.ends or exception:
            return
        way.clears.extend(region.places)
        for task in region.tasks:
            if task in self.moves.work:
                way.clears.append(self.moves.work[task])
            for start in self._starts(task, self.net.nodes[task], START):
                single = self._exclusive(task)
                way.drains.append(Drain(start, single, start.or_join >= 0))
        for join in region.joins:
            partial = self.moves.partials[join]
            way.clears.append(partial.passed)
            way.clears.extend(partial.arrived)

    # --- completing another task ------------------------------------------------------------

    def _complete_early(self, number: int) -> None:
        """`completes n`: a hidden token completes every n that is offered or running."""
        node = self.net.nodes[number]
        hidden = self.moves.hidden[number]
        found: list[Transition] = []
        if number in self.moves.work:
            running = Transition(number, node.name, ROUTE)
            running.takes.append((self.moves.work[number], 1))
            found.append(running)
        found.extend(self._starts(number, node, ROUTE))
        for transition in found:
            transition.takes.append((hidden, 1))
            transition.ways = []
            for chosen in self._choices(number, node):
                way = self._way(number, node, chosen)
                way.event = "completes early"
                way.puts.append((hidden, 1))
                transition.ways.append(way)
        nothing = Transition(number, "", ROUTE)
        nothing.takes.append((hidden, 1))
        nothing.ways.append(Way())
        self.moves.routes.extend([*found, nothing])


def _skips(node: Node) -> bool:
    return node.task is not None and node.task.callee.kind == CALLEE_SKIP
