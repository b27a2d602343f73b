"""The engine on PostgreSQL, beside dbos and a bare psycopg loop on the same server.

The cases are those of the benchmark ``engine``. The server is the one that ``KNHK_TEST_POSTGRES``
names, where a new database is made for the run, or one that is started from a wheel.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import disk
import psycopg
from beside import DISK_CASES, STYLES, Contest, Promise
from measure import Measure
from report import Row
from servers import database
from sizes import sized
from workers import STEPS, Worker, worker

from knhk.journal import open_journal

CONTEST = Contest(
    "postgres",
    {"knhk": "durable in PostgreSQL"},
    "dbos, the same server",
    {1: Promise(), 100: Promise(peer=50, limit=0.25)},
)
SCHEMA = "bare"
_INSERT_CASES = (
    "INSERT INTO cases (id, workflow, digest, status, created_us, ended_us, outcome,"
    " parent, parent_item, depth, seal)"
    " SELECT *, '', -1, 0, ''::bytea FROM unnest(%b::text[], %b::text[], %b::text[], %b::text[],"
    " %b::bigint[], %b::bigint[], %b::bytea[])"
)
_INSERT_INPUTS = (
    f"INSERT INTO inputs ({disk.COLUMNS})"
    " SELECT * FROM unnest(%b::text[], %b::bigint[], %b::bigint[], %b::bigint[], %b::bigint[],"
    " %b::text[], %b::bytea[], %b::bytea[])"
)
_END_CASES = (
    "UPDATE cases SET status = n.status, ended_us = n.ended_us, outcome = n.outcome, seal = n.seal"
    " FROM unnest(%b::text[], %b::bigint[], %b::bytea[], %b::bytea[], %b::text[])"
    " AS n (status, ended_us, outcome, seal, id) WHERE cases.id = n.id"
)


def run(rounds: int) -> Iterator[Row]:
    """Measure all of it in turns."""
    with TemporaryDirectory(prefix="knhk-bench-") as name, ExitStack() as stack:
        address = stack.enter_context(database())
        workers: dict[str, Worker] = {}
        for style in STYLES:
            arguments = (str(Path(name) / style), of_schema(address, style), style)
            workers[f"knhk {style}"] = stack.enter_context(worker("knhk_worker", *arguments))
            peer = stack.enter_context(database())
            workers[f"dbos {style}"] = stack.enter_context(worker("dbos_worker", peer, style))
        cases = sized(DISK_CASES, 100)
        workers[f"knhk {STYLES[0]}"].ask(cases, 100)
        journal = open_journal(of_schema(address, STYLES[0]), reading=True)
        found = disk.histories(journal, cases)
        journal.close()
        limits = ServerLimits(address, found)
        yield from CONTEST.run(workers, limits, rounds)


def of_schema(address: str, schema: str) -> str:
    """The address of a store in a schema of its own."""
    return f"{address}{'&' if '?' in address else '?'}knhk_schema=knhk_{schema}"


class ServerLimits:
    """What the server allows: the same rows, written by bare loops over one connection."""

    groups = f"psycopg, built and appended, groups of {disk.GROUP} steps"
    alone = "psycopg, one row, a commit a step"

    def __init__(self, address: str, found: list[disk.History]) -> None:
        self._address = address
        self._steps = disk.steps_of(found)
        self._rows = disk.rows_of(found)
        self._tasks = len(found) * STEPS
        open_journal(of_schema(address, SCHEMA)).close()
        with self._emptied() as connection:
            version = connection.info.parameter_status("server_version")
        self.notes: Mapping[str, str] = {
            self.groups: "the bare loop builds, encodes, hashes and appends the inputs and cases,"
            f" each transaction in one round trip; PostgreSQL {version}",
            self.alone: "one row of the same, ready, appended and committed for each step",
        }

    def contenders(self, at_once: int) -> dict[str, Measure]:
        return {self.alone: self.one_by_one} if at_once == 1 else {self.groups: self.in_groups}

    def in_groups(self) -> float:
        with self._emptied() as connection:
            builder = disk.Builder()
            begin = time.perf_counter()
            for at in range(0, len(self._steps), disk.GROUP):
                some = self._steps[at : at + disk.GROUP]
                with connection.pipeline(), connection.cursor() as cursor:
                    cursor.execute("BEGIN")
                    _insert(cursor, _INSERT_CASES, disk.openings(some))
                    _insert(cursor, _INSERT_INPUTS, builder.build(some))
                    _insert(cursor, _END_CASES, disk.endings(some))
                    cursor.execute("COMMIT")
            seconds = time.perf_counter() - begin
            written = connection.execute(
                f"SELECT {disk.COLUMNS} FROM inputs ORDER BY case_id, seq".encode()
            ).fetchall()
        if written != self._rows:
            raise AssertionError("the bare loop has not written the rows that the engine wrote")
        return self._tasks / seconds

    def one_by_one(self) -> float:
        rows = self._rows[: sized(2_000)]
        insert = f"INSERT INTO inputs ({disk.COLUMNS}) VALUES ({', '.join(['%b'] * 8)})".encode()
        with self._emptied() as connection:
            begin = time.perf_counter()
            for row in rows:
                connection.execute(insert, row)
            return len(rows) / (time.perf_counter() - begin)

    def _emptied(self) -> psycopg.Connection[Any]:
        """A connection to the loops' own store, in which there is nothing."""
        connection = psycopg.connect(self._address, autocommit=True)
        connection.execute(f"SET search_path TO knhk_{SCHEMA}".encode())
        connection.execute("TRUNCATE cases, inputs")
        return connection


def _insert(cursor: psycopg.Cursor[Any], statement: str, rows: Sequence[Sequence[object]]) -> None:
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        cursor.execute(statement.encode(), columns)
