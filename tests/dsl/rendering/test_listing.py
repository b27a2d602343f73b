"""Diagnostics as JSON."""

from __future__ import annotations

import json

from knhk.errors import Diagnostic, Run, Span
from knhk_dsl.rendering.listing import render_json
from tests.dsl.rendering.found import STUCK


def test_every_field_is_there() -> None:
    related = ((Span("b", 5, 6, 7, 8), "there"),)
    found = [Diagnostic("KN101", "it is wrong", Span("a", 1, 2, 3, 4), "so", related=related)]
    place = {"line": 5, "column": 6, "end_line": 7, "end_column": 8}
    expected = [
        {
            "code": "KN101",
            "severity": "error",
            "message": "it is wrong",
            "file": "a",
            "line": 1,
            "column": 2,
            "end_line": 3,
            "end_column": 4,
            "hint": "so",
            "related": [{"message": "there", "file": "b", **place}],
            "run": None,
        }
    ]
    assert expected == json.loads(render_json(found))


def test_a_run_has_its_steps_and_how_it_is_left() -> None:
    (found,) = json.loads(render_json([STUCK]))

    assert {"shortest", "steps", "marking", "working"} == set(found["run"])
    assert {"task": "check", "event": "", "choice": ["pack", "label"]} == found["run"]["steps"][2]
    assert {"checked": 1, "tray": 2} == found["run"]["marking"]
    assert (["ship"], True) == (found["run"]["working"], found["run"]["shortest"])


def test_a_run_without_a_step_is_there_too() -> None:
    found = Diagnostic("KN701", "", Span("a", 1, 1, 1, 1), run=Run((), shortest=False))
    empty = {"shortest": False, "steps": [], "marking": {}, "working": []}
    assert [empty] == [each["run"] for each in json.loads(render_json([found]))]


def test_without_diagnostics_the_list_is_empty() -> None:
    assert [] == json.loads(render_json([]))
