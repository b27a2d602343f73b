"""Multiple instances: adding, early completion, stragglers, going on without waiting."""

from __future__ import annotations

import pytest

from knhk.errors import NotOffered
from knhk.kernel import Case
from knhk.model import EXCEPT_ERROR, NODE_END, Expression, ForEach, Retry

from .nets import Drawing, expression


def _each(items: str = "xs", **attributes: object) -> ForEach:
    return ForEach("x", items=expression(lambda data: data[items]), **attributes)  # type: ignore[arg-type]


def _done(count: int) -> Expression:
    return expression(lambda data: data["done"] >= count, f"done >= {count}")  # type: ignore[operator]


def _drawing(each: ForEach, **attributes: object) -> Drawing:
    """``n`` in the middle; ``x`` cancels nothing and goes on its own."""
    return (
        Drawing()
        .route("split", "start", "p q")
        .task("n", "p", "r", for_each=each, **attributes)
        .task("x", "q", "e")
        .task("after", "r", "e")
        .route("end", "e", kind=NODE_END)
    )


def _items(case: Case, task: str) -> list[str]:
    return [str(item.state) for item in case.items if item.task == task]


def test_an_instance_that_is_added_starts_the_task() -> None:
    case = _drawing(_each(open=True)).case(xs=["a"])
    case.add_instance("n", "b")
    assert ("n", "n", "x") == case.offered
    assert {"q": 1} == case.marking, "the task has started: its token is taken"
    case.run("n", 1)
    assert ("n", "x") == case.offered
    case.add_instance("n", "c")
    case.run("n", 2)
    case.run("n", 3)
    assert [1, 2, 3] == case.data["n"]
    with pytest.raises(NotOffered, match="neither offered nor running"):
        case.add_instance("n", "d")


def test_a_round_in_which_everything_completes_by_itself_fails_the_case() -> None:
    case = Drawing().task("n", "start", "start", for_each=_each()).case(xs=[])
    assert case.failure is not None
    assert ("failed", "Livelock") == (case.status, case.failure.error)


def test_only_open_tasks_take_instances() -> None:
    case = _drawing(_each()).case(xs=["a"])
    with pytest.raises(NotOffered, match="not `open`"):
        case.add_instance("n", "b")


def test_an_open_task_without_items_completes_at_once() -> None:
    case = _drawing(_each(open=True)).case(xs=[])
    assert ("x", "after") == case.offered
    assert [] == case.data["n"]


def test_stragglers_run_on_without_consequence_and_hold_back_a_new_start() -> None:
    again = expression(lambda data: not data.get("over"))
    case = (
        Drawing()
        .task("n", "start", "r", for_each=_each(complete_when=_done(1)))
        .task("after", "r", "start e", split=1, guards=(again, None))
        .route("end", "e", kind=NODE_END)
        .case(xs=["a", "b"])
    )
    case.run("n", 1)
    assert (("n", "after"), [1]) == (case.offered, case.data["n"])
    case.run("after")
    assert ("n",) == case.offered, "the straggler: the new arrival has to wait"
    assert "starts anew" in case.explain("n")
    case.start("n")
    case.fail("n", "Broken")
    assert ("n", "n") == case.offered
    assert [1] == case.data["n"]


def test_cancelling_the_rest_withdraws_it() -> None:
    case = _drawing(_each(complete_when=_done(2), cancel_rest=True)).case(xs=list("abcd"))
    case.start("n")
    case.run("n", "b")
    case.run("n", "c")
    assert ["withdrawn", "completed", "completed", "withdrawn"] == _items(case, "n")
    assert ["b", "c"] == case.data["n"]


def test_failed_instances_count_and_an_incomplete_task_fails() -> None:
    case = _drawing(
        _each(complete_when=_done(2)), exceptions=((EXCEPT_ERROR, "Incomplete", "e"),)
    ).case(xs=["a", "b"])
    case.run("n")
    case.start("n")
    case.fail("n", "Broken")
    assert (("x",), "running") == (case.offered, case.status)


def test_an_incomplete_case_resumes_with_the_instances_that_failed() -> None:
    case = _drawing(_each(complete_when=_done(2))).case(xs=["a", "b"])
    case.run("n", "A")
    case.start("n")
    case.fail("n", "Broken")
    assert case.failure is not None
    assert ("failed", "Incomplete") == (case.status, case.failure.error)
    assert "1 of 2 done, 1 failed" in case.failure.message
    case.resume()
    assert ("n", "x") == case.offered
    case.run("n", "B")
    assert ["A", "B"] == case.data["n"]


def test_a_condition_that_can_never_hold_fails_again_on_resume() -> None:
    case = _drawing(_each(complete_when=_done(3))).case(xs=["a"])
    case.run("n")
    case.resume()
    assert case.failure is not None
    assert "Incomplete" == case.failure.error
    case.withdraw("n")
    case.resume()
    case.run("x")
    assert "completed" == case.status


def test_without_items_the_condition_decides() -> None:
    case = _drawing(_each(complete_when=_done(0))).case(xs=[])
    assert ("x", "after") == case.offered
    case = _drawing(_each(complete_when=_done(1))).case(xs=[])
    assert case.failure is not None
    assert "Incomplete" == case.failure.error


def test_without_waiting_the_successor_goes_on_and_the_case_waits() -> None:
    case = _drawing(_each(waits=False), at_most=1).case(xs=["a", "b"])
    assert ("n", "x", "after") == case.offered
    assert [] == case.data["n"]
    case.run("after")
    case.run("x")
    assert "running" == case.status
    case.run("n")
    case.run("n")
    assert ("completed", []) == (case.status, case.data["n"])


def test_an_instance_that_fails_without_waiting_fails_the_task() -> None:
    case = _drawing(_each(waits=False)).case(xs=["a", "b"])
    case.start("n")
    case.fail("n", "Broken")
    assert "failed" == case.status
    case.resume()
    assert ("n", "n", "x", "after") == case.offered


def test_completes_takes_what_there_is_and_withdraws_the_rest() -> None:
    drawing = (
        Drawing()
        .route("split", "start", "p q")
        .task("n", "p", "r", for_each=_each(), at_most=2)
        .task("x", "q", "e", completes="n")
        .task("after", "r", "e")
        .route("end", "e", kind=NODE_END)
    )
    case = drawing.case(xs=list("abcd"))
    case.run("n", "A")
    case.start("n")
    case.run("x")
    assert ((), ("after",), ["A"]) == (case.started, case.offered, case.data["n"])
    case = drawing.case(xs=list("ab"))
    case.run("x")
    assert (("after",), []) == (case.offered, case.data["n"])


def test_retries_of_an_instance_are_its_own() -> None:
    case = _drawing(_each(complete_when=_done(2)), retry=Retry((0,))).case(xs=["a", "b"])
    case.start("n")
    case.fail("n", "Broken")
    assert ("n", "n", "x") == case.offered
    case.run("n", "B")
    case.run("n", "A")
    assert ["A", "B"] == sorted(case.data["n"])  # type: ignore[call-overload]


def test_the_condition_may_read_the_results() -> None:
    agreed = expression(lambda data: data["results"].count("yes") >= 2)  # type: ignore[attr-defined]
    each = _each(complete_when=agreed, reads_results=True, cancel_rest=True)
    case = _drawing(each).case(xs=list("abcd"))
    case.run("n", "yes")
    case.run("n", "no")
    case.run("n", "yes")
    assert (["yes", "no", "yes"], ("x", "after")) == (case.data["n"], case.offered)
