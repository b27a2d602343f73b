"""The suite on the sans-IO kernel: no store, no clock but the case's own, nothing runs by itself.

A task that is done by a sub-workflow is offered like any other, and the run completes it by
hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, ParamSpec, TypeVar, final

from knhk.engine.plain import jsonable
from knhk.errors import CaseEnded, CheckError, InputError, NotOffered, ResultError
from knhk.kernel import Case, WorkItem
from knhk.model import US_PER_S, ItemState
from knhk.module import Module, Workflow, load
from knhk.testing.conformance.player import StepRefused

__all__ = ["KernelPlayer", "compiled", "first_workflow"]

P = ParamSpec("P")
T = TypeVar("T")

#: Sources whose compiled form is kept, as each of them has several runs.
SOURCES_MAX: Final = 1_000
#: What the kernel and the engine raise when they refuse something.
REFUSALS: Final = (NotOffered, CaseEnded, ResultError, InputError)


def compiled(source: str) -> Module:
    """The module of a source text. Raises :class:`~knhk.errors.CheckError`."""
    found = _loaded(source)
    if isinstance(found, CheckError):
        raise found
    return found


@lru_cache(maxsize=SOURCES_MAX)
def _loaded(source: str) -> Module | CheckError:
    try:
        return load(source if "\n" in source else f"{source}\n")
    except CheckError as error:
        return error


def first_workflow(module: Module) -> Workflow:
    """The workflow that stands first in its source: the one that is played."""
    return min(
        (module[name] for name in module),
        key=lambda workflow: 0 if workflow.net.span is None else workflow.net.span.line,
    )


@final
class KernelPlayer:
    """Plays a :class:`knhk.Case`."""

    def __init__(self) -> None:
        self._case: Case | None = None

    @property
    def case(self) -> Case:
        """The case that is being played."""
        assert self._case is not None, "begin comes first"
        return self._case

    async def begin(self, source: str, parameters: Mapping[str, object]) -> None:
        self._case = first_workflow(compiled(source)).case("case", **parameters)

    async def end(self) -> None:
        self._case = None

    async def start(self, task: str, instance: int | None) -> None:
        _asked(self.case.start, self._which(task, instance, ItemState.offered))

    async def complete(self, task: str, instance: int | None, value: object) -> None:
        _asked(self.case.complete, self._which(task, instance, ItemState.started), value)

    async def perform(self, task: str, instance: int | None, value: object) -> None:
        _asked(self.case.run, self._which(task, instance, ItemState.offered), value)

    async def fail(self, task: str, instance: int | None, error: str) -> None:
        _asked(self.case.fail, self._which(task, instance, ItemState.started), error)

    async def withdraw(self, task: str) -> None:
        _asked(self.case.withdraw, task)

    async def add(self, task: str, value: object) -> None:
        _asked(self.case.add_instance, task, value)

    async def message(self, name: str, key: object, payload: object) -> bool:
        return bool(_asked(self.case.send, name, payload, key))

    async def signal(self, name: str, payload: object) -> int:
        return _asked(self.case.signal, name, payload)

    async def wait(self, duration_us: int) -> None:
        _asked(self.case.advance, duration_us / US_PER_S)

    async def suspend(self) -> None:
        _asked(self.case.suspend)

    async def resume(self) -> None:
        _asked(self.case.resume)

    async def cancel(self) -> None:
        _asked(self.case.cancel)

    async def offered(self) -> tuple[str, ...]:
        return self.case.offered

    async def started(self) -> tuple[str, ...]:
        return self.case.started

    async def status(self) -> str:
        return str(self.case.status)

    async def result(self) -> object:
        return jsonable(self.case.result)

    async def data(self, name: str) -> object:
        return jsonable(self.case.data.get(name))

    async def explain(self, task: str) -> str:
        return self.case.explain(task)

    def _which(self, task: str, instance: int | None, state: ItemState) -> str | WorkItem:
        """The item that a step means, as the case takes it."""
        if instance is None:
            return task
        for item in self.case.items:
            if item.task == task and item.instance == instance and item.state is state:
                return item
        raise StepRefused(f"instance {instance} of task {task!r} is not {state}")


def _asked(act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What the case says, its refusal as :class:`StepRefused`."""
    try:
        return act(*args, **kwargs)
    except REFUSALS as error:
        raise StepRefused(str(error)) from error
