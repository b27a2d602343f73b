"""Where the shop keeps its files, and how it writes them."""

from __future__ import annotations

import os
from pathlib import Path


def state() -> Path:
    """The directory of all that changes: ``SHOP_STATE``, or ``state`` beside the workflow."""
    return Path(os.environ.get("SHOP_STATE") or Path(__file__).parents[1] / "state")


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all, whenever the process may end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_text(text, encoding="utf-8")
    new.replace(path)
