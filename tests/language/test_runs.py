"""From source text to runs of the sans-IO case: what the language promises, executed.

Pattern numbers are those of Russell, ter Hofstede, van der Aalst and Mulyar,
*Workflow Control-Flow Patterns: A Revised View* (2006).
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from knhk import CaseStatus, CheckError, InputError, ItemState, NotOffered, load
from tests.language.sources import workflow


def test_pattern_1_sequence() -> None:
    case = load(
        workflow("""
task a
task b
flow
    start -> a -> b -> end
""")
    )["w"].case()
    assert (case.offered, case.marking) == (("a",), {"start -> a": 1})
    case.run("a")
    assert (case.offered, case.marking) == (("b",), {"a -> b": 1})
    case.run("b")
    assert (case.status, case.offered) == (CaseStatus.completed, ())


BLOCK = workflow("""
task a
task b
task c
task d
flow
    start -> a -> all(b, c) -> d -> end
""")


def test_patterns_2_and_3_parallel_split_and_synchronization() -> None:
    case = load(BLOCK)["w"].case()
    case.run("a")
    assert case.offered == ("b", "c")
    case.run("c")
    with pytest.raises(NotOffered):
        case.start("d")
    case.run("b")
    assert case.offered == ("d",)
    case.run("d")
    assert case.status == CaseStatus.completed


CHOICE = workflow(
    """
task a
task b
task c
task d
flow
    start -> a -> one(b when total > 1000, c otherwise) -> d -> end
""",
    "w(total: decimal)",
)


@pytest.mark.parametrize(("total", "chosen"), [(1000, "c"), ("1000.01", "b")])
def test_patterns_4_and_5_exclusive_choice_and_simple_merge(total: object, chosen: str) -> None:
    case = load(CHOICE)["w"].case(total=total)
    case.run("a")
    assert case.offered == (chosen,)
    case.run(chosen)
    assert case.offered == ("d",)


def test_pattern_8_multi_merge_runs_the_follower_once_per_arrival() -> None:
    case = load(
        workflow("""
task a
task b
task c
task d
flow
    start -> a -> all(b, c)
    one(b, c) -> d -> end
""")
    )["w"].case()
    case.run("a")
    case.run("b")
    case.start("d")
    case.run("c")
    assert (case.offered, case.started) == (("d",), ("d",))
    case.start("d")
    case.complete("d")
    case.complete("d")
    assert case.status == CaseStatus.completed


def test_pattern_10_arbitrary_cycles_with_two_entries() -> None:
    case = load(
        workflow("""
var rounds: int = 0
task a
task b
    sets rounds = rounds + 1
task c
flow
    start -> a -> b -> one(a when rounds < 2, c when rounds < 3, end otherwise)
    c -> b
""")
    )["w"].case()
    seen = []
    while case.status == CaseStatus.running:
        seen.append(case.offered[0])
        case.run(case.offered[0])
    assert seen == ["a", "b", "a", "b", "c", "b"]


def test_pattern_11_what_cannot_go_on_but_has_tokens_left_is_stuck() -> None:
    case = load(
        workflow(
            """
task a
task b
task c
task d
flow
    start -> a -> one(b when x, c otherwise)
    all(b, c) -> d -> end
""",
            "w(x: bool)",
        )
    )["w"].case(x=True)
    case.run("a")
    case.run("b")
    assert (case.status, case.marking) == (CaseStatus.stuck, {"b -> d": 1})


def test_pattern_43_stop_completes_the_case_and_withdraws_the_rest() -> None:
    case = load(
        workflow("""
task a
task b
flow
    start -> all(a, b)
    a -> stop
    b -> end
""")
    )["w"].case()
    case.start("b")
    case.run("a")
    assert (case.status, case.started) == (CaseStatus.completed, ())


def test_abort_cancels_the_case() -> None:
    case = load(
        workflow("""
task a
flow
    start -> a -> abort
""")
    )["w"].case()
    case.run("a")
    assert case.status == CaseStatus.cancelled


def test_pattern_14_instances_for_each_item_with_results_in_item_order() -> None:
    case = load(
        workflow(
            """
