"""The one small interface to whatever remembers the cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol, runtime_checkable

from knhk.journal.record import (
    PAGE_MAX,
    Bundle,
    CaseRow,
    Commit,
    InputRow,
    Letter,
    Offer,
    OpenWork,
    Record,
    Stored,
    VersionRow,
    WorkFilter,
)
from knhk.model import CaseStatus

__all__ = ["ANY_WORK", "Journal"]

#: All work, whatever it is.
ANY_WORK: Final = WorkFilter()


@runtime_checkable
class Journal(Protocol):
    """An event store. Its calls are synchronous, and may come from any thread.

    Where ``blocking`` is true they wait for a disk or a network, and the engine makes them
    in worker threads; so the same journal serves asyncio and trio. Appends come from one
    caller at a time, in the order of each case's inputs; reads may come meanwhile.
    One that several processes may run at once is a :class:`knhk.journal.SharedJournal`, and
    regards the fences of commits; for the others these are always ``None``.

    Every call may raise a :class:`knhk.errors.JournalError`. A new implementation passes
    :class:`knhk.testing.JournalSuite`.
    """

    @property
    def blocking(self) -> bool: ...

    def append(self, commits: Sequence[Commit]) -> None:
        """Write all of ``commits``, durably, in one transaction, or nothing of them.

        Raises :class:`knhk.errors.JournalConflict` when a case has such an input already, or
        a letter that is received is not there any more; then it names the first input of the
        commit that receives it. Where several commits are in conflict it names one of them.
        """

    def keep(self, bundle: Bundle) -> None:
        """Store the sources of a version, and make it the newest of its workflows.

        Sources that are there already stay; the same digest has the same files.
        """

    def bundle(self, digest: str) -> Bundle | None:
        """The sources with this digest, the names of its workflows sorted."""

    def newest(self, workflow: str) -> str | None:
        """The digest of the version of ``workflow`` that was deployed last."""

    def workflows(self) -> tuple[str, ...]:
        """The names of all deployed workflows, sorted."""

    def case(self, case: str) -> CaseRow | None:
        """One case as it stands."""

    def cases(
        self,
        *,
        status: Sequence[CaseStatus] = (),
        workflow: str = "",
        parent: str = "",
        tenant: str = "",
        awake: bool = False,
        shards: Sequence[int] | None = None,
        after: CaseRow | None = None,
        limit: int = PAGE_MAX,
    ) -> tuple[CaseRow, ...]:
        """Cases by age (then id), at most ``limit`` and at most ``PAGE_MAX`` of them.

        Without ``status`` in any state, without ``workflow`` of any; with ``parent`` only the
        sub-cases that this case began itself, with ``tenant`` the cases that belong to it, with
        ``awake`` those that are not parked, with ``shards`` those that belong to one of them.
        ``after`` is the last row of the page before.
        """

    def inputs(self, case: str, since: int = 0, limit: int | None = None) -> tuple[InputRow, ...]:
        """The inputs of a case in order; none for a case that is not there.

        All of them, or at most ``limit`` from the number ``since`` on.
        """

    def record(self, case: str) -> Record | None:
        """All that is held of a case beside its inputs, as it stands; waits are sorted."""

    def versions(self, workflow: str = "") -> tuple[VersionRow, ...]:
        """The versions of a workflow, or of all, sorted by name, the newest one first."""

    def check(self) -> str:
        """What is wrong with the store as a whole, in words; empty if nothing is.

        It takes long. What it finds are rows that no case has, and damage to the store itself
        where that has no other way to be seen.
        """

    def stored(self, cases: Sequence[str]) -> tuple[Stored, ...]:
        """What is needed to have cases in memory, in the order in which they are asked for.

        Those that are not there are left out; leases and offers stand in the order of their items.
        """

    def blobs(self, hashes: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """Payloads by their hashes; those that are not there are left out."""

    def sleepers(
        self, until_us: int, limit: int = PAGE_MAX, *, shards: Sequence[int] | None = None
    ) -> tuple[tuple[int, str], ...]:
        """Parked cases that want to be woken until then: times and ids, in order.

        With ``shards`` only those that belong to one of them.
        """

    def waiting(
        self, kind: int, name: str, key: str = "", *, after: str = "", limit: int = PAGE_MAX
    ) -> tuple[str, ...]:
        """Ids of cases that wait for a message or signal of that name with any key or this one.

        They are sorted, and come behind ``after``. A case that has ended waits for nothing any
        more.
        """

    def work(
        self, wanted: WorkFilter = ANY_WORK, *, after: Offer | None = None, limit: int = PAGE_MAX
    ) -> tuple[OpenWork, ...]:
        """Work for somebody outside, at most ``limit`` and at most ``PAGE_MAX`` of it.

        By priority, the largest first, then by age, case and item. ``after`` is the last one of
        the page before.
        """

    def letters(
        self,
        name: str = "",
        key: str = "",
        *,
        after: Letter | None = None,
        limit: int = PAGE_MAX,
    ) -> tuple[Letter, ...]:
        """Kept letters by name, the oldest of each first (then by id), at most ``limit``.

        With a name only those of that name, with a key too only those that have it. ``after`` is
        the last one of the page before.
        """

    def letter_count(self) -> int:
        """How many letters are kept."""

    def receiver(self, letter: str) -> str | None:
        """The case that has received the letter with that id, empty for one that is kept still.

        ``None`` for a letter that is not known, or no more: one that was received is known until it
        would have expired, and for ``REMEMBERED_US`` from when it was sent.
        """

    def drop(self, letters: Sequence[str]) -> int:
        """Throw away kept letters by their ids; how many there were."""

    def expire(self, now_us: int, limit: int = PAGE_MAX) -> int:
        """Forget letters whose time has come, received ones too; how many, ``limit`` at most."""

    def next_expiry(self) -> int:
        """When the next letter is to be forgotten, -1 if there is none."""

    def close(self) -> None:
        """Let go of the store. Closing twice is allowed."""


class Flight(Protocol):
    """An append that was sent, and is not answered yet."""

    @property
    def answer_s(self) -> float:
        """How long it may be waited for."""

    @property
    def is_sent(self) -> bool:
        """Whether all was given to the network."""

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to wait for."""

    @property
    def is_written(self) -> bool:
        """Whether it is known to be written; if not, :meth:`Journal.append` tells what is so."""

    def fileno(self) -> int:
        """The socket that is to be waited for."""

    def go_on(self) -> None:
        """Send what could not be sent so far, when the socket takes more."""

    def landed(self) -> bool:
        """Read what has come, when there is something; whether it is over."""

    def abandon(self) -> None:
        """Wait no longer. Whether it is written is not known then."""


@runtime_checkable
class Launching(Protocol):
    """What a journal may do beside: append without a thread, while the event loop goes on."""

    def launch(self, commits: Sequence[Commit]) -> Flight | None:
        """Begin an append, and return at once; ``None`` where that cannot be done now.

        The next call for writing comes when the flight is over. If it was not written, the same
        commits are brought to :meth:`Journal.append`, which never writes them twice.
        """
