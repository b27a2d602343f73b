"""From the files of a suite to its values.

A suite is a directory: one ``NN_slug.toml`` for each pattern, ``pairs.toml`` and
``or_join.toml``. A file that is not as it should be is a :class:`SuiteError`, which names the
file, the net or run by its title, and the line.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Final, final

from knhk.errors import KnhkError
from knhk.testing.conformance.names import PATTERN_NAMES
from knhk.testing.conformance.steps import StepError, read_steps
from knhk.testing.conformance.values import Pair, Pattern, Run, Suite, SuiteNet

__all__ = ["SuiteError", "load_suite", "read_or_joins", "read_pairs", "read_pattern"]

PAIRS_FILE: Final = "pairs.toml"
OR_JOIN_FILE: Final = "or_join.toml"
#: What may be expected of an OR-join.
EXPECTED: Final = ("waits", "passes", "deadlock")

_HEADER: Final = re.compile(r"^\[\[\s*([\w.]+)\s*\]\]")
_RUN: Final = re.compile(r"""^run\s*=\s*("{3}|'{3})?""")


class SuiteError(KnhkError):
    """A file of a suite that is not as the format says: file, line, and what is wrong."""

    def __init__(self, file: Path, line: int, where: str, why: str) -> None:
        self.file = file
        self.line = line
        self.where = where
        self.why = why
        place = f"{file}:{line}" if line else str(file)
        super().__init__(f"{place}: {where}: {why}" if where else f"{place}: {why}")


def load_suite(directory: str | Path) -> Suite:
    """All files of a suite. Raises :class:`SuiteError` for the first that is malformed."""
    directory = Path(directory)
    files = sorted(directory.glob("[0-9][0-9]_*.toml"))
    if not files:
        raise SuiteError(directory, 0, "", "there is no pattern file (NN_name.toml) in it")
    patterns = sorted((read_pattern(file) for file in files), key=lambda each: each.number)
    for one, other in pairwise(patterns):
        if one.number == other.number:
            why = f"pattern {one.number} is also in {one.file.name}"
            raise SuiteError(other.file, 1, "", why)
    pairs, or_joins = directory / PAIRS_FILE, directory / OR_JOIN_FILE
    return Suite(
        directory,
        tuple(patterns),
        read_pairs(pairs) if pairs.exists() else (),
        read_or_joins(or_joins) if or_joins.exists() else (),
    )


def read_pattern(file: Path) -> Pattern:
    """One pattern file. Raises :class:`SuiteError`."""
    table = _File(file).table()
    number, name = table.integer("number"), table.text("name")
    if PATTERN_NAMES.get(number) != name:
        expected = PATTERN_NAMES.get(number)
        why = f"it is called {expected!r}" if expected else "the patterns are 1 to 43"
        raise table.problem(f"pattern {number} is called {name!r} here; {why}")
    if not file.name.startswith(f"{number:02}_"):
        raise table.problem(f"the name of the file does not begin with {number:02}_")
    pattern = Pattern(
        number=number,
        name=name,
        group=table.text("group"),
        meaning=table.text("meaning"),
        source=table.text("source"),
        notes=table.text("notes", ""),
        nets=tuple(_net(each) for each in table.tables("net")),
        file=file,
    )
    table.end()
    for allowed, word in ((True, "allowed"), (False, "refused")):
        if not any(run.allowed is allowed for net in pattern.nets for run in net.runs):
            raise table.problem(f"it has no {word} run; a pattern is shown by runs of both kinds")
    return pattern


def read_pairs(file: Path) -> tuple[Pair, ...]:
    """The pairs that must be told apart. Raises :class:`SuiteError`."""
    table = _File(file).table()
    pairs = tuple(_pair(each) for each in table.tables("pair"))
    table.end()
    return pairs


def read_or_joins(file: Path) -> tuple[SuiteNet, ...]:
    """The nets of the OR-join list. Raises :class:`SuiteError`."""
    table = _File(file).table()
    nets = tuple(_net(each, expects=True) for each in table.tables("net"))
    table.end()
    return nets


def _net(table: _Table, *, expects: bool = False) -> SuiteNet:
    title = table.title()
    source = table.text("knhk")
    expected = table.text("expected") if expects else ""
    if expects and expected not in EXPECTED:
        raise table.problem(f"`expected` is one of {', '.join(EXPECTED)}, not {expected!r}")
    runs = [_run(each, allowed=True) for each in table.tables("allowed")]
    runs += [_run(each, allowed=False) for each in table.tables("refused")]
    if not runs:
        raise table.problem("it has no runs")
    table.end()
    return SuiteNet(title, source, tuple(runs), table.line, expected)


