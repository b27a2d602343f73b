"""Every code has a page, and every example on it gives what it says."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

import knhk
import knhk_dsl
from knhk.checking import check as check_whole
from knhk.errors import Diagnostic
from knhk.patterns import Drawing, Pattern
from knhk_dsl import Sources
from knhk_dsl.diagnostics import (
    GROUPS,
    Example,
    Explanation,
    catalogue,
    codes,
    explanation,
    group_of,
    nearest,
    spelt_out,
)
from knhk_dsl.silencing import silence
from tests.dsl.check.environment import ENVIRONMENT

PAGES: Final = catalogue()
#: Lines of a page of text in a terminal are not endless.
PARAGRAPHS_MAX: Final = 3
CODE: Final = re.compile(r'"(KN\d{3})"')


def undrawable(_drawing: Drawing) -> None:
    raise ValueError("this is not how it goes")


SPIRAL: Final = Pattern("spiral", "A word that its plugin cannot draw.", undrawable)
INSTALLED: Final = replace(ENVIRONMENT, patterns={**ENVIRONMENT.patterns, "spiral": SPIRAL})


def check(example: Example, root: Path) -> tuple[Diagnostic, ...]:
    """What the whole check shows for an example."""
    (root / "knhk.toml").touch()
    for name, data in example.files().items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    sources = Sources.of_file(root / example.sources[0].name)
    shown, _ = silence(check_whole(sources, INSTALLED).diagnostics, sources.files)
    return shown


@pytest.mark.parametrize("page", PAGES, ids=codes())
def test_a_bad_example_gives_its_code_and_no_other(page: Explanation, tmp_path: Path) -> None:
    found = check(page.bad, tmp_path)

    assert {page.text or page.code} | set(page.also) == {each.code for each in found}, "\n".join(
        map(str, found)
    )
    if not page.text:
        assert {page.severity} == {each.severity for each in found if each.code == page.code}


@pytest.mark.parametrize("page", PAGES, ids=codes())
def test_a_good_example_gives_nothing(page: Explanation, tmp_path: Path) -> None:
    found = check(page.good, tmp_path)

    # What is not executed yet cannot be left out where it is what the page is about.
    unavoidable = set(page.also) & {"KN901"}
    assert unavoidable == {each.code for each in found}, "\n".join(map(str, found))


@pytest.mark.parametrize("page", PAGES, ids=codes())
def test_a_page_says_in_short_what_to_do(page: Explanation) -> None:
    assert 1 <= len(page.paragraphs) <= PARAGRAPHS_MAX
    assert all(10 < len(paragraph) < 420 for paragraph in page.paragraphs)
    assert all(paragraph.count("`") % 2 == 0 for paragraph in page.paragraphs)
    assert not page.title.endswith(".")
    assert page.title[0].islower()
    assert page.severity in {"error", "warning"}
    assert page.bad.sources != page.good.sources or page.bad.encoding != page.good.encoding


def test_every_code_in_the_sources_has_a_page_and_every_page_a_code() -> None:
    roots = (Path(str(package.__file__)).parent for package in (knhk, knhk_dsl))
    written = {
        code
        for root in roots
        for path in root.rglob("*.py")
        for code in CODE.findall(path.read_text(encoding="utf-8"))
    }

    assert set(codes()) == written


def test_every_code_belongs_to_a_group() -> None:
    assert set(GROUPS) == {group_of(code) for code in codes()}


@pytest.mark.parametrize("word", ["KN312", "kn312", "312", " Kn312 "])
def test_a_code_may_be_named_by_its_number(word: str) -> None:
    assert "KN312" == spelt_out(word)


def test_a_code_that_there_is_not_has_nearest_ones_and_no_page() -> None:
    assert "KN312" in nearest("KN3122")
    assert [] == nearest("otherwise")
    with pytest.raises(KeyError):
        explanation("KN999")


def test_what_is_too_long_to_be_shown_is_in_the_files_of_an_example() -> None:
    example = explanation("KN110").bad

    assert b"(" * 101 in example.files()["example.knhk"]
    assert "((" not in example.sources[0].text
