"""Sources are kept by their digest, and the newest version of each workflow is known."""

from __future__ import annotations

from knhk.journal import CaseRow, Commit, Journal, VersionRow
from knhk.model import CaseStatus
from knhk.testing.journals.making import bundle, ending, row

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

    def test_versions_are_told_with_their_cases(self, journal: Journal) -> None:
        journal.keep(bundle("one", "order", "pack", deployed_us=5))
        journal.keep(bundle("two", "order", deployed_us=6))
        journal.keep(bundle("three", "order", deployed_us=6))
        rows = [
            CaseRow("c0", "order", "one", 1_000),
            CaseRow("c1", "order", "one", 1_000),
            CaseRow("c2", "order", "three", 1_000),
            CaseRow("c3", "pack", "one", 1_000),
            CaseRow("c4", "x", "y", 1_000),
        ]
        journal.append([Commit(each.id, (row(each.id, 0),), each) for each in rows])
        journal.append([ending("c0", 1)])

        running, completed = CaseStatus.running, CaseStatus.completed
        orders = (
            VersionRow("order", "three", 6, True, ((running, 1),)),
            VersionRow("order", "two", 6, False),
            VersionRow("order", "one", 5, False, ((completed, 1), (running, 1))),
        )
        pack = VersionRow("pack", "one", 5, True, ((running, 1),))
        assert (*orders, pack) == journal.versions()
        assert orders == journal.versions("order")
        assert journal.versions("nothing") == ()

        journal.keep(bundle("one", "order", "pack", deployed_us=9))
        assert [each.digest for each in journal.versions("order")] == ["one", "three", "two"]

    def test_sources_that_are_there_already_stay(self, journal: Journal) -> None:
        journal.keep(bundle("one", "order"))
        journal.keep(bundle("one", "order", deployed_us=9))

        assert bundle("one", "order") == journal.bundle("one")
        assert journal.workflows() == ("order",)
