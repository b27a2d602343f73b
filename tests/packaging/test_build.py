"""The build hook: what is in a wheel, and what happens where nothing can be compiled.

These tests are about the checkout, so the compiled session, which runs outside it, has them not.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
BUILD = "import sys, hatchling.build as b; print('wheel:', b.build_wheel(sys.argv[1]))"


def build(directory: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BUILD, str(directory)],
        capture_output=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, **variables},
        text=True,
        timeout=100,
    )


def names(directory: Path) -> list[str]:
    (wheel,) = directory.glob("*.whl")
    return ZipFile(wheel).namelist()


@pytest.fixture(scope="module")
def interpreted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    process = build(directory, KNHK_MYPYC="0")
    assert process.returncode == 0, process.stderr
    return directory


def test_a_wheel_that_is_not_to_be_compiled_fits_every_machine(interpreted: Path) -> None:
    (wheel,) = interpreted.glob("*.whl")

    assert wheel.name.endswith("-py3-none-any.whl")
    assert [] == [name for name in names(interpreted) if name.endswith((".so", ".pyd", ".c"))]


def test_a_wheel_holds_three_packages_their_types_the_grammar_and_the_licence(
    interpreted: Path,
) -> None:
    held = names(interpreted)

    wanted = {
        "knhk/py.typed",
        "knhk_dsl/py.typed",
        "knhk_plugins/py.typed",
        "knhk_dsl/syntax/grammar.lark",
        "knhk_dsl/syntax/grammar.json",
        "knhk_dsl/diagnostics/pages/KN101.md",
    }
    assert wanted == wanted & set(held)
    assert {"knhk", "knhk_dsl", "knhk_plugins"} == {
        name.split("/")[0] for name in held if ".dist-info/" not in name
    }
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in held)


def test_a_wheel_holds_every_file_of_the_conformance_suite(interpreted: Path) -> None:
    files = {path.name for path in (ROOT / "tests" / "patterns").glob("*.toml")}

    held = {name for name in names(interpreted) if name.startswith("knhk/testing/patterns/")}

    assert len(files) > 40
    assert {f"knhk/testing/patterns/{name}" for name in files} == held


def test_without_a_compiler_the_wheel_is_interpreted_and_one_line_says_so(tmp_path: Path) -> None:
    process = build(tmp_path, KNHK_MYPYC="auto", CC="false")

    said = process.stdout + process.stderr
    assert 0 == process.returncode, said
    assert 1 == said.count("knhk: no working C compiler was found; the kernel is installed")
    assert "py3-none-any" in process.stdout


def test_a_compiled_wheel_that_is_insisted_on_fails_without_a_compiler(tmp_path: Path) -> None:
    process = build(tmp_path, KNHK_MYPYC="1", CC="false")

    assert process.returncode != 0
    assert "knhk: no working C compiler was found; KNHK_MYPYC=1 asks for" in process.stderr
    assert [] == list(tmp_path.iterdir())


def test_a_switch_that_is_none_of_the_three_is_refused(tmp_path: Path) -> None:
    process = build(tmp_path, KNHK_MYPYC="yes")

    assert process.returncode != 0
    assert "KNHK_MYPYC is 'yes'; it must be auto, 1 or 0" in process.stderr


def test_a_build_leaves_nothing_in_the_tree(interpreted: Path) -> None:
    assert interpreted.exists()
    left = [
        path
        for package in ("knhk", "dsl", "plugins")
        for pattern in ("*.so", "*.pyd", "*.c")
        for path in (ROOT / package).rglob(pattern)
    ]

    assert [] == left
    assert not (ROOT / "build").exists()
