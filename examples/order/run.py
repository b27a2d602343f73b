"""Run the order workflow: ``python run.py [big|small|declined]``, or ``python run.py resume``.

It starts the payments service on a free port and runs the command ``knhk``, as you would:
progress on stderr, the result as JSON on stdout. The big order waits for a manager to approve
it; here the manager always does, by ``knhk complete``.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from pathlib import Path
from secrets import token_hex
from typing import Final

import service

HERE: Final = Path(__file__).parent
STORE: Final = HERE / "state" / "orders.db"
#: The exit code of a case that waits for work that is done outside.
WAITING: Final = 3
APPROVAL: Final = '{"by": "the manager"}'


def main() -> int:
    """Run what the command line asks for, and give the exit code."""
    parser = argparse.ArgumentParser(description="Run the order workflow of this example.")
    orders = sorted(path.stem for path in HERE.glob("orders/*.json"))
    parser.add_argument("order", nargs="?", default="big", choices=[*orders, "resume"])
    parser.add_argument("--store", type=Path, default=STORE, help="where the cases are kept")
    options = parser.parse_args()
    options.store.parent.mkdir(parents=True, exist_ok=True)
    store = shortest(options.store)
    try:
        with service.running() as url:
            os.environ["PAYMENTS_URL"] = url
            os.environ["NO_PROXY"] = ",".join([os.environ.get("NO_PROXY", ""), service.HOST])
            print(f"the payments service is at {url}", file=sys.stderr)
            if options.order == "resume":
                return knhk("resume", "--store", store)
            return order(options.order, store)
    except KeyboardInterrupt:
        return 130


def order(name: str, store: str) -> int:
    """Run one order to its end."""
    case = f"{name}-{token_hex(3)}"
    source = shortest(HERE / "order.knhk")
    given = shortest(HERE / "orders" / f"{name}.json")
    code = knhk("run", source, "--input", f"@{given}", "--case", case, "--store", store)
    if code == WAITING:
        code = knhk("complete", case, "approve", "--result", APPROVAL, "--store", store)
    if code == 0:
        print(f"what happened: knhk show {case} --store {shlex.quote(store)}", file=sys.stderr)
    return code


def shortest(path: Path) -> str:
    """The path as one would type it here."""
    whole, here = path.resolve(), Path.cwd()
    return str(whole.relative_to(here) if whole.is_relative_to(here) else whole)


def knhk(*arguments: str) -> int:
    """Run the command, and give its exit code."""
    print("$ " + shlex.join(("knhk", *arguments)), file=sys.stderr, flush=True)
    process = subprocess.Popen([sys.executable, "-m", "knhk", *arguments])  # noqa: S603  our own
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # the command was interrupted too, and stops by itself


if __name__ == "__main__":
    sys.exit(main())
