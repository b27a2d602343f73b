"""The suite of this checkout, and a small one to write."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

SEQUENCE = '''
number = 1
name = "Sequence"
group = "basic"
meaning = "b is offered only after a has completed."
source = "BPM-06-22, pattern 1"

[[net]]
title = "two tasks"
knhk = """
workflow w(x: int = 1) -> int
    task a
    task b
    flow
        start -> a -> b -> end
    return x
"""

[[net.allowed]]
title = "a, then b"
run = """
a!
b!
status completed
"""

[[net.refused]]
title = "b does not come first"
run = """
# a comment

refused b+
"""
'''


@dataclass(frozen=True)
class Directory:
    """A directory for the files of a suite."""

    path: Path

    def write(self, text: str = SEQUENCE, name: str = "01_sequence.toml") -> Path:
        path = self.path / name
        path.write_text(text, encoding="utf-8")
        return path


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    return Directory(tmp_path)
