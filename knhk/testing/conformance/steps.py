"""From the text of a run to its steps, one a line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from knhk.model import CaseStatus
from knhk.testing.conformance.values import (
    Add,
    Cancel,
    Complete,
    DataIs,
    Expected,
    Explains,
    Fail,
    Message,
    Offered,
    Perform,
    ResultIs,
    Resume,
    Signal,
    Start,
    Started,
    StatusIs,
    Step,
    Suspend,
    Wait,
    Withdraw,
)

__all__ = ["StepError", "read_steps"]

_NAME: Final = re.compile(r"[A-Za-z_]\w*")
_WORK: Final = re.compile(r"([A-Za-z_]\w*)(?:\[(\d+)\])?([-+!])")
_WHICH: Final = re.compile(r"([A-Za-z_]\w*)(?:\[(\d+)\])?")
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_UNITS_US: Final = {
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
    "w": 604_800_000_000,
}
_GIVEN: Final = "given"
_REFUSED: Final = "refused"


class StepError(ValueError):
    """A line of a run that is no step; ``line`` counts from 0 within the run."""

    def __init__(self, line: int, text: str, why: str) -> None:
        self.line = line
        self.text = text
        self.why = why
        super().__init__(f"`{text}`: {why}")


class _Line:
    """What is left of a line that is being read; every reader raises ``ValueError``."""

    def __init__(self, text: str) -> None:
        self._text = text.strip()

    @property
    def empty(self) -> bool:
        return not self._text

    def word(self, what: str) -> str:
        """A name."""
        return self.match(_NAME, what)[0]

    def match(self, pattern: re.Pattern[str], what: str) -> re.Match[str]:
        """What the pattern describes, up to a space or the end."""
        found = pattern.match(self._text)
        if found is None or self._text[found.end() : found.end() + 1].strip():
            raise ValueError(f"{what} is expected, not {self._text or 'the end of the line'!r}")
        self._text = self._text[found.end() :].lstrip()
        return found

    def value(self) -> object:
        """A JSON value."""
        try:
            found, end = json.JSONDecoder().raw_decode(self._text)
        except json.JSONDecodeError as error:
            raise ValueError(f"a JSON value is expected, not {self._text!r}: {error.msg}") from None
        self._text = self._text[end:].lstrip()
        return found

    def says(self, word: str) -> bool:
        """Take the word if it comes next."""
        found = self._text == word or self._text.startswith((f"{word} ", f"{word}\t"))
        if found:
            self._text = self._text[len(word) :].lstrip()
        return found

    def end(self) -> None:
        """Nothing may follow."""
        if self._text:
            raise ValueError(f"{self._text!r} is more than such a step has")


def read_steps(text: str, line: int) -> tuple[Mapping[str, object], tuple[Step, ...]]:
    """The parameters and the steps of a run whose text begins at ``line`` of its file.

    Raises :class:`StepError` for the first line that is no step.
    """
    parameters: dict[str, object] = {}
    steps: list[Step] = []
    for number, (offset, written) in enumerate(_lines(text), start=1):
        rest = _Line(written)
        try:
            if rest.says(_GIVEN):
                if number > 1:
                    raise ValueError("it stands only in the first line of a run")
                parameters = _given(rest)
                continue
            refused = rest.says(_REFUSED)
            expected = _step(rest)
            rest.end()
        except ValueError as error:
            raise StepError(offset, written, str(error)) from error
        steps.append(Step(number, line + offset, written, expected, refused))
    return parameters, tuple(steps)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines that are neither blank nor comments, with their numbers from 0."""
    for offset, line in enumerate(text.splitlines()):
        written = line.strip()
        if written and not written.startswith("#"):
            yield offset, written


def _given(line: _Line) -> dict[str, object]:
    found = line.value()
    line.end()
    if not isinstance(found, dict):
        raise ValueError("a JSON object of the case's parameters is expected")  # noqa: TRY004
    return found


def _step(line: _Line) -> Expected:
    for word, read in _READERS.items():
        if line.says(word):
            return read(line)
    found = line.match(_WORK, "a step")
    task, instance = found[1], None if found[2] is None else int(found[2])
    if found[3] == "+":
        return Start(task, instance)
    value = None if line.empty else line.value()
    return (Complete if found[3] == "-" else Perform)(task, instance, value)


def _fail(line: _Line) -> Fail:
    found = line.match(_WHICH, "the task")
    instance = None if found[2] is None else int(found[2])
    return Fail(found[1], line.word("the error's name"), instance)


def _add(line: _Line) -> Add:
    task = line.word("the task")
    return Add(task, None if line.empty else line.value())


def _message(line: _Line) -> Message:
    name = line.word("the message's name")
    key = line.value() if line.says("key") else None
    payload = line.value() if line.says("payload") else None
    taken: bool | None = None
    if line.says("->"):
        said = line.word("`taken` or `kept`")
        if said not in {"taken", "kept"}:
            raise ValueError(f"a message is `taken` or `kept`, not {said!r}")
        taken = said == "taken"
    return Message(name, key, payload, taken)


def _signal(line: _Line) -> Signal:
    name = line.word("the signal's name")
    payload = line.value() if line.says("payload") else None
    reached = int(line.match(re.compile(r"\d+"), "a number")[0]) if line.says("->") else None
    return Signal(name, payload, reached)


def _wait(line: _Line) -> Wait:
    found = line.match(_DURATION, "a duration such as 90s")
    return Wait(round(float(found[1]) * _UNITS_US[found[2]]))


def _names(line: _Line) -> tuple[str, ...]:
    names: list[str] = []
    while not line.empty:
        names.append(line.word("a task"))
    return tuple(names)


def _status(line: _Line) -> StatusIs:
    said = line.word("a status")
    if said not in {each.value for each in CaseStatus}:
        known = ", ".join(each.value for each in CaseStatus)
        raise ValueError(f"{said!r} is no status; there is: {known}")
    return StatusIs(said)


def _explains(line: _Line) -> Explains:
    task, text = line.word("the task"), line.value()
    if not isinstance(text, str):
        raise ValueError("a text in quotation marks is expected")  # noqa: TRY004
    return Explains(task, text)


_READERS: Final[Mapping[str, Callable[[_Line], Expected]]] = {
    "fail": _fail,
    "withdraw": lambda line: Withdraw(line.word("the task")),
    "add": _add,
    "message": _message,
    "signal": _signal,
    "wait": _wait,
    "suspend": lambda _: Suspend(),
    "resume": lambda _: Resume(),
    "cancel": lambda _: Cancel(),
    "offered": lambda line: Offered(_names(line)),
    "started": lambda line: Started(_names(line)),
    "status": _status,
    "result": lambda line: ResultIs(line.value()),
    "data": lambda line: DataIs(line.word("a name"), line.value()),
    "explain": _explains,
}
