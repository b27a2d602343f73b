"""Workflows as callees: arguments, results, names across files, recursion (pattern 22)."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from knhk import CaseStatus, InputError, Module, load
from knhk.errors import ResultError
from knhk.model import CALLEE_WORKFLOW, Callee
from tests.language.sources import workflow

PRICES = """record Item
    price: decimal
    quantity: int = 1

workflow price_of(item: Item, fee: decimal = 0) -> decimal
    task check
    flow
        start -> check -> end
    return item.price * item.quantity + fee

"""
TOTAL = PRICES + workflow(
    """
task price = price_of(item, fee: 2)
    for each item in items
flow
    start -> price -> end
return sum(price)
""",
    "w(items: list[Item])",
)


def callees(module: Module, name: str) -> dict[str, Callee]:
    """Who does the tasks of a workflow, by task."""
    nodes = module[name].net.nodes
    return {node.name: node.task.callee for node in nodes if node.task is not None}


def test_a_workflow_as_callee_is_offered_with_the_arguments_of_its_parameters() -> None:
    module = load(TOTAL)
    case = module["w"].case(items=[{"price": 1}, {"price": "2.5", "quantity": 2}])
    assert ("price", "price") == case.offered
    (second,), named = case.arguments(case.items[1])
    assert {"fee": Decimal(2)} == named

    child = module["price_of"].case(item=second, **named)
    child.run("check")
    case.run(case.items[1], child.result)
    case.run("price", 1)
    assert (CaseStatus.completed, Decimal(8)) == (case.status, case.result)


def test_the_result_of_a_sub_case_is_of_the_type_that_its_workflow_gives() -> None:
    case = load(TOTAL)["w"].case(items=[{"price": 1}])
    with pytest.raises(ResultError, match="number"):
        case.run("price", "much")


def test_a_workflow_that_declares_no_result_gives_what_it_returns() -> None:
    module = load(TOTAL.replace(" -> decimal", ""))
    assert ["decimal"] == [
        node.task.result.text
        for node in module["w"].net.nodes
        if node.task is not None and node.task.result is not None
    ]


RECURSIVE = workflow(
    """
task again = w(n - 1)
flow
    start -> one(again when n > 0, skip otherwise) -> end
return again + 1 if again != none else 0
""",
    "w(n: int) -> int",
)


def test_a_workflow_calls_itself() -> None:
    module = load(RECURSIVE)
    assert (
        Callee(CALLEE_WORKFLOW, name="w", args=callees(module, "w")["again"].args)
        == (callees(module, "w")["again"])
    )

    def play(n: int) -> object:
        case = module["w"].case(n=n)
        if case.offered:
            args, _ = case.arguments(case.items[0])
            assert isinstance(args[0], int)
            case.run("again", play(args[0]))
        return case.result

    assert 5 == play(5)


def test_a_workflow_that_calls_itself_and_declares_no_result_sees_its_own_as_json() -> None:
    module = load(RECURSIVE.replace(" -> int", ""))
    (task,) = (node.task for node in module["w"].net.nodes if node.task is not None)
    assert task.result is not None
    assert "json" == task.result.text


def test_workflows_that_call_each_other_see_undeclared_results_as_json() -> None:
    ping, pong, outside = (
        workflow(f"task t = {callee}()\nflow\n    start -> t -> end\nreturn [{value}]", f"{name}()")
        for name, callee, value in (("ping", "pong", 1), ("pong", "ping", '"x"'), ("w", "ping", 2))
    )
    module = load(outside + ping + pong)
    results = {}
    for name in module:
        (task,) = (node.task for node in module[name].net.nodes if node.task is not None)
        assert task.result is not None
        results[name] = task.result.text
    assert {"w": "list[int]", "ping": "json", "pong": "json"} == results


def test_a_sub_case_fails_like_any_work() -> None:
    source = PRICES + workflow(
        """
task price = price_of(items[0])
    retry 1
task none_left
flow
    start -> price -> end
    price -> none_left on error CaseCancelled
    none_left -> end
""",
        "w(items: list[Item])",
    )
    case = load(source)["w"].case(items=[{"price": 1}])
    case.start("price")
    case.fail("price", "CaseCancelled")
    assert ("price",) == case.offered
    case.start("price")
    case.fail("price", "CaseCancelled")
    assert ("none_left",) == case.offered


# --- other files ----------------------------------------------------------------------------


def pack(name: str, text: str) -> str:
    return workflow(
        f'task say = log("{text}")\nflow\n    start -> say -> end\nreturn "{text}"', f"{name}()"
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An entry, a file that it uses, and one that this uses: both define a workflow `pack`."""
    (tmp_path / "parts").mkdir()
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "parts" / "inner.knhk").write_text(pack("pack", "inner") + pack("other", "x"))
    (tmp_path / "parts" / "ship.knhk").write_text(
        'from "inner.knhk" use pack\n\n'
        + workflow(
            "task p = pack()\ntask s = send()\ntask again = ship(false)\n"
            "flow\n    start -> p -> s -> one(again when more, skip otherwise) -> end\nreturn p",
            "ship(more: bool)",
        )
        + pack("send", "sent")
    )
    (tmp_path / "order.knhk").write_text(
        'from "parts/ship.knhk" use ship\n\n'
        + pack("pack", "outer")
        + workflow("task a = ship(true)\ntask b = pack()\nflow\n    start -> a -> b -> end")
    )
    return tmp_path


def test_every_workflow_that_can_become_a_sub_case_is_in_the_module(project: Path) -> None:
    module = load(project / "order.knhk")
    assert {"pack", "w", "ship", "parts/inner.knhk:pack", "parts/ship.knhk:send"} == set(module)


def test_workflows_of_one_name_in_two_files_are_told_apart(project: Path) -> None:
    module = load(project / "order.knhk")
    assert ["ship", "pack"] == [callee.name for callee in callees(module, "w").values()]
    assert ["parts/inner.knhk:pack", "parts/ship.knhk:send", "ship"] == [
        callee.name for callee in callees(module, "ship").values()
    ]
    texts = {}
    for name in ("pack", "parts/inner.knhk:pack"):
        case = module[name].case()
        case.run("say", "said")
        texts[name] = (case.workflow, case.result)
    assert {
        "pack": ("pack", "outer"),
        "parts/inner.knhk:pack": ("parts/inner.knhk:pack", "inner"),
    } == texts


def test_the_same_sources_give_the_same_names_again(project: Path) -> None:
    first, again = load(project / "order.knhk"), load(project / "order.knhk")
    assert first.digest == again.digest
    assert {name: first[name].net for name in first} == {name: again[name].net for name in again}


def test_a_long_row_of_workflows_calling_one_another_compiles() -> None:
    count = 300
    source = "".join(
        workflow(f"task t = w{n + 1}()\nflow\n    start -> t -> end\nreturn t", f"w{n}()")
        for n in range(count)
    )
    source += workflow("task t\nflow\n    start -> t -> end\nreturn 1", f"w{count}()")
    module = load(source)
    result = module["w0"].net.result
    assert result is not None
    assert (count + 1, "int") == (len(module), result.text)


def test_arguments_that_do_not_fit_are_named_when_the_sub_case_begins() -> None:
    module = load(PRICES)
    with pytest.raises(InputError, match="price"):
        module["price_of"].case(item={"quantity": 1})
