"""The first minutes: make.py on any Python 3, and the commands that the README shows."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OLD = """
import sys
sys.version_info = (3, 6, 15, "final", 0)
sys.argv = ["make.py", "demo"]
exec(compile(open("make.py").read(), "make.py", "exec"))
"""


def test_the_bootstrap_parses_on_an_old_python_so_that_it_can_say_so() -> None:
    ast.parse((ROOT / "make.py").read_text(encoding="utf-8"), feature_version=(3, 7))


def test_on_an_old_python_the_bootstrap_says_which_one_it_needs() -> None:
    process = subprocess.run(
        [sys.executable, "-c", OLD],
        capture_output=True,
        check=False,
        cwd=ROOT,
        text=True,
        timeout=30,
    )

    assert 1 == process.returncode
    assert "KNHK needs Python 3.11 or later, and this is 3.6" in process.stderr
    assert "Traceback" not in process.stderr


def test_without_a_session_the_bootstrap_shows_what_there_is() -> None:
    process = subprocess.run(
        [sys.executable, "make.py"],
        capture_output=True,
        check=False,
        cwd=ROOT,
        text=True,
        timeout=30,
    )

    assert 2 == process.returncode
    assert "python3 make.py demo" in process.stdout


@pytest.mark.parametrize(
    "session", ["demo", "tests", "conformance", "lint", "types", "docs", "compiled", "bench"]
)
def test_every_session_that_is_spoken_of_exists(session: str) -> None:
    noxfile = ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8"))

    assert session in {each.name for each in noxfile.body if isinstance(each, ast.FunctionDef)}


def test_the_readme_shows_the_two_commands_that_ci_runs() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    (block,) = re.findall(r"<!-- ci: commands -->\n```\w*\n(.*?)```", readme, re.DOTALL)

    assert ["python3 make.py demo", "python3 make.py test"] == block.splitlines()
