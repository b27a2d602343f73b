"""A run in words: what it is, and how the case is left at its end."""

from __future__ import annotations

from collections import Counter

from knhk.errors import Run

__all__ = ["heading", "remains", "sentence"]


def heading(run: Run) -> str:
    """What the run is."""
    if not run.steps:
        return "it is so from the beginning"
    if run.shortest:
        return "the shortest that leads there"
    return "one that leads there, and there may be a shorter one"


def remains(run: Run) -> list[str]:
    """How the case is left: where tokens are, and what is at work; nothing when nothing is."""
    words: list[str] = []
    if run.marking:
        (place, count), *others = run.marking
        first = f"{count} token{'' if count == 1 else 's'} in {place}"
        words.append(", ".join([first, *(f"{number} in {name}" for name, number in others)]))
    if run.working:
        times = Counter(run.working)
        names = (f"{name} ({count} times)" if count > 1 else name for name, count in times.items())
        words.append(f"at work: {', '.join(names)}")
    return words


def sentence(run: Run) -> str:
    """The run on one line."""
    parts = [f"run, {heading(run)}", "; ".join(map(str, run.steps)), "; ".join(remains(run))]
    return ": ".join(part for part in parts if part)
