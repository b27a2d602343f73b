"""The oracle on nets whose answer is known: those of the papers, and each rule on its own."""

from __future__ import annotations

import pytest

from knhk.model import Net

from . import oracle
from .drawing import net, state, text_of, text_of_state

BLOCK = """
marked start
task a = xor start -> any p?, q?
task b = xor p -> all r
task c = xor q -> all s
task d = or r, s -> all
"""

LOOP = """
marked entry
task j = or entry, back -> all body
task b = xor body -> one back?, out
task e = xor out -> all
"""

# Two OR-joins on one cycle (Wynn et al. 2005, section 2): each could be fed by the other.
CIRCLE = """
marked start
task a = xor start -> all p, q
task j = or p, kj -> all jk, x
task k = or q, jk -> all kj, y
"""

ONE_WAY = """
marked start
task a = xor start -> all p, q
task j = or p, r -> all jk
task k = or q, jk -> all y
"""

SERIES = """
marked start
task a = xor start -> any p?, q?, r
task j = or p, q -> all s
task k = or s, r -> all
"""

CANCELLED = """
marked start
task a = xor start -> all p, q, r
task b = xor p -> all s
task k = xor q -> all | cancels b
task d = or r, s -> all
"""

EMPTIES = """
marked p, x
task t = xor x -> all q | cancels p
task d = or p, q -> all
"""

EMPTIES_AND_FILLS = """
marked p, x
task t = xor x -> all q, y | cancels p
task u = xor y -> all p
task d = or p, q -> all
"""

EXCEPTION = """
marked p, x
task t = xor x -> all | on error q
task d = or p, q -> all
"""

MESSAGE = """
marked p, x
task t = xor x -> all | on message q | while m
task u = xor n -> all m
task d = or p, q -> all
"""

AND = """
marked p, x
task t = and x, y -> all q
task u = xor z -> all y
task d = or p, q -> all
"""

MILESTONE = """
marked p, x
task t = xor x -> all q | while m
task u = xor n -> all m
task d = or p, q -> all
"""

MUTEX = """
marked p, x
task t = xor x -> all q | holds m
task u = xor y -> all z
task v = and z, w -> all
task d = or p, q -> all
section m = u, v, z, w
"""

SHARED = """
marked p
task t = xor p -> all q
task d = or p, q -> all
"""

CHOICE = """
marked p, x
task t = xor x -> all q
task u = xor x -> all
task d = or p, q -> all
"""

PARTIAL = """
marked p
task t = xor x -> all y
route j = 1of y, z -> all q
task d = or p, q -> all
"""

CANCELLING_PARTIAL = """
marked p
task t = xor x -> all y
task u = xor v -> all z
route j = 2of y, z, w -> all q | cancels t, u, y, z, w
task d = or p, q -> all
"""

WEIGHT = """
marked p
task t = xor x -> all q
task d = or p*2, q*3 -> all
"""

ENDS = """
marked p, x
task t = xor x -> one y?, z
stop s = xor y -> all
task u = xor z -> all q | cancels case
task d = or p, q -> all
"""

OTHERWISE = """
marked p, x
task t = xor x -> any y?, z?, q
task d = or p, q -> all
"""

BOTH_OR_NONE = """
marked p, x
task t = xor x -> any y?, z?
task u = and y, z -> all q
task d = or p, q -> all
"""

EITHER = """
marked p, x
task t = xor x -> one y?, z
task u = and y, z -> all q
task d = or p, q -> all
"""

TEXT = """
marked start, q*2
task a = xor start -> all p, q*2
task b = xor p -> one r?, s | on error q | on message s
task c = and q*2, s -> any t?, u?, v | while r | twice | holds m | cancels a, j, p
task d = or t, u, v -> all
route j = 2of r, u -> all t | cancels case
end e = xor v -> all
section m = b, p
"""

WAITS, PASSES = False, True


