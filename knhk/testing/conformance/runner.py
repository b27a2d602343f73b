"""Playing runs: a run, a source and a player make a verdict."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from knhk.testing.conformance.player import Player, StepRefused
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
    Pair,
    Perform,
    ResultIs,
    Resume,
    Run,
    Signal,
    Start,
    Started,
    StatusIs,
    Step,
    Suspend,
    Wait,
    Withdraw,
)

__all__ = ["Verdict", "judge_pair", "play"]


@dataclass(frozen=True)
class Verdict:
    """How a run went: if not as it must, ``step`` is the number of the step and ``reason`` why.

    ``step`` is 0 where the case could not even begin.
    """

    passed: bool
    step: int = 0
    text: str = ""
    reason: str = ""
    line: int = 0

    def __str__(self) -> str:
        if self.passed:
            return "passed"
        place = f"step {self.step} `{self.text}` (line {self.line})" if self.step else "beginning"
        return f"{place}: {self.reason}"


class _Differs(Exception):
    """A check that is false; the text says what was found instead."""


async def play(source: str, run: Run, player: Player) -> Verdict:
    """Play a run on a workflow to its end, or to the first step that does not go as it must."""
    try:
        await player.begin(source, dict(run.parameters))
        verdict = await _played(run, player)
        await player.end()
    except Exception as error:  # noqa: BLE001  the engine of a third party may raise anything
        return Verdict(False, reason=_told(error))
    return verdict


async def _played(run: Run, player: Player) -> Verdict:
    for step in run.steps:
        why = await _wrong_with(step, player)
        if why:
            return Verdict(False, step.number, step.text, why, step.line)
    return Verdict(True)


def judge_pair(pair: Pair, there: Verdict, other: Verdict) -> Verdict:
    """The verdict on a pair: its run must pass on one source and fail on the other at a step."""
    if not there.passed:
        return there
    step = next(each for each in pair.run.steps if each.number == pair.step)
    if other.passed:
        why = "the run passes on the source that must refuse it"
        return Verdict(False, step.number, step.text, why, step.line)
    if other.step != pair.step:
        why = f"the other source must fail at step {pair.step}, but: {other.reason}"
        return Verdict(False, other.step, other.text, why, other.line)
    return Verdict(True)


async def _wrong_with(step: Step, player: Player) -> str:
    """What is wrong with a step; empty if it went as it must."""
    try:
        await _carry_out(step.expected, player)
    except (StepRefused, _Differs) as against:
        return "" if step.refused else str(against)
    except Exception as error:  # noqa: BLE001  the engine of a third party may raise anything
        return f"the engine broke: {_told(error)}"
    return "it was not refused" if step.refused else ""


async def _carry_out(expected: Expected, player: Player) -> None:
    """Do or check what a step says; raises :class:`StepRefused` or :class:`_Differs`."""
    match expected:
        case Start(task, instance):
            await player.start(task, instance)
        case Complete(task, instance, value):
            await player.complete(task, instance, value)
        case Perform(task, instance, value):
            await player.perform(task, instance, value)
        case Fail(task, error, instance):
            await player.fail(task, instance, error)
        case Withdraw(task):
            await player.withdraw(task)
        case Add(task, value):
            await player.add(task, value)
        case Message() | Signal():
            await _trigger(expected, player)
        case Wait(duration_us):
            await player.wait(duration_us)
        case Suspend():
            await player.suspend()
        case Resume():
            await player.resume()
        case Cancel():
            await player.cancel()
        case _:
            await _check(expected, player)


async def _trigger(expected: Message | Signal, player: Player) -> None:
    if isinstance(expected, Message):
        taken = await player.message(expected.name, expected.key, expected.payload)
        if expected.taken not in (None, taken):
            raise _Differs(f"the message was {'taken' if taken else 'kept'}")
    else:
        reached = await player.signal(expected.name, expected.payload)
        if expected.reached not in (None, reached):
            raise _Differs(f"the signal reached {reached}")


async def _check(
    expected: Offered | Started | StatusIs | ResultIs | DataIs | Explains, player: Player
) -> None:
    match expected:
        case Offered(tasks):
            _same_items(tasks, await player.offered(), "offered")
        case Started(tasks):
            _same_items(tasks, await player.started(), "started")
        case StatusIs(status):
            found = await player.status()
            if found != status:
                raise _Differs(f"the case is {found}")
        case ResultIs(value):
            _same_value(value, await player.result(), "the result")
        case DataIs(name, value):
            _same_value(value, await player.data(name), name)
        case Explains(task, text):
            words = await player.explain(task)
            if text not in words:
                raise _Differs(f"it explains: {words}")


def _same_items(expected: tuple[str, ...], found: tuple[str, ...], word: str) -> None:
    if Counter(expected) != Counter(found):
        raise _Differs(f"{word}: {' '.join(sorted(found)) or 'nothing'}")


def _same_value(expected: object, found: object, what: str) -> None:
    if not _equal(expected, found):
        raise _Differs(f"{what} is {found!r}")


def _equal(one: object, other: object) -> bool:
    """Whether two JSON values are equal; true is not 1, but 1 is 1.0."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    return one == other


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
