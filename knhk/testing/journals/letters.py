"""Messages that no case waits for yet are kept, and delivered once."""

from __future__ import annotations

from knhk.journal import Commit, Journal, Letter
from knhk.journal.record import REMEMBERED_US
from knhk.testing.journals.making import letter, opening, post, refused_as_conflict, row

__all__ = ["LetterSuite"]


def receiving(case: str, seq: int, *letters: str) -> Commit:
    """A commit whose input delivers letters."""
    return Commit(case, (row(case, seq),), received=letters)


class LetterSuite:
    """What is owed to letters."""

    def test_a_letter_is_kept_once_by_its_id(self, journal: Journal) -> None:
        first = letter("ä-1")

        post(journal, first)
        post(journal, first, Letter("ä-1", "other", "", b"", 5, 5), letter("b"))

        assert journal.letters("paid") == (letter("b"), first)
        assert journal.letters("other") == ()
        assert journal.letter_count() == 2

    def test_letters_are_told_oldest_first_by_name_and_key(self, journal: Journal) -> None:
        for id_, sent_us, key in (("c", 5, "k"), ("b", 7, ""), ("a", 7, "k"), ("d", 1, "l")):
            post(journal, letter(id_, sent_us, key))
        post(journal, Letter("e", "order", "k", b"", 9, 9))

        assert [each.id for each in journal.letters("paid")] == ["d", "c", "a", "b"]
        assert [each.id for each in journal.letters("paid", "k")] == ["c", "a"]
        assert [each.id for each in journal.letters()] == ["e", "d", "c", "a", "b"]
        assert [each.id for each in journal.letters("paid", limit=2)] == ["d", "c"]
        assert journal.letters("paid", "k", limit=0) == journal.letters("paid", limit=-1) == ()

    def test_letters_are_told_in_pages(self, journal: Journal) -> None:
        for id_, sent_us, key in (("c", 5, "k"), ("b", 7, ""), ("a", 7, "k"), ("d", 1, "l")):
            post(journal, letter(id_, sent_us, key))
        post(journal, Letter("e", "order", "k", b"", 9, 9))

        e, d, c, a, b = journal.letters()

        assert journal.letters(after=e) == (d, c, a, b)
        assert journal.letters(after=d, limit=2) == (c, a)
        assert journal.letters("paid", after=c) == (a, b)
        assert journal.letters("paid", "k", after=c) == (a,)
        assert journal.letters("paid", "k", after=a) == journal.letters(after=b) == ()

    def test_a_letter_keeps_every_bit(self, journal: Journal) -> None:
        sent = Letter("id '\"%", "näme", '{"k":"\\u0000"}', b"\x00\xff", 2**62, 2**62)

        post(journal, sent)

        assert journal.letters("näme") == (sent,)

    def test_letters_expire_at_their_time(self, journal: Journal) -> None:
        for id_, expires_us in (("a", 5), ("b", 6), ("c", 7)):
            post(journal, letter(id_, expires_us=expires_us))

        assert journal.next_expiry() == 5
        assert journal.expire(4) == 0
        assert journal.expire(6, 0) == 0
        assert journal.expire(6, 1) == 1
        assert [each.id for each in journal.letters("paid")] == ["b", "c"]
        assert journal.expire(6) == 1
        assert journal.expire(6) == 0

        assert [each.id for each in journal.letters("paid")] == ["c"]
        post(journal, letter("a"))
        assert [each.id for each in journal.letters("paid")] == ["a", "c"]

    def test_kept_letters_may_be_dropped(self, journal: Journal) -> None:
        post(journal, letter("a"), letter("b"), letter("c"))
        journal.append([opening("x"), receiving("x", 1, "c")])

        assert journal.drop(["a", "c", "nothing"]) == 1

        assert [each.id for each in journal.letters()] == ["b"]
        assert journal.receiver("a") is None
        assert journal.receiver("c") == "x"

    def test_what_was_received_is_kept_no_more(self, journal: Journal) -> None:
        post(journal, *[letter(id_) for id_ in ("a", "b", "c", "d")])
        journal.append([opening("x"), opening("y")])

        journal.append([receiving("x", 1, "a", "c"), receiving("y", 1, "b")])

        assert [each.id for each in journal.letters("paid")] == ["d"]
        assert journal.letter_count() == 1
        assert [journal.receiver(each) for each in "abcd"] == ["x", "y", "x", ""]
        assert journal.receiver("e") is None

    def test_what_was_received_is_not_kept_again(self, journal: Journal) -> None:
        post(journal, letter("a"))
        journal.append([opening("x"), receiving("x", 1, "a")])

        post(journal, letter("a"), letter("b"))

        assert [each.id for each in journal.letters()] == ["b"]
        assert journal.receiver("a") == "x"

    def test_what_was_received_is_known_for_a_while(self, journal: Journal) -> None:
        late = 2 * REMEMBERED_US
        post(journal, letter("a", sent_us=10), letter("b", sent_us=10, expires_us=late))
        journal.append([opening("x"), receiving("x", 1, "a", "b")])

        assert journal.next_expiry() == 10 + REMEMBERED_US
        assert journal.expire(9 + REMEMBERED_US) == 0
        assert journal.expire(10 + REMEMBERED_US) == 1
        assert [journal.receiver(each) for each in "ab"] == [None, "x"]
        assert journal.expire(late) == 1
        assert journal.receiver("b") is None

    def test_letters_may_be_posted_with_the_inputs_of_a_case(self, journal: Journal) -> None:
        posting = Commit("x", (row("x", 1),), posted=(letter("a"),))
        journal.append([opening("x"), posting, receiving("x", 2, "a")])

        with refused_as_conflict("x", 1):
            journal.append([posting._replace(posted=(letter("b"),))])

        assert journal.letters() == ()
        assert journal.receiver("a") == "x"
        assert journal.receiver("b") is None

    def test_a_case_may_be_opened_by_a_letter(self, journal: Journal) -> None:
        post(journal, letter("a"))

        journal.append([opening("x")._replace(received=("a",))])

        assert journal.letters("paid") == ()
        assert len(journal.inputs("x")) == 1

    def test_what_another_has_received_is_a_conflict(self, journal: Journal) -> None:
        post(journal, letter("a"))
        post(journal, letter("b"))
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
        post(journal, letter("a"))
        journal.append([opening("x"), opening("y")])

        with refused_as_conflict("y", 1):
            journal.append([receiving("x", 1, "a"), receiving("y", 1, "a")])

        assert len(journal.letters("paid")) == 1
        assert len(journal.inputs("x")) == 1

    def test_a_letter_stays_when_its_input_is_a_conflict(self, journal: Journal) -> None:
        post(journal, letter("a"))
        journal.append([opening("x")])

        with refused_as_conflict("x", 0):
            journal.append([receiving("x", 0, "a")])

        assert len(journal.letters("paid")) == 1
