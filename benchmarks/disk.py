"""The physical limit of a durable engine: bare loops that write the same rows.

The rows that the engine has written are read from its store, and taken apart into what the engine
was told. A bare loop builds them again: it encodes the bodies as JSON, hashes each row onto the
one before it, and appends them in the order and in the transactions' parts in which the engine
does, many of these *steps* in each transaction. In the end its store must hold the very same rows.
Nothing is decided, no task is done and nobody is told: that is what the engine does beside it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, cast

import apsw
import msgspec
from blake3 import blake3
from workers import STEPS

from knhk.journal import CaseRow, InputRow, Journal, SQLiteJournal
from knhk.journal.chain import hash_of_opening
from knhk.model import COMPLETE, CREATE, START, CaseStatus

__all__ = [
    "COLUMNS",
    "GROUP",
    "Builder",
    "History",
    "Step",
    "append_in_groups",
    "append_rows_alone",
    "endings",
    "histories",
    "inputs_in",
    "openings",
    "rows_of",
    "steps_of",
]

#: Steps in one transaction.
GROUP = 50
CASES_AT_ONCE = 100
COLUMNS = "case_id, seq, at_us, kind, item, task, body, hash"

#: What a row of the table ``inputs`` holds, and what :data:`COLUMNS` are called.
InputValues = tuple[str, int, int, int, int, str, bytes, bytes]


class Fact(NamedTuple):
    """What the engine was told, before anything is encoded."""

    seq: int
    at_us: int
    kind: int
    item: int
    task: str
    value: object


@dataclass(frozen=True)
class Step:
    """What the engine writes at once: the end of a task with the start of the next one.

    The first step of a case opens it, the last one ends it.
    """

    case: str
    facts: tuple[Fact, ...]
    opened: CaseRow | None = None
    ended: CaseRow | None = None


class History(NamedTuple):
    """A case that has ended, and all of its inputs."""

    row: CaseRow
    inputs: tuple[InputRow, ...]


def histories(journal: Journal, cases: int) -> list[History]:
    """The oldest cases of a store, of which all are of the ten tasks and have ended."""
    found: list[History] = []
    rows: tuple[CaseRow, ...] = ()
    while len(found) < cases:
        rows = journal.cases(
            status=[CaseStatus.completed],
            after=rows[-1] if rows else None,
            limit=cases - len(found),
        )
        if not rows:
            raise AssertionError(f"the store has {len(found)} cases, and {cases} are needed")
        found += [History(row, journal.inputs(row.id)) for row in rows]
    for row, inputs in found:
        kinds = [one.kind for one in inputs]
        if kinds != [CREATE, *[START, COMPLETE] * STEPS]:
            raise AssertionError(f"case {row.id} has inputs of the kinds {kinds}")
    return found


def rows_of(found: Sequence[History]) -> list[InputValues]:
    """All inputs of some cases, by case and number."""
    return sorted(_values(row) for one in found for row in one.inputs)


def _values(row: InputRow) -> InputValues:
    return row.case, row.seq, row.at_us, row.kind, row.item, row.task, row.body, row.hash


def steps_of(found: Sequence[History]) -> list[Step]:
    """What was written at once, in the order in which so many cases at a time write."""
    steps: list[Step] = []
    for at in range(0, len(found), CASES_AT_ONCE):
        some = [list(_taken_apart(one)) for one in found[at : at + CASES_AT_ONCE]]
        steps += [step for turn in zip(*some, strict=True) for step in turn]
    return steps


def _taken_apart(history: History) -> Iterator[Step]:
    row = history.row
    opened = replace(row, status=CaseStatus.running, ended_us=-1, outcome=b"", seal=b"")
    facts: list[Fact] = []
    first: CaseRow | None = opened
    for one in history.inputs:
        if one.kind == COMPLETE:
            yield Step(row.id, tuple(facts), first)
            facts, first = [], None
        value = json.loads(one.body)["value"] if one.body else None
        facts.append(Fact(one.seq, one.at_us, one.kind, one.item, one.task, value))
    yield Step(row.id, tuple(facts), first, row)


class Builder:
    """Builds the rows of steps: encoded, and each sealed with the one before it."""

    def __init__(self) -> None:
        self._hashes: dict[str, bytes] = {}
        self._encode = msgspec.json.Encoder(order="deterministic").encode

    def build(self, steps: Iterable[Step]) -> list[InputValues]:
        hashes, encode = self._hashes, self._encode
        rows: list[InputValues] = []
        for step in steps:
            case = step.case
            sealed = hashes[case] if step.opened is None else hash_of_opening(step.opened)
            for seq, at_us, kind, item, task, value in step.facts:
                body = b"" if value is None else encode({"value": value})
                head = f"{case}\0{seq}\0{at_us}\0{kind}\0{item}\0{task}\0"
                sealed = blake3(sealed + head.encode() + body).digest()
                rows.append((case, seq, at_us, kind, item, task, body, sealed))
            hashes[case] = sealed
        return rows


_INSERT_INPUT = f"INSERT INTO inputs ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_INSERT_CASE = (
    "INSERT INTO cases (id, workflow, digest, status, created_us, ended_us, outcome)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_END_CASE = "UPDATE cases SET status = ?, ended_us = ?, outcome = ?, seal = ? WHERE id = ?"


def _new_store(path: Path) -> apsw.Connection:
    """A new store with the schema and the settings of the engine's."""
    for name in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        name.unlink(missing_ok=True)
    SQLiteJournal(path).close()
    connection = apsw.Connection(str(path))
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "full")
    return connection


