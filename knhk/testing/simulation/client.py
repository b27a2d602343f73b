"""The users of a simulated engine, and the network to it, which is not to be trusted.

A request is slow, lost, delivered twice, or answered and the answer lost; the process that has it
may crash. The client asks again until it has an answer, as programs do that use an engine from
outside. So what it asks for may be done more than once, and a repeated request that is refused,
since it was done before, counts as done.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Any, Final, Protocol, TypeVar, cast, final

import anyio

from knhk.engine import CaseReport, Claim, Engine, WorkOffer
from knhk.engine.claims import CLAIM_S
from knhk.errors import JournalError, KnhkError, UsageError
from knhk.journal import CaseRow
from knhk.model import CANCEL, COMPLETE, CREATE, US_PER_S, CaseStatus
from knhk.testing.clock import BEGINNING_US
from knhk.testing.simulation.faults import Chance
from knhk.testing.simulation.invariants import Published
from knhk.testing.simulation.loop import SimulatedLoop
from knhk.testing.simulation.machine import Machine
from knhk.testing.simulation.process import Process

__all__ = ["Client"]

T = TypeVar("T")

#: How long a request is under way, and how long a slow one.
REQUEST_US: Final = 300
SLOW_S: Final = 2.0
#: After what time a client asks again, at first and at most.
AGAIN_S: Final = 0.5
AGAIN_MAX_S: Final = 300.0
#: How often a client asks before it gives up.
REQUESTS_MAX: Final = 500

#: How long messages are kept.
KEPT_S: Final = 30 * 86_400.0

#: A request as it arrives in the process that is to answer it.
Request = Callable[[Engine], Awaitable[T]]


class _Lost(Exception):
    """There is no answer; the request may have been carried out."""


class Host(Protocol):
    """The run that clients are a part of."""

    machine: Machine
    chance: Chance
    loop: SimulatedLoop
    processes: list[Process]

    def awaited(self, process: Process, answer: Future[object], lost: Exception) -> None:
        """A client waits for an answer of that process."""

    def answered(self, case: str, kind: int, item: int = -1) -> None:
        """A client was told that something is done."""

    def published(self, message: Published) -> None:
        """A client was told that a message is published."""


@final
class Client:
    """What a scenario is given to use the engine by, whichever process it is just now.

    ``random`` is drawn from the seed, for whatever a scenario wants to leave to chance. Its methods
    are those of :class:`~knhk.engine.Engine`; for others there is :meth:`ask`.
    """

    def __init__(self, run: Host, seed: str) -> None:
        self.random = Random(f"{seed}/client")
        self._run = run
        self._named = 0

    # Asking

    async def ask(self, request: Callable[[Engine], Awaitable[T]], what: str = "a request") -> T:
        """Have something asked of the engine, again until there is an answer.

        What comes back must be of no process: plain values, no handle of a case.
        """
        value, _ = await self._ask(request, what)
        return cast("T", value)

    async def _ask(self, request: Request[Any], what: str) -> tuple[object, bool]:
        """The answer, and whether it is one; else the request was refused as done before."""
        again_s = AGAIN_S
        may_be_done = False
        for _ in range(REQUESTS_MAX):
            is_twice = self._run.chance.strikes("duplicate_request", "network")
            may_be_done = may_be_done or is_twice
            try:
                return await self._send(request, what, is_twice), True
            except _Lost:
                may_be_done = True
            except JournalError:
                may_be_done = True  # the store may have it, and only the answer was lost
            except UsageError as error:
                if "has been closed" not in str(error) and "needs an engine" not in str(error):
                    if may_be_done:
                        return None, False
                    raise
                may_be_done = True
            await anyio.sleep(again_s * (1 + self.random.random()))
            again_s = min(2 * again_s, AGAIN_MAX_S)
        raise TimeoutError(f"there is no answer to {what} after {REQUESTS_MAX} requests")

    async def _send(self, request: Request[Any], what: str, is_twice: bool) -> object:
        process = await self._reach()
        chance, name = self._run.chance, f"to {process.name}"
        answer: Future[object] = self._run.loop.create_future()
        if chance.strikes("lost_request", name):
            await anyio.sleep(chance.mean(SLOW_S))
            raise _Lost
        self._deliver(process, request, what, answer)
        if is_twice:
            self._deliver(process, request, f"{what}, a second time", None)
        self._run.awaited(process, answer, _Lost())
        return await answer

    async def _reach(self) -> Process:
        """A process that can be asked."""
        ready = self._ready()
        while not ready:  # a client knows of no other way
            await anyio.sleep(AGAIN_S)
            ready = self._ready()
        return ready[self.random.randrange(len(ready))] if len(ready) > 1 else ready[0]

    def _ready(self) -> list[Process]:
        return [each for each in self._run.processes if each.engine is not None]

    def _deliver(
        self, process: Process, request: Request[Any], what: str, answer: Future[object] | None
    ) -> None:
        run = self._run

        async def serve() -> None:
            engine = process.engine
            value: object = None
            failed: Exception | None = None
            if engine is None:
                failed = _Lost()
            else:
                run.machine.note(process.name, f"is asked: {what}")
                try:
                    value = await request(engine)
                except Exception as error:  # noqa: BLE001  whatever it is, it is the answer
                    failed = error
            if answer is not None and not process.is_gone:
                self._reply(process, answer, value, failed)

        def arrive() -> None:
            if not process.is_gone:
                process.begin(serve)

        run.machine.later(run.machine.now_us + self._way_us(process), run.loop, arrive)

    def _reply(
        self, process: Process, answer: Future[object], value: object, failed: Exception | None
    ) -> None:
        if self._run.chance.strikes("lost_reply", process.name):
            value, failed = None, _Lost()

        def arrive() -> None:
            if answer.done():
                return
            if failed is None:
                answer.set_result(value)
            else:
                answer.set_exception(failed)

        machine = self._run.machine
        machine.later(machine.now_us + self._way_us(process), self._run.loop, arrive)

    def _way_us(self, process: Process) -> int:
        chance = self._run.chance
        if chance.strikes("slow_request", process.name):
            return int(chance.mean(SLOW_S) * US_PER_S)
        return int(chance.random.random() * REQUEST_US)

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        await anyio.sleep(seconds)

    @property
    def now_us(self) -> int:
        """The time, in microseconds since the Unix epoch, by a clock that does not jump."""
        return BEGINNING_US + self._run.machine.now_us

    # What an engine does

    async def start(
        self, workflow: str, /, *, case_id: str | None = None, **parameters: object
    ) -> str:
        """Begin a case; its id. It is begun once, however often that has to be asked for."""
        if case_id is None:
            self._named += 1
            case_id = f"{workflow}-{self._named}"
        name = case_id

        async def request(engine: Engine) -> None:
            await engine.start(workflow, parameters, case_id=name)

        _, is_answered = await self._ask(request, f"start {workflow} as {name}")
        if is_answered:
            self._run.answered(name, CREATE)
        return name

    async def result(self, case_id: str) -> object:
        """Wait for the end of a case; its result. Raises as a handle's ``result`` does."""

        async def request(engine: Engine) -> object:
            return await (await engine.case(case_id)).result()

        return await self.ask(request, f"the result of {case_id}")

    async def end(self, case_id: str) -> str:
        """Wait for the end of a case, whatever it is; its status."""
        try:
            await self.result(case_id)
        except KnhkError as error:
            self._run.machine.note("client", f"{case_id} has ended: {type(error).__name__}")
        return str((await self.show(case_id)).status)

    async def show(self, case_id: str) -> CaseReport:
        """A case as it stands."""
        return await self.ask(lambda engine: engine.show(case_id), f"show {case_id}")

    async def cases(
        self, *, status: Sequence[CaseStatus | str] = (), parent: str = ""
    ) -> tuple[CaseRow, ...]:
        """Cases by age."""
        return await self.ask(lambda engine: engine.cases(status=status, parent=parent), "cases")

    async def work(self, case_id: str | None = None) -> tuple[WorkOffer, ...]:
        """All work that waits for somebody outside."""
        return await self.ask(lambda engine: engine.work(case_id), "work")

    async def claim_next(
        self, *, task: str = "", worker: str = "", lease_s: float | None = CLAIM_S
    ) -> Claim | None:
        """Take the first of the work that nobody holds; after a lost answer it is another one."""
        return await self.ask(
            lambda engine: engine.claim_next(task=task, worker=worker, lease_s=lease_s),
            f"claim for {worker}",
        )

    async def heartbeat(self, claim: Claim, lease_s: float | None = CLAIM_S) -> None:
        """Have a claim last longer."""
        key = claim.idempotency_key
        await self.ask(lambda engine: engine.heartbeat(claim, lease_s=lease_s), f"keep up {key}")

    async def complete(
        self, case_id: str, item: int, value: object = None, *, attempt: int | None = None
    ) -> None:
        """Complete work for outside, with the attempt of a claim if somebody holds it."""
        _, is_answered = await self._ask(
            lambda engine: engine.complete(case_id, item, value, attempt=attempt),
            f"complete {case_id}:{item}",
        )
        if is_answered:
            self._run.answered(case_id, COMPLETE, item)

    async def fail(
        self,
        case_id: str,
        item: int,
        error: str,
        message: str = "",
        *,
        attempt: int | None = None,
    ) -> None:
        """Fail an attempt at work for outside."""
        await self.ask(
            lambda engine: engine.fail(case_id, item, error, message, attempt=attempt),
            f"fail {case_id}:{item}",
        )

    async def send(
        self, case_id: str, name: str, payload: object = None, key: object = None
    ) -> bool:
        """Send a message to a case; it may come more than once."""
        taken = await self.ask(
            lambda engine: engine.send(case_id, name, payload, key), f"send {name} to {case_id}"
        )
        return bool(taken)

    async def publish(self, name: str, key: object = None) -> str | None:
        """Publish a message once, however often that has to be asked for; the case that took it.

        Its payload is its id, so that it is known whoever takes it. It is kept for a month.
        """
        self._named += 1
        id = f"message-{self._named}"

        async def request(engine: Engine) -> str | None:
            return await engine.publish(name, id, key=key, id=id, ttl_s=KEPT_S)

        taken = await self.ask(request, f"publish {name} as {id}")
        self._run.published(Published(id, name, key))
        return taken

    async def broadcast(self, name: str, payload: object = None) -> int:
        """Send a signal to all that wait; it may come more than once."""
        taken = await self.ask(lambda engine: engine.broadcast(name, payload), f"broadcast {name}")
        return taken or 0

    async def signal(self, case_id: str, name: str, payload: object = None) -> int:
        """Send a signal to a case; it may come more than once."""
        taken = await self.ask(
            lambda engine: engine.signal(case_id, name, payload), f"signal {name} to {case_id}"
        )
        return taken or 0

    async def suspend(self, case_id: str) -> None:
        """Let a case stand still."""
        await self.ask(lambda engine: engine.suspend(case_id), f"suspend {case_id}")

    async def resume_case(self, case_id: str) -> None:
        """Have a suspended case go on."""
        await self.ask(lambda engine: engine.resume_case(case_id), f"resume {case_id}")

    async def retry(self, case_id: str, task: str | None = None) -> None:
        """Have a failed case go on."""
        await self.ask(lambda engine: engine.retry(case_id, task), f"retry {case_id}")

    async def skip(self, case_id: str, which: str | int, value: object = None) -> None:
        """Take work for done."""
        await self.ask(lambda engine: engine.skip(case_id, which, value), f"skip {case_id}:{which}")

    async def release(self, case_id: str, which: str | int, *, attempt: int | None = None) -> None:
        """Give started work back."""
        await self.ask(
            lambda engine: engine.release(case_id, which, attempt=attempt),
            f"release {case_id}:{which}",
        )

    async def withdraw(self, case_id: str, task: str) -> None:
        """Cancel a task of a case."""
        await self.ask(lambda engine: engine.withdraw(case_id, task), f"withdraw {case_id}:{task}")

    async def cancel(self, case_id: str, *, compensate: bool = False) -> None:
        """Withdraw all work of a case."""
        _, is_answered = await self._ask(
            lambda engine: engine.cancel(case_id, compensate=compensate), f"cancel {case_id}"
        )
        if is_answered and not compensate:
            self._run.answered(case_id, CANCEL)
