"""`knhk explain`: what a diagnostic means."""

from __future__ import annotations

import pytest

from knhk_dsl.diagnostics import codes

from .conftest import Project

EXPLAINED = """\
error[KN403] no start

No chain begins with `start`, so a case would have nothing to do.

Say what comes first: `start -> charge`.

bad:
  │ workflow order(id: str)
  │     task charge
  │     task ship
  │     flow
  │         charge -> ship -> end

good:
  │ workflow order(id: str)
  │     task charge
  │     task ship
  │     flow
  │         start -> charge -> ship -> end
"""


@pytest.mark.parametrize("word", ["KN403", "kn403", "403"])
def test_a_code_is_explained_with_a_bad_and_a_good_example(project: Project, word: str) -> None:
    outcome = project.knhk("explain", word)

    assert (0, EXPLAINED, "") == (outcome.code, outcome.out, outcome.err)


def test_several_codes_are_explained_one_after_the_other(project: Project) -> None:
    outcome = project.knhk("explain", "403", "KN208")

    assert outcome.out.startswith(EXPLAINED + "\n")
    assert "\nerror[KN208] a used file does not define the name\n" in outcome.out
    assert "\nbad: example.knhk\n" in outcome.out
    assert "\nbad: types.knhk\n" in outcome.out


def test_what_is_left_out_of_an_example_is_told(project: Project) -> None:
    assert "(… stands for 101 times '(')" in project.knhk("explain", "110").out


def test_without_a_code_all_are_listed(project: Project) -> None:
    outcome = project.knhk("explain")

    listed = [line.split()[0] for line in outcome.out.splitlines() if line.startswith("  KN")]
    assert (0, list(codes())) == (outcome.code, listed)
    assert "\nData flow\n  KN711  " in outcome.out


@pytest.mark.parametrize(
    "word,hint",
    [("KN3122", "the nearest: KN312"), ("nothing", "`knhk explain` lists all")],
)
def test_for_an_unknown_code_the_nearest_ones_are_named(
    project: Project, word: str, hint: str
) -> None:
    outcome = project.knhk("explain", "403", word)

    assert (2, "") == (outcome.code, outcome.out)
    assert f"there is no diagnostic '{word}'; {hint}" in outcome.err
