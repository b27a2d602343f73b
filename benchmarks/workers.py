"""Engines at work in processes of their own, asked for one batch of cases at a time.

A worker opens its store once, then answers lines on its standard input: each asks for some
cases, so many at a time, and is answered with the seconds that took and the results. So two
engines never share an interpreter, and only one of them works at any time.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ITEMS", "STEPS", "Answer", "Request", "Worker", "expected"]

#: The parameters of every case: a total of more than 100, so that it is approved.
ITEMS = [20, 21, 22, 23, 24]
#: Steps a case: hold, approve, charge, one pack for each item, deliver, tell.
STEPS = 5 + len(ITEMS)


@dataclass(frozen=True, slots=True)
class Request:
    """Run ``cases`` cases, named from ``first`` on, ``at_once`` of them at a time."""

    first: int
    cases: int
    at_once: int

    def names(self) -> list[str]:
        return [f"case-{number}" for number in range(self.first, self.first + self.cases)]


@dataclass(frozen=True, slots=True)
class Answer:
    """How long that took, and the result of each case."""

    seconds: float
    results: list[object]


def expected(name: str) -> dict[str, object]:
    """The result of a case."""
    parcels = [item + 1 for item in ITEMS]
    return {
        "order": name,
        "total": sum(ITEMS),
        "held": len(ITEMS),
        "parcels": parcels,
        "code": f"{name}-{sum(parcels)}",
    }


class Worker:
    """A worker process: ``module`` of this directory, with its arguments."""

    def __init__(self, module: str, *arguments: str) -> None:
        path = Path(__file__).with_name(f"{module}.py")
        self._process = subprocess.Popen(
            [sys.executable, str(path), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._name = " ".join((module, *arguments))
        self._cases = 0

    def steps_per_s(self, cases: int, at_once: int) -> float:
        """Have cases run, look at every result, and give the steps a second."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = Request(self._cases, cases, at_once)
        self._cases += cases
        print(
            json.dumps([request.first, request.cases, request.at_once]),
            file=self._process.stdin,
            flush=True,
        )
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(f"{self._name} ended with code {self._process.wait()}")
        answer = Answer(*json.loads(line))
        wanted = [expected(name) for name in request.names()]
        if answer.results != wanted:
            raise AssertionError(f"{self._name} gave {answer.results[:1]}, not {wanted[:1]}")
        return cases * STEPS / answer.seconds

    def close(self) -> None:
        """Let it end by itself: its standard input is closed."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        if self._process.wait(timeout=60):
            raise AssertionError(f"{self._name} ended with code {self._process.returncode}")

    def kill(self) -> None:
        """End it at once: what it does is not wanted any more."""
        self._process.kill()
        self._process.wait()


@contextmanager
def worker(module: str, *arguments: str) -> Iterator[Worker]:
    """A worker that is closed at the end of the block."""
    process = Worker(module, *arguments)
    try:
        yield process
    except BaseException:
        process.kill()
        raise
    process.close()


def requests() -> Iterator[Request]:
    """In a worker: what it is asked for, until its standard input is closed."""
    for line in sys.stdin:
        yield Request(*json.loads(line))


def answer(seconds: float, results: list[object]) -> None:
    """In a worker: answer a request."""
    print(json.dumps([seconds, results]), flush=True)