def append_in_groups(path: Path, steps: Sequence[Step], *, with_cases: bool) -> float:
    """Seconds to build and append what ``steps`` write, :data:`GROUP` in a transaction.

    With ``with_cases`` the summary of each case is written too, as the engine does.
    """
    connection = _new_store(path)
    try:
        execute, builder = connection.execute, Builder()
        begin = time.perf_counter()
        for at in range(0, len(steps), GROUP):
            some = steps[at : at + GROUP]
            execute("BEGIN IMMEDIATE")
            if with_cases:
                connection.executemany(_INSERT_CASE, openings(some))
            connection.executemany(_INSERT_INPUT, builder.build(some))
            if with_cases:
                connection.executemany(_END_CASE, endings(some))
            execute("COMMIT")
        return time.perf_counter() - begin
    finally:
        connection.close()


def openings(steps: Iterable[Step]) -> list[tuple[object, ...]]:
    """The rows of the cases that begin with some steps."""
    rows = [step.opened for step in steps if step.opened is not None]
    return [
        (
            row.id,
            row.workflow,
            row.digest,
            row.status.value,
            row.created_us,
            row.ended_us,
            row.outcome,
        )
        for row in rows
    ]


def endings(steps: Iterable[Step]) -> list[tuple[object, ...]]:
    """What becomes of the rows of the cases that end with some steps."""
    rows = [step.ended for step in steps if step.ended is not None]
    return [(row.status.value, row.ended_us, row.outcome, row.seal, row.id) for row in rows]


def append_rows_alone(path: Path, rows: Sequence[InputValues]) -> float:
    """Seconds to append rows that are ready, each in a transaction of its own."""
    connection = _new_store(path)
    try:
        execute = connection.execute
        begin = time.perf_counter()
        for row in rows:
            execute(_INSERT_INPUT, row)
        return time.perf_counter() - begin
    finally:
        connection.close()


def inputs_in(path: Path) -> list[InputValues]:
    """All inputs in a store, by case and number."""
    connection = apsw.Connection(str(path))
    try:
        found = connection.execute(f"SELECT {COLUMNS} FROM inputs ORDER BY case_id, seq")
        return cast("list[InputValues]", found.fetchall())
    finally:
        connection.close()
