"""What a journal keeps: bundles of sources, cases, and the inputs of each case.

Rows are plain frozen values. Times are microseconds since the Unix epoch, bodies are bytes
of JSON which the journal never looks into, so that a hash over a row is a hash over facts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, TypeAlias

from knhk.errors import StoreDamaged
from knhk.model import CaseStatus

#: Whether an append is on the disk when it returns, or soon after.
Durability: TypeAlias = Literal["full", "normal"]

#: Cases in these states are picked up when an engine opens the store.
UNFINISHED: Final = (CaseStatus.running, CaseStatus.suspended)

#: Rows that one call of :meth:`knhk.journal.Journal.cases` gives at most.
PAGE_MAX: Final = 1_000

#: A letter that was received is known for so long from when it was sent: a second one with its id
#: is left alone.
REMEMBERED_US: Final = 7 * 86_400 * 1_000_000


class InputRow(NamedTuple):
    """One input of a case: its number ``seq`` counts from 0 without gaps.

    ``kind`` is one of the input kinds of :mod:`knhk.model`, ``item`` is -1 where there is
    none, ``body`` holds value, error and message as JSON, empty if there is nothing to hold.
    ``hash`` seals the row and all before it (:mod:`knhk.journal.chain`).
    """

    case: str
    seq: int
    at_us: int
    kind: int
    item: int
    task: str
    body: bytes
    hash: bytes = b""


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A case as it stands; ``outcome`` is JSON of its result or of its failure.

    A sub-case has the id of its ``parent``, the number of the work item there that it does
    (``parent_item``), and how many cases it stands below the one at the top (``depth``).
    Other cases have an empty ``parent``, -1 and 0. ``seal`` is the hash of the input that
    brought it to this state. It belongs to a ``tenant`` (empty where nobody tells tenants apart)
    and to a ``shard``, both those of its parent.
    """

    id: str
    workflow: str
    digest: str
    created_us: int
    status: CaseStatus = CaseStatus.running
    ended_us: int = -1
    outcome: bytes = b""
    parent: str = ""
    parent_item: int = -1
    depth: int = 0
    seal: bytes = b""
    tenant: str = ""
    shard: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """A change in where a case stands, written together with the input that made it."""

    status: CaseStatus
    ended_us: int = -1
    outcome: bytes = b""
    seal: bytes = b""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of a case after its first ``seq`` inputs, of which the last has ``hash``."""

    seq: int
    hash: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Rest:
    """Whether a case is parked, and when it wants to be woken then (-1: by no time).

    One of a case that is not there, which says that it is not parked, changes nothing.
    """

    is_parked: bool
    wake_us: int = -1


class Wait(NamedTuple):
    """A case waits for a message or signal: ``kind`` is the input's, ``key`` JSON or empty.

    A message with any key goes to a wait with an empty one.
    """

    kind: int
    name: str
    key: str


class Letter(NamedTuple):
    """A message to whichever case waits for it, kept until ``expires_us``.

    Letters with the same ``id`` are the same letter. ``key`` is the text of a JSON value.
    """

    id: str
    name: str
    key: str
    payload: bytes
    sent_us: int
    expires_us: int


class Lease(NamedTuple):
    """Who works on a started item, until when; ``until_us`` of -1 ends the lease."""

    item: int
    attempt: int
    holder: str
    until_us: int


class Offer(NamedTuple):
    """Work that a case has for somebody outside: a work item, and what is to be known of it.

    It may be done by whoever has ``role`` (empty: anybody). A larger ``priority`` goes first, then
    what has been there longer, ``since_us``. Its attempt has a timeout at ``due_us`` (-1: none).
    ``body`` is JSON of what the workflow gives along.
    """

    case: str
    item: int
    attempt: int
    is_started: bool
    workflow: str
    task: str
    tenant: str = ""
    role: str = ""
    priority: int = 0
    since_us: int = 0
    due_us: int = -1
    body: bytes = b""


class OpenWork(NamedTuple):
    """Work for somebody outside, and who holds it, if somebody does."""

    offer: Offer
    lease: Lease | None = None


class WorkFilter(NamedTuple):
    """Which work is asked for: what is empty (0, or ``None``) does not matter."""

    case: str = ""
    item: int = 0
    task: str = ""
    workflow: str = ""
    tenant: str = ""
    role: str = ""
    holder: str = ""
    is_held: bool | None = None


class Fence(NamedTuple):
    """That a process holds a shard: whoever takes the shard later has another ``epoch``."""

    shard: int
    epoch: int


class Commit(NamedTuple):
    """What is written of one case at once: all of it or nothing.

    ``opened`` is the row of a new case, ``standing`` its new state, ``rest`` whether it is parked
    now, ``waits`` all that it waits for now: each ``None`` if that has not changed. ``blobs`` are
    payloads that rows refer to, by their hash. ``received`` are the ids of kept letters that the
    inputs deliver: they are kept no more, and a conflict is what another has received. ``posted``
    are letters to be kept; of those whose id is known already nothing changes. A commit that only
    posts may be that of no case, which is then empty. Whatever commits share a transaction, letters
    are posted before any are received.
    ``fence`` is what must still stand for it to be written, where a store is shared
    (:mod:`knhk.journal.sharing`), and ``carries`` the commands that the inputs carry out.
    ``offers`` is its work for somebody outside that is new or has changed, ``closed`` are the
    numbers of the items that are none any more; an item is in one of them only.
    """

    case: str
    inputs: tuple[InputRow, ...] = ()
    opened: CaseRow | None = None
    standing: Standing | None = None
    snapshot: Snapshot | None = None
    rest: Rest | None = None
    waits: tuple[Wait, ...] | None = None
    blobs: tuple[tuple[bytes, bytes], ...] = ()
    received: tuple[str, ...] = ()
    leases: tuple[Lease, ...] = ()
    fence: Fence | None = None
    carries: tuple[str, ...] = ()
    offers: tuple[Offer, ...] = ()
    closed: tuple[int, ...] = ()
    posted: tuple[Letter, ...] = ()


class Stored(NamedTuple):
    """All that is needed to have a case in memory: its last snapshot, and the inputs since.

    ``payloads`` are what their bodies refer to, by hash; who can read bodies fills them in.
    """

    row: CaseRow
    snapshot: Snapshot | None
    inputs: tuple[InputRow, ...]
    leases: tuple[Lease, ...] = ()
    payloads: Mapping[bytes, bytes] = MappingProxyType({})
    offers: tuple[Offer, ...] = ()


class Record(NamedTuple):
    """All that a journal holds of a case, but for its inputs, of which it tells the number."""

    row: CaseRow
    inputs: int
    snapshot: Snapshot | None = None
    rest: Rest = Rest(is_parked=False)
    waits: tuple[Wait, ...] = ()
    leases: tuple[Lease, ...] = ()
    offers: tuple[Offer, ...] = ()


class VersionRow(NamedTuple):
    """A version of a workflow that is or was deployed, and how many of its cases stand how.

    ``deployed_us`` is when its sources were first deployed, ``cases`` how many there are in each
    status that any is in.
    """

    workflow: str
    digest: str
    deployed_us: int
    is_newest: bool
    cases: tuple[tuple[CaseStatus, int], ...] = ()


def version_order(row: VersionRow) -> tuple[str, bool, int, str]:
    """The order of versions: by name, the newest first, then what was deployed last."""
    return row.workflow, not row.is_newest, -row.deployed_us, row.digest


def version_rows(
    deployed: Iterable[Sequence[object]], counted: Iterable[Sequence[object]]
) -> tuple[VersionRow, ...]:
    """Rows of a database as versions, in order.

    ``deployed`` has names, digests, times, and whether it is the newest; ``counted`` names,
    digests, statuses in order, and numbers of cases. Raises :class:`knhk.errors.StoreDamaged`.
    """
    counts: dict[tuple[object, object], list[tuple[CaseStatus, int]]] = {}
    for name, digest, status, count in counted:
        assert isinstance(count, int)
        try:
            known = CaseStatus(str(status))
        except ValueError as error:
            raise StoreDamaged(
                f"the store is damaged: there are cases of {name!r} with the status {status!r};"
                " go back to a copy of it"
            ) from error
        counts.setdefault((name, digest), []).append((known, count))
    found: list[VersionRow] = []
    for name, digest, deployed_us, is_newest in deployed:
        assert isinstance(deployed_us, int)
        cases = tuple(counts.get((name, digest), ()))
        found.append(VersionRow(str(name), str(digest), deployed_us, bool(is_newest), cases))
    return tuple(sorted(found, key=version_order))


def letters_where(
    mark: str, name: str, key: str, after: Letter | None
) -> tuple[str, tuple[str | int, ...]]:
    """What a database is asked for kept letters: a condition with ``mark`` for each value."""
    where, values = ["received_by = ''"], list[str | int]()
    if name:
        where.append(f"name = {mark}")
        values.append(name)
    if key:
        where.append(f"key = {mark}")
        values.append(key)
    if after is not None and name:  # so that the index is gone along from there
        where.append(f"(sent_us, id) > ({mark}, {mark})")
        values.extend((after.sent_us, after.id))
    elif after is not None:
        where.append(f"(name, sent_us, id) > ({mark}, {mark}, {mark})")
        values.extend((after.name, after.sent_us, after.id))
    return " AND ".join(where), tuple(values)


@dataclass(frozen=True, slots=True)
class Bundle:
    """The sources of a version: every file that was read, by its path under ``root``.

    ``digest`` is the hash over the files, and what a case refers to for its whole life.
    ``workflows`` are the names that the entry file offers.
    """

    digest: str
    entry: str
    root: str
    files: Mapping[str, str]
    workflows: tuple[str, ...]
    deployed_us: int
