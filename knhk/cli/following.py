"""Following a case until it ends, or until all it waits for is work that is done outside."""

from __future__ import annotations

import json
import shlex
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Final

import anyio

from knhk.cli import exits
from knhk.cli.store import quoted
from knhk.errors import CaseCancelled, CaseFailed, CaseStuck, KnhkError
from knhk.model import CaseStatus

if TYPE_CHECKING:
    from knhk.engine import CaseHandle, Engine, Event, Observer, Waits

#: A look at a case goes through its items: this many times its length pass before the next.
PAUSES_PER_LOOK: Final = 5
PAUSE_MIN_S: Final = 0.02
#: How long no news are waited for before it is looked again.
LOOK_S: Final = 2.0


class Relay:
    """An observer that tells another one, and lets a waiting task know that there was news."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        #: Cases that have taken a signal, in order.
        self.signalled: dict[str, None] = {}
        self._news = anyio.Event()

    def __call__(self, event: Event) -> None:
        """Take in an event; called in the event loop."""
        self._news.set()
        if event.what == "signal":
            self.signalled[event.case] = None
        self._observer(event)

    async def news(self) -> None:
        """Wait for an event, unless there was one since the last time."""
        await self._news.wait()
        self._news = anyio.Event()


@dataclass(frozen=True)
class Standing:
    """Where a case was left: at its end, with an error, waiting for others, or suspended."""

    case: str
    error: KnhkError | None = None
    waits: Waits | None = None
    suspended: bool = False


async def follow(engine: Engine, case: CaseHandle, relay: Relay) -> Standing:
    """Wait until nothing of the case is left to be done here."""

    async def ended() -> Standing:
        try:
            await case.result()
        except KnhkError as error:
            return Standing(case.id, error)
        return Standing(case.id)

    async def idle() -> Standing:
        while True:
            began = monotonic()
            if case.status is CaseStatus.suspended:
                return Standing(case.id, suspended=True)
            waits = await engine.waits(case.id)
            if waits is not None and (waits.work or waits.events):
                return Standing(case.id, waits=waits)
            await anyio.sleep(max(PAUSE_MIN_S, PAUSES_PER_LOOK * (monotonic() - began)))
            with anyio.move_on_after(LOOK_S):  # another process may run it, of which none is told
                await relay.news()

    return await _first(ended, idle)


async def _first(*jobs: Callable[[], Awaitable[Standing]]) -> Standing:
    """What the first job to end gives; the others are cancelled."""
    found: list[Standing] = []
    async with anyio.create_task_group() as group:

        async def run(job: Callable[[], Awaitable[Standing]]) -> None:
            found.append(await job())
            group.cancel_scope.cancel()

        for job in jobs:
            group.start_soon(run, job)
    return found[0]


def account(standing: Standing, store: str) -> tuple[int, list[str]]:
    """Say in words how a case was left, if not at its end, and give the exit code first.

    Raises what is no outcome of the case itself, such as a store that is full.
    """
    case = standing.case
    if isinstance(standing.error, CaseFailed | CaseCancelled | CaseStuck):
        return exits.FAILED, [f"knhk: {standing.error}"]
    if standing.error is not None:
        raise standing.error
    if standing.suspended:
        return exits.WAITING, [f"knhk: case {case} is suspended"]
    if standing.waits is not None:
        return exits.WAITING, list(_waits(case, standing.waits, store))
    return exits.DONE, []


def _waits(case: str, waits: Waits, store: str) -> Iterator[str]:
    """Say what a case and its sub-cases wait for, and how it is given to them."""
    if waits.work:
        yield f"knhk: case {case} waits for work that is done outside:"
        for name, task in dict.fromkeys((offer.case, offer.task) for offer in waits.work):
            yield f"  {task}: knhk complete {name} {task} --result JSON{quoted(store)}"
    if waits.events:
        yield f"knhk: case {case} waits for what is sent to it:"
        told = ((wait.case, wait.task, wait.event, _key(wait.key)) for wait in waits.events)
        for name, task, event, key in dict.fromkeys(told):
            kind, _, what = event.partition(" ")
            how = f"knhk {'send' if kind == 'message' else kind} {name} {what}"
            yield f"  {task}: {how}{key} --payload JSON{quoted(store)}"


def _key(key: object) -> str:
    """Write the option that gives a key."""
    if key is None:
        return ""
    if isinstance(key, str):
        return f" --key {shlex.quote(key)}"
    return f" --key-json {shlex.quote(json.dumps(key, ensure_ascii=False))}"
