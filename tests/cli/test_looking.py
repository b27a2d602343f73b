"""`knhk versions`, `stalled`, `verify`: what a store tells of versions and of cases."""

from __future__ import annotations

import json
import time

import anyio
import apsw
import pytest

from knhk import Engine
from knhk.testing import VirtualClock

from .conftest import Project

YEAR_US = 365 * 86_400 * 1_000_000
WORK = """
workflow work() -> int
    task nap = timer 1s
    task ask
    flow
        start -> {first} -> end
    return {number}
"""


@pytest.fixture
def two_versions(project: Project) -> Project:
    """Two versions of a workflow: a case of the first has ended, one of the second waits."""
    project.write("work.knhk", WORK.format(first="nap", number=1).replace("    task ask\n", ""))
    project.knhk("run", "work.knhk", "--case", "A1")
    second = WORK.format(first="ask", number=2).replace("    task nap = timer 1s\n", "")
    project.write("work.knhk", second)
    project.knhk("run", "work.knhk", "--case", "A2")
    return project


def test_versions_are_listed_with_their_cases(two_versions: Project) -> None:
    listed = two_versions.knhk("versions")
    as_json = json.loads(two_versions.knhk("versions", "work", "--json").out)

    assert 0 == listed.code
    title, newest, oldest = (line.split() for line in listed.out.splitlines())
    assert ["workflow", "version", "deployed", "newest", "unfinished", "ended"] == title
    assert ["yes", "1", "0"] == newest[4:]
    assert ["0", "1"] == oldest[4:]
    assert newest[1] == as_json[0]["digest"][:12]
    assert [True, False] == [each["newest"] for each in as_json]
    assert [{"running": 1}, {"completed": 1}] == [each["cases"] for each in as_json]


def test_a_workflow_that_is_not_there_has_no_versions(two_versions: Project) -> None:
    outcome = two_versions.knhk("versions", "works")

    assert 2 == outcome.code
    assert "there is no workflow 'works'" in outcome.err


def test_a_case_that_stands_still_is_told_with_its_reason(project: Project) -> None:
    source = project.write(
        "work.knhk", WORK.format(first="nap -> ask", number=1).replace("1s", "30d")
    )

    async def begin() -> None:
        year_ago = VirtualClock(time.time_ns() // 1_000 - YEAR_US, autofire=False)
        async with Engine.open(project.root / "knhk.db", clock=year_ago) as engine:
            await engine.deploy(source)
            await engine.start("work", case_id="A1")

    anyio.run(begin)

    told = project.knhk("stalled")
    (found,) = json.loads(project.knhk("stalled", "--json", "--after", "60").out)

    assert 1 == told.code
    assert told.out.startswith("A1: its timer was due 2894")
    assert ("A1", "work") == (found["case"], found["workflow"])


def test_verify_of_a_whole_store_looks_at_the_store_too(two_versions: Project) -> None:
    connection = apsw.Connection(str(two_versions.root / "knhk.db"))
    connection.execute("DELETE FROM cases WHERE id = 'A1'")
    connection.close()

    whole = two_versions.knhk("verify")
    one = two_versions.knhk("verify", "A2")

    assert (1, 0) == (whole.code, one.code)
    assert "1 case verified: 0 with a fault" in whole.out
    assert "the store: there are inputs of a case 'A1', but no such case" in whole.out
