"""Short ways to write down a workflow and to make a case of it."""

from __future__ import annotations

from knhk import load
from knhk.kernel import Case


def workflow(body: str, header: str = "w()") -> str:
    """The source of one workflow around the lines of its body."""
    lines = [f"    {line}" if line else "" for line in body.strip("\n").split("\n")]
    return f"workflow {header}\n" + "\n".join(lines) + "\n"


def case_of(body: str, header: str = "w()", /, before: str = "", **parameters: object) -> Case:
    """A new case of the workflow ``w`` with that body; ``before`` stands above it."""
    return load(before + workflow(body, header))["w"].case(**parameters)
