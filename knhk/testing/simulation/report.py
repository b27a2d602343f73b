"""What a simulation has come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

from knhk.model import CaseStatus

__all__ = ["SEED_VARIABLE", "Broken", "Report", "SimulationFailed"]

#: The environment variable that has one seed played again.
SEED_VARIABLE: Final = "KNHK_SIMULATION_SEED"
#: Lines of the trace that a failure shows.
SHOWN: Final = 60


@final
@dataclass(frozen=True, slots=True)
class Broken:
    """A promise that was not kept: which one, and what was seen."""

    invariant: str
    why: str


@final
@dataclass(frozen=True, slots=True)
class Report:
    """A run that kept all promises.

    ``faults`` says how often each fault struck, ``cases`` how the cases ended, ``attempts`` how
    often each attempt was made, by its idempotency key; ``seconds`` is simulated time. ``trace``
    is the same for the same seed, to the byte.
    """

    seed: int
    steps: int
    seconds: float
    lives: int
    faults: Mapping[str, int]
    cases: Mapping[str, CaseStatus]
    attempts: Mapping[str, int]
    trace: str


class SimulationFailed(AssertionError):
    """A promise was not kept, or the scenario raised; ``seed`` plays it again."""

    def __init__(self, seed: int, invariant: str, why: str, trace: str) -> None:
        self.seed = seed
        self.invariant = invariant
        self.why = why
        self.trace = trace
        lines = trace.splitlines()
        shown = "\n".join(lines[-SHOWN:])
        super().__init__(
            f"{invariant}: {why}\n"
            f"seed {seed}; play it again with {SEED_VARIABLE}={seed}\n"
            f"the last {min(SHOWN, len(lines))} of {len(lines)} lines of its trace:\n{shown}"
        )
