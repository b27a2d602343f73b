"""The suite as frozen values: patterns, nets, runs, and the steps that a run is made of.

A step is one of the classes below, each with the words it was written in. Those of
``Action`` change a case and may be refused; those of ``Check`` look at it and are
true or false. Sending a message or a signal is an action that may carry a check of what came
of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

__all__ = [
    "Action",
    "Add",
    "Cancel",
    "Check",
    "Complete",
    "DataIs",
    "Expected",
    "Explains",
    "Fail",
    "Message",
    "Offered",
    "Pair",
    "Pattern",
    "Perform",
    "ResultIs",
    "Resume",
    "Run",
    "Signal",
    "Start",
    "Started",
    "StatusIs",
    "Step",
    "Suite",
    "SuiteNet",
    "Suspend",
    "Wait",
    "Withdraw",
]


@dataclass(frozen=True)
class Start:
    """``a+``: start the oldest offered item of a task, or (``a[1]+``) of one instance."""

    task: str
    instance: int | None = None


@dataclass(frozen=True)
class Complete:
    """``a-``: complete the oldest started item, with a result if one is given."""

    task: str
    instance: int | None = None
    value: object = None


@dataclass(frozen=True)
class Perform:
    """``a!``: start the oldest offered item and complete the same one."""

    task: str
    instance: int | None = None
    value: object = None


@dataclass(frozen=True)
class Fail:
    """``fail a Declined``: the oldest started item fails with an error of that name."""

    task: str
    error: str
    instance: int | None = None


@dataclass(frozen=True)
class Withdraw:
    """``withdraw a``: the task is cancelled from outside."""

    task: str


@dataclass(frozen=True)
class Add:
    """``add n 5``: an instance with that value is added to a multiple-instance task."""

    task: str
    value: object = None


@dataclass(frozen=True)
class Message:
    """``message pay key "k" payload 5 -> taken``: a persistent trigger.

    ``taken`` is what is checked of it: whether somebody took it at once; ``None`` for nothing.
    """

    name: str
    key: object = None
    payload: object = None
    taken: bool | None = None


@dataclass(frozen=True)
class Signal:
    """``signal go payload 5 -> 2``: a transient trigger; ``reached`` as ``taken`` above."""

    name: str
    payload: object = None
    reached: int | None = None


@dataclass(frozen=True)
class Wait:
    """``wait 90s``: time passes."""

    duration_us: int


@dataclass(frozen=True)
class Suspend:
    """``suspend``: the case stands still."""


@dataclass(frozen=True)
class Resume:
    """``resume``: the case goes on after it was suspended or has failed."""


@dataclass(frozen=True)
class Cancel:
    """``cancel``: the case is cancelled from outside."""


@dataclass(frozen=True)
class Offered:
    """``offered b c``: exactly these items are offered, in any order."""

    tasks: tuple[str, ...]


@dataclass(frozen=True)
class Started:
    """``started a``: exactly these items are at work, in any order."""

    tasks: tuple[str, ...]


@dataclass(frozen=True)
class StatusIs:
    """``status completed``: where the case stands."""

    status: str


@dataclass(frozen=True)
class ResultIs:
    """``result 5``: what ``return`` gave."""

    value: object


@dataclass(frozen=True)
class DataIs:
    """``data total 5``: a variable, parameter or task result; null where it has none."""

    name: str
    value: object


@dataclass(frozen=True)
class Explains:
    """``explain d "text"``: the engine's words on why ``d`` is or is not offered hold the text."""

    task: str
    text: str


Action: TypeAlias = (
    Start
    | Complete
    | Perform
    | Fail
    | Withdraw
    | Add
    | Message
    | Signal
    | Wait
    | Suspend
    | Resume
    | Cancel
)
Check: TypeAlias = Offered | Started | StatusIs | ResultIs | DataIs | Explains
Expected: TypeAlias = Action | Check


@dataclass(frozen=True)
class Step:
    """One line of a run: its number (from 1), its line in the file, its text, what it means.

    ``refused`` says that the action must be refused, or that the check must be false.
    """

    number: int
    line: int
    text: str
    expected: Expected
    refused: bool = False


@dataclass(frozen=True)
class Run:
    """Steps from the beginning of a case; ``parameters`` are what the case is given.

    Of a refused run (``allowed`` is false) the last step is the one that must be refused.
    """

    title: str
    allowed: bool
    parameters: tuple[tuple[str, object], ...]
    steps: tuple[Step, ...]
    line: int


@dataclass(frozen=True)
class SuiteNet:
    """A workflow in the language, with runs; ``expected`` is for the OR-join list."""

    title: str
    source: str
    runs: tuple[Run, ...]
    line: int
    expected: str = ""

    @property
    def allowed(self) -> tuple[Run, ...]:
        """The runs that must be possible to their end."""
        return tuple(run for run in self.runs if run.allowed)

    @property
    def refused(self) -> tuple[Run, ...]:
        """The runs whose last step must be refused."""
        return tuple(run for run in self.runs if not run.allowed)


@dataclass(frozen=True)
class Pattern:
    """One of the 43 patterns: what it means, where it is from, and the nets that show it."""

    number: int
    name: str
    group: str
    meaning: str
    source: str
    notes: str
    nets: tuple[SuiteNet, ...]
    file: Path


@dataclass(frozen=True)
class Pair:
    """Patterns that are easily taken for each other, and a run that tells two of them apart.

    The run passes on the source ``allowed`` and fails on the source ``refused``, there at
    step number ``step``.
    """

    patterns: tuple[int, ...]
    why: str
    run: Run
    allowed: str
    refused: str
    step: int
    line: int


@dataclass(frozen=True)
class Suite:
    """All files of a directory: patterns by number, pairs, and the OR-join list."""

    directory: Path
    patterns: tuple[Pattern, ...]
    pairs: tuple[Pair, ...]
    or_joins: tuple[SuiteNet, ...]

    def pattern(self, number: int) -> Pattern | None:
        """The pattern of that number, if the suite has it."""
        return next((each for each in self.patterns if each.number == number), None)
