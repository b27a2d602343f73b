"""What the terminal, or whatever is in its place, can show."""

from __future__ import annotations

import os
from typing import TextIO

__all__ = ["colourful", "printable"]


def colourful(stream: TextIO) -> bool:
    """Whether to use colours: on a terminal, unless NO_COLOR forbids it."""
    return stream.isatty() and not os.environ.get("NO_COLOR")


def printable(text: str, stream: TextIO) -> str:
    """The text with other signs for those that the output cannot show."""
    try:
        text.encode(stream.encoding)
    except UnicodeEncodeError:
        from knhk_dsl.rendering.timeline import ASCII

        return text.translate(ASCII).encode(stream.encoding, "replace").decode(stream.encoding)
    return text
