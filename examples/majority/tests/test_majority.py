"""The word `majority`, in workflows that are played without I/O."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from knhk import CheckError, load, plugins

SOURCE = """
workflow decide()
    task ann
    task bob
    task cy
    task publish
    flow
        start -> majority(ann, bob, cy){} -> publish -> end
"""


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package as `pip install` leaves it, for the length of a test."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1])
    monkeypatch.syspath_prepend(tmp_path)
    info = tmp_path / "knhk_majority-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: knhk-majority\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text("[knhk]\nmajority = knhk_majority\n")
    plugins._loaded.cache_clear()
    yield
    plugins._loaded.cache_clear()
    sys.modules.pop("knhk_majority", None)


def test_it_goes_on_at_the_second_of_three() -> None:
    case = load(SOURCE.format(""))["decide"].case()
    assert case.offered == ("ann", "bob", "cy")
    case.run("cy")
    assert case.offered == ("ann", "bob")
    case.run("ann")
    assert case.offered == ("bob", "publish")
    case.run("publish")
    case.run("bob")
    assert str(case.status) == "completed"


def test_with_cancelling_the_rest_is_withdrawn() -> None:
    case = load(SOURCE.format(" cancelling"))["decide"].case()
    case.run("cy")
    case.run("bob")
    assert case.offered == ("publish",)


def test_it_needs_two_branches_and_takes_no_guards() -> None:
    source = SOURCE.replace("(ann, bob, cy)", "(ann when true)").format("")
    with pytest.raises(CheckError) as caught:
        load(source)
    assert {"KN416", "KN430"} <= {each.code for each in caught.value.diagnostics}


def test_without_the_package_the_word_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "entry_points", lambda group: [])
    plugins._loaded.cache_clear()
    with pytest.raises(CheckError) as caught:
        load(SOURCE.format(""))
    assert "KN433" in {each.code for each in caught.value.diagnostics}
