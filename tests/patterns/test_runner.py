"""The runner, on an engine that only pretends: what passes, what fails, and where."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from knhk.engine import Engine
from knhk.errors import UnknownName
from knhk.testing.conformance import (
    MODES,
    Run,
    StepRefused,
    Verdict,
    conform,
    play,
    play_all,
    suite_directory,
)
from knhk.testing.conformance import engine as conformance_engine
from knhk.testing.conformance.steps import read_steps

from .conftest import SEQUENCE, Directory

SOURCE = """
workflow w
    task a
    flow
        start -> a -> end
"""
RECURSIVE = """
workflow outer(n: int = 1) -> int
    task a
    task inner = outer(n: n - 1)
    task help
    flow
        start -> a -> one(inner when n > 0, skip otherwise) -> end
        inner -> help on error
        help -> end
    return n + 10 * (inner if inner != none else 0)
"""


class Pretender:
    """Refuses what it is told to refuse, and says what it is told to say."""

    def __init__(self, refuses: str = "", breaks: str = "", **says: object) -> None:
        self.refuses = refuses
        self.breaks = breaks
        self.says = says

    def __getattr__(self, name: str) -> Any:
        async def answer(*arguments: object) -> object:
            if name == self.refuses:
                raise StepRefused("not now")
            if name == self.breaks:
                raise ZeroDivisionError("oh")
            return self.says.get(name)

        return answer


def run(text: str) -> Run:
    parameters, steps = read_steps(text, 1)
    return Run("a run", True, tuple(parameters.items()), steps, 1)


def verdict(text: str, **player: Any) -> Verdict:
    return anyio.run(play, "workflow w", run(text), Pretender(**player))


@pytest.mark.parametrize(
    "text,player",
    [
        ("a+\na-\na!\nwithdraw a\nadd n\nwait 1s\nsuspend\nresume\ncancel\nfail a E", {}),
        ("refused a+", {"refuses": "start"}),
        ("offered b a b", {"offered": ("a", "b", "b")}),
        ("refused offered b", {"offered": ("b", "b")}),
        ("started", {"started": ()}),
        ("status running", {"status": "running"}),
        ("refused status stuck", {"status": "running"}),
        ('result {"x": [1, true]}', {"result": {"x": [1.0, True]}}),
        ("refused result 1", {"result": True}),
        ("refused result [1]", {"result": [1, 2]}),
        ("data x null", {"data": None}),
        ('explain d "waits"', {"explain": "it waits for b"}),
        ("message go -> taken", {"message": True}),
        ("refused message go -> kept", {"message": True}),
        ("message go", {"message": False}),
        ("signal go -> 2", {"signal": 2}),
        ("refused signal go -> 1", {"signal": 2}),
    ],
)
def test_a_run_passes(text: str, player: dict[str, Any]) -> None:
    assert Verdict(True) == verdict(text, **player)


@pytest.mark.parametrize(
    "text,player,step,reason",
    [
        ("a+\nb+", {"refuses": "start"}, 1, "not now"),
        ("a+\nrefused b!", {}, 2, "it was not refused"),
        ("a+\noffered b", {"offered": ("c", "b")}, 2, "offered: b c"),
        ("started b", {"started": ()}, 1, "started: nothing"),
        ("status completed", {"status": "stuck"}, 1, "the case is stuck"),
        ("result 1", {"result": "1"}, 1, "the result is '1'"),
        ("data x 1", {"data": 2}, 1, "x is 2"),
        ('explain d "waits"', {"explain": "no"}, 1, "it explains: no"),
        ("message go -> taken", {"message": False}, 1, "the message was kept"),
        ("signal go -> 2", {"signal": 1}, 1, "the signal reached 1"),
        ("a+\nb-", {"breaks": "complete"}, 2, "the engine broke: ZeroDivisionError: oh"),
        ("refused b-", {"breaks": "complete"}, 1, "the engine broke: ZeroDivisionError: oh"),
        ("a+", {"breaks": "begin"}, 0, "ZeroDivisionError: oh"),
        ("refused a+", {"refuses": "begin"}, 0, "StepRefused: not now"),
    ],
)
def test_a_run_fails_at_a_step_with_a_reason(
    text: str, player: dict[str, Any], step: int, reason: str
) -> None:
    found = verdict(text, **player)

    assert (False, step, reason) == (found.passed, found.step, found.reason)


@pytest.mark.parametrize("mode", MODES)
def test_a_task_that_is_not_there_is_no_refusal(mode: str) -> None:
    (found,) = anyio.run(play_all, mode, [(SOURCE, run("refused b+"))])

    assert not found.passed
    assert "the engine broke: UnknownName" in found.reason


@pytest.mark.parametrize("mode", MODES)
def test_a_source_that_does_not_check_fails_its_runs_and_no_others(mode: str) -> None:
    bad = SOURCE.replace("a -> end", "b -> end")

    first, second, third = anyio.run(
        play_all, mode, [(SOURCE, run("a!")), (bad, run("a!")), (SOURCE, run("a!\na!"))]
    )

    assert first.passed
    assert (0, True) == (second.step, "CheckError" in second.reason)
    assert 2 == third.step


def test_a_mode_that_is_not_there_is_named() -> None:
    with pytest.raises(UnknownName, match="there is no mode 'paper'; there is: kernel, engine"):
        anyio.run(play_all, "paper", [])


def test_the_suite_is_found() -> None:
    assert (suite_directory() / "01_sequence.toml").exists()


@pytest.mark.parametrize("processes", [1, 2])
def test_a_suite_is_played_whole(directory: Directory, processes: int) -> None:
    directory.write()
    directory.write(
        SEQUENCE.replace("number = 1", "number = 2").replace("Sequence", "Parallel Split"),
        "02_x.toml",
    )

    report = conform(directory.path, modes=("kernel",), processes=processes)

    assert (1, 2) == report.conforms("kernel")
    assert [1, 1, 2, 2] == [each.part for each in report.played]
    assert () == report.failures


def test_only_some_patterns_are_played(directory: Directory) -> None:
    directory.write()

    assert (1,) == conform(directory.path, numbers=(1,)).conforms("replay")
    with pytest.raises(UnknownName, match="there is no pattern in the suite '2'; there is: 1"):
        conform(directory.path, numbers=(2,))


def test_a_failure_is_told_with_its_place(directory: Directory) -> None:
    path = directory.write(SEQUENCE.replace("refused b+", "refused a+"))

    (failure,) = conform(directory.path, modes=("kernel",)).failures

    line = path.read_text(encoding="utf-8").splitlines().index("refused a+") + 1
    assert f"{path}:{line}: kernel: two tasks: refused run 'b does not come first': step 1" in str(
        failure
    )


@pytest.mark.parametrize("mode,opened", [("engine", 1), ("replay", 4)])
def test_the_engine_crashes_after_every_input(
    monkeypatch: pytest.MonkeyPatch, mode: str, opened: int
) -> None:
    stores = []
    opening = Engine.open

    def noted(store: Any, **options: Any) -> Any:
        stores.append(store)
        return opening(store, **options)

    monkeypatch.setattr(Engine, "open", noted)
    jobs = [(SOURCE, run("a+\noffered\na- 5\nrefused a-")), (SOURCE, run("a!\nrefused a+"))]

    found = anyio.run(play_all, mode, jobs)

    assert [Verdict(True)] * 2 == list(found)
    assert opened == len(stores)


def test_a_store_that_forgets_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conformance_engine, "STORE_FILES", (conformance_engine.STORE,))

    (found,) = anyio.run(play_all, "replay", [(SOURCE, run("a!"))])

    assert not found.passed


@pytest.mark.parametrize("mode", ["engine", "replay"])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_engine_is_played_on_both_event_loops(backend: str, mode: str) -> None:
    jobs = [
        (SOURCE, run("a+\nwait 1d\na- 5\ndata a 5\nstatus completed")),
        (SOURCE, run("a+\ncancel\nrefused a-")),
        (SOURCE, run("started\nsuspend\noffered\nresume\na!\nrefused a+")),
    ]

    found = anyio.run(play_all, mode, jobs, backend=backend)

    assert [Verdict(True)] * 3 == list(found)


@pytest.mark.parametrize("mode", ["engine", "replay"])
@pytest.mark.parametrize(
    "text,reason",
    [
        ("a!\noffered inner\ninner! 0\nresult 1\nstatus completed", ""),
        ("a!\ninner+\ninner- 7", "the sub-case is completed with result 0, where the run says 7"),
        ("a!\ninner+\nrefused inner+", ""),
        ("a!\nrefused inner-", ""),
        ("a!\ninner+\nfail inner Broken\noffered help", ""),
        ("a!\ninner+\nfail inner CaseCancelled\noffered help", ""),
        ("a!\ninner+\ncancel\nrefused inner-", ""),
    ],
)
def test_a_sub_workflow_is_really_run_and_must_give_what_the_run_says(
    mode: str, text: str, reason: str
) -> None:
    (found,) = anyio.run(play_all, mode, [(RECURSIVE, run(text))])

    assert reason in found.reason
    assert found.passed is not bool(reason)
