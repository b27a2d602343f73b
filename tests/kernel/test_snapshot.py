"""Snapshots: nothing is forgotten, and a restored case goes on as the other one does."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from knhk import load
from knhk.errors import KnhkError, NotOffered, SnapshotError
from knhk.kernel import Case, Failure, Program
from knhk.kernel.item import Activation
from knhk.kernel.restoring import ALWAYS, SELDOM
from knhk.kernel.snapshot import FORMAT
from knhk.model import (
    ADD_INSTANCE,
    CALLEE_MESSAGE,
    CALLEE_OUTSIDE,
    CALLEE_SIGNAL,
    CALLEE_TIMER,
    CANCEL,
    CLOCK,
    COMPLETE,
    CREATE,
    FAIL,
    JOIN_OR,
    LATE,
    MESSAGE,
    RESUME,
    SIGNAL,
    SPLIT_OR,
    START,
    SUSPEND,
    WITHDRAW,
    Callee,
    Expression,
    ForEach,
    Input,
    Moment,
    Net,
    Retry,
    Task,
)
from knhk_dsl.values.scalars import SCALAR_CODECS
from tests.orjoin.nets import block_nets, close_nets, free_nets

from . import test_replay, test_walks
from .nets import Drawing, expression
from .states import FIELDS, KEPT, deep, fields, parked, through_json

# --- nothing is forgotten -------------------------------------------------------------------

RICH = """
workflow rich(xs: list[decimal], who: str)
    mutex press
    task n
        for each x in xs
        open
        retry 3 every 10s
    task m = message paid(who)
    task p
    task q
    task a
        timeout 1m
    task b
    task c
    task d
    flow
        start -> all(
            n,
            m,
            critical press(p),
            critical press(q),
            any(a when who != "", b when who == "ann", skip otherwise),
            2 of (c, d, skip),
        ) -> end
