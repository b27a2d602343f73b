"""`knhk conformance`: the table, the same as JSON, and the exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Project

SEQUENCE = '''
number = 1
name = "Sequence"
group = "basic"
meaning = "b is offered only after a has completed."
source = "BPM-06-22, pattern 1"

[[net]]
title = "two tasks"
knhk = """
workflow w
    task a
    task b
    flow
        start -> a -> b -> end
"""

[[net.allowed]]
title = "a, then b"
run = """
a!
b!
"""

[[net.refused]]
title = "b does not come first"
run = "refused b+"
'''


@pytest.fixture
def suite(project: Project) -> Path:
    return project.write("suite/01_sequence.toml", SEQUENCE).parent


def test_a_pattern_that_conforms_is_a_row_and_gives_zero(project: Project, suite: Path) -> None:
    outcome = project.knhk("conformance", "--suite", suite, "--pattern", "1")

    assert (0, "") == (outcome.code, outcome.err)
    lines = outcome.out.splitlines()
    assert ["kernel", "engine", "replay"] == lines[0].split()
    assert ["1", "Sequence", "2/2", "2/2", "2/2"] == lines[1].split()
    assert ["kernel   1 of 1", "engine   1 of 1", "replay   1 of 1"] == lines[3:6]
    assert lines[6] in {"the kernel is interpreted", "the kernel is compiled"}


def test_what_fails_is_told_with_its_place_and_gives_one(project: Project, suite: Path) -> None:
    project.write("suite/01_sequence.toml", SEQUENCE.replace("refused b+", "refused a+"))

    outcome = project.knhk("conformance", "--suite", suite, "--pattern", "1", "--mode", "kernel")

    assert 1 == outcome.code
    assert ["1", "Sequence", "1/2!"] == outcome.out.splitlines()[1].split()
    assert "kernel   0 of 1" in outcome.out
    assert "refused run 'b does not come first': step 1 `refused a+`" in outcome.out


def test_a_suite_without_all_patterns_does_not_conform(project: Project, suite: Path) -> None:
    outcome = project.knhk("conformance", "--suite", suite, "--mode", "kernel")

    assert 1 == outcome.code
    assert 43 == sum(line[:2].strip().isdigit() for line in outcome.out.splitlines())
    assert ["2", "Parallel", "Split", "none!"] == outcome.out.splitlines()[2].split()
    assert "kernel   1 of 43" in outcome.out


def test_the_same_as_json(project: Project, suite: Path) -> None:
    project.write("suite/01_sequence.toml", SEQUENCE.replace("refused b+", "refused a+"))

    outcome = project.knhk(
        *("conformance", "--suite", suite, "--pattern", "1", "--mode", "kernel"),
        *("--format", "json"),
    )

    told = outcome.json
    assert isinstance(told, dict)
    assert {"kernel": 0} == told["conforms"]
    assert [{"kernel": {"passed": 1, "all": 2}}] == [each["runs"] for each in told["patterns"]]
    (failure,) = told["failures"]
    assert ("kernel", 1, False, 1, "refused a+", "it was not refused") == tuple(
        failure[key] for key in ("mode", "part", "allowed", "step", "text", "reason")
    )


def test_a_malformed_suite_is_one_sentence(project: Project, suite: Path) -> None:
    project.write("suite/01_sequence.toml", SEQUENCE.replace("refused b+", "refused b?"))

    outcome = project.knhk("conformance", "--suite", suite)

    assert (1, "") == (outcome.code, outcome.out)
    assert "01_sequence.toml:" in outcome.err
    assert "`refused b?`: a step is expected" in outcome.err


def test_a_pattern_that_is_not_there_is_named(project: Project, suite: Path) -> None:
    outcome = project.knhk("conformance", "--suite", suite, "--pattern", "7")

    assert (2, "") == (outcome.code, outcome.out)
    assert "there is no pattern in the suite '7'; there is: 1" in outcome.err
