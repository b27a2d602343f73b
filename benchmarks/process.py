"""Processes that measure themselves: each is a new one, and prints what it has found."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import cast

__all__ = ["command", "found", "resident_bytes"]


def command(module: str, *arguments: object) -> list[str]:
    """The command that runs a module of this directory."""
    path = Path(__file__).with_name(f"{module}.py")
    return [sys.executable, str(path), *map(str, arguments)]


def found(module: str, *arguments: object) -> dict[str, float]:
    """What such a process prints in the end: figures by name."""
    done = subprocess.run(
        command(module, *arguments), check=True, stdout=subprocess.PIPE, text=True
    )
    return cast("dict[str, float]", json.loads(done.stdout.splitlines()[-1]))


def resident_bytes() -> int:
    """Memory of this process that is in the machine's; needs Linux."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    import resource

    return pages * resource.getpagesize()
