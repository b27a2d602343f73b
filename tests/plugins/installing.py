"""A fixture that installs plugins for the length of a test."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from knhk import plugins


@pytest.fixture
def install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str, str], None]]:
    """``install(name, source)`` makes a plugin distribution that is found by its entry point."""
    monkeypatch.syspath_prepend(tmp_path)

    added: list[str] = []

    def add(name: str, source: str) -> None:
        added.append(name)
        (tmp_path / f"{name}.py").write_text(source)
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[knhk]\n{name} = {name}\n")
        plugins._loaded.cache_clear()

    yield add
    for name in added:
        sys.modules.pop(name, None)
    plugins._loaded.cache_clear()
