"""The extension for Visual Studio Code: it fits the language, and packs without a network."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

EXTENSION = Path(__file__).parent.parent.parent / "editors" / "vscode"


def script(name: str) -> ModuleType:
    """A script of the extension, as a module."""
    spec = importlib.util.spec_from_file_location(f"vscode_{name}", EXTENSION / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def copied(directory: Path, *, libraries: bool) -> Path:
    """A copy of the extension, with stand-ins of the libraries that its lock names."""
    copy = directory / "vscode"
    shutil.copytree(EXTENSION, copy, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
    lock = json.loads((copy / "package-lock.json").read_text(encoding="utf-8"))
    for place, package in lock["packages"].items():
        if place and libraries:
            (copy / place).mkdir(parents=True)
            manifest = json.dumps({"version": package["version"]})
            (copy / place / "package.json").write_text(manifest, encoding="utf-8")
            (copy / place / "main.js").write_text("exports.here = true;\n", encoding="utf-8")
    return copy


def packed(directory: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "package.py", "made.vsix"]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)


def test_its_grammar_is_what_the_words_of_the_language_make() -> None:
    found = script("grammar")

    assert found.PATH.read_text(encoding="utf-8") == found.written()


def test_it_names_only_files_that_are_there() -> None:
    package = json.loads((EXTENSION / "package.json").read_text(encoding="utf-8"))
    contributed = package["contributes"]
    named = [
        package["main"],
        *(language["configuration"] for language in contributed["languages"]),
        *(grammar["path"] for grammar in contributed["grammars"]),
    ]

    assert [] == [name for name in named if not (EXTENSION / name).is_file()]
    assert {name.removeprefix("./") for name in named} <= set(script("package").FILES)
    json.loads((EXTENSION / "language-configuration.json").read_text(encoding="utf-8"))


def test_its_lock_names_no_place_to_fetch_from() -> None:
    lock = json.loads((EXTENSION / "package-lock.json").read_text(encoding="utf-8"))

    assert [] == [place for place, package in lock["packages"].items() if "resolved" in package]


def test_it_packs_itself_and_its_libraries(tmp_path: Path) -> None:
    directory = copied(tmp_path, libraries=True)

    first = packed(directory)
    data = (directory / "made.vsix").read_bytes()
    packed(directory)

    assert (0, "made.vsix\n") == (first.returncode, first.stdout)
    assert data == (directory / "made.vsix").read_bytes()
    with zipfile.ZipFile(directory / "made.vsix") as archive:
        names = archive.namelist()
        manifest = ET.fromstring(archive.read("extension.vsixmanifest"))
        ET.fromstring(archive.read("[Content_Types].xml"))
    assert {
        "extension/package.json",
        "extension/extension.js",
        "extension/syntaxes/knhk.tmLanguage.json",
        "extension/node_modules/vscode-languageclient/main.js",
    } <= set(names)
    identity = next(each for each in manifest.iter() if each.tag.endswith("Identity"))
    assert ("knhk", "knhk") == (identity.get("Id"), identity.get("Publisher"))


def test_without_its_libraries_it_says_what_to_do(tmp_path: Path) -> None:
    done = packed(copied(tmp_path, libraries=False))

    assert 1 == done.returncode
    assert "is missing: run `npm ci` in" in done.stderr


def test_with_another_version_of_a_library_it_says_what_to_do(tmp_path: Path) -> None:
    directory = copied(tmp_path, libraries=True)
    manifest = directory / "node_modules/vscode-languageclient/package.json"
    manifest.write_text('{"version": "0.0.1"}', encoding="utf-8")

    done = packed(directory)

    assert 1 == done.returncode
    assert "has version 0.0.1, not" in done.stderr


def test_its_code_can_be_read() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")

    done = subprocess.run(
        [node, "--check", EXTENSION / "extension.js"], capture_output=True, text=True, check=False
    )

    assert (0, "") == (done.returncode, done.stderr)


def test_it_packs_the_libraries_that_npm_brought(tmp_path: Path) -> None:
    if not (EXTENSION / "node_modules").exists():
        pytest.skip("run `npm ci` in editors/vscode to pack the extension with its libraries")
    target = tmp_path / "knhk.vsix"

    command = [sys.executable, str(EXTENSION / "package.py"), str(target)]
    subprocess.run(command, check=True, capture_output=True)

    with zipfile.ZipFile(target) as archive:
        assert "extension/node_modules/vscode-languageclient/node.js" in archive.namelist()
