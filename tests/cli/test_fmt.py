"""`knhk fmt`: files are written in the one style, or left as they are."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from knhk.cli.files import replace_bytes
from knhk.cli.main import execute

from .conftest import Project

UGLY = """\
workflow tea( cups:int )->int
  task boil  # water
  flow
     start->boil->end
  return cups"""
NEAT = """\
workflow tea(cups: int) -> int
    task boil  # water
    flow
        start -> boil -> end
    return cups
"""
WRONG = "workflow tea\n    task = boil\n"
DIFFERENCE = """\
--- tea.knhk
+++ tea.knhk
@@ -1,5 +1,5 @@
-workflow tea( cups:int )->int
-  task boil  # water
-  flow
-     start->boil->end
-  return cups
\\ No newline at end of file
+workflow tea(cups: int) -> int
+    task boil  # water
+    flow
+        start -> boil -> end
+    return cups
"""


def test_a_file_is_written_in_the_style_and_left_alone_the_next_time(project: Project) -> None:
    path = project.write("tea.knhk", UGLY)

    first, second = project.knhk("fmt", "tea.knhk"), project.knhk("fmt", "tea.knhk")

    assert NEAT == path.read_text(encoding="utf-8")
    assert (0, "", "formatted tea.knhk\n1 file formatted\n") == (first.code, first.out, first.err)
    assert (0, "", "1 file left alone\n") == (second.code, second.out, second.err)


def test_check_names_the_files_that_would_change_and_writes_none(project: Project) -> None:
    ugly = project.write("a/tea.knhk", UGLY)
    project.write("b.knhk", NEAT)

    outcome = project.knhk("fmt", "--check", ".")

    assert (1, f"{Path('a/tea.knhk')}\n") == (outcome.code, outcome.out)
    assert "1 file would be formatted, 1 file left alone\n" == outcome.err
    assert UGLY == ugly.read_text(encoding="utf-8")


def test_check_of_files_in_the_style_gives_zero(project: Project) -> None:
    project.write("tea.knhk", NEAT)

    assert 0 == project.knhk("fmt", "--check", "tea.knhk").code


@pytest.mark.parametrize("check,code", [([], 0), (["--check"], 1)])
def test_diff_shows_what_would_change_and_writes_nothing(
    project: Project, check: list[str], code: int
) -> None:
    path = project.write("tea.knhk", UGLY)

    outcome = project.knhk("fmt", "--diff", *check, "tea.knhk")

    assert (code, DIFFERENCE) == (outcome.code, outcome.out)
    assert "1 file would be formatted\n" == outcome.err
    assert UGLY == path.read_text(encoding="utf-8")


def test_stdin_is_written_to_stdout(project: Project) -> None:
    for source in (UGLY, NEAT):
        outcome = project.knhk("fmt", "-", stdin=source)

        assert (0, NEAT, "") == (outcome.code, outcome.out, outcome.err)


def test_stdin_can_be_checked_and_compared(project: Project) -> None:
    check = project.knhk("fmt", "--check", "-", stdin=UGLY)
    diff = project.knhk("fmt", "--diff", "-", stdin=UGLY)

    assert (1, "") == (check.code, check.out)
    assert (0, DIFFERENCE.replace("tea.knhk", "<stdin>")) == (diff.code, diff.out)
    assert 0 == project.knhk("fmt", "--check", "-", stdin=NEAT).code


def test_stdin_that_cannot_be_read_gives_two_and_nothing_on_stdout(project: Project) -> None:
    outcome = project.knhk("fmt", "-", stdin=WRONG)

    assert (2, "") == (outcome.code, outcome.out)
    assert "<stdin>:2:10: error[KN101]: " in outcome.err


def test_a_file_with_a_syntax_error_is_left_alone_and_the_others_are_formatted(
    project: Project,
) -> None:
    bad = project.write("a.knhk", WRONG)
    good = project.write("b.knhk", UGLY)

    outcome = project.knhk("fmt", "a.knhk", "b.knhk")

    assert (2, "") == (outcome.code, outcome.out)
    assert "a.knhk:2:10: error[KN101]: " in outcome.err
    assert "    2 |     task = boil\n" in outcome.err
    assert outcome.err.endswith("1 file formatted, 1 file with syntax errors\n")
    assert WRONG == bad.read_text(encoding="utf-8")
    assert NEAT == good.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "content",
    [b"workflow \xff\n", b"", b"\0", b"x" * 5_000_000],
    ids=["utf-8", "none", "nul", "5 MB"],
)
def test_bytes_that_are_no_source_stay_as_they_are(project: Project, content: bytes) -> None:
    path = project.root / "bad.knhk"
    path.write_bytes(content)

    outcome = project.knhk("fmt", "bad.knhk")

    assert 2 == outcome.code
    assert "bad.knhk:1:" in outcome.err
    assert content == path.read_bytes()


def test_carriage_returns_and_a_mark_at_the_start_are_dropped(project: Project) -> None:
    path = project.root / "tea.knhk"
    path.write_bytes(b"\xef\xbb\xbf" + NEAT.replace("\n", "\r\n").encode())

    assert 0 == project.knhk("fmt", "tea.knhk").code
    assert NEAT.encode() == path.read_bytes()


def test_a_link_stays_a_link_and_the_mode_of_the_file_stays(project: Project) -> None:
    path = project.write("deep/tea.knhk", UGLY)
    path.chmod(0o640)
    link = project.root / "link.knhk"
    link.symlink_to("deep/tea.knhk")

    assert 0 == project.knhk("fmt", "link.knhk").code
    assert link.is_symlink()
    assert NEAT == path.read_text(encoding="utf-8")
    assert 0o640 == stat.S_IMODE(path.stat().st_mode)
    assert ["tea.knhk"] == [each.name for each in path.parent.iterdir()]


def test_a_file_that_cannot_be_opened_does_not_keep_the_others_from_being_formatted(
    project: Project,
) -> None:
    (project.root / "loop.knhk").symlink_to("loop.knhk")
    os.mkfifo(project.root / "pipe.knhk")
    path = project.write("tea.knhk", UGLY)

    outcome = project.knhk("fmt", ".")

    assert 1 == outcome.code
    assert "knhk: loop.knhk: Too many levels of symbolic links\n" in outcome.err
    assert "knhk: pipe.knhk: is not a regular file\n" in outcome.err
    assert outcome.err.endswith("1 file formatted, 2 files not done\n")
    assert NEAT == path.read_text(encoding="utf-8")


def test_a_file_that_cannot_be_written_is_told_and_the_others_are_formatted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    protected, other = tmp_path / "a.knhk", tmp_path / "b.knhk"
    for path in (protected, other):
        path.write_text(UGLY, encoding="utf-8")
    # Root may write everything, so that a mode would not do.
    monkeypatch.setattr("os.access", lambda path, _mode: path != protected)

    code = execute(["fmt", str(protected), str(other)])

    assert 1 == code
    assert f"knhk: {protected}: Permission denied\n" in capsys.readouterr().err
    assert UGLY == protected.read_text(encoding="utf-8")
    assert NEAT == other.read_text(encoding="utf-8")


def test_a_write_that_fails_half_way_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "tea.knhk"
    path.write_text(UGLY, encoding="utf-8")

    def full(_number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)

    with pytest.raises(OSError, match="No space left on device"):
        replace_bytes(path, b"new")
    assert UGLY == path.read_text(encoding="utf-8")
    assert [path] == list(tmp_path.iterdir())


def test_a_mistake_of_the_formatter_is_told_and_the_file_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tea.knhk"
    path.write_text(UGLY, encoding="utf-8")
    monkeypatch.setattr("knhk_dsl.format.lay_out", lambda _reading: "workflow coffee\n")

    code = execute(["fmt", str(path)])

    told = capsys.readouterr().err
    assert 1 == code
    assert told.startswith(
        f"knhk: {path}: internal error: formatting {path} would change its meaning"
    )
    assert "please report this together with the file" in told
    assert UGLY == path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "arguments,words",
    [
        ([], "Missing argument 'PATH...'"),
        (["none.knhk"], "'none.knhk' does not exist"),
        (["empty"], "there is no .knhk file in empty"),
        (["-", "tea.knhk"], "- stands alone"),
    ],
)
def test_wrong_use_gives_two_and_one_sentence(
    project: Project, arguments: list[str], words: str
) -> None:
    (project.root / "empty").mkdir()
    project.write("tea.knhk", UGLY)

    outcome = project.knhk("fmt", *arguments)

    assert (2, "") == (outcome.code, outcome.out)
    assert words in outcome.err