"""


def rich_case() -> Case:
    """A case with a failed attempt, waiting work, instances, a kept message, a held mutex."""
    case = load(RICH)["rich"].case(xs=[1, "2.5"], who="ann")
    case.start("n")
    case.fail("n", "Busy")
    case.start("p")
    case.start("a")
    case.send("paid", {"sum": 1}, "bob")
    return case


def _things(case: Case) -> dict[str, object]:
    """One instance of every class of the state, all of them of one case."""
    found: dict[str, object] = {"Case": case, "Marking": case._marking}
    found["Desk"] = next(desk for desk in case._desks if desk is not None and desk.activations)
    found["ItemList"] = found["Desk"].offered  # type: ignore[attr-defined]
    found["WorkItem"] = next(item for item in case._items if item._activation is not None)
    found["Activation"] = found["WorkItem"]._activation  # type: ignore[attr-defined]
    found["Message"] = case._kept[0]
    case._failure = Failure("a", "Broken", "it is")
    found["Failure"] = case._failure
    case._now = Moment(case._now_us, 1, case.seq)
    case._now.draws = 1
    found["Moment"] = case._now
    return found


@pytest.mark.parametrize("name", FIELDS)
def test_the_snapshot_knows_every_field_of_the_state(name: str) -> None:
    """If this fails you have added a field: see the docstring of ``tests.kernel.states``."""
    thing = _things(rich_case())[name]

    assert fields(thing) == FIELDS[name].keys()


#: Fields that hold other classes of the state, whose own fields are tried.
PARTS = {("Case", "_marking"), ("Case", "_desks"), ("Case", "_items")}
TRIED = [
    (name, field)
    for name, known in FIELDS.items()
    for field, how in known.items()
    if how == KEPT and (name, field) not in PARTS
]

#: Another value for a field, where it cannot be told from the one that is there.
OTHERS: dict[tuple[str, str], Callable[[Any], object]] = {
    ("Case", "_failure"): lambda _: None,
    ("Case", "_cause"): lambda _: Failure("task", "Error", "why"),
    ("Case", "_more_failures"): lambda _: [Failure("task", "Error", "why")],
    ("Case", "_undo_arguments"): lambda _: {1: (["x"], {})},
    ("Case", "_failed"): lambda case: [case._items[0]],
    ("Case", "_halted"): lambda case: [
        next(item._activation for item in case._items if item._activation)
    ],
    ("Case", "_holders"): lambda case: [-1 for _ in case._holders],
    ("Case", "_now"): lambda _: None,
    ("Case", "_kept"): lambda _: [],
    ("Case", "_result"): lambda _: 0.5,
    ("Case", "_data"): lambda case: {**case.data, "who": "bob"},
    ("Desk", "activations"): lambda _: [],
    ("Activation", "values"): lambda _: [Decimal(1)],
    ("Activation", "results"): lambda one: [Decimal(1), *one.results[1:]],
    ("WorkItem", "_activation"): lambda item: Activation(item._transition, []),
}


def _other(thing: Any, name: str, field: str) -> object:
    if (name, field) in OTHERS:
        return OTHERS[name, field](thing)
    value = getattr(thing, field)
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return f"{value}!"
    if type(value).__name__ == "vec[i64]":
        return type(value)([one + 1 for one in value])
    if isinstance(value, list) or field == "_mutexes":
        return [*(value or []), 0]
    return ["another"]


@pytest.mark.parametrize(("name", "field"), TRIED)
def test_a_change_of_any_field_that_is_kept_changes_the_snapshot(name: str, field: str) -> None:
    case = rich_case()
    thing = _things(case)[name]
    before = repr(case.snapshot())
    if field == "_ready":
        thing._state = 0  # type: ignore[attr-defined]
        before = repr(case.snapshot())
    if field == "agenda":
        case._marking.push(1)
        before = repr(case.snapshot())

    setattr(thing, field, _other(thing, name, field))

    assert before != repr(case.snapshot())


def test_a_rich_case_comes_back_to_the_bit() -> None:
    case = rich_case()
    case._hearing = True  # it is so only while the case stands still

    again = parked(case)

    assert deep(case) == deep(again)
    assert case.snapshot() == again.snapshot()
    assert set(case.snapshot()) <= {*ALWAYS, *SELDOM}


# --- the restored case goes on as the other -------------------------------------------------

#: What happens to a case, as often as it stands here; few cases are cancelled.
WORDS = (
    ["start"] * 8
    + ["complete"] * 6
    + ["fail", "fail", "clock", "clock", "message", "message", "signal", "withdraw", "add"]
    + ["suspend", "resume", "resume", "resume", "late", "park", "park", "park", "slim"]
)
STEPS = 60

CHANCE = st.booleans()
COUNT = ("count", expression(lambda data: int(str(data["count"])) + 1, "count + 1"))
KEYED = expression(lambda data: int(str(data["count"])) % 3, "count % 3")
SOON = expression(lambda data: 7_000_000, "7s")
LATER = Expression("a moment", lambda data, moment: int(moment.at_us) + 30_000_000)
SOME = expression(lambda data: [["x"] * n for n in range(1 + int(str(data["count"])) % 3)], "some")
FEW = expression(lambda data: 1 + int(str(data["count"])) % 3, "few")
ONE = expression(lambda data: int(str(data["done"])) >= 1, "done >= 1")


@st.composite
def _tasks(draw: st.DrawFn, waits: st.SearchStrategy[bool]) -> Task:
    callee = draw(
        st.sampled_from(
            [
                *[Callee(CALLEE_OUTSIDE)] * 4,
                Callee(CALLEE_TIMER, delay=SOON),
                Callee(CALLEE_TIMER, until=LATER),
                Callee(CALLEE_MESSAGE, name="m"),
                Callee(CALLEE_MESSAGE, name="m", key=KEYED),
                Callee(CALLEE_SIGNAL, name="m"),
            ]
        )
    )
    each = None
    if draw(st.integers(0, 2)) == 0:
        some, times = draw(st.sampled_from([(SOME, None), (None, FEW)]))
        each = ForEach(
            variable="x" if some else "",
            items=some,
            times=times,
            open=draw(st.booleans()),
            waits=draw(waits),
            complete_when=draw(st.sampled_from([None, None, ONE])),
            cancel_rest=draw(st.booleans()),
        )
    return Task(
        callee,
        retry=draw(st.sampled_from([None, None, Retry((3_000_000,) * 2, jitter=0.2)])),
        timeout_us=draw(st.sampled_from([0, 0, 5_000_000])),
        at_most=draw(st.sampled_from([0, 0, 1, 2])),
        for_each=each,
        sets=draw(st.sampled_from([(), (COUNT,)])),
    )


@st.composite
def lively_nets(draw: st.DrawFn) -> Net:
    """A net of any sort whose tasks wait, try again, time out, take turns, have instances.

    No task completes by itself that leads back to itself.
    """
    sorts = [free_nets(), block_nets(), close_nets(), test_replay.nets(plain=False)]
    net = draw(st.one_of(sorts))
    nodes = list(net.nodes)
    for number, node in enumerate(nodes):
        if node.task is None or (node.task.for_each is not test_replay.THREE and draw(CHANCE)):
            continue
        waits = st.just(True) if _leads_back(net, number) else CHANCE
        task = draw(_tasks(waits))
        if task.for_each is not None and node.join == JOIN_OR:
            task = replace(task, for_each=None)
        nodes[number] = replace(node, task=task)
    return replace(net, nodes=tuple(nodes))


def _leads_back(net: Net, start: int) -> bool:
    """Whether tokens from a node may come to it again."""
    places: set[int] = set()
    pending = [start]
    while pending:
        node = net.nodes[pending.pop()]
        new = {arrow.place for arrow in (*node.outputs, *node.exceptions)} - places
        places |= new
        pending += [n for n, other in enumerate(net.nodes) if new.intersection(other.inputs)]
    return not places.isdisjoint(net.nodes[start].inputs)


def _input(case: Case, word: str, choice: int) -> Input:
    """What somebody does to a case, whether it can be or not."""
    now_us = case.now_us
    items = {"start": "offered", "complete": "started", "fail": "started"}
    if word in items:
        found = [item.id for item in case.items if str(item.state) == items[word]]
        item = found[choice % len(found)] if found else 1
        kind = {"start": START, "complete": COMPLETE, "fail": FAIL}[word]
        if kind == FAIL:
            error = ["Busy", "Broken", "Timeout"][choice % 3]
            return Input(FAIL, now_us, item, "", ("Base",), error, "why")
        return Input(kind, now_us, item, "", {"got": choice} if kind == COMPLETE else None)
    tasks = [node.name for node in case._program.net.nodes if node.task is not None]
    task = tasks[choice % len(tasks)]
    return {
        "clock": Input(CLOCK, now_us + choice * 500_000),
        "message": Input(MESSAGE, now_us, -1, "m", {"key": choice % 4, "payload": [choice]}),
        "signal": Input(SIGNAL, now_us, -1, "m", {"of": choice}),
        "withdraw": Input(WITHDRAW, now_us, -1, task),
        "add": Input(ADD_INSTANCE, now_us, -1, task, ["added"]),
        "suspend": Input(SUSPEND, now_us),
        "resume": Input(RESUME, now_us),
        "cancel": Input(CANCEL, now_us),
        "late": Input(LATE, now_us, 1, "", "late"),
    }[word]


def _seen(case: Case) -> object:
    """All that can be seen of a case, but its history."""
    items = [(i.id, i.task, i.state, i.instance, i.value, i.attempt, i.due_us) for i in case.items]
    tasks = [node.name for node in case._program.net.nodes if node.task is not None]
    words = [case.explain(task) for task in tasks]
    seen = (case.status, case.marking, case.data, case.offered, case.started, case.result)
    others = (case.now_us, case.next_wake_us, case.seq, case.taken, repr(case.failure))
    return (*seen, *others, items, words, [item.id for item in case.failed])


@settings(suppress_health_check=list(HealthCheck))
@given(lively_nets(), st.integers(0, 2**32))
def test_a_restored_case_goes_on_as_the_other_does(net: Net, seed: int) -> None:
    choose = random.Random(seed)
    case = Case(Program(net), "c1")
    other = parked(case)
    facts = [Input(CREATE, 0, value={"count": 3})]
    for step in range(STEPS):
        for fact in facts:
            assert repr(case.apply(fact)) == repr(other.apply(fact))
            assert deep(case) == deep(other)
        word = "cancel" if step == STEPS - 3 else choose.choice(WORDS)
        choice = choose.randrange(31)
        facts = [] if word in ("park", "slim") else [_input(case, word, choice)]
        if word == "park":
            other = parked(other if choice % 2 else case, keeps_history=choice % 3 > 0)
        elif word == "slim":
            other.slim()
        assert deep(case) == deep(other)
    assert _seen(case) == _seen(other)
    assert through_json(case.snapshot()) == through_json(other.snapshot())


def test_an_or_join_that_is_not_counted_any_more_comes_back() -> None:
    both = (expression(lambda data: True), expression(lambda data: True))
    drawing = Drawing().task("a", "start", "p q", split=SPLIT_OR, guards=both)
    drawing.task("b", "p", "x").task("c", "q", "y").task("d", "z")
    case = drawing.route("join", "x y", "z", join=JOIN_OR).case()
    case.run("a")
    case.withdraw("b")
    case.run("c")
    assert -1 in list(case._marking.ready)

    again = parked(case)

    assert (("d",), deep(case)) == (again.offered, deep(again))


@pytest.mark.parametrize("name", test_walks.SOURCES)
def test_walks_over_the_pattern_suite_go_on_after_every_restart(name: str) -> None:
    workflow = test_walks._workflow(name)
    choose = random.Random(name)
    for _ in range(2):
        case = workflow.case(**test_walks._parameters(workflow, choose))
        twin = Case(workflow.program, case.id)
        other = parked(twin)
        known = 0
        for _ in range(test_walks.STEPS):
            for fact in case.history[known:]:
                assert repr(twin.apply(fact)) == repr(other.apply(fact))
                other = parked(other)
                assert deep(twin) == deep(other)
            known = len(case.history)
            try:
                test_walks._step(case, choose)
            except KnhkError:
                continue
        assert _seen(twin) == _seen(other)


# --- values ---------------------------------------------------------------------------------

TYPED = """
enum Size: small, large

