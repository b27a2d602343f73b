"""Statements that were sent from the event loop, and are not answered yet.

Theory of operation. What waits in a thread waits for the interpreter as much as for the server: a
thread that comes back from libpq gets hold of it only when the event loop rests, and an append goes
through libpq a dozen times. So the loop itself sends an ordinary append, all statements in one go
(libpq's pipeline), and goes on with other things until the answer is there. A flight tells only
whether everything was done. What went wrong if not is found out by an append in a thread
(:mod:`knhk.journal.postgres.journal`), which also knows how to deal with a lost connection.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import count
from typing import Final, NamedTuple, TypeAlias, final

import psycopg
from psycopg import Connection, abc
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import ExecStatus
from psycopg.rows import TupleRow

__all__ = ["Flight", "Prepared", "Statement", "Statements"]

_DONE: Final = (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK)


class Statement(NamedTuple):
    """A statement with ``%b`` or ``%s`` for each of its values, which are sent in binary."""

    text: str
    values: Sequence[object]


class Statements(list[Statement]):
    """Takes statements as a cursor does, and keeps them."""

    def execute(self, text: str, values: Sequence[object] = ()) -> None:
        """Have a statement done after those before it."""
        self.append(Statement(text, values))


#: The names under which a session knows statements, by their texts and the types of their values.
Prepared: TypeAlias = dict[tuple[str, tuple[int, ...]], bytes]

_numbers = count(1)


@cache
def _numbered(text: str) -> bytes:
    """A statement as the server wants it: ``$1``, ``$2`` and so on for its values."""
    first, *others = text.replace("%s", "%b").split("%b")
    return (first + "".join(f"${n}{part}" for n, part in enumerate(others, 1))).encode()


@final
class Flight:
    """Statements on their way over ``connection``, which is nobody else's until they are over.

    ``prepared`` is what its session knows. ``ended`` is called when the flight is over, and told
    whether it is known what became of the statements.
    """

    def __init__(
        self,
        connection: Connection[TupleRow],
        prepared: Prepared,
        ended: Callable[[bool], None],
        answer_s: float,
    ) -> None:
        self.answer_s: Final = answer_s
        #: Whether there is nothing more to come.
        self.is_over = False
        #: Whether all was done, which may be so too where it was not heard of.
        self.is_written = False
        #: Whether all was given to the network.
        self.is_sent = False
        self._connection = connection
        self._pg = connection.pgconn
        self._prepared = prepared
        self._ended = ended
        self._has_failed = False
        #: What the session knows if all goes well.
        self._new: Prepared = {}

    def fileno(self) -> int:
        return self._pg.socket

    def send(self, statements: Sequence[Statement]) -> None:
        """Send statements, as far as that needs no waiting."""
        try:
            self._pg.enter_pipeline_mode()
            transformer = Transformer.from_context(self._connection)
            for statement in statements:
                self._send_one(statement, transformer)
            self._pg.pipeline_sync()
            self.go_on()
        except psycopg.Error:
            self.abandon()

    def _send_one(self, statement: Statement, transformer: abc.Transformer) -> None:
        text, values = statement
        if not values:
            self._pg.send_query_params(text.encode(), None)
            return
        formats = [PyFormat.BINARY] * len(values)
        params = transformer.dump_sequence(values, formats)
        types = transformer.types or ()
        name = self._prepared.get((text, types)) or self._new.get((text, types))
        if name is None:
            # A name is never used again: that of a statement that failed may be known or not.
            name = self._new[text, types] = b"knhk_%d" % next(_numbers)
            self._pg.send_prepare(name, _numbered(text), types)
        self._pg.send_query_prepared(name, params, param_formats=[1] * len(params))

    def go_on(self) -> None:
        """Send what could not be sent so far."""
        try:
            self.is_sent = self.is_over or self._pg.flush() == 0
        except psycopg.Error:
            self.abandon()

    def landed(self) -> bool:
        """Read what has come; whether the flight is over."""
        pg = self._pg
        try:
            if not self.is_over:
                pg.consume_input()
            while not self.is_over and not pg.is_busy():
                result = pg.get_result()
                if result is None:
                    continue
                if result.status == ExecStatus.PIPELINE_SYNC:
                    pg.exit_pipeline_mode()
                    self._end(is_known=True)
                elif result.status not in _DONE:
                    self._has_failed = True
        except psycopg.Error:
            self.abandon()
        return self.is_over

    def abandon(self) -> None:
        """Wait no longer: the connection is closed, and what becomes of all that is not known."""
        if not self.is_over:
            self._pg.finish()
            self._end(is_known=False)

    def _end(self, *, is_known: bool) -> None:
        self.is_over = self.is_sent = True
        self.is_written = is_known and not self._has_failed
        if self.is_written:
            self._prepared.update(self._new)
        self._ended(is_known)
