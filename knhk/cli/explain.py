"""`knhk explain`: what a diagnostic means, with a bad and a good example."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Final

import click

from knhk.cli import exits
from knhk.cli.terminal import colourful, printable

if TYPE_CHECKING:
    from knhk_dsl.diagnostics import Example, Explanation

#: Columns of text, where the terminal has as many.
WIDTH_MAX: Final = 88

#: Keeps what is code on one line.
_HARD_SPACE: Final = "\u00a0"
_CODE: Final = re.compile(r"`([^`]+)`")
_COLOURS: Final = {"error": "red", "warning": "yellow"}


@click.command()
@click.argument("codes", nargs=-1, metavar="[CODE]...")
def explain(codes: tuple[str, ...]) -> int:
    """Explain diagnostics: what they mean, and how they are mended.

    CODE is a code such as KN312, or its number. Without one, all codes are listed.
    """
    from knhk_dsl.diagnostics import codes as known
    from knhk_dsl.diagnostics import explanation, spelt_out

    wanted = [spelt_out(word) for word in codes]
    for code, word in zip(wanted, codes, strict=True):
        if code not in known():
            raise click.UsageError(_unknown(word))
    reader = _Reader(colourful(sys.stdout), min(WIDTH_MAX, get_terminal_size().columns))
    pages = [reader.page(explanation(code)) for code in wanted] if wanted else [reader.contents()]
    text = "\n\n".join("\n".join(page) for page in pages)
    click.echo(printable(text, sys.stdout))
    return exits.DONE


def _unknown(word: str) -> str:
    from knhk_dsl.diagnostics import nearest

    near = nearest(word)
    hint = f"the nearest: {', '.join(near)}" if near else "`knhk explain` lists all"
    return f"there is no diagnostic {word!r}; {hint}"


class _Reader:
    """Sets pages for a terminal: so wide, and with colours or without."""

    def __init__(self, colour: bool, width: int) -> None:
        self._colour = colour
        self._width = width

    def contents(self) -> Iterator[str]:
        """All codes with their titles, by groups."""
        from knhk_dsl.diagnostics import GROUPS, catalogue, group_of

        pages = catalogue()
        for at, (group, title) in enumerate(sorted(GROUPS.items())):
            yield from [""] if at else []
            yield self._style(title, bold=True)
            for page in pages:
                if group_of(page.code) == group:
                    code = self._style(page.code, fg=_COLOURS[page.severity])
                    yield f"  {code}  {page.title}"

    def page(self, page: Explanation) -> Iterator[str]:
        """What is said about one code."""
        code = self._style(f"{page.severity}[{page.code}]", fg=_COLOURS[page.severity])
        yield f"{code} {self._style(page.title, bold=True)}"
        for paragraph in page.paragraphs:
            yield ""
            yield from self._paragraph(paragraph)
        yield from self._example("bad", "red", page.bad)
        yield from self._example("good", "green", page.good)

    def _paragraph(self, text: str) -> Iterator[str]:
        """The lines of a paragraph; what is code stays on one line."""
        whole = _CODE.sub(lambda match: match[0].replace(" ", _HARD_SPACE), text)
        for line in textwrap.wrap(whole, self._width, break_on_hyphens=False):
            plain = line.replace(_HARD_SPACE, " ")
            if self._colour:
                plain = _CODE.sub(lambda match: self._style(match[1], fg="cyan"), plain)
            yield plain

    def _example(self, title: str, tint: str, example: Example) -> Iterator[str]:
        """The sources of an example, behind a bar in its colour."""
        from knhk_dsl.diagnostics import ELLIPSIS

        is_named = len(example.sources) > 1
        for source in example.sources:
            yield ""
            yield self._style(f"{title}: {source.name}" if is_named else f"{title}:", fg=tint)
            for line in source.text.splitlines():
                yield f"  {self._style('│', fg=tint)} {line}".rstrip()
        times, text = example.repeated
        if times:
            yield f"  ({ELLIPSIS} stands for {times} times {text!r})"

    def _style(self, text: str, fg: str | None = None, *, bold: bool = False) -> str:
        return click.style(text, fg=fg, bold=bold or None) if self._colour else text