record Line
    price: decimal
    size: Size = Size.small
    at: datetime?

workflow typed(lines: list[Line], day: date, blob: bytes) -> list[decimal]
    var wait: duration = 90s
    var total: decimal = 0
    var by_name: dict[str, Line] = {}
    var mixed: list[float] = [1, 2.5]
    task line
        for each one in lines
        open
    task some
        for each x in [1, 2.5]
    task price
        for each one in [x.price for x in lines]
        complete when done >= 1
    task keyed = message paid(lines[0].price)
    task sum
        sets total = lines[0].price + 1
    flow
        start -> all(line, some, price, keyed) -> sum -> end
    return [total]
"""


def _typed_values(case: Case) -> object:
    data = {name: repr(value) for name, value in case.data.items()}
    items = [(repr(item.value), repr(item._key), repr(item._payload)) for item in case.items]
    return data, items, repr(case.result), [repr(message.key) for message in case._kept]


def test_values_keep_their_types_in_all_places() -> None:
    at = datetime(2026, 11, 30, 12, 0, 0, 5, tzinfo=UTC)
    lines = [{"price": "2.50", "size": "large", "at": at}, {"price": 3}]
    case = load(TYPED)["typed"].case(lines=lines, day="2026-11-30", blob=b"\0\xff")
    steps: list[Callable[[Case], object]] = [
        lambda case: case.add_instance("line", {"price": "0.1"}),
        lambda case: [case.run("line", {"b": [1, 2.0], "a": None}) for _ in range(3)],
        lambda case: [case.run("some", x) for x in (True, 1.5)],
        lambda case: case.run("price"),
        lambda case: case.send("paid", 1, 2.5),
        lambda case: case.send("paid", {"x": 1.0}, "2.50"),
        lambda case: case.run("sum"),
        lambda case: case.run("price"),
    ]
    assert [1.0, 2.5] == [item.value for item in case.items if item.task == "some"]
    for step in steps:
        again = parked(case)
        assert _typed_values(case) == _typed_values(again)
        step(case)
        step(again)
        assert _typed_values(case) == _typed_values(again)
        case = parked(case)
        assert deep(again) == deep(case)
    assert [Decimal("3.50")] == case.result
    assert ["b", "a"] == list(case.data["line"][0])  # type: ignore[index]


@pytest.mark.parametrize(
    ("elements", "first"),
    [
        ("[1, 2.5]", "1.0"),
        ("[[1], [2.5]]", "[1.0]"),
        ("[1 if b else 2.5]", "1.0"),
        ("[1, d]", "Decimal('1')"),
        ("[{a: 1}, {a: d}]", "{'a': Decimal('1')}"),
        ('[d, "x"]', "'1.50'"),
        ("[none, d]", "None"),
        ("[Size.small]", "<Size.small: 'small'>"),
        ("[day]", "datetime.date(2026, 11, 30)"),
        ("[wait]", "datetime.timedelta(seconds=90)"),
        ("[blob]", "b'ab'"),
        ("[Line(price: 1)]", "Line(price=Decimal('1'))"),
        ("[x.price for x in [Line(price: 1)]]", "Decimal('1')"),
        ("j", "1"),
    ],
)
def test_an_instance_has_the_value_it_had(elements: str, first: str) -> None:
    source = f"""
