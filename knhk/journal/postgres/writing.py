"""Commits as statements: one for each table, whatever the number of commits.

Rows are sent as one array for each column, in binary, and all statements of a transaction in one
go (libpq's pipeline): so a batch costs one round trip. COPY is as fast for large batches but
takes three.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Final, Protocol

from psycopg import Connection, Cursor, errors
from psycopg.rows import TupleRow

from knhk.errors import JournalConflict
from knhk.journal.offers import OFFER_COLUMNS, offer_row
from knhk.journal.postgres.fences import Fences
from knhk.journal.postgres.flight import Statements
from knhk.journal.record import REMEMBERED_US, Bundle, CaseRow, Commit, InputRow, Letter, Offer

__all__ = [
    "CASE_COLUMNS",
    "INPUT_COLUMNS",
    "first_conflict",
    "keep",
    "statements_of",
    "was_written",
    "write",
]

INPUT_COLUMNS: Final = "case_id, seq, at_us, kind, item, task, body, hash"
CASE_COLUMNS: Final = (
    "id, workflow, digest, created_us, status, ended_us, outcome, parent, parent_item, depth, seal,"
    " tenant, shard"
)

_INSERT_CASES: Final = (
    f"INSERT INTO cases ({CASE_COLUMNS})"  # noqa: S608
    " SELECT * FROM unnest(%b::text[], %b::text[], %b::text[], %b::bigint[], %b::text[],"
    " %b::bigint[], %b::bytea[], %b::text[], %b::bigint[], %b::bigint[], %b::bytea[], %b::text[],"
    " %b::bigint[])"
)
_INSERT_INPUTS: Final = (
    f"INSERT INTO inputs ({INPUT_COLUMNS})"  # noqa: S608
    " SELECT * FROM unnest(%b::text[], %b::bigint[], %b::bigint[], %b::bigint[], %b::bigint[],"
    " %b::text[], %b::bytea[], %b::bytea[])"
)
_SET_STANDINGS: Final = (
    "UPDATE cases SET status = n.status, ended_us = n.ended_us, outcome = n.outcome, seal = n.seal"
    " FROM unnest(%b::text[], %b::text[], %b::bigint[], %b::bytea[], %b::bytea[])"
    " AS n (id, status, ended_us, outcome, seal) WHERE cases.id = n.id"
)
_SET_RESTS: Final = (
    "UPDATE cases SET parked = n.parked, wake_us = n.wake_us"
    " FROM unnest(%b::text[], %b::boolean[], %b::bigint[]) AS n (id, parked, wake_us)"
    " WHERE cases.id = n.id"
)
_SET_SNAPSHOTS: Final = (
    "INSERT INTO snapshots SELECT * FROM unnest(%b::text[], %b::bigint[], %b::bytea[], %b::bytea[])"
    " ON CONFLICT (case_id) DO UPDATE"
    " SET seq = excluded.seq, hash = excluded.hash, body = excluded.body"
)
_CLEAR_WAITS: Final = "DELETE FROM waits WHERE case_id = ANY(%b::text[])"
_INSERT_WAITS: Final = (
    "INSERT INTO waits SELECT * FROM unnest(%b::text[], %b::bigint[], %b::text[], %b::text[])"
    " ON CONFLICT DO NOTHING"
)
_INSERT_BLOBS: Final = (
    "INSERT INTO blobs SELECT * FROM unnest(%b::bytea[], %b::bytea[]) ON CONFLICT DO NOTHING"
)
_SET_LEASES: Final = (
    "INSERT INTO leases"
    " SELECT * FROM unnest(%b::text[], %b::bigint[], %b::bigint[], %b::text[], %b::bigint[])"
    " ON CONFLICT (case_id, item) DO UPDATE"
    " SET attempt = excluded.attempt, holder = excluded.holder, until_us = excluded.until_us"
)
_END_LEASES: Final = (
    "DELETE FROM leases USING unnest(%b::text[], %b::bigint[]) AS n (case_id, item)"
    " WHERE leases.case_id = n.case_id AND leases.item = n.item"
)
_CLOSE_OFFERS: Final = (
    "DELETE FROM offers USING unnest(%b::text[], %b::bigint[]) AS n (case_id, item)"
    " WHERE offers.case_id = n.case_id AND offers.item = n.item"
)
_INSERT_OFFERS: Final = (
    f"INSERT INTO offers ({OFFER_COLUMNS})"  # noqa: S608
    " SELECT * FROM unnest(%b::text[], %b::bigint[], %b::bigint[], %b::bigint[], %b::text[],"
    " %b::text[], %b::text[], %b::text[], %b::bigint[], %b::bigint[], %b::bigint[], %b::bytea[])"
)
_CARRY_COMMANDS: Final = "UPDATE commands SET is_carried = true WHERE id = ANY(%b::text[])"
_POST_LETTERS: Final = (
    "INSERT INTO letters (id, name, key, payload, sent_us, expires_us)"
    " SELECT * FROM unnest(%b::text[], %b::text[], %b::text[], %b::bytea[], %b::bigint[],"
    " %b::bigint[]) ON CONFLICT DO NOTHING"
)
_TAKE_LETTERS: Final = (
    "UPDATE letters SET received_by = n.case_id, payload = '',"  # noqa: S608
    f" expires_us = greatest(expires_us, sent_us + {REMEMBERED_US})"
    " FROM unnest(%b::text[], %b::text[]) AS n (id, case_id)"
    " WHERE letters.id = n.id AND received_by = '' RETURNING letters.id"
)


class Executing(Protocol):
    """What statements are given to: a cursor, or who keeps them for a flight."""

    def execute(self, text: str, values: Sequence[object], /) -> object:
        """Have a statement done after those before it."""


def write(
    connection: Connection[TupleRow], commits: Sequence[Commit], fences: Fences | None = None
) -> None:
    """Write commits in a transaction of their own.

    Raises :class:`psycopg.errors.DivisionByZero` where a fence does not stand any more,
    :class:`psycopg.errors.UniqueViolation` for a case or an input that is there already,
    and :class:`knhk.errors.JournalConflict` for a letter that is not.
    """
    with connection.pipeline(), connection.cursor() as cursor:
        cursor.execute("BEGIN")
        _put(cursor, commits, fences)
        _take_letters(cursor, commits)
        cursor.execute("COMMIT")


def statements_of(commits: Sequence[Commit], fences: Fences | None) -> Statements:
    """The same transaction as statements, for commits that receive no letters."""
    found = Statements()
    found.execute("BEGIN")
    _put(found, commits, fences)
    found.execute("COMMIT")
    return found


def _put(cursor: Executing, commits: Sequence[Commit], fences: Fences | None) -> None:
    for statement, values in () if fences is None else fences.check(commits):
        cursor.execute(statement, values)
    _insert_cases(cursor, [each.opened for each in commits if each.opened is not None])
    _insert_inputs(cursor, [row for commit in commits for row in commit.inputs])
    _write_states(cursor, commits)
    _write_waits(cursor, commits)
    _write_leases(cursor, commits)
    _write_offers(cursor, commits)
    _carry(cursor, commits)
    _post_letters(cursor, commits)


def _columns(rows: Iterable[Iterable[object]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _execute(cursor: Executing, statement: str, rows: Sequence[Iterable[object]]) -> None:
    if rows:
        cursor.execute(statement, _columns(rows))


def _insert_cases(cursor: Executing, rows: Sequence[CaseRow]) -> None:
    values = [
        (
            row.id,
            row.workflow,
            row.digest,
            row.created_us,
            row.status.value,
            row.ended_us,
            row.outcome,
            row.parent,
            row.parent_item,
            row.depth,
            row.seal,
            row.tenant,
            row.shard,
        )
        for row in rows
    ]
    _execute(cursor, _INSERT_CASES, values)


def _insert_inputs(cursor: Executing, rows: Sequence[InputRow]) -> None:
    _execute(cursor, _INSERT_INPUTS, rows)


def _write_states(cursor: Executing, commits: Sequence[Commit]) -> None:
    """Where the cases stand now: of several changes to one case the last counts."""
    standings = {each.case: each.standing for each in commits if each.standing is not None}
    rests = {each.case: each.rest for each in commits if each.rest is not None}
    snapshots = {each.case: each.snapshot for each in commits if each.snapshot is not None}
    _execute(
        cursor,
        _SET_STANDINGS,
        [
            (case, new.status.value, new.ended_us, new.outcome, new.seal)
            for case, new in standings.items()
        ],
    )
    _execute(
        cursor,
        _SET_RESTS,
        [
            (case, new.is_parked, new.wake_us if new.is_parked else -1)
            for case, new in rests.items()
        ],
    )
    _execute(
        cursor,
        _SET_SNAPSHOTS,
        [(case, new.seq, new.hash, new.body) for case, new in snapshots.items()],
    )
    # Sorted, so that two writers take the same ones in the same order.
    blobs = dict(chain.from_iterable(commit.blobs for commit in commits))
    _execute(cursor, _INSERT_BLOBS, sorted(blobs.items()))


def _write_waits(cursor: Executing, commits: Sequence[Commit]) -> None:
    waits = {each.case: each.waits for each in commits if each.waits is not None}
    _execute(cursor, _CLEAR_WAITS, [(case,) for case in waits])
    _execute(cursor, _INSERT_WAITS, [(case, *wait) for case, new in waits.items() for wait in new])


def _write_leases(cursor: Executing, commits: Sequence[Commit]) -> None:
    leases = {(each.case, lease.item): lease for each in commits for lease in each.leases}
    held = [(case, *lease) for (case, _), lease in leases.items() if lease.until_us >= 0]
    _execute(cursor, _SET_LEASES, held)
    _execute(cursor, _END_LEASES, [key for key, lease in leases.items() if lease.until_us < 0])


def _write_offers(cursor: Executing, commits: Sequence[Commit]) -> None:
    """Write what is offered outside now: of several changes to one item the last counts."""
    offers: dict[tuple[str, int], Offer | None] = {}
    for commit in commits:
        offers.update(((commit.case, offer.item), offer) for offer in commit.offers)
        offers.update(((commit.case, item), None) for item in commit.closed)
    _execute(cursor, _CLOSE_OFFERS, list(offers))
    found = [offer_row(offer) for offer in offers.values() if offer is not None]
    _execute(cursor, _INSERT_OFFERS, found)


def _carry(cursor: Executing, commits: Sequence[Commit]) -> None:
    commands = list(chain.from_iterable(commit.carries for commit in commits))
    _execute(cursor, _CARRY_COMMANDS, [(command,) for command in commands])


def _post_letters(cursor: Executing, commits: Sequence[Commit]) -> None:
    posted: dict[str, Letter] = {}
    for letter in chain.from_iterable(commit.posted for commit in commits):
        posted.setdefault(letter.id, letter)
    # Sorted, so that two writers take the same ones in the same order.
    _execute(cursor, _POST_LETTERS, sorted(posted.values()))


def _take_letters(cursor: Cursor[TupleRow], commits: Sequence[Commit]) -> None:
    receivers = [(commit, letter) for commit in commits for letter in commit.received]
    if not receivers:
        return
    # This asks for an answer before the transaction ends, which costs a second round trip.
    rows = sorted((letter, commit.case) for commit, letter in receivers)
    cursor.execute(_TAKE_LETTERS, _columns(rows))
    there = {letter for (letter,) in cursor.fetchall()}
    for commit, letter in receivers:
        if letter not in there:
            raise JournalConflict(commit.case, commit.inputs[0].seq)
        there.remove(letter)


def keep(connection: Connection[TupleRow], bundle: Bundle) -> None:
    """Store the sources of a version, and make it the newest of its workflows."""
    with connection.transaction(), connection.pipeline(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO bundles VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (bundle.digest, bundle.entry, bundle.root, bundle.deployed_us),
        )
        _execute(
            cursor,
            "INSERT INTO sources SELECT * FROM unnest(%b::text[], %b::text[], %b::text[])"
            " ON CONFLICT DO NOTHING",
            [(bundle.digest, path, text) for path, text in bundle.files.items()],
        )
        for name in sorted(bundle.workflows):
            # A count, not a time: clocks may go back, the last deployment is the newest.
            cursor.execute(
                "INSERT INTO workflows SELECT %(name)s, %(digest)s, coalesce(max(deployed), 0) + 1"
                " FROM workflows WHERE name = %(name)s"
                " ON CONFLICT (name, digest) DO UPDATE SET deployed = excluded.deployed",
                {"name": name, "digest": bundle.digest},
            )


# After an error


def first_conflict(connection: Connection[TupleRow], commits: Sequence[Commit]) -> JournalConflict:
    """The first case or input that is in the store already, or twice among the commits."""
    opened = [commit.case for commit in commits if commit.opened is not None]
    rows = [row[:2] for commit in commits for row in commit.inputs]
    cases_there = connection.execute("SELECT id FROM cases WHERE id = ANY(%b::text[])", [opened])
    seen: set[object] = {case for (case,) in cases_there}
    for case in opened:
        if case in seen:
            return JournalConflict(case, 0)
        seen.add(case)
    if rows:
        seen.update(
            connection.execute(
                "SELECT case_id, seq FROM inputs"
                " JOIN unnest(%b::text[], %b::bigint[]) AS n (case_id, seq) USING (case_id, seq)",
                _columns(rows),
            )
        )
    for key in rows:
        if key in seen:
            return JournalConflict(*key)
        seen.add(key)
    # It was there a moment ago.
    return JournalConflict(commits[0].case, rows[0][1] if rows else 0)


def was_written(connection: Connection[TupleRow], commits: Sequence[Commit]) -> bool:
    """Whether a transaction of which no answer came has been written.

    Its first input tells, by the key that makes it unique: to insert it again waits for a
    transaction that is still at work, and fails if that was written. Where there is no input at
    all they count as not written: to write them twice does no harm.
    """
    first = next((row for commit in commits for row in commit.inputs), None)
    if first is None:
        return False
    try:
        with connection.transaction(force_rollback=True), connection.cursor() as cursor:
            _insert_inputs(cursor, [first])
    except errors.UniqueViolation:
        found = connection.execute(
            f"SELECT {INPUT_COLUMNS} FROM inputs WHERE case_id = %s AND seq = %s",  # noqa: S608
            first[:2],
        ).fetchone()
        # Another owner may have been there first, and written something else.
        return found == first
    return False
