"""`knhk check --watch`: it goes on, and checks again when something changes that it reads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .conftest import TIMEOUT_S, Project

GOOD = """\
from handlers use boil
workflow tea(cups: int) -> int
    task heat = boil(cups)
    flow
        start -> heat -> end
    return cups
"""
WRONG = GOOD.replace("-> heat", "-> heet")
HANDLERS = "def boil(cups: int) -> int:\n    return cups\n"

Wait = Callable[[subprocess.Popen[str], str], str]
Watch = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def watch(project: Project, wait_for: Wait) -> Iterator[Watch]:
    """Start watching, and wait for the first check."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        process = project.start("check", "--watch", *arguments)
        started.append(process)
        wait_for(process, "checked")
        return process

    project.write("handlers.py", HANDLERS)
    yield start
    for process in started:
        process.kill()
        process.communicate()


def leave(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Ctrl-C: the exit code, and what is on stdout and left on stderr."""
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=TIMEOUT_S)
    return process.returncode, out, err


def test_a_change_of_a_file_is_checked_below_a_line_with_the_time(
    project: Project, watch: Watch, wait_for: Wait
) -> None:
    tea = project.write("tea.knhk", GOOD)
    process = watch("tea.knhk")

    tea.write_text(WRONG)
    said = wait_for(process, "checked")

    assert said.startswith("--- ")
    assert said.endswith("1 file checked: 1 error, 0 warnings\n")
    code, out, err = leave(process)
    assert (2, "") == (code, err)
    assert "tea.knhk:5:18: error[KN401]" in out


def test_ctrl_c_leaves_quietly_with_the_exit_code_of_the_last_check(
    project: Project, watch: Watch, wait_for: Wait
) -> None:
    tea = project.write("tea.knhk", WRONG)
    process = watch(".")

    tea.write_text(GOOD)
    wait_for(process, "0 errors")

    assert (0, "") == leave(process)[::2]


def test_a_used_file_and_a_used_module_are_watched_too(
    project: Project, watch: Watch, wait_for: Wait
) -> None:
    types = project.write("parts/types.knhk", "record Item\n    cups: int\n")
    project.write(
        "teas/tea.knhk",
        'from "../parts/types.knhk" use Item\n' + GOOD.replace("cups: int", "cups: Item"),
    )
    project.write("handlers.py", HANDLERS.replace("cups: int", "cups"))
    process = watch("teas/tea.knhk")

    types.write_text("record Itme\n    cups: int\n")
    wait_for(process, "checked")
    types.write_text("record Item\n    cups: int\n")
    wait_for(process, "checked")
    project.write("handlers.py", HANDLERS.replace("cups: int", "cups: str"))
    wait_for(process, "checked")

    code, out, _ = leave(process)
    assert 2 == code
    assert "does not define `Item`" in out
    assert "error[KN308]: the argument `cups` of `boil` must be a str" in out


def test_a_module_that_was_missing_and_a_new_directory_are_noticed(
    project: Project, watch: Watch, wait_for: Wait
) -> None:
    (project.root / "handlers.py").unlink()
    project.write("tea.knhk", GOOD)
    process = watch(".")

    project.write("handlers.py", HANDLERS)
    wait_for(process, "1 file checked: 0 errors, 0 warnings")
    project.write("more/tea.knhk", GOOD)
    wait_for(process, "2 files checked: 0 errors, 0 warnings")
    project.write("more/tea.knhk", WRONG)
    wait_for(process, "2 files checked: 1 error,")

    assert 2 == leave(process)[0]


def test_an_editor_that_puts_a_new_file_in_its_place_is_noticed_each_time(
    project: Project, watch: Watch, wait_for: Wait
) -> None:
    tea = project.write("tea.knhk", GOOD)
    process = watch("tea.knhk")

    for text, words in [(WRONG, "1 error,"), (GOOD, "0 errors"), (WRONG, "1 error,")]:
        project.write("tea.knhk~", text).replace(tea)
        wait_for(process, words)

    assert 2 == leave(process)[0]


def test_without_the_library_one_sentence_says_what_to_install(project: Project) -> None:
    project.write("tea.knhk", GOOD)
    hide = "import sys; sys.modules['watchfiles'] = None"
    run = "from knhk.cli.main import main; main(['check', '--watch', 'tea.knhk'])"

    process = subprocess.run(
        [sys.executable, "-c", f"{hide}; {run}"],
        capture_output=True,
        check=False,
        cwd=project.root,
        env={**os.environ, "TERM": "dumb"},
        text=True,
        timeout=TIMEOUT_S,
    )

    assert (2, "") == (process.returncode, process.stdout)
    assert "--watch needs the library watchfiles; install it: pip install 'knhk[watch]'" in (
        process.stderr
    )


def test_a_directory_without_files_is_refused_as_without_watching(project: Project) -> None:
    (project.root / "empty").mkdir()
    assert 2 == project.knhk("check", "--watch", str(Path("empty"))).code
