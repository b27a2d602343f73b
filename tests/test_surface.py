"""What can be imported from KNHK, what that costs, and which kernel the tests run on."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import subprocess
import sys
from importlib.metadata import entry_points, metadata
from pathlib import Path

import pytest

#: Every package and module with a public surface; the rest is private to its package.
PUBLIC = [
    "knhk",
    "knhk.connect",
    "knhk.engine",
    "knhk.errors",
    "knhk.hookspecs",
    "knhk.journal",
    "knhk.kernel",
    "knhk.model",
    "knhk.module",
    "knhk.patterns",
    "knhk.pictures",
    "knhk.plugins",
    "knhk.pygments",
    "knhk.testing",
    "knhk.testing.conformance",
    "knhk.testing.simulation",
    "knhk_dsl",
    "knhk_dsl.diagnostics",
    "knhk_dsl.silencing",
    "knhk_dsl.format",
    "knhk_plugins",
]
HEAVY = {
    "anyio",
    "apsw",
    "asyncio",
    "httpx2",
    "lark",
    "lsprotocol",
    "numpy",
    "pluggy",
    "psycopg",
    "pygls",
    "pydantic",
    "rich",
}


def loaded_by(code: str) -> set[str]:
    """Run code in a new interpreter and give the top-level modules it leaves loaded."""
    report = "import sys, json; sys.stderr.write(json.dumps([*sys.modules]))"
    process = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"],
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )
    return {name.split(".")[0] for name in json.loads(process.stderr)}


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_exists_and_is_listed_once(name: str) -> None:
    module = importlib.import_module(name)

    listed = list(getattr(module, "__all__", []))

    assert len(listed) == len(set(listed))
    assert [] == [each for each in listed if not hasattr(module, each)]


@pytest.mark.parametrize("name", PUBLIC)
def test_every_function_and_class_of_a_module_is_public_by_its_list_or_private_by_its_name(
    name: str,
) -> None:
    module = importlib.import_module(name)
    listed = getattr(module, "__all__", None)
    if listed is None:
        pytest.skip("a module without __all__ offers every name without an underscore")

    own = [
        each
        for each, value in vars(module).items()
        if not each.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == name
    ]

    assert [] == sorted(set(own) - set(listed))


def is_compiled(value: object) -> bool:
    """Whether mypyc has compiled it: its classes lose their docstrings."""
    module = sys.modules[str(getattr(value, "__module__", ""))]
    return not str(module.__file__).endswith(".py")


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_function_and_class_says_what_it_is_for(name: str) -> None:
    module = importlib.import_module(name)

    silent = [
        each
        for each in getattr(module, "__all__", [])
        if (inspect.isclass(value := getattr(module, each)) or inspect.isroutine(value))
        and not is_compiled(value)
        and not inspect.getdoc(value)
    ]

    assert [] == silent


@pytest.mark.parametrize("name", ["knhk", "knhk.engine", "knhk.journal", "knhk_dsl"])
def test_a_package_lists_what_it_offers(name: str) -> None:
    assert getattr(importlib.import_module(name), "__all__", [])


def test_importing_knhk_loads_nothing_heavy() -> None:
    assert set() == HEAVY & loaded_by("import knhk")


def test_the_help_of_the_command_loads_nothing_heavy() -> None:
    code = """
import sys
sys.argv = ["knhk", "--help"]
try:
    from knhk.cli.main import main
    main()
except SystemExit as left:
    assert not left.code, left.code
"""
    assert set() == HEAVY & loaded_by(code)


def test_the_kernel_is_the_one_that_this_run_is_to_test() -> None:
    modules = ["knhk.model", "knhk.kernel.case", "knhk.kernel.program"]
    paths = [Path(str(importlib.import_module(name).__file__)) for name in modules]
    expected = os.environ.get("KNHK_EXPECT_COMPILED") == "1"

    assert [expected] * len(modules) == [path.suffix in {".so", ".pyd"} for path in paths]


def test_a_compiled_run_tests_what_is_installed_and_not_a_checkout() -> None:
    if os.environ.get("KNHK_EXPECT_COMPILED") != "1":
        pytest.skip("this run is interpreted")
    names = ["knhk", "knhk_dsl", "knhk_plugins", "knhk_http"]

    files = {name: str(importlib.import_module(name).__file__) for name in names}

    assert names == [name for name, file in files.items() if "site-packages" in file]


def test_the_distribution_names_its_command_and_its_licence() -> None:
    commands = {point.name: point.value for point in entry_points(group="console_scripts")}

    assert "knhk.cli.main:main" == commands["knhk"]
    assert "Apache-2.0" == metadata("knhk")["License-Expression"]
