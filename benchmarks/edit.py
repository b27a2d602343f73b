"""Editing: what the language server does between an edit of a large file and its diagnostics.

A workflow of 1,000 tasks is open, with something of everything in it. It is edited in six ways,
each of them 20 times a round, to and fro: a word in a task, a guard in the flow, a line put in at
the top (so that every place moves), a line that cannot be read, a task more with its place in the
flow, a field more in a record that every stage uses. What is timed is all
from the new text to the list of diagnostics, as the server finds them: reading, checking,
comments that silence. It is CPU time, as nothing is waited for. Garbage is collected between the
edits and not timed: the server does so when it has told the diagnostics. The result of every edit
is compared with that of a fresh check.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from large import source
from measure import Sample, interleave
from report import Bar, Row

from knhk.errors import Diagnostic
from knhk.plugins import environment
from knhk_dsl.check.known import Known
from knhk_dsl.compilation import check_again, check_sources
from knhk_dsl.silencing import silence
from knhk_dsl.sources import Readings, Sources

TASKS = 1_000
EDITS_A_ROUND = 20
EDIT_MS_MAX = 150
PATH = Path("/nowhere/big.knhk")

#: The edits by what they do: a text becomes another and, the next time, is as it was.
EDITS: dict[str, Callable[[str], str]] = {
    "a word in a task": lambda text: text.replace("limit: 100)", "limit: 101)", 1),
    "a guard in the flow": lambda text: text.replace("total > 1000 and", "total > 999 and", 1),
    "a line at the top": lambda text: f"# A note.\n{text}",
    "a line that cannot be read": lambda text: text.replace("timeout 2m\n", "timeout 2m (\n", 1),
    "a task more": lambda text: text.replace(
        "    task fetch_1 ", "    task more\n    task fetch_1 ", 1
    ).replace("start -> fetch_0", "start -> more -> fetch_0", 1),
    "a field more": lambda text: text.replace("sku: str\n", "sku: str\n    brand: str?\n", 1),
}


class Editor:
    """A file that is open and checked after each edit."""

    def __init__(self, text: str) -> None:
        self._readings = Readings()
        self._environment = environment()
        self._known = Known(self._environment)
        self.check(text)

    def check(self, text: str) -> tuple[object, ...]:
        """The diagnostics of the file with this text."""
        sources = Sources.of_editor(PATH, {PATH: text}, self._readings)
        return self._shown(check_again(sources, self._known), sources)

    def check_afresh(self, text: str) -> tuple[object, ...]:
        """The same, with nothing known from before."""
        sources = Sources.of_editor(PATH, {PATH: text}, Readings())
        return self._shown(check_sources(sources, self._environment), sources)

    @staticmethod
    def _shown(found: tuple[Diagnostic, ...], sources: Sources) -> tuple[object, ...]:
        return silence(found, sources.files, explored=False)[0]


def editing(edit: Callable[[str], str]) -> Callable[[], float]:
    """Milliseconds of an edit, on the average of some that go to and fro."""
    texts = source(TASKS), edit(source(TASKS))
    if texts[0] == texts[1]:
        raise AssertionError("the edit changes nothing")
    editor = Editor(texts[0])
    expected = [editor.check_afresh(text) for text in texts]

    def measure() -> float:
        elapsed = 0.0
        for number in range(1, EDITS_A_ROUND + 1):
            text = texts[number % 2]
            gc.collect()
            begin = time.process_time()
            found = editor.check(text)
            elapsed += time.process_time() - begin
            if found != expected[number % 2]:
                raise AssertionError("an edit was checked otherwise than a fresh text")
        return elapsed / EDITS_A_ROUND * 1_000

    return measure


def run(rounds: int) -> Iterator[Row]:
    """Measure each edit, and beside it a fresh check of the same text."""
    editor = Editor("")

    def afresh() -> float:
        begin = time.process_time()
        editor.check_afresh(source(TASKS))
        return (time.process_time() - begin) * 1_000

    contenders = {name: editing(edit) for name, edit in EDITS.items()}
    gc.disable()
    try:
        found = interleave({**contenders, "afresh": afresh}, rounds)
    finally:
        gc.enable()
    for name in EDITS:
        sample: Sample = found[name]
        yield Row(
            "edit",
            f"{TASKS:,} tasks, {name}",
            "CPU ms",
            sample,
            "a fresh check",
            found["afresh"],
            bar=Bar("<=", EDIT_MS_MAX),
        )
