"""Messages, signals and what they start or interrupt."""

from __future__ import annotations

import pytest

from knhk.errors import UsageError
from knhk.kernel.events import CROWDED, KEYED
from knhk.kernel.game import KEPT_MAX
from knhk.model import (
    CALLEE_MESSAGE,
    CALLEE_SIGNAL,
    EXCEPT_MESSAGE,
    EXCEPT_SIGNAL,
    MESSAGE,
    NODE_END,
    SIGNAL,
    US_PER_S,
    Callee,
    ForEach,
    Retry,
)

from .nets import Drawing, expression


def _hears(key: str = "") -> Callee:
    expr = expression(lambda data: data[key]) if key else None
    return Callee(CALLEE_MESSAGE, name="m", key=expr)


def _two(first: Callee, second: Callee, **attributes: object) -> Drawing:
    return (
        Drawing()
        .route("split", "start", "p q")
        .task("x", "p", "e", callee=first, **attributes)
        .task("y", "q", "e", callee=second)
        .route("end", "e", kind=NODE_END)
    )


def test_one_message_has_one_taker_the_one_that_has_waited_longest() -> None:
    case = _two(_hears(), _hears()).case()
    assert case.send("m", "first")
    assert ("first", None) == (case.data.get("x"), case.data.get("y"))
    assert case.send("m", "second")
    assert ("second", "completed") == (case.data["y"], case.status)
    assert not case.send("m")


def test_a_message_goes_only_to_an_equal_key() -> None:
    case = _two(_hears("k"), _hears("l")).case(k=1, l=2)
    assert not case.send("m", key=True), "true is not 1"
    assert not case.send("m"), "no key is not an equal key"
    assert case.send("m", "two", key=2)
    assert "two" == case.data["y"]
    assert case.send("m", "one", key=1)
    assert "completed" == case.status


def test_a_case_tells_which_messages_and_signals_it_would_take() -> None:
    case = _two(_hears("k"), _hears("l")).case(k=1, l=[2])
    assert [(KEYED, 1), (KEYED, [2])] == [(wish.keys, wish.key) for wish in case.wishes(2)]
    assert [(MESSAGE, "m")] * 2 == [(wish.kind, wish.name) for wish in case.wishes(2)]
    assert [True, False, False] == [case.would_take("m", key) for key in (1, True, None)]
    assert not case.would_take("n", 1)
    case.suspend()
    assert [] == case.wishes(2)
    assert not case.would_take("m", 1)


def test_too_many_keys_are_told_as_one_wish() -> None:
    each = ForEach(items=expression(lambda data: data["ks"]), variable="k")
    drawing = Drawing().task("x", "start", "e", callee=_hears("k"), for_each=each)
    case = drawing.case(ks=["a", "b", "c"])
    assert [KEYED] * 3 == [wish.keys for wish in case.wishes(3)]
    assert [CROWDED] == [wish.keys for wish in case.wishes(2)]
    case.send("m", key="b")
    assert ["a", "c"] == [wish.key for wish in case.wishes(2)]


def test_what_an_event_would_interrupt_is_wished_for() -> None:
    exits = ((EXCEPT_MESSAGE, "m", "p"), (EXCEPT_SIGNAL, "g", "p"))
    case = Drawing().task("x", "start", "e", exceptions=exits).task("y", "p", "e").case()
    assert [(MESSAGE, "m"), (SIGNAL, "g")] == [(wish.kind, wish.name) for wish in case.wishes(9)]
    case.signal("g")
    assert [] == case.wishes(9)


def test_kept_messages_are_taken_in_order_of_arrival() -> None:
    case = (
        Drawing()
        .task("a", "start", "p")
        .task("x", "p", "q", callee=_hears())
        .task("y", "q", "e", callee=_hears())
        .route("end", "e", kind=NODE_END)
        .case()
    )
    assert not case.send("m", 1)
    assert not case.send("m", 2)
    case.run("a")
    assert (1, 2, "completed") == (case.data["x"], case.data["y"], case.status)


