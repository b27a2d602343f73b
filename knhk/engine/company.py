"""The engine among the other processes that run the same store.

Theory of operation. One task beats (:mod:`knhk.journal.sharing`): as often as its lease needs, when
others have news, and when there is something to tell them. Each time it takes up what the engine
has gained, lets go of what it has lost, and gives away what it has too much. Cases of shards that
were gained are picked up by a second task, so that however many they are, the beats go on.

A shard is given away in order: what waits for the journal is written first, then its cases leave
memory, then the store has it. Work that is going on then is stopped, and done again by whoever
takes the shard; so shards with the least to do go first.

Whoever waits here for the end of a case that runs elsewhere has the store asked once in a while;
the process that runs it tells all others when a case has ended and somebody waits for one.
"""

from __future__ import annotations

import logging
import os
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, TypeVar, final

import anyio
from anyio.abc import TaskGroup

from knhk.engine.runtime import Runtime
from knhk.errors import JournalError, StoreAway
from knhk.journal import Commit, Fence, Holding, Membership, Receipt, Stream
from knhk.surroundings import call_in_thread

__all__ = ["Company", "process_name"]

#: How long it takes until what failed is tried again.
AGAIN_S: Final = 0.5
#: How often the store is asked for the ends of cases that run elsewhere, if nobody tells of any.
WATCH_S: Final = 1.0
#: The shortest time between two beats.
PAUSE_S: Final = 0.01
#: How long it is waited for what is to be written of a shard before it is given away.
FLUSH_S: Final = 5.0

_log = logging.getLogger(__name__)

T = TypeVar("T")


def process_name() -> str:
    """What this process is called for people who look into the store."""
    return f"{socket.gethostname()}:{os.getpid()}"


