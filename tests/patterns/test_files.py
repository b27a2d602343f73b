"""Reading a suite: what is in it, and what is said of a file that is not as it should be."""

from __future__ import annotations

from pathlib import Path

import pytest

from knhk.testing.conformance import SuiteError, load_suite
from knhk.testing.conformance.files import read_or_joins, read_pairs, read_pattern

from .conftest import SEQUENCE, Directory

PAIR = '''
[[pair]]
patterns = [3, 33]
why = "surplus tokens"
run = """
a!
b!
"""
allowed = """
workflow w
    task a
    task b
    flow
        start -> a -> b -> end
"""
refused = """
workflow w
    task a
    task b
    flow
        start -> b -> a -> end
"""
step = 1
'''
OR_JOIN = '''
[[net]]
title = "all branches"
expected = "waits"
knhk = """
workflow w
    task a
    flow
        start -> a -> end
"""

[[net.allowed]]
title = "a"
run = "a!"
'''


def line_of(text: str, words: str) -> int:
    """The number of the first line with these words."""
    return next(n for n, line in enumerate(text.splitlines(), 1) if words in line)


def test_a_pattern_file_is_read_whole(directory: Directory) -> None:
    pattern = read_pattern(directory.write())

    assert (1, "Sequence", "basic", "") == (
        pattern.number,
        pattern.name,
        pattern.group,
        pattern.notes,
    )
    (net,) = pattern.nets
    assert net.source.startswith("workflow w(x: int = 1) -> int\n    task a\n")
    (allowed,), (refused,) = net.allowed, net.refused
    assert ["a!", "b!", "status completed"] == [step.text for step in allowed.steps]
    assert [(1, True)] == [(step.number, step.refused) for step in refused.steps]


def test_every_step_knows_its_line(directory: Directory) -> None:
    pattern = read_pattern(directory.write())

    steps = [step for run in pattern.nets[0].runs for step in run.steps]

    assert [line_of(SEQUENCE, step.text) for step in steps] == [step.line for step in steps]


def test_a_suite_is_ordered_by_number(directory: Directory) -> None:
    second = SEQUENCE.replace("number = 1", "number = 2").replace("Sequence", "Parallel Split")
    directory.write(second, "02_parallel_split.toml")
    directory.write()
    directory.write(PAIR, "pairs.toml")
    directory.write(OR_JOIN, "or_join.toml")

    suite = load_suite(directory.path)

    assert [1, 2] == [each.number for each in suite.patterns]
    assert [(3, 33)] == [each.patterns for each in suite.pairs]
    assert ["waits"] == [each.expected for each in suite.or_joins]
    assert suite.pattern(2) is suite.patterns[1]
    assert None is suite.pattern(3)


def test_an_empty_directory_is_no_suite(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="there is no pattern file"):
        load_suite(tmp_path)


def test_two_files_of_one_number_are_refused(directory: Directory) -> None:
    directory.write()
    directory.write(SEQUENCE, "01_again.toml")

    with pytest.raises(SuiteError, match=r"01_sequence.toml:1: pattern 1 is also in 01_again.toml"):
        load_suite(directory.path)


@pytest.mark.parametrize(
    "old,new,line,words",
    [
        ("number = 1", "number = one", "number", "Invalid value"),
        ("number = 1", "number = '1'", "", "`number` is a whole number"),
        ("number = 1", "number = 44", "", "the patterns are 1 to 43"),
        ('"Sequence"', '"Row"', "", "pattern 1 is called 'Row' here; it is called 'Sequence'"),
        ('group = "basic"', "", "", "`group` is missing"),
        ('group = "basic"', 'group = "basic"\ncolour = 3', "", "unknown: `colour`"),
        ("[[net]]", "[net]", "", "[[net"),
        ("number = 1", "number = 2", "", "pattern 2 is called 'Sequence' here"),
        ('title = "two tasks"\n', "", "[[net]]", "`title` is missing"),
        ("b!\nstatus", "b?\nstatus", "b?", "'two tasks', 'a, then b': `b?`: a step is expected"),
        ("b!\nstatus", "b! {\nstatus", "b! {", "a JSON value is expected"),
        ("b!\nstatus", "b! 1 2\nstatus", "b! 1 2", "'2' is more than such a step has"),
        ("b!\nstatus", "given {}\nstatus", "given {}", "only in the first line"),
        ("a!\nb!", "given 5\nb!", "given 5", "a JSON object"),
        ("status completed", "status done", "status done", "'done' is no status; there is:"),
        ("status completed", "wait 5 min", "wait 5 min", "a duration such as 90s is expected"),
        ("status completed", "refused a!", "refused a!", "an allowed run holds no `refused`"),
        ("refused b+", "b+", "b+", "its last step is not `refused`"),
        ("refused b+", "refused b+\nrefused b+", "refused b+", "only the last step is refused"),
        ("refused b+", "", "[[net.refused]]", "the run has no steps"),
        ("net.refused", "net.allowed", "", ""),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_line(
    directory: Directory, old: str, new: str, line: str, words: str
) -> None:
    text = SEQUENCE.replace(old, new)
    path = directory.write(text)

    with pytest.raises(SuiteError) as caught:
        read_pattern(path)

    assert words in str(caught.value)
    assert path == caught.value.file
    if line:
        assert line_of(text, line) == caught.value.line


def test_a_pattern_without_refused_runs_is_none(directory: Directory) -> None:
    text = SEQUENCE[: SEQUENCE.index("[[net.refused]]")]

    with pytest.raises(SuiteError, match="it has no refused run"):
        read_pattern(directory.write(text))


def test_the_name_of_the_file_begins_with_the_number(directory: Directory) -> None:
    with pytest.raises(SuiteError, match="does not begin with 01_"):
        read_pattern(directory.write(SEQUENCE, "1_sequence.toml"))


@pytest.mark.parametrize(
    "old,new,words",
    [
        ("[3, 33]", "[3, 44]", "`patterns` is a list of pattern numbers"),
        ("step = 1", "step = 9", "the run has no step 9"),
        ("step = 1", "", "`step` is missing"),
    ],
)
def test_what_is_wrong_with_a_pair_is_said(
    directory: Directory, old: str, new: str, words: str
) -> None:
    path = directory.write(PAIR.replace(old, new), "pairs.toml")

    with pytest.raises(SuiteError) as caught:
        read_pairs(path)

    assert words in str(caught.value)


def test_an_or_join_waits_passes_or_is_in_a_deadlock(directory: Directory) -> None:
    path = directory.write(OR_JOIN.replace('"waits"', '"wins"'), "or_join.toml")

    with pytest.raises(SuiteError, match="`expected` is one of waits, passes, deadlock"):
        read_or_joins(path)
