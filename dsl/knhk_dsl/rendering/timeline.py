"""A run drawn as a small timeline: a line for each step, a bar for all that is at work meanwhile.

::

    1 ●   receive
    2 ├─╮ charge starts
    3 ● │ check -> pack, label
    4 ├─╯ charge fails with PaymentDeclined -> refuse
      ■   1 token in checked

The numbers stand where the excerpt has its line numbers. A task that starts opens a bar, and its
next step closes it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Final

from knhk.errors import Run, Step
from knhk_dsl.rendering.marks import BLUE, BOLD, FAINT, RED, paint, visible
from knhk_dsl.rendering.runs import heading, remains

__all__ = ["ASCII", "timeline"]

#: Steps that are shown at most; of a longer run the middle is left out.
STEPS_MAX: Final = 20
#: Bars that are drawn side by side at most; what starts beyond has none.
BARS_MAX: Final = 8
#: What stands for the signs of a timeline where they cannot be shown.
ASCII: Final = str.maketrans("●■├─┼╮╯│⋮", "*#+-+\\/|:")

_WIDTH: Final = 80
_STARTS: Final = "starts"
_NUMBER: Final = 5


def timeline(run: Run, *, colour: bool = False) -> list[str]:
    """The lines that show a run: a heading, its steps, and how the case is left."""
    bars = _Bars()
    rows = [(bars.take(step), step) for step in run.steps]
    width = 2 * bars.most
    lines = [f"  {paint('run:', BLUE, colour)} {heading(run)}"]
    skipped = len(rows) - STEPS_MAX
    for number, ((sign, after), step) in enumerate(rows, 1):
        behind = number - STEPS_MAX // 2
        if skipped <= 0 or behind <= 0 or behind > skipped + 1:
            lines += _step(number, sign, after, step, width, colour)
        elif behind == 1:
            words = f"({skipped + 1} more steps)"
            gap = "⋮".ljust(width + 1)
            lines.append(f"{'':{_NUMBER}} {paint(f'{gap} {words}', FAINT, colour)}")
    lines += _end(run, bars.running.ljust(width), colour)
    return lines


class _Bars:
    """The bars beside the steps: each is a task that is at work, or free."""

    def __init__(self) -> None:
        self._tasks: list[str] = []
        self.most = 0

    def take(self, step: Step) -> tuple[str, str]:
        """Take in a step: the signs of its line, and those of a line behind it."""
        if step.event == _STARTS:
            sign = self._start(step.task)
        elif step.task in self._tasks:
            at = self._tasks.index(step.task)
            sign = self._joint(at, "╯")
            self._tasks[at] = ""
        else:
            sign = "●" + self.running
        while self._tasks and not self._tasks[-1]:
            self._tasks.pop()
        return sign, "│" + self.running

    @property
    def running(self) -> str:
        """The bars of what is at work now."""
        return "".join(" │" if task else "  " for task in self._tasks)

    def _start(self, task: str) -> str:
        if "" not in self._tasks:
            if len(self._tasks) == BARS_MAX:
                return "●" + self.running
            self._tasks.append("")
        at = self._tasks.index("")
        self._tasks[at] = task
        self.most = max(self.most, len(self._tasks))
        return self._joint(at, "╮")

    def _joint(self, at: int, corner: str) -> str:
        """The line from the rail to a bar, across those between."""
        across = "".join("─┼" if task else "──" for task in self._tasks[:at])
        beyond = "".join(" │" if task else "  " for task in self._tasks[at + 1 :])
        return f"├{across}─{corner}{beyond}"


def _step(
    number: int, sign: str, after: str, step: Step, width: int, colour: bool
) -> Iterator[str]:
    """The lines of one step: the first with its number, more where it is long."""
    at = paint(f"{number:>{_NUMBER}}", FAINT, colour)
    first = f"{at} {paint(sign.ljust(width + 1), BLUE, colour)} "
    more = f"{'':{_NUMBER}} {paint(after.ljust(width + 1), BLUE, colour)}   "
    task = visible(step.task)
    head, *rest = _wrapped("", "", visible(str(step)), _NUMBER + width + 5)
    yield first + paint(task, BOLD, colour) + head.removeprefix(task)
    yield from (more + words for words in rest)


def _end(run: Run, bars: str, colour: bool) -> Iterator[str]:
    """How the case is left, behind the bars of what is still at work."""
    blank = f"{'':{_NUMBER}} "
    first = f"{blank}{paint('■', RED, colour)}{paint(bars, BLUE, colour)} "
    more = f"{blank} {'':{len(bars)}} "
    for at, words in enumerate(remains(run)):
        yield from _wrapped(more if at else first, more, words, _NUMBER + len(bars) + 3)


def _wrapped(first: str, more: str, words: str, taken: int) -> list[str]:
    """The words on lines that end at the width of the timeline."""
    lines = textwrap.wrap(
        visible(words), _WIDTH - taken, break_on_hyphens=False, break_long_words=False
    )
    return [(more if at else first) + line for at, line in enumerate(lines)]
