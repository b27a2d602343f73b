"""One canonical way to write a `.knhk` file.

Theory of operation: the formatter prints the tokens of the source, not its tree, so that nothing
can be lost on the way: what stands between two tokens is white space, which is chosen anew, and
comments, which are kept. The only signs that it adds or leaves out are a comma before the bracket
that closes a list, and round brackets that mean nothing. One module for each step:

- ``comments``: what stands between two tokens;
- ``words``: the tokens of a line with the comments at them and the space before them;
- ``wrapping``: the brackets that mean nothing;
- ``brackets``: words gathered into brackets and the elements in them;
- ``phrases``: where a line may be broken; ``layout``: where it is; ``lines``: a whole line;
- ``docstrings``: their text, moved with their block;
- ``page``: the lines of a file: indentation, blank lines, comments on lines of their own.

The rule that formatting changes no meaning is checked on each text that comes out
(``sameness``), so that a mistake in here is told and never written to a file.
"""

from __future__ import annotations

from knhk.errors import ERROR, CheckError
from knhk_dsl.format.comments import all_comments
from knhk_dsl.format.page import lay_out
from knhk_dsl.format.sameness import same
from knhk_dsl.syntax.parse import Reading, read

__all__ = ["NotFaithful", "format_text"]


class NotFaithful(Exception):
    """The formatter would have changed what a file means: a fault of KNHK, not of the file."""

    def __init__(self, file: str) -> None:
        self.file = file
        super().__init__(
            f"formatting {file} would change its meaning, so it was left as it is;"
            " please report this together with the file"
        )


def format_text(text: bytes | str, file: str = "workflow.knhk") -> str:
    """The text in the canonical style; ``file`` is the name that places in it bear.

    The result has line feeds as its line ends and one of them at its end; formatted again it
    stays as it is. Raises :class:`~knhk.errors.CheckError` when the text cannot be read, and
    :class:`~knhk_dsl.format.NotFaithful` when the result would not mean the same or would lose a
    comment.
    """
    before = read(text, file)
    errors = [each for each in before.diagnostics if each.severity == ERROR]
    if errors:
        raise CheckError(errors)
    formatted = lay_out(before)
    if formatted != before.text and not _faithful(before, read(formatted, file)):
        raise NotFaithful(file)
    return formatted


def _faithful(before: Reading, after: Reading) -> bool:
    return (
        not after.diagnostics
        and same(before.tree, after.tree)
        and all_comments(before) == all_comments(after)
    )
