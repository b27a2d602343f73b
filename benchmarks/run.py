"""Runs the benchmarks, all or those named, and says how each stands beside its bar.

    python -P run.py [startup] [kernel] [patterns] [spiff] [check] [edit] [soundness] [engine]
                     [postgres] [latency] [memory] [recovery]
                     [--rounds N] [--json PATH] [--write]

The report goes to stdout. ``--write`` also writes RESULTS.md and results.json beside this
file. The exit code is 1 if a bar is not kept. It needs the compiled wheel of KNHK, from
another place than this checkout. With ``KNHK_BENCH_SHARE=0.05`` in the environment, the
benchmarks of the engine are so much smaller, which only shows that they run.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
# ``python -P`` leaves it out, and nothing else of the checkout may be found.
sys.path[:] = [str(HERE), *(entry for entry in sys.path if Path(entry).resolve() != HERE)]

from report import Machine, Row, as_json, as_line, as_markdown, out  # noqa: E402
from sizes import SHARE  # noqa: E402

BENCHMARKS = (
    "startup",
    "kernel",
    "patterns",
    "spiff",
    "check",
    "edit",
    "soundness",
    "engine",
    "postgres",
    "latency",
    "memory",
    "recovery",
)
ROUNDS = 5


def refuse_interpreted() -> str:
    """Leave unless the kernel is compiled and comes from an installed wheel."""
    import knhk.kernel.marking
    import knhk.model

    files = [Path(str(module.__file__)) for module in (knhk.kernel.marking, knhk.model)]
    for file in files:
        if file.suffix not in {".so", ".pyd"}:
            sys.exit(
                f"{file} is interpreted: install the compiled wheel (KNHK_MYPYC=1 pip install .)"
                " in this environment; figures of an interpreted kernel are not reported"
            )
        if file.is_relative_to(HERE.parent) and "site-packages" not in file.parts:
            sys.exit(f"{file} is of the checkout, not of an installed wheel")
    return "compiled"


def run(names: list[str], rounds: int) -> tuple[list[Row], list[str]]:
    """Run benchmarks: their rows, and which of them broke; the others go on."""
    rows: list[Row] = []
    broken: list[str] = []
    for name in names:
        out(f"-- {name}")
        try:
            for row in importlib.import_module(name).run(rounds):
                rows.append(row)
                out(as_line(row))
        except Exception:  # noqa: BLE001  whatever it is, the others can still be run
            traceback.print_exc()
            broken.append(name)
    return rows, broken


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], prog="run.py")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="turns of each contender")
    parser.add_argument("--json", type=Path, help="write everything, every round, to this file")
    parser.add_argument("--write", action="store_true", help="write RESULTS.md and results.json")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are: {', '.join(BENCHMARKS)}")
    if options.write and SHARE != 1:
        parser.error("with KNHK_BENCH_SHARE there are no results to write: unset it")
    kernel = refuse_interpreted()
    rows, broken = run(options.names or list(BENCHMARKS), options.rounds)
    machine = Machine.here(arguments, kernel)
    print(as_markdown(machine, rows))
    if options.write:
        (HERE / "RESULTS.md").write_text(as_markdown(machine, rows), encoding="utf-8")
        (HERE / "results.json").write_text(as_json(machine, rows), encoding="utf-8")
    if options.json:
        options.json.write_text(as_json(machine, rows), encoding="utf-8")
    failed = [row for row in rows if row.passed is False]
    for row in failed:
        out(f"FAIL: {row.benchmark}: {row.what}: bar {row.bar}")
    for name in broken:
        out(f"BROKEN: {name}: its error stands above")
    return 1 if failed or broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
