"""The same random calls on two journals; every answer is compared.

The calls are such as an engine makes: inputs of a case follow each other without gaps, what is
not so is a second owner's. Few names make cases, letters and keys meet often.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from random import Random

from knhk.errors import JournalConflict
from knhk.journal import (
    Bundle,
    CaseRow,
    Commit,
    InputRow,
    Journal,
    Lease,
    Letter,
    Offer,
    Rest,
    Snapshot,
    Standing,
    Wait,
    WorkFilter,
)
from knhk.model import MESSAGE, SIGNAL, CaseStatus

#: How many runs are compared.
SEEDS = 5 if "CI" in os.environ else 20

CASES = [f"{letter}{number}" for letter in "AaÄ_" for number in range(4)]
NAMES = ["paid", "Paid", "änderung"]
KEYS = ["", '"k1"', '"k2"']
WORKFLOWS = ["order", "Order", "pack"]
STATUSES = list(CaseStatus)
HASHES = [bytes([number]) * 32 for number in range(6)]
LETTERS = [f"letter-{number}" for number in range(8)]


class Caller:
    """Makes up calls, knowing how many inputs each case has."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.lengths: dict[str, int] = {}

    # Writing

    def commits(self) -> list[Commit]:
        lengths = dict(self.lengths)
        count = self.random.choice([1, 1, 2, 3, 8])
        return [self._commit(lengths) for _ in range(count)]

    def _commit(self, lengths: dict[str, int]) -> Commit:
        random = self.random
        case = random.choice(CASES)
        length = lengths.get(case)
        stale = random.random() < 0.05
        if length is None or (stale and random.random() < 0.5):
            rows = self._rows(case, 0, random.choice([0, 1, 2]))
            lengths[case] = (length or 0) + len(rows)
            return Commit(case, rows, self._case_row(case))
        first = random.randrange(length) if stale and length else length
        rows = self._rows(case, first, random.choice([0, 1, 1, 2, 40]))
        lengths[case] = first + len(rows)
        return self._with_more(Commit(case, rows), lengths[case])

    def _with_more(self, commit: Commit, length: int) -> Commit:
        random = self.random
        one_in_three: Callable[[], bool] = lambda: random.random() < 1 / 3  # noqa: E731
        if one_in_three():
            standing = Standing(random.choice(STATUSES), random.randrange(9), b"{}", b"seal")
            commit = commit._replace(standing=standing)
        if one_in_three():
            commit = commit._replace(snapshot=Snapshot(random.randint(0, length), b"h", b"\0"))
        if one_in_three():
            rest = Rest(random.random() < 0.7, random.choice([-1, 0, 5, 9]))
            commit = commit._replace(rest=rest)
        if one_in_three():
            commit = commit._replace(waits=tuple(self._wait() for _ in range(random.randrange(4))))
        if one_in_three():
            blobs = tuple((each, each * 3) for each in random.choices(HASHES, k=2))
            commit = commit._replace(blobs=blobs)
        if one_in_three():
            commit = commit._replace(leases=tuple(self._lease() for _ in range(3)))
        if one_in_three():
            items = random.sample(range(4), 3)
            offers = tuple(self._offer(commit.case, item) for item in items[:2])
            commit = commit._replace(offers=offers, closed=tuple(items[2:]))
        if one_in_three() and random.random() < 0.3:
            commit = commit._replace(posted=(self.letter(),))
        if commit.inputs and random.random() < 0.15:
            commit = commit._replace(received=tuple(random.sample(LETTERS, random.choice([1, 2]))))
        return commit

    def _rows(self, case: str, first: int, count: int) -> tuple[InputRow, ...]:
        random = self.random
        return tuple(
            InputRow(
                case,
                seq,
                random.randrange(2**60),
                random.randrange(20),
                random.randrange(-1, 5),
                random.choice(["", "tä"]),
                random.randbytes(random.choice([0, 3, 200])),
                random.choice([b"", random.randbytes(32)]),
            )
            for seq in range(first, first + count)
        )

    def _case_row(self, case: str) -> CaseRow:
        random = self.random
        parent = random.choice(["", "", random.choice(CASES)])
        return CaseRow(
            case,
            random.choice(WORKFLOWS),
            "digest",
            random.randrange(4),
            parent=parent,
            parent_item=random.randrange(5) if parent else -1,
            depth=1 if parent else 0,
            seal=random.choice([b"", b"\0"]),
            tenant=random.choice(["", "acme"]),
            shard=random.randrange(3),
        )

    def _wait(self) -> Wait:
        random = self.random
        return Wait(random.choice([MESSAGE, SIGNAL]), random.choice(NAMES), random.choice(KEYS))

    def _lease(self) -> Lease:
        random = self.random
        return Lease(random.randrange(3), random.randrange(3), "w", random.choice([-1, 5, 9]))

    def _offer(self, case: str, item: int) -> Offer:
        random = self.random
        return Offer(
            case,
            item,
            random.randrange(3),
            random.random() < 0.5,
            random.choice(WORKFLOWS),
            random.choice(NAMES),
            random.choice(["", "acme"]),
            random.choice(["", "Rolle", "rolle"]),
            random.randrange(-2, 3),
            random.randrange(4),
            random.randrange(-1, 4),
            random.randbytes(3),
        )

    def letter(self) -> Letter:
        random = self.random
        return Letter(
            random.choice(LETTERS),
            random.choice(NAMES),
            random.choice(KEYS),
            random.randbytes(3),
            random.randrange(4),
            random.randrange(9),
        )

    def bundle(self) -> Bundle:
        # The same digest has the same files and workflows.
        digest = self.random.choice(["one", "two", "three"])
        own = Random(digest)
        names = own.sample(WORKFLOWS, own.choice([1, 2, 3]))
        return Bundle(digest, "a.knhk", "/r", {"a.knhk": digest}, tuple(names), 5)

    # Reading

    def question(self) -> Callable[[Journal], object]:
        """One random reading call."""
        random = self.random
        case, name, key = random.choice(CASES), random.choice(NAMES), random.choice(KEYS)
        kind, limit = random.choice([MESSAGE, SIGNAL]), random.choice([-1, 0, 1, 3, 1_000])
        asked = random.choices([*CASES, "nobody"], k=5)
        hashes = random.choices([*HASHES, b"none"], k=3)
        until_us, since = random.randrange(-1, 10), random.randrange(4)
        questions: list[Callable[[Journal], object]] = [
            self._listing(),
            self._listing(),
            self._work(),
            self._work(),
            lambda journal: journal.case(case),
            lambda journal: journal.inputs(case),
            lambda journal: journal.inputs(case, since, limit),
            lambda journal: journal.record(case),
            lambda journal: (journal.versions(), journal.versions(name), journal.versions("pack")),
            lambda journal: journal.stored(asked),
            lambda journal: dict(journal.blobs(hashes)),
            lambda journal: journal.sleepers(until_us, limit),
            lambda journal: journal.waiting(kind, name, key, after=case, limit=limit),
            lambda journal: journal.waiting(kind, name, key, limit=limit),
            self._letters(),
            lambda journal: [*map(journal.receiver, LETTERS)],
            lambda journal: (journal.workflows(), [*map(journal.newest, WORKFLOWS)]),
            lambda journal: [*map(journal.bundle, ["one", "two", "three"])],
        ]
        return random.choice(questions)

    def _letters(self) -> Callable[[Journal], object]:
        random = self.random
        name = random.choice(["", *NAMES])
        key = random.choice(KEYS) if name else ""
        after = random.choice([None, self.letter()])
        if name and after is not None:
            after = after._replace(name=name)
        limit = random.choice([-1, 0, 1, 3, 1_000])
        return lambda journal: journal.letters(name, key, after=after, limit=limit)

    def _listing(self) -> Callable[[Journal], object]:
        random = self.random
        status = random.choice([(), (), random.sample(STATUSES, 2)])
        workflow = random.choice(["", random.choice(WORKFLOWS)])
        parent = random.choice(["", "", random.choice(CASES)])
        tenant = random.choice(["", "", "acme"])
        awake = random.random() < 0.3
        limit = random.choice([-1, 0, 1, 5, 1_000])
        after = random.choice([None, None, self._case_row(random.choice(CASES))])
        return lambda journal: journal.cases(
            status=status,
            workflow=workflow,
            parent=parent,
            tenant=tenant,
            awake=awake,
            after=after,
            limit=limit,
        )

    def _work(self) -> Callable[[Journal], object]:
        random = self.random
        wanted = WorkFilter(
            random.choice(["", "", random.choice(CASES)]),
            random.choice([0, 0, 2]),
            random.choice(["", random.choice(NAMES)]),
            random.choice(["", "", random.choice(WORKFLOWS)]),
            random.choice(["", "", "acme"]),
            random.choice(["", "", "rolle"]),
            random.choice(["", "", "", "w"]),
            random.choice([None, None, True, False]),
        )
        limit = random.choice([-1, 0, 1, 5, 1_000])
        after = random.choice([None, None, self._offer(random.choice(CASES), 1)])
        return lambda journal: journal.work(wanted, after=after, limit=limit)


