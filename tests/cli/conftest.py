"""The real command, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

TIMEOUT_S = 60


@dataclass(frozen=True)
class Outcome:
    """What a run of the command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> object:
        return json.loads(self.out)


@dataclass(frozen=True)
class Project:
    """A directory with sources in it, to run the command in."""

    root: Path

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def knhk(self, *arguments: str | Path, stdin: str = "") -> Outcome:
        process = subprocess.run(
            self.command(*arguments),
            capture_output=True,
            check=False,
            cwd=self.root,
            encoding="utf-8",
            env=self.environment(),
            input=stdin,
            timeout=TIMEOUT_S,
        )
        outcome = Outcome(process.returncode, process.stdout, process.stderr)
        assert "Traceback" not in outcome.err, outcome.err
        return outcome

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.root,
            encoding="utf-8",
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    @staticmethod
    def command(*arguments: str | Path) -> list[str]:
        return [str(Path(sys.executable).with_name("knhk")), *map(str, arguments)]

    @staticmethod
    def environment() -> dict[str, str]:
        return {**os.environ, "COLUMNS": "120", "NO_COLOR": "1", "TERM": "dumb"}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """An empty project; the marker file ends the search for its root."""
    (tmp_path / "knhk.toml").touch()
    return Project(tmp_path)


@pytest.fixture
def wait_for() -> Callable[[subprocess.Popen[str], str], str]:
    """Read a process's stderr up to a line with some words in it; give what was read."""

    def wait(process: subprocess.Popen[str], words: str) -> str:
        assert process.stderr is not None
        read = ""
        for line in process.stderr:
            read += line
            if words in line:
                return read
        raise AssertionError(f"{words!r} was never said, but:\n{read}")

    return wait
