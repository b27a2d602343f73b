"""The text of a docstring, moved to where its block stands."""

from __future__ import annotations

from typing import Final

_SIGNS: Final = '"""'


def moved(text: str, column: int) -> str:
    """A docstring with its signs, whose lines begin in a column; what it says stays the same.

    The margin is that of :func:`knhk_dsl.syntax.build.documentation`. A docstring that holds a
    tab is left as it is: how wide a tab is depends on the column.
    """
    first, *rest = text.removeprefix(_SIGNS).removesuffix(_SIGNS).split("\n")
    if not rest or "\t" in text:
        return text
    margin = min((len(line) - len(line.lstrip()) for line in rest if line.strip()), default=0)
    blank = " " * column
    lines = [f"{_SIGNS}{first}".rstrip(" ")]
    lines += [blank + line[margin:].rstrip(" ") if line.strip() else "" for line in rest[:-1]]
    end = rest[-1][margin:] if rest[-1].strip() else ""
    return "\n".join([*lines, f"{blank}{end}{_SIGNS}"])
