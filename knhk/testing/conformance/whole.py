"""The whole suite in KNHK's three modes, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import anyio

from knhk.errors import UnknownName
from knhk.testing.conformance.engine import play_on_engine
from knhk.testing.conformance.files import OR_JOIN_FILE, PAIRS_FILE, load_suite
from knhk.testing.conformance.kernel import KernelPlayer
from knhk.testing.conformance.runner import Verdict, judge_pair, play
from knhk.testing.conformance.values import Pair, Run, Suite, SuiteNet

__all__ = ["MODES", "Played", "Report", "conform", "play_all", "suite_directory"]

#: The sans-IO kernel; the durable engine; the engine with a crash after every input.
MODES: Final = ("kernel", "engine", "replay")

#: What the runs of the two further lists count as, beside the numbers of the patterns.
PAIRS_PART: Final = "pairs"
OR_JOINS_PART: Final = "or-join"


@dataclass(frozen=True)
class Played:
    """One run in one mode. ``part`` is a pattern's number, ``pairs`` or ``or-join``."""

    mode: str
    part: int | str
    file: Path
    net: str
    run: Run
    verdict: Verdict

    def __str__(self) -> str:
        kind = "allowed" if self.run.allowed else "refused"
        line = self.verdict.line or self.run.line
        return (
            f"{self.file}:{line}: {self.mode}: {self.net}: {kind} run {self.run.title!r}:"
            f" {self.verdict}"
        )


@dataclass(frozen=True)
class Report:
    """What came of a suite: every run that was played, in every mode asked for."""

    suite: Suite
    modes: tuple[str, ...]
    played: tuple[Played, ...]

    def of(self, mode: str, part: int | str, net: str | None = None) -> tuple[Played, ...]:
        """The runs of one row in one mode."""
        return tuple(
            each
            for each in self.played
            if each.mode == mode and each.part == part and net in (None, each.net)
        )

    def conforms(self, mode: str) -> tuple[int, ...]:
        """The numbers of the patterns all of whose runs went as they must."""
        return tuple(
            pattern.number
            for pattern in self.suite.patterns
            if (rows := self.of(mode, pattern.number)) and all(row.verdict.passed for row in rows)
        )

    @property
    def failures(self) -> tuple[Played, ...]:
        """The runs that did not go as they must."""
        return tuple(each for each in self.played if not each.verdict.passed)


def suite_directory() -> Path:
    """Where the suite of this installation lies: in the package, or in the checkout beside it.

    Raises :class:`~knhk.errors.UnknownName` if it is in neither.
    """
    home = Path(__file__).parent
    places = (home.parent / "patterns", home.parents[2] / "tests" / "patterns")
    for place in places:
        if place.is_dir():
            return place
    raise UnknownName("directory of the suite", str(places[0]))


@dataclass(frozen=True)
class _Part:
    """What is played together: a pattern, the pairs, or the OR-joins."""

    name: int | str
    file: Path
    nets: tuple[SuiteNet, ...] = ()
    pairs: tuple[Pair, ...] = ()


async def play_all(mode: str, jobs: Sequence[tuple[str, Run]]) -> tuple[Verdict, ...]:
    """Play runs, each on a source, in one of the modes."""
    if mode not in MODES:
        raise UnknownName("mode", mode, MODES)
    if mode == "kernel":
        player = KernelPlayer()
        return tuple([await play(source, run, player) for source, run in jobs])
    return await play_on_engine(jobs, crashing=mode == "replay")


def conform(
    directory: Path,
    *,
    modes: tuple[str, ...] = MODES,
    numbers: tuple[int, ...] = (),
    processes: int = 1,
    told: Callable[[int, int], None] | None = None,
) -> Report:
    """Play a suite, or some of its patterns, in so many processes at a time.

    ``told`` is called now and then with the parts that are done and the parts there are. Raises
    :class:`~knhk.testing.conformance.SuiteError` for a malformed file and
    :class:`~knhk.errors.UnknownName` for a mode or pattern that is not there.
    """
    suite = load_suite(directory)
    for number in numbers:
        if suite.pattern(number) is None:
            known = (str(each.number) for each in suite.patterns)
            raise UnknownName("pattern in the suite", str(number), known)
    work = [(mode, part) for mode in modes for part in _parts(suite, numbers)]
    played: dict[int, tuple[Played, ...]] = {}
    for place, rows in _all_played(work, processes):
        played[place] = rows
        if told is not None:
            told(len(played), len(work))
    ordered = (row for place in sorted(played) for row in played[place])
    return Report(suite, modes, tuple(ordered))


def _all_played(
    work: list[tuple[str, _Part]], processes: int
) -> Iterator[tuple[int, tuple[Played, ...]]]:
    """Every part with its place in ``work``, as it is done."""
    if processes <= 1:
        for place, (mode, part) in enumerate(work):
            yield place, _played(mode, part)
        return
    # A new interpreter each: a copy of one that has threads may stand still.
    context = get_context("spawn")
    with ProcessPoolExecutor(min(processes, len(work)), mp_context=context) as pool:
        # The longest first, so that no process is left with much at the end.
        order = sorted(range(len(work)), key=lambda place: -_length(*work[place]))
        waiting = {pool.submit(_played, *work[place]): place for place in order}
        for done in as_completed(waiting):
            yield waiting[done], done.result()


def _length(mode: str, part: _Part) -> int:
    """About how long a part takes, in steps of the kernel."""
    steps = sum(len(run.steps) for net in part.nets for run in net.runs)
    steps += sum(2 * len(pair.run.steps) for pair in part.pairs)
    return steps * (1, 10, 50)[MODES.index(mode)]


def _played(mode: str, part: _Part) -> tuple[Played, ...]:
    """The runs of a part, each played."""
    runs = [(net.title, net.source, run) for net in part.nets for run in net.runs]
    jobs = [(source, run) for _, source, run in runs]
    for pair in part.pairs:
        jobs += [(pair.allowed, pair.run), (pair.refused, pair.run)]
    verdicts = anyio.run(play_all, mode, jobs)
    rows = [
        Played(mode, part.name, part.file, title, run, verdict)
        for (title, _, run), verdict in zip(runs, verdicts, strict=False)
    ]
    twos = iter(verdicts[len(runs) :])
    for pair, there, other in zip(part.pairs, twos, twos, strict=True):
        verdict = judge_pair(pair, there, other)
        rows.append(Played(mode, part.name, part.file, pair_title(pair), pair.run, verdict))
    return tuple(rows)


def pair_title(pair: Pair) -> str:
    """What a pair is called in tables."""
    return "/".join(map(str, pair.patterns))


def _parts(suite: Suite, numbers: tuple[int, ...]) -> Iterator[_Part]:
    """What is asked for: with some patterns only, the further lists are left out."""
    for pattern in suite.patterns:
        if not numbers or pattern.number in numbers:
            yield _Part(pattern.number, pattern.file, pattern.nets)
    if numbers:
        return
    if suite.pairs:
        yield _Part(PAIRS_PART, suite.directory / PAIRS_FILE, pairs=suite.pairs)
    if suite.or_joins:
        yield _Part(OR_JOINS_PART, suite.directory / OR_JOIN_FILE, suite.or_joins)
