"""A project in a directory of its own: a `.knhk` file, its handlers, a store."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from knhk.model import Net
from knhk.module import Module
from knhk.testing import VirtualClock
from tests.engine.nets import module
from tests.journal.conftest import postgres, postgres_server

__all__ = ["Project", "postgres", "postgres_server", "project"]

PRELUDE = """
calls = []
keys = []
clock = None

def note(name, *values):
    from knhk.engine import current_call
    calls.append((name, *values))
    keys.append(current_call().idempotency_key)
"""


@dataclass
class Project:
    """Where the sources of a test lie."""

    directory: Path
    clock: VirtualClock

    def write(self, source: str, handlers: str = "") -> Path:
        """Write `w.knhk` and `handlers.py`; the path of the first."""
        (self.directory / "handlers.py").write_text(PRELUDE + dedent(handlers), encoding="utf-8")
        path = self.directory / "w.knhk"
        path.write_text(dedent(source).lstrip(), encoding="utf-8")
        return path

    def drawn(self, handlers: str, *nets: Net) -> Module:
        """Write `handlers.py`, and give a module of nets that call what is in it."""
        (self.directory / "handlers.py").write_text(PRELUDE + dedent(handlers), encoding="utf-8")
        return module(self.directory, *nets)

    @property
    def store(self) -> Path:
        return self.directory / "store.db"

    @property
    def handlers(self) -> Any:
        """The handlers as the engine has imported them."""
        module = sys.modules["handlers"]
        module.clock = self.clock  # type: ignore[attr-defined]  # as handlers call it
        return module

    @property
    def calls(self) -> list[tuple[object, ...]]:
        """What the handlers have noted, in order."""
        calls: list[tuple[object, ...]] = self.handlers.calls
        return calls


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    path, modules = list(sys.path), set(sys.modules)
    yield Project(tmp_path, VirtualClock())
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name == "handlers":
            del sys.modules[name]