task n
    for each item in items
task d
flow
    start -> n -> d -> end
return n
""",
            "w(items: list[str]) -> json",
        )
    )["w"].case(items=["x", "y"])
    first, second = case.items
    assert (first.value, second.value, first.instance) == ("x", "y", 0)
    case.run(second, "Y")
    case.run(first, "X")
    case.run("d")
    assert case.result == ["X", "Y"]


def test_pattern_13_times_makes_that_many_instances() -> None:
    case = load(
        workflow("""
task n
    times 3
flow
    start -> n -> end
""")
    )["w"].case()
    assert case.offered == ("n", "n", "n")


def test_pattern_14_without_items_the_task_completes_at_once() -> None:
    case = load(
        workflow(
            """
task n
    for each item in items
flow
    start -> n -> end
return n
""",
            "w(items: list[str]) -> json",
        )
    )["w"].case(items=[])
    assert (case.status, case.result) == (CaseStatus.completed, [])


@pytest.mark.parametrize(
    ("loop", "expected"),
    [("until n >= 3", 3), ("until n >= 0", 1), ("while n < 3", 3), ("while n < 0", 0)],
)
def test_pattern_21_structured_loop(loop: str, expected: int) -> None:
    case = load(
        workflow(f"""
var n: int = 0
task a
    sets n = n + 1
task z
flow
    start -> repeat(a) {loop} -> z -> end
return n
""").replace("w()", "w() -> int")
    )["w"].case()
    while "a" in case.offered:
        case.run("a")
    case.run("z")
    assert case.result == expected


def test_groups_nest_and_stand_side_by_side() -> None:
    case = load(
        workflow(
            """
task a
task b
task c
task d
task e
flow
    start -> all(one(a when x, b otherwise) -> c, d) -> all(e, skip) -> end
""",
            "w(x: bool)",
        )
    )["w"].case(x=False)
    assert case.offered == ("b", "d")
    case.run("d")
    case.run("b")
    case.run("c")
    assert case.offered == ("e",)
    case.run("e")
    assert case.status == CaseStatus.completed


def test_a_branch_that_is_skipped_passes_at_once() -> None:
    source = CHOICE.replace("c otherwise", "skip otherwise").replace("    task c\n", "")
    case = load(source)["w"].case(total=1)
    case.run("a")
    assert case.offered == ("d",)


def test_a_named_place_meets_and_goes_on() -> None:
    case = load(
        workflow("""
place p
task a
task b
task c
flow
    start -> all(a, b)
    a -> p
    b -> p
    p -> c -> end
""")
    )["w"].case()
    case.run("a")
    assert (case.marking, case.offered) == ({"start -> b": 1, "p": 1}, ("b", "c"))


FAILING = workflow("""
task a
    retry 1 every 10s
    timeout 30s
task b
task late
task other
flow
    start -> a -> b -> end
    a -> late on timeout
    a -> other on error Declined
    late -> end
    other -> end
""")


def test_a_retry_backs_off_then_the_exception_flow_is_taken() -> None:
    case = load(FAILING)["w"].case()
    case.start("a")
    case.fail("a", "Declined", "no money")
    assert (case.offered, case.status) == ((), CaseStatus.running)
    case.advance(seconds=10)
    assert case.offered == ("a",)
    case.start("a")
    case.fail("a", "Declined")
    assert case.offered == ("other",)
    case.run("other")
    assert case.status == CaseStatus.completed


def test_a_timeout_uses_an_attempt_then_leaves_by_on_timeout() -> None:
    case = load(FAILING)["w"].case()
    case.start("a")
    case.advance(seconds=30)
    assert case.started == ()
    case.advance(seconds=10)
    case.start("a")
    case.advance(seconds=30)
    assert case.offered == ("late",)


def test_without_an_exception_flow_the_case_fails_and_can_be_resumed() -> None:
    case = load(FAILING)["w"].case()
    case.start("a")
    case.fail("a", "Broken", "it broke")
    case.advance(seconds=10)
    case.start("a")
    case.fail("a", "Broken", "it broke")
    assert case.status == CaseStatus.failed
    case.resume()
    assert (case.status, case.offered) == (CaseStatus.running, ("a",))
    case.run("a")
    assert case.offered == ("b",)


def test_a_timer_task_waits_and_now_is_its_moment() -> None:
    case = load(
        workflow("""