def compare(one: Journal, other: Journal, seed: int, calls: int) -> None:
    """Make the same calls on both, and compare what they answer and what they hold in the end."""
    caller = Caller(seed)
    for number in range(calls):
        choice = caller.random.random()
        where = f"call {number} of seed {seed}"
        if choice < 0.5:
            commits = caller.commits()
            written = append(one, commits)
            assert written == append(other, commits), where
            if written:
                for commit in commits:
                    length = caller.lengths.get(commit.case, 0)
                    caller.lengths[commit.case] = length + len(commit.inputs)
        elif choice < 0.6:
            letter = caller.letter()
            posting = [Commit("", posted=(letter, caller.letter()))]
            assert append(one, posting), where
            assert append(other, posting), where
        elif choice < 0.63:
            now_us = caller.random.randrange(6)
            assert one.expire(now_us) == other.expire(now_us), where
        elif choice < 0.64:
            dropped = caller.random.sample(LETTERS, 2)
            assert one.drop(dropped) == other.drop(dropped), where
        elif choice < 0.66:
            bundle = caller.bundle()
            one.keep(bundle)
            other.keep(bundle)
        else:
            question = caller.question()
            assert question(one) == question(other), where
    assert holdings(one) == holdings(other), f"the end of seed {seed}"


def append(journal: Journal, commits: list[Commit]) -> bool:
    """Whether it was written; a conflict names something that the commits have."""
    try:
        journal.append(commits)
    except JournalConflict as error:
        conflict = (error.case, error.seq)
    else:
        return True
    named = {(commit.case, row.seq) for commit in commits for row in commit.inputs}
    named.update((commit.case, 0) for commit in commits if commit.opened is not None)
    assert conflict in named
    return False


def holdings(journal: Journal) -> list[object]:
    """Everything that a journal holds, by all its reading calls."""
    return [
        journal.cases(),
        journal.cases(awake=True),
        journal.stored(CASES),
        [journal.inputs(case) for case in CASES],
        [journal.record(case) for case in CASES],
        journal.versions(),
        dict(journal.blobs(HASHES)),
        journal.sleepers(2**62),
        journal.work(),
        [journal.waiting(kind, name, key) for kind in (10, 11) for name in NAMES for key in KEYS],
        (journal.letters(), [*map(journal.receiver, LETTERS)]),
        (journal.letter_count(), journal.next_expiry()),
    ]
