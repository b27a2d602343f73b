"""Engines at work in processes of their own, asked for one batch of cases at a time.

A worker opens its store once, then answers lines on its standard input: each asks for some
cases, so many at a time, and is answered with the seconds that took and the results. So two
engines never share an interpreter, and only one of them works at any time.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["STEPS", "Answer", "Request", "Worker", "answer", "requests", "worker"]

#: Tasks of a case.
STEPS = 10


@dataclass(frozen=True, slots=True)
class Request:
    """Run ``cases`` cases, ``at_once`` of them at a time.

    Each is given a name, from ``first`` on, and its result is that name.
    """

    first: int
    cases: int
    at_once: int

    def names(self) -> list[str]:
        return [f"case-{number}" for number in range(self.first, self.first + self.cases)]


@dataclass(frozen=True, slots=True)
class Answer:
    """How long that took, the result of each case, and what else was counted."""

    seconds: float
    results: list[object]
    counts: list[int]


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
        """Have cases run, and give the steps a second."""
        return cases * STEPS / self.ask(cases, at_once).seconds

    def ask(self, cases: int, at_once: int) -> Answer:
        """Have cases run, and look at every result."""
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
        wanted = request.names()
        if answer.results != wanted:
            raise AssertionError(f"{self._name} gave {answer.results[:1]}, not {wanted[:1]}")
        return answer

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


def answer(seconds: float, results: list[object], counts: Sequence[int] = ()) -> None:
    """In a worker: answer a request."""
    print(json.dumps([seconds, results, list(counts)]), flush=True)
