"""The post: messages to whichever case waits for them, each of them to one case.

Theory of operation. A *letter* is such a message. It is in the journal before anything else is done
with it; that is its acknowledgement. A case receives it by an input whose commit says that it did;
a letter is kept no more from then on, and who else would receive it is refused. So a letter is
received at most once, whatever crashes.

It is received as soon as somebody waits for it, since the post goes on an *errand*, for the letters
of one name and key, whenever that may be: a letter was posted, a case has begun to wait, or cases
of the store are picked up, upon which all letters are looked at. Errands are made by one task,
round by round; what they need to know is asked of the journal, which also tells who waits
(:mod:`knhk.engine.subscriptions`), wherever those cases are.

Letters that a case was given, and that are not written to be received yet, are *in hand*. A commit
that is refused since another process has received the letter leaves its case ahead of the journal:
it is a *dispute*. The case is loaded again, and goes on without.

Where several processes run the cases of a store, each gives out letters to its own, and asks the
others for an errand if theirs wait for what is left.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import islice
from typing import Final, NamedTuple, Protocol, TypeVar, final

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from knhk.engine.catalogue import in_thread
from knhk.engine.clock import Clock
from knhk.engine.facts import decode_object
from knhk.errors import JournalError, KnhkError, LimitExceeded
from knhk.journal import PAGE_MAX, CaseRow, Commit, Journal, Letter, Stream, Wait, Writer
from knhk.model import MESSAGE, US_PER_S

__all__ = ["TTL_MAX_S", "TTL_S", "PostOffice", "Recipient"]

#: How long a message is kept, unless its sender says how long, and at most (ten years).
TTL_S: Final = 7 * 86_400.0
TTL_MAX_S: Final = 10 * 365 * 86_400.0

#: Letters, and cases that wait, that are looked at together.
LOOK_MAX: Final = 100
#: Errands that are looked up in one go.
ERRANDS_MAX: Final = 50
#: Cases of other processes of which these are asked for an errand.
ELSEWHERE_MAX: Final = 1_000
#: Names of kept letters that are known, beyond which it is not tried to know all of them.
NAMES_MAX: Final = 10_000
#: The longest pause until it is looked whose time has come, and the shortest.
SWEEP_MAX_S: Final = 86_400.0
SWEEP_MIN_S: Final = 0.1

_log = logging.getLogger(__name__)

T = TypeVar("T")


class Recipient(Protocol):
    """A case in memory."""

    def would_take(self, name: str, key: object) -> bool:
        """Whether a message would be taken now."""

    def wants_some(self, name: str) -> bool:
        """Whether the case waits for messages of that name with some keys, or with any."""

    def receive(self, letter: Letter, done: Callable[[JournalError | None], None]) -> bool:
        """Take a letter, and say whether it did; ``done`` is told when that is written, or not."""


class Cases(Protocol):
    """The cases of the engine whose post this is."""

    def find(self, case_id: str) -> Recipient | None:
        """A case that is in memory."""

    def is_stranded(self, case_id: str) -> bool:
        """Whether the engine has let go of a case."""

    def give_up(self, row: CaseRow, problem: KnhkError) -> None:
        """Another process writes to a case that was let go of: it is not run here any more."""

    async def wake(self, ids: Sequence[str]) -> None:
        """Bring cases into memory, however long that takes."""

    async def at_last(self, act: Callable[[], Awaitable[T]]) -> T:
        """What an act gives that is tried again and again while the store is away."""


class Errand(NamedTuple):
    """Letters to be given out: of a name and a key, or with any key where that is empty.

    Another process asks for one that ``is_asked``; then it knows of its own cases itself.
    """

    name: str
    key: str
    is_asked: bool = False


class Dispute(NamedTuple):
    """A commit was refused that received these letters; the case is let go of."""

    row: CaseRow
    problem: JournalError
    letters: tuple[str, ...]


@final
class PostOffice:
    """Gives out the letters of one engine; it keeps at most ``kept_max`` of them."""

    def __init__(
        self, journal: Journal, clock: Clock, writer: Writer, cases: Cases, *, kept_max: int
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._writer = writer
        self._cases = cases
        self._kept_max = kept_max
        #: About how many letters are kept.
        self._kept = 0
        #: Names of which letters may be kept, as far as they are known.
        self._names: set[str] = set()
        #: Whether there may be others: at first, where there are many, and where others post too.
        self._has_others = True
        self._is_alone = not journal.blocking or bool(getattr(journal, "local", False))
        self._errands: dict[Errand, None] = {}
        self._disputes: list[Dispute] = []
        self._is_all_wanted = False
        #: By id, when they expire: letters that were given, and that is not written yet.
        self._in_hand: dict[str, int] = {}
        #: Has other processes give out letters of a name and a key to these cases of theirs.
        self.elsewhere: Callable[[str, str, Sequence[str]], Awaitable[None]] | None = None
        #: Errands for which others are asked.
        self._away: set[Errand] = set()
        self._group: TaskGroup | None = None
        #: Rounds that have begun and that have ended.
        self._begun = 0
        self._ended = 0
        self._is_closed = False
        self._called = anyio.Event()
        self._news = anyio.Event()
        self._posted = anyio.Event()

    # Posting

    async def refuse_too_many(self) -> None:
        """Raise :class:`LimitExceeded` where as many letters are kept as may be."""
        if self._kept >= self._kept_max:
            self._kept = await self._asked(self._journal.letter_count)
        if self._kept >= self._kept_max:
            raise LimitExceeded(
                f"the store keeps {self._kept:,} messages that no case takes",
                "kept_messages_max",
                self._kept_max,
                "drop some with `knhk messages --drop`, or have them kept for a shorter time",
            )

    def post(self, letter: Letter, done: Callable[[JournalError | None], None]) -> None:
        """Have a letter kept, then given to whoever waits for it; ``done`` is told of the first."""
        self._names.add(letter.name)
        if len(self._names) > NAMES_MAX:
            self._has_others = True
            self._names.clear()

        def posted(error: JournalError | None) -> None:
            # Even one that failed may be there: then it is found.
            self._send(Errand(letter.name, letter.key))
            if error is None:
                self._kept += 1
                self._posted.set()
            done(error)

        self._writer.put(Commit("", posted=(letter,)), Stream(), posted)

    async def receiver(self, letter: Letter) -> str | None:
        """The case that has received a posted letter, once it was looked who waits for it."""
        await self.settled()
        errand = Errand(letter.name, letter.key)
        while (letter.id in self._in_hand or errand in self._away) and not self._is_closed:
            await self._heard()
        return await self._asked(partial(self._journal.receiver, letter.id)) or None

    async def collect(self, name: str, key: str) -> None:
        """Give out letters to cases of this engine, as another one asks."""
        self._send(Errand(name, key, is_asked=True))
        await self.settled()
        given = set(self._in_hand)
        while not (given.isdisjoint(self._in_hand) or self._is_closed):
            await self._heard()

    async def drop(self, letters: Sequence[str]) -> int:
        """Throw letters away that are kept, and not in hand; how many there were."""
        free = [letter for letter in letters if letter not in self._in_hand]
        return await in_thread(self._journal, self._journal.drop, free)

    # Errands

    def listens(self, waits: Sequence[Wait]) -> None:
        """A case waits for these since now: there may be letters for it."""
        for wait in waits:
            if wait.kind == MESSAGE and (self._has_others or wait.name in self._names):
                self._send(Errand(wait.name, wait.key))

    def look_through(self) -> None:
        """Look at all letters: cases of the store are picked up."""
        self._is_all_wanted = True
        self._called.set()

    def dispute(self, row: CaseRow, problem: JournalError, letters: tuple[str, ...]) -> None:
        """A case was let go of, since somebody else has received these letters, or writes to it."""
        self._disputes.append(Dispute(row, problem, letters))
        self._called.set()

    def _send(self, errand: Errand) -> None:
        self._errands[errand] = None
        self._called.set()

    @property
    def _is_wanted(self) -> bool:
        """Whether there is something for another round."""
        return bool(self._errands or self._disputes or self._is_all_wanted)

    async def settled(self) -> None:
        """Return when all errands have been made that there are now, or nobody makes any more."""
        last = self._begun + self._is_wanted
        while self._ended < last and not self._is_closed:
            await self._heard()

    def close(self) -> None:
        """Let go of those who wait for something: no errands are made any more."""
        self._is_closed = True
        self._news.set()

    async def _heard(self) -> None:
        """Wait for the end of a round, or that something in hand is written."""
        if self._news.is_set():
            self._news = anyio.Event()
        await self._news.wait()

    async def run(self) -> None:
        """Make errands until cancelled."""
        async with anyio.create_task_group() as self._group:
            await self._run()

    async def _run(self) -> None:
        await self._learn()
        while True:
            if not self._is_wanted:
                self._called = anyio.Event()
                await self._called.wait()
            self._begun += 1
            self._clock.writing(1)
            try:
                await self._make_round()
            finally:
                self._clock.writing(-1)
            self._ended += 1
            self._news.set()
            await anyio.lowlevel.checkpoint()

    async def _make_round(self) -> None:
        errands, self._errands = list(self._errands), {}
        disputes, self._disputes = self._disputes, []
        is_all_wanted, self._is_all_wanted = self._is_all_wanted, False
        for dispute in disputes:
            await self._settle(dispute)
        await self._make(errands)
        if is_all_wanted:
            await self._make_all()

    async def _make_all(self) -> None:
        """Look at all letters, page by page."""
        after: Letter | None = None
        while page := await self._letters("", "", after):
            after = page[-1]
            await self._make(list(dict.fromkeys(Errand(each.name, each.key) for each in page)))

    async def _make(self, errands: list[Errand]) -> None:
        ready = iter(errands)
        while some := list(islice(ready, ERRANDS_MAX)):
            for errand, letters, cases in await self._asked(partial(self._look_up, some)):
                await self._give_out(errand, letters, cases)

    def _look_up(
        self, errands: Sequence[Errand]
    ) -> list[tuple[Errand, Sequence[Letter], Sequence[str]]]:
        """The first letters of each errand and the first cases that wait; none where none are."""
        found: list[tuple[Errand, Sequence[Letter], Sequence[str]]] = []
        for errand in errands:
            letters = self._journal.letters(errand.name, errand.key, limit=LOOK_MAX)
            if letters:
                cases = self._journal.waiting(MESSAGE, errand.name, errand.key, limit=LOOK_MAX)
                if cases:
                    found.append((errand, letters, cases))
        return found

    async def _give_out(
        self, errand: Errand, letters: Sequence[Letter], cases: Sequence[str]
    ) -> None:
        """Give letters to the cases that take them; the oldest first, as long as anybody does."""
        queue = _Queue(errand, cases, self._asked, self._journal)
        while letters and not await queue.is_over():
            for letter in letters:
                is_over = letter.expires_us <= self._clock.now_us()
                if not is_over and letter.id not in self._in_hand:
                    await self._give(letter, queue)
                    if await queue.is_over():
                        break
            if len(letters) < LOOK_MAX:
                break
            letters = await self._letters(errand.name, errand.key, letters[-1])
        if queue.elsewhere and self._group is not None and errand not in self._away:
            self._away.add(errand)
            self._group.start_soon(self._go_elsewhere, errand, queue.elsewhere)

    async def _go_elsewhere(self, errand: Errand, cases: Sequence[str]) -> None:
        """Have others give out what is left; what they cannot do is left until they look again."""
        assert self.elsewhere is not None
        try:
            await self.elsewhere(errand.name, errand.key, cases)
        except KnhkError as error:
            _log.info("messages %s for cases that run elsewhere are left: %s", errand.name, error)
        finally:
            self._away.discard(errand)
            self._news.set()

    async def _give(self, letter: Letter, queue: _Queue) -> None:
        """Give a letter to the first case of those that wait which takes it."""
        key = decode_object(letter.payload).get("key")
        errand, at = queue.errand, 0
        while (case_id := await queue.at(at)) is not None:
            await self._writer.room()
            case = self._cases.find(case_id)
            if case is None and not self._cases.is_stranded(case_id):
                await self._cases.wake((case_id,))
                case = self._cases.find(case_id)
                if case is None and self.elsewhere is not None and not errand.is_asked:
                    queue.note_elsewhere(case_id)
            takes = case is not None and case.would_take(letter.name, key)
            if takes and case is not None and self._hand_over(letter, case):
                return
            if takes or case is None or errand.key or not case.wants_some(letter.name):
                queue.remove(at)
            else:
                at += 1

    def _hand_over(self, letter: Letter, case: Recipient) -> bool:
        """Have a case take a letter; whether it could."""

        def received(error: JournalError | None) -> None:
            self._in_hand.pop(letter.id, None)
            self._news.set()
            if error is None:
                self._kept -= 1
            else:  # the case is let go of; there may be another that waits
                self._send(Errand(letter.name, letter.key))

        if not case.receive(letter, received):
            return False
        self._in_hand[letter.id] = letter.expires_us
        return True

    async def _settle(self, dispute: Dispute) -> None:
        """Have the case go on without letters that others have, or let go of it for good."""
        for letter in dispute.letters:
            receiver = await self._asked(partial(self._journal.receiver, letter))
            if receiver != "":
                await self._cases.wake((dispute.row.id,))
                return
        self._cases.give_up(dispute.row, dispute.problem)

    # Forgetting

    async def sweep(self) -> None:
        """Forget letters whose time has come, until cancelled."""
        while True:
            at_us = await self._asked(self._forget)
            if at_us < 0:
                self._posted = anyio.Event()
                await self._posted.wait()
                at_us = self._clock.now_us()
            # Time on the machine's clock: nobody takes a letter that is over.
            left_s = (at_us - self._clock.now_us()) / US_PER_S
            await anyio.sleep(min(max(left_s, SWEEP_MIN_S), SWEEP_MAX_S))

    def _forget(self) -> int:
        """Forget what is over, but for what is in hand; when there is more to do (-1: never)."""
        until_us = min([self._clock.now_us(), *[at_us - 1 for at_us in self._in_hand.values()]])
        at_us = self._journal.next_expiry()
        if 0 <= at_us <= until_us:
            self._journal.expire(until_us, PAGE_MAX)
            at_us = self._journal.next_expiry()
        return at_us

    # The journal

    async def _learn(self) -> None:
        """Ask of which names letters are kept, and how many there are."""
        page = await self._letters("", "", None)
        self._kept = await self._asked(self._journal.letter_count)
        if self._is_alone and len(page) < LOOK_MAX:
            self._has_others = False
            self._names.update(letter.name for letter in page)

    async def _letters(self, name: str, key: str, after: Letter | None) -> Sequence[Letter]:
        asking = partial(self._journal.letters, name, key, after=after, limit=LOOK_MAX)
        return await self._asked(asking)

    async def _asked(self, question: Callable[[], T]) -> T:
        """The answer of the journal, however long that takes."""
        return await self._cases.at_last(partial(in_thread, self._journal, question))


@final
class _Queue:
    """The cases that wait for the letters of an errand, as far as they are looked at."""

    def __init__(
        self,
        errand: Errand,
        cases: Sequence[str],
        asked: Callable[[Callable[[], Sequence[str]]], Awaitable[Sequence[str]]],
        journal: Journal,
    ) -> None:
        self.errand: Final = errand
        self._asked = asked
        self._journal = journal
        self._cases = list(cases)
        self._last = cases[-1]
        self._has_more = len(cases) == LOOK_MAX
        #: Cases that are run by other processes.
        self.elsewhere: list[str] = []

    async def at(self, number: int) -> str | None:
        """The case of that number, if there are so many."""
        if number >= len(self._cases) and self._has_more:
            asking = partial(
                self._journal.waiting,
                MESSAGE,
                self.errand.name,
                self.errand.key,
                after=self._last,
                limit=LOOK_MAX,
            )
            more = await self._asked(asking)
            self._has_more = len(more) == LOOK_MAX
            self._cases.extend(more)
            self._last = more[-1] if more else self._last
        return self._cases[number] if number < len(self._cases) else None

    def note_elsewhere(self, case_id: str) -> None:
        """That case is run by another process."""
        if len(self.elsewhere) < ELSEWHERE_MAX:
            self.elsewhere.append(case_id)

    def remove(self, number: int) -> None:
        """That case takes none of the letters any more."""
        del self._cases[number]

    async def is_over(self) -> bool:
        """Whether nobody waits any more."""
        return await self.at(0) is None
