"""What it takes to have a case in memory again: snapshots, inputs since, leases, payloads."""

from __future__ import annotations

from knhk.journal import (
    Commit,
    Journal,
    Lease,
    Record,
    Rest,
    Snapshot,
    Standing,
    Stored,
    Wait,
)
from knhk.model import MESSAGE, CaseStatus
from knhk.testing.journals.making import opening, refused_as_conflict, row

__all__ = ["RestoringSuite"]


def stored(journal: Journal, case: str) -> Stored:
    """What is stored of a case that is there."""
    (found,) = journal.stored([case])
    return found


class RestoringSuite:
    """What is owed to those who restore cases."""

    def test_without_a_snapshot_all_inputs_are_stored(self, journal: Journal) -> None:
        journal.append([opening("a"), Commit("a", (row("a", 1),))])

        found = stored(journal, "a")

        assert found == Stored(opening("a").opened, None, journal.inputs("a"))  # type: ignore[arg-type]
        assert len(found.inputs) == 2

    def test_with_a_snapshot_only_the_inputs_since_are_stored(self, journal: Journal) -> None:
        early = Snapshot(1, b"\x00hash", b"\xffbody")
        late = Snapshot(2, b"\x01hash", b"")
        journal.append([opening("a"), Commit("a", (row("a", 1),), snapshot=early)])
        assert early == stored(journal, "a").snapshot
        assert (row("a", 1),) == stored(journal, "a").inputs

        journal.append([Commit("a", snapshot=late), Commit("a", (row("a", 2),))])

        assert late == stored(journal, "a").snapshot
        assert (row("a", 2),) == stored(journal, "a").inputs
        assert len(journal.inputs("a")) == 3

    def test_a_snapshot_of_everything_leaves_no_inputs(self, journal: Journal) -> None:
        journal.append([opening("a")])
        journal.append([Commit("a", (row("a", 1),), snapshot=Snapshot(2, b"h", b"b"))])

        assert stored(journal, "a").inputs == ()

    def test_the_last_snapshot_of_a_batch_counts(self, journal: Journal) -> None:
        shots = [Snapshot(seq, b"h", b"b") for seq in (0, 1)]
        journal.append([opening("a"), *(Commit("a", snapshot=shot) for shot in shots)])

        assert shots[-1] == stored(journal, "a").snapshot

    def test_cases_are_stored_in_the_order_asked_for(self, journal: Journal) -> None:
        journal.append([opening("a"), opening("b"), opening("c")])
        journal.append([Commit("b", (row("b", 1),), leases=(Lease(1, 1, "w", 5),))])

        found = journal.stored(["c", "nobody", "b", "a", "c"])

        assert [each.row.id for each in found] == ["c", "b", "a", "c"]
        assert [len(each.inputs) for each in found] == [1, 2, 1, 1]
        assert [len(each.leases) for each in found] == [0, 1, 0, 0]
        assert journal.stored([]) == ()

    def test_many_cases_are_stored_at_once(self, journal: Journal) -> None:
        cases = [f"c{number:03}" for number in range(300)]
        journal.append([opening(case) for case in cases])

        assert cases == [each.row.id for each in journal.stored(cases)]

    def test_leases_are_held_renewed_and_ended(self, journal: Journal) -> None:
        first = (Lease(2, 1, "worker-2", 50), Lease(1, 1, "wörker-1", 2**62))
        journal.append([opening("a"), opening("b"), Commit("a", leases=first)])
        assert (first[1], first[0]) == stored(journal, "a").leases
        assert stored(journal, "b").leases == ()

        changed = (Lease(2, 3, "worker-3", 60), Lease(1, 1, "", -1), Lease(7, 1, "", -1))
        journal.append([Commit("a", (row("a", 1),), leases=changed)])

        assert (changed[0],) == stored(journal, "a").leases

    def test_the_last_lease_of_an_item_in_a_batch_counts(self, journal: Journal) -> None:
        leases = (Lease(1, 1, "w", -1), Lease(1, 2, "w", 5), Lease(2, 1, "w", 5))
        again = (Lease(2, 1, "w", -1), Lease(2, 1, "w", -1))

        journal.append([opening("a"), Commit("a", leases=leases), Commit("a", leases=again)])

        assert (leases[1],) == stored(journal, "a").leases

    def test_payloads_are_found_by_their_hashes(self, journal: Journal) -> None:
        blobs = ((b"\x00one", b"\x00\xff" * 10_000), (b"two", b""))
        journal.append([opening("a"), Commit("a", (row("a", 1),), blobs=blobs)])
        # Another case may have the same payload, and one commit may have it twice.
        journal.append([opening("b"), Commit("b", blobs=(blobs[0], blobs[0]))])

        assert dict(blobs) == dict(journal.blobs([b"two", b"none", b"\x00one", b"two"]))
        assert dict(journal.blobs([])) == {}

    def test_all_of_a_case_beside_its_inputs_is_told(self, journal: Journal) -> None:
        journal.append([opening("a"), opening("b")])
        commit = Commit(
            "a",
            (row("a", 1), row("a", 2)),
            standing=Standing(CaseStatus.suspended),
            snapshot=Snapshot(1, b"h", b"b"),
            rest=Rest(is_parked=True, wake_us=7),
            waits=(Wait(MESSAGE, "sent", ""), Wait(MESSAGE, "paid", '"k"')),
            leases=(Lease(2, 1, "w", 5), Lease(1, 1, "w", 5)),
        )
        journal.append([commit])

        found = journal.record("a")

        assert found is not None
        assert journal.case("a") == found.row
        assert CaseStatus.suspended is found.row.status
        assert found.inputs == 3
        assert (commit.snapshot, commit.rest) == (found.snapshot, found.rest)
        assert (Wait(MESSAGE, "paid", '"k"'), Wait(MESSAGE, "sent", "")) == found.waits
        assert (Lease(1, 1, "w", 5), Lease(2, 1, "w", 5)) == found.leases
        assert Record(opening("b").opened, 1) == journal.record("b")  # type: ignore[arg-type]
        assert journal.check() == ""

    def test_a_conflict_leaves_nothing_of_its_batch(self, journal: Journal) -> None:
        journal.append([opening("a"), opening("b")])
        commit = Commit(
            "a",
            (row("a", 1),),
            snapshot=Snapshot(1, b"h", b"b"),
            blobs=((b"hash", b"data"),),
            leases=(Lease(1, 1, "w", 5),),
        )

        with refused_as_conflict("b", 0):
            journal.append([commit, Commit("b", (row("b", 0),))])

        assert stored(journal, "a") == Stored(opening("a").opened, None, opening("a").inputs)  # type: ignore[arg-type]
        assert dict(journal.blobs([b"hash"])) == {}