@pytest.mark.parametrize(
    ("text", "tokens", "running", "arrived", "join", "expected"),
    [
        pytest.param(BLOCK, "r", "", "", "d", PASSES, id="one branch taken"),
        pytest.param(BLOCK, "r, q", "", "", "d", WAITS, id="the other branch is offered"),
        pytest.param(BLOCK, "r", "c", "", "d", WAITS, id="the other branch is running"),
        pytest.param(BLOCK, "r, s", "", "", "d", PASSES, id="all branches have come"),
        pytest.param(BLOCK, "p, q", "", "", "d", WAITS, id="no input is marked"),
        pytest.param(BLOCK, "r, start", "", "", "d", WAITS, id="a second round is on its way"),
        pytest.param(BLOCK, "r*2", "", "", "d", PASSES, id="the same input twice"),
        pytest.param(BLOCK, "r, p", "", "", "d", PASSES, id="only the same input may come again"),
        pytest.param(LOOP, "entry", "", "", "j", PASSES, id="the way back needs the join itself"),
        pytest.param(LOOP, "back", "", "", "j", PASSES, id="the way back alone"),
        pytest.param(LOOP, "entry, body", "", "", "j", WAITS, id="a round is under way"),
        pytest.param(LOOP, "entry", "j", "", "j", WAITS, id="the join's own running work"),
        pytest.param(LOOP, "entry, out", "", "", "j", PASSES, id="the round has left the loop"),
        pytest.param(CIRCLE, "p, q", "", "", "j", WAITS, id="symmetric deadlock, one"),
        pytest.param(CIRCLE, "p, q", "", "", "k", WAITS, id="symmetric deadlock, other"),
        pytest.param(CIRCLE, "p", "", "", "j", PASSES, id="alone on the circle"),
        pytest.param(CIRCLE, "q, jk, x", "", "", "k", PASSES, id="the circle once round"),
        pytest.param(ONE_WAY, "p, q", "", "", "j", PASSES, id="not symmetric, the first"),
        pytest.param(ONE_WAY, "p, q", "", "", "k", WAITS, id="not symmetric, the second"),
        pytest.param(SERIES, "p, q, r", "", "", "j", PASSES, id="in series, the first"),
        pytest.param(SERIES, "p, r", "", "", "k", WAITS, id="in series, the second"),
        pytest.param(SERIES, "r", "", "", "k", PASSES, id="in series, nothing at the first"),
        pytest.param(CANCELLED, "p, q, r", "", "", "d", WAITS, id="it may come or be cancelled"),
        pytest.param(CANCELLED, "r", "b", "", "d", WAITS, id="what runs may come"),
        pytest.param(CANCELLED, "r", "", "", "d", PASSES, id="it was cancelled"),
        pytest.param(CANCELLED, "q, r", "", "", "d", PASSES, id="only the canceller is left"),
        pytest.param(EMPTIES, "p, x", "", "", "d", PASSES, id="coming empties the marked input"),
        pytest.param(EMPTIES, "p*2", "t", "", "d", PASSES, id="both its tokens"),
        pytest.param(EMPTIES_AND_FILLS, "p, x", "", "", "d", WAITS, id="emptied and filled again"),
        pytest.param(EXCEPTION, "p, x", "", "", "d", WAITS, id="it may start and fail"),
        pytest.param(EXCEPTION, "p", "t", "", "d", WAITS, id="it may fail"),
        pytest.param(MESSAGE, "p, x, m", "", "", "d", WAITS, id="an offered one is interrupted"),
        pytest.param(MESSAGE, "p, x", "", "", "d", PASSES, id="not offered, so not interrupted"),
        pytest.param(MESSAGE, "p", "t", "", "d", WAITS, id="a running one is interrupted"),
        pytest.param(AND, "p, x", "", "", "d", PASSES, id="an AND-join that stays incomplete"),
        pytest.param(AND, "p, x, z", "", "", "d", WAITS, id="an AND-join that may be completed"),
        pytest.param(MILESTONE, "p, x", "", "", "d", PASSES, id="a milestone that stays closed"),
        pytest.param(MILESTONE, "p, x, n", "", "", "d", WAITS, id="a milestone that may open"),
        pytest.param(MILESTONE, "p, x, m", "", "", "d", WAITS, id="an open milestone"),
        pytest.param(MILESTONE, "p", "t", "", "d", WAITS, id="closed too late"),
        pytest.param(MUTEX, "p, x", "", "", "d", WAITS, id="a free mutex"),
        pytest.param(MUTEX, "p, x, z", "", "", "d", PASSES, id="a mutex that stays held"),
        pytest.param(MUTEX, "p, x, z, w", "", "", "d", WAITS, id="a mutex that may be freed"),
        pytest.param(MUTEX, "p, z", "t", "", "d", WAITS, id="what runs has its mutex"),
        pytest.param(SHARED, "p", "", "", "d", PASSES, id="the same token cannot be at both"),
        pytest.param(SHARED, "p*2", "", "", "d", WAITS, id="one token may go on to the other"),
        pytest.param(CHOICE, "p, x", "", "", "d", WAITS, id="a deferred choice may bring it"),
        pytest.param(PARTIAL, "p, x", "", "", "d", WAITS, id="a discriminator may pass"),
        pytest.param(PARTIAL, "p, x", "", "j:z", "d", PASSES, id="it absorbs and resets"),
        pytest.param(PARTIAL, "p, x*2", "", "j:z", "d", WAITS, id="it resets and passes"),
        pytest.param(PARTIAL, "p, x*2", "", "j:y", "d", PASSES, id="it blocks"),
        pytest.param(CANCELLING_PARTIAL, "p, x, v", "", "", "d", WAITS, id="two may come"),
        pytest.param(CANCELLING_PARTIAL, "p, x*2", "", "", "d", PASSES, id="one is not enough"),
        pytest.param(CANCELLING_PARTIAL, "p, x", "", "j:w", "d", WAITS, id="one has come before"),
        pytest.param(WEIGHT, "p", "", "", "d", WAITS, id="less than the weight is unmarked"),
        pytest.param(WEIGHT, "p*2, q*2", "", "", "d", PASSES, id="surplus below the weight"),
        pytest.param(WEIGHT, "p*2, q*2, x", "", "", "d", WAITS, id="the weight may be reached"),
        pytest.param(ENDS, "p, x", "", "", "d", PASSES, id="what ends the case brings nothing"),
        pytest.param(OTHERWISE, "p, x", "", "", "d", WAITS, id="otherwise may be taken"),
        pytest.param(BOTH_OR_NONE, "p, x", "", "", "d", WAITS, id="an OR-split may take both"),
        pytest.param(EITHER, "p, x", "", "", "d", PASSES, id="an XOR-split takes one"),
        pytest.param(EITHER, "p, x*2", "", "", "d", WAITS, id="an XOR-split twice"),
    ],
)
def test_it_knows(
    text: str, tokens: str, running: str, arrived: str, join: str, expected: bool
) -> None:
    drawn = net(text)
    here = state(drawn, tokens, running, arrived)
    assert expected == oracle.passes(drawn, here, number(drawn, join))


