"""What is checked for an editor: the one place that says what its diagnostics are."""

from __future__ import annotations

from knhk.errors import Diagnostic
from knhk_dsl.compilation import Analysis
from knhk_dsl.silencing import silence

__all__ = ["diagnostics_of"]


def diagnostics_of(analysis: Analysis) -> tuple[Diagnostic, ...]:
    """Everything that is wrong with a document and the files it uses, by place.

    Comments of the files that it uses are judged where these are checked themselves.
    """
    shown, _ = silence(
        analysis.diagnostics,
        analysis.sources.files,
        explored=False,
        judged=(analysis.entry.name,),
    )
    return shown