enum Size: small, large
record Line
    price: decimal
workflow w(b: bool = true, d: decimal = 1.50, day: date, blob: bytes, j: json, wait: duration)
    task n
        for each x in {elements}
    flow
        start -> n -> end
    return json([b, d, day, blob, j, wait])
"""
    given: dict[str, object] = {"day": "2026-11-30", "blob": b"ab", "j": [1, 2.5], "wait": "90s"}
    case = load(source)["w"].case(**given)
    values = [repr(item.value) for item in case.items]
    assert first == values[0]

    assert values == [repr(item.value) for item in parked(case).items]


@pytest.mark.parametrize("many", [False, True])
def test_results_are_of_the_type_of_their_task(many: bool) -> None:
    each = ForEach(times=expression(lambda data: 2)) if many else None
    task = Drawing().task("a", "start", "p", result=SCALAR_CODECS["decimal"], for_each=each)
    case = task.task("b", "p").case()
    case.run("a", "1.10")
    case = parked(case)
    if many:
        assert [Decimal("1.10")] == case._items[1]._activation.completed_results()  # type: ignore[union-attr]
        case.run("a", 2)
        case = parked(case)

    assert ([Decimal("1.10"), Decimal(2)] if many else Decimal("1.10")) == case.data["a"]


def test_arguments_draw_on_where_the_snapshot_was_taken() -> None:
    source = """
