"""`knhk check`: a diagnostic with a place for every bad file, whatever is in it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from knhk import __version__

from .conftest import TIMEOUT_S, Project

GOOD = """
workflow tea(cups: int) -> int
    task boil
    flow
        start -> boil -> end
    return cups
"""
WRONG = """
workflow tea(cups: int) -> int
    task boil
    flow
        start -> boill -> end
    return cubs
"""
NESTED = "workflow deep() -> int\n    flow\n        start -> end\n    return " + "(" * 1000 + "1"
CASES = {
    "empty": b"",
    "not utf-8": b"workflow tea()\n    task \xff\xfe boil\n",
    "nul": b"workflow tea()\n\0\0\n",
    "tabs": GOOD.replace("    task", "\ttask").encode(),
    "mixed tabs": GOOD.replace("        start", "    \tstart").encode(),
    "nested 1,000 deep": (NESTED + ")" * 1000 + "\n").encode(),
    "nested and never closed": NESTED.encode(),
    "indented 1,000 deep": b"".join(b" " * n + b"flow\n" for n in range(1000)),
    "random bytes": Random(7).randbytes(4096),
    "one long line": b"x" * 1_000_000,
    "10 MB": b"workflow tea()\n    task boil\n" + b"# cold water, cold water\n" * 420_000,
    "an open string": b'workflow tea()\n    task boil = log("never closed\n',
}


def test_a_file_without_a_problem_gives_zero_and_says_nothing_on_stdout(project: Project) -> None:
    project.write("tea.knhk", GOOD)

    outcome = project.knhk("check", "tea.knhk")

    assert (0, "") == (outcome.code, outcome.out)
    assert "1 file checked: 0 errors, 0 warnings\n" == outcome.err


def test_every_problem_is_shown_with_its_place_its_line_and_an_underline(project: Project) -> None:
    project.write("tea.knhk", WRONG)

    outcome = project.knhk("check", "tea.knhk")

    places = re.findall(r"^tea\.knhk:(\d+):(\d+): error\[KN\d{3}\]: ", outcome.out, re.MULTILINE)
    assert 2 == outcome.code
    assert {("5", "18"), ("6", "12")} <= set(places)
    assert "    5 |         start -> boill -> end\n      |                  ^^^^^\n" in outcome.out


def test_programs_get_the_same_as_json(project: Project) -> None:
    project.write("tea.knhk", WRONG)

    outcome = project.knhk("check", "--format", "json", "tea.knhk")

    assert 2 == outcome.code
    assert isinstance(outcome.json, list)
    assert {("tea.knhk", 5), ("tea.knhk", 6)} <= {
        (each["file"], each["line"]) for each in outcome.json
    }


def test_without_a_problem_programs_get_an_empty_list(project: Project) -> None:
    project.write("tea.knhk", GOOD)

    assert [] == project.knhk("check", "--format", "json", "tea.knhk").json


def test_a_warning_is_no_error(project: Project) -> None:
    project.write("tea.knhk", GOOD.replace("tea", "MakeTea"))

    outcome = project.knhk("check", "tea.knhk")

    assert 0 == outcome.code
    assert "warning[KN213]" in outcome.out
    assert "1 file checked: 0 errors, 1 warning\n" == outcome.err


def test_a_warning_that_is_allowed_is_counted_and_not_shown(project: Project) -> None:
    allow = "workflow MakeTea(cups: int) -> int  # knhk: allow KN213 because the shop calls it so"
    project.write("tea.knhk", GOOD.replace("workflow tea(cups: int) -> int", allow))

    outcome = project.knhk("check", "tea.knhk")

    assert (0, "") == (outcome.code, outcome.out)
    assert "1 file checked: 0 errors, 0 warnings, 1 silenced\n" == outcome.err


def test_a_warning_that_is_allowed_is_not_shown_when_the_workflow_runs_either(
    project: Project,
) -> None:
    allow = "# knhk: allow KN213 because the shop calls it so"
    for name, text in (("loud", GOOD), ("quiet", allow + GOOD)):
        project.write(f"{name}.knhk", text.replace("workflow tea", "workflow MakeTea"))

    loud, quiet = (
        project.knhk("run", f"{name}.knhk", "-p", "cups=1") for name in ("loud", "quiet")
    )

    assert (3, 3) == (loud.code, quiet.code)
    assert "warning[KN213]" in loud.err
    assert "KN213" not in quiet.err


def test_an_allow_that_silences_nothing_is_told_for_the_files_that_are_checked(
    project: Project,
) -> None:
    project.write("types.knhk", "record Item  # knhk: allow KN213 because so\n    price: int\n")
    project.write(
        "tea.knhk", 'from "types.knhk" use Item\n' + GOOD.replace("cups: int", "cups: Item")
    )

    used, given = project.knhk("check", "tea.knhk"), project.knhk("check", "types.knhk")

    assert "KN732" not in used.out
    assert "types.knhk:1:14: warning[KN732]: there is no KN213 on line 1" in given.out


def test_code_scanning_gets_sarif_with_what_is_silenced(project: Project) -> None:
    project.write("a/tea.knhk", WRONG)
    project.write(
        "b/tea.knhk", "# knhk: allow KN213 because so" + GOOD.replace("workflow tea", "workflow T")
    )

    outcome = project.knhk("check", "--format", "sarif", ".")

    assert 2 == outcome.code
    (run,) = json.loads(outcome.out)["runs"]
    places = [
        each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for each in run["results"]
    ]
    assert ["a/tea.knhk", "a/tea.knhk", "b/tea.knhk"] == places
    assert {"kind": "inSource", "justification": "so"} == run["results"][2]["suppressions"][0]
    assert __version__ == run["tool"]["driver"]["version"]


def test_github_gets_a_command_for_each_diagnostic(project: Project) -> None:
    project.write("tea.knhk", WRONG)

    outcome = project.knhk("check", "--format", "github", "tea.knhk")

    assert 2 == outcome.code
    first = "::error file=tea.knhk,line=5,endLine=5,col=18,endColumn=23,title=KN401::there is no"
    assert outcome.out.startswith(first)
    assert all(line.startswith("::error file=tea.knhk,") for line in outcome.out.splitlines())


@pytest.mark.parametrize("form", ["human", "github"])
def test_without_a_problem_there_is_no_output(project: Project, form: str) -> None:
    project.write("tea.knhk", GOOD)

    assert "" == project.knhk("check", "--format", form, "tea.knhk").out


def test_signs_that_the_output_cannot_show_are_replaced(project: Project) -> None:
    project.write("tea.knhk", GOOD.replace("-> end", "-> \u2615 end"))

    process = subprocess.run(
        project.command("check", "tea.knhk"),
        capture_output=True,
        check=False,
        cwd=project.root,
        env={**project.environment(), "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        timeout=TIMEOUT_S,
    )

    assert 2 == process.returncode
    assert b"        start -> boil -> ? end\n" in process.stdout


def test_a_directory_stands_for_the_files_in_it_but_not_in_hidden_ones(project: Project) -> None:
    project.write("a/tea.knhk", GOOD)
    project.write("a/b/tea.knhk", WRONG)
    project.write("a/.hidden/tea.knhk", WRONG)
    project.write("a/notes.txt", WRONG)

    outcome = project.knhk("check", "a")

    assert 2 == outcome.code
    assert outcome.err.startswith("2 files checked: ")
    assert {str(Path("a/b/tea.knhk"))} == set(
        re.findall(r"^(\S+\.knhk):", outcome.out, re.MULTILINE)
    )


def test_a_file_that_is_used_by_two_others_is_reported_once(project: Project) -> None:
    project.write("types.knhk", "record Item\n    price: nothing\n")
    for name in ("a", "b"):
        project.write(f"{name}.knhk", 'from "types.knhk" use Item\n' + GOOD)

    outcome = project.knhk("check", ".")

    assert 2 == outcome.code
    assert 1 == outcome.out.count("types.knhk:2:12: error[KN214]")


@pytest.mark.parametrize("content", CASES.values(), ids=CASES.keys())
def test_whatever_is_in_a_file_the_answer_is_a_diagnostic_with_a_place(
    project: Project, content: bytes
) -> None:
    (project.root / "bad.knhk").write_bytes(content)

    outcome = project.knhk("check", "bad.knhk")

    assert 2 == outcome.code
    assert re.search(r"^bad\.knhk:\d+:\d+: error\[KN1\d\d\]: \S", outcome.out, re.MULTILINE)
    assert len(outcome.out) < 200_000


@pytest.mark.parametrize(
    "arguments,words",
    [
        ([], "Missing argument 'PATH...'"),
        (["none.knhk"], "'none.knhk' does not exist"),
        (["empty"], "there is no .knhk file in empty"),
        (["--format", "xml", "."], "'xml' is not one of 'human', 'json'"),
    ],
)
def test_wrong_use_gives_two_and_one_sentence(
    project: Project, arguments: list[str], words: str
) -> None:
    (project.root / "empty").mkdir()

    outcome = project.knhk("check", *arguments)

    assert (2, "") == (outcome.code, outcome.out)
    assert words in outcome.err


def test_a_file_that_cannot_be_read_does_not_keep_the_others_from_being_checked(
    project: Project,
) -> None:
    project.write("tea.knhk", WRONG)
    (project.root / "loop.knhk").symlink_to("loop.knhk")

    outcome = project.knhk("check", ".")

    assert 2 == outcome.code
    assert "loop.knhk:1:1: error[KN201]: the file cannot be read: " in outcome.out
    assert "tea.knhk:5:18: error" in outcome.out


def test_a_check_without_a_finding_reads_no_page_and_loads_nothing_that_renders(
    project: Project,
) -> None:
    project.write("tea.knhk", GOOD)
    code = """
import sys
from knhk.cli.main import execute
left = execute(["check", "tea.knhk"])
print(left, [name for name in ("knhk_dsl.diagnostics", "knhk_dsl.rendering", "rich", "watchfiles")
             if name in sys.modules])
"""

    process = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        cwd=project.root,
        text=True,
        timeout=TIMEOUT_S,
    )

    assert "0 []\n" == process.stdout
