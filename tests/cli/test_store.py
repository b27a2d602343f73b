"""Stores that cannot be used: one sentence, and what was acknowledged is still there."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import apsw
import pytest

from .conftest import TIMEOUT_S, Project

WORK = """
from shop use gate

workflow work() -> str
    task pass_gate = gate()
    flow
        start -> pass_gate -> end
    return pass_gate
"""
HANDLERS = """
from pathlib import Path
import anyio

async def gate() -> str:
    while not Path("open").exists():
        await anyio.sleep(0.01)
    return "passed"
"""


@pytest.fixture
def work(project: Project) -> Project:
    project.write("work.knhk", WORK)
    project.write("shop.py", HANDLERS)
    return project


@pytest.mark.parametrize("command", [["list"], ["show", "A1"], ["resume"]])
def test_a_store_that_is_not_there_is_not_made_by_looking_into_it(
    project: Project, command: list[str]
) -> None:
    outcome = project.knhk(*command, "--store", "none.db")

    assert (2, "") == (outcome.code, outcome.out)
    assert "there is no store none.db" in outcome.err
    assert not (project.root / "none.db").exists()


@pytest.mark.parametrize("command", [["list"], ["resume"], ["run", "work.knhk"]])
def test_a_file_that_is_no_store_is_left_as_it_is(work: Project, command: list[str]) -> None:
    rubbish = b"this is my shopping list\n" * 1000
    (work.root / "list.db").write_bytes(rubbish)

    outcome = work.knhk(*command, "--store", "list.db")

    assert (1, "") == (outcome.code, outcome.out)
    assert outcome.err.startswith("knhk: ")
    assert rubbish == (work.root / "list.db").read_bytes()


@pytest.mark.parametrize("store", [".", "no/such/directory/s.db"])
def test_a_path_that_cannot_hold_a_store_gives_one_sentence(work: Project, store: str) -> None:
    outcome = work.knhk("run", "work.knhk", "--store", store)

    assert (1, "") == (outcome.code, outcome.out)
    assert outcome.err.startswith("knhk: ")


def test_a_store_in_use_can_be_read_but_not_run_a_second_time(
    work: Project, wait_for: Callable[[subprocess.Popen[str], str], str]
) -> None:
    process = work.start("run", "work.knhk", "--case", "W1")
    wait_for(process, "pass_gate started")

    second = work.knhk("run", "work.knhk")
    listed = work.knhk("list")
    work.write("open", "")
    out, _ = process.communicate(timeout=TIMEOUT_S)

    assert (1, "") == (second.code, second.out)
    assert "is open for running in another process" in second.err
    assert (0, True) == (listed.code, "W1" in listed.out)
    assert (0, '"passed"\n') == (process.returncode, out)


def test_a_case_that_is_not_there_is_named(work: Project) -> None:
    work.write("open", "")
    work.knhk("run", "work.knhk")

    outcome = work.knhk("show", "A1")

    assert (2, "") == (outcome.code, outcome.out)
    assert "there is no case 'A1'" in outcome.err


def test_verify_names_what_was_changed(work: Project) -> None:
    (work.root / "open").touch()
    work.knhk("run", "work.knhk", "--case", "A1")
    fits = work.knhk("verify")
    connection = apsw.Connection(str(work.root / "knhk.db"))
    connection.execute("UPDATE inputs SET at_us = at_us + 1 WHERE case_id = 'A1' AND seq = 1")
    connection.close()

    changed = work.knhk("verify", "A1")

    assert (0, "1 case verified: 0 with a fault\n") == (fits.code, fits.out)
    assert 1 == changed.code
    assert "A1: input 1: its hash does not fit" in changed.out
    assert 2 == work.knhk("verify", "B9").code


@pytest.mark.parametrize("command", [["list"], ["run", "work.knhk"]])
def test_a_server_that_is_not_there_gives_one_sentence_without_the_password(
    work: Project, command: list[str]
) -> None:
    outcome = work.knhk(*command, "--store", "postgresql://me:s3cret@127.0.0.1:1/db")

    assert (1, "") == (outcome.code, outcome.out)
    assert outcome.err.startswith("knhk: the store postgresql://me:***@127.0.0.1:1/db cannot")
    assert "s3cret" not in outcome.err