def test_it_gives_a_shortest_run_as_the_reason_why_a_join_waits() -> None:
    drawn = net(BLOCK)
    found = oracle.verdict(drawn, state(drawn, "r, q"), number(drawn, "d"))
    assert (False, ("c+", "c-")) == (found.passes, found.run)


def test_it_says_when_it_does_not_know() -> None:
    drawn = net("task t = xor x -> all x, y\ntask d = or p, q -> all\nmarked p, x")
    assert oracle.passes(drawn, oracle.initial(drawn), number(drawn, "d"), bound=100) is None


@pytest.mark.parametrize(
    ("text", "tokens", "after"),
    [
        pytest.param("task b = and p, q -> all", "p*3, q*2", "p*1", id="offered: with its tokens"),
        pytest.param("task b = and p, q -> all", "p*3", "p*3", id="an incomplete join: they stay"),
        pytest.param("task b = xor p, q -> all", "p*3, q*2", "", id="every arrival"),
        pytest.param("task b = xor p*2, q -> all", "p*3", "p*1", id="less than the weight stays"),
        pytest.param("task b = or p, q -> all", "p*3", "", id="an OR-join as an XOR-join"),
        pytest.param("task b = xor p -> all | while q", "p", "p*1", id="a closed milestone: none"),
        pytest.param("task b = xor p -> all | while q", "p, q", "q*1", id="an open milestone"),
        pytest.param("task b = xor p -> all | holds m", "p*3", "p*2", id="one for a mutex"),
    ],
)
def test_cancelling_takes_the_tokens_of_offered_items(text: str, tokens: str, after: str) -> None:
    drawn = net(f"task a = xor x -> all | cancels b\n{text}\nmarked q")
    here = state(drawn, tokens, "a, b*2" if "holds" not in text else "a")
    ends = {there for name, there in oracle.steps(drawn, here) if name == "a-"}
    assert [f"tokens {after}; running ; arrived "] == [text_of_state(drawn, end) for end in ends]


def test_what_is_offered_is_what_was_offered_before_anything_was_emptied() -> None:
    drawn = net(
        """
        task a = xor x -> all | cancels b, c, m
        task b = and p, q -> all | while m
        task c = and q, r -> all
        """
    )
    here = state(drawn, "p, q, r, m", "a, c")
    ((_, there),) = [pair for pair in oracle.steps(drawn, here) if pair[0] == "a-"]
    assert text_of_state(drawn, there) == "tokens ; running ; arrived "


def test_a_task_that_holds_a_mutex_leaves_those_who_want_it_alone() -> None:
    drawn = net("task a = xor x -> all | holds m | cancels b\ntask b = xor p -> all q | holds m")
    here = state(drawn, "p", "a")
    assert [("a-", state(drawn, "p"))] == list(oracle.steps(drawn, here))


def test_a_section_is_entered_only_when_it_is_empty_and_goes_on_inside() -> None:
    drawn = net(
        """
        task a = xor p -> all q
        task b = xor q -> all
        task c = xor r -> all | holds m
        section m = a, b, q
        """
    )
    assert ["a+", "c+"] == names(drawn, "p, r", "")
    assert ["a-"] == names(drawn, "p, r", "a")
    assert ["b+"] == names(drawn, "p, q, r", "")
    assert ["c-"] == names(drawn, "p", "c")


def test_text_and_net_say_the_same() -> None:
    assert TEXT.strip() == text_of(net(TEXT))


def names(net: Net, tokens: str, running: str) -> list[str]:
    return [name for name, _ in oracle.steps(net, state(net, tokens, running))]


def number(net: Net, name: str) -> int:
    return [node.name for node in net.nodes].index(name)
