"""What the checker's findings become in the net: types, policies, callees, expressions."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from knhk.errors import ExpressionError
from knhk.model import (
    CALLEE_CONNECTOR,
    CALLEE_MESSAGE,
    CALLEE_OUTSIDE,
    CALLEE_PLUGIN,
    CALLEE_PYTHON,
    CALLEE_SIGNAL,
    CALLEE_SKIP,
    CALLEE_TIMER,
    CALLEE_WORKFLOW,
    US_PER_S,
    ForEach,
    Moment,
    Net,
    Retry,
    Task,
)
from knhk_dsl import Sources, compile_sources
from tests.dsl.check.environment import ENVIRONMENT

NOW = Moment(0, 0, 0)


def net(source: str, name: str = "w") -> Net:
    return compile_sources(Sources.of_text(source), ENVIRONMENT).nets[name]


def with_task(lines: str, before: str = "") -> Task:
    """The task ``a`` of a workflow, written in ``lines``."""
    body = "".join(f"    {line}\n" for line in lines.split("\n"))
    source = f"{before}workflow w(n: int, at: datetime, day: date, items: list[decimal])\n{body}"
    task = net(f"{source}    flow\n        start -> a -> end\n").nodes[0].task
    assert task is not None
    return task


S = US_PER_S


@pytest.mark.parametrize(
    ("line", "delays"),
    [
        ("retry 3", (0, 0, 0)),
        ("retry 3 every 1s", (S, S, S)),
        (
            "retry 5 every 200ms backoff 2",
            (S // 5, S * 2 // 5, S * 4 // 5, S * 8 // 5, S * 16 // 5),
        ),
        ("retry 4 every 1s backoff 3 up to 5s", (S, 3 * S, 5 * S, 5 * S)),
        ("retry 2 every 1s backoff 1.5", (S, S * 3 // 2)),
        ("retry 2 every 1m up to 1s", (S, S)),
    ],
)
def test_retries_become_one_delay_for_each_attempt(line: str, delays: tuple[int, ...]) -> None:
    assert Retry(delays) == with_task(f"task a\n    {line}").retry


def test_a_thousand_retries_stay_below_the_longest_delay() -> None:
    retry = with_task("task a\n    retry 1000 every 1w backoff 1000").retry

    assert retry is not None
    assert (1000, 3650 * 86_400 * S) == (len(retry.delays_us), max(retry.delays_us))


def test_a_task_takes_from_its_policy_what_it_does_not_say_itself() -> None:
    policy = (
        "policy patient\n    retry 1 every 1s jitter 10%\n    timeout 1m\n    at most 2 at once\n"
    )
    task = with_task("task a\n    uses patient\n    timeout 5s", policy)

    assert (Retry((S,), 0.1), 5 * S, 2) == (task.retry, task.timeout_us, task.at_most)


@pytest.mark.parametrize(
    ("callee", "kind", "module", "name"),
    [
        ("", CALLEE_OUTSIDE, "", ""),
        (' = log("x")', CALLEE_PLUGIN, "", "log"),
        (' = api.get("/")', CALLEE_CONNECTOR, "api", "get"),
        (" = sqrt(n)", CALLEE_PYTHON, "math", "sqrt"),
        (" = skip", CALLEE_SKIP, "", ""),
        (" = timer 2s", CALLEE_TIMER, "", ""),
        (" = message paid", CALLEE_MESSAGE, "", "paid"),
        (" = message paid(n)", CALLEE_MESSAGE, "", "paid"),
        (" = signal go", CALLEE_SIGNAL, "", "go"),
        (" = w(n, at, day, items)", CALLEE_WORKFLOW, "", "w"),
    ],
)
def test_every_callee_is_named_as_the_engine_looks_for_it(
    callee: str, kind: int, module: str, name: str
) -> None:
    used = ['connector api = http(base_url: "x")\n'] if "api" in callee else []
    used += ["from math use sqrt\n"] if "sqrt" in callee else []
    found = with_task(f"task a{callee}", "".join(used)).callee

    assert (kind, module, name) == (found.kind, found.module, found.name)


@pytest.mark.parametrize(
    ("timer", "us"),
    [
        ("timer 2d", 2 * 86_400 * S),
        ("timer 1ms * n", 3_000),
        ("timer until at", 86_400 * S + 1),
        ("timer until at + 1s", 86_401 * S + 1),
        ("timer until day", 2 * 86_400 * S),
        ("timer until day + 1d", 3 * 86_400 * S),
    ],
)
def test_timers_are_given_to_the_kernel_in_microseconds(timer: str, us: int) -> None:
    callee = with_task(f"task a = {timer}").callee
    expression = callee.delay or callee.until
    at = datetime(1970, 1, 2, 0, 0, 0, 1, tzinfo=UTC)

    assert expression is not None
    assert us == expression.evaluate({"n": 3, "at": at, "day": date(1970, 1, 3)}, NOW)


def test_arguments_are_made_to_fit_what_the_callee_takes() -> None:
    used = "from math use fsum(values: list[float], wait: duration, exact: decimal = 0)\n"
    callee = with_task("task a = fsum([n, 2], 5s, exact: n)", used).callee
    data = {"n": 1}

    assert [[1.0, 2.0], timedelta(seconds=5)] == [each.evaluate(data, NOW) for each in callee.args]
    assert {"exact": Decimal(1)} == {key: each.evaluate(data, NOW) for key, each in callee.kwargs}


def test_instances_are_a_list_and_the_name_of_an_element_or_a_number() -> None:
    each = with_task('task a = log("{item}")\n    for each item in items').for_each
    times = with_task("task a\n    times n + 1").for_each

    assert each is not None
    assert each.items is not None
    assert each.times is None
    assert ("item", [1]) == (each.variable, each.items.evaluate({"items": [1]}, NOW))
    assert times is not None
    assert times.times is not None
    assert times.items is None
    assert 4 == times.times.evaluate({"n": 3}, NOW)


def instances(lines: str) -> ForEach:
    """How the task ``a`` with these lines makes instances."""
    indented = "".join(f"\n    {line}" for line in lines.split("\n"))
    found = with_task(f'task a = log("x"){indented}').for_each
    assert found is not None
    return found


def test_lines_about_instances_stand_in_for_each() -> None:
    plain = instances("times 3")
    opened = instances("times 3\nopen")
    at_once = instances("times 3\nwithout waiting")

    assert (False, True, None, False) == (
        plain.open,
        plain.waits,
        plain.complete_when,
        plain.cancel_rest,
    )
    assert (True, True) == (opened.open, opened.waits)
    assert (False, False) == (at_once.open, at_once.waits)


@pytest.mark.parametrize(
    ("condition", "reads", "holds"),
    [
        ("done >= 2", False, True),
        ("failed > 0 or total > 9", False, False),
        ('results[0] == "yes"', True, True),
        ("n > 2 and len([r for r in results if len(r) > 1]) == 2", True, True),
        ('"results" == "x"', False, False),
    ],
)
def test_a_condition_is_evaluated_with_the_counts_and_reads_results_if_it_names_them(
    condition: str, reads: bool, holds: bool
) -> None:
    each = instances(f"times 3\ncomplete when {condition} then cancel rest")
    data = {"n": 3, "done": 2, "failed": 0, "total": 3, "results": ["yes", "no"]}

    assert each.complete_when is not None
    assert (reads, True) == (each.reads_results, each.cancel_rest)
    assert holds == each.complete_when.evaluate(dict(data), NOW)


@pytest.mark.parametrize(
    ("items", "element"),
    [
        ("items", "decimal"),
        ("[n, 2]", "int"),
        ("[items]", "list[decimal]"),
        ("[]", "json"),
        ("given.them", "json"),
        ('[day, at, "x"]', "json"),
        ("[none, n]", "int?"),
    ],
)
def test_the_elements_of_a_list_have_a_type_that_added_instances_are_held_against(
    items: str, element: str
) -> None:
    source = (
        "workflow w(n: int, at: datetime, day: date, items: list[decimal], given: json)\n"
        f"    task a\n        for each x in {items}\n        open\n"
        "    flow\n        start -> a -> end\n"
    )
    task = net(source).nodes[0].task

    assert task is not None
    assert task.for_each is not None
    assert task.for_each.element is not None
    assert element == task.for_each.element.text


def test_instances_of_a_number_of_them_have_no_type() -> None:
    assert instances("times 3\nopen").element is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("n", 3),
        ("items[0]", "1.50"),
        ("items", ["1.50"]),
        ("day", "1970-01-03"),
        ("at", "1970-01-02T00:00:00.000001Z"),
        ("5s", "PT5S"),
        ("n > 2", True),
        ("{a: n, b: [day]}", {"a": 3, "b": ["1970-01-03"]}),
        ('"{n}-x"', "3-x"),
    ],
)
def test_the_key_of_a_message_is_given_in_its_plain_form(key: str, value: object) -> None:
    expression = with_task(f"task a = message m({key})").callee.key
    data = {
        "n": 3,
        "items": [Decimal("1.50")],
        "day": date(1970, 1, 3),
        "at": datetime(1970, 1, 2, 0, 0, 0, 1, tzinfo=UTC),
    }

    assert expression is not None
    assert value == expression.evaluate(data, NOW)
    assert type(value) is type(expression.evaluate(data, NOW))


def test_what_comes_with_an_event_is_json() -> None:
    for callee in ("message m", "signal s"):
        result = with_task(f"task a = {callee}").result
        assert result is not None
        assert "json" == result.text


def test_arguments_of_a_workflow_fit_its_parameters() -> None:
    callee = with_task("task a = w(n, at, day: day, items: [n])").callee
    data = {"n": 1, "at": 2, "day": 3}

    assert [1, 2] == [each.evaluate(data, NOW) for each in callee.args]
    assert {"day": 3, "items": [Decimal(1)]} == {
        name: each.evaluate(data, NOW) for name, each in callee.kwargs
    }


def test_a_task_has_the_codec_of_one_result_also_with_several_instances() -> None:
    task = with_task('task a = log("{n}")\n    times 2')

    assert task.result is not None
    assert "str" == task.result.text


def test_a_net_tells_its_parameters_variables_result_and_what_it_is_for() -> None:
    found = net(
        '''record Total
    value: decimal = 1.5

workflow w version "2.0.1" (n: int, of: list[int?] = [1, none]) -> Total?
    """What it is for."""
    var total: decimal = n
    var note: str
    task a
        """What it does."""
        sets note = "done"
    flow
        start -> a -> end
    return Total(value: total) if n > 0 else none
'''
    )
    defaults = [p.default and p.default.evaluate({}, NOW) for p in found.parameters]

    assert [("n", "int"), ("of", "list[int?]")] == [
        (p.name, p.codec.text) for p in found.parameters
    ]
    assert [None, [1, None]] == defaults
    assert [("total", "decimal"), ("note", "str?")] == [
        (v.name, v.codec.text) for v in found.variables
    ]
    assert ("2.0.1", "What it is for.") == (found.version, found.doc)
    assert found.result is not None
    assert found.nodes[0].task is not None
    assert ("Total?", "What it does.") == (found.result.text, found.nodes[0].task.doc)


def test_the_default_of_a_field_is_filled_in_by_its_model_and_by_its_codec() -> None:
    compilation = compile_sources(
        Sources.of_text(
            "enum Size: small, large\n"
            "record Part\n    size: Size = Size.large\n    tags: list[str] = []\n"
            "record Item\n    part: Part = Part()\n    price: decimal = 0.1\n"
            "workflow w(item: Item)\n    task a\n    flow\n        start -> a -> end\n"
        ),
        ENVIRONMENT,
    )
    item = compilation.records["Item"]()

    assert (Decimal("0.1"), compilation.records["Size"]("large")) == (item.price, item.part.size)
    assert item == compilation.nets["w"].parameters[0].codec.accept({})
    assert item.part.tags is not compilation.records["Item"]().part.tags


def test_only_the_connectors_that_a_workflow_uses_are_in_its_net() -> None:
    source = (
        'connector one = http(base_url: "http://{1 + 1}", timeout: 2s)\n'
        'connector two = http(base_url: env("NEVER_READ"))\n'
        'workflow w()\n    task a = one.get("/")\n    task b = one.get("/")\n'
        "    flow\n        start -> a -> b -> end\n"
    )
    (connector,) = net(source).connectors
    settings = {name: value.evaluate({}, NOW) for name, value in connector.settings}

    assert ("one", "http") == (connector.name, connector.type)
    assert {"base_url": "http://2", "timeout": timedelta(seconds=2)} == settings


def test_compiling_twice_gives_equal_nets() -> None:
    source = (
        "workflow w(n: int)\n    var x: decimal = n * 2\n    task a\n        sets x = x + 1\n"
        "    task b\n    flow\n        start -> a -> one(b when x > 3, skip otherwise) -> end\n"
    )

    assert net(source) == net(source)


def test_an_error_shows_its_expression_as_it_is_written() -> None:
    source = 'workflow w(n: int)\n    var x: float = (n /\n        2)\n    task a = log("{x}")\n'
    found = net(f"{source}    flow\n        start -> a -> end\n")
    initial = found.variables[0].initial

    assert initial is not None
    assert initial.span is not None
    assert ("n / 2", 2) == (initial.text.strip("()"), initial.span.line)


def test_importing_the_package_imports_neither_parser_nor_models() -> None:
    code = "import knhk_dsl, sys; print({'lark', 'pydantic', 'tenacity'} & set(sys.modules))"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert "set()\n" == answer.stdout


@pytest.mark.parametrize(
    ("line", "given"),
    [("for each item in given.it", 3), ("for each item in given.it", "x"), ("times given.it", [1])],
)
def test_instances_of_a_json_value_are_refused_unless_it_is_what_is_needed(
    line: str, given: object
) -> None:
    source = f"workflow w(given: json)\n    task a\n        {line}\n"
    task = net(f"{source}    flow\n        start -> a -> end\n").nodes[0].task

    assert task is not None
    assert task.for_each is not None
    expression = task.for_each.items or task.for_each.times
    assert expression is not None
    with pytest.raises(ExpressionError):
        expression.evaluate({"given": {"it": given}}, NOW)
