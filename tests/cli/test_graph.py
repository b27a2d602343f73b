"""`knhk graph`: a workflow in every form, and the run of a finding on it."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from .conftest import Project

SOUND = """
workflow tea(cups: int)
    task boil
    task pour
    flow
        start -> boil -> pour -> end
"""
STUCK = """
workflow order(total: decimal)
    task receive
    task check
    task approve
    task ship
    flow
        start -> receive -> one(check when total > 100, approve otherwise)
        all(check, approve) -> ship -> end
"""
SVG = "{http://www.w3.org/2000/svg}"
BEGINNINGS = {
    "svg": "<svg ",
    "mermaid": "flowchart LR\n",
    "dot": 'digraph "tea" {\n',
    "json": '{\n  "format": "knhk-net",\n',
    "pnml": "<?xml ",
}


@pytest.mark.parametrize(("form", "beginning"), BEGINNINGS.items())
def test_a_workflow_is_written_in_every_form(project: Project, form: str, beginning: str) -> None:
    project.write("tea.knhk", SOUND)

    outcome = project.knhk("graph", "tea.knhk", "--format", form)

    assert (0, "") == (outcome.code, outcome.err)
    assert outcome.out.startswith(beginning)
    assert outcome.out.endswith("\n")
    assert "boil" in outcome.out


def test_a_picture_goes_to_a_file_when_asked_for(project: Project) -> None:
    project.write("tea.knhk", SOUND)

    outcome = project.knhk("graph", "tea.knhk", "--output", "tea.svg")

    assert (0, "", "") == (outcome.code, outcome.out, outcome.err)
    assert f"{SVG}svg" == ET.parse(project.root / "tea.svg").getroot().tag


def test_a_file_that_cannot_be_written_is_one_sentence(project: Project) -> None:
    project.write("tea.knhk", SOUND)

    outcome = project.knhk("graph", "tea.knhk", "--output", "nowhere/tea.svg")

    assert (1, "knhk: nowhere/tea.svg: No such file or directory\n") == (outcome.code, outcome.err)


def test_of_several_workflows_one_is_to_be_named(project: Project) -> None:
    project.write("both.knhk", SOUND + STUCK)

    neither = project.knhk("graph", "both.knhk")
    one = project.knhk("graph", "both.knhk", "--workflow", "tea", "--format", "mermaid")
    wrong = project.knhk("graph", "both.knhk", "--workflow", "coffee")

    assert 2 == neither.code
    assert "name one with --workflow; both.knhk has: tea, order" in neither.err
    assert "boil" in one.out
    assert 2 == wrong.code
    assert "both.knhk has no workflow 'coffee'; it has: tea, order" in wrong.err


def test_a_file_that_does_not_check_is_told_and_not_drawn(project: Project) -> None:
    project.write("tea.knhk", SOUND.replace("-> boil", "-> boill"))

    outcome = project.knhk("graph", "tea.knhk")

    assert (2, "") == (outcome.code, outcome.out)
    assert "error[KN401]" in outcome.err
    assert "start -> boill -> pour -> end" in outcome.err


def test_the_run_of_the_first_finding_is_drawn_and_the_finding_told(project: Project) -> None:
    project.write("order.knhk", STUCK)

    outcome = project.knhk("graph", "order.knhk", "--format", "mermaid", "--run")

    assert 0 == outcome.code
    assert outcome.err.startswith("knhk: the run of order.knhk:6:10: KN701 ")
    assert 'n0["step 1<br/>receive ▸ XOR"]' in outcome.out
    assert "1 ●" in outcome.out


def test_only_a_run_of_the_workflow_that_is_drawn_is_shown(project: Project) -> None:
    project.write("both.knhk", STUCK + SOUND)

    outcome = project.knhk("graph", "both.knhk", "--workflow", "tea", "--run", "--format", "dot")

    assert (0, "knhk: the check shows no run of tea\n") == (outcome.code, outcome.err)
    assert "step 1" not in outcome.out


def test_a_finding_that_a_comment_silences_is_not_drawn(project: Project) -> None:
    comment = "    # knhk: allow KN701 because it is an example\n    task ship\n"
    project.write("order.knhk", STUCK.replace("    task ship\n", comment))

    outcome = project.knhk("graph", "order.knhk", "--run")

    assert (0, "knhk: the check shows no run of order\n") == (outcome.code, outcome.err)


def test_a_run_has_no_form_in_pnml(project: Project) -> None:
    project.write("order.knhk", STUCK)

    outcome = project.knhk("graph", "order.knhk", "--format", "pnml", "--run")

    assert 2 == outcome.code
    assert "PNML has no runs" in outcome.err


def test_what_pnml_cannot_say_is_told_task_by_task(project: Project) -> None:
    project.write("tea.knhk", SOUND.replace("-> end", "-> stop"))

    outcome = project.knhk("graph", "tea.knhk", "--format", "pnml")

    assert (2, "") == (outcome.code, outcome.out)
    assert (
        "knhk: workflow 'tea' cannot be written as a place/transition net:\n"
        "  `stop` ends the case, whatever else is at work\n"
    ) == outcome.err
