"""What every journal owes, as tests: a third party's passes the same suite as ours.

Subclass :class:`JournalSuite` in a test module and give it a fixture ``journal``::

    class TestMyJournal(JournalSuite):
        @pytest.fixture
        def journal(self): ...
"""

from knhk.testing.journals.bundles import BundleSuite
from knhk.testing.journals.history import HistorySuite
from knhk.testing.journals.letters import LetterSuite
from knhk.testing.journals.listing import ListingSuite
from knhk.testing.journals.offering import OfferingSuite
from knhk.testing.journals.parking import ParkingSuite
from knhk.testing.journals.restoring import RestoringSuite
from knhk.testing.journals.sharing import SharingSuite

__all__ = ["JournalSuite", "SharingSuite"]


class JournalSuite(
    HistorySuite,
    ListingSuite,
    BundleSuite,
    RestoringSuite,
    ParkingSuite,
    OfferingSuite,
    LetterSuite,
):
    """All the tests; ``journal`` is a fixture that gives an empty journal."""
