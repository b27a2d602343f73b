"""What remembers the cases: one small protocol, journals in memory, SQLite, PostgreSQL.

A journal is an event store: the inputs of each case in order, nothing else, since they give
the case again to the bit. See :mod:`knhk.journal.protocol` for what an implementation owes,
and :mod:`knhk.journal.writer` for how appends of many cases share one transaction.
"""

from knhk.journal.address import MEMORY, open_journal
from knhk.journal.memory import MemoryJournal
from knhk.journal.patience import PATIENCE_S, Receipt
from knhk.journal.protocol import Journal
from knhk.journal.record import (
    PAGE_MAX,
    UNFINISHED,
    Bundle,
    CaseRow,
    Commit,
    Durability,
    Fence,
    InputRow,
    Lease,
    Letter,
    Offer,
    OpenWork,
    Record,
    Rest,
    Snapshot,
    Standing,
    Stored,
    VersionRow,
    Wait,
    WorkFilter,
)
from knhk.journal.sharing import LEASE_S, Command, Holding, Membership, SharedJournal
from knhk.journal.sqlite import SQLiteJournal
from knhk.journal.writer import Stream, Writer

__all__ = [
    "LEASE_S",
    "MEMORY",
    "PAGE_MAX",
    "PATIENCE_S",
    "UNFINISHED",
    "Bundle",
    "CaseRow",
    "Command",
    "Commit",
    "Durability",
    "Fence",
    "Holding",
    "InputRow",
    "Journal",
    "Lease",
    "Letter",
    "Membership",
    "MemoryJournal",
    "Offer",
    "OpenWork",
    "Receipt",
    "Record",
    "Rest",
    "SQLiteJournal",
    "SharedJournal",
    "Snapshot",
    "Standing",
    "Stored",
    "Stream",
    "VersionRow",
    "Wait",
    "WorkFilter",
    "Writer",
    "open_journal",
]
