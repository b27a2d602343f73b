"""Samples, taken in turns, and the ratios between them.

The machine's speed drifts and other programs run on it, so two things are compared by doing
them in turns, A B A B, within one run, and by the ratio of each turn. What is reported is
the median of the turns with the least and the greatest.
"""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["Measure", "Sample", "interleave", "ratio"]

#: Does the work once and gives its figure: seconds, or steps a second.
Measure: TypeAlias = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Sample:
    """The figures of one contender, one for each round."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def low(self) -> float:
        return min(self.values)

    @property
    def high(self) -> float:
        return max(self.values)

    def times(self, factor: float) -> Sample:
        """The same figures in another unit."""
        return Sample(tuple(value * factor for value in self.values))


def interleave(
    contenders: Mapping[str, Measure], rounds: int, warm_up: int = 1
) -> dict[str, Sample]:
    """Let all contenders have their turn in every round, the order reversed each time.

    The first ``warm_up`` rounds are not counted.
    """
    values: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    for number in range(-warm_up, rounds):
        for name in names if number % 2 else reversed(names):
            gc.collect()
            value = contenders[name]()
            if number >= 0:
                values[name].append(value)
    return {name: Sample(tuple(found)) for name, found in values.items()}


def ratio(above: Sample, below: Sample) -> Sample:
    """The ratio of two samples that were taken in turns, round by round."""
    return Sample(tuple(a / b for a, b in zip(above.values, below.values, strict=True)))
