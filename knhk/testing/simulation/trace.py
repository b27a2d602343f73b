"""What has happened in a simulation, line by line: the same for the same seed, to the byte."""

from __future__ import annotations

from collections import Counter
from typing import Final, final

from knhk.model import US_PER_S

__all__ = ["Trace"]

#: Lines that are kept at most; further ones only count.
LINES_MAX: Final = 20_000


@final
class Trace:
    """Lines with the time at which each happened, and how often each fault has struck."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.faults: Counter[str] = Counter()
        self.dropped = 0

    def note(self, now_us: int, where: str, what: str) -> None:
        """Add a line; nothing in it may differ from run to run, such as paths and addresses."""
        if len(self.lines) >= LINES_MAX:
            self.dropped += 1
            return
        seconds, us = divmod(now_us, US_PER_S)
        self.lines.append(f"{seconds}.{us:06} {where}: {what}")
