"""The lexer of `.knhk` sources for code blocks of the documentation."""

from __future__ import annotations

from typing import ClassVar

from pygments.lexer import inherit
from pygments.token import Text
from sphinx.application import Sphinx

from knhk.pygments import KnhkLexer

#: Any sign that means nothing in the language.
_OTHER = (r".", Text)


class PageLexer(KnhkLexer):
    """The lexer, forgiving: some pages show sources that are wrong on purpose."""

    tokens: ClassVar[dict[str, list[object]]] = {
        "root": [inherit, _OTHER],
        "hole": [inherit, _OTHER],
        "braces": [inherit, _OTHER],
        "text": [inherit, _OTHER],
    }


def setup(app: Sphinx) -> dict[str, bool]:
    """Make the lexer known to Sphinx as `knhk`."""
    app.add_lexer("knhk", PageLexer)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