def test_a_kept_message_may_end_the_case() -> None:
    drawing = Drawing().task("a", "start", "p")
    case = drawing.task("x", "p", callee=_hears(), cancels_case=True).case()
    assert not case.send("m")
    case.run("a")
    assert "cancelled" == case.status


def test_a_case_keeps_only_so_many_messages() -> None:
    case = Drawing().task("a", "start", "e").case()
    for number in range(KEPT_MAX):
        assert not case.send("m", number)
    with pytest.raises(UsageError, match="messages that nobody takes"):
        case.send("m")


def test_messages_to_a_suspended_case_are_kept_and_signals_are_lost() -> None:
    case = _two(_hears(), Callee(CALLEE_SIGNAL, name="g")).case()
    case.suspend()
    assert not case.send("m", 7)
    assert 0 == case.signal("g")
    case.resume()
    assert 7 == case.data["x"]
    assert 1 == case.signal("g", 8)
    assert (8, "completed") == (case.data["y"], case.status)


def test_a_signal_goes_to_all_that_wait_at_that_moment() -> None:
    signal = Callee(CALLEE_SIGNAL, name="g")
    case = (
        Drawing()
        .route("split", "start", "p q")
        .task("x", "p", "r", callee=signal)
        .task("y", "q", "e", callee=signal)
        .task("z", "r", "e", callee=signal)
        .route("end", "e", kind=NODE_END)
        .case()
    )
    assert 2 == case.signal("g"), "z begins to wait only then"
    assert 1 == case.signal("g")
    assert "completed" == case.status


def _interrupted(kind: int, **attributes: object) -> Drawing:
    return (
        Drawing()
        .task("work", "start", "e", exceptions=((kind, "s", "q"),), **attributes)
        .task("other", "q", "e")
        .route("end", "e", kind=NODE_END)
    )


def test_a_signal_interrupts_offered_and_running_work() -> None:
    for starts in (False, True):
        case = _interrupted(EXCEPT_SIGNAL).case()
        if starts:
            case.start("work")
        assert 1 == case.signal("s")
        assert (("other",), ()) == (case.offered, case.started)


def test_a_kept_message_interrupts_what_is_offered_later() -> None:
    case = (
        Drawing()
        .task("a", "start", "p")
        .task("work", "p", "e", exceptions=((EXCEPT_MESSAGE, "s", "q"),))
        .task("other", "q", "e")
        .route("end", "e", kind=NODE_END)
        .case()
    )
    case.send("s")
    case.run("a")
    assert ("other",) == case.offered


def test_all_instances_are_interrupted_together() -> None:
    three = ForEach(times=expression(lambda _: 3))
    case = _interrupted(EXCEPT_SIGNAL, for_each=three).case()
    case.run("work")
    case.start("work")
    assert 2 == case.signal("s")
    assert (("other",), ()) == (case.offered, case.started)
    case.run("other")
    assert "completed" == case.status


def test_instances_of_a_message_task_each_take_a_message() -> None:
    three = ForEach(times=expression(lambda _: 3))
    case = (
        Drawing()
        .task("votes", "start", "e", callee=_hears(), for_each=three)
        .route("end", "e", kind=NODE_END)
        .case()
    )
    for vote in "abc":
        assert case.send("m", vote)
    assert (["a", "b", "c"], "completed") == (case.data["votes"], case.status)


def test_what_a_message_brought_is_kept_for_the_next_attempt() -> None:
    tries: list[object] = []

    def fragile(data: dict[str, object]) -> object:
        tries.append(data["x"])
        if len(tries) < 2:
            raise ArithmeticError("not yet")
        return data["x"]

    case = (
        Drawing()
        .task(
            "x",
            "start",
            "e",
            callee=_hears(),
            sets=(("v", expression(fragile)),),
            retry=Retry((US_PER_S,)),
        )
        .route("end", "e", kind=NODE_END)
        .case()
    )
    assert case.send("m", "news")
    assert "running" == case.status
    case.advance(1)
    assert ("news", "completed") == (case.data["v"], case.status)
