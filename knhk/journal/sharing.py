"""Several processes on one store: who holds which shard, and what they ask of each other.

Theory of operation. Every case belongs to a shard, a sub-case to that of its parent. A process
*joins* the store, and says with a *beat*, every few seconds, that it is still there. It *holds* a
share of the shards, and only cases of these are run by it. When a process leaves, dies or has not
been heard of for the length of its lease, others take its shards; when one joins, the others give
some of theirs away. All times are those of the store.

Whoever takes a shard gives it a new *epoch*, a number that no other has. Every commit says under
which epoch it was made (:class:`knhk.journal.Fence`), and is refused when that is over; and nobody
takes a shard while a commit of the one before is being written. So a process that stood still, and
does not know yet that it was given up, writes nothing, and whoever takes a shard reads all that
was ever written to its cases.

What somebody wants of a case that another process runs is put down as a *command*, which that one
carries out. It notes in the same commit as what follows from it that it has been carried out, so
that no successor does it again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple, Protocol, runtime_checkable

from knhk.journal.protocol import Journal
from knhk.journal.record import CaseRow, Fence

__all__ = ["LEASE_S", "Command", "Holding", "Membership", "SharedJournal", "share_of"]

#: How long a process that says nothing keeps its shards, unless the engine is told otherwise.
LEASE_S: Final = 10.0


class Holding(NamedTuple):
    """What a process holds after a beat: epochs by shard.

    It is to give ``surplus`` of them away, and to beat again within ``again_s``. ``is_awaited``
    says that another process waits for the end of a case.
    """

    epochs: Mapping[int, int]
    surplus: int
    again_s: float
    is_awaited: bool


class Command(NamedTuple):
    """Something asked of a case: ``body`` is JSON that the journal does not look into.

    ``is_carried`` says that a commit has carried it out, and that only the answer is missing.
    """

    id: str
    shard: int
    body: bytes
    is_carried: bool = False


class Membership(Protocol):
    """A process in the company of those that run a store. Calls may come from any thread."""

    def fileno(self) -> int:
        """A socket that can be read from when there is news, and a beat worthwhile; -1 for none.

        Only the one who beats may ask for it.
        """

    def beat(self, *, waits: bool = False) -> Holding:
        """Say that this process is there, and take what it lacks of its share.

        ``waits`` says that it waits for the end of a case that another one runs.
        """

    def take(self, shard: int) -> Fence | None:
        """Take a shard that nobody holds; ``None`` if somebody does."""

    def open(self) -> Fence:
        """Take a new shard, which has no cases yet."""

    def give(self, shards: Collection[int]) -> None:
        """Let go of shards, for others to take."""

    def tell(self) -> None:
        """Have all others hear that there is news."""

    def ended(self, cases: Collection[str]) -> Sequence[CaseRow]:
        """Those of some cases that are neither running nor suspended."""

    def settle(self) -> None:
        """Want a share like everybody from the next beat on, and not only what was taken."""

    def ask(self, command: Command, patience_s: float) -> None:
        """Put a command down, which is carried out within that time or not any more."""

    def asked(self) -> Sequence[Command]:
        """Commands to cases on shards that this process holds, without an answer, by age.

        At most ``PAGE_MAX`` of them.
        """

    def answer(self, command: str, body: bytes) -> None:
        """Answer a command."""

    def answers(self, commands: Collection[str]) -> Mapping[str, bytes]:
        """The answers there are, by commands; they may be asked for again."""


@runtime_checkable
class SharedJournal(Journal, Protocol):
    """A journal that several processes may run at once."""

    def join(self, name: str, *, lease_s: float = LEASE_S, is_modest: bool = False) -> Membership:
        """Have this process known under a number of its own; ``name`` is for people.

        It is given up when nothing was heard of it for ``lease_s``. One that ``is_modest`` holds
        only what it has taken itself. :meth:`~knhk.journal.Journal.close` ends the membership.
        """


def share_of(me: int, modest: Mapping[int, bool], owners: Mapping[int, int]) -> int:
    """How many shards a process should hold, of those that belong to no modest one.

    ``modest`` has all processes that are there, ``owners`` who holds which shard (0: nobody). All
    that calculate this about the same state come to numbers that add up.
    """
    settled = sorted(number for number, is_modest in modest.items() if not is_modest)
    if me not in settled:
        return 0
    shared = sum(not modest.get(owner, False) for owner in owners.values())
    least, rest = divmod(shared, len(settled))
    return least + (settled.index(me) < rest)