workflow w
    task a
    task b = human(x: random())
    flow
        start -> a -> b -> end
"""
    case = load(source)["w"].case()
    case.run("a")
    item = case.start("b")
    assert case.arguments(item)

    again = parked(case)

    assert case.arguments(item) == again.arguments(again.item(item.id))


# --- history and memory ---------------------------------------------------------------------


def test_a_restored_case_has_the_history_since_its_snapshot() -> None:
    case = rich_case()
    again = parked(case)
    assert () == again.history

    again.complete("p")

    assert (case.seq + 1, [COMPLETE]) == (again.seq, [fact.kind for fact in again.history])


def test_a_case_may_keep_no_history() -> None:
    case = parked(rich_case(), keeps_history=False)
    seq = case.seq

    case.complete("p")

    assert ((), seq + 1) == (case.history, case.seq)


def test_a_slim_case_goes_on() -> None:
    case = rich_case()
    before = deep(case)

    case.slim()

    assert before == deep(case)
    case.complete("p")
    case.run("q")
    assert ("a",) == case.started


def test_an_item_of_the_case_before_is_not_one_of_the_restored_case() -> None:
    case = rich_case()
    with pytest.raises(NotOffered, match="another case"):
        parked(case).complete(next(item for item in case.items if item.task == "p"))


# --- damage ---------------------------------------------------------------------------------


def _damaged(change: Callable[[dict[str, Any]], object]) -> pytest.ExceptionInfo[SnapshotError]:
    case = rich_case()
    plain: Any = through_json(case.snapshot())
    change(plain)
    with pytest.raises(SnapshotError, match="replay its whole history instead") as caught:
        Case.restored(case._program, "c7", plain)
    assert "c7" == caught.value.case
    return caught


def test_an_unknown_format_is_refused() -> None:
    caught = _damaged(lambda plain: plain.update(format=FORMAT + 1))

    assert f"its format is {FORMAT + 1}; this version of KNHK knows {FORMAT}" == caught.value.why


def test_the_snapshot_of_another_net_is_refused() -> None:
    other = load(RICH.replace("task d", "task e").replace(" d,", " e,"))["rich"]

    with pytest.raises(SnapshotError, match="it is of a net of another shape"):
        Case.restored(other.program, "c7", rich_case().snapshot())


@pytest.mark.parametrize("key", ALWAYS)
def test_a_snapshot_lacks_no_part(key: str) -> None:
    _damaged(lambda plain: plain.pop(key))


def test_a_part_that_nobody_knows_is_refused() -> None:
    assert "not known: 'more'" in _damaged(lambda plain: plain.update(more=1)).value.why


@pytest.mark.parametrize("plain", [None, [], "", 1, {}])
def test_what_is_no_snapshot_is_refused(plain: object) -> None:
    with pytest.raises(SnapshotError):
        Case.restored(rich_case()._program, "c7", plain)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda plain: plain["items"][0].__setitem__(1, 9), "9 stands for a number from 0 to 5"),
        (lambda plain: plain["items"][0].pop(), "has 10 parts"),
        (lambda plain: plain["tokens"].pop(), "a count is missing"),
        (lambda plain: plain["tokens"].__setitem__(0, 10**30), "stands for a number"),
        (lambda plain: plain["data"].update(xs="1"), ""),
        (lambda plain: plain.update(holders=[]), "there are 0 holders, not 1"),
        (lambda plain: plain.update(failed=[99]), "99 stands for a number from 1"),
        (lambda plain: plain.update(clock=[1]), "there are 1 times, not 3"),
    ],
)
def test_damage_is_told(change: Callable[[dict[str, Any]], object], why: str) -> None:
    assert why in _damaged(change).value.why


JUNK = st.sampled_from([None, True, -1, 7, 2**40, 10**30, 0.5, "x", [], {}, [0], [[]], {"a": 1}])


@given(st.data())
def test_whatever_is_damaged_gives_a_case_or_the_one_error(data: st.DataObject) -> None:
    case = rich_case()
    plain: Any = copy.deepcopy(through_json(case.snapshot()))
    inside = plain
    while True:
        places = list(inside) if isinstance(inside, dict) else range(len(inside))
        place = data.draw(st.sampled_from(sorted(places, key=str)))
        deeper = isinstance(inside[place], (dict, list)) and inside[place]
        if not deeper or data.draw(st.booleans()):
            break
        inside = inside[place]
    inside[place] = data.draw(JUNK)
    try:
        Case.restored(case._program, case.id, plain)
    except SnapshotError:
        return
