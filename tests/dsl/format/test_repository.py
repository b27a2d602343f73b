"""What the repository shows to its readers is in the style."""

from __future__ import annotations

from pathlib import Path

import pytest

from knhk_dsl.format import format_text

from .sources import BLOCK, ROOT, readable

FILES = sorted(
    path for place in ("benchmarks", "docs", "examples") for path in (ROOT / place).rglob("*.knhk")
)
PAGES = [
    path for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))) if path.exists()
]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_file_is_in_the_style(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert text == format_text(text, path.name)


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_the_sources_on_a_page_are_in_the_style(path: Path) -> None:
    blocks = [each for each in BLOCK.findall(path.read_text(encoding="utf-8")) if readable(each)]

    assert blocks == [format_text(each) for each in blocks]
