"""The lexer of `.knhk` sources for code blocks of the documentation."""

from __future__ import annotations

from sphinx.application import Sphinx

from knhk.pygments import KnhkLexer


def setup(app: Sphinx) -> dict[str, bool]:
    """Make the lexer known to Sphinx as `knhk`."""
    app.add_lexer("knhk", KnhkLexer)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