@final
class Company:
    """Holds the share of one engine; ``load`` picks up the cases of shards that were gained.

    ``heard`` is called at each beat. With ``resumes`` off the engine only runs what it was asked
    for: it takes no share, and picks up nothing.
    """

    def __init__(
        self,
        membership: Membership,
        runtime: Runtime,
        load: Callable[[Sequence[int]], Awaitable[object]],
        heard: Callable[[], Awaitable[None]],
        *,
        resumes: bool,
        patience_s: float,
    ) -> None:
        self._membership = membership
        self._runtime = runtime
        self._load = load
        self._heard = heard
        self._resumes = resumes
        self._patience_s = patience_s
        #: Of those who beat, take, open and give: so each knows what the one before has done.
        self._lock = anyio.Lock()
        self._poked = anyio.Event()
        self._gained: set[int] = set()
        self._has_gained = anyio.Event()
        #: Shards whose cases may have ended elsewhere unheard of.
        self._unsure: set[int] = set()
        self._again_s = 0.0

    def run(self, group: TaskGroup) -> None:
        """Begin to beat, and to pick up what is gained."""
        self._runtime.poke = self.poke
        group.start_soon(self._beat, name="knhk company")
        group.start_soon(self._pick_up, name="knhk pick-up")

    def poke(self) -> None:
        """Have the next beat now."""
        self._poked.set()

    async def _beat(self) -> None:
        while True:
            try:
                await self.look()
                await self._news()
            except JournalError as error:
                _log.info("the company is asked again in %g s: %s", AGAIN_S, error)
                await anyio.sleep(AGAIN_S)
            await anyio.sleep(PAUSE_S)

    async def look(self) -> None:
        """Beat once, and see to all that comes of it."""
        self._poked = anyio.Event()
        async with self._lock:
            awaited = self._runtime.awaited_elsewhere()
            holding = await self._call(partial(self._membership.beat, waits=bool(awaited)))
            self._take_over(holding)
            if holding.surplus:
                await self._give(holding.surplus)
        self._again_s = min(holding.again_s, WATCH_S) if awaited else holding.again_s
        await self._see_ends()
        self._runtime.is_awaited = holding.is_awaited
        if self._runtime.has_ended:
            self._runtime.has_ended = False
            await self.tell()
        await self._heard()

    async def _see_ends(self) -> None:
        """See which cases have ended elsewhere that somebody waits for here."""
        gained = set(self._unsure)
        awaited = self._runtime.awaited_elsewhere(gained)
        if awaited:
            for row in await self._call(partial(self._membership.ended, awaited)):
                self._runtime.moved_elsewhere(row)
        self._unsure -= gained

    def _take_over(self, holding: Holding) -> None:
        gained, lost = self._runtime.shards.changes(holding.epochs)
        if lost:
            _log.info("%d shards are held by others now", len(lost))
            self._runtime.let_go(lost)
        for fence in gained:
            self._gain(fence)

    def _gain(self, fence: Fence) -> None:
        self._runtime.shards.gain(fence)
        self._unsure.add(fence.shard)
        if self._resumes:
            self._gained.add(fence.shard)
            self._has_gained.set()

    async def _give(self, count: int) -> None:
        shards = self._runtime.shards
        load = Counter(
            live.fence.shard for live in self._runtime.live.values() if live.fence is not None
        )
        chosen = sorted(shards.only or (), key=lambda shard: (load[shard], shard))[:count]
        fences = shards.leave(chosen)
        receipt = Receipt()
        self._runtime.writer.put(Commit(""), Stream(), receipt)
        with anyio.move_on_after(FLUSH_S), suppress(JournalError):
            await receipt.written()
        self._runtime.let_go(fences)
        await self._call(partial(self._membership.give, chosen))

    async def _news(self) -> None:
        """Return when others have news, when this engine has, or when it is time to beat."""
        with anyio.move_on_after(self._again_s):
            async with anyio.create_task_group() as group:
                group.start_soon(self._listen, group.cancel_scope, name="knhk listener")
                await self._poked.wait()
                group.cancel_scope.cancel()

    async def _listen(self, scope: anyio.CancelScope) -> None:
        number = self._membership.fileno()
        if number >= 0:
            try:
                await anyio.wait_readable(number)
            except (OSError, ValueError, anyio.ClosedResourceError):
                await anyio.sleep(AGAIN_S)  # the connection was lost, and is made again
            scope.cancel()

    async def tell(self) -> None:
        """Have all other processes hear that there is news."""
        await self._call(self._membership.tell)

    # Picking up

    async def _pick_up(self) -> None:
        while True:
            await self._has_gained.wait()
            self._has_gained = anyio.Event()
            gained, self._gained = self._gained, set()
            try:
                await self._load(sorted(gained))
                self._runtime.parking.ask_again()
            except JournalError as error:
                _log.warning("shards are picked up again in %g s: %s", AGAIN_S, error)
                self._gained |= gained
                self._has_gained.set()
                await anyio.sleep(AGAIN_S)

    # Taking

    async def home(self) -> int:
        """A shard for a new case; a new one if none is held."""
        while (shard := self._runtime.shards.pick()) is None:
            async with self._lock:
                if self._runtime.shards.pick() is None:
                    self._gain(await self.patiently(self._membership.open))
        return shard

    async def take(self, shard: int) -> bool:
        """Take a shard if nobody holds it; whether it is held now."""
        async with self._lock:
            if self._runtime.shards.has(shard):
                return True
            fence = await self.patiently(partial(self._membership.take, shard))
            if fence is not None:
                self._gain(fence)
        return fence is not None

    async def settle(self) -> None:
        """Take a share from now on, if it was not so yet, and pick up its cases."""
        if self._resumes:
            return
        self._resumes = True
        self._membership.settle()
        self._gained |= set(self._runtime.shards.only or ())
        await self.look()

    async def patiently(self, call: Callable[[], T]) -> T:
        """Ask the store something for a caller; again and again while it is away.

        Raises :class:`~knhk.errors.StoreAway` when that lasts too long.
        """
        deadline = anyio.current_time() + self._patience_s
        while True:
            try:
                return await self._call(call)
            except StoreAway:
                if anyio.current_time() >= deadline:
                    raise
            await anyio.sleep(AGAIN_S / 5)

    async def _call(self, call: Callable[[], T]) -> T:
        return await call_in_thread(call, may_leave=True)
