"""What a run found: rows with bars, as text, JSON and Markdown."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Literal

from measure import Sample
from sizes import SHARE

__all__ = ["Bar", "Machine", "Row", "as_json", "as_line", "as_markdown"]

PACKAGES = ("knhk", "spiffworkflow", "dbos", "apsw", "psycopg", "anyio", "pydantic", "lark")


@dataclass(frozen=True, slots=True)
class Bar:
    """What was promised: a ratio or a figure that must be at most, or at least, so much."""

    relation: Literal["<=", ">="]
    value: float

    def holds(self, found: float) -> bool:
        return found <= self.value if self.relation == "<=" else found >= self.value

    def __str__(self) -> str:
        return f"{self.relation} {self.value:g}"


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison.

    ``ours`` and ``peer`` are in ``unit``; ``ratio`` is what stands beside the bar, and is the
    figure itself where there is no peer. A row without a bar is there to be read.
    """

    benchmark: str
    what: str
    unit: str
    ours: Sample
    peer_name: str = ""
    peer: Sample | None = None
    ratio: Sample | None = None
    bar: Bar | None = None
    note: str = ""

    @property
    def passed(self) -> bool | None:
        """Whether the median keeps the bar; ``None`` without a bar."""
        if self.bar is None:
            return None
        return self.bar.holds((self.ratio or self.ours).median)

    @property
    def verdict(self) -> str:
        return {None: "", True: "pass", False: "FAIL"}[self.passed]


@dataclass(frozen=True, slots=True)
class Machine:
    """Where and how the figures were taken."""

    date: str
    command: str
    python: str
    platform: str
    cpu: str
    cores: int
    load: float
    sqlite: str
    kernel: str
    versions: dict[str, str] = field(default_factory=dict)

    @classmethod
    def here(cls, arguments: Sequence[str], kernel: str) -> Machine:
        import apsw

        return cls(
            date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            command=("" if SHARE == 1 else f"KNHK_BENCH_SHARE={SHARE:g} ")
            + shlex.join(["python", "-P", "run.py", *arguments]),
            python=f"{platform.python_implementation()} {platform.python_version()}",
            platform=f"{platform.system()} {platform.machine()}",
            cpu=_cpu(),
            cores=os.cpu_count() or 1,
            load=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else -1.0,
            sqlite=apsw.sqlite_lib_version(),
            kernel=kernel,
            versions={name: _version(name) for name in PACKAGES},
        )


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")),
        platform.processor() or "unknown",
    )


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def number(value: float) -> str:
    """Three significant digits, no exponent."""
    if value == 0:
        return "0"
    digits = max(0, 2 - len(str(int(abs(value)))) + 1) if abs(value) >= 1 else 3
    return f"{value:,.{digits}f}"


def span(sample: Sample) -> str:
    """The median, and the least and greatest in brackets."""
    return f"{number(sample.median)} ({number(sample.low)}-{number(sample.high)})"


def as_line(row: Row) -> str:
    """One row as two lines of text."""
    head = f"{row.verdict or 'info':4}  {row.benchmark}: {row.what}"
    parts = [f"knhk {span(row.ours)} {row.unit}"]
    if row.peer is not None:
        parts.append(f"{row.peer_name} {span(row.peer)} {row.unit}")
    if row.ratio is not None:
        parts.append(f"ratio {span(row.ratio)}")
    if row.bar is not None:
        parts.append(f"bar {row.bar}")
    lines = [head, f"      {'; '.join(parts)}"]
    if row.note:
        lines.append(f"      {row.note}")
    return "\n".join(lines)


def as_markdown(machine: Machine, rows: Iterable[Row]) -> str:
    """The table that is kept beside the benchmarks."""
    rows = list(rows)
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    lines = [
        "# What was measured",
        "",
        "Written by `run.py`. Every figure is the median of the rounds of one run, with the least",
        "and the greatest in brackets; the ratio is taken round by round, and the bar is for its",
        "median. See [README.md](README.md) for what each row does.",
        "",
        f"- {machine.date}; `{machine.command}` in this directory, kernel {machine.kernel}",
        f"- {machine.cpu}, {machine.cores} cores, {machine.platform}, load {machine.load:g}",
        f"- {machine.python}, SQLite {machine.sqlite}; {versions}",
        "",
        "| benchmark | what | unit | knhk | beside it | ratio | bar | |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for row in rows:
        peer = "" if row.peer is None else f"{row.peer_name}: {span(row.peer)}"
        ratio = "" if row.ratio is None else span(row.ratio)
        bar = "" if row.bar is None else str(row.bar).replace("<=", "≤").replace(">=", "≥")
        lines.append(
            f"| {row.benchmark} | {row.what} | {row.unit} | {span(row.ours)} | {peer}"
            f" | {ratio} | {bar} | {row.verdict} |"
        )
    notes = [f"- {row.benchmark}, {row.what}: {row.note}" for row in rows if row.note]
    if notes:
        lines += ["", *notes]
    return "\n".join(lines) + "\n"


def as_json(machine: Machine, rows: Iterable[Row]) -> str:
    """Everything, every round included."""
    found = [asdict(row) | {"passed": row.passed} for row in rows]
    return json.dumps({"machine": asdict(machine), "rows": found}, indent=2) + "\n"


def out(text: str) -> None:
    """Progress goes to stderr, so that stdout holds the report."""
    print(text, file=sys.stderr, flush=True)
