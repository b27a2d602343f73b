"""Sources are kept by their digest, and the newest version of each workflow is known."""

from __future__ import annotations

from knhk.journal import Journal
from knhk.testing.journals.making import bundle

__all__ = ["BundleSuite"]


class BundleSuite:
    """What is owed to the sources of workflows."""

    def test_bundles_are_kept_by_digest(self, journal: Journal) -> None:
        journal.keep(bundle("one", "order", "pack"))

        kept = journal.bundle("one")

        assert kept == bundle("one", "order", "pack")
        assert journal.workflows() == ("order", "pack")

    def test_the_version_deployed_last_is_the_newest(self, journal: Journal) -> None:
        journal.keep(bundle("one", "order", "pack"))
        journal.keep(bundle("two", "order"))
        assert (journal.newest("order"), journal.newest("pack")) == ("two", "one")

        journal.keep(bundle("one", "order", "pack"))
        assert (journal.newest("order"), journal.newest("pack")) == ("one", "one")

    def test_names_of_workflows_are_sorted(self, journal: Journal) -> None:
        journal.keep(bundle("one", "pack", "Order", "ärger", "order"))

        assert journal.workflows() == ("Order", "order", "pack", "ärger")
        kept = journal.bundle("one")
        assert kept is not None
        assert kept.workflows == ("Order", "order", "pack", "ärger")

    def test_sources_that_are_there_already_stay(self, journal: Journal) -> None:
        journal.keep(bundle("one", "order"))
        journal.keep(bundle("one", "order", deployed_us=9))

        assert bundle("one", "order") == journal.bundle("one")
        assert journal.workflows() == ("order",)
