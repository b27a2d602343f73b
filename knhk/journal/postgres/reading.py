"""Questions to the store, and their rows as values."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, TypeAlias

from psycopg import Connection
from psycopg.rows import TupleRow

from knhk.errors import StoreDamaged
from knhk.journal.offers import OFFER_COLUMNS, offer_of, question, work_of
from knhk.journal.postgres.writing import CASE_COLUMNS, INPUT_COLUMNS
from knhk.journal.record import (
    PAGE_MAX,
    Bundle,
    CaseRow,
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
    letters_where,
    version_rows,
)
from knhk.model import CaseStatus

__all__ = [
    "ask",
    "read_bundle",
    "read_case",
    "read_cases",
    "read_ended",
    "read_inputs",
    "read_letters",
    "read_orphan",
    "read_record",
    "read_stored",
    "read_versions",
    "read_waiting",
    "read_work",
]

_LETTER_COLUMNS: Final = "id, name, key, payload, sent_us, expires_us"

_SELECT_CASE: Final = f"SELECT {CASE_COLUMNS} FROM cases WHERE id = %s"  # noqa: S608
_SELECT_CASES: Final = f"SELECT {CASE_COLUMNS} FROM cases WHERE id = ANY(%b::text[])"  # noqa: S608
_SELECT_SNAPSHOTS: Final = (
    "SELECT case_id, seq, hash, body FROM snapshots WHERE case_id = ANY(%b::text[])"
)
#: For each case a search of its own in the index, which begins behind its snapshot.
_SELECT_INPUTS_SINCE: Final = (
    "SELECT i.* FROM unnest(%b::text[]) AS n (id) LEFT JOIN snapshots AS s ON s.case_id = n.id,"  # noqa: S608
    f" LATERAL (SELECT {INPUT_COLUMNS} FROM inputs"
    "           WHERE case_id = n.id AND seq >= coalesce(s.seq, 0) ORDER BY seq) AS i"
    " ORDER BY i.case_id, i.seq"
)
_SELECT_LEASES: Final = (
    "SELECT case_id, item, attempt, holder, until_us FROM leases"
    " WHERE case_id = ANY(%b::text[]) ORDER BY case_id, item"
)
_SELECT_OFFERS: Final = (
    f"SELECT {OFFER_COLUMNS} FROM offers"  # noqa: S608
    " WHERE case_id = ANY(%b::text[]) ORDER BY case_id, item"
)
_SELECT_REST: Final = (
    "SELECT (SELECT count(*) FROM inputs WHERE case_id = id), parked, wake_us"
    " FROM cases WHERE id = %s"
)
_SELECT_WAITS: Final = (
    "SELECT kind, name, key FROM waits WHERE case_id = %s ORDER BY kind, name, key"
)
_SELECT_VERSIONS: Final = (
    "SELECT w.name, w.digest, b.deployed_us,"
    " w.deployed = (SELECT max(deployed) FROM workflows WHERE name = w.name)"
    " FROM workflows AS w JOIN bundles AS b USING (digest) WHERE %s IN ('', w.name)"
)

_SELECT_WAITING_WITH_KEY: Final = (
    "(SELECT case_id FROM waits JOIN cases ON id = case_id"
    " WHERE kind = %(kind)s AND name = %(name)s AND {key} AND case_id > %(after)s"
    " AND status IN ('running', 'suspended') ORDER BY case_id LIMIT %(limit)s)"
)
#: Each half goes along the index, and no further than it has to.
_SELECT_WAITING: Final = (
    _SELECT_WAITING_WITH_KEY.replace("{key}", "key = ''")
    + " UNION "
    + _SELECT_WAITING_WITH_KEY.replace("{key}", "key = %(key)s")
    + " ORDER BY case_id LIMIT %(limit)s"
)

#: A statement and its parameters.
Question: TypeAlias = tuple[str, Sequence[object]]


def ask(connection: Connection[TupleRow], statement: str, *values: object) -> list[TupleRow]:
    """All rows that one statement gives."""
    with connection.cursor(binary=True) as cursor:
        return cursor.execute(statement, values).fetchall()


def _ask_at_once(connection: Connection[TupleRow], *questions: Question) -> list[list[TupleRow]]:
    """The answers to several statements about one state of the store, in one round trip."""
    cursors = [connection.cursor(binary=True) for _ in questions]
    with connection.pipeline():
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        for cursor, (statement, values) in zip(cursors, questions, strict=True):
            cursor.execute(statement, values)
        connection.execute("COMMIT")
    return [cursor.fetchall() for cursor in cursors]


def read_bundle(connection: Connection[TupleRow], digest: str) -> Bundle | None:
    """The sources with this digest."""
    bundles, files, names = _ask_at_once(
        connection,
        ("SELECT entry, root, deployed_us FROM bundles WHERE digest = %s", (digest,)),
        ("SELECT path, text FROM sources WHERE digest = %s ORDER BY path", (digest,)),
        ("SELECT name FROM workflows WHERE digest = %s ORDER BY name", (digest,)),
    )
    if not bundles:
        return None
    entry, root, deployed_us = bundles[0]
    return Bundle(digest, entry, root, dict(files), tuple(name for (name,) in names), deployed_us)


def read_case(connection: Connection[TupleRow], case: str) -> CaseRow | None:
    """One case as it stands."""
    rows = ask(connection, _SELECT_CASE, case)
    return _case_row(rows[0]) if rows else None


def read_ended(connection: Connection[TupleRow], cases: Collection[str]) -> tuple[CaseRow, ...]:
    """Those of some cases that are neither running nor suspended."""
    rows = ask(
        connection,
        f"{_SELECT_CASES} AND status NOT IN ('running', 'suspended')",
        list(cases),
    )
    return tuple(map(_case_row, rows))


def read_cases(
    connection: Connection[TupleRow],
    *,
    status: Sequence[CaseStatus],
    workflow: str,
    parent: str,
    tenant: str,
    awake: bool,
    shards: Sequence[int] | None,
    after: CaseRow | None,
    limit: int,
) -> tuple[CaseRow, ...]:
    """A page of cases, as :meth:`knhk.journal.Journal.cases` gives it."""
    where = ["true"]
    values: list[object] = []
    if status:
        where.append("status = ANY(%s)")
        values.append([one.value for one in status])
    if workflow:
        where.append("workflow = %s")
        values.append(workflow)
    if parent:
        # The second half says what the index over sub-cases is limited to.
        where.append("parent = %s AND parent != ''")
        values.append(parent)
    if tenant:
        # Likewise of the index over tenants.
        where.append("tenant = %s AND tenant != ''")
        values.append(tenant)
    if awake:
        where.append("NOT parked")
    if shards is not None:
        where.append("shard = ANY(%s)")
        values.append(list(shards))
    if after is not None:
        where.append("(created_us, id) > (%s, %s)")
        values.extend((after.created_us, after.id))
    rows = ask(
        connection,
        f"SELECT {CASE_COLUMNS} FROM cases WHERE {' AND '.join(where)}"  # noqa: S608
        " ORDER BY created_us, id LIMIT %s",
        *values,
        max(0, min(limit, PAGE_MAX)),
    )
    return tuple(map(_case_row, rows))


def read_inputs(
    connection: Connection[TupleRow], case: str, since: int, limit: int | None
) -> tuple[InputRow, ...]:
    """The inputs of a case in order, from the number ``since`` on."""
    rows = ask(
        connection,
        f"SELECT {INPUT_COLUMNS} FROM inputs WHERE case_id = %s AND seq >= %s"  # noqa: S608
        " ORDER BY seq LIMIT %s",
        case,
        since,
        None if limit is None else max(0, limit),
    )
    return tuple(map(InputRow._make, rows))


def read_record(connection: Connection[TupleRow], case: str) -> Record | None:
    """All that is held of a case beside its inputs."""
    one = ([case],)
    cases, rests, snapshots, waits, leases, offers = _ask_at_once(
        connection,
        (_SELECT_CASES, one),
        (_SELECT_REST, (case,)),
        (_SELECT_SNAPSHOTS, one),
        (_SELECT_WAITS, (case,)),
        (_SELECT_LEASES, one),
        (_SELECT_OFFERS, one),
    )
    if not cases:
        return None
    count, parked, wake_us = rests[0]
    return Record(
        _case_row(cases[0]),
        count,
        Snapshot(*snapshots[0][1:]) if snapshots else None,
        Rest(is_parked=parked, wake_us=wake_us),
        tuple(map(Wait._make, waits)),
        tuple(Lease._make(row[1:]) for row in leases),
        tuple(map(offer_of, offers)),
    )


def read_versions(connection: Connection[TupleRow], workflow: str) -> tuple[VersionRow, ...]:
    """The versions of a workflow, or of all, with their cases."""
    only = "AND workflow = %s" if workflow else ""
    count = (
        f"SELECT workflow, digest, status, count(*) FROM cases WHERE true {only}"  # noqa: S608
        " GROUP BY workflow, digest, status ORDER BY status"
    )
    deployed, counted = _ask_at_once(
        connection,
        (_SELECT_VERSIONS, (workflow,)),
        (count, (workflow,) if workflow else ()),
    )
    return version_rows(deployed, counted)


def read_orphan(connection: Connection[TupleRow]) -> tuple[str, str] | None:
    """A table and the id of a case that it has rows of, though there is no such case."""
    for table in ("inputs", "snapshots", "waits", "leases", "offers"):
        rows = ask(
            connection,
            f"SELECT case_id FROM {table} AS t"  # noqa: S608
            " WHERE NOT EXISTS (SELECT FROM cases WHERE id = t.case_id) LIMIT 1",
        )
        if rows:
            return table, rows[0][0]
    return None


def read_stored(connection: Connection[TupleRow], cases: Sequence[str]) -> tuple[Stored, ...]:
    """What is needed to have cases in memory."""
    ids = (sorted(set(cases)),)
    case_rows, snapshot_rows, input_rows, lease_rows, offer_rows = _ask_at_once(
        connection,
        (_SELECT_CASES, ids),
        (_SELECT_SNAPSHOTS, ids),
        (_SELECT_INPUTS_SINCE, ids),
        (_SELECT_LEASES, ids),
        (_SELECT_OFFERS, ids),
    )
    rows = {row[0]: _case_row(row) for row in case_rows}
    snapshots = {row[0]: Snapshot(*row[1:]) for row in snapshot_rows}
    inputs: dict[str, list[InputRow]] = {}
    for row in input_rows:
        inputs.setdefault(row[0], []).append(InputRow._make(row))
    leases: dict[str, list[Lease]] = {}
    for row in lease_rows:
        leases.setdefault(row[0], []).append(Lease._make(row[1:]))
    offers: dict[str, list[Offer]] = {}
    for row in offer_rows:
        offers.setdefault(row[0], []).append(offer_of(row))
    return tuple(
        Stored(
            rows[case],
            snapshots.get(case),
            tuple(inputs.get(case, ())),
            tuple(leases.get(case, ())),
            offers=tuple(offers.get(case, ())),
        )
        for case in cases
        if case in rows
    )


def read_work(
    connection: Connection[TupleRow], wanted: WorkFilter, after: Offer | None, limit: int
) -> tuple[OpenWork, ...]:
    """A page of work for somebody outside, as :meth:`knhk.journal.Journal.work` gives it."""
    statement, values = question(wanted, after, limit, "%s")
    return tuple(map(work_of, ask(connection, statement, *values)))


def read_letters(
    connection: Connection[TupleRow], name: str, key: str, after: Letter | None, limit: int
) -> tuple[Letter, ...]:
    """A page of kept letters, as :meth:`knhk.journal.Journal.letters` gives it."""
    where, values = letters_where("%s", name, key, after)
    rows = ask(
        connection,
        f"SELECT {_LETTER_COLUMNS} FROM letters WHERE {where}"  # noqa: S608
        " ORDER BY name, sent_us, id LIMIT %s",
        *values,
        max(0, limit),
    )
    return tuple(map(Letter._make, rows))


def read_waiting(
    connection: Connection[TupleRow], kind: int, name: str, key: str, after: str, limit: int
) -> tuple[str, ...]:
    """A page of cases that wait, as :meth:`knhk.journal.Journal.waiting` gives it."""
    values = {"kind": kind, "name": name, "key": key, "after": after, "limit": max(0, limit)}
    with connection.cursor(binary=True) as cursor:
        rows = cursor.execute(_SELECT_WAITING, values).fetchall()
    return tuple(case for (case,) in rows)


def _case_row(row: TupleRow) -> CaseRow:
    try:
        status = CaseStatus(row[4])
    except ValueError as error:
        raise StoreDamaged(
            f"the store is damaged: case {row[0]!r} has the status {row[4]!r};"
            " go back to a copy of it"
        ) from error
    case, workflow, digest, created_us, _, ended_us, outcome, *caller = row
    parent, parent_item, depth, seal, tenant, shard = caller
    return CaseRow(
        case,
        workflow,
        digest,
        created_us,
        status,
        ended_us,
        outcome,
        parent,
        parent_item,
        depth,
        seal,
        tenant,
        shard,
    )
