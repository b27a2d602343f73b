"""Work that is done outside: listed, claimed, kept up, completed, failed and given back."""

from __future__ import annotations

import json

import pytest

from .conftest import Project

WORK = """
workflow order(n: int) -> json
    task sign = human(role: "boss", about: "order {n}")
    task pack
    flow
        start -> sign -> pack -> end
    return sign
"""


@pytest.fixture
def store(project: Project) -> Project:
    project.write("work.knhk", WORK)
    for number, case in enumerate(("A1", "B1")):
        outcome = project.knhk("run", "work.knhk", "--case", case, "-p", f"n={number}")
        assert 3 == outcome.code, outcome.err
    return project


def work(project: Project, *arguments: str) -> list[dict[str, object]]:
    outcome = project.knhk("work", "--json", *arguments)
    assert 0 == outcome.code, outcome.err
    found: list[dict[str, object]] = json.loads(outcome.out)
    return found


def test_work_is_listed_claimed_kept_up_and_completed(store: Project) -> None:
    claimed = store.knhk("claim", "--role", "boss", "--worker", "ann", "--lease", "600")
    assert 0 == claimed.code, claimed.err
    claim = json.loads(claimed.out)
    assert ("A1", "sign", 1, "ann", "A1:1:1") == (
        claim["case"],
        claim["task"],
        claim["attempt"],
        claim["worker"],
        claim["key"],
    )
    assert {"role": "boss", "about": "order 0"} == claim["kwargs"]

    table = store.knhk("work").out.splitlines()
    assert ["case", "task", "item"] == table[0].split()[:3]
    assert any("ann" in line and "about" in line for line in table[1:])
    assert ["B1"] == [each["case"] for each in work(store, "--open")]
    assert ["A1"] == [each["case"] for each in work(store, "--worker", "ann")]
    assert 1 == len(work(store, "--limit", "1"))

    refused = store.knhk("complete", "A1", "sign")
    assert 2 == refused.code
    assert "is held by 'ann' until" in refused.err
    kept = store.knhk("heartbeat", "A1", "sign", "--attempt", "1", "--lease", "none")
    assert 0 == kept.code, kept.err
    assert None is json.loads(kept.out)["until_us"]
    done = store.knhk("complete", "A1", "sign", "--attempt", "1", "--result", '"yes"')
    assert 3 == done.code, done.err
    done = store.knhk("complete", "A1", "pack")
    assert (0, "yes") == (done.code, done.json)


def test_work_is_failed_and_given_back(store: Project) -> None:
    assert 0 == store.knhk("claim", "A1", "sign", "--lease", "none").code
    released = store.knhk("release", "A1", "sign", "--attempt", "1")
    assert (0, "knhk: sign of case A1 was given back") == (
        released.code,
        released.err.splitlines()[-1],
    )
    lost = store.knhk("complete", "A1", "1", "--attempt", "1")
    assert 2 == lost.code
    assert "task 'sign': attempt 1 at work item 1 of case 'A1' is over" in lost.err
    failed = store.knhk("fail", "A1", "sign", "Refused", "--message", "too dear")
    assert 1 == failed.code
    assert "failed in task 'sign': Refused: too dear" in failed.err


WRONG = (
    ("claim --task pack", 1, "there is no such work that nobody holds"),
    ("claim A1", 2, "name the task too"),
    ("claim A1 sign --role boss", 2, "either name CASE and TASK"),
    ("claim A1 sign --lease soon", 2, "neither a number of seconds nor `none`"),
    ("claim A1 sign --lease -1", 2, "lease_s is a number of seconds above 0"),
    ("claim A1 pack", 2, "there is no work for outside"),
    ("heartbeat A1 sign --attempt 1", 2, "nobody holds work item 1"),
    ("work --store other.db", 2, "there is no store"),
)


def test_what_cannot_be_done_is_said(store: Project) -> None:
    for line, code, said in WRONG:
        outcome = store.knhk(*line.split())
        assert code == outcome.code, line
        assert said in outcome.err, line
