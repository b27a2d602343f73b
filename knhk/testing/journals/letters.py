"""Messages that no case waits for yet are kept, and delivered once."""

from __future__ import annotations

from knhk.journal import Commit, Journal, Letter
from knhk.testing.journals.making import letter, opening, refused_as_conflict, row

__all__ = ["LetterSuite"]


def receiving(case: str, seq: int, *letters: str) -> Commit:
    """A commit whose input delivers letters."""
    return Commit(case, (row(case, seq),), received=letters)


class LetterSuite:
    """What is owed to letters."""

    def test_a_letter_is_kept_once_by_its_id(self, journal: Journal) -> None:
        first = letter("ä-1")

        assert journal.post(first)
        assert not journal.post(first)
        assert not journal.post(Letter("ä-1", "other", "", b"", 5, 5))

        assert journal.letters("paid") == (first,)
        assert journal.letters("other") == ()

    def test_letters_are_told_oldest_first_by_name_and_key(self, journal: Journal) -> None:
        for id_, sent_us, key in (("c", 5, "k"), ("b", 7, ""), ("a", 7, "k"), ("d", 1, "l")):
            journal.post(letter(id_, sent_us, key))

        assert [each.id for each in journal.letters("paid")] == ["d", "c", "a", "b"]
        assert [each.id for each in journal.letters("paid", "k")] == ["c", "a"]
        assert [each.id for each in journal.letters("paid", limit=2)] == ["d", "c"]
        assert journal.letters("paid", "k", 0) == journal.letters("paid", limit=-1) == ()

    def test_a_letter_keeps_every_bit(self, journal: Journal) -> None:
        sent = Letter("id '\"%", "näme", '{"k":"\\u0000"}', b"\x00\xff", 2**62, 2**62)

        journal.post(sent)

        assert journal.letters("näme") == (sent,)

    def test_letters_expire_at_their_time(self, journal: Journal) -> None:
        for id_, expires_us in (("a", 5), ("b", 6), ("c", 7)):
            journal.post(letter(id_, expires_us=expires_us))

        assert journal.expire(4) == 0
        assert journal.expire(6) == 2
        assert journal.expire(6) == 0

        assert [each.id for each in journal.letters("paid")] == ["c"]
        assert journal.post(letter("a"))

    def test_what_was_received_is_gone(self, journal: Journal) -> None:
        for id_ in ("a", "b", "c", "d"):
            journal.post(letter(id_))
        journal.append([opening("x"), opening("y")])

        journal.append([receiving("x", 1, "a", "c"), receiving("y", 1, "b")])

        assert [each.id for each in journal.letters("paid")] == ["d"]

    def test_a_case_may_be_opened_by_a_letter(self, journal: Journal) -> None:
        journal.post(letter("a"))

        journal.append([opening("x")._replace(received=("a",))])

        assert journal.letters("paid") == ()
        assert len(journal.inputs("x")) == 1

    def test_what_another_has_received_is_a_conflict(self, journal: Journal) -> None:
        journal.post(letter("a"))
        journal.post(letter("b"))
        journal.append([opening("x"), opening("y"), receiving("x", 1, "a")])

        with refused_as_conflict("y", 1):
            journal.append([opening("z"), receiving("x", 2, "b"), receiving("y", 1, "a")])
        with refused_as_conflict("y", 1):
            journal.append([receiving("y", 1, "never posted")])

        assert [each.id for each in journal.letters("paid")] == ["b"]
        assert len(journal.inputs("x")) == 2
        assert len(journal.inputs("y")) == 1
        assert None is journal.case("z")
        journal.append([receiving("y", 1, "b")])

    def test_a_letter_received_twice_in_a_batch_is_a_conflict(self, journal: Journal) -> None:
        journal.post(letter("a"))
        journal.append([opening("x"), opening("y")])

        with refused_as_conflict("y", 1):
            journal.append([receiving("x", 1, "a"), receiving("y", 1, "a")])

        assert len(journal.letters("paid")) == 1
        assert len(journal.inputs("x")) == 1

    def test_a_letter_stays_when_its_input_is_a_conflict(self, journal: Journal) -> None:
        journal.post(letter("a"))
        journal.append([opening("x")])

        with refused_as_conflict("x", 0):
            journal.append([receiving("x", 0, "a")])

        assert len(journal.letters("paid")) == 1
