"""A journal in memory: for tests, for embedding without a disk, gone with the process."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from knhk.errors import JournalConflict
from knhk.journal.protocol import ANY_WORK
from knhk.journal.record import (
    PAGE_MAX,
    REMEMBERED_US,
    UNFINISHED,
    Bundle,
    CaseRow,
    Commit,
    InputRow,
    Lease,
    Letter,
    Offer,
    OpenWork,
    Record,
    Rest,
    Snapshot,
    Stored,
    VersionRow,
    Wait,
    WorkFilter,
    version_order,
)
from knhk.model import CaseStatus

__all__ = ["MemoryJournal"]

_AWAKE: Final = Rest(is_parked=False)


class MemoryJournal:
    """Keeps everything in dictionaries; an append is checked whole before it is done."""

    blocking = False

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bundles: dict[str, Bundle] = {}
        self._newest: dict[str, str] = {}
        self._cases: dict[str, CaseRow] = {}
        self._inputs: dict[str, list[InputRow]] = {}
        self._snapshots: dict[str, Snapshot] = {}
        self._rests: dict[str, Rest] = {}
        self._waits: dict[str, tuple[Wait, ...]] = {}
        self._waiters: dict[Wait, set[str]] = {}
        self._blobs: dict[bytes, bytes] = {}
        self._letters: dict[str, Letter] = {}
        #: By the ids of letters: the cases that have received them, and until when that is known.
        self._received: dict[str, tuple[str, int]] = {}
        self._leases: dict[str, dict[int, Lease]] = {}
        self._offers: dict[str, dict[int, Offer]] = {}

    def append(self, commits: Sequence[Commit]) -> None:
        with self._lock:
            self._refuse_conflicts(commits)
            for commit in commits:
                for letter in commit.posted:
                    if letter.id not in self._received:
                        self._letters.setdefault(letter.id, letter)
            for commit in commits:
                case = commit.case
                if not case:
                    continue
                if commit.opened is not None:
                    self._cases[case] = commit.opened
                    self._inputs[case] = []
                elif case not in self._cases:
                    continue  # it only says that a case that is not there is awake
                self._inputs[case].extend(commit.inputs)
                standing = commit.standing
                if standing is not None:
                    self._cases[case] = replace(
                        self._cases[case],
                        status=standing.status,
                        ended_us=standing.ended_us,
                        outcome=standing.outcome,
                        seal=standing.seal,
                    )
                self._append_rest(commit)

    def _append_rest(self, commit: Commit) -> None:
        if commit.snapshot is not None:
            self._snapshots[commit.case] = commit.snapshot
        if commit.rest is not None:
            self._rests[commit.case] = commit.rest
        if commit.waits is not None:
            self._change_waits(commit.case, commit.waits)
        self._blobs.update(commit.blobs)
        for each in commit.received:
            letter = self._letters.pop(each)
            until_us = max(letter.expires_us, letter.sent_us + REMEMBERED_US)
            self._received[each] = (commit.case, until_us)
        held = self._leases.setdefault(commit.case, {})
        for lease in commit.leases:
            if lease.until_us < 0:
                held.pop(lease.item, None)
            else:
                held[lease.item] = lease
        if commit.offers or commit.closed:
            offered = self._offers.setdefault(commit.case, {})
            offered.update((offer.item, offer) for offer in commit.offers)
            for item in commit.closed:
                offered.pop(item, None)

    def _change_waits(self, case: str, waits: tuple[Wait, ...]) -> None:
        for wait in self._waits.get(case, ()):
            others = self._waiters[wait]
            others.discard(case)
            if not others:
                del self._waiters[wait]
        self._waits[case] = waits = tuple(dict.fromkeys(waits))
        for wait in waits:
            self._waiters.setdefault(wait, set()).add(case)

    def _refuse_conflicts(self, commits: Sequence[Commit]) -> None:
        lengths: dict[str, int] = {}
        received: set[str] = set(self._received)
        posted = {letter.id for commit in commits for letter in commit.posted}
        for commit in commits:
            if not commit.case:
                continue
            length = lengths.get(commit.case, len(self._inputs.get(commit.case, ())))
            known = commit.case in lengths or commit.case in self._cases
            if not known and commit == Commit(commit.case, rest=_AWAKE, fence=commit.fence):
                continue
            if known == (commit.opened is not None):
                raise JournalConflict(commit.case, 0 if known else length)
            for letter in commit.received:
                if letter in received or not (letter in self._letters or letter in posted):
                    raise JournalConflict(commit.case, commit.inputs[0].seq)
                received.add(letter)
            for row in commit.inputs:
                if row.seq != length:
                    raise JournalConflict(commit.case, row.seq)
                length += 1
            lengths[commit.case] = length

    def keep(self, bundle: Bundle) -> None:
        with self._lock:
            kept = replace(bundle, workflows=tuple(sorted(bundle.workflows)))
            self._bundles.setdefault(bundle.digest, kept)
            for name in bundle.workflows:
                self._newest[name] = bundle.digest

    def bundle(self, digest: str) -> Bundle | None:
        with self._lock:
            return self._bundles.get(digest)

    def newest(self, workflow: str) -> str | None:
        with self._lock:
            return self._newest.get(workflow)

    def workflows(self) -> tuple[str, ...]:
        with self._lock:
            return tuple(sorted(self._newest))

    def case(self, case: str) -> CaseRow | None:
        with self._lock:
            return self._cases.get(case)

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
        with self._lock:
            rows = [
                row
                for row in self._cases.values()
                if (not status or row.status in status)
                and (not workflow or row.workflow == workflow)
                and (not parent or row.parent == parent)
                and (not tenant or row.tenant == tenant)
                and not (awake and self._is_parked(row.id))
                and (shards is None or row.shard in shards)
                and (after is None or _age(row) > _age(after))
            ]
        rows.sort(key=_age)
        return tuple(rows[: max(0, min(limit, PAGE_MAX))])

    def inputs(self, case: str, since: int = 0, limit: int | None = None) -> tuple[InputRow, ...]:
        with self._lock:
            end = None if limit is None else since + max(0, limit)
            return tuple(self._inputs.get(case, ())[since:end])

    def record(self, case: str) -> Record | None:
        with self._lock:
            row = self._cases.get(case)
            if row is None:
                return None
            rest = self._rests.get(case)
            return Record(
                row,
                len(self._inputs[case]),
                self._snapshots.get(case),
                rest if rest is not None and rest.is_parked else Rest(is_parked=False),
                tuple(sorted(set(self._waits.get(case, ())))),
                tuple(sorted(self._leases.get(case, {}).values())),
                self._offers_of(case),
            )

    def versions(self, workflow: str = "") -> tuple[VersionRow, ...]:
        with self._lock:
            counts = Counter((row.workflow, row.digest, row.status) for row in self._cases.values())
            found = [
                VersionRow(
                    name,
                    bundle.digest,
                    bundle.deployed_us,
                    self._newest[name] == bundle.digest,
                    tuple(
                        (status, counts[name, bundle.digest, status])
                        for status in sorted(CaseStatus)
                        if counts[name, bundle.digest, status]
                    ),
                )
                for bundle in self._bundles.values()
                for name in bundle.workflows
                if not workflow or name == workflow
            ]
        return tuple(sorted(found, key=version_order))

    def check(self) -> str:
        """Nothing but this process has had it in its hands."""
        return ""

    def stored(self, cases: Sequence[str]) -> tuple[Stored, ...]:
        with self._lock:
            return tuple(self._stored(case) for case in cases if case in self._cases)

    def _stored(self, case: str) -> Stored:
        snapshot = self._snapshots.get(case)
        inputs = self._inputs[case][0 if snapshot is None else snapshot.seq :]
        leases = sorted(self._leases.get(case, {}).values())
        offers = self._offers_of(case)
        return Stored(self._cases[case], snapshot, tuple(inputs), tuple(leases), offers=offers)

    def _offers_of(self, case: str) -> tuple[Offer, ...]:
        return tuple(sorted(self._offers.get(case, {}).values()))

    def blobs(self, hashes: Sequence[bytes]) -> Mapping[bytes, bytes]:
        with self._lock:
            return {each: self._blobs[each] for each in hashes if each in self._blobs}

    def sleepers(
        self, until_us: int, limit: int = PAGE_MAX, *, shards: Sequence[int] | None = None
    ) -> tuple[tuple[int, str], ...]:
        with self._lock:
            found = sorted(
                (rest.wake_us, case)
                for case, rest in self._rests.items()
                if rest.is_parked and 0 <= rest.wake_us <= until_us
                if shards is None or self._cases[case].shard in shards
            )
        return tuple(found[: max(0, limit)])

    def waiting(
        self, kind: int, name: str, key: str = "", *, after: str = "", limit: int = PAGE_MAX
    ) -> tuple[str, ...]:
        with self._lock:
            waits = {Wait(kind, name, ""), Wait(kind, name, key)}
            cases = {case for wait in waits for case in self._waiters.get(wait, ())}
            found = sorted(
                case for case in cases if case > after and self._cases[case].status in UNFINISHED
            )
        return tuple(found[: max(0, limit)])

    def work(
        self, wanted: WorkFilter = ANY_WORK, *, after: Offer | None = None, limit: int = PAGE_MAX
    ) -> tuple[OpenWork, ...]:
        with self._lock:
            found = [
                OpenWork(offer, self._leases.get(case, {}).get(item))
                for case, offered in self._offers.items()
                for item, offer in offered.items()
            ]
        found = [one for one in found if _is_wanted(one, wanted)]
        if after is not None:
            found = [one for one in found if _turn(one.offer) > _turn(after)]
        found.sort(key=lambda one: _turn(one.offer))
        return tuple(found[: max(0, min(limit, PAGE_MAX))])

    def letters(
        self,
        name: str = "",
        key: str = "",
        *,
        after: Letter | None = None,
        limit: int = PAGE_MAX,
    ) -> tuple[Letter, ...]:
        with self._lock:
            found = [
                letter
                for letter in self._letters.values()
                if (not name or letter.name == name)
                and (not key or letter.key == key)
                and (after is None or _order(letter) > _order(after))
            ]
        found.sort(key=_order)
        return tuple(found[: max(0, limit)])

    def letter_count(self) -> int:
        with self._lock:
            return len(self._letters)

    def receiver(self, letter: str) -> str | None:
        with self._lock:
            if letter in self._letters:
                return ""
            case, _ = self._received.get(letter, (None, 0))
            return case

    def drop(self, letters: Sequence[str]) -> int:
        with self._lock:
            return sum(self._letters.pop(each, None) is not None for each in letters)

    def expire(self, now_us: int, limit: int = PAGE_MAX) -> int:
        with self._lock:
            kept = {letter.id: letter.expires_us for letter in self._letters.values()}
            known = {letter: until_us for letter, (_, until_us) in self._received.items()}
            times = sorted((until_us, letter) for letter, until_us in (kept | known).items())
            over = [letter for until_us, letter in times if until_us <= now_us][: max(0, limit)]
            for letter in over:
                self._letters.pop(letter, None)
                self._received.pop(letter, None)
        return len(over)

    def next_expiry(self) -> int:
        with self._lock:
            kept = [letter.expires_us for letter in self._letters.values()]
            return min([*kept, *[until_us for _, until_us in self._received.values()]], default=-1)

    def close(self) -> None:
        """Nothing to let go of: what was written can still be read."""

    def _is_parked(self, case: str) -> bool:
        rest = self._rests.get(case)
        return rest is not None and rest.is_parked


def _age(row: CaseRow) -> tuple[int, str]:
    return (row.created_us, row.id)


def _order(letter: Letter) -> tuple[str, int, str]:
    return letter.name, letter.sent_us, letter.id


def _turn(offer: Offer) -> tuple[int, int, str, int]:
    return (-offer.priority, offer.since_us, offer.case, offer.item)


def _is_wanted(one: OpenWork, wanted: WorkFilter) -> bool:
    offer, lease = one
    pairs: tuple[tuple[str | int, str | int], ...] = (
        (wanted.case, offer.case),
        (wanted.item, offer.item),
        (wanted.task, offer.task),
        (wanted.workflow, offer.workflow),
        (wanted.tenant, offer.tenant),
        (wanted.role, offer.role),
        (wanted.holder, "" if lease is None else lease.holder),
    )
    if any(asked and asked != found for asked, found in pairs):
        return False
    return wanted.is_held is None or wanted.is_held == (lease is not None)
