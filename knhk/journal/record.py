"""What a journal keeps: bundles of sources, cases, and the inputs of each case.

Rows are plain frozen values. Times are microseconds since the Unix epoch, bodies are bytes
of JSON which the journal never looks into, so that a hash over a row is a hash over facts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from knhk.model import CaseStatus

#: Cases in these states are picked up when an engine opens the store.
UNFINISHED: Final = (CaseStatus.running, CaseStatus.suspended)

#: Rows that one call of :meth:`knhk.journal.Journal.cases` gives at most.
PAGE_MAX: Final = 1_000


class InputRow(NamedTuple):
    """One input of a case: its number ``seq`` counts from 0 without gaps.

    ``kind`` is one of the input kinds of :mod:`knhk.model`, ``item`` is -1 where there is
    none, ``body`` holds value, error and message as JSON, empty if there is nothing to hold.
    """

    case: str
    seq: int
    at_us: int
    kind: int
    item: int
    task: str
    body: bytes


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A case as it stands; ``outcome`` is JSON of its result or of its failure.

    A sub-case has the id of its ``parent``, the number of the work item there that it does
    (``parent_item``), and how many cases it stands below the one at the top (``depth``).
    Other cases have an empty ``parent``, -1 and 0.
    """

    id: str
    workflow: str
    digest: str
    created_us: int
    status: CaseStatus = CaseStatus.running
    ended_us: int = -1
    outcome: bytes = b""
    parent: str = ""
    parent_item: int = -1
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """A change in where a case stands, written together with the input that made it."""

    status: CaseStatus
    ended_us: int = -1
    outcome: bytes = b""


@dataclass(frozen=True, slots=True)
class Commit:
    """What is written of one case at once: all of it or nothing.

    ``opened`` is the row of a new case, and ``standing`` its new state if that changed.
    """

    case: str
    inputs: tuple[InputRow, ...]
    opened: CaseRow | None = None
    standing: Standing | None = None


@dataclass(frozen=True, slots=True)
class Bundle:
    """The sources of a version: every file that was read, by its path under ``root``.

    ``digest`` is the hash over the files, and what a case refers to for its whole life.
    ``workflows`` are the names that the entry file offers.
    """

    digest: str
    entry: str
    root: str
    files: Mapping[str, str]
    workflows: tuple[str, ...]
    deployed_us: int
