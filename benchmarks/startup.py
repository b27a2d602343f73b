"""Start-up: what a newcomer waits for before anything happens.

Whole processes, from their start to their end, beside ``python -c pass``.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

from measure import Measure, interleave, ratio
from report import Bar, Row

#: Processes in one turn: one alone is mostly noise.
PROCESSES = 5


def process(*command: str) -> Measure:
    """Milliseconds that a process takes."""

    def measure() -> float:
        begin = time.perf_counter()
        for _ in range(PROCESSES):
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return (time.perf_counter() - begin) / PROCESSES * 1_000

    return measure


def knhk_command() -> str:
    """The installed command of this environment."""
    path = Path(sysconfig.get_path("scripts")) / ("knhk.exe" if sys.platform == "win32" else "knhk")
    if not path.exists():
        sys.exit(f"{path} does not exist: install the wheel of knhk in this environment")
    return str(path)


def run(rounds: int) -> Iterator[Row]:
    """Measure ``knhk --help`` and ``import knhk``."""
    found = interleave(
        {
            "pass": process(sys.executable, "-c", "pass"),
            "import": process(sys.executable, "-P", "-c", "import knhk"),
            "help": process(knhk_command(), "--help"),
            "load": process(sys.executable, "-P", "-c", "from knhk import Engine, load"),
        },
        2 * rounds,
    )
    for name, what, bar in (
        ("help", "`knhk --help`", Bar("<=", 10)),
        ("import", "`import knhk`", Bar("<=", 8)),
        ("load", "`from knhk import Engine, load`", None),
    ):
        yield Row(
            "startup",
            what,
            "ms",
            found[name],
            "`python -c pass`",
            found["pass"],
            ratio(found[name], found["pass"]),
            bar,
        )
