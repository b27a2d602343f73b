"""A fork: a new case whose history begins as a copy of another's.

The copy is chained anew under the new name. It is replayed before it is written: the name of a
case seeds its ``random()``, so that a history that has used it may lead elsewhere; such a case
cannot be forked.
"""

from __future__ import annotations

from collections.abc import Sequence

from knhk.engine.facts import Payloads
from knhk.engine.outcome import outcome_of
from knhk.engine.replaying import replay
from knhk.engine.subscriptions import waits_of
from knhk.engine.version import Version
from knhk.errors import CaseEnded, ReplayError, UnknownName, UsageError
from knhk.journal import UNFINISHED, CaseRow, Commit, Fence, InputRow, Standing
from knhk.journal.chain import hash_of_opening, link
from knhk.kernel import Case
from knhk.model import CaseStatus

__all__ = ["forked", "up_to"]


def up_to(rows: Sequence[InputRow], at: int) -> Sequence[InputRow]:
    """The inputs up to that of number ``at``, or :class:`UnknownName`."""
    if not 0 <= at < len(rows):
        raise UnknownName("input", str(at), [f"0 to {len(rows) - 1}"])
    return rows[: at + 1]


def forked(
    version: Version,
    row: CaseRow,
    rows: Sequence[InputRow],
    payloads: Payloads,
    new_id: str,
    fence: Fence | None,
) -> Commit:
    """What begins a case ``new_id`` with a copy of ``rows``, the first inputs of the case ``row``.

    It belongs to the shard of the ``fence``.

    Raises :class:`CaseEnded` where the case had ended by then, and :class:`UsageError` where it
    cannot be copied.
    """
    shard = 0 if fence is None else fence.shard
    opened = CaseRow(
        new_id, row.workflow, row.digest, row.created_us, tenant=row.tenant, shard=shard
    )
    copies = _chained(opened, rows)
    before = replay(version, row, rows, payloads)
    try:
        case = replay(version, opened, copies, payloads)
        same = _picture(case) == _picture(before)
    except ReplayError:
        same = False
    if not same:
        raise UsageError(
            f"case {row.id!r} cannot be forked there: under another name its history leads"
            " elsewhere, as it uses random(); fork it before that"
        )
    if case.status in (CaseStatus.completed, CaseStatus.cancelled):
        raise CaseEnded(row.id, str(case.status), f"forking it after input {len(rows) - 1}")
    standing = _standing(version, case, copies[-1].hash)
    waits, _ = waits_of(case)
    return Commit(new_id, copies, opened, standing, waits=waits, fence=fence)


def _chained(opened: CaseRow, rows: Sequence[InputRow]) -> tuple[InputRow, ...]:
    """The inputs as those of another case."""
    seal = hash_of_opening(opened)
    copies: list[InputRow] = []
    for row in rows:
        seal = link(seal, opened.id, row.seq, row.at_us, row.kind, row.item, row.task, row.body)
        copies.append(row._replace(case=opened.id, hash=seal))
    return tuple(copies)


def _picture(case: Case) -> tuple[object, ...]:
    """All of a case that may come out differently."""
    items = [(item.task, item.state, item.attempt, item.due_us) for item in case.items]
    return case.status, case.data, case.marking, items, case.failure is None


def _standing(version: Version, case: Case, seal: bytes) -> Standing | None:
    """Where a case stands that is not running."""
    if case.status is CaseStatus.running:
        return None
    if case.status in UNFINISHED:
        return Standing(case.status, seal=seal)
    return Standing(case.status, case.now_us, outcome_of(version, case), seal)
