"""Whether workflows are sound: proved on their nets, with the run that breaks the others."""

from knhk.soundness.asking import THE_END, Inquiry
from knhk.soundness.proving import LIMIT_S, Answer, Kind, Problem, Verdict, prove
from knhk.soundness.reporting import diagnostics_of

__all__ = [
    "LIMIT_S",
    "THE_END",
    "Answer",
    "Inquiry",
    "Kind",
    "Problem",
    "Verdict",
    "diagnostics_of",
    "prove",
]
