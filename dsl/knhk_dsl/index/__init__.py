"""What editors ask of sources: where names are defined and used, and what could be written.

Everything here is a function of an analysed set of sources; nothing knows of a protocol.
"""

from knhk_dsl.index.actions import Action, actions
from knhk_dsl.index.completion import Candidate, Completion, complete
from knhk_dsl.index.definitions import Definition, Index, Location, Occurrence
from knhk_dsl.index.hover import hover
from knhk_dsl.index.occurrences import index_of
from knhk_dsl.index.outline import Entry, outline
from knhk_dsl.index.page import Page
from knhk_dsl.index.rename import (
    Edit,
    RefusedRename,
    applied,
    check_renamable,
    check_renamed,
    rename,
)

__all__ = [
    "Action",
    "Candidate",
    "Completion",
    "Definition",
    "Edit",
    "Entry",
    "Index",
    "Location",
    "Occurrence",
    "Page",
    "RefusedRename",
    "actions",
    "applied",
    "check_renamable",
    "check_renamed",
    "complete",
    "hover",
    "index_of",
    "outline",
    "rename",
]
