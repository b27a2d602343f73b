"""Pages that are written before every build, in directories that hold nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

#: What keeps such a directory out of version control.
IGNORE = "*\n"


def write_pages(directory: Path, pages: Mapping[str, str]) -> None:
    """Write the pages that have changed, by name, and remove all others."""
    directory.mkdir(parents=True, exist_ok=True)
    wanted = {".gitignore": IGNORE, **pages}
    for path in directory.iterdir():
        if path.name not in wanted:
            path.unlink()
    for name, content in wanted.items():
        path = directory / name
        if not path.exists() or path.read_text(encoding="utf-8") != content:
            path.write_text(content, encoding="utf-8")
