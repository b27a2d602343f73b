"""Latency: how long a step takes while the engine is half as busy as it can be.

Each round is a new process that first finds its top rate, then has cases begin at random times, so
that half of that rate is asked for. What a step is stands in ``latency_worker.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from measure import Sample
from process import found
from report import Bar, Row
from sizes import SHARE, sized

TOP_CASES = 2_000
SECONDS = 5.0
P99_MAX_MS = 20


def run(rounds: int) -> Iterator[Row]:
    """Measure in so many processes."""
    figures: list[dict[str, float]] = []
    for _ in range(rounds):
        with TemporaryDirectory(prefix="knhk-bench-") as name:
            home = Path(name)
            arguments = (sized(TOP_CASES, 100), max(0.5, SECONDS * SHARE))
            figures.append(found("latency_worker", home / "source", home / "w.db", *arguments))
    rates = ", ".join(f"{one['top'] / 2:,.0f}" for one in figures)
    steps = ", ".join(f"{one['steps']:,.0f}" for one in figures)
    for name, which, bar in (
        ("p99", "99% of all steps", Bar("<=", P99_MAX_MS)),
        ("p50", "half of all steps", None),
        ("p999", "99.9% of all steps", None),
        ("most", "all steps", None),
    ):
        yield Row(
            "latency",
            f"durable in SQLite, at half the top rate: {which} take at most",
            "ms",
            Sample(tuple(one[name] * 1_000 for one in figures)),
            bar=bar,
            note=f"at {rates} steps/s; {steps} steps; cases begin at random times"
            if name == "p99"
            else "",
        )
