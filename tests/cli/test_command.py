"""The command as a whole: help, version, errors, speed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import knhk.kernel

from .conftest import Project

#: The issue's bound, and how many runs its minimum is taken of.
HELP_RATIO_MAX = 10
RUNS = 12


def test_the_help_lists_every_command(project: Project) -> None:
    outcome = project.knhk("--help")

    assert 0 == outcome.code
    for name in (
        "cancel",
        "check",
        "complete",
        "conformance",
        "fmt",
        "list",
        "lsp",
        "resume",
        "retry",
        "run",
        "show",
        "skip",
        "suspend",
        "version",
    ):
        assert f"\n  {name} " in outcome.out


@pytest.mark.parametrize(
    "command",
    [
        "cancel",
        "check",
        "complete",
        "conformance",
        "fmt",
        "list",
        "resume",
        "retry",
        "run",
        "show",
        "skip",
        "suspend",
        "version",
    ],
)
def test_every_command_has_help(project: Project, command: str) -> None:
    outcome = project.knhk(command, "--help")

    assert 0 == outcome.code
    assert f"Usage: knhk {command}" in outcome.out


@pytest.mark.parametrize(
    "arguments,words",
    [(["frobnicate"], "No such command 'frobnicate'"), (["run"], "Missing argument 'FILE'")],
)
def test_wrong_use_gives_two(project: Project, arguments: list[str], words: str) -> None:
    outcome = project.knhk(*arguments)

    assert (2, "") == (outcome.code, outcome.out)
    assert words in outcome.err


def test_the_version_tells_knhk_kernel_python_and_sqlite(project: Project) -> None:
    compiled = Path(str(knhk.kernel.__file__)).suffix != ".py"

    told = dict(line.split(maxsplit=1) for line in project.knhk("version").out.splitlines())

    assert ["knhk", "kernel", "Python", "SQLite"] == list(told)
    assert knhk.__version__ == told["knhk"]
    assert ("compiled" if compiled else "interpreted") == told["kernel"]
    assert told["SQLite"].startswith("3.")


def test_debug_shows_where_an_error_was_raised(project: Project) -> None:
    project.write("rubbish.db", "rubbish" * 1000)
    command = project.command("--debug", "list", "--store", "rubbish.db")

    process = subprocess.run(
        command, capture_output=True, check=False, cwd=project.root, text=True, timeout=60
    )

    assert process.returncode == 1
    assert "Traceback" in process.stderr


def test_the_module_is_the_command(project: Project) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "knhk", "version"],
        capture_output=True,
        check=False,
        cwd=project.root,
        text=True,
        timeout=60,
    )

    assert process.stdout == project.knhk("version").out


@pytest.mark.skipif(sys.platform == "win32", reason="a pipe is closed in another way there")
def test_a_reader_that_goes_away_is_no_error(project: Project) -> None:
    process = subprocess.Popen(
        project.command("--help"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read()
    process.stderr.close()
    process.wait(timeout=60)

    assert "" == err


def test_the_help_takes_at_most_ten_times_an_empty_python(project: Project) -> None:
    empty = _fastest([sys.executable, "-c", "pass"])

    told = _fastest(project.command("--help"))

    assert told <= HELP_RATIO_MAX * empty, f"{told / empty:.1f} times"


def _fastest(command: list[str]) -> float:
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        with Path(os.devnull).open("w") as nothing:
            subprocess.run(command, check=True, stdout=nothing, timeout=60)
        times.append(time.perf_counter() - began)
    return min(times)
