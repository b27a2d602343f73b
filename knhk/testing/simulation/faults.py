"""The faults of a simulation: their names, how often they strike, and the chance that says when."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from random import Random
from typing import Final, final

from knhk.errors import UsageError
from knhk.testing.simulation.machine import Machine

__all__ = ["Chance", "Faults"]

#: Each seed has some faults more often than told, and others not at all: what takes several of one
#: kind in a row is found sooner so.
WEIGHTS: Final = (0.0, 0.3, 1.0, 1.0, 4.0)


@final
@dataclass(frozen=True, slots=True)
class Faults:
    """How likely each fault is whenever there is an occasion for it, from 0 to 1.

    Of a process: ``crash_between_steps`` (any step of any task), ``crash_before_append``,
    ``crash_after_append`` (it is written, and nobody has heard of it), and in an SQLite store
    ``crash_while_writing`` (a page or a sync); ``power_cut`` is the share of crashes after which
    what was not synced may be gone or torn. Of a disk: ``slow_disk``, ``full_disk`` (for a
    while), ``failing_disk``, and ``lost_acknowledgement`` (written, and reported as failed).
    Of callees: ``failing_callee``, ``lost_answer`` (done, and reported as failed),
    ``slow_callee``, ``hanging_callee`` (for a day). Of the way between clients and engine:
    ``slow_request`` (so that requests overtake each other), ``lost_request``, ``lost_reply``,
    ``duplicate_request``. Of clocks: ``clock_jump``, by up to a minute, either way. A run
    has at most ``crashes_max`` crashes.
    """

    crash_between_steps: float = 0.0008
    crash_before_append: float = 0.008
    crash_after_append: float = 0.008
    crash_while_writing: float = 0.001
    power_cut: float = 0.5
    slow_disk: float = 0.03
    full_disk: float = 0.004
    failing_disk: float = 0.002
    lost_acknowledgement: float = 0.004
    failing_callee: float = 0.03
    lost_answer: float = 0.02
    slow_callee: float = 0.2
    hanging_callee: float = 0.01
    slow_request: float = 0.2
    lost_request: float = 0.03
    lost_reply: float = 0.03
    duplicate_request: float = 0.05
    clock_jump: float = 0.002
    crashes_max: int = 8

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name != "crashes_max" and not 0 <= value <= 1:
                raise UsageError(
                    f"the fault {field.name} has a likelihood from 0 to 1, not {value}"
                )

    @classmethod
    def none(cls) -> Faults:
        """No fault at all: only the order of steps is drawn."""
        return cls(**{field.name: 0 for field in fields(cls)})

    @classmethod
    def only(cls, **likely: float) -> Faults:
        """The named faults, and no other; crashes are limited as they are by default."""
        crashes_max = int(likely.pop("crashes_max", cls().crashes_max))
        return replace(cls.none(), crashes_max=crashes_max, **likely)


@final
class Chance:
    """Says whether a fault strikes; ``random`` is for how hard it does."""

    def __init__(self, seed: str, faults: Faults, machine: Machine) -> None:
        self.random = Random(f"{seed}/faults")
        self._machine = machine
        self._crashes_left = faults.crashes_max
        self._calm = False
        self._likely = {
            field.name: min(1.0, getattr(faults, field.name) * self.random.choice(WEIGHTS))
            if 0 < getattr(faults, field.name) < 1
            else float(getattr(faults, field.name))
            for field in fields(faults)
        }

    def strikes(self, fault: str, where: str) -> bool:
        """Whether that fault happens now; then it is in the trace."""
        likely = self._likely[fault]
        if self._calm or not likely or self.random.random() >= likely:
            return False
        if fault.startswith("crash_"):
            if not self._crashes_left:
                return False
            self._crashes_left -= 1
        name = fault.replace("_", " ")
        self._machine.trace.faults[name] += 1
        self._machine.note(where, f"fault: {name}")
        return True

    def likely(self, fault: str) -> float:
        """How likely a fault is at each occasion."""
        return 0.0 if self._calm else self._likely[fault]

    def mean(self, seconds: float) -> float:
        """A while of that length on average."""
        return self.random.expovariate(1 / seconds)

    def calm_down(self) -> None:
        """No faults any more: what was begun is to come to its end."""
        self._calm = True
