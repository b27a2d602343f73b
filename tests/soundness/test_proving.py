"""What cannot be decided is said so, in time; and what is told of a run is what happens."""

from __future__ import annotations

import time

import pytest

from knhk import CaseStatus, load
from knhk.errors import Run
from knhk.model import Net
from knhk.soundness import THE_END, Answer, Inquiry, Kind, prove

LIMIT_S = 0.3


def net_of(flow: str, tasks: str, lines: str = "") -> Net:
    declared = "".join(f"    task {name}\n" for name in tasks.split())
    body = "".join(f"        {line.strip()}\n" for line in flow.strip().splitlines())
    return load(f"workflow w(x: int)\n{lines}{declared}    flow\n{body}")["w"].program.net


def discriminators(count: int) -> Net:
    branches = ", ".join(f"first(a{number}, b{number})" for number in range(count))
    tasks = " ".join(f"a{number} b{number}" for number in range(count))
    return net_of(f"start -> show -> all({branches}) -> last -> end", f"show last {tasks}")


def test_too_many_states_are_an_honest_unknown_within_the_limit() -> None:
    begin = time.monotonic()
    verdict = prove(discriminators(12), LIMIT_S)
    elapsed = time.monotonic() - begin

    assert Answer.unknown is verdict.answer
    assert verdict.reason.startswith("the limit of 0.3 s was reached, after ")
    assert elapsed < 10 * LIMIT_S + 5


def test_too_many_choices_are_an_honest_unknown() -> None:
    branches = ", ".join(f"t{number} when x > {number}" for number in range(11))
    tasks = " ".join(f"t{number}" for number in range(11))

    verdict = prove(net_of(f"start -> any({branches}, skip otherwise) -> end", tasks))

    assert Answer.unknown is verdict.answer
    assert "more than 10 branches may be chosen together" in verdict.reason


def test_the_answer_is_the_same_every_time() -> None:
    net = net_of(
        "start -> all(a, b)\na -> one(c when x > 1, end otherwise)\nall(b, c) -> d -> end",
        "a b c d",
    )

    assert prove(net).problems[0].run == prove(net).problems[0].run


def run_of(net: Net, kind: Kind) -> Run:
    (problem,) = [each for each in prove(net).problems if each.kind is kind]
    assert problem.run is not None
    return problem.run


def test_a_run_that_gets_stuck_does_so_when_it_is_played() -> None:
    text = (
        "workflow w()\n    task a\n    task b\n    task c\n    task d\n"
        "    task e\n        cancels b\n    flow\n"
        "        start -> a -> all(b, c) -> d -> end\n"
        "        c -> e on error Refused\n        e -> end\n"
    )
    workflow = load(text)["w"]
    run = run_of(workflow.program.net, Kind.stuck)
    case = workflow.case()

    for step in run.steps:
        case.start(step.task)
        if step.event:
            case.fail(step.task, step.event.removeprefix("fails with "))
        else:
            case.complete(step.task, None)

    assert CaseStatus.stuck is case.status
    assert dict(run.marking) == dict(case.marking)


@pytest.mark.parametrize(("makers", "reader", "steps"), [("b", "c", ["a -> c"]), ("a", "b", [])])
def test_a_question_is_answered_by_a_run_or_not(makers: str, reader: str, steps: list[str]) -> None:
    net = net_of("start -> a -> one(b when x > 1, skip otherwise) -> c -> end", "a b c")
    numbers = {node.name: number for number, node in enumerate(net.nodes)}

    run = Inquiry(net).run_without(frozenset({numbers[makers]}), numbers[reader])

    assert steps == ([] if run is None else [str(step) for step in run.steps])


def test_a_question_about_the_end_is_answered() -> None:
    net = net_of("start -> a -> one(b when x > 1, end otherwise)\nb -> end", "a b")
    numbers = {node.name: number for number, node in enumerate(net.nodes)}

    run = Inquiry(net).run_without(frozenset({numbers["b"]}), THE_END)

    assert run is not None
    assert ["a -> end"] == [str(step) for step in run.steps]


@pytest.mark.parametrize(("line", "together"), [("", True), ("\n        completes pick", False)])
def test_what_another_task_completes_is_no_longer_at_work(line: str, together: bool) -> None:
    text = (
        "workflow w(xs: list[int])\n    task pick\n        for each n in xs\n"
        f"    task ready{line}\n    task pack\n    task ship\n    flow\n"
        "        start -> all(pick, ready)\n"
        "        ready -> pack\n        all(pick, pack) -> ship -> end\n"
    )
    net = load(text)["w"].program.net
    numbers = {node.name: number for number, node in enumerate(net.nodes)}
    pair = (numbers["pick"], numbers["pack"])

    runs = Inquiry(net).runs_together([frozenset(pair)])

    assert together == (tuple(sorted(pair)) in runs)
    assert Answer.sound is prove(net).answer
