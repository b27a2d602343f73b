"""Rows and commits for tests, in one short call each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from knhk.errors import JournalConflict
from knhk.journal import Bundle, CaseRow, Commit, InputRow, Journal, Letter, Offer, Standing
from knhk.model import CREATE, START, CaseStatus

__all__ = [
    "bundle",
    "ending",
    "letter",
    "offer",
    "opening",
    "post",
    "refused_as_conflict",
    "row",
    "sub_case",
]


def row(case: str, seq: int, kind: int = START, body: bytes = b"") -> InputRow:
    """An input at a time that its number gives."""
    return InputRow(case, seq, 1_000 + seq, kind, seq, "", body, bytes([seq % 256]) * 32)


def opening(
    case: str, created_us: int = 1_000, workflow: str = "order", tenant: str = ""
) -> Commit:
    """The first commit of a case: its row and its first input."""
    opened = CaseRow(case, workflow, "digest-1", created_us, tenant=tenant)
    return Commit(case, (row(case, 0, CREATE, b'{"value":{"n":1}}'),), opened)


def sub_case(case: str, parent: str, item: int, created_us: int = 1_000) -> Commit:
    """The first commit of a case that was begun for a work item of another."""
    opened = CaseRow(
        case,
        "part",
        "digest-1",
        created_us,
        parent=parent,
        parent_item=item,
        depth=1,
        tenant="acme",
        shard=63,
    )
    return Commit(case, (row(case, 0, CREATE),), opened)


def ending(case: str, seq: int, status: CaseStatus = CaseStatus.completed) -> Commit:
    """A commit that brings a case into another state with its input ``seq``."""
    return Commit(case, (row(case, seq),), None, Standing(status, 9, b"{}"))


def bundle(digest: str, *workflows: str, deployed_us: int = 5) -> Bundle:
    """A bundle of two files."""
    files = {"order.knhk": f"# {digest}", "lib/types.knhk": "record Ä\n    ö: str\n"}
    return Bundle(digest, "order.knhk", "/srv/shop", files, workflows, deployed_us)


def letter(id: str, sent_us: int = 1, key: str = "", expires_us: int = 100) -> Letter:
    """A letter with the name ``paid``."""
    return Letter(id, "paid", key, b'{"n":\x00\xff}', sent_us, expires_us)


def offer(case: str, item: int, *, priority: int = 0, since_us: int = 1) -> Offer:
    """Work of the task ``t`` for somebody outside."""
    return Offer(case, item, 1, False, "order", "t", priority=priority, since_us=since_us)


def post(journal: Journal, *letters: Letter) -> None:
    """Have letters kept."""
    journal.append([Commit("", posted=letters)])


@contextmanager
def refused_as_conflict(case: str, seq: int) -> Iterator[None]:
    """The block raises a conflict that names this input."""
    try:
        yield
    except JournalConflict as error:
        assert (case, seq) == (error.case, error.seq)  # noqa: PT017  pytest is not needed here
    else:
        raise AssertionError("no conflict was raised")
