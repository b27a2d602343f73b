"""Whether what a store holds of a case is what the engine wrote: `knhk verify`.

Three things are looked at: the hash chain over the inputs (:mod:`knhk.journal.chain`), that the
last state of the case is sealed by one of them, and that its inputs, played again, lead to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from knhk.engine.replaying import replay
from knhk.engine.version import Version
from knhk.errors import KnhkError, ReplayError
from knhk.journal import CaseRow, InputRow
from knhk.journal.chain import first_misfit
from knhk.model import CaseStatus

__all__ = ["Fault", "faults"]


@dataclass(frozen=True, slots=True)
class Fault:
    """What does not fit in the history of a case; ``seq`` is the input's, -1 for the case's row."""

    case: str
    seq: int
    why: str

    def __str__(self) -> str:
        where = f"input {self.seq}" if self.seq >= 0 else "the row of the case"
        return f"{self.case}: {where}: {self.why}"


def faults(
    row: CaseRow, rows: Sequence[InputRow], version: Version | None, problem: KnhkError | None
) -> Iterator[Fault]:
    """The first place where the chain breaks, else where the replay leads elsewhere.

    Without ``version`` nothing is replayed, and ``problem`` says why there is none.
    """
    broken = first_misfit(row, rows)
    if broken is not None:
        yield Fault(row.id, broken, "its hash does not fit: it was changed, or one is missing here")
        return
    if row.seal and row.seal not in {entry.hash for entry in rows}:
        why = f"it is {row.status}, but the input that made it so is missing"
        yield Fault(row.id, -1, why)
        return
    if version is None:
        yield Fault(row.id, -1, f"it cannot be replayed: {problem}")
        return
    try:
        case = replay(version, row, rows)
    except ReplayError as error:
        yield Fault(row.id, error.seq, f"a replay refuses it: {error.why}")
    except KnhkError as error:
        yield Fault(row.id, -1, str(error))
    else:
        if case.status is not row.status:
            why = f"it says {row.status}, and a replay leads to {case.status}"
            yield Fault(row.id, -1, why)
        elif row.status is CaseStatus.completed and (
            version.facts.encode_result(case.result) != row.outcome
        ):
            yield Fault(row.id, -1, "its result is not the one that a replay leads to")
