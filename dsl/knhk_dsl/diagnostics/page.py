"""One page of the catalogue: what it holds, and how it is read."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final

#: The file of an example that bears no name.
ENTRY: Final = "example.knhk"
#: Stands in a bad example for something that is too long to be shown.
ELLIPSIS: Final = "…"

_SECTION: Final = re.compile(r"^## (Bad|Good)\n", re.MULTILINE)
_FENCE: Final = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_KEY: Final = re.compile(r"^(\w+): (.+)$")


@dataclass(frozen=True, slots=True)
class Source:
    """A file of an example, as it is shown; ``language`` is ``knhk`` or ``python``."""

    name: str
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Example:
    """Sources that show something, the one to be checked first.

    ``repeated`` is what the sign ``…`` in them stands for: so many times this text.
    """

    sources: tuple[Source, ...]
    repeated: tuple[int, str] = (0, "")
    encoding: str = "utf-8"

    def files(self) -> dict[str, bytes]:
        """The files as they are on a disk, by name, the entry first."""
        times, text = self.repeated
        return {
            source.name: source.text.replace(ELLIPSIS, text * times).encode(self.encoding)
            for source in self.sources
        }


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a code means, why that matters, and how it is mended.

    ``paragraphs`` are plain text in which code stands between backticks. ``also`` are codes that
    the examples give too; ``text`` is the code that the bad example gives when it is read from a
    file, empty for the code itself.
    """

    code: str
    title: str
    severity: str
    paragraphs: tuple[str, ...]
    bad: Example
    good: Example
    also: tuple[str, ...] = ()
    text: str = ""


def read_page(code: str, page: str) -> Explanation:
    """Read the page of a code."""
    head, _, bad, _, good = _SECTION.split(page)
    title, *blocks = head.strip().split("\n\n")
    keys = dict(_key(line) for line in blocks[0].split("\n"))
    return Explanation(
        code=code,
        title=title.removeprefix("# "),
        severity=keys["severity"],
        paragraphs=tuple(" ".join(block.split("\n")) for block in blocks[1:]),
        bad=Example(_sources(bad), _repeated(keys), keys.get("encoding", "utf-8")),
        good=Example(_sources(good)),
        also=tuple(keys.get("also", "").split()),
        text=keys.get("text", ""),
    )


def _key(line: str) -> tuple[str, str]:
    match = _KEY.match(line)
    assert match is not None, line
    return match[1], match[2]


def _repeated(keys: dict[str, str]) -> tuple[int, str]:
    if "ellipsis" not in keys:
        return 0, ""
    times, _, text = keys["ellipsis"].partition(" ")
    return int(times), str(json.loads(text))


def _sources(section: str) -> tuple[Source, ...]:
    return tuple(
        Source(name or ENTRY, language, text) for language, name, text in _FENCE.findall(section)
    )
