"""A journal whose appends are sent at once and answered later, as the event loop has them."""

from __future__ import annotations

import select
from collections.abc import Sequence

from knhk.journal import Commit
from knhk.journal.postgres import PostgresJournal


class FlyingJournal(PostgresJournal):
    """Waits for its flights; what they do not bring to an end is appended in the other way."""

    def append(self, commits: Sequence[Commit]) -> None:
        flight = self.launch(commits)
        if flight is not None:
            while not flight.is_sent:
                select.select([], [flight], [], flight.answer_s)
                flight.go_on()
            while not flight.is_over:
                if not any(select.select([flight], [], [], flight.answer_s)):
                    flight.abandon()
                flight.landed()
        if flight is None or not flight.is_written:
            super().append(commits)
