"""The workflows of the suite with real handlers: the engine does every task by itself.

Each task that the suite leaves to somebody outside calls a function here: some take a few
turns of the event loop, some none. Messages and signals are sent, and time passes, until
nothing moves. What came of it must be a case that the sans-IO kernel makes of the same inputs,
with a call for every completion and no more calls than starts.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import anyio
import anyio.lowlevel
import pytest

from knhk import Workflow, load
from knhk.engine import Engine
from knhk.engine.report import Step
from knhk.kernel import Case
from knhk.model import (
    CALLEE_MESSAGE,
    CALLEE_PYTHON,
    CALLEE_SIGNAL,
    CREATE,
    EXCEPT_MESSAGE,
    EXCEPT_SIGNAL,
    INPUT_NAMES,
    CaseStatus,
    Input,
    Net,
)
from knhk.testing import VirtualClock
from knhk.testing.conformance.values import SuiteNet

from .suite import SUITE

pytestmark = pytest.mark.anyio

#: What one task is called at most; a loop that goes on after that is cancelled.
CALLS_MAX = 30
#: How often events are sent and time passes.
ROUNDS = 6
OPEN_TASK = re.compile(r"^( +)task (\w+)[ ]*$", re.MULTILINE)
NETS = {
    f"{pattern.number:02}-{number}": net
    for pattern in SUITE.patterns
    for number, net in enumerate(pattern.nets)
} | {f"or-join-{number}": net for number, net in enumerate(SUITE.or_joins)}


class Handlers(ModuleType):
    """The module that the workflows import: it counts calls, and gives how many there were."""

    def __init__(self) -> None:
        super().__init__("suite_handlers")
        self.calls: Counter[str] = Counter()

    async def work(self, name: str) -> int:
        self.calls[name] += 1
        count = self.calls[name]
        for _ in range((len(self.calls) * 7 + count) % 4):
            await anyio.lowlevel.checkpoint()
        if count > CALLS_MAX:
            await anyio.sleep_forever()
        return count


@pytest.fixture
def handlers() -> Iterator[Handlers]:
    module = Handlers()
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]


def with_handlers(source: str) -> str:
    """The workflow with a callee for every task that has none."""
    given = OPEN_TASK.sub(r'\1task \2 = work("\2")', source)
    return f"from suite_handlers use work(name: str) -> json\n{given}"


def parameters_of(net: SuiteNet) -> dict[str, object]:
    """What the first run of the net gives its case."""
    return dict(net.allowed[0].parameters)


def events_of(net: Net, callee: int, arrow: int) -> list[str]:
    callees = [node.task.callee for node in net.nodes if node.task is not None]
    names = {one.name for one in callees if one.kind == callee}
    names |= {e.name for node in net.nodes for e in node.exceptions if e.kind == arrow}
    return sorted(names)


async def drive(engine: Engine, clock: VirtualClock, case: str, net: Net) -> None:
    """Let the engine work until nothing moves, though everything was sent and time has passed."""
    for _ in range(ROUNDS):
        await clock.settle()
        for name in events_of(net, CALLEE_MESSAGE, EXCEPT_MESSAGE):
            await engine.send(case, name, "news")
        for name in events_of(net, CALLEE_SIGNAL, EXCEPT_SIGNAL):
            await engine.signal(case, name)
        await clock.settle()
        await clock.advance(100_000)


def replayed(workflow: Workflow, history: tuple[Step, ...]) -> Case:
    """The sans-IO case that the journalled inputs make."""
    case = Case(workflow.program, "c")
    for step in history:
        kind = INPUT_NAMES.index(step.kind)
        value = workflow.accept(dict(step.value)) if kind == CREATE else step.value  # type: ignore[call-overload]
        case.apply(Input(kind, step.at_us, step.item, step.task, value, step.error, step.message))
    return case


@pytest.mark.parametrize("name", NETS)
async def test_the_engine_does_what_the_kernel_allows(
    name: str, handlers: Handlers, tmp_path: Path
) -> None:
    net = NETS[name]
    source = tmp_path / "suite.knhk"
    source.write_text(with_handlers(net.source), encoding="utf-8")
    module = load(source)
    workflow = module[next(iter(module))]
    clock = VirtualClock(0)
    async with Engine.open(":memory:", clock=clock) as engine:
        await engine.deploy(source)
        await engine.start(workflow.name, case_id="c", **parameters_of(net))
        await drive(engine, clock, "c", workflow.net)
        report = await engine.show("c")
        if report.status is CaseStatus.running:
            await engine.cancel("c")
            report = await engine.show("c")
    case = replayed(workflow, report.history)
    assert (case.status, dict(report.marking)) == (report.status, case.marking)
    if not report.children:  # they call the handlers too
        called = {item.id for item in case.items if calls(workflow, item.task)}
        started = [step.item for step in report.history if step.kind == "start"]
        completed = [step.item for step in report.history if step.kind == "complete"]
        begun = Counter(case.item(number).task for number in started if number in called)
        done = Counter(case.item(number).task for number in completed if number in called)
        assert done <= handlers.calls <= begun, "what is withdrawn at once may never be called"


def calls(workflow: Workflow, task: str) -> bool:
    """Whether a task calls the handler here."""
    found = [node.task for node in workflow.net.nodes if node.name == task]
    return any(one is not None and one.callee.kind == CALLEE_PYTHON for one in found)
