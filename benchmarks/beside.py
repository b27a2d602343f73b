"""Our engine beside dbos and beside the bare loops: the rows that two stores have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from measure import Measure, Sample, interleave, ratio
from report import Bar, Row
from sizes import sized
from workers import Worker

__all__ = ["DISK_CASES", "STYLES", "Contest", "Limits", "Promise"]

STYLES = ("async", "plain")
#: Cases in one turn for each number of cases at a time; dbos gets a twentieth, it is slow.
TURNS = {1: 400, 100: 2_000}
PEER_SHARE = 20
#: Cases whose rows the bare loops write.
DISK_CASES = 1_000


@dataclass(frozen=True, slots=True)
class Promise:
    """At least so many times the steps a second of dbos, and of the bare loop."""

    peer: float | None = None
    limit: float | None = None


class Limits(Protocol):
    """What a store allows."""

    #: What each bare loop does; the first one for each number of cases is what is promised.
    notes: Mapping[str, str]

    def contenders(self, at_once: int) -> dict[str, Measure]:
        """The bare loops to stand beside so many cases at a time, in steps a second."""


@dataclass(frozen=True)
class Contest:
    """One benchmark: our ``kinds`` of stores (the first is what is promised), and dbos's."""

    benchmark: str
    kinds: Mapping[str, str]
    peer_name: str
    promises: Mapping[int, Promise]

    def run(self, workers: Mapping[str, Worker], limits: Limits, rounds: int) -> Iterator[Row]:
        """All numbers of cases at a time, one after the other."""
        for at_once in TURNS:
            loops = limits.contenders(at_once)
            found = interleave(turns(workers, at_once) | loops, rounds)
            for kind in self.kinds:
                for style in STYLES:
                    yield self._beside_peer(found, kind, style, at_once)
                    if kind == next(iter(self.kinds)):
                        for loop in loops:
                            is_first = loop == next(iter(loops))
                            yield self._beside_loop(
                                found, style, at_once, loop, limits.notes[loop], is_first=is_first
                            )

    def _beside_peer(self, found: Mapping[str, Sample], kind: str, style: str, at_once: int) -> Row:
        ours, dbos = found[f"{kind} {style}"], best(found, "dbos")
        bar = self.promises[at_once].peer
        is_promised = kind == next(iter(self.kinds)) and style == STYLES[0] and bar is not None
        return Row(
            self.benchmark,
            self._what(kind, style, at_once),
            "steps/s",
            ours,
            self.peer_name,
            found[dbos],
            ratio(ours, found[dbos]),
            Bar(">=", bar) if is_promised and bar is not None else None,
            note=f"10 tasks that do nothing; {dbos} handlers",
        )

    def _beside_loop(
        self,
        found: Mapping[str, Sample],
        style: str,
        at_once: int,
        loop: str,
        note: str,
        *,
        is_first: bool,
    ) -> Row:
        kind = next(iter(self.kinds))
        ours, bar = found[f"{kind} {style}"], self.promises[at_once].limit
        return Row(
            self.benchmark,
            self._what(kind, style, at_once),
            "steps/s",
            ours,
            loop,
            found[loop],
            ratio(ours, found[loop]),
            Bar(">=", bar) if is_first and style == STYLES[0] and bar is not None else None,
            note=note,
        )

    def _what(self, kind: str, style: str, at_once: int) -> str:
        many = "1 case" if at_once == 1 else f"{at_once} cases"
        return f"{self.kinds[kind]}, {many} at a time, {style} handlers"


def turns(workers: Mapping[str, Worker], at_once: int) -> dict[str, Measure]:
    """The turns of the engines with so many cases at a time."""
    found: dict[str, Measure] = {}
    for name, process in workers.items():
        share = PEER_SHARE if name.startswith("dbos") else 1
        cases = max(sized(TURNS[at_once]) // share, at_once)
        found[name] = partial(process.steps_per_s, cases, at_once)
    return found


def best(found: Mapping[str, Sample], kind: str) -> str:
    """The faster style of an engine."""
    return max((f"{kind} {style}" for style in STYLES), key=lambda name: found[name].median)
