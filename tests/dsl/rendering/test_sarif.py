"""Diagnostics as SARIF 2.1.0."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from knhk.errors import Diagnostic, Run, Span
from knhk_dsl.diagnostics import catalogue
from knhk_dsl.rendering.sarif import render_sarif
from knhk_dsl.silencing import Silenced
from tests.dsl.rendering.found import LONG, SILENCED, STUCK, UNUSED
from tests.dsl.rendering.sarif_schema import sarif_schema


@pytest.fixture(scope="module")
def validator() -> Draft7Validator:
    schema = sarif_schema()
    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema)


def log(diagnostics: Iterable[Diagnostic], silenced: Iterable[Silenced] = ()) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(render_sarif(diagnostics, silenced, "1.2.3"))
    return made


def run_of(*diagnostics: Diagnostic) -> dict[str, Any]:
    (run,) = log(diagnostics)["runs"]
    assert isinstance(run, dict)
    return run


EVERY = [Diagnostic(page.code, page.title, Span("a.knhk", 1, 1, 1, 2)) for page in catalogue()]
EMPTY = Diagnostic("KN701", "stuck", Span("a.knhk", 1, 1, 1, 1), run=Run(()))


@pytest.mark.parametrize(
    "diagnostics,silenced",
    [([], []), ([STUCK, UNUSED, LONG, EMPTY], [SILENCED]), (EVERY, [])],
    ids=["nothing", "some of all kinds", "every code"],
)
def test_a_log_fits_the_official_schema(
    validator: Draft7Validator, diagnostics: list[Diagnostic], silenced: list[Silenced]
) -> None:
    made = log(diagnostics, silenced)

    problems = [f"{each.json_path}: {each.message}" for each in validator.iter_errors(made)]
    assert [] == problems
    assert ("2.1.0", 1) == (made["version"], len(made["runs"]))


def test_the_schema_refuses_what_is_no_log(validator: Draft7Validator) -> None:
    made = log([UNUSED])
    made["runs"][0]["results"][0]["level"] = "bad"
    assert not validator.is_valid(made)


def test_the_tool_names_itself_its_version_and_a_rule_for_each_code() -> None:
    driver = run_of(STUCK, UNUSED, UNUSED)["tool"]["driver"]

    assert ("knhk", "1.2.3") == (driver["name"], driver["version"])
    assert ["KN212", "KN701"] == [rule["id"] for rule in driver["rules"]]
    assert "something is never used" == driver["rules"][0]["shortDescription"]["text"]
    assert {"level": "warning"} == driver["rules"][0]["defaultConfiguration"]
    assert "```knhk\nworkflow order" in driver["rules"][0]["help"]["markdown"]
    assert "`" not in driver["rules"][0]["help"]["text"]


def test_a_result_points_at_its_rule_and_its_place() -> None:
    run = run_of(STUCK, UNUSED)
    stuck, unused = run["results"]

    assert ("KN701", 1, "error") == (stuck["ruleId"], stuck["ruleIndex"], stuck["level"])
    assert ("KN212", 0, "warning") == (unused["ruleId"], unused["ruleIndex"], unused["level"])
    place = stuck["locations"][0]["physicalLocation"]
    assert {"startLine": 7, "startColumn": 9, "endLine": 7, "endColumn": 24} == place["region"]
    expected = {"uri": "orders/big%20order.knhk", "uriBaseId": "%SRCROOT%"}
    assert expected == place["artifactLocation"]
    assert "unicodeCodePoints" == run["columnKind"]
    assert stuck["message"]["text"].endswith("hint: join with one(...) what one(...) has parted")
    assert not {"relatedLocations", "codeFlows", "suppressions"} & set(unused)


def test_a_file_outside_of_the_working_directory_has_a_whole_uri(tmp_path: Path) -> None:
    outside = str(tmp_path / "a b.knhk")
    (result,) = run_of(Diagnostic("KN104", "empty", Span(outside, 1, 1, 1, 1)))["results"]

    place = result["locations"][0]["physicalLocation"]
    assert {"uri": (tmp_path / "a b.knhk").as_uri()} == place["artifactLocation"]


def test_related_places_have_their_words() -> None:
    (related,) = run_of(STUCK)["results"][0]["relatedLocations"]

    assert (1, "here it parts") == (related["id"], related["message"]["text"])
    assert 6 == related["physicalLocation"]["region"]["startLine"]


def test_a_run_is_a_code_flow_with_a_location_for_each_step_and_one_for_its_end() -> None:
    (flow,) = run_of(STUCK)["results"][0]["codeFlows"]
    (thread,) = flow["threadFlows"]

    told = [each["location"]["message"]["text"] for each in thread["locations"]]
    assert "the shortest that leads there" == flow["message"]["text"]
    assert [
        "receive",
        "charge starts",
        "check -> pack, label",
        "ship starts",
        "charge fails with PaymentDeclined -> refuse",
        "refuse",
        "1 token in checked, 2 in tray; at work: ship",
    ] == told
    assert [1, 2, 3, 4, 5, 6, 7] == [each["executionOrder"] for each in thread["locations"]]
    first = thread["locations"][0]["location"]
    assert [{"name": "receive", "kind": "task"}] == first["logicalLocations"]
    assert 7 == first["physicalLocation"]["region"]["startLine"]


def test_what_is_silenced_is_a_suppressed_result_with_the_reason() -> None:
    shown, silenced = log([STUCK], [SILENCED])["runs"][0]["results"]

    assert "suppressions" not in shown
    expected = [{"kind": "inSource", "justification": "the next version fills it"}]
    assert ("KN212", expected) == (silenced["ruleId"], silenced["suppressions"])