var at: datetime? = none
task pause = timer 2d
    sets at = now()
task a
flow
    start -> pause -> a -> end
""")
    )["w"].case()
    assert (case.offered, case.items[0].state) == ((), ItemState.waiting)
    case.advance(seconds=3 * 86400)
    assert case.offered == ("a",)
    assert case.data["at"] == datetime(1970, 1, 3, tzinfo=UTC)


def test_timer_until_a_moment() -> None:
    case = load(
        workflow(
            """
task pause = timer until due
flow
    start -> pause -> end
""",
            "w(due: datetime)",
        )
    )["w"].case(due=datetime(1970, 1, 1, 1, tzinfo=UTC))
    case.advance(seconds=3599)
    assert case.status == CaseStatus.running
    case.advance(seconds=1)
    assert case.status == CaseStatus.completed


def test_records_are_typed_values_and_defaults_are_filled_in() -> None:
    module = load("""
record Item
    price: decimal
    quantity: int = 1

record Receipt
    order: str
    total: decimal

workflow w(id: str, items: list[Item], express: bool = false) -> Receipt
    var total: decimal = sum(item.price * item.quantity for item in items)
    task a
    flow
        start -> a -> end
    return Receipt(order: id, total: total)
""")
    case = module["w"].case(id="A1", items=[{"price": "2.50", "quantity": 2}, {"price": 1}])
    assert (case.data["express"], case.data["total"]) == (False, Decimal("6.00"))
    case.run("a")
    assert case.result == module.records["Receipt"](order="A1", total=Decimal(6))


def test_every_misfit_of_the_input_is_named_with_its_path() -> None:
    module = load("""
record Item
    price: decimal

workflow w(id: str, items: list[Item])
    task a
    flow
        start -> a -> end
""")
    with pytest.raises(InputError) as caught:
        module["w"].case(items=[{"price": 1}, {"price": "x"}, {}], colour="red")
    paths = sorted(misfit.path for misfit in caught.value.misfits)
    assert paths == ["colour", "id", "items[1].price", "items[2].price"]


def test_the_whole_example_of_the_language_is_refused_only_for_what_is_not_executed_yet() -> None:
    with pytest.raises(CheckError) as caught:
        load('''"""Ship an order once it is paid for."""

from shop.handlers use reserve, release, pack, ship

record Item
    price: decimal
    quantity: int

record Receipt
    order: str
    tracking: str

connector payments = http(base_url: env("PAYMENTS_URL"), timeout: 2s)
    retry 5 every 200ms backoff 2 up to 5s jitter 10%
    breaker opens after 5 failures in 30s, tries again after 10s
    at most 8 at once

workflow order(id: str, items: list[Item], express: bool = false) -> Receipt
    """Reserve, have big orders approved, charge while packing, ship."""

    var total: decimal = sum(item.price * item.quantity for item in items)

    task hold = reserve(items)
        compensate with release(hold.id)
    task approve = human(role: "manager")
        timeout 2d
    task charge = payments.post("/charges", json: {order: id, amount: total})
        timeout 10s
    task pick_item = pack(item)
        for each item in items
        at most 8 at once
    task deliver = ship(id, express: express)
    task refuse = log("order {id} was refused")

    flow
        start -> hold -> one(
            approve when total > 1000,
            skip    otherwise,
        ) -> all(charge, pick_item) -> deliver -> end

        approve -> refuse on timeout
        charge  -> refuse on error PaymentDeclined
        refuse  -> stop

    return Receipt(order: id, tracking: deliver.code if deliver != none else "")
''')
    errors = [d for d in caught.value.diagnostics if d.severity == "error"]
    assert {d.code for d in errors} == {"KN901"}
    assert [d.span.line for d in errors] == [14, 15]
