"""Which files a source may use, and what is said of the others."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from knhk_dsl import Environment, Sources, check_sources, compile_sources

USE_ITEM = 'from "{}" use Item\n'
WORKFLOW = """
workflow w(item: Item) -> Item
    task t
    flow
        start -> t -> end
    return item
"""
RECORD = "record Item\n    price: decimal\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one record and a directory of flows."""
    (tmp_path / "knhk.toml").touch()
    (tmp_path / "types.knhk").write_text(RECORD, encoding="utf-8")
    (tmp_path / "flows").mkdir()
    return tmp_path


def problems(project: Path, used: str, entry: str = "flows/w.knhk") -> list[str]:
    file = project / entry
    file.write_text(USE_ITEM.format(used) + WORKFLOW, encoding="utf-8")
    return [str(each) for each in check_sources(Sources.of_file(file), Environment())]


def test_a_file_is_used_relative_to_the_one_that_uses_it(project: Path) -> None:
    assert problems(project, "../types.knhk") == []
    compilation = compile_sources(Sources.of_file(project / "flows/w.knhk"), Environment())
    assert (compilation.entry, sorted(compilation.files), compilation.root) == (
        "flows/w.knhk",
        ["flows/w.knhk", "types.knhk"],
        project,
    )


@pytest.mark.parametrize(
    ("used", "message"),
    [
        ("../../types.knhk", "KN202 '../../types.knhk' lies outside the project"),
        ("/etc/passwd.knhk", "KN202 '/etc/passwd.knhk' lies outside the project"),
        ("a/../../../x.knhk", "KN202 'a/../../../x.knhk' lies outside the project"),
        ("../typse.knhk", "KN201 there is no file 'typse.knhk'"),
        ("../types.py", "KN203 '../types.py' is not a .knhk file"),
        ("dir.knhk", "KN201 'flows/dir.knhk' is a directory"),
    ],
)
def test_other_files_are_refused_at_their_place(project: Path, used: str, message: str) -> None:
    (project / "flows/dir.knhk").mkdir()
    assert problems(project, used) == [f"flows/w.knhk:1:6: {message}"]


def test_a_link_does_not_lead_out_of_the_project(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "types.knhk"
    outside.write_text(RECORD, encoding="utf-8")
    (project / "flows/link.knhk").symlink_to(outside)
    (project / "flows/inside.knhk").symlink_to(project / "types.knhk")
    assert problems(project, "link.knhk") == [
        "flows/w.knhk:1:6: KN202 'link.knhk' lies outside the project"
    ]
    assert problems(project, "inside.knhk") == []


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_without_permission_is_reported(project: Path) -> None:
    (project / "types.knhk").chmod(0)
    assert "cannot be read" in problems(project, "../types.knhk")[0]


def test_a_pipe_is_not_waited_for(project: Path) -> None:
    os.mkfifo(project / "flows/pipe.knhk")
    assert problems(project, "pipe.knhk") == [
        "flows/w.knhk:1:6: KN201 'flows/pipe.knhk' cannot be read: is not a regular file"
    ]


def test_an_entry_that_is_not_there_is_an_os_error(project: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Sources.of_file(project / "nowhere.knhk")
    with pytest.raises(IsADirectoryError):
        Sources.of_file(project)


def bundle(files: Mapping[str, str], entry: str = "a.knhk") -> list[str]:
    found = check_sources(Sources.of_bundle(files, entry), Environment())
    return [str(each) for each in found]


def test_a_circle_is_shown() -> None:
    files = {
        "a.knhk": 'from "b.knhk" use B\n\nrecord A\n    b: B?\n',
        "b.knhk": 'from "c.knhk" use C\n\nrecord B\n    c: C?\n',
        "c.knhk": 'from "a.knhk" use A\n\nrecord C\n    a: A?\n',
    }
    assert bundle(files) == [
        "c.knhk:1:6: KN204 files use each other in a circle: a.knhk -> b.knhk -> c.knhk -> a.knhk"
    ]


def test_a_file_used_on_two_ways_is_read_once() -> None:
    files = {
        "a.knhk": 'from "b.knhk" use B\nfrom "c.knhk" use C\n\nrecord A\n    b: B\n    c: C\n',
        "b.knhk": 'from "d.knhk" use D\n\nrecord B\n    d: D\n',
        "c.knhk": 'from "d.knhk" use D\n\nrecord C\n    d: D\n',
        "d.knhk": "record D\n    x: int\n    y: intt\n",
    }
    assert bundle(files) == ["d.knhk:3:8: KN214 there is no type `intt`"]


def test_a_name_that_the_file_does_not_define_is_reported() -> None:
    files = {"a.knhk": 'from "b.knhk" use Itme\n\nrecord A\n    x: Itme\n', "b.knhk": RECORD}
    assert bundle(files) == ["a.knhk:1:19: KN208 'b.knhk' does not define `Itme`"]


def test_a_bundle_gives_the_same_digest_as_its_files(project: Path) -> None:
    assert problems(project, "../types.knhk") == []
    first = compile_sources(Sources.of_file(project / "flows/w.knhk"), Environment())
    again = compile_sources(Sources.of_bundle(first.files, first.entry, first.root), Environment())
    assert (again.digest, again.files) == (first.digest, first.files)
    changed = {**first.files, "types.knhk": RECORD + "    x: int = 1\n"}
    other = compile_sources(Sources.of_bundle(changed, first.entry), Environment())
    assert other.digest != first.digest


def test_text_without_a_root_uses_no_files() -> None:
    text = USE_ITEM.format("types.knhk") + WORKFLOW
    assert [str(each) for each in check_sources(Sources.of_text(text), Environment())] == [
        "workflow.knhk:1:6: KN201 there is no file 'types.knhk' among the sources"
    ]


def test_text_with_a_root_uses_files(project: Path) -> None:
    text = USE_ITEM.format("types.knhk") + WORKFLOW
    assert check_sources(Sources.of_text(text, project), Environment()) == ()
