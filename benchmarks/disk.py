"""The physical limit of a durable engine: a bare loop that appends the same rows.

The rows are read from a store that the engine has written, and are appended to a new file
with the same schema and settings, already encoded, so many in each transaction.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import apsw

__all__ = ["GROUP", "Rows", "append"]

GROUP = 50


@dataclass(frozen=True)
class Rows:
    """The inputs of some cases in a store, and the schema of that store."""

    schema: tuple[str, ...]
    width: int
    values: list[tuple[object, ...]]
    cases: int

    @classmethod
    def of(cls, store: Path, cases: int) -> Rows:
        """The inputs of ``cases`` cases as they came, one case after another's beginning."""
        connection = apsw.Connection(str(store), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            schema = [
                str(sql)
                for (sql,) in connection.execute(
                    "SELECT sql FROM sqlite_schema WHERE name = 'inputs'"
                    " OR (tbl_name = 'inputs' AND sql IS NOT NULL AND type = 'index')"
                )
            ]
            values = connection.execute(
                "SELECT * FROM inputs WHERE case_id IN (SELECT id FROM cases LIMIT ?)"
                " ORDER BY seq, case_id",
                (cases,),
            ).fetchall()
        finally:
            connection.close()
        return cls(tuple(schema), len(values[0]), values, cases)


def append(path: Path, values: list[tuple[object, ...]], rows: Rows, group: int) -> float:
    """Seconds to append ``values`` to a new file, ``group`` of them in a transaction."""
    path.unlink(missing_ok=True)
    connection = apsw.Connection(str(path))
    try:
        connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", "full")
        for statement in rows.schema:
            connection.execute(statement)
        insert = f"INSERT INTO inputs VALUES ({', '.join('?' * rows.width)})"
        begin = time.perf_counter()
        for at in range(0, len(values), group):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(insert, values[at : at + group])
            connection.execute("COMMIT")
        return time.perf_counter() - begin
    finally:
        connection.close()