def _run(table: _Table, *, allowed: bool) -> Run:
    run = table.run(table.title(), allowed=allowed)
    table.end()
    if not run.steps:
        raise table.problem("the run has no steps")
    early = [step for step in run.steps[:-1] if step.refused]
    if early and not allowed:
        raise table.problem(f"only the last step is refused, not `{early[0].text}`", early[0].line)
    if run.steps[-1].refused is allowed or (early and allowed):
        why = "an allowed run holds no `refused`" if allowed else "its last step is not `refused`"
        raise table.problem(why, run.steps[-1].line)
    return run


def _pair(table: _Table) -> Pair:
    numbers = table.take("patterns")
    if not isinstance(numbers, list) or not all(number in PATTERN_NAMES for number in numbers):
        raise table.problem("`patterns` is a list of pattern numbers")
    table.where = f"pair {numbers}"
    pair = Pair(
        patterns=tuple(numbers),
        why=table.text("why"),
        run=table.run(f"tells {' from '.join(map(str, numbers))}", allowed=True),
        allowed=table.text("allowed"),
        refused=table.text("refused"),
        step=table.integer("step"),
        line=table.line,
    )
    table.end()
    if pair.step not in {step.number for step in pair.run.steps}:
        raise table.problem(f"the run has no step {pair.step}")
    return pair


@final
class _File:
    """A TOML file, and where in it the tables of its arrays begin."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.text = path.read_text(encoding="utf-8")
            self.data = tomllib.loads(self.text)
        except OSError as error:
            raise SuiteError(path, 0, "", f"it cannot be read: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            line = re.search(r"at line (\d+)", str(error))
            raise SuiteError(path, int(line[1]) if line else 0, "", str(error)) from error
        self.lines = self.text.splitlines()
        self._headers: dict[str, list[int]] = {}
        for number, line_text in enumerate(self.lines, start=1):
            header = _HEADER.match(line_text)
            if header is not None:
                self._headers.setdefault(header[1], []).append(number)

    def table(self) -> _Table:
        """The file as a table."""
        return _Table(self, self.data, "", 1)

    def next_line(self, header: str, last: int) -> int:
        """The line of the next such header; tables are asked for in the order of the file."""
        lines = self._headers.get(header, [])
        return lines.pop(0) if lines else last

    def run_line(self, table_line: int) -> int:
        """The line of the first step's text of the run in the table at ``table_line``."""
        for number in range(table_line, len(self.lines)):
            found = _RUN.match(self.lines[number])
            if found is not None:
                opened = found[1] and not self.lines[number][found.end() :].strip()
                return number + 2 if opened else number + 1
        return table_line


@final
class _Table:
    """One table of a file, whose keys are taken out one by one; none may be left."""

    def __init__(self, file: _File, data: Mapping[str, object], path: str, line: int) -> None:
        self.line = line
        self.where = ""
        self._file = file
        self._left = dict(data)
        self._path = path

    def problem(self, why: str, line: int = 0) -> SuiteError:
        """The error that something is wrong here."""
        return SuiteError(self._file.path, line or self.line, self.where, why)

    def take(self, key: str, default: object = None) -> object:
        """The value of a key; it is an error that there is none and no default."""
        value = self._left.pop(key, default)
        if value is None:
            raise self.problem(f"`{key}` is missing")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        """A text, without the blanks around it."""
        value = self.take(key, default)
        if not isinstance(value, str):
            raise self.problem(f"`{key}` is a text")
        return f"{value.strip()}\n" if key in {"knhk", "allowed", "refused"} else value.strip()

    def integer(self, key: str) -> int:
        """A whole number."""
        value = self.take(key)
        if not isinstance(value, int):
            raise self.problem(f"`{key}` is a whole number")
        return value

    def title(self) -> str:
        """The title, by which problems name this table from now on."""
        title = self.text("title")
        self.where = f"{self.where}, {title!r}" if self.where else repr(title)
        return title

    def tables(self, key: str) -> Iterator[_Table]:
        """The tables of an array; there may be none."""
        found = self._left.pop(key, [])
        path = f"{self._path}.{key}" if self._path else key
        if not isinstance(found, list):
            raise self.problem(f"`{path}` is written as [[{path}]]")
        for data in found:
            if not isinstance(data, dict):
                raise self.problem(f"`{path}` is written as [[{path}]]")
            inner = _Table(self._file, data, path, self._file.next_line(path, self.line))
            inner.where = self.where
            yield inner

    def run(self, title: str, *, allowed: bool) -> Run:
        """The steps under ``run``."""
        text = self.take("run")
        if not isinstance(text, str):
            raise self.problem("`run` is a text of steps, one a line")
        line = self._file.run_line(self.line)
        try:
            parameters, steps = read_steps(text, line)
        except StepError as error:
            raise self.problem(str(error), line + error.line) from error
        return Run(title, allowed, tuple(parameters.items()), steps, self.line)

    def end(self) -> None:
        """Every key must have been taken."""
        if self._left:
            unknown = ", ".join(f"`{key}`" for key in self._left)
            raise self.problem(f"unknown: {unknown}")
